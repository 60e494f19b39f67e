package hello

import (
	"slices"
	"strings"
	"testing"

	"hellolab/providers/spec"
)

// A plan says whom Connect takes from the tenant, or never carries there.
func TestScopeIsToldOf(t *testing.T) {
	all := sortedKeys(hybridLab())
	const corp = "DC=corp,DC=contoso,DC=com"
	for _, c := range []struct {
		name   string
		scope  []string
		change func(map[string]any)
		made   []string
		want   []string
	}{
		{"everything", nil, nil, all, nil},
		{"the domain", []string{corp}, nil, all, nil},
		{"users", []string{"cn=Users," + corp}, nil, all, []string{"device.desk  leaves_scope?"}},
		{"users, and the desk is new", []string{"CN=Users," + corp}, nil, []string{"user.alice"}, []string{"device.desk  not_in_scope?"}},
		{"computers", []string{"CN=Computers," + corp}, nil, all, []string{"user.alice  leaves_scope?"}},
		{"computers, and alice is new", []string{"CN=Computers," + corp}, nil, nil, []string{"user.alice  not_in_scope?"}},
		{"neither", []string{"OU=Elsewhere," + corp}, nil, all, []string{"device.desk  leaves_scope?", "user.alice  leaves_scope?"}},
		{"users, where AD FS registers computers", []string{"CN=Users," + corp}, func(l map[string]any) {
			l["federation.sts"] = spec.Federation{Kind: "adfs", Domain: "domain.corp", Enabled: true, SigningVersion: 1, MFA: "builtin"}
			with(l, "tenant.contoso", func(t *spec.Tenant) { t.Authentication, t.Federation = "federated", "federation.sts" })
			delete(l, "user.bo")
			delete(l, "device.tablet")
			delete(l, "enrollment.tablet")
		}, all, nil},
	} {
		l := hybridLab()
		with(l, "sync.up", func(s *spec.Sync) { s.Scope = c.scope })
		if c.change != nil {
			c.change(l)
		}
		if got := rulesTold(t, worldOf(t, l, c.made...)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A computer of a federated tenant joins by what AD FS says of it, where the tenant
// takes AD FS's word.
func TestJoinsThroughAFederation(t *testing.T) {
	off := func(l lab) { with(l, "federation.sts", func(f *spec.Federation) { f.Enabled = false }) }
	signs := func(version string) func(*spec.FederationOut) {
		return func(o *spec.FederationOut) { o.SigningThumbprint = version }
	}
	made := []string{"tenant.contoso", "domain.corp", "federation.sts", "sync.up", "user.alice"}
	for _, c := range []struct {
		name   string
		change func(lab)
		out    func(*spec.FederationOut)
		made   []string
		want   string
	}{
		{"it runs", func(lab) {}, signs("AB"), made, ""},
		{"all of it new", func(lab) {}, nil, nil, ""},
		{"it is off", off, signs("AB"), made, "device.desk join join_through_federation_down"},
		{"it is off, and the device joined", off, signs("AB"), append([]string{"device.desk", "enrollment.desk"}, made...), ""},
		{"it gets a new certificate", func(lab) {}, signs(""), made, "device.desk join join_by_new_signing_certificate?"},
		{"of a managed tenant", func(l lab) {
			off(l)
			with(l, "tenant.contoso", func(t *spec.Tenant) { t.Authentication, t.Federation = "managed", "" })
		}, signs("AB"), made, ""},
	} {
		l := federatedLab()
		c.change(l)
		w := worldOf(t, l, c.made...)
		if c.out != nil {
			c.out(&w.Federations["federation.sts"].Out)
		}
		got := slices.DeleteFunc(rulesTold(t, w), func(s string) bool { return !strings.Contains(s, " join_") })
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
