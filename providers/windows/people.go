package windows

import (
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/guid"
)

// person is who sits at a device: what they know and what they carry.
type person struct {
	addr       string
	upn        string
	objectID   string // in their tenant
	sid        string // that a device knows them by, made of the object id
	onPremSID  string // of the account in the domain; empty without one
	tenant     providers.Ref
	domain     providers.Ref
	upnOnPrem  string // user principal name in the domain; empty without an account there
	password   providers.Secret
	totpSecret string // base32, of the authenticator app's codes; empty without one
	phone      string // secret of the phone that takes notifications; empty without one
}

// userOf resolves a user who exists.
func userOf(env providers.Env, ref providers.Ref) (person, error) {
	o, err := providers.Resolve[spec.User, spec.UserOut](env, ref)
	if err != nil {
		return person{}, fmt.Errorf("%s: %w", ref, err)
	}
	if o.Out.ObjectID == "" {
		return person{}, fmt.Errorf("%s: %w", ref, errNotCreated)
	}
	id, err := guid.Parse(o.Out.ObjectID)
	if err != nil {
		return person{}, fmt.Errorf("%s: object id: %w", ref, err)
	}
	p := person{
		addr: string(ref), upn: o.In.UPN, objectID: o.Out.ObjectID, sid: id.SID(), tenant: o.In.Tenant,
		password: o.In.Password, totpSecret: o.Out.TOTPSecret, phone: o.Out.PhoneSecret,
		domain: o.In.Domain, onPremSID: o.Out.SID,
	}
	if o.In.Domain != "" {
		p.upnOnPrem = hello.DomainUPN(o.In)
	}
	return p, nil
}

// errNotCreated is a reference to what is declared and does not exist yet.
var errNotCreated = errors.New("it does not exist yet")

// tenantOf resolves a tenant that exists.
func tenantOf(env providers.Env, ref providers.Ref) (spec.TenantOut, error) {
	o, err := providers.Resolve[spec.Tenant, spec.TenantOut](env, ref)
	if err != nil {
		return spec.TenantOut{}, fmt.Errorf("%s: %w", ref, err)
	}
	if o.Out.TenantID == "" {
		return spec.TenantOut{}, fmt.Errorf("%s: %w", ref, errNotCreated)
	}
	return o.Out, nil
}
