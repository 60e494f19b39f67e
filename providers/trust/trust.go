// Package trust is the kind trust: a deployment of Windows Hello for Business
// between a tenant and a domain, or on-premises in a domain.
//
// It needs these parts, which Create and Read look for:
//
//	tenant      where keys are registered; none on-premises
//	domain      whose controllers take them, or the tickets that the tenant issues
//	sync        that carries accounts up, and keys down, where there is a tenant
//	authority   that certifies the controllers' KDC, for key and certificate trust,
//	            and issues sign-in certificates for the latter
//	federation  AD FS, which registers certificates, and on-premises keys
//
// For key trust that is all there is ("Hybrid key trust deployment guide"). Of
// certificate trust it tells besides what does not stand: the enrollment agent of
// AD FS, the templates, the authority's place in NTAuth. For cloud Kerberos trust it makes the Kerberos server object in the domain, as its
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
		Doc:    "A deployment of Windows Hello for Business in a domain, with a tenant or on-premises, which policies turn on.",
		After:  []string{"tenant", "domain", "authority", "federation", "sync"},
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

// watch names where a server object is, and where what a certificate trust stands
// on.
func watch(objects providers.Objects, in spec.Trust) []providers.Ref {
	switch in.Type {
	case spec.TrustCloudKerberos:
		return []providers.Ref{in.Tenant, in.Domain}
	case spec.TrustCertificate:
		refs := []providers.Ref{in.Domain}
		if all, err := objects.List("federation"); err == nil {
			for _, rec := range all {
				refs = append(refs, providers.Ref(rec.Addr))
			}
		}
		return refs
	}
	return nil
}

// key names a trust that is in a directory. Key and certificate trusts are in none,
// and what a killed Create left of them the next one writes again.
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
	if out.Missing, err = missing(ctx, env, in); err != nil {
		return spec.TrustOut{}, err
	}
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
	o.Out.Missing, err = missing(ctx, env, o.In)
	return o, err
}

func update(ctx context.Context, env providers.Env, o object, in spec.Trust) (spec.TrustOut, error) {
	id, err := verify(env, in)
	if err != nil {
		return spec.TrustOut{}, err
	}
	if in.Type == spec.TrustCloudKerberos {
		return change(ctx, env, o, in)
	}
	lacks, err := missing(ctx, env, in)
	return spec.TrustOut{ID: id, Missing: lacks}, err
}

// verify looks for the parts of a trust, and returns its id. An error says which
// one is missing.
func verify(env providers.Env, in spec.Trust) (id string, err error) {
	tenant := administer.Tenant{}
	if in.Tenant != "" {
		if tenant, err = administer.TenantOf(env, in.Tenant); err != nil {
			return "", err
		}
	}
	domain, err := administer.DomainOf(env, in.Domain)
	if err != nil {
		return "", err
	}
	if in.Tenant != "" {
		if err := synchronized(env, in); err != nil {
			return "", err
		}
	}
	if in.Type != spec.TrustCloudKerberos {
		if err := certified(env, in); err != nil {
			return "", err
		}
	}
	if err := registered(env, in); err != nil {
		return "", err
	}
	if in.Tenant == "" {
		return fmt.Sprintf("%s/%s", in.Type, domain.ID), nil
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
