// Package cmc is Certificate Management over CMS as Windows uses it: a full
// request with one PKCS #10 inside, by which an enrollment agent asks for
// somebody else, and the full response of a CA. Signing and verifying is
// wire/cms' part; here is what is signed.
//
//	PKIData ::= SEQUENCE {                        -- id-cct-PKIData
//	    controlSequence  SEQUENCE OF TaggedAttribute,
//	    reqSequence      SEQUENCE OF TaggedRequest,    -- exactly one
//	    cmsSequence      SEQUENCE OF TaggedContentInfo, -- not looked at
//	    otherMsgSequence SEQUENCE OF OtherMsg }         -- not looked at
//
//	PKIResponse ::= SEQUENCE { controlSequence, cmsSequence, otherMsgSequence }
//
//	TaggedAttribute ::= SEQUENCE { bodyPartID INTEGER, attrType OID, attrValues SET OF ANY }
//	TaggedRequest   ::= [0] IMPLICIT SEQUENCE { bodyPartID INTEGER, certificationRequest }
//
// Sources: RFC 5272, RFC 2797 5.12 (regInfo), MS-WCCE 2.2.2.6.3 and 3.1.1.4.3.3.3
// (enroll on behalf of), MS-WSTEP 4.1.1.2 (a recorded response).
package cmc

import (
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Content types of the SignedData around a message.
var (
	PKIData     = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 12, 2}
	PKIResponse = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 12, 3}
)

var (
	oidStatusInfo = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 1}
	oidRegInfo    = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 18}
	oidAddAttrs   = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 10, 10, 1} // szOID_CMC_ADD_ATTRIBUTES
	oidCertHash   = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 17}    // szOID_ISSUED_CERT_HASH
)

// Bounds of what is read.
const (
	maxMessage  = 64 << 10 // bytes
	maxControls = 16
	maxInfo     = 4 << 10 // bytes of regInfo
	maxText     = 1 << 10 // bytes of a status text
)

// Names of pairs in regInfo, which are in lower case here.
const (
	RequesterName       = "requestername"       // for whom: DOMAIN\account
	CertificateTemplate = "certificatetemplate" // by its name
)

// ErrSyntax is wrapped by every error of reading.
var ErrSyntax = errors.New("malformed CMC message")

func syntax(what string) error { return fmt.Errorf("%w: %s", ErrSyntax, what) }

var tagRequest = asn1.Tag(0).Constructed().ContextSpecific()

// Request is a full request.
type Request struct {
	CSR   []byte            // PKCS #10, DER
	Pairs map[string]string // regInfo; names in lower case
}

// Marshal encodes the PKIData.
func (r Request) Marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if len(r.Pairs) > 0 {
				control(b, 2, oidRegInfo, func(b *cryptobyte.Builder) { b.AddASN1OctetString([]byte(encodePairs(r.Pairs))) })
			}
		})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tagRequest, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddBytes(r.CSR)
			})
		})
		b.AddASN1(asn1.SEQUENCE, func(*cryptobyte.Builder) {})
		b.AddASN1(asn1.SEQUENCE, func(*cryptobyte.Builder) {})
	})
	return b.Bytes()
}

func control(b *cryptobyte.Builder, part int64, id stdasn1.ObjectIdentifier, value func(*cryptobyte.Builder)) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(part)
		b.AddASN1ObjectIdentifier(id)
		b.AddASN1(asn1.SET, value)
	})
}

// encodePairs writes name=value&…, what is not plain escaped as in a URL.
func encodePairs(pairs map[string]string) string {
	var out []string
	for name, value := range pairs {
		out = append(out, escape(name)+"="+escape(value))
	}
	slices.Sort(out)
	return strings.Join(out, "&")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func parsePairs(text string) (map[string]string, error) {
	pairs := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimRight(text, "&\x00"), "&") {
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, syntax("regInfo")
		}
		name, err := url.PathUnescape(name)
		if err != nil {
			return nil, syntax("regInfo")
		}
		if value, err = url.PathUnescape(value); err != nil {
			return nil, syntax("regInfo")
		}
		name = strings.ToLower(name)
		if _, twice := pairs[name]; twice || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, syntax("regInfo")
		}
		pairs[name] = value
	}
	return pairs, nil
}

// ParseRequest reads a PKIData with exactly one PKCS #10 request.
func ParseRequest(der []byte) (*Request, error) {
	body, err := open(der)
	if err != nil {
		return nil, err
	}
	r := &Request{}
	var controls, requests, one, cmsSequence, other cryptobyte.String
	if !body.ReadASN1(&controls, asn1.SEQUENCE) || !body.ReadASN1(&requests, asn1.SEQUENCE) ||
		!body.ReadASN1(&cmsSequence, asn1.SEQUENCE) || !body.ReadASN1(&other, asn1.SEQUENCE) || !body.Empty() {
		return nil, syntax("request")
	}
	err = eachControl(controls, func(id stdasn1.ObjectIdentifier, values cryptobyte.String) (err error) {
		var text cryptobyte.String
		if !id.Equal(oidRegInfo) {
			return nil
		}
		if r.Pairs != nil || !values.ReadASN1(&text, asn1.OCTET_STRING) || !values.Empty() || len(text) > maxInfo {
			return syntax("regInfo")
		}
		r.Pairs, err = parsePairs(string(text))
		return err
	})
	if err != nil {
		return nil, err
	}
	var part int64
	var csr cryptobyte.String
	if !requests.ReadASN1(&one, tagRequest) || !requests.Empty() || !one.ReadASN1Integer(&part) || !one.ReadASN1Element(&csr, asn1.SEQUENCE) || !one.Empty() {
		return nil, syntax("not exactly one PKCS #10 request")
	}
	r.CSR = csr
	return r, nil
}

func open(der []byte) (cryptobyte.String, error) {
	if len(der) > maxMessage {
		return nil, syntax("too long")
	}
	in, body := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() {
		return nil, syntax("not one sequence")
	}
	return body, nil
}

func eachControl(controls cryptobyte.String, fn func(stdasn1.ObjectIdentifier, cryptobyte.String) error) error {
	for n := 0; !controls.Empty(); n++ {
		var one, values cryptobyte.String
		var part int64
		var id stdasn1.ObjectIdentifier
		if n == maxControls || !controls.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadASN1Integer(&part) || !one.ReadASN1ObjectIdentifier(&id) ||
			!one.ReadASN1(&values, asn1.SET) || !one.Empty() {
			return syntax("controls")
		}
		if err := fn(id, values); err != nil {
			return err
		}
	}
	return nil
}
