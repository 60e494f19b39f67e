package application

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
)

func TestEachCheckHasItsCode(t *testing.T) {
	b := newBench(t)
	good := b.token(b.good())
	parts := strings.Split(good, ".")
	none, err := jose.Unsigned(b.good())
	if err != nil {
		t.Fatal(err)
	}
	// Key confusion: the public key as a shared secret.
	confused, err := jose.SignHS256(someKeys()[0].N.Bytes(), jose.Header{KeyID: "k0"}, b.good())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token string
		status      int
		code        string
	}{
		{"good", good, 200, ""},
		{"aud is the bare id", b.token(b.with(m{"aud": clientID})), 200, ""},
		{"more scopes", b.token(b.with(m{"scp": "a user_impersonation b"})), 200, ""},
		{"no token at all", "x", 401, "token_malformed"},
		{"claims that are no object", b.token([]string{"x"}), 401, "token_malformed"},
		{"a number as name", b.token(b.with(m{"upn": 7})), 401, "token_malformed"},
		{"endless", strings.Repeat("a", 200<<10), 401, "token_malformed"},
		{"algorithm none", none, 401, "token_algorithm"},
		{"key confusion", confused, 401, "token_algorithm"},
		{"unknown key", b.sign(someKeys()[1], "k1", b.good()), 401, "token_key"},
		{"no key id", b.sign(someKeys()[0], "", b.good()), 401, "token_key"},
		{"key id of a path", b.sign(someKeys()[0], "../k0\x00", b.good()), 401, "token_key"},
		{"another's signature", b.sign(someKeys()[1], "k0", b.good()), 401, "token_signature"},
		{"changed claims", parts[0] + "." + strings.Split(b.token(b.with(m{"upn": "admin@contoso.com"})), ".")[1] + "." + parts[2], 401, "token_signature"},
		{"another issuer", b.token(b.with(m{"iss": "https://evil.example/"})), 401, "token_issuer"},
		{"the v2 issuer", b.token(b.with(m{"iss": issuer2})), 401, "token_issuer"},
		{"another tenant", b.token(b.with(m{"tid": clientID})), 401, "token_tenant"},
		{"for Graph", b.token(b.with(m{"aud": oauth.ResourceGraph})), 401, "token_audience"},
		{"for nobody", b.token(b.with(m{"aud": ""})), 401, "token_audience"},
		{"without an end", b.token(b.with(m{"exp": 0})), 401, "token_expired"},
		{"without a scope", b.token(b.with(m{"scp": ""})), 403, "token_scope"},
		{"another scope", b.token(b.with(m{"scp": "user_impersonation2"})), 403, "token_scope"},
	} {
		b.expect(c.name, b.present(c.token), c.status, c.code)
	}
	b.expect("two headers", b.get("/", "Authorization", "Bearer "+good, "Authorization", "Bearer "+good), 401, "token_malformed")
	b.expect("another scheme", b.get("/", "Authorization", "Basic x"), 401, "token_malformed")
	b.expect("token in the query", b.get("/?access_token="+good), 401, "token_missing")

	// A token's time is lab time, five minutes wide.
	for _, c := range []struct {
		at   time.Duration
		code string
	}{{-5*time.Minute - time.Second, "token_early"}, {-5 * time.Minute, ""}, {time.Hour + 4*time.Minute + 59*time.Second, ""}, {time.Hour + 5*time.Minute, "token_expired"}} {
		began := b.now
		b.now = began.Add(c.at)
		status := http.StatusUnauthorized
		if c.code == "" {
			status = http.StatusOK
		}
		b.expect(c.at.String(), b.present(good), status, c.code)
		b.now = began
	}
}

func TestAnswers(t *testing.T) {
	b := newBench(t)
	w := b.present(b.token(b.good()))
	var v visitor
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.User != "alice@contoso.com" || v.Device != "d-1" || !v.MFA || v.Claims["tid"] != tenantID {
		t.Errorf("%v: %s", err, w.Body)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Content-Type": "application/json; charset=utf-8", "Referrer-Policy": "no-referrer"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	w = b.get("/")
	if h := w.Header().Get("WWW-Authenticate"); w.Code != 401 || strings.Contains(h, "error=") ||
		!strings.Contains(h, `authorization_uri="https://`+loginHost+`/`+tenantID+`/oauth2/authorize"`) || !strings.Contains(h, `resource_id="api://`+clientID+`"`) {
		t.Errorf("%d %s", w.Code, h)
	}
	if h := b.present("x").Header().Get("WWW-Authenticate"); !strings.Contains(h, `error="invalid_token"`) {
		t.Error(h)
	}
	if w := b.get("/elsewhere"); w.Code != http.StatusNotFound {
		t.Errorf("another path: %d", w.Code)
	}
	r := httptest.NewRequest(http.MethodPost, "https://"+b.app.Host+"/", strings.NewReader("x"))
	post := httptest.NewRecorder()
	if b.ServeHTTP(post, r); post.Code != http.StatusMethodNotAllowed || post.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", post.Code)
	}
}

