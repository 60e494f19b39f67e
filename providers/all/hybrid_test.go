package all_test

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/all"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/tpm/tpmtest"
	"hellolab/providers/wire/connect"
)

const (
	corp = "domain.corp"
	desk = "device.desk"

	webService = "service.web" // takes tickets
)

// newHybridLab is a tenant and a domain, as changed, with key trust between
// them, and alice, who has an account in both.
func newHybridLab(t testing.TB, change ...func(*spec.Domain)) *lab {
	t.Helper()
	tpmtest.NeedsSimulator(t)
	pool := tpmtest.NewLabPool(t, 0)
	w := windows.New(pool)
	types := all.Types(all.Deps{Windows: w})
	l := &lab{conformance.NewEnv(t, types...), t, w, pool, types}
	l.Create("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "required"})
	domain := spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"}
	for _, c := range change {
		c(&domain)
	}
	l.Create(corp, domain)
	l.Create("authority.issuing", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	l.Create("sync.hybrid", spec.Sync{Tenant: "tenant.contoso", Domain: corp})
	l.Create("trust.key", spec.Trust{Type: "key", Tenant: "tenant.contoso", Domain: corp})
	l.Create(alice, spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret("First.pa55word")})
	for _, addr := range []string{"authority.issuing", corp} {
		if err := l.Due(t.Context(), addr); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// cycle has Connect run a cycle.
func (l *lab) cycle() *connect.Report {
	l.t.Helper()
	at := conformance.Get[spec.Sync, spec.SyncOut](l.Env, "sync.hybrid").Out
	report, err := connect.Cycle(l.t.Context(), l.For("sync.hybrid"), connect.Server{Host: at.Host, Secret: at.Admin}, connect.Request{Reason: "a test"})
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return report
}

func TestEntraJoinedKeyTrust(t *testing.T) {
	l := newHybridLab(t)
	l.device("laptop", func(d *spec.Device) { d.TrustedRoots = []providers.Ref{"authority.issuing"} })
	l.enroll()
	toDomain := windows.Request{PIN: providers.Secret(pin), To: []string{corp}}
	l.expect(toDomain, "key_not_synced")
	l.cycle()
	toDomain.PIN = providers.Secret(pin)
	l.expect(toDomain, "success")
	l.inOrder("prt_cached", "domain_hint", "dc_located", "as_request", "as_sent", "kdc_certificate_accepted", "tgt_cached", "service_ticket")
}

func TestHybridJoinedKeyTrust(t *testing.T) {
	l := newHybridLab(t)
	l.Create(desk, spec.Device{Join: "hybrid", Tenant: "tenant.contoso", Domain: corp})
	on := true
	l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: &on})
	l.Create("enrollment.alice_desk", enrollment(alice, desk))
	byKey := func() windows.Request { return windows.Request{Device: desk, PIN: providers.Secret(pin)} }
	l.expect(byKey(), "key_not_synced")
	l.cycle()
	l.expect(byKey(), "success")
	l.inOrder("credentials_to_kerberos", "domain_hint", "as_request", "as_sent", "kdc_certificate_accepted", "tgt_cached", "explorer_started", "credentials_to_cloud_ap", "nonce_request", "prt_cached")
	t.Log(l.trace())
}
