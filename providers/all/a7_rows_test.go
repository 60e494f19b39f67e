package all_test

import (
	"slices"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
)

// TestA7 is one sign-in by PIN on a hybrid joined device with certificate trust,
// looked at row by row.
func TestA7(t *testing.T) {
	l := newCertificateLab(t)
	cert := l.certify(desk)
	l.restartDesk()
	v := l.expect(deskPIN(), "success")
	s := l.story("A7")
	s.begunByDevice(t)
	t.Run("order", func(t *testing.T) {
		seed.Proves(t, "MOD-13", "A7")
		seed.Proves(t, "HY-01", "A7")
		seed.Proves(t, "A7-01", "A7")
		want := []string{
			"A:lock_screen_dismissed", "A:gesture_provided", "A:credentials_packed", "A:credentials_to_lsass", "A:credentials_to_kerberos", "A:key_released",
			"A:domain_hint", "A:dc_located", "A:as_request",
			"B:as_sent",
			"C:kdc_certificate_accepted",
			"D:tgt_cached", "D:logon_pac",
			"E:success_to_winlogon", "E:logon_session", "E:profile_loaded", "E:explorer_started",
			"F:credentials_to_cloud_ap", "F:nonce_request", "F:nonce_signed",
			"G:prt_request", "G:session_key_unwrapped", "G:session_key_protected", "G:success_to_lsass", "G:prt_cached",
		}
		var got []string
		for _, e := range s.events {
			if !service(e.Actor) && e.Actor != event.KDC {
				got = append(got, e.Phase+":"+e.Step)
			}
		}
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) || s.letters() != "ABCDEFG" || v.Flow != "A7" || v.Phase != "G" {
			t.Errorf("%s/%s: steps\n%q\nwant\n%q", v.Flow, v.Phase, got, want)
		}
		s.by(t, "A", event.LSASS, event.Kerberos, "credentials_to_kerberos")
		if m := s.at(t, "domain_hint").Message; m["computer"] != "desk" {
			t.Errorf("hint %v", m)
		}
	})
	t.Run("AS-REQ with the user's certificate", func(t *testing.T) {
		seed.Proves(t, "A7-02", "A7")
		s.by(t, "A", event.Kerberos, event.KDC, "as_request")
		s.by(t, "B", event.Kerberos, event.KDC, "as_sent")
		m := s.asRequest(t)
		if k := m.Message; m.Phase != "B" || k["self_signed"] != false || k["method"] != "PKINIT with a certificate" || k["certificate"] != sha256Hex(cert.Raw) || k["account"] != "alice" {
			t.Errorf("phase %s, the KDC says %v", m.Phase, k)
		}
	})
	t.Run("the KDC's certificate", func(t *testing.T) {
		seed.Proves(t, "A7-03", "A7")
		s.by(t, "C", event.Kerberos, "", "kdc_certificate_accepted")
	})
	t.Run("desktop before any token", func(t *testing.T) {
		seed.Proves(t, "A7-04", "A7")
		s.by(t, "D", event.LSASS, "", "tgt_cached")
		s.by(t, "E", event.Winlogon, "", "logon_session")
		s.by(t, "E", event.Winlogon, "", "profile_loaded")
		s.by(t, "E", event.Winlogon, event.User, "explorer_started")
		s.inOrder(t, "tgt_cached", "logon_session", "profile_loaded", "explorer_started", "nonce_request", "prt_request", "prt_cached")
	})
	t.Run("token behind it", func(t *testing.T) {
		seed.Proves(t, "A7-05", "A7")
		s.by(t, "F", event.CloudAP, event.EntraID, "nonce_request")
		s.by(t, "F", event.CloudAP, event.TPM, "nonce_signed")
		s.phase("G").inOrder(t, "prt_request", "device_signature_verified", "signature_verified", "nonce_verified", "prt_issued", "session_key_unwrapped", "session_key_protected", "prt_cached")
		if keys := l.keysOf(desk, "prt"); !slices.Contains(keys, l.sid("alice")+"|ngc") {
			t.Errorf("tokens %q", keys)
		}
	})
	t.Run("key in the container, certificate in the store", func(t *testing.T) {
		seed.Proves(t, "CE-05", "A7")
		seed.Proves(t, "KEY-24", "A7")
		seed.Proves(t, "COMP-12", "A7")
		all := l.personalStore(desk)
		key := l.containerOf(desk, "alice").UserKeys[0]
		if len(all) != 1 || all[0].KeyID != key.ID || !slices.Equal(key.Certificates, []string{all[0].Thumbprint}) || string(cert.RawSubjectPublicKeyInfo) != string(key.Key.Public) {
			t.Errorf("store %+v, key %+v", all, key)
		}
		status, err := l.windows.Status(l.For(desk), desk, alice)
		if err != nil || len(status.Certificates) != 1 || status.Certificates[0].Thumbprint != all[0].Thumbprint {
			t.Errorf("status %+v, %v", status.Certificates, err)
		}
	})
}

