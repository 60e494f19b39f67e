package entrakrb

import (
	"crypto/rand"
	"errors"
	"testing"

	"hellolab/providers/wire/prt"
)

// Whatever a tenant sends, it is read or refused in a way that Open documents,
// and what opens can be sealed again and is then read the same.
func FuzzOpen(f *testing.F) {
	good, err := partial(f, nil).Seal(session(9), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	no, err := Refuse("no")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, no, with(f, good, "messageBuffer", "MAA="), with(f, good, "clientKey", "e30.A.A.A.A"), "{}", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := Open(text, session(9))
		if err != nil {
			var r *Refused
			if !errors.As(err, &r) && !errors.Is(err, ErrMember) && !errors.Is(err, prt.ErrDecrypt) && !errors.Is(err, prt.ErrContext) {
				t.Fatalf("an error that is not documented: %v", err)
			}
			return
		}
		if _, err := k.Credential(); err != nil && !errors.Is(err, ErrReply) {
			t.Fatalf("an error that is not documented: %v", err)
		}
		again, err := k.Seal(session(9), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := Open(again, session(9)); err != nil || !l.Key.Equal(k.Key) || l.Client != k.Client {
			t.Fatalf("sealed again: %v", err)
		}
	})
}

// FuzzCredential opens replies that anyone made with the right client key.
func FuzzCredential(f *testing.F) {
	good := partial(f, nil)
	f.Add(good.Reply)
	f.Add(good.Reply[:40])
	f.Fuzz(func(t *testing.T, reply []byte) {
		k := good
		k.Reply = reply
		if c, err := k.Credential(); err != nil && !errors.Is(err, ErrReply) || err == nil && len(c.Ticket) == 0 {
			t.Fatalf("%+v, %v", c, err)
		}
	})
}
