package kdc

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"net/netip"
	"testing"

	"hellolab/providers/event"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pkinit"
)

// deletedKeys are those that a KDC had deleted.
type deletedKeys struct {
	of  []string
	ids [][]byte
	err error
}

func (d *deletedKeys) DeleteKey(_ context.Context, account *Account, keyID []byte) error {
	d.of, d.ids = append(d.of, account.SAMAccountName), append(d.ids, keyID)
	return d.err
}

// TestKeyDeletedAtSignIn: a KDC of such a build has the key deleted that a ticket
// was given by, and no other; and only when the reply is on its way.
func TestKeyDeletedAtSignIn(t *testing.T) {
	self, other := certify(pair{}, helloKey(), nil), certify(pair{}, ecKey(), nil)
	byCertificate := user(labPKI().root, ecKey(), aliceUPN, smartCard, adcert.SIDExtension(domainSID.Account(1104)))
	initiator := func(p pair) pkinit.Initiator {
		return pkinit.Initiator{Signer: p.signer(), Group: pkinit.MODP2048, KDFs: pkinit.DefaultKDFs(), Checksum2: crypto.SHA256}
	}
	lab := func(t *testing.T, err error) (keyLab, *deletedKeys) {
		l, gone := newKeyLab(t, nil), &deletedKeys{err: err}
		l.KDC.Keys = gone
		l.register(t, "alice", &helloKey().PublicKey, true, false)
		return l, gone
	}
	t.Run("by key", func(t *testing.T) {
		l, gone := lab(t, nil)
		if _, err := l.signIn(krb.Principal("alice"), initiator(self), nil); err != nil {
			t.Fatal(err)
		}
		keys, _ := keycred.Usable(l.account("alice").KeyCredentials, l.now)
		if len(gone.ids) != 1 || gone.of[0] != "alice" || !bytes.Equal(gone.ids[0], keys[0].ID) {
			t.Fatalf("deleted %x of %q", gone.ids, gone.of)
		}
		if e := l.last(); e.Step != "key_deleted" || e.Outcome != event.Done || e.Message["account"] != "alice" || e.Exchange == "" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("the deletion fails", func(t *testing.T) {
		l, gone := lab(t, errors.New("the disk is full"))
		if _, err := l.signIn(krb.Principal("alice"), initiator(self), nil); err != nil || len(gone.ids) != 1 {
			t.Fatalf("%v after %d", err, len(gone.ids))
		}
		if e := l.last(); e.Step != "key_deleted" || e.Outcome != event.Failed {
			t.Errorf("%+v", e)
		}
	})
	t.Run("by certificate", func(t *testing.T) {
		l, gone := lab(t, nil)
		if _, err := l.signIn(krb.Principal("alice"), initiator(byCertificate), nil); err != nil {
			t.Fatal(err)
		}
		if len(gone.ids) != 0 {
			t.Errorf("deleted %x", gone.ids)
		}
	})
	t.Run("refused", func(t *testing.T) {
		l, gone := lab(t, nil)
		if _, err := l.signIn(krb.Principal("alice"), initiator(other), nil); err == nil {
			t.Fatal("a stranger's key signed in")
		}
		if e := l.send(t, request{signer: self.signer(), body: func(b *krb.KDCReqBody) { b.Server = krb.Principal("nobody") }}); e == nil || len(gone.ids) != 0 {
			t.Errorf("%v, deleted %x", e, gone.ids)
		}
	})
	t.Run("the reply does not fit", func(t *testing.T) {
		l, gone := lab(t, nil)
		l.KDC.Policy.MaxDatagram = 600
		message := l.message(t, request{signer: self.signer()})
		if e, err := krb.ParseError(l.DatagramAnswer(context.Background(), message, netip.Addr{}, netip.Addr{})); err != nil || e.Code != krb.ErrResponseTooBig || len(gone.ids) != 0 {
			t.Fatalf("%v, %v, deleted %x", e, err, gone.ids)
		}
		if answer := l.Handle(context.Background(), message); krb.IsError(answer) || len(gone.ids) != 1 {
			t.Errorf("by TCP: an error %t, deleted %x", krb.IsError(answer), gone.ids)
		}
	})
}
