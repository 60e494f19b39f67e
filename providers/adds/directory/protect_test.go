package directory_test

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"testing"
	"time"

	"hellolab/providers/adds/directory"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

var (
	testDomain = sid.New(5, 21, 1, 2, 3)
	keyAdmins  = testDomain.Account(sid.RIDKeyAdmins)
)

const (
	adminSDHolder = "CN=AdminSDHolder,CN=System," + base
	keyAttribute  = "msDS-KeyCredentialLink"
	listAttribute = "nTSecurityDescriptor"
)

// list reads the security descriptor of an object.
func (l *lab) list(dn string) *secdesc.Descriptor {
	l.t.Helper()
	raw := l.get(dn, listAttribute)
	if len(raw) != 1 {
		l.t.Fatalf("%s has %d descriptors", dn, len(raw))
	}
	d, err := secdesc.Parse([]byte(raw[0]))
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

func (l *lab) setList(dn string, d *secdesc.Descriptor) {
	l.t.Helper()
	raw, err := d.Marshal()
	if err == nil {
		err = l.modify(l.admin, dn, ldapmsg.ReplaceValues, listAttribute, string(raw))
	}
	if err != nil {
		l.t.Fatalf("list of %s: %v", dn, err)
	}
}

// keyOf is a new key of an account, as Connect writes it.
func (l *lab) keyOf(dn string) string {
	l.t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		l.t.Fatal(err)
	}
	device, _ := guid.New(rand.Reader)
	return credential(l.t.(*testing.T), dn, keycred.FromEntra(keycred.UserKey{Public: &k.PublicKey, Device: device, Created: l.clock}))
}

func (l *lab) join(group, member string) {
	l.t.Helper()
	if err := l.modify(l.admin, group, ldapmsg.AddValues, "member", member); err != nil {
		l.t.Fatal(err)
	}
}

// protectedLab is one in which an account keeps keys, and alice is an administrator by
// a group within another.
func protectedLab(t *testing.T) (l *lab, alice, bob string) {
	l = newLab(t)
	alice, bob = l.person("alice"), l.person("bob")
	l.join("CN=Key Admins,"+users, l.person("keeper"))
	l.mustAdd("CN=Tier0,"+users, "objectClass", "group", "sAMAccountName", "Tier0", "member", alice)
	l.join("CN=Backup Operators,CN=Builtin,"+base, "CN=Tier0,"+users)
	return l, alice, bob
}

