package trust_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/adfs"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/trust"
	"hellolab/providers/wire/adldap"
)

// newEnterprise is a domain with an authority and AD FS, all of them real, and a
// tenant that is synchronized with it.
func newEnterprise(tb testing.TB) *conformance.Env {
	tb.Helper()
	types := slices.Concat(adds.Types(), adcs.Types(), adfs.Types())
	types = append(types,
		part[spec.Tenant]("tenant", func(addr string) spec.TenantOut { return spec.TenantOut{TenantID: addr + "-id"} }),
		part[spec.Sync]("sync", func(addr string) spec.SyncOut { return spec.SyncOut{Host: addr + ".test"} }),
		trust.Trust())
	e := conformance.NewEnv(tb, types...)
	e.Create("domain.corp", spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	e.Create("authority.issuing", spec.Authority{Domain: "domain.corp", CommonName: "Contoso Issuing CA"})
	e.Create("federation.sts", spec.Federation{Domain: "domain.corp", Authority: "authority.issuing"})
	e.Create("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}})
	e.Create("sync.connect", spec.Sync{Tenant: "tenant.contoso", Domain: "domain.corp"})
	return e
}

func certificate() spec.Trust {
	return spec.Trust{Type: spec.TrustCertificate, Tenant: "tenant.contoso", Domain: "domain.corp"}
}

// What a certificate trust stands on is asked of the directory and AD FS: all of it
// is there, and what goes behind the lab's back is told.
func TestCertificateTrust(t *testing.T) {
	e := newEnterprise(t)
	e.Create("trust.cert", certificate())
	lacks := func() string {
		t.Helper()
		if _, err := e.Read(t.Context(), "trust.cert"); err != nil {
			t.Fatal(err)
		}
		return conformance.Get[spec.Trust, spec.TrustOut](e, "trust.cert").Out.Missing
	}
	if got := conformance.Get[spec.Trust, spec.TrustOut](e, "trust.cert").Out; got.Missing != "" || !strings.HasPrefix(got.ID, "certificate/tenant.contoso-id/") {
		t.Fatalf("%+v", got)
	}
	d := conformance.Get[spec.Domain, spec.DomainOut](e, "domain.corp").Out
	c, err := adldap.SignIn(t.Context(), e.For("domain.corp"), adldap.Domain{Realm: d.Realm, Host: d.Hosts[0], BaseDN: d.DN, Account: "Administrator", Password: d.AdminPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	services := "CN=Public Key Services,CN=Services,CN=Configuration," + d.DN
	if err := c.Replace("CN=Contoso Issuing CA,CN=Enrollment Services,"+services, adldap.Attributes{"certificateTemplates": {"User"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete("CN=NTAuthCertificates," + services); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NTAuthCertificates", "template WHFBAuthentication", "template WHFBEnrollmentAgent"} {
		if got := lacks(); !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	if got := lacks(); strings.Contains(got, "agent certificate") {
		t.Errorf("the agent has its certificate: %q", got)
	}
	e.Update("federation.sts", e.With("federation", spec.Federation{Domain: "domain.corp", Authority: "authority.issuing"}, "registration_authority", cty.False))
	if got := lacks(); !strings.Contains(got, "no enrollment agent certificate") {
		t.Errorf("the agent is gone: %q", got)
	}
}

// Delivery by device management needs neither AD FS nor its agent.
func TestCertificateTrustByManagement(t *testing.T) {
	e := newEnterprise(t)
	e.Delete("federation.sts")
	in := certificate()
	if _, err := e.TryCreate(t.Context(), "trust.ra", in); err == nil || !strings.Contains(err.Error(), "has no AD FS") {
		t.Errorf("%v", err)
	}
	in.Delivery = "mdm_scep"
	e.Create("trust.mdm", in)
	if got := conformance.Get[spec.Trust, spec.TrustOut](e, "trust.mdm").Out; got.Missing != "" {
		t.Errorf("%+v", got)
	}
}

// Without a tenant a trust rests on AD FS, which goes with it.
func TestOnPremisesTrusts(t *testing.T) {
	for _, kind := range []string{spec.TrustKey, spec.TrustCertificate} {
		e := newEnterprise(t)
		e.Create("trust.home", spec.Trust{Type: kind, Domain: "domain.corp", Federation: "federation.sts"})
		if got := conformance.Get[spec.Trust, spec.TrustOut](e, "trust.home").Out; !strings.HasPrefix(got.ID, kind+"/") || strings.Count(got.ID, "/") != 1 {
			t.Errorf("%+v", got)
		}
		e.Delete("federation.sts")
		if _, err := e.Read(t.Context(), "trust.home"); !errors.Is(err, providers.ErrGone) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	e := newEnterprise(t)
	in := spec.Trust{Type: spec.TrustKey, Domain: "domain.corp", Federation: "federation.other"}
	if _, err := e.TryCreate(t.Context(), "trust.home", in); err == nil || !strings.Contains(err.Error(), "federation.other") {
		t.Errorf("%v", err)
	}
}

// The four of a domain that are in no directory: by certificate and by key, with a
// tenant and on-premises.
func TestCertificateTrustConforms(t *testing.T) {
	of := func(n int) spec.Trust {
		in := certificate()
		if n >= 2 {
			in.Type = spec.TrustKey
		}
		if n%2 == 1 {
			in.Tenant = ""
		}
		return in
	}
	conformance.Run(t, conformance.Harness{
		Kind: "trust", Env: newEnterprise, Every: 2,
		In:     func(n int) any { return of(n) },
		Change: func(n int) any { in := of(n); in.Authority = "authority.issuing"; return in },
	})
}
