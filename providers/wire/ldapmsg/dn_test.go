package ldapmsg

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

func mustDN(t *testing.T, text string) DN {
	t.Helper()
	dn, err := ParseDN(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return dn
}

func TestDNText(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"", ""}, {"  ", ""},
		{"CN=a,DC=corp", "CN=a,DC=corp"},
		{" CN = a ; DC = corp ", "CN=a,DC=corp"},
		{"CN=a+SN=b,DC=c", "CN=a+SN=b,DC=c"},
		{`CN=Smith\, John`, `CN=Smith\, John`},
		{`CN="Smith, John",DC=c`, `CN=Smith\, John,DC=c`},
		{`CN=\20a\20`, `CN=\ a\ `}, {`CN=\ `, `CN=\ `}, {`CN=a  b`, `CN=a  b`},
		{`CN=\#a#`, `CN=\#a#`}, {`CN=a\=b=c`, `CN=a\=b\=c`},
		{`CN=J\C3\BCrgen`, "CN=Jürgen"},
		{`CN=x\0ADEL:1`, `CN=x\0aDEL:1`},
		{"2.5.4.3=a", "2.5.4.3=a"},
		{"CN=#0402616C", "CN=al"}, {"CN=#0c0161,DC=c", "CN=a,DC=c"},
	} {
		dn, err := ParseDN(c.in)
		if err != nil || dn.String() != c.out {
			t.Errorf("%q: %q, %v", c.in, dn, err)
			continue
		}
		if again, err := ParseDN(dn.String()); err != nil || !reflect.DeepEqual(again, dn) {
			t.Errorf("%q again: %#v, %v", dn, again, err)
		}
	}
}

// Fault 83: bombs and wrong escapes.
func TestDNRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no type": "=a", "no equals": "CN", "no value": "CN=", "ends in comma": "CN=a,", "begins with comma": ",CN=a", "two commas": "CN=a,,DC=b",
		"empty pair": "CN=a+", "open quotation": `CN="a`, "behind a quotation": `CN="a"b`, "backslash": `CN=\`, "wrong escape": `CN=\zz`,
		"bare quotation": `CN=a"b`, "brackets": "CN=<a>", "NUL": "CN=a\x00", "not UTF-8": `CN=\ff`, "odd digits": "CN=#040", "not a string": "CN=#020101", "wrong BER": "CN=#0405aa",
		"long": "CN=" + strings.Repeat("a", 1<<20), "deep": strings.Repeat("CN=a,", 1000) + "DC=b", "wide": strings.Repeat("CN=a+", 1000) + "DC=b",
		"space in type": "C N=a", "semicolon in type": "C;N=a",
	} {
		if dn, err := ParseDN(text); !errors.Is(err, ErrDN) {
			t.Errorf("%s: %.60q, %v", name, dn, err)
		}
	}
}

func TestDNRelations(t *testing.T) {
	base := mustDN(t, "DC=corp,DC=example")
	alice := mustDN(t, "cn=Alice  Liddell,ou=Staff,dc=CORP,dc=Example")
	if !alice.Under(base) || base.Under(alice) || !base.Under(base) || !base.Under(DN{}) || mustDN(t, "DC=xcorp,DC=example").Under(base) {
		t.Error("under")
	}
	if r, ok := alice.Relative(base); !ok || r.String() != "cn=Alice  Liddell,ou=Staff" {
		t.Errorf("relative: %s %v", r, ok)
	}
	if !alice.Equal(mustDN(t, "CN=alice liddell, OU=STAFF, DC=corp, DC=example")) || alice.Equal(base) {
		t.Error("equal")
	}
	if !mustDN(t, "2.5.4.3=a+sn=b").Equal(mustDN(t, "SN=B+OID.2.5.4.3=A")) {
		t.Error("equal by OID and in another order")
	}
	// A value that looks like the key of two parts is not one.
	if mustDN(t, `CN=a\,dc=b`).Key() == mustDN(t, "CN=a,DC=b").Key() {
		t.Error("keys run together")
	}
	if alice.Parent().String() != "ou=Staff,dc=CORP,dc=Example" || len(DN{}.Parent()) != 0 {
		t.Error("parent")
	}
	if got := base.Child("CN", "a,b").String(); got != `CN=a\,b,DC=corp,DC=example` {
		t.Error(got)
	}
}

