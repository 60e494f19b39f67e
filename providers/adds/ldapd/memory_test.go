package ldapd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"hellolab/providers/adds/ldapfilter"
	"hellolab/providers/wire/ldapmsg"
)

// memory is a small directory: enough of one to serve clients.
type memory struct {
	mu      sync.Mutex
	entries map[string]*Entry // by DN.Key
	order   []string

	// hook, where set, is called first by every operation.
	hook func(ctx context.Context, r *Request) error
}

const (
	base          = "DC=corp,DC=example"
	aliceDN       = "CN=Alice,CN=Users," + base
	alicePassword = "correct horse"
)

// user is who simple binds make.
type user string

func (u user) AuthzID() string { return `u:CORP\` + string(u) }

func newMemory() *memory {
	m := &memory{entries: map[string]*Entry{}}
	for _, e := range []Entry{
		{DN: base, Attributes: []Attribute{text("objectClass", "top", "domainDNS"), text("dc", "corp")}},
		{DN: "CN=Users," + base, Attributes: []Attribute{text("objectClass", "top", "container"), text("cn", "Users")}},
		{DN: aliceDN, Attributes: []Attribute{text("objectClass", "top", "user"), text("cn", "Alice"), text("sAMAccountName", "alice"), text("userAccountControl", "512"),
			{Name: "objectGUID", Values: [][]byte{{0, 1, 0xff, 0x28, 0x2a, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}},
			{Name: "tokenGroups", Values: [][]byte{{1}}, Operational: true}}},
	} {
		m.put(&e)
	}
	return m
}

func text(name string, values ...string) Attribute { return textAttribute(name, values) }

func (m *memory) put(e *Entry) {
	dn, err := ldapmsg.ParseDN(e.DN)
	if err != nil {
		panic(err)
	}
	m.entries[dn.Key()] = e
	m.order = append(m.order, dn.Key())
}

// addMany adds n users below Users.
func (m *memory) addMany(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range n {
		name := fmt.Sprintf("user%05d", i)
		m.put(&Entry{DN: "CN=" + name + ",CN=Users," + base, Attributes: []Attribute{text("objectClass", "top", "user"), text("cn", name), text("description", "one of many")}})
	}
}

// begin locks the directory for one operation.
func (m *memory) begin(ctx context.Context, r *Request) (func(), error) {
	m.mu.Lock()
	hook := m.hook
	m.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, r); err != nil {
			return nil, err
		}
	}
	if r.Session.Identity == nil {
		return nil, ldapmsg.BindRequired()
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

func (m *memory) onEvery(hook func(context.Context, *Request) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

func (m *memory) find(text string) (*Entry, string, error) {
	dn, err := ldapmsg.ParseDN(text)
	if err != nil {
		return nil, "", ldapmsg.Errorf(ldapmsg.InvalidDNSyntax, ldapmsg.ErrorNameUnparseable, "%s.", err)
	}
	if e, ok := m.entries[dn.Key()]; ok {
		return e, dn.Key(), nil
	}
	return nil, "", ldapmsg.NotFound(base)
}

func (m *memory) RootDSE(ctx context.Context, r *Request) (*Entry, error) {
	return &Entry{Attributes: []Attribute{text("defaultNamingContext", base), text("supportedControl", "not the server's")}}, nil
}

// schema knows every name but those that begin with "x".
type schema struct{}

func (schema) Attribute(name string) (ldapfilter.Attribute, bool) {
	syntax := ldapfilter.CaseIgnoreString
	switch strings.ToLower(name) {
	case "useraccountcontrol":
		syntax = ldapfilter.Integer
	case "objectguid":
		syntax = ldapfilter.OctetString
	}
	return ldapfilter.Attribute{Name: name, Syntax: syntax}, name[0] != 'x'
}

func values(e *Entry) ldapfilter.Attributes {
	return func(name string) [][]byte {
		if i := indexOf(e, name); i >= 0 {
			return e.Attributes[i].Values
		}
		return nil
	}
}

func indexOf(e *Entry, name string) int {
	return slices.IndexFunc(e.Attributes, func(a Attribute) bool { return strings.EqualFold(a.Name, name) })
}

func (m *memory) Search(ctx context.Context, r *Request, op *ldapmsg.Search, found func(*Entry) error) error {
	unlock, err := m.begin(ctx, r)
	if err != nil {
		return err
	}
	defer unlock()
	if _, _, err := m.find(op.Base); err != nil {
		return err
	}
	top, _ := ldapmsg.ParseDN(op.Base)
	matcher := ldapfilter.Compile(op.Filter, schema{})
	for _, key := range m.order {
		e := m.entries[key]
		if e == nil {
			continue
		}
		dn, _ := ldapmsg.ParseDN(e.DN)
		below, ok := dn.Relative(top)
		if !ok || (op.Scope == ldapmsg.BaseObject && len(below) != 0) || (op.Scope == ldapmsg.SingleLevel && len(below) != 1) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if matcher.Match(values(e)) == ldapfilter.True {
			if err := found(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) Compare(ctx context.Context, r *Request, op *ldapmsg.Compare) (bool, error) {
	unlock, err := m.begin(ctx, r)
	if err != nil {
		return false, err
	}
	defer unlock()
	e, _, err := m.find(op.DN)
	if err != nil {
		return false, err
	}
	f := ldapmsg.Equal{Attribute: op.Attribute, Value: op.Value}
	return ldapfilter.Compile(f, schema{}).Match(values(e)) == ldapfilter.True, nil
}

func (m *memory) Modify(ctx context.Context, r *Request, op *ldapmsg.Modify) error {
	unlock, err := m.begin(ctx, r)
	if err != nil {
		return err
	}
	defer unlock()
	e, key, err := m.find(op.DN)
	if err != nil {
		return err
	}
	changed := &Entry{DN: e.DN, Attributes: slices.Clone(e.Attributes)}
	for _, c := range op.Changes {
		i := indexOf(changed, c.Description)
		if i < 0 {
			if c.Kind == ldapmsg.DeleteValues {
				return ldapmsg.Errorf(ldapmsg.NoSuchAttribute, ldapmsg.ErrorNoAttributeOrValue, "There is no %s.", c.Description)
			}
			i = len(changed.Attributes)
			changed.Attributes = append(changed.Attributes, Attribute{Name: c.Description})
		}
		a := &changed.Attributes[i]
		switch {
		case c.Kind == ldapmsg.AddValues:
			a.Values = append(slices.Clone(a.Values), c.Values...)
		case c.Kind == ldapmsg.ReplaceValues, len(c.Values) == 0:
			a.Values = c.Values
		default:
			return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "Not here.")
		}
	}
	m.entries[key] = changed
	return nil
}

func (m *memory) Add(ctx context.Context, r *Request, op *ldapmsg.Add) error {
	unlock, err := m.begin(ctx, r)
	if err != nil {
		return err
	}
	defer unlock()
	if _, _, err := m.find(op.DN); err == nil {
		return ldapmsg.Errorf(ldapmsg.EntryAlreadyExists, ldapmsg.ErrorObjectNameExists, "The name is taken.")
	}
	e := &Entry{DN: op.DN}
	for _, a := range op.Attributes {
		e.Attributes = append(e.Attributes, Attribute{Name: a.Description, Values: a.Values})
	}
	m.put(e)
	return nil
}

func (m *memory) Delete(ctx context.Context, r *Request, op *ldapmsg.Delete) error {
	unlock, err := m.begin(ctx, r)
	if err != nil {
		return err
	}
	defer unlock()
	_, key, err := m.find(op.DN)
	delete(m.entries, key)
	return err
}

func (m *memory) ModifyDN(ctx context.Context, r *Request, op *ldapmsg.ModifyDN) error {
	unlock, err := m.begin(ctx, r)
	if err != nil {
		return err
	}
	defer unlock()
	e, key, err := m.find(op.DN)
	if err != nil {
		return err
	}
	dn, _ := ldapmsg.ParseDN(e.DN)
	parent := dn.Parent().String()
	if op.NewSuperior != nil {
		parent = *op.NewSuperior
	}
	delete(m.entries, key)
	m.put(&Entry{DN: op.NewRDN + "," + parent, Attributes: e.Attributes})
	return nil
}

func (m *memory) SimpleBind(_ context.Context, _ *Session, name string, password []byte) (Identity, error) {
	switch {
	case name == "panic":
		panic("marker-secret")
	case name != aliceDN && name != "alice@corp.example":
		return nil, ldapmsg.LogonFailed(ldapmsg.LogonNoSuchUser)
	case string(password) != alicePassword:
		return nil, ldapmsg.LogonFailed(ldapmsg.LogonWrongPassword)
	}
	return user("alice"), nil
}

func (m *memory) SASL(_ context.Context, _ *Session, mechanism string) (SASLServer, error) {
	return &rot{}, nil
}

// lab is a server that listens on loopback.
type lab struct {
	*memory
	server     *Server
	addr, tls  string
	roots      *x509.CertPool
	rootFile   string
	mu         sync.Mutex
	operations []Operation
}

func serve(t testing.TB, change func(*Config)) *lab {
	t.Helper()
	l := &lab{memory: newMemory()}
	cert := l.certificate(t)
	config := Config{
		Backend: l.memory, Authenticator: l.memory, Mechanisms: []string{"GSSAPI", "EXTERNAL-TEST"},
		Controls: []string{ldapmsg.ControlSDFlags, ldapmsg.ControlExtendedDN}, Rand: rand.Reader,
		TLS: func(context.Context) (*tls.Config, error) {
			return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
		},
		Log: slog.New(slog.DiscardHandler),
		Done: func(_ context.Context, o Operation) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.operations = append(l.operations, o)
		},
	}
	if change != nil {
		change(&config)
	}
	l.server = New(config)
	t.Cleanup(func() {
		if err := l.server.Close(); err != nil {
			t.Error(err)
		}
		if left := l.server.bytes.Load(); left != 0 {
			t.Errorf("%d bytes of results were never given back", left)
		}
	})
	l.addr, l.tls = l.listen(t, Endpoint{}), l.listen(t, Endpoint{TLS: true})
	return l
}

func (l *lab) listen(t testing.TB, endpoint Endpoint) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.server.Serve(listener, endpoint); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

func (l *lab) certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dc1.corp.example"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	l.roots = x509.NewCertPool()
	l.roots.AddCert(cert)
	l.rootFile = filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(l.rootFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// dial connects go-ldap, bound as alice unless said otherwise.
func (l *lab) dial(t testing.TB, bind bool) *ldap.Conn {
	t.Helper()
	c, err := ldap.DialURL("ldap://" + l.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetTimeout(20 * time.Second)
	if bind {
		if err := c.Bind(aliceDN, alicePassword); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (l *lab) seen() []Operation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.operations)
}
