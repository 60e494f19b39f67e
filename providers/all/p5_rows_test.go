package all_test

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/eventlog"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/crl"
)

// newP5 is a federated lab with certificate trust and alice's hybrid joined desk,
// which Connect has written back.
func newP5(t testing.TB, change ...func(*federatedLab)) *lab {
	t.Helper()
	l := newFederatedLab(t, spec.TrustCertificate, change...)
	l.Create(desk, onDesk())
	l.cycle()
	return l
}

func (l *lab) enrollDesk() spec.EnrollmentOut {
	l.t.Helper()
	l.Create(deskEnrolled, enrollment(alice, desk))
	return outOf[spec.Enrollment, spec.EnrollmentOut](l, deskEnrolled)
}

// certificateSteps are what phases D to G have at all parties, in order; proof is how
// the registration authority knows the key.
func certificateSteps(proof ...string) []string {
	return slices.Concat([]string{
		"D:csr_created", "D:certificate_request", "D:certificate_request_received", "D:registered_keys_queried",
	}, proof, []string{
		"E:request_signed",
		"F:request_sent_to_ca", "F:certificate_issued_to_agent", "F:certificate_returned", "F:certificate_received",
		"G:certificate_installed", "G:exit",
	})
}

// certification is what a story has of phases D to G.
func (s story) certification() (steps []string) {
	for _, e := range s.events {
		switch e.Actor {
		case event.CXH, event.CRA, event.Authority:
			if strings.Contains("DEFG", e.Phase) && e.Phase != "" {
				steps = append(steps, e.Phase+":"+e.Step)
			}
		}
	}
	return steps
}

