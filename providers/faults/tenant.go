package faults

import (
	"context"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

// tenantAdministration is what an administrator of a tenant does over Graph,
// behind the lab's back.
func tenantAdministration() []providers.Fault {
	return []providers.Fault{
		{
			Name: "disabled_in_tenant", Targets: []string{"user", "device"},
			Doc:   "Its object in the tenant is disabled.",
			Begin: enable(false), End: enable(true),
		},
		{
			Name: "deleted_in_tenant", Targets: []string{"user", "device"}, Lasting: true,
			Doc: "Its object in the tenant is deleted.",
			Begin: inTenant(func(ctx context.Context, c *graph.Client, at place) error {
				return c.Delete(ctx, at.collection, at.id)
			}),
		},
		{
			Name: "not_compliant", Targets: []string{"device"},
			Doc:   "Device management says that it does not keep its rules.",
			Begin: compliance(func(spec.Device) bool { return false }),
			End:   compliance(func(d spec.Device) bool { return d.Compliant }),
		},
		{
			Name: "at_risk", Targets: []string{"user"},
			Doc:   "The tenant's risk detection rates the account high.",
			Begin: risk(func(spec.User) string { return "high" }),
			End:   risk(func(u spec.User) string { return u.Risk }),
		},
		{
			Name: "second_factor_missing", Targets: []string{"user"}, Lasting: true,
			Doc:   "No second factor is registered for the account any more.",
			Begin: inTenant(removeFactors),
		},
		{
			Name: "sessions_revoked", Targets: []string{"user"}, Lasting: true,
			Doc: "What the tenant gave the account until now, tokens and primary refresh tokens, is good no more.",
			Begin: inTenant(func(ctx context.Context, c *graph.Client, at place) error {
				_, err := graph.Post[struct{}](ctx, c, struct{}{}, at.collection, at.id, "revokeSignInSessions")
				return err
			}),
		},
		{
			Name: "domain_removed", Targets: []string{"tenant"}, Lasting: true,
			Doc:    "Its domain `domain` is removed by force: accounts with names of it are renamed to its first domain, and nobody knows the names that people go on typing.",
			Params: []providers.Attr{{Name: "domain", Doc: "which of its domains; not the first.", Type: cty.String, Default: cty.NilVal, Required: true}},
			Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
				c, err := tenantOf(ctx, b, providers.Ref(is.Target.Addr))
				if err != nil {
					return err
				}
				defer c.Close()
				_, err = graph.Post[struct{}](ctx, c, graph.ForceDelete{}, "domains", strings.ToLower(is.Text("domain")), "forceDelete")
				return err
			},
		},
		{
			Name: "kerberos_key_missing", Targets: []string{"trust"}, Lasting: true,
			Doc:   "The tenant has no key of the domain's Kerberos server object, and issues no tickets for it.",
			Begin: forgetDomain,
		},
		{
			Name: "key_deleted_in_tenant", Targets: []string{"enrollment"}, Lasting: true,
			Doc:   "Its key is deleted from the account in the tenant.",
			Begin: deleteKey,
		},
	}
}

// place is an object in a tenant.
type place struct {
	tenant     providers.Ref
	collection string
	id         string
}

// placeOf finds a user or device in its tenant.
func placeOf(b providers.Breaker, target providers.Record) (place, error) {
	at := place{}
	switch target.Kind {
	case "user":
		o, err := objectOf[spec.User, spec.UserOut](b, target.Addr)
		if err != nil {
			return at, err
		}
		at = place{o.In.Tenant, "users", o.Out.ObjectID}
	case "device":
		o, err := objectOf[spec.Device, spec.DeviceOut](b, target.Addr)
		if err != nil {
			return at, err
		}
		at = place{o.In.Tenant, "devices", o.Out.ObjectID}
	}
	if at.tenant == "" || at.id == "" {
		return at, fmt.Errorf("%s has no object in a tenant", target.Addr)
	}
	return at, nil
}

// tenantOf signs in to a tenant's directory as the lab's administrator.
func tenantOf(ctx context.Context, b providers.Breaker, tenant providers.Ref) (*graph.Client, error) {
	env, err := b.Env("")
	if err != nil {
		return nil, err
	}
	c, _, err := administer.Graph(ctx, env, tenant)
	return c, err
}

