package all_test

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// TestAzureAdPrt follows the field of the status through the life of a token, on
// an Entra joined and on a hybrid joined device.
func TestAzureAdPrt(t *testing.T) {
	for _, device := range []string{laptop, desk} {
		t.Run(device, func(t *testing.T) {
			seed.Proves(t, "DBG-04", "A1", "A6")
			l := newHybridLab(t)
			on := true
			l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: &on})
			if device == laptop {
				l.device("laptop")
			} else {
				l.Create(desk, spec.Device{Join: "hybrid", Tenant: "tenant.contoso", Domain: corp})
			}
			has := func(when string, want bool) {
				t.Helper()
				s, err := l.windows.Status(l.For(device), device, alice)
				if err != nil || s.PRT != want {
					t.Errorf("%s: AzureAdPrt %v, %v\n%s", when, s.PRT, err, l.trace())
				}
			}
			out := func() {
				t.Helper()
				if err := l.windows.SignOut(t.Context(), l.For(device), alice, device); err != nil {
					t.Fatal(err)
				}
			}
			hello := func() windows.Request {
				return windows.Request{Device: device, PIN: providers.Secret(pin), To: []string{"tenant.contoso"}}
			}
			has("before anybody signed in", false)
			l.Create("enrollment.alice", enrollment(alice, device))
			l.cycle()
			out()
			has("after the first session", false)
			l.expect(hello(), "success")
			has("signed in", true)

			if err := l.windows.Lock(t.Context(), l.For(device), alice, device); err != nil {
				t.Fatal(err)
			}
			l.revokeSessions()
			has("revoked, and not used yet", true)
			v := l.signIn(unlocking(hello()))
			if v.Code == "success" || !l.has("prt_dropped") {
				t.Errorf("with the revoked token: %s", v.Code)
			}
			has("revoked", false)
			l.expect(hello(), "success")
			has("signed in again", true)
			out()
			has("signed out", false)
		})
	}
}
