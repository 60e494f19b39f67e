package adcert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Name is a distinguished name from the root down, which is the order of its
// encoding and the order in which altSecurityIdentities writes it. (LDAP writes
// the other way round.)
type Name []RDN

// RDN is one level of a name; more than one attribute is rare.
type RDN []Attribute

// Attribute is one part of an RDN.
type Attribute struct {
	Type  string // "CN", "DC", …; "OID.1.2.3" for what has no short name
	Value string
}

// maxDepth bounds the levels of a name, maxText its text.
const (
	maxDepth = 64
	maxText  = 4 << 10
)

// ErrName is what is answered for what is no distinguished name.
var ErrName = errors.New("malformed distinguished name")

// short are the attribute names that Windows writes (CertNameToStr). Of two
// names for one type the first is written; both are read.
var short = []struct {
	name string
	id   string
}{
	{"CN", "2.5.4.3"}, {"SN", "2.5.4.4"}, {"SERIALNUMBER", "2.5.4.5"}, {"C", "2.5.4.6"},
	{"L", "2.5.4.7"}, {"S", "2.5.4.8"}, {"ST", "2.5.4.8"}, {"STREET", "2.5.4.9"},
	{"O", "2.5.4.10"}, {"OU", "2.5.4.11"}, {"T", "2.5.4.12"}, {"G", "2.5.4.42"}, {"I", "2.5.4.43"},
	{"DC", "0.9.2342.19200300.100.1.25"}, {"UID", "0.9.2342.19200300.100.1.1"},
	{"E", "1.2.840.113549.1.9.1"},
}

// NameOf reads a DER name, such as x509.Certificate.RawIssuer.
func NameOf(raw []byte) (Name, error) {
	var seq pkix.RDNSequence
	if len(raw) > maxText {
		return nil, ErrName
	}
	if rest, err := asn1.Unmarshal(raw, &seq); err != nil || len(rest) > 0 || len(seq) > maxDepth {
		return nil, ErrName
	}
	n := make(Name, 0, len(seq))
	for _, set := range seq {
		var rdn RDN
		for _, a := range set {
			text, ok := a.Value.(string)
			if !ok || len(set) > maxDepth {
				return nil, ErrName
			}
			rdn = append(rdn, Attribute{Type: typeName(a.Type.String()), Value: text})
		}
		n = append(n, rdn)
	}
	return n, nil
}

func typeName(id string) string {
	for _, s := range short {
		if s.id == id {
			return s.name
		}
	}
	return "OID." + id
}

// canonicalType brings the spellings of one type together; "" is none.
func canonicalType(text string) string {
	text = strings.ToUpper(strings.TrimSpace(text))
	for _, s := range short {
		if s.name == text {
			return typeName(s.id)
		}
	}
	digits := strings.TrimPrefix(text, "OID.")
	if id, err := x509.ParseOID(digits); err == nil {
		return typeName(id.String())
	}
	return ""
}

// ParseName reads the text of a name, root first: levels divided by "," (spaces
// around it do not count), attributes of one level by "+". A value may stand in
// double quotes, doubled inside, or have "\" before a character or two hex
// digits, as RFC 4514 writes.
func ParseName(text string) (Name, error) {
	if text == "" || len(text) > maxText {
		return nil, ErrName
	}
	var n Name
	rdn := RDN{}
	for rest := text; ; {
		typ, after, ok := strings.Cut(rest, "=")
		canonical := canonicalType(typ)
		if !ok || canonical == "" {
			return nil, fmt.Errorf("%w: %q", ErrName, text)
		}
		value, after, ok := cutValue(after)
		if !ok {
			return nil, fmt.Errorf("%w: %q", ErrName, text)
		}
		rdn = append(rdn, Attribute{Type: canonical, Value: value})
		if after == "" {
			return append(n, rdn), nil
		}
		if after[0] == ',' {
			n, rdn = append(n, rdn), RDN{}
		}
		if len(n) == maxDepth || len(rdn) == maxDepth {
			return nil, ErrName
		}
		rest = after[1:]
	}
}

// cutValue reads one value off the front of text; rest starts with the
// separator, or is empty.
func cutValue(text string) (value, rest string, ok bool) {
	text = strings.TrimLeft(text, " ")
	var out []byte
	if quoted, isQuoted := strings.CutPrefix(text, `"`); isQuoted {
		for {
			part, after, ok := strings.Cut(quoted, `"`)
			if !ok {
				return "", "", false
			}
			out = append(out, part...)
			if !strings.HasPrefix(after, `"`) {
				rest = strings.TrimLeft(after, " ")
				return string(out), rest, rest == "" || rest[0] == ',' || rest[0] == '+'
			}
			out, quoted = append(out, '"'), after[1:]
		}
	}
	kept := 0 // length that trailing spaces do not shorten
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ',', '+':
			return string(trim(out, kept)), text[i:], true
		case '\\':
			if i+1 == len(text) {
				return "", "", false
			}
			if b, err := hex.DecodeString(text[i+1 : min(i+3, len(text))]); err == nil {
				out = append(out, b...)
				i += 2
			} else {
				out = append(out, text[i+1])
				i++
			}
			kept = len(out)
		default:
			out = append(out, c)
		}
	}
	return string(trim(out, kept)), "", true
}

func trim(out []byte, kept int) []byte {
	for len(out) > kept && out[len(out)-1] == ' ' {
		out = out[:len(out)-1]
	}
	return out
}

// DirectoryName is a distinguished name in a certificate, DER, as LDAP and Windows
// write it: the account first, its domain last. It is empty for what is no name.
func DirectoryName(raw []byte) string {
	name, err := NameOf(raw)
	if err != nil {
		return ""
	}
	slices.Reverse(name)
	return name.String()
}

// String returns the text form: DC=com,DC=contoso,CN=Contoso CA. A value that
// would read as something else stands in double quotes.
func (n Name) String() string {
	var b strings.Builder
	for i, rdn := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, a := range rdn {
			if j > 0 {
				b.WriteByte('+')
			}
			b.WriteString(a.Type + "=" + quote(a.Value))
		}
	}
	return b.String()
}

func quote(s string) string {
	if s == "" || !strings.ContainsAny(s, ",+=\"\\\n<>#;") && s[0] != ' ' && s[len(s)-1] != ' ' {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// Equal compares two names level by level, letter case of values aside, as AD
// compares them. The order of attributes within a level does not count.
func (n Name) Equal(m Name) bool {
	return slices.EqualFunc(n, m, func(a, b RDN) bool {
		if len(a) != len(b) {
			return false
		}
		left := slices.Clone(b)
		for _, x := range a {
			i := slices.IndexFunc(left, func(y Attribute) bool { return x.Type == y.Type && strings.EqualFold(x.Value, y.Value) })
			if i < 0 {
				return false
			}
			left = slices.Delete(left, i, i+1)
		}
		return true
	})
}
