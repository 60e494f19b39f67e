package kdc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
)

// issue is a ticket in the making.
type issue struct {
	account *Account // of the server
	name    krb.Name // of the server, as the ticket will say
	session krb.Key
	part    krb.EncTicketPart
	kvno    uint32 // after sealing
	etype   int32  // after sealing

	peer *krb.Key // of a user-to-user ticket: what it is encrypted with; nil: the account's key
}

// span is how long a ticket lives; renew is zero for one that is not renewable.
type span struct{ end, renew time.Time }

// findServer looks a service up and says why it cannot be used.
func (x *exchange) findServer(ctx context.Context, name krb.Name) (*Account, error) {
	k := x.kdc
	if k.isTGS(name) {
		return x.ticketGranting(ctx)
	}
	server, err := k.Directory.Server(ctx, name)
	if errors.Is(err, ErrUnknownPrincipal) {
		return nil, krb.NewError(krb.ErrServerUnknown, "The domain has no service %s.", name)
	} else if err != nil {
		return nil, fmt.Errorf("look up the service: %w", err)
	}
	if server.has(Disabled) && !name.IsChangePassword() {
		return nil, krb.NewError(krb.ErrServiceRevoked, "The account of the service %s is disabled.", name)
	}
	return server, nil
}

// ticketGranting is krbtgt's account, looked up once for an exchange, which
// needs it several times. It is disabled for signing in, always.
func (x *exchange) ticketGranting(ctx context.Context) (*Account, error) {
	if x.krbtgt == nil {
		var err error
		if x.krbtgt, err = x.kdc.Directory.Server(ctx, krb.TGS(x.kdc.Realm)); err != nil {
			return nil, fmt.Errorf("look up krbtgt: %w", err)
		}
	}
	return x.krbtgt, nil
}

// serverName is the server's name for the ticket: as asked for, but canonical
// for the ticket-granting service when the client allows (RFC 6806 6).
func (x *exchange) serverName(body *krb.KDCReqBody) krb.Name {
	if body.Options.Has(krb.OptCanonicalize) && x.kdc.isTGS(body.Server) {
		return krb.TGS(x.kdc.Realm)
	}
	return body.Server
}

// asTimes is the life of a ticket from an AS exchange (RFC 4120 3.1.3).
func (k *KDC) asTimes(body *krb.KDCReqBody, now time.Time) (span, krb.Flags, error) {
	if body.Options.Has(krb.FlagPostdated) || body.From.After(now.Add(krb.Skew)) {
		return span{}, 0, krb.NewError(krb.ErrCannotPostdate, "")
	}
	s := span{end: now.Add(k.Policy.TicketLife)}
	if !body.Till.IsZero() && body.Till.Before(s.end) {
		s.end = body.Till
	}
	if !s.end.After(now) {
		return span{}, 0, krb.NewError(krb.ErrNeverValid, "")
	}
	limit := now.Add(k.Policy.RenewLife)
	switch {
	case body.Options.Has(krb.FlagRenewable):
		s.renew = limit
		if !body.RenewTill.IsZero() && body.RenewTill.Before(limit) {
			s.renew = body.RenewTill
		}
	case body.Options.Has(krb.OptRenewableOK) && body.Till.After(s.end):
		s.renew = limit
		if body.Till.Before(limit) {
			s.renew = body.Till
		}
	default:
		return s, 0, nil
	}
	if !s.renew.After(s.end) {
		s.renew = time.Time{}
		return s, 0, nil
	}
	return s, krb.FlagRenewable, nil
}

// seal signs the PAC for the ticket, puts it in, and encrypts the ticket to the
// server. A nil PAC leaves the ticket without one.
func (x *exchange) seal(ctx context.Context, t *issue, content *pac.PAC) (*krb.Ticket, error) {
	k := x.kdc
	var key VersionedKey
	if t.peer != nil {
		key.Key = *t.peer // such a key has no version
	} else {
		var err error
		if key, err = k.ticketKey(t.account); err != nil {
			return nil, err
		}
	}
	t.kvno, t.etype = key.KVNO, key.Key.EType
	if t.account.has(TrustedForDelegation) && !k.isTGS(t.name) {
		t.part.Flags |= krb.FlagOKAsDelegate
	}
	part := &t.part
	if content != nil {
		krbtgt, err := x.ticketGranting(ctx)
		if err != nil {
			return nil, err
		}
		kdcKey, err := k.ticketKey(krbtgt)
		if err != nil {
			return nil, err
		}
		if part, err = k.withPAC(part, content, key.Key, kdcKey.Key, t.name); err != nil {
			return nil, err
		}
	}
	return krb.SealTicket(key.Key, key.KVNO, k.Realm, t.name, part)
}

// replyPart is what the client is told of its ticket.
func (t *issue) replyPart(nonce uint32, data []krb.PAData, realm string) *krb.EncKDCRepPart {
	p := &t.part
	return &krb.EncKDCRepPart{
		Key: t.session, LastReqs: []krb.LastReq{{Type: 0, Time: p.StartTime.Truncate(time.Second)}}, Nonce: nonce, Flags: p.Flags,
		AuthTime: p.AuthTime, StartTime: p.StartTime, EndTime: p.EndTime, RenewTill: p.RenewTill,
		Realm: realm, Server: t.name, PAData: data,
	}
}

// supportedETypes is PA-SUPPORTED-ENCTYPES: what the server takes, as the bits
// of msDS-SupportedEncryptionTypes, little endian (MS-KILE 2.2.8).
func supportedETypes(k *KDC, server *Account) krb.PAData {
	var bits uint32
	for _, etype := range k.supported(server) {
		bits |= map[int32]uint32{krb.AES256: SupportAES256, krb.AES128: SupportAES128, krb.RC4: SupportRC4}[etype]
	}
	return krb.PAData{Type: krb.PASupportedEncTypes, Value: krb.EncodeSupportedETypes(bits)}
}
