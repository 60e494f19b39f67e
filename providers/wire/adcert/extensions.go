package adcert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"fmt"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/wire/sid"
)

// SIDExtension writes szOID_NTDS_CA_SECURITY_EXT (MS-WCCE 2.2.2.7.7.4), by
// which an online CA says whose certificate it is:
//
//	SEQUENCE OF GeneralName, one: otherName [0] { szOID_NTDS_OBJECTSID,
//	    [0] OCTET STRING of the text "S-1-…" in ASCII }
func SIDExtension(s sid.SID) pkix.Extension {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		otherName(b, nameSID, func(b *cryptobyte.Builder) { b.AddASN1OctetString([]byte(s.String())) })
	})
	return pkix.Extension{Id: ExtSID, Value: b.BytesOrPanic()}
}

// SID returns whose certificate this is by the CA's word: from ExtSID, else
// from a SIDURI among the names. found is false when neither is there. Errors
// wrap ErrExtension; two identifiers that differ are an error.
func SID(cert *x509.Certificate) (s sid.SID, found bool, err error) {
	value, found, err := find(cert, ExtSID)
	if err != nil {
		return sid.SID{}, true, err
	}
	if found {
		if s, err = parseSID(value); err != nil {
			return sid.SID{}, true, err
		}
	}
	names, err := Names(cert)
	if err != nil {
		return sid.SID{}, true, err
	}
	for _, uri := range names.URIs {
		text, ok := strings.CutPrefix(uri, sidURI)
		if !ok {
			continue
		}
		named, err := sid.Parse(text)
		if err != nil || found && named != s {
			return sid.SID{}, true, fmt.Errorf("%w: security identifier in a name", ErrExtension)
		}
		s, found = named, true
	}
	return s, found, nil
}

func parseSID(value []byte) (sid.SID, error) {
	in := cryptobyte.String(value)
	var name, inner, text cryptobyte.String
	var id stdasn1.ObjectIdentifier
	if !unwrap(&in) || !in.ReadASN1(&name, explicit(tagOtherName)) || !in.Empty() ||
		!name.ReadASN1ObjectIdentifier(&id) || !id.Equal(nameSID) ||
		!name.ReadASN1(&inner, explicit(0)) || !name.Empty() ||
		!inner.ReadASN1(&text, asn1.OCTET_STRING) || !inner.Empty() {
		return sid.SID{}, fmt.Errorf("%w: security identifier", ErrExtension)
	}
	s, err := sid.Parse(string(text))
	if err != nil {
		return sid.SID{}, fmt.Errorf("%w: %w", ErrExtension, err)
	}
	return s, nil
}

// Template names the certificate template that a certificate was made from. A
// version 2 template has an identifier and versions, a version 1 template only
// a name; a certificate carries one of the two extensions.
type Template struct {
	Name         string                   // version 1; "" otherwise
	ID           stdasn1.ObjectIdentifier // version 2 and later; nil otherwise
	Major, Minor int
}

// maxVersion bounds a template's version numbers (u32 in MS-CRTD).
const maxVersion = 1<<32 - 1

// Extension writes the template:
//
//	szOID_ENROLL_CERTTYPE_EXTENSION  BMPString
//	szOID_CERTIFICATE_TEMPLATE       SEQUENCE { templateID OID,
//	    templateMajorVersion INTEGER, templateMinorVersion INTEGER OPTIONAL }
func (t Template) Extension() (pkix.Extension, error) {
	b := cryptobyte.NewBuilder(nil)
	if t.ID == nil {
		b.AddASN1(bmpString, func(b *cryptobyte.Builder) {
			for _, unit := range utf16.Encode([]rune(t.Name)) {
				b.AddUint16(unit)
			}
		})
		value, err := b.Bytes()
		return extension(ExtTemplateName, false, value, err)
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(t.ID)
		b.AddASN1Int64(int64(t.Major))
		b.AddASN1Int64(int64(t.Minor))
	})
	value, err := b.Bytes()
	return extension(ExtTemplate, false, value, err)
}

const bmpString = asn1.Tag(30)

// TemplateOf returns the template of a certificate; found is false when it
// names none. Errors wrap ErrExtension.
func TemplateOf(cert *x509.Certificate) (t Template, found bool, err error) {
	value, found, err := find(cert, ExtTemplate)
	if err != nil {
		return Template{}, true, err
	}
	if found {
		t, err = parseTemplate(value)
		return t, true, err
	}
	value, found, err = find(cert, ExtTemplateName)
	if err != nil || !found {
		return Template{}, found, err
	}
	in, text := cryptobyte.String(value), cryptobyte.String(nil)
	if !in.ReadASN1(&text, bmpString) || !in.Empty() || len(text)%2 != 0 || len(text) == 0 {
		return Template{}, true, fmt.Errorf("%w: template name", ErrExtension)
	}
	var units []uint16
	for len(text) > 0 {
		var unit uint16
		text.ReadUint16(&unit)
		units = append(units, unit)
	}
	return Template{Name: string(utf16.Decode(units))}, true, nil
}

func parseTemplate(value []byte) (Template, error) {
	var t Template
	in := cryptobyte.String(value)
	var major, minor int64
	ok := unwrap(&in) && in.ReadASN1ObjectIdentifier(&t.ID) && in.ReadASN1Integer(&major) &&
		(in.Empty() || in.ReadASN1Integer(&minor)) && in.Empty()
	if !ok || major < 0 || minor < 0 || major > maxVersion || minor > maxVersion {
		return Template{}, fmt.Errorf("%w: template", ErrExtension)
	}
	t.Major, t.Minor = int(major), int(minor)
	return t, nil
}

// ApplicationPolicies writes szOID_APPLICATION_CERT_POLICIES, which repeats the
// key purposes in the form of certificate policies: SEQUENCE OF SEQUENCE { OID }.
func ApplicationPolicies(purposes []stdasn1.ObjectIdentifier) (pkix.Extension, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, id := range purposes {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(id) })
		}
	})
	value, err := b.Bytes()
	return extension(ExtApplicationPolicies, false, value, err)
}

// ApplicationPoliciesOf returns the purposes of ApplicationPolicies; nil when
// the extension is absent. Errors wrap ErrExtension.
func ApplicationPoliciesOf(cert *x509.Certificate) ([]stdasn1.ObjectIdentifier, error) {
	value, found, err := find(cert, ExtApplicationPolicies)
	if err != nil || !found {
		return nil, err
	}
	in := cryptobyte.String(value)
	if !unwrap(&in) || in.Empty() {
		return nil, fmt.Errorf("%w: application policies", ErrExtension)
	}
	var ids []stdasn1.ObjectIdentifier
	for !in.Empty() {
		var policy cryptobyte.String
		var id stdasn1.ObjectIdentifier
		if len(ids) == maxNames || !in.ReadASN1(&policy, asn1.SEQUENCE) || !policy.ReadASN1ObjectIdentifier(&id) {
			return nil, fmt.Errorf("%w: application policies", ErrExtension)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
