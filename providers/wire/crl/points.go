package crl

import (
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// CRLDistributionPoints (RFC 5280 4.2.1.13), as a Windows CA writes it: one
// point whose full name lists every address.
//
//	SEQUENCE OF DistributionPoint {
//	    distributionPoint [0] { fullName [0] SEQUENCE OF GeneralName: URI [6] },
//	    reasons [1], cRLIssuer [2]: none }

var (
	tagName = asn1.Tag(0).Constructed().ContextSpecific()
	tagURI  = asn1.Tag(6).ContextSpecific()
)

// Points writes addresses of lists as the extension id: ExtPoints or ExtFreshest.
func Points(id stdasn1.ObjectIdentifier, urls []string) (pkix.Extension, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tagName, func(b *cryptobyte.Builder) {
				b.AddASN1(tagName, func(b *cryptobyte.Builder) {
					for _, u := range urls {
						if !ascii(u) {
							b.SetError(fmt.Errorf("address %q is not ASCII", u))
						}
						b.AddASN1(tagURI, func(b *cryptobyte.Builder) { b.AddBytes([]byte(u)) })
					}
				})
			})
		})
	})
	value, err := b.Bytes()
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("distribution points: %w", err)
	}
	return pkix.Extension{Id: id, Value: value}, nil
}

// FreshestOf returns where a certificate says the newest delta list is.
func FreshestOf(cert *x509.Certificate) ([]string, error) {
	var urls []string
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(ExtFreshest) {
			continue
		}
		more, err := parsePoints(ext.Value)
		if err != nil {
			return nil, fmt.Errorf("%w: freshest list: %w", ErrSyntax, err)
		}
		if urls = append(urls, more...); len(urls) > maxPoints {
			return nil, fmt.Errorf("%w: more than %d addresses", ErrSyntax, maxPoints)
		}
	}
	return urls, nil
}

var errPoints = errors.New("not a list of distribution points")

// parsePoints returns the addresses of points that hold for all reasons and
// whose lists the certificate's own issuer signs; others are passed over.
func parsePoints(value []byte) ([]string, error) {
	in := cryptobyte.String(value)
	var points cryptobyte.String
	if !in.ReadASN1(&points, asn1.SEQUENCE) || !in.Empty() || points.Empty() {
		return nil, errPoints
	}
	var urls []string
	for !points.Empty() {
		var point, name, full cryptobyte.String
		var named bool
		if !points.ReadASN1(&point, asn1.SEQUENCE) || !point.ReadOptionalASN1(&name, &named, tagName) {
			return nil, errPoints
		}
		if !named || !point.Empty() || !name.PeekASN1Tag(tagName) {
			continue
		}
		if !name.ReadASN1(&full, tagName) || !name.Empty() {
			return nil, errPoints
		}
		for !full.Empty() {
			var text cryptobyte.String
			var tag asn1.Tag
			if !full.ReadAnyASN1(&text, &tag) {
				return nil, errPoints
			}
			if tag != tagURI {
				continue
			}
			if urls = append(urls, string(text)); len(urls) > maxPoints || !ascii(string(text)) {
				return nil, errPoints
			}
		}
	}
	return urls, nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
