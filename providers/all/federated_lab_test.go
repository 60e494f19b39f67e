package all_test

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/all"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/tpm/tpmtest"
)

const adfs = "federation.adfs"

// federatedLab is what labs with AD FS are made of, for tests to change before
// they are made.
type federatedLab struct {
	Tenant     spec.Tenant // not made of an on-premises lab
	Domain     spec.Domain
	Authority  spec.Authority
	Federation spec.Federation
	Sync       spec.Sync // likewise
	Trust      spec.Trust
	User       spec.User // alice
}

// newFederatedLab is a tenant that is federated with the AD FS of a domain, a trust
// of a type between them, a policy that turns Hello on, and alice, who has an account
// in both. Connect writes devices back.
func newFederatedLab(t testing.TB, trust string, change ...func(*federatedLab)) *lab {
	t.Helper()
	return newLabWithADFS(t, append([]func(*federatedLab){func(f *federatedLab) {
		f.Tenant = spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "federated", Federation: adfs, Attestation: "required"}
		f.Sync = spec.Sync{Tenant: "tenant.contoso", Domain: corp, DeviceWriteback: true}
		f.Trust.Type, f.Trust.Tenant = trust, "tenant.contoso"
		f.User.Tenant = "tenant.contoso"
	}}, change...)...)
}

// newOnPremLab is a domain with AD FS and no tenant, a trust of a type, a policy
// that turns Hello on, and alice, who has an account in the domain.
func newOnPremLab(t testing.TB, trust string, change ...func(*federatedLab)) *lab {
	t.Helper()
	return newLabWithADFS(t, append([]func(*federatedLab){func(f *federatedLab) { f.Trust.Type = trust }}, change...)...)
}

func newLabWithADFS(t testing.TB, change ...func(*federatedLab)) *lab {
	t.Helper()
	tpmtest.NeedsSimulator(t)
	f := federatedLab{
		Domain:     spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"},
		Authority:  spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true},
		Federation: spec.Federation{Kind: spec.FederationADFS, Domain: corp, Authority: "authority.issuing"},
		Trust:      spec.Trust{Domain: corp, Federation: adfs, Authority: "authority.issuing"},
		User:       spec.User{UPN: "alice@contoso.com", Domain: corp, Password: providers.Secret(first)},
	}
	for _, c := range change {
		c(&f)
	}
	pool := tpmtest.NewLabPool(t, 0)
	w := windows.New(pool)
	types := all.Types(all.Deps{Windows: w})
	l := &lab{conformance.NewEnv(t, types...), t, w, pool, types}
	l.Create(corp, f.Domain)
	l.Create("authority.issuing", f.Authority)
	l.Create(adfs, f.Federation)
	if f.User.Tenant != "" {
		l.Create("tenant.contoso", f.Tenant)
		l.Create("sync.hybrid", f.Sync)
	}
	l.Create("trust.corp", f.Trust)
	l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.corp", UsePassportForWork: new(true)})
	l.Create(alice, f.User)
	for _, addr := range []string{"authority.issuing", corp} {
		if err := l.Due(t.Context(), addr); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// onPremDesk is a computer of the domain that AD FS registers.
func onPremDesk(change ...func(*spec.Device)) spec.Device {
	d := spec.Device{Join: "domain", Domain: corp}
	for _, c := range change {
		c(&d)
	}
	return d
}
