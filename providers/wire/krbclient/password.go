package krbclient

import (
	"context"
	"errors"
	"net/netip"

	"hellolab/providers/wire/krb"
)

// PasswordRefused is the password service's refusal.
type PasswordRefused struct {
	Code uint16 // krb.PasswordSoftError and its like
	Text string // the server's words; may be empty
}

func (e *PasswordRefused) Error() string {
	if e.Text != "" {
		return "the password was refused: " + e.Text
	}
	switch e.Code {
	case krb.PasswordSoftError:
		return "the password was refused: it does not meet the domain's policy"
	case krb.PasswordAccessDenied:
		return "the password was refused: no right to set it"
	}
	return "the password was refused"
}

// ChangePassword sets the client's own password, with a ticket for
// krb.ChangePassword from an AS exchange.
func (c *Client) ChangePassword(ctx context.Context, cred *krb.Credential, newPassword string) error {
	return c.password(ctx, cred, krb.PasswordChange, []byte(newPassword))
}

// SetPassword sets another's password, which needs a right in the domain.
func (c *Client) SetPassword(ctx context.Context, cred *krb.Credential, target krb.Name, newPassword string) error {
	data, err := krb.ChangePasswdData{NewPassword: []byte(newPassword), Target: target, TargetRealm: c.Realm}.Encode()
	if err != nil {
		return err
	}
	return c.password(ctx, cred, krb.PasswordSet, data)
}

func (c *Client) password(ctx context.Context, cred *krb.Credential, version uint16, data []byte) error {
	if c.DialPassword == nil {
		return errors.New("the client knows no password service")
	}
	subkey, err := krb.RandomKey(cred.Key.EType, c.Rand)
	if err != nil {
		return err
	}
	ap, auth, err := c.apReq(cred, 0, krb.UsageAPReqAuth, subkey, krb.Checksum{})
	if err != nil {
		return err
	}
	priv, err := krb.Priv{Data: data, Time: auth.Time, SeqNumber: auth.SeqNumber, Sender: krb.Address(netip.Addr{})}.Encode(subkey)
	if err != nil {
		return err
	}
	b, err := (&krb.PasswordMessage{Version: version, AP: ap, Priv: priv}).Encode()
	if err != nil {
		return err
	}
	answer, err := c.exchange(ctx, c.DialPassword, b)
	if err != nil {
		return err
	}
	return passwordAnswer(answer, cred.Key, subkey, auth)
}

func passwordAnswer(answer []byte, session, subkey krb.Key, auth *krb.Authenticator) error {
	m, err := krb.ParsePasswordMessage(answer)
	if err != nil {
		return err
	}
	if len(m.AP) == 0 { // nobody signs such an answer
		e, err := krb.ParseError(m.Priv)
		if err != nil {
			return err
		}
		return e
	}
	rep, err := krb.ParseAPRep(m.AP, session, auth.Time)
	if err != nil {
		return err
	}
	if !rep.Subkey.IsZero() {
		subkey = rep.Subkey
	}
	priv, err := krb.ParsePriv(m.Priv, subkey)
	if err != nil {
		return err
	}
	if priv.SeqNumber != rep.SeqNumber {
		return wrong(krb.ErrBadSequence, "")
	}
	code, text, err := krb.ParsePasswordResult(priv.Data)
	if err != nil {
		return err
	}
	if code != krb.PasswordSuccess {
		return &PasswordRefused{code, text}
	}
	return nil
}
