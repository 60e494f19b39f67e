package ldapmsg

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Names of extended operations and notices.
const (
	StartTLS              = "1.3.6.1.4.1.1466.20037"  // RFC 4511 4.14
	WhoAmI                = "1.3.6.1.4.1.4203.1.11.3" // RFC 4532
	NoticeOfDisconnection = "1.3.6.1.4.1.1466.20036"  // RFC 4511 4.4.1
)

// Result is the answer that ends an operation. Err is nil for success.
type Result struct {
	Tag Tag
	Err *Error

	SASLCredentials []byte // of a BindResponse; nil: absent
	ResponseName    string // of an ExtendedResponse; empty: absent
	ResponseValue   []byte // of an ExtendedResponse; nil: absent
}

// ResultEntry is a SearchResultEntry, in order.
type ResultEntry struct {
	DN         string
	Attributes []Attribute
}

// Responses are built in two steps, as an entry may wait for the page that it
// is on: its protocolOp first, then the message around it.

// Encode returns the protocolOp of a result (RFC 4511 4.1.9):
//
//	[APPLICATION n] SEQUENCE {
//	    resultCode ENUMERATED, matchedDN, diagnosticMessage,
//	    referral        [3] SEQUENCE OF URI OPTIONAL
//	    serverSaslCreds [7] OPTIONAL   -- BindResponse
//	    responseName    [10] OPTIONAL  -- ExtendedResponse
//	    responseValue   [11] OPTIONAL
//	}
func (r *Result) Encode() ([]byte, error) {
	e := r.Err
	if e == nil {
		e = &Error{}
	}
	var b cryptobyte.Builder
	b.AddASN1(operation(r.Tag), func(b *cryptobyte.Builder) {
		b.AddASN1Enum(int64(e.Code))
		addString(b, asn1.OCTET_STRING, e.MatchedDN)
		addString(b, asn1.OCTET_STRING, e.Diagnostic)
		if len(e.Referral) > 0 {
			b.AddASN1(asn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				for _, url := range e.Referral {
					addString(b, asn1.OCTET_STRING, url)
				}
			})
		}
		if r.SASLCredentials != nil {
			addString(b, asn1.Tag(7).ContextSpecific(), string(r.SASLCredentials))
		}
		if r.ResponseName != "" {
			addString(b, asn1.Tag(10).ContextSpecific(), r.ResponseName)
		}
		if r.ResponseValue != nil {
			addString(b, asn1.Tag(11).ContextSpecific(), string(r.ResponseValue))
		}
	})
	return encoded(&b)
}

// Encode returns the protocolOp of an entry:
//
//	[APPLICATION 4] SEQUENCE { objectName, SEQUENCE OF SEQUENCE { type, SET OF value } }
func (e *ResultEntry) Encode() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(operation(TagSearchEntry), func(b *cryptobyte.Builder) {
		addString(b, asn1.OCTET_STRING, e.DN)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, a := range e.Attributes {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addString(b, asn1.OCTET_STRING, a.Description)
					b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
						for _, v := range a.Values {
							b.AddASN1OctetString(v)
						}
					})
				})
			}
		})
	})
	return encoded(&b)
}

// EncodeReference returns the protocolOp of a SearchResultReference.
func EncodeReference(urls []string) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(operation(TagSearchReference), func(b *cryptobyte.Builder) {
		for _, url := range urls {
			addString(b, asn1.OCTET_STRING, url)
		}
	})
	return encoded(&b)
}

// Envelope returns the message id with a protocolOp and controls.
func Envelope(id int32, op []byte, controls []Control) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(int64(id))
		b.AddBytes(op)
		if len(controls) == 0 {
			return
		}
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			for _, c := range controls {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addString(b, asn1.OCTET_STRING, c.OID)
					if c.Critical {
						b.AddASN1Boolean(true)
					}
					if c.Value != nil {
						b.AddASN1OctetString(c.Value)
					}
				})
			}
		})
	})
	return encoded(&b)
}

// operation is the identifier of a protocolOp that is a SEQUENCE.
func operation(t Tag) asn1.Tag { return asn1.Tag(application | byte(t)) }

func addString(b *cryptobyte.Builder, tag asn1.Tag, s string) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
}

func encoded(b *cryptobyte.Builder) ([]byte, error) {
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode LDAP message: %w", err)
	}
	return out, nil
}
