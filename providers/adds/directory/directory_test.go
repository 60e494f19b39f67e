package directory_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"hellolab/providers/adds/directory"
	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

const (
	base  = "DC=corp,DC=contoso,DC=com"
	users = "CN=Users," + base
)

// lab is a directory with the Administrator signed in.
type lab struct {
	*directory.Directory
	t      testing.TB
	admin  *directory.Requester
	clock  time.Time
	events []event.Event
}

func newLab(t testing.TB, change ...func(*directory.Config)) *lab {
	t.Helper()
	l := &lab{t: t, clock: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	id, err := guid.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cfg := directory.Config{
		DNSName: "corp.contoso.com", NetBIOSName: "CORP", SID: "S-1-5-21-1-2-3", GUIDText: id.String(), Level: directory.Level2016, Schema: 88,
		Policy:      directory.PasswordPolicy{MinLength: 7, Complexity: true, History: 3, MaxAge: 42 * 24 * time.Hour, MinAge: 24 * time.Hour},
		Controllers: []directory.Controller{{Name: "DC1", OS: "Windows Server 2022 Datacenter", OSVersion: "10.0 (20348)", Site: "Default-First-Site-Name"}},
	}
	for _, c := range change {
		c(&cfg)
	}
	o := directory.Options{Section: conformance.NewSection(), Now: func() time.Time { return l.clock }, Rand: rand.Reader,
		Emit: func(e event.Event) { l.events = append(l.events, e) }}
	if err := directory.Create(t.Context(), o, cfg, "Adm1n.password"); err != nil {
		t.Fatal(err)
	}
	if l.Directory, err = directory.Load(o); err != nil {
		t.Fatal(err)
	}
	l.admin = l.as("Administrator")
	return l
}

func (l *lab) as(name string) *directory.Requester {
	l.t.Helper()
	a, err := l.Client(l.t.Context(), name, false)
	if err != nil {
		l.t.Fatalf("%s: %v", name, err)
	}
	who := l.Requester(a)
	who.Sealed, who.From = true, "127.0.0.1:50000"
	return who
}

// attributes of an addition: name, value, name, value, …
func attributes(list ...string) []ldapmsg.Attribute {
	var out []ldapmsg.Attribute
	for i := 0; i < len(list); i += 2 {
		out = append(out, ldapmsg.Attribute{Description: list[i], Values: [][]byte{[]byte(list[i+1])}})
	}
	return out
}

func (l *lab) add(dn string, list ...string) error {
	return l.Add(l.t.Context(), l.admin, &ldapmsg.Add{DN: dn, Attributes: attributes(list...)})
}

func (l *lab) mustAdd(dn string, list ...string) {
	l.t.Helper()
	if err := l.add(dn, list...); err != nil {
		l.t.Fatalf("add %s: %v", dn, err)
	}
}

func (l *lab) person(name string) string {
	l.t.Helper()
	dn := "CN=" + name + "," + users
	l.mustAdd(dn, "objectClass", "user", "sAMAccountName", name, "userPrincipalName", name+"@contoso.com", "unicodePwd", quoted("First.pa55 of "+name[:1]), "userAccountControl", "512")
	return dn
}

func quoted(password string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func (l *lab) modify(who *directory.Requester, dn string, kind ldapmsg.ChangeKind, attribute string, values ...string) error {
	c := ldapmsg.Change{Kind: kind, Attribute: ldapmsg.Attribute{Description: attribute}}
	for _, v := range values {
		c.Values = append(c.Values, []byte(v))
	}
	return l.Modify(l.t.Context(), who, &ldapmsg.Modify{DN: dn, Changes: []ldapmsg.Change{c}}, false)
}

func (l *lab) search(who *directory.Requester, at string, scope ldapmsg.Scope, filter string, names ...string) ([]directory.Entry, error) {
	l.t.Helper()
	f, err := ldapmsg.ParseFilter(filter)
	if err != nil {
		l.t.Fatal(err)
	}
	var out []directory.Entry
	err = l.Search(context.Background(), who, &ldapmsg.Search{Base: at, Scope: scope, Filter: f, Attributes: names}, nil, func(e directory.Entry) error {
		out = append(out, e)
		return nil
	})
	return out, err
}

// get reads the values of one attribute of an object.
func (l *lab) get(dn, name string) []string {
	l.t.Helper()
	found, err := l.search(l.admin, dn, ldapmsg.BaseObject, "(objectClass=*)", name)
	if err != nil || len(found) != 1 {
		l.t.Fatalf("%s: %d entries, %v", dn, len(found), err)
	}
	var out []string
	for _, a := range found[0].Attributes {
		for _, v := range a.Values {
			out = append(out, string(v))
		}
	}
	return out
}

func names(entries []directory.Entry) []string {
	var out []string
	for _, e := range entries {
		rdn, _, _ := strings.Cut(e.DN, ",")
		out = append(out, rdn[3:])
	}
	return out
}

// refused asserts a result code.
func refused(t testing.TB, what string, err error, code ldapmsg.ResultCode) {
	t.Helper()
	var e *ldapmsg.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: %v; want result %s", what, err, code)
	}
}

func TestSearch(t *testing.T) {
	l := newLab(t)
	l.person("alice")
	l.person("bob")
	l.mustAdd("OU=Staff,"+base, "objectClass", "organizationalUnit")
	l.mustAdd("CN=Writers,OU=Staff,"+base, "objectClass", "group", "sAMAccountName", "Writers", "member", "CN=alice,"+users)
	l.mustAdd("CN=All,OU=Staff,"+base, "objectClass", "group", "sAMAccountName", "All", "member", "CN=Writers,OU=Staff,"+base)
	for _, c := range []struct {
		at     string
		scope  ldapmsg.Scope
		filter string
		want   string
	}{
		{base, ldapmsg.WholeSubtree, "(sAMAccountName=ALICE)", "alice"},
		{base, ldapmsg.WholeSubtree, "(userPrincipalName=bob@contoso.com)", "bob"},
		{base, ldapmsg.WholeSubtree, "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))", "Administrator alice bob"},
		{base, ldapmsg.WholeSubtree, "(servicePrincipalName=host/dc1.corp.contoso.com)", "DC1"},
		{"OU=Staff," + base, ldapmsg.SingleLevel, "(objectClass=*)", "All Writers"},
		{"OU=Staff," + base, ldapmsg.WholeSubtree, "(objectClass=*)", "Staff All Writers"},
		{"OU=Staff," + base, ldapmsg.BaseObject, "(objectClass=*)", "Staff"},
		{users, ldapmsg.SingleLevel, "(memberOf=CN=Writers,OU=Staff," + base + ")", "alice"},
		{base, ldapmsg.WholeSubtree, "(memberOf:1.2.840.113556.1.4.1941:=cn=all,ou=staff," + base + ")", "alice Writers"},
		{base, ldapmsg.WholeSubtree, "(objectSid=S-1-5-21-1-2-3-500)", "Administrator"},
		{users, ldapmsg.WholeSubtree, "(cn=ali*c*)", "alice"},
		{users, ldapmsg.WholeSubtree, "(unicodePwd=*)", ""},
		{users, ldapmsg.WholeSubtree, "(&(sAMAccountName=alice)(sAMAccountName=bob))", ""},
		{users, ldapmsg.SingleLevel, "(sAMAccountName=DC1$)", ""},
		{"", ldapmsg.WholeSubtree, "(objectClass=crossRef)", "Enterprise Configuration Enterprise Schema CORP"},
		{"<WKGUID=a9d1ca15768811d1aded00c04fd8d5cd," + base + ">", ldapmsg.SingleLevel, "(cn=bob)", "bob"},
	} {
		found, err := l.search(l.as("alice"), c.at, c.scope, c.filter, "1.1")
		got := strings.Join(names(found), " ")
		if err != nil || got != c.want && strings.Join(slices.Sorted(slices.Values(strings.Fields(got))), " ") != strings.Join(slices.Sorted(slices.Values(strings.Fields(c.want))), " ") {
			t.Errorf("%s %d %s: %q, %v; want %q", c.at, c.scope, c.filter, got, err, c.want)
		}
	}
	if _, err := l.search(&directory.Requester{}, base, ldapmsg.BaseObject, "(objectClass=*)"); err == nil {
		t.Error("anonymous reads the domain")
	}
	_, err := l.search(l.admin, "CN=nobody,OU=Staff,"+base, ldapmsg.BaseObject, "(objectClass=*)")
	refused(t, "a name of nothing", err, ldapmsg.NoSuchObject)
	if _, err := l.RootDSE("DC1"); err != nil {
		t.Error(err)
	}
}

func TestAccounts(t *testing.T) {
	l := newLab(t)
	l.person("alice")
	l.mustAdd("CN=Laptop,CN=Computers,"+base, "objectClass", "computer", "sAMAccountName", "LAPTOP$", "userAccountControl", "4096",
		"unicodePwd", quoted("Random.pa55word"), "servicePrincipalName", "HOST/laptop.corp.contoso.com")
	for _, c := range []struct {
		enterprise bool
		name, want string
	}{
		{false, "alice", "alice"}, {false, "ALICE", "alice"}, {true, "alice@contoso.com", "alice"}, {true, "alice@CORP.CONTOSO.COM", "alice"},
		{false, "laptop$", "LAPTOP$"}, {false, "laptop", "LAPTOP$"}, {true, "alice@other.com", ""}, {false, "Writers", ""}, {false, "Domain Users", ""},
	} {
		a, err := l.Client(t.Context(), c.name, c.enterprise)
		if c.want == "" {
			if !errors.Is(err, directory.ErrNoAccount) {
				t.Errorf("%s: %v, %v", c.name, a, err)
			}
		} else if err != nil || a.Name != c.want {
			t.Errorf("%s: %v, %v", c.name, a, err)
		}
	}
	for _, c := range []struct{ spn, want string }{
		{"krbtgt/CORP.CONTOSO.COM", "krbtgt"}, {"krbtgt/CORP", "krbtgt"}, {"cifs/laptop.corp.contoso.com", "LAPTOP$"}, {"ldap/dc1.corp.contoso.com", "DC1$"},
		{"kadmin/changepw", "krbtgt"}, {"imap/laptop.corp.contoso.com", ""}, {"krbtgt/OTHER", ""},
	} {
		a, err := l.Service(t.Context(), strings.Split(c.spn, "/")...)
		if c.want == "" {
			if !errors.Is(err, directory.ErrNoAccount) {
				t.Errorf("%s: %v, %v", c.spn, a, err)
			}
		} else if err != nil || a.Name != c.want {
			t.Errorf("%s: %v, %v", c.spn, a, err)
		}
	}
	admin, _ := l.Client(t.Context(), "Administrator", false)
	if !slices.ContainsFunc(admin.Groups, func(m directory.Membership) bool { return m.SID == sid.Administrators }) || len(admin.Keys) != 3 || !admin.CheckPassword("Adm1n.password") || admin.CheckPassword("adm1n.password") {
		t.Errorf("Administrator: %d groups, %d keys", len(admin.Groups), len(admin.Keys))
	}
}

func TestRefusals(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	l.person("bob")
	for what, c := range map[string]struct {
		err  error
		code ldapmsg.ResultCode
	}{
		"a name twice":            {l.add(alice, "objectClass", "user"), ldapmsg.EntryAlreadyExists},
		"an account name twice":   {l.add("CN=other,"+users, "objectClass", "user", "sAMAccountName", "Alice"), ldapmsg.EntryAlreadyExists},
		"a UPN twice":             {l.modify(l.admin, "CN=bob,"+users, ldapmsg.ReplaceValues, "userPrincipalName", "ALICE@contoso.com"), ldapmsg.ConstraintViolation},
		"no parent":               {l.add("CN=x,OU=none,"+base, "objectClass", "user"), ldapmsg.NoSuchObject},
		"no class":                {l.add("CN=x,"+users, "cn", "x"), ldapmsg.ObjectClassViolation},
		"an unknown class":        {l.add("CN=x,"+users, "objectClass", "dragon"), ldapmsg.ObjectClassViolation},
		"a wrong place":           {l.add("OU=x,"+users, "objectClass", "organizationalUnit"), ldapmsg.NamingViolation},
		"a wrong RDN":             {l.add("OU=x,"+users, "objectClass", "user"), ldapmsg.NamingViolation},
		"no name at all":          {l.add("nonsense", "objectClass", "user"), ldapmsg.InvalidDNSyntax},
		"an unknown attribute":    {l.modify(l.admin, alice, ldapmsg.ReplaceValues, "wings", "2"), ldapmsg.NoSuchAttribute},
		"an attribute of others":  {l.modify(l.admin, alice, ldapmsg.ReplaceValues, "member", alice), ldapmsg.ObjectClassViolation},
		"a system attribute":      {l.modify(l.admin, alice, ldapmsg.ReplaceValues, "objectSid", "S-1-1-0"), ldapmsg.ConstraintViolation},
		"two of one":              {l.modify(l.admin, alice, ldapmsg.ReplaceValues, "sn", "a", "b"), ldapmsg.ConstraintViolation},
		"a value twice":           {l.modify(l.admin, alice, ldapmsg.AddValues, "description", "a", "A"), ldapmsg.AttributeOrValueExists},
		"a value that is not":     {l.modify(l.admin, alice, ldapmsg.DeleteValues, "description", "z"), ldapmsg.NoSuchAttribute},
		"a bad number":            {l.modify(l.admin, alice, ldapmsg.ReplaceValues, "countryCode", "many"), ldapmsg.InvalidAttributeSyntax},
		"a link to nothing":       {l.modify(l.admin, "CN=Domain Admins,"+users, ldapmsg.AddValues, "member", "CN=no,"+base), ldapmsg.ConstraintViolation},
		"the RDN":                 {l.modify(l.admin, alice, ldapmsg.ReplaceValues, "cn", "alicia"), ldapmsg.NotAllowedOnRDN},
		"a class":                 {l.modify(l.admin, alice, ldapmsg.ReplaceValues, "objectClass", "group"), ldapmsg.ObjectClassModsProhibited},
		"others by a user":        {l.modify(l.as("bob"), alice, ldapmsg.ReplaceValues, "description", "x"), ldapmsg.InsufficientAccessRights},
		"a description by itself": {l.modify(l.as("alice"), alice, ldapmsg.ReplaceValues, "description", "x"), ldapmsg.InsufficientAccessRights},
		"an addition by a user":   {l.Add(t.Context(), l.as("bob"), &ldapmsg.Add{DN: "CN=y," + users, Attributes: attributes("objectClass", "user")}), ldapmsg.InsufficientAccessRights},
		"a deletion by a user":    {l.Delete(t.Context(), l.as("bob"), &ldapmsg.Delete{DN: alice}, false), ldapmsg.InsufficientAccessRights},
		"a container with things": {l.Delete(t.Context(), l.admin, &ldapmsg.Delete{DN: users}, false), ldapmsg.NotAllowedOnNonLeaf},
		"what the domain needs":   {l.Delete(t.Context(), l.admin, &ldapmsg.Delete{DN: "CN=krbtgt," + users}, false), ldapmsg.UnwillingToPerform},
	} {
		refused(t, what, c.err, c.code)
	}
	if err := l.modify(l.as("alice"), alice, ldapmsg.ReplaceValues, "telephoneNumber", "12"); err != nil {
		t.Errorf("a user's own telephone number: %v", err)
	}
	if got := fmt.Sprint(l.get(alice, "telephoneNumber")); got != "[12]" {
		t.Error(got)
	}
}
