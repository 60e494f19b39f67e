package ldapmsg

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// Texts in the form that String writes.
var filterTexts = []string{
	"(cn=a)", "(cn=)", "(cn=*)", "(cn=a*)", "(cn=*a)", "(cn=*a*)", "(cn=a*b*c*d)",
	"(&)", "(|)", "(!(cn=a))", "(&(a=1)(|(b=2)(!(c=3))))",
	"(a>=1)", "(a<=1)", "(a~=1)", "(userCertificate;binary=x)",
	`(cn=\28\29\2a\5c\00)`, `(objectGUID=\01\ff\80)`, `(cn=J\c3\bcrgen)`, "(cn=a b=c>d)",
	"(userAccountControl:1.2.840.113556.1.4.803:=2)", "(memberOf:1.2.840.113556.1.4.1941:=CN=a,DC=b)",
	"(cn:dn:=a)", "(cn:dn:1.2.3:=a)", "(:1.2.3:=a)", "(:dn:1.2.3:=a)", "(cn:=a)",
}

func TestFilterText(t *testing.T) {
	for _, text := range filterTexts {
		f, err := ParseFilter(text)
		if err != nil || f.String() != text {
			t.Errorf("%s: %v, %v", text, f, err)
		}
	}
	spaced, err := ParseFilter("(& (a=1)\n\t(! (b=2) ) )")
	if want := (And{EqualTo("a", "1"), Not{EqualTo("b", "2")}}); err != nil || !reflect.DeepEqual(spaced, want) {
		t.Errorf("%#v, %v", spaced, err)
	}
	for _, text := range []string{
		"", "cn=a", "(cn=a", "(cn=a))", "(cn)", "(=a)", "(cn=a(b)", "(cn=a\x00)", `(cn=\)`, `(cn=\2)`, `(cn=\zz)`, "(cn=**)", "(cn=a**b)",
		"(!)", "(!(a=1)(b=2))", "(&(a=1)", "(&a=1)", "(a>1)", "(a>=*)", "(:=a)", "(:dn:=a)", "(cn:dn:dn:dn:=a)", "(cn:1.2:3.4:=a)", "(cn:=*)", "(c\\6e=a)", "(c n=a)", " (a=1)",
	} {
		if f, err := ParseFilter(text); !errors.Is(err, ErrFilter) {
			t.Errorf("%s: %v, %v", text, f, err)
		}
	}
}

// A filter from another implementation reads as the text says.
func TestFilterEncoding(t *testing.T) {
	for _, text := range filterTexts {
		p, err := ldap.CompileFilter(text)
		if err != nil {
			t.Logf("go-ldap does not know %s: %v", text, err)
			continue
		}
		s, ok := mustDecode(t, searchMessage(p.Bytes())).Op.(*Search)
		if !ok || s.Filter.String() != text {
			t.Errorf("%s: %+v", text, s)
		}
	}
}

