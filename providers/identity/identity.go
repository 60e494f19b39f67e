// Package identity is the kinds user and group: accounts that live in a
// tenant's directory or in a domain's. They are administered as anybody
// administers those, over Graph or LDAP, with the lab administrator's
// credential; the package knows nothing of their insides.
package identity

import (
	"context"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{User(), Group()} }

// directory signs in to the directory of a tenant.
func directory(ctx context.Context, env providers.Env, tenant providers.Ref) (*graph.Client, error) {
	t, err := providers.Resolve[spec.Tenant, spec.TenantOut](env, tenant)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tenant, err)
	}
	if t.ID == "" {
		return nil, fmt.Errorf("%s does not exist yet", tenant)
	}
	return graph.SignIn(ctx, env, graph.Tenant{
		ID:           t.Out.TenantID,
		LoginHost:    t.Out.LoginHost,
		GraphHost:    t.Out.GraphHost,
		ClientID:     t.Out.AdminClientID,
		ClientSecret: t.Out.AdminSecret,
	})
}

// declared returns what the block of env.Addr asks for: Find is told a key
// only, and needs the tenant to look in.
func declared[In, Out any](env providers.Env) (providers.Object[In, Out], error) {
	return providers.Resolve[In, Out](env, providers.Ref(env.Addr))
}

// directoryID returns the directory's id of the object behind ref, "" when it
// is not created yet.
func directoryID(env providers.Env, ref providers.Ref) (string, error) {
	rec, err := env.Objects.Lookup(string(ref))
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	if rec.Kind == "device" && rec.ID != "" {
		// A group holds a device's directory object, which has an id of its own.
		d, err := providers.Resolve[spec.Device, spec.DeviceOut](env, ref)
		return d.Out.ObjectID, err
	}
	return rec.ID, nil
}
