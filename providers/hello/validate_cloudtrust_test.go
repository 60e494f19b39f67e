package hello

import (
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// What a domain must have for cloud Kerberos trust, each case with every problem
// that it must cause.
func TestValidateServerObject(t *testing.T) {
	type lab = map[string]any
	controllers := func(by map[string]*spec.Controller) func(lab) {
		return func(l lab) {
			for _, c := range by {
				if c.OS == "" {
					c.OS = "windows-server-2022"
				}
				if c.Site == "" {
					c.Site = "Default-First-Site-Name"
				}
			}
			with(l, "domain.corp", func(d *spec.Domain) { d.Controllers = by })
		}
	}
	const (
		nobody = "trust.cloud domain cloud_trust_without_controller"
		site   = "domain.corp controller cloud_trust_site_without_controller?"
	)
	for _, c := range []struct {
		name   string
		change func(lab)
		want   []string
	}{
		{"as it is", func(lab) {}, nil},
		{"key 0", func(l lab) { with(l, "trust.cloud", func(t *spec.Trust) { t.KeyVersion = 0 }) }, []string{"trust.cloud key_version key_version_malformed"}},
		{"of 2016 before the update", controllers(map[string]*spec.Controller{"dc1": {OS: "windows-server-2016", Build: "14393.3473"}}), []string{nobody}},
		{"of 2016 with the update", controllers(map[string]*spec.Controller{"dc1": {OS: "windows-server-2016", Build: "14393.3474"}}), nil},
		{"of 2019 before the update", controllers(map[string]*spec.Controller{"dc1": {OS: "windows-server-2019", Build: "17763.1011"}}), []string{nobody}},
		{"of 2019 with the update", controllers(map[string]*spec.Controller{"dc1": {OS: "windows-server-2019", Build: "17763.1012"}}), nil},
		{"of 2019, as it comes", controllers(map[string]*spec.Controller{"dc1": {OS: "windows-server-2019"}}), nil},
		{"of 2022, without updates", controllers(map[string]*spec.Controller{"dc1": {Build: "20348.1"}}), nil},
		{"without AES256", controllers(map[string]*spec.Controller{"dc1": {ETypes: []string{"aes128", "rc4"}}}), []string{nobody}},
		{"one of two", controllers(map[string]*spec.Controller{"dc1": {}, "dc2": {OS: "windows-server-2016", Build: "14393.1"}}), nil},
		{"a site with a read-only one", controllers(map[string]*spec.Controller{"dc1": {}, "rodc": {Site: "Branch", Writable: ptr(false)}}), []string{site}},
		{"a site with an old one and a new one", controllers(map[string]*spec.Controller{"dc1": {}, "dc2": {Site: "Branch", OS: "windows-server-2019", Build: "17763.1"}, "dc3": {Site: "Branch"}}), nil},
		{"two sites, and one that can", controllers(map[string]*spec.Controller{"dc1": {ETypes: []string{"aes128"}}, "dc2": {Site: "Branch"}}), []string{site}},
		{"no privileged group denied", func(l lab) {
			l["group.temps"] = spec.Group{Domain: "domain.corp"}
			with(l, "trust.cloud", func(t *spec.Trust) { t.Denied = []providers.Ref{"group.temps"} })
		}, []string{"trust.cloud denied cloud_trust_denies_too_few?"}},
		{"the privileged group and another denied", func(l lab) {
			l["group.temps"] = spec.Group{Domain: "domain.corp"}
			l["group.denied"] = spec.Group{Domain: "domain.corp", WellKnown: "denied_rodc_replication"}
			with(l, "trust.cloud", func(t *spec.Trust) { t.Denied = []providers.Ref{"group.temps", "group.denied"} })
		}, nil},
		{"nobody denied", func(l lab) { with(l, "trust.cloud", func(t *spec.Trust) { t.Denied = []providers.Ref{} }) }, []string{"trust.cloud denied cloud_trust_denies_too_few?"}},
		{"nobody allowed", func(l lab) { with(l, "trust.cloud", func(t *spec.Trust) { t.Allowed = []providers.Ref{} }) },
			[]string{"enrollment.desk user cloud_kerberos_privileged?", "enrollment.tablet user cloud_kerberos_privileged?", "trust.cloud allowed cloud_trust_allows_nobody?"}},
		{"a privileged user, and nobody denied", func(l lab) {
			l["group.admins"] = spec.Group{Domain: "domain.corp", WellKnown: "domain_admins", Members: []providers.Ref{"user.alice"}}
			with(l, "trust.cloud", func(t *spec.Trust) { t.Denied = []providers.Ref{} })
		}, []string{"trust.cloud denied cloud_trust_denies_too_few?"}},
		{"two tenants", func(l lab) {
			l["tenant.fabrikam"] = spec.Tenant{Domains: []string{"fabrikam.com"}, Authentication: "managed", DeviceQuota: 50}
			l["trust.second"] = spec.Trust{Type: "cloud_kerberos", Tenant: "tenant.fabrikam", Domain: "domain.corp", KeyVersion: 1}
		}, []string{"trust.second  trust_not_turned_on?", "trust.second domain cloud_trust_twice", "trust.second domain trust_needs_sync"}},
		{"twice for one tenant", func(l lab) { l["trust.again"] = l["trust.cloud"] }, []string{"trust.again  trust_not_turned_on?", "trust.cloud domain trust_twice"}},
		{"beside key trust", func(l lab) {
			l["trust.key"] = spec.Trust{Type: "key", Tenant: "tenant.contoso", Domain: "domain.corp"}
		}, []string{"trust.key  trust_not_turned_on?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := hybridLab()
			l["trust.cloud"] = spec.Trust{Type: "cloud_kerberos", Tenant: "tenant.contoso", Domain: "domain.corp", KeyVersion: 1}
			delete(l, "trust.key")
			with(l, "policy.hello", func(p *spec.Policy) { p.Trust = "trust.cloud" })
			c.change(l)
			if got := rulesTold(t, worldOf(t, l)); !equalStrings(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// The controllers that do not do are named, each with why.
func TestServerObjectNamesControllers(t *testing.T) {
	l := hybridLab()
	l["trust.cloud"] = spec.Trust{Type: "cloud_kerberos", Tenant: "tenant.contoso", Domain: "domain.corp", KeyVersion: 1}
	with(l, "domain.corp", func(d *spec.Domain) {
		d.Controllers = map[string]*spec.Controller{
			"dc1": {OS: "windows-server-2019", Build: "17763.1", Site: "A"}, "dc2": {OS: "windows-server-2022", ETypes: []string{"aes128"}, Site: "A"},
			"dc3": {OS: "windows-server-2022", Writable: ptr(false), Site: "B"},
		}
	})
	made := Validate(worldOf(t, l, "trust.cloud"))
	if i := slices.IndexFunc(made, func(p Problem) bool { return p.Rule == "cloud_trust_without_controller" }); i < 0 || !made[i].Warning {
		t.Errorf("of a trust that there is: %+v", made)
	}
	for _, p := range Validate(worldOf(t, l)) {
		if p.Rule != "cloud_trust_without_controller" {
			continue
		}
		if p.Warning {
			t.Error("a trust that is to be made is warned of only")
		}
		for _, says := range []string{"dc1 is of build 17763.1", "dc2 does not take AES256", "dc3 is read-only", "KB4534307"} {
			if !strings.Contains(p.Detail, says) {
				t.Errorf("%q does not say %q", p.Detail, says)
			}
		}
		return
	}
	t.Error("no problem")
}