// Fault 84: whatever a name holds, a filter that is made of it asks for that
// name and nothing else, also where another program parses its text.
func TestInjection(t *testing.T) {
	names := []string{"*", "a*b", "*)(objectClass=*", "a)(|(cn=*", `\2a`, `\`, "\x00", "(", ")", "a)(cn=*))(|(cn=*", "&(a=b)", "|", "!", "=", ">=", "~=", ":=", ":dn:",
		" a ", "#a", "a,b", `"a"`, "<a>", "a;b", "a+b", "\r\n", "\u202egnp.exe", "\xff\xfe", strings.Repeat("(", 500)}
	for c := range 256 {
		names = append(names, string([]byte{byte(c)}), string([]byte{'a', byte(c), 'b'}))
	}
	for _, name := range names {
		for _, f := range []Filter{
			EqualTo("userPrincipalName", name), And{Present{"cn"}, Not{EqualTo("cn", name)}}, GreaterOrEqual{"cn", []byte(name)},
			Extensible{Attribute: "cn", Rule: RuleChain, Value: []byte(name)}, Substrings{Attribute: "cn", Initial: []byte(name + "x"), Any: [][]byte{[]byte(name + "y")}},
		} {
			if again, err := ParseFilter(f.String()); err != nil || !reflect.DeepEqual(again, f) {
				t.Fatalf("%q: %s became %#v, %v", name, f, again, err)
			}
			p, err := ldap.CompileFilter(f.String())
			if err != nil {
				t.Fatalf("%q: go-ldap refuses %s: %v", name, f, err)
			}
			if s, ok := mustDecode(t, searchMessage(p.Bytes())).Op.(*Search); !ok || !reflect.DeepEqual(s.Filter, f) {
				t.Fatalf("%q: go-ldap sends %+v for %s", name, s, f)
			}
		}
		// An attribute's name from outside cannot become another filter either.
		if f, err := ParseFilter(EqualTo("cn"+name+"x", "v").String()); err == nil && !reflect.DeepEqual(f, EqualTo("cn"+name+"x", "v")) {
			t.Fatalf("%q as attribute became %#v", name, f)
		}
		// Nor a name in a DN another DN.
		if name == "" || strings.ToValidUTF8(name, "") != name {
			continue
		}
		dn := DN{}.Child("DC", "corp").Child("CN", name)
		if again, err := ParseDN(dn.String()); err != nil || !reflect.DeepEqual(again, dn) {
			t.Fatalf("%q: %s became %#v, %v", name, dn, again, err)
		}
	}
}

// nested is a filter of one condition in n sets, with lengths as short as they
// can be, made from the inside.
func nested(identifier byte, n int) []byte {
	parts := [][]byte{tlv(0x87, []byte("cn"))}
	size := len(parts[0])
	for range n {
		parts = append(parts, []byte{identifier, 0x84, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)})
		size += 6
	}
	var b []byte
	for i := len(parts) - 1; i >= 0; i-- {
		b = append(b, parts[i]...)
	}
	return b
}

// Fault 82: filter bombs are refused in bounded memory, as a search's result
// where the message is one.
func TestFilterBombs(t *testing.T) {
	item := tlv(filterEqual, text("a"), text("b"))
	for name, c := range map[string]struct {
		filter []byte
		fatal  bool // not even a message within bounds
	}{
		"and, 10,000 deep":   {nested(filterAnd, 10000), true},
		"or, 10,000 deep":    {nested(filterOr, 10000), true},
		"not, 10,000 deep":   {nested(filterNot, 10000), true},
		"not, 101 deep":      {nested(filterNot, MaxFilterDepth), false},
		"1 MB value":         {tlv(filterEqual, text("a"), text(strings.Repeat("v", 1<<20))), false},
		"1 MB piece":         {tlv(filterSubstrings, text("a"), tlv(tagSequence, tlv(0x80, make([]byte, 1<<20)))), false},
		"5,000 pieces":       {tlv(filterSubstrings, text("a"), tlv(tagSequence, bytes.Repeat(tlv(0x81, []byte("p")), 5000))), false},
		"5,000 conditions":   {tlv(filterOr, bytes.Repeat(item, 5000)), false},
		"1 MB extensible":    {tlv(filterExtensible, tlv(0x82, []byte("cn")), tlv(0x83, make([]byte, 1<<20))), false},
		"million conditions": {tlv(filterOr, bytes.Repeat([]byte{0xa0, 0}, 1<<20)), true},
	} {
		frame := searchMessage(c.filter)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := Decode(frame)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 2<<20 {
			t.Errorf("%s: took %d bytes", name, took)
		}
		if c.fatal {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if r, ok := m.Op.(*Refused); !ok || r.Err.Code != AdminLimitExceeded || r.Response() != TagSearchDone {
			t.Errorf("%s: %#v", name, m.Op)
		}
	}
	if s, ok := mustDecode(t, searchMessage(nested(filterNot, MaxFilterDepth-1))).Op.(*Search); !ok {
		t.Errorf("a filter just within bounds: %#v", s)
	}
	for name, text := range map[string]string{
		"deep": strings.Repeat("(!", 10000) + "(a=b)" + strings.Repeat(")", 10000), "long": "(a=" + strings.Repeat("v", 1<<20) + ")",
		"pieces": "(a=" + strings.Repeat("*p", 5000) + ")", "wide": "(|" + strings.Repeat("(a=b)", 5000) + ")",
	} {
		if _, err := ParseFilter(text); !errors.Is(err, ErrFilter) {
			t.Errorf("text, %s: %v", name, err)
		}
	}
}

// Malformed parts of filters are the request's fault, not the message's.
func TestFilterRefused(t *testing.T) {
	for name, filter := range map[string][]byte{
		"unknown":                tlv(0xaa),
		"two under not":          tlv(filterNot, tlv(0x87, []byte("a")), tlv(0x87, []byte("a"))),
		"none under not":         tlv(filterNot),
		"no value":               tlv(filterEqual, text("a")),
		"three in an equality":   tlv(filterEqual, text("a"), text("b"), text("c")),
		"no pieces":              tlv(filterSubstrings, text("a"), tlv(tagSequence)),
		"empty piece":            tlv(filterSubstrings, text("a"), tlv(tagSequence, tlv(0x81))),
		"initial second":         tlv(filterSubstrings, text("a"), tlv(tagSequence, tlv(0x81, []byte("x")), tlv(0x80, []byte("y")))),
		"final first":            tlv(filterSubstrings, text("a"), tlv(tagSequence, tlv(0x82, []byte("x")), tlv(0x81, []byte("y")))),
		"extensible of nothing":  tlv(filterExtensible, tlv(0x83, []byte("v"))),
		"extensible no value":    tlv(filterExtensible, tlv(0x82, []byte("cn"))),
		"attribute of 2,000":     tlv(0x87, make([]byte, 2000)),
		"attribute is not UTF-8": tlv(0x87, []byte{0xff}),
	} {
		if r, ok := mustDecode(t, searchMessage(filter)).Op.(*Refused); !ok || r.Err.Code != ProtocolError {
			t.Errorf("%s: %s", name, fmt.Sprint(r))
		}
	}
}
