// Package providers is the contract between the engine and the systems of a
// lab. A system describes each of its block types as a Kind: the Go structs an
// author writes (In) and a lab learns (Out), and the life of its objects. Of
// erases the Go types to cty once, at registration; from then on the language,
// the planner and the applier handle every kind alike.
//
// Contract of every kind (providers/conformance checks it):
//
//   - Create may be killed at any instant. Find(Key(in)) then tells what is
//     there, and Create after a Find that found nothing must succeed.
//   - Read reports what the system holds now, drift included, or ErrGone.
//   - Every method is safe to call concurrently for different objects.
//   - No method keeps write-only values: a Secret is used and wiped.
//   - What a method returns is wholly known.
//
// The package imports cty and the standard library only. It sees neither the
// language, nor the engine, nor the store.
package providers

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/event"
)

// ErrGone is what Read and Find answer for an object that does not exist.
var ErrGone = errors.New("object is gone")

// ErrUnknownObject is what Objects.Lookup answers for an address nobody declared.
var ErrUnknownObject = errors.New("no such object")

// ErrNoHost is what Env.Address answers for a name no object of the lab has.
var ErrNoHost = errors.New("no such host in the lab")

// Ref is the address of another object, such as "user.alice". It is known at
// plan time; Resolve turns it into the object.
type Ref string

// Object is one declared thing: what was asked and what the lab learned. ID is
// the value of the Out field tagged "id", the name its directory gave it.
type Object[In, Out any] struct {
	Addr string
	ID   string
	In   In
	Out  Out
}

// Kind is one block type of the language and the life of its objects. Create
// and one of Update or replacement are the only required behaviours; nil
// fields mean what their comments say.
type Kind[In, Out any] struct {
	Name string
	Doc  string // one sentence for the reference

	// After names kinds whose steps all finish before this kind's begin
	// (reversed for delete), although no reference says so.
	After []string

	// Home is the object that holds this one's records: a user's tenant, an
	// enrollment's device. When a home that has no home itself is deleted in
	// the same plan, Delete is not called: the records go with it. Nil: none.
	Home func(In) Ref

	// Disk is the object whose section of the store this one writes, when it
	// is not its own: an enrollment writes its device's, and what has an
	// enrollment for its disk the same. Nil: its own.
	Disk func(In) Ref

	// Watch are further objects that Read looks into: when the section of one
	// moves, the next plan reads this object again. Nil: none.
	Watch func(Objects, In) []Ref

	// Hosts are the network names the object answers on while open.
	Hosts func(Object[In, Out]) []string

	// Key is what Find looks for: UPN, DNS name, user and device. Nil: "".
	Key func(In) string

	// Predict tells what is known before apply; fields left zero stay unknown.
	// It may be called with unknown attributes left zero. Nil: nothing is.
	Predict func(In) Out

	Find   func(context.Context, Env, string) (Object[In, Out], error) // nil: nothing outlives a killed Create
	Create func(context.Context, Env, In) (Out, error)
	Read   func(context.Context, Env, Object[In, Out]) (Object[In, Out], error) // nil: cannot drift
	Update func(context.Context, Env, Object[In, Out], In) (Out, error)         // nil: every change replaces
	Delete func(context.Context, Env, Object[In, Out]) error                    // nil: nothing to do outside the section
	Open   func(context.Context, Env, Object[In, Out]) (Service, error)         // nil: answers nothing

	// Due does what lab time has made due: a certificate to enroll or renew, a
	// revocation list to publish. It is called for every created object, in the
	// order of kinds' After and one after another: after the steps of an apply
	// and before its checks; and when a serve starts, and every minute of real
	// time while it runs, when the object's service answers at the same time. It
	// is idempotent: with nothing due it writes nothing. What it changes of Out
	// is tagged volatile. An error is a warning, and the next call tries again.
	// Nil: time changes nothing.
	Due func(context.Context, Env, Object[In, Out]) error
}

// Service is an object that is up. The engine closes what it opened, once, in
// reverse order.
type Service interface{ Close() error }

// Env is everything a kind may touch. It is made per object and call.
type Env struct {
	Addr    string           // the object at hand
	Now     func() time.Time // lab time, monotonic within a run
	Rand    io.Reader        // safe for concurrent use
	Network Network
	Waiter  Waiter // nil: nobody waits
	// Address returns the loopback address on which outside clients meet a host
	// of the lab while it is served: what a DNS server of the lab answers. It is
	// the host's for life, and assigned when it is first asked for. ErrNoHost.
	Address func(ctx context.Context, host string) (netip.Addr, error)
	PKI     PKI
	Section Section // the tables of the object's disk (Kind.Disk)
	Objects Objects
	Emit    event.Sink
	Log     *slog.Logger

	// Failpoint, when set, is called with the name of an instant at which a
	// crash must do no harm: tests make it end the process there.
	Failpoint func(name string)
}

