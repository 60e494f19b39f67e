package directory_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adds/directory"
	"hellolab/providers/conformance"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/state"
)

// versioned is a section that tells its version, of a state in memory.
type versioned struct{ *state.Section }

func newVersioned() versioned {
	return versioned{state.NewSection(state.NewOverlay(state.Empty(state.Meta{})), "domain.corp")}
}

func (s versioned) View(fn func(providers.Reader) error) error {
	return s.Section.View(func(r state.TableReader) error { return fn(r) })
}

func (s versioned) Update(ctx context.Context, fn func(providers.Writer) error) error {
	return s.Section.Update(ctx, func(w state.TableWriter) error { return fn(w) })
}

func (s versioned) Record(ctx context.Context, fn func(providers.Writer) error) error {
	return s.Section.Record(ctx, func(w state.TableWriter) error { return fn(w) })
}

// on is a lab on a section.
func on(t testing.TB, s providers.Section) *lab {
	t.Helper()
	l := &lab{t: t, clock: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	id, err := guid.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cfg := directory.Config{DNSName: "corp.contoso.com", NetBIOSName: "CORP", SID: "S-1-5-21-1-2-3", GUIDText: id.String(), Level: directory.Level2016, Schema: 88,
		Controllers: []directory.Controller{{Name: "DC1", Site: "Default-First-Site-Name"}}}
	if err := directory.Create(t.Context(), l.options(s), cfg, "Adm1n.password"); err != nil {
		t.Fatal(err)
	}
	l.Directory = l.load(s)
	l.admin = l.as("Administrator")
	return l
}

func (l *lab) options(s providers.Section) directory.Options {
	return directory.Options{Section: s, Now: func() time.Time { return l.clock }, Rand: rand.Reader}
}

func (l *lab) load(s providers.Section) *directory.Directory {
	l.t.Helper()
	d, err := directory.Load(l.options(s))
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// What a directory remembers is what one that was opened just now reads, after
// every kind of change, made by itself or by another on the same section.
func TestRemembersNothingOld(t *testing.T) {
	for name, section := range map[string]providers.Section{"without versions": conformance.NewSection(), "with versions": newVersioned()} {
		t.Run(name, func(t *testing.T) {
			l := on(t, section)
			other := *l
			other.Directory = l.load(section)
			alice := l.person("alice")
			computers := "CN=Computers," + base
			computer := "CN=PC1," + computers
			l.mustAdd(computer, "objectClass", "computer", "sAMAccountName", "PC1$", "servicePrincipalName", "host/pc1")
			inner, outer := "CN=Inner,"+users, "CN=Outer,"+users
			l.mustAdd(inner, "objectClass", "group", "sAMAccountName", "Inner")
			l.mustAdd(outer, "objectClass", "group", "sAMAccountName", "Outer")
			id := l.as("alice").SID
			ask := func(d *directory.Directory) []any {
				var out []any
				for _, find := range []func() (*directory.Account, error){
					func() (*directory.Account, error) { return d.Client(t.Context(), "alice", false) },
					func() (*directory.Account, error) { return d.Client(t.Context(), "alice@contoso.com", true) },
					func() (*directory.Account, error) { return d.BySID(t.Context(), id) },
					func() (*directory.Account, error) { return d.ByDN(t.Context(), alice) },
					func() (*directory.Account, error) { return d.Service(t.Context(), "http", "pc1") },
					func() (*directory.Account, error) { return d.Service(t.Context(), "krbtgt", "CORP") },
				} {
					a, err := find()
					if err != nil && !errors.Is(err, directory.ErrNoAccount) {
						t.Fatal(err)
					}
					out = append(out, a, err)
				}
				authorities, err := d.Authorities(t.Context())
				return append(out, authorities, err)
			}
			change := func(dn string, kind ldapmsg.ChangeKind, attribute string, values ...string) func(*lab) error {
				return func(l *lab) error { return l.modify(l.admin, dn, kind, attribute, values...) }
			}
			before := ask(l.Directory)
			for i, step := range []struct {
				what string
				do   func(*lab) error
			}{
				{"nothing", func(*lab) error { return nil }},
				{"a password", change(alice, ldapmsg.ReplaceValues, "unicodePwd", quoted("Other.pa55"))},
				{"a name", change(alice, ldapmsg.ReplaceValues, "displayName", "Alice")},
				{"a group", change(inner, ldapmsg.AddValues, "member", alice)},
				{"a group of the group", change(outer, ldapmsg.AddValues, "member", inner)},
				{"no such group", change(outer, ldapmsg.DeleteValues, "member", inner)},
				{"control", change(alice, ldapmsg.ReplaceValues, "userAccountControl", "514")},
				{"a service", change(computer, ldapmsg.ReplaceValues, "servicePrincipalName", "host/pc2")},
				{"the service again", change(computer, ldapmsg.ReplaceValues, "servicePrincipalName", "host/pc1")},
				{"another account's name", change(alice, ldapmsg.ReplaceValues, "userPrincipalName", "a@contoso.com")},
				{"age of passwords", change(base, ldapmsg.ReplaceValues, "maxPwdAge", "-864000000000")},
				{"no such group any more", func(l *lab) error { return l.Delete(t.Context(), l.admin, &ldapmsg.Delete{DN: inner}, false) }},
				{"another place", func(l *lab) error {
					return l.ModifyDN(t.Context(), l.admin, &ldapmsg.ModifyDN{DN: alice, NewRDN: "CN=alice", DeleteOldRDN: true, NewSuperior: &computers})
				}},
				{"no account", func(l *lab) error { return l.Delete(t.Context(), l.admin, &ldapmsg.Delete{DN: computer}, false) }},
			} {
				by := []*lab{l, &other}[i%2]
				if step.what == "age of passwords" {
					by = l // a policy is known to whom it is changed by
				}
				if err := step.do(by); err != nil {
					t.Fatalf("%s: %v", step.what, err)
				}
				now := ask(l.Directory)
				if fresh := ask(l.load(section)); !reflect.DeepEqual(now, fresh) {
					t.Errorf("after %s:\n%+v\nread anew:\n%+v", step.what, now, fresh)
				}
				if same := reflect.DeepEqual(now, before); same != (step.what == "nothing") {
					t.Errorf("%s: the same as before is %v", step.what, same)
				}
				if again := ask(l.Directory); again[0] != now[0] {
					t.Errorf("after %s nothing is remembered", step.what)
				}
				before = now
			}
		})
	}
}

// A change is seen by whoever looks once it is made, whoever looked meanwhile.
func TestRemembersNothingOldAtOnce(t *testing.T) {
	l := on(t, newVersioned())
	dn := l.person("alice")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = l.Client(t.Context(), "alice", false)
				}
			}
		})
	}
	for i := range 200 {
		name := fmt.Sprint("Alice ", i)
		if err := l.modify(l.admin, dn, ldapmsg.ReplaceValues, "displayName", name); err != nil {
			t.Fatal(err)
		}
		if a, err := l.Client(t.Context(), "alice", false); err != nil || a.DisplayName != name {
			t.Fatalf("%v, %v; want %s", a, err, name)
		}
	}
	close(stop)
	readers.Wait()
}
