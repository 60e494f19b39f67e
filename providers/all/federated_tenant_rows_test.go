package all_test

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
)

// TestFederatedTenant is alice's provisioning on an Entra joined laptop in a
// federated tenant, as the tenant sees it.
func TestFederatedTenant(t *testing.T) {
	l := newFederatedLab(t, spec.TrustKey)
	l.device("laptop")
	l.Advance(15 * time.Minute) // the second factor of the join is too old
	l.enroll()
	s := l.story("P2")
	t.Run("exchange", func(t *testing.T) {
		seed.Proves(t, "P2-04")
		s.inOrder(t, "assertion_issued", "enterprise_token", "assertion_exchange", "assertion_validated")
		if m := s.at(t, "assertion_exchange").Message; m["grant_type"] != "urn:ietf:params:oauth:grant-type:saml1_1-bearer" {
			t.Errorf("%v", m)
		}
	})
	t.Run("token", func(t *testing.T) {
		seed.Proves(t, "P2-05")
		s.inOrder(t, "assertion_exchange", "assertion_validated", "token_request_validated", "access_token_issued", "access_token_returned", "drs_token", "key_registration")
		if m := s.at(t, "assertion_validated").Message; m["mfa_verified"] != true || m["mfa_counts"] != true {
			t.Errorf("%v", m)
		}
		if m := s.at(t, "key_id_returned").Message; m["receipt"] != false {
			t.Error("a receipt on a device that is no computer of the domain")
		}
	})
}

// The tenant does not count the service's second factor (federated_behavior
// "reject"), and asks for its own.
func TestFederatedFactorRejected(t *testing.T) {
	l := newFederatedLab(t, spec.TrustKey, func(f *federatedLab) { f.Tenant.MFA = &spec.TenantMFA{Federated: "reject"} })
	l.device("laptop")
	l.Advance(15 * time.Minute)
	l.enroll()
	s := l.story("P2")
	s.inOrder(t, "assertion_issued", "assertion_exchange", "assertion_validated", "token_refused", "mfa_window", "authorize_request", "mfa_challenged", "mfa_verified", "access_token_issued", "drs_token", "key_id_returned")
	if m := s.at(t, "assertion_validated").Message; m["mfa_verified"] != true || m["mfa_counts"] != false {
		t.Errorf("%v", m)
	}
	for _, e := range slices.Backward(s.events) {
		if e.Step == "mfa_verified" {
			if e.Actor != event.MFA {
				t.Errorf("%s verified the factor that counts", e.Actor)
			}
			break
		}
	}
}

// Fault 89 from end to end: AD FS rolls its token-signing key, the tenant knows
// no more than yesterday's metadata until its daily look. Whoever signs in with
// Hello does not notice.
func TestFederationRollover(t *testing.T) {
	l := newFederatedLab(t, spec.TrustKey)
	l.device("laptop")
	l.enroll()
	byPassword := func() windows.Request { return windows.Request{Password: providers.Secret(first)} }
	l.expect(byPassword(), "success")
	rolled := conformance.Get[spec.Federation, spec.FederationOut](l.Env, adfs).In
	rolled.SigningVersion++
	l.Advance(time.Minute)
	l.Update(adfs, rolled)
	if v := l.signIn(byPassword()); v.Code == "success" {
		t.Error("an assertion by a certificate that the tenant does not know is taken")
	}
	if e := l.find("token_refused"); e.Reason == nil || e.Reason.Code != "AADSTS50013" {
		t.Errorf("%+v", e.Reason)
	}
	l.expect(byPIN(pin), "success")
	l.Advance(24 * time.Hour)
	if err := l.Due(t.Context(), "tenant.contoso"); err != nil {
		t.Fatal(err)
	}
	if m := l.find("federation_metadata_read").Message; m["changed"] != true || m["certificates"] != 2 {
		t.Errorf("%v", m)
	}
	l.expect(byPassword(), "success")
}

