package survey

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/graph"
)

// metadataEvery is how often a tenant reads metadata again (Microsoft, "Renew
// federation certificates for Microsoft 365": daily).
const metadataEvery = 24 * time.Hour

// trusted compares the token-signing certificates that a federated tenant knows with
// the one that its service signs by.
func (s *survey) trusted(c *graph.Client, t providers.Object[spec.Tenant, spec.TenantOut]) error {
	if t.In.Federation == "" || len(t.In.Domains) == 0 {
		return nil
	}
	service, err := providers.Resolve[spec.Federation, spec.FederationOut](s.env, t.In.Federation)
	if err != nil {
		return err
	}
	for f, err := range graph.List[graph.InternalDomainFederation](s.ctx, c, "", "domains", t.In.Domains[0], "federationConfiguration") {
		if err != nil {
			return err
		}
		held := &access.Tenant{Stale: !signs(f.SigningCertificate, service.Out) && !signs(f.NextSigningCertificate, service.Out)}
		if f.CertificateUpdate != nil {
			if last := moment(f.CertificateUpdate.LastRun); !last.IsZero() {
				held.Next = last.Add(metadataEvery)
			}
		}
		s.facts.Tenants[t.Addr] = held
	}
	return nil
}

// signs reports whether a service signs by a certificate, DER.
func signs(der []byte, by spec.FederationOut) bool {
	sum := sha1.Sum(der)
	return len(der) > 0 && strings.EqualFold(hex.EncodeToString(sum[:]), by.SigningThumbprint)
}

// elsewhere finds the users whose accounts, with their passwords, another vendor's
// federation service has.
func (s *survey) elsewhere(o providers.Object[spec.Federation, spec.FederationOut], tenants map[providers.Ref]bool) error {
	for _, u := range s.users {
		if !tenants[u.In.Tenant] {
			continue
		}
		ctx, cancel := context.WithTimeout(s.ctx, patience)
		_, err := adfs.Admin{Host: o.Out.Host, Secret: o.Out.AdminSecret}.Account(ctx, s.env, u.In.UPN)
		cancel()
		var none *adfs.NotFound
		if err != nil && !errors.As(err, &none) {
			return err
		}
		s.facts.Accounts[u.Addr].Elsewhere = err == nil
	}
	return nil
}

// federatedWith are the tenants that a service checks the passwords of.
func (s *survey) federatedWith(service string) (map[providers.Ref]bool, error) {
	tenants, err := existing[spec.Tenant, spec.TenantOut](s.env, "tenant")
	by := map[providers.Ref]bool{}
	for _, t := range tenants {
		by[providers.Ref(t.Addr)] = string(t.In.Federation) == service
	}
	return by, err
}
