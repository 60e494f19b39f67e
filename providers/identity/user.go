package identity

import (
	"cmp"
	"context"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
)

type userObject = providers.Object[spec.User, spec.UserOut]

// User is the kind user: a person's account in a tenant, in a domain, or in both.
func User() providers.Type {
	return providers.Of(providers.Kind[spec.User, spec.UserOut]{
		Name:  "user",
		Doc:   "A person with an account.",
		After: []string{"tenant", "domain", "federation", "sync"},
		Watch: watchService,
		Home: func(in spec.User) providers.Ref {
			if in.Tenant != "" && in.Domain != "" {
				return "" // no directory alone takes the account with it
			}
			return cmp.Or(in.Tenant, in.Domain)
		},
		Key: func(in spec.User) string { return strings.ToLower(in.UPN) },
		Find: func(ctx context.Context, env providers.Env, upn string) (userObject, error) {
			o, err := declared[spec.User, spec.UserOut](env)
			if err != nil {
				return userObject{}, err
			}
			return usersOf(o.In).find(ctx, env, o, upn)
		},
		Create: func(ctx context.Context, env providers.Env, in spec.User) (spec.UserOut, error) {
			return usersOf(in).create(ctx, env, in)
		},
		Read: func(ctx context.Context, env providers.Env, o userObject) (userObject, error) {
			return usersOf(o.In).read(ctx, env, o)
		},
		Update: func(ctx context.Context, env providers.Env, o userObject, in spec.User) (spec.UserOut, error) {
			return usersOf(in).update(ctx, env, o, in)
		},
		Delete: func(ctx context.Context, env providers.Env, o userObject) error {
			return usersOf(o.In).delete(ctx, env, o)
		},
	})
}

// users is the life of accounts in one kind of directory.
type users struct {
	find   func(context.Context, providers.Env, userObject, string) (userObject, error)
	create func(context.Context, providers.Env, spec.User) (spec.UserOut, error)
	read   func(context.Context, providers.Env, userObject) (userObject, error)
	update func(context.Context, providers.Env, userObject, spec.User) (spec.UserOut, error)
	delete func(context.Context, providers.Env, userObject) error
}

// usersOf returns the life of the accounts where a user lives.
func usersOf(in spec.User) users {
	switch {
	case in.Domain != "" && in.Tenant != "":
		return users{findHybridUser, createHybridUser, readHybridUser, updateHybridUser, deleteHybridUser}
	case in.Domain != "":
		return users{findDomainUser, createDomainUser, readDomainUser, updateDomainUser, deleteDomainUser}
	}
	return users{findTenantUser, createTenantUser, readTenantUser, updateTenantUser, deleteTenantUser}
}

func displayName(in spec.User) string {
	if in.DisplayName != "" {
		return in.DisplayName
	}
	name, _, _ := strings.Cut(in.UPN, "@")
	return name
}
