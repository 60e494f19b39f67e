// Package kdc is a domain's key distribution center as Active Directory's: the
// authentication service, the ticket-granting service and the password service
// (RFC 4120, 6806, 3244; MS-KILE, MS-PAC).
//
// It decides by itself what a wire check decides, and asks its consumer for
// accounts only (Directory), for the domain's read-only controllers, whose
// tickets it exchanges (ReadOnlies), for new passwords (Passwords), for keys to be
// deleted, where its Windows does that (Keys), and for further ways to
// pre-authenticate (Preauth; the encrypted timestamp is built in). It keeps no state but a bounded memory of what it has answered, so that nothing
// is answered twice.
//
// Handle and HandlePassword take one message and give one answer; Serve and
// ServePacket do so for whoever connects, within limits.
package kdc

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/sid"
)

// Actor is the KDC in events.
const Actor = event.KDC

// Config is what a KDC needs to know.
type Config struct {
	Realm       string  // upper case, the domain's DNS name
	NetBIOS     string  // the domain's NetBIOS name, a second name of the realm
	LogonServer string  // the DC's NetBIOS name, for the PAC
	DomainSID   sid.SID // of the domain
	Directory   Directory
	ReadOnlies  ReadOnlies // nil: the domain has no read-only controllers
	Passwords   Passwords  // nil: passwords cannot be changed here
	Keys        Keys       // nil: a registered key stays with its account when it has signed in
	Preauth     []Preauth  // besides the encrypted timestamp; the first that a request uses counts
	Policy      Policy
	Now         func() time.Time
	Rand        io.Reader
	Events      event.Sink
}

// Policy is what an administrator may turn. The zero value is a domain's default.
type Policy struct {
	TicketLife time.Duration // 0: 10 hours
	RenewLife  time.Duration // 0: 7 days
	AllowRC4   bool          // encryption type 23, which is broken
	NoAES256   bool          // encryption type 18 is neither offered nor taken
	NoAES128   bool          // encryption type 17, likewise
	// AllowUnprotected takes TGS-REQs whose authenticator has no checksum over
	// the body. Windows does, and some tools send no other.
	AllowUnprotected bool
	// AllowBarePartial takes tickets of read-only controllers without a PAC, as
	// Windows did before it demanded a requestor (KB5008380).
	AllowBarePartial bool
	ReadOnly         bool   // this controller is a read-only one
	TooOld           string // the Windows that this controller runs, when it is older than cloud Kerberos trust
	MaxDatagram      int    // 0: 1465 bytes, as Windows; longer answers go by TCP
	MaxReplays       int    // 0: 2^19 authenticators within five minutes, about 40 MB
}

// KDC answers for one realm. It is safe for concurrent use.
type KDC struct {
	Config
	preauth []Preauth
	replays *krb.ReplayCache
}

// New makes a KDC.
func New(c Config) *KDC {
	def(&c.Policy.TicketLife, 10*time.Hour)
	def(&c.Policy.RenewLife, 7*24*time.Hour)
	def(&c.Policy.MaxDatagram, 1465)
	def(&c.Policy.MaxReplays, 1<<19)
	return &KDC{
		Config:  c,
		preauth: append(c.Preauth[:len(c.Preauth):len(c.Preauth)], timestamp{}),
		replays: krb.NewReplayCache(c.Policy.MaxReplays),
	}
}

// Handle answers one AS-REQ or TGS-REQ with a reply or a KRB-ERROR. To what
// does not begin as a request does it answers nothing, nil: an answer might
// begin a conversation of two servers.
func (k *KDC) Handle(ctx context.Context, message []byte) []byte {
	return k.answer(ctx, message, krb.MaxMessage)
}

// answer is Handle with a longest reply, in bytes. A longer one is not given,
// and the request not remembered: the client may come again with it by TCP.
func (k *KDC) answer(ctx context.Context, message []byte, longest int) []byte {
	if !krb.IsKDCReq(message) {
		return nil
	}
	x := &exchange{kdc: k, now: k.Now().UTC(), server: krb.TGS(k.Realm), step: "as_req"}
	reply, err := x.handle(ctx, message)
	switch {
	case err != nil:
		return x.refuse(err)
	case len(reply) > longest:
		x.forget()
		x.quiet = "The reply does not fit a datagram: the client is told to ask by TCP."
		return x.refuse(krb.NewError(krb.ErrResponseTooBig, ""))
	}
	x.emit(nil)
	x.deleteKey(ctx)
	return reply
}

// exchange is one request on its way through the KDC.
type exchange struct {
	kdc    *KDC
	now    time.Time
	step   string         // of the event
	id     string         // of the exchange, for the event
	client krb.Name       // as asked for, or as the ticket says
	server krb.Name       // as asked for
	note   map[string]any // for the event
	text   string         // of the event of an answer; empty: the usual one
	quiet  string         // set when a refusal is a step of the protocol's: the event's text
	shown  []proofShown   // what the KDC has remembered of the request
	krbtgt *Account       // once it was looked up
	proven *provenKey     // by which a ticket is given; nil: by none
}

// proofShown is an entry of the memory of replays.
type proofShown struct {
	what  []byte
	until time.Time
}

// Seen is krb.Replay by the KDC's memory.
func (x *exchange) Seen(what []byte, now, until time.Time) (bool, error) {
	seen, err := x.kdc.replays.Seen(what, now, until)
	if err == nil && !seen {
		x.shown = append(x.shown, proofShown{what, until})
	}
	return seen, err
}

// forget makes as if the request had not come.
func (x *exchange) forget() {
	for _, s := range x.shown {
		x.kdc.replays.Forget(s.what, s.until)
	}
}

func (x *exchange) handle(ctx context.Context, message []byte) ([]byte, error) {
	req, err := krb.ParseKDCReq(message)
	if err != nil {
		return nil, err
	}
	x.client, x.server, x.id = req.Body.Client, req.Body.Server, krb.ExchangeID(req.RawBody)
	x.tell("etypes", req.Body.ETypes)
	x.tell("padata", types(req.PAData))
	if !x.kdc.isRealm(req.Body.Realm) {
		return nil, krb.NewError(krb.ErrWrongRealm, "This KDC serves %s, not %s.", x.kdc.Realm, req.Body.Realm)
	}
	if req.MsgType == krb.MsgTGSReq {
		x.step = "tgs_req"
		return x.tgs(ctx, req)
	}
	return x.as(ctx, req)
}

// isRealm takes the domain's names in any case, as Active Directory does.
func (k *KDC) isRealm(realm string) bool {
	return strings.EqualFold(realm, k.Realm) || k.NetBIOS != "" && strings.EqualFold(realm, k.NetBIOS)
}

// isTGS reports whether a name is this realm's ticket-granting service.
func (k *KDC) isTGS(name krb.Name) bool {
	realm, ok := name.IsTGS()
	return ok && k.isRealm(realm)
}

// refuse makes the KRB-ERROR of an error, and the event. What broke inside is
// told to the event, not to the client.
func (x *exchange) refuse(err error) []byte {
	e := krb.AsError(err)
	if e.Code == krb.ErrGeneric && !errors.As(err, new(*krb.Error)) {
		x.tell("cause", err.Error())
	}
	if !x.client.IsZero() {
		c := *e
		c.Client, c.ClientRealm = x.client, x.kdc.Realm
		e = &c
	}
	x.emit(e)
	b, err := e.Encode(x.kdc.Realm, x.server, x.now)
	if err != nil {
		b, _ = krb.NewError(krb.ErrGeneric, "").Encode(x.kdc.Realm, krb.TGS(x.kdc.Realm), x.now)
	}
	return b
}
