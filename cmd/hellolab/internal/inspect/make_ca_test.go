package inspect

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance"
	"hellolab/providers/wire/cmc"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// TestMakeAuthorityMaterial makes what comes from an enterprise CA.
func TestMakeAuthorityMaterial(t *testing.T) {
	if !*remake {
		t.Skip("only with -make")
	}
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string, b []byte) {
		must(os.WriteFile(filepath.Join("testdata", name), b, 0o644))
	}
	writePEM := func(name, label string, der []byte) {
		write(name, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
	}
	writeBase64 := func(name string, der []byte) {
		write(name, []byte(base64.StdEncoding.EncodeToString(der)+"\n"))
	}
	domain := sid.New(5, 21, 1, 2, 3)
	env := ca.Env{Section: conformance.NewEnv(t).For("authority.issuing").Section, Now: func() time.Time { return now }, Rand: rand.Reader}
	c, err := ca.Create(ctx, env, ca.Config{CommonName: "Contoso Issuing CA", Domain: "corp.contoso.com", Host: "ca1.corp.contoso.com", HTTP: true, OCSP: true,
		ConfigurationDN: "CN=Configuration,DC=corp,DC=contoso,DC=com"}, nil, ca.Builtin(domain, guid.GUID{1, 2, 3}))
	must(err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(err)
	issue := func(template string, r ca.Requester) *ca.Issued {
		issued, err := c.Issue(ctx, ca.Request{Requester: r, Template: template, CSR: request})
		must(err)
		return issued
	}
	kdc := issue(ca.KerberosAuthentication, ca.Requester{SID: domain.Account(1000), Groups: []sid.SID{domain.Account(sid.RIDDomainControllers)},
		DNSNames: []string{"dc1.corp.contoso.com"}, DomainDNS: "corp.contoso.com", DomainNetBIOS: "CORP"})
	agent := issue(ca.EnrollmentAgent, ca.Requester{SID: domain.Account(500), Groups: []sid.SID{domain.Account(sid.RIDDomainAdmins)}, DN: "CN=ADFS,DC=corp", UPN: "adfs$@corp.contoso.com"})
	writePEM("issuing.pem", "CERTIFICATE", c.Certificate().Raw)
	writePEM("kdc.pem", "CERTIFICATE", kdc.Certificate.Raw)

	must(c.Revoke(ctx, kdc.Certificate.SerialNumber, crl.CertificateHold, now))
	must(c.Publish(ctx))
	must(c.Unrevoke(ctx, kdc.Certificate.SerialNumber))
	must(c.Revoke(ctx, agent.Certificate.SerialNumber, crl.KeyCompromise, now))
	must(c.PublishDelta(ctx))
	base, delta, err := c.Lists(ctx)
	must(err)
	writePEM("crl.pem", "X509 CRL", base)
	writeBase64("delta.b64", delta)

	content, err := cmc.Request{CSR: request, Pairs: map[string]string{cmc.RequesterName: `CORP\alice`, cmc.CertificateTemplate: ca.HelloAuthentication}}.Marshal()
	must(err)
	signed, err := cms.Signer{Key: key, Certificates: []*x509.Certificate{agent.Certificate}}.Sign(rand.Reader, cmc.PKIData, content)
	must(err)
	writeBase64("agent-request.b64", cms.ContentInfo(cms.SignedDataOID, signed))
	full, err := c.Response(kdc)
	must(err)
	writeBase64("full-response.b64", full)
	sealed, err := cms.Envelope(rand.Reader, kdc.Certificate, cms.SignedDataOID, []byte("Marker horse"), cms.AES256CBC)
	must(err)
	writeBase64("enveloped.b64", cms.ContentInfo(cms.EnvelopedOID, sealed))
}
