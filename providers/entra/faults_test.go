package entra

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// raw makes a token of any header and payload, signed by one of the keys.
func (b *bench) raw(key int, header, payload string) string {
	b.t.Helper()
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	digest := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, someKeys()[key], crypto.SHA256, digest[:])
	b.must(err)
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// Faults 39 and 40: a header that brings its own key, or points at one, or names
// one in a way made to hurt, convinces nobody; only the service's own keys do.
func TestKeysFromOutside(t *testing.T) {
	b := newBench(t, attestation(attestOff))
	d, tokens := b.laptop()
	bearer := b.keyToken(d, tokens)
	claims, err := json.Marshal(claimsOf(t, bearer))
	b.must(err)
	kid := b.server().keys.current.kid()
	own := someKeys()[keyOther]
	jwk := fmt.Sprintf(`{"kty":"RSA","use":"sig","kid":%q,"n":%q,"e":"AQAB"}`, kid, base64.RawURLEncoding.EncodeToString(own.N.Bytes()))
	cert := base64.StdEncoding.EncodeToString(d.cert)
	began := len(b.Events())
	for name, header := range map[string]string{
		"jwk":         fmt.Sprintf(`{"alg":"RS256","kid":%q,"jwk":%s}`, kid, jwk),
		"jku":         fmt.Sprintf(`{"alg":"RS256","kid":%q,"jku":"https://evil.example/keys"}`, kid),
		"x5u":         fmt.Sprintf(`{"alg":"RS256","kid":%q,"x5u":"https://evil.example/cert"}`, kid),
		"x5c":         fmt.Sprintf(`{"alg":"RS256","kid":%q,"x5c":[%q]}`, kid, cert),
		"own kid":     `{"alg":"RS256","kid":"mine"}`,
		"no kid":      `{"alg":"RS256"}`,
		"path":        `{"alg":"RS256","kid":"../../keys"}`,
		"SQL":         `{"alg":"RS256","kid":"' OR '1'='1"}`,
		"NUL":         fmt.Sprintf(`{"alg":"RS256","kid":"%s\u0000"}`, kid),
		"kid of none": `{"alg":"RS256","kid":""}`,
	} {
		_, err := b.registerKey(b.raw(keyOther, header, string(claims)), drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&someKeys()[keyUser].PublicKey)})
		wantDRS(t, err, "token_signature")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	for _, e := range b.since(began) {
		if strings.Contains(fmt.Sprint(e), "evil.example") {
			t.Errorf("the header's address is told: %+v", e)
		}
	}
	if len(b.lookup(aliceUPN).HelloKeys) != 0 {
		t.Error("a key was registered")
	}
}

// Fault 41: a token of each wrong kind has its own code, and none opens another
// service's door.
func TestTokensOfAnother(t *testing.T) {
	b := newBench(t)
	other := benchOf(t, b.Env, "tenant.fabrikam", "fabrikam.com")
	tokens, err := b.signIn(interactive{client: oauth.ClientAzureCLI, redirect: "http://localhost", resource: oauth.ResourceGraph})
	b.must(err)
	foreign, err := other.signIn(interactive{upn: "alice@fabrikam.com"})
	b.must(err)
	refresh := func(client, token string) error {
		_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: client, RefreshToken: token, Resource: oauth.ResourceGraph})
		return err
	}
	want(t, refresh(oauth.ClientBroker, foreign.RefreshToken), oauth.GrantInvalid)
	want(t, refresh(oauth.ClientBroker, tokens.AccessToken), oauth.GrantInvalid)
	want(t, refresh("00000000-0000-0000-0000-00000000dead", tokens.RefreshToken), oauth.ApplicationNotFound)
	signed, err := oauth.ParseTokenResponse(b.send(b.form(b.login("/oauth2/v2.0/token"), oauth.TokenRequest{GrantType: oauth.GrantPassword,
		ClientID: oauth.ClientAzureCLI, Scope: "openid", Username: aliceUPN, Password: password}.Form())).Body)
	b.must(err)
	for token, subcode := range map[string]string{tokens.AccessToken: "token_audience", foreign.AccessToken: "token_signature",
		tokens.IDToken: "token_signature", signed.IDToken: "token_issuer"} { // bare, and signed for another use
		_, err := b.drsCall(b.http, http.MethodPost, drs.PathDevice, token, b.joinRequest(someKeys()[keyDevice], someKeys()[keyTransport]))
		wantDRS(t, err, subcode)
	}
	// A user's token is no administrator's.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+b.out.GraphHost+"/v1.0/users", nil)
	b.must(err)
	req.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	if reply := b.send(req); reply.Status != http.StatusForbidden {
		t.Errorf("a user lists users: %d", reply.Status)
	}
	// A code of another tenant is no code here (mix-up of issuers).
	code, err := other.code(interactive{upn: "alice@fabrikam.com"})
	b.must(err)
	_, err = b.redeem(code, interactive{})
	want(t, err, oauth.GrantInvalid)
}

