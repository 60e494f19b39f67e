package all_test

import (
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/adcs"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/crl"
)

// TestTokenByCertificate: with certificate trust a session has the token of AD FS
// before the domain knows the key: the certificate proves the user (MS-OAPXBC
// 3.2.5.1.2.1.4). Reading R72.
func TestTokenByCertificate(t *testing.T) {
	seed.Proves(t, "A4-13", "A7")
	off := false
	l := newP5(t, func(f *federatedLab) {
		f.Authority.OCSP = false
		f.Sync.KeySchedule = &spec.SyncSchedule{Enabled: &off}
	})
	l.Update("authority.issuing", l.With("authority", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true}, "ocsp", cty.False))
	l.enrollDesk()
	token := func() bool { return slices.Contains(l.keysOf(desk, "enterpriseprt"), l.sid("alice")+"|ngc") }

	l.restartDesk()
	l.expect(deskPIN(), "success")
	if links := l.links("alice"); len(links) != 0 {
		t.Fatalf("the key is in the domain already: %v", links)
	}
	s := l.story("A7")
	s.inOrder(t, "tgt_cached", "explorer_started", "prt_cached", "enterprise_credentials", "enterprise_prt_request", "device_found", "user_certificate_verified", "enterprise_prt_issued", "enterprise_prt_cached")
	if m := s.at(t, "user_certificate_verified").Message; m["serial_number"] != l.leafOf(desk).SerialNumber.Text(16) || m["mapped_by"] != "security identifier" {
		t.Errorf("%v", m)
	}
	if s.has("registered_keys_read") || !token() {
		t.Errorf("tokens %q\n%s", l.keysOf(desk, "enterpriseprt"), s)
	}
	status, err := l.windows.Status(l.For(desk), desk, alice)
	if err != nil || !status.EnterprisePRT {
		t.Errorf("status %+v, %v", status, err)
	}

	// The token is renewed while the certificate stands. It ends when a list says
	// that it was revoked, as the domain's own sign-in does.
	unlock := func() {
		t.Helper()
		l.lockDesk()
		r := deskPIN()
		r.Unlock = true
		l.signIn(r)
	}
	l.Advance(5 * time.Hour)
	unlock()
	if s := l.story("A7"); !token() || s.has("enterprise_prt_request") {
		t.Errorf("%s", s)
	}
	if err := adcs.Revoke(t.Context(), l.For("authority.issuing"), l.leafOf(desk).SerialNumber, crl.KeyCompromise); err != nil {
		t.Fatal(err)
	}
	l.Advance(6 * 24 * time.Hour)
	unlock() // renews the token for another week: no list says so yet
	l.Advance(4 * 24 * time.Hour)
	l.due("authority.issuing", corp, adfs)
	l.restartDesk()
	l.expect(deskPIN(), "certificate_revoked")
	if slices.ContainsFunc(l.Events(), func(e event.Event) bool { return e.Outcome == event.Failed }) {
		t.Error("something broke")
	}
}
