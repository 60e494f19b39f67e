package entra

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/entrakrb"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/sid"
)

// Entra Kerberos: the tenant's issuer of ticket-granting tickets. For a user of a
// domain that gave it the key of a read-only controller it makes a partial ticket
// of that domain, which says who the user is and nothing more; for every user a
// ticket of the realm in the cloud.

// kerberosServer is a domain's server object as the tenant holds it.
type kerberosServer struct {
	Domain     string    `json:"domain"` // DNS name, lower case
	Number     uint16    `json:"number"`
	KeyVersion uint32    `json:"key_version"`
	KeyUpdated time.Time `json:"key_updated"`
	Key        string    `json:"key"` // sealed
}

// Lives of both tickets: a domain's defaults (MS-KILE 3.3.1), which are the
// lab's choice here.
const (
	ticketLife  = 10 * time.Hour
	ticketRenew = 7 * 24 * time.Hour
)

// topLevelNames are the suffixes of the names whose services are in the cloud's
// realm, as one recorded answer had them. The lab has no such service.
const topLevelNames = ".windows.net,.windows.net:1433,.azure.net"

// noTicket says why there is no partial ticket.
type noTicket struct{ code, sentence, hint string }

func (e *noTicket) Error() string { return e.sentence }

// addTickets puts both tickets into an answer, under keys of the session key. A
// ticket that cannot be is a member that says why; the PRT does not depend on it.
func (s *server) addTickets(ctx context.Context, u *user, session prt.Deriver, resp *oauth.TokenResponse) error {
	cloud, err := s.cloudTicket(ctx, u)
	if err != nil {
		return err
	}
	if resp.TGTCloud, err = cloud.Seal(session, s.env.Rand); err != nil {
		return err
	}
	resp.TopLevelNames = topLevelNames
	partial, err := s.partialTicket(ctx, u)
	var no *noTicket
	switch {
	case errors.As(err, &no):
		s.emit(ctx, event.Event{Actor: event.EntraKerberos, Peer: event.CloudAP, Step: "partial_tgt_refused", Text: "Entra Kerberos makes no partial ticket of the domain.",
			Outcome: event.Refused, Reason: &event.Reason{Code: no.code, Sentence: no.sentence, Hint: no.hint}, Message: map[string]any{"user": u.UPN}})
		resp.TGTAD, err = entrakrb.Refuse(no.sentence)
		return err
	case err != nil:
		return err
	}
	resp.TGTAD, err = partial.Seal(session, s.env.Rand)
	return err
}

// partialTicket makes the partial ticket of the user's domain, or a *noTicket.
func (s *server) partialTicket(ctx context.Context, u *user) (entrakrb.Ticket, error) {
	account, err := accountInDomain(u)
	if err != nil {
		return entrakrb.Ticket{}, err
	}
	var domain *kerberosServer
	err = s.env.Section.View(func(r providers.Reader) error {
		domain, err = get[kerberosServer](r, tableKerberos, strings.ToLower(u.OnPrem.Domain))
		return err
	})
	if errors.Is(err, errNotFound) {
		return entrakrb.Ticket{}, &noTicket{"no_kerberos_server", fmt.Sprintf("The tenant has no Kerberos server object of the domain %s.", u.OnPrem.Domain),
			"Declare a trust of type cloud_kerberos between the tenant and the domain."}
	}
	if err != nil {
		return entrakrb.Ticket{}, err
	}
	var key []byte
	if err := s.seal.Open(purposeKerberos, domain.Key, &key); err != nil {
		return entrakrb.Ticket{}, fmt.Errorf("key of %s: %w", domain.Domain, err)
	}
	defer clear(key)
	krbtgt := krb.Key{EType: krb.AES256, Value: key}
	kvno := uint32(domain.Number)<<16 | domain.KeyVersion&0xffff
	realm := strings.ToUpper(domain.Domain)
	part, err := s.newTicketPart(realm, krb.Principal(u.OnPrem.Account))
	if err != nil {
		return entrakrb.Ticket{}, err
	}
	signed, err := pac.Partial(account, part.Client.String(), part.AuthTime).Sign(pac.Signing{Server: krbtgt, KDC: krbtgt, RODC: domain.Number})
	if err != nil {
		return entrakrb.Ticket{}, fmt.Errorf("partial ticket: %w", err)
	}
	if part, err = part.WithPAC(signed); err != nil {
		return entrakrb.Ticket{}, fmt.Errorf("partial ticket: %w", err)
	}
	t, err := sealTicket(krbtgt, kvno, realm, part, s)
	if err == nil {
		s.step(ctx, event.EntraKerberos, event.CloudAP, "partial_tgt_issued", "Entra Kerberos makes a partial ticket with the user's identifier alone, under the key of its server object in the domain.",
			map[string]any{"user": u.UPN, "sid": account.String(), "realm": realm, "server": "krbtgt_" + fmt.Sprint(domain.Number), "kvno": kvno, "groups": 0, "expires": part.EndTime})
	}
	return t, err
}