// inTenant does something to the target's object in its tenant.
func inTenant(do func(context.Context, *graph.Client, place) error) func(context.Context, providers.Breaker, providers.Broken) error {
	return func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
		at, err := placeOf(b, is.Target)
		if err != nil {
			return err
		}
		c, err := tenantOf(ctx, b, at.tenant)
		if err != nil {
			return err
		}
		defer c.Close()
		return do(ctx, c, at)
	}
}

func enable(on bool) func(context.Context, providers.Breaker, providers.Broken) error {
	return inTenant(func(ctx context.Context, c *graph.Client, at place) error {
		var body any = graph.User{AccountEnabled: &on}
		if at.collection == "devices" {
			body = graph.Device{AccountEnabled: &on}
		}
		return c.Patch(ctx, body, at.collection, at.id)
	})
}

func compliance(is func(spec.Device) bool) func(context.Context, providers.Breaker, providers.Broken) error {
	return func(ctx context.Context, b providers.Breaker, broken providers.Broken) error {
		d, err := objectOf[spec.Device, spec.DeviceOut](b, broken.Target.Addr)
		if err != nil {
			return err
		}
		compliant := is(d.In)
		return inTenant(func(ctx context.Context, c *graph.Client, at place) error {
			return c.Patch(ctx, graph.Device{IsManaged: &compliant, IsCompliant: &compliant}, at.collection, at.id)
		})(ctx, b, broken)
	}
}

func risk(level func(spec.User) string) func(context.Context, providers.Breaker, providers.Broken) error {
	return func(ctx context.Context, b providers.Breaker, broken providers.Broken) error {
		u, err := objectOf[spec.User, spec.UserOut](b, broken.Target.Addr)
		if err != nil {
			return err
		}
		return inTenant(func(ctx context.Context, c *graph.Client, at place) error {
			return c.Patch(ctx, graph.RiskyUser{RiskLevel: level(u.In)}, "identityProtection", "riskyUsers", at.id)
		})(ctx, b, broken)
	}
}

// factors are the collections of an account's methods that are second factors.
var factors = []string{"softwareOathMethods", "microsoftAuthenticatorMethods"}

func removeFactors(ctx context.Context, c *graph.Client, at place) error {
	type method struct {
		ID string `json:"id"`
	}
	for _, collection := range factors {
		var ids []string
		for m, err := range graph.List[method](ctx, c, "", at.collection, at.id, "authentication", collection) {
			if err != nil {
				return err
			}
			ids = append(ids, m.ID)
		}
		for _, id := range ids {
			if err := c.Delete(ctx, at.collection, at.id, "authentication", collection, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteKey deletes an enrollment's key from the account.
func deleteKey(ctx context.Context, b providers.Breaker, is providers.Broken) error {
	key, user, err := keyOf(b, is.Target.Addr)
	if err != nil {
		return err
	}
	c, err := tenantOf(ctx, b, user.In.Tenant)
	if err != nil {
		return err
	}
	defer c.Close()
	u, err := graph.Get[graph.User](ctx, c, "users", user.Out.ObjectID)
	if err != nil {
		return err
	}
	for _, k := range u.HelloKeys {
		if strings.EqualFold(k.KeyIdentifier, key) {
			return c.Delete(ctx, "users", user.Out.ObjectID, "authentication", "windowsHelloForBusinessMethods", k.ID)
		}
	}
	return fmt.Errorf("the tenant has no key of %s", is.Target.Addr)
}

// keyOf is the key of an enrollment, and whose it is.
func keyOf(b providers.Breaker, enrollment string) (keyID string, user providers.Object[spec.User, spec.UserOut], err error) {
	e, err := objectOf[spec.Enrollment, spec.EnrollmentOut](b, enrollment)
	if err != nil {
		return "", user, err
	}
	user, err = objectOf[spec.User, spec.UserOut](b, string(e.In.User))
	return e.Out.KeyID, user, err
}

// forgetDomain deletes the tenant's half of a Kerberos server object.
func forgetDomain(ctx context.Context, b providers.Breaker, is providers.Broken) error {
	t, err := objectOf[spec.Trust, spec.TrustOut](b, is.Target.Addr)
	if err != nil {
		return err
	}
	if t.In.Type != spec.TrustCloudKerberos {
		return fmt.Errorf("%s is of type %q, which has no Kerberos server object", t.Addr, t.In.Type)
	}
	d, err := objectOf[spec.Domain, spec.DomainOut](b, string(t.In.Domain))
	if err != nil {
		return err
	}
	c, err := tenantOf(ctx, b, t.In.Tenant)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Delete(ctx, "kerberosServers", strings.ToLower(d.In.DNSName))
}
