package windows

import (
	"fmt"

	"hellolab/providers"
	"hellolab/providers/spec"
)

type federationObject = providers.Object[spec.Federation, spec.FederationOut]

// adfsToken is the path of AD FS's token endpoint.
const adfsToken = "/adfs/oauth2/token/"

// federationOf is the service that checks a user's password in place of the
// tenant: the one that the tenant is federated with, or, of a user without a
// tenant, the AD FS of the domain. nil: there is none.
func federationOf(env providers.Env, user person) (*federationObject, error) {
	if user.tenant == "" {
		return adfsOn(env, user.domain)
	}
	t, err := providers.Resolve[spec.Tenant, spec.TenantOut](env, user.tenant)
	if err != nil || t.In.Federation == "" {
		return nil, err
	}
	f, err := providers.Resolve[spec.Federation, spec.FederationOut](env, t.In.Federation)
	if err == nil && f.Out.Host == "" {
		err = errNotCreated
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.In.Federation, err)
	}
	return &f, nil
}

// adfsOn is the AD FS of a domain, the first by address; nil when there is none.
func adfsOn(env providers.Env, domain providers.Ref) (*federationObject, error) {
	all, err := providers.ResolveAll[spec.Federation, spec.FederationOut](env, "federation")
	if err != nil {
		return nil, err
	}
	for i, f := range all {
		if f.In.Kind == spec.FederationADFS && domain != "" && f.In.Domain == domain && f.Out.Host != "" {
			return &all[i], nil
		}
	}
	return nil, nil
}
