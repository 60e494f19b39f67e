package inspect

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/providers/entra"
	"hellolab/providers/wire/cng"
)

var update = flag.Bool("update", false, "write the golden texts of testdata anew")

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func keysOf(t testing.TB, names ...string) (keys []Key) {
	t.Helper()
	for _, name := range names {
		more, err := ParseKeys(read(t, name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		keys = append(keys, more...)
	}
	return keys
}

func sessionKey(t testing.TB) []byte {
	t.Helper()
	key, err := ParseSessionKey(read(t, "session.key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func reads(t testing.TB, n *Node) string {
	t.Helper()
	var b bytes.Buffer
	if err := Text(&b, n, view.Style{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func mustInspect(t testing.TB, data []byte, o Options) *Node {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = now
	}
	n, err := Inspect(data, o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestGolden: what people read of each format.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		golden, input string
		format        string // the decoder that is to know it
		keys          []string
		session       bool
	}{
		{"ca", "ca.pem", "certificate", nil, false},
		{"device", "device.pem", "certificate", []string{"ca.pem"}, false},
		{"aik", "aik.pem", "certificate", nil, false},
		{"ek", "ek.pem", "certificate", []string{"ca.pem"}, false},
		{"hello", "hello.cng", "cng", nil, false},
		{"assertion", "assertion.jwt", "jwt", nil, false},
		{"assertion-verified", "assertion.jwt", "jwt", []string{"hello.cng"}, false},
		{"assertion-wrong", "assertion.jwt", "jwt", []string{"device.pem"}, false},
		{"device-request", "device-request.jwt", "jwt", nil, false},
		{"device-request-verified", "device-request.jwt", "jwt", []string{"ca.pem", "hello.cng"}, false},
		{"password-request", "password-request.jwt", "jwt", nil, false},
		{"access", "access.jwt", "jwt", []string{"ca.pem"}, false},
		{"session-request", "session-request.jwt", "jwt", nil, false},
		{"cookie", "cookie.txt", "jwt", nil, true},
		{"prt", "prt.txt", "token", nil, false},
		{"refresh", "refresh.txt", "token", nil, false},
		{"cloud-token", "cloud-token.txt", "token", nil, false},
		{"reply-sealed", "reply-cbc.jwe", "jwe", nil, false},
		{"reply-cbc", "reply-cbc.jwe", "jwe", nil, true},
		{"reply-gcm", "reply-gcm.jwe", "jwe", []string{"ca.pem"}, true},
		{"session-key", "session-key.jwe", "jwe", nil, true},
		{"request", "request.pem", "csr", nil, false},
		{"jwks", "jwks.json", "jwks", nil, false},
		{"private-jwk", "private-jwk.json", "jwks", nil, false},
		{"openid", "openid.json", "json", nil, false},
		{"nonce", "nonce.txt", "nonce", nil, false},
		{"statement", "statement.b64", "attestation", []string{"aik.pem"}, false},
		{"public", "public.b64", "public", nil, false},
		{"key-credential", "key-credential.hex", "keycredential", nil, false},
		{"key-credential-dn", "key-credential-dn.txt", "keycredential", nil, false},
		{"key-credential-weak", "key-credential-weak.hex", "keycredential", nil, false},
		{"key-request", "key-request.json", "keyrequest", nil, false},
		{"key-request-wrong", "key-request-wrong.json", "keyrequest", nil, false},
		{"kdc", "kdc.pem", "certificate", []string{"issuing.pem"}, false},
		{"crl", "crl.pem", "crl", []string{"issuing.pem"}, false},
		{"crl-unverified", "crl.pem", "crl", []string{"ca.pem"}, false},
		{"delta", "delta.b64", "crl", nil, false},
		{"agent-request", "agent-request.b64", "cms", []string{"issuing.pem"}, false},
		{"full-response", "full-response.b64", "cms", []string{"issuing.pem"}, false},
		{"enveloped", "enveloped.b64", "cms", nil, false},
	} {
		t.Run(c.golden, func(t *testing.T) {
			o := Options{Keys: keysOf(t, c.keys...)}
			if c.session {
				o.SessionKey = sessionKey(t)
			}
			golden(t, c.golden, c.input, c.format, o)
		})
	}
}

// golden compares what people read of an input with the text in testdata, and
// looks for secrets in it and in the JSON.
func golden(t *testing.T, name, input, format string, o Options, secrets ...string) {
	t.Helper()
	n := mustInspect(t, read(t, input), o)
	if n.Type != format {
		t.Errorf("decoded as %s, want %s", n.Type, format)
	}
	got := reads(t, n)
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", name+".golden"), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, name+".golden")); got != want {
		t.Errorf("reads\n%s\nwant\n%s", got, want)
	}
	secrets = append(secrets, material...)
	clean(t, got, secrets...)
	var b bytes.Buffer
	if err := view.WriteIndentedJSON(&b, n); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("JSON: %v", err)
	}
	clean(t, b.String(), secrets...)
}

// material are the secrets in testdata; a fuzzer may write them anywhere, so
// it does not look for them.
var material = []string{"Marker horse", "TWFya2VyIGhvcnNl"}

// clean demands that no secret of the material and nothing that a terminal
// obeys is in a text.
func clean(t testing.TB, s string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(s, secret) {
			t.Errorf("a secret is shown: %s", secret)
		}
	}
	for _, r := range s {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%U is shown as it is", r)
		}
	}
}

// TestForms: the same certificate in each form that files have.
func TestForms(t *testing.T) {
	block, _ := pem.Decode(read(t, "device.pem"))
	der := block.Bytes
	std := base64.StdEncoding.EncodeToString(der)
	var wrapped strings.Builder
	for i := 0; i < len(std); i += 64 {
		wrapped.WriteString("  " + std[i:min(i+64, len(std))] + "\r\n")
	}
	for name, data := range map[string][]byte{
		"binary": der, "base64": []byte(std), "base64url": []byte(base64.RawURLEncoding.EncodeToString(der)),
		"wrapped": []byte(wrapped.String()), "quoted": []byte(`"` + std + `"`), "byte order mark": append([]byte("\uFEFF"), std...),
		"in JSON": []byte(`{"Certificate":{"RawBody":"` + std + `"}}`), "text around PEM": append([]byte("subject=x\n"), read(t, "device.pem")...),
	} {
		if got := reads(t, mustInspect(t, data, Options{})); !strings.Contains(got, "device id: 10200000-0000-0000-0000-000000000001") {
			t.Errorf("%s: %s", name, got)
		}
	}
	two := append(bytes.Clone(der), der...)
	if got := reads(t, mustInspect(t, two, Options{})); strings.Count(got, "device id:") != 2 {
		t.Errorf("two certificates: %s", got)
	}
}

// TestCarriers: a token as it is copied from a header, a cookie or a form.
func TestCarriers(t *testing.T) {
	token := strings.TrimSpace(string(read(t, "assertion.jwt")))
	for _, text := range []string{
		token, "Authorization: Bearer " + token, "bearer " + token, "x-ms-RefreshTokenCredential: " + token,
		"Cookie: buid=1.AAAA; x-ms-RefreshTokenCredential1=" + token + "; other=2", "X-MS-DeviceCredential=" + token + "; secure", "request=" + token,
	} {
		if n := mustInspect(t, []byte(text), Options{}); n.Type != "jwt" {
			t.Errorf("%.60q is a %s", text, n.Type)
		}
	}
}

// TestPrivateKeys: named, never shown, and refused to verify with.
func TestPrivateKeys(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	file = append(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})...)
	file = append(file, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("sealed")})...)
	jwk, _ := json.Marshal(map[string]string{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB", "d": base64.RawURLEncoding.EncodeToString(key.D.Bytes())})
	for name, data := range map[string][]byte{
		"PEM": file, "DER": pkcs8, "base64": []byte(base64.StdEncoding.EncodeToString(pkcs8)), "JWK": jwk,
		"JSON": []byte(`{"key":"` + base64.StdEncoding.EncodeToString(pkcs8) + `","session_key":"secret of the session"}`),
		"CNG":  append([]byte("RSA2"), cng.MarshalRSAPublic(&key.PublicKey)...),
	} {
		n := mustInspect(t, data, Options{})
		shown, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		got := reads(t, n) + string(shown)
		if !strings.Contains(got, "not shown") {
			t.Errorf("%s: %s", name, got)
		}
		for _, secret := range []string{key.D.Text(16), key.Primes[0].Text(16), base64.RawURLEncoding.EncodeToString(key.D.Bytes())[:40], base64.StdEncoding.EncodeToString(pkcs8)[60:100], "secret of"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: the key is shown", name)
			}
		}
	}
	if _, err := ParseKeys(file); err == nil || !strings.Contains(err.Error(), "private key") {
		t.Errorf("verify with a private key: %v", err)
	}
}