func (l *lab) protect() {
	l.t.Helper()
	if err := l.ProtectDue(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// AdminSDHolder's list comes to who is in a protected group, however far, within the
// hour, and with it goes what Key Admins inherit from the domain; nobody takes it
// back but an administrator.
func TestAdministratorsAreProtected(t *testing.T) {
	l, alice, bob := protectedLab(t)
	writes := func(dn string) error {
		return l.modify(l.as("keeper"), dn, ldapmsg.AddValues, keyAttribute, l.keyOf(dn))
	}
	before := l.keyOf(alice)
	l.clock = l.clock.Add(59 * time.Minute)
	l.protect()
	if err := l.modify(l.as("keeper"), alice, ldapmsg.AddValues, keyAttribute, before); err != nil {
		t.Fatalf("before the hour: %v", err)
	}
	l.events = nil
	l.clock = l.clock.Add(time.Minute)
	l.protect()
	for dn, want := range map[string]bool{
		alice: true, "CN=Tier0," + users: true, "CN=Administrator," + users: true, "CN=krbtgt," + users: true, "CN=Domain Admins," + users: true,
		"CN=Domain Controllers," + users: true, bob: false, "CN=DC1,OU=Domain Controllers," + base: false, "CN=keeper," + users: false, "CN=Cert Publishers," + users: false,
	} {
		marked := slices.Equal(l.get(dn, "adminCount"), []string{"1"})
		if list := l.list(dn); list.Protected != want || marked != want {
			t.Errorf("%s: inheritance off is %t, marked is %t; want %t", dn, list.Protected, marked, want)
		}
	}
	if len(l.events) != 1 || l.events[0].Step != "account_protected" || l.events[0].Message["object"] != alice {
		t.Errorf("told: %+v", l.events)
	}
	refused(t, "a key of an administrator", writes(alice), ldapmsg.InsufficientAccessRights)
	refused(t, "the removal of one", l.modify(l.as("keeper"), alice, ldapmsg.DeleteValues, keyAttribute, before), ldapmsg.InsufficientAccessRights)
	if err := writes(bob); err != nil {
		t.Errorf("a key of somebody else: %v", err)
	}
	if got := l.get(alice, keyAttribute); len(got) != 1 {
		t.Errorf("the key that was there is one of %d", len(got))
	}
	if err := l.modify(l.admin, alice, ldapmsg.AddValues, keyAttribute, l.keyOf(alice)); err != nil {
		t.Errorf("an administrator's write: %v", err)
	}
	l.clock = l.clock.Add(24 * time.Hour)
	if err := l.change(l.as("alice"), alice, "First.pa55 of a", "Second.pa55 of b"); err != nil {
		t.Errorf("her own password: %v", err)
	}

	// Idempotent: nothing is written twice.
	l.protect()
	usn := l.get(alice, "uSNChanged")
	l.clock = l.clock.Add(time.Hour)
	l.protect()
	if got := l.get(alice, "uSNChanged"); !slices.Equal(got, usn) {
		t.Errorf("written again: %s, then %s", usn, got)
	}

	// Who leaves keeps all, until an administrator lets the account inherit.
	if err := l.modify(l.admin, "CN=Tier0,"+users, ldapmsg.ReplaceValues, "member"); err != nil {
		t.Fatal(err)
	}
	l.clock = l.clock.Add(2 * time.Hour)
	l.protect()
	refused(t, "a key of a former administrator", writes(alice), ldapmsg.InsufficientAccessRights)
	list := l.list(alice)
	list.Protected = false
	l.setList(alice, list)
	if err := writes(alice); err != nil {
		t.Errorf("with inheritance on again: %v", err)
	}
}

// An entry for Key Admins on AdminSDHolder reaches who is protected with the next
// run, which an administrator may ask for; and goes the same way.
func TestKeyAdminsOnAdminSDHolder(t *testing.T) {
	l, alice, _ := protectedLab(t)
	run := func(who *directory.Requester, computer string) error {
		return l.Operate(t.Context(), who, computer, &ldapmsg.Modify{Changes: []ldapmsg.Change{
			{Kind: ldapmsg.AddValues, Attribute: ldapmsg.Attribute{Description: "RunProtectAdminGroupsTask", Values: [][]byte{[]byte("1")}}}}})
	}
	refused(t, "a run for a user", run(l.as("alice"), "DC1"), ldapmsg.InsufficientAccessRights)
	refused(t, "a run elsewhere", run(l.admin, "DC2"), ldapmsg.UnwillingToPerform)
	refused(t, "another operation", l.Operate(t.Context(), l.admin, "DC1", &ldapmsg.Modify{Changes: []ldapmsg.Change{
		{Kind: ldapmsg.AddValues, Attribute: ldapmsg.Attribute{Description: "becomeSchemaMaster"}}}}), ldapmsg.UnwillingToPerform)
	for _, may := range []bool{false, true, false} {
		list := l.list(adminSDHolder)
		list.Entries = slices.DeleteFunc(list.Entries, func(e secdesc.Entry) bool { return e.SID == keyAdmins })
		if may {
			list.Entries = append(list.Entries, secdesc.Entry{Type: secdesc.AllowObject, Mask: secdesc.ReadProperty | secdesc.WriteProperty, Object: secdesc.KeyCredentialLink, SID: keyAdmins})
		}
		l.setList(adminSDHolder, list)
		if got, err := l.KeyAdminsReachProtected(); err != nil || got != may {
			t.Errorf("AdminSDHolder lets them: %t, %v", got, err)
		}
		if err := run(l.admin, "dc1"); err != nil {
			t.Fatal(err)
		}
		err := l.modify(l.as("keeper"), alice, ldapmsg.AddValues, keyAttribute, l.keyOf(alice))
		if may && err != nil {
			t.Errorf("with the entry: %v", err)
		}
		if !may {
			refused(t, "without the entry", err, ldapmsg.InsufficientAccessRights)
		}
	}
	refused(t, "a list by a user", l.modify(l.as("keeper"), alice, ldapmsg.ReplaceValues, listAttribute, l.get(alice, listAttribute)...), ldapmsg.InsufficientAccessRights)
}

// Lists decide who writes keys: what a unit of the domain lets its children inherit,
// what it denies, and what an account's own says; an administrator is not kept out.
func TestListsDecideKeys(t *testing.T) {
	l := newLab(t)
	l.mustAdd("OU=Staff,"+base, "objectClass", "organizationalUnit")
	eve := l.newcomer("eve")
	dn := "CN=carl,OU=Staff," + base
	l.mustAdd(dn, "objectClass", "user", "sAMAccountName", "carl")
	writes := func() error { return l.modify(eve, dn, ldapmsg.AddValues, keyAttribute, l.keyOf(dn)) }
	entry := func(kind byte, flags byte) secdesc.Entry {
		return secdesc.Entry{Type: kind, Flags: flags, Mask: secdesc.WriteProperty, SID: eve.SID}
	}
	unit, own := l.list("OU=Staff,"+base), l.list(dn)
	for what, c := range map[string]struct {
		unit, own []secdesc.Entry
		may       bool
	}{
		"nothing":                      {},
		"by the unit":                  {unit: []secdesc.Entry{entry(secdesc.Allow, secdesc.ContainerInherit)}, may: true},
		"by the unit, not for users":   {unit: []secdesc.Entry{{Type: secdesc.AllowObject, Flags: secdesc.ContainerInherit, Mask: secdesc.WriteProperty, Inherited: guid.GUID{1}, SID: eve.SID}}},
		"on the unit alone":            {unit: []secdesc.Entry{entry(secdesc.Allow, 0)}},
		"the account's own":            {own: []secdesc.Entry{entry(secdesc.Allow, 0)}, may: true},
		"denied by the account":        {unit: []secdesc.Entry{entry(secdesc.Allow, secdesc.ContainerInherit)}, own: []secdesc.Entry{entry(secdesc.Deny, 0)}},
		"allowed before it is denied":  {unit: []secdesc.Entry{entry(secdesc.Deny, secdesc.ContainerInherit)}, own: []secdesc.Entry{entry(secdesc.Allow, 0)}, may: true},
		"an inherited one written own": {own: []secdesc.Entry{entry(secdesc.Allow, secdesc.Inherited)}},
	} {
		u, o := *unit, *own
		u.Entries, o.Entries = append(slices.Clone(unit.Entries), c.unit...), append(slices.Clone(c.own), own.Entries...)
		l.setList("OU=Staff,"+base, &u)
		l.setList(dn, &o)
		err := writes()
		if c.may && err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if !c.may {
			refused(t, what, err, ldapmsg.InsufficientAccessRights)
		}
		if err := l.modify(l.admin, dn, ldapmsg.AddValues, keyAttribute, l.keyOf(dn)); err != nil {
			t.Errorf("%s: an administrator: %v", what, err)
		}
	}
	// Without a value the default of the class holds again, and what the unit has.
	l.setList("OU=Staff,"+base, unit)
	if err := l.modify(l.admin, dn, ldapmsg.ReplaceValues, listAttribute); err != nil {
		t.Fatal(err)
	}
	refused(t, "by default", writes(), ldapmsg.InsufficientAccessRights)
}

// newcomer makes a person and returns her.
func (l *lab) newcomer(name string) *directory.Requester {
	l.person(name)
	return l.as(name)
}

// A list that would not be read any more, for its length with what the object
// inherits, is not taken.
func TestDescriptorTooLong(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	d := l.list(alice)
	d.Entries = d.Own()
	e := secdesc.Entry{Type: secdesc.AllowObject, Mask: secdesc.ReadProperty, Object: secdesc.KeyCredentialLink, SID: keyAdmins}
	for len(d.Entries) < 1024 { // as many as one list holds
		d.Entries = append(d.Entries, e)
	}
	raw, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "a list of its greatest length", l.modify(l.admin, alice, ldapmsg.ReplaceValues, listAttribute, string(raw)), ldapmsg.ConstraintViolation)
	if got := l.list(alice); len(got.Entries) > 20 {
		t.Errorf("%d entries are kept", len(got.Entries))
	}
}
