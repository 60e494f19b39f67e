package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
)

// Users with an account in a domain and in a tenant. Their name there, their
// password and whether they are enabled the domain says, and Connect carries it
// up; what is set in the tenant is its own: second factor, risk, whether it
// lets them in, groups of its own.

// syncBetween is the server that synchronizes a domain to a tenant.
func syncBetween(env providers.Env, in spec.User) (addr string, at connect.Server, err error) {
	all, err := providers.ResolveAll[spec.Sync, spec.SyncOut](env, "sync")
	if err != nil {
		return "", at, err
	}
	for _, s := range all {
		if s.In.Tenant == in.Tenant && s.In.Domain == in.Domain && s.ID != "" {
			return s.Addr, connect.Server{Host: s.Out.Host, Secret: s.Out.Admin}, nil
		}
	}
	return "", at, fmt.Errorf("no sync leads from %s to %s yet", in.Domain, in.Tenant)
}

// markOf is by which a creation that was cut off knows its account again.
func markOf(addr string) string { return "User of the lab: " + addr }

// both are the signed-in administrators of a user's directories.
type both struct {
	domain *adldap.Conn
	tenant *graph.Client
}

func signInBoth(ctx context.Context, env providers.Env, in spec.User) (both, error) {
	d, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return both{}, err
	}
	t, err := directory(ctx, env, in.Tenant)
	if err != nil {
		d.Close()
		return both{}, err
	}
	return both{d, t}, nil
}

func (b both) close() {
	b.domain.Close()
	b.tenant.Close()
}

func createHybridUser(ctx context.Context, env providers.Env, in spec.User) (spec.UserOut, error) {
	b, err := signInBoth(ctx, env, in)
	if err != nil {
		return spec.UserOut{}, err
	}
	defer b.close()
	e, err := b.makeAccount(env, in)
	if err != nil {
		return spec.UserOut{}, err
	}
	out, err := domainOut(e)
	if err != nil {
		return out, err
	}
	if err := b.setGroups(ctx, env, out, nil, in.Groups, inDomain); err != nil {
		return out, err
	}
	u, err := b.synchronize(ctx, env, in, e)
	if err != nil {
		return out, err
	}
	out.ObjectID = u.ID
	return b.tenantHalf(ctx, env, out, u, nil, in)
}

// makeAccount makes the account in the domain, or takes over the one that this
// user's interrupted creation left.
func (b both) makeAccount(env providers.Env, in spec.User) (*adldap.Entry, error) {
	dn, err := named(b.domain, hello.SAMAccountName(in))
	if err != nil {
		return nil, err
	}
	a := domainAccount(in)
	a.Set("description", markOf(env.Addr))
	err = b.domain.Add(dn, a)
	if adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		if e, readErr := b.domain.Read(dn, domainAttributes...); readErr == nil && e.Text("description") == markOf(env.Addr) {
			delete(a, "objectClass")
			err = b.domain.Replace(dn, a)
		}
	}
	if err != nil {
		return nil, err
	}
	return b.domain.Read(dn, domainAttributes...)
}

// synchronize has Connect run a cycle, and returns what the tenant then has of
// an account of the domain.
func (b both) synchronize(ctx context.Context, env providers.Env, in spec.User, e *adldap.Entry) (*graph.User, error) {
	addr, at, err := syncBetween(env, in)
	if err != nil {
		return nil, err
	}
	report, err := connect.Cycle(ctx, env, at, connect.Request{Reason: "account of " + in.UPN})
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	u, err := b.carried(ctx, e.GUID)
	if errors.Is(err, providers.ErrGone) {
		why := "it is not in the sync's scope"
		if report.Staging {
			why = "the sync is in staging mode, and exports nothing"
		}
		for _, p := range report.Of(e.DN) {
			why = p.String()
		}
		return nil, fmt.Errorf("%s did not carry %s to the tenant: %s", addr, e.DN, why)
	}
	return u, err
}

