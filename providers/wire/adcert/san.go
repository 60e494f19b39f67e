package adcert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// SAN is a subject alternative name: the usual names and AD's side by side.
//
//	SubjectAltName ::= SEQUENCE OF GeneralName
//	GeneralName    ::= CHOICE {
//	    otherName [0]  { type-id OID, value [0] EXPLICIT ANY }
//	        NameUPN         UTF8String
//	        NamePKINIT      KRB5PrincipalName
//	        NameObjectGUID  OCTET STRING, 16 bytes in Windows' order
//	    rfc822Name [1], dNSName [2], uniformResourceIdentifier [6]   IA5String
//	    iPAddress  [7]  OCTET STRING
//	    directoryName [4] and others: counted
//	}
type SAN struct {
	UPNs       []string        // users
	Principals []PrincipalName // users and KDCs
	ObjectGUID guid.GUID       // domain controllers; zero: none
	Emails     []string
	DNSNames   []string
	URIs       []string
	Addresses  []netip.Addr
	Others     int // names of forms that are not listed above; not written
}

// GeneralName tags.
const (
	tagOtherName = 0
	tagRFC822    = 1
	tagDNS       = 2
	tagURI       = 6
	tagIP        = 7
)

// Extension encodes the names: AD's first, then DNS names, as a Windows CA
// writes them. Make it critical only in a certificate without a subject. A name
// that has no encoding (not ASCII where ASCII is due) is an error.
func (n SAN) Extension(critical bool) (pkix.Extension, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if !n.ObjectGUID.IsZero() {
			otherName(b, NameObjectGUID, func(b *cryptobyte.Builder) {
				w := n.ObjectGUID.Windows()
				b.AddASN1OctetString(w[:])
			})
		}
		for _, upn := range n.UPNs {
			otherName(b, NameUPN, func(b *cryptobyte.Builder) {
				if upn == "" || !utf8.ValidString(upn) {
					b.SetError(fmt.Errorf("%q is no user principal name", upn))
				}
				b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(upn)) })
			})
		}
		for _, p := range n.Principals {
			otherName(b, NamePKINIT, p.Build)
		}
		ia5(b, tagRFC822, n.Emails)
		ia5(b, tagDNS, n.DNSNames)
		ia5(b, tagURI, n.URIs)
		for _, a := range n.Addresses {
			b.AddASN1(asn1.Tag(tagIP).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(a.AsSlice()) })
		}
	})
	value, err := b.Bytes()
	return extension(ExtSubjectAltName, critical, value, err)
}

func otherName(b *cryptobyte.Builder, id stdasn1.ObjectIdentifier, value func(*cryptobyte.Builder)) {
	b.AddASN1(asn1.Tag(tagOtherName).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), value)
	})
}

func ia5(b *cryptobyte.Builder, tag uint8, names []string) {
	for _, name := range names {
		if !isASCII(name) || name == "" {
			b.SetError(fmt.Errorf("%q is not ASCII", name))
		}
		b.AddASN1(asn1.Tag(tag).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] == 0 || s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Names reads the subject alternative name of a certificate; one without has
// the zero SAN. Errors wrap ErrExtension.
func Names(cert *x509.Certificate) (SAN, error) {
	value, found, err := find(cert, ExtSubjectAltName)
	if err != nil || !found {
		return SAN{}, err
	}
	return parseSAN(value)
}

// Understand reads the subject alternative name and takes it off
// cert.UnhandledCriticalExtensions, where crypto/x509 leaves a critical one
// that holds only otherNames. It changes cert: call it where the certificate is
// parsed, before others see it.
func Understand(cert *x509.Certificate) (SAN, error) {
	n, err := Names(cert)
	if err == nil {
		understood(cert, ExtSubjectAltName)
	}
	return n, err
}

func parseSAN(value []byte) (SAN, error) {
	var n SAN
	in, list := cryptobyte.String(value), cryptobyte.String(nil)
	if !in.ReadASN1(&list, asn1.SEQUENCE) || !in.Empty() || list.Empty() {
		return SAN{}, fmt.Errorf("%w: subject alternative name", ErrExtension)
	}
	for count := 0; !list.Empty(); count++ {
		var name cryptobyte.String
		var tag asn1.Tag
		if count == maxNames || !list.ReadAnyASN1(&name, &tag) {
			return SAN{}, fmt.Errorf("%w: subject alternative name", ErrExtension)
		}
		if err := n.add(tag, name); err != nil {
			return SAN{}, err
		}
	}
	return n, nil
}

func (n *SAN) add(tag asn1.Tag, name cryptobyte.String) error {
	text := string(name)
	switch tag {
	case asn1.Tag(tagOtherName).ContextSpecific().Constructed():
		return n.addOther(name)
	case asn1.Tag(tagRFC822).ContextSpecific():
		n.Emails = append(n.Emails, text)
	case asn1.Tag(tagDNS).ContextSpecific():
		n.DNSNames = append(n.DNSNames, text)
	case asn1.Tag(tagURI).ContextSpecific():
		n.URIs = append(n.URIs, text)
	case asn1.Tag(tagIP).ContextSpecific():
		a, ok := netip.AddrFromSlice(name)
		if !ok {
			return fmt.Errorf("%w: address of %d bytes", ErrExtension, len(name))
		}
		n.Addresses = append(n.Addresses, a)
		return nil
	default:
		n.Others++
		return nil
	}
	if !isASCII(text) {
		return fmt.Errorf("%w: name that is not ASCII", ErrExtension)
	}
	return nil
}

func (n *SAN) addOther(name cryptobyte.String) error {
	var id stdasn1.ObjectIdentifier
	var value cryptobyte.String
	if !name.ReadASN1ObjectIdentifier(&id) || !name.ReadASN1(&value, asn1.Tag(0).ContextSpecific().Constructed()) || !name.Empty() {
		return fmt.Errorf("%w: otherName", ErrExtension)
	}
	switch {
	case id.Equal(NameUPN):
		var upn cryptobyte.String
		if !value.ReadASN1(&upn, asn1.UTF8String) || !value.Empty() || len(upn) == 0 || !utf8.Valid(upn) || strings.ContainsRune(string(upn), 0) {
			return fmt.Errorf("%w: user principal name", ErrExtension)
		}
		n.UPNs = append(n.UPNs, string(upn))
	case id.Equal(NamePKINIT):
		p, err := ReadPrincipalName(&value)
		if err != nil || !value.Empty() {
			return fmt.Errorf("%w: Kerberos principal name", ErrExtension)
		}
		n.Principals = append(n.Principals, p)
	case id.Equal(NameObjectGUID):
		var b cryptobyte.String
		if !value.ReadASN1(&b, asn1.OCTET_STRING) || !value.Empty() || len(b) != 16 || !n.ObjectGUID.IsZero() {
			return fmt.Errorf("%w: object GUID", ErrExtension)
		}
		n.ObjectGUID = guid.FromWindows([16]byte(b))
	default:
		n.Others++
	}
	return nil
}

// sidURI is how a name carries a security identifier when the certificate comes
// from a CA that cannot write ExtSID (KB5014754).
const sidURI = "tag:microsoft.com,2022-09-14:sid:"

// SIDURI returns the name for SAN.URIs that maps a certificate to the account s
// as ExtSID does.
func SIDURI(s sid.SID) string { return sidURI + s.String() }
