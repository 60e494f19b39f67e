package krbclient

import (
	"context"
	"time"

	"hellolab/providers/wire/krb"
)

// TGSRequest is what to ask the ticket-granting service for.
type TGSRequest struct {
	Server    krb.Name
	Options   krb.Flags
	Till      time.Time // zero: as long as the ticket-granting ticket
	RenewTill time.Time
	ETypes    []int32 // nil: 18, 17
	PAData    []krb.PAData
	Tickets   []krb.Ticket

	// Sending is told the request's body right before it goes, which names the
	// exchange (krb.ExchangeID). Nil: nobody asks.
	Sending func(rawBody []byte)
}

// TGS obtains a ticket with a ticket-granting ticket, or renews one that it is
// given as tgt.
func (c *Client) TGS(ctx context.Context, tgt *krb.Credential, ask TGSRequest) (*Result, error) {
	nonce, err := c.number()
	if err != nil {
		return nil, err
	}
	body := krb.KDCReqBody{
		Options: ask.Options, Realm: c.Realm, Server: ask.Server, Till: ask.Till, RenewTill: ask.RenewTill,
		Nonce: nonce, ETypes: ask.ETypes, Tickets: ask.Tickets,
	}
	if body.ETypes == nil {
		body.ETypes = []int32{krb.AES256, krb.AES128}
	}
	req := &krb.KDCReq{MsgType: krb.MsgTGSReq, Body: body}
	raw, err := req.EncodeBody()
	if err != nil {
		return nil, err
	}
	subkey, err := krb.RandomKey(tgt.Key.EType, c.Rand)
	if err != nil {
		return nil, err
	}
	sum, err := tgt.Key.Checksum(krb.UsageTGSReqChecksum, raw)
	if err != nil {
		return nil, err
	}
	ap, _, err := c.apReq(tgt, 0, krb.UsageTGSReqAuth, subkey, sum)
	if err != nil {
		return nil, err
	}
	req.PAData = append([]krb.PAData{{Type: krb.PATGSReq, Value: ap}}, ask.PAData...)
	if ask.Sending != nil {
		ask.Sending(raw)
	}
	reply, err := c.ask(ctx, req)
	if err != nil {
		return nil, err
	}
	part, err := c.open(req, reply, subkey, krb.UsageTGSRepSubkey)
	if err != nil {
		return nil, err
	}
	free := ask.Options.Has(krb.OptCanonicalize)
	switch {
	case !reply.Client.Equal(tgt.Client), reply.CRealm != tgt.CRealm:
		return nil, wrong(krb.ErrModified, "The reply is for %s instead of %s.", reply.Client, tgt.Client)
	case !part.Server.Equal(ask.Server) && (!free || !referral(part.Server, ask.Server)):
		return nil, wrong(krb.ErrModified, "The reply is a ticket for %s instead of %s.", part.Server, ask.Server)
	case !part.EndTime.After(c.Now().Add(-krb.Skew)):
		return nil, wrong(krb.ErrTicketExpired, "The new ticket has expired already.")
	}
	cred, err := credential(reply, part)
	return &Result{cred, reply, part, subkey}, err
}

// referral reports whether a canonicalizing KDC may answer with got: another
// spelling, or another realm's ticket-granting service.
func referral(got, asked krb.Name) bool {
	_, tgs := got.IsTGS()
	return tgs || got.EqualFold(asked)
}

// apReq builds an AP-REQ with a ticket and returns its authenticator, too.
func (c *Client) apReq(cred *krb.Credential, options krb.Flags, usage uint32, subkey krb.Key, sum krb.Checksum) ([]byte, *krb.Authenticator, error) {
	ticket, err := krb.ParseTicket(cred.Ticket)
	if err != nil {
		return nil, nil, err
	}
	seq, err := c.number()
	if err != nil {
		return nil, nil, err
	}
	auth := &krb.Authenticator{CRealm: cred.CRealm, Client: cred.Client, Checksum: sum, Time: c.Now().UTC().Truncate(time.Microsecond), Subkey: subkey, SeqNumber: seq}
	b, err := krb.NewAPReq(options, ticket, cred.Key, usage, auth)
	return b, auth, err
}
