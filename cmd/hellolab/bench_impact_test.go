package main

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/impact"
	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// BenchmarkImpact is the whole preview of a large company's plan: 1,000 users on
// 1,500 devices (each user on one or two, every pair an enrollment), 50 targets
// (a tenant and 29 applications, a domain and 19 services), and a plan that
// tightens the PIN, disables a hundred users and moves a hundred devices off
// site. The promises are under 2 s and 300 MB.
func BenchmarkImpact(b *testing.B) {
	s := newSystems(nil, nil)
	defer s.Close()
	was, is := company(b, s, false), company(b, s, true)
	facts := companyFacts(was)
	var memory runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&memory)
		before := memory.TotalAlloc
		began := time.Now()
		then := access.Planned(facts, was, is).Later(is, facts.Now)
		r := impact.Compare(side{Lab: access.New(was, facts)}, side{Lab: access.New(is, then)}, facts.Now)
		b.ReportMetric(time.Since(began).Seconds(), "s/impact")
		runtime.ReadMemStats(&memory)
		b.ReportMetric(float64(memory.TotalAlloc-before)/(1<<20), "MB/impact") // all that was ever allocated
		if r.Enrollments != 1500 || r.SignIns != 1500*51 || r.Lost == 0 {
			b.Fatalf("%d enrollments, %d sign-ins, %d lost", r.Enrollments, r.SignIns, r.Lost)
		}
	}
}

// company is the lab of BenchmarkImpact, before its plan or after.
func company(tb testing.TB, s *systems, planned bool) *hello.World {
	tb.Helper()
	var records []providers.Record
	add := func(addr, kind string, in any) {
		t := s.registry.Type(kind)
		v, err := providers.Encode(in, providers.OmitZero)
		if err == nil {
			v, err = t.Schema.Complete(v)
		}
		if err != nil {
			tb.Fatal(err)
		}
		records = append(records, providers.Record{Addr: addr, Kind: kind, ID: addr, In: v, Out: cty.NullVal(t.Schema.OutType)})
	}
	minimum := 4
	if planned {
		minimum = 8
	}
	on := true
	add("tenant.contoso", "tenant", spec.Tenant{Domains: []string{"contoso.com"}})
	add("domain.corp", "domain", spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	add("authority.issuing", "authority", spec.Authority{Domain: "domain.corp", CommonName: "Issuing"})
	add("sync.corp", "sync", spec.Sync{Tenant: "tenant.contoso", Domain: "domain.corp"})
	add("trust.key", "trust", spec.Trust{Type: "key", Tenant: "tenant.contoso", Domain: "domain.corp"})
	for i := range 20 {
		add(fmt.Sprintf("group.g%d", i), "group", spec.Group{Domain: "domain.corp"})
		p := spec.Policy{Source: "gpo", Assign: []providers.Ref{providers.Ref(fmt.Sprintf("group.g%d", i))}, Scope: "user"}
		p.PINComplexity = &spec.PINComplexity{MinimumPINLength: &minimum}
		add(fmt.Sprintf("policy.p%d", i), "policy", p)
	}
	add("policy.hello", "policy", spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: &on})
	for i := range 29 {
		add(fmt.Sprintf("application.a%d", i), "application", spec.Application{Tenant: "tenant.contoso", Require: &spec.ApplicationRequire{MFA: i%2 == 0, CompliantDevice: i%5 == 0}})
	}
	for i := range 19 {
		add(fmt.Sprintf("service.s%d", i), "service", spec.Service{Domain: "domain.corp", Authorize: []providers.Ref{providers.Ref(fmt.Sprintf("group.g%d", i))}})
	}
	for i := range 1000 {
		u := spec.User{UPN: fmt.Sprintf("u%d@contoso.com", i), Tenant: "tenant.contoso", Domain: "domain.corp", Groups: []providers.Ref{providers.Ref(fmt.Sprintf("group.g%d", i%20))}}
		if planned && i%10 == 0 {
			u.Risk = "high"
		}
		add(fmt.Sprintf("user.u%d", i), "user", u)
	}
	for i := range 1500 {
		d := spec.Device{Join: "hybrid", Tenant: "tenant.contoso", Domain: "domain.corp"}
		if i%2 == 0 {
			d = spec.Device{Join: "entra", Tenant: "tenant.contoso", TrustedRoots: []providers.Ref{"authority.issuing"}}
		}
		if planned && i%15 == 0 {
			d.Network = "internet"
		}
		add(fmt.Sprintf("device.d%d", i), "device", d)
		add(fmt.Sprintf("enrollment.e%d", i), "enrollment", spec.Enrollment{User: providers.Ref(fmt.Sprintf("user.u%d", i%1000)), Device: providers.Ref(fmt.Sprintf("device.d%d", i)), PIN: providers.Secret("187246")})
	}
	w, err := hello.NewWorld(records)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// companyFacts are those of a lab in which all of it works.
func companyFacts(w *hello.World) *access.Facts {
	f := access.NewFacts(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	f.Domains["domain.corp"] = &access.Domain{Certificates: map[string]*access.Certificate{"dc1": {
		Template: spec.TemplateKerberosAuthentication, Authority: "authority.issuing", NotBefore: f.Now, NotAfter: f.Now.AddDate(1, 0, 0), ForKDC: true, ForServer: true, Named: true,
	}}}
	for addr := range w.Users {
		f.Accounts[addr] = &access.Account{PasswordSet: f.Now}
	}
	for addr, e := range w.Enrollments {
		user, device := string(e.In.User), string(e.In.Device)
		f.Machines[device] = &access.Machine{DeviceID: device, Credentials: map[string]*access.Credential{
			user: {KeyID: addr, DeviceID: device, Domain: "corp.contoso.com", PIN: *e.PIN, PINSet: f.Now},
		}}
		a := f.Accounts[user]
		a.TenantKeys, a.DomainKeys = append(a.TenantKeys, access.Key{ID: addr, DeviceID: device}), append(a.DomainKeys, addr)
	}
	return f
}
