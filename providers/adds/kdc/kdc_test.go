package kdc

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"

	"hellolab/providers/event"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/sid"
)

const (
	realm  = "CORP.EXAMPLE"
	secret = "correct horse 1"
)

var domainSID = sid.New(5, 21, 1, 2, 3)

// memory is a directory of a few accounts.
type memory struct {
	mu       sync.Mutex
	accounts []*Account
	spns     map[string]*Account // lower case
	broken   error
}

func (m *memory) Client(_ context.Context, name krb.Name) (*Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return nil, m.broken
	}
	for _, a := range m.accounts {
		if len(name.Parts) == 1 && (name.Type == krb.NTEnterprise && strings.EqualFold(a.UPN, name.Parts[0]) || name.Type != krb.NTEnterprise && strings.EqualFold(a.SAMAccountName, name.Parts[0])) {
			c := *a
			return &c, nil
		}
	}
	return nil, ErrUnknownPrincipal
}

func (m *memory) Server(ctx context.Context, name krb.Name) (*Account, error) {
	m.mu.Lock()
	if a, ok := m.spns[strings.ToLower(name.String())]; ok {
		defer m.mu.Unlock()
		c := *a
		return &c, nil
	}
	m.mu.Unlock()
	return m.Client(ctx, name)
}

func (m *memory) SetPassword(_ context.Context, requester, target *Account, newPassword []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case requester.SID != target.SID && requester.SAMAccountName != "admin":
		return ErrAccessDenied
	case len(newPassword) < 8:
		return &PolicyError{"The password has fewer than 8 characters."}
	}
	for _, a := range m.accounts {
		if a.SID == target.SID {
			a.setPassword(string(newPassword))
			a.UserAccountControl &^= PasswordExpired
		}
	}
	return nil
}

func (a *Account) setPassword(password string) {
	var kvno uint32 = 1
	if len(a.Keys) > 0 {
		kvno = a.Keys[0].KVNO + 1
	}
	var keys []VersionedKey
	for _, etype := range []int32{krb.AES256, krb.AES128, krb.RC4} {
		key, err := krb.StringToKey(etype, password, a.Salt)
		if err != nil {
			panic(err)
		}
		keys = append(keys, VersionedKey{kvno, key})
	}
	a.Keys = append(keys, a.Keys...)
}

// lab is a KDC with its directory, clock and events.
type lab struct {
	*KDC
	dir    *memory
	mu     sync.Mutex
	now    time.Time
	events []event.Event
}

func (l *lab) clock() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
}

func (l *lab) last() event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return event.Event{}
	}
	return l.events[len(l.events)-1]
}

func newLab(t testing.TB, change func(*Config)) *lab {
	t.Helper()
	l := &lab{dir: &memory{spns: map[string]*Account{}}, now: time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)}
	add := func(name string, rid, uac uint32, spns ...string) *Account {
		a := &Account{
			SID: domainSID.Account(rid), SAMAccountName: name, UserAccountControl: uac, DNSDomain: "corp.example", Salt: krb.UserSalt(realm, name),
			PrimaryGroup: 513, Groups: []GroupMembership{{RID: 513}, {RID: 1200}}, PasswordSet: l.now.Add(-24 * time.Hour),
		}
		a.setPassword(secret)
		l.dir.accounts = append(l.dir.accounts, a)
		for _, s := range spns {
			l.dir.spns[strings.ToLower(s)] = a
		}
		return a
	}
	add("krbtgt", 502, 0x202, "krbtgt/"+realm, "kadmin/changepw")
	add("alice", 1104, 0x200).UPN = "alice@contoso.com"
	add("bob", 1105, 0x200)
	add("admin", 500, 0x200)
	add("PC1$", 1110, 0x1000, "host/pc1.corp.example", "host/pc1")
	add("DC1$", 1000, 532480, "ldap/dc1.corp.example")
	c := Config{
		Realm: realm, NetBIOS: "CORP", LogonServer: "DC1", DomainSID: domainSID, Directory: l.dir, Passwords: l.dir,
		Now: l.clock, Rand: rand.Reader,
		Events: func(e event.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, e)
		},
	}
	if change != nil {
		change(&c)
	}
	l.KDC = New(c)
	return l
}

func (l *lab) account(name string) *Account {
	i := slices.IndexFunc(l.dir.accounts, func(a *Account) bool { return a.SAMAccountName == name })
	return l.dir.accounts[i]
}

// change changes an account while the KDC may look at it.
func (l *lab) change(name string, change func(*Account)) {
	l.dir.mu.Lock()
	defer l.dir.mu.Unlock()
	change(l.account(name))
}

// client speaks to the KDC without a network.
func (l *lab) client() *krbclient.Client {
	dial := func(answer func([]byte) []byte) func(context.Context, string) (net.Conn, error) {
		return func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer func() { _ = theirs.Close() }()
				if b, err := krb.ReadFrame(theirs); err == nil {
					_ = krb.WriteFrame(theirs, answer(b))
				}
			}()
			return ours, nil
		}
	}
	ctx := context.Background()
	return &krbclient.Client{
		Realm: realm, Now: l.clock, Rand: rand.Reader,
		Dial: dial(func(b []byte) []byte { return l.Handle(ctx, b) }),
	}
}

func (l *lab) as(name krb.Name, change func(*krbclient.ASRequest)) (*krbclient.Result, error) {
	ask := krbclient.ASRequest{Client: name}
	if change != nil {
		change(&ask)
	}
	return l.client().AS(context.Background(), ask, krbclient.Password(secret))
}

func (l *lab) tgt(t testing.TB, change func(*krbclient.ASRequest)) *krb.Credential {
	t.Helper()
	r, err := l.as(krb.Principal("alice"), change)
	if err != nil {
		t.Fatal(err)
	}
	return &r.Credential
}

func code(err error) krb.Code {
	if err == nil {
		return 0
	}
	var e *krb.Error
	if !errors.As(err, &e) {
		return -1
	}
	return e.Code
}

func newRand() io.Reader { return rand.Reader }

// encode writes a structure that has no codec of its own in krb.
func encode(v any) ([]byte, error) { return asn1.Marshal(v) }
