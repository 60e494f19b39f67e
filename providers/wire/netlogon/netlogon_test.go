package netlogon

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	ber "github.com/go-asn1-ber/asn1-ber"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

func response() *Response {
	return &Response{
		Opcode: OpResponse, Flags: FlagPDC | FlagGC | FlagLDAP | FlagDS | FlagKDC | FlagWritable | FlagKeyList | FlagDNSForest,
		DomainGUID: guid.GUID{0x11, 0x22, 0x33, 0x44, 5, 6, 7, 8, 9},
		Forest:     "corp.example", Domain: "emea.corp.example", Host: "DC1.emea.corp.example", NetBIOSDomain: "EMEA", NetBIOSHost: "DC1",
		User: "alice", Site: "Berlin", ClientSite: "Berlin", Version: Version1 | Version5EX,
	}
}

// TestLayout: the bytes of a small response, compression and all.
func TestLayout(t *testing.T) {
	r := &Response{Opcode: OpResponse, Flags: FlagLDAP, Forest: "a.b", Domain: "c.a.b", Host: "d.a.b", NetBIOSDomain: "C", NetBIOSHost: "b",
		Site: "S", ClientSite: "S", Version: Version1 | Version5EX | Version5EXWithIP, Address: netip.MustParseAddr("127.0.0.9")}
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := "1700" + "0000" + "08000000" + strings.Repeat("00", 16) + // 24 bytes
		"0161016200" + "0163c018" + "0164c018" + "014300" + "c01a" + "00" + "015300" + "c02b" +
		"10" + "02000000" + "7f000009" + "0000000000000000" + "0d000000" + "ffffffff"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestResponseRoundTrip(t *testing.T) {
	for name, change := range map[string]func(r *Response){
		"plain":        func(*Response) {},
		"address":      func(r *Response) { r.Version |= Version5EXWithIP; r.Address = netip.MustParseAddr("10.1.2.3") },
		"next site":    func(r *Response) { r.Version |= VersionClosestSite; r.NextSite = "Paris" },
		"unknown user": func(r *Response) { r.Opcode, r.User = OpUserUnknown, "mallory" },
		"no names":     func(r *Response) { *r = Response{Opcode: OpResponse, Version: Version5EX} },
		"user w. dot":  func(r *Response) { r.User = "alice.doe" },
		"all": func(r *Response) {
			r.Version |= Version5EXWithIP | VersionClosestSite
			r.Address, r.NextSite = netip.MustParseAddr("10.1.2.3"), "emea.corp.example"
		},
	} {
		r := response()
		change(r)
		b, err := r.Marshal()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := ParseResponse(b)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, r)
		}
		for cut := range b {
			if _, err := ParseResponse(b[:cut]); !errors.Is(err, ErrResponse) {
				t.Errorf("%s: %d of %d bytes: %v", name, cut, len(b), err)
			}
		}
		if _, err := ParseResponse(append(bytes.Clone(b[:len(b)-8]), append([]byte{0}, b[len(b)-8:]...)...)); !errors.Is(err, ErrResponse) {
			t.Errorf("%s: a byte too many: %v", name, err)
		}
	}
}

