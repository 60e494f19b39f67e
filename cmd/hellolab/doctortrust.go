package main

import (
	"context"
	"fmt"

	"hellolab/cmd/hellolab/internal/doctor"
	"hellolab/providers"
	"hellolab/providers/hello/access"
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

// surveyServers adds to facts which server objects serve nobody.
func surveyServers(ctx context.Context, env providers.Env, facts *access.Facts) error {
	all, err := providers.ResolveAll[spec.Trust, spec.TrustOut](env, "trust")
	for _, o := range all {
		if o.ID == "" || o.In.Type != spec.TrustCloudKerberos {
			continue
		}
		at, err := trust.Look(ctx, env, o.In)
		if err != nil {
			facts.Gaps = append(facts.Gaps, fmt.Sprintf("The Kerberos server object of %s could not be read: %v.", o.Addr, err))
			continue
		}
		if code := refusedFor(at); code != "" {
			facts.Servers[o.Addr] = code
		}
	}
	return err
}

// refusedFor is the code by which whoever signs in with a server object's ticket is
// refused; "" when nobody is for its sake.
func refusedFor(at trust.State) string {
	switch {
	case !at.Published:
		return "no_cloud_tgt"
	case !at.Sound, at.TenantKey == 0:
		return "cloud_kerberos_unknown"
	case at.DomainKey != at.TenantKey, at.Apart:
		return "cloud_kerberos_key_differs"
	}
	return ""
}
