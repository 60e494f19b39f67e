package sasl

import (
	"hellolab/providers/wire/gss"
)

// ServerConfig says how a server authenticates.
type ServerConfig struct {
	Mechanism string // GSSAPI or GSSSPNEGO
	Acceptor  *gss.Acceptor
	Layers    Layers // that are offered; under TLS usually None alone
	Buffer    int    // longest frame taken in bytes; 0 is DefaultBuffer
}

// Server is one exchange at a server. It is done when Step says so, and then
// knows the client.
type Server struct {
	config   ServerConfig
	exchange *gss.Acceptance
	state    int
	layer    *Layer
	authzID  string
}

const (
	making   = iota // the context
	pausing         // the client has the last token, and says nothing once
	offering        // the layers are offered
	finished
	failed
)

// NewServer begins an exchange.
func NewServer(c ServerConfig) *Server {
	return &Server{config: c, exchange: c.Acceptor.New()}
}

// Step takes what the client sent and returns what to answer. After an error
// the exchange is over; what is returned with it, if anything, tells the client
// why.
func (s *Server) Step(in []byte) (out []byte, done bool, err error) {
	switch s.state {
	case making:
		out, done, err = s.make(in)
	case pausing:
		if len(in) != 0 {
			err = ErrDefective
			break
		}
		out, err = s.offer()
	case offering:
		err = s.choose(in)
		done = err == nil
	default:
		return nil, false, ErrState
	}
	if done {
		s.state = finished
	}
	if err != nil {
		s.state, s.layer, done = failed, nil, false
	}
	return out, done, err
}

func (s *Server) make(in []byte) ([]byte, bool, error) {
	out, done, err := s.exchange.Step(in)
	if err != nil || !done {
		return out, false, err
	}
	if s.config.Mechanism == GSSSPNEGO {
		return out, true, s.implied()
	}
	if len(out) == 0 {
		out, err := s.offer()
		return out, false, err
	}
	s.state = pausing
	return out, false, nil
}

// implied is the layer that the context's flags ask for.
func (s *Server) implied() error {
	l := able(s.exchange.Context())
	switch {
	case l&Confidentiality != 0:
		l = Confidentiality
	case l&Integrity != 0:
		l = Integrity
	}
	if !l.one(s.config.Layers) {
		return ErrLayer
	}
	if l == None {
		return nil
	}
	n := buffer(s.config.Buffer)
	s.layer = newLayer(s.exchange.Context(), l, n, n)
	return nil
}

func (s *Server) offered() Layers { return s.config.Layers & able(s.exchange.Context()) }

func (s *Server) offer() ([]byte, error) {
	o := offer{layers: s.offered(), longest: buffer(s.config.Buffer)}
	if o.layers == 0 {
		return nil, ErrLayer
	}
	if o.layers == None {
		o.longest = 0
	}
	s.state = offering
	return s.exchange.Context().Wrap(o.encode(), false)
}

func (s *Server) choose(in []byte) error {
	message, _, err := s.exchange.Context().Unwrap(in)
	if err != nil {
		return err
	}
	o, err := parseOffer(message)
	if err != nil {
		return err
	}
	if !o.layers.one(s.offered()) {
		return ErrLayer
	}
	s.authzID = o.authzID
	if o.layers == None {
		return nil
	}
	l := newLayer(s.exchange.Context(), o.layers, buffer(s.config.Buffer), o.longest)
	if l.chunk == 0 {
		return ErrDefective // its frames have no room for anything
	}
	s.layer = l
	return nil
}

// Client is who authenticated, nil before the exchange is done.
func (s *Server) Client() *gss.Client {
	if s.state != finished {
		return nil
	}
	return s.exchange.Client()
}

// AuthzID is the authorization identity the client asks for, usually none.
func (s *Server) AuthzID() string { return s.authzID }

// Layer is the security layer that follows the server's last message, nil if
// there is none.
func (s *Server) Layer() *Layer { return s.layer }
