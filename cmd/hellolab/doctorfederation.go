package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"

	"hellolab/cmd/hellolab/internal/doctor"
	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/graph"
)

// federations asks the federation services how they stand, and their tenants what
// they know of them.
func federations(ctx context.Context, env providers.Env) ([]doctor.Federation, error) {
	all, err := providers.ResolveAll[spec.Federation, spec.FederationOut](env, "federation")
	if err != nil {
		return nil, err
	}
	tenants, err := providers.ResolveAll[spec.Tenant, spec.TenantOut](env, "tenant")
	if err != nil {
		return nil, err
	}
	var out []doctor.Federation
	for _, o := range all {
		if o.ID == "" {
			continue
		}
		f := doctor.Federation{Addr: o.Addr, Stopped: !o.In.Enabled, Registers: o.In.Kind == spec.FederationADFS && o.In.Authority != "" && o.In.RegistrationAuthority}
		if f.Status, err = (adfs.Admin{Host: o.Out.Host, Secret: o.Out.AdminSecret}).Status(ctx, env); err != nil {
			f.Trouble = err.Error()
		}
		for _, t := range tenants {
			if t.ID == "" || string(t.In.Federation) != o.Addr || t.In.Authentication != "federated" {
				continue
			}
			known, err := knownSigners(ctx, env, t)
			if err != nil {
				return nil, fmt.Errorf("what %s knows of %s: %w", t.Addr, o.Addr, err)
			}
			f.Tenants = append(f.Tenants, doctor.FederatedTenant{Addr: t.Addr, Certificates: known})
		}
		out = append(out, f)
	}
	return out, nil
}

// knownSigners are the thumbprints of the certificates by which a tenant believes
// its federation service, for its first domain.
func knownSigners(ctx context.Context, env providers.Env, t administer.Tenant) ([]string, error) {
	c, err := graph.SignIn(ctx, env, administer.GraphTenant(t.Out))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	settings, err := graph.Get[graph.Page[graph.InternalDomainFederation]](ctx, c, "domains", t.In.Domains[0], "federationConfiguration")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range settings.Value {
		for _, der := range [][]byte{f.SigningCertificate, f.NextSigningCertificate} {
			if len(der) > 0 {
				sum := sha1.Sum(der)
				out = append(out, strings.ToUpper(hex.EncodeToString(sum[:])))
			}
		}
	}
	return out, nil
}
