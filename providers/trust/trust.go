// Package trust is the kind trust: a deployment of Windows Hello for Business
// between a tenant and a domain.
//
// It needs these parts, which Create and Read look for:
//
//	tenant     where keys are registered
//	domain     whose controllers take them, or the tickets that the tenant issues
//	sync       that carries accounts up, and keys down
//	authority  that certifies the controllers' KDC, for key trust
//
// For key trust that is all there is ("Hybrid key trust deployment guide"). For
// cloud Kerberos trust it makes the Kerberos server object in the domain, as its
// administrator does over LDAP, and gives the tenant the key ("Passwordless
// security key sign-in to on-premises resources").
//
// What a trust means for a sign-in is decided in package hello, by the policies
// that name it.
package trust

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
)

type object = providers.Object[spec.Trust, spec.TrustOut]

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{Trust()} }

// Trust returns the kind trust.
func Trust() providers.Type {
	return providers.Of(providers.Kind[spec.Trust, spec.TrustOut]{
		Name:   "trust",
		Doc:    "A deployment of Windows Hello for Business between a tenant and a domain, which policies turn on.",
		After:  []string{"tenant", "domain", "authority", "sync"},
		Watch:  watch,
		Key:    key,
		Find:   find,
		Create: create,
		Read:   read,
		Update: update,
		Delete: func(ctx context.Context, env providers.Env, o object) error {
			if o.In.Type != spec.TrustCloudKerberos {
				return nil
			}
			return remove(ctx, env, o.In)
		},
	})
}

// watch names where a server object is.
func watch(_ providers.Objects, in spec.Trust) []providers.Ref {
	if in.Type != spec.TrustCloudKerberos {
		return nil
	}
	return []providers.Ref{in.Tenant, in.Domain}
}

// key names a trust that is in a directory. A key trust is in none, and what a
// killed Create left of it the next one writes again.
func key(in spec.Trust) string {
	if in.Type != spec.TrustCloudKerberos {
		return ""
	}
	return string(in.Domain) + " " + string(in.Tenant)
}

func find(ctx context.Context, env providers.Env, name string) (object, error) {
	o, err := providers.Resolve[spec.Trust, spec.TrustOut](env, providers.Ref(env.Addr))
	if err != nil {
		return object{}, err
	}
	if name == "" || key(o.In) != name {
		return object{}, providers.ErrGone
	}
	return leftOf(ctx, env, o.In)
}

// table holds, under made, the trust's id: that it was made.
const table, made = "trust", "id"

func create(ctx context.Context, env providers.Env, in spec.Trust) (out spec.TrustOut, err error) {
	if out.ID, err = verify(env, in); err != nil {
		return spec.TrustOut{}, err
	}
	var r record
	if in.Type == spec.TrustCloudKerberos {
		if out, r, err = establish(ctx, env, in, out.ID); err != nil {
			return spec.TrustOut{}, err
		}
	}
	return out, env.Section.Update(ctx, func(w providers.Writer) error {
		if in.Type == spec.TrustCloudKerberos {
			if err := putRecord(w, r); err != nil {
				return err
			}
		}
		return w.Put(table, made, []byte(out.ID))
	})
}

// read reports a trust as gone when a part of it is.
func read(ctx context.Context, env providers.Env, o object) (object, error) {
	found := false
	err := env.Section.View(func(r providers.Reader) (err error) {
		_, found, err = r.Get(table, made)
		return err
	})
	if err == nil && !found {
		err = providers.ErrGone
	}
	if err != nil {
		return object{}, err
	}
	id, err := verify(env, o.In)
	if err != nil {
		return object{}, fmt.Errorf("%w: %w", providers.ErrGone, err)
	}
	if o.In.Type == spec.TrustCloudKerberos {
		return asHeld(ctx, env, o, id)
	}
	o.ID, o.Out = id, spec.TrustOut{ID: id}
	return o, nil
}

func update(ctx context.Context, env providers.Env, o object, in spec.Trust) (spec.TrustOut, error) {
	id, err := verify(env, in)
	if err != nil {
		return spec.TrustOut{}, err
	}
	if in.Type == spec.TrustCloudKerberos {
		return change(ctx, env, o, in)
	}
	return spec.TrustOut{ID: id}, nil
}

// verify looks for the parts of a trust, and returns its id. An error says which
// one is missing.
func verify(env providers.Env, in spec.Trust) (id string, err error) {
	tenant, err := administer.TenantOf(env, in.Tenant)
	if err != nil {
		return "", err
	}
	domain, err := administer.DomainOf(env, in.Domain)
	if err != nil {
		return "", err
	}
	if err := synchronized(env, in); err != nil {
		return "", err
	}
	if in.Type == spec.TrustKey {
		if err := certified(env, in); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s/%s/%s", in.Type, tenant.ID, domain.ID), nil
}

// synchronized looks for the sync between the two directories.
func synchronized(env providers.Env, in spec.Trust) error {
	syncs, err := providers.ResolveAll[spec.Sync, spec.SyncOut](env, "sync")
	if err != nil {
		return err
	}
	for _, s := range syncs {
		if s.ID != "" && s.In.Tenant == in.Tenant && s.In.Domain == in.Domain {
			return nil
		}
	}
	return fmt.Errorf("no sync leads from %s to %s", in.Domain, in.Tenant)
}

// certified looks for the authority that certifies the domain's controllers.
func certified(env providers.Env, in spec.Trust) error {
	if in.Authority != "" {
		a, err := providers.Resolve[spec.Authority, spec.AuthorityOut](env, in.Authority)
		if err == nil && a.ID == "" {
			err = errors.New("it does not exist yet")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", in.Authority, err)
		}
		if a.In.Domain != in.Domain {
			err = fmt.Errorf("%s is an authority of %s, not of %s", in.Authority, a.In.Domain, in.Domain)
		}
		return err
	}
	authorities, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](env, "authority")
	if err != nil {
		return err
	}
	for _, a := range authorities {
		if a.ID != "" && a.In.Domain == in.Domain {
			return nil
		}
	}
	return fmt.Errorf("%s has no authority to certify its controllers", in.Domain)
}
