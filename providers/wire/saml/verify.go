package saml

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"hellolab/providers/wire/xmltree"
)

// MaxAssertion bounds an assertion that is read, in bytes.
const MaxAssertion = 64 << 10

var limits = xmltree.Limits{Bytes: MaxAssertion, Depth: 12, Elements: 256, Attributes: 16, NoComments: true}

const (
	maxText = 2048           // bytes of one name or value
	maxLife = 24 * time.Hour // of an assertion
)

// Trust is what a relying party expects of an assertion.
type Trust struct {
	Issuer       string              // a trailing slash makes no difference
	Certificates []*x509.Certificate // of the issuer's token-signing keys
	Audience     string
	Skew         time.Duration // by how much clocks may differ
}

// Unverified reads an assertion that nobody vouches for: for choosing a Trust, or
// for showing it. Errors are *Error.
func Unverified(raw []byte) (*Assertion, error) {
	root, err := parse(raw)
	if err != nil {
		return nil, err
	}
	root.Children = slices.DeleteFunc(root.Children, func(e *xmltree.Element) bool { return e.Is(nsSignature, "Signature") })
	return read(root)
}

// SameIssuer compares issuers as relying parties do, without a trailing slash.
func SameIssuer(a, b string) bool {
	return a != "" && strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/")
}

// Verify reads an assertion that stands alone and is good at a time. Errors are
// *Error.
func (t *Trust) Verify(raw []byte, at time.Time) (*Assertion, error) {
	root, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if !SameIssuer(root.Attr("", "Issuer"), t.Issuer) {
		return nil, refuse(WrongIssuer, "issued by %.80q, not by %.80q", root.Attr("", "Issuer"), t.Issuer)
	}
	if err := t.signer(root); err != nil {
		return nil, err
	}
	signed, err := t.verifySignature(raw, at)
	if err != nil {
		return nil, err
	}
	// From here on only what was signed is looked at.
	if root, err = parse(signed); err != nil {
		return nil, err
	}
	a, err := read(root)
	if err != nil {
		return nil, err
	}
	return a, t.check(a, at)
}

func (t *Trust) check(a *Assertion, at time.Time) error {
	switch {
	case !SameIssuer(a.Issuer, t.Issuer):
		return refuse(WrongIssuer, "issued by another")
	case a.Audience != t.Audience:
		return refuse(WrongAudience, "it is for %.80q, not for %.80q", a.Audience, t.Audience)
	case at.Add(t.Skew).Before(a.NotBefore):
		return refuse(NotYetValid, "it is valid from %s on; it is %s", instant(a.NotBefore), instant(at))
	case !at.Add(-t.Skew).Before(a.NotOnOrAfter):
		return refuse(Expired, "it was valid until %s; it is %s", instant(a.NotOnOrAfter), instant(at))
	}
	return nil
}

// parse reads the document and refuses every shape in which two readers could
// take different elements for the assertion, its id or its signature.
func parse(raw []byte) (*xmltree.Element, error) {
	root, err := xmltree.Parse(raw, limits)
	if err != nil {
		return nil, refuse(Malformed, "%v", err)
	}
	if !root.Is(Namespace, "Assertion") || root.Attr("", "MajorVersion") != "1" || root.Attr("", "MinorVersion") != "1" {
		return nil, refuse(Malformed, "it is no SAML 1.1 assertion")
	}
	assertions, signatures, ids := 0, 0, 0
	root.All(func(e *xmltree.Element) {
		switch e.Name.Local {
		case "Assertion":
			assertions++
		case "Signature":
			signatures++
		}
		for _, a := range e.Attrs {
			if strings.EqualFold(a.Name.Local, attributeID) || strings.EqualFold(a.Name.Local, "ID") {
				ids++
			}
		}
	})
	if assertions != 1 || signatures > 1 || ids != 1 || root.Attr("", attributeID) == "" {
		return nil, refuse(Malformed, "it is not one assertion with one id and one signature")
	}
	return root, nil
}

// signer checks that the signature has the pinned shape and names a known
// certificate.
func (t *Trust) signer(root *xmltree.Element) error {
	signature, err := root.One(nsSignature, "Signature")
	if err != nil || signature == nil {
		return refuse(Unsigned, "it has no signature of its own")
	}
	if err := checkShape(signature, root.Attr("", attributeID)); err != nil {
		return err
	}
	der, err := keyInfo(signature)
	if err != nil {
		return err
	}
	for _, c := range t.Certificates {
		if bytes.Equal(der, c.Raw) {
			return nil
		}
	}
	return refuse(UnknownSigner, "the certificate that signed it is not one of its issuer's that are known here")
}

// keyInfo returns the only certificate in a signature.
func keyInfo(signature *xmltree.Element) ([]byte, error) {
	info, err := signature.Path(name("KeyInfo"), name("X509Data"))
	if err != nil || info == nil {
		return nil, refuse(Unsigned, "the signature names no certificate")
	}
	text, err := info.Word(nsSignature, "X509Certificate")
	if err != nil {
		return nil, refuse(Unsigned, "the signature names several certificates")
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(der) == 0 {
		return nil, refuse(Unsigned, "the signature's certificate is not base64")
	}
	return der, nil
}

// verifySignature returns the octets that were signed.
func (t *Trust) verifySignature(raw []byte, at time.Time) ([]byte, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(raw); err != nil {
		return nil, refuse(Malformed, "%v", err)
	}
	context := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: t.Certificates})
	context.IdAttribute = attributeID
	context.Clock = dsig.NewFakeClockAt(at)
	verified, err := context.Validate(doc.Root())
	if err != nil {
		return nil, refuse(BadSignature, "%s", strings.ToLower(err.Error()))
	}
	signed, err := etree.NewDocumentWithRoot(verified).WriteToBytes()
	if err != nil {
		return nil, refuse(Malformed, "%v", err)
	}
	return signed, nil
}

// Issuer returns who says to have issued an assertion, unverified.
func Issuer(raw []byte) (string, error) {
	a, err := Unverified(raw)
	if err != nil {
		return "", err
	}
	return a.Issuer, nil
}