// accountInDomain is the user's account in a domain, as Connect tells of it, or
// a *noTicket that names what Connect did not.
func accountInDomain(u *user) (sid.SID, error) {
	on := u.OnPrem
	if on == nil {
		on = &onPremises{}
	}
	var missing []string
	for _, f := range []struct{ name, value string }{
		{"onPremisesSamAccountName", on.Account}, {"onPremisesDomainName", on.Domain}, {"onPremisesSecurityIdentifier", u.OnPremSID},
	} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return sid.SID{}, &noTicket{"not_synchronized", fmt.Sprintf("The user has no %s in the tenant.", strings.Join(missing, " and no ")),
			"The account must come from a domain, by Entra Connect."}
	}
	account, err := sid.Parse(u.OnPremSID)
	if err != nil || account.Domain().IsZero() {
		return sid.SID{}, &noTicket{"not_synchronized", "The user's onPremisesSecurityIdentifier is not that of an account of a domain.", "The account must come from a domain, by Entra Connect."}
	}
	return account, nil
}

// cloudTicket makes the ticket of the realm in the cloud. It has no PAC: what the
// cloud's holds is not public, and nothing in a lab takes the ticket.
func (s *server) cloudTicket(ctx context.Context, u *user) (entrakrb.Ticket, error) {
	part, err := s.newTicketPart(entrakrb.CloudRealm, krb.Enterprise(u.UPN))
	if err != nil {
		return entrakrb.Ticket{}, err
	}
	t, err := sealTicket(s.cloudKey(), 1, entrakrb.CloudRealm, part, s)
	if err == nil {
		s.step(ctx, event.EntraKerberos, event.CloudAP, "cloud_tgt_issued", "Entra Kerberos makes a ticket of its own realm.",
			map[string]any{"user": u.UPN, "realm": entrakrb.CloudRealm, "expires": part.EndTime})
	}
	return t, err
}

// cloudKey is that of krbtgt in the tenant's own realm.
func (s *server) cloudKey() krb.Key {
	return krb.Key{EType: krb.AES256, Value: s.seal.Key(purposeCloudKerberos)}
}

// newTicketPart is a ticket-granting ticket for a client that signed in now.
func (s *server) newTicketPart(realm string, client krb.Name) (*krb.EncTicketPart, error) {
	session, err := krb.RandomKey(krb.AES256, s.env.Rand)
	if err != nil {
		return nil, err
	}
	now := s.env.Now().UTC().Truncate(time.Second)
	return &krb.EncTicketPart{
		Flags: krb.FlagForwardable | krb.FlagRenewable | krb.FlagInitial | krb.FlagPreAuthent, Key: session, CRealm: realm, Client: client,
		AuthTime: now, StartTime: now, EndTime: now.Add(ticketLife), RenewTill: now.Add(ticketRenew),
	}, nil
}

func sealTicket(key krb.Key, kvno uint32, realm string, part *krb.EncTicketPart, s *server) (entrakrb.Ticket, error) {
	sealed, err := krb.SealTicket(key, kvno, realm, krb.TGS(realm), part)
	if err != nil {
		return entrakrb.Ticket{}, fmt.Errorf("ticket of %s: %w", realm, err)
	}
	return entrakrb.New(sealed, part, s.env.Rand)
}
