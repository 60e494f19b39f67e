package application

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// relyingParty is one application answering.
type relyingParty struct {
	env    providers.Env
	log    *slog.Logger
	app    spec.ApplicationOut
	tenant spec.TenantOut
	cae    bool
	http   *http.Client
	trust  *trust
	seal   cipher.AEAD // of the cookie that a browser keeps while it signs in
}

// open answers on the application's host. It asks its tenant nothing yet.
func open(ctx context.Context, env providers.Env, o object) (providers.Service, error) {
	t, err := administer.TenantOf(env, o.In.Tenant)
	if err != nil {
		return nil, err
	}
	p := &relyingParty{env: env, log: env.Log, app: o.Out, tenant: t.Out, cae: o.In.CAE, http: web.Client(env)}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.trust = &trust{now: env.Now, http: p.http, tenant: t.Out, log: p.log}
	// The key lives as long as the service: a sign-in that a restart cuts off
	// begins anew.
	key := make([]byte, 32)
	if _, err := io.ReadFull(env.Rand, key); err != nil {
		return nil, fmt.Errorf("key of sign-in cookies: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if p.seal, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	hosts := []string{o.Out.Host}
	cert, err := web.Certificate(ctx, env, hosts)
	if err != nil {
		return nil, err
	}
	s, err := web.Serve(ctx, env, hosts, cert, p)
	if err != nil {
		return nil, err
	}
	return service{s, p.http}, nil
}

// service closes the server, and then what it asked its tenant over.
type service struct {
	providers.Service
	http *http.Client
}

func (s service) Close() error {
	err := s.Service.Close()
	s.http.CloseIdleConnections()
	return err
}

// ServeHTTP answers the two paths there are.
func (p *relyingParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET is answered here.", http.StatusMethodNotAllowed)
		return
	}
	switch r.URL.Path {
	case "/":
		p.resource(w, r)
	case callbackPath:
		p.callback(w, r)
	default:
		http.NotFound(w, r)
	}
}

// resource is what the application protects: it says who came.
func (p *relyingParty) resource(w http.ResponseWriter, r *http.Request) {
	text, err := bearer(r)
	if errors.Is(err, errTokenMissing) && wantsPage(r) {
		p.beginSignIn(w, r)
		return
	}
	var c *claims
	if err == nil {
		c, err = p.admit(r.Context(), text)
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	p.admitted(r.Context(), c)
	web.WriteJSON(w, http.StatusOK, p.visitor(c))
}

// wantsPage says whether a browser asks: it names HTML before anything else
// that could be meant.
func wantsPage(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	media, _, _ := strings.Cut(first, ";")
	return strings.EqualFold(strings.TrimSpace(media), "text/html")
}

// bearer reads the token of a request (RFC 6750 2.1; the other two ways of that
// document leave tokens in logs, and are not read).
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	switch len(values) {
	case 0:
		return "", errTokenMissing
	case 1:
	default:
		return "", refusal("token_malformed", "The request has more than one Authorization header.")
	}
	scheme, text, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(text) == "" {
		return "", refusal("token_malformed", "The Authorization header holds no bearer token.")
	}
	return strings.TrimSpace(text), nil
}

// admit decides on an access token: by what it says, and then, where the
// application evaluates access continuously, by what its tenant says now.
func (p *relyingParty) admit(ctx context.Context, text string) (*claims, error) {
	c, err := p.accessToken(ctx, text)
	if err != nil || !p.cae {
		return c, err
	}
	return c, p.evaluate(ctx, text)
}

// visitor is the answer to who comes with a good token.
type visitor struct {
	User     string         `json:"user"`
	Name     string         `json:"name,omitempty"`
	ObjectID string         `json:"object_id"`
	Tenant   string         `json:"tenant_id"`
	Device   string         `json:"device,omitempty"` // its id, when the sign-in proved one
	AMR      []string       `json:"amr"`
	MFA      bool           `json:"mfa"`
	Client   string         `json:"client_id"`
	Expires  string         `json:"expires"`
	CAE      bool           `json:"continuous_access_evaluation"`
	Claims   map[string]any `json:"claims"`
}

func (p *relyingParty) visitor(c *claims) visitor {
	return visitor{User: c.UPN, Name: c.Name, ObjectID: c.ObjectID, Tenant: c.TenantID, Device: c.DeviceID, AMR: c.AMR, MFA: slices.Contains(c.AMR, oauth.AMRMFA),
		Client: c.AppID, Expires: time.Unix(c.Expires, 0).UTC().Format(time.RFC3339), CAE: p.cae, Claims: c.shown()}
}

// admitted tells that somebody was let in.
func (p *relyingParty) admitted(ctx context.Context, c *claims) {
	p.env.Emit.Emit(event.Event{At: p.env.Now(), Correlation: web.Correlation(ctx), Actor: event.Application, Protocol: "HTTPS", Step: "access_granted",
		Text: "The application verifies the access token and answers.", Message: c.shown()})
}

// refused tells of a refusal.
func (p *relyingParty) refused(ctx context.Context, e *refusalError) {
	p.env.Emit.Emit(event.Event{At: p.env.Now(), Correlation: web.Correlation(ctx), Actor: event.Application, Protocol: "HTTPS", Step: "access_refused",
		Text: e.sentence, Outcome: event.Refused, Reason: &event.Reason{Code: e.code, Sentence: e.sentence, Hint: e.hint}})
}
