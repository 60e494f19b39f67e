package all_test

import (
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/krb"
)

// TestA4 is the first use of a domain's service, by certificate, after a sign-in by
// PIN on an Entra joined device.
func TestA4(t *testing.T) {
	l := newCertificateLab(t)
	l.Create(webService, spec.Service{Domain: corp, Kind: spec.ServiceKerberos, Enabled: true})
	cert := l.certify(laptop)
	l.expect(byPINTo("tenant.contoso"), "success")
	alone := slices.ContainsFunc(l.Events(), func(e event.Event) bool { return e.Flow == "A4" })
	v := l.expect(byPINTo(webService, corp), "success")
	s := l.story("A4")
	s.begunByDevice(t)
	request := s.asRequest(t)
	t.Run("phases", func(t *testing.T) {
		seed.Proves(t, "MOD-04")
		seed.Proves(t, "COMP-25", "A4")
		want := []string{"A:domain_hint", "A:dc_located", "A:as_request", "B:as_sent", "B:as_req", "C:kdc_certificate_accepted", "C:tgt_cached", "C:logon_pac", "C:service_ticket", "C:service_request", "C:access_granted", "C:service_answered"}
		if got := s.steps(); !slices.Equal(got, want) || v.Flow != "A1" || v.Phase != "E" {
			t.Errorf("steps %q of %s/%s\n%s", got, v.Flow, v.Phase, s)
		}
	})
	t.Run("first use, hint of the certificate", func(t *testing.T) {
		seed.Proves(t, "A4-01", "A4")
		if alone {
			t.Error("a sign-in that uses nothing of the domain spoke with it")
		}
		s.by(t, "A", event.LSASS, event.Kerberos, "domain_hint")
		m := s.at(t, "domain_hint").Message
		if _, fromKey := m["kid"]; fromKey || m["domain"] != "corp.contoso.com" || m["from"] != "subject" || m["subject"] != kerberos.NameOf(cert.RawSubject) {
			t.Errorf("hint %v", m)
		}
		// No key metadata is needed.
		c := l.containerOf(laptop, "alice")
		c.UserKeys[0].Domain, c.UserKeys[0].Hinted = "", true
		l.keep(laptop, "container", l.sid("alice"), c)
		l.expect(byA4(), "success")
	})
	t.Run("controller, signature", func(t *testing.T) {
		seed.Proves(t, "A4-03", "A4")
		s.by(t, "A", event.DCLocator, event.ActiveDirectory, "dc_located")
		s.by(t, "A", event.Kerberos, event.KDC, "as_request")
		if m := s.at(t, "as_request").Message; m["fresh"] != true || m["client"] != `alice\@contoso.com` {
			t.Errorf("request %v", m)
		}
	})
	t.Run("user certificate", func(t *testing.T) {
		seed.Proves(t, "A4-04", "A4")
		s.by(t, "B", event.Kerberos, event.KDC, "as_sent")
		if m := s.at(t, "as_request").Message; m["issuer"] != kerberos.NameOf(cert.RawIssuer) || m["subject"] != kerberos.NameOf(cert.RawSubject) || cert.Issuer.CommonName != "Contoso Issuing CA" {
			t.Errorf("request %v", m)
		}
		if request.Message["certificate"] != sha256Hex(cert.Raw) {
			t.Errorf("the KDC saw %v", request.Message)
		}
	})
	t.Run("not self-signed", func(t *testing.T) {
		seed.Proves(t, "A4-05", "A4")
		if m := request.Message; request.Phase != "B" || m["self_signed"] != false || m["method"] != "PKINIT with a certificate" || m["account"] != "alice" || m["upn"] != "alice@contoso.com" || m["trusted"] == nil {
			t.Errorf("phase %s, the KDC says %v", request.Phase, m)
		}
	})
	t.Run("reply", func(t *testing.T) {
		seed.Proves(t, "A4-12", "A4")
		s.by(t, "C", event.Kerberos, "", "kdc_certificate_accepted")
		s.by(t, "C", event.LSASS, "", "tgt_cached")
	})
	t.Run("later uses have the ticket", func(t *testing.T) {
		l.lock()
		v := l.expect(unlocking(byPINTo(webService)), "success")
		if steps := l.ran(v); slices.Contains(steps, "as_request") || !slices.Contains(steps, "service_answered") {
			t.Errorf("steps %q", steps)
		}
	})
}

