package jose

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"
)

func key(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type claims struct {
	Subject string `json:"sub"`
}

func enc(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestSignAndVerify(t *testing.T) {
	k := key(t)
	s, err := SignRS256(k, Header{Type: "JWT", KeyID: "k", X5C: Chain{{1, 2}}}, claims{"alice"})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := tok.VerifyRS256(&k.PublicKey); err != nil {
		t.Fatal(err)
	}
	var c claims
	if err := tok.Claims(&c); err != nil || c.Subject != "alice" || tok.Header.KeyID != "k" || len(tok.Header.X5C) != 1 {
		t.Errorf("read back %+v %+v %v", tok.Header, c, err)
	}
	if err := tok.VerifyRS256(&key(t).PublicKey); !errors.Is(err, ErrSignature) {
		t.Errorf("other key: %v", err)
	}
	parts := strings.Split(s, ".")
	tok, err = Parse(parts[0] + "." + enc(`{"sub":"bob"}`) + "." + parts[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := tok.VerifyRS256(&k.PublicKey); !errors.Is(err, ErrSignature) {
		t.Errorf("changed claims: %v", err)
	}
}

// Fault 37: "none" in any spelling. Fault 38: an HMAC made with the public key.
func TestAlgorithmIsPinned(t *testing.T) {
	k := key(t)
	for _, alg := range []string{"none", "None", "NONE", "", "HS256", "PS256", "RS1"} {
		header := `{"alg":"` + alg + `"}`
		input := enc(header) + "." + enc(`{"sub":"admin"}`)
		mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&k.PublicKey))
		mac.Write([]byte(input))
		for _, sig := range []string{"", base64.RawURLEncoding.EncodeToString(mac.Sum(nil))} {
			tok, err := Parse(input + "." + sig)
			if err != nil {
				t.Fatalf("%s: %v", alg, err)
			}
			if err := tok.VerifyRS256(&k.PublicKey); !errors.Is(err, ErrAlgorithm) {
				t.Errorf("alg %q: %v", alg, err)
			}
		}
	}
	s, err := SignRS256(k, Header{}, claims{"a"})
	if err != nil {
		t.Fatal(err)
	}
	tok, _ := Parse(s)
	if err := tok.VerifyHS256(x509.MarshalPKCS1PublicKey(&k.PublicKey)); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("RS256 token under HS256: %v", err)
	}
}

// Fault 43: forms that a parser must refuse in bounded memory.
func TestParseRefuses(t *testing.T) {
	ok := enc(`{"alg":"RS256"}`) + "." + enc(`{}`) + "." + enc("sig")
	if _, err := Parse(ok); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{
		"empty":                "",
		"two parts":            "a.b",
		"four parts":           ok + ".x",
		"thousands of dots":    strings.Repeat(".", 100000),
		"ten megabytes":        strings.Repeat("a", 10<<20),
		"padded":               strings.Replace(ok, ".", "=.", 1),
		"standard alphabet":    "+/8." + enc("{}") + ".x",
		"line break":           ok[:4] + "\n" + ok[4:],
		"trailing bits":        enc(`{"alg":"RS256"}`) + "." + enc(`{}`) + ".YQ" + "R",
		"repeated alg":         enc(`{"alg":"RS256","alg":"none"}`) + ".e30.eA",
		"critical extension":   enc(`{"alg":"RS256","crit":["b64"]}`) + ".e30.eA",
		"header is a list":     enc(`[]`) + ".e30.eA",
		"x5c is a number":      enc(`{"alg":"RS256","x5c":1}`) + ".e30.eA",
		"x5c is empty":         enc(`{"alg":"RS256","x5c":[]}`) + ".e30.eA",
		"thousands in the x5c": enc(`{"alg":"RS256","x5c":["AA=="`+strings.Repeat(`,"AA=="`, 5000)+`]}`) + ".e30.eA",
	} {
		if _, err := Parse(s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type notRSA struct{ crypto.Signer }

func (notRSA) Public() crypto.PublicKey { return "x" }

func TestSignRefusesOtherKeys(t *testing.T) {
	if _, err := SignRS256(notRSA{}, Header{}, nil); err == nil {
		t.Error("signed with something else than RSA")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(enc(`{"alg":"RS256","x5c":"AA=="}`) + "." + enc(`{"a":1}`) + ".AAAA")
	f.Add(enc(`{"alg":"HS256","ctx":"AA==","kdf_ver":2}`) + "." + enc(`{"a":1}`) + ".AAAA")
	k := key(f)
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := Parse(s)
		if err != nil {
			return
		}
		if tok.VerifyRS256(&k.PublicKey) == nil {
			t.Fatal("verified without the key")
		}
		var c map[string]any
		_ = tok.Claims(&c)
	})
}

// A key that comes with the token may be of any size; the work that it asks for is
// bounded.
func TestKeyTooLarge(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text, err := SignRS256(key, Header{}, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).Lsh(big.NewInt(1), 700_000)
	n.Add(n, big.NewInt(1))
	if err := token.VerifyRS256(&rsa.PublicKey{N: n, E: 1<<31 - 1}); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), "700001 bits") {
		t.Errorf("%v", err)
	}
}
