package kdc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/krb"
)

// passwordExchange is one request to the password service.
type passwordExchange struct {
	exchange
	version uint16
	session krb.Key
	subkey  krb.Key
	auth    *krb.Authenticator
	part    *krb.EncTicketPart
	target  string
}

// result is what a password request came to.
type result struct {
	code uint16
	text string
}

func (r *result) Error() string { return r.text }

// HandlePassword answers one request to change or set a password (RFC 3244),
// and nothing, nil, to what does not begin as one does: two such services must
// not be made to answer each other for ever (CVE-2002-2443 was that). local is
// the address that it came to, for the reply.
func (k *KDC) HandlePassword(ctx context.Context, message []byte, local netip.Addr) []byte {
	x := &passwordExchange{exchange: exchange{kdc: k, now: k.Now().UTC(), step: "kpasswd", server: krb.ChangePassword()}}
	m, err := krb.ParsePasswordMessage(message)
	if err != nil || !krb.IsAPReq(m.AP) {
		return nil
	}
	x.version = m.Version
	data, err := x.open(ctx, m)
	if err != nil {
		return x.refusePassword(err)
	}
	r := x.set(ctx, data)
	x.emitPassword(r)
	reply, err := x.reply(r, local)
	if err != nil {
		return x.refusePassword(err)
	}
	return reply
}

// open checks the ticket and opens the message.
func (x *passwordExchange) open(ctx context.Context, m *krb.PasswordMessage) ([]byte, error) {
	ap, err := krb.ParseAPReq(m.AP)
	if err != nil {
		return nil, err
	}
	part, auth, err := ap.Accept(krb.Acceptor{
		Key:   func(t *krb.Ticket) (krb.Key, error) { return x.key(ctx, t) },
		Usage: krb.UsageAPReqAuth, Now: x.now, Skew: krb.Skew, Replay: x.kdc.replays,
	})
	if part != nil {
		x.client = part.Client
	}
	if err != nil {
		return nil, err
	}
	x.part, x.auth, x.session, x.subkey = part, auth, part.Key, auth.Subkey
	if x.subkey.IsZero() {
		return nil, krb.NewError(krb.ErrNoKey, "The request has no subkey.")
	}
	priv, err := krb.ParsePriv(m.Priv, x.subkey)
	if err != nil {
		return nil, err
	}
	if priv.SeqNumber != auth.SeqNumber {
		return nil, krb.NewError(krb.ErrBadSequence, "")
	}
	return priv.Data, nil
}

// key is the password service's key that a ticket says it is under.
func (x *passwordExchange) key(ctx context.Context, t *krb.Ticket) (krb.Key, error) {
	if !t.Server.IsChangePassword() || !x.kdc.isRealm(t.Realm) {
		return krb.Key{}, krb.NewError(krb.ErrNotUs, "The ticket is for %s, not for the password service.", t.Server)
	}
	account, err := x.kdc.Directory.Server(ctx, krb.ChangePassword())
	if err != nil {
		return krb.Key{}, fmt.Errorf("look up the password service: %w", err)
	}
	key, ok := account.version(t.EncPart.EType, t.EncPart.KeyVersion())
	if !ok {
		return krb.Key{}, krb.NewError(krb.ErrBadKeyVersion, "")
	}
	return key, nil
}