// TestA4Hint: the certificate leads to the domain by its subject or by the user
// principal name in it, and one with neither leads nowhere.
func TestA4Hint(t *testing.T) {
	for _, tt := range []struct {
		name       string
		template   ca.NameFlag
		upn        string // in the domain
		code, from string
	}{
		{"distinguished name", ca.SubjectRequireDirectoryPath, "", "success", "subject"},
		{"both", ca.SubjectRequireDirectoryPath | ca.AltRequireUPN, "", "success", "subject"},
		{"user principal name", ca.AltRequireUPN, "alice@corp.contoso.com", "success", "upn"},
		{"user principal name of another suffix", ca.AltRequireUPN, "", "certificate_no_domain", ""},
		{"neither", ca.SubjectRequireCommonName, "", "certificate_no_domain", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seed.Proves(t, "A4-02", "A4")
			seed.Proves(t, "CE-07", "A4")
			l := newCertificateLab(t)
			l.certify(laptop, naming(tt.template), as(func(r *ca.Requester) {
				if tt.upn != "" {
					r.UPN = tt.upn // which every account of the domain has without being given it
				}
			}))
			v := l.expect(byA4(), tt.code)
			s := l.story("A4")
			hint := s.at(t, "domain_hint")
			if tt.from == "" {
				if hint.Outcome != event.Refused || v.Phase != "A" || v.Flow != "A4" || s.has("dc_located") || v.Reason.Code != "0xC0000233" {
					t.Errorf("%s/%s, %+v\n%s", v.Flow, v.Phase, v.Reason, s)
				}
				return
			}
			if hint.Message["from"] != tt.from || hint.Message["domain"] != "corp.contoso.com" {
				t.Errorf("hint %v", hint.Message)
			}
		})
	}
}

// TestA4Refused: what a controller does not take of a certificate. Fault 66, and of
// fault 65 what a certificate of somebody else is.
func TestA4Refused(t *testing.T) {
	client := func(l *lab) { l.Advance(40 * time.Minute) }
	for _, tt := range []struct {
		name, code, status string
		make               []func(*issuing)
		then               func(*lab)
		row                func(*testing.T)
	}{
		{"expired", "certificate_expired", "0xC000038C STATUS_PKINIT_CLIENT_FAILURE", []func(*issuing){lives(30 * time.Minute)}, client, func(t *testing.T) { seed.Proves(t, "A4-07", "A4") }},
		{"no purpose for logon", "certificate_purpose", "0xC000038C STATUS_PKINIT_CLIENT_FAILURE", []func(*issuing){purposes(adcert.EKUServerAuth)}, nil, func(t *testing.T) { seed.Proves(t, "A4-08", "A4") }},
		{"no such name", "certificate_name_unknown", "0xC0000064 STATUS_NO_SUCH_USER", []func(*issuing){as(func(r *ca.Requester) { r.UPN = "nobody@contoso.com" })}, nil, func(t *testing.T) { seed.Proves(t, "A4-10", "A4") }},
		{"another's identifier", "certificate_other_account", "0xC000038C STATUS_PKINIT_CLIENT_FAILURE", []func(*issuing){as(func(r *ca.Requester) { r.SID = r.SID.Domain().Account(500) })}, nil, nil},
		{"no identifier", "certificate_other_account", "0xC000038C STATUS_PKINIT_CLIENT_FAILURE", []func(*issuing){func(i *issuing) { i.template.Enrollment |= ca.NoSecurityExtension }}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.row != nil {
				tt.row(t)
			}
			l := newCertificateLab(t)
			l.certify(laptop, tt.make...)
			if tt.then != nil {
				l.expect(byA4(), "success")
				l.restart()
				tt.then(l)
			}
			if tt.code == "certificate_name_unknown" { // before the certificate is shown: the name is looked for first
				if v := l.expect(byA4(), tt.code); v.Flow != "A4" || l.story("A4").has("tgt_cached") || v.Reason.Code+" "+v.Reason.Name != tt.status {
					t.Errorf("%s/%s, %+v", v.Flow, v.Phase, v.Reason)
				}
				return
			}
			l.refusedByKDC(t, tt.code, tt.status)
		})
	}
}

