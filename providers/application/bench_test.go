package application

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
)

const (
	loginHost = "login.contoso-com.entra.test"
	tenantID  = "11111111-2222-3333-4444-555555555555"
	clientID  = "aaaaaaaa-2222-3333-4444-555555555555"
	issuer    = "https://sts.contoso-com.entra.test/" + tenantID + "/" // of access tokens
	issuer2   = "https://" + loginHost + "/" + tenantID + "/v2.0"      // of id tokens
)

var someKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return keys
})

// fakeTenant answers what a tenant publishes, and can lie.
type fakeTenant struct {
	mu         sync.Mutex
	published  map[string]*rsa.PrivateKey
	asked      int // for keys
	down       bool
	jwksAt     string
	standing   oauth.Introspection
	evaluation int // status of introspection
	tokens     func(url.Values) oauth.TokenResponse
}

func (f *fakeTenant) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down || r.URL.Host != loginHost {
		return nil, errors.New("no such host")
	}
	base := "https://" + loginHost + "/" + tenantID
	var v any
	status := http.StatusOK
	switch strings.TrimPrefix(r.URL.Path, "/"+tenantID) {
	case "/.well-known/openid-configuration", "/v2.0/.well-known/openid-configuration":
		m := oauth.Metadata{Issuer: issuer, AuthorizationEndpoint: base + "/oauth2/authorize", TokenEndpoint: base + "/oauth2/token", IntrospectionEndpoint: base + "/oauth2/introspect", JWKSURI: base + "/keys"}
		if strings.Contains(r.URL.Path, "/v2.0/") {
			m.Issuer = issuer2
		}
		if f.jwksAt != "" {
			m.JWKSURI = f.jwksAt
		}
		v = m
	case "/keys":
		f.asked++
		var set oauth.JWKS
		for kid, key := range f.published {
			set.Keys = append(set.Keys, oauth.JWK{KeyType: "RSA", Use: "sig", KeyID: kid, N: base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
				E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())})
		}
		v = set
	case "/oauth2/introspect":
		v, status = f.standing, max(f.evaluation, http.StatusOK)
	case "/oauth2/token":
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		v = f.tokens(form)
	default:
		status = http.StatusNotFound
	}
	data, err := json.Marshal(v)
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(data)), Request: r}, err
}

type bench struct {
	*relyingParty
	t      *testing.T
	tenant *fakeTenant
	now    time.Time
	events []event.Event
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		tenant: &fakeTenant{published: map[string]*rsa.PrivateKey{"k0": someKeys()[0]}, standing: oauth.Introspection{Active: true}}}
	clock := func() time.Time { return b.now }
	out := spec.TenantOut{TenantID: tenantID, LoginHost: loginHost}
	client := &http.Client{Transport: b.tenant}
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	b.relyingParty = &relyingParty{
		env: providers.Env{Now: clock, Rand: rand.Reader, Emit: func(e event.Event) { b.events = append(b.events, e) }}, log: slog.New(slog.DiscardHandler),
		app:    spec.ApplicationOut{ClientID: clientID, Resource: "api://" + clientID, Host: "portal.contoso-com.apps.test"},
		tenant: out, http: client, trust: &trust{now: clock, http: client, tenant: out, log: slog.New(slog.DiscardHandler)}, seal: seal,
	}
	return b
}

type m = map[string]any

// good are the claims of a token that is let in.
func (b *bench) good() m {
	return m{"aud": "api://" + clientID, "iss": issuer, "iat": b.now.Unix(), "nbf": b.now.Unix(), "exp": b.now.Add(time.Hour).Unix(), "amr": []string{"rsa", "mfa"},
		"appid": clientID, "deviceid": "d-1", "oid": "o-1", "scp": "user_impersonation", "tid": tenantID, "upn": "alice@contoso.com", "name": "Alice"}
}

func (b *bench) with(change m) m {
	c := b.good()
	maps.Copy(c, change)
	return c
}

func (b *bench) sign(key crypto.Signer, kid string, claims any) string {
	b.t.Helper()
	s, err := jose.SignRS256(key, jose.Header{KeyID: kid}, claims)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) token(claims any) string { return b.sign(someKeys()[0], "k0", claims) }

func (b *bench) get(path string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://"+b.app.Host+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func (b *bench) present(token string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.get("/", "Authorization", "Bearer "+token)
}

// expect checks the code of an answer, "" for being let in, and that the event
// says the same.
func (b *bench) expect(what string, w *httptest.ResponseRecorder, status int, code string) reply {
	b.t.Helper()
	var r reply
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		b.t.Fatalf("%s: %v: %s", what, err, w.Body)
	}
	if w.Code != status || r.Code != code {
		b.t.Errorf("%s: %d %s", what, w.Code, w.Body)
	}
	last := b.events[len(b.events)-1]
	if code != "" && (last.Outcome != event.Refused || last.Reason.Code != code) || code == "" && last.Step != "access_granted" {
		b.t.Errorf("%s: event %+v", what, last)
	}
	return r
}
