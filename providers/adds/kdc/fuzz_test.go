package kdc

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
)

// Whatever comes, one whole answer goes: a reply only to who proved something.
func FuzzHandle(f *testing.F) {
	c := newCloud(f, nil)
	l := c.lab
	l.Events = nil
	f.Add(asReq(f, l, nil))
	f.Add(newTGSReq(l, l.tgt(f, nil)).encode(f))
	partial := c.request(c.partial(f, "alice", nil))
	partial.extra = keyListReq(f, krb.RC4, krb.AES256)
	f.Add(partial.encode(f))
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

// Whatever PAC stands in a ticket that opens with a read-only controller's key, a
// full ticket is alice's own or there is none.
func FuzzPartialPAC(f *testing.F) {
	c := newCloud(f, nil)
	c.Events = nil
	key := c.readOnly.Krbtgt.Keys[0].Key
	now := c.clock().Truncate(time.Second)
	for _, p := range []*pac.PAC{pac.Partial(c.account("alice").SID, "alice", now), pac.Partial(c.account("admin").SID, "alice", now), pac.Partial(c.account("alice").SID, "admin", now)} {
		for _, rodc := range []uint16{number, 0} {
			raw, err := p.Sign(pac.Signing{Server: key, KDC: key, RODC: rodc})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) == 0 {
			return
		}
		rep, err := c.ask(c.request(c.partial(t, "alice", func(p *partialTGT) { p.raw = raw })).encode(t))
		if err != nil {
			if code(err) <= 0 || code(err) == krb.ErrGeneric {
				t.Fatal(err)
			}
			return
		}
		if _, p := c.full(t, rep); p.Requestor != c.account("alice").SID || len(p.LogonInfo.Groups) != 2 {
			t.Fatalf("a full ticket of %s in %v", p.Requestor, p.LogonInfo.Groups)
		}
	})
}
