package ca_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/sid"
)

// What the certificates of the templates say.
func TestTemplates(t *testing.T) {
	l := newLab(t, config())
	server := controller()
	server.Groups = []sid.SID{domain.Account(sid.RIDDomainComputers)}
	server.DNSNames = []string{"web.corp.contoso.com", "www.contoso.com"}
	kdc := adcert.KDCName("CORP.CONTOSO.COM")
	for _, c := range []struct {
		template string
		who      ca.Requester
		subject  string
		names    adcert.SAN
		purposes []asn1.ObjectIdentifier
		life     time.Duration
		sid      bool
	}{
		{ca.KerberosAuthentication, controller(), "", adcert.SAN{Principals: []adcert.PrincipalName{kdc}, DNSNames: []string{"dc1.corp.contoso.com", "corp.contoso.com", "CORP"}},
			[]asn1.ObjectIdentifier{adcert.EKUClientAuth, adcert.EKUServerAuth, adcert.EKUSmartCardLogon, adcert.EKUKPKdc}, 365 * 24 * time.Hour, true},
		{ca.DomainControllerAuthentication, controller(), "", adcert.SAN{DNSNames: []string{"dc1.corp.contoso.com"}},
			[]asn1.ObjectIdentifier{adcert.EKUClientAuth, adcert.EKUServerAuth, adcert.EKUSmartCardLogon}, 365 * 24 * time.Hour, true},
		{ca.DomainController, controller(), "CN=dc1.corp.contoso.com", adcert.SAN{DNSNames: []string{"dc1.corp.contoso.com"}, ObjectGUID: forest},
			[]asn1.ObjectIdentifier{adcert.EKUClientAuth, adcert.EKUServerAuth}, 365 * 24 * time.Hour, true},
		{ca.WebServer, server, "CN=web.corp.contoso.com", adcert.SAN{DNSNames: server.DNSNames}, []asn1.ObjectIdentifier{adcert.EKUServerAuth}, 730 * 24 * time.Hour, true},
		{ca.User, alice(), "DC=com,DC=contoso,DC=corp,OU=Staff,CN=\"Doe, Alice\"", adcert.SAN{UPNs: []string{"alice@corp.contoso.com"}},
			[]asn1.ObjectIdentifier{adcert.EKUClientAuth, adcert.EKUEmailProtection}, 365 * 24 * time.Hour, true},
		{ca.EnrollmentAgent, admin(), "DC=com,DC=contoso,DC=corp,CN=Users,CN=Administrator", adcert.SAN{UPNs: []string{"administrator@corp.contoso.com"}},
			[]asn1.ObjectIdentifier{adcert.EKUCertificateRequestAgent}, 730 * 24 * time.Hour, true},
	} {
		cert := l.issue(c.who, c.template)
		names, err := adcert.Understand(cert)
		if err != nil || !reflect.DeepEqual(names, c.names) {
			t.Errorf("%s: names %+v, %v, want %+v", c.template, names, err, c.names)
		}
		if name, err := adcert.NameOf(cert.RawSubject); err != nil || name.String() != c.subject {
			t.Errorf("%s: subject %s, %v", c.template, name, err)
		}
		if got := adcert.EKUs(cert); !slices.EqualFunc(got, c.purposes, asn1.ObjectIdentifier.Equal) && !sameSet(got, c.purposes) {
			t.Errorf("%s: purposes %v", c.template, got)
		}
		if !cert.NotBefore.Equal(l.clock().Add(-10*time.Minute)) || !cert.NotAfter.Equal(l.clock().Add(c.life)) {
			t.Errorf("%s: life %s to %s", c.template, cert.NotBefore, cert.NotAfter)
		}
		if s, found, err := adcert.SID(cert); err != nil || found != c.sid || s != c.who.SID {
			t.Errorf("%s: security identifier %s, %t, %v", c.template, s, found, err)
		}
		if len(cert.UnhandledCriticalExtensions) > 0 || cert.CheckSignatureFrom(l.Certificate()) != nil || cert.IsCA {
			t.Errorf("%s: %v", c.template, cert.UnhandledCriticalExtensions)
		}
		template, found, err := adcert.TemplateOf(cert)
		if err != nil || !found || template.ID == nil && template.Name != c.template {
			t.Errorf("%s: template %+v, %v", c.template, template, err)
		}
		if !slices.Contains(cert.CRLDistributionPoints, "http://ca1.corp.contoso.com/CertEnroll/Contoso%20Issuing%20CA.crl") ||
			!slices.Contains(cert.IssuingCertificateURL, "http://ca1.corp.contoso.com/CertEnroll/ca1.corp.contoso.com_Contoso%20Issuing%20CA.crt") ||
			!slices.Equal(cert.OCSPServer, []string{"http://ca1.corp.contoso.com/ocsp"}) || !strings.HasPrefix(cert.CRLDistributionPoints[0], "ldap:///CN=Contoso%20Issuing%20CA,CN=ca1,CN=CDP,") {
			t.Errorf("%s: addresses %v %v %v", c.template, cert.CRLDistributionPoints, cert.IssuingCertificateURL, cert.OCSPServer)
		}
	}
	policies, err := adcert.ApplicationPoliciesOf(l.issue(controller(), ca.KerberosAuthentication))
	if err != nil || len(policies) != 4 {
		t.Errorf("application policies %v, %v", policies, err)
	}
}