func TestKeysAreAskedForSeldom(t *testing.T) {
	b := newBench(t)
	b.expect("first", b.present(b.token(b.good())), 200, "")
	if b.tenant.asked != 1 {
		t.Fatalf("asked %d times", b.tenant.asked)
	}
	for n := range 50 {
		b.present(b.sign(someKeys()[1], fmt.Sprint(n), b.good()))
	}
	b.now = b.now.Add(trustRefresh - time.Second)
	b.present(b.sign(someKeys()[1], "k1", b.good()))
	if b.tenant.asked != 1 {
		t.Errorf("unknown keys made the application ask %d times", b.tenant.asked)
	}
	// The tenant rolls its keys.
	b.tenant.published = map[string]*rsa.PrivateKey{"k1": someKeys()[1]}
	b.now = b.now.Add(time.Second)
	b.expect("new key", b.present(b.sign(someKeys()[1], "k1", b.good())), 200, "")
	b.expect("old key", b.present(b.token(b.good())), 401, "token_key")
	if b.tenant.asked != 2 {
		t.Errorf("asked %d times", b.tenant.asked)
	}
	b.now = b.now.Add(trustLife)
	b.expect("a day later", b.present(b.sign(someKeys()[1], "k1", b.good())), 200, "")
	if b.tenant.asked != 3 {
		t.Errorf("asked %d times", b.tenant.asked)
	}
	// Many at once cost one question.
	fresh := newBench(t)
	fresh.env.Emit = nil
	token := fresh.token(fresh.good())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { fresh.present(token) })
	}
	wg.Wait()
	if fresh.tenant.asked != 1 {
		t.Errorf("eight at once asked %d times", fresh.tenant.asked)
	}
}

func TestTenantThatCannotBeTrustedOrReached(t *testing.T) {
	b := newBench(t)
	token := b.token(b.good())
	b.tenant.jwksAt = "https://evil.example/keys"
	b.expect("keys elsewhere", b.present(token), 503, "keys_unavailable")
	b.tenant.jwksAt, b.tenant.down = "", true
	b.expect("tenant is down", b.present(token), 503, "keys_unavailable")
	if w := b.get("/", "Accept", "text/html"); w.Code != 503 || w.Header().Get("Location") != "" {
		t.Errorf("browser, tenant is down: %d", w.Code)
	}
	b.tenant.down = false
	b.expect("tenant is up again", b.present(token), 200, "")
	b.cae, b.tenant.evaluation = true, 500
	b.expect("it cannot say", b.present(token), 503, "evaluation_unavailable")
}

func TestContinuousAccessEvaluation(t *testing.T) {
	b := newBench(t)
	token := b.token(b.good())
	b.tenant.standing = oauth.Introspection{Code: oauth.FreshTokenNeeded, Sentence: "The grant has expired."}
	b.expect("not asked for", b.present(token), 200, "")
	b.cae = true
	for code, want := range map[oauth.Code]string{oauth.FreshTokenNeeded: "token_revoked", oauth.UserDisabled: "user_disabled", oauth.DeviceDisabled: "device_disabled", oauth.GrantInvalid: "token_revoked"} {
		b.tenant.standing.Code = code
		w := b.present(token)
		b.expect(want, w, 401, want)
		h := w.Header().Get("WWW-Authenticate")
		text := regexp.MustCompile(`claims="([^"]+)"`).FindStringSubmatch(h)
		if text == nil || !strings.Contains(h, `error="insufficient_claims"`) {
			t.Fatal(h)
		}
		raw, err := base64.StdEncoding.DecodeString(text[1])
		if want := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, b.now.Unix()); err != nil || string(raw) != want {
			t.Errorf("challenge %s, %v", raw, err)
		}
	}
	b.tenant.standing = oauth.Introspection{Active: true}
	b.expect("stands", b.present(token), 200, "")
}

// browser begins a sign-in and returns what the tenant is asked, and the cookie.
func (b *bench) browser() (url.Values, *http.Cookie) {
	b.t.Helper()
	w := b.get("/", "Accept", "text/html,application/xhtml+xml;q=0.9")
	at, err := url.Parse(w.Header().Get("Location"))
	cookies := w.Result().Cookies()
	if err != nil || w.Code != http.StatusFound || at.Host != loginHost || len(cookies) != 1 {
		b.t.Fatalf("%d %v %v", w.Code, at, err)
	}
	return at.Query(), cookies[0]
}

