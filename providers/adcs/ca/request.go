package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/sid"
)

// maxRequest bounds a PKCS #10 request, in bytes.
const maxRequest = 16 << 10

// Requester is somebody a certificate is for, as the directory knows them.
type Requester struct {
	SID    sid.SID   `json:"-"`    // a row of the database has its text
	Groups []sid.SID `json:"-"`    // all that hold, well-known ones too
	Name   string    `json:"name"` // DOMAIN\account, for the database

	DN         string    `json:"dn"` // as LDAP writes it
	CommonName string    `json:"common_name,omitempty"`
	UPN        string    `json:"upn,omitempty"`
	Email      string    `json:"email,omitempty"`
	ObjectGUID guid.GUID `json:"object_guid"`
	DNSNames   []string  `json:"dns_names,omitempty"` // dNSHostName first, then further names of its services

	// Of the account's domain: what a domain controller's certificate names.
	DomainDNS     string `json:"domain_dns,omitempty"`
	DomainNetBIOS string `json:"domain_netbios,omitempty"`
}

// Identifiers are the requester's own and its groups'.
func (r *Requester) Identifiers() []sid.SID { return append([]sid.SID{r.SID}, r.Groups...) }

// parseRequest reads a PKCS #10 request and checks that its sender has the key.
func parseRequest(der []byte) (*x509.CertificateRequest, error) {
	if len(der) > maxRequest {
		return nil, refuse(CodeInvalidArgument, "The request has more than %d bytes.", maxRequest)
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, refuse(CodeSyntax, "The request is not PKCS #10 in DER.")
	}
	// Before the signature: to check that of a huge key is work for nothing.
	if err := checkKey(request.PublicKey, 0, true); err != nil {
		return nil, err
	}
	switch request.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
	default:
		return nil, refuse(CodeWeak, "The request is signed with %s; SHA-256 is the least that is taken.", request.SignatureAlgorithm)
	}
	if request.CheckSignature() != nil {
		return nil, refuse(CodeBadSignature, "The request is not signed with its own key.")
	}
	return request, nil
}

// checkKey refuses keys that are too short, too long or weak. RSA keys have at
// least minimum bits.
func checkKey(pub crypto.PublicKey, minimum int, elliptical bool) error {
	switch key := pub.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		if bits < max(minimum, 1024) || bits > maxKeyBits {
			return refuse(CodeKeyLength, "An RSA key has %d to %d bits here, not %d.", max(minimum, 1024), maxKeyBits, bits)
		}
		for _, w := range keycred.Weaknesses(key) {
			if w != keycred.WeakSize { // the template's business
				return refuse(CodeWeak, "The request's key is weak: %s.", w)
			}
		}
		return nil
	case *ecdsa.PublicKey:
		if !elliptical {
			return refuse(CodeBadRequestStatus, "This template takes RSA keys only.")
		}
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521() {
			return refuse(CodeBadKey, "The request's key is on a curve that is not taken.")
		}
		return nil
	}
	return refuse(CodeBadKey, "The request's key is of a kind that is not taken.")
}

// keyID is the SHA-1 of the public key's bits (RFC 5280 4.2.1.2, method 1).
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &spki); err != nil {
		return nil, err
	}
	id := sha1.Sum(spki.Key.RightAlign())
	return id[:], nil
}

// template finds what a request asks for: by names beside the request, by name
// or identifier in its extensions (MS-WCCE 3.2.2.6.2.1.4.1). All that are there
// must mean one template.
func (c *CA) template(request *x509.CertificateRequest, names ...string) (*Template, error) {
	outside := &x509.Certificate{Extensions: request.Extensions}
	asked, found, err := adcert.TemplateOf(outside)
	if err != nil {
		return nil, refuse(CodeSyntax, "The request names its template in a form that cannot be read.")
	}
	var all []*Template // nil: one that is not known
	for _, name := range names {
		if name != "" {
			all = append(all, c.templates[strings.ToLower(name)])
		}
	}
	if found {
		var inside *Template
		for _, t := range c.templates {
			if asked.ID != nil && asked.ID.Equal(t.OID) || asked.ID == nil && strings.EqualFold(asked.Name, t.Name) {
				inside = t
			}
		}
		all = append(all, inside)
	}
	if len(all) == 0 || slices.Contains(all, nil) {
		return nil, refuse(CodeUnsupportedTemplate, "The requested certificate template is not supported by this CA.")
	}
	for _, t := range all {
		if t != all[0] {
			return nil, refuse(CodeTemplateConflict, "The request asks for two certificate templates.")
		}
	}
	return all[0], nil
}
