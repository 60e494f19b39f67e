package kerberos

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/ntlm"
)

// Client is an account's name as Kerberos has it: "alice@contoso.com" is a user
// principal name, anything else the account's name in the domain.
func Client(name string) krb.Name {
	if strings.Contains(name, "@") {
		return krb.Enterprise(name)
	}
	return krb.Principal(name)
}

// asked are the options of LSASS's requests for a ticket-granting ticket.
const asked = krb.FlagForwardable | krb.FlagRenewable | krb.OptCanonicalize | krb.OptRenewableOK

// SignInKey signs a user in with a key, and reads from the logon's PAC who that
// is and what NTLM needs.
func (p *Provider) SignInKey(ctx context.Context, name krb.Name, key Key) (*Session, error) {
	pre := p.proof(ctx, key)
	s, r, err := p.signIn(ctx, name, func(c *krbclient.Client, ask krbclient.ASRequest) (*krbclient.Result, error) {
		r, err := c.AS(ctx, ask, pre)
		if err != nil && pre.Renegotiated(err, groups()) {
			p.emit("dh_renegotiated", "The domain controller names the groups that it takes", map[string]any{"agreement": pre.Group.Name})
			r, err = c.AS(ctx, ask, pre)
		}
		return r, err
	})
	if err != nil {
		var refusal *Error
		if errors.As(err, &refusal) {
			refusal.ByCertificate = len(key.Certificates) > 0
		}
		return nil, err
	}
	s.Method = "key"
	if len(key.Certificates) > 0 {
		s.Method = "certificate"
	}
	return s, p.readPAC(ctx, s, r.ReplyKey)
}

// SignInPassword signs a user in with a password.
func (p *Provider) SignInPassword(ctx context.Context, name krb.Name, password string) (*Session, error) {
	s, r, err := p.byPassword(ctx, name, password)
	if err != nil {
		return nil, err
	}
	if s.NTHash, err = ntlm.NTHash(password); err != nil {
		return nil, err
	}
	return s, p.readPAC(ctx, s, r.ReplyKey)
}

// SignInComputer signs the machine in with its own account, "PC1$".
func (p *Provider) SignInComputer(ctx context.Context, account, password string) (*Session, error) {
	s, _, err := p.byPassword(ctx, krb.Principal(account), password)
	return s, err
}

func (p *Provider) byPassword(ctx context.Context, name krb.Name, password string) (*Session, *krbclient.Result, error) {
	s, r, err := p.signIn(ctx, name, func(c *krbclient.Client, ask krbclient.ASRequest) (*krbclient.Result, error) {
		p.emit("as_request", "The Kerberos provider encrypts the time with the key of the password", map[string]any{"client": name.String(), "realm": c.Realm})
		return c.AS(ctx, ask, krbclient.Password(password))
	})
	if s != nil {
		s.Method = "password"
	}
	return s, r, err
}

// signIn makes a session of an AS exchange.
func (p *Provider) signIn(ctx context.Context, name krb.Name, as func(*krbclient.Client, krbclient.ASRequest) (*krbclient.Result, error)) (*Session, *krbclient.Result, error) {
	var r *krbclient.Result
	err := p.with(ctx, PhaseAS, 0, func(c *krbclient.Client) (err error) {
		r, err = as(c, krbclient.ASRequest{Client: name, Options: asked})
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	tgt := r.Credential
	s := &Session{TGT: &tgt, Skew: p.gap(tgt.AuthTime), Since: p.Now().UTC()}
	p.emit("tgt_cached", fmt.Sprintf("LSASS caches the ticket-granting ticket of %s", tgt.Client), ticketNote(&tgt))
	return s, r, nil
}
