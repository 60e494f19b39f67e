package adfs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adfs/edrs"
	"hellolab/providers/event"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/sealed"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/wstrust"
)

// maxReplays bounds the authenticators that are remembered.
const maxReplays = 1 << 14

// server is one federation service answering. What it knows is in the section;
// it holds only what is fixed while it is open.
type server struct {
	env     providers.Env
	log     *slog.Logger
	set     *settings
	keys    signers
	seal    *sealed.Sealer
	replays *krb.ReplayCache
	self    *krb.ReplayCache // of the service's own sign-ins to itself
	parts
}

func open(ctx context.Context, env providers.Env, o object) (providers.Service, error) {
	s, err := newServer(env)
	if err != nil {
		return nil, err
	}
	all := hosts(o)
	cert, err := web.Certificate(ctx, env, all)
	if err != nil {
		return nil, err
	}
	return web.Serve(ctx, env, all, cert, s)
}

func newServer(env providers.Env) (*server, error) {
	set, err := loadSettings(env)
	if err != nil {
		return nil, err
	}
	ring, err := loadKeys(env)
	if err != nil {
		return nil, err
	}
	s := &server{env: env, log: env.Log, set: set, replays: krb.NewReplayCache(maxReplays), self: krb.NewReplayCache(maxReplays)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.env.Rand = randomness(env)
	s.seal = set.sealer(env)
	if s.keys, err = ring.load(); err != nil {
		return nil, err
	}
	s.assemble()
	return s, nil
}

// ServeHTTP hands a request to the part that answers its host and path.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	path := strings.ToLower(r.URL.Path)
	if host == s.set.Host && strings.HasPrefix(path, "/lab/") {
		s.administer(w, r)
		return
	}
	if !s.set.In.Enabled {
		// What Windows answers on the port of a service that does not run.
		http.Error(w, "Service Unavailable: the federation service does not run.", http.StatusServiceUnavailable)
		return
	}
	if s.registration != nil && edrs.Paths(path) {
		s.registration.ServeHTTP(w, r)
		return
	}
	if host != s.set.Host {
		http.NotFound(w, r)
		return
	}
	s.serve(w, r, strings.TrimSuffix(path, "/"))
}

// serve routes the token service's host. The path is in lower case, without a
// slash at its end.
func (s *server) serve(w http.ResponseWriter, r *http.Request, path string) {
	get, post := r.Method == http.MethodGet, r.Method == http.MethodPost
	switch {
	case path == adfs.PathConfiguration && get:
		web.WriteJSON(w, http.StatusOK, adfs.NewMetadata(s.set.Host, s.capabilities()...))
	case path == adfs.PathKeys && get:
		s.publishKeys(w)
	case path == adfs.PathAuthorize && get:
		s.authorize(w, r)
	case path == adfs.PathAuthorize && post:
		s.submitted(w, r)
	case path == adfs.PathToken && post:
		s.token(w, r)
	case path == adfs.PathDeviceCode && post:
		s.answer(w, r, s.deviceAuthorization)
	case path == adfs.PathDeviceAuth && (get || post):
		s.deviceAuth(w, r)
	case path == adfs.PathLogout && get:
		s.logout(w, r)
	case path == adfs.PathUserinfo && (get || post):
		s.userinfo(w, r)
	case path == adfs.PathPassive && (get || post):
		s.passive(w, r)
	case path == adfs.PathMEX && (get || post):
		s.exchange(w)
	case path == strings.ToLower(adfs.PathFederationMetadata) && get:
		s.describe(w, r)
	case path == adfs.PathUserNameMixed && post && s.set.passwords():
		s.trust(w, r, wstrust.Trust13, false)
	case path == adfs.PathUserNameMixed2005 && post && s.set.passwords():
		s.trust(w, r, wstrust.Trust2005, false)
	case path == adfs.PathWindowsTransport && post && s.set.adfs():
		s.trust(w, r, wstrust.Trust13, true)
	case path == adfs.PathWindowsTrans2005 && post && s.set.adfs():
		s.trust(w, r, wstrust.Trust2005, true)
	default:
		http.NotFound(w, r)
	}
}

// actor is the service in traces.
func (s *server) actor() event.Actor {
	if s.set.adfs() {
		return event.STS
	}
	return event.IdentityProvider
}

// emit tells what was decided.
func (s *server) emit(ctx context.Context, e event.Event) {
	e.At, e.Correlation = s.env.Now(), web.Correlation(ctx)
	if e.Protocol == "" {
		e.Protocol = "HTTPS"
	}
	if e.Actor == "" {
		e.Actor = s.actor()
	}
	s.env.Emit.Emit(e)
}

// step is emit for a step of the token service that succeeded. text goes on
// from the service's name.
func (s *server) step(ctx context.Context, peer event.Actor, step, text string, message map[string]any) {
	s.emit(ctx, event.Event{Peer: peer, Step: step, Text: string(s.actor()) + " " + text, Message: message})
}

// refused tells of a refusal.
func (s *server) refused(ctx context.Context, step string, e *adfs.Error) {
	s.emit(ctx, event.Event{Step: step, Text: e.Sentence, Outcome: event.Refused, Reason: reasonOf(e)})
}

func reasonOf(e *adfs.Error) *event.Reason {
	r := &event.Reason{Code: e.Code, Name: e.OAuth, Sentence: e.Sentence, Hint: e.Hint}
	if r.Code == "" {
		r.Code = e.OAuth
	}
	return r
}

// refusal makes any error one of the token service's. What is no refusal is
// logged, and says nothing outside.
func (s *server) refusal(ctx context.Context, err error) *adfs.Error {
	var e *adfs.Error
	if errors.As(err, &e) {
		return e
	}
	s.log.ErrorContext(ctx, "federation service failed", "error", err, "correlation", web.Correlation(ctx))
	return adfs.NewError(adfs.ServerError, adfs.CodeServerError, "An error occurred. The authorization server was not able to fulfill the request.").
		WithHint("Try again; the log has the cause.")
}

// Media types of replies.
const (
	typeJSON = "application/json; charset=utf-8"
	typeHTML = "text/html; charset=utf-8"
	typeXML  = "application/xml; charset=utf-8"
	typeSOAP = "application/soap+xml; charset=utf-8"
)

func reply(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the peer is gone when this fails
}
