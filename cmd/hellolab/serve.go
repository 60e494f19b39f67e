package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/journal"
	"hellolab/engine/lab"
	"hellolab/engine/serve"
	"hellolab/providers"
	"hellolab/providers/entra"
	"hellolab/state"
)

// clockTolerance is how far the lab's clock may be from the machine's before
// outside clients stumble: they keep the machine's, and allow this much.
const clockTolerance = 5 * time.Minute

// serveFlags say how a lab is served.
type serveFlags struct {
	stateFlags
	export string
	clock  string
	hosts  string
	proxy  string
}

func (f *serveFlags) flags(fs *flag.FlagSet) {
	f.stateFlags.flags(fs)
	fs.StringVar(&f.export, "export", "", "write what clients need into `DIR`, and leave it there")
	fs.StringVar(&f.clock, "clock", "lab", "`CLOCK` of the services: lab; or wall, this machine's, on a throwaway view")
	fs.StringVar(&f.hosts, "hosts", "lab", "`NAMES` to answer on: lab; or microsoft, for the names that clients have compiled in, too")
	fs.StringVar(&f.proxy, "proxy", "127.0.0.1:0", "loopback `ADDRESS:PORT` of the proxy; port 0 lets the machine choose")
}

func (f *serveFlags) check() (proxy netip.AddrPort, err error) {
	if f.clock != "lab" && f.clock != "wall" {
		return proxy, mistake("Use lab or wall.", "Unknown clock %q", f.clock)
	}
	if f.hosts != "lab" && f.hosts != "microsoft" {
		return proxy, mistake("Use lab or microsoft.", "Unknown hosts %q", f.hosts)
	}
	at := f.proxy
	if port, ok := strings.CutPrefix(at, "localhost:"); ok {
		at = "127.0.0.1:" + port
	}
	proxy, err = netip.ParseAddrPort(at)
	if err != nil {
		return proxy, mistake("Write it as 127.0.0.1:8443.", "-proxy=%q is no address and port", f.proxy)
	}
	if !proxy.Addr().IsLoopback() {
		return proxy, mistake("Everybody who reaches a port of a lab may try its users' passwords.", "%s is not a loopback address", proxy.Addr())
	}
	return proxy, nil
}

type serveCommand struct {
	serveFlags
	json bool
}

func (c *serveCommand) flags(fs *flag.FlagSet) {
	c.serveFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON, one object, when everything is up")
}

func (c *serveCommand) run(ctx context.Context, s *session, _ []string) error {
	return s.serve(ctx, &c.serveFlags, "serve", func(v *served) error {
		var err error
		if c.json {
			err = view.WriteJSON(s.out, v.about)
		} else {
			err = v.tell(s.out)
		}
		if err == nil {
			<-ctx.Done() // to be interrupted is how it ends well
		}
		return err
	})
}

// served is a lab within reach of outside clients.
type served struct {
	s         *session
	ctx       context.Context // ends when it is to be taken down
	view      state.View
	throwaway bool
	offset    time.Duration // of the lab's clock to the machine's, as served
	lab       *lab.Lab
	bridge    *serve.Bridge
	about     *about     // what clients need to know
	vars      []variable // what leads them here

	told map[string]string // trouble with what is due, by object; catchUp's own

	up      chan struct{} // closed when commands may run, or never will
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // commands of others
}

// enter admits a command of another process once everything is up, until it is
// taken down.
func (v *served) enter(ctx context.Context) bool {
	select {
	case <-v.up:
	case <-ctx.Done():
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return false
	}
	v.running.Add(1)
	return true
}

// leave admits no more commands of others and waits for those that run.
func (v *served) leave(up func()) {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	up()
	v.running.Wait()
}

// servingGC is the collector's setting (GOGC) of a process that serves: the heap
// grows to five times what lives before the collector runs. What lives of a lab
// is small, a few megabytes, and most of what a request makes dies with it; at
// Go's own setting the collector takes half of the time of a Kerberos ticket.
const servingGC = 400

