package cmc

import (
	stdasn1 "encoding/asn1"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Status is CMCStatus.
type Status int

// Statuses (RFC 5272 6.1.1).
const (
	Success Status = 0
	Failed  Status = 2
	Pending Status = 3
)

// Response is a full response about one request.
type Response struct {
	Status Status
	Text   string // statusString; "": none
	// CertHash is the SHA-1 of the issued certificate, by which a client tells
	// it from the others in the message; nil: none.
	CertHash []byte
}

// CMCStatusInfo ::= SEQUENCE { cMCStatus INTEGER, bodyList SEQUENCE OF INTEGER,
// statusString UTF8String OPTIONAL, otherInfo OPTIONAL }
//
// AddAttributes ::= SEQUENCE { pkiDataReference INTEGER, certReferences
// SEQUENCE OF INTEGER, attributes SET OF Attribute }

// Marshal encodes the PKIResponse.
func (r Response) Marshal() ([]byte, error) {
	first := func(b *cryptobyte.Builder) { // the list of the one request
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(1) })
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			control(b, 1, oidStatusInfo, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1Int64(int64(r.Status))
					first(b)
					if r.Text != "" {
						b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(r.Text)) })
					}
				})
			})
			if r.CertHash != nil {
				control(b, 2, oidAddAttrs, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1Int64(0)
						first(b)
						b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
							b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
								b.AddASN1ObjectIdentifier(oidCertHash)
								b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.CertHash) })
							})
						})
					})
				})
			}
		})
		b.AddASN1(asn1.SEQUENCE, func(*cryptobyte.Builder) {})
		b.AddASN1(asn1.SEQUENCE, func(*cryptobyte.Builder) {})
	})
	return b.Bytes()
}

// ParseResponse reads a PKIResponse, which must have a status.
func ParseResponse(der []byte) (*Response, error) {
	body, err := open(der)
	if err != nil {
		return nil, err
	}
	r := &Response{}
	var controls, cmsSequence, other cryptobyte.String
	if !body.ReadASN1(&controls, asn1.SEQUENCE) || !body.ReadASN1(&cmsSequence, asn1.SEQUENCE) || !body.ReadASN1(&other, asn1.SEQUENCE) || !body.Empty() {
		return nil, syntax("response")
	}
	seen := false
	err = eachControl(controls, func(id stdasn1.ObjectIdentifier, values cryptobyte.String) error {
		switch {
		case id.Equal(oidStatusInfo) && seen:
			return syntax("two statuses")
		case id.Equal(oidStatusInfo):
			seen = true
			return r.readStatus(values)
		case id.Equal(oidAddAttrs):
			return r.readAttributes(values)
		}
		return nil
	})
	if err == nil && !seen {
		err = syntax("no status")
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Response) readStatus(values cryptobyte.String) error {
	var info, list, text cryptobyte.String
	var status int64
	var present bool
	if !values.ReadASN1(&info, asn1.SEQUENCE) || !values.Empty() || !info.ReadASN1Integer(&status) || status < 0 || status > 255 ||
		!info.ReadASN1(&list, asn1.SEQUENCE) || !info.ReadOptionalASN1(&text, &present, asn1.UTF8String) || len(text) > maxText || !utf8.Valid(text) {
		return syntax("status")
	}
	r.Status, r.Text = Status(status), string(text)
	return nil
}

func (r *Response) readAttributes(values cryptobyte.String) error {
	var add, list, attrs cryptobyte.String
	var ref int64
	if !values.ReadASN1(&add, asn1.SEQUENCE) || !values.Empty() || !add.ReadASN1Integer(&ref) || !add.ReadASN1(&list, asn1.SEQUENCE) ||
		!add.ReadASN1(&attrs, asn1.SET) || !add.Empty() {
		return syntax("added attributes")
	}
	for !attrs.Empty() {
		var attr, set, hash cryptobyte.String
		var id stdasn1.ObjectIdentifier
		if !attrs.ReadASN1(&attr, asn1.SEQUENCE) || !attr.ReadASN1ObjectIdentifier(&id) || !attr.ReadASN1(&set, asn1.SET) || !attr.Empty() {
			return syntax("added attributes")
		}
		if !id.Equal(oidCertHash) {
			continue
		}
		if r.CertHash != nil || !set.ReadASN1(&hash, asn1.OCTET_STRING) || !set.Empty() {
			return syntax("hash of the certificate")
		}
		r.CertHash = hash
	}
	return nil
}
