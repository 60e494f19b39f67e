package all_test

import (
	"slices"
	"strings"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// TestAccessByTokenOrTicket: in every cell of the matrix that a gesture opens, an
// application lets in by a token, and a service of the domain by a ticket; NTLM is
// answered with what came in one (reading R18).
func TestAccessByTokenOrTicket(t *testing.T) {
	seed.Proves(t, "PRT-18")
	l := newPreviewLab(t)
	l.cycle()
	w := l.world(l.records())
	opened := map[string]int{}
	for _, r := range signIns(w) {
		if r.Gesture == access.ByPassword || r.To == "" {
			continue
		}
		p := access.Decide(w, l.facts(), r)
		seen := len(l.Events())
		v := l.try(r)
		if bad := agrees(p, v); bad != "" {
			t.Errorf("%+v: %s", r, bad)
		}
		s := story{t: t, events: l.Events()[seen:]}
		granted, kind := s.index("access_granted"), kindOf(r.To)
		if resource := kind == "application" || kind == "service"; resource && p.Word.Works() != (granted >= 0) {
			t.Errorf("%+v: %s, and access granted: %t", r, p.Word, granted >= 0)
		}
		if granted < 0 {
			continue
		}
		want := map[string][]string{"application": {"app_token"}, "service.web": {"tgt_cached", "service_ticket"}, "service.old": {"tgt_cached", "ntlm_answered"}}
		steps := slices.Concat(want[kind], want[r.To])
		if len(steps) == 0 {
			t.Errorf("%+v: nothing is known of it", r)
		}
		s.inOrder(t, append(steps, "access_granted")...)
		opened[r.To]++
	}
	if len(opened) != 4 {
		t.Errorf("opened: %v", opened)
	}
}

// TestNoTokenNoDeviceAccess: an application that asks for a known device turns away,
// in the matrix and for real, whoever has no primary refresh token to show one with.
func TestNoTokenNoDeviceAccess(t *testing.T) {
	seed.Proves(t, "PRT-09")
	l := newPreviewLab(t)
	l.cycle()
	l.Create("device.home", spec.Device{Join: "none"})
	cell := func(r access.Request, word access.Word, reason string) {
		t.Helper()
		p := access.Decide(l.world(l.records()), l.facts(), r)
		if p.Word != word || p.Reason != reason {
			t.Errorf("%+v: %s %s, want %s %s", r, p.Word, p.Reason, word, reason)
		}
		if bad := agrees(p, l.try(r)); bad != "" {
			t.Errorf("%+v: %s", r, bad)
		}
	}
	token := func(device string) bool {
		t.Helper()
		s, err := l.windows.Status(l.For(device), device, alice)
		if err != nil {
			t.Fatal(err)
		}
		return s.PRT && strings.Contains(s.Text(), "AzureAdPrt : YES")
	}
	home := access.Request{User: alice, Device: "device.home", To: "application.open", Gesture: access.ByPassword}
	atDesk := access.Request{User: alice, Device: desk, To: "application.open", Gesture: "pin"}
	cell(home, access.Allowed, "success")
	cell(atDesk, access.Allowed, "success")
	l.Update("application.open", spec.Application{Tenant: "tenant.contoso", Require: &spec.ApplicationRequire{JoinedDevice: true}})
	cell(home, access.Refused, "device_not_registered")
	cell(atDesk, access.Allowed, "success")
	if token("device.home") || !token(desk) {
		t.Errorf("tokens: %t, %t", token("device.home"), token(desk))
	}
}
