package hello

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// An administrator's new key does not reach the domain, unless AdminSDHolder lets
// Key Admins write it; and whom AdminSDHolder protects, groups say, however far.
func TestKeysOfProtectedAccounts(t *testing.T) {
	warned := []string{"enrollment.desk user key_of_protected_account?", "enrollment.tablet user key_of_protected_account?"}
	for name, c := range map[string]struct {
		wellKnown string
		may       bool
		exist     []string
		protected bool
		want      []string
	}{
		"an administrator of the domain":     {"domain_admins", false, nil, true, warned},
		"an administrator of the forest":     {"enterprise_admins", false, nil, true, warned},
		"a key administrator":                {"key_admins", false, nil, false, nil},
		"AdminSDHolder lets Key Admins":      {"domain_admins", true, nil, true, nil},
		"one key is there, and may be known": {"domain_admins", false, []string{"enrollment.desk"}, true, warned[1:]},
	} {
		t.Run(name, func(t *testing.T) {
			l := hybridLab()
			l["group.tier0"] = spec.Group{Domain: "domain.corp", Members: []providers.Ref{"user.alice"}}
			l["group.top"] = spec.Group{Domain: "domain.corp", WellKnown: c.wellKnown, Members: []providers.Ref{"group.tier0"}}
			with(l, "domain.corp", func(d *spec.Domain) { d.ProtectedKeys = c.may })
			w := worldOf(t, l, c.exist...)
			if got := rulesTold(t, w); !equalStrings(got, c.want) {
				t.Errorf("got %q", got)
			}
			if got := w.Protected("user.alice", "domain.corp"); got != c.protected || w.Protected("user.bo", "domain.corp") || w.Protected("user.alice", "domain.other") {
				t.Errorf("protected: %t", got)
			}
		})
	}
}
