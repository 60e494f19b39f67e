package main

import (
	"context"
	"flag"
	"slices"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/event"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

// revokeSessionsCommand ends a user's sessions in the tenant, as an administrator
// does who fears for an account.
type revokeSessionsCommand struct {
	rehearsal
	json bool
}

func (c *revokeSessionsCommand) flags(fs *flag.FlagSet) {
	c.rehearsal.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

// revoked is what became of it, as JSON.
type revoked struct {
	User   string `json:"user"`
	Tenant string `json:"tenant"`
	// AccessTokens is how long access tokens that are out may still be good.
	AccessTokens string `json:"access_tokens_end_within"`
}

func (c *revokeSessionsCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) != 1 {
		return mistake("Usage: hellolab revoke sessions USER, such as hellolab revoke sessions user.alice", "A user is needed")
	}
	if !c.json {
		err := c.drill(ctx, s, args[0], func(l *lab.Lab) (bool, error) {
			_, err := s.revokeSessions(ctx, l, args[0])
			return err == nil, err
		})
		if err != nil {
			return err
		}
	}
	return s.act(ctx, &c.stateFlags, "revoke sessions", func(l *lab.Lab) error {
		tenant, err := s.revokeSessions(ctx, l, args[0])
		if err != nil {
			return err
		}
		life := "an hour"
		if at := tenant.In.Lifetimes; at != nil {
			life = providers.FormatDuration(at.AccessToken)
		}
		if c.json {
			return view.WriteIndentedJSON(s.out, revoked{args[0], tenant.Addr, life})
		}
		s.printf("Revoked: the sessions of %s in %s. Refresh tokens are void at once; access tokens that are out end within %s.\n", args[0], tenant.Addr, life)
		return nil
	})
}

// revokeSessions ends the sessions of the user at an address.
func (s *session) revokeSessions(ctx context.Context, l *lab.Lab, user string) (tenantObject, error) {
	u, _, err := s.userIn(l, user)
	if err != nil {
		return tenantObject{}, err
	}
	u.In.Password.Wipe()
	if u.In.Tenant == "" {
		return tenantObject{}, mistake("Disable the account in the domain instead (enabled_in_domain): tickets that are out are good until they end.", "%s has no account in a tenant, and so no sessions there", user)
	}
	d, err := directoriesOf(l)
	if err != nil {
		return tenantObject{}, err
	}
	return d.revokeSessions(ctx, u)
}

// revokeSessions asks the user's tenant over Graph, and records it as a flow of
// its own.
func (d *directories) revokeSessions(ctx context.Context, u userObject) (tenantObject, error) {
	i := slices.IndexFunc(d.tenants, func(o tenantObject) bool { return o.Addr == string(u.In.Tenant) })
	if i < 0 || d.tenants[i].ID == "" || u.Out.ObjectID == "" {
		return tenantObject{}, mistake("`hellolab apply` creates them.", "%s or its tenant does not exist yet", u.Addr)
	}
	o := d.tenants[i]
	id, err := guid.New(d.env.Rand)
	if err != nil {
		return o, err
	}
	d.env.Emit.Emit(event.Event{
		At: d.env.Now(), Correlation: id.String(), Flow: "revoke", Actor: event.Graph, Peer: event.EntraID, Protocol: "HTTPS", Step: "revocation_asked",
		Text: "The lab's administrator asks the tenant to revoke the user's sessions.", User: u.Addr, Message: map[string]any{"tenant": o.Addr, "user": u.In.UPN},
	})
	c, err := graph.SignIn(web.WithCorrelation(ctx, id.String()), d.env, administer.GraphTenant(o.Out))
	if err != nil {
		return o, err
	}
	defer c.Close()
	_, err = graph.Post[struct{}](web.WithCorrelation(ctx, id.String()), c, struct{}{}, "users", u.Out.ObjectID, "revokeSignInSessions")
	return o, err
}
