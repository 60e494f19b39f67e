package krb

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// The encoder writes what encoding/asn1 writes.
func TestEncodeAsASN1(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	some := func(n int) []byte {
		b := make([]byte, r.IntN(n))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	number := func() int32 { return int32(r.Uint32()) >> r.IntN(32) }
	when := func() time.Time {
		if r.IntN(3) == 0 {
			return time.Time{}
		}
		return time.Unix(int64(r.Uint32()), 0).UTC()
	}
	always := func() time.Time { return time.Unix(int64(r.Uint32()), 0).UTC() }
	name := func() Name {
		n := Name{Type: number()}
		for range 1 + r.IntN(3) {
			n.Parts = append(n.Parts, string(bytes.Repeat([]byte("x"), 1+r.IntN(150))))
		}
		return n
	}
	data := func() (out []PAData) {
		for range r.IntN(3) {
			out = append(out, PAData{1 + number()&0xff, some(70000)})
		}
		return out
	}
	auth := func() (out []AuthData) {
		for range r.IntN(3) {
			out = append(out, AuthData{1 + number()&0xff, some(300)})
		}
		return out
	}
	same := func(what string, got []byte, err error, v any, tag int) {
		t.Helper()
		want, err2 := marshal(v, tag)
		if err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %v %v\n%x\n%x", what, err, err2, got, want)
		}
	}
	for range 300 {
		k, d := Key{number(), some(40)}, EncryptedData{1 + number()&0xff, int64(r.Uint32()), some(300)}
		flags := Flags(r.Uint32())
		tk := &Ticket{Realm: realm, Server: name(), EncPart: d}
		raw, err := tk.Encode()
		same("Ticket", raw, err, ticket{version, tk.Realm, tk.Server, d}, tagTicket)

		p := EncTicketPart{flags, k, realm, name(), Transited{number(), some(9)}, always(), when(), always(), when(), nil, auth()}
		b, err := p.Encode()
		same("EncTicketPart", b, err, encTicketPart{flags.bits(), k, realm, p.Client, p.Transited, p.AuthTime, p.StartTime, p.EndTime, p.RenewTill, nil, p.AuthData}, tagEncTicketPart)

		e := EncKDCRepPart{k, []LastReq{{number(), always()}}, r.Uint32(), when(), flags, always(), when(), always(), when(), realm, name(), []HostAddress{{2, some(5)}}, data()}
		b, err = e.Encode(MsgTGSRep)
		same("EncTGSRepPart", b, err, encKDCRepPart{k, e.LastReqs, int64(e.Nonce), e.KeyExpiration, flags.bits(), e.AuthTime, e.StartTime, e.EndTime, e.RenewTill, realm, e.Server, e.Addresses, e.PAData}, tagEncTGSRepPart)

		rep := KDCRep{MsgASRep, data(), realm, name(), *tk, d}
		b, err = rep.Encode()
		same("AS-REP", b, err, kdcRep{version, MsgASRep, rep.PAData, realm, rep.Client, explicit(5, raw), d}, MsgASRep)

		ke := &Error{Code: Code(number()), Sentence: "Something.", Data: some(200)}
		if r.IntN(2) == 0 {
			ke.Client, ke.ClientRealm = name(), realm
		}
		now := always().Add(time.Duration(r.IntN(1e6)) * time.Microsecond)
		b, err = ke.Encode(realm, tk.Server, now)
		w := krbError{Version: version, MsgType: MsgError, STime: kerberosTime(now), SUSec: now.Nanosecond() / 1000, Code: int32(ke.Code), Realm: realm, SName: tk.Server, EText: ke.Sentence, EData: ke.Data, CRealm: ke.ClientRealm, CName: ke.Client}
		if len(ke.Data) == 0 {
			w.EData = nil
		}
		same("KRB-ERROR", b, err, w, MsgError)

		info := []ETypeInfo2Entry{{number(), "salt", nil}, {number(), "", []byte{1}}}
		b, err = EncodeETypeInfo2(info)
		same("ETYPE-INFO2", b, err, info, 0)
		c := Checksum{number(), some(30)}
		b, err = c.Encode()
		same("Checksum", b, err, c, 0)
		list := data()
		b, err = EncodeMethodData(list)
		same("METHOD-DATA", b, err, list, 0)
	}
}
