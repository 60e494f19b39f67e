package directory_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adds/directory"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/ldapmsg"
)

const passwordSettings = "CN=Password Settings Container,CN=System," + base

// settings makes a Password Settings Object, and returns its name.
func (l *lab) settings(name string, precedence int, maxAge time.Duration, to ...string) string {
	l.t.Helper()
	dn := "CN=" + name + "," + passwordSettings
	ticks := func(d time.Duration) string { return strconv.FormatInt(-int64(d/100), 10) }
	l.mustAdd(dn, "objectClass", "msDS-PasswordSettings", "msDS-PasswordSettingsPrecedence", strconv.Itoa(precedence), "msDS-MaximumPasswordAge", ticks(maxAge),
		"msDS-MinimumPasswordAge", ticks(time.Minute), "msDS-MinimumPasswordLength", "4", "msDS-PasswordHistoryLength", "1", "msDS-PasswordComplexityEnabled", "FALSE",
		"msDS-PasswordReversibleEncryptionEnabled", "FALSE", "msDS-LockoutThreshold", "0", "msDS-LockoutObservationWindow", ticks(time.Minute), "msDS-LockoutDuration", ticks(time.Minute))
	for _, t := range to {
		if err := l.modify(l.admin, dn, ldapmsg.AddValues, "msDS-PSOAppliesTo", t); err != nil {
			l.t.Fatal(err)
		}
	}
	return dn
}

// The policy on a password is that of the account's own settings, else of those of
// its global security groups, else the domain's.
func TestResultantSettings(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	group := func(name, kind string, members ...string) string {
		dn := "CN=" + name + "," + users
		l.mustAdd(dn, "objectClass", "group", "sAMAccountName", name, "groupType", kind)
		for _, m := range members {
			if err := l.modify(l.admin, dn, ldapmsg.AddValues, "member", m); err != nil {
				t.Fatal(err)
			}
		}
		return dn
	}
	const global, universal, distribution = "-2147483646", "-2147483640", "2"
	inner := group("Inner", global, alice)
	outer, everyone, list := group("Outer", global, inner), group("Everyone", universal, alice), group("List", distribution, alice)
	is := func(what, want string) {
		t.Helper()
		if got := strings.Join(l.get(alice, "msDS-ResultantPSO"), " "); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
		life := 42 * 24 * time.Hour
		if want != "" {
			_, text, _ := strings.Cut(want[:strings.IndexByte(want, ',')], "d")
			days, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			life = time.Duration(days) * 24 * time.Hour
		}
		a, err := l.Client(t.Context(), "alice", false)
		if err != nil {
			t.Fatal(err)
		}
		computed := l.get(alice, "msDS-UserPasswordExpiryTimeComputed")
		if !a.MustChange.Equal(a.PasswordSet.Add(life)) || fmt.Sprint(computed) != fmt.Sprint([]uint64{filetime.From(a.MustChange)}) {
			t.Errorf("%s: good for %s, %s computed, want %s", what, a.MustChange.Sub(a.PasswordSet), computed, life)
		}
	}
	day := 24 * time.Hour
	is("none", "")
	l.settings("d1", 1, day, everyone, list)
	is("of groups that do not count", "")
	far := l.settings("d9", 50, 9*day, outer)
	is("of a group's group", far)
	near := l.settings("d8", 40, 8*day, inner)
	is("the lower precedence", near)
	twins := []string{near, l.settings("d7", 40, 7*day, inner)}
	first := twins[0]
	if string(l.get(twins[1], "objectGUID")[0]) < string(l.get(twins[0], "objectGUID")[0]) {
		first = twins[1]
	}
	is("the smaller GUID", first)
	own := l.settings("d6", 1000, 6*day, alice)
	is("the account's own", own)
	if got := l.get(alice, "msDS-PSOApplied"); fmt.Sprint(got) != fmt.Sprint([]string{own}) {
		t.Errorf("applied: %q", got)
	}

	// Its other rules hold, too: four characters, of one kind.
	l.clock = l.clock.Add(time.Hour)
	if err := l.change(l.as("alice"), alice, "First.pa55 of a", "easy"); err != nil {
		t.Errorf("a password that the settings take: %v", err)
	}
	l.clock = l.clock.Add(time.Hour)
	refused(t, "one that they do not", l.change(l.as("alice"), alice, "easy", "abc"), ldapmsg.ConstraintViolation)

	refused(t, "settings by a user", l.modify(l.as("alice"), own, ldapmsg.ReplaceValues, "msDS-MaximumPasswordAge", "-1"), ldapmsg.InsufficientAccessRights)
	// What an administrator writes that is no sense does no harm.
	for attribute, value := range map[string]string{"msDS-PasswordHistoryLength": "-5", "msDS-MinimumPasswordLength": "-2147483648", "msDS-MaximumPasswordAge": "-9223372036854775808", "msDS-MinimumPasswordAge": "9223372036854775807"} {
		if err := l.modify(l.admin, own, ldapmsg.ReplaceValues, attribute, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.change(l.as("alice"), alice, "easy", "x"); err != nil {
		t.Error(err)
	}
	if a, err := l.Client(t.Context(), "alice", false); err != nil || !a.MustChange.IsZero() {
		t.Errorf("a password without end expires at %s, %v", a.MustChange, err)
	}
	if got := l.get("CN=krbtgt,"+users, "msDS-ResultantPSO"); got != nil {
		t.Errorf("krbtgt has %q", got)
	}
	if err := l.Delete(t.Context(), l.admin, &ldapmsg.Delete{DN: own}, false); err != nil {
		t.Fatal(err)
	}
	if got := l.get(alice, "msDS-ResultantPSO"); fmt.Sprint(got) != fmt.Sprint([]string{first}) {
		t.Errorf("once it is deleted: %q", got)
	}
}

// Nobody but administrators reads a policy on the passwords of some accounts: the
// class's default descriptor lets nobody else (AD's schema, ms-DS-Password-Settings).
func TestWhoReadsSettings(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	pso := l.settings("Weak", 1, time.Hour, alice)
	who := l.as("alice")
	for name, at := range map[string]string{"by class": base, "below the container": passwordSettings} {
		for whom, want := range map[*directory.Requester]int{who: 0, l.admin: 1} {
			if found, err := l.search(whom, at, ldapmsg.WholeSubtree, "(objectClass=msDS-PasswordSettings)"); err != nil || len(found) != want {
				t.Errorf("%s, %s: %d found, %v", name, whom.Name, len(found), err)
			}
		}
	}
	_, err := l.search(who, pso, ldapmsg.BaseObject, "(objectClass=*)")
	refused(t, "the object itself", err, ldapmsg.NoSuchObject)
	_, err = l.Compare(t.Context(), who, &ldapmsg.Compare{DN: pso, Attribute: "msDS-MinimumPasswordLength", Value: []byte("4")})
	refused(t, "a guess at it", err, ldapmsg.NoSuchObject)
	guid := l.get(pso, "objectGUID")[0]
	found, err := l.search(who, base, ldapmsg.WholeSubtree, "(objectGUID="+escaped(guid)+")")
	if err != nil || len(found) != 0 {
		t.Errorf("by its GUID: %d found, %v", len(found), err)
	}
}

// escaped writes octets for a filter.
func escaped(octets string) (out string) {
	for _, b := range []byte(octets) {
		out += fmt.Sprintf("\\%02x", b)
	}
	return out
}