// TestA7NoCertificate: the key is there, and no certificate yet.
func TestA7NoCertificate(t *testing.T) {
	seed.Proves(t, "A7-07", "A7")
	l := newCertificateLab(t)
	l.restartDesk()
	tokens := len(l.keysOf(desk, "prt"))
	begun := len(l.Events())
	v := l.expect(deskPIN(), "certificate_missing") // the sign-in fails
	s := l.story("A7")
	if v.Flow != "A7" || v.Phase != "A" || v.Reason.Name != "STATUS_SMARTCARD_NO_CERTIFICATE" || !s.has("certificate_missing") {
		t.Errorf("%s/%s, %+v\n%s", v.Flow, v.Phase, v.Reason, s)
	}
	if s.has("logon_session") || s.has("explorer_started") || len(l.keysOf(desk, "session")) != 0 { // no access to the device
		t.Errorf("sessions %q\n%s", l.keysOf(desk, "session"), s)
	}
	for _, e := range l.Events()[begun:] { // no cloud authentication
		if e.Actor == event.EntraID || e.Actor == event.CloudAP {
			t.Errorf("%s does %s", e.Actor, e.Step)
		}
	}
	if now := l.keysOf(desk, "prt"); len(now) != tokens || slices.Contains(now, l.sid("alice")+"|ngc") { // no token
		t.Errorf("tokens %q", now)
	}
	// With a key that the domain knows there is no way around it, either.
	l.cycle()
	l.expect(deskPIN(), "certificate_missing")
	l.certify(desk)
	l.expect(deskPIN(), "success")
}

// TestA7Away: the first sign-in needs a controller in sight; later ones do not.
func TestA7Away(t *testing.T) {
	seed.Proves(t, "A7-06", "A7")
	seed.Proves(t, "HY-02", "A7")
	seed.Proves(t, "HY-03", "A7")
	seed.Proves(t, "HY-08", "A7")
	l := newCertificateLab(t)
	l.certify(desk)
	l.restartDesk()
	l.carry("internet")
	v := l.expect(deskPIN(), "cached_logon_missing")
	noLogonServers(t, v)
	if s := l.story("A7"); s.has("explorer_started") || s.has("nonce_request") {
		t.Errorf("%s", s)
	}
	// By the tunnel that a session with the password raised, then unlock with Hello.
	l.carry("onsite")
	l.expect(deskPassword(), "success")
	l.restartDesk()
	l.carry("vpn")
	l.expect(deskPassword(), "success")
	l.lockDesk()
	unlock := deskPIN()
	unlock.Unlock = true
	l.expect(unlock, "success")
	if s := l.story("A7"); !s.has("as_sent") || s.asRequest(t).Message["self_signed"] != false {
		t.Errorf("%s", s)
	}
	// From then on the logon that was kept opens the desktop anywhere.
	l.restartDesk()
	l.carry("internet")
	l.expect(deskPIN(), "success")
	l.story("A7").inOrder(t, "cached_logon", "explorer_started", "prt_cached")
	// An administrator may want a controller to be seen now and then.
	d := spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", CachedLogons: 10, ForceNetwork: time.Hour}
	l.Update(corp, d)
	l.restartDesk()
	l.expect(deskPIN(), "success")
	l.Advance(2 * time.Hour)
	l.restartDesk()
	seed.Proves(t, "HY-04", "A7")
	noLogonServers(t, l.expect(deskPIN(), "network_logon_forced"))
}

