package conformance

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/event"
)

// Began is lab time at the start of every Env.
var Began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Env is a lab in memory: the objects a test created, their sections, a
// network that opens the owner of a host when somebody dials it, authorities,
// and a clock that only Advance moves. It does what the engine does around a
// kind, and no more: no plan, no order, no file.
//
// All methods are safe for concurrent use, also by the kinds under test.
type Env struct {
	tb       testing.TB
	registry *providers.Registry
	store    *store
	net      *network
	pki      *pki
	rand     *randomness
	log      *lockedBuffer

	mu        sync.Mutex
	now       time.Time
	objects   map[string]providers.Record
	asked     map[string]cty.Value // In of this run's objects, write-only values included
	services  map[string]*service
	opening   []string              // addresses in the order they opened
	closing   bool                  // what a service still asks for while it closes is not opened again
	addresses map[string]netip.Addr // of hosts
	events    []event.Event
	failpoint func(string)
	kill      *kill
	through   func(providers.Env) providers.Network
}

// NewEnv returns an empty lab for objects of kinds. Its services are closed
// when the test ends; if the test failed, it shows what they logged.
//
//	env := conformance.NewEnv(t, entra.Tenant(), identity.User())
//	env.Create("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}})
//	alice := env.Create("user.alice", spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret("…")})
//	client := web.Client(env.For("user.alice"))
func NewEnv(tb testing.TB, kinds ...providers.Type) *Env {
	e := &Env{
		tb:       tb,
		registry: providers.NewRegistry(kinds...),
		store:    newStore(),
		rand:     newRandomness(tb),
		log:      &lockedBuffer{},
		now:      Began,
		objects:  map[string]providers.Record{},
		asked:    map[string]cty.Value{},
		services: map[string]*service{},

		addresses: map[string]netip.Addr{},
	}
	e.store.gate = e.point
	e.net = newNetwork(e.openHost)
	e.net.dead = e.dead
	e.pki = &pki{now: e.Now, roots: map[providers.Root]*authority{}}
	tb.Cleanup(func() {
		if err := e.close(); err != nil {
			tb.Errorf("closing the lab: %v", err)
		}
		e.net.close()
		e.rand.keys.Return()
		if tb.Failed() && e.log.Len() > 0 {
			tb.Logf("the lab logged:\n%s", e.log)
		}
	})
	return e
}

// Now is lab time.
func (e *Env) Now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// Advance moves lab time on. Services stay open: see Restart.
func (e *Env) Advance(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now = e.now.Add(d)
}

// Wait implements providers.Waiter.
func (e *Env) Wait(d time.Duration) { e.Advance(d) }

// For returns what the kind of addr works with for that object.
func (e *Env) For(addr string) providers.Env {
	section := addr
	e.mu.Lock()
	for {
		rec, declared := e.objects[section]
		t := e.registry.Type(kindOf(section))
		if !declared || t == nil || t.Disk == nil {
			break
		}
		disk := string(t.Disk(rec.In))
		if disk == "" || disk == section {
			break
		}
		section = disk
	}
	through := e.through
	e.mu.Unlock()
	env := providers.Env{
		Addr:      addr,
		Now:       e.Now,
		Rand:      e.rand,
		Network:   e.net,
		Waiter:    e,
		Address:   e.address,
		PKI:       e.pki,
		Section:   e.store.section(section),
		Objects:   objects{e},
		Emit:      e.emit,
		Log:       slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})).With("object", addr),
		Failpoint: e.reach,
	}
	if through != nil {
		env.Network = through(env)
	}
	return env
}

// Through gives every object, from now on, the network that wrap makes of its
// own, so that a test can listen in or cut lines.
func (e *Env) Through(wrap func(providers.Env) providers.Network) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.through = wrap
}

// Events returns what was emitted so far, with Seq counting from one.
func (e *Env) Events() []event.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.events)
}

// Logged returns what was logged so far.
func (e *Env) Logged() string { return e.log.String() }

func (e *Env) emit(ev event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ev.Seq = uint64(len(e.events) + 1)
	e.events = append(e.events, ev)
}

