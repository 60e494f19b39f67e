package ca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/ocsp"
)

// maxDN bounds a requester's distinguished name, in bytes.
const maxDN = 4 << 10

// certificate makes a certificate's content, serial number and life left out:
// names of the requester, everything else of the template.
func (c *CA) certificate(t *Template, r *Requester, pub any) (*x509.Certificate, error) {
	subject, err := t.subject(r)
	if err != nil {
		return nil, err
	}
	id, err := keyID(pub)
	if err != nil {
		return nil, err
	}
	cert := &x509.Certificate{RawSubject: subject, KeyUsage: t.usage(pub), UnknownExtKeyUsage: t.EKUs, SubjectKeyId: id}
	add := func(ext pkix.Extension, err error) error {
		cert.ExtraExtensions = append(cert.ExtraExtensions, ext)
		return err
	}
	names, err := t.alternative(r)
	if err != nil {
		return nil, err
	}
	if names != nil {
		ext, err := names.Extension(len(subject) == 2) // critical where there is no subject
		if err != nil {
			return nil, refuse(CodeBadRequestSubject, "A name of the requester cannot stand in a certificate: %v.", err)
		}
		cert.ExtraExtensions = append(cert.ExtraExtensions, ext)
	}
	version := t.Certificate()
	if err := add(version.Extension()); err != nil {
		return nil, err
	}
	if t.Schema >= 2 {
		if err := add(adcert.ApplicationPolicies(t.EKUs)); err != nil {
			return nil, err
		}
	}
	if t.Enrollment&NoSecurityExtension == 0 {
		if r.SID.IsZero() {
			return nil, refuse(CodeBadRequestSubject, "The requester has no security identifier.")
		}
		cert.ExtraExtensions = append(cert.ExtraExtensions, adcert.SIDExtension(r.SID))
	}
	if t.Enrollment&AddOCSPNoCheck != 0 {
		cert.ExtraExtensions = append(cert.ExtraExtensions, pkix.Extension{Id: ocsp.ExtNoCheck, Value: asn1.NullBytes})
	}
	if t.Enrollment&NoRevocationInfo == 0 {
		if err := c.addresses(cert); err != nil {
			return nil, err
		}
	}
	return cert, nil
}

// usage is the template's; what only RSA can do is taken off other keys.
func (t *Template) usage(pub any) x509.KeyUsage {
	if _, elliptic := pub.(*ecdsa.PublicKey); elliptic {
		return t.KeyUsage &^ x509.KeyUsageKeyEncipherment
	}
	return t.KeyUsage
}

// subject returns the DER name; an empty sequence where the template wants none.
func (t *Template) subject(r *Requester) ([]byte, error) {
	var name pkix.RDNSequence
	common := func(cn string) {
		name = append(name, []pkix.AttributeTypeAndValue{{Type: oidCommonName, Value: cn}})
	}
	switch {
	case t.Names&SubjectRequireDirectoryPath != 0:
		var err error
		if name, err = nameOfDN(r.DN); err != nil {
			return nil, err
		}
	case t.Names&SubjectRequireDNSAsCN != 0:
		if len(r.DNSNames) == 0 {
			return nil, refuse(CodeDNSRequired, "The template requires a DNS name, and the requester's account has none.")
		}
		if len(r.DNSNames[0]) <= maxCN { // longer ones are in the alternative name only
			common(r.DNSNames[0])
		}
	case t.Names&SubjectRequireCommonName != 0:
		if r.CommonName == "" || len(r.CommonName) > maxCN {
			return nil, refuse(CodeBadRequestSubject, "The template requires a common name of at most %d characters.", maxCN)
		}
		common(r.CommonName)
	}
	if t.Names&SubjectRequireEmail != 0 {
		if r.Email == "" {
			return nil, refuse(CodeEmailRequired, "The template requires an e-mail address, and the requester's account has none.")
		}
		name = append(name, []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1},
			Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(r.Email)}}})
	}
	der, err := asn1.Marshal(name)
	if err != nil {
		return nil, refuse(CodeBadRequestSubject, "The requester's name cannot stand in a certificate.")
	}
	return der, nil
}

