package hello

import (
	"slices"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
)

func settingsLab() map[string]any {
	l := hybridLab()
	l["group.inner"] = spec.Group{Domain: "domain.corp", Members: []providers.Ref{"user.alice"}}
	l["group.outer"] = spec.Group{Domain: "domain.corp", Name: "Outer", Members: []providers.Ref{"group.inner"}}
	l["group.publishers"] = spec.Group{Domain: "domain.corp", WellKnown: "cert_publishers", Members: []providers.Ref{"user.alice"}}
	return l
}

func fineGrained(precedence int, maxAge time.Duration, to ...providers.Ref) spec.PasswordSettings {
	return spec.PasswordSettings{Domain: "domain.corp", Precedence: precedence, AppliesTo: to, MinLength: 9, MaxAge: maxAge}
}

// The policy on a user's password, step by step as settings come: MS-ADTS
// 3.1.1.4.5, msDS-ResultantPSO.
func TestPasswordPolicyOf(t *testing.T) {
	l := settingsLab()
	is := func(want string, age time.Duration, made ...string) {
		t.Helper()
		if p, by := worldOf(t, l, made...).PasswordPolicyOf("user.alice"); by != want || p.MaxAge != age {
			t.Errorf("by %s, %s; want %s, %s", by, p.MaxAge, want, age)
		}
	}
	const day = 24 * time.Hour
	is("domain.corp", 42*day)
	with(l, "domain.corp", func(d *spec.Domain) { d.PasswordPolicy = &spec.PasswordPolicy{MaxAge: 90 * day} })
	is("domain.corp", 90*day)
	l["password_settings.local"] = fineGrained(1, day, "group.publishers")
	is("domain.corp", 90*day)
	l["password_settings.b"] = fineGrained(50, 9*day, "group.outer")
	is("password_settings.b", 9*day)
	l["password_settings.c"] = fineGrained(40, 8*day, "group.inner")
	is("password_settings.c", 8*day)
	l["password_settings.d"] = fineGrained(40, 7*day, "group.inner")
	is("password_settings.c", 8*day) // neither is made: by address
	l["password_settings.own"] = fineGrained(1000, 0, "user.alice")
	is("password_settings.own", 0)
	if _, by := worldOf(t, l).PasswordPolicyOf("user.bo"); by != "" {
		t.Errorf("who is in no domain has a policy of %s", by)
	}
	w := worldOf(t, l)
	w.Settings["password_settings.own"].In.Domain = "domain.other"
	w.Settings["password_settings.c"].ID, w.Settings["password_settings.d"].ID = "00000000-0000-0000-0000-0000000000ff", "01000000-0000-0000-0000-000000000000"
	if _, by := w.PasswordPolicyOf("user.alice"); by != "password_settings.c" {
		t.Errorf("the smaller GUID, byte by byte as it is stored, is that of c, and %s counts", by)
	}
	w.Settings["password_settings.c"].ID = "00000001-0000-0000-0000-000000000000" // 01 00 00 00
	w.Settings["password_settings.d"].ID = "01000000-0000-0000-0000-000000000000" // 00 00 00 01
	if _, by := w.PasswordPolicyOf("user.alice"); by != "password_settings.d" {
		t.Errorf("the smaller GUID is that of d, and %s counts", by)
	}
}

func TestValidatePasswordSettings(t *testing.T) {
	for name, c := range map[string]struct {
		change func(map[string]any)
		want   []string
	}{
		"sound": {func(l map[string]any) {
			l["password_settings.a"] = fineGrained(1, time.Hour, "group.inner", "user.alice")
		}, nil},
		"ranges": {func(l map[string]any) {
			s := fineGrained(0, time.Hour, "user.alice")
			s.MinLength, s.History, s.MinAge = 129, -1, 2*time.Hour
			l["password_settings.a"] = s
		}, []string{"password_settings.a history password_policy_range", "password_settings.a min_age password_ages", "password_settings.a min_length password_policy_range", "password_settings.a precedence precedence_range"}},
		"precedence twice": {func(l map[string]any) {
			l["password_settings.a"], l["password_settings.b"] = fineGrained(3, 0, "user.alice"), fineGrained(3, 0, "group.inner")
		}, []string{"password_settings.b precedence precedence_twice?"}},
		"one name": {func(l map[string]any) {
			a, b := fineGrained(3, 0, "user.alice"), fineGrained(4, 0)
			b.Name = "A"
			l["password_settings.a"], l["password_settings.b"] = a, b
		}, []string{"password_settings.b name settings_name_taken"}},
		"an account of the tenant": {func(l map[string]any) { l["password_settings.a"] = fineGrained(1, 0, "user.bo") }, []string{"password_settings.a applies_to settings_elsewhere"}},
		"a local group":            {func(l map[string]any) { l["password_settings.a"] = fineGrained(1, 0, "group.publishers") }, []string{"password_settings.a applies_to settings_not_global?"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := settingsLab()
			c.change(l)
			if got := rulesTold(t, worldOf(t, l, sortedKeys(hybridLab())...)); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
