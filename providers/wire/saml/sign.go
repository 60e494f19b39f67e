package saml

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"hellolab/providers/wire/xmltree"
)

// stamp is how times are written: xs:dateTime in UTC with milliseconds.
const stamp = "2006-01-02T15:04:05.000Z"

func instant(t time.Time) string { return t.UTC().Format(stamp) }

// Sign encodes the assertion with an enveloped signature of an RSA key, whose
// certificate goes along. Namespaces are declared on the assertion itself, so
// it can be taken out of any message.
func (a *Assertion) Sign(key crypto.Signer, certificate *x509.Certificate) ([]byte, error) {
	if _, ok := key.Public().(*rsa.PublicKey); !ok {
		return nil, errors.New("an assertion is signed by an RSA key")
	}
	if a.ID == "" || a.Issuer == "" || a.Audience == "" {
		return nil, errors.New("an assertion has an id, an issuer and an audience")
	}
	return SignEnveloped(a.marshal(), attributeID, key, certificate)
}

// SignEnveloped appends a signature to the element that a document consists
// of, which an attribute names.
func SignEnveloped(document []byte, idAttribute string, key crypto.Signer, certificate *x509.Certificate) ([]byte, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(document); err != nil {
		return nil, fmt.Errorf("document to sign: %w", err)
	}
	signer, err := dsig.NewSigningContext(key, [][]byte{certificate.Raw})
	if err != nil {
		return nil, err
	}
	signer.IdAttribute = idAttribute
	signer.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signed, err := signer.SignEnveloped(doc.Root())
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	doc.SetRoot(signed)
	doc.WriteSettings = etree.WriteSettings{CanonicalEndTags: true, CanonicalText: true, CanonicalAttrVal: true}
	return doc.WriteToBytes()
}

func (a *Assertion) marshal() []byte {
	w := &xmltree.Writer{}
	w.Put(`<saml:Assertion xmlns:saml="%s" MajorVersion="1" MinorVersion="1" AssertionID="%s" Issuer="%s" IssueInstant="%s">`,
		Namespace, a.ID, a.Issuer, instant(a.IssueInstant))
	w.Put(`<saml:Conditions NotBefore="%s" NotOnOrAfter="%s"><saml:AudienceRestrictionCondition><saml:Audience>%s</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>`,
		instant(a.NotBefore), instant(a.NotOnOrAfter), a.Audience)
	if len(a.Attributes) > 0 {
		w.WriteString(`<saml:AttributeStatement>`)
		a.putSubject(w)
		for _, attribute := range a.Attributes {
			w.Put(`<saml:Attribute AttributeName="%s" AttributeNamespace="%s">`, attribute.Name, attribute.Namespace)
			for _, v := range attribute.Values {
				w.Put(`<saml:AttributeValue>%s</saml:AttributeValue>`, v)
			}
			w.WriteString(`</saml:Attribute>`)
		}
		w.WriteString(`</saml:AttributeStatement>`)
	}
	w.Put(`<saml:AuthenticationStatement AuthenticationMethod="%s" AuthenticationInstant="%s">`, a.Method, instant(a.AuthInstant))
	a.putSubject(w)
	w.WriteString(`</saml:AuthenticationStatement></saml:Assertion>`)
	return []byte(w.String())
}

func (a *Assertion) putSubject(w *xmltree.Writer) {
	w.WriteString(`<saml:Subject>`)
	if a.NameID != "" {
		format := a.NameFormat
		if format == "" {
			format = FormatUnspecified
		}
		w.Put(`<saml:NameIdentifier Format="%s">%s</saml:NameIdentifier>`, format, a.NameID)
	}
	w.Put(`<saml:SubjectConfirmation><saml:ConfirmationMethod>%s</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>`, confirmBearer)
}
