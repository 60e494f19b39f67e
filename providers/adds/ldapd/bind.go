package ldapd

import (
	"context"
	"slices"

	"hellolab/providers/wire/ldapmsg"
)

// saslExchange is a SASL bind between its messages.
type saslExchange struct {
	mechanism string
	server    SASLServer
	steps     int
}

// maxSASLSteps bounds the messages of one exchange.
const maxSASLSteps = 10

// bind serves a bind request; false: the session is over. A bind that fails
// leaves the session anonymous (RFC 4513 4).
func (c *conn) bind(m *ldapmsg.Message, op *ldapmsg.Bind) (goOn bool) {
	defer clear(op.Credentials)
	ctx, cancel := context.WithTimeout(c.server.ctx, c.server.limits.QueryTime)
	defer cancel()

	login, challenge, err := c.login(ctx, m, op)
	if e := c.result(ctx, err); e != nil {
		if e.Code != ldapmsg.SASLBindInProgress {
			c.exchange = nil
			c.observeBind(ctx, c.update(func(s *Session) { s.Identity = nil }), op, e)
		}
		return c.answer(m.ID, nil, &ldapmsg.Result{Tag: ldapmsg.TagBindResponse, Err: e, SASLCredentials: challenge}) == nil
	}
	c.exchange = nil
	if login.Layer != nil && c.in.Buffered() > 0 {
		c.disconnect(ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "Nothing may follow a bind before its result."))
		return false
	}
	c.observeBind(ctx, c.update(func(s *Session) {
		s.Identity = login.Identity
		if login.Layer != nil {
			s.Signed, s.Confidential = true, s.Confidential || login.Confidential
		}
	}), op, nil)
	if err := c.answer(m.ID, nil, &ldapmsg.Result{Tag: ldapmsg.TagBindResponse, SASLCredentials: challenge}); err != nil {
		return false
	}
	if login.Layer != nil {
		c.layered = true
		c.use(login.Layer(c.wire))
	}
	return true
}

// errInProgress asks for the next message of a SASL bind.
var errInProgress = &ldapmsg.Error{Code: ldapmsg.SASLBindInProgress}

// login does what a bind says. The outcome is a login, or an error.
func (c *conn) login(ctx context.Context, m *ldapmsg.Message, op *ldapmsg.Bind) (login *Login, challenge []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			c.logPanic(v)
			login, challenge, err = nil, nil, failed()
		}
	}()
	switch _, err := ldapmsg.ParseControls(m.Controls, func(string) bool { return false }); {
	case err != nil:
		return nil, nil, err
	case op.Version != 3:
		return nil, nil, ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "Only version 3 of LDAP is served.")
	case c.layered:
		return nil, nil, ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "A session with a security layer cannot bind again.")
	case op.Mechanism != "":
		return c.sasl(ctx, op)
	}
	c.exchange = nil
	session := c.session.Load()
	switch {
	case op.Name == "" && len(op.Credentials) == 0:
		return &Login{}, nil, nil
	case len(op.Credentials) == 0: // RFC 4513 5.1.2
		return nil, nil, ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "A bind with a name needs a password.")
	case c.server.config.RequireSigning && !session.Signed:
		return nil, nil, signingRequired()
	}
	identity, err := c.server.config.Authenticator.SimpleBind(ctx, session, op.Name, op.Credentials)
	if err == nil && identity == nil {
		err = failed() // an empty answer must not read as anonymous
	}
	if err != nil {
		return nil, nil, err
	}
	return &Login{Identity: identity}, nil, nil
}

// sasl takes one message of a SASL bind.
func (c *conn) sasl(ctx context.Context, op *ldapmsg.Bind) (*Login, []byte, error) {
	if !slices.Contains(c.server.config.Mechanisms, op.Mechanism) {
		return nil, nil, ldapmsg.Errorf(ldapmsg.AuthMethodNotSupported, ldapmsg.ErrorAuthMethodNotSupported, "The SASL mechanism %.32q is not served here.", op.Mechanism)
	}
	session := c.session.Load()
	if c.exchange == nil || c.exchange.mechanism != op.Mechanism {
		c.exchange = nil
		server, err := c.server.config.Authenticator.SASL(ctx, session, op.Mechanism)
		if err != nil {
			return nil, nil, err
		}
		c.exchange = &saslExchange{mechanism: op.Mechanism, server: server}
	}
	if c.exchange.steps++; c.exchange.steps > maxSASLSteps {
		return nil, nil, ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "The SASL exchange does not end.")
	}
	challenge, login, err := c.exchange.server.Step(ctx, op.Credentials)
	switch {
	case err != nil:
		return nil, challenge, err
	case login == nil:
		if challenge == nil {
			challenge = []byte{}
		}
		c.update(func(s *Session) { s.Identity = nil })
		return nil, challenge, errInProgress
	case login.Identity == nil:
		return nil, nil, failed()
	case c.server.config.RequireSigning && !session.Signed && login.Layer == nil:
		return nil, nil, signingRequired()
	}
	return login, challenge, nil
}

func signingRequired() *ldapmsg.Error {
	return ldapmsg.Errorf(ldapmsg.StrongerAuthRequired, ldapmsg.ErrorStrongAuthRequired, "The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection.")
}

func (c *conn) observeBind(ctx context.Context, s *Session, op *ldapmsg.Bind, e *ldapmsg.Error) {
	mechanism := op.Mechanism
	if mechanism == "" {
		mechanism = "simple"
	}
	c.observe(ctx, Operation{Session: s, Name: "bind", Target: op.Name, Mechanism: mechanism, Err: e})
}

func (c *conn) observe(ctx context.Context, o Operation) {
	if c.server.config.Done == nil {
		return
	}
	_ = c.contained(func() error { c.server.config.Done(ctx, o); return nil }) // a journal that panics is in the log
}
