package pac

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/sid"
)

// service signs p for a service, and returns what its KDC would verify.
func service(t testing.TB, p *PAC) ([]byte, Ticket) {
	t.Helper()
	s := Signing{Server: key(krb.AES128, 1), KDC: key(krb.AES256, 2), TicketPart: []byte("ticket")}
	return sign(t, p, s), Ticket{Client: "alice", AuthTime: authTime, Server: s.Server, KDC: s.KDC, TicketPart: s.TicketPart}
}

// without returns a PAC without one of its buffers, otherwise unchanged.
func without(t testing.TB, raw []byte, typ Type) []byte {
	t.Helper()
	frames, err := split(raw)
	if err != nil {
		t.Fatal(err)
	}
	var rest []Buffer
	for _, f := range frames {
		if f.typ != typ {
			rest = append(rest, Buffer{f.typ, raw[f.start:f.end]})
		}
	}
	if len(rest) == len(frames) {
		t.Fatalf("there is no %s", typ)
	}
	out, _, err := join(rest)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Fault 70: ticket or PAC tampering; checksums, missing buffers, renamed
// client, forged groups.
func TestTampering(t *testing.T) {
	raw, ticket := service(t, alice())
	p := parse(t, raw)
	if err := p.Verify(ticket); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		change func(*Ticket)
		want   error
	}{
		{"another service's key", func(k *Ticket) { k.Server = key(krb.AES128, 9) }, ErrServerSignature},
		{"another type of key", func(k *Ticket) { k.Server = key(krb.AES256, 1) }, ErrServerSignature},
		{"key of a wrong size", func(k *Ticket) { k.Server = krb.Key{EType: krb.AES128, Value: []byte{1}} }, ErrServerSignature},
		{"another KDC's key", func(k *Ticket) { k.KDC = key(krb.AES256, 9) }, ErrKDCSignature},
		{"weaker KDC key", func(k *Ticket) { k.KDC = key(krb.RC4, 2) }, ErrKDCSignature},
		{"another ticket", func(k *Ticket) { k.TicketPart = []byte("tickeT") }, ErrTicketSignature},
		{"no ticket", func(k *Ticket) { k.TicketPart = nil }, ErrTicketSignature},
		{"renamed client", func(k *Ticket) { k.Client = "administrator" }, ErrClient},
		{"another time", func(k *Ticket) { k.AuthTime = authTime.Add(time.Second) }, ErrAuthTime},
	} {
		k := ticket
		c.change(&k)
		if err := p.Verify(k); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	for _, typ := range []Type{TypeLogonInfo, TypeClientInfo, TypeServerSignature, TypeKDCSignature, TypeTicketSignature, TypeFullSignature} {
		short := parse(t, without(t, raw, typ))
		if err := short.Verify(ticket); !errors.Is(err, ErrMissing) && !errors.Is(err, ErrServerSignature) {
			t.Errorf("without %s: %v", typ, err)
		}
		// Who holds the service's key may sign what it likes; the KDC still sees it.
		forged := sign(t, short, Signing{Server: ticket.Server, KDC: key(krb.AES256, 9), TicketPart: ticket.TicketPart})
		if err := parse(t, forged).Verify(ticket); err == nil {
			t.Errorf("without %s, signed by the service: believed", typ)
		}
	}
	if err := parse(t, without(t, raw, TypeFullSignature)).VerifyFull(ticket.KDC); !errors.Is(err, ErrMissing) {
		t.Errorf("no full signature: %v", err)
	}
	if err := alice().Verify(ticket); !errors.Is(err, ErrMissing) {
		t.Errorf("never signed: %v", err)
	}
}

// Fault 70: every changed byte of a PAC is seen.
func TestEveryByteCounts(t *testing.T) {
	raw, ticket := service(t, alice())
	for i := range raw {
		changed := slices.Clone(raw)
		changed[i] ^= 0x20
		p, err := Parse(changed)
		if err == nil {
			err = p.Verify(ticket)
		}
		if err == nil {
			t.Fatalf("byte %d changed, and believed", i)
		}
	}
}

// Fault 70: a service that adds groups with its own key is found out by the KDC.
func TestForgedGroups(t *testing.T) {
	raw, ticket := service(t, alice())
	p := parse(t, raw)
	p.LogonInfo.Groups = append(p.LogonInfo.Groups, Group{sid.RIDDomainAdmins, GroupAttributes})
	forged := sign(t, p, Signing{Server: ticket.Server, KDC: ticket.Server, TicketPart: ticket.TicketPart})
	f := parse(t, forged)
	if err := f.VerifyServer(ticket.Server); err != nil {
		t.Errorf("the service believes itself: %v", err)
	}
	if err := f.Verify(ticket); !errors.Is(err, ErrKDCSignature) {
		t.Errorf("forged: %v", err)
	}
	// With the server signature forged to the old checksum's place, the full
	// signature tells.
	if err := f.VerifyFull(ticket.KDC); !errors.Is(err, ErrFullSignature) {
		t.Errorf("full signature: %v", err)
	}
}

func TestTGT(t *testing.T) {
	k := key(krb.AES256, 3)
	ticket := Ticket{Client: "alice", AuthTime: authTime, Server: k, KDC: k, TGT: true}
	check := func(p *PAC, want error) {
		t.Helper()
		if err := parse(t, sign(t, p, Signing{Server: k, KDC: k})).Verify(ticket); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	check(alice(), nil)
	p := alice()
	p.Requestor = domain.Account(sid.RIDAdministrator)
	check(p, ErrRequestor)
	p.Requestor = sid.SID{}
	check(p, ErrMissing)
}

func TestFraming(t *testing.T) {
	raw, _ := service(t, alice())
	at := func(offset int, v uint32) []byte {
		b := slices.Clone(raw)
		binary.LittleEndian.PutUint32(b[offset:], v)
		return b
	}
	entry := func(i int) int { return 8 + 16*i }
	for what, b := range map[string][]byte{
		"empty":            nil,
		"cut header":       raw[:7],
		"cut list":         raw[:40],
		"cut":              raw[:len(raw)-24],
		"version":          at(4, 1),
		"buffers":          at(0, 1<<31),
		"too many buffers": at(0, 65),
		"type twice":       at(entry(1), uint32(TypeLogonInfo)),
		"unaligned":        at(entry(0)+8, 0x101),
		"in the header":    at(entry(0)+8, 8),
		"beyond":           at(entry(0)+8, 1<<20),
		"beyond 4 GB":      at(entry(0)+12, 1),
		"huge":             at(entry(0)+4, 0xFFFFFFF0),
		"overlap":          at(entry(1)+8, binary.LittleEndian.Uint32(raw[entry(0)+8:])),
	} {
		if _, err := Parse(b); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !bytes.Equal(at(0, binary.LittleEndian.Uint32(raw)), raw) {
		t.Error("the test changes what it should not")
	}
}

func TestBuffersRefused(t *testing.T) {
	l, err := alice().LogonInfo.encode()
	if err != nil {
		t.Fatal(err)
	}
	ndr := func(offset int, v ...byte) []byte {
		b := slices.Clone(l)
		copy(b[offset:], v)
		return b
	}
	const fixed = 20 // of the structure; see the layout in logon.go
	for _, c := range []struct {
		what string
		typ  Type
		data []byte
	}{
		{"LOGON_INFO: empty", TypeLogonInfo, nil},
		{"LOGON_INFO: big-endian", TypeLogonInfo, ndr(1, 0)},
		{"LOGON_INFO: version", TypeLogonInfo, ndr(0, 2)},
		{"LOGON_INFO: length", TypeLogonInfo, ndr(8, 0xFF, 0xFF, 0xFF, 0xFF)},
		{"LOGON_INFO: null", TypeLogonInfo, ndr(16, 0, 0, 0, 0)},
		{"LOGON_INFO: odd string", TypeLogonInfo, ndr(fixed+48, 9)},
		{"LOGON_INFO: string shorter than its array", TypeLogonInfo, ndr(fixed+48, 8)},
		{"LOGON_INFO: string longer than its space", TypeLogonInfo, ndr(fixed+48, 12)},
		{"LOGON_INFO: string at null", TypeLogonInfo, ndr(fixed+52, 0, 0, 0, 0)},
		{"LOGON_INFO: groups", TypeLogonInfo, ndr(fixed+48+48+12, 0xFF, 0xFF, 0xFF, 0x7F)},
		{"LOGON_INFO: one group less", TypeLogonInfo, ndr(fixed+48+48+12, 2)},
		{"LOGON_INFO: groups at null", TypeLogonInfo, ndr(fixed+48+48+16, 0, 0, 0, 0)},
		{"LOGON_INFO: cut", TypeLogonInfo, l[:len(l)-40]},
		{"LOGON_INFO: tail", TypeLogonInfo, append(slices.Clone(l), make([]byte, 8)...)},
		{"CREDENTIAL_INFO: short", TypeCredentials, make([]byte, 7)},
		{"CREDENTIAL_INFO: version", TypeCredentials, []byte{1, 0, 0, 0, 18, 0, 0, 0}},
		{"CLIENT_INFO: short", TypeClientInfo, make([]byte, 9)},
		{"CLIENT_INFO: length", TypeClientInfo, append(make([]byte, 8), 4, 0, 'a', 0)},
		{"CLIENT_INFO: odd", TypeClientInfo, append(make([]byte, 8), 1, 0, 'a')},
		{"CLIENT_INFO: half a pair", TypeClientInfo, append(make([]byte, 8), 2, 0, 0, 0xD8)},
		{"CLIENT_INFO: pair in reverse", TypeClientInfo, append(make([]byte, 8), 4, 0, 0, 0xDC, 0, 0xD8)},
		{"UPN_DNS_INFO: short", TypeUPNDNSInfo, make([]byte, 11)},
		{"UPN_DNS_INFO: offset", TypeUPNDNSInfo, []byte{2, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'a'}},
		{"UPN_DNS_INFO: extended, short", TypeUPNDNSInfo, []byte{0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}},
		{"UPN_DNS_INFO: no SID", TypeUPNDNSInfo, []byte{0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"ATTRIBUTES: short", TypeAttributes, []byte{2, 0, 0, 0}},
		{"ATTRIBUTES: many", TypeAttributes, []byte{0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0}},
		{"REQUESTOR: empty", TypeRequestor, nil},
		{"REQUESTOR: tail", TypeRequestor, append(sid.Everyone.Bytes(), 0)},
		{"signature: empty", TypeServerSignature, nil},
		{"signature: CRC32", TypeServerSignature, []byte{1, 0, 0, 0, 1, 2, 3, 4}},
		{"signature: cut", TypeKDCSignature, append([]byte{16, 0, 0, 0}, make([]byte, 11)...)},
		{"signature: tail", TypeFullSignature, append([]byte{16, 0, 0, 0}, make([]byte, 15)...)},
	} {
		raw, _, err := join([]Buffer{{c.typ, c.data}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(raw); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	raw, ticket := service(f, alice())
	f.Add(raw)
	c := alice()
	c.Credentials = &Credentials{EType: krb.AES256, Cipher: []byte("sealed")}
	c.LogonInfo.ResourceDomain, c.LogonInfo.ResourceGroups = sid.SID{}, nil
	again, _ := service(f, c)
	f.Add(again)
	for _, typ := range []Type{TypeLogonInfo, TypeUPNDNSInfo, TypeServerSignature} {
		f.Add(without(f, raw, typ))
	}
	s := Signing{Server: ticket.Server, KDC: ticket.KDC}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		if err := p.Verify(ticket); err == nil && !bytes.Equal(b, raw) && !bytes.Equal(b, again) {
			t.Errorf("believed: %x", b)
		}
		if p.LogonInfo != nil {
			p.LogonInfo.SIDs()
		}
		once, err := p.Sign(s)
		if err != nil {
			return // strings that share bytes can be read, and be too many to write
		}
		q, err := Parse(once)
		if err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		if twice, err := q.Sign(s); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%x became %x, %v", once, twice, err)
		}
	})
}
