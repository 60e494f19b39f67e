package gss

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"hellolab/providers/wire/krb"
)

// Exchange is one side of the making of a context.
type Exchange interface {
	// Step takes the peer's token, nil for the initiator's first, and returns
	// the token to send, if any, and whether this side is done. With an error
	// the token, if any, tells the peer about it.
	Step(token []byte) (out []byte, done bool, err error)

	// Context is what the exchange made; nil before it is done.
	Context() *Context
}

// Credential is a client's ticket for a service.
type Credential struct {
	Ticket  *krb.Ticket
	Session krb.Key
	Realm   string // of the client
	Client  krb.Name
}

// InitiatorConfig says how a client makes a context.
type InitiatorConfig struct {
	Credential Credential
	Flags      Flags
	Bindings   Bindings
	Now        time.Time
	Rand       io.Reader
}

// Initiator is the client's side over bare Kerberos.
type Initiator struct {
	config InitiatorConfig
	step   int
	subkey krb.Key
	number uint32
	ctx    *Context
}

// NewInitiator begins an exchange.
func NewInitiator(c InitiatorConfig) *Initiator { return &Initiator{config: c} }

// Context returns the context, nil before the exchange is done.
func (i *Initiator) Context() *Context { return i.ctx }

// Step sends an AP-REQ and, with Mutual, takes an AP-REP.
func (i *Initiator) Step(token []byte) (out []byte, done bool, err error) {
	i.step++
	switch {
	case i.step == 1 && len(token) == 0:
		return i.request()
	case i.step == 2 && i.ctx == nil:
		err := i.reply(token)
		return nil, err == nil, err
	}
	return nil, false, ErrState
}

func (i *Initiator) request() ([]byte, bool, error) {
	c := i.config
	var err error
	if i.subkey, err = krb.RandomKey(c.Credential.Session.EType, c.Rand); err != nil {
		return nil, false, err
	}
	if i.number, err = randomNumber(c.Rand); err != nil {
		return nil, false, err
	}
	var options krb.Flags
	if c.Flags.Has(Mutual) {
		options |= krb.APMutualRequired
	}
	message, err := krb.NewAPReq(options, c.Credential.Ticket, c.Credential.Session, krb.UsageAPReqAuth, &krb.Authenticator{
		CRealm: c.Credential.Realm, Client: c.Credential.Client, Checksum: makeChecksum(c.Flags, c.Bindings),
		Time: c.Now, Subkey: i.subkey, SeqNumber: i.number,
	})
	if err != nil {
		return nil, false, fmt.Errorf("AP-REQ: %w", err)
	}
	done := !c.Flags.Has(Mutual)
	if done {
		// The acceptor numbers its messages as the initiator does.
		i.ctx, err = newContext(&Context{flags: c.Flags, initiator: true, key: i.subkey, next: uint64(i.number), in: from(uint64(i.number))})
	}
	return frameKerberos(tokAPReq, message), done, err
}

func (i *Initiator) reply(token []byte) error {
	id, message, err := unframeKerberos(token)
	if err != nil {
		return err
	}
	c := i.config
	switch id {
	case tokError:
		e, err := krb.ParseError(message)
		if err != nil {
			return err
		}
		return e
	case tokAPRep:
	default:
		return ErrDefective
	}
	rep, err := krb.ParseAPRep(message, c.Credential.Session, c.Now)
	if err != nil {
		return err
	}
	key := i.subkey
	if !rep.Subkey.IsZero() {
		key = rep.Subkey
	}
	i.ctx, err = newContext(&Context{
		flags: c.Flags, initiator: true, key: key, acceptors: !rep.Subkey.IsZero(),
		next: uint64(i.number), in: from(uint64(rep.SeqNumber)),
	})
	return err
}

// randomNumber draws a first sequence number. Some implementations take numbers
// for signed, so it has 30 bits; 0 would mean that there is none.
func randomNumber(rand io.Reader) (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b[:])&(1<<30-1) | 1, nil
}