func TestBrowserSignIn(t *testing.T) {
	b := newBench(t)
	asked, cookie := b.browser()
	if cookie.Name != "__Host-signin" || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
		t.Errorf("cookie %+v", cookie)
	}
	for name, want := range map[string]string{"response_type": "code", "client_id": clientID, "redirect_uri": "https://" + b.app.Host + "/signin", "scope": "openid profile api://" + clientID + "/user_impersonation", "code_challenge_method": "S256"} {
		if asked.Get(name) != want {
			t.Errorf("%s=%s", name, asked.Get(name))
		}
	}
	if _, other := b.browser(); asked.Get("state") == "" || asked.Get("nonce") == asked.Get("state") || cookie.Value == other.Value || strings.Contains(cookie.Value, asked.Get("nonce")) {
		t.Error("state, nonce or cookie repeat")
	}
	id := b.with(m{"iss": issuer2, "aud": clientID, "nonce": asked.Get("nonce"), "name": "<script>alert(1)</script>"})
	access := b.good()
	access["name"] = "<script>alert(1)</script>"
	b.tenant.tokens = func(form url.Values) oauth.TokenResponse {
		if oauth.Challenge(form.Get("code_verifier")) != asked.Get("code_challenge") || form.Get("code") != "c1" {
			t.Errorf("redeemed %v", form)
		}
		return oauth.TokenResponse{IDToken: b.token(id), AccessToken: b.token(access)}
	}
	back := func(query string, with *http.Cookie) *httptest.ResponseRecorder {
		if with == nil {
			return b.get("/signin?" + query)
		}
		return b.get("/signin?"+query, "Cookie", with.Name+"="+with.Value)
	}
	ok := "code=c1&state=" + asked.Get("state")
	w := back(ok, cookie)
	body := w.Body.String()
	if w.Code != 200 || !strings.Contains(body, "alice@contoso.com") || strings.Contains(body, "<script>") || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("%d %s", w.Code, body)
	}
	if gone := w.Result().Cookies(); len(gone) != 1 || gone[0].MaxAge >= 0 {
		t.Errorf("the cookie stays: %+v", gone)
	}
	_, other := b.browser()
	forged := *cookie
	forged.Value = forged.Value[:len(forged.Value)-2] + "AA"
	refusedWith := func(name string, w *httptest.ResponseRecorder, status int, code string) {
		t.Helper()
		if body := w.Body.String(); w.Code != status || !strings.Contains(body, "<code>"+code+"</code>") || strings.Contains(body, "<script>") || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
	}
	refusedWith("no cookie", back(ok, nil), 400, "sign_in_unknown")
	refusedWith("forged cookie", back(ok, &forged), 400, "sign_in_unknown")
	refusedWith("short cookie", back(ok, &http.Cookie{Name: cookieName, Value: "AAAA"}), 400, "sign_in_unknown")
	refusedWith("another's cookie", back(ok, other), 400, "state_mismatch")
	refusedWith("no state", back("code=c1", cookie), 400, "state_mismatch")
	refusedWith("state twice", back(ok+"&state="+asked.Get("state"), cookie), 400, "state_mismatch")
	refusedWith("no code", back("state="+asked.Get("state"), cookie), 400, "code_missing")
	refusedWith("the tenant says no", back("error=access_denied&error_description=AADSTS53003%3A+%3Cscript%3E&state="+asked.Get("state"), cookie), 403, "sign_in_refused")
	id["nonce"] = "another"
	refusedWith("nonce of another sign-in", back(ok, cookie), 401, "nonce_mismatch")
	id["nonce"] = asked.Get("nonce")
	id["aud"] = "someone"
	refusedWith("id token of another client", back(ok, cookie), 401, "token_audience")
	id["aud"] = clientID
	id["iss"] = issuer
	refusedWith("id token of the other endpoint", back(ok, cookie), 401, "token_issuer")
	id["iss"] = issuer2
	id["oid"] = "o-2"
	refusedWith("tokens of two users", back(ok, cookie), 401, "subject_mismatch")
	id["oid"] = "o-1"
	b.now = b.now.Add(pendingLife)
	refusedWith("too late", back(ok, cookie), 400, "sign_in_unknown")
	// Nothing leads a browser elsewhere.
	for _, path := range []string{"/signin?redirect=https://evil.example", "/?next=//evil.example", "//evil.example/"} {
		if at := b.get(path, "Accept", "text/html").Header().Get("Location"); at != "" && !strings.HasPrefix(at, "https://"+loginHost+"/") {
			t.Errorf("%s leads to %s", path, at)
		}
	}
}

func FuzzPresent(f *testing.F) {
	f.Add("Bearer a.b.c", "text/html", "state=x&code=y")
	f.Add("bearer ", "", "error=x&error_description=AADSTS99999999999")
	f.Fuzz(func(t *testing.T, authorization, accept, query string) {
		b := newBench(t)
		r := httptest.NewRequest(http.MethodGet, "https://"+b.app.Host+"/", nil)
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		if b.ServeHTTP(w, r); w.Code == http.StatusOK {
			t.Fatalf("%q is let in", authorization)
		}
		r = httptest.NewRequest(http.MethodGet, "https://"+b.app.Host+callbackPath, nil)
		r.URL.RawQuery = query
		w = httptest.NewRecorder()
		if b.ServeHTTP(w, r); w.Code == http.StatusOK {
			t.Fatalf("%q ends a sign-in", query)
		}
	})
}