// TestUnrecognized: what nobody knows is an error that lists who was asked and
// why each said no.
func TestUnrecognized(t *testing.T) {
	for input, want := range map[string]struct {
		err    string // of the whole
		name   string
		reason string // of that decoder
	}{
		"hello":                            {"no known format", "jwt", "it has 1 parts"},
		"a.b.c":                            {"no known format", "jwt", "first part is no JSON object"},
		"\x00\x01\x02":                     {"no known format", "pem", "no -----BEGIN"},
		"{\"a\":1,\"a\":2}":                {"malformed", "json", "given twice"},
		"{":                                {"malformed", "json", "malformed JSON"},
		"S0FEUwI=":                         {"malformed attestation", "attestation", "header"},
		"UlNBMQ==":                         {"malformed cng", "cng", "magic"},
		"-----BEGIN CERTIFICATE----":       {"malformed pem", "pem", "no block"},
		"eyJhbGciOiJSUzI1NiJ9.W10.AA":      {"malformed jwt", "jwt", "no JSON object"},
		"eyJhbGciOiJSUzI1NiJ9.e30.A===":    {"malformed jwt", "jwt", "signature"},
		"eyJlbmMiOiJBMjU2R0NNIn0.!.!.!.!":  {"malformed jwe", "jwe", "five parts in base64url"},
		strings.Repeat("[", 100) + "1":     {"malformed", "json", "nested deeper"},
		"0.AAAA.BBBB":                      {"no known format", "token", "no base64url of an identifier"},
		"MAMCAQE=":                         {"no known format", "certificate", "no certificate"},
		strings.Repeat("A", 41) + "\u202e": {"no known format", "nonce", "42 bytes"},
	} {
		_, err := Inspect([]byte(input), Options{Now: now})
		var u *Unrecognized
		if !errors.As(err, &u) || !strings.Contains(err.Error(), want.err) || len(u.Tried) != len(Decoders()) {
			t.Errorf("%.40q: %v", input, err)
			continue
		}
		for k, a := range u.Tried {
			if a.Name != Decoders()[k].Name || a.Reason == "" {
				t.Errorf("%.40q: attempt %d is %+v", input, k, a)
			}
			if a.Name == want.name && !strings.Contains(a.Reason, want.reason) {
				t.Errorf("%.40q: %s says %q", input, a.Name, a.Reason)
			}
		}
	}
	// -type asks one alone.
	_, err := Inspect(read(t, "device.pem"), Options{Type: "jwt"})
	var u *Unrecognized
	if !errors.As(err, &u) || len(u.Tried) != 1 || u.Tried[0].Name != "jwt" {
		t.Errorf("forced: %v", err)
	}
	if _, err := Inspect([]byte("x"), Options{Type: "x"}); err == nil {
		t.Error("an unknown format is asked")
	}
	if _, err := Inspect(make([]byte, MaxInput+1), Options{}); err == nil {
		t.Error("the input is not bounded")
	}
}

