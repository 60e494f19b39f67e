package access_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// That verdicts are those of real sign-ins is for providers/all to show. Here
// are the parts that no real sign-in has: words, moments, what is unknown.

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const (
	alice  = "user.alice"
	laptop = "device.laptop"
	desk   = "device.desk"
	corp   = "domain.corp"
	tenant = "tenant.contoso"
)

// objects is a lab as declared, by address. What has no ID is to be made.
type objects map[string]any

// world makes the World of objects; fresh ones do not exist yet.
func world(t testing.TB, all objects, fresh ...string) *hello.World {
	t.Helper()
	var records []providers.Record
	for addr, in := range all {
		v, err := providers.Encode(in, providers.KeepZero)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(addr, ".")
		rec := providers.Record{Addr: addr, Kind: kind, ID: addr, In: v, Out: cty.NullVal(cty.DynamicPseudoType)}
		if slices.Contains(fresh, addr) {
			rec.ID = ""
		}
		records = append(records, rec)
	}
	w, err := hello.NewWorld(records)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// declared is alice on a laptop and a desk, with key trust.
func declared(change ...func(objects)) objects {
	on := true
	o := objects{
		tenant:            spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "managed"},
		corp:              spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", CachedLogons: 10},
		"authority.ca":    spec.Authority{Domain: corp, CommonName: "CA"},
		"sync.corp":       spec.Sync{Tenant: tenant, Domain: corp, Interval: 30 * time.Minute, Enabled: true, KeyExport: true, KeyRight: true},
		"trust.key":       spec.Trust{Type: "key", Tenant: tenant, Domain: corp},
		"policy.hello":    spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: &on},
		alice:             spec.User{UPN: "alice@contoso.com", Tenant: tenant, Domain: corp, MFA: "totp", EnabledInTenant: true, EnabledInDomain: true, Risk: "none"},
		laptop:            spec.Device{Join: "entra", Tenant: tenant, TPM: "2.0", EnabledInTenant: true, EnabledInDomain: true, TrustedRoots: []providers.Ref{"authority.ca"}},
		desk:              spec.Device{Join: "hybrid", Tenant: tenant, Domain: corp, TPM: "2.0", EnabledInTenant: true, EnabledInDomain: true},
		"enrollment.al":   spec.Enrollment{User: alice, Device: laptop, PIN: providers.Secret("187246"), PINVersion: 1},
		"enrollment.desk": spec.Enrollment{User: alice, Device: desk, PIN: providers.Secret("187246"), PINVersion: 1},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

// held is that lab when everything works.
func held() *access.Facts {
	f := access.NewFacts(now)
	pin := hello.ShapeOfPIN([]byte("187246"))
	for i, device := range []string{laptop, desk} {
		f.Machines[device] = &access.Machine{DeviceID: device, Credentials: map[string]*access.Credential{
			alice: {KeyID: string(rune('k' + i)), DeviceID: device, Domain: "corp.contoso.com", PIN: pin, PINSet: now, Session: true},
		}}
	}
	f.Accounts[alice] = &access.Account{TenantKeys: []access.Key{{ID: "k", DeviceID: laptop}, {ID: "l", DeviceID: desk}}, DomainKeys: []string{"k", "l"}, PasswordSet: now}
	f.Domains[corp] = &access.Domain{Certificates: map[string]*access.Certificate{"dc1": {
		Template: spec.TemplateKerberosAuthentication, Authority: "authority.ca", NotBefore: now, NotAfter: now.AddDate(1, 0, 0), ForKDC: true, ForServer: true, Named: true,
	}}}
	f.Syncs["sync.corp"] = access.Schedule{Cycles: access.Timing{Next: now.Add(10 * time.Minute)}, Keys: access.Timing{Next: now.Add(10 * time.Minute)}}
	return f
}

func decide(t testing.TB, o objects, f *access.Facts, device, to string) access.Verdict {
	t.Helper()
	return access.Decide(world(t, o), f, access.Request{User: alice, Device: device, To: to})
}

func TestKeyThatIsNotThere(t *testing.T) {
	f := held()
	f.Accounts[alice].DomainKeys = nil
	v := decide(t, declared(), f, laptop, corp)
	if v.Word != access.Refused || v.Reason != "key_not_synced" || v.Flow != "A3" || v.Phase != "B" || v.Action != access.WaitForSync || v.When != access.NextSync || !v.At.Equal(now.Add(10*time.Minute)) {
		t.Errorf("%+v", v)
	}
	for rule, change := range map[string]func(*spec.Sync){
		"C1 staging": func(s *spec.Sync) { s.Staging = true }, "C1 enabled": func(s *spec.Sync) { s.Enabled = false },
		"C4 export": func(s *spec.Sync) { s.KeyExport = false }, "C4 right": func(s *spec.Sync) { s.KeyRight = false },
	} {
		o := declared(func(o objects) {
			s := o["sync.corp"].(spec.Sync)
			change(&s)
			o["sync.corp"] = s
		})
		if v := decide(t, o, f, laptop, corp); v.Action != access.AdminFix || v.Rule != rule[:2] || !v.At.IsZero() {
			t.Errorf("%s: %+v", rule, v)
		}
		if later := f.Later(world(t, o), now.Add(time.Hour)); len(later.Accounts[alice].DomainKeys) != 0 {
			t.Errorf("%s: a cycle brought the key", rule)
		}
	}
	later := f.Later(world(t, declared()), now.Add(time.Hour))
	if v := decide(t, declared(), later, laptop, corp); v.Word != access.Allowed {
		t.Errorf("an hour later: %+v", v)
	}
	if len(f.Accounts[alice].DomainKeys) != 0 {
		t.Error("the facts of before have changed")
	}
}

func TestPINThatIsDue(t *testing.T) {
	life := 30
	o := declared(func(o objects) {
		o["policy.pin"] = spec.Policy{Source: "gpo", PINComplexity: &spec.PINComplexity{Expiration: &life}}
	})
	f := held()
	if v := decide(t, o, f, laptop, tenant); v.Word != access.Allowed || v.NewPIN {
		t.Errorf("a new one: %+v", v)
	}
	late := f.Later(world(t, o), now.AddDate(0, 0, 31))
	if v := decide(t, o, late, laptop, tenant); v.Word != access.Allowed || !v.NewPIN || v.Action != access.ChangePIN || v.Rule != "N4" {
		t.Errorf("one of 31 days: %+v", v)
	}
	if v := access.Decide(world(t, o), late, access.Request{User: alice, Device: laptop, To: tenant, Gesture: access.ByPassword}); v.NewPIN {
		t.Errorf("with the password: %+v", v)
	}
}

// A device of a version that noted neither a domain with its keys nor what the
// PIN looks like keeps its sign-ins.
func TestOfAnOlderVersion(t *testing.T) {
	f := held()
	c := f.Machines[laptop].Credentials[alice]
	c.Domain, c.PIN = "", hello.PINShape{}
	if v := decide(t, declared(), f, laptop, corp); v.Reason != "domain_hint_missing" {
		t.Errorf("a key that was made for no domain: %+v", v)
	}
	c.Unhinted = true
	if v := decide(t, declared(), f, laptop, corp); v.Word != access.Allowed || v.NewPIN {
		t.Errorf("%+v", v)
	}
	longer := declared(func(o objects) {
		n := 8
		o["policy.pin"] = spec.Policy{Source: "gpo", PINComplexity: &spec.PINComplexity{MinimumPINLength: &n}}
	})
	if v := decide(t, longer, f, laptop, tenant); !v.NewPIN || !strings.Contains(v.Sentence, "6 long") {
		t.Errorf("what the enrollment says of its PIN: %+v", v)
	}
	e := longer["enrollment.al"].(spec.Enrollment)
	e.PIN = nil
	longer["enrollment.al"] = e
	if v := decide(t, longer, f, laptop, tenant); v.NewPIN {
		t.Errorf("a PIN that nobody knows: %+v", v)
	}
}

func TestAwayFromTheDomain(t *testing.T) {
	o := declared(func(o objects) {
		d := o[desk].(spec.Device)
		d.Network = "internet"
		o[desk] = d
	})
	f := held()
	if v := decide(t, o, f, desk, ""); v.Reason != "cached_logon_missing" || v.Action != access.LineOfSight {
		t.Errorf("never signed in: %+v", v)
	}
	f.Machines[desk].Credentials[alice].CachedKey = &access.CachedLogon{At: now, KeyID: "l"}
	if v := decide(t, o, f, desk, ""); v.Word != access.Allowed {
		t.Errorf("signed in before: %+v", v)
	}
	if v := decide(t, o, f, desk, corp); v.Reason != "no_line_of_sight" || v.Phase != "G" {
		t.Errorf("to the domain: %+v", v)
	}
	f.Domains[corp].Certificates = nil
	on := declared()
	if v := decide(t, on, f, desk, ""); v.Reason != "kdc_no_certificate" || !v.Grace {
		t.Errorf("on site, without a certificate: %+v", v)
	}
	// The key by another trust is another to a device that saw no controller since.
	f.Machines[desk].Credentials[alice].CachedKey.Trust = hello.CloudKerberos
	if v := decide(t, o, f, desk, ""); v.Reason != "cached_logon_missing" {
		t.Errorf("cached by another trust: %+v", v)
	}
}

// What is not decided is never "no change".
func TestUnknown(t *testing.T) {
	f := held()
	delete(f.Machines, laptop)
	if v := decide(t, declared(), f, laptop, ""); v.Word != access.Unknown {
		t.Errorf("a device that could not be read: %+v", v)
	}
	if v := access.Decide(world(t, declared()), held(), access.Request{User: "user.nobody", Device: laptop}); v.Word != access.None {
		t.Errorf("nobody: %+v", v)
	}
}

// A plan that makes an enrollment leaves its key with the tenant; where it will
// fail, it leaves none and says why.
func TestPlannedEnrollment(t *testing.T) {
	was := declared(func(o objects) { delete(o, "enrollment.al") })
	f := held()
	f.Machines[laptop].Credentials, f.Accounts[alice].TenantKeys = map[string]*access.Credential{}, f.Accounts[alice].TenantKeys[1:]
	is := world(t, declared(), "enrollment.al")
	then := access.Planned(f, world(t, was), is)
	if v := access.Decide(is, then, access.Request{User: alice, Device: laptop, To: tenant}); v.Word != access.Allowed {
		t.Errorf("to the tenant: %+v", v)
	}
	if v := access.Decide(is, then, access.Request{User: alice, Device: laptop, To: corp}); v.Reason != "key_not_synced" {
		t.Errorf("to the domain: %+v", v)
	}
	is = world(t, declared(func(o objects) {
		u := o[alice].(spec.User)
		u.MFA = "none"
		o[alice] = u
	}), "enrollment.al")
	then = access.Planned(f, world(t, was), is)
	if v := access.Decide(is, then, access.Request{User: alice, Device: laptop, To: tenant}); v.Reason != "no_hello_credential" {
		t.Errorf("without a second factor: %+v", v)
	}
	if !slices.ContainsFunc(then.Gaps, func(s string) bool {
		return strings.Contains(s, "enrollment.al") && strings.Contains(s, "mfa_not_registered")
	}) {
		t.Errorf("%q", then.Gaps)
	}
}

// Every reason that a decision gives has its consequences, and a sentence.
func TestOutcomesAreReasons(t *testing.T) {
	for _, code := range access.Codes() {
		if _, ok := hello.ReasonFor(code); !ok {
			t.Errorf("%s is no reason", code)
		}
	}
}
