package trust_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/trust"
)

// part is a kind whose objects only are: a trust looks at them in the lab's
// record and asks them nothing.
func part[In, Out any](name string, out func(addr string) Out) providers.Type {
	return providers.Of(providers.Kind[In, Out]{
		Name:   name,
		Create: func(_ context.Context, env providers.Env, _ In) (Out, error) { return out(env.Addr), nil },
	})
}

// newLab is all that trusts need: three domains, synchronized to one tenant, of
// which two have an authority.
func newLab(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb,
		part[spec.Tenant]("tenant", func(addr string) spec.TenantOut { return spec.TenantOut{TenantID: addr + "-id"} }),
		part[spec.Domain]("domain", func(addr string) spec.DomainOut {
			return spec.DomainOut{GUID: addr + "-id", Hosts: []string{"dc1." + addr}}
		}),
		part[spec.Authority]("authority", func(addr string) spec.AuthorityOut { return spec.AuthorityOut{Thumbprint: addr + "-id"} }),
		part[spec.Sync]("sync", func(addr string) spec.SyncOut { return spec.SyncOut{Host: addr + ".test"} }),
		trust.Trust())
	e.Create("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}})
	for n := range 5 {
		domain := providers.Ref(fmt.Sprintf("domain.d%d", n))
		e.Create(string(domain), spec.Domain{DNSName: fmt.Sprintf("d%d.contoso.com", n), NetBIOSName: fmt.Sprintf("D%d", n)})
		e.Create(fmt.Sprintf("sync.d%d", n), spec.Sync{Tenant: "tenant.contoso", Domain: domain})
		for _, ca := range []string{"root", "issuing"} {
			e.Create(fmt.Sprintf("authority.%s%d", ca, n), spec.Authority{Domain: domain, CommonName: ca})
		}
	}
	return e
}

func key(n int) spec.Trust {
	return spec.Trust{Type: "key", Tenant: "tenant.contoso", Domain: providers.Ref(fmt.Sprintf("domain.d%d", n))}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Kind: "trust", Env: newLab, In: func(n int) any { return key(n) },
		Change: func(n int) any {
			in := key(n)
			in.Authority = providers.Ref(fmt.Sprintf("authority.issuing%d", n))
			return in
		},
	})
}

// A trust without one of its parts is not made, and says which is missing.
func TestPartsAreMissing(t *testing.T) {
	for _, c := range []struct {
		name, says string
		change     func(*conformance.Env, *spec.Trust)
	}{
		{"tenant", "tenant.gone", func(_ *conformance.Env, in *spec.Trust) { in.Tenant = "tenant.gone" }},
		{"domain", "domain.gone", func(_ *conformance.Env, in *spec.Trust) { in.Domain = "domain.gone" }},
		{"domain not made", "does not exist yet", func(e *conformance.Env, in *spec.Trust) {
			e.Declare("domain.new", spec.Domain{DNSName: "new.contoso.com", NetBIOSName: "NEW"})
			in.Domain = "domain.new"
		}},
		{"sync", "no sync leads from domain.bare to tenant.contoso", func(e *conformance.Env, in *spec.Trust) {
			e.Create("domain.bare", spec.Domain{DNSName: "bare.contoso.com", NetBIOSName: "BARE"})
			in.Domain = "domain.bare"
		}},
		{"sync not made", "no sync leads", func(e *conformance.Env, in *spec.Trust) {
			e.Create("domain.bare", spec.Domain{DNSName: "bare.contoso.com", NetBIOSName: "BARE"})
			e.Declare("sync.bare", spec.Sync{Tenant: "tenant.contoso", Domain: "domain.bare"})
			in.Domain = "domain.bare"
		}},
		{"any authority", "has no authority", func(e *conformance.Env, in *spec.Trust) {
			e.Create("domain.bare", spec.Domain{DNSName: "bare.contoso.com", NetBIOSName: "BARE"})
			e.Create("sync.bare", spec.Sync{Tenant: "tenant.contoso", Domain: "domain.bare"})
			in.Domain = "domain.bare"
		}},
		{"the authority", "authority.gone", func(_ *conformance.Env, in *spec.Trust) { in.Authority = "authority.gone" }},
		{"an authority of the domain", "not of domain.d0", func(_ *conformance.Env, in *spec.Trust) { in.Authority = "authority.root1" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, in := newLab(t), key(0)
			c.change(e, &in)
			if _, err := e.TryCreate(t.Context(), "trust.key", in); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A trust that lost a part is gone: the next plan makes it again, or says why not.
func TestPartGoes(t *testing.T) {
	e := newLab(t)
	e.Create("trust.key", key(0))
	if o, err := e.Read(t.Context(), "trust.key"); err != nil || o.ID != "key/tenant.contoso-id/domain.d0-id" {
		t.Fatalf("%+v, %v", o, err)
	}
	e.Delete("sync.d0")
	if _, err := e.Read(t.Context(), "trust.key"); !errors.Is(err, providers.ErrGone) || !strings.Contains(err.Error(), "no sync leads") {
		t.Errorf("%v", err)
	}
}
