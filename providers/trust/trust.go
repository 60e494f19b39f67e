// Package trust is the kind trust: a deployment of Windows Hello for Business
// between a tenant and a domain.
//
// For key trust there is nothing to make in either: it is there when its parts
// are ("Hybrid key trust deployment guide"), which Create and Read check:
//
//	tenant     where keys are registered
//	domain     whose controllers take them
//	sync       that carries accounts up and keys down
//	authority  that certifies the controllers' KDC
//
// What a trust means for a sign-in is decided in package hello, by the policies
// that name it.
package trust

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/spec"
)

type object = providers.Object[spec.Trust, spec.TrustOut]

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{Trust()} }

// Trust returns the kind trust. It has no Find: a trust is in no directory, and
// what a killed Create left the next one writes again.
func Trust() providers.Type {
	return providers.Of(providers.Kind[spec.Trust, spec.TrustOut]{
		Name:   "trust",
		Doc:    "A deployment of Windows Hello for Business between a tenant and a domain, which policies turn on.",
		After:  []string{"tenant", "domain", "authority", "sync"},
		Create: create,
		Read:   read,
		Update: func(_ context.Context, env providers.Env, _ object, in spec.Trust) (spec.TrustOut, error) {
			return verify(env, in)
		},
	})
}

// table holds one entry, the trust's id: that it was made.
const table, made = "trust", "id"

func create(ctx context.Context, env providers.Env, in spec.Trust) (spec.TrustOut, error) {
	out, err := verify(env, in)
	if err != nil {
		return spec.TrustOut{}, err
	}
	return out, env.Section.Update(ctx, func(w providers.Writer) error { return w.Put(table, made, []byte(out.ID)) })
}

// read reports a trust as gone when a part of it is.
func read(_ context.Context, env providers.Env, o object) (object, error) {
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
	out, err := verify(env, o.In)
	if err != nil {
		return object{}, fmt.Errorf("%w: %w", providers.ErrGone, err)
	}
	o.ID, o.Out = out.ID, out
	return o, nil
}

// verify looks for the parts of a trust. An error says which one is missing.
func verify(env providers.Env, in spec.Trust) (spec.TrustOut, error) {
	tenant, err := existing[spec.Tenant, spec.TenantOut](env, in.Tenant)
	if err != nil {
		return spec.TrustOut{}, err
	}
	domain, err := existing[spec.Domain, spec.DomainOut](env, in.Domain)
	if err != nil {
		return spec.TrustOut{}, err
	}
	if err := synchronized(env, in); err != nil {
		return spec.TrustOut{}, err
	}
	if err := certified(env, in); err != nil {
		return spec.TrustOut{}, err
	}
	return spec.TrustOut{ID: fmt.Sprintf("%s/%s/%s", in.Type, tenant.ID, domain.ID)}, nil
}

// existing resolves an object that must have been made.
func existing[In, Out any](env providers.Env, ref providers.Ref) (providers.Object[In, Out], error) {
	o, err := providers.Resolve[In, Out](env, ref)
	if err == nil && o.ID == "" {
		err = errors.New("it does not exist yet")
	}
	if err != nil {
		return o, fmt.Errorf("%s: %w", ref, err)
	}
	return o, nil
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
		a, err := existing[spec.Authority, spec.AuthorityOut](env, in.Authority)
		if err == nil && a.In.Domain != in.Domain {
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
