package entra

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sealed"
	"hellolab/providers/wire/web"
)

// maxSkew is how far ahead of the tenant's clock a peer's may be.
const maxSkew = 5 * time.Minute

// server is one tenant answering. What it knows is in the section; it holds
// only what is fixed while it is open.
type server struct {
	env      providers.Env
	log      *slog.Logger
	cfg      config
	home     hosts // in issuers of access tokens, whatever host a request came to
	signIn   hosts // in issuers of id tokens, and of the documents that announce them
	hosts    hosts // that endpoints are named on
	keys     *keys
	tenant   guid.GUID
	seal     *sealed.Sealer
	nonceKey []byte
	guessKey []byte

	domains *atomic.Pointer[[]string] // verified; fewer once one is deleted by force

	subjectKey []byte
	frontKey   []byte // of nonces made before it was known for which tenant; see front
}

func newServer(env providers.Env, cfg config, ring *keyRing) (*server, error) {
	tenant, err := guid.Parse(cfg.TenantID)
	if err != nil {
		return nil, fmt.Errorf("tenant id: %w", err)
	}
	at := hostsOf(cfg.Label)
	if env.Rand == nil {
		env.Rand = rand.Reader
	}
	s := &server{env: env, log: env.Log, cfg: cfg, home: at, signIn: at, hosts: at, tenant: tenant, seal: newSealer(tenant, ring.Seal, env.Rand), domains: &atomic.Pointer[[]string]{}}
	s.domains.Store(&cfg.Domains)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.nonceKey, s.guessKey, s.subjectKey = s.seal.Key(purposeNonce), s.seal.Key(purposeGuess), s.seal.Key(purposeSubject)
	s.keys, err = ring.load(env.Now(), s.issuer(oauth.V1))
	return s, err
}

// issuer is what access tokens carry, at every name that they can be got at:
// each resource of the lab knows one.
func (s *server) issuer(v oauth.Version) string { return s.issuerAt(s.home, v) }

// signInIssuer is what id tokens carry. They are for the client, which compares
// it with the document of the name that it asks.
func (s *server) signInIssuer(v oauth.Version) string { return s.issuerAt(s.signIn, v) }

func (s *server) issuerAt(at hosts, v oauth.Version) string {
	if v == oauth.V2 {
		return "https://" + at.login + "/" + s.cfg.TenantID + "/v2.0"
	}
	return "https://" + at.sts + "/" + s.cfg.TenantID + "/"
}

// ServeHTTP hands a request to the service of its host.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	switch host {
	case s.hosts.login, s.hosts.sts:
		s.serveLogin(w, r)
	case s.hosts.drs:
		s.serveDRS(w, r)
	case s.hosts.graph:
		s.serveGraph(w, r)
	default:
		http.Error(w, "unknown host", http.StatusMisdirectedRequest)
	}
}

// segments splits a path, case folded, without empty parts: clients differ in
// letter case and in trailing slashes.
func segments(path string) []string {
	return strings.FieldsFunc(strings.ToLower(path), func(r rune) bool { return r == '/' })
}

// knowsTenant says whether a path segment names this tenant.
func (s *server) knowsTenant(segment string) bool {
	return segment == "common" || segment == "organizations" || segment == s.cfg.TenantID || slices.Contains(*s.domains.Load(), segment)
}

// emit tells what was decided.
func (s *server) emit(ctx context.Context, e event.Event) {
	e.At = s.env.Now()
	e.Correlation = web.Correlation(ctx)
	e.Protocol = "HTTPS"
	s.env.Emit.Emit(e)
}

// step is emit for a step that succeeded.
func (s *server) step(ctx context.Context, actor, peer event.Actor, step, text string, message map[string]any) {
	s.emit(ctx, event.Event{Actor: actor, Peer: peer, Step: step, Text: text, Message: message})
}

// refused tells of a refusal.
func (s *server) refused(ctx context.Context, actor event.Actor, step string, reason event.Reason) {
	s.emit(ctx, event.Event{Actor: actor, Step: step, Text: reason.Sentence, Outcome: event.Refused, Reason: &reason})
}

// traceID names one reply. Randomness that fails leaves the nil GUID: a
// refusal still goes out.
func (s *server) traceID() string {
	id, _ := guid.New(s.env.Rand)
	return id.String()
}

func reply(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the peer is gone when this fails
}

const (
	typeJSON = "application/json; charset=utf-8"
	typeHTML = "text/html; charset=utf-8"
	typeJOSE = "application/jose; charset=utf-8"
)

// oauthError makes any error one of the token service's. What is no refusal is
// logged, and says nothing outside.
func (s *server) oauthError(ctx context.Context, err error) *oauth.Error {
	var refusal *oauth.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	s.log.ErrorContext(ctx, "token service failed", "error", err, "correlation", web.Correlation(ctx))
	return oauth.NewError(oauth.InternalError)
}

// refuseToken answers a refusal of the token service and tells of it.
func (s *server) refuseToken(w http.ResponseWriter, r *http.Request, v oauth.Version, step string, err error) {
	e := s.oauthError(r.Context(), err)
	s.refused(r.Context(), event.EntraID, step, event.Reason{Code: e.Code.ID(), Name: e.Name, Sentence: e.Sentence, Hint: e.Hint})
	s.sendRefusal(w, r, v, e)
}

func (s *server) sendRefusal(w http.ResponseWriter, r *http.Request, v oauth.Version, e *oauth.Error) {
	trace := s.traceID()
	w.Header().Set(oauth.HeaderRequestID, trace)
	reply(w, e.Status, typeJSON, e.Encode(v, s.hosts.login, trace, web.Correlation(r.Context()), s.env.Now()))
}

// drsRefusal makes a refusal of the registration service.
func drsRefusal(t drs.ErrorType, status int, subcode, hint, sentence string, args ...any) *drs.Error {
	return &drs.Error{Type: t, Status: status, Subcode: subcode, Hint: hint, Sentence: fmt.Sprintf(sentence, args...)}
}

// refuseDRS answers a refusal of the registration service and tells of it.
func (s *server) refuseDRS(w http.ResponseWriter, r *http.Request, step string, err error) {
	var e *drs.Error
	if !errors.As(err, &e) {
		s.log.ErrorContext(r.Context(), "registration service failed", "error", err, "correlation", web.Correlation(r.Context()))
		e = drsRefusal(drs.UnknownError, http.StatusInternalServerError, "internal", "Try again; the log has the cause.", "The service could not complete the request.")
	}
	s.refused(r.Context(), event.DRS, step, event.Reason{Code: string(e.Type), Name: e.Subcode, Sentence: e.Sentence, Hint: e.Hint})
	trace := s.traceID()
	w.Header().Set("request-id", trace)
	reply(w, e.Status, typeJSON, e.Encode(trace, s.env.Now()))
}

// refuseGraph answers a refusal of Graph and tells of it.
func (s *server) refuseGraph(w http.ResponseWriter, r *http.Request, err error) {
	var e *graph.Error
	if !errors.As(err, &e) {
		s.log.ErrorContext(r.Context(), "graph failed", "error", err, "correlation", web.Correlation(r.Context()))
		e = &graph.Error{Code: graph.CodeInternal, Status: http.StatusInternalServerError, Sentence: "The service could not complete the request."}
	}
	// Asking for what is not there is an ordinary answer, not a decision.
	if e.Status != http.StatusNotFound {
		s.refused(r.Context(), event.Graph, "graph_refused", event.Reason{Code: e.Code, Sentence: e.Sentence})
	}
	reply(w, e.Status, typeJSON, e.Encode(s.traceID(), web.Correlation(r.Context()), s.env.Now()))
}
