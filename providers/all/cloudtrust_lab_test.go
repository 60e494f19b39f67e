package all_test

import (
	"crypto/rand"
	"testing"

	"hellolab/providers"
	"hellolab/providers/adds/directory"
	"hellolab/providers/all"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/tpm/tpmtest"
	"hellolab/providers/wire/krb"
)

const cloudTrust = "trust.cloud"

// newCloudLab is a tenant and a domain, as changed, with cloud Kerberos trust
// between them, which policy turns on with Hello, and alice, who has an account
// in both. There is no authority, and no cycle runs by itself.
func newCloudLab(t testing.TB, change ...func(*spec.Domain)) *lab {
	t.Helper()
	tpmtest.NeedsSimulator(t)
	pool := tpmtest.NewLabPool(t, 0)
	w := windows.New(pool)
	types := all.Types(all.Deps{Windows: w})
	l := &lab{conformance.NewEnv(t, types...), t, w, pool, types}
	l.Create("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "preferred"})
	domain := spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"}
	for _, c := range change {
		c(&domain)
	}
	l.Create(corp, domain)
	l.Create("sync.hybrid", spec.Sync{Tenant: "tenant.contoso", Domain: corp})
	l.Create(cloudTrust, spec.Trust{Type: "cloud_kerberos", Tenant: "tenant.contoso", Domain: corp})
	l.Create("policy.hello", cloudPolicy())
	l.Create(alice, spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(first)})
	return l
}

func cloudPolicy() spec.Policy {
	return spec.Policy{Source: "gpo", Trust: cloudTrust, UsePassportForWork: new(true)}
}

// switchedOn is a policy that turns cloud Kerberos trust on and names no trust.
func switchedOn() spec.Policy {
	p := cloudPolicy()
	p.Trust, p.UseCloudTrustForOnPremAuth = "", new(true)
	return p
}

// newCloudDesk is newCloudLab with a hybrid joined desk on which alice enrolled.
// Nobody is signed in there.
func newCloudDesk(t testing.TB, change ...func(*spec.Device)) *lab {
	t.Helper()
	l := newCloudLab(t)
	l.Create(desk, onDesk(change...))
	l.Create(deskEnrolled, enrollment(alice, desk))
	l.restartDesk()
	return l
}

// newCloudLaptop is newCloudLab with an Entra joined laptop on which alice
// enrolled, and a service in the domain. The laptop trusts no root.
func newCloudLaptop(t testing.TB, change ...func(*spec.Device)) *lab {
	t.Helper()
	l := newCloudLab(t)
	l.Create(webService, spec.Service{Domain: corp, Kind: spec.ServiceKerberos, Enabled: true})
	l.device("laptop", change...)
	l.enroll()
	return l
}

// ticketsState is what a device keeps of Entra Kerberos' tickets.
type ticketsState struct {
	Domain *krb.Credential `json:"domain"`
	Cloud  *krb.Credential `json:"cloud"`
}

func (l *lab) cloudTickets(device, user string) ticketsState {
	l.t.Helper()
	return stored[ticketsState](l, device, "cloudtickets", l.sid(user))
}

// local are the steps of a story that the device did, with their phases.
func (s story) local() (steps []string) {
	for _, e := range s.events {
		if !service(e.Actor) && e.Actor != "KDC" {
			steps = append(steps, e.Phase+":"+e.Step)
		}
	}
	return steps
}

// serverKey is the key of the Kerberos server object in the domain, as its
// controllers have it, and its number.
func (l *lab) serverKey(t testing.TB) (krb.Key, uint16) {
	t.Helper()
	number := uint16(conformance.Get[spec.Trust, spec.TrustOut](l.Env, cloudTrust).Out.Server)
	d, err := directory.Load(directory.Options{Section: l.For(corp).Section, Now: l.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	server, err := d.ReadOnly(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range server.Krbtgt.Keys {
		if k.Key.EType == krb.AES256 {
			return k.Key, number
		}
	}
	t.Fatalf("krbtgt_%d has no key", number)
	return krb.Key{}, 0
}
