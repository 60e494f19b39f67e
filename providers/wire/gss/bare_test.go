package gss

import (
	"errors"
	"testing"

	"hellolab/providers/wire/krb"
)

// An AP-REQ without a frame, in a negotiation: impacket's way, and Windows takes
// it.
func TestBareAPReq(t *testing.T) {
	b := Bindings("tls-server-end-point:a")
	for what, c := range map[string]struct {
		alone    bool // outside a negotiation
		framed   bool
		checksum krb.Checksum
		bindings Bindings
		want     error
		flags    Flags
	}{
		"without a checksum":           {},
		"with one":                     {checksum: makeChecksum(Integrity|Sequence, nil), flags: Integrity | Sequence},
		"with another type's":          {checksum: krb.Checksum{Type: 16, Sum: make([]byte, 12)}, want: krb.ErrInappropriateChecksum},
		"where bindings are demanded":  {bindings: b, want: ErrBindings},
		"alone":                        {alone: true, want: ErrDefective},
		"framed, without any checksum": {framed: true, want: krb.ErrInappropriateChecksum},
	} {
		l := newLab(t, krb.AES256)
		l.accept.Bindings, l.accept.RequireBindings = c.bindings, c.bindings != nil
		token, err := krb.NewAPReq(0, l.cred.Ticket, l.cred.Session, krb.UsageAPReqAuth, &krb.Authenticator{CRealm: realm, Client: l.cred.Client, Time: l.now, Checksum: c.checksum})
		if err != nil {
			t.Fatal(err)
		}
		if c.framed {
			token = frameKerberos(tokAPReq, token)
		}
		if !c.alone {
			body := append(element(0xA0, element(0x30, oidKerberos)), element(0xA2, element(0x04, token))...)
			token = frame(oidSPNEGO, element(idNegInit, element(0x30, body)))
		}
		a := l.accept.New()
		_, done, err := a.Step(token)
		if !errors.Is(err, c.want) || done != (c.want == nil) {
			t.Errorf("%s: done %v, %v; want %v", what, done, err, c.want)
		}
		if c.want != nil {
			continue
		}
		if a.Client() == nil || !a.Client().Name.Equal(l.cred.Client) || a.Context().Flags() != c.flags {
			t.Errorf("%s: client %+v, flags %#x", what, a.Client(), a.Context().Flags())
		}
		if _, _, err := l.accept.New().Step(token); !errors.Is(err, krb.ErrRepeat) {
			t.Errorf("%s: again: %v", what, err)
		}
	}
}
