package pac

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"

	gokrb5 "github.com/jcmturner/gokrb5/v8/pac"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/sid"
)

const number = 28456 // of a read-only domain controller

// partial signs a partial ticket-granting ticket's PAC, and returns what the
// domain's KDC would verify.
func partial(t testing.TB, p *PAC) ([]byte, Ticket) {
	t.Helper()
	k := key(krb.AES256, 7)
	return sign(t, p, Signing{Server: k, KDC: k, RODC: number}),
		Ticket{Client: "alice", AuthTime: authTime, Server: k, KDC: k, RODC: number, TGT: true}
}

// TestPartial: the PAC holds the account's identifier and no group, and the
// signatures are those of a read-only domain controller.
func TestPartial(t *testing.T) {
	raw, ticket := partial(t, Partial(domain.Account(1104), "alice", authTime))
	p := parse(t, raw)
	if err := p.Verify(ticket); err != nil {
		t.Fatal(err)
	}
	if got, want := p.LogonInfo.SIDs(), []sid.SID{domain.Account(1104)}; !slices.Equal(got, want) {
		t.Errorf("identifiers %v, want %v", got, want)
	}
	if l := p.LogonInfo; len(l.Groups) != 0 || len(l.ExtraSIDs) != 0 || len(l.ResourceGroups) != 0 || l.UserFlags != 0 || l.PrimaryGroupID != sid.RIDDomainUsers {
		t.Errorf("it says more than it knows: %+v", l)
	}
	if p.Requestor != domain.Account(1104) || p.UPNDNSInfo != nil || p.Credentials != nil || p.Others != nil {
		t.Errorf("read as %+v", p)
	}
	for _, typ := range []Type{TypeTicketSignature, TypeFullSignature} {
		if p.Has(typ) {
			t.Errorf("a ticket-granting ticket with a %s", typ)
		}
	}
}

// TestNumberOnTheWire: MS-PAC 2.8 puts the number behind the checksum of what the
// KDC signs, and what the server signs has none.
func TestNumberOnTheWire(t *testing.T) {
	k := key(krb.AES256, 7)
	raw := sign(t, alice(), Signing{Server: k, KDC: k, RODC: number, TicketPart: []byte("ticket")})
	frames, err := split(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		data := raw[f.start:f.end]
		switch f.typ {
		case TypeServerSignature:
			if len(data) != 4+12 {
				t.Errorf("%s of %d bytes", f.typ, len(data))
			}
		case TypeKDCSignature, TypeTicketSignature, TypeFullSignature:
			if len(data) != 4+12+2 || binary.LittleEndian.Uint16(data[16:]) != number {
				t.Errorf("%s is %x", f.typ, data)
			}
		}
	}
}