// TestA7Password: a change of the password is nothing to Hello, and Hello needs no
// federation service.
func TestA7Password(t *testing.T) {
	seed.Proves(t, "PW-01", "A7")
	l := newCertificateLab(t)
	l.certify(desk)
	l.Advance(25 * time.Hour)
	v := l.change(desk, first, "Second.pa55word")
	if v.Code != "success" {
		t.Fatalf("change: %+v", v)
	}
	l.restartDesk()
	l.expect(deskPIN("tenant.contoso"), "success")
	l.lockDesk()
	unlock := deskPIN()
	unlock.Unlock = true
	l.expect(unlock, "success")
}

// TestA7Renewal of the primary refresh token: every four hours after the domain let
// the user in.
func TestA7Renewal(t *testing.T) {
	seed.Proves(t, "HY-05", "A7")
	l := newCertificateLab(t)
	l.certify(desk)
	l.restartDesk()
	l.expect(deskPIN(), "success")
	renewals := func() (n int) {
		for _, e := range l.Events() {
			if e.Step == "prt_renewal" {
				n++
			}
		}
		return n
	}
	unlock := func() {
		l.lockDesk()
		r := deskPIN("tenant.contoso")
		r.Unlock = true
		l.expect(r, "success")
	}
	before := renewals()
	l.Advance(3*time.Hour + 59*time.Minute)
	unlock()
	if n := renewals() - before; n != 0 {
		t.Errorf("%d renewals before four hours", n)
	}
	l.Advance(2 * time.Minute)
	unlock()
	if n := renewals() - before; n != 1 {
		t.Errorf("%d renewals after four hours", n)
	}
}

// TestPrivilegedCertificate: who is on the deny list of cloud Kerberos trust signs
// in by certificate.
func TestPrivilegedCertificate(t *testing.T) {
	l := newCertificateLab(t)
	l.Create("group.admins", spec.Group{Domain: corp, WellKnown: "domain_admins", Members: []providers.Ref{alice}})
	l.certify(laptop)
	l.certify(desk)
	l.restartDesk()
	l.expect(deskPIN(), "success")
	l.expect(byA4(), "success")
}

// TestProofSwitch: the two switches of policy choose the flow.
func TestProofSwitch(t *testing.T) {
	seed.Proves(t, "POL-03", "A7")
	l := newCertificateLab(t)
	l.certify(desk)
	l.cycle()
	on, off := true, false
	for _, tt := range []struct {
		cloud, certificate *bool
		flow               string
	}{
		{nil, &on, "A7"}, {&on, &on, "A7"}, {nil, &off, "A6"}, {nil, nil, "A6"},
	} {
		l.Update("policy.hello", spec.Policy{Source: "gpo", UsePassportForWork: new(true), UseCloudTrustForOnPremAuth: tt.cloud, UseCertificateForOnPremAuth: tt.certificate})
		l.restartDesk()
		if v := l.expect(deskPIN(), "success"); v.Flow != tt.flow {
			t.Errorf("flow %s, want %s", v.Flow, tt.flow)
		}
	}
	// Without a certificate the switch turns the sign-in off.
	l.Update("policy.hello", spec.Policy{Source: "gpo", UsePassportForWork: new(true), UseCertificateForOnPremAuth: &on})
	c := l.containerOf(desk, "alice")
	c.UserKeys[0].Certificates = nil
	l.keep(desk, "container", l.sid("alice"), c)
	l.restartDesk()
	l.expect(deskPIN(), "certificate_missing")
}
