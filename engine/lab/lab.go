// Package lab is the running lab: it opens the systems of a state view on the
// lab network when somebody dials them, and makes the Env that kinds work
// with. Plan, apply, every check and every command that touches a system run
// in a Lab; only the view, the clock and the listeners differ.
package lab

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/address"
	"hellolab/engine/network"
	"hellolab/engine/record"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

// Options are what a lab runs with. View, Registry, Wall and Rand are required.
type Options struct {
	View     state.View
	Registry *providers.Registry
	Wall     func() time.Time // the machine's clock; lab time adds the stored offset
	Offset   time.Duration    // added to the stored offset, for looking ahead
	Rand     io.Reader
	Emit     event.Sink
	Log      *slog.Logger
	// Objects answers lookups; nil means the objects of the view.
	Objects   providers.Objects
	Failpoint func(string)
	// Trouble is what is wrong with the network and with clocks; nil: nothing is.
	Trouble *Trouble
}

// Lab is systems that can be dialed. Close ends it.
type Lab struct {
	opts    Options
	net     *network.Network
	pki     *pki
	started time.Time // machine's clock, with its monotonic reading
	origin  time.Time // lab time at that instant
	moved   movement
	taps    taps
	due     sync.Mutex // held while due work is done

	mu      sync.Mutex
	objects providers.Objects
	open    map[string]*opened // by address
	order   []string           // addresses in the order they opened
	closed  bool
}

// opened is a service that is up or coming up.
type opened struct {
	ready   chan struct{} // closed when service and err are set
	service providers.Service
	err     error
}

