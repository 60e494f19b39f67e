package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/network"
	"hellolab/engine/record"
	"hellolab/providers"
	"hellolab/state"
)

// host is a kind that answers on one name, lives in a home, and counts its openings.
type host struct {
	Name string        `lab:"name,required" doc:"Network name."`
	Home providers.Ref `lab:"home" ref:"host" doc:"Home."`
}
type hostOut struct {
	ID string `lab:"id,id" doc:"Identity."`
}

type hosts struct {
	mu     sync.Mutex
	opened map[string]int
	closed []string
	fail   error
}

func (h *hosts) kind() providers.Type {
	return providers.Of(providers.Kind[host, hostOut]{
		Name:  "host",
		Doc:   "A host.",
		Home:  func(in host) providers.Ref { return in.Home },
		Hosts: func(o providers.Object[host, hostOut]) []string { return []string{o.In.Name} },
		Key:   func(in host) string { return in.Name },
		Find: func(context.Context, providers.Env, string) (providers.Object[host, hostOut], error) {
			return providers.Object[host, hostOut]{}, providers.ErrGone
		},
		Create: func(context.Context, providers.Env, host) (hostOut, error) { return hostOut{ID: "1"}, nil },
		Open: func(_ context.Context, env providers.Env, o providers.Object[host, hostOut]) (providers.Service, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.fail != nil {
				return nil, h.fail
			}
			h.opened[o.Addr]++
			l, err := env.Network.Listen(o.In.Name, 443)
			if err != nil {
				return nil, err
			}
			return service{h, o.Addr, l}, nil
		},
	})
}

type service struct {
	h    *hosts
	addr string
	l    net.Listener
}

func (s service) Close() error {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.closed = append(s.h.closed, s.addr)
	return s.l.Close()
}

// wall is a machine's clock that a test moves.
type wall struct{ at time.Time }

