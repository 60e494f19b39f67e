package ldapd

import (
	"context"
	"crypto/tls"
	"net"

	"hellolab/providers/wire/ldapmsg"
)

// Backend is the directory that the server gives access to. Errors that are
// *ldapmsg.Error, also wrapped, go to the client as they are; any other is
// logged and answered with operationsError. A context ends when the client
// abandons the operation, its time is over or the server closes: return ctx.Err().
//
// The server does what needs no directory: messages, limits, pages, attribute
// selection and ranges. Rights, schema, names and filters are the backend's
// (ldapfilter helps with the last).
type Backend interface {
	Reader
	Writer
}

// Reader reads the directory.
type Reader interface {
	// RootDSE returns the entry without a name, which anybody may read. What
	// the server itself knows it adds: supportedControl, supportedExtension,
	// supportedLDAPVersion and supportedSASLMechanisms.
	RootDSE(ctx context.Context, r *Request) (*Entry, error)

	// Search calls found for every entry that the client may see and the filter
	// holds for, in a stable order. found keeps the entry and never waits for
	// the network, so a transaction may be open around it; return its error as
	// it is. Attributes that nobody asked for may be left out (see Wants).
	Search(ctx context.Context, r *Request, op *ldapmsg.Search, found func(*Entry) error) error

	// Compare says whether an entry holds a value.
	Compare(ctx context.Context, r *Request, op *ldapmsg.Compare) (bool, error)
}

// Writer changes the directory. A change that returns nil is durable.
type Writer interface {
	Modify(ctx context.Context, r *Request, op *ldapmsg.Modify) error
	Add(ctx context.Context, r *Request, op *ldapmsg.Add) error
	Delete(ctx context.Context, r *Request, op *ldapmsg.Delete) error
	ModifyDN(ctx context.Context, r *Request, op *ldapmsg.ModifyDN) error
}

// Authenticator proves who a client is. A refusal is an *ldapmsg.Error, for
// instance ldapmsg.LogonFailed.
type Authenticator interface {
	// SimpleBind checks a name (DN, UPN, DOMAIN\name, canonical) and a password,
	// which is never empty and is wiped after the call.
	SimpleBind(ctx context.Context, s *Session, name string, password []byte) (Identity, error)

	// SASL begins an exchange of a mechanism of Config.Mechanisms. The session
	// tells about TLS, for channel bindings and the layers to offer.
	SASL(ctx context.Context, s *Session, mechanism string) (SASLServer, error)
}

// SASLServer is one exchange (RFC 4422).
type SASLServer interface {
	// Step takes what the client sent and returns what to answer: a challenge
	// while login is nil, then the last message for the client and the outcome.
	Step(ctx context.Context, token []byte) (challenge []byte, login *Login, err error)
}

// Login is the outcome of a SASL exchange.
type Login struct {
	Identity Identity

	// Layer wraps the connection for all that follows the bind's response. Nil:
	// no security layer was negotiated. The wrapped connection bounds the size
	// of what it unwraps and is closed with the other.
	Layer func(net.Conn) net.Conn

	// Confidential says that the layer encrypts, not only signs.
	Confidential bool
}

// Identity is an authenticated client, as the Authenticator made it; the
// Backend knows its type. Nil is anonymous.
type Identity interface {
	// AuthzID is what the Who am I? operation answers (RFC 4532), in a domain
	// "u:CONTOSO\alice".
	AuthzID() string
}

// Session is a connection as one operation sees it. It does not change while
// the operation runs.
type Session struct {
	ID            uint64 // of the connection, unique in the server
	Identity      Identity
	TLS           *tls.ConnectionState // nil: no TLS
	Signed        bool                 // integrity is protected, by TLS or a SASL layer
	Confidential  bool                 // and encrypted
	GlobalCatalog bool                 // the client came to port 3268 or 3269
	Peer          net.Addr
}

// Request is what comes with an operation.
type Request struct {
	Session  *Session
	Controls ldapmsg.Controls

	responses []ldapmsg.Control
}

// Respond adds a control to the operation's result.
func (r *Request) Respond(c ldapmsg.Control) { r.responses = append(r.responses, c) }

// Entry is an entry of a search result, or a reference.
type Entry struct {
	DN         string // in the form that the controls asked for
	Attributes []Attribute

	// Referral, when set, makes it a search continuation reference: LDAP URLs
	// of other domains. DN and Attributes do not matter then.
	Referral []string
}

// Attribute is an attribute with its values, which the server does not change.
type Attribute struct {
	Name        string // as the schema spells it, without options
	Values      [][]byte
	Operational bool // only shown when asked for by name or "+"
}
