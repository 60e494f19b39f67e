package all_test

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/kdccert"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// TestA6 is one sign-in by PIN on a hybrid joined device, looked at row by row.
func TestA6(t *testing.T) {
	l := newDesk(t)
	l.cycle()
	l.restartDesk()
	tap := l.listen()
	v := l.expect(deskPIN(), "success")
	s := l.story("A6")
	s.begunByDevice(t)
	machine := stored[machineState](l, desk, "machine", "record")

	t.Run("order", func(t *testing.T) {
		seed.Proves(t, "MOD-13", "A6")
		seed.Proves(t, "HY-01", "A6")
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
		if !slices.Equal(got, want) || s.letters() != "ABCDEFG" || v.Flow != "A6" || v.Phase != "G" {
			t.Errorf("%s/%s: steps\n%s\nwant\n%s", v.Flow, v.Phase, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
	t.Run("to the Kerberos provider", func(t *testing.T) {
		seed.Proves(t, "A6-01", "A6")
		seed.Proves(t, "COMP-07", "A6")
		s.by(t, "A", event.Winlogon, event.CredentialProvider, "lock_screen_dismissed")
		s.by(t, "A", event.CredentialProvider, event.Winlogon, "credentials_packed")
		s.by(t, "A", event.Winlogon, event.LSASS, "credentials_to_lsass")
		s.by(t, "A", event.LSASS, event.Kerberos, "credentials_to_kerberos")
		s.inOrder(t, "credentials_to_kerberos", "as_request", "credentials_to_cloud_ap")
		if s.phase("A").has("credentials_to_cloud_ap") {
			t.Error("Cloud AP is asked at once")
		}
	})
	t.Run("hint of the workstation", func(t *testing.T) {
		seed.Proves(t, "A6-02", "A6")
		seed.Proves(t, "COMP-08", "A6")
		m := s.at(t, "domain_hint").Message
		if _, fromKey := m["kid"]; fromKey || m["domain"] != "corp.contoso.com" || m["computer"] != "desk" {
			t.Errorf("hint %v", m)
		}
		s.by(t, "A", event.LSASS, event.Kerberos, "domain_hint")
		s.by(t, "A", event.DCLocator, event.ActiveDirectory, "dc_located")
	})
	t.Run("AS-REQ", func(t *testing.T) {
		seed.Proves(t, "A6-03", "A6")
		s.by(t, "A", event.Kerberos, event.KDC, "as_request")
		s.by(t, "B", event.Kerberos, event.KDC, "as_sent")
		m, said := s.at(t, "as_request").Message, s.asRequest(t)
		if m["issuer"] != m["subject"] || m["fresh"] != true || m["client"] != `alice\@contoso.com` {
			t.Errorf("request %v", m)
		}
		if k := said.Message; said.Phase != "B" || k["self_signed"] != true || k["method"] != "PKINIT with a registered key" || k["account"] != "alice" || k["key_source"] != "Entra ID" {
			t.Errorf("phase %s, the KDC says %v", said.Phase, k)
		}
	})
	t.Run("the KDC's certificate", func(t *testing.T) {
		seed.Proves(t, "A6-04", "A6")
		s.by(t, "C", event.Kerberos, "", "kdc_certificate_accepted")
		if m := s.at(t, "kdc_certificate_accepted").Message; m["kdc_authentication"] != true || !strings.HasPrefix(m["revocation"].(string), "good by ") {
			t.Errorf("accepted %v", m)
		}
	})
	t.Run("desktop", func(t *testing.T) {
		seed.Proves(t, "A6-05", "A6")
		s.by(t, "D", event.LSASS, "", "tgt_cached")
		s.by(t, "E", event.Winlogon, "", "logon_session")
		s.by(t, "E", event.Winlogon, "", "profile_loaded")
		s.by(t, "E", event.Winlogon, event.User, "explorer_started")
		s.inOrder(t, "tgt_cached", "logon_session", "profile_loaded", "explorer_started", "nonce_request", "prt_request", "prt_cached")
		status, err := l.windows.Status(l.For(desk), desk, alice)
		if err != nil || !status.Tickets.DomainTGT || !status.Tickets.DomainUntil.Equal(l.Now().Add(10*time.Hour)) || !status.PRT {
			t.Errorf("status %+v, %v", status, err)
		}
	})
	t.Run("nonce, signature, token", func(t *testing.T) {
		seed.Proves(t, "A6-07", "A6")
		s.by(t, "F", event.CloudAP, event.EntraID, "nonce_request")
		s.by(t, "F", event.CloudAP, event.TPM, "nonce_signed")
		s.by(t, "G", event.CloudAP, event.EntraID, "prt_request")
		s.phase("G").inOrder(t, "prt_request", "device_signature_verified", "signature_verified", "nonce_verified", "prt_issued")
		wire := tap.exchanges()
		request, assertion := signedRequests(t, wire)[0], assertionOf(t, wire)
		user, err := l.containerOf(desk, "alice").UserKeys[0].Key.RSA()
		if err != nil || assertion.Token.VerifyRS256(user) != nil || assertion.Claims.RequestNonce != request.claims.RequestNonce {
			t.Errorf("assertion: %v", err)
		}
		device, err := machine.DeviceKey.RSA()
		if err != nil || request.token.VerifyRS256(device) != nil || !request.byDevice() {
			t.Errorf("request: %v", err)
		}
		wrapped, key := l.sessionKeyOf(t, request)
		if prt.CheckSessionKey(wrapped, key) != nil {
			t.Error("the session key is not for the transport key")
		}
	})
	t.Run("token in the TPM", func(t *testing.T) {
		seed.Proves(t, "A6-08", "A6")
		s.by(t, "G", event.CloudAP, event.TPM, "session_key_unwrapped")
		s.by(t, "G", event.CloudAP, event.TPM, "session_key_protected")
		s.by(t, "G", event.CloudAP, event.LSASS, "success_to_lsass")
		s.by(t, "G", event.LSASS, "", "prt_cached")
		rec := stored[prtState](l, desk, "prt", l.sid("alice")+"|ngc")
		_, key := l.sessionKeyOf(t, signedRequests(t, tap.exchanges())[0])
		want, err := prt.Key(key)(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.tpmOf(desk).HMAC(t.Context(), rec.SessionKey, prt.KDFInput(make([]byte, 32)))
		if err != nil || string(got) != string(want) || rec.SessionKey.Storage != ksp.TPM || rec.UPN != "alice@contoso.com" {
			t.Errorf("the TPM holds another key, in %s: %v", rec.SessionKey.Storage, err)
		}
		if _, err := l.tpmOf(desk).Unseal(t.Context(), rec.SessionKey, nil); err == nil {
			t.Error("the TPM gives the session key out")
		}
		if code := l.useToken(t, desk, rec); code != 0 {
			t.Errorf("the token: %s", code.ID())
		}
	})
}

// sessionKeyOf is what the reply to a request wraps for the desk's transport key.
func (l *lab) sessionKeyOf(t testing.TB, r signedRequest) (jwe string, key []byte) {
	t.Helper()
	reply, err := oauth.ParseTokenResponse(r.reply)
	if err != nil || r.status != http.StatusOK {
		t.Fatal(r.status, err)
	}
	wrapped, err := prt.EncryptedSessionKey(reply.SessionKeyJWE)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = l.tpmOf(desk).DecryptOAEP(t.Context(), stored[machineState](l, desk, "machine", "record").TransportKey, wrapped); err != nil {
		t.Fatal(err)
	}
	return reply.SessionKeyJWE, key
}

// TestCloudOutage: the tenant's absence stops what needs the tenant, and not the
// desktop.
func TestCloudOutage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		to     []string
		refuse bool
	}{
		{"nothing", nil, false},
		{"domain", []string{corp}, false},
		{"tenant", []string{"tenant.contoso"}, true},
		{"domain, then tenant", []string{corp, "tenant.contoso"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seed.Proves(t, "A6-06", "A6")
			l := newDesk(t)
			l.cycle()
			l.restartDesk()
			l.stopCloud(true)
			v := l.signIn(deskPIN(tt.to...))
			if refused := v.Reason != nil; refused != tt.refuse || !refused && v.Code != "success" {
				t.Errorf("%+v, %+v", v, v.Reason)
			}
			s := l.story("A6")
			s.inOrder(t, "tgt_cached", "logon_session", "explorer_started", "credentials_to_cloud_ap", "nonce_request")
			s.by(t, "F", event.LSASS, event.CloudAP, "credentials_to_cloud_ap")
			if s.has("prt_cached") || len(l.keysOf(desk, "prt")) != 0 || len(l.keysOf(desk, "session")) != 1 {
				t.Errorf("tokens %q, sessions %q", l.keysOf(desk, "prt"), l.keysOf(desk, "session"))
			}
			if slices.Contains(tt.to, corp) && !s.has("service_ticket") {
				t.Errorf("no ticket:\n%s", s)
			}
			l.stopCloud(false) // the session gets its token at the next unlock
			l.lockDesk()
			l.expect(unlocking(deskPIN("tenant.contoso")), "success")
			if len(l.keysOf(desk, "prt")) != 1 {
				t.Error("still no token")
			}
		})
	}
}

// TestKeyNotSynced: a key that Connect has not carried to the domain opens nothing there.
func TestKeyNotSynced(t *testing.T) {
	for _, synced := range []bool{false, true} {
		t.Run(map[bool]string{false: "before", true: "after"}[synced], func(t *testing.T) {
			seed.Proves(t, "A6-09", "A6")
			seed.Proves(t, "COMP-22", "P4")
			l := newDesk(t)
			keys := func() int { return len(l.keyLinksOf(l.administrator(), aliceDN)) }
			if n := keys(); n != 0 {
				t.Fatalf("%d keys in the domain before a cycle", n)
			}
			if synced {
				report := l.cycle()
				if n := keys(); n != 1 || report == nil || !l.has("cycle_began") || !l.has("sync_cycle") {
					t.Errorf("%d keys after a cycle, report %+v", n, report)
				}
				l.expect(deskPIN(), "success")
				return
			}
			l.restartDesk()
			v := l.expect(deskPIN(), "key_not_synced")
			if s := l.story("A6"); v.Phase != "B" || v.Reason.Code != "0xC000038C" || s.has("logon_session") || s.has("prt_request") {
				t.Errorf("%s/%s, %+v\n%s", v.Flow, v.Phase, v.Reason, s)
			}
			l.expect(deskPassword(), "success") // the user is not locked out
		})
	}
}

// TestA6Certificate: of each of the five checks of the KDC's certificate, a sign-in that ends with it.
func TestA6Certificate(t *testing.T) {
	strict := func(d *spec.Device) { yes := true; d.StrictKDC = &yes }
	other := func(l *lab) { // the controller shows what one of another domain enrolled
		l.Create("domain.other", spec.Domain{DNSName: "fabrikam.com", NetBIOSName: "FABRIKAM"})
		l.Create("authority.other", spec.Authority{Domain: "domain.other", CommonName: "Other CA", NTAuth: true, OCSP: true})
		for _, addr := range []string{"authority.other", "domain.other"} {
			if err := l.Due(t.Context(), addr); err != nil {
				t.Fatal(err)
			}
		}
		(&domainLab{l.Env, t}).swapCertificate("domain.other", corp)
	}
	for _, tt := range []struct {
		check  kdccert.Check
		code   string
		domain func(*spec.Domain)
		device func(*spec.Device)
		spoil  func(*lab)
		ahead  time.Duration // of the device's clock
	}{
		{check: kdccert.Root, code: "kdc_certificate_untrusted", spoil: other},
		{check: kdccert.Life, code: "kdc_certificate_expired", ahead: 3 * 365 * 24 * time.Hour},
		{check: kdccert.Life, code: "kdc_certificate_expired", ahead: -30 * 24 * time.Hour},
		{check: kdccert.Revocation, code: "kdc_certificate_revoked", spoil: func(l *lab) {
			authority, err := ca.Open(ca.Env{Section: l.For("authority.issuing").Section, Now: l.Now, Rand: rand.Reader}, nil)
			if err == nil {
				err = authority.Revoke(t.Context(), (&domainLab{l.Env, t}).kdcCertificate(corp).SerialNumber, crl.KeyCompromise, time.Time{})
			}
			if err != nil {
				t.Fatal(err)
			}
			l.Advance(8 * 24 * time.Hour)
			(&domainLab{l.Env, t}).due()
		}},
		{check: kdccert.Purpose, code: "kdc_certificate_no_kdc_purpose", device: strict, domain: func(d *spec.Domain) {
			d.Controllers = kdcTemplate(spec.TemplateDomainController).Controllers
		}},
		{check: kdccert.Domain, code: "kdc_certificate_other_domain", spoil: other, device: func(d *spec.Device) {
			strict(d)
			d.TrustedRoots = []providers.Ref{"authority.other"}
		}},
	} {
		t.Run(string(tt.check), func(t *testing.T) {
			seed.Proves(t, "A6-04", "A6")
			var domain []func(*spec.Domain)
			if tt.domain != nil {
				domain = append(domain, tt.domain)
			}
			l := newHybridLab(t, domain...)
			l.setUpDesk()
			l.cycle()
			l.restartDesk()
			if tt.spoil != nil {
				tt.spoil(l)
			}
			if tt.device != nil {
				l.Update(desk, deskIn("onsite", tt.device))
			}
			env, r := l.For(desk), deskPIN()
			env.Now, r.User = func() time.Time { return l.Now().Add(tt.ahead) }, alice
			v, err := l.windows.SignIn(t.Context(), env, r)
			if err != nil || v.Code != tt.code {
				t.Fatalf("%s, %v; want %s", v.Code, err, tt.code)
			}
			s := l.story("A6")
			refused := s.at(t, "kdc_certificate_refused")
			if v.Phase != "C" || refused.Phase != "C" || refused.Message["check"] != string(tt.check) {
				t.Errorf("%s/%s: %+v", v.Flow, v.Phase, refused)
			}
			if s.has("tgt_cached") || s.has("logon_session") || s.has("prt_request") || len(l.keysOf(desk, "kerberos")) != 0 {
				t.Errorf("it went on:\n%s", s)
			}
		})
	}
}
