package kdc

import (
	"bytes"
	"crypto"
	"errors"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/pkinit"
)

// Who signed in with a key reads its own PAC with a ticket to itself: the NT
// hash is there, under the reply key of that sign-in, and nowhere else.
func TestUserToUser(t *testing.T) {
	l := newKeyLab(t, nil)
	l.register(t, "alice", &helloKey().PublicKey, true, true)
	self := certify(pair{}, helloKey(), nil)
	r, err := l.signIn(krb.Principal("alice"), pkinit.Initiator{Signer: self.signer(), Group: pkinit.MODP2048, KDFs: pkinit.DefaultKDFs(), Checksum2: crypto.SHA256},
		func(a *krbclient.ASRequest) { a.Options = krb.FlagForwardable | krb.FlagRenewable })
	if err != nil {
		t.Fatal(err)
	}
	tgt := &r.Credential
	own, err := krb.ParseTicket(tgt.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	toSelf := krbclient.TGSRequest{Server: krb.Principal("alice"), Options: krb.OptEncTktInSkey, Tickets: []krb.Ticket{*own}}
	u, err := l.client().TGS(t.Context(), tgt, toSelf)
	if err != nil {
		t.Fatal(err)
	}
	part, err := u.Reply.Ticket.Open(tgt.Key)
	if err != nil {
		t.Fatalf("with the session key: %v", err)
	}
	raw, _ := part.PAC()
	p, err := pac.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.VerifyServer(tgt.Key), p.VerifyClient("alice", part.AuthTime)); err != nil {
		t.Error(err)
	}
	list, err := p.Credentials.Open(r.ReplyKey)
	if err != nil || len(list) != 1 {
		t.Fatalf("credentials: %v, %v", list, err)
	}
	if hash, err := list[0].NTHash(); err != nil || !bytes.Equal(hash, l.account("alice").NTHash) {
		t.Errorf("NT hash %x, %v", hash, err)
	}
	service, err := l.client().TGS(t.Context(), tgt, krbclient.TGSRequest{Server: krb.Service("host", "pc1")})
	if err != nil {
		t.Fatal(err)
	}
	if _, p := l.open(t, "PC1$", service.Reply); p.Credentials != nil {
		t.Error("a service gets the credentials")
	}

	bob, err := l.as(krb.Principal("bob"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*krbclient.TGSRequest)
		want   krb.Code
	}{
		"no ticket":   {func(a *krbclient.TGSRequest) { a.Tickets = nil }, krb.ErrBadOption},
		"two tickets": {func(a *krbclient.TGSRequest) { a.Tickets = append(a.Tickets, a.Tickets...) }, krb.ErrBadOption},
		"a service's": {func(a *krbclient.TGSRequest) { a.Tickets = []krb.Ticket{service.Reply.Ticket} }, krb.ErrNotUs},
		"another's":   {func(a *krbclient.TGSRequest) { a.Tickets = []krb.Ticket{bob.Reply.Ticket} }, krb.ErrServerNoMatch},
		"for another": {func(a *krbclient.TGSRequest) { a.Server = krb.Principal("bob") }, krb.ErrServerNoMatch},
		"for krbtgt":  {func(a *krbclient.TGSRequest) { a.Server = krb.TGS(realm) }, krb.ErrBadOption},
		"and renewed": {func(a *krbclient.TGSRequest) { a.Options |= krb.OptRenew }, krb.ErrBadOption},
		"another, by both": {func(a *krbclient.TGSRequest) {
			a.Server, a.Tickets = krb.Principal("bob"), []krb.Ticket{bob.Reply.Ticket}
		}, 0},
	} {
		ask := toSelf
		tt.change(&ask)
		_, err := l.client().TGS(t.Context(), tgt, ask)
		var e *krb.Error
		if tt.want == 0 && err != nil || tt.want != 0 && (!errors.As(err, &e) || e.Code != tt.want) {
			t.Errorf("%s: %v, want %d", name, err, tt.want)
		}
	}
	renewed, err := l.client().TGS(t.Context(), tgt, krbclient.TGSRequest{Server: krb.TGS(realm), Options: krb.OptRenew})
	if err != nil {
		t.Fatal(err)
	}
	l.advance(time.Minute)
	next, err := krb.ParseTicket(renewed.Credential.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	again := toSelf
	again.Tickets = []krb.Ticket{*next}
	if u, err = l.client().TGS(t.Context(), &renewed.Credential, again); err != nil {
		t.Fatal(err)
	}
	if part, err = u.Reply.Ticket.Open(renewed.Credential.Key); err != nil {
		t.Fatal(err)
	}
	raw, _ = part.PAC()
	if p, err = pac.Parse(raw); err != nil || p.Credentials != nil {
		t.Errorf("a renewed ticket still holds credentials: %v", err)
	}
}