// alternative returns the alternative names, nil where the template wants none.
func (t *Template) alternative(r *Requester) (*adcert.SAN, error) {
	var n adcert.SAN
	any := false
	if t.Names&AltRequireUPN != 0 {
		if r.UPN == "" {
			return nil, refuse(CodeUPNRequired, "The template requires a user principal name, and the requester's account has none.")
		}
		n.UPNs, any = []string{r.UPN}, true
	}
	if t.Names&AltRequireEmail != 0 {
		if r.Email == "" {
			return nil, refuse(CodeEmailRequired, "The template requires an e-mail address, and the requester's account has none.")
		}
		n.Emails, any = []string{r.Email}, true
	}
	if t.Names&AltRequireDirectoryGUID != 0 {
		if r.ObjectGUID.IsZero() {
			return nil, refuse(CodeGUIDRequired, "The template requires the GUID of the requester's account.")
		}
		n.ObjectGUID, any = r.ObjectGUID, true
	}
	if t.Names&AltRequireDNS != 0 {
		if len(r.DNSNames) == 0 {
			return nil, refuse(CodeDNSRequired, "The template requires a DNS name, and the requester's account has none.")
		}
		n.DNSNames, any = slices.Clone(r.DNSNames), true
	}
	if t.Names&(AltRequireDomainDNS|AltKDC) != 0 && r.DomainDNS == "" {
		return nil, refuse(CodeDNSRequired, "The template requires the name of the requester's domain.")
	}
	if t.Names&AltRequireDomainDNS != 0 {
		n.DNSNames, any = append(n.DNSNames, r.DomainDNS), true
		if r.DomainNetBIOS != "" {
			n.DNSNames = append(n.DNSNames, r.DomainNetBIOS)
		}
	}
	if t.Names&AltKDC != 0 {
		n.Principals, any = []adcert.PrincipalName{adcert.KDCName(strings.ToUpper(r.DomainDNS))}, true
	}
	for _, name := range n.DNSNames {
		if !dnsName(strings.TrimPrefix(name, "*.")) {
			return nil, refuse(CodeDNSRequired, "%q is not a DNS name.", name)
		}
	}
	if !any {
		return nil, nil
	}
	return &n, nil
}

// attributeTypes are the parts of a directory's names that certificates have.
var attributeTypes = map[string]asn1.ObjectIdentifier{
	"CN": oidCommonName, "DC": oidDomainComponent, "OU": {2, 5, 4, 11}, "O": {2, 5, 4, 10}, "L": {2, 5, 4, 7}, "ST": {2, 5, 4, 8}, "C": {2, 5, 4, 6},
}

// nameOfDN turns an LDAP name (RFC 4514, the leaf first) into a certificate's
// (the root first).
func nameOfDN(text string) (pkix.RDNSequence, error) {
	bad := func() (pkix.RDNSequence, error) {
		return nil, refuse(CodeBadRequestSubject, "The requester's distinguished name cannot stand in a certificate.")
	}
	if text == "" || len(text) > maxDN {
		return bad()
	}
	dn, err := ldap.ParseDN(text)
	if err != nil {
		return bad()
	}
	var name pkix.RDNSequence
	for _, rdn := range slices.Backward(dn.RDNs) {
		var set pkix.RelativeDistinguishedNameSET
		for _, a := range rdn.Attributes {
			id, ok := attributeTypes[strings.ToUpper(a.Type)]
			if !ok || a.Value == "" {
				return bad()
			}
			if id.Equal(oidDomainComponent) {
				set = append(set, domainComponent(a.Value)[0])
				continue
			}
			set = append(set, pkix.AttributeTypeAndValue{Type: id, Value: a.Value})
		}
		name = append(name, set)
	}
	return name, nil
}
