package kdc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
)

// tgsExchange is what a TGS-REQ turned out to be.
type tgsExchange struct {
	req     *krb.KDCReq
	tgt     *krb.EncTicketPart
	auth    *krb.Authenticator
	pac     *pac.PAC
	account *Account // of the client
	partial bool     // the ticket-granting ticket is a read-only controller's; pac is the domain's own all the same
}

// tgs answers a TGS-REQ (RFC 4120 3.3.3, MS-KILE 3.3.5.7).
func (x *exchange) tgs(ctx context.Context, req *krb.KDCReq) ([]byte, error) {
	k, body := x.kdc, &req.Body
	g, err := x.openTGT(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := x.tgsOptions(g); err != nil {
		return nil, err
	}
	server, err := x.findServer(ctx, body.Server)
	if err != nil {
		return nil, err
	}
	session, err := k.sessionKey(body.ETypes, server)
	if err != nil {
		return nil, err
	}
	t := &issue{account: server, name: x.serverName(body), session: session}
	if t.part, err = k.tgsPart(g, session, x.now); err != nil {
		return nil, err
	}
	if t.part.AuthData, err = authData(g); err != nil {
		return nil, err
	}
	content := k.nextPAC(g.pac, server, t.name)
	if body.Options.Has(krb.OptEncTktInSkey) {
		if t.peer, err = x.userToUser(ctx, g, server); err != nil {
			return nil, err
		}
		if content != nil {
			content.Credentials = g.pac.Credentials
		}
	}
	ticket, err := x.seal(ctx, t, content)
	if err != nil {
		return nil, err
	}
	keys, err := x.keyList(g)
	if err != nil {
		return nil, err
	}
	plain, err := t.replyPart(body.Nonce, append(keys, supportedETypes(k, server)), k.Realm).Encode(krb.MsgTGSRep)
	if err != nil {
		return nil, err
	}
	key, usage := g.tgt.Key, krb.UsageTGSRepSessionKey
	if !g.auth.Subkey.IsZero() {
		key, usage = g.auth.Subkey, krb.UsageTGSRepSubkey
	}
	sealed, err := key.Seal(usage, 0, plain)
	if err != nil {
		return nil, err
	}
	x.issuing(g.account, t)
	if g.partial {
		x.exchanged(g)
	}
	rep := krb.KDCRep{MsgType: krb.MsgTGSRep, CRealm: g.tgt.CRealm, Client: g.tgt.Client, Ticket: *ticket, EncPart: sealed}
	return rep.Encode()
}

// openTGT checks everything about the request's ticket-granting ticket, its
// authenticator and its client.
func (x *exchange) openTGT(ctx context.Context, req *krb.KDCReq) (*tgsExchange, error) {
	k := x.kdc
	value, ok := krb.FindPA(req.PAData, krb.PATGSReq)
	if !ok {
		return nil, krb.NewError(krb.ErrPADataTypeNoSupport, "The request holds no ticket-granting ticket.")
	}
	ap, err := krb.ParseAPReq(value)
	if err != nil {
		return nil, err
	}
	var by issuer
	part, auth, err := ap.Accept(krb.Acceptor{
		Key: func(t *krb.Ticket) (krb.Key, error) {
			var err error
			by, err = x.tgtKey(ctx, t)
			return by.key, err
		},
		Usage: krb.UsageTGSReqAuth, Now: x.now, Skew: krb.Skew, Replay: x,
	})
	if part != nil {
		x.client = part.Client
	}
	if err != nil {
		return nil, err
	}
	if err := x.bodyProved(req, part, auth); err != nil {
		return nil, err
	}
	if err := onItsOwn(req, by); err != nil {
		return nil, err
	}
	g := &tgsExchange{req: req, tgt: part, auth: auth}
	if by.number != 0 {
		return g, x.openPartial(ctx, g, by)
	}
	if g.pac, err = k.openPAC(part, by); err != nil {
		return nil, err
	}
	g.account, err = k.Directory.Client(ctx, part.Client)
	if errors.Is(err, ErrUnknownPrincipal) {
		return nil, krb.NewError(krb.ErrTGTRevoked, "The account %s of the ticket-granting ticket does not exist any more.", part.Client)
	} else if err != nil {
		return nil, fmt.Errorf("look up the client: %w", err)
	}
	if g.account.SID != g.pac.Requestor {
		return nil, krb.NewError(krb.ErrTGTRevoked, "The account %s is not the one that got the ticket-granting ticket.", part.Client)
	}
	return g, g.account.usable(x.now)
}

// onItsOwn refuses a service that asks for a ticket of another to itself
// (S4U2self, MS-SFU 3.2.5.1). To a read-only controller's tickets it answers as
// if there were no such client, as Windows does.
func onItsOwn(req *krb.KDCReq, by issuer) error {
	if _, ok := krb.FindPA(req.PAData, krb.PAForUser); !ok {
		return nil
	}
	if by.number != 0 {
		return krb.NewError(krb.ErrClientUnknown, "A ticket of a read-only domain controller gets no ticket to itself.")
	}
	return krb.NewError(krb.ErrPADataTypeNoSupport, "Services do not get tickets to themselves here.")
}

// tgtKey is krbtgt's key that a ticket-granting ticket says it is under.
func (x *exchange) tgtKey(ctx context.Context, t *krb.Ticket) (issuer, error) {
	k := x.kdc
	if !k.isTGS(t.Server) || !k.isRealm(t.Realm) {
		return issuer{}, krb.NewError(krb.ErrNotUs, "The ticket is for %s, not for this domain's ticket-granting service.", t.Server)
	}
	kvno := t.EncPart.KeyVersion()
	if kvno>>16 != 0 {
		return x.partialKey(ctx, t)
	}
	krbtgt, err := x.ticketGranting(ctx)
	if err != nil {
		return issuer{}, err
	}
	if !k.speaks(t.EncPart.EType) {
		return issuer{}, krb.NewError(krb.ErrETypeNoSupport, "The ticket-granting ticket is of encryption type %d, which this controller does not take.", t.EncPart.EType)
	}
	key, ok := krbtgt.version(t.EncPart.EType, kvno)
	if !ok {
		return issuer{}, krb.NewError(krb.ErrBadKeyVersion, "The ticket-granting ticket is under version %d of a key that is not kept any more.", kvno)
	}
	return issuer{key: key, kvno: kvno}, nil
}

// bodyProved checks the authenticator's checksum over the request's body.
func (x *exchange) bodyProved(req *krb.KDCReq, tgt *krb.EncTicketPart, auth *krb.Authenticator) error {
	switch {
	case auth.Checksum.IsZero():
		if !x.kdc.Policy.AllowUnprotected {
			return krb.NewError(krb.ErrInappropriateChecksum, "The authenticator has no checksum over the request.")
		}
		x.tell("body_protected", false)
	case auth.Checksum.Type != krb.ChecksumType(tgt.Key.EType):
		return krb.NewError(krb.ErrInappropriateChecksum, "The authenticator's checksum is of type %d, which does not go with the session key.", auth.Checksum.Type)
	case !tgt.Key.VerifyChecksum(krb.UsageTGSReqChecksum, req.RawBody, auth.Checksum):
		return krb.NewError(krb.ErrModified, "The request was changed after its checksum was made.")
	}
	return nil
}

// tgsOptions refuses what the ticket-granting ticket does not allow.
func (x *exchange) tgsOptions(g *tgsExchange) error {
	o, have := g.req.Body.Options, g.tgt.Flags
	switch {
	case o.Has(krb.OptEncTktInSkey) && (o.Has(krb.OptRenew) || x.kdc.isTGS(g.req.Body.Server)):
		return krb.NewError(krb.ErrBadOption, "A ticket-granting ticket is not issued from user to user.")
	case o.Has(krb.OptConstrained):
		return krb.NewError(krb.ErrBadOption, "Constrained delegation is not offered here.")
	case o.Has(krb.OptValidate), o.Has(krb.FlagPostdated), g.req.Body.From.After(x.now.Add(krb.Skew)):
		return krb.NewError(krb.ErrCannotPostdate, "")
	case o.Has(krb.FlagForwarded) && !have.Has(krb.FlagForwardable):
		return krb.NewError(krb.ErrBadOption, "The ticket-granting ticket is not forwardable.")
	case o.Has(krb.FlagProxy) && !have.Has(krb.FlagProxiable):
		return krb.NewError(krb.ErrBadOption, "The ticket-granting ticket is not proxiable.")
	case o.Has(krb.FlagProxy) && x.kdc.isTGS(g.req.Body.Server):
		return krb.NewError(krb.ErrBadOption, "A ticket-granting ticket is forwarded, not given to a proxy.")
	case o.Has(krb.OptRenew) && g.partial:
		return krb.NewError(krb.ErrBadOption, "A partial ticket-granting ticket is exchanged, not renewed.")
	case o.Has(krb.OptRenew) && !have.Has(krb.FlagRenewable):
		return krb.NewError(krb.ErrBadOption, "The ticket-granting ticket is not renewable.")
	case o.Has(krb.OptRenew) && !x.kdc.isTGS(g.req.Body.Server):
		return krb.NewError(krb.ErrServerNoMatch, "Only the ticket-granting ticket itself can be renewed with it.")
	case o.Has(krb.OptRenew) && !x.now.Before(g.tgt.RenewTill):
		return krb.NewError(krb.ErrTicketExpired, "The ticket-granting ticket could be renewed until %s.", g.tgt.RenewTill.Format(time.RFC3339))
	}
	return nil
}

// tgsPart is the new ticket without its authorization data.
func (k *KDC) tgsPart(g *tgsExchange, session krb.Key, now time.Time) (krb.EncTicketPart, error) {
	o, body, tgt := g.req.Body.Options, &g.req.Body, g.tgt
	p := krb.EncTicketPart{Key: session, CRealm: tgt.CRealm, Client: tgt.Client, AuthTime: tgt.AuthTime, StartTime: now, EndTime: tgt.EndTime}
	p.Flags = tgt.Flags & (krb.FlagPreAuthent | krb.FlagHWAuthent | krb.FlagForwarded | krb.FlagProxy)
	p.Flags |= tgt.Flags & o & (krb.FlagForwardable | krb.FlagProxiable)
	p.Flags |= o & (krb.FlagForwarded | krb.FlagProxy)
	if o.Has(krb.OptRenew) {
		start := tgt.StartTime
		if start.IsZero() {
			start = tgt.AuthTime
		}
		p.EndTime, p.RenewTill = now.Add(tgt.EndTime.Sub(start)), tgt.RenewTill
		p.Flags |= tgt.Flags & (krb.FlagRenewable | krb.FlagForwardable | krb.FlagProxiable)
		if p.EndTime.After(tgt.RenewTill) {
			p.EndTime = tgt.RenewTill
		}
		return p, nil
	}
	if !body.Till.IsZero() && body.Till.Before(p.EndTime) {
		p.EndTime = body.Till
	}
	if limit := now.Add(k.Policy.TicketLife); limit.Before(p.EndTime) {
		p.EndTime = limit
	}
	if !p.EndTime.After(now) {
		return p, krb.NewError(krb.ErrNeverValid, "")
	}
	if o.Has(krb.FlagRenewable) && tgt.Flags.Has(krb.FlagRenewable) && tgt.RenewTill.After(p.EndTime) {
		p.Flags |= krb.FlagRenewable
		p.RenewTill = tgt.RenewTill
		if !body.RenewTill.IsZero() && body.RenewTill.Before(p.RenewTill) {
			p.RenewTill = body.RenewTill
		}
	}
	return p, nil
}

// nextPAC is the ticket-granting ticket's PAC as the new ticket shall have it,
// still to be signed: of another ticket-granting ticket everything but the
// credentials, which only user-to-user tickets get; of a service what concerns
// services, or nothing when the client or the service does not want it.
func (k *KDC) nextPAC(p *pac.PAC, server *Account, name krb.Name) *pac.PAC {
	next := &pac.PAC{LogonInfo: p.LogonInfo, ClientInfo: p.ClientInfo, UPNDNSInfo: p.UPNDNSInfo, Others: p.Others}
	if k.isTGS(name) {
		next.Attributes, next.Requestor = p.Attributes, p.Requestor
		return next
	}
	if server.has(NoAuthData) || p.Attributes != nil && p.Attributes.Flags&(pac.PACRequested|pac.PACGivenImplicitly) == 0 {
		return nil
	}
	return next
}

// authData is what else restricts the new ticket: the ticket-granting ticket's
// authorization data without its PAC, and the client's own, in which nothing
// may look like a PAC.
func authData(g *tgsExchange) ([]krb.AuthData, error) {
	var list []krb.AuthData
	for _, a := range g.tgt.AuthData {
		if !mayBePAC(a) {
			list = append(list, a)
		}
	}
	sealed := g.req.Body.EncAuthData
	if sealed.Cipher == nil {
		return list, nil
	}
	key, usage := g.tgt.Key, krb.UsageTGSReqSessionKey
	if !g.auth.Subkey.IsZero() {
		key, usage = g.auth.Subkey, krb.UsageTGSReqSubkey
	}
	plain, err := key.Open(usage, sealed)
	if err != nil {
		return nil, krb.NewError(krb.ErrBadIntegrity, "The authorization data of the request do not open.")
	}
	own, err := krb.ParseAuthData(plain)
	if err != nil {
		return nil, krb.NewError(krb.ErrGeneric, "The authorization data of the request cannot be read.")
	}
	for _, a := range own {
		if mayBePAC(a) {
			return nil, krb.NewError(krb.ErrPolicy, "A client may not bring a PAC of its own.")
		}
	}
	return append(list, own...), nil
}

// mayBePAC reports whether any reader could take the element for a PAC: one of
// that type, or a container that holds or may hold one.
func mayBePAC(a krb.AuthData) bool {
	switch a.Type {
	case krb.ADWin2kPAC:
		return true
	case krb.ADIfRelevant:
		inner, err := krb.ParseAuthData(a.Data)
		if err != nil {
			return true
		}
		for _, i := range inner {
			if i.Type == krb.ADWin2kPAC || i.Type == krb.ADIfRelevant {
				return true
			}
		}
	}
	return false
}