func TestNames(t *testing.T) {
	g, _ := guid.Parse("01020304-0506-0708-090a-0b0c0d0e0f10")
	s, _ := sid.Parse("S-1-5-21-1-2-3-1104")
	for text, want := range map[string]Name{
		"CN=a,DC=b": {DN: mustDN(t, "CN=a,DC=b")},
		"":          {DN: DN{}},
		"<GUID=01020304-0506-0708-090a-0b0c0d0e0f10>":               {GUID: g},
		"<GUID=0403020106050807090a0b0c0d0e0f10>":                   {GUID: g},
		"<guid=0403020106050807090A0B0C0D0E0F10>;<SID=S-1-1-0>;CN=": {GUID: g},
		"<SID=S-1-5-21-1-2-3-1104>":                                 {SID: s},
		fmt.Sprintf("<SID=%x>", s.Bytes()):                          {SID: s},
		"<WKGUID=01020304050607080102030405060708,DC=b>":            {WellKnown: &[16]byte{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}, DN: mustDN(t, "DC=b")},
	} {
		if got, err := ParseName(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"<", "<>", "<GUID>", "<GUID=1>", "<GUID=" + strings.Repeat("0", 32) + ">", "<GUID=" + strings.Repeat("z", 32) + ">", "<SID=x>", "<SID=0101>", "<WKGUID=1,DC=b>", "<WKGUID=01020304050607080102030405060708>", "<FOO=1>", "<GUID=" + g.String() + ">x", "<GUID=" + g.String()} {
		if got, err := ParseName(text); !errors.Is(err, ErrDN) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if got := ExtendedDN(ExtendedDNText, g, s, "CN=a"); got != "<GUID=01020304-0506-0708-090a-0b0c0d0e0f10>;<SID=S-1-5-21-1-2-3-1104>;CN=a" {
		t.Error(got)
	}
	if got := ExtendedDN(ExtendedDNHex, g, sid.SID{}, "CN=a"); got != "<GUID=0403020106050807090a0b0c0d0e0f10>;CN=a" {
		t.Error(got)
	}
}

// Fault 83: DN with binary of odd length, wrong digits, a megabyte of blob.
func TestDNBinary(t *testing.T) {
	text := "B:6:0A0bFF:CN=a\\, b,DC=c:d"
	v, err := ParseDNBinary(text)
	if err != nil || !bytes.Equal(v.Binary, []byte{10, 11, 255}) || v.DN != "CN=a\\, b,DC=c:d" || v.String() != "B:6:0A0BFF:CN=a\\, b,DC=c:d" {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := ParseDNBinary("B:0::<SID=S-1-1-0>"); err != nil || len(v.Binary) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	for name, text := range map[string]string{
		"odd": "B:3:0A0:CN=a", "short": "B:8:0A0B:CN=a", "long": "B:2:0A0B:CN=a", "digits": "B:4:0G0B:CN=a", "negative": "B:-2:0A:CN=a", "plus": "B:+2:0A:CN=a", "zero first": "B:02:0A:CN=a",
		"huge": "B:4294967296:0A:CN=a", "over": "B:4294967294:0A:CN=a", "no name": "B:2:0A:", "no colon": "B:2:0A", "wrong name": "B:2:0A:CN", "other": "S:2:0A:CN=a", "lower case": "b:2:0A:CN=a", "no number": "B::0A:CN=a", "blank": "B:2 :0A:CN=a",
		"beyond 64 bits": "B:99999999999999999999:0A:CN=a", "long name": "B:2:0A:CN=" + strings.Repeat("a", maxDNText), "empty": "", "wrong GUID": "B:2:0A:<GUID=12>",
		"megabyte": "B:2097152:" + strings.Repeat("0A", 1<<20) + ":CN=a",
	} {
		if v, err := ParseDNBinary(text); !errors.Is(err, ErrDNBinary) {
			t.Errorf("%s: %.40v, %v", name, v, err)
		}
	}
}
