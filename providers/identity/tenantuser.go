package identity

import (
	"context"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

// account is what the directory is told of a user. The password is there only
// when it is to be set.
func account(in spec.User, password providers.Secret) graph.User {
	u := graph.User{
		UserPrincipalName: in.UPN,
		DisplayName:       displayName(in),
		AccountEnabled:    &in.EnabledInTenant,
	}
	if len(password) > 0 {
		u.PasswordProfile = &graph.PasswordProfile{Password: graph.Password(password)}
	}
	return u
}

func createTenantUser(ctx context.Context, env providers.Env, in spec.User) (spec.UserOut, error) {
	c, err := directory(ctx, env, in.Tenant)
	if err != nil {
		return spec.UserOut{}, err
	}
	defer c.Close()
	at, err := serviceOf(env, in)
	if err != nil {
		return spec.UserOut{}, err
	}
	g := account(in, in.Password)
	if at.elsewhere() {
		g.PasswordProfile = nil
		if g.ImmutableID, err = newAnchor(env); err != nil {
			return spec.UserOut{}, err
		}
	}
	u, err := graph.Post[graph.User](ctx, c, g, "users")
	if err != nil {
		return spec.UserOut{}, err
	}
	out := spec.UserOut{ObjectID: u.ID}
	if err := setGroups(ctx, env, c, u.ID, nil, in.Groups); err != nil {
		return out, err
	}
	a, err := setApp(ctx, c, u.ID, in.MFA)
	out.TOTPSecret, out.PhoneSecret = a.totp, a.phone
	if err == nil {
		err = at.register(ctx, env, in, "", g.ImmutableID, a.totp, string(in.Password))
	}
	if err != nil || in.Risk == noRisk {
		return out, err
	}
	return out, setRisk(ctx, c, u.ID, in.Risk)
}

// noRisk is the risk of an account that nobody has said anything of.
const noRisk = "none"

// setRisk says what risk detection thinks of an account.
func setRisk(ctx context.Context, c *graph.Client, user, level string) error {
	return c.Patch(ctx, graph.RiskyUser{RiskLevel: level}, "identityProtection", "riskyUsers", user)
}

// app is the authenticator app that an account has registered: the zero app
// is none.
type app struct {
	mfa        string // value of spec.User.MFA that it stands for
	collection string // of the account's methods
	id         string
	totp       string // secret of its codes
	phone      string // secret of its answers to notifications
}

// Collections of authentication methods.
const (
	oathMethods          = "softwareOathMethods"
	authenticatorMethods = "microsoftAuthenticatorMethods"
)

func oathApp(m *graph.SoftwareOathMethod) app {
	return app{mfa: "totp", collection: oathMethods, id: m.ID, totp: m.SecretKey}
}

func authenticatorApp(m *graph.AuthenticatorMethod) app {
	return app{mfa: "push", collection: authenticatorMethods, id: m.ID, totp: m.SecretKey, phone: m.PhoneSecret}
}

// appOf returns the account's app.
func appOf(ctx context.Context, c *graph.Client, user string) (app, error) {
	for m, err := range graph.List[graph.AuthenticatorMethod](ctx, c, "", "users", user, "authentication", authenticatorMethods) {
		if err != nil {
			return app{}, err
		}
		return authenticatorApp(m), nil
	}
	for m, err := range graph.List[graph.SoftwareOathMethod](ctx, c, "", "users", user, "authentication", oathMethods) {
		if err != nil {
			return app{}, err
		}
		return oathApp(m), nil
	}
	return app{mfa: "none"}, nil
}

// setApp makes the account's second factor what mfa asks for. An app that is
// registered stays.
func setApp(ctx context.Context, c *graph.Client, user, mfa string) (app, error) {
	a, err := appOf(ctx, c, user)
	if err != nil || a.mfa == mfa {
		return a, err
	}
	if a.id != "" {
		if err := c.Delete(ctx, "users", user, "authentication", a.collection, a.id); err != nil {
			return a, err
		}
	}
	switch mfa {
	case "totp":
		m, err := graph.Post[graph.SoftwareOathMethod](ctx, c, struct{}{}, "users", user, "authentication", oathMethods)
		if err != nil {
			return app{}, err
		}
		return oathApp(m), nil
	case "push":
		m, err := graph.Post[graph.AuthenticatorMethod](ctx, c, struct{}{}, "users", user, "authentication", authenticatorMethods)
		if err != nil {
			return app{}, err
		}
		return authenticatorApp(m), nil
	}
	return app{mfa: "none"}, nil
}

func setGroups(ctx context.Context, env providers.Env, c *graph.Client, user string, was, is []providers.Ref) error {
	return change(ctx, env, inTenant, was, is,
		func(ctx context.Context, id string) error { return c.AddMember(ctx, id, user) },
		func(ctx context.Context, id string) error { return c.RemoveMember(ctx, id, user) })
}

// findTenantUser reports what a killed creation left as it is: an account without its
// groups or its second factor differs from what was declared.
func findTenantUser(ctx context.Context, env providers.Env, o userObject, upn string) (userObject, error) {
	c, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return userObject{}, err
	}
	defer c.Close()
	u, err := graph.First[graph.User](ctx, c, graph.Equals("userPrincipalName", upn), "users")
	if graph.IsNotFound(err) {
		return userObject{}, providers.ErrGone
	}
	if err != nil {
		return userObject{}, err
	}
	o.Addr, o.ID, o.Out.ObjectID = env.Addr, u.ID, u.ID
	return tenantUserAs(ctx, env, c, o, u)
}

