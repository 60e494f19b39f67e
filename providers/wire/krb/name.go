package krb

import (
	"fmt"
	"slices"
	"strings"
)

// Types of principal name (RFC 4120 6.2, RFC 6806 5).
const (
	NTPrincipal  int32 = 1  // user
	NTSrvInst    int32 = 2  // krbtgt/REALM, service/instance
	NTSrvHst     int32 = 3  // service/host
	NTEnterprise int32 = 10 // one part: user@suffix
)

// Bounds of names from a peer.
const (
	maxText  = 256 // bytes of a realm or of a part of a name
	maxParts = 8
)

// Name is a PrincipalName.
//
//	PrincipalName ::= SEQUENCE { name-type [0] Int32, name-string [1] SEQUENCE OF KerberosString }
type Name struct {
	Type  int32    `asn1:"explicit,tag:0"`
	Parts []string `asn1:"generalstring,explicit,tag:1"`
}

// Principal makes a name of type NT-PRINCIPAL from parts.
func Principal(parts ...string) Name { return Name{Type: NTPrincipal, Parts: parts} }

// Service makes a name of type NT-SRV-INST from parts: Service("host", "pc.corp.example").
func Service(parts ...string) Name { return Name{Type: NTSrvInst, Parts: parts} }

// Enterprise makes a name of type NT-ENTERPRISE from a user principal name.
func Enterprise(upn string) Name { return Name{Type: NTEnterprise, Parts: []string{upn}} }

// TGS is the name of a realm's ticket-granting service, krbtgt/REALM.
func TGS(realm string) Name { return Service("krbtgt", realm) }

// ChangePassword is the name of the password changing service.
func ChangePassword() Name { return Service("kadmin", "changepw") }

// ParseName reads "a/b", where a backslash takes the next character literally.
// The type is NT-PRINCIPAL, for several parts NT-SRV-INST.
func ParseName(text string) (Name, error) {
	var n Name
	var part []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			part = append(part, text[i])
		case c == '/':
			n.Parts = append(n.Parts, string(part))
			part = nil
		default:
			part = append(part, c)
		}
	}
	n.Parts = append(n.Parts, string(part))
	n.Type = NTPrincipal
	if len(n.Parts) > 1 {
		n.Type = NTSrvInst
	}
	return n, n.check("principal name")
}

// IsZero reports whether the name is absent.
func (n Name) IsZero() bool { return len(n.Parts) == 0 }

// Equal compares the parts by the letter; the type does not count (RFC 4120 6.2).
func (n Name) Equal(o Name) bool { return slices.Equal(n.Parts, o.Parts) }

// EqualFold compares as Active Directory does: without regard to case.
func (n Name) EqualFold(o Name) bool {
	return slices.EqualFunc(n.Parts, o.Parts, strings.EqualFold)
}

// IsTGS reports whether the name is some realm's ticket-granting service, and
// which realm's.
func (n Name) IsTGS() (realm string, ok bool) {
	if len(n.Parts) != 2 || !strings.EqualFold(n.Parts[0], "krbtgt") {
		return "", false
	}
	return n.Parts[1], true
}

// IsChangePassword reports whether the name is kadmin/changepw.
func (n Name) IsChangePassword() bool { return n.EqualFold(ChangePassword()) }

// String writes the parts with slashes between them; what would be mistaken
// for a separator has a backslash.
func (n Name) String() string {
	size := len(n.Parts)
	for _, p := range n.Parts {
		size += len(p)
	}
	b := make([]byte, 0, size)
	for i, p := range n.Parts {
		if i > 0 {
			b = append(b, '/')
		}
		for j := range len(p) {
			if p[j] == '\\' || p[j] == '/' || p[j] == '@' {
				b = append(b, '\\')
			}
			b = append(b, p[j])
		}
	}
	return string(b)
}

func (n Name) check(what string) error {
	if len(n.Parts) == 0 || len(n.Parts) > maxParts {
		return fmt.Errorf("%s of %d parts", what, len(n.Parts))
	}
	for _, p := range n.Parts {
		if err := checkText(what, p); err != nil {
			return err
		}
	}
	return nil
}

// checkText refuses text that no name of a domain is made of.
func checkText(what, s string) error {
	if s == "" || len(s) > maxText {
		return fmt.Errorf("%s of %d bytes", what, len(s))
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%s with control characters", what)
	}
	return nil
}
