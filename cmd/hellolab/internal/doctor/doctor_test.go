package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hellolab/cmd/hellolab/internal/keylist"
	"hellolab/providers/entra"
	"hellolab/providers/spec"
	"hellolab/providers/trust"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/revocation"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

var now = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

type pair struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// certify makes a certificate by issuer, or by itself.
func certify(t *testing.T, issuer *pair, name string, from, until time.Time, change func(*x509.Certificate)) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(now.Unix()), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{key, cert}
}

func isAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func isController(c *x509.Certificate) {
	c.UnknownExtKeyUsage, c.DNSNames = []asn1.ObjectIdentifier{adcert.EKUKPKdc}, []string{"dc1.corp.test", "Corp.test"}
}

// healthy is a lab with nothing to find.
func healthy(t *testing.T) (*Facts, *pair) {
	root := certify(t, nil, "root", now.Add(-year), now.Add(9*year), isAuthority)
	dc := certify(t, root, "dc1", now.Add(-day), now.Add(year), isController)
	good := revocation.Result{Status: revocation.Good, Until: now.Add(day)}
	roots := []*x509.Certificate{root.cert}
	return &Facts{
		Now: now,
		Domains: []Domain{{
			Addr: "domain.corp", DNSName: "corp.test", Roots: roots, NTAuth: roots, Enrollment: 1,
			Controllers: []Controller{{Host: "dc1.corp.test", PKINIT: true, Chain: []*x509.Certificate{dc.cert}, Revocation: &good}},
			Accounts:    []Account{{Name: "user.alice", Expires: now.Add(30 * day)}, {Name: "user.eve"}},
		}},
		Authorities: []Authority{{Addr: "authority.root", Domain: "domain.corp", Certificate: root.cert, NTAuth: true, OCSP: true, Enrollment: dc.cert, Lists: good, Responder: good}},
		Tenants: []Tenant{{Addr: "tenant.contoso", Certificates: []Signer{{"signing key", root.cert}},
			Federation: &entra.FederationState{Service: "federation.adfs", Refreshed: now.Add(10 * year)}}},
		Trusts: []Trust{{Addr: "trust.cloud", Domain: "domain.corp", Tenant: "tenant.contoso",
			State: trust.State{There: true, Sound: true, Server: 7, DomainKey: 3, TenantKey: 3}}},
	}, root
}