// tenantUserAs is the declared user o as the directory and the federation service
// hold it.
func tenantUserAs(ctx context.Context, env providers.Env, c *graph.Client, o userObject, u *graph.User) (userObject, error) {
	at, err := serviceOf(env, o.In)
	if err != nil {
		return userObject{}, err
	}
	if o, err = userAs(ctx, env, c, o, u); err != nil {
		return o, err
	}
	return o, at.seen(ctx, env, &o, u.ImmutableID)
}

// userAs is the declared user o as the directory holds it.
func userAs(ctx context.Context, env providers.Env, c *graph.Client, o userObject, u *graph.User) (userObject, error) {
	ids, err := members(ctx, c, "users", u.ID, "memberOf")
	if err != nil {
		return userObject{}, err
	}
	if !strings.EqualFold(u.UserPrincipalName, o.In.UPN) {
		o.In.UPN = u.UserPrincipalName
	}
	if u.DisplayName != displayName(o.In) {
		o.In.DisplayName = u.DisplayName
	}
	o.In.EnabledInTenant = u.AccountEnabled == nil || *u.AccountEnabled
	o.In.Groups = held(env, inTenant, o.In.Groups, ids)
	a, err := appOf(ctx, c, u.ID)
	if err != nil {
		return userObject{}, err
	}
	o.In.MFA, o.Out.TOTPSecret, o.Out.PhoneSecret = a.mfa, a.totp, a.phone
	o.In.Password = nil
	risk, err := graph.Get[graph.RiskyUser](ctx, c, "identityProtection", "riskyUsers", u.ID)
	if err != nil {
		return userObject{}, err
	}
	o.In.Risk = risk.RiskLevel
	return o, nil
}

func readTenantUser(ctx context.Context, env providers.Env, o userObject) (userObject, error) {
	c, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return userObject{}, err
	}
	defer c.Close()
	u, err := graph.Get[graph.User](ctx, c, "users", o.ID)
	if graph.IsNotFound(err) {
		return userObject{}, providers.ErrGone
	}
	if err != nil {
		return userObject{}, err
	}
	return tenantUserAs(ctx, env, c, o, u)
}

func updateTenantUser(ctx context.Context, env providers.Env, o userObject, in spec.User) (spec.UserOut, error) {
	c, err := directory(ctx, env, in.Tenant)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	var password providers.Secret
	if in.PasswordVersion != o.In.PasswordVersion {
		if len(in.Password) == 0 {
			return o.Out, fmt.Errorf("password_version changed, but there is no password to set")
		}
		password = in.Password
	}
	at, err := serviceOf(env, in)
	if err != nil {
		return o.Out, err
	}
	g := account(in, password)
	if at.elsewhere() {
		if g.ImmutableID, err = anchorOf(ctx, env, c, o.ID); err != nil {
			return o.Out, err
		}
		g.PasswordProfile = nil
	}
	if err := c.Patch(ctx, g, "users", o.ID); err != nil {
		return o.Out, err
	}
	if err := setGroups(ctx, env, c, o.ID, o.In.Groups, in.Groups); err != nil {
		return o.Out, err
	}
	if in.Risk != o.In.Risk {
		if err := setRisk(ctx, c, o.ID, in.Risk); err != nil {
			return o.Out, err
		}
	}
	out := o.Out
	a, err := setApp(ctx, c, o.ID, in.MFA)
	out.TOTPSecret, out.PhoneSecret = a.totp, a.phone
	if err != nil {
		return out, err
	}
	former, err := at.follow(ctx, env, o.In)
	if err == nil {
		err = at.renew(ctx, env, in, former, g.ImmutableID, a.totp, string(password))
	}
	return out, err
}

func deleteTenantUser(ctx context.Context, env providers.Env, o userObject) error {
	c, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return err
	}
	defer c.Close()
	at, err := serviceOf(env, o.In)
	if err == nil {
		err = at.leave(ctx, env)
	}
	if err != nil {
		return err
	}
	return c.Delete(ctx, "users", o.ID)
}