// Fault 69: a partial PAC that was changed, is another controller's, or whose
// signatures are not all of one controller.
func TestPartialRefused(t *testing.T) {
	good := Partial(domain.Account(1104), "alice", authTime)
	raw, ticket := partial(t, good)
	for name, tt := range map[string]struct {
		change func(*Ticket)
		want   error
	}{
		"another number":        {func(k *Ticket) { k.RODC++ }, ErrRODC},
		"the domain's own":      {func(k *Ticket) { k.RODC = 0 }, ErrRODC},
		"another key":           {func(k *Ticket) { k.Server, k.KDC = key(krb.AES256, 8), key(krb.AES256, 8) }, ErrServerSignature},
		"the domain's KDC key":  {func(k *Ticket) { k.KDC = key(krb.AES256, 8) }, ErrKDCSignature},
		"another client":        {func(k *Ticket) { k.Client = "bob" }, ErrClient},
		"another time":          {func(k *Ticket) { k.AuthTime = authTime.Add(1e9) }, ErrAuthTime},
		"of a service's ticket": {func(k *Ticket) { k.TGT = false }, ErrMissing},
	} {
		k := ticket
		tt.change(&k)
		if err := parse(t, raw).Verify(k); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
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
	// A service ticket whose ticket signature names another controller than the
	// KDC signature does.
	s := Signing{Server: key(krb.AES128, 1), KDC: ticket.KDC, RODC: number, TicketPart: []byte("ticket")}
	mixed := sign(t, alice(), s)
	p := parse(t, mixed)
	at := p.signatures[TypeFullSignature].start + 4 + 12
	binary.LittleEndian.PutUint16(mixed[at:], number+1)
	err := parse(t, mixed).Verify(Ticket{Client: "alice", AuthTime: authTime, Server: s.Server, KDC: s.KDC, RODC: number, TicketPart: s.TicketPart})
	if !errors.Is(err, ErrRODC) && !errors.Is(err, ErrServerSignature) {
		t.Errorf("two controllers: %v", err)
	}
}

// gokrb5's own reader finds the number. (It zeroes the checksum alone before it
// verifies, where Samba, MIT and we zero the number, too: it verifies none of these.)
func TestGokrb5ReadsNumber(t *testing.T) {
	raw, _ := partial(t, Partial(domain.Account(1104), "alice", authTime))
	frames, err := split(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		want := map[Type]uint16{TypeServerSignature: 0, TypeKDCSignature: number}
		if _, ok := want[f.typ]; !ok {
			continue
		}
		var s gokrb5.SignatureData
		if _, err := s.Unmarshal(raw[f.start:f.end]); err != nil || s.RODCIdentifier != want[f.typ] {
			t.Errorf("%s read as %+v, %v", f.typ, s, err)
		}
	}
}

// impacketReads is Python: it reads a PAC and prints what is in it.
const impacketReads = `
import json, sys
from impacket.krb5 import pac
raw = bytes.fromhex(sys.stdin.read())
p = pac.PACTYPE(raw)
buffers, out, where = p['Buffers'], {}, 0
for _ in range(p['cBuffers']):
    b = pac.PAC_INFO_BUFFER(buffers[where:])
    where += len(b)
    data = raw[b['Offset']:b['Offset'] + b['cbBufferSize']]
    if b['ulType'] == pac.PAC_LOGON_INFO:
        i = pac.VALIDATION_INFO()
        i.fromString(data)
        n = len(i.getData())
        i.fromStringReferents(data, n)
        d = i['Data']
        out['rid'], out['primary'], out['groups'] = d['UserId'], d['PrimaryGroupId'], d['GroupCount']
        out['name'], out['domain'] = d['EffectiveName'], d['LogonDomainId'].formatCanonical()
    elif b['ulType'] == pac.PAC_CLIENT_INFO_TYPE:
        c = pac.PAC_CLIENT_INFO(data)
        out['client'] = data[10:].decode('utf-16le')
    elif b['ulType'] in (pac.PAC_SERVER_CHECKSUM, pac.PAC_PRIVSVR_CHECKSUM):
        s = pac.PAC_SIGNATURE_DATA(data)
        out[str(b['ulType'])] = [s['SignatureType'], len(s['Signature'])]
json.dump(out, sys.stdout)
`

// impacket's own reader, of which we share no code, reads a partial PAC.
func TestImpacketReadsPartial(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, whose packages the system installs
	if exec.Command(python, "-c", "import impacket").Run() != nil {
		if os.Getenv("HELLOLAB_OUTSIDE") == "required" {
			t.Fatal("python3-impacket is not installed: `make deps-test` installs it")
		}
		t.Skip("python3-impacket is not installed: `make deps-test` installs it")
	}
	raw, _ := partial(t, Partial(domain.Account(1104), "alice", authTime))
	cmd := exec.Command(python, "-c", impacketReads)
	cmd.Stdin = bytes.NewBufferString(hex.EncodeToString(raw))
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	var got struct {
		RID, Primary, Groups int
		Name, Domain, Client string
		Server               []int `json:"6"`
		KDC                  []int `json:"7"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got.RID != 1104 || got.Primary != 513 || got.Groups != 0 || got.Name != "alice" || got.Client != "alice" || got.Domain != domain.String() ||
		!slices.Equal(got.Server, []int{16, 12}) || !slices.Equal(got.KDC, []int{16, 14}) {
		t.Errorf("read as %s", out)
	}
}
