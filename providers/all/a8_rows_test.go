package all_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/ksp"
)

// newOnPremDesk is a computer of a domain without a tenant, on which alice has a
// Hello key, and signs in from scratch.
func newOnPremDesk(t testing.TB) *lab {
	l := newOnPremLab(t, "key")
	l.Create(desk, onPremDesk())
	l.Create(deskEnrolled, enrollment(alice, desk))
	l.restartDesk()
	return l
}

// TestA8 is a sign-in by PIN on a computer of a domain without a tenant, which no
// document draws: A6's phases to the desktop, and then AD FS.
func TestA8(t *testing.T) {
	l := newOnPremDesk(t)
	v := l.expect(deskPIN(), "success")
	s := l.story("A8")
	s.begunByDevice(t)
	s.cloudless(t)
	var got []string
	for _, e := range s.events {
		if !service(e.Actor) && e.Actor != event.KDC {
			got = append(got, e.Phase+":"+e.Step)
		}
	}
	want := []string{
		"A:lock_screen_dismissed", "A:gesture_provided", "A:credentials_packed", "A:credentials_to_lsass", "A:credentials_to_kerberos", "A:key_released",
		"A:domain_hint", "A:dc_located", "A:as_request",
		"B:as_sent",
		"C:kdc_certificate_accepted",
		"D:tgt_cached", "D:logon_pac",
		"E:success_to_winlogon", "E:logon_session", "E:profile_loaded", "E:explorer_started",
		"F:enterprise_credentials", "F:nonce_request", "F:nonce_signed",
		"G:enterprise_prt_request", "G:session_key_unwrapped", "G:session_key_protected", "G:enterprise_prt_cached",
	}
	if !slices.Equal(got, want) || s.letters() != "ABCDEFG" || v.Phase != "G" {
		t.Errorf("%s/%s: steps\n%s\nwant\n%s", v.Flow, v.Phase, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	s.phase("G").inOrder(t, "enterprise_prt_request", "device_found", "signature_verified", "enterprise_prt_issued", "enterprise_prt_cached")

	t.Run("its token", func(t *testing.T) {
		seed.Proves(t, "PRT-01")
		rec := stored[prtState](l, desk, "enterpriseprt", l.sid("alice")+"|ngc")
		if rec.SessionKey.Storage != ksp.TPM || rec.Tenant != stsHost || rec.Expires.Sub(rec.Obtained) != 7*24*time.Hour {
			t.Errorf("%+v", rec)
		}
		if _, err := l.tpmOf(desk).Unseal(t.Context(), rec.SessionKey, nil); err == nil {
			t.Error("the TPM gives the session key out")
		}
		if len(l.keysOf(desk, "prt")) != 0 {
			t.Error("there is a token of a tenant")
		}
		status, err := l.windows.Status(l.For(desk), desk, alice)
		if err != nil || status.PRT || !status.EnterprisePRT || !status.NGC || !status.Tickets.DomainTGT {
			t.Errorf("status %+v, %v", status, err)
		}
		text := status.Text()
		for _, line := range []string{"NgcSet : YES", "AzureAdPrt : NO", "DomainTgt : YES", "EnterprisePrt : YES", "EnterprisePrtUpdateTime : ", "EnterprisePrtExpiryTime : ", "EnterprisePrtAuthority : https://" + stsHost + "/adfs"} {
			if !strings.Contains(text, line) {
				t.Errorf("no line %q in\n%s", line, text)
			}
		}
	})
	t.Run("unlock", func(t *testing.T) {
		before := stored[prtState](l, desk, "enterpriseprt", l.sid("alice")+"|ngc")
		unlock := func() {
			t.Helper()
			if err := l.windows.Lock(t.Context(), l.For(desk), alice, desk); err != nil {
				t.Fatal(err)
			}
			r := deskPIN()
			r.Unlock = true
			l.expect(r, "success")
		}
		unlock()
		if s := l.story("A8"); s.has("enterprise_prt_request") || s.has("prt_renewal") {
			t.Errorf("a token of no age is not kept\n%s", s)
		}
		l.Advance(5 * time.Hour)
		unlock()
		s := l.story("A8")
		s.by(t, s.at(t, "prt_renewal").Phase, event.CloudAP, event.STS, "prt_renewal")
		after := stored[prtState](l, desk, "enterpriseprt", l.sid("alice")+"|ngc")
		if after.Token == before.Token || !reflect.DeepEqual(after.SessionKey, before.SessionKey) || !after.Expires.After(before.Expires) {
			t.Errorf("renewed: token %t, key %t, %s to %s", after.Token != before.Token, reflect.DeepEqual(after.SessionKey, before.SessionKey), before.Expires, after.Expires)
		}
		// AD FS serves no device that the domain has switched off; Windows' session
		// stays.
		l.Update(desk, l.With("device", onPremDesk(), "enabled_in_domain", cty.False))
		l.Advance(5 * time.Hour)
		unlock()
		s = l.story("A8")
		s.inOrder(t, "session_unlocked", "prt_dropped", "prt_not_renewed", "enterprise_prt_missing")
		if len(l.keysOf(desk, "enterpriseprt")) != 0 {
			t.Error("the token is kept")
		}
	})
}

// Away from the domain what LSASS kept opens the desktop; a password goes the way of
// a key.
func TestA8Otherwise(t *testing.T) {
	l := newOnPremDesk(t)
	t.Run("password", func(t *testing.T) {
		l.expect(windows.Request{Device: desk, Password: providers.Secret(first)}, "success")
		s := l.story("A8")
		s.inOrder(t, "credentials_to_kerberos", "tgt_cached", "explorer_started", "nonce_request", "enterprise_prt_cached")
		s.cloudless(t)
		if s.has("nonce_signed") || s.has("key_released") {
			t.Errorf("a key is used\n%s", s)
		}
		l.expect(windows.Request{Device: desk, Password: providers.Secret("not.the.Pa55word")}, "wrong_password_in_domain")
	})
	t.Run("cached", func(t *testing.T) {
		l.expect(deskPIN(), "success")
		l.restartDesk()
		l.Update(desk, onPremDesk(func(d *spec.Device) { d.Network = "internet" }))
		l.expect(deskPIN(), "success")
		s := l.story("A8")
		s.inOrder(t, "cached_logon", "explorer_started", "enterprise_prt_cached") // AD FS is published
		l.restartDesk()
		l.Update(desk, onPremDesk(func(d *spec.Device) { d.Network = "none" }))
		l.expect(deskPIN(), "success")
		l.story("A8").inOrder(t, "cached_logon", "explorer_started", "enterprise_prt_missing")
		l.Update(desk, onPremDesk())
	})
	t.Run("AD FS stopped", func(t *testing.T) {
		l.restartDesk()
		l.stopFederation()
		l.expect(deskPIN(corp), "success")
		l.story("A8").inOrder(t, "explorer_started", "enterprise_prt_missing", "service_ticket")
	})
	t.Run("the key is gone", func(t *testing.T) {
		l.Delete(deskEnrolled)
		if links := l.links("alice"); len(links) != 0 {
			t.Errorf("the domain keeps %d keys", len(links))
		}
		l.expect(deskPIN(), "no_hello_credential")
	})
}