// TestVerdictsFollowTheKey: a changed token verifies with nothing, and its
// claims are labelled so.
func TestVerdictsFollowTheKey(t *testing.T) {
	for name, o := range map[string]Options{
		"assertion.jwt":       {Keys: keysOf(t, "hello.cng")},
		"session-request.jwt": {SessionKey: sessionKey(t)},
	} {
		good := strings.TrimSpace(string(read(t, name)))
		if got := reads(t, mustInspect(t, []byte(good), o)); !strings.Contains(got, "signature: verified with") || strings.Contains(got, "claims: (not verified)") {
			t.Errorf("%s: %s", name, got)
		}
		head, rest, _ := strings.Cut(good, ".")
		payload, sig, _ := strings.Cut(rest, ".")
		claims, err := base64.RawURLEncoding.DecodeString(payload)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(claims, []byte(`:"nonce"`), []byte(`:"nonse"`), 1)
		if bytes.Equal(changed, claims) {
			t.Fatal("nothing was changed")
		}
		bad := head + "." + base64.RawURLEncoding.EncodeToString(changed) + "." + sig
		if got := reads(t, mustInspect(t, []byte(bad), o)); !strings.Contains(got, "signature: does not verify with") || !strings.Contains(got, "claims: (not verified)") {
			t.Errorf("%s, changed: %s", name, got)
		}
	}
}