// TestFindings: each row spoils a healthy lab in one way, and names what must be
// found: severity, rule, address, code. Faults 67 and 80.
func TestFindings(t *testing.T) {
	stale := revocation.Result{Cause: revocation.Stale}
	gone := revocation.Result{Cause: revocation.Unreachable}
	for name, c := range map[string]struct {
		spoil func(*Facts, *pair)
		want  []string
	}{
		"nothing": {func(*Facts, *pair) {}, nil},
		"no certificate": {func(f *Facts, _ *pair) { f.Domains[0].Controllers[0] = Controller{Host: "dc1.corp.test"} },
			[]string{"error no_kdc_certificate domain.corp KDC_ERR_PADATA_TYPE_NOSUPP (16)", "warning no_ldaps domain.corp "}},
		"no certificate, and none needed": {func(f *Facts, _ *pair) {
			f.Domains[0].Cloud, f.Domains[0].Controllers[0] = true, Controller{Host: "dc1.corp.test"}
		}, []string{"warning no_ldaps domain.corp ", "note no_kdc_certificate domain.corp KDC_ERR_PADATA_TYPE_NOSUPP (16)"}},
		"server object unknown": {func(f *Facts, _ *pair) { f.Trusts[0].Trouble = errors.New("x") }, []string{"error server_object_unknown trust.cloud "}},
		"server object missing": {func(f *Facts, _ *pair) { f.Trusts[0].State = trust.State{} },
			[]string{"error server_object_missing trust.cloud KDC_ERR_S_PRINCIPAL_UNKNOWN (7)"}},
		"server object broken":                {func(f *Facts, _ *pair) { f.Trusts[0].Sound = false }, []string{"error server_object_broken trust.cloud KDC_ERR_POLICY (12)"}},
		"server object not published":         {func(f *Facts, _ *pair) { f.Trusts[0].TenantKey = 0 }, []string{"error server_object_unpublished trust.cloud "}},
		"server object's key":                 {func(f *Facts, _ *pair) { f.Trusts[0].DomainKey = 4 }, []string{"error server_object_key trust.cloud KRB_AP_ERR_BADKEYVER (44)"}},
		"server object's key of another time": {func(f *Facts, _ *pair) { f.Trusts[0].Apart = true }, []string{"error server_object_key trust.cloud KRB_AP_ERR_BAD_INTEGRITY (31)"}},
		// Fault 89.
		"federation service silent":    {func(f *Facts, _ *pair) { f.Tenants[0].Federation.Trouble = errors.New("x") }, []string{"warning federation_metadata tenant.contoso "}},
		"signing by a new certificate": {func(f *Facts, _ *pair) { f.Tenants[0].Federation.Unknown = true }, []string{"error federation_certificate tenant.contoso AADSTS50013"}},
		"metadata stale":               {func(f *Facts, _ *pair) { f.Tenants[0].Federation.Refreshed = now.Add(-2*day - time.Second) }, []string{"warning federation_metadata tenant.contoso "}},
		"KDC silent": {func(f *Facts, _ *pair) {
			f.Domains[0].Controllers[0] = Controller{Host: "dc1.corp.test", Trouble: errors.New("x")}
		}, []string{"error kdc_silent domain.corp "}},
		"PKINIT off": {func(f *Facts, _ *pair) { f.Domains[0].Controllers[0].PKINIT = false }, []string{"error no_pkinit domain.corp KDC_ERR_PADATA_TYPE_NOSUPP (16)"}},
		"certificate expired": {func(f *Facts, root *pair) {
			f.Domains[0].Controllers[0].Chain[0] = certify(t, root, "dc1", now.Add(-30*day), now, isController).cert
		}, []string{"error kdc_certificate_expired domain.corp KDC_ERR_PADATA_TYPE_NOSUPP (16), or 0xC000040E, the KDC's certificate has expired"}},
		"certificate early": {func(f *Facts, root *pair) {
			f.Domains[0].Controllers[0].Chain[0] = certify(t, root, "dc1", now.Add(time.Second), now.Add(year), isController).cert
		}, []string{"error kdc_certificate_early domain.corp KDC_ERR_PADATA_TYPE_NOSUPP (16)"}},
		"certificate in its last fifth": {func(f *Facts, root *pair) {
			f.Domains[0].Controllers[0].Chain[0] = certify(t, root, "dc1", now.Add(-80*day), now.Add(20*day), isController).cert
		}, []string{"warning kdc_certificate_ending domain.corp "}},
		"certificate not quite in it": {func(f *Facts, root *pair) {
			f.Domains[0].Controllers[0].Chain[0] = certify(t, root, "dc1", now.Add(-79*day), now.Add(21*day), isController).cert
		}, nil},
		"template without names and purpose": {func(f *Facts, root *pair) {
			f.Domains[0].Controllers[0].Chain[0] = certify(t, root, "dc1", now.Add(-day), now.Add(year), func(c *x509.Certificate) { c.DNSNames = []string{"dc1.corp.test"} }).cert
		}, []string{"warning kdc_eku domain.corp KDC_ERR_INCONSISTENT_KEY_PURPOSE (77)", "warning kdc_name domain.corp KDC_ERR_KDC_NAME_MISMATCH (76)"}},
		"revoked": {func(f *Facts, _ *pair) {
			f.Domains[0].Controllers[0].Revocation = &revocation.Result{Status: revocation.Revoked}
		}, []string{"error kdc_certificate_revoked domain.corp 0xC000040F, the KDC's certificate is revoked"}},
		"root not published": {func(f *Facts, _ *pair) { f.Domains[0].Roots = nil }, []string{
			"error authority_unrooted authority.root KDC_ERR_CLIENT_NOT_TRUSTED (62)",
			"error kdc_untrusted domain.corp KDC_ERR_KDC_NOT_TRUSTED (63), or 0xC000040D, the KDC's authority is not trusted"}},
		"gone from NTAuth":          {func(f *Facts, _ *pair) { f.Domains[0].NTAuth = nil }, []string{"error authority_not_ntauth authority.root KDC_ERR_CLIENT_NOT_TRUSTED (62)"}},
		"kept from NTAuth":          {func(f *Facts, _ *pair) { f.Domains[0].NTAuth, f.Authorities[0].NTAuth = nil, false }, []string{"warning authority_not_ntauth authority.root KDC_ERR_CLIENT_NOT_TRUSTED (62)"}},
		"lists stale, OCSP answers": {func(f *Facts, _ *pair) { f.Authorities[0].Lists = stale }, []string{"warning revocation_lists authority.root "}},
		"lists good, OCSP silent":   {func(f *Facts, _ *pair) { f.Authorities[0].Responder = gone }, []string{"warning ocsp authority.root "}},
		"neither": {func(f *Facts, _ *pair) { f.Authorities[0].Lists, f.Authorities[0].Responder = gone, gone }, []string{
			"error revocation_lists authority.root KDC_ERR_REVOCATION_STATUS_UNAVAILABLE (74)", "error ocsp authority.root KDC_ERR_REVOCATION_STATUS_UNAVAILABLE (74)"}},
		"stale and silent": {func(f *Facts, _ *pair) { f.Authorities[0].Lists, f.Authorities[0].Responder = stale, gone }, []string{
			"error revocation_lists authority.root KDC_ERR_REVOCATION_STATUS_UNKNOWN (73)", "error ocsp authority.root KDC_ERR_REVOCATION_STATUS_UNKNOWN (73)"}},
		"stale, and no OCSP": {func(f *Facts, _ *pair) {
			f.Authorities[0].Lists, f.Authorities[0].Responder, f.Authorities[0].OCSP = stale, gone, false
		}, []string{"error revocation_lists authority.root KDC_ERR_REVOCATION_STATUS_UNKNOWN (73)"}},
		"lists hidden":      {func(f *Facts, _ *pair) { f.Authorities[0].Hidden = true }, []string{"error revocation_hidden authority.root KDC_ERR_REVOCATION_STATUS_UNAVAILABLE (74)"}},
		"list overdue":      {func(f *Facts, _ *pair) { f.Authorities[0].Overdue = now.Add(-time.Hour) }, []string{"warning revocation_list_overdue authority.root "}},
		"enrollment silent": {func(f *Facts, _ *pair) { f.Authorities[0].Trouble = errors.New("x") }, []string{"error enrollment_silent authority.root "}},
		"enrollment expired": {func(f *Facts, root *pair) {
			f.Authorities[0].Enrollment = certify(t, root, "x", now.Add(-day), now, nil).cert
		}, []string{"error enrollment_certificate authority.root "}},
		"authority near its end": {func(f *Facts, _ *pair) { f.Now = now.Add(8*year + 10*day); f.Domains = nil }, []string{"error enrollment_certificate authority.root ", "warning authority_ending authority.root ", "warning tenant_certificate tenant.contoso "}},
		"authority expired": {func(f *Facts, _ *pair) { f.Now = now.Add(9 * year); f.Domains = nil; f.Authorities[0].Enrollment = nil }, []string{
			"error authority_expired authority.root KDC_ERR_INVALID_CERTIFICATE (71)", "error tenant_certificate tenant.contoso "}},
		"passwords": {func(f *Facts, _ *pair) {
			f.Domains[0].Accounts = []Account{{Name: "a", MustChange: true}, {Name: "b", Expires: now}, {Name: "c", Expires: now.Add(5*day - 1)}, {Name: "d", Expires: now.Add(5 * day)}}
		}, []string{"warning password_expired domain.corp KDC_ERR_KEY_EXPIRED (23)", "warning password_ending domain.corp KDC_ERR_KEY_EXPIRED (23)"}},
		"keys": {func(f *Facts, _ *pair) {
			f.Domains[0].Accounts[0].Keys = []keylist.Key{{Marks: []string{keylist.Foreign}}, {Marks: []string{keylist.Weak}, Why: []string{"W."}}, {Marks: []string{keylist.Malformed}, Why: []string{"M."}}}
		}, []string{"warning key_weak domain.corp KDC_ERR_CLIENT_NOT_TRUSTED (62)", "warning key_malformed domain.corp KDC_ERR_CLIENT_NOT_TRUSTED (62)"}},
		"RC4 and keyless": {func(f *Facts, _ *pair) { f.Domains[0].KeylessCMS, f.Domains[0].Controllers[0].RC4 = true, true },
			[]string{"warning rc4 domain.corp ", "warning keyless_cms domain.corp "}},
		"nobody writes keys": {func(f *Facts, _ *pair) { f.Domains[0].Synced = true }, []string{"note no_key_admins domain.corp "}},
		"somebody does":      {func(f *Facts, _ *pair) { f.Domains[0].Synced, f.Domains[0].KeyAdmins = true, 1 }, nil},
		"directory silent": {func(f *Facts, _ *pair) {
			f.Domains[0] = Domain{Addr: "domain.corp", Trouble: errors.New("x"), Controllers: f.Domains[0].Controllers}
			f.Domains[0].DNSName = "corp.test"
		}, []string{"error directory_silent domain.corp "}},
		"clock":          {func(f *Facts, _ *pair) { f.Offset = -5*time.Minute - 1 }, []string{"note clock_skew  KRB_AP_ERR_SKEW (37)"}},
		"clock, served":  {func(f *Facts, _ *pair) { f.Offset, f.Served = 6*time.Minute, true }, []string{"error clock_skew  KRB_AP_ERR_SKEW (37)"}},
		"clock, in time": {func(f *Facts, _ *pair) { f.Offset, f.Served = 5*time.Minute, true }, nil},
		"state":          {func(f *Facts, _ *pair) { f.State = []string{"Others may read it."} }, []string{"warning state_files  "}},
		"outside": {func(f *Facts, _ *pair) {
			f.Outside = &Outside{Unnamed: []string{"dc1.corp.test"}, Moved: []Endpoint{{"dc1.corp.test", 88, "tcp", fmt.Errorf("bind: %w", syscall.EACCES)}, {"dc1.corp.test", 53, "udp", syscall.EADDRINUSE}}}
		}, []string{"warning port_denied  ", "warning port_taken  ", "note hosts_file  "}},
	} {
		t.Run(name, func(t *testing.T) {
			f, root := healthy(t)
			c.spoil(f, root)
			var got []string
			for _, x := range Examine(f) {
				got = append(got, fmt.Sprintf("%s %s %s %s", x.Severity, x.Rule, x.Address, x.Code))
				if !strings.HasSuffix(x.Summary, ".") || !strings.HasSuffix(x.Next, ".") {
					t.Errorf("no sentences: %q, %q", x.Summary, x.Next)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("found\n %s\nwant\n %s", strings.Join(got, "\n "), strings.Join(c.want, "\n "))
			}
		})
	}
}

// TestNextStep: what to do about a missing certificate depends on why it is.
func TestNextStep(t *testing.T) {
	for want, c := range map[string]struct {
		template   string
		enrollment int
	}{
		"Change kdc_certificate.template": {spec.TemplateNone, 1},
		"Declare an authority":            {"", 0},
		"has it enroll":                   {spec.TemplateDomainController, 1},
	} {
		f := &Facts{Domains: []Domain{{Enrollment: c.enrollment, Controllers: []Controller{{Template: c.template}}}}}
		if got := Examine(f)[0]; !strings.Contains(got.Next, want) {
			t.Errorf("%+v: %q", c, got.Next)
		}
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, nil); err != nil || b.String() != "Nothing was found that would fail.\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	found := []Finding{{Error, "r", "domain.corp", "X (1)", "A\u202eb.", "Do."}, {Severity: Note, Summary: "N.", Next: "D."}}
	want := "error: domain.corp: A\\u202eb. Clients meet X (1).\n  Do.\n\nnote: N.\n  D.\n\n1 error, 0 warnings, 1 note.\n"
	if err := Write(&b, found); err != nil || b.String() != want {
		t.Errorf("%q, %v", b.String(), err)
	}
	if j := ToJSON(found); j.Errors != 1 || j.Warnings != 0 || j.Notes != 1 {
		t.Errorf("%+v", j)
	}
	if got := some([]string{"1", "2", "3", "4", "5", "6", "7"}); got != "1, 2, 3, 4, 5 and 2 more" {
		t.Error(got)
	}
}