// MaxDatagram is the most bytes that one datagram carries: UDP's over IPv4.
const MaxDatagram = 65507

// Network is the lab's network. Host names are the lab's own; nothing leaves
// the process but by a listener on loopback. Streams and datagrams have ports
// of their own, as TCP and UDP have.
type Network interface {
	// Dial connects to a host of the lab; the first call opens its owner.
	Dial(ctx context.Context, host string, port int) (net.Conn, error)
	// Listen binds host and port for the service being opened. Open must not Dial.
	Listen(host string, port int) (net.Listener, error)
	// DialPacket returns a datagram socket connected to a host of the lab, which
	// is a net.PacketConn, too; the first call opens the host's owner. Where
	// nobody listens it is refused, and so is a later Write once nobody does.
	DialPacket(ctx context.Context, host string, port int) (net.Conn, error)
	// ListenPacket is Listen for datagrams, whose senders ReadFrom names.
	//
	// On both sides a datagram arrives whole or not at all: one of more than
	// MaxDatagram bytes is an error of the writer, one that finds the receiver's
	// queue full, or nobody at the address of a WriteTo, is lost without a word.
	// What a reader's buffer has no room for is cut off. Writers never wait.
	ListenPacket(host string, port int) (net.PacketConn, error)
}

// Waiter lets lab time pass, as it does for a machine that waits in vain for an
// answer. Wait returns at once, with lab time moved on.
type Waiter interface{ Wait(time.Duration) }

// Root names an authority that stands outside every system of the lab.
type Root string

const (
	WebRoot       Root = "web"        // the public certificate authorities that all TLS clients of the lab trust
	TPMVendorRoot Root = "tpm-vendor" // the TPM manufacturer, which certifies endorsement keys
)

// PKI is the trust that comes from outside the lab's systems.
type PKI interface {
	// Issue signs template for pub and returns the DER chain, leaf first, root
	// last. Serial number and validity are set when the template leaves them zero.
	Issue(ctx context.Context, root Root, template *x509.Certificate, pub any) ([][]byte, error)
	// Roots returns the certificates that clients trust for root.
	Roots(ctx context.Context, root Root) (*x509.CertPool, error)
}

// Section is the tables of one system. It sees no other system's.
//
// All sections and the engine's records share one ordered commit queue: writes
// of one call land together, calls land in the order of their return, and a
// call returns only when its writes are durable (or part of the overlay). A
// reply that tells a peer "done" is therefore sent after the call.
type Section interface {
	// View reads a consistent state.
	View(func(Reader) error) error
	// Update writes configuration: the section's revision moves, and the next
	// plan reads its objects again. An error from the function undoes its writes.
	Update(ctx context.Context, fn func(Writer) error) error
	// Record writes what is not configuration (tokens, nonces, tickets,
	// counters): as Update, but the revision stays.
	Record(ctx context.Context, fn func(Writer) error) error
}

// Versioned is a Section that tells without reading whether anything may have
// changed. A version is compared with ==. What View shows, when it is called
// after Version, is of that version or a later one, and once Update or Record has
// returned the version is another.
type Versioned interface{ Version() any }

// Reader reads tables of a section. Values are the caller's to keep.
type Reader interface {
	Get(table, key string) (value []byte, ok bool, err error)
	// Scan calls fn for the keys with prefix, in order, until it errs.
	Scan(table, prefix string, fn func(key string, value []byte) error) error
}

// Writer writes tables of a section; it reads its own writes.
type Writer interface {
	Reader
	Put(table, key string, value []byte) error
	Delete(table, key string) error
}

// Record is an object as the engine knows it, erased. In holds write-only
// attributes only where the run knows them; Out is null before creation.
type Record struct {
	Addr string
	Kind string
	ID   string
	In   cty.Value
	Out  cty.Value
}

// Objects looks up declared objects: those of the plan while it is applied,
// else those of the state.
type Objects interface {
	Lookup(addr string) (Record, error) // ErrUnknownObject
	List(kind string) ([]Record, error) // in address order
}

// Resolve returns the object that ref names, decoded into its kind's structs
// (those of providers/spec). An object that is not created yet has a zero Out
// and no ID.
func Resolve[In, Out any](env Env, ref Ref) (Object[In, Out], error) {
	rec, err := env.Objects.Lookup(string(ref))
	if err != nil {
		return Object[In, Out]{}, err
	}
	return decodeRecord[In, Out](rec)
}

// ResolveAll returns all declared objects of a kind, in address order.
func ResolveAll[In, Out any](env Env, kind string) ([]Object[In, Out], error) {
	recs, err := env.Objects.List(kind)
	if err != nil {
		return nil, err
	}
	out := make([]Object[In, Out], 0, len(recs))
	for _, rec := range recs {
		o, err := decodeRecord[In, Out](rec)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}
