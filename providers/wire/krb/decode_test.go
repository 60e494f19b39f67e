package krb

import (
	"reflect"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
)

// forms are the structures that are decoded without reflection, each with its
// application tag.
var forms = []struct {
	tag  int
	make func() decodable
}{
	{MsgASReq, func() decodable { return &kdcReq{} }},
	{MsgTGSReq, func() decodable { return &kdcReq{} }},
	{MsgAPReq, func() decodable { return &apReq{} }},
	{tagTicket, func() decodable { return &ticket{} }},
	{tagEncTicketPart, func() decodable { return &encTicketPart{} }},
	{tagAuthenticator, func() decodable { return &authenticator{} }},
	{0, func() decodable { return &kdcReqBody{} }},
	{0, func() decodable { return &Name{} }},
	{0, func() decodable { return &Key{} }},
	{0, func() decodable { return &Checksum{} }},
	{0, func() decodable { return &EncryptedData{} }},
	{0, func() decodable { return &PAData{} }},
	{0, func() decodable { return &AuthData{} }},
	{0, func() decodable { return &Transited{} }},
	{0, func() decodable { return &paEncTSEnc{} }},
	{0, func() decodable { return &paPACRequest{} }},
}

// samples are each form's values, written by encoding/asn1, with and without
// what is optional.
func samples(t testing.TB) map[int][][]byte {
	t.Helper()
	name, key := Service("ldap", "dc1.corp.example"), Key{AES256, make([]byte, 32)}
	data := EncryptedData{EType: AES256, KVNO: 3, Cipher: []byte("sealed")}
	auth := []AuthData{{ADIfRelevant, []byte("one")}, {-5, nil}}
	addresses := []HostAddress{{2, []byte{127, 0, 0, 1}}}
	body := kdcReqBody{Options: Flags(0x40800010).bits(), Realm: realm, Till: noon, Nonce: 1 << 31, ETypes: []int32{18, -133}}
	full := body
	full.Client, full.Server, full.From, full.RenewTill, full.Addresses, full.EncAuthData = name, name, noon, noon, addresses, data
	full.Tickets = explicit(11, []byte{0x30, 0})
	raw := explicit(4, []byte{0x30, 0})
	part := encTicketPart{Flags: Flags(1).bits(), Key: key, CRealm: realm, Client: name, AuthTime: noon, EndTime: noon}
	fullPart := part
	fullPart.Transited, fullPart.StartTime, fullPart.RenewTill, fullPart.Addresses, fullPart.AuthData = Transited{1, []byte("x")}, noon, noon, addresses, auth
	proof := authenticator{Version: 5, CRealm: realm, Client: name, Time: noon}
	fullProof := proof
	fullProof.Checksum, fullProof.Micro, fullProof.Subkey, fullProof.SeqNumber, fullProof.AuthData = Checksum{16, []byte("sum")}, 999999, key, 1<<32-1, auth
	out := map[int][][]byte{}
	for _, s := range []struct {
		tag    int
		values []any
	}{
		{MsgASReq, []any{kdcReq{5, MsgASReq, nil, raw}, kdcReq{5, MsgASReq, []PAData{{149, nil}, {2, []byte("x")}}, raw}}},
		{MsgAPReq, []any{apReq{5, MsgAPReq, Flags(0).bits(), explicit(3, []byte{0x61, 0}), data}}},
		{tagTicket, []any{ticket{5, realm, name, data}}}, {tagEncTicketPart, []any{part, fullPart}}, {tagAuthenticator, []any{proof, fullProof}},
		{0, []any{body, full, name, key, Checksum{}, data, EncryptedData{}, PAData{}, auth[1], Transited{}, paEncTSEnc{noon, 0}, paEncTSEnc{noon, 7}, paPACRequest{true}, paPACRequest{false}}},
	} {
		for _, v := range s.values {
			b, err := marshal(v, s.tag)
			if err != nil {
				t.Fatal(err)
			}
			out[s.tag] = append(out[s.tag], b)
		}
	}
	return out
}

// same says whether ours reads b, and fails when reflection reads it
// otherwise or not at all.
func same(t testing.TB, b []byte, tag int, fresh func() decodable) bool {
	ours, theirs := fresh(), fresh()
	if decode(b, ours, tag) != nil {
		return false
	}
	if err := reflected(b, theirs, tag); err != nil {
		t.Fatalf("%T of %x: encoding/asn1 says %v", ours, b, err)
	}
	if body, ok := theirs.(*kdcReqBody); ok && body.Tickets.FullBytes != nil && body.Tickets.FullBytes[0] != 0xab {
		body.Tickets = asn1.RawValue{} // encoding/asn1 takes any element for a raw one
	}
	if !reflect.DeepEqual(ours, theirs) {
		t.Fatalf("%x:\n%+v\nencoding/asn1:\n%+v", b, ours, theirs)
	}
	return true
}

// Every value that encoding/asn1 writes is read, and as it reads it.
func TestDecodeAsASN1(t *testing.T) {
	for tag, all := range samples(t) {
		for _, b := range all {
			read := false
			for _, f := range forms {
				read = f.tag == tag && same(t, b, tag, f.make) || read
			}
			if !read {
				t.Errorf("not read: %x", b)
			}
		}
	}
}

func TestDecodeTime(t *testing.T) {
	for text, good := range map[string]bool{
		"20240229235959Z": true, "00010101000000Z": true, "99991231235959Z": true,
		"20230229000000Z": false, "20240100000000Z": false, "20241301000000Z": false, "20240101240000Z": false, "20240101006000Z": false, "20240101000060Z": false,
		"20240101000000": false, "20240101000000+0000": false, "20240101000000.5Z": false, "2024010100000 Z": false, "": false,
	} {
		d := &decoder{}
		at := d.time(primitive(0x18, []byte(text)).encode())
		want, err := time.Parse("20060102150405Z", text)
		if d.bad == good || good && (err != nil || !at.Equal(want)) {
			t.Errorf("%q: %s, bad %v", text, at, d.bad)
		}
	}
}

// What is read without reflection is what encoding/asn1 reads.
func FuzzDecode(f *testing.F) {
	for _, all := range samples(f) {
		for _, b := range all {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if Check(b) != nil {
			return
		}
		for _, form := range forms {
			if form.tag == 0 || b[0] == 0x60|byte(form.tag) {
				same(t, b, form.tag, form.make)
			}
		}
	})
}
