package all_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/fedmeta"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/web"
)

// refusalOf is the code of the refusal in an error.
func refusalOf(err error) string {
	if err == nil {
		return ""
	}
	code, _ := windows.ReasonOf(err)
	return code
}

// assertionIn is the assertion that a device gave the tenant in an exchange.
func (w *wiretap) assertionIn(t testing.TB) []byte {
	t.Helper()
	for _, x := range w.exchanges() {
		if x.form().Get("grant_type") == oauth.GrantSAML11 && x.form().Get("resource") == oauth.ResourceDRS {
			return oauth.DecodeAssertion(x.form().Get("assertion"))
		}
	}
	t.Fatal("no assertion on the wire")
	return nil
}

// redeemAssertion exchanges an assertion as the provisioning application does, but
// for the device.
func (l *lab) redeemAssertion(t testing.TB, raw []byte) error {
	t.Helper()
	client := web.Client(l.For(laptop))
	defer client.CloseIdleConnections()
	form := oauth.TokenRequest{GrantType: oauth.GrantSAML11, ClientID: oauth.ClientProvisioning, Resource: oauth.ResourceDRS, AMRValues: oauth.AMRNGCMFA, Assertion: oauth.EncodeAssertion(raw)}.Form()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+l.tenant().LoginHost+"/"+l.tenant().TenantID+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, err := web.Do(client, req)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Status == http.StatusOK {
		return nil
	}
	return oauth.ParseError(reply.Status, reply.Body)
}

