package cmc

import (
	"bytes"
	stdasn1 "encoding/asn1"
	"slices"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// NameValuePair is the signed attribute that tells a CA, beside a PKCS #10 request
// that an enrollment agent signed without a PKIData around it, what regInfo tells
// in one (szENROLLMENT_NAME_VALUE_PAIR).
var NameValuePair = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 13, 2, 1}

const (
	maxPairs     = 16
	tagBMPString = asn1.Tag(30)
)

// MarshalPairs encodes the attribute's values:
//
//	SET OF EnrollmentNameValuePair ::= SEQUENCE { name BMPString, value BMPString }
func MarshalPairs(pairs map[string]string) ([]byte, error) {
	var all [][]byte
	for name, value := range pairs {
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, text := range []string{name, value} {
				b.AddASN1(tagBMPString, func(b *cryptobyte.Builder) {
					for _, unit := range utf16.Encode([]rune(text)) {
						b.AddUint16(unit)
					}
				})
			}
		})
		der, err := b.Bytes()
		if err != nil {
			return nil, err
		}
		all = append(all, der)
	}
	slices.SortFunc(all, bytes.Compare) // a SET OF in DER
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
		for _, der := range all {
			b.AddBytes(der)
		}
	})
	return b.Bytes()
}

// ParsePairs reads what MarshalPairs writes; names come in lower case.
func ParsePairs(der []byte) (map[string]string, error) {
	in, set := cryptobyte.String(der), cryptobyte.String(nil)
	if len(der) > maxInfo || !in.ReadASN1(&set, asn1.SET) || !in.Empty() {
		return nil, syntax("name value pairs")
	}
	pairs := map[string]string{}
	for n := 0; !set.Empty(); n++ {
		var pair, name, value cryptobyte.String
		if n == maxPairs || !set.ReadASN1(&pair, asn1.SEQUENCE) || !pair.ReadASN1(&name, tagBMPString) || !pair.ReadASN1(&value, tagBMPString) || !pair.Empty() ||
			len(name)%2 != 0 || len(value)%2 != 0 {
			return nil, syntax("name value pair")
		}
		key := strings.ToLower(fromBMP(name))
		if _, twice := pairs[key]; twice {
			return nil, syntax("name value pair twice")
		}
		pairs[key] = fromBMP(value)
	}
	return pairs, nil
}

func fromBMP(s cryptobyte.String) string {
	units := make([]uint16, 0, len(s)/2)
	for len(s) > 0 {
		var unit uint16
		s.ReadUint16(&unit)
		units = append(units, unit)
	}
	return string(utf16.Decode(units))
}
