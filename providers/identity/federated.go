package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sas"
)

// A federation service holds something of the users whom it signs in, too. AD FS
// has their second factor, whose secret is the tenant's where they have an account
// there; another vendor's service has the account itself, with its password. The
// lab's administrator puts it there.

// service is the federation service of a user.
type service struct {
	adfs.Admin
	thirdParty bool
	name       string // of the account there
}

// watchService names the federation services that may hold something of a user.
func watchService(objects providers.Objects, _ spec.User) []providers.Ref {
	all, err := objects.List("federation")
	if err != nil {
		return nil
	}
	var refs []providers.Ref
	for _, rec := range all {
		refs = append(refs, providers.Ref(rec.Addr))
	}
	return refs
}

// serviceOf returns the federation service that signs a user in: that of the
// account's tenant, else AD FS on its domain; nil when there is none.
func serviceOf(env providers.Env, in spec.User) (*service, error) {
	all, err := providers.ResolveAll[spec.Federation, spec.FederationOut](env, "federation")
	if err != nil || len(all) == 0 {
		return nil, err
	}
	named := providers.Ref("")
	if in.Tenant != "" {
		t, err := providers.Resolve[spec.Tenant, spec.TenantOut](env, in.Tenant)
		if err != nil && !errors.Is(err, providers.ErrUnknownObject) {
			return nil, err
		}
		if t.In.Authentication == "federated" {
			named = t.In.Federation
		}
	}
	for _, f := range all {
		onDomain := f.In.Kind == spec.FederationADFS && in.Domain != "" && f.In.Domain == in.Domain
		switch {
		case f.ID == "": // not made yet
		case named != "" && providers.Ref(f.Addr) != named:
		case onDomain:
			return &service{Admin: adfs.Admin{Host: f.Out.Host, Secret: f.Out.AdminSecret}, name: domainUPN(in)}, nil
		case named != "" && f.In.Kind == spec.FederationThirdParty:
			return &service{Admin: adfs.Admin{Host: f.Out.Host, Secret: f.Out.AdminSecret}, thirdParty: true, name: in.UPN}, nil
		}
	}
	return nil, nil
}

// elsewhere reports whether the account's password is a third party's to check:
// the tenant then has none.
func (s *service) elsewhere() bool { return s != nil && s.thirdParty }

// account returns what the service has of the user by a name, nil for nothing.
func (s *service) account(ctx context.Context, env providers.Env, name string) (*adfs.Account, error) {
	a, err := s.Account(ctx, env, name)
	var none *adfs.NotFound
	if errors.As(err, &none) {
		return nil, nil
	}
	return a, err
}

// newAnchor is an id by which a third party's service names an account.
func newAnchor(env providers.Env) (string, error) {
	id, err := guid.New(env.Rand)
	return graph.SourceAnchor(id), err
}

// anchorOf returns the id of an account of the tenant: the one it has, or a new one.
func anchorOf(ctx context.Context, env providers.Env, c *graph.Client, user string) (string, error) {
	u, err := graph.Get[graph.User](ctx, c, "users", user)
	if err != nil {
		return "", err
	}
	if u.ImmutableID != "" {
		return u.ImmutableID, nil
	}
	return newAnchor(env)
}

// register makes what the service has of a user what is declared. former is the name
// that it knew the user by, "" for the same; secret is that of the authenticator app,
// as text; password is "" where it stays.
func (s *service) register(ctx context.Context, env providers.Env, in spec.User, former, immutableID, secret, password string) error {
	if s == nil {
		return nil
	}
	a := adfs.Account{UPN: s.name, Former: former, MFA: secret != ""}
	if secret != "" {
		var err error
		if a.TOTPSecret, err = sas.ParseTOTPSecret(secret); err != nil {
			return err
		}
	}
	switch {
	case s.thirdParty:
		a.ImmutableID, a.Name, a.Password = immutableID, displayName(in), password
	case secret == "":
		if former != "" {
			if err := s.DeleteAccount(ctx, env, former); err != nil {
				return err
			}
		}
		return s.DeleteAccount(ctx, env, s.name)
	}
	return s.SetAccount(ctx, env, a)
}

// renew is register of a user who has an account in the tenant. At a third party's
// service that does not have the user yet, no account is made without a password:
// the next refresh finds it missing (seen), and the plan sets one.
func (s *service) renew(ctx context.Context, env providers.Env, in spec.User, former, immutableID, secret, password string) error {
	if s.elsewhere() && password == "" {
		if a, err := s.account(ctx, env, cmp.Or(former, s.name)); err != nil || a == nil {
			return err
		}
	}
	return s.register(ctx, env, in, former, immutableID, secret, password)
}

// follow takes what is known of a user away from a service that is no more theirs.
// One that still is knew them by the former name, "" for the same.
func (s *service) follow(ctx context.Context, env providers.Env, was spec.User) (former string, err error) {
	before, err := serviceOf(env, was)
	switch {
	case err != nil || before == nil:
		return "", err
	case s == nil || before.Host != s.Host:
		return "", before.DeleteAccount(ctx, env, before.name)
	case strings.EqualFold(before.name, s.name):
		return "", nil
	}
	return before.name, nil
}

// leave takes away what the service has of a user.
func (s *service) leave(ctx context.Context, env providers.Env) error {
	if s == nil {
		return nil
	}
	return s.DeleteAccount(ctx, env, s.name)
}

// seen corrects what the directories say of a user, o, by what the service has: a
// second factor that it lacks, or has too much, and an account that is not the
// tenant's, whose password then has to be set anew.
func (s *service) seen(ctx context.Context, env providers.Env, o *userObject, immutableID string) error {
	if s == nil {
		return nil
	}
	a, err := s.account(ctx, env, s.name)
	if err != nil {
		return err
	}
	switch has := a != nil && a.MFA; {
	case !has:
		o.In.MFA = noFactor
	case o.In.MFA == noFactor:
		o.In.MFA = "totp"
	}
	if s.thirdParty && (a == nil || a.ImmutableID != immutableID) {
		o.In.PasswordVersion = 0
	}
	return nil
}

// noFactor is the value of spec.User.MFA of who has none.
const noFactor = "none"

// factor returns the secret of the second factor of a user of a domain alone, whose
// only holder besides the user's phone is the service: the one there is, or a new
// one.
func factor(env providers.Env, in spec.User, has string) (string, error) {
	switch {
	case in.MFA == noFactor || in.MFA == "":
		return "", nil
	case has != "":
		return has, nil
	}
	secret := make([]byte, sas.TOTPSecretSize)
	if _, err := io.ReadFull(env.Rand, secret); err != nil {
		return "", fmt.Errorf("second factor: %w", err)
	}
	return sas.EncodeTOTPSecret(secret), nil
}
