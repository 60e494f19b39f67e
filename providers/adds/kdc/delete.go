package kdc

import (
	"context"
	"encoding/base64"

	"hellolab/providers/event"
)

// Keys deletes the registered key of an account by which it has just signed in. A
// KDC has it that runs a Windows which does so (Microsoft, "Windows Hello for
// Business known deployment issues": 14393.3930 to 14393.4048, 17763.1457 to
// 17763.1613). A key that is not there any more is no error.
type Keys interface {
	DeleteKey(ctx context.Context, account *Account, keyID []byte) error
}

// provenKey is the key that proved an account's owner.
type provenKey struct {
	account *Account
	id      []byte
}

// deleteKey deletes the key that a ticket was given by, and tells of it. It comes
// when the reply is there to be sent: one that is too long for a datagram must not
// cost the key with which the client comes back by TCP.
func (x *exchange) deleteKey(ctx context.Context) {
	if x.proven == nil || x.kdc.Keys == nil {
		return
	}
	err := x.kdc.Keys.DeleteKey(ctx, x.proven.account, x.proven.id)
	if x.kdc.Events == nil {
		return
	}
	name := x.proven.account.SAMAccountName
	e := event.Event{
		At: x.now, Actor: Actor, Protocol: "Kerberos", Step: "key_deleted", Exchange: x.id,
		Text:    "The controller deletes the key that " + name + " has signed in with from msDS-KeyCredentialLink: its build does so.",
		Message: map[string]any{"account": name, "key_id": base64.StdEncoding.EncodeToString(x.proven.id), "controller": x.kdc.LogonServer},
	}
	if err != nil {
		e.Outcome, e.Text = event.Failed, "The controller could not delete the key that "+name+" has signed in with."
		e.Message["cause"] = err.Error()
	}
	x.kdc.Events.Emit(e)
}