func (w *wall) now() time.Time { return w.at }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// open returns a lab with the hosts named, each in the home after the comma.
func open(t *testing.T, h *hosts, w *wall, opts func(*Options), decl ...[2]string) (*Lab, *state.Overlay) {
	t.Helper()
	kind := h.kind()
	registry := providers.NewRegistry(kind)
	view := state.NewOverlay(state.Empty(state.Meta{Lineage: "test"}))
	for _, d := range decl {
		home := cty.NullVal(cty.String)
		if d[1] != "" {
			home = cty.StringVal(d[1])
		}
		in := cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(d[0] + ".test"), "home": home})
		inBytes, outBytes, err := record.Encode(registry.Type("host"), in, cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("1")}))
		if err != nil {
			t.Fatal(err)
		}
		err = view.Commit(t.Context(), func(w state.Writer) error {
			return state.PutObject(w, state.Object{Addr: "host." + d[0], Kind: "host", ID: "1", In: inBytes, Out: outBytes})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	o := Options{View: view, Registry: registry, Wall: w.now, Rand: rand.Reader}
	if opts != nil {
		opts(&o)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, view
}

func (l *Lab) envOf(t *testing.T, addr string) providers.Env {
	t.Helper()
	rec, err := l.Objects().Lookup(addr)
	if err != nil {
		t.Fatal(err)
	}
	return l.Env(addr, l.opts.Registry.Type(rec.Kind), rec.In)
}

func TestDialOpensReloadClosesCloseEndsAll(t *testing.T) {
	h := &hosts{opened: map[string]int{}}
	l, _ := open(t, h, &wall{noon}, nil, [2]string{"a"}, [2]string{"b"})
	env := l.envOf(t, "host.a")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := env.Network.Dial(t.Context(), "B.test", 443); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if h.opened["host.b"] != 1 || h.opened["host.a"] != 0 {
		t.Errorf("opened %v", h.opened)
	}
	if err := l.Reload("host.b"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b.test", "a.test"} {
		if _, err := env.Network.Dial(t.Context(), name, 443); err != nil {
			t.Fatal(err)
		}
	}
	if h.opened["host.b"] != 2 {
		t.Errorf("after a reload, opened %v", h.opened)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := h.closed; len(got) != 3 || got[1] != "host.a" {
		t.Errorf("closed %v; the last opened closes first", got)
	}
	if _, err := env.Network.Dial(t.Context(), "a.test", 443); err == nil {
		t.Error("a closed lab answers")
	}
}

func TestAFailedOpeningIsToldAndTriedAgain(t *testing.T) {
	h := &hosts{opened: map[string]int{}, fail: errors.New("no key")}
	l, _ := open(t, h, &wall{noon}, nil, [2]string{"a"})
	env := l.envOf(t, "host.a")
	if _, err := env.Network.Dial(t.Context(), "a.test", 443); !errors.Is(err, h.fail) {
		t.Fatalf("got %v", err)
	}
	h.fail = nil
	if _, err := env.Network.Dial(t.Context(), "a.test", 443); err != nil {
		t.Fatal(err)
	}
}

func TestOpenAllOpensEachOnceAndReportsFailures(t *testing.T) {
	h := &hosts{opened: map[string]int{}}
	l, _ := open(t, h, &wall{noon}, nil, [2]string{"a"}, [2]string{"b"})
	for range 2 {
		if err := l.OpenAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if h.opened["host.a"] != 1 || h.opened["host.b"] != 1 {
		t.Errorf("opened %v", h.opened)
	}
	want := []network.Addr{{Host: "a.test", Port: 443}, {Host: "b.test", Port: 443}}
	if got := l.Network().Listening(); !slices.Equal(got, want) {
		t.Errorf("listening %v, want %v", got, want)
	}
	h.fail = errors.New("no key")
	if err := l.Reload("host.a"); err != nil {
		t.Fatal(err)
	}
	if err := l.OpenAll(t.Context()); !errors.Is(err, h.fail) {
		t.Errorf("got %v", err)
	}
}

func TestRootIsWhatClientsTrust(t *testing.T) {
	l, _ := open(t, &hosts{opened: map[string]int{}}, &wall{noon}, nil, [2]string{"a"})
	root, err := l.Root(t.Context(), providers.WebRoot)
	if err != nil {
		t.Fatal(err)
	}
	want := x509.NewCertPool()
	want.AddCert(root)
	if got, err := l.envOf(t, "host.a").PKI.Roots(t.Context(), providers.WebRoot); err != nil || !got.Equal(want) {
		t.Errorf("another root than devices trust, %v", err)
	}
	if _, err := l.Root(t.Context(), "nobody"); err == nil {
		t.Error("an authority that is none has a root")
	}
}

func TestLabTimeIsMonotonicAndOffset(t *testing.T) {
	w := &wall{noon}
	view := state.NewOverlay(state.Empty(state.Meta{}))
	err := view.Commit(t.Context(), func(w state.Writer) error { return state.SetClockOffset(w, 3*time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(Options{View: view, Registry: providers.NewRegistry(), Wall: w.now, Rand: rand.Reader, Offset: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got, want := l.Now(), noon.Add(3*time.Hour+time.Minute); !got.Equal(want) {
		t.Errorf("lab time %v, want %v", got, want)
	}
	w.at = w.at.Add(time.Second)
	if got, want := l.Now(), noon.Add(3*time.Hour+time.Minute+time.Second); !got.Equal(want) {
		t.Errorf("lab time %v, want %v", got, want)
	}
}

func TestRevisionsFollowTheHomeChain(t *testing.T) {
	h := &hosts{opened: map[string]int{}}
	l, _ := open(t, h, &wall{noon}, nil, [2]string{"a"}, [2]string{"b", "host.a"}, [2]string{"c", "host.b"})
	kind := l.opts.Registry.Type("host")
	rec, err := l.Objects().Lookup("host.c")
	if err != nil {
		t.Fatal(err)
	}
	before, err := l.Revisions(kind, rec)
	if err != nil || len(before) != 3 {
		t.Fatalf("%v, %v", before, err)
	}
	put := func(w providers.Writer) error { return w.Put("table", "k", []byte("v")) }
	section := l.envOf(t, "host.a").Section
	if err := section.Record(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if after, _ := l.Revisions(kind, rec); after["host.a"] != before["host.a"] {
		t.Error("a token write moved the revision")
	}
	if err := section.Update(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if after, _ := l.Revisions(kind, rec); after["host.a"] == before["host.a"] || after["host.b"] != before["host.b"] {
		t.Errorf("revisions %v, were %v", after, before)
	}
}

func TestRevisionsFollowWhatIsWatched(t *testing.T) {
	l, _ := open(t, &hosts{opened: map[string]int{}}, &wall{noon}, nil, [2]string{"a"}, [2]string{"b"})
	kind := *l.opts.Registry.Type("host")
	kind.Watch = func(providers.Objects, cty.Value) []providers.Ref { return []providers.Ref{"host.a", "host.gone"} }
	rec, err := l.Objects().Lookup("host.b")
	if err != nil {
		t.Fatal(err)
	}
	before, err := l.Revisions(&kind, rec)
	if err != nil || len(before) != 2 {
		t.Fatalf("%v, %v", before, err)
	}
	if err := l.envOf(t, "host.a").Section.Update(t.Context(), func(w providers.Writer) error { return w.Put("table", "k", []byte("v")) }); err != nil {
		t.Fatal(err)
	}
	if after, _ := l.Revisions(&kind, rec); after["host.a"] == before["host.a"] {
		t.Errorf("revisions %v, were %v", after, before)
	}
}

func TestAuthoritiesAreFoundedOnceAndKept(t *testing.T) {
	h := &hosts{opened: map[string]int{}}
	l, view := open(t, h, &wall{noon}, nil, [2]string{"a"})
	pki := l.envOf(t, "host.a").PKI
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := pki.Issue(t.Context(), providers.WebRoot, &x509.Certificate{DNSNames: []string{"a.test"}}, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	// Another lab on the same state, decades later, trusts the same root.
	later, err := New(Options{View: view, Registry: l.opts.Registry, Wall: (&wall{noon}).now, Rand: rand.Reader, Offset: 50 * 365 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	roots, err := later.envOf(t, "host.a").PKI.Roots(t.Context(), providers.WebRoot)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "a.test", Roots: roots, CurrentTime: noon}); err != nil {
		t.Error(err)
	}
	vendor, err := pki.Roots(t.Context(), providers.TPMVendorRoot)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: vendor, CurrentTime: noon}); err == nil {
		t.Error("a web certificate chains to the TPM vendor")
	}
	if _, err := pki.Roots(t.Context(), "nobody"); err == nil {
		t.Error("an unknown authority has roots")
	}
}

func TestLookups(t *testing.T) {
	h := &hosts{opened: map[string]int{}}
	l, _ := open(t, h, &wall{noon}, nil, [2]string{"a"}, [2]string{"b"})
	if _, err := l.Objects().Lookup("host.nobody"); !errors.Is(err, providers.ErrUnknownObject) {
		t.Errorf("got %v", err)
	}
	recs, err := l.Objects().List("host")
	if err != nil || len(recs) != 2 || recs[0].Addr != "host.a" {
		t.Errorf("%v, %v", recs, err)
	}
	if _, err := l.Objects().List("nothing"); err == nil {
		t.Error("an unknown kind lists")
	}
}