// Fault 42: times that mean nothing, by the tenant's clock.
func TestTimesOfAssertions(t *testing.T) {
	b := newBench(t)
	d, user := b.enrolled()
	kid := ngc.KeyID(cng.MarshalRSAPublic(&user.PublicKey))
	for name, tt := range map[string]struct {
		times string // of iat and exp, as JSON
		code  oauth.Code
	}{
		"text":       {`"iat":"%d","exp":"%d"`, 0},
		"fractional": {`"iat":%d.5,"exp":%d`, oauth.RequestMalformed},
		"exponent":   {`"iat":%de0,"exp":%d`, oauth.RequestMalformed},
		"huge":       {`"iat":%d,"exp":9%d99999999999`, oauth.RequestMalformed},
		"negative":   {`"iat":%d,"exp":-%d`, oauth.GrantInvalid},
		"no times":   {`"x":%d,"y":%d`, oauth.GrantInvalid},
		"null":       {`"iat":%d,"exp":null,"y":%d`, oauth.RequestMalformed},
	} {
		n, now := b.nonce(), b.Now().Unix()
		payload := fmt.Sprintf(`{"iss":%q,"aud":"common","request_nonce":%q,`+tt.times+`}`, aliceUPN, n, now, now+300)
		a := b.raw(keyUser, fmt.Sprintf(`{"alg":"RS256","kid":%q,"use":"ngc"}`, kid), payload)
		_, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantJWTBearer, Assertion: a, RequestNonce: n})
		if want(t, err, tt.code); t.Failed() {
			t.Fatal(name)
		}
	}
}

// Fault 43: JSON and tokens made to hurt end in a refusal, quickly, and the
// service goes on.
func TestMessagesMadeToHurt(t *testing.T) {
	b := newBench(t, attestation(attestOff))
	d, tokens := b.laptop()
	bearer := b.keyToken(d, tokens)
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	post := func(target, bearer, contentType, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
		b.must(err)
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Authorization", "Bearer "+bearer)
		return b.send(req).Status
	}
	for name, body := range map[string]string{
		"deep":       deep[:200_000],
		"twice":      `{"kngc":"AA==","kngc":"AQ=="}`,
		"case":       `{"kngc":"AA==","KNGC":"AQ=="}`,
		"a list":     `[]`,
		"nothing":    ``,
		"half":       `{"kngc":"`,
		"trailing":   `{"kngc":"AA=="}{}`,
		"long":       `{"kngc":"` + strings.Repeat("A", 300_000) + `"}`,
		"not base64": `{"kngc":"%%%"}`,
	} {
		if status := post(b.drsURL(drs.PathKey+"?api-version=1.0"), bearer, "application/json", body); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	for name, token := range map[string]string{
		"dots":   strings.Repeat(".", 60_000),
		"header": base64.RawURLEncoding.EncodeToString([]byte(deep[:30_000])) + ".e30.eA",
	} {
		if status := post(b.drsURL(drs.PathKey), token, "application/json", "{}"); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
		_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: token})
		want(t, err, oauth.RequestMalformed)
	}
	big := b.form(b.login("/oauth2/token"), oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: strings.Repeat("A", 10<<20)}.Form())
	if reply, err := b.http.Do(big); err == nil {
		reply.Body.Close()
		if reply.StatusCode != http.StatusBadRequest && reply.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("a form of ten megabytes: %d", reply.StatusCode)
		}
	}
	_, err := b.registerKey(bearer, b.keyRequest(d, someKeys()[keyUser]))
	b.must(err)
}

