package adcs_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
)

const corp = "domain.corp"

// newDomain is a domain on the network.
func newDomain(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb, append(append(adds.Types(), adcs.Types()...), identity.Types()...)...)
	e.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	e.Create("group.staff", spec.Group{Domain: corp, Name: "Staff"})
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
			a.Templates = map[string]*spec.AuthorityTemplate{"SmartcardLogon": {Enabled: true, Enroll: []providers.Ref{"group.staff"}}, "User": {}}
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
	host := "dc1.corp.contoso.com"
	enrolled := func() *x509.Certificate {
		t.Helper()
		if err := e.Due(t.Context(), corp); err != nil {
			t.Fatal(err)
		}
		conn, err := e.For(corp).Network.Dial(t.Context(), host, 636)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // it is the certificate that is asked for
		if err := secure.HandshakeContext(t.Context()); err != nil {
			return nil
		}
		return secure.ConnectionState().PeerCertificates[0]
	}
	if got := enrolled(); got != nil {
		t.Errorf("without an authority: %s", got.Subject)
	}
	e.Create("authority.issuing", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	first := enrolled()
	if first == nil || first.VerifyHostname("dc1.corp.contoso.com") != nil || first.VerifyHostname("corp.contoso.com") != nil {
		t.Fatal("with an authority: no certificate of the controller and its domain")
	}
	if again := enrolled(); !again.Equal(first) {
		t.Errorf("enrolled again: %s, then %s", first.SerialNumber, again.SerialNumber)
	}
	e.Advance(330 * 24 * time.Hour)
	if err := e.Due(t.Context(), "authority.issuing"); err != nil {
		t.Fatal(err)
	}
	if renewed := enrolled(); renewed == nil || renewed.Equal(first) {
		t.Error("not renewed")
	}
	e.Update(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", Controllers: map[string]*spec.Controller{"dc1": {
		OS: "windows-server-2022", Site: "Default-First-Site-Name", KDCCertificate: &spec.KDCCertificate{Template: spec.TemplateNone}}}})
	if got := enrolled(); got != nil {
		t.Errorf("with template none: %s", got.Subject)
	}
	// A read-only controller enrolls, too.
	readOnly := false
	e.Update(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", Controllers: map[string]*spec.Controller{
		"dc1": {OS: "windows-server-2022", Site: "Default-First-Site-Name"}, "dc2": {OS: "windows-server-2022", Site: "Branch", Writable: &readOnly}}})
	host = "dc2.corp.contoso.com"
	if got := enrolled(); got == nil || got.VerifyHostname(host) != nil {
		t.Error("a read-only controller has no certificate")
	}
}
