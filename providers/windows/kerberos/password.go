package kerberos

import (
	"context"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
)

// ChangePassword changes a user's password, as Ctrl+Alt+Del does (RFC 3244). An
// old password that has expired still proves who the user is.
func (p *Provider) ChangePassword(ctx context.Context, name krb.Name, old, password string) error {
	var r *krbclient.Result
	err := p.with(ctx, PhaseAS, 0, func(c *krbclient.Client) (err error) {
		r, err = c.AS(ctx, krbclient.ASRequest{Client: name, Server: krb.ChangePassword(), Options: krb.OptCanonicalize}, krbclient.Password(old))
		return err
	})
	if err != nil {
		return err
	}
	err = p.with(ctx, PhasePassword, p.gap(r.Credential.AuthTime), func(c *krbclient.Client) error {
		return c.ChangePassword(ctx, &r.Credential, password)
	})
	if err != nil {
		return err
	}
	p.emit("password_changed", "The domain controller sets the new password", map[string]any{"client": r.Credential.Client.String()})
	return nil
}
