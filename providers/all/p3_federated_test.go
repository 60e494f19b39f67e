package all_test

import (
	"testing"

	"hellolab/providers/spec"
)

// P3 in a federated tenant has P2's phase A. Whatever the tenant makes of the second
// factor that AD FS verified, one is verified; where AD FS waives it, nobody is
// provisioned.
func TestP3Federated(t *testing.T) {
	for _, behavior := range []string{"accept", "enforce", "reject"} {
		for rule, want := range map[string]string{spec.MFAOnRequest: "", spec.MFANever: "mfa_required"} {
			t.Run(behavior+" "+rule, func(t *testing.T) {
				l := newFederatedLab(t, "cloud_kerberos", func(f *federatedLab) {
					f.Trust.Federation, f.Trust.Authority = "", ""
					f.Tenant.MFA = &spec.TenantMFA{Provider: "builtin", Federated: behavior}
					f.Federation.MFARule = rule
				})
				l.Create(desk, onDesk())
				_, err := l.TryCreate(t.Context(), deskEnrolled, enrollment(alice, desk))
				if code := refusalOf(err); code != want {
					t.Errorf("%q, want %q: %v", code, want, err)
				}
				s := l.story("P3")
				s.begunByDevice(t)
				s.inOrder(t, "token_request", "sts_request", "assertion_issued", "assertion_exchange")
				if asked := s.has("mfa_begin"); asked != (behavior == "reject" && want == "") {
					t.Errorf("the tenant asks for a factor of its own: %t\n%s", asked, s)
				}
			})
		}
	}
}
