package hello

import (
	"slices"
	"strings"
	"testing"

	"hellolab/providers/spec"
)

func TestValidateUndeclaredTrust(t *testing.T) {
	const told = "enrollment.desk  trust_not_declared?"
	without := func() map[string]any {
		l := hybridLab()
		delete(l, "trust.key")
		return with(l, "policy.hello", func(p *spec.Policy) { p.Trust = "" })
	}
	for name, c := range map[string]struct {
		change func(map[string]any)
		warns  bool
	}{
		"none":               {func(map[string]any) {}, true},
		"none, Entra joined": {func(l map[string]any) { delete(l, "enrollment.desk") }, true},
		"to another domain": {func(l map[string]any) {
			l["trust.x"] = spec.Trust{Type: "key", Tenant: "tenant.contoso", Domain: "domain.x"}
		}, true},
		"declared": {func(l map[string]any) {
			l["trust.x"] = spec.Trust{Type: "key", Tenant: "tenant.contoso", Domain: "domain.corp"}
		}, false},
		"policy says how": {func(l map[string]any) {
			with(l, "policy.hello", func(p *spec.Policy) { p.UseCloudTrustForOnPremAuth = ptr(false) })
		}, false},
		"a user of the tenant": {func(l map[string]any) { with(l, "user.alice", func(u *spec.User) { u.Domain = "" }) }, false},
		"nobody enrolls":       {func(l map[string]any) { delete(l, "enrollment.desk"); delete(l, "enrollment.tablet") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := without()
			c.change(l)
			got := rulesTold(t, worldOf(t, l))
			n := 0
			for _, rule := range got {
				if strings.Contains(rule, "trust_not_declared") {
					n++
				}
			}
			if c.warns != (n == 1) || n > 1 {
				t.Errorf("%v", got)
			}
			if name == "none" && !slices.Contains(got, told) {
				t.Errorf("%v", got)
			}
		})
	}
}