func sameSet(a, b []asn1.ObjectIdentifier) bool {
	text := func(ids []asn1.ObjectIdentifier) []string {
		var out []string
		for _, id := range ids {
			out = append(out, id.String())
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(text(a), text(b))
}

// Fault 78: a request that asks to be the administrator, a CA, and a KDC gets
// what the directory says, and nothing else.
func TestRequestedNamesAreIgnored(t *testing.T) {
	l := newLab(t, config())
	san, err := adcert.SAN{UPNs: []string{"administrator@corp.contoso.com"}, DNSNames: []string{"dc1.corp.contoso.com"}}.Extension(true)
	if err != nil {
		t.Fatal(err)
	}
	isCA, err := asn1.Marshal(struct{ CA bool }{true})
	if err != nil {
		t.Fatal(err)
	}
	eku, err := asn1.Marshal([]asn1.ObjectIdentifier{adcert.EKUKPKdc, adcert.EKUAnyPurpose})
	if err != nil {
		t.Fatal(err)
	}
	smuggled := []pkix.Extension{san, adcert.SIDExtension(domain.Account(500)), {Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: isCA},
		{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: eku}, {Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
	request := csr(t, rsaKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "Administrator"}, ExtraExtensions: smuggled})
	got, err := l.Issue(ctx, ca.Request{Requester: alice(), Template: ca.User, CSR: request})
	if err != nil {
		t.Fatal(err)
	}
	plain := l.issue(alice(), ca.User)
	if len(got.Certificate.Extensions) != len(plain.Extensions) || !bytes.Equal(got.Certificate.RawSubject, plain.RawSubject) {
		t.Errorf("extensions %v, subject %s", got.Certificate.Extensions, got.Certificate.Subject)
	}
	for i, e := range got.Certificate.Extensions {
		if !e.Id.Equal(plain.Extensions[i].Id) || !bytes.Equal(e.Value, plain.Extensions[i].Value) {
			t.Errorf("extension %s differs from that of a plain request", e.Id)
		}
	}
}

// Fault 78: keys and signatures that are not taken.
func TestRequestsRefused(t *testing.T) {
	l := newLab(t, config())
	good := csr(t, rsaKey(t), x509.CertificateRequest{})
	broken := bytes.Clone(good)
	broken[len(broken)-1] ^= 1
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		request ca.Request
		code    ca.Code
	}{
		"no request":               {ca.Request{Template: ca.User}, ca.CodeSyntax},
		"trailing":                 {ca.Request{Template: ca.User, CSR: append(bytes.Clone(good), 0)}, ca.CodeSyntax},
		"huge":                     {ca.Request{Template: ca.User, CSR: make([]byte, 1<<20)}, ca.CodeInvalidArgument},
		"bad self-signature":       {ca.Request{Template: ca.User, CSR: broken}, ca.CodeBadSignature},
		"key of somebody else":     {ca.Request{Template: ca.User, CSR: withKey(t, good, &stranger.PublicKey)}, ca.CodeBadSignature},
		"short key":                {ca.Request{Template: ca.User, CSR: csr(t, small, x509.CertificateRequest{})}, ca.CodeKeyLength},
		"16k key":                  {ca.Request{Template: ca.User, CSR: withKey(t, good, hugeKey(65537))}, ca.CodeKeyLength},
		"weak exponent":            {ca.Request{Template: ca.User, CSR: withKey(t, good, &rsa.PublicKey{N: rsaKey(t).N, E: 3})}, ca.CodeWeak},
		"CVE-2017-15361":           {ca.Request{Template: ca.User, CSR: withKey(t, good, &rsa.PublicKey{N: rocaModulus(), E: 65537})}, ca.CodeWeak},
		"elliptic for an RSA-only": {ca.Request{Template: ca.User, CSR: csr(t, curve, x509.CertificateRequest{})}, ca.CodeBadRequestStatus},
		"small curve":              {ca.Request{Template: ca.User, CSR: csr(t, p224, x509.CertificateRequest{})}, ca.CodeBadKey},
		"SHA-1":                    {ca.Request{Template: ca.User, CSR: sha1CSR(t)}, ca.CodeWeak},
		"no such template":         {ca.Request{Template: "Nonsense", CSR: good}, ca.CodeUnsupportedTemplate},
		"no template":              {ca.Request{CSR: good}, ca.CodeUnsupportedTemplate},
		"not hers":                 {ca.Request{Template: ca.KerberosAuthentication, CSR: good}, ca.CodeTemplateDenied},
		"subordinate authority":    {ca.Request{Template: ca.SubCA, CSR: good}, ca.CodeUnsupportedTemplate},
	} {
		c.request.Requester = alice()
		if got, err := l.Issue(ctx, c.request); !errors.Is(err, &ca.Error{Code: c.code}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if rows, err := l.List(0); err != nil || len(rows) != 0 {
		t.Errorf("refusals left rows: %v, %v", rows, err)
	}
}

// withKey puts another public key into a request.
func withKey(t *testing.T, request []byte, pub crypto.PublicKey) []byte {
	t.Helper()
	var r struct {
		Info struct {
			Version    int
			Subject    asn1.RawValue
			Key        asn1.RawValue
			Attributes asn1.RawValue
		}
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(request, &r); err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	r.Info.Key = asn1.RawValue{FullBytes: spki}
	der, err := asn1.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// rocaModulus has the fingerprint of CVE-2017-15361: modulo each small prime it
// is a power of 65537.
func rocaModulus() *big.Int {
	m := big.NewInt(1)
	for p := int64(2); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(1) {
			m.Mul(m, big.NewInt(p))
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(4711), m)
	k := new(big.Int).Lsh(big.NewInt(1), uint(2048-m.BitLen()))
	return n.Add(n, k.Mul(k, m))
}

func hugeKey(e int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), 16383)
	return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: e}
}

// sha1CSR says that it is signed with SHA-1.
func sha1CSR(t *testing.T) []byte {
	sha256 := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}
	sha1 := append(bytes.Clone(sha256[:8]), 5)
	return bytes.Replace(csr(t, rsaKey(t), x509.CertificateRequest{}), sha256, sha1, 1)
}

func TestMissingNames(t *testing.T) {
	l := newLab(t, config())
	for name, c := range map[string]struct {
		template string
		who      func() ca.Requester
		change   func(*ca.Requester)
		code     ca.Code
	}{
		"UPN":        {ca.User, alice, func(r *ca.Requester) { r.UPN = "" }, ca.CodeUPNRequired},
		"DN":         {ca.User, alice, func(r *ca.Requester) { r.DN = "" }, ca.CodeBadRequestSubject},
		"broken DN":  {ca.User, alice, func(r *ca.Requester) { r.DN = "CN=a,b" }, ca.CodeBadRequestSubject},
		"SID":        {ca.User, alice, func(r *ca.Requester) { r.SID = sid.SID{} }, ca.CodeBadRequestSubject},
		"DNS name":   {ca.KerberosAuthentication, controller, func(r *ca.Requester) { r.DNSNames = nil }, ca.CodeDNSRequired},
		"bad name":   {ca.KerberosAuthentication, controller, func(r *ca.Requester) { r.DNSNames = []string{"a b"} }, ca.CodeDNSRequired},
		"domain":     {ca.KerberosAuthentication, controller, func(r *ca.Requester) { r.DomainDNS = "" }, ca.CodeDNSRequired},
		"GUID":       {ca.DomainController, controller, func(r *ca.Requester) { r.ObjectGUID = [16]byte{} }, ca.CodeGUIDRequired},
		"NUL in UPN": {ca.User, alice, func(r *ca.Requester) { r.UPN = "a\xff" }, ca.CodeBadRequestSubject},
	} {
		who := c.who()
		c.change(&who)
		if got, err := l.Issue(ctx, ca.Request{Requester: who, Template: c.template, CSR: csr(t, rsaKey(t), x509.CertificateRequest{})}); !errors.Is(err, &ca.Error{Code: c.code}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A request may name its template inside; two that differ are refused.
func TestTemplateInRequest(t *testing.T) {
	l := newLab(t, config())
	inside := func(template adcert.Template) []byte {
		ext, err := template.Extension()
		if err != nil {
			t.Fatal(err)
		}
		return csr(t, rsaKey(t), x509.CertificateRequest{ExtraExtensions: []pkix.Extension{ext}})
	}
	byOID := inside(adcert.Template{ID: ca.TemplateOID(forest, 33), Major: 110})
	if got, err := l.Issue(ctx, ca.Request{Requester: controller(), CSR: byOID}); err != nil || got.Disposition != ca.DispositionIssued {
		t.Errorf("by identifier: %v", err)
	}
	if _, err := l.Issue(ctx, ca.Request{Requester: alice(), CSR: inside(adcert.Template{Name: "user"})}); err != nil {
		t.Errorf("by name: %v", err)
	}
	if _, err := l.Issue(ctx, ca.Request{Requester: controller(), CSR: byOID, Template: ca.DomainController}); !errors.Is(err, &ca.Error{Code: ca.CodeTemplateConflict}) {
		t.Errorf("two templates: %v", err)
	}
}

func TestPending(t *testing.T) {
	l := newLab(t, config())
	ask := func() int {
		got, err := l.Issue(ctx, ca.Request{Requester: alice(), Template: "Approved", CSR: csr(t, rsaKey(t), x509.CertificateRequest{})})
		if err != nil || got.Disposition != ca.UnderSubmission || got.Certificate != nil {
			t.Fatalf("%+v, %v", got, err)
		}
		return got.RequestID
	}
	first, second := ask(), ask()
	her, him := alice(), admin()
	if got, err := l.Retrieve(first, &her); err != nil || got.Disposition != ca.UnderSubmission {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := l.Retrieve(first, &him); !errors.Is(err, &ca.Error{Code: ca.CodeAccessDenied}) {
		t.Errorf("somebody else's: %v", err)
	}
	if _, err := l.Retrieve(99, &her); !errors.Is(err, &ca.Error{Code: ca.CodePropertyEmpty}) {
		t.Errorf("none: %v", err)
	}
	after := l.again()
	issued, err := after.Resubmit(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	if s, _, err := adcert.SID(issued.Certificate); err != nil || s != alice().SID {
		t.Errorf("security identifier %s, %v", s, err)
	}
	if got, err := l.Retrieve(first, &her); err != nil || !got.Certificate.Equal(issued.Certificate) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := l.Deny(ctx, second); err != nil {
		t.Error(err)
	}
	if _, err := l.Retrieve(second, &her); !errors.Is(err, &ca.Error{Code: ca.CodeDeniedByAdmin}) {
		t.Errorf("denied: %v", err)
	}
	for _, id := range []int{first, second} {
		if _, err := l.Resubmit(ctx, id); !errors.Is(err, &ca.Error{Code: ca.CodeBadRequestStatus}) {
			t.Errorf("decided twice: %v", err)
		}
	}
}

// Fault 81: an approval that was interrupted can be given again.
func TestApprovalKilled(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; n <= 2; n++ {
			l := newLab(t, config())
			got, err := l.Issue(ctx, ca.Request{Requester: alice(), Template: "Approved", CSR: csr(t, rsaKey(t), x509.CertificateRequest{})})
			if err != nil {
				t.Fatal(err)
			}
			broken := l.env
			broken.Section = &stopping{Section: l.env.Section, left: n, after: after}
			c, err := ca.Open(broken, templates())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Resubmit(ctx, got.RequestID); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			her := alice()
			if n == 2 && after { // the certificate is there, only its answer was lost
				if kept, err := l.again().Retrieve(got.RequestID, &her); err != nil || kept.Certificate == nil {
					t.Errorf("%+v, %v", kept, err)
				}
				continue
			}
			issued, err := l.again().Resubmit(ctx, got.RequestID)
			if err != nil {
				t.Errorf("write %d, after the commit %t: %v", n, after, err)
				continue
			}
			if row, err := l.Find(issued.Certificate.SerialNumber); err != nil || row.RequestID != got.RequestID {
				t.Errorf("%+v, %v", row, err)
			}
		}
	}
}

// Fault 101: a certificate does not outlive its issuer, and an expired
// authority issues nothing.
func TestEndOfLife(t *testing.T) {
	l := newLab(t, config())
	l.advance(10*365*24*time.Hour - 30*24*time.Hour)
	if cert := l.issue(alice(), ca.User); !cert.NotAfter.Equal(l.Certificate().NotAfter) {
		t.Errorf("it ends %s, the authority %s", cert.NotAfter, l.Certificate().NotAfter)
	}
	l.advance(31 * 24 * time.Hour)
	if _, err := l.Issue(ctx, ca.Request{Requester: alice(), Template: ca.User, CSR: csr(t, rsaKey(t), x509.CertificateRequest{})}); !errors.Is(err, &ca.Error{Code: ca.CodeInvalidCA}) {
		t.Errorf("expired authority: %v", err)
	}
}