// OnFailpoint makes fn hear the name of each failpoint that is reached; nil
// ends it. fn runs on the goroutine that reached the point.
func (e *Env) OnFailpoint(fn func(name string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failpoint = fn
}

func (e *Env) reach(name string) {
	e.mu.Lock()
	fn := e.failpoint
	e.mu.Unlock()
	if fn != nil {
		fn(name)
	}
	_ = e.point()
}

// Get returns an object decoded into its kind's structs.
func Get[In, Out any](e *Env, addr string) providers.Object[In, Out] {
	e.tb.Helper()
	o, err := providers.Resolve[In, Out](e.For(addr), providers.Ref(addr))
	if err != nil {
		e.tb.Fatalf("%s: %v", addr, err)
	}
	return o
}

// With returns a configuration with one attribute set, for values that a
// struct of tags cannot ask for, such as false where the default is true:
//
//	env.Create("user.bo", env.With("user", spec.User{…}, "enabled_in_tenant", cty.False))
func (e *Env) With(kind string, in any, attr string, value cty.Value) cty.Value {
	e.tb.Helper()
	t := e.registry.Type(kind)
	if t == nil {
		e.tb.Fatalf("no kind named %q", kind)
	}
	v, err := configuration(t, in)
	if err != nil {
		e.tb.Fatalf("%s: %v", kind, err)
	}
	attrs := v.AsValueMap()
	attrs[attr] = value
	return cty.ObjectVal(attrs)
}

// configuration is what the language makes of in: a struct of tags as an
// author would write it, or an object of some of its attributes.
func configuration(t *providers.Type, in any) (cty.Value, error) {
	v, ok := in.(cty.Value)
	if !ok {
		var err error
		if v, err = providers.Encode(in, providers.OmitZero); err != nil {
			return cty.NilVal, err
		}
	}
	return t.Schema.Complete(v)
}

// kindOf returns the kind in an address: "user" in module.corp.user.alice["x"].
func kindOf(addr string) string {
	parts := strings.Split(addr, ".")
	for len(parts) > 2 && parts[0] == "module" {
		parts = parts[2:]
	}
	return parts[0]
}

// objects answers lookups from what the test declared.
type objects struct{ env *Env }

func (o objects) Lookup(addr string) (providers.Record, error) {
	o.env.mu.Lock()
	defer o.env.mu.Unlock()
	rec, ok := o.env.objects[addr]
	if !ok {
		return rec, fmt.Errorf("%s: %w", addr, providers.ErrUnknownObject)
	}
	return o.env.withAsked(rec), nil
}

// withAsked gives a record the write-only values that this run knows, as the
// objects of a plan that is being applied have them. e.mu is held.
func (e *Env) withAsked(rec providers.Record) providers.Record {
	t, asked := e.registry.Type(rec.Kind), e.asked[rec.Addr]
	if t == nil || asked == cty.NilVal || rec.In.IsNull() || asked.IsNull() {
		return rec
	}
	attrs := rec.In.AsValueMap()
	for _, a := range t.Schema.In.Attrs {
		if a.WriteOnly {
			attrs[a.Name] = asked.GetAttr(a.Name)
		}
	}
	rec.In = cty.ObjectVal(attrs)
	return rec
}

func (o objects) List(kind string) ([]providers.Record, error) {
	o.env.mu.Lock()
	defer o.env.mu.Unlock()
	var recs []providers.Record
	for _, rec := range o.env.objects {
		if rec.Kind == kind {
			recs = append(recs, o.env.withAsked(rec))
		}
	}
	slices.SortFunc(recs, func(a, b providers.Record) int { return strings.Compare(a.Addr, b.Addr) })
	return recs, nil
}

// service is one object's service, up or coming up.
type service struct {
	ready chan struct{} // closed when up and err are set
	up    providers.Service
	err   error
}

// openHost opens the object that answers on host, once.
func (e *Env) openHost(ctx context.Context, host string) error {
	rec, t := e.owner(host)
	if t == nil {
		return fmt.Errorf("no host named %q in the lab", host)
	}
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return fmt.Errorf("open %s: the lab is closing", rec.Addr)
	}
	s := e.services[rec.Addr]
	first := s == nil
	if first {
		s = &service{ready: make(chan struct{})}
		e.services[rec.Addr] = s
		e.opening = append(e.opening, rec.Addr)
	}
	e.mu.Unlock()
	if !first {
		select {
		case <-s.ready:
			return s.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.up, s.err = t.Open(context.WithoutCancel(ctx), e.For(rec.Addr), rec)
	if s.err != nil {
		s.err = fmt.Errorf("open %s: %w", rec.Addr, s.err)
		e.mu.Lock()
		delete(e.services, rec.Addr)
		e.mu.Unlock()
	}
	close(s.ready)
	return s.err
}

func (e *Env) owner(host string) (providers.Record, *providers.Type) {
	for _, name := range e.registry.Names() {
		t := e.registry.Type(name)
		if t.Hosts == nil || t.Open == nil {
			continue
		}
		recs, _ := objects{e}.List(name)
		for _, rec := range recs {
			if !rec.Out.IsNull() && slices.ContainsFunc(t.Hosts(rec), func(h string) bool { return sameHost(h, host) }) {
				return rec, t
			}
		}
	}
	return providers.Record{}, nil
}

// Reload closes the service of an object; the next dial opens it anew.
func (e *Env) Reload(addr string) {
	e.tb.Helper()
	e.mu.Lock()
	s := e.services[addr]
	delete(e.services, addr)
	e.mu.Unlock()
	if err := s.close(); err != nil {
		e.tb.Errorf("close %s: %v", addr, err)
	}
}

// Restart closes every service, as the end of a process does: what they held
// in memory only is gone, the sections stay.
func (e *Env) Restart() {
	e.tb.Helper()
	if err := e.close(); err != nil {
		e.tb.Errorf("restart: %v", err)
	}
}

// close ends the services, the last opened first.
func (e *Env) close() error {
	e.mu.Lock()
	order, services := e.opening, e.services
	e.opening, e.services, e.closing = nil, map[string]*service{}, true
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.closing = false
		e.mu.Unlock()
	}()
	slices.Reverse(order)
	for _, addr := range order {
		s := services[addr]
		delete(services, addr)
		if err := s.close(); err != nil {
			return fmt.Errorf("close %s: %w", addr, err)
		}
	}
	return nil
}

func (s *service) close() error {
	if s == nil {
		return nil
	}
	<-s.ready
	if s.up == nil {
		return nil
	}
	return s.up.Close()
}

// lockedBuffer is a log that many goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Len()
}