func TestResponseRefusals(t *testing.T) {
	for name, change := range map[string]func(r *Response){
		"long label":   func(r *Response) { r.User = strings.Repeat("a", 64) },
		"empty label":  func(r *Response) { r.User = "a..b" },
		"dot in front": func(r *Response) { r.User = ".a" },
		"dot behind":   func(r *Response) { r.User = "a." },
		"long name":    func(r *Response) { r.User = strings.Repeat("a.", 127) + "a" },
		"no address":   func(r *Response) { r.Version |= Version5EXWithIP },
		"IPv6":         func(r *Response) { r.Version |= Version5EXWithIP; r.Address = netip.MustParseAddr("::1") },
	} {
		r := response()
		change(r)
		if _, err := r.Marshal(); !errors.Is(err, ErrResponse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	names := func(b ...byte) []byte {
		out := append(binary.LittleEndian.AppendUint16(nil, OpResponse), make([]byte, 22)...)
		return append(append(out, b...), 5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)
	}
	for name, b := range map[string][]byte{
		"itself":         names(0xc0, 24, 0, 0, 0, 0, 0, 0, 0),
		"forwards":       names(0xc0, 26, 0, 0, 0, 0, 0, 0, 0),
		"to each other":  names(1, 'a', 0xc0, 28, 0xc0, 24, 0, 0, 0, 0, 0, 0),
		"back to itself": names(1, 'a', 0xc0, 24, 0, 0, 0, 0, 0, 0, 0),
		"label kind":     names(0x80, 0, 0, 0, 0, 0, 0, 0, 0),
		"dot in a label": names(3, 'a', '.', 'b', 0, 0, 0, 0, 0, 0, 0, 0),
		"into the tail":  names(0, 0, 0, 0, 0, 0, 0, 5),
	} {
		if r, err := ParseResponse(b); !errors.Is(err, ErrResponse) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestRequestRoundTrip(t *testing.T) {
	for _, p := range []Ping{
		{Version: Version5EX},
		{DNSDomain: "corp.example", Host: "PC1", User: "PC1$", AAC: 0x80, Version: Version1 | Version5EX | VersionClosestSite,
			DomainSID: sid.New(5, 21, 1, 2, 3), DomainGUID: guid.GUID{1, 2, 3}},
	} {
		id, got, err := ParseRequest(MarshalRequest(7, p))
		if err != nil || id != 7 || *got != p {
			t.Errorf("%d, %+v, %v, want %+v", id, got, err, p)
		}
	}
}

// request wraps the filter that an LDAP client makes of text.
func request(t testing.TB, filter string, attributes ...string) []byte {
	t.Helper()
	f, err := ldap.CompileFilter(filter)
	if err != nil {
		t.Fatal(err)
	}
	list := sequence()
	for _, a := range attributes {
		list.AppendChild(octetString(a))
	}
	search := constructed(ber.ClassApplication, opSearch, octetString(""), number(ber.TagEnumerated, 0), number(ber.TagEnumerated, 0),
		number(ber.TagInteger, 0), number(ber.TagInteger, 0), ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, ""), f, list)
	return sequence(number(ber.TagInteger, 2), search).Bytes()
}

// TestFilters: filters as another LDAP implementation writes them.
func TestFilters(t *testing.T) {
	domain := guid.GUID{0xca, 0x21, 0xb0, 0x3b, 0x6d, 0xd3, 0x11, 0xd1, 0x8a, 0x7d, 0xb8, 0xdf, 0xb1, 0x56, 0x87, 0x1f}
	for filter, want := range map[string]*Ping{
		`(&(DnsDomain=corp.example)(Host=PC1)(User=PC1$)(AAC=\80\00\00\00)(NtVer=\16\00\00\00))`: {DNSDomain: "corp.example", Host: "PC1", User: "PC1$", AAC: 0x80, Version: 0x16},
		`(&(DNSDOMAIN=corp.example)(DomainGuid=\3b\b0\21\ca\d3\6d\d1\11\8a\7d\b8\df\b1\56\87\1f)(ntver=\06\00\00\20))`: {DNSDomain: "corp.example",
			DomainGUID: domain, Version: 0x20000006},
		`(&(DomainSid=\01\02\00\00\00\00\00\05\15\00\00\00\01\00\00\00)(NtVer=\04\00\00\00))`: {DomainSID: sid.New(5, 21, 1), Version: 4},
		`(NtVer=\06\00\00\00)`:                    {Version: 6},
		`(&(&(DnsDomain=x))(NtVer=\06\00\00\00))`: {DNSDomain: "x", Version: 6},
		`(&(DnsDomain=x)(Later=y))`:               {DNSDomain: "x"},
		`(&(DnsDomain=)(NtVer=\06\00\00\00))`:     nil,
		`(&(DnsDomain=x)(DnsDomain=y))`:           nil,
		`(&(DnsDomain=x)(NtVer=\06\00\00))`:       nil,
		`(&(DnsDomain=x)(AAC=\06\00\00\00\00))`:   nil,
		`(&(DnsDomain=x)(DomainGuid=\06\00))`:     nil,
		`(&(DnsDomain=x)(DomainSid=\01\05\00))`:   nil,
		`(&(DnsDomain=x)(User=a\00b))`:            nil,
		`(&(DnsDomain=x)(User=\ff))`:              nil,
		`(|(DnsDomain=x)(NtVer=\06\00\00\00))`:    nil,
		`(!(DnsDomain=x))`:                        nil,
		`(objectClass=*)`:                         nil,
		`(&(DnsDomain=x*)(NtVer=\06\00\00\00))`:   nil,
		`(&(DnsDomain>=x)(NtVer=\06\00\00\00))`:   nil,
		`(&(DnsDomain:=x)(NtVer=\06\00\00\00))`:   nil,
	} {
		id, p, err := ParseRequest(request(t, filter, "netlogon"))
		switch {
		case want == nil && (!errors.Is(err, ErrFilter) || id != 2):
			t.Errorf("%s: %+v, %v", filter, p, err)
		case want != nil && (err != nil || *p != *want):
			t.Errorf("%s: %+v, %v", filter, p, err)
		}
	}
	if id, _, err := ParseRequest(request(t, "(objectClass=*)", "supportedCapabilities")); id != 2 || !errors.Is(err, ErrFilter) {
		t.Errorf("another attribute: %d, %v", id, err)
	}
}

func TestMalformedMessages(t *testing.T) { // faults 74, 75, 82
	good := MarshalRequest(1, Ping{DNSDomain: "corp.example", Version: Version5EX})
	nest := []byte{0xa0, 0}
	for range 60 {
		nest = append([]byte{0xa0, byte(len(nest))}, nest...)
	}
	wide := bytes.Repeat([]byte{0x04, 0x00}, maxElements+1)
	done, err := MarshalReply(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty":            nil,
		"one byte":         {0x30},
		"indefinite":       {0x30, 0x80, 0, 0},
		"length of 2^31":   {0x30, 0x84, 0x80, 0, 0, 0},
		"length of 2^63":   {0x30, 0x88, 0x80, 0, 0, 0, 0, 0, 0, 0},
		"over the end":     good[:len(good)-1],
		"trailing byte":    append(bytes.Clone(good), 0),
		"two requests":     append(bytes.Clone(good), good...),
		"deep":             nest,
		"wide":             wide,
		"not a message":    {0x04, 0},
		"id of nine bytes": append([]byte{0x30, good[1] + 8, 2, 9, 0, 0, 0, 0, 0, 0, 0, 0}, good[4:]...),
		"long":             make([]byte, maxDatagram+1),
		"negative id":      append([]byte{0x30, good[1], 2, 1, 0xff}, good[5:]...),
		"a reply":          done,
		"high tag":         {0x3f, 0x81, 0x01, 0},
		"a real number":    {0x30, 0x06, 0x02, 0x01, 0x01, 0x09, 0x01, 0x40},
	} {
		if id, p, err := ParseRequest(b); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %d, %+v, %v", name, id, p, err)
		}
	}
	if _, _, err := ParseReply(good); !errors.Is(err, ErrMessage) {
		t.Errorf("a request is a reply: %v", err)
	}
}

func TestReplies(t *testing.T) {
	r := response()
	b, err := MarshalReply(9, r)
	if err != nil {
		t.Fatal(err)
	}
	if id, got, err := ParseReply(b); err != nil || id != 9 || !reflect.DeepEqual(got, r) {
		t.Errorf("%d, %+v, %v", id, got, err)
	}
	b, err = MarshalReply(9, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id, _, err := ParseReply(b); id != 9 || !errors.Is(err, ErrEmpty) {
		t.Errorf("the empty answer: %d, %v", id, err)
	}
	other, err := MarshalReply(8, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ParseReply(append(other, b...)); !errors.Is(err, ErrMessage) {
		t.Errorf("two answers: %v", err)
	}
	r.User = "a..b"
	if _, err := MarshalReply(1, r); !errors.Is(err, ErrResponse) {
		t.Errorf("a name that cannot be: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(request(f, `(&(DnsDomain=corp.example)(Host=PC1)(User=PC1$)(AAC=\80\00\00\00)(NtVer=\16\00\00\00))`, "netlogon"))
	f.Add(MarshalRequest(1, Ping{DNSDomain: "x", DomainSID: sid.New(5, 21, 1), DomainGUID: guid.GUID{1}}))
	r := response()
	r.Version, r.Address = 0x1d, netip.MustParseAddr("127.0.0.1")
	b, err := MarshalReply(3, r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	if b, err = r.Marshal(); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, p, err := ParseRequest(b); err == nil {
			again, q, err := ParseRequest(MarshalRequest(id, *p))
			if err != nil || again != id || *q != *p {
				t.Fatalf("%+v became %+v, %v", p, q, err)
			}
		}
		_, _, _ = ParseReply(b)
		if r, err := ParseResponse(b); err == nil {
			again, err := r.Marshal()
			if err != nil {
				t.Fatalf("%+v cannot be written: %v", r, err)
			}
			if q, err := ParseResponse(again); err != nil || !reflect.DeepEqual(q, r) {
				t.Fatalf("%+v became %+v, %v", r, q, err)
			}
		}
	})
}