// carried is what the tenant has of an account of the domain.
func (b both) carried(ctx context.Context, account guid.GUID) (*graph.User, error) {
	u, err := graph.First[graph.User](ctx, b.tenant, graph.Equals("onPremisesImmutableId", graph.SourceAnchor(account)), "users")
	if graph.IsNotFound(err) {
		return nil, providers.ErrGone
	}
	return u, err
}

// tenantHalf sets what the tenant says of an account. was is what was declared
// before, nil for a new one.
func (b both) tenantHalf(ctx context.Context, env providers.Env, out spec.UserOut, u *graph.User, was *spec.User, in spec.User) (spec.UserOut, error) {
	if u.AccountEnabled == nil || *u.AccountEnabled != in.EnabledInTenant {
		if err := b.tenant.Patch(ctx, graph.User{AccountEnabled: &in.EnabledInTenant}, "users", u.ID); err != nil {
			return out, err
		}
	}
	var before []providers.Ref
	risk := noRisk
	if was != nil {
		before, risk = was.Groups, was.Risk
	}
	if err := b.setGroups(ctx, env, out, before, in.Groups, inTenant); err != nil {
		return out, err
	}
	a, err := setApp(ctx, b.tenant, u.ID, in.MFA)
	out.TOTPSecret, out.PhoneSecret = a.totp, a.phone
	if err == nil {
		err = registerBoth(ctx, env, was, in, u, a.totp)
	}
	if err != nil || in.Risk == risk {
		return out, err
	}
	return out, setRisk(ctx, b.tenant, u.ID, in.Risk)
}

// registerBoth registers a user's second factor with the federation service, with
// the secret that the tenant has, and at a third party's service the account.
func registerBoth(ctx context.Context, env providers.Env, was *spec.User, in spec.User, u *graph.User, secret string) error {
	at, err := serviceOf(env, in)
	if err != nil {
		return err
	}
	if was == nil {
		return at.register(ctx, env, in, "", u.ImmutableID, secret, string(in.Password))
	}
	former, err := at.follow(ctx, env, *was)
	if err != nil {
		return err
	}
	password := ""
	if was.PasswordVersion != in.PasswordVersion {
		password = string(in.Password)
	}
	return at.renew(ctx, env, in, former, u.ImmutableID, secret, password)
}

// setGroups makes the memberships in one directory what is declared.
func (b both) setGroups(ctx context.Context, env providers.Env, out spec.UserOut, was, is []providers.Ref, at place) error {
	was, err := groupsAt(env, was, at)
	if err != nil {
		return err
	}
	if is, err = groupsAt(env, is, at); err != nil {
		return err
	}
	if at == inDomain {
		return setDomainGroups(ctx, env, b.domain, out.DomainID, was, is)
	}
	return setGroups(ctx, env, b.tenant, out.ObjectID, was, is)
}

// findHybridUser finds an account that is in both directories. One that Connect
// has not carried yet is no user: creating it again goes on where it was left.
func findHybridUser(ctx context.Context, env providers.Env, o userObject, upn string) (userObject, error) {
	b, err := signInBoth(ctx, env, o.In)
	if err != nil {
		return userObject{}, err
	}
	defer b.close()
	declared := o.In
	if !strings.EqualFold(declared.UPN, upn) {
		return userObject{}, providers.ErrGone
	}
	e, err := b.domain.First(ldapmsg.EqualTo("userPrincipalName", domainUPN(declared)), domainAttributes...)
	if err != nil {
		return userObject{}, gone(err)
	}
	return b.asUser(ctx, env, o, e)
}

func readHybridUser(ctx context.Context, env providers.Env, o userObject) (userObject, error) {
	b, err := signInBoth(ctx, env, o.In)
	if err != nil {
		return userObject{}, err
	}
	defer b.close()
	e, err := b.domain.Read(adldap.ByGUID(o.Out.DomainID), domainAttributes...)
	if err != nil {
		return userObject{}, gone(err)
	}
	was := o.ID
	if o, err = b.asUser(ctx, env, o, e); err == nil && was != "" && o.ID != was {
		err = providers.ErrGone // it was made anew in the tenant, and is another account there
	}
	return o, err
}

