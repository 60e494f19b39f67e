package kdc

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers/wire/krb"
)

// userToUser returns the key that a user-to-user ticket is encrypted with: the
// session key of the additional ticket, a ticket-granting ticket of the account
// that the ticket is for (RFC 4120 3.3.3, 3.7). Who asks for a ticket to itself
// can so read its own PAC, without a key of its own; that is how a client that
// signed in with a public key gets at its PAC_CREDENTIAL_INFO.
func (x *exchange) userToUser(ctx context.Context, g *tgsExchange, server *Account) (*krb.Key, error) {
	if len(g.req.Body.Tickets) != 1 {
		return nil, krb.NewError(krb.ErrBadOption, "A user-to-user request holds one additional ticket.")
	}
	t := &g.req.Body.Tickets[0]
	by, err := x.tgtKey(ctx, t)
	if err != nil {
		return nil, err
	}
	if by.number != 0 {
		return nil, krb.NewError(krb.ErrPolicy, "The additional ticket is a partial ticket-granting ticket.")
	}
	part, err := t.Open(by.key)
	if err != nil {
		return nil, err
	}
	if !x.now.Before(part.EndTime) {
		return nil, krb.NewError(krb.ErrTicketExpired, "The additional ticket has expired.")
	}
	peer, err := x.kdc.Directory.Client(ctx, part.Client)
	if errors.Is(err, ErrUnknownPrincipal) {
		return nil, krb.NewError(krb.ErrServerUnknown, "The domain has no account %s, whose ticket came.", part.Client)
	} else if err != nil {
		return nil, fmt.Errorf("look up the additional ticket's client: %w", err)
	}
	if peer.SID != server.SID {
		return nil, krb.NewError(krb.ErrServerNoMatch, "The additional ticket is of %s, not of the service that is asked for.", part.Client)
	}
	return &part.Key, peer.usable(x.now)
}
