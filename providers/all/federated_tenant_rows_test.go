package all_test

import (
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
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

// The federation service verifies no second factor, or none that counts: no key
// is registered.
func TestFederatedWithoutFactor(t *testing.T) {
	for name, change := range map[string]func(*federatedLab){
		"the service asks for none":   func(f *federatedLab) { f.Federation.MFARule = spec.MFANever },
		"the tenant takes none of it": func(f *federatedLab) { f.Tenant.MFA = &spec.TenantMFA{Federated: "reject"} },
	} {
		t.Run(name, func(t *testing.T) {
			l := newFederatedLab(t, spec.TrustKey, change)
			l.device("laptop")
			l.Advance(15 * time.Minute)
			l.refuses(t, enrolled, spec.Enrollment{User: alice, Device: laptop, PIN: providers.Secret(pin)})
			e := l.find("token_refused")
			if e.Actor != event.EntraID || e.Reason == nil || e.Reason.Code != "AADSTS50076" {
				t.Errorf("%+v", e)
			}
			if n := len(l.helloKeys("alice")); n != 0 {
				t.Errorf("%d keys", n)
			}
		})
	}
}
