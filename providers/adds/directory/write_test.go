package directory_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hellolab/providers/adds/directory"
	"hellolab/providers/event"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ldapmsg"
)

func (l *lab) change(who *directory.Requester, dn, old, new string) error {
	return l.Modify(l.t.Context(), who, &ldapmsg.Modify{DN: dn, Changes: []ldapmsg.Change{
		{Kind: ldapmsg.DeleteValues, Attribute: ldapmsg.Attribute{Description: "unicodePwd", Values: [][]byte{[]byte(quoted(old))}}},
		{Kind: ldapmsg.AddValues, Attribute: ldapmsg.Attribute{Description: "unicodePwd", Values: [][]byte{[]byte(quoted(new))}}},
	}}, false)
}

func TestPasswords(t *testing.T) {
	l := newLab(t)
	dn := l.person("alice")
	first := "First.pa55 of a"
	account := func() *directory.Account {
		a, err := l.Client(t.Context(), "alice", false)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := account(); !a.CheckPassword(first) || a.Keys[0].Version != 1 || a.Keys[0].Key.EType != krb.AES256 || a.Salt != "CORP.CONTOSO.COMalice" {
		t.Errorf("first password: %+v", a.Salt)
	}
	refused(t, "a change within a day", l.change(l.as("alice"), dn, first, "Second.pa55"), ldapmsg.ConstraintViolation)
	l.clock = l.clock.Add(25 * time.Hour)
	for what, c := range map[string]struct {
		who      *directory.Requester
		old, new string
		code     ldapmsg.ResultCode
	}{
		"a wrong old one":   {l.as("alice"), "Wrong.pa55", "Second.pa55", ldapmsg.ConstraintViolation},
		"a short one":       {l.as("alice"), first, "S.pa5", ldapmsg.ConstraintViolation},
		"a simple one":      {l.as("alice"), first, "secondpassword", ldapmsg.ConstraintViolation},
		"one with the name": {l.as("alice"), first, "Alice.pa55", ldapmsg.ConstraintViolation},
		"the same again":    {l.as("alice"), first, first, ldapmsg.ConstraintViolation},
	} {
		refused(t, what, l.change(c.who, dn, c.old, c.new), c.code)
	}
	clear := l.as("alice")
	clear.Sealed = false
	refused(t, "a change in the clear", l.change(clear, dn, first, "Second.pa55"), ldapmsg.UnwillingToPerform)
	refused(t, "a reset by a user", l.modify(l.as("alice"), dn, ldapmsg.ReplaceValues, "unicodePwd", quoted("Second.pa55")), ldapmsg.InsufficientAccessRights)
	if err := l.change(l.as("alice"), dn, first, "Second.pa55"); err != nil {
		t.Fatal(err)
	}
	if a := account(); a.CheckPassword(first) || !a.CheckPassword("Second.pa55") || a.Keys[0].Version != 2 || a.Keys[3].Version != 1 {
		t.Error("the second password's keys must come first, the first's after them")
	}
	if err := l.modify(l.admin, dn, ldapmsg.ReplaceValues, "unicodePwd", quoted(first)); err != nil {
		t.Errorf("an administrator's reset to a former password: %v", err)
	}
	if got := l.get(dn, "unicodePwd"); got != nil {
		t.Errorf("unicodePwd is read: %q", got)
	}

	// Expiry.
	if a := account(); !a.MustChange.Equal(l.clock.Add(42 * 24 * time.Hour)) {
		t.Errorf("must change at %s", a.MustChange)
	}
	if err := l.modify(l.admin, dn, ldapmsg.ReplaceValues, "pwdLastSet", "0"); err != nil {
		t.Fatal(err)
	}
	if a := account(); a.MustChange.IsZero() || a.MustChange.After(l.clock) {
		t.Errorf("must change at %s, not now", a.MustChange)
	}
	if got := l.get(dn, "msDS-User-Account-Control-Computed"); fmt.Sprint(got) != fmt.Sprint([]string{fmt.Sprint(directory.UACPasswordExpired)}) {
		t.Errorf("computed flags %q", got)
	}
	// An account may be made with a password that must be changed.
	l.mustAdd("CN=bo,"+users, "objectClass", "user", "sAMAccountName", "bo", "pwdLastSet", "0", "unicodePwd", quoted("First.pa55 of b"), "userAccountControl", "512")
	if got := l.get("CN=bo,"+users, "pwdLastSet"); fmt.Sprint(got) != "[0]" {
		t.Errorf("made with a password that must be changed, which was set at %s", got)
	}
	if err := l.modify(l.admin, dn, ldapmsg.ReplaceValues, "userAccountControl", "66048"); err != nil || !account().MustChange.IsZero() {
		t.Errorf("a password that does not expire: %v", err)
	}
}

// A new account with a password that is to be changed at the first logon, in
// whatever order its attributes come.
func TestPasswordExpiredFromTheStart(t *testing.T) {
	l := newLab(t)
	for i, attributes := range [][]string{
		{"pwdLastSet", "0", "unicodePwd", quoted("First.pa55")},
		{"unicodePwd", quoted("First.pa55"), "pwdLastSet", "0"},
	} {
		name := fmt.Sprintf("new%d", i)
		dn := "CN=" + name + "," + users
		l.mustAdd(dn, append([]string{"objectClass", "user", "sAMAccountName", name, "userAccountControl", "512"}, attributes...)...)
		if got := l.get(dn, "pwdLastSet"); fmt.Sprint(got) != "[0]" {
			t.Errorf("%q: pwdLastSet is %q", attributes, got)
		}
	}
}

func credential(t testing.TB, dn string, key keycred.Key) string {
	t.Helper()
	blob, err := key.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return ldapmsg.DNBinary{Binary: blob, DN: dn}.String()
}

// Faults 85 and 86: who may write key credentials, what a computer may write of
// itself, and that a malformed value harms no other.
func TestKeyCredentials(t *testing.T) {
	l := newLab(t)
	alice, keeper := l.person("alice"), l.person("keeper")
	l.mustAdd("CN=Laptop,CN=Computers,"+base, "objectClass", "computer", "sAMAccountName", "LAPTOP$", "userAccountControl", "4096")
	laptop := "CN=Laptop,CN=Computers," + base
	if err := l.modify(l.admin, "CN=Key Admins,"+users, ldapmsg.AddValues, "member", keeper); err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	device, _ := guid.New(rand.Reader)
	user := credential(t, alice, keycred.FromEntra(keycred.UserKey{Public: &rsaKey.PublicKey, Device: device, Created: l.clock}))
	own := credential(t, laptop, keycred.ForComputer(&rsaKey.PublicKey, l.clock))
	const attribute = "msDS-KeyCredentialLink"

	l.events = nil
	refused(t, "a user's own key", l.modify(l.as("alice"), alice, ldapmsg.AddValues, attribute, user), ldapmsg.InsufficientAccessRights)
	if len(l.events) != 1 || l.events[0].Outcome != event.Refused || l.events[0].Message["requester"] != `CORP\alice` {
		t.Errorf("the refusal is told as %+v", l.events)
	}
	l.events = nil
	if err := l.modify(l.as("keeper"), alice, ldapmsg.AddValues, attribute, user, fmt.Sprintf("B:4:BEEF:%s", alice)); err != nil {
		t.Fatalf("a key administrator's write: %v", err)
	}
	if len(l.events) != 2 || l.events[0].Step != "key_credential_added" || l.events[0].Message["from"] != "127.0.0.1:50000" || l.events[0].Message["object"] != alice {
		t.Errorf("the write is told as %+v", l.events)
	}
	a, err := l.Client(t.Context(), "alice", false)
	if err != nil || len(a.KeyCredentials) != 2 {
		t.Fatalf("%d key credentials, %v", len(a.KeyCredentials), err)
	}
	if keys, skipped := keycred.Usable(a.KeyCredentials, l.clock); len(keys) != 1 || len(skipped) != 1 {
		t.Errorf("%d usable, %d skipped", len(keys), len(skipped))
	}
	refused(t, "a value twice", l.modify(l.admin, alice, ldapmsg.AddValues, attribute, strings.ToLower(user[:6])+user[6:]), ldapmsg.InvalidAttributeSyntax)
	refused(t, "a value twice", l.modify(l.admin, alice, ldapmsg.AddValues, attribute, user), ldapmsg.AttributeOrValueExists)

	refused(t, "a user's key by a computer", l.modify(l.as("laptop$"), laptop, ldapmsg.AddValues, attribute, credential(t, laptop, keycred.FromEntra(keycred.UserKey{Public: &rsaKey.PublicKey, Device: device, Created: l.clock}))), ldapmsg.ConstraintViolation)
	refused(t, "another's object by a computer", l.modify(l.as("laptop$"), alice, ldapmsg.AddValues, attribute, own), ldapmsg.InsufficientAccessRights)
	if err := l.modify(l.as("laptop$"), laptop, ldapmsg.AddValues, attribute, own); err != nil {
		t.Errorf("a computer's own key: %v", err)
	}
	refused(t, "a second key by a computer", l.modify(l.as("laptop$"), laptop, ldapmsg.AddValues, attribute, credential(t, laptop, keycred.ForComputer(&rsaKey.PublicKey, l.clock.Add(-time.Hour)))), ldapmsg.ConstraintViolation)

	// The name in a value follows its object; the back link knows it.
	if err := l.ModifyDN(t.Context(), l.admin, &ldapmsg.ModifyDN{DN: alice, NewRDN: "CN=Alice Liddell", DeleteOldRDN: true}); err != nil {
		t.Fatal(err)
	}
	renamed := "CN=Alice Liddell," + users
	for _, v := range l.get(renamed, attribute) {
		if !strings.HasSuffix(v, ":"+renamed) {
			t.Errorf("value %.40s… is not of %s", v, renamed)
		}
	}
	if got := l.get(renamed, "msDS-KeyCredentialLink-BL"); !slices.Equal(got, []string{renamed}) {
		t.Errorf("back link %q", got)
	}
	refused(t, "fault 83: an odd number of digits", l.modify(l.admin, renamed, ldapmsg.AddValues, attribute, "B:3:ABC:"+renamed), ldapmsg.InvalidAttributeSyntax)
	refused(t, "fault 83: nobody's", l.modify(l.admin, renamed, ldapmsg.AddValues, attribute, "B:4:ABCD:CN=nobody,"+users), ldapmsg.ConstraintViolation)
}

func TestMove(t *testing.T) {
	l := newLab(t)
	for _, dn := range []string{"OU=A," + base, "OU=B,OU=A," + base, "OU=C," + base} {
		l.mustAdd(dn, "objectClass", "organizationalUnit")
	}
	l.mustAdd("CN=alice,OU=B,OU=A,"+base, "objectClass", "user", "sAMAccountName", "alice")
	l.mustAdd("CN=G,OU=C,"+base, "objectClass", "group", "sAMAccountName", "G", "member", "CN=alice,OU=B,OU=A,"+base)
	under := "OU=C," + base
	if err := l.ModifyDN(t.Context(), l.admin, &ldapmsg.ModifyDN{DN: "OU=A," + base, NewRDN: "OU=A2", DeleteOldRDN: true, NewSuperior: &under}); err != nil {
		t.Fatal(err)
	}
	if got := l.get("CN=G,OU=C,"+base, "member"); !slices.Equal(got, []string{"CN=alice,OU=B,OU=A2,OU=C," + base}) {
		t.Errorf("members %q", got)
	}
	within := "OU=B,OU=A2,OU=C," + base
	refused(t, "into itself", l.ModifyDN(t.Context(), l.admin, &ldapmsg.ModifyDN{DN: "OU=A2,OU=C," + base, NewRDN: "OU=A2", DeleteOldRDN: true, NewSuperior: &within}), ldapmsg.UnwillingToPerform)
	if err := l.Delete(t.Context(), l.admin, &ldapmsg.Delete{DN: "OU=A2,OU=C," + base}, true); err != nil {
		t.Fatal(err)
	}
	if got := l.get("CN=G,OU=C,"+base, "member"); got != nil {
		t.Errorf("members after the deletion: %q", got)
	}
	if _, err := l.Client(t.Context(), "alice", false); !errors.Is(err, directory.ErrNoAccount) {
		t.Errorf("the deleted account is found: %v", err)
	}
}

// Fault 84: names of every character come back as they were given, through
// constructors that escape.
func TestNamesOfAnything(outer *testing.T) {
	l := newLab(outer)
	rapid.Check(outer, func(t *rapid.T) {
		name := rapid.StringMatching(`[ -~äé"+,;<=>\\#*()]{1,20}`).Draw(t, "name")
		if strings.TrimSpace(name) == "" {
			t.Skip()
		}
		dn, err := ldapmsg.ParseDN(users)
		if err != nil {
			t.Fatal(err)
		}
		at := dn.Child("CN", name).String()
		if err := l.add(at, "objectClass", "user", "description", name); err != nil {
			t.Fatalf("%q: %v", at, err)
		}
		found, err := l.search(l.admin, users, ldapmsg.SingleLevel, ldapmsg.EqualTo("description", name).String(), "cn")
		if err != nil || len(found) != 1 || string(found[0].Attributes[0].Values[0]) != name {
			t.Fatalf("%q: found %+v, %v", name, found, err)
		}
		if err := l.Delete(l.t.Context(), l.admin, &ldapmsg.Delete{DN: found[0].DN}, false); err != nil {
			t.Fatal(err)
		}
	})
}

// The directory agrees with a model of names, attributes and memberships over
// random operations.
func TestModel(outer *testing.T) {
	rapid.Check(outer, func(t *rapid.T) {
		l := newLab(outer)
		model := map[string]map[string]bool{} // group → members
		people := map[string]string{}         // name → description
		for range rapid.IntRange(1, 30).Draw(t, "operations") {
			name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "name")
			group := rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group")
			dn, groupDN := "CN="+name+","+users, "CN="+group+","+users
			_, exists := people[name]
			_, hasGroup := model[group]
			var err error
			want := true
			switch rapid.IntRange(0, 5).Draw(t, "operation") {
			case 0:
				want = !exists
				if err = l.add(dn, "objectClass", "user", "sAMAccountName", name); want {
					people[name] = ""
				}
			case 1:
				want = exists
				if err = l.Delete(l.t.Context(), l.admin, &ldapmsg.Delete{DN: dn}, false); want {
					delete(people, name)
					for _, m := range model {
						delete(m, name)
					}
				}
			case 2:
				want = !hasGroup
				if err = l.add(groupDN, "objectClass", "group", "sAMAccountName", group); want {
					model[group] = map[string]bool{}
				}
			case 3:
				want = exists && hasGroup && !model[group][name]
				if err = l.modify(l.admin, groupDN, ldapmsg.AddValues, "member", dn); want {
					model[group][name] = true
				}
			case 4:
				want = exists && hasGroup && model[group][name]
				if err = l.modify(l.admin, groupDN, ldapmsg.DeleteValues, "member", dn); want {
					delete(model[group], name)
				}
			case 5:
				want = exists
				text := rapid.StringMatching("[a-z]{1,5}").Draw(t, "text")
				if err = l.modify(l.admin, dn, ldapmsg.ReplaceValues, "description", text); want {
					people[name] = text
				}
			}
			if (err == nil) != want {
				t.Fatalf("%v; want success %v", err, want)
			}
		}
		for group, members := range model {
			var want []string
			for m := range members {
				want = append(want, "CN="+m+","+users)
			}
			got := l.get("CN="+group+","+users, "member")
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("%s has %q, want %q", group, got, want)
			}
		}
		for name, text := range people {
			if got := strings.Join(l.get("CN="+name+","+users, "description"), ""); got != text {
				t.Fatalf("%s: description %q, want %q", name, got, text)
			}
			in := 0
			for _, m := range model {
				if m[name] {
					in++
				}
			}
			if got := l.get("CN="+name+","+users, "memberOf"); len(got) != in {
				t.Fatalf("%s is in %q, want %d", name, got, in)
			}
		}
	})
}

// Who is renamed is found by the new user principal name, no more by the former, and
// by what every account has without being given it: its own name in the domain's.
// The keys of its password are those of the name at which it was set.
func TestRenamedPrincipal(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	before, err := l.Client(t.Context(), "alice@contoso.com", true)
	if err != nil {
		t.Fatal(err)
	}
	for attribute, name := range map[string]string{"userPrincipalName": "alicia@fabrikam.com", "sAMAccountName": "alicia"} {
		if err := l.modify(l.admin, alice, ldapmsg.ReplaceValues, attribute, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Alicia@fabrikam.com", "alicia@corp.contoso.com", `alicia@CORP`} {
		a, err := l.Client(t.Context(), name, true)
		if err != nil || a.ID != before.ID || a.SID != before.SID || !reflect.DeepEqual(a.Keys, before.Keys) || a.Salt != before.Salt {
			t.Errorf("%s: %+v, %v; before %+v", name, a, err, before)
		}
	}
	for _, name := range []string{"alice@contoso.com", "alice@corp.contoso.com"} {
		if a, err := l.Client(t.Context(), name, true); !errors.Is(err, directory.ErrNoAccount) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}