// asUser is the declared user o as both directories hold it.
func (b both) asUser(ctx context.Context, env providers.Env, o userObject, e *adldap.Entry) (userObject, error) {
	u, err := b.carried(ctx, e.GUID)
	if err != nil {
		return userObject{}, err
	}
	declared := o.In.Groups
	there, err := userAs(ctx, env, b.tenant, o, u)
	if err != nil {
		return userObject{}, err
	}
	here, err := domainUserAs(env, there, e)
	if err != nil {
		return userObject{}, err
	}
	here.In.Groups, err = b.heldInBoth(ctx, env, declared, u.ID, e)
	if err != nil {
		return userObject{}, err
	}
	// The domain says these; the tenant's copy follows.
	if e.Text("displayName") == displayName(o.In) {
		here.In.DisplayName = o.In.DisplayName
	}
	here.Out.TOTPSecret, here.Out.PhoneSecret = there.Out.TOTPSecret, there.Out.PhoneSecret
	here.ID, here.Out.ObjectID = u.ID, u.ID
	at, err := serviceOf(env, o.In)
	if err != nil {
		return userObject{}, err
	}
	return here, at.seen(ctx, env, &here, u.ImmutableID)
}

// heldInBoth returns the declared groups that the account is in, each where it
// lives.
func (b both) heldInBoth(ctx context.Context, env providers.Env, declared []providers.Ref, id string, e *adldap.Entry) ([]providers.Ref, error) {
	ids, err := members(ctx, b.tenant, "users", id, "memberOf")
	if err != nil {
		return nil, err
	}
	own, err := far(e.Values("memberOf"))
	if err != nil {
		return nil, err
	}
	for id := range own {
		ids[id] = true
	}
	return held(env, inTenant, declared, ids), nil
}

func updateHybridUser(ctx context.Context, env providers.Env, o userObject, in spec.User) (spec.UserOut, error) {
	b, err := signInBoth(ctx, env, in)
	if err != nil {
		return o.Out, err
	}
	defer b.close()
	out := o.Out
	if out.DN, err = changeDomainAccount(b.domain, o, in); err != nil {
		return out, err
	}
	if err := b.setGroups(ctx, env, o.Out, o.In.Groups, in.Groups, inDomain); err != nil {
		return out, err
	}
	e, err := b.domain.Read(adldap.ByGUID(o.Out.DomainID), domainAttributes...)
	if err != nil {
		return out, err
	}
	u, err := b.synchronize(ctx, env, in, e)
	if err != nil {
		return out, err
	}
	switch {
	case u.ID != o.ID:
		return out, fmt.Errorf("the tenant made the account of %s anew: refresh, and apply again", in.UPN)
	case !strings.EqualFold(u.UserPrincipalName, in.UPN):
		return out, fmt.Errorf("the account is %s in the domain, and still %s in the tenant: Connect did not carry the name (staging, or a problem that its last cycle reports)", in.UPN, u.UserPrincipalName)
	}
	return b.tenantHalf(ctx, env, out, u, &o.In, in)
}

// deleteHybridUser deletes both halves. Connect finds neither at its next cycle.
func deleteHybridUser(ctx context.Context, env providers.Env, o userObject) error {
	b, err := signInBoth(ctx, env, o.In)
	if err != nil {
		return err
	}
	defer b.close()
	at, err := serviceOf(env, o.In)
	if err == nil {
		err = at.leave(ctx, env)
	}
	if err != nil {
		return err
	}
	if err := deleted(b.domain.Delete(adldap.ByGUID(o.Out.DomainID))); err != nil {
		return err
	}
	return b.tenant.Delete(ctx, "users", o.ID)
}