// TestP5 is provisioning with synchronous certificate trust, phases D to G, before
// any synchronization of the key.
func TestP5(t *testing.T) {
	l := newP5(t)
	out := l.enrollDesk()
	s := l.story("P5")
	key := l.containerOf(desk, "alice").UserKeys[0]
	t.Run("order", func(t *testing.T) {
		seed.Proves(t, "P5-04", "P5")
		seed.Proves(t, "P5-05", "P5")
		seed.Proves(t, "CE-02", "P5")
		seed.Proves(t, "MOD-01", "P5")
		if got, want := s.certification(), certificateSteps("E:receipt_verified"); !slices.Equal(got, want) {
			t.Errorf("steps %q\nwant %q\n%s", got, want, s)
		}
		s.inOrder(t, "key_id_stored", "csr_created", "certificate_request", "certificate_installed", "exit")
		if s.letters() != "ABCDEFG" && !strings.HasSuffix(s.letters(), "ABCDEFG") {
			t.Errorf("phases %s", s.letters())
		}
	})
	t.Run("federation service first", func(t *testing.T) {
		seed.Proves(t, "P5-01", "P5")
		seed.Proves(t, "P5-02", "P5")
		a := s.phase("A")
		a.inOrder(t, "sts_request", "first_factor_verified", "mfa_demanded", "mfa_verified", "assertion_issued", "enterprise_token", "assertion_exchange", "access_token_issued", "drs_token")
		a.by(t, "A", event.WAM, event.STS, "sts_request")
		a.by(t, "A", event.STS, event.MFAAdapter, "mfa_demanded")
		a.by(t, "A", event.CXH, event.EntraID, "assertion_exchange")
	})
	t.Run("receipt", func(t *testing.T) {
		seed.Proves(t, "P5-03", "P5")
		seed.Proves(t, "P5-10", "P5")
		m := s.at(t, "receipt_verified").Message
		if m["ngc_key"] != key.ID || m["onprem_sid"] != outOf[spec.User, spec.UserOut](l, alice).SID || m["device_id"] != out.DeviceID {
			t.Errorf("receipt %v", m)
		}
	})
	t.Run("request", func(t *testing.T) {
		seed.Proves(t, "P5-06", "P5")
		seed.Proves(t, "P5-07", "P5")
		s.by(t, "D", event.CXH, event.TPM, "csr_created")
		s.by(t, "D", event.CXH, event.CRA, "certificate_request")
		if m := s.at(t, "csr_created").Message; m["kid"] != key.ID {
			t.Errorf("request %v", m)
		}
		if m := s.at(t, "certificate_request").Message; m["receipt"] != true || m["csr_type"] != "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS10" {
			t.Errorf("request %v", m)
		}
		if m := s.at(t, "certificate_request_received").Message; m["key_id"] != key.ID || m["receipt"] != true {
			t.Errorf("received %v", m)
		}
	})
	t.Run("registration authority", func(t *testing.T) {
		seed.Proves(t, "P5-08", "P5")
		seed.Proves(t, "P5-11", "P5")
		seed.Proves(t, "CE-03", "P5")
		s.by(t, "D", event.CRA, event.ActiveDirectory, "registered_keys_queried")
		s.by(t, "E", event.CRA, "", "request_signed")
		if m := s.at(t, "registered_keys_queried").Message; m["found"] != false || m["attribute"] != keyLinks {
			t.Errorf("asked %v", m)
		}
		if m := s.at(t, "request_signed").Message; m["requester"] != `CORP\alice` || m["template"] != "WHFBAuthentication" {
			t.Errorf("signed %v", m)
		}
	})
	t.Run("authority, and back", func(t *testing.T) {
		seed.Proves(t, "P5-12", "P5")
		seed.Proves(t, "P5-14", "P5")
		seed.Proves(t, "CE-04", "P5")
		s.by(t, "F", event.CRA, event.Authority, "request_sent_to_ca")
		s.by(t, "F", event.Authority, event.CRA, "certificate_issued_to_agent")
		s.by(t, "F", event.CRA, event.CXH, "certificate_returned")
	})
	t.Run("Personal store", func(t *testing.T) {
		seed.Proves(t, "P5-15", "P5")
		seed.Proves(t, "CE-05", "P5")
		seed.Proves(t, "COMP-12", "P5")
		seed.Proves(t, "KEY-24", "P5")
		s.by(t, "G", event.CXH, event.Store, "certificate_installed")
		store := l.personalStore(desk)
		if len(store) != 1 || store[0].KeyID != key.ID || store[0].Delivery != "ra" || out.Certificate != store[0].Thumbprint || out.Status != "ready" || !out.Federated || out.Delivery != "ra" {
			t.Fatalf("store %+v, enrollment %+v", store, out)
		}
		if store[0].Subject != "CN=alice,CN=Users,DC=corp,DC=contoso,DC=com" || store[0].Issuer != kerberos.NameOf((&domainLab{l.Env, t}).root().RawSubject) {
			t.Errorf("of %s by %s", store[0].Subject, store[0].Issuer)
		}
		if last := s.phase("G").events; last[len(last)-1].Step != "exit" && !slices.ContainsFunc(last, func(e event.Event) bool { return e.Step == "exit" }) {
			t.Errorf("G ends otherwise\n%s", s.phase("G"))
		}
	})
	t.Run("at once", func(t *testing.T) {
		seed.Proves(t, "P5-16", "P5")
		seed.Proves(t, "P5-17", "P5", "A7")
		if links := l.links("alice"); len(links) != 0 {
			t.Fatalf("the key is in the domain already: %v", links)
		}
		l.restartDesk()
		if v := l.expect(deskPIN(corp), "success"); v.Flow != "A7" {
			t.Errorf("%s", v.Flow)
		}
	})
	t.Run("the key is synchronized later", func(t *testing.T) {
		seed.Proves(t, "P5-18", "P5")
		l.cycle()
		if links := l.links("alice"); len(links) != 1 {
			t.Errorf("%v", links)
		}
	})
}

// TestP5Paused: nobody waits for the synchronization of keys. Reading R5.
func TestP5Paused(t *testing.T) {
	seed.Proves(t, "P5-16", "P5")
	seed.Proves(t, "P5-17", "P5", "A7")
	off := false
	l := newP5(t, func(f *federatedLab) { f.Sync.KeySchedule = &spec.SyncSchedule{Enabled: &off} })
	if out := l.enrollDesk(); out.Status != "ready" {
		t.Errorf("%+v", out)
	}
	l.Advance(2 * time.Hour)
	l.restartDesk()
	l.expect(deskPIN(), "success")
	if links := l.links("alice"); len(links) != 0 {
		t.Errorf("%v", links)
	}
}

// TestP5KeyRefused: without a registered key there is no certificate request.
func TestP5KeyRefused(t *testing.T) {
	seed.Proves(t, "P5-05", "P5")
	l := newFederatedLab(t, spec.TrustCertificate)
	l.Create(desk, onDesk(func(d *spec.Device) { d.TPM = "none" })) // the tenant demands attested keys
	l.cycle()
	l.refuses(t, deskEnrolled, enrollment(alice, desk))
	s := l.story("P5")
	if !s.has("key_not_registered") || s.has("csr_created") || s.has("certificate_request") || s.has("certificate_installed") {
		t.Errorf("%s", s)
	}
}

