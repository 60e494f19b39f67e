package main

import (
	"context"

	"hellolab/cmd/hellolab/internal/doctor"
	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/trust"
)

// serverObjects looks at what the cloud Kerberos trusts of a lab rest on, and marks
// the domains to which no other trust leads.
func serverObjects(ctx context.Context, env providers.Env, facts *doctor.Facts) error {
	all, err := providers.ResolveAll[spec.Trust, spec.TrustOut](env, "trust")
	if err != nil {
		return err
	}
	cloud := map[string]bool{}
	for _, o := range all {
		domain := string(o.In.Domain)
		if o.ID == "" {
			continue
		}
		_, other := cloud[domain]
		cloud[domain] = o.In.Type == spec.TrustCloudKerberos && (!other || cloud[domain])
		if o.In.Type != spec.TrustCloudKerberos {
			continue
		}
		t := doctor.Trust{Addr: o.Addr, Domain: domain, Tenant: string(o.In.Tenant)}
		t.State, t.Trouble = trust.Look(ctx, env, o.In)
		facts.Trusts = append(facts.Trusts, t)
	}
	for i := range facts.Domains {
		facts.Domains[i].Cloud = cloud[facts.Domains[i].Addr]
	}
	return nil
}
