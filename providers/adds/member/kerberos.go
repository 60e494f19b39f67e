package member

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"hellolab/providers/spec"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/member"
)

// byKerberos takes one request of a Negotiate exchange (RFC 4559). A nil visitor
// without an error has to come again.
func (s *server) byKerberos(_ context.Context, c *connection, answer, asked http.Header) (*visitor, error) {
	answer.Set("Persistent-Auth", "false") // MS-NTHT; each request brings a ticket
	token, ok, err := gss.FromHeader(asked.Values("Authorization"))
	if err != nil || !ok || len(token) == 0 {
		c.gss = nil
		answer.Set("WWW-Authenticate", gss.Header(nil))
		if err != nil {
			return nil, ofKerberos(err)
		}
		return nil, nil
	}
	if c.gss == nil {
		c.gss = s.acceptor().New()
	}
	out, done, err := c.gss.Step(token)
	answer.Set("WWW-Authenticate", gss.Header(out))
	if err == nil && !done {
		return nil, nil
	}
	client := c.gss.Client()
	c.gss = nil
	if err != nil {
		return nil, ofKerberos(err)
	}
	who, err := s.ticketed(client)
	if err != nil {
		answer.Set("WWW-Authenticate", gss.Header(nil))
		return nil, err
	}
	if len(out) == 0 {
		answer.Del("WWW-Authenticate")
	}
	return who, nil
}

func (s *server) acceptor() *gss.Acceptor {
	return &gss.Acceptor{Key: s.key, Replay: s.replays, Now: s.env.Now, Skew: krb.Skew, Rand: s.env.Rand, Realm: s.domain.Realm, Service: s.principal()}
}

func (s *server) principal() krb.Name {
	class, instance, _ := strings.Cut(s.out.SPN, "/")
	return krb.Service(class, instance)
}

// key finds the key for a ticket: whatever its server is called, it is for the
// account if the account's key opens it.
func (s *server) key(t *krb.Ticket) (krb.Key, error) {
	if !strings.EqualFold(t.Realm, s.domain.Realm) {
		return krb.Key{}, krb.NewError(krb.ErrNotUs, "The ticket is of another realm.")
	}
	for _, k := range s.keys {
		if k.EType == t.EncPart.EType {
			return k, nil
		}
	}
	return krb.Key{}, krb.NewError(krb.ErrNoKey, "The service has no key of the ticket's encryption type.")
}

// ticketed is who a ticket's PAC says its client is (a service takes
// nothing from a PAC whose server signature it has not verified).
func (s *server) ticketed(c *gss.Client) (*visitor, error) {
	logon, err := member.Identity(c)
	switch {
	case errors.Is(err, member.ErrNoPAC):
		return nil, unauthorized("pac_missing", "The ticket has no PAC, and only that says who its client is.", "Ask the KDC for a ticket with a PAC.")
	case err != nil:
		return nil, unauthorized("pac_invalid", "The ticket's PAC is not what the KDC signed for this client.", "")
	}
	id := logon.User()
	v := &visitor{Service: s.out.SPN, User: c.Name.String() + "@" + c.Realm, Account: logon.LogonDomainName + `\` + logon.EffectiveName, SID: id, Authentication: spec.ServiceKerberos,
		Ticket: &ticket{Server: c.Service.String(), EType: c.Key.EType, AuthTime: stamp(c.Ticket.AuthTime), EndTime: stamp(c.Ticket.EndTime)}}
	for _, g := range logon.SIDs() {
		if g != id {
			v.Groups = append(v.Groups, g)
		}
	}
	return v.complete(), nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
