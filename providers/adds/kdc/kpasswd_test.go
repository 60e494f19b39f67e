package kdc

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
)

// passwordClient is a client that reaches the password service, too, and hands
// each request to see.
func (l *lab) passwordClient(see func([]byte)) *krbclient.Client {
	c := l.client()
	c.DialPassword = func(context.Context, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			if b, err := krb.ReadFrame(theirs); err == nil {
				if see != nil {
					see(b)
				}
				if reply := l.HandlePassword(context.Background(), b, netip.MustParseAddr("127.0.0.1")); reply != nil {
					_ = krb.WriteFrame(theirs, reply)
				}
			}
		}()
		return ours, nil
	}
	return c
}

func TestChangePassword(t *testing.T) {
	l := newLab(t, nil)
	forPassword := func(a *krbclient.ASRequest) { a.Server = krb.ChangePassword() }
	l.account("alice").UserAccountControl |= PasswordExpired
	cred := l.tgt(t, forPassword)
	var sent []byte
	c := l.passwordClient(func(b []byte) { sent = b })
	var refused *krbclient.PasswordRefused
	if err := c.ChangePassword(context.Background(), cred, "short"); !errors.As(err, &refused) || refused.Code != krb.PasswordSoftError || refused.Text != "The password has fewer than 8 characters." {
		t.Error(err)
	}
	if err := c.ChangePassword(context.Background(), cred, "long enough"); err != nil {
		t.Fatal(err)
	}
	if e := l.last(); e.Step != "kpasswd" || e.Outcome != event.Done || e.Message["target"] != "alice" {
		t.Errorf("%+v", e)
	}
	if _, err := l.as(krb.Principal("alice"), nil); code(err) != krb.ErrPreauthFailed {
		t.Errorf("the old password: %v", err)
	}
	if _, err := l.client().AS(context.Background(), krbclient.ASRequest{Client: krb.Principal("alice")}, krbclient.Password("long enough")); err != nil {
		t.Error(err)
	}

	// Fault 60: the request again.
	m, err := krb.ParsePasswordMessage(l.HandlePassword(context.Background(), sent, netip.Addr{}))
	if err != nil || len(m.AP) != 0 {
		t.Fatal(m, err)
	}
	e, err := krb.ParseError(m.Priv)
	if err != nil || e.Code != krb.ErrRepeat {
		t.Error(e, err)
	}
	if c, _, err := krb.ParsePasswordResult(e.Data); c != krb.PasswordAuthError || err != nil {
		t.Error(c, err)
	}
}

func TestSetPassword(t *testing.T) {
	l := newLab(t, nil)
	get := func(name string) *krb.Credential {
		r, err := l.as(krb.Principal(name), func(a *krbclient.ASRequest) { a.Server = krb.ChangePassword() })
		if err != nil {
			t.Fatal(err)
		}
		return &r.Credential
	}
	c := l.passwordClient(nil)
	set := func(by, target, password string) uint16 {
		t.Helper()
		err := c.SetPassword(context.Background(), get(by), krb.Principal(target), password)
		var refused *krbclient.PasswordRefused
		switch {
		case err == nil:
			return krb.PasswordSuccess
		case errors.As(err, &refused):
			return refused.Code
		}
		t.Fatal(err)
		return 0
	}
	for _, tt := range []struct {
		by, target, password string
		want                 uint16
	}{
		{"admin", "bob", "set by admin", krb.PasswordSuccess},
		{"alice", "bob", "set by alice", krb.PasswordAccessDenied},
		{"alice", "alice", "set by herself", krb.PasswordSuccess},
		{"admin", "nobody", "set by admin", krb.PasswordHardError},
		{"admin", "bob", "x", krb.PasswordSoftError},
	} {
		if got := set(tt.by, tt.target, tt.password); got != tt.want {
			t.Errorf("%s sets %s's: %d, want %d", tt.by, tt.target, got, tt.want)
		}
	}
}

func TestPasswordRefusals(t *testing.T) {
	l := newLab(t, nil)
	c := l.passwordClient(nil)
	cred := l.tgt(t, func(a *krbclient.ASRequest) { a.Server = krb.ChangePassword() })
	tgt := l.tgt(t, nil)
	if err := c.ChangePassword(context.Background(), tgt, "long enough"); code(err) != krb.ErrNotUs {
		t.Errorf("with a ticket-granting ticket: %v", err)
	}
	// A ticket from the ticket-granting service proves no knowledge of the password.
	r, err := l.client().TGS(context.Background(), tgt, krbclient.TGSRequest{Server: krb.ChangePassword()})
	if err != nil {
		t.Fatal(err)
	}
	var refused *krbclient.PasswordRefused
	if err := c.ChangePassword(context.Background(), &r.Credential, "long enough"); !errors.As(err, &refused) || refused.Code != krb.PasswordInitialFlag {
		t.Error(err)
	}
	l.account("alice").UserAccountControl |= Disabled
	if err := c.ChangePassword(context.Background(), cred, "long enough"); !errors.As(err, &refused) || refused.Code != krb.PasswordAuthError {
		t.Error(err)
	}
	l.account("alice").UserAccountControl = 0x200
	l.Passwords = nil
	if err := c.ChangePassword(context.Background(), cred, "long enough"); !errors.As(err, &refused) || refused.Code != krb.PasswordHardError {
		t.Error(err)
	}
	l.advance(11 * time.Hour)
	if err := c.ChangePassword(context.Background(), cred, "long enough"); code(err) != krb.ErrTicketExpired {
		t.Error(err)
	}
}

// What is no request is not answered, above all no answer: CVE-2002-2443.
func TestServersDoNotTalkToEachOther(t *testing.T) {
	l := newLab(t, nil)
	ctx := context.Background()
	var sent []byte
	cred := l.tgt(t, func(a *krbclient.ASRequest) { a.Server = krb.ChangePassword() })
	if err := l.passwordClient(func(b []byte) { sent = b }).ChangePassword(ctx, cred, "long enough"); err != nil {
		t.Fatal(err)
	}
	refusal := l.HandlePassword(ctx, sent, netip.Addr{}) // a replay
	m, err := krb.ParsePasswordMessage(sent)
	if err != nil {
		t.Fatal(err)
	}
	m.AP = []byte{0x60 | krb.MsgAPRep, 0} // as an answer begins
	success, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	kdcError := l.Handle(ctx, asReq(t, l, func(r *krb.KDCReq, _ krb.Key) { r.PAData = nil }))
	for i, b := range [][]byte{nil, []byte("garbage"), refusal, success, kdcError} {
		if b == nil && i > 1 {
			t.Fatal("there was no answer to begin with")
		}
		if out := l.Handle(ctx, b); out != nil {
			t.Errorf("%x is answered by the KDC with %x", b, out)
		}
		if out := l.HandlePassword(ctx, b, netip.Addr{}); out != nil {
			t.Errorf("%x is answered by the password service with %x", b, out)
		}
	}
}