// TestFederatedSignIn is a password beside Hello under federation.
func TestFederatedSignIn(t *testing.T) {
	l := newFederatedLab(t, spec.TrustKey)
	l.device("laptop")
	l.enroll()
	passes := []string{"realm_request", "password_to_federation", "assertion_issued", "assertion", "prt_request", "assertion_validated", "prt_issued"}
	t.Run("password", func(t *testing.T) {
		seed.Proves(t, "HY-06", "A1")
		l.expect(windows.Request{Password: providers.Secret(first)}, "success")
		s := l.story("A1")
		s.inOrder(t, passes...)
		if e := s.at(t, "password_to_federation"); e.Actor != event.CloudAP || e.Peer != event.STS {
			t.Errorf("%s to %s", e.Actor, e.Peer)
		}
		if m := s.at(t, "prt_issued").Message; !slices.Equal(m["amr"].([]string), []string{"pwd", "rsa"}) {
			t.Errorf("%v", m)
		}
	})
	t.Run("Hello", func(t *testing.T) {
		seed.Proves(t, "A1-16", "A1")
		seed.Proves(t, "PRT-20", "A1")
		declared := conformance.Get[spec.Federation, spec.FederationOut](l.Env, adfs).In
		l.Update(adfs, l.With("federation", declared, "enabled", cty.False))
		l.expect(byPIN(pin), "success")
		s := l.story("A1")
		for _, step := range passes {
			if step != "prt_request" && step != "prt_issued" && s.has(step) {
				t.Errorf("step %s", step)
			}
		}
		for _, e := range s.events {
			if e.Actor == event.STS || e.Peer == event.STS {
				t.Errorf("%s takes part: %s", event.STS, e.Step)
			}
		}
		l.signIn(windows.Request{Password: providers.Secret(first)}) // Windows has the last password's verifier
		if s := l.story("A1"); !s.has("assertion_missing") || s.has("prt_issued") {
			t.Errorf("a password without the service:\n%s", s)
		}
	})
}

// TestFederatedDesk is alice's provisioning at her hybrid joined desk, under
// certificate and under key trust, as the tenant sees it.
func TestFederatedDesk(t *testing.T) {
	l := newFederatedLab(t, spec.TrustCertificate)
	l.Create(desk, onDesk())
	l.cycle()
	tap := l.listen()
	l.Create(deskEnrolled, enrollment(alice, desk))
	s := l.story("P5")
	t.Run("exchange", func(t *testing.T) {
		seed.Proves(t, "P5-02", "P5")
		s.inOrder(t, "mfa_verified", "assertion_issued", "enterprise_token", "assertion_exchange", "assertion_validated", "token_request_validated", "access_token_issued", "drs_token")
	})
	t.Run("receipt", func(t *testing.T) {
		seed.Proves(t, "P5-03", "P5")
		seed.Proves(t, "KEY-07", "P5")
		x := tap.last(t, http.MethodPost, drs.PathKey)
		asked, err := drs.ParseKeyRequest(x.body)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := drs.ParseKeyReply(x.reply)
		if err != nil || reply.KeyID == "" {
			t.Fatalf("%+v, %v", reply, err)
		}
		issuers, err := graph.Get[graph.Page[graph.DeviceIssuer]](t.Context(), l.directory(), "deviceRegistrationIssuers")
		if err != nil || len(issuers.Value) != 1 {
			t.Fatalf("%+v, %v", issuers, err)
		}
		authority := parsed(t, issuers.Value[0].Certificate)
		receipt, err := drs.OpenReceipt(reply.Receipt, []*x509.Certificate{authority}, l.Now())
		if err != nil {
			t.Fatal(err)
		}
		device := conformance.Get[spec.Device, spec.DeviceOut](l.Env, desk).Out
		if !bytes.Equal(receipt.Key, asked.PublicKey) || receipt.OnPremSID != conformance.Get[spec.User, spec.UserOut](l.Env, alice).Out.SID || receipt.DeviceID != device.DeviceID ||
			receipt.Expiration-receipt.IssuedAt != int64(24*time.Hour/time.Second) {
			t.Errorf("receipt %+v", receipt)
		}
	})
	t.Run("no receipt", func(t *testing.T) {
		seed.Proves(t, "P5-03", "P8")
		l := newFederatedLab(t, spec.TrustKey)
		l.Create(desk, onDesk())
		tap := l.listen()
		l.Create(deskEnrolled, enrollment(alice, desk))
		reply, err := drs.ParseKeyReply(tap.last(t, http.MethodPost, drs.PathKey).reply)
		if err != nil || reply.KeyID == "" || reply.Receipt != "" {
			t.Errorf("%+v, %v", reply, err)
		}
	})
}
