package prt

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/jose"
)

func vector(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/vectors/" + name)
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordedDerivations(t *testing.T) {
	seed.Proves(t, "PRT-12")
	var v struct {
		Vectors []struct {
			Step       string
			SessionKey string `json:"session_key_hex"`
			KDFVersion int    `json:"kdf_ver"`
			Ctx        []byte `json:"ctx_b64"`
			KDFContext string `json:"kdf_context_hex"`
			Derived    string `json:"derived_key_hex"`
			JWT        string
		}
	}
	vector(t, "session-key-kdf.json", &v)
	if len(v.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, vec := range v.Vectors {
		t.Run(vec.Step, func(t *testing.T) {
			tok, err := jose.Parse(vec.JWT)
			if err != nil {
				t.Fatal(err)
			}
			kdfContext, err := KDFContext(vec.KDFVersion, vec.Ctx, tok.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(kdfContext); got != vec.KDFContext {
				t.Errorf("context %s, want %s", got, vec.KDFContext)
			}
			key := unhex(t, vec.SessionKey)
			derived, err := Key(key)(kdfContext)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(derived); got != vec.Derived {
				t.Errorf("key %s, want %s", got, vec.Derived)
			}
			if err := VerifyRequest(tok, Key(key)); err != nil {
				t.Errorf("recorded request: %v", err)
			}
			var r Request
			if err := tok.Claims(&r); err != nil {
				t.Errorf("claims: %v", err)
			}
		})
	}
}

func TestRecordedCloudExchange(t *testing.T) {
	var v struct {
		PEM           string `json:"transport_private_key_pkcs1_pem"`
		SessionKeyJWE string `json:"session_key_jwe"`
		SessionKey    string `json:"session_key_hex"`
		Response      string `json:"response_jwe"`
		Derived       string `json:"derived_key_hex"`
		Plaintext     string `json:"response_plaintext"`
	}
	vector(t, "prt-renewal-response-cbc.json", &v)
	block, _ := pem.Decode([]byte(v.PEM))
	if block == nil {
		t.Fatal("no PEM")
	}
	transport, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := EncryptedSessionKey(v.SessionKeyJWE)
	if err != nil {
		t.Fatal(err)
	}
	sessionKey, err := rsa.DecryptOAEP(sha1.New(), nil, transport, wrapped, nil)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(sessionKey) != v.SessionKey {
		t.Fatal("unwrapped another session key")
	}
	if err := CheckSessionKey(v.SessionKeyJWE, sessionKey); err != nil {
		t.Errorf("tag of the recorded session key: %v", err)
	}
	j, err := parseJWE(v.Response)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := parseContext(j.header.Context)
	if err != nil {
		t.Fatal(err)
	}
	derived, err := Key(sessionKey)(ctx)
	if err != nil || hex.EncodeToString(derived) != v.Derived {
		t.Errorf("derived %x, %v", derived, err)
	}
	plain, err := OpenResponse(v.Response, Key(sessionKey))
	if err != nil {
		t.Fatal(err)
	}
	if string(plain) != v.Plaintext {
		t.Error("clear text differs from the record")
	}
}

func TestSessionKeyOpensWithItsTransportKeyOnly(t *testing.T) {
	seed.Proves(t, "PRT-11")
	transport, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := random(t, SessionKeySize)
	s, err := WrapSessionKey(rand.Reader, &transport.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(s, ".")
	if raw, _ := base64.RawURLEncoding.DecodeString(header); string(raw) != sessionKeyHeader {
		t.Errorf("header %s", raw)
	}
	wrapped, err := EncryptedSessionKey(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := rsa.DecryptOAEP(sha1.New(), nil, transport, wrapped, nil)
	if err != nil || !bytes.Equal(got, key) {
		t.Errorf("unwrapped %x, %v", got, err)
	}
	if err := CheckSessionKey(s, got); err != nil {
		t.Error(err)
	}
	if err := CheckSessionKey(s, random(t, SessionKeySize)); !errors.Is(err, ErrDecrypt) {
		t.Errorf("another session key: %v", err)
	}
	if _, err := rsa.DecryptOAEP(sha1.New(), nil, other, wrapped, nil); err == nil {
		t.Error("another transport key opens it")
	}
}

// Fault 54: another key, another context, another payload.
func TestRequestsVerifyOnlyWithTheirKeyAndSalt(t *testing.T) {
	seed.Proves(t, "PRT-13")
	key := random(t, SessionKeySize)
	ctx := random(t, ContextSize)
	s, err := SignRequest(Key(key), ctx, Request{GrantType: "refresh_token", RefreshToken: "0.A.x", Resource: "urn:r", RequestNonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := jose.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyRequest(tok, Key(key)); err != nil {
		t.Fatal(err)
	}
	if err := VerifyRequest(tok, Key(random(t, SessionKeySize))); !errors.Is(err, jose.ErrSignature) {
		t.Errorf("another session key: %v", err)
	}

	// Signed with Ksk itself instead of the derived key.
	direct, err := jose.SignHS256(key, tok.Header, json.RawMessage(tok.Payload))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*jose.Token){
		"empty salt":   func(t *jose.Token) { t.Header.Context = "" },
		"short salt":   func(t *jose.Token) { t.Header.Context = "AAAA" },
		"swapped salt": func(t *jose.Token) { t.Header.Context = base64.StdEncoding.EncodeToString(ctx[1:]) },
		"version 1":    func(t *jose.Token) { t.Header.KDFVersion = KDFv1 },
		"version 3":    func(t *jose.Token) { t.Header.KDFVersion = 3 },
		"payload":      func(t *jose.Token) { t.Payload = append(bytes.Clone(t.Payload), ' ') },
	} {
		tok, err := jose.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		change(tok)
		if VerifyRequest(tok, Key(key)) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	tok, err = jose.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyRequest(tok, Key(key)); !errors.Is(err, jose.ErrSignature) {
		t.Errorf("signed with the session key itself: %v", err)
	}
}

func TestResponses(t *testing.T) {
	seed.Proves(t, "PRT-15")
	key := random(t, SessionKeySize)
	ctx := random(t, ContextSize)
	for _, enc := range []Encryption{CBC, GCM, Session} {
		for size := range 40 {
			plain := bytes.Repeat([]byte{'{'}, size)
			s, err := SealResponse(rand.Reader, Key(key), ctx, plain, enc)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := ParseMessage(s); err != nil || (m.KeyID == SessionKeyID) != (enc == Session) {
				t.Fatalf("encryption %d: %+v, %v", enc, m, err)
			}
			got, err := OpenResponse(s, Key(key))
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("encryption %d, %d bytes: %q, %v", enc, size, got, err)
			}
			if got, err := OpenResponse(s, Key(random(t, SessionKeySize))); err == nil && bytes.Equal(got, plain) {
				t.Errorf("encryption %d: opens with another session key", enc)
			}
		}
	}
}

func TestChangedResponseIsRefused(t *testing.T) {
	key := random(t, SessionKeySize)
	s, err := SealResponse(rand.Reader, Key(key), random(t, ContextSize), []byte(`{"access_token":"x"}`), GCM)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(s, ".")
	for i := range parts {
		for at := range parts[i] {
			changed := []byte(parts[i])
			if changed[at] == 'A' {
				changed[at] = 'B'
			} else {
				changed[at] = 'A'
			}
			other := append([]string{}, parts...)
			other[i] = string(changed)
			got, err := OpenResponse(strings.Join(other, "."), Key(key))
			if err == nil {
				t.Fatalf("part %d changed at %d: opened to %q", i, at, got)
			}
		}
	}
}

// Fault 44, compression and password-based keys, and of fault 45 what its header
// gives away: all is refused before anything is unpacked or derived.
func TestForeignJWE(t *testing.T) {
	key := random(t, SessionKeySize)
	enc := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, s := range map[string]string{
		"empty":       "",
		"four parts":  "a.b.c.d",
		"compressed":  enc(`{"alg":"dir","enc":"A256GCM","zip":"DEF","ctx":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`) + "..AAAA.AAAA.AAAA",
		"PBES2":       enc(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":2147483647}`) + "..AAAA.AAAA.AAAA",
		"RSA1_5":      enc(`{"alg":"RSA1_5","enc":"A256GCM"}`) + ".AAAA.AAAA.AAAA.AAAA",
		"wrapped key": enc(`{"alg":"dir","enc":"A256GCM","ctx":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`) + ".AAAA.AAAA.AAAA.AAAA",
		"huge":        strings.Repeat("A", maxJWE+1),
	} {
		if _, err := OpenResponse(s, Key(key)); !errors.Is(err, ErrDecrypt) {
			t.Errorf("%s: response: %v", name, err)
		}
		if _, err := EncryptedSessionKey(s); !errors.Is(err, ErrDecrypt) {
			t.Errorf("%s: session key: %v", name, err)
		}
	}
}

func TestTimesAsText(t *testing.T) {
	var r Request
	if err := json.Unmarshal([]byte(`{"iat":"1700000000","exp":1700000600}`), &r); err != nil || r.IssuedAt != 1700000000 || r.Expires != 1700000600 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{`{"iat":1.5}`, `{"iat":"x"}`, `{"iat":1e40}`, `{"iat":null}`} {
		if err := json.Unmarshal([]byte(bad), &r); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}

func FuzzOpenResponse(f *testing.F) {
	key := bytes.Repeat([]byte{7}, SessionKeySize)
	for _, enc := range []Encryption{CBC, GCM} {
		s, err := SealResponse(rand.Reader, Key(key), make([]byte, ContextSize), []byte(`{"a":1}`), enc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, _ = OpenResponse(s, Key(key))
		_, _ = ParseMessage(s)
		_, _ = EncryptedSessionKey(s)
		_ = CheckSessionKey(s, key)
	})
}

func FuzzVerifyRequest(f *testing.F) {
	key := bytes.Repeat([]byte{7}, SessionKeySize)
	s, err := SignRequest(Key(key), make([]byte, ContextSize), Request{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s)
	other := Key(bytes.Repeat([]byte{8}, SessionKeySize))
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := jose.Parse(s)
		if err != nil {
			return
		}
		if VerifyRequest(tok, other) == nil {
			t.Fatal("verified with another key")
		}
		var r Request
		_ = tok.Claims(&r)
	})
}

func TestFlag(t *testing.T) {
	for text, want := range map[string]bool{`{"tgt":true}`: true, `{"tgt":"True"}`: true, `{"tgt":"false"}`: false, `{}`: false} {
		var r Request
		if err := json.Unmarshal([]byte(text), &r); err != nil || bool(r.TGT) != want {
			t.Errorf("%s: %v, %v", text, r.TGT, err)
		}
	}
	for _, text := range []string{`{"tgt":1}`, `{"tgt":"yes"}`, `{"tgt":{}}`} {
		if err := json.Unmarshal([]byte(text), &Request{}); err == nil {
			t.Errorf("%s is read", text)
		}
	}
	if b, err := json.Marshal(Request{}); err != nil || bytes.Contains(b, []byte("tgt")) {
		t.Errorf("%s, %v", b, err)
	}
}
