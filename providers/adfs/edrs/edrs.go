// Package edrs is the Enterprise Device Registration Service of AD FS: it tells
// where to register (MS-DVRD), makes a domain's computers registered devices
// (MS-DVRJ), and writes users' Windows Hello for Business keys (MS-KPP). All of it
// stands in the domain's directory, which the service reads and writes by LDAP as
// the federation service's account; it keeps nothing itself.
//
//	CN=DeviceRegistrationService,…  issuer of device certificates, limits, where devices stand (Initialize)
//	CN=RegisteredDevices,…          devices, msDS-Device
//	users                           msDS-KeyCredentialLink
//
// Who asks is what an access token of the federation service says. The token's
// user decides whose key it is, whatever a body names.
package edrs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// Directory signs the service's account in to the domain. The caller closes the
// connection.
type Directory func(ctx context.Context) (*adldap.Conn, error)

// Verifier reads an access token for a resource: signed by the federation service,
// for that audience, in its life. What it refuses is an *adfs.Error.
type Verifier func(ctx context.Context, token, resource string) (*adfs.Claims, error)

// Sealer encrypts what is kept in the directory for the service alone.
type Sealer interface {
	Seal(purpose string, v any) (string, error)
	Open(purpose, text string, v any) error
}

// Service answers. Its zero values are not useful but for Log, MFA and Emit.
type Service struct {
	Host      string // of the federation service
	Directory Directory
	Verify    Verifier
	Seal      Sealer
	MFA       time.Duration // how long a second factor stays current
	Now       func() time.Time
	Rand      io.Reader
	Log       *slog.Logger // nil: nothing is logged
	Emit      event.Sink
}

// Paths says whether the service answers a path.
func Paths(path string) bool {
	return strings.HasPrefix(strings.ToLower(path), "/enrollmentserver/")
}

// ServeHTTP routes the service.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(strings.ToLower(r.URL.Path), "/")
	post := r.Method == http.MethodPost
	device, named := strings.CutPrefix(path, strings.ToLower(edrs.PathDevice))
	switch {
	case path == strings.ToLower(edrs.PathContract) && r.Method == http.MethodGet:
		s.contract(w, r)
	case path+"/" == strings.ToLower(edrs.PathDevice) && post:
		s.answer(w, r, "device_registration_refused", s.join)
	case named && !strings.Contains(device, "/") && r.Method == http.MethodDelete:
		s.answer(w, r, "device_removal_refused", func(w http.ResponseWriter, r *http.Request) error { return s.leave(w, r, device) })
	case path+"/" == strings.ToLower(edrs.PathKey) && post:
		s.registerKey(w, r)
	default:
		http.NotFound(w, r)
	}
}

// contract answers discovery (MS-DVRD 3.1.5.1.1.3).
func (s *Service) contract(w http.ResponseWriter, r *http.Request) {
	version, c := r.URL.Query().Get("api-version"), edrs.NewContract(s.Host)
	write, media := c.XML, edrs.TypeXML
	switch accept := r.Header.Values("Accept"); {
	case len(accept) == 0 || len(accept) == 1 && strings.EqualFold(accept[0], edrs.TypeXML):
	case len(accept) == 1 && strings.EqualFold(accept[0], edrs.TypeJSON):
		write, media = c.JSON, edrs.TypeJSON
	default:
		http.Error(w, "The contract is application/json or application/xml.", http.StatusNotAcceptable)
		return
	}
	body, err := write(version)
	if err != nil {
		http.Error(w, "The contract has the versions 1.0 and 1.2.", http.StatusBadRequest)
		return
	}
	s.step(r.Context(), event.Device, "contract_told", "The Enterprise DRS tells where to register, and the audience of the tokens it takes.", map[string]any{
		"api_version": version, "resource": edrs.Resource(s.Host), "join_endpoint": c.Join.URL, "key_endpoint": c.Key.URL})
	reply(w, http.StatusOK, media+"; charset=utf-8", body)
}

func reply(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the peer is gone when this fails
}

const typeJSON = "application/json; charset=utf-8"

// emit tells what was decided.
func (s *Service) emit(ctx context.Context, e event.Event) {
	e.At, e.Correlation, e.Actor = s.Now(), web.Correlation(ctx), event.EnterpriseDRS
	if e.Protocol == "" {
		e.Protocol = "HTTPS"
	}
	s.Emit.Emit(e)
}

func (s *Service) step(ctx context.Context, peer event.Actor, step, text string, message map[string]any) {
	s.emit(ctx, event.Event{Peer: peer, Step: step, Text: text, Message: message})
}

// ldapStep is step for what was asked of the directory, or written to it.
func (s *Service) ldapStep(ctx context.Context, step, text string, message map[string]any) {
	s.emit(ctx, event.Event{Peer: event.ActiveDirectory, Protocol: "LDAP", Step: step, Text: text, Message: message})
}

func (s *Service) logError(ctx context.Context, err error) {
	if s.Log != nil {
		s.Log.ErrorContext(ctx, "enterprise registration service failed", "error", err, "correlation", web.Correlation(ctx))
	}
}

// answer runs a handler of device registration, whose refusals are ErrorDetails.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, step string, handle func(http.ResponseWriter, *http.Request) error) {
	err := handle(w, r)
	if err == nil {
		return
	}
	var e *drs.Error
	if !errors.As(err, &e) {
		s.logError(r.Context(), err)
		e = refusal(drs.UnknownError, http.StatusInternalServerError, "internal", "Try again; the log has the cause.", "The service could not complete the request.")
	}
	s.emit(r.Context(), event.Event{Step: step, Text: e.Sentence, Outcome: event.Refused,
		Reason: &event.Reason{Code: string(e.Type), Name: e.Subcode, Sentence: e.Sentence, Hint: e.Hint}})
	trace := s.trace()
	w.Header().Set("request-id", trace)
	reply(w, e.Status, typeJSON, e.Encode(trace, s.Now()))
}

// trace names one reply. Randomness that fails leaves the nil GUID: a refusal
// still goes out.
func (s *Service) trace() string {
	id, _ := guid.New(s.Rand)
	return id.String()
}

func refusal(t drs.ErrorType, status int, subcode, hint, sentence string, args ...any) *drs.Error {
	return &drs.Error{Type: t, Status: status, Subcode: subcode, Hint: hint, Sentence: fmt.Sprintf(sentence, args...)}
}

func invalid(sentence string, args ...any) *drs.Error {
	return refusal(drs.InvalidParameter, http.StatusBadRequest, "invalid_parameter", "", sentence, args...)
}

// maxBody bounds the body of a request.
const maxBody = 256 << 10

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("the body is too long")
	}
	return body, err
}

// bearer reads the access token of a request.
func (s *Service) bearer(r *http.Request) (*adfs.Claims, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, adfs.NewError(adfs.InvalidToken, "", "The request carries no access token.").WithHint("Get a token for " + edrs.Resource(s.Host) + ".")
	}
	return s.Verify(r.Context(), token, edrs.Resource(s.Host))
}

// correlate echoes a client's id when it asks for that (MS-KPP 3.1.5.1.1).
func correlate(w http.ResponseWriter, r *http.Request) string {
	id := r.Header.Get(oauth.HeaderCorrelation)
	if strings.EqualFold(r.Header.Get(oauth.HeaderReturnCorrelation), "true") && id != "" {
		w.Header().Set(oauth.HeaderCorrelation, id)
	}
	return id
}
