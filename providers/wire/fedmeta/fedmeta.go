// Package fedmeta is the FederationMetadata.xml of a federation service: its
// issuer, the certificates of its token-signing keys, and its endpoints. A
// relying party that reads it again learns of new keys before they sign.
//
// Reading is bounded. The document's own signature is not verified: it would be
// by a certificate in itself; the document is believed for where it was fetched.
//
// Source: WS-Federation 1.2, section 3; SAML 2.0 metadata; what AD FS publishes.
package fedmeta

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/xmltree"
)

// Path is where a service publishes the document.
const Path = "/FederationMetadata/2007-06/FederationMetadata.xml"

const (
	nsMetadata   = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsFederation = "http://docs.oasis-open.org/wsfed/federation/200706"
	nsSignature  = "http://www.w3.org/2000/09/xmldsig#"
	nsExchange   = "http://schemas.xmlsoap.org/ws/2004/09/mex"

	roleType = "SecurityTokenServiceType"
)

// MaxDocument bounds a document that is read, in bytes.
const MaxDocument = 512 << 10

const maxCertificates = 8

// ErrMetadata is wrapped by every error about a document.
var ErrMetadata = errors.New("malformed federation metadata")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMetadata, fmt.Sprintf(format, args...))
}

// Metadata says what a federation service is.
type Metadata struct {
	Issuer  string              // entityID
	Signing []*x509.Certificate // of token-signing keys, the current one first
	Passive string              // address of passive sign-ins: …/adfs/ls/
	Active  string              // of requests for security tokens with user names
	MEX     string              // of the WS-MetadataExchange document
}

// Marshal encodes the document, named by an id and signed by the current
// token-signing key.
func (m *Metadata) Marshal(id string, key crypto.Signer) ([]byte, error) {
	if len(m.Signing) == 0 {
		return nil, errors.New("federation metadata has a token-signing certificate")
	}
	w := &xmltree.Writer{}
	w.Put(`<EntityDescriptor xmlns="%s" ID="%s" entityID="%s">`, nsMetadata, id, m.Issuer)
	w.Put(`<RoleDescriptor xmlns:xsi="%s" xmlns:fed="%s" xsi:type="fed:%s" protocolSupportEnumeration="http://docs.oasis-open.org/ws-sx/ws-trust/200512 http://schemas.xmlsoap.org/ws/2005/02/trust %s">`,
		xmltree.NamespaceXSI, nsFederation, roleType, nsFederation)
	for _, c := range m.Signing {
		w.Put(`<KeyDescriptor use="signing"><KeyInfo xmlns="%s"><X509Data><X509Certificate>%s</X509Certificate></X509Data></KeyInfo></KeyDescriptor>`,
			nsSignature, base64.StdEncoding.EncodeToString(c.Raw))
	}
	w.Put(`<fed:TokenTypesOffered><fed:TokenType Uri="%s"/></fed:TokenTypesOffered>`, saml.Namespace)
	w.Put(`<fed:SecurityTokenServiceEndpoint><EndpointReference xmlns="%s"><Address>%s</Address><Metadata><Metadata xmlns="%s"><MetadataSection Dialect="%s"><MetadataReference><Address xmlns="%s">%s</Address></MetadataReference></MetadataSection></Metadata></Metadata></EndpointReference></fed:SecurityTokenServiceEndpoint>`,
		soap.Addressing, m.Active, nsExchange, nsExchange, soap.Addressing, m.MEX)
	w.Put(`<fed:PassiveRequestorEndpoint><EndpointReference xmlns="%s"><Address>%s</Address></EndpointReference></fed:PassiveRequestorEndpoint></RoleDescriptor></EntityDescriptor>`,
		soap.Addressing, m.Passive)
	return saml.SignEnveloped([]byte(w.String()), "ID", key, m.Signing[0])
}

// Parse reads a document. Roles that it does not know are passed over.
func Parse(b []byte) (*Metadata, error) {
	root, err := xmltree.Parse(b, xmltree.Limits{Bytes: MaxDocument, Depth: 24, Elements: 8192, Attributes: 32})
	if err != nil {
		return nil, malformed("%v", err)
	}
	if !root.Is(nsMetadata, "EntityDescriptor") || root.Attr("", "entityID") == "" {
		return nil, malformed("not the description of an entity")
	}
	m := &Metadata{Issuer: root.Attr("", "entityID")}
	for _, role := range root.Children {
		kind := role.Attr(xmltree.NamespaceXSI, "type")
		if !role.Is(nsMetadata, "RoleDescriptor") || kind[strings.LastIndexByte(kind, ':')+1:] != roleType {
			continue
		}
		if m.Passive != "" {
			return nil, malformed("two token services")
		}
		if err := m.readRole(role); err != nil {
			return nil, err
		}
	}
	if m.Passive == "" || len(m.Signing) == 0 {
		return nil, malformed("no token service with an endpoint and a certificate")
	}
	return m, nil
}

func (m *Metadata) readRole(role *xmltree.Element) error {
	for _, c := range role.Children {
		switch {
		case c.Is(nsMetadata, "KeyDescriptor") && c.Attr("", "use") == "signing":
			if err := m.readKey(c); err != nil {
				return err
			}
		case c.Is(nsFederation, "SecurityTokenServiceEndpoint") && m.Active == "":
			m.Active = address(c)
			c.All(func(e *xmltree.Element) {
				if e.Is(nsExchange, "MetadataReference") {
					m.MEX, _ = e.Word(soap.Addressing, "Address")
				}
			})
		case c.Is(nsFederation, "PassiveRequestorEndpoint") && m.Passive == "":
			m.Passive = address(c)
		}
	}
	return nil
}

// address returns the first address of an endpoint that is HTTPS.
func address(endpoint *xmltree.Element) string {
	for _, reference := range endpoint.Children {
		if text, err := reference.Word(soap.Addressing, "Address"); err == nil && strings.HasPrefix(text, "https://") {
			return text
		}
	}
	return ""
}

func (m *Metadata) readKey(e *xmltree.Element) error {
	var err error
	e.All(func(e *xmltree.Element) {
		if !e.Is(nsSignature, "X509Certificate") || err != nil {
			return
		}
		der, failed := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(e.Text), ""))
		if failed != nil {
			err = malformed("certificate that is not base64")
			return
		}
		certificate, failed := x509.ParseCertificate(der)
		if failed != nil || len(m.Signing) == maxCertificates {
			err = malformed("certificates")
			return
		}
		if !slices.ContainsFunc(m.Signing, func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, der) }) {
			m.Signing = append(m.Signing, certificate)
		}
	})
	return err
}
