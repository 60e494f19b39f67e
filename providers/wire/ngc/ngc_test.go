package ngc

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"

	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/jose"
)

func TestRecordedAssertion(t *testing.T) {
	data, err := os.ReadFile("../../../../shared/vectors/hello-key-and-assertion.json")
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	var v struct {
		Blob      []byte `json:"kngc_base64"`
		KeyID     string `json:"kid_base64_sha256_of_blob"`
		Assertion string `json:"assertion_jwt"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if got := KeyID(v.Blob); got != v.KeyID {
		t.Errorf("key id %s, want %s", got, v.KeyID)
	}
	a, err := ParseAssertion(v.Assertion)
	if err != nil {
		t.Fatal(err)
	}
	if a.KeyID != v.KeyID || a.Claims.Issuer != "user@lab.test" || a.Claims.Audience != "common" || a.Claims.IssuedAt != 1795249174 {
		t.Errorf("read %+v", a)
	}
	pub, err := cng.ParseRSAPublic(v.Blob)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Token.VerifyRS256(pub); err != nil {
		t.Error(err)
	}
}

func TestAssertionForms(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := Claims{Issuer: "alice@contoso.com", Audience: "common", IssuedAt: 1, Expires: 2, RequestNonce: "n", Scope: "openid aza ugs"}
	s, err := SignAssertion(key, "kid", c)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseAssertion(s)
	if err != nil || a.Claims != c || a.KeyID != "kid" || a.Token.VerifyRS256(&key.PublicKey) != nil {
		t.Errorf("read back %+v, %v", a, err)
	}
	for name, h := range map[string]jose.Header{
		"no use":  {KeyID: "kid"},
		"no kid":  {Use: Use},
		"use sig": {KeyID: "kid", Use: "sig"},
	} {
		s, err := jose.SignRS256(key, h, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseAssertion(s); !errors.Is(err, ErrAssertion) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStatementRoundTrip(t *testing.T) {
	s := Statement{Attest: []byte("attest"), Signature: bytes.Repeat([]byte{1}, 256), Public: []byte("public")}
	b := s.Marshal()
	got, err := ParseStatement(b)
	if err != nil || !reflect.DeepEqual(*got, s) {
		t.Fatalf("read back %+v, %v", got, err)
	}
	// With the wrapped private part that Windows' own statements carry.
	private := []byte("private")
	full := append(bytes.Clone(b), private...)
	blob := kadsHeader + len(s.Attest) + len(s.Signature)
	binary.LittleEndian.PutUint32(full[20:], uint32(pcpHeader+len(s.Public)+len(private)))
	binary.LittleEndian.PutUint32(full[blob+20:], uint32(len(private)))
	got, err = ParseStatement(full)
	if err != nil || !bytes.Equal(got.Public, s.Public) {
		t.Errorf("with private part: %+v, %v", got, err)
	}
	for at := range b {
		if _, err := ParseStatement(b[:at]); !errors.Is(err, ErrStatement) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
	for _, at := range []int{0, 4, 8, 12, 16, 20, blob, blob + 4, blob + 8, blob + 16} {
		bad := bytes.Clone(b)
		bad[at] ^= 0x80
		if _, err := ParseStatement(bad); !errors.Is(err, ErrStatement) {
			t.Errorf("changed at %d: %v", at, err)
		}
	}
}

func FuzzParseStatement(f *testing.F) {
	f.Add(Statement{Attest: []byte("a"), Signature: []byte("s"), Public: []byte("p")}.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseStatement(b)
		if err != nil {
			return
		}
		again, err := ParseStatement(s.Marshal())
		if err != nil || !bytes.Equal(again.Public, s.Public) || !bytes.Equal(again.Attest, s.Attest) {
			t.Fatalf("does not survive a round trip: %v", err)
		}
	})
}

func FuzzParseAssertion(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6ImsiLCJ1c2UiOiJuZ2MifQ.eyJpc3MiOiJhIn0.AAAA")
	f.Add("eyJhbGciOiJSUzI1NiIsIng1YyI6IkFBQUEifQ.eyJpc3MiOiJhIn0.AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := ParseAssertion(s); err == nil && (a.KeyID == "" || a.Certificate != nil) {
			t.Fatal("an assertion without a key")
		}
		if a, err := ParseUserAssertion(s); err == nil && (a.KeyID == "") == (a.Certificate == nil) {
			t.Fatal("an assertion by neither key nor certificate, or by both")
		}
	})
}

// An assertion is by a Hello key or by a certificate, never by both, and who takes
// keys alone takes no certificate.
func TestByCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(h jose.Header) string {
		text, err := jose.SignRS256(key, h, Claims{Issuer: "alice@contoso.com"})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	text, err := SignByCertificate(key, []byte("der"), Claims{Issuer: "alice@contoso.com"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseUserAssertion(text)
	if err != nil || a.KeyID != "" || string(a.Certificate) != "der" || a.Claims.Issuer != "alice@contoso.com" || a.Token.VerifyRS256(&key.PublicKey) != nil {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := ParseAssertion(text); !errors.Is(err, ErrAssertion) {
		t.Errorf("as one by a key: %v", err)
	}
	for name, h := range map[string]jose.Header{
		"both":        {KeyID: "a2V5", Use: Use, X5C: jose.Chain{[]byte("der")}},
		"with a kid":  {KeyID: "a2V5", X5C: jose.Chain{[]byte("der")}},
		"with a use":  {Use: Use, X5C: jose.Chain{[]byte("der")}},
		"empty":       {X5C: jose.Chain{{}}},
		"neither":     {},
		"without use": {KeyID: "a2V5"},
	} {
		if _, err := ParseUserAssertion(sign(h)); !errors.Is(err, ErrAssertion) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