// revokeAgent revokes the certificates of enrollment agents.
func (l *lab) revokeAgent() {
	l.t.Helper()
	rows, err := adcs.Issued(l.For("authority.issuing"))
	if err != nil {
		l.t.Fatal(err)
	}
	n := 0
	for _, r := range rows {
		if r.Template != "WHFBEnrollmentAgent" {
			continue
		}
		cert, err := x509.ParseCertificate(r.Certificate)
		if err == nil {
			err = adcs.Revoke(l.t.Context(), l.For("authority.issuing"), cert.SerialNumber, crl.KeyCompromise)
		}
		if err != nil {
			l.t.Fatal(err)
		}
		n++
	}
	if n == 0 {
		l.t.Fatal("there is no enrollment agent")
	}
}

// TestP5AgentRevoked: what stops the certificate after the key was registered leaves
// the key, without a certificate. The first sign-in with it fails; the device asks
// again at a later one.
func TestP5AgentRevoked(t *testing.T) {
	l := newP5(t)
	l.revokeAgent()
	out := l.enrollDesk()
	s := l.story("P5")
	if out.Status != "waiting_for_certificate" || out.Certificate != "" || len(l.personalStore(desk)) != 0 {
		t.Errorf("%+v", out)
	}
	s.inOrder(t, "key_id_stored", "request_signed", "request_sent_to_ca", "certificate_request_refused", "certificate_not_enrolled", "certificate_retry", "exit")
	if r := s.at(t, "certificate_not_enrolled"); r.Outcome != event.Refused || r.Reason.Name != "CERTSRV_E_ENROLL_DENIED" || s.has("certificate_installed") {
		t.Errorf("%+v", r.Reason)
	}
	logged := func(c eventlog.Channel, ids ...int) {
		t.Helper()
		for _, id := range ids {
			if !slices.ContainsFunc(l.channel(desk, c), func(r eventlog.Record) bool { return r.ID == id }) {
				t.Errorf("no entry %d", id)
			}
		}
	}
	logged(eventlog.HelloForBusiness, 3066, 8030, 7066, 6066)
	logged(eventlog.UserDeviceRegistration, 300, 356, 365)
	l.restartDesk()
	t.Run("no certificate yet", func(t *testing.T) {
		seed.Proves(t, "A7-07", "A7")
		begun := len(l.Events())
		v := l.expect(deskPIN(), "certificate_missing")
		if s := l.story("A7"); v.Phase != "A" || s.has("logon_session") || len(l.keysOf(desk, "session")) != 0 || len(l.keysOf(desk, "prt")) != 0 {
			t.Errorf("%s: sessions %q, tokens %q\n%s", v.Phase, l.keysOf(desk, "session"), l.keysOf(desk, "prt"), s)
		}
		for _, e := range l.Events()[begun:] {
			if e.Actor == event.EntraID || e.Actor == event.STS {
				t.Errorf("%s does %s", e.Actor, e.Step)
			}
		}
	})
	t.Run("the device asks again", func(t *testing.T) {
		l.expect(deskPassword(), "success")
		if s := l.story("A7"); !s.has("certificate_due") || s.at(t, "certificate_not_enrolled").Reason.Code != "certificate_needs_pin" {
			t.Errorf("%s", s)
		}
		l.renewAgent()
		l.restartDesk()
		r := deskPassword()
		r.PIN = providers.Secret(pin)
		l.expect(r, "success")
		l.story("A7").inOrder(t, "explorer_started", "certificate_due", "pin_prompt", "csr_created", "certificate_request", "request_signed", "certificate_installed")
		logged(eventlog.HelloForBusiness, 8066)
		logged(eventlog.UserDeviceRegistration, 355)
		l.restartDesk()
		l.expect(deskPIN(), "success")
	})
}

// renewAgent has AD FS get another enrollment agent certificate.
func (l *lab) renewAgent() {
	l.t.Helper()
	f := conformance.Get[spec.Federation, spec.FederationOut](l.Env, adfs).In
	f.RegistrationAuthority = false
	l.Update(adfs, l.With("federation", f, "registration_authority", cty.False))
	f.RegistrationAuthority = true
	l.Update(adfs, f)
}

