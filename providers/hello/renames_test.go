package hello

import (
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// Names go from one user to another only where one apply can bring them there.
func TestRenames(t *testing.T) {
	user := func(upn string, set ...func(*spec.User)) any {
		u := spec.User{UPN: upn + "@contoso.com", Tenant: "tenant.contoso", Domain: "domain.corp"}
		for _, s := range set {
			s(&u)
		}
		return u
	}
	sam := func(name string) func(*spec.User) { return func(u *spec.User) { u.SAMAccountName = name } }
	onPrem := func(name string) func(*spec.User) { return func(u *spec.User) { u.UPNOnPrem = name + "@corp.test" } }
	cloud := func(u *spec.User) { u.Domain = "" }
	type users = map[string]any
	for _, c := range []struct {
		name    string
		was, is users
		anew    []string // made, or made anew
		want    []string
	}{
		{"nothing", users{"user.a": user("a"), "user.b": user("b")}, users{"user.a": user("a"), "user.b": user("b")}, nil, nil},
		{"a new name", users{"user.a": user("a"), "user.b": user("b")}, users{"user.a": user("c"), "user.b": user("b")}, nil, nil},
		{"upper case", users{"user.a": user("a")}, users{"user.a": user("A")}, nil, nil},
		{"two swap", users{"user.a": user("a"), "user.b": user("b")}, users{"user.a": user("B"), "user.b": user("a")}, nil, []string{"user.a upn names_in_a_ring"}},
		{"two of a tenant swap", users{"user.a": user("a", cloud), "user.b": user("b", cloud)}, users{"user.a": user("b", cloud), "user.b": user("a", cloud)}, nil, []string{"user.a upn names_in_a_ring"}},
		{"a ring of three", users{"user.a": user("a"), "user.b": user("b"), "user.c": user("c")}, users{"user.a": user("b"), "user.b": user("c"), "user.c": user("a")}, nil, []string{"user.a upn names_in_a_ring"}},
		{"a chain", users{"user.a": user("a"), "user.b": user("b")}, users{"user.a": user("b"), "user.b": user("c")}, nil, nil},
		{"a new one takes a name that becomes free", users{"user.b": user("b")}, users{"user.a": user("b"), "user.b": user("c")}, []string{"user.a"}, nil},
		{"of one who goes", users{"user.b": user("b")}, users{"user.a": user("b")}, []string{"user.a"}, nil},
		{"two swap, and one is made anew", users{"user.a": user("a"), "user.b": user("b")}, users{"user.a": user("b"), "user.b": user("a")}, []string{"user.a"}, nil},
		{"a new one beside a ring", users{"user.a": user("a"), "user.b": user("b")}, users{"user.a": user("b"), "user.b": user("a"), "user.c": user("c")}, []string{"user.c"}, []string{"user.a upn names_in_a_ring"}},
		{"account names swap", users{"user.a": user("a", sam("x")), "user.b": user("b", sam("y"))}, users{"user.a": user("a", sam("y")), "user.b": user("b", sam("X"))}, nil,
			[]string{"user.a sam_account_name name_not_free_yet", "user.b sam_account_name name_not_free_yet"}},
		{"account names in a chain", users{"user.a": user("a"), "user.b": user("b", sam("y"))}, users{"user.a": user("a", sam("y")), "user.b": user("b")}, nil, []string{"user.a sam_account_name name_not_free_yet"}},
		{"account names of others", users{"user.a": user("a"), "user.b": user("b", sam("y"))}, users{"user.a": user("a", sam("y")), "user.b": user("b", cloud)}, nil, []string{"user.a sam_account_name name_not_free_yet"}},
		{"names in the domain", users{"user.a": user("a", onPrem("x")), "user.b": user("b", onPrem("y"))}, users{"user.a": user("a", onPrem("y")), "user.b": user("b", onPrem("z"))}, nil, []string{"user.a upn_onprem name_not_free_yet"}},
	} {
		var made []string
		for _, addr := range sortedKeys(c.is) {
			if !slices.Contains(c.anew, addr) {
				made = append(made, addr)
			}
		}
		var got []string
		for _, p := range new(Rules).Renames(records(t, c.was, sortedKeys(c.was)...), records(t, c.is, made...)) {
			got = append(got, p.Addr+" "+p.Attribute+" "+p.Rule)
			if p.Warning || !strings.Contains(p.Detail, "two applies") {
				t.Errorf("%s: %+v", c.name, p)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if ps := new(Rules).Renames(nil, []providers.Record{}); ps != nil {
		t.Errorf("%+v", ps)
	}
}
