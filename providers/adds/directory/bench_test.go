package directory_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"hellolab/providers/adds/directory"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/state"
)

// newStored is a lab whose section is of a state file.
func newStored(b *testing.B) *lab {
	b.Helper()
	store, err := state.Open(b.Context(), state.Options{Path: filepath.Join(b.TempDir(), "state.db"), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	return on(b, versioned{state.NewSection(store, "domain.corp")})
}

// populate adds n users side by side, from a number on.
func (l *lab) populate(from, n int) {
	l.t.Helper()
	var g errgroup.Group
	g.SetLimit(32)
	for i := range n {
		name := fmt.Sprintf("user%05d", from+i)
		g.Go(func() error {
			return l.add("CN="+name+","+users, "objectClass", "user", "sAMAccountName", name, "userPrincipalName", name+"@contoso.com", "displayName", name)
		})
	}
	if err := g.Wait(); err != nil {
		l.t.Fatal(err)
	}
}

// A search that an index answers takes the same however many objects there are.
func BenchmarkSearch(b *testing.B) {
	l := newStored(b)
	l.populate(0, 10000)
	for _, c := range []struct {
		name, filter string
		attributes   []string
		want         int
	}{
		{"byIndex", "(&(objectCategory=person)(sAMAccountName=user04711))", nil, 1},
		{"subtree10000", "(&(objectClass=user)(sAMAccountName=user*))", []string{"sAMAccountName"}, 10000},
		{"subtree10000/one", "(displayName=user04711)", []string{"sAMAccountName"}, 1},
		{"subtree10000/everything", "(&(objectClass=user)(sAMAccountName=user*))", nil, 10000},
	} {
		b.Run(c.name, func(b *testing.B) {
			filter, err := ldapmsg.ParseFilter(c.filter)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				found := 0
				op := &ldapmsg.Search{Base: base, Scope: ldapmsg.WholeSubtree, Filter: filter, Attributes: c.attributes}
				if err := l.Search(b.Context(), l.admin, op, nil, func(directory.Entry) error { found++; return nil }); err != nil || found != c.want {
					b.Fatalf("%d entries, %v", found, err)
				}
			}
		})
	}
}

// BenchmarkAdd1000 adds users to a domain, durably, 32 at a time.
func BenchmarkAdd1000(b *testing.B) {
	l := newStored(b)
	n := 0
	for ; b.Loop(); n++ {
		l.populate(n*1000, 1000)
	}
	b.ReportMetric(float64(n*1000)/b.Elapsed().Seconds(), "users/s")
}
