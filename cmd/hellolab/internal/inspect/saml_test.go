package inspect

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/providers/wire/saml"
)

// TestSAML reads a signed assertion in every form that it is met in.
func TestSAML(t *testing.T) {
	now := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	certified := func() (*rsa.PrivateKey, *x509.Certificate) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signing"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return key, cert
	}
	key, own := certified()
	_, other := certified()
	a := saml.Assertion{ID: "_5f2c1a34-90d1-4a63-8a57-7a4de7fd7d10", Issuer: "http://sts.corp.contoso.com/adfs/services/trust", IssueInstant: now, NotBefore: now, NotOnOrAfter: now.Add(time.Hour),
		Audience: "urn:federation:MicrosoftOnline", NameID: "wVFwWkAZ6kyp44ljDXLveQ==", Method: "urn:oasis:names:tc:SAML:1.0:am:password", AuthInstant: now,
		Attributes: []saml.Attribute{{Claim: saml.ClaimImmutableID, Values: []string{"wVFwWkAZ6kyp44ljDXLveQ=="}}}}
	raw, err := a.Sign(key, own)
	if err != nil {
		t.Fatal(err)
	}
	keyOf := func(c *x509.Certificate) []Key {
		return []Key{{ID: "the key of " + c.SerialNumber.String(), Public: c.PublicKey, Cert: c}}
	}
	for _, c := range []struct {
		name  string
		input []byte
		keys  []Key
		want  string
	}{
		{"as it is", raw, keyOf(own), "signature: verified with the key of 1"},
		{"in base64, as a form or a grant has it", []byte(base64.StdEncoding.EncodeToString(raw)), keyOf(own), "signature: verified with the key of 1"},
		{"in a reply", append(append([]byte("<s:Envelope><s:Body><t:RequestedSecurityToken>"), raw...), "</t:RequestedSecurityToken></s:Body></s:Envelope>"...), keyOf(own), "signature: verified with the key of 1"},
		{"without a key", raw, nil, "signature: not verified"},
		{"another's key", raw, keyOf(other), "signature: does not verify"},
		{"changed after it was signed", bytes.Replace(raw, []byte("MicrosoftOnline"), []byte("MicrosoftOnlime"), 1), keyOf(own), "signature: does not verify"},
	} {
		node, err := Inspect(c.input, Options{Now: now, Keys: c.keys})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var out strings.Builder
		if err := Text(&out, node, view.Style{}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"SAML 1.1 assertion", "ImmutableID: wVFwWkAZ6kyp44ljDXLveQ==", c.want} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: it does not say %q:\n%s", c.name, want, out.String())
			}
		}
	}
	if _, err := Inspect(raw[:len(raw)/2], Options{Now: now}); err == nil {
		t.Error("half an assertion is read as one")
	}
}
