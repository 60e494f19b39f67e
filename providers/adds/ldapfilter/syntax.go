package ldapfilter

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Syntax is how values of an attribute look and compare. The numbers of
// attributeSyntax are in MS-ADTS 3.1.1.2.2.2.
type Syntax uint8

const (
	CaseIgnoreString   Syntax = iota + 1 // Unicode (2.5.5.12), teletex (2.5.5.4)
	CaseExactString                      // case string (2.5.5.3), IA5 and printable (2.5.5.5), numeric (2.5.5.6)
	OctetString                          // 2.5.5.10
	ObjectIdentifier                     // 2.5.5.2: a class's or attribute's name or OID
	Boolean                              // 2.5.5.8: "TRUE" or "FALSE"
	Integer                              // 2.5.5.9 and, of 64 bits, 2.5.5.16; enumeration
	Time                                 // 2.5.5.11: UTC or generalized time
	DistinguishedName                    // 2.5.5.1
	DNBinary                             // 2.5.5.7
	SID                                  // 2.5.5.17; a filter may give its text
	SecurityDescriptor                   // 2.5.5.15: compares with nothing
)

// Key returns a text that is the same for equal values and different for
// others: for a filter's comparison, an index, or to tell duplicates. False:
// the value has not the form of the syntax.
func (s Syntax) Key(value []byte) (string, bool) {
	switch s {
	case CaseIgnoreString, ObjectIdentifier:
		return ldapmsg.Fold(string(value)), utf8.Valid(value)
	case CaseExactString, OctetString:
		return string(value), true
	case Boolean:
		b := strings.ToUpper(string(value))
		return b, b == "TRUE" || b == "FALSE"
	case Integer:
		v, ok := integer(value)
		return strconv.FormatInt(v, 10), ok
	case Time:
		t, ok := instant(value)
		return t.UTC().Format("20060102150405.999999999"), ok
	case DistinguishedName:
		return nameKey(string(value))
	case DNBinary:
		v, err := ldapmsg.ParseDNBinary(string(value))
		if err != nil {
			return "", false
		}
		name, ok := nameKey(v.DN)
		return string(v.Binary) + "\x00" + name, ok
	case SID:
		if t, err := sid.Parse(string(value)); err == nil {
			value = t.Bytes()
		}
		return string(value), true
	}
	return "", false
}

// nameKey is that of a DN. The extended forms name an object only to who knows
// it: Attribute.Rewrite.
func nameKey(text string) (string, bool) {
	dn, err := ldapmsg.ParseDN(text)
	if err != nil || len(dn) == 0 {
		return "", false
	}
	return dn.Key(), true
}

// Compare orders two values as cmp.Compare does. False: the syntax has no order,
// or a value has not its form.
func (s Syntax) Compare(a, b []byte) (int, bool) {
	switch s {
	case CaseIgnoreString:
		return cmp.Compare(ldapmsg.Fold(string(a)), ldapmsg.Fold(string(b))), true
	case CaseExactString, OctetString:
		return bytes.Compare(a, b), true
	case Integer:
		x, ok1 := integer(a)
		y, ok2 := integer(b)
		return cmp.Compare(x, y), ok1 && ok2
	case Time:
		x, ok1 := instant(a)
		y, ok2 := instant(b)
		return x.Compare(y), ok1 && ok2
	}
	return 0, false
}

// pieces says whether substrings of values mean something.
func (s Syntax) pieces() bool {
	return s == CaseIgnoreString || s == CaseExactString || s == OctetString || s == ObjectIdentifier
}

// letters is a piece as substrings compare it.
func (s Syntax) letters(b []byte) string {
	if s == CaseIgnoreString || s == ObjectIdentifier {
		return strings.ToLower(strings.ToUpper(string(b)))
	}
	return string(b)
}

// integer reads a decimal number. One of 32 bits that is written without its
// sign is negative in the directory, and has the same bits below.
func integer(b []byte) (int64, bool) {
	v, err := strconv.ParseInt(string(b), 10, 64)
	return v, err == nil && b[0] != '+'
}

// instant reads generalized time ("20250102030405.0Z") or UTC time
// ("250102030405Z").
func instant(b []byte) (time.Time, bool) {
	for _, layout := range []string{"20060102150405Z0700", "060102150405Z0700"} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