// refusedByKDC signs in at the laptop and demands that the controller refuses the
// certificate in phase B.
func (l *lab) refusedByKDC(t *testing.T, code, status string) {
	t.Helper()
	v := l.expect(byA4(), code)
	s := l.story("A4")
	if v.Flow != "A4" || v.Phase != "B" || v.Reason.Code+" "+v.Reason.Name != status || s.at(t, "domain_sign_in_refused").Phase != "B" || s.has("tgt_cached") {
		t.Errorf("%s/%s, %+v\n%s", v.Flow, v.Phase, v.Reason, s)
	}
	if e := s.asRequest(t); e.Outcome != event.Refused || e.Message["self_signed"] != false || e.Phase != "B" {
		t.Errorf("the KDC says %+v", e)
	}
}

// TestA4Trust: the chain of the certificate must end in a root that the domain
// trusts, of an authority that may certify users for logon.
func TestA4Trust(t *testing.T) {
	seed.Proves(t, "A4-06", "A4")
	l := newCertificateLab(t)
	l.certify(laptop)
	l.expect(byA4(), "success")
	stranger := newCertificateLab(t) // another forest's authority, which has the same name
	l.replaceCertificate(laptop, stranger.issueFor(l.helloCSR(laptop), l.aliceAtCA()))
	l.restart()
	l.refusedByKDC(t, "certificate_untrusted", "0xC000038C STATUS_PKINIT_CLIENT_FAILURE")

	l.replaceCertificate(laptop, l.issue(laptop))
	l.expect(byA4(), "success")
	l.Update("authority.issuing", l.With("authority", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", OCSP: true}, "ntauth", cty.False))
	l.restart()
	l.refusedByKDC(t, "certificate_untrusted", "0xC000038C STATUS_PKINIT_CLIENT_FAILURE")
}

// TestA4Revoked: a revoked certificate signs in until a list says so.
func TestA4Revoked(t *testing.T) {
	seed.Proves(t, "A4-09", "A4")
	seed.Proves(t, "REV-04", "A4")
	seed.Proves(t, "CE-09", "A4")
	l := newCertificateLab(t)
	l.Update("authority.issuing", l.With("authority", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true}, "ocsp", cty.False))
	cert := l.certify(laptop)
	l.expect(byA4(), "success")
	if err := l.authority().Revoke(t.Context(), cert.SerialNumber, crl.KeyCompromise, time.Time{}); err != nil {
		t.Fatal(err)
	}
	l.restart()
	l.expect(byA4(), "success") // no list says so yet
	l.Advance(8 * 24 * time.Hour)
	l.due("authority.issuing", corp)
	l.restart()
	l.refusedByKDC(t, "certificate_revoked", "0xC0000389 STATUS_SMARTCARD_CERT_REVOKED")
}

// TestA4Signature: a certificate does not sign in whose key did not sign.
func TestA4Signature(t *testing.T) {
	seed.Proves(t, "A4-11", "A4")
	l := newCertificateLab(t)
	l.certify(laptop)
	chain := l.issue(desk) // of alice's other Hello key
	pc := (&domainLab{l.Env, t}).pc("onsite")
	r, key := l.released(laptop)
	signer, err := r.Section(key.Provider).Signer(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pc.SignInKey(t.Context(), kerberos.Client("alice@contoso.com"), kerberos.Key{Signer: signer, Certificates: chain[:1]})
	refuses(t, "the certificate of another key", err, kerberos.PhaseAS, "STATUS_LOGON_FAILURE", krb.ErrInvalidSignature)
	if _, err = pc.SignInKey(t.Context(), kerberos.Client("alice@contoso.com"), kerberos.Key{Signer: signer, Certificates: l.issue(laptop)[:1]}); err != nil {
		t.Error(err)
	}
}

// TestA4KDC: the device makes the same five checks as in A3 C.
func TestA4KDC(t *testing.T) {
	seed.Proves(t, "A4-12", "A4")
	seed.Proves(t, "A7-03", "A7")
	l := newCertificateLab(t)
	for _, device := range []string{laptop, desk} {
		l.certify(device, lives(2*365*24*time.Hour)) // longer than the controller's own
	}
	l.kdcCertificateRefused(t)
}
