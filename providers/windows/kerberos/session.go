package kerberos

import (
	"context"
	"fmt"
	"time"

	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
)

// Session is what LSASS keeps of one logon session: its owner stores it where
// secrets are sealed. It is used by one goroutine at a time.
type Session struct {
	Method  string           `json:"method"` // "key", "certificate", "password" or "cloud", a partial ticket
	TGT     *krb.Credential  `json:"tgt,omitempty"`
	Tickets []krb.Credential `json:"tickets,omitempty"` // for services

	Account string   `json:"account,omitempty"` // the user's name in the domain
	SID     string   `json:"sid,omitempty"`     // of the user
	Groups  []string `json:"groups,omitempty"`  // SIDs of the user and all it belongs to, by the logon's PAC

	// NTHash is what NTLM answers with; nil where the sign-in brought none
	// (reading R18).
	NTHash []byte `json:"nt_hash,omitempty"`

	Skew  time.Duration `json:"skew,omitempty"` // how far the KDC's clock is ahead, beyond what Kerberos tolerates
	Since time.Time     `json:"since"`
}

// renewBefore is how long before its end a ticket-granting ticket is renewed
// (ours; Windows gives no number).
const renewBefore = 15 * time.Minute

// Purge drops all tickets, as klist purge does.
func (s *Session) Purge() { s.TGT, s.Tickets = nil, nil }

// CCache is the session for programs of MIT's and Heimdal's.
func (s *Session) CCache() (*krb.CCache, error) {
	if s.TGT == nil {
		return nil, errNoTicket()
	}
	return &krb.CCache{Realm: s.TGT.CRealm, Principal: s.TGT.Client, Credentials: append([]krb.Credential{*s.TGT}, s.Tickets...)}, nil
}

func errNoTicket() error {
	return &Error{Phase: PhaseTGS, Status: logonFailure, Sentence: "The session has no ticket-granting ticket.", Hint: "Sign in again."}
}

// Ticket returns the session's ticket for a service: from the cache, else from
// the ticket-granting service, with no AS exchange.
func (p *Provider) Ticket(ctx context.Context, s *Session, service krb.Name) (*krb.Credential, error) {
	now := p.Now().Add(s.Skew)
	kept := s.Tickets[:0]
	var found *krb.Credential
	for _, t := range s.Tickets {
		if now.Before(t.EndTime) {
			kept = append(kept, t)
			if t.Server.EqualFold(service) {
				found = &kept[len(kept)-1]
			}
		}
	}
	clear(s.Tickets[len(kept):])
	s.Tickets = kept
	if found != nil {
		return found, nil
	}
	if err := p.Renew(ctx, s); err != nil {
		return nil, err
	}
	r, err := p.tgs(ctx, s, krbclient.TGSRequest{Server: service, Options: krb.FlagForwardable | krb.OptCanonicalize})
	if err != nil {
		return nil, err
	}
	s.Tickets = append(s.Tickets, r.Credential)
	c := &s.Tickets[len(s.Tickets)-1]
	p.emit("service_ticket", fmt.Sprintf("The ticket-granting ticket buys a ticket for %s", service), ticketNote(c))
	return c, nil
}

// Renew renews the ticket-granting ticket when its end is near. One that has
// ended is not renewable any more (RFC 4120 3.3.3): the user signs in again.
// What keeps one that is still good from being renewed is no error.
func (p *Provider) Renew(ctx context.Context, s *Session) error {
	if s.TGT == nil {
		return errNoTicket()
	}
	now := p.Now().Add(s.Skew)
	if !now.Before(s.TGT.EndTime) {
		return &Error{Phase: PhaseTGS, Code: krb.ErrTicketExpired, Status: logonFailure, Hint: "Sign in again, or lock and unlock.",
			Sentence: fmt.Sprintf("The ticket-granting ticket ended at %s.", s.TGT.EndTime.UTC().Format(time.RFC3339)), Err: krb.ErrTicketExpired}
	}
	if now.Before(s.TGT.EndTime.Add(-renewBefore)) || !s.TGT.Flags.Has(krb.FlagRenewable) || !s.TGT.RenewTill.After(s.TGT.EndTime) {
		return nil
	}
	r, err := p.tgs(ctx, s, krbclient.TGSRequest{Server: krb.TGS(p.Domain.Realm), Options: krb.OptRenew | krb.OptCanonicalize | asked, RenewTill: s.TGT.RenewTill})
	if err != nil {
		p.emit("tgt_not_renewed", "The ticket-granting ticket is not renewed: "+err.Error(), map[string]any{"ends": s.TGT.EndTime.UTC().Format(time.RFC3339)})
		return ctx.Err()
	}
	s.TGT = &r.Credential
	p.emit("tgt_renewed", "LSASS renews the ticket-granting ticket before its end", ticketNote(s.TGT))
	return nil
}

// tgs asks the ticket-granting service.
func (p *Provider) tgs(ctx context.Context, s *Session, ask krbclient.TGSRequest) (*krbclient.Result, error) {
	var r *krbclient.Result
	err := p.with(ctx, PhaseTGS, s.Skew, func(c *krbclient.Client) (err error) {
		r, err = c.TGS(ctx, s.TGT, ask)
		return err
	})
	return r, err
}

// GSS is a ticket as GSS-API takes it.
func GSS(c *krb.Credential) (gss.Credential, error) {
	t, err := krb.ParseTicket(c.Ticket)
	if err != nil {
		return gss.Credential{}, err
	}
	return gss.Credential{Ticket: t, Session: c.Key, Realm: c.CRealm, Client: c.Client}, nil
}

func ticketNote(c *krb.Credential) map[string]any {
	note := map[string]any{"client": c.Client.String(), "server": c.Server.String(), "realm": c.SRealm, "etype": c.Key.EType, "ends": c.EndTime.UTC().Format(time.RFC3339)}
	if !c.RenewTill.IsZero() {
		note["renewable_until"] = c.RenewTill.UTC().Format(time.RFC3339)
	}
	return note
}
