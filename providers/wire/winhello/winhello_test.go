package winhello

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"testing"
	"time"

	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/prt"
)

func TestRequest(t *testing.T) {
	key := bytes.Repeat([]byte{7}, prt.SessionKeySize)
	r := NewRequest([]byte("request"))
	r.RefreshToken, r.Receipt, r.ProvisioningContext, r.IssuedAt, r.Expires = "prt", "receipt", "context", 1, 2
	text, err := r.Sign(prt.Key(key), bytes.Repeat([]byte{1}, prt.ContextSize))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := prt.VerifyRequest(token, prt.Key(key)); err != nil {
		t.Fatal(err)
	}
	key[0]++
	if err := prt.VerifyRequest(token, prt.Key(key)); !errors.Is(err, jose.ErrSignature) {
		t.Errorf("another session key: %v", err)
	}
	got, err := ParseRequest(token.Payload)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := got.DER()
	if err != nil || string(csr) != "request" || got.RefreshToken != "prt" || got.Receipt != "receipt" || got.ProvisioningContext != "context" || got.GrantType != "refresh_token" {
		t.Errorf("%+v, %q, %v", got, csr, err)
	}
	for _, bad := range []string{"", "!"} {
		if _, err := (&Request{CSR: bad}).DER(); !errors.Is(err, ErrCSR) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// MS-OAPXBC 4.4: every member of the specification's example is one of ours.
	data, err := os.ReadFile("../../../../shared/vectors/spec-examples-cloud-adfs.json")
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	var v map[string]json.RawMessage
	var example, ours map[string]any
	if err := errors.Join(json.Unmarshal(data, &v), json.Unmarshal(v["MS-OAPXBC_4.4_cert_request_payload"], &example), json.Unmarshal(token.Payload, &ours)); err != nil {
		t.Fatal(err)
	}
	for name, value := range example {
		own, ok := ours[name]
		if fixed := name != "client_id" && name != "csr" && name != "iat" && name != "exp" && name != "refresh_token"; !ok || fixed && own != value {
			t.Errorf("%s: %v, want %v", name, own, value)
		}
	}
	var members []string
	if err := json.Unmarshal(v["MS-OAPXBC_4.4_cert_response_keys"], &members); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(Reply{RefreshToken: "prt", RefreshTokenExpiresIn: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range members {
		if !bytes.Contains(raw, []byte(`"`+name+`"`)) {
			t.Errorf("no %s in %s", name, raw)
		}
	}
}

// certificate makes one of a new key, signed by parent; nil: by itself.
func certificate(t testing.TB, name string, parent *x509.Certificate, signer *rsa.PrivateKey) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// replyOf is a CA's answer as the tests need it: a message with these
// certificates, which somebody signed.
func replyOf(t testing.TB, certs ...*x509.Certificate) *Reply {
	t.Helper()
	_, key := certificate(t, "signer", nil, nil)
	der, err := cms.Signer{Key: key, Certificates: certs}.Sign(rand.Reader, cms.Data, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	return &Reply{Certificates: base64.StdEncoding.EncodeToString(der)}
}

func TestChain(t *testing.T) {
	root, rootKey := certificate(t, "root", nil, nil)
	issuing, issuingKey := certificate(t, "issuing", root, rootKey)
	user, userKey := certificate(t, "user", issuing, issuingKey)
	r := replyOf(t, issuing, root, user)
	got, err := r.Chain(&userKey.PublicKey)
	if err != nil || len(got) != 3 || !got[0].Equal(user) || !got[1].Equal(issuing) || !got[2].Equal(root) {
		t.Errorf("%d certificates, %v", len(got), err)
	}
	_, other := certificate(t, "other", nil, nil)
	if _, err := r.Chain(&other.PublicKey); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("another key: %v", err)
	}
	for _, bad := range []string{"", "!", "AAAA"} {
		if _, err := (&Reply{Certificates: bad}).Chain(&userKey.PublicKey); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"csr":"AA==","csr_type":"x","iat":"1","x5c":"AA==","expires_in":1}`))
	root, key := certificate(f, "root", nil, nil)
	data, err := json.Marshal(replyOf(f, root))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := ParseRequest(data); err == nil {
			_, _ = r.DER()
		}
		if r, err := ParseReply(data); err == nil {
			if chain, err := r.Chain(&key.PublicKey); err == nil && !key.PublicKey.Equal(chain[0].PublicKey) {
				t.Fatal("a certificate of another key")
			}
		}
	})
}
