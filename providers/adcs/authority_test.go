package adcs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
)

const corp = "domain.corp"

// newDomain is a domain on the network.
func newDomain(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb, append(adds.Types(), adcs.Types()...)...)
	e.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	return e
}

func TestAuthorityConforms(t *testing.T) {
	authority := func(n int) spec.Authority {
		return spec.Authority{Domain: corp, CommonName: fmt.Sprintf("Contoso Issuing CA %d", n), NTAuth: true, OCSP: true}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "authority", Env: newDomain, In: func(n int) any { return authority(n) },
		Change: func(n int) any {
			a := authority(n)
			a.NTAuth, a.OCSP = false, false
			a.CRL = &spec.AuthorityCRL{Validity: 48 * time.Hour, Delta: 6 * time.Hour, Overlap: time.Hour}
			a.Templates = []string{"KerberosAuthentication", "WebServer"}
			return a
		},
	})
}

// A domain's controllers enroll by themselves when there is an authority.
func TestSubordinate(t *testing.T) {
	e := newDomain(t)
	e.Create("authority.root", spec.Authority{Domain: corp, CommonName: "Contoso Root CA", NTAuth: false})
	e.Create("authority.issuing", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", Parent: providers.Ref("authority.root"), NTAuth: true, OCSP: true})
	o := conformance.Get[spec.Authority, spec.AuthorityOut](e, "authority.issuing")
	if o.Out.CRLURL != "http://issuing.corp.contoso.com/CertEnroll/Contoso%20Issuing%20CA.crl" && o.Out.Host != "issuing.corp.contoso.com" {
		t.Errorf("%+v", o.Out)
	}
}

// Controllers enroll by themselves once there is an authority, renew in time,
// and give up a certificate that they are not to have.
func TestControllersEnroll(t *testing.T) {
	e := newDomain(t)
	status := func() string {
		t.Helper()
		if err := e.Due(t.Context(), corp); err != nil {
			t.Fatal(err)
		}
		rec, err := e.Read(t.Context(), corp)
		if err != nil {
			t.Fatal(err)
		}
		return rec.Out.GetAttr("kdc_certificates").AsString()
	}
	if got := status(); got != "dc1: none" {
		t.Errorf("without an authority: %s", got)
	}
	e.Create("authority.issuing", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	first := status()
	if !strings.HasPrefix(first, "dc1: until ") {
		t.Fatalf("with an authority: %s", first)
	}
	if again := status(); again != first {
		t.Errorf("enrolled again: %s, then %s", first, again)
	}
	e.Advance(330 * 24 * time.Hour)
	if err := e.Due(t.Context(), "authority.issuing"); err != nil {
		t.Fatal(err)
	}
	if renewed := status(); renewed == first {
		t.Errorf("not renewed: %s", renewed)
	}
	e.Update(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", Controllers: map[string]*spec.Controller{"dc1": {
		OS: "windows-server-2022", Site: "Default-First-Site-Name", KDCCertificate: &spec.KDCCertificate{Template: spec.TemplateNone}}}})
	if got := status(); got != "dc1: none" {
		t.Errorf("with template none: %s", got)
	}
}
