package ldapd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"hellolab/providers/wire/ldapmsg"
)

func code(t testing.TB, err error, want ldapmsg.ResultCode) {
	t.Helper()
	var e *ldap.Error
	if !errors.As(err, &e) || e.ResultCode != uint16(want) {
		t.Errorf("answered %v, not %s", err, want)
	}
}

func find(filter string, attributes ...string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil)
}

func TestBind(t *testing.T) {
	l := serve(t, nil)
	c := l.dial(t, false)
	code(t, c.Bind(aliceDN, "wrong"), ldapmsg.InvalidCredentials)
	if err := c.Bind(aliceDN, "wrong"); !strings.Contains(err.Error(), "data 52e") {
		t.Error(err)
	}
	code(t, c.Bind("CN=nobody", "x"), ldapmsg.InvalidCredentials)
	code(t, c.UnauthenticatedBind(aliceDN), ldapmsg.UnwillingToPerform)
	code(t, c.Bind("panic", "marker-secret"), ldapmsg.OperationsError)
	if err := c.Bind("alice@corp.example", alicePassword); err != nil {
		t.Fatal(err)
	}
	if who, err := c.WhoAmI(nil); err != nil || who.AuthzID != `u:CORP\alice` {
		t.Errorf("who am I: %+v, %v", who, err)
	}
	// A bind that fails leaves nobody behind.
	code(t, c.Bind(aliceDN, "wrong"), ldapmsg.InvalidCredentials)
	if who, err := c.WhoAmI(nil); err != nil || who.AuthzID != "" {
		t.Errorf("who am I: %+v, %v", who, err)
	}
	_, err := c.Search(find("(objectClass=*)"))
	code(t, err, ldapmsg.OperationsError)
	code(t, c.ExternalBind(), ldapmsg.AuthMethodNotSupported)
	if err := c.UnauthenticatedBind(""); err != nil {
		t.Errorf("anonymous: %v", err)
	}
	for _, o := range l.seen() {
		if text := fmt.Sprintf("%+v", o); strings.Contains(text, alicePassword) || strings.Contains(text, "marker-secret") {
			t.Errorf("a secret is told: %s", text)
		}
	}
}