// TestP5Renewal: the certificate is renewed ahead of its end, at a sign-in, with the
// key that it is of.
func TestP5Renewal(t *testing.T) {
	l := newP5(t)
	l.enrollDesk()
	first := l.personalStore(desk)[0]
	l.cycle() // AD FS goes by the keys that the domain has
	l.Advance(first.NotAfter.Sub(l.Now()) - 43*24*time.Hour)
	l.due("authority.issuing", corp, adfs)
	l.restartDesk()
	l.expect(deskPIN(), "success")
	if l.story("A7").has("certificate_due") {
		t.Error("it is renewed too early")
	}
	l.Advance(2 * 24 * time.Hour)
	l.restartDesk()
	l.expect(deskPIN(), "success")
	store := l.personalStore(desk)
	if len(store) != 2 || store[0].KeyID != first.KeyID || !store[0].NotAfter.After(first.NotAfter) || store[1].Thumbprint != first.Thumbprint {
		t.Fatalf("%d certificates\n%s", len(store), l.story("A7"))
	}
	l.restartDesk()
	l.expect(deskPIN(), "success")
	if m := l.story("A7").asRequest(t).Message; m["certificate"] != sha256Hex(store[0].DER) {
		t.Errorf("the KDC saw %v", m)
	}
}

// TestP5PINReset: a reset that is destructive brings another key, and a certificate of
// that; those of the old key go with it. A reset by the service keeps both.
func TestP5PINReset(t *testing.T) {
	l := newP5(t)
	l.enrollDesk()
	old := l.personalStore(desk)[0]
	l.expect(deskPIN(), "success")
	l.Advance(time.Minute)
	v := l.resetPIN(desk, newer, func(r *windows.PINReset) { r.Destructive = true })
	if v.Code != "success" {
		t.Fatalf("%+v\n%s", v, l.story("P5"))
	}
	store := l.personalStore(desk)
	if len(store) != 1 || store[0].Thumbprint == old.Thumbprint || store[0].KeyID == old.KeyID {
		t.Errorf("%+v", store)
	}
	l.restartDesk()
	r := deskPIN()
	r.PIN = providers.Secret(newer)
	l.expect(r, "success")
}

// TestWithoutFederation: in a federated tenant Hello goes to the tenant and to the
// domain; AD FS has no part in it but for its own token.
func TestWithoutFederation(t *testing.T) {
	l := newP5(t)
	l.enrollDesk()
	l.restartDesk()
	f := conformance.Get[spec.Federation, spec.FederationOut](l.Env, adfs).In
	l.Update(adfs, l.With("federation", f, "enabled", cty.False))
	seed.Proves(t, "A1-16", "A7")
	seed.Proves(t, "A3-15", "A7")
	begun := len(l.Events())
	l.expect(deskPIN("tenant.contoso", corp), "success")
	s := l.story("A7")
	s.inOrder(t, "tgt_cached", "explorer_started", "prt_cached")
	if s.has("enterprise_prt_cached") {
		t.Errorf("%s", s)
	}
	for _, e := range l.Events()[begun:] {
		if e.Actor == event.STS {
			t.Errorf("AD FS does %s", e.Step)
		}
	}
}

// TestEnterpriseToken: AD FS comes into a sign-in by Hello with its own token alone,
// and that needs the device to be written back.
func TestEnterpriseToken(t *testing.T) {
	seed.Proves(t, "A4-13", "A7")
	l := newP5(t)
	l.enrollDesk()
	l.cycle()
	l.restartDesk()
	l.expect(deskPIN("tenant.contoso", corp), "success")
	s := l.story("A7")
	s.inOrder(t, "tgt_cached", "explorer_started", "prt_cached", "enterprise_prt_request", "enterprise_prt_issued", "enterprise_prt_cached")
	first := s.index("enterprise_credentials")
	for i, e := range s.events {
		if (e.Actor == event.STS || e.Peer == event.STS) && i < first {
			t.Errorf("AD FS has a part in %s", e.Step)
		}
	}
	// Without write-back AD FS does not know the device: no token, and no certificate.
	away := newFederatedLab(t, spec.TrustCertificate, func(f *federatedLab) { f.Sync.DeviceWriteback = false })
	away.Create(desk, onDesk())
	away.cycle()
	away.refuses(t, deskEnrolled, enrollment(alice, desk))
	if s := away.story("P5"); s.has("enterprise_prt_cached") || !s.has("enterprise_prt_missing") || s.at(t, "prerequisites").Message["AdfsRefreshToken"] != "NO" {
		t.Errorf("%s", s)
	}
	if !slices.ContainsFunc(away.channel(desk, eventlog.UserDeviceRegistration), func(r eventlog.Record) bool { return r.ID == 362 }) {
		t.Error("no entry 362")
	}
}

// TestCertificateGone: with the enrollment its certificates go.
func TestCertificateGone(t *testing.T) {
	l := newP5(t)
	l.enrollDesk()
	if n := len(l.keysOf(desk, "personal")); n != 1 {
		t.Fatalf("%d certificates", n)
	}
	l.Delete(deskEnrolled)
	if keys := l.keysOf(desk, "personal"); len(keys) != 0 {
		t.Errorf("certificates %q", keys)
	}
}
