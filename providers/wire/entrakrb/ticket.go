package entrakrb

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"hellolab/providers/wire/krb"
)

// ErrReply is what an AS-REP that does not belong to its member is wrapped in.
var ErrReply = errors.New("reply is not the member's")

// New wraps a ticket-granting ticket, of which part is the encrypted part, in an
// AS-REP under a new client key. No request was there, so the AS-REP answers
// none: its nonce is 0 and it has no pre-authentication data.
func New(sealed *krb.Ticket, part *krb.EncTicketPart, rand io.Reader) (Ticket, error) {
	key, err := krb.RandomKey(krb.AES256, rand)
	if err != nil {
		return Ticket{}, fmt.Errorf("client key: %w", err)
	}
	plain, err := (&krb.EncKDCRepPart{
		Key: part.Key, LastReqs: []krb.LastReq{{Time: part.AuthTime}}, Flags: part.Flags,
		AuthTime: part.AuthTime, StartTime: part.StartTime, EndTime: part.EndTime, RenewTill: part.RenewTill,
		Realm: sealed.Realm, Server: sealed.Server,
	}).Encode(krb.MsgASRep)
	if err != nil {
		return Ticket{}, fmt.Errorf("reply: %w", err)
	}
	defer clear(plain)
	encrypted, err := key.Seal(krb.UsageASRep, 0, plain)
	if err != nil {
		return Ticket{}, fmt.Errorf("reply: %w", err)
	}
	reply, err := (&krb.KDCRep{MsgType: krb.MsgASRep, CRealm: part.CRealm, Client: part.Client, Ticket: *sealed, EncPart: encrypted}).Encode()
	if err != nil {
		return Ticket{}, fmt.Errorf("reply: %w", err)
	}
	return Ticket{Realm: sealed.Realm, Server: plainName(sealed.Server), Client: plainName(part.Client), Key: key, Reply: reply}, nil
}

// plainName is a name as sn and cn have it: nothing is escaped.
func plainName(n krb.Name) string { return strings.Join(n.Parts, "/") }

// Credential opens the AS-REP with the client key. It is an AS-REP, for the
// member's realm and server, to the member's client, with a key of AES-256, or
// an ErrReply.
func (t Ticket) Credential() (*krb.Credential, error) {
	wrong := func(what string, err error) error {
		if err == nil {
			return fmt.Errorf("%w: %s", ErrReply, what)
		}
		return fmt.Errorf("%w: %s: %w", ErrReply, what, err)
	}
	r, err := krb.ParseKDCRep(t.Reply)
	if err != nil {
		return nil, wrong("it cannot be read", err)
	}
	if r.MsgType != krb.MsgASRep {
		return nil, wrong("it is not an AS-REP", nil)
	}
	plain, err := t.Key.Open(krb.UsageASRep, r.EncPart)
	if err != nil {
		return nil, wrong("its encrypted part", err)
	}
	defer clear(plain)
	part, err := krb.ParseEncKDCRepPart(plain)
	if err != nil {
		return nil, wrong("it cannot be read", err)
	}
	realm, tgs := part.Server.IsTGS()
	switch {
	case !tgs || realm != t.Realm || part.Realm != t.Realm || plainName(part.Server) != t.Server:
		return nil, wrong("it is for another server", nil)
	case r.Ticket.Realm != t.Realm || !r.Ticket.Server.Equal(part.Server):
		return nil, wrong("its ticket is for another server", nil)
	case plainName(r.Client) != t.Client:
		return nil, wrong("it is to another client", nil)
	case part.Key.EType != krb.AES256 || len(part.Key.Value) != krb.KeySize(krb.AES256):
		return nil, wrong("its session key is not one of AES-256", nil)
	}
	ticket, err := r.Ticket.Encode()
	if err != nil {
		return nil, wrong("its ticket", err)
	}
	key := krb.Key{EType: part.Key.EType, Value: append([]byte(nil), part.Key.Value...)}
	return &krb.Credential{
		CRealm: r.CRealm, Client: r.Client, SRealm: part.Realm, Server: part.Server, Key: key, Flags: part.Flags,
		AuthTime: part.AuthTime, StartTime: part.StartTime, EndTime: part.EndTime, RenewTill: part.RenewTill, Addresses: part.Addresses, Ticket: ticket,
	}, nil
}