// Fault 47: redirects and challenges that a stranger would like.
func TestRedirectTricks(t *testing.T) {
	b := newBench(t)
	for _, uri := range []string{
		"https://login.microsoftonline.com.evil.example/common/oauth2/nativeclient", "https://login.microsoftonline.com/common/oauth2/nativeclient/..",
		"https://login.microsoftonline.com/common/oauth2/nativeclient?x=1", "https://login.microsoftonline.com/common/oauth2/nativeclient#x",
		"https://evil.example@login.microsoftonline.com/common/oauth2/nativeclient", "HTTPS://LOGIN.MICROSOFTONLINE.COM/common/oauth2/nativeclient",
		"http://localhost.evil.example/", "http://localhost:80@evil.example/", "http://127.0.0.1.evil.example/", "http://[::1]@evil.example/", "http://127.1/", "http://2130706433/",
		"http://localhost/?x", "http://localhost/#x", "http://localhost/%2e%2e/x", "https://localhost/", "javascript:alert(1)", "//localhost/", "http:///", " http://localhost/", "http://localhost\\@evil.example/",
	} {
		_, err := b.code(interactive{client: oauth.ClientAzureCLI, redirect: "http://localhost", authorize: func(r *oauth.AuthorizeRequest) { r.RedirectURI = uri }})
		if want(t, err, oauth.RedirectMismatch); t.Failed() {
			t.Fatal(uri)
		}
	}
	for _, uri := range []string{"http://localhost", "http://localhost:1/", "http://127.0.0.1:65535", "http://[::1]:8080/"} {
		_, err := b.code(interactive{client: oauth.ClientAzureCLI, redirect: uri})
		if want(t, err, 0); t.Failed() {
			t.Fatal(uri)
		}
	}
	// A code that was asked for with a challenge is worth nothing without the
	// verifier, whoever says that there was none.
	code, err := b.code(interactive{client: oauth.ClientAzureCLI, redirect: "http://localhost"})
	b.must(err)
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: oauth.ClientAzureCLI, Code: code, RedirectURI: "http://localhost"})
	want(t, err, oauth.ChallengeMissing)
	_, err = b.code(interactive{authorize: func(r *oauth.AuthorizeRequest) { r.CodeChallengeMethod = "" }})
	want(t, err, oauth.ChallengeMissing)
}

// Fault 48: keys too weak to be one.
func TestWeakKeys(t *testing.T) {
	b := newBench(t, attestation(attestOff))
	d, tokens := b.laptop()
	bearer := b.keyToken(d, tokens)
	good := cng.MarshalRSAPublic(&someKeys()[keyUser].PublicKey)
	change := func(at int, with ...byte) []byte {
		blob := bytes.Clone(good)
		copy(blob[at:], with)
		return blob
	}
	even := bytes.Clone(good)
	even[len(even)-1] &^= 1
	short := cng.MarshalRSAPublic(&someKeys()[keyUser].PublicKey)
	short = append(append([]byte{}, short[:24]...), append([]byte{1, 0, 1}, new(big.Int).Rsh(someKeys()[keyUser].N, 1024).Bytes()...)...)
	copy(short[4:], []byte{0, 4, 0, 0}) // 1,024 bits
	copy(short[12:], []byte{128, 0, 0, 0})
	for name, blob := range map[string][]byte{
		"even exponent":   change(24, 1, 0, 2),
		"exponent one":    change(24, 0, 0, 1),
		"exponent zero":   change(24, 0, 0, 0),
		"even modulus":    even,
		"1,024 bits":      short,
		"wrong magic":     change(0, 'R', 'S', 'A', '2'),
		"length beyond":   change(12, 255, 255, 255, 255),
		"trailing":        append(bytes.Clone(good), 0),
		"truncated":       good[:len(good)-1],
		"length of lies":  change(4, 0, 4, 0, 0),
		"nothing but ten": good[:10],
	} {
		_, err := b.registerKey(bearer, drs.KeyRequest{PublicKey: blob})
		if wantDRS(t, err, "invalid_parameter"); t.Failed() {
			t.Fatal(name)
		}
	}
}
