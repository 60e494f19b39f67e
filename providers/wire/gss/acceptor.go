package gss

import (
	"errors"
	"io"
	"time"

	"hellolab/providers/wire/krb"
)

// Acceptor is how a service takes contexts. It is not changed by an exchange,
// so many can go on at once.
type Acceptor struct {
	// Key finds the key of the service that a ticket is for, by the ticket's
	// realm, server name, key version and encryption type.
	Key func(*krb.Ticket) (krb.Key, error)

	Replay  krb.Replay // remembers authenticators
	Now     func() time.Time
	Skew    time.Duration // how far clocks may differ; usually krb.Skew
	Rand    io.Reader
	Service krb.Name // named in errors
	Realm   string

	// Bindings are the channel's. They are compared with the initiator's if it
	// has some, and demanded with RequireBindings.
	Bindings        Bindings
	RequireBindings bool
}

// Client is who made a context.
type Client struct {
	Realm   string
	Name    krb.Name
	Service krb.Name           // that the ticket is for, as the client called it
	Ticket  *krb.EncTicketPart // session key, times, authorization data with the PAC
	Key     krb.Key            // the service's, which the ticket and the PAC's server signature are made with
}

// Acceptance is the service's side of one exchange, over bare Kerberos or over
// SPNEGO, whichever the client's first token is.
type Acceptance struct {
	config    *Acceptor
	client    *Client
	ctx       *Context
	negotiate *negotiation // nil: bare
	begun     bool
	bare      bool // its AP-REQ had no frame: see bareAPReq
	over      bool
}

// New begins an exchange.
func (a *Acceptor) New() *Acceptance { return &Acceptance{config: a} }

// Context returns the context, nil before the exchange is done.
func (a *Acceptance) Context() *Context {
	if !a.over {
		return nil
	}
	return a.ctx
}

// Client returns who the client is, nil before the exchange is done.
func (a *Acceptance) Client() *Client {
	if !a.over || a.ctx == nil {
		return nil
	}
	return a.client
}

// Step takes the client's token. After an error the exchange is over; the token
// returned with it, if any, tells the client why.
func (a *Acceptance) Step(token []byte) (out []byte, done bool, err error) {
	if a.over {
		return nil, false, ErrState
	}
	switch {
	case len(token) > maxToken:
		err = ErrDefective
	case a.negotiate != nil:
		out, done, err = a.negotiate.next(a, token)
	case a.begun:
		err = ErrState
	default:
		a.begun = true
		out, done, err = a.first(token)
	}
	if err != nil {
		a.ctx = nil
	}
	a.over = done || err != nil
	return out, done, err
}

func (a *Acceptance) first(token []byte) ([]byte, bool, error) {
	oid, inner, err := unframe(token)
	if err != nil {
		return nil, false, err
	}
	if string(oid) == string(oidSPNEGO) {
		a.negotiate = &negotiation{}
		return a.negotiate.first(a, inner)
	}
	out, err := a.kerberos(token)
	return out, err == nil, err
}

// kerberos takes the AP-REQ's token and returns the AP-REP's, nil without
// Mutual. With an error it may return an error's token.
func (a *Acceptance) kerberos(token []byte) ([]byte, error) {
	if a.negotiate != nil && len(token) > 0 && token[0] == bareAPReq {
		a.bare = true
		return a.accept(token)
	}
	id, message, err := unframeKerberos(token)
	if err != nil {
		return nil, err
	}
	if id != tokAPReq {
		return nil, ErrDefective
	}
	out, err := a.accept(message)
	if err != nil {
		return a.errorToken(err), err
	}
	return out, nil
}

// errorToken tells the client of a refusal. What is not Kerberos' own is told
// without a reason.
func (a *Acceptance) errorToken(err error) []byte {
	e := krb.AsError(err)
	if errors.Is(err, ErrBindings) {
		e = krb.NewError(krb.ErrModified, "The channel bindings do not fit.")
	}
	message, err := e.Encode(a.config.Realm, a.config.Service, a.config.Now())
	if err != nil {
		return nil
	}
	return frameKerberos(tokError, message)
}

func (a *Acceptance) accept(message []byte) ([]byte, error) {
	c := a.config
	req, err := krb.ParseAPReq(message)
	if err != nil {
		return nil, err
	}
	var key krb.Key
	part, auth, err := req.Accept(krb.Acceptor{
		Key: func(t *krb.Ticket) (krb.Key, error) {
			var err error
			key, err = c.Key(t)
			return key, err
		},
		Usage: krb.UsageAPReqAuth, Now: c.Now(), Skew: c.Skew, Replay: c.Replay,
	})
	if err != nil {
		return nil, err
	}
	flags, err := a.flags(auth)
	if err != nil {
		return nil, err
	}
	if flags.Has(dceStyle) {
		return nil, krb.NewError(krb.ErrMethod, "The exchange of three tokens that RPC has is not supported.")
	}
	flags &= Mutual | Replay | Sequence | Confidentiality | Integrity

	ctx := &Context{flags: flags, key: part.Key, next: uint64(auth.SeqNumber), in: from(uint64(auth.SeqNumber))}
	if !auth.Subkey.IsZero() {
		ctx.key = auth.Subkey
	}
	var out []byte
	if flags.Has(Mutual) {
		if out, err = a.prove(ctx, part.Key, auth); err != nil {
			return nil, err
		}
	}
	if a.ctx, err = newContext(ctx); err != nil {
		return nil, err
	}
	a.client = &Client{Realm: part.CRealm, Name: part.Client, Service: req.Ticket.Server, Ticket: part, Key: key}
	return out, nil
}

// bareAPReq begins an AP-REQ that has no frame of GSS-API's. In a negotiation
// Windows takes it, and impacket sends no other; its authenticator may lack the
// checksum, and so asks for nothing.
const bareAPReq = 0x6E

func (a *Acceptance) flags(auth *krb.Authenticator) (Flags, error) {
	c := a.config
	if !a.bare || !auth.Checksum.IsZero() {
		return readChecksum(auth.Checksum, c.Bindings, c.RequireBindings)
	}
	if c.Bindings != nil && c.RequireBindings {
		return 0, ErrBindings
	}
	return 0, nil
}

// prove makes the AP-REP's token, with a subkey and a number of the acceptor's.
func (a *Acceptance) prove(ctx *Context, session krb.Key, auth *krb.Authenticator) ([]byte, error) {
	subkey, err := krb.RandomKey(ctx.key.EType, a.config.Rand)
	if err != nil {
		return nil, err
	}
	number, err := randomNumber(a.config.Rand)
	if err != nil {
		return nil, err
	}
	message, err := krb.APRep{Time: auth.Time, Subkey: subkey, SeqNumber: number}.Encode(session)
	if err != nil {
		return nil, err
	}
	ctx.key, ctx.acceptors, ctx.next = subkey, true, uint64(number)
	return frameKerberos(tokAPRep, message), nil
}