// TestOpen: a sealed token opens only by what the lab's owner gives.
func TestOpen(t *testing.T) {
	prt := read(t, "prt.txt")
	claims := &entra.TokenClaims{UPN: "alice@contoso.com", UserID: "u1", DeviceID: "d1", AMR: []string{"rsa", "mfa"}, AuthTime: now, Expires: now, SessionKeyBorn: now, IssuedAt: now}
	for name, c := range map[string]struct {
		open func(string) (*entra.TokenClaims, error)
		want string
	}{
		"opens":   {func(string) (*entra.TokenClaims, error) { return claims, nil }, "device id: d1"},
		"foreign": {func(string) (*entra.TokenClaims, error) { return nil, entra.ErrToken }, "claims: sealed: does not verify as a token of this lab"},
		"broken":  {func(string) (*entra.TokenClaims, error) { return nil, errors.New("disk gone") }, "the lab cannot be asked: disk gone"},
	} {
		if got := reads(t, mustInspect(t, prt, Options{Open: c.open})); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestBounds: things inside things end somewhere, and so does their number.
func TestBounds(t *testing.T) {
	nested := `{"a":"x"}`
	for range 12 {
		nested = `{"t":"eyJhbGciOiJub25lIn0.` + base64.RawURLEncoding.EncodeToString([]byte(nested)) + `."}`
	}
	got := reads(t, mustInspect(t, []byte(nested), Options{}))
	if n := strings.Count(got, "Signed token"); n != maxDepth {
		t.Errorf("%d tokens inside each other, want %d", n, maxDepth)
	}
	one := `"eyJhbGciOiJub25lIn0.` + base64.RawURLEncoding.EncodeToString([]byte(`{"a":"a long enough value"}`)) + `."`
	many := "[" + strings.Repeat(one+",", 2*maxInside) + one + "]"
	got = reads(t, mustInspect(t, []byte(many), Options{}))
	if n := strings.Count(got, "Signed token"); n != maxInside {
		t.Errorf("%d tokens side by side, want %d", n, maxInside)
	}
}

// TestUnreadableParts: what is inside and broken is said to be, with the reason.
func TestUnreadableParts(t *testing.T) {
	for _, c := range map[string]struct{ input, want string }{
		"PEM":                {"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n", "(5 bytes that cannot be read: no certificate: "},
		"x5c":                {"eyJhbGciOiJSUzI1NiIsIng1YyI6Ik1BTUNBUUU9In0.e30.AA", "(5 bytes that cannot be read: no certificate: "},
		"statement":          {`{"kngc":"UlNBMQ==","attestation":{"statement":"S0FEUw==","aik_certificates":["MAMCAQE="]}}`, "statement: (4 bytes that cannot be read: "},
		"key of a request":   {`{"kngc":"UlNBMQ=="}`, "kngc: (4 bytes that cannot be read: "},
		"chain of a request": {`{"kngc":"","attestation":{"statement":"","aik_certificates":["MAMCAQE="]}}`, "(5 bytes that cannot be read: "},
	} {
		holds(t, reads(t, mustInspect(t, []byte(c.input), Options{})), c.want)
	}
}

// TestNamesInTheTable: formats have names of their own, and PEM labels lead to
// formats that are there.
func TestNamesInTheTable(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range Decoders() {
		if seen[d.Name] || d.What == "" || d.Sign == "" {
			t.Errorf("row %q", d.Name)
		}
		seen[d.Name] = true
	}
	for label, name := range blocks {
		if !seen[name] {
			t.Errorf("PEM label %s leads to %q", label, name)
		}
	}
}
