package member

import (
	"context"
	"errors"
	"net/http"

	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ntlm"
	"hellolab/providers/wire/ntlm/passthrough"
)

// byNTLM takes one request of an NTLM exchange, which signs the connection in
// (MS-NTHT). A nil visitor without an error has to come again.
func (s *server) byNTLM(ctx context.Context, c *connection, answer, asked http.Header) (*visitor, error) {
	message, ok, err := ntlm.FromHeader(asked.Values("Authorization"))
	if !ok && c.who != nil {
		return c.who, nil
	}
	exchange := c.ntlm
	*c = connection{}
	answer.Set("WWW-Authenticate", ntlm.Header(nil))
	if err != nil {
		return nil, ofNTLM(err)
	}
	if !ok || message == nil {
		return nil, nil
	}
	if _, err := ntlm.ParseNegotiate(message); err == nil || exchange == nil {
		e, challenge, err := s.ntlm.Begin(message)
		if err != nil {
			return nil, ofNTLM(err)
		}
		c.ntlm = e
		answer.Set("WWW-Authenticate", ntlm.Header(challenge))
		return nil, nil
	}
	who, err := s.answered(ctx, exchange, message)
	if err != nil {
		return nil, ofNTLM(err)
	}
	answer.Del("WWW-Authenticate")
	answer.Set("Persistent-Auth", "true")
	c.who = who
	return who, nil
}

// answered has the domain verify a client's answer, and then verifies the
// messages' integrity with the key that the domain found.
func (s *server) answered(ctx context.Context, e *ntlm.Exchange, message []byte) (*visitor, error) {
	a, err := e.Answer(message)
	if err != nil {
		return nil, err
	}
	r, err := s.ask(ctx, &passthrough.Request{User: a.User, Domain: a.Domain, Workstation: a.Workstation, Challenge: a.Challenge, Response: a.Response})
	if err != nil {
		s.log.WarnContext(ctx, "pass-through failed", "error", err)
		return nil, &refusal{status: http.StatusServiceUnavailable, code: "domain_unavailable", sentence: "The service cannot ask its domain.",
			hint: "Check that the domain's controller answers, and that the service's computer account is enabled and has the password it joined with."}
	}
	if r.Account == nil {
		return nil, ofStatus(r.Status)
	}
	if _, err := a.Keys(r.Account.SessionBase); err != nil {
		return nil, err
	}
	v := &visitor{Service: s.out.SPN, User: r.Account.Domain + `\` + r.Account.Name, SID: r.Account.SID, Groups: r.Account.Groups, Authentication: spec.ServiceNTLM}
	v.Account = v.User
	return v.complete(), nil
}

// ask signs in to the domain as the computer, and asks.
func (s *server) ask(ctx context.Context, q *passthrough.Request) (*passthrough.Reply, error) {
	value, err := q.Encode()
	if err != nil {
		return nil, err
	}
	c, err := adldap.SignIn(ctx, s.env, adldap.Domain{Realm: s.domain.Realm, Host: s.domain.Hosts[0], BaseDN: s.domain.DN, Account: s.account, Password: s.password})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if value, err = c.Extended(passthrough.OID, value); err != nil {
		return nil, err
	}
	return passthrough.ParseReply(value)
}

// ofNTLM makes an error of an exchange a refusal.
func ofNTLM(err error) error {
	switch {
	case errors.Is(err, ntlm.ErrVersion):
		return unauthorized("ntlm_version", "The client answers with LM or the first version of NTLM.", "Set the client to NTLM version 2 (LmCompatibilityLevel 3 or higher).")
	case errors.Is(err, ntlm.ErrAnonymous):
		return unauthorized("ntlm_anonymous", "The client names nobody.", "Sign in with an account of the domain.")
	case errors.Is(err, ntlm.ErrFlags):
		return unauthorized("ntlm_options", "The client and the service have no options in common.", "")
	case errors.Is(err, ntlm.ErrIntegrity):
		return unauthorized("ntlm_changed", "The messages are not those that the client and the service sent.", "Somebody stands between them.")
	case errors.Is(err, ntlm.ErrMessage):
		return unauthorized("ntlm_malformed", "The client's message is none of NTLM.", "")
	}
	return err
}
