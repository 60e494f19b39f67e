package sasl

import (
	"errors"

	"hellolab/providers/wire/gss"
)

// ClientConfig says how a client authenticates.
type ClientConfig struct {
	Mechanism string // GSSAPI or GSSSPNEGO
	Layer     Layers // the one wanted: a single one
	Buffer    int    // longest frame taken in bytes; 0 is DefaultBuffer

	// Begin starts the context's exchange for a service principal name, with
	// these flags.
	Begin func(target string, flags gss.Flags) (gss.Exchange, error)
}

// Client is one exchange at a client. Its first four methods are what go-ldap's
// GSSAPIBind calls; Step does the same for other protocols. After success the
// caller puts Layer on the connection.
type Client struct {
	config   ClientConfig
	exchange gss.Exchange
	made     bool // the context
	finished bool
	layer    *Layer
}

// NewClient begins an exchange.
func NewClient(c ClientConfig) *Client { return &Client{config: c} }

// flags are what the context needs for the layer.
func (c *Client) flags() gss.Flags {
	f := gss.Mutual | gss.Replay | gss.Sequence | gss.Integrity // the offer itself is signed
	if c.config.Layer == Confidentiality {
		f |= gss.Confidentiality
	}
	if c.config.Mechanism == GSSSPNEGO && c.config.Layer == None {
		f = gss.Mutual
	}
	return f
}

// InitSecContext makes the context with the service.
func (c *Client) InitSecContext(target string, token []byte) (out []byte, more bool, err error) {
	if !c.config.Layer.one(None | Integrity | Confidentiality) {
		return nil, false, ErrLayer
	}
	if c.made || c.finished {
		return nil, false, ErrState
	}
	if c.exchange == nil {
		if c.exchange, err = c.config.Begin(target, c.flags()); err != nil {
			return nil, false, err
		}
	}
	out, c.made, err = c.exchange.Step(token)
	return out, !c.made, err
}

// InitSecContextWithOptions is InitSecContext; the options of AP-REQs are not
// for the caller to choose.
func (c *Client) InitSecContextWithOptions(target string, token []byte, options []int) ([]byte, bool, error) {
	if len(options) != 0 {
		return nil, false, errors.New("options of an AP-REQ are not supported")
	}
	return c.InitSecContext(target, token)
}

// NegotiateSaslAuth answers the server's offer of layers.
func (c *Client) NegotiateSaslAuth(token []byte, authzID string) ([]byte, error) {
	if !c.made || c.finished {
		return nil, ErrState
	}
	c.finished = true
	ctx := c.exchange.Context()
	message, _, err := ctx.Unwrap(token)
	if err != nil {
		return nil, err
	}
	o, err := parseOffer(message)
	if err != nil || o.authzID != "" || len(authzID) > maxAuthzID {
		return nil, ErrDefective
	}
	if o.layers&c.config.Layer == 0 {
		return nil, ErrLayer
	}
	answer := offer{layers: c.config.Layer, authzID: authzID}
	if c.config.Layer != None {
		answer.longest = buffer(c.config.Buffer)
		l := newLayer(ctx, c.config.Layer, answer.longest, o.longest)
		if l.chunk == 0 {
			return nil, ErrDefective
		}
		c.layer = l
	}
	return ctx.Wrap(answer.encode(), false)
}

// DeleteSecContext leaves the context alone: the layer needs it.
func (c *Client) DeleteSecContext() error { return nil }

// Step takes what the server sent, nil at first, and returns what to send.
func (c *Client) Step(target string, in []byte) (out []byte, done bool, err error) {
	if !c.made {
		out, _, err = c.InitSecContext(target, in)
		if err == nil && c.made && c.config.Mechanism == GSSSPNEGO {
			c.imply()
			return out, true, nil
		}
		return out, false, err
	}
	out, err = c.NegotiateSaslAuth(in, "")
	return out, err == nil, err
}

// imply sets the layer that the context's flags asked for.
func (c *Client) imply() {
	c.finished = true
	if c.config.Layer != None {
		n := buffer(c.config.Buffer)
		c.layer = newLayer(c.exchange.Context(), c.config.Layer, n, n)
	}
}

// Layer is the security layer that follows the server's last message, nil if
// there is none.
func (c *Client) Layer() *Layer { return c.layer }
