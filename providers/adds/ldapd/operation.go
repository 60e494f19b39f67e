package ldapd

import (
	"context"
	"errors"
	"slices"

	"hellolab/providers/wire/ldapmsg"
)

// run does one operation and answers it, unless it was abandoned.
func (c *conn) run(ctx context.Context, session *Session, m *ldapmsg.Message) {
	done := &outcome{Operation: Operation{Session: session}, result: &ldapmsg.Result{Tag: m.Op.Response()}}
	defer func() { c.server.release(done.reserved) }()
	err := c.contained(func() error { return c.perform(ctx, m, done) })
	done.Err = c.result(ctx, err)
	done.result.Err = done.Err
	if done.compared && done.Err == nil {
		done.result.Err = done.verdict
	}
	c.observe(ctx, done.Operation)
	if c.finish(m.ID) {
		// A failure to write is the connection's end, which its reader sees.
		if err := c.answer(m.ID, done.ops, done.result, done.controls...); err != nil && !quietEnd(err) {
			c.server.log.Debug("LDAP answer failed", "error", err, "session", session.ID)
			c.base.Close()
		}
	}
}

// outcome gathers what an operation answers.
type outcome struct {
	Operation
	result   *ldapmsg.Result
	ops      [][]byte // protocolOps before the result
	reserved int      // bytes of them, taken from the server's
	controls []ldapmsg.Control

	compared bool
	verdict  *ldapmsg.Error // compareTrue or compareFalse, which are no errors
}

// contained turns a panic into an error.
func (c *conn) contained(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			c.logPanic(v)
			err = failed()
		}
	}()
	return f()
}

func failed() *ldapmsg.Error {
	return ldapmsg.Errorf(ldapmsg.OperationsError, ldapmsg.ErrorOperationsError, "The server failed.")
}

// result is what a client is told of an error; nil for success.
func (c *conn) result(ctx context.Context, err error) *ldapmsg.Error {
	var e *ldapmsg.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ldapmsg.Errorf(ldapmsg.TimeLimitExceeded, ldapmsg.ErrorTimeLimitExceeded, "The time for the operation is over.")
	case ctx.Err() != nil:
		return ldapmsg.Errorf(ldapmsg.Unavailable, ldapmsg.ErrorUnavailable, "The operation was given up.")
	}
	c.server.log.Error("LDAP operation failed", "error", err, "session", c.session.Load().ID)
	return failed()
}

// perform hands an operation to the backend.
func (c *conn) perform(ctx context.Context, m *ldapmsg.Message, done *outcome) error {
	controls, err := ldapmsg.ParseControls(m.Controls, c.server.supports)
	if err != nil {
		return err
	}
	r := &Request{Session: done.Session, Controls: controls}
	defer func() { done.controls = append(done.controls, r.responses...) }()
	backend := c.server.config.Backend
	switch op := m.Op.(type) {
	case *ldapmsg.Search:
		done.Name, done.Target, done.Scope, done.Filter, done.Attributes = "search", op.Base, op.Scope, op.Filter.String(), op.Attributes
		return c.search(ctx, r, op, done)
	case *ldapmsg.Compare:
		done.Name, done.Target, done.Attributes = "compare", op.DN, []string{op.Attribute}
		holds, err := backend.Compare(ctx, r, op)
		done.compared, done.verdict = true, &ldapmsg.Error{Code: ldapmsg.CompareFalse}
		if holds {
			done.verdict.Code = ldapmsg.CompareTrue
		}
		return err
	case *ldapmsg.Modify:
		done.Name, done.Target = "modify", op.DN
		for _, change := range op.Changes {
			done.Attributes = append(done.Attributes, change.Description)
		}
		return backend.Modify(ctx, r, op)
	case *ldapmsg.Add:
		done.Name, done.Target = "add", op.DN
		for _, a := range op.Attributes {
			done.Attributes = append(done.Attributes, a.Description)
		}
		return backend.Add(ctx, r, op)
	case *ldapmsg.Delete:
		done.Name, done.Target = "delete", op.DN
		return backend.Delete(ctx, r, op)
	case *ldapmsg.ModifyDN:
		done.Name, done.Target = "modifyDN", op.DN
		return backend.ModifyDN(ctx, r, op)
	case *ldapmsg.Extended:
		done.Name, done.Target = "extended", op.Name
		return c.extended(ctx, r, op, done)
	}
	return ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "The request is not served.")
}

// supports says whether a control means something here.
func (s *Server) supports(oid string) bool {
	return oid == ldapmsg.ControlPaged || slices.Contains(s.config.Controls, oid)
}

// extended serves extended operations but for StartTLS.
func (c *conn) extended(ctx context.Context, r *Request, op *ldapmsg.Extended, done *outcome) (err error) {
	if serve := c.server.config.Extended[op.Name]; serve != nil {
		done.result.ResponseName = op.Name
		done.result.ResponseValue, err = serve(ctx, r, op.Value)
		return err
	}
	if op.Name != ldapmsg.WhoAmI {
		return ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "The extended operation %.64q is not served.", op.Name)
	}
	if op.Value != nil {
		return ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "Who am I? takes no value.")
	}
	done.result.ResponseValue = []byte{}
	if done.Session.Identity != nil {
		done.result.ResponseValue = []byte(done.Session.Identity.AuthzID())
	}
	return nil
}

// extendedStartTLS serves StartTLS (RFC 4511 4.14); false: the session is over.
func (c *conn) extendedStartTLS(m *ldapmsg.Message, op *ldapmsg.Extended) bool {
	refuse := func(e *ldapmsg.Error) bool {
		c.observe(c.server.ctx, Operation{Session: c.session.Load(), Name: "extended", Target: op.Name, Err: e})
		return c.answer(m.ID, nil, &ldapmsg.Result{Tag: ldapmsg.TagExtendedResponse, Err: e, ResponseName: op.Name}) == nil
	}
	c.mu.Lock()
	busy := len(c.running) > 0
	c.mu.Unlock()
	config, err := c.server.tlsConfig()
	_, controls := ldapmsg.ParseControls(m.Controls, func(string) bool { return false })
	switch {
	case controls != nil:
		return refuse(c.result(c.server.ctx, controls))
	case op.Value != nil:
		return refuse(ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "StartTLS takes no value."))
	case c.session.Load().TLS != nil || c.layered || busy:
		return refuse(ldapmsg.Errorf(ldapmsg.OperationsError, ldapmsg.ErrorOperationsError, "TLS can begin once, without a security layer and with nothing at work."))
	case errors.Is(err, errNoCertificate):
		return refuse(ldapmsg.Errorf(ldapmsg.Unavailable, ldapmsg.ErrorUnavailable, "The server has no certificate for TLS."))
	case err != nil:
		c.server.log.Error("TLS configuration failed", "error", err)
		return refuse(ldapmsg.Errorf(ldapmsg.Unavailable, ldapmsg.ErrorUnavailable, "The server cannot begin TLS now."))
	case c.in.Buffered() > 0: // written in the clear, it would read as if TLS protected it
		c.disconnect(ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "Nothing may follow StartTLS before its result."))
		return false
	}
	c.settle()
	if err := c.answer(m.ID, nil, &ldapmsg.Result{Tag: ldapmsg.TagExtendedResponse, ResponseName: op.Name}); err != nil {
		return false
	}
	if err := c.startTLS(config); err != nil {
		c.server.log.Debug("StartTLS failed", "error", err)
		return false
	}
	c.observe(c.server.ctx, Operation{Session: c.session.Load(), Name: "extended", Target: op.Name})
	return true
}
