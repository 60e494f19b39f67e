package adcert

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Mapping is one value of altSecurityIdentities that maps a certificate to the
// account that holds it. Exactly the parts of one row are set:
//
//	text                          set               strong
//	X509:<I>issuer<SR>serial      Issuer, Serial    yes   serial: bytes reversed, hex
//	X509:<SKI>hex                 SKI               yes
//	X509:<SHA1-PUKEY>hex          SHA1              yes   over the whole certificate, in spite of its name
//	X509:<I>issuer<S>subject      Issuer, Subject   no
//	X509:<S>subject               Subject           no
//	X509:<RFC822>address          RFC822            no
type Mapping struct {
	Issuer, Subject Name
	Serial          *big.Int
	SKI             []byte
	SHA1            []byte // 20 bytes
	RFC822          string
}

// maxSerial bounds a serial number, in bytes (RFC 5280 4.1.2.2 says 20).
const maxSerial = 32

// ErrMapping is wrapped by every error of ParseMapping.
var ErrMapping = errors.New("not a certificate mapping")

// ParseMapping reads one value. Values of other kinds ("Kerberos:…") and
// unknown or repeated parts are errors: a mapping that is half understood
// would map too much.
func ParseMapping(text string) (Mapping, error) {
	rest, ok := strings.CutPrefix(text, "X509:")
	if !ok || len(text) > 2*maxText {
		return Mapping{}, ErrMapping
	}
	var m Mapping
	var parts []string
	for rest != "" {
		tag, value, after, ok := cutPart(rest)
		if !ok || len(parts) == 2 {
			return Mapping{}, fmt.Errorf("%w: its parts", ErrMapping)
		}
		if err := m.set(tag, value); err != nil {
			return Mapping{}, err
		}
		parts, rest = append(parts, tag), after
	}
	slices.Sort(parts)
	switch strings.Join(parts, " ") {
	case "I SR", "SKI", "SHA1-PUKEY", "I S", "S", "RFC822":
		return m, nil
	}
	return Mapping{}, fmt.Errorf("%w: its parts", ErrMapping)
}

// cutPart reads <tag>value off the front. A "<" in a value must stand in double
// quotes, as Name.String writes it.
func cutPart(text string) (tag, value, rest string, ok bool) {
	text, ok = strings.CutPrefix(text, "<")
	if !ok {
		return "", "", "", false
	}
	tag, value, ok = strings.Cut(text, ">")
	if !ok {
		return "", "", "", false
	}
	quoted := false
	for i := range len(value) {
		switch value[i] {
		case '"':
			quoted = !quoted
		case '<':
			if !quoted {
				return strings.ToUpper(tag), value[:i], value[i:], true
			}
		}
	}
	return strings.ToUpper(tag), value, "", true
}

func (m *Mapping) set(tag, value string) (err error) {
	switch tag {
	case "I":
		m.Issuer, err = ParseName(value)
	case "S":
		m.Subject, err = ParseName(value)
	case "SR":
		var b []byte
		if b, err = hex.DecodeString(value); err == nil && (len(b) == 0 || len(b) > maxSerial) {
			err = errors.New("serial number")
		}
		slices.Reverse(b)
		m.Serial = new(big.Int).SetBytes(b)
	case "SKI":
		if m.SKI, err = hex.DecodeString(value); err == nil && len(m.SKI) == 0 {
			err = errors.New("empty key identifier")
		}
	case "SHA1-PUKEY":
		if m.SHA1, err = hex.DecodeString(value); err == nil && len(m.SHA1) != sha1.Size {
			err = errors.New("length of a SHA-1 hash")
		}
	case "RFC822":
		if m.RFC822 = value; value == "" {
			err = errors.New("empty address")
		}
	default:
		err = errors.New("unknown part")
	}
	if err != nil {
		return fmt.Errorf("%w: <%s>: %w", ErrMapping, tag, err)
	}
	return nil
}

// String returns the value as AD stores it.
func (m Mapping) String() string {
	switch {
	case m.Serial != nil:
		b := m.Serial.Bytes()
		if len(b) == 0 {
			b = []byte{0}
		}
		slices.Reverse(b)
		return "X509:<I>" + m.Issuer.String() + "<SR>" + hex.EncodeToString(b)
	case m.SKI != nil:
		return "X509:<SKI>" + hex.EncodeToString(m.SKI)
	case m.SHA1 != nil:
		return "X509:<SHA1-PUKEY>" + hex.EncodeToString(m.SHA1)
	case m.RFC822 != "":
		return "X509:<RFC822>" + m.RFC822
	case m.Issuer != nil:
		return "X509:<I>" + m.Issuer.String() + "<S>" + m.Subject.String()
	}
	return "X509:<S>" + m.Subject.String()
}

// Strong says whether the mapping names one certificate or key, and not a name
// that a certificate for another account may also bear (KB5014754).
func (m Mapping) Strong() bool { return m.Serial != nil || m.SKI != nil || m.SHA1 != nil }

// Match says whether the mapping is for this certificate. The zero Mapping
// matches none.
func (m Mapping) Match(cert *x509.Certificate) bool {
	switch {
	case m.Serial != nil:
		return cert.SerialNumber != nil && m.Serial.Cmp(cert.SerialNumber) == 0 && sameName(m.Issuer, cert.RawIssuer)
	case m.SKI != nil:
		return bytes.Equal(m.SKI, cert.SubjectKeyId)
	case m.SHA1 != nil:
		sum := sha1.Sum(cert.Raw)
		return bytes.Equal(m.SHA1, sum[:])
	case m.RFC822 != "":
		names, err := Names(cert)
		return err == nil && slices.ContainsFunc(names.Emails, func(e string) bool { return strings.EqualFold(e, m.RFC822) })
	case m.Subject != nil:
		return sameName(m.Subject, cert.RawSubject) && (m.Issuer == nil || sameName(m.Issuer, cert.RawIssuer))
	}
	return false
}

func sameName(n Name, raw []byte) bool {
	have, err := NameOf(raw)
	return err == nil && len(n) > 0 && n.Equal(have)
}

// MapIssuerSerial is the strong mapping of cert by issuer and serial number.
func MapIssuerSerial(cert *x509.Certificate) (Mapping, error) {
	issuer, err := NameOf(cert.RawIssuer)
	if err != nil {
		return Mapping{}, err
	}
	return Mapping{Issuer: issuer, Serial: cert.SerialNumber}, nil
}

// MapSHA1 is the strong mapping of cert by its hash.
func MapSHA1(cert *x509.Certificate) Mapping {
	sum := sha1.Sum(cert.Raw)
	return Mapping{SHA1: sum[:]}
}