// set does what the request asks for.
func (x *passwordExchange) set(ctx context.Context, data []byte) *result {
	k := x.kdc
	requester, err := k.Directory.Client(ctx, x.part.Client)
	if err != nil {
		return x.failed(err)
	}
	if err := requester.usable(x.now); err != nil {
		return &result{krb.PasswordAuthError, krb.AsError(err).Sentence}
	}
	target, password := requester, data
	switch x.version {
	case krb.PasswordChange:
	case krb.PasswordSet:
		c, err := krb.ParseChangePasswdData(data)
		if err != nil {
			return &result{krb.PasswordMalformed, "The request cannot be read."}
		}
		password = c.NewPassword
		if !c.Target.IsZero() {
			if c.TargetRealm != "" && !k.isRealm(c.TargetRealm) {
				return &result{krb.PasswordHardError, "The account belongs to another realm."}
			}
			if target, err = k.Directory.Client(ctx, c.Target); errors.Is(err, ErrUnknownPrincipal) {
				return &result{krb.PasswordHardError, "The domain has no account " + c.Target.String() + "."}
			} else if err != nil {
				return x.failed(err)
			}
		}
	default:
		return &result{krb.PasswordBadVersion, "The version of the request is not known."}
	}
	x.target = target.SAMAccountName
	// One's own password is changed by who has just proved to know the old one.
	if target.SID == requester.SID && !x.part.Flags.Has(krb.FlagInitial) {
		return &result{krb.PasswordInitialFlag, "The ticket must come from signing in, not from a ticket-granting ticket."}
	}
	if k.Passwords == nil {
		return &result{krb.PasswordHardError, "Passwords cannot be changed here."}
	}
	err = k.Passwords.SetPassword(ctx, requester, target, password)
	clear(password)
	var policy *PolicyError
	switch {
	case err == nil:
		return &result{krb.PasswordSuccess, ""}
	case errors.As(err, &policy):
		return &result{krb.PasswordSoftError, policy.Sentence}
	case errors.Is(err, ErrAccessDenied):
		return &result{krb.PasswordAccessDenied, "The account may not set this password."}
	}
	return x.failed(err)
}

func (x *passwordExchange) failed(err error) *result {
	x.tell("cause", err.Error())
	return &result{krb.PasswordHardError, "The password could not be changed."}
}

// reply proves the service and seals the result.
func (x *passwordExchange) reply(r *result, local netip.Addr) ([]byte, error) {
	var b [4]byte
	if _, err := io.ReadFull(x.kdc.Rand, b[:]); err != nil {
		return nil, err
	}
	seq := max(1, binary.BigEndian.Uint32(b[:])&0x3fffffff)
	ap, err := krb.APRep{Time: x.auth.Time, SeqNumber: seq}.Encode(x.session)
	if err != nil {
		return nil, err
	}
	priv, err := krb.Priv{Data: krb.PasswordResult(r.code, r.text), Time: x.now.Truncate(time.Microsecond), SeqNumber: seq, Sender: krb.Address(local)}.Encode(x.subkey)
	if err != nil {
		return nil, err
	}
	return (&krb.PasswordMessage{Version: krb.PasswordChange, AP: ap, Priv: priv}).Encode()
}

// refusePassword is the answer to a request that proves nothing: a KRB-ERROR
// whose e-data is a result (RFC 3244 2).
func (x *passwordExchange) refusePassword(err error) []byte {
	e := krb.AsError(err)
	x.emit(e)
	code := krb.PasswordAuthError
	if e.Code == krb.ErrGeneric || e.Code == krb.ErrFieldTooLong {
		code = krb.PasswordMalformed
	}
	b, err := e.WithData(krb.PasswordResult(code, e.Sentence)).Encode(x.kdc.Realm, krb.ChangePassword(), x.now)
	if err != nil {
		return nil
	}
	out, err := (&krb.PasswordMessage{Version: krb.PasswordChange, Priv: b}).Encode()
	if err != nil {
		return nil
	}
	return out
}

// emitPassword tells what a request came to.
func (x *passwordExchange) emitPassword(r *result) {
	if x.kdc.Events == nil {
		return
	}
	x.tell("client", x.client.String())
	x.tell("target", x.target)
	x.tell("result", r.code)
	ev := event.Event{At: x.now, Actor: Actor, Protocol: "kpasswd", Step: x.step, Message: x.note}
	if r.code == krb.PasswordSuccess {
		ev.Text = "The password of " + x.target + " is changed."
	} else {
		ev.Text, ev.Outcome = r.text, event.Refused
		ev.Reason = &event.Reason{Code: fmt.Sprint(r.code), Name: "KPASSWD", Sentence: r.text}
	}
	x.kdc.Events.Emit(ev)
}
