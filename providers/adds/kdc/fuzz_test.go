package kdc

import (
	"context"
	"net/netip"
	"testing"

	"hellolab/providers/wire/krb"
)

// Whatever comes, one whole answer goes: a reply only to who proved something.
func FuzzHandle(f *testing.F) {
	l := newLab(f, nil)
	l.Events = nil
	f.Add(asReq(f, l, nil))
	f.Add(newTGSReq(l, l.tgt(f, nil)).encode(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		out := l.Handle(context.Background(), b)
		if krb.IsKDCReq(b) != (out != nil) {
			t.Fatal("answered or not, and should be otherwise")
		}
		if _, err := krb.ParseKDCRep(out); out != nil && err != nil && code(err) <= 0 {
			t.Fatalf("an answer that is none: %x", out)
		}
		if out := l.HandlePassword(context.Background(), b, netip.Addr{}); out != nil {
			if _, err := krb.ParsePasswordMessage(out); err != nil {
				t.Fatal(err)
			}
		}
	})
}
