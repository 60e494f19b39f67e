package windows

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/wire/entrakrb"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/oauth"
)

// cloudTickets are the tickets of Entra Kerberos that LSASS keeps for a user's
// session: they come with the primary refresh token and are renewed with it.
type cloudTickets struct {
	Domain   *krb.Credential `json:"domain,omitempty"`  // the partial ticket-granting ticket for the user's domain
	Cloud    *krb.Credential `json:"cloud,omitempty"`   // the cloud's own
	Refused  string          `json:"refused,omitempty"` // why there is no partial ticket, in the tenant's words
	Suffixes []string        `json:"suffixes,omitempty"`
}

// asksTickets reports whether Cloud AP asks for tickets of Entra Kerberos: where
// policy has the user prove the key by them, for an account that comes from a
// domain, on a device that is joined to the tenant.
func (m *machine) asksTickets(user person, trust hello.Trust) bool {
	return !m.personal() && user.domain != "" && trust == hello.CloudKerberos
}

// keep puts what came into the session's cache, in place of what was there.
func (t *cloudTickets) keep(w providers.Writer, sid string) error {
	if t == nil {
		return nil
	}
	return put(w, tableCloud, sid, t)
}

// openTickets opens the tickets in a reply that came with a primary refresh
// token: their client keys are under keys that the session key of rec derives.
// nil: none were asked for.
func (c *cloudAP) openTickets(ctx context.Context, reply *oauth.TokenResponse, rec *prtRecord) (*cloudTickets, error) {
	if !c.tgt {
		return nil, nil
	}
	tickets := &cloudTickets{}
	for _, name := range strings.Split(reply.TopLevelNames, ",") {
		if name != "" && !strings.Contains(name, ":") {
			tickets.Suffixes = append(tickets.Suffixes, name)
		}
	}
	open := func(member string) (*krb.Credential, error) {
		if member == "" {
			return nil, nil
		}
		t, err := entrakrb.Open(member, c.deriver(ctx, rec))
		if err != nil {
			return nil, err
		}
		return t.Credential()
	}
	var err error
	var refused *entrakrb.Refused
	if tickets.Domain, err = open(reply.TGTAD); errors.As(err, &refused) {
		tickets.Refused = refused.Reason
	} else if err != nil {
		return nil, fmt.Errorf("%w: partial ticket: %w", errReply, err)
	}
	if tickets.Cloud, err = open(reply.TGTCloud); err != nil && !errors.As(err, &refused) {
		return nil, fmt.Errorf("%w: cloud ticket: %w", errReply, err)
	}
	if p := tickets.Domain; p != nil {
		c.trace.step(event.CloudAP, keyHolder(c.m), tpm20, "partial_tgt_opened", "Cloud AP opens the partial ticket-granting ticket with a key that the session key derives.",
			message{"client": p.Client.String(), "realm": p.SRealm, "server": p.Server.String(), "ends": p.EndTime.UTC()})
	}
	return tickets, nil
}

// ticketsCached tells that LSASS keeps them.
func (c *cloudAP) ticketsCached(t *cloudTickets) {
	if t != nil && t.Domain != nil {
		c.trace.step(event.LSASS, "", local, "partial_tgt_cached", "LSASS caches the partial ticket-granting ticket.",
			message{"realm": t.Domain.SRealm, "ends": t.Domain.EndTime.UTC(), "cloud_ticket": t.Cloud != nil})
	}
}

// cloudTickets reads what LSASS keeps of a user's tickets; empty when that is
// nothing.
func (m *machine) cloudTickets(user person) (cloudTickets, error) {
	t, _, err := view[cloudTickets](m.env.Section, tableCloud, user.sid)
	return t, err
}