// New returns a lab in which nothing is open yet.
func New(o Options) (*Lab, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var stored time.Duration
	err := o.View.Read(func(r state.Reader) (err error) {
		stored, err = state.ClockOffset(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	started := o.Wall()
	l := &Lab{
		opts:    o,
		started: started,
		origin:  started.Round(0).UTC().Add(stored + o.Offset),
		objects: o.Objects,
		open:    map[string]*opened{},
	}
	if l.objects == nil {
		l.objects = &inView{view: o.View, registry: o.Registry}
	}
	l.net = network.New(l.openHost)
	if o.Trouble != nil {
		l.net.SetWeather(weather{o.Trouble, l})
	}
	l.pki = &pki{view: o.View, now: l.Now, rand: o.Rand, roots: map[providers.Root]*authority{}}
	return l, nil
}

// Objects returns what lookups see.
func (l *Lab) Objects() providers.Objects {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.objects
}

// SetObjects replaces what lookups see: an apply shows planned objects.
func (l *Lab) SetObjects(o providers.Objects) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.objects = o
}

// Env returns what the kind t works with for the object addr of configuration in.
func (l *Lab) Env(addr string, t *providers.Type, in cty.Value) providers.Env {
	disk := l.diskOf(addr, t, in)
	return providers.Env{
		Addr:      addr,
		Now:       l.clockOf(disk),
		Rand:      l.opts.Rand,
		Network:   l.net,
		Waiter:    waiting{l},
		Address:   l.Address,
		PKI:       l.pki,
		Section:   newSection(l.opts.View, disk),
		Objects:   lookups{l},
		Emit:      l.sink(),
		Log:       l.opts.Log.With("object", addr),
		Failpoint: l.opts.Failpoint,
	}
}

// Reload closes the service of an object that changed or went away. The next
// dial opens it as it then is.
func (l *Lab) Reload(addr string) error {
	l.mu.Lock()
	o := l.open[addr]
	delete(l.open, addr)
	l.mu.Unlock()
	if o == nil {
		return nil
	}
	<-o.ready
	if o.service == nil {
		return nil
	}
	return o.service.Close()
}

// Revisions returns the revision of every section that holds part of rec: its
// own disk's, those of its homes, and those that it watches. While none of them moves, rec need not be
// read again.
func (l *Lab) Revisions(t *providers.Type, rec providers.Record) (map[string]uint64, error) {
	revisions := map[string]uint64{}
	err := l.opts.View.Read(func(r state.Reader) error {
		for _, name := range l.sections(t, rec) {
			n, err := state.Revision(r, name)
			if err != nil {
				return err
			}
			revisions[name] = n
		}
		return nil
	})
	return revisions, err
}

// sections names the disk of rec, of each of its homes, and of what it watches.
func (l *Lab) sections(t *providers.Type, rec providers.Record) []string {
	objects := l.Objects()
	names := []string{l.diskOf(rec.Addr, t, rec.In)}
	seen := map[string]bool{rec.Addr: true}
	if t.Watch != nil {
		for _, ref := range t.Watch(objects, rec.In) {
			if o, err := objects.Lookup(string(ref)); err == nil && l.opts.Registry.Type(o.Kind) != nil {
				names = append(names, l.diskOf(o.Addr, l.opts.Registry.Type(o.Kind), o.In))
			}
		}
	}
	for t.Home != nil {
		home := string(t.Home(rec.In))
		if home == "" || seen[home] {
			break
		}
		seen[home] = true
		names = append(names, home)
		next, err := objects.Lookup(home)
		if err != nil {
			break
		}
		if rec, t = next, l.opts.Registry.Type(next.Kind); t == nil {
			break
		}
	}
	return names
}

// Close ends every service, the last opened first, then the network.
func (l *Lab) Close() error {
	l.mu.Lock()
	l.closed = true
	var services []*opened
	for i := len(l.order) - 1; i >= 0; i-- {
		if o := l.open[l.order[i]]; o != nil {
			services = append(services, o)
			delete(l.open, l.order[i])
		}
	}
	l.mu.Unlock()
	var errs []error
	for _, o := range services {
		<-o.ready
		if o.service != nil {
			errs = append(errs, o.service.Close())
		}
	}
	errs = append(errs, l.net.Close())
	return errors.Join(errs...)
}

// errClosed is what opening a service of a closed lab answers.
var errClosed = errors.New("the lab is closed")

// Network returns the lab's network, for a bridge to the world outside.
func (l *Lab) Network() *network.Network { return l.net }

// Address returns the loopback address that a host has for life. A name that
// nothing answers on has none: questions of outside clients, which may be any,
// leave no trace in the state.
func (l *Lab) Address(ctx context.Context, host string) (netip.Addr, error) {
	name := network.Canonical(host)
	if !l.net.Knows(name) {
		if _, _, err := l.owner(name); errors.As(err, new(network.ErrNoHost)) {
			return netip.Addr{}, fmt.Errorf("%q: %w", host, providers.ErrNoHost)
		} else if err != nil {
			return netip.Addr{}, err
		}
	}
	assigned, err := address.Assign(ctx, l.opts.View, name)
	return assigned[name], err
}

// Root returns the certificate of an authority outside the lab's systems, for
// clients outside to trust.
func (l *Lab) Root(ctx context.Context, root providers.Root) (*x509.Certificate, error) {
	a, err := l.pki.authority(ctx, root)
	if err != nil {
		return nil, err
	}
	return a.cert, nil
}

// OpenAll opens every service of the lab, as dialing each host would, and
// reports all that fail.
func (l *Lab) OpenAll(ctx context.Context) error {
	var errs []error
	err := l.owners(func(rec providers.Record, t *providers.Type) bool {
		errs = append(errs, l.openOwner(ctx, rec, t))
		return true
	})
	return errors.Join(append(errs, err)...)
}

// openHost makes the owner of a host listen.
func (l *Lab) openHost(ctx context.Context, host string) error {
	rec, t, err := l.owner(host)
	if err != nil {
		return err
	}
	return l.openOwner(ctx, rec, t)
}

func (l *Lab) openOwner(ctx context.Context, rec providers.Record, t *providers.Type) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	o := l.open[rec.Addr]
	if o == nil {
		o = &opened{ready: make(chan struct{})}
		l.open[rec.Addr] = o
		l.order = append(l.order, rec.Addr)
		l.mu.Unlock()
		// The service outlives the dial that opened it.
		o.service, o.err = t.Open(context.WithoutCancel(ctx), l.Env(rec.Addr, t, rec.In), rec)
		if o.err != nil {
			o.err = fmt.Errorf("open %s: %w", rec.Addr, o.err)
			l.mu.Lock()
			delete(l.open, rec.Addr) // a later dial may try again
			l.mu.Unlock()
		}
		close(o.ready)
		return o.err
	}
	l.mu.Unlock()
	select {
	case <-o.ready:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// owner finds the created object that answers on host. Kinds that answer on
// hosts are few and their objects too (tenants, domains), so it looks at all.
func (l *Lab) owner(host string) (found providers.Record, kind *providers.Type, err error) {
	err = l.owners(func(rec providers.Record, t *providers.Type) bool {
		if slices.ContainsFunc(t.Hosts(rec), func(h string) bool { return network.SameHost(h, host) }) {
			found, kind = rec, t
		}
		return kind == nil
	})
	if err == nil && kind == nil {
		err = network.ErrNoHost{Host: host}
	}
	return found, kind, err
}

// owners calls fn for the created objects that answer on hosts, while it
// returns true.
func (l *Lab) owners(fn func(providers.Record, *providers.Type) bool) error {
	objects := l.Objects()
	for _, name := range l.opts.Registry.Names() {
		t := l.opts.Registry.Type(name)
		if t.Hosts == nil || t.Open == nil {
			continue
		}
		recs, err := objects.List(name)
		if err != nil {
			return err
		}
		for _, rec := range recs {
			if rec.Out != cty.NilVal && !rec.Out.IsNull() && !fn(rec, t) {
				return nil
			}
		}
	}
	return nil
}

// diskOf is the object whose section an object writes: its disk, or the disk of
// that.
func (l *Lab) diskOf(addr string, t *providers.Type, in cty.Value) string {
	for range maxDisks {
		if t == nil || t.Disk == nil || in == cty.NilVal || in.IsNull() {
			return addr
		}
		disk := string(t.Disk(in))
		if disk == "" || disk == addr {
			return addr
		}
		addr = disk
		rec, err := l.Objects().Lookup(disk)
		if err != nil {
			return addr
		}
		t, in = l.opts.Registry.Type(rec.Kind), rec.In
	}
	return addr
}

// maxDisks bounds how many objects stand between one and its disk.
const maxDisks = 4

// lookups is the lab's objects as of the moment of each lookup.
type lookups struct{ lab *Lab }

func (l lookups) Lookup(addr string) (providers.Record, error) { return l.lab.Objects().Lookup(addr) }
func (l lookups) List(kind string) ([]providers.Record, error) { return l.lab.Objects().List(kind) }

// inView answers lookups from the objects of a view.
type inView struct {
	view     state.View
	registry *providers.Registry
}

func (s *inView) Lookup(addr string) (rec providers.Record, err error) {
	err = s.view.Read(func(r state.Reader) error {
		o, ok, err := state.GetObject(r, addr)
		if err != nil {
			return err
		}
		t := s.registry.Type(o.Kind)
		if !ok || t == nil {
			return fmt.Errorf("%s: %w", addr, providers.ErrUnknownObject)
		}
		rec, err = record.Decode(t, o)
		return err
	})
	return rec, err
}

func (s *inView) List(kind string) (recs []providers.Record, err error) {
	t := s.registry.Type(kind)
	if t == nil {
		return nil, fmt.Errorf("no kind named %q", kind)
	}
	err = s.view.Read(func(r state.Reader) error {
		objects, err := state.Objects(r)
		if err != nil {
			return err
		}
		for _, o := range objects {
			if o.Kind != kind {
				continue
			}
			rec, err := record.Decode(t, o)
			if err != nil {
				return err
			}
			recs = append(recs, rec)
		}
		return nil
	})
	return recs, err
}
