package adfs

import (
	"context"
	"fmt"
	"time"

	"hellolab/providers"
	"hellolab/providers/adfs/farm"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/saml"
)

// assertion signs what the service says of an account to Entra ID, the one
// relying party that takes assertions here: to whom it belongs (ImmutableID, UPN),
// and how it signed in; of a computer, what lets it register itself.
func (s *server) assertion(ctx context.Context, peer event.Actor, a *farm.Account, p *farm.Proof, realm string) ([]byte, *saml.Assertion, error) {
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return nil, nil, err
	}
	now := s.env.Now()
	t := &saml.Assertion{ID: "_" + id.String(), Issuer: adfs.TrustIssuer(s.set.Host), IssueInstant: now, NotBefore: now, NotOnOrAfter: now.Add(s.set.lifetimes().Assertion),
		Audience: realm, NameID: a.ImmutableID, NameFormat: saml.FormatUnspecified, Method: p.Method, AuthInstant: time.Unix(p.At, 0)}
	add := func(c saml.Claim, values ...string) {
		if len(values) > 0 && values[0] != "" {
			t.Attributes = append(t.Attributes, saml.Attribute{Claim: c, Values: values})
		}
	}
	add(saml.ClaimUPN, a.UPN)
	add(saml.ClaimImmutableID, a.ImmutableID)
	methods := []string{p.Method}
	if p.MFATime != 0 {
		methods = append(methods, saml.MethodMultiple)
	}
	add(saml.ClaimMethods, methods...)
	at := p.At
	if p.MFATime != 0 {
		at = p.MFATime
	}
	add(saml.ClaimMethodTime, time.Unix(at, 0).UTC().Format(time.RFC3339))
	add(saml.ClaimInside, fmt.Sprint(s.set.adfs()))
	if !a.SID.IsZero() {
		add(saml.ClaimPrimarySID, a.SID.String())
	}
	if a.Computer {
		add(saml.ClaimAccountType, saml.AccountComputer)
		add(saml.ClaimObjectGUID, a.ImmutableID)
		add(saml.ClaimIssuerID, adfs.TrustIssuer(s.set.Host))
	}
	signed, err := t.Sign(s.keys[0].key, s.keys[0].cert)
	if err != nil {
		return nil, nil, fmt.Errorf("sign assertion: %w", err)
	}
	m := map[string]any{"account": a.Qualified(), "audience": realm, "method": p.Method, "multipleauthn": p.MFATime != 0, "immutable_id": a.ImmutableID, "expires": t.NotOnOrAfter.UTC(), "assertion_id": t.ID}
	text := "signs an assertion of the account, without a claim of a second factor."
	switch {
	case a.Computer:
		text, m["accounttype"] = "signs an assertion of the computer, with what lets it register itself.", saml.AccountComputer
	case p.MFATime != 0:
		text = "signs an assertion of the account, with the claim of a second factor."
	}
	s.step(ctx, peer, "assertion_issued", text, m)
	return signed, t, nil
}

type tenantObject = providers.Object[spec.Tenant, spec.TenantOut]

// tenants are those that are federated with the service: to their addresses go
// assertions for Entra ID.
func (s *server) tenants() (federated []tenantObject, err error) {
	all, err := providers.ResolveAll[spec.Tenant, spec.TenantOut](s.env, "tenant")
	for _, t := range all {
		if string(t.In.Federation) == s.env.Addr && t.Out.LoginHost != "" {
			federated = append(federated, t)
		}
	}
	return federated, err
}

func unknownRealm(realm string) *adfs.Error {
	return adfs.NewError(adfs.InvalidResource, adfs.CodeRelyingParty, "The requested relying party trust '%.128s' is unspecified or unsupported.", realm).
		WithHint("Name urn:federation:MicrosoftOnline, and federate a tenant with the service.")
}
