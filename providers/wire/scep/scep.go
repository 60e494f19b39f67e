// Package scep is the Simple Certificate Enrolment Protocol: how a device that has
// no account asks an authority for a certificate, with a challenge that somebody
// who knows it gave it. Client side and server side; who may ask and what is
// issued is the server's Authority's to say.
//
//	GET  URL?operation=GetCACaps                → text, a capability a line
//	GET  URL?operation=GetCACert                → certs-only CMS: the registration authority's and those above
//	POST URL?operation=PKIOperation, pkiMessage → pkiMessage
//
// A pkiMessage is a CMS SignedData whose signed attributes say what it is, and
// whose content is an EnvelopedData: a PKCS #10 request one way, a certs-only CMS
// the other. Of an answer that refuses there is no content.
//
//	attribute      OID 2.16.840.1.113733.1.9.N   value
//	messageType    2                             PrintableString: 19 PKCSReq, 3 CertRep
//	pkiStatus      3                             PrintableString: 0 SUCCESS, 2 FAILURE, 3 PENDING
//	failInfo       4                             PrintableString: 0 to 4
//	senderNonce    5                             OCTET STRING, 16 bytes
//	recipientNonce 6                             OCTET STRING: the other's senderNonce
//	transactionID  7                             PrintableString
//
// Ours is AES-128 in CBC mode and SHA-256, the least that RFC 8894 has everybody
// understand; nothing weaker is written or read. There is no polling: an answer
// is a certificate or a refusal.
//
// Source: RFC 8894.
package scep

import (
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/wire/cms"
)

// Operations, the values of the query's "operation".
const (
	opCapabilities = "GetCACaps"
	opCertificates = "GetCACert"
	opMessage      = "PKIOperation"
)

// Media types.
const (
	typeMessage      = "application/x-pki-message"
	typeCertificates = "application/x-x509-ca-ra-cert"
)

// capabilities is what the server says that it can.
var capabilities = []string{"AES", "POSTPKIOperation", "SHA-256", "SCEPStandard"}

type messageType string

const (
	certRep messageType = "3"
	pkcsReq messageType = "19"
)

type status string

const (
	success status = "0"
	failure status = "2"
)

// FailInfo is why a request is refused (RFC 8894 3.2.1.4).
type FailInfo string

// Reasons.
const (
	BadAlgorithm FailInfo = "0"
	BadMessage   FailInfo = "1" // its signature or envelope
	BadRequest   FailInfo = "2"
	BadTime      FailInfo = "3"
	BadCertID    FailInfo = "4"
)

var failNames = map[FailInfo]string{BadAlgorithm: "badAlg", BadMessage: "badMessageCheck", BadRequest: "badRequest", BadTime: "badTime", BadCertID: "badCertId"}

func (f FailInfo) String() string {
	if name, ok := failNames[f]; ok {
		return name
	}
	return fmt.Sprintf("failInfo %.8q", string(f))
}

// Refusal is an answer that refuses. A server's Authority returns one to say why.
type Refusal struct {
	Info FailInfo
	Text string // a sentence; "": none
}

func (r *Refusal) Error() string {
	if r.Text == "" {
		return "SCEP: " + r.Info.String()
	}
	return fmt.Sprintf("SCEP: %s: %s", r.Info, r.Text)
}

// ErrSyntax is wrapped by every error of reading a message.
var ErrSyntax = errors.New("malformed SCEP message")

func syntax(what string) error { return fmt.Errorf("%w: %s", ErrSyntax, what) }

const (
	nonceSize      = 16
	maxNonce       = 64
	maxTransaction = 128
	maxText        = 512
)

var (
	oidMessageType    = stdasn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 2}
	oidStatus         = stdasn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 3}
	oidFailInfo       = stdasn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 4}
	oidSenderNonce    = stdasn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 5}
	oidRecipientNonce = stdasn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 6}
	oidTransaction    = stdasn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 7}
	oidFailText       = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 24, 1} // id-scep-failInfoText

	cipherAES128 = stdasn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	cipherAES256 = stdasn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// strong says whether the content of a message is encrypted with AES.
func strong(e *cms.EnvelopedData) bool {
	return e.Cipher.Equal(cipherAES128) || e.Cipher.Equal(cipherAES256)
}

// about is what the attributes of a message say.
type about struct {
	kind        messageType
	transaction string
	sender      string // nonce
	recipient   string
	status      status
	fail        FailInfo
	text        string
}

func text(tag asn1.Tag, s string) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
	})
	return b.BytesOrPanic()
}

// attribute is one of the signed attributes: where its value is kept.
type attribute struct {
	id    stdasn1.ObjectIdentifier
	tag   asn1.Tag
	limit int // bytes
	value func(*about) *string
}

var known = []attribute{
	{oidMessageType, asn1.PrintableString, maxText, func(a *about) *string { return (*string)(&a.kind) }},
	{oidStatus, asn1.PrintableString, maxText, func(a *about) *string { return (*string)(&a.status) }},
	{oidFailInfo, asn1.PrintableString, maxText, func(a *about) *string { return (*string)(&a.fail) }},
	{oidSenderNonce, asn1.OCTET_STRING, maxNonce, func(a *about) *string { return &a.sender }},
	{oidRecipientNonce, asn1.OCTET_STRING, maxNonce, func(a *about) *string { return &a.recipient }},
	{oidTransaction, asn1.PrintableString, maxTransaction, func(a *about) *string { return &a.transaction }},
	{oidFailText, asn1.UTF8String, maxText, func(a *about) *string { return &a.text }},
}

// attributes are those that are signed. What is empty is left out.
func (a *about) attributes() []cms.Attribute {
	var out []cms.Attribute
	for _, k := range known {
		if value := *k.value(a); value != "" {
			out = append(out, cms.Attribute{ID: k.id, Values: text(k.tag, value)})
		}
	}
	return out
}

// read reads the attributes of a message that has been verified.
func read(list []cms.Attribute) (*about, error) {
	var a about
	for _, attr := range list {
		i := slices.IndexFunc(known, func(k attribute) bool { return k.id.Equal(attr.ID) })
		if i < 0 {
			continue
		}
		in, set, value := cryptobyte.String(attr.Values), cryptobyte.String(nil), cryptobyte.String(nil)
		if !in.ReadASN1(&set, asn1.SET) || !set.ReadASN1(&value, known[i].tag) || !set.Empty() || len(value) == 0 || len(value) > known[i].limit {
			return nil, syntax("attribute " + attr.ID.String())
		}
		*known[i].value(&a) = string(value)
	}
	if a.kind == "" || a.transaction == "" || a.sender == "" {
		return nil, syntax("it does not say what it is")
	}
	return &a, nil
}