// serve brings every service of the lab up on loopback, exports what clients
// need, and calls fn; when fn returns, all is taken down. The state is held
// meanwhile, and commands that other processes send run here (served.do).
func (s *session) serve(ctx context.Context, f *serveFlags, operation string, fn func(*served) error) (err error) {
	proxy, err := f.check()
	if err != nil {
		return err
	}
	if s.getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(servingGC))
	}
	f.commands = true
	store, err := s.openExisting(ctx, &f.stateFlags, operation)
	if err != nil {
		return err
	}
	defer closing(store, &err)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &served{s: s, ctx: ctx, view: store, throwaway: f.clock == "wall", up: make(chan struct{})}
	store.Handle(v.do)
	ahead, err := v.readClock(store)
	if err != nil {
		return err
	}
	j, err := journal.Create(s.journalDir(), operation, s.now())
	if err != nil {
		return err
	}
	defer closing(j, &err)
	if v.lab, err = s.openLab(v.view, ahead, j.Emit); err != nil {
		return err
	}
	defer closing(v.lab, &err)
	up := sync.OnceFunc(func() { close(v.up) })
	defer v.leave(up) // before the lab closes, in which they run
	defer cancel()
	if err := v.lab.OpenAll(ctx); err != nil {
		return err
	}
	v.catchUp(ctx)
	if f.hosts == "microsoft" {
		front, err := v.microsoft(ctx)
		if err != nil {
			return err
		}
		defer closing(front, &err)
	}
	v.bridge, err = serve.Open(ctx, serve.Options{View: v.view, Network: v.lab.Network(), Listen: listen, ListenPacket: net.ListenPacket, Proxy: proxy, Log: s.log})
	if err != nil {
		return err
	}
	defer closing(v.bridge, &err)
	if len(v.bridge.Endpoints()) == 0 {
		return mistake("Declare a tenant, and apply.", "The lab has nothing to serve")
	}
	remove, err := v.export(ctx, f)
	if err != nil {
		return err
	}
	defer remove()
	v.warn()
	ticker := time.NewTicker(dueEvery)
	defer ticker.Stop()
	defer v.keepUp(ctx, ticker.C)()
	up()
	return fn(v)
}

// listen binds an address of this machine. What connects to loopback does not
// vanish without its system saying so: nothing is asked whether it still lives,
// which costs four calls of the system for each connection.
func listen(network, address string) (net.Listener, error) {
	return (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), network, address)
}

// readClock finds how far the lab's clock is from the machine's. With
// -clock=wall it replaces the state by a view that is thrown away, and returns
// what makes lab time there the machine's.
func (v *served) readClock(store *state.Store) (ahead time.Duration, err error) {
	err = store.Read(func(r state.Reader) (err error) {
		v.offset, err = state.ClockOffset(r)
		return err
	})
	if err != nil || !v.throwaway {
		return 0, err
	}
	snap, err := store.Snapshot() // closed with the store
	if err != nil {
		return 0, err
	}
	v.view = state.NewOverlay(snap)
	ahead, v.offset = -v.offset, 0
	return ahead, nil
}

// warn tells what a client author must know before anything puzzles them.
func (v *served) warn() {
	if v.throwaway {
		v.s.warnf("With -clock=wall a throwaway view of the lab is served: nothing that happens in it is kept")
	}
	if off := v.offset.Abs(); off > clockTolerance {
		where := "ahead of"
		if v.offset < 0 {
			where = "behind"
		}
		v.s.warn(asWarning("The lab's clock is "+off.String()+" "+where+" this machine's",
			"Clients keep this machine's time, and may refuse the lab's certificates and tokens. `-clock=wall` serves a throwaway view of the lab at this machine's time."))
	}
}

// microsoft answers on Microsoft's own names, too.
func (v *served) microsoft(ctx context.Context) (providers.Service, error) {
	kind := v.s.registry.Type("tenant")
	recs, err := v.lab.Objects().List(kind.Name)
	if err != nil {
		return nil, err
	}
	var tenants []providers.Env
	for _, rec := range recs {
		if rec.Out != cty.NilVal && !rec.Out.IsNull() {
			tenants = append(tenants, v.lab.Env(rec.Addr, kind, rec.In))
		}
	}
	if len(tenants) == 0 {
		return nil, mistake("Declare one, and apply.", "-hosts=microsoft needs a tenant, and the lab has none")
	}
	return entra.ServeMicrosoft(ctx, v.lab.Env("microsoft", &providers.Type{}, cty.NilVal), tenants)
}

// tell prints what is up. The last line is the one that scripts wait for.
func (v *served) tell(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "HOST\tADDRESS\tPORT\tBOUND TO")
	denied := false
	for _, h := range v.about.Hosts {
		for _, p := range h.Ports {
			why := ""
			if errno := syscall.Errno(0); errors.As(p.moved, &errno) {
				why = fmt.Sprintf(" (%d: %v)", p.Port, errno)
				denied = denied || errno == syscall.EACCES
			}
			fmt.Fprintf(t, "%s\t%s\t%d/%s\t%s%s\n", h.Host, h.Address, p.Port, p.Protocol, p.Bound, why)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if denied {
		fmt.Fprintf(w, "\nLow ports are not for this user to bind. The proxy leads to them all the same; on Linux `sysctl net.ipv4.ip_unprivileged_port_start=0` gives them to everyone.\n")
	}
	fmt.Fprintf(w, "\nProxy:  %s\nCA:     %s\nHosts:  %s\n", v.about.Proxy, v.about.CA, filepath.Join(v.about.Folder, fileHosts))
	v.tellDomains(w)
	fmt.Fprintf(w, "\nIn another shell: eval \"$(hellolab env)\"\nServing %s. Interrupt to stop.\n", view.Count(len(v.about.Hosts), "host"))
	return nil
}