func TestSigningRequired(t *testing.T) {
	l := serve(t, func(c *Config) { c.RequireSigning = true })
	c := l.dial(t, false)
	code(t, c.Bind(aliceDN, alicePassword), ldapmsg.StrongerAuthRequired)
	if err := c.UnauthenticatedBind(""); err != nil {
		t.Errorf("anonymous needs no signing: %v", err)
	}
	if err := c.StartTLS(&tls.Config{RootCAs: l.roots, ServerName: "localhost"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(aliceDN, alicePassword); err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	l := serve(t, nil)
	config := &tls.Config{RootCAs: l.roots, ServerName: "localhost"}
	c := l.dial(t, true)
	if err := c.StartTLS(config); err != nil {
		t.Fatal(err)
	}
	if who, err := c.WhoAmI(nil); err != nil || who.AuthzID != "" {
		t.Errorf("what was proved in the clear counts under TLS: %+v, %v", who, err)
	}
	if err := c.Bind(aliceDN, alicePassword); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Search(find("(cn=alice)")); err != nil || len(r.Entries) != 1 {
		t.Errorf("%v, %v", r, err)
	}
	_, err := c.Extended(ldap.NewExtendedRequest(ldapmsg.StartTLS, nil))
	code(t, err, ldapmsg.OperationsError)

	s, err := ldap.DialURL("ldaps://"+l.tls, ldap.DialWithTLSConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind(aliceDN, alicePassword); err != nil {
		t.Error(err)
	}
	last := l.seen()[len(l.seen())-1]
	if last.Name != "bind" || last.Session.TLS == nil || !last.Session.Confidential || last.Mechanism != "simple" {
		t.Errorf("%+v", last)
	}
}

// A domain without an authority has no certificate.
func TestNoCertificate(t *testing.T) {
	for _, source := range []func(context.Context) (*tls.Config, error){nil, func(context.Context) (*tls.Config, error) { return nil, nil }, func(context.Context) (*tls.Config, error) { return nil, errors.New("broken") }} {
		l := serve(t, func(c *Config) { c.TLS = source })
		c := l.dial(t, false)
		code(t, c.StartTLS(&tls.Config{RootCAs: l.roots}), ldapmsg.Unavailable)
		if err := l.dial(t, false).Bind(aliceDN, alicePassword); err != nil {
			t.Error(err)
		}
		if _, err := ldap.DialURL("ldaps://"+l.tls, ldap.DialWithTLSConfig(&tls.Config{RootCAs: l.roots})); err == nil {
			t.Error("TLS without a certificate")
		}
	}
}

func TestRootDSE(t *testing.T) {
	c := serve(t, nil).dial(t, false)
	root := func(filter string, attributes ...string) []*ldap.Entry {
		r, err := c.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, filter, attributes, nil))
		if err != nil {
			t.Fatal(err)
		}
		return r.Entries
	}
	all := root("(objectClass=*)")
	if len(all) != 1 || all[0].GetAttributeValue("defaultNamingContext") != base || all[0].GetAttributeValue("supportedLDAPVersion") != "3" || all[0].GetAttributeValue("objectClass") != "" {
		t.Fatalf("%v", all)
	}
	if got := all[0].GetAttributeValues("supportedControl"); !reflect.DeepEqual(got, []string{ldapmsg.ControlPaged, ldapmsg.ControlExtendedDN, ldapmsg.ControlSDFlags}) {
		t.Errorf("controls %v", got)
	}
	if got := all[0].GetAttributeValues("supportedSASLMechanisms"); len(got) != 2 {
		t.Errorf("mechanisms %v", got)
	}
	if some := root("(objectClass=*)", "supportedExtension"); len(some) != 1 || len(some[0].Attributes) != 1 || len(some[0].Attributes[0].Values) != 2 {
		t.Errorf("%v", some)
	}
	if none := root("(defaultNamingContext=DC=other)"); len(none) != 0 {
		t.Errorf("%v", none)
	}
}

func TestChanges(t *testing.T) {
	l := serve(t, nil)
	c := l.dial(t, true)
	bo := "CN=Bo,CN=Users," + base
	add := ldap.NewAddRequest(bo, nil)
	add.Attribute("objectClass", []string{"top", "user"})
	add.Attribute("cn", []string{"Bo"})
	if err := c.Add(add); err != nil {
		t.Fatal(err)
	}
	code(t, c.Add(add), ldapmsg.EntryAlreadyExists)
	m := ldap.NewModifyRequest(bo, nil)
	m.Add("description", []string{"\x00\xff binary"})
	m.Replace("cn", []string{"Bob"})
	if err := c.Modify(m); err != nil {
		t.Fatal(err)
	}
	missing := ldap.NewModifyRequest(bo, nil)
	missing.Delete("mail", nil)
	code(t, c.Modify(missing), ldapmsg.NoSuchAttribute)
	for value, want := range map[string]bool{"bob": true, "Bo": false} {
		if got, err := c.Compare(bo, "cn", value); err != nil || got != want {
			t.Errorf("compare %s: %v, %v", value, got, err)
		}
	}
	_, err := c.Compare("CN=none,"+base, "cn", "x")
	code(t, err, ldapmsg.NoSuchObject)
	r, err := c.Search(find("(cn=bob)", "description"))
	if err != nil || len(r.Entries) != 1 || r.Entries[0].GetAttributeValue("description") != "\x00\xff binary" {
		t.Errorf("%v, %v", r, err)
	}
	if err := c.ModifyDN(ldap.NewModifyDNRequest(bo, "CN=Robert", true, base)); err != nil {
		t.Fatal(err)
	}
	if err := c.Del(ldap.NewDelRequest("CN=Robert,"+base, nil)); err != nil {
		t.Fatal(err)
	}
	err = c.Del(ldap.NewDelRequest("CN=Robert,"+base, nil))
	code(t, err, ldapmsg.NoSuchObject)
	var e *ldap.Error
	if errors.As(err, &e); e.MatchedDN != base || !strings.HasPrefix(e.Err.Error(), "0000208D: NameErr: ") {
		t.Errorf("%+v", e)
	}
	code(t, c.Del(ldap.NewDelRequest("nonsense", nil)), ldapmsg.InvalidDNSyntax)
	for _, o := range l.seen() {
		if strings.Contains(fmt.Sprintf("%+v", o), "binary") {
			t.Errorf("a value is told: %+v", o)
		}
	}
}

func TestSearch(t *testing.T) {
	l := serve(t, nil)
	c := l.dial(t, true)
	guid := `(objectGUID=\00\01\ff\28\2a\05\06\07\08\09\0a\0b\0c\0d\0e\0f)`
	for filter, want := range map[string]int{
		"(objectClass=*)": 3, "(cn=ALICE)": 1, guid: 1, "(userAccountControl:1.2.840.113556.1.4.803:=512)": 1, "(!(cn=alice))": 2,
		"(xunknown=1)": 0, "(!(xunknown=1))": 0, "(cn=al*e)": 1, "(&)": 3, "(|)": 0,
	} {
		if r, err := c.Search(find(filter)); err != nil || len(r.Entries) != want {
			t.Errorf("%s: %v, %v", filter, r, err)
		}
	}
	names := func(request *ldap.SearchRequest) string {
		r, err := c.Search(request)
		if err != nil || len(r.Entries) != 1 {
			t.Fatalf("%v, %v", r, err)
		}
		var list []string
		for _, a := range r.Entries[0].Attributes {
			list = append(list, fmt.Sprintf("%s:%d", a.Name, len(a.Values)))
		}
		return strings.Join(list, " ")
	}
	everything := "cn:1 objectClass:2 objectGUID:1 sAMAccountName:1 userAccountControl:1"
	for asked, want := range map[string]string{
		"": everything, "*": everything, "1.1": "", "+": "tokenGroups:1", "samaccountname,CN": "sAMAccountName:1 cn:1",
		"tokengroups,*": "tokenGroups:1 " + everything, "*,+": strings.Replace(everything, " userA", " tokenGroups:1 userA", 1), "cn,cn,mail": "cn:1", "objectClass;range=0-0": "objectClass;range=0-0:1",
		"objectClass;range=1-*": "objectClass;range=1-*:1", "objectClass;range=5-*": "", "objectGUID;binary": "objectGUID;binary:1", "cn;lang-de": "",
	} {
		var list []string
		if asked != "" {
			list = strings.Split(asked, ",")
		}
		if got := names(find("(cn=alice)", list...)); got != want {
			t.Errorf("%q: %s", asked, got)
		}
	}
	types := find("(cn=alice)", "objectClass")
	types.TypesOnly = true
	if got := names(types); got != "objectClass:0" {
		t.Errorf("types only: %s", got)
	}
	_, err := c.Search(ldap.NewSearchRequest("CN=none,"+base, 0, 0, 0, 0, false, "(cn=*)", nil, nil))
	code(t, err, ldapmsg.NoSuchObject)
	unknown := find("(cn=alice)")
	unknown.Controls = []ldap.Control{ldap.NewControlString("1.2.3.4", true, "")}
	_, err = c.Search(unknown)
	code(t, err, ldapmsg.UnavailableCriticalExtension)
	unknown.Controls = []ldap.Control{ldap.NewControlString("1.2.3.4", false, "")}
	if _, err := c.Search(unknown); err != nil {
		t.Errorf("an unknown control that is not critical: %v", err)
	}
	seen := l.seen()
	if o := seen[len(seen)-1]; o.Name != "search" || o.Filter != "(cn=alice)" || o.Target != base || o.Entries != 1 || o.Err != nil {
		t.Errorf("%+v", o)
	}
	_, err = c.Extended(ldap.NewExtendedRequest("1.2.3", nil))
	code(t, err, ldapmsg.ProtocolError)
}

func TestPaging(t *testing.T) {
	l := serve(t, func(c *Config) { c.Limits.PagedResults = 2 })
	l.addMany(2500)
	c := l.dial(t, true)
	r, err := c.SearchWithPaging(find("(cn=user0*)", "cn"), 700)
	if err != nil || len(r.Entries) != 2500 || r.Entries[2499].GetAttributeValue("cn") != "user02499" {
		t.Fatalf("%d entries, %v", len(r.Entries), err)
	}
	r, err = c.Search(find("(cn=user0*)", "cn"))
	code(t, err, ldapmsg.SizeLimitExceeded)
	if len(r.Entries) != 1000 {
		t.Errorf("%d entries without pages", len(r.Entries))
	}
	few := find("(cn=user0*)", "1.1")
	few.SizeLimit = 10
	r, err = c.Search(few)
	code(t, err, ldapmsg.SizeLimitExceeded)
	if len(r.Entries) != 10 {
		t.Errorf("%d entries of ten", len(r.Entries))
	}

	page := func(c *ldap.Conn, filter string, size uint32, cookie []byte) (*ldap.ControlPaging, int, error) {
		request := find(filter, "cn")
		request.Controls = []ldap.Control{&ldap.ControlPaging{PagingSize: size, Cookie: cookie}}
		r, err := c.Search(request)
		if err != nil {
			return nil, 0, err
		}
		answer, ok := ldap.FindControl(r.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok {
			t.Fatal("no control in the answer")
		}
		return answer, len(r.Entries), nil
	}
	first, n, err := page(c, "(cn=user0*)", 5000, nil)
	if err != nil || n != 1000 || len(first.Cookie) == 0 {
		t.Fatalf("a page may have 1,000 entries: %d, %v", n, err)
	}
	// A cookie is good on its own connection, for its search, once.
	_, _, err = page(l.dial(t, true), "(cn=user0*)", 10, first.Cookie)
	code(t, err, ldapmsg.UnwillingToPerform)
	second, _, err := page(c, "(cn=user0*)", 10, first.Cookie)
	if err != nil || bytes.Equal(second.Cookie, first.Cookie) {
		t.Fatal(err)
	}
	_, _, err = page(c, "(cn=user0*)", 10, first.Cookie)
	code(t, err, ldapmsg.UnwillingToPerform)
	_, _, err = page(c, "(cn=*)", 10, second.Cookie)
	code(t, err, ldapmsg.UnwillingToPerform)
	// Given up.
	third, _, _ := page(c, "(cn=user0*)", 10, nil)
	if gone, n, err := page(c, "(cn=user0*)", 0, third.Cookie); err != nil || n != 0 || len(gone.Cookie) != 0 {
		t.Errorf("%v %d %v", gone, n, err)
	}
	// Two may be open; the third forgets the first.
	var open [][]byte
	for range 3 {
		answer, _, err := page(c, "(cn=user0*)", 10, nil)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, answer.Cookie)
	}
	_, _, err = page(c, "(cn=user0*)", 10, open[0])
	code(t, err, ldapmsg.UnwillingToPerform)
	if _, _, err = page(c, "(cn=user0*)", 10, open[2]); err != nil {
		t.Error(err)
	}
	// A bind forgets all.
	if err := c.Bind(aliceDN, alicePassword); err != nil {
		t.Fatal(err)
	}
	_, _, err = page(c, "(cn=user0*)", 10, open[1])
	code(t, err, ldapmsg.UnwillingToPerform)
	// The client's size limit counts over all pages.
	limited := find("(cn=user0*)", "cn")
	limited.SizeLimit = 25
	r, err = c.SearchWithPaging(limited, 10)
	code(t, err, ldapmsg.SizeLimitExceeded)
	if len(r.Entries) < 20 {
		t.Errorf("%d entries of 25", len(r.Entries))
	}
}
