// Package identity is the kinds user and group: accounts that live in a
// tenant's directory, in a domain's, or, of a user, in both; and
// password_settings, a domain's policies on the passwords of some of them. They
// are administered as anybody administers those, over Graph or LDAP, with the lab
// administrator's credential; the package knows nothing of their insides.
//
// An account in both is made in the domain; Entra Connect carries it to the
// tenant, which is asked for a cycle; and what the tenant alone says of it, such
// as its second factor, is set there afterwards.
package identity

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{User(), Group(), PasswordSettings()} }

// directory signs in to the directory of a tenant.
func directory(ctx context.Context, env providers.Env, tenant providers.Ref) (*graph.Client, error) {
	c, _, err := administer.Graph(ctx, env, tenant)
	return c, err
}

// declared returns what the block of env.Addr asks for: Find is told a key
// only, and needs the tenant to look in.
func declared[In, Out any](env providers.Env) (providers.Object[In, Out], error) {
	return providers.Resolve[In, Out](env, providers.Ref(env.Addr))
}

// place is which of an object's directories a membership is in.
type place int

const (
	inTenant place = iota
	inDomain
)

// directoryID returns the id of the object behind ref in a directory, "" when it
// is not created yet, or is not in that one.
func directoryID(env providers.Env, ref providers.Ref, at place) (string, error) {
	rec, err := env.Objects.Lookup(string(ref))
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	if rec.ID == "" {
		return "", nil
	}
	switch rec.Kind {
	case "device":
		// In a tenant, a device's directory object has an id of its own; in a
		// domain, the computer's is the device's id.
		d, err := providers.Resolve[spec.Device, spec.DeviceOut](env, ref)
		if at == inDomain {
			return d.Out.DeviceID, err
		}
		return d.Out.ObjectID, err
	case "user":
		u, err := providers.Resolve[spec.User, spec.UserOut](env, ref)
		switch {
		case at == inDomain:
			return u.Out.DomainID, err
		case u.In.Tenant == "":
			return "", err
		}
		return u.Out.ObjectID, err
	}
	return rec.ID, nil
}

// groupsAt returns the groups among refs that are in a directory.
func groupsAt(env providers.Env, refs []providers.Ref, at place) ([]providers.Ref, error) {
	var out []providers.Ref
	for _, ref := range refs {
		g, err := providers.Resolve[spec.Group, spec.GroupOut](env, ref)
		if errors.Is(err, providers.ErrUnknownObject) {
			continue // it is gone, and the memberships with it
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ref, err)
		}
		if (g.In.Domain != "") == (at == inDomain) {
			out = append(out, ref)
		}
	}
	return out, nil
}