// signing are AD FS's token-signing certificates, as its metadata has them.
func (l *lab) signing(t testing.TB) []*x509.Certificate {
	t.Helper()
	client := web.Client(l.For(laptop))
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+stsHost+fedmeta.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := web.Do(client, req)
	if err != nil {
		t.Fatal(err)
	}
	m, err := fedmeta.Parse(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return m.Signing
}

// TestP2 is alice's provisioning on an Entra joined laptop in a federated tenant,
// when the second factor of the join is not current any more.
func TestP2(t *testing.T) {
	l := newFederatedLab(t, "key")
	l.Create(laptop, onLaptop())
	l.Advance(11 * time.Minute)
	tap := l.listen()
	out := l.enroll()
	s := l.story("P2")
	raw := tap.assertionIn(t)

	t.Run("AD FS first", func(t *testing.T) {
		seed.Proves(t, "P2-01", "P2")
		s.begunByDevice(t)
		first := slices.IndexFunc(s.phase("A").events, func(e event.Event) bool { return e.Protocol == "HTTPS" })
		if e := s.phase("A").events[first]; e.Step != "sts_request" || e.Actor != event.WAM || e.Peer != event.STS {
			t.Errorf("first %s → %s: %s", e.Actor, e.Peer, e.Step)
		}
		if out.Flow != "P2" || !out.Federated {
			t.Errorf("%+v", out)
		}
	})
	t.Run("and decides", func(t *testing.T) {
		seed.Proves(t, "P2-02", "P2")
		s.phase("A").inOrder(t, "sts_request", "password_typed", "first_factor_verified", "mfa_demanded", "mfa_prompt", "mfa_verified", "assertion_issued")
	})
	t.Run("an assertion that says so", func(t *testing.T) {
		seed.Proves(t, "P2-03", "P2")
		trust := saml.Trust{Issuer: "http://" + stsHost + "/adfs/services/trust", Certificates: l.signing(t), Audience: saml.AudienceMicrosoftOnline}
		a, err := trust.Verify(raw, l.Now())
		if err != nil || !a.Has(saml.ClaimMethods, saml.MethodMultiple) || a.Value(saml.ClaimUPN) != "alice@contoso.com" {
			t.Errorf("%+v, %v", a, err)
		}
		s.by(t, "A", event.STS, event.WAM, "assertion_issued")
	})
	t.Run("goes to the tenant", func(t *testing.T) {
		seed.Proves(t, "P2-04", "P2")
		s.phase("A").inOrder(t, "enterprise_token", "assertion_exchange", "assertion_validated", "access_token_issued", "drs_token")
		s.by(t, "A", event.CXH, event.EntraID, "assertion_exchange")
		if err := l.redeemAssertion(t, raw); err == nil {
			t.Error("an assertion works twice")
		}
		a, err := saml.Unverified(raw)
		if err != nil {
			t.Fatal(err)
		}
		a.ID, a.Issuer = "_4f1d7f0e-0000-4000-8000-000000000001", "http://sts.fabrikam.com/adfs/services/trust"
		key, cert := ownSigner(t, l.Now())
		forged, err := a.Sign(key, cert)
		if err != nil {
			t.Fatal(err)
		}
		var refusal *oauth.Error
		if err := l.redeemAssertion(t, forged); !errors.As(err, &refusal) || refusal.Code != oauth.FederationRealmUnknown {
			t.Errorf("of an unknown issuer: %v", err)
		}
		a.Issuer = "http://" + stsHost + "/adfs/services/trust"
		if forged, err = a.Sign(key, cert); err != nil {
			t.Fatal(err)
		}
		if err := l.redeemAssertion(t, forged); !errors.As(err, &refusal) || refusal.Code != oauth.AssertionInvalid {
			t.Errorf("signed by somebody else: %v", err)
		}
	})
	t.Run("B and C as P1", func(t *testing.T) {
		seed.Proves(t, "P2-06", "P2")
		p1 := newLab(t)
		p1.device("laptop", func(d *spec.Device) { d.Biometrics = nil })
		p1.enroll()
		want := p1.story("P1")
		for _, letter := range []string{"B", "C"} {
			if got, want := s.lanes(letter), want.lanes(letter); !slices.Equal(got, want) {
				t.Errorf("phase %s\n%s\nof P1\n%s", letter, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		if s.letters() != "ABC" || out.KeyID == "" || len(l.helloKeys("alice")) != 1 {
			t.Errorf("phases %s, %+v", s.letters(), out)
		}
	})
}

// TestP5PhaseA: with certificate trust, too, AD FS is asked first, decides, and the
// tenant takes its word.
func TestP5PhaseA(t *testing.T) {
	seed.Proves(t, "P5-01", "P5")
	l := newP5(t)
	l.enrollDesk()
	s := l.story("P5")
	a := s.phase("A")
	first := slices.IndexFunc(a.events, func(e event.Event) bool { return e.Protocol == "HTTPS" && !service(e.Actor) })
	if e := a.events[first]; e.Step != "sts_request" || e.Peer != event.STS {
		t.Errorf("first %s → %s: %s", e.Actor, e.Peer, e.Step)
	}
	a.inOrder(t, "token_request", "sts_request", "first_factor_verified", "mfa_demanded", "mfa_verified", "assertion_issued", "enterprise_token", "assertion_exchange", "assertion_validated", "drs_token")
	waives := newP5(t, func(f *federatedLab) { f.Federation.MFARule = spec.MFANever })
	_, err := waives.TryCreate(t.Context(), deskEnrolled, enrollment(alice, desk))
	if code := refusalOf(err); code != "mfa_required" {
		t.Errorf("%s: %v", code, err)
	}
	waives.story("P5").inOrder(t, "sts_request", "mfa_waived", "assertion_issued", "drs_token_missing")
}

// ownSigner is a token-signing key of nobody that a tenant knows.
func ownSigner(t testing.TB, now time.Time) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// The tenant wants to hear of a second factor: AD FS that never asks for one
// provisions nobody.
func TestFederatedFactorMissing(t *testing.T) {
	seed.Proves(t, "P2-05", "P2")
	l := newFederatedLab(t, "key", func(f *federatedLab) {
		f.Federation.MFARule = spec.MFANever
	})
	l.Create(laptop, onLaptop())
	l.Advance(11 * time.Minute)
	_, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop))
	if code := refusalOf(err); code != "mfa_required" {
		t.Errorf("%s: %v", code, err)
	}
	s := l.story("P2")
	s.inOrder(t, "assertion_issued", "enterprise_token", "assertion_exchange", "drs_token_missing")
	if s.has("pool_take") || s.has("container_created") {
		t.Errorf("it goes on\n%s", s)
	}
}

// A second factor that is refused ends the flow before there is any key.
func TestFederatedFactorRefused(t *testing.T) {
	seed.Proves(t, "PA-14", "P2", "P6")
	wrong := func(p windows.Prompt, has []byte) ([]byte, bool) {
		if p == windows.PromptCode {
			return []byte("000000"), true
		}
		return has, true
	}
	for _, tt := range []struct {
		flow, device string
		lab          func() *lab
	}{
		{"P2", laptop, func() *lab { return newFederatedLab(t, "key") }},
		{"P6", desk, func() *lab { return newOnPremLab(t, "key") }},
	} {
		t.Run(tt.flow, func(t *testing.T) {
			l := tt.lab()
			in := onLaptop()
			if tt.device == desk {
				in = onPremDesk()
			}
			l.Create(tt.device, in)
			l.Advance(11 * time.Minute)
			l.windows.Hands = wrong
			_, err := l.TryCreate(t.Context(), "enrollment.alice", enrollment(alice, tt.device))
			if code := refusalOf(err); code != "adapter_failed" {
				t.Errorf("%s: %v", code, err)
			}
			s := l.story(tt.flow)
			for _, step := range []string{"drs_token", "container_created", "pool_take", "key_registration"} {
				if s.has(step) {
					t.Errorf("%s happened\n%s", step, s)
				}
			}
			if len(l.links("alice")) != 0 || len(l.keysOf(tt.device, "container")) != 0 || len(l.keysOf(tt.device, "keypool")) != 1 {
				t.Error("something was made")
			}
		})
	}
}

// A second factor of the last ten minutes counts in P2, and no longer.
func TestFederatedFactorCurrent(t *testing.T) {
	for _, tt := range []struct {
		after  time.Duration
		prompt bool
	}{{9*time.Minute + 59*time.Second, false}, {10*time.Minute + time.Second, true}} {
		t.Run("P2 after "+tt.after.String(), func(t *testing.T) {
			seed.Proves(t, "PA-07", "P2")
			l := newFederatedLab(t, "key")
			l.Create(laptop, onLaptop())
			l.Advance(tt.after)
			l.enroll()
			if s := l.story("P2"); s.has("mfa_prompt") != tt.prompt || s.has("sts_request") != tt.prompt {
				t.Errorf("prompted: %t\n%s", s.has("mfa_prompt"), s)
			}
		})
		t.Run("P8 after "+tt.after.String(), func(t *testing.T) {
			seed.Proves(t, "PA-07", "P8")
			l := newFederatedLab(t, "key")
			l.Create(desk, onDesk())
			l.Create(deskEnrolled, enrollment(alice, desk))
			l.cycle()
			l.Advance(tt.after)
			l.provisionAnew(t)
			if s := l.story("P8"); s.has("mfa_prompt") != tt.prompt || s.has("sts_request") != tt.prompt {
				t.Errorf("prompted: %t\n%s", s.has("mfa_prompt"), s)
			}
		})
	}
}

// provisionAnew has alice provision Hello anew at the desk: she resets her PIN.
func (l *lab) provisionAnew(t testing.TB) {
	t.Helper()
	v, err := l.windows.ResetPIN(t.Context(), l.For(desk), windows.PINReset{User: alice, Device: desk, New: providers.Secret("908172"), Destructive: true})
	if err != nil || v.Code != "success" {
		t.Fatalf("%+v %+v, %v", v, v.Reason, err)
	}
}

// P5 and P6 ask for the second factor however lately one was given, unless the trust
// says otherwise.
func TestAlwaysPrompts(t *testing.T) {
	seed.Proves(t, "PA-08", "P5", "P6", "P7")
	for _, tt := range []struct {
		flow   string
		recent bool
		in     spec.Device
		lab    func(...func(*federatedLab)) *lab
	}{
		{"P5", false, onDesk(), func(c ...func(*federatedLab)) *lab { return newFederatedLab(t, "certificate", c...) }},
		{"P5", true, onDesk(), func(c ...func(*federatedLab)) *lab { return newFederatedLab(t, "certificate", c...) }},
		{"P6", false, onPremDesk(), func(c ...func(*federatedLab)) *lab { return newOnPremLab(t, "key", c...) }},
		{"P6", true, onPremDesk(), func(c ...func(*federatedLab)) *lab { return newOnPremLab(t, "key", c...) }},
		{"P7", false, onPremDesk(), func(c ...func(*federatedLab)) *lab { return newOnPremLab(t, "certificate", c...) }},
		{"P7", true, onPremDesk(), func(c ...func(*federatedLab)) *lab { return newOnPremLab(t, "certificate", c...) }},
	} {
		t.Run(tt.flow, func(t *testing.T) {
			l := tt.lab(func(f *federatedLab) { f.Trust.RecentMFA = tt.recent })
			l.Create(desk, tt.in)
			if tt.in.Tenant != "" {
				l.cycle() // which writes the device back
			}
			l.Create(deskEnrolled, enrollment(alice, desk))
			if !l.story(tt.flow).has("mfa_prompt") {
				t.Error("no prompt at first")
			}
			l.Advance(time.Minute)
			l.provisionAnew(t)
			if s := l.story(tt.flow); s.has("mfa_prompt") == tt.recent {
				t.Errorf("prompted: %t\n%s", s.has("mfa_prompt"), s)
			}
		})
	}
}

// TestP8 is key trust in a federated tenant, which no document draws.
func TestP8(t *testing.T) {
	l := newFederatedLab(t, "key")
	l.Create(desk, onDesk())
	l.Create(deskEnrolled, enrollment(alice, desk))
	s := l.story("P8")
	t.Run("A as P2", func(t *testing.T) {
		seed.Proves(t, "P8-02", "P8")
		s.begunByDevice(t)
		s.phase("A").inOrder(t, "token_request", "sts_request", "mfa_demanded", "mfa_verified", "assertion_issued", "enterprise_token", "assertion_exchange", "assertion_validated", "drs_token")
		for _, e := range s.phase("A").events {
			if !service(e.Actor) && e.Actor != event.KDC && e.Exchange == "" && (e.Message["inferred"] != "P2" || !strings.Contains(e.Text, "inferred from P2")) {
				t.Errorf("%s is not labelled: %q", e.Step, e.Text)
			}
		}
	})
	t.Run("B and C as P1, D as P4", func(t *testing.T) {
		seed.Proves(t, "P8-03", "P8")
		p1 := newLab(t)
		p1.device("laptop", func(d *spec.Device) { d.Biometrics = nil })
		p1.enroll()
		for _, letter := range []string{"B", "C"} {
			if got, want := s.lanes(letter), p1.story("P1").lanes(letter); !slices.Equal(got, want) {
				t.Errorf("phase %s\n%s\nof P1\n%s", letter, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for _, e := range s.phase(letter).events {
				if !service(e.Actor) && e.Message["inferred"] != "P1" {
					t.Errorf("%s is not labelled: %q", e.Step, e.Text)
				}
			}
		}
		l.expect(windows.Request{Device: desk, PIN: providers.Secret(pin)}, "key_not_synced")
		l.cycle()
		l.expect(windows.Request{Device: desk, PIN: providers.Secret(pin)}, "success")
	})
}
