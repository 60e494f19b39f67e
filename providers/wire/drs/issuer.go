package drs

import (
	"crypto/x509/pkix"
	"encoding/asn1"

	"hellolab/providers/wire/guid"
)

// IssuerName is the name of the authority of device certificates, DER: one
// relative name of several attributes, DC=net + DC=windows +
// CN=MS-Organization-Access + OU=GUID (MS-DVRJ 4.1 has it so, with the labels of a
// domain).
func IssuerName(unit guid.GUID, labels ...string) ([]byte, error) {
	dc := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	var name pkix.RelativeDistinguishedNameSET
	for _, label := range labels {
		name = append(name, pkix.AttributeTypeAndValue{Type: dc, Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(label)}})
	}
	return asn1.Marshal(pkix.RDNSequence{append(name,
		pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "MS-Organization-Access"},
		pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: unit.String()},
	)})
}

// ClientAuthExtension is the extended key usage of device certificates, which is
// critical (MS-DVRJ 4.1); crypto/x509 would write it otherwise.
func ClientAuthExtension() (ext pkix.Extension, err error) {
	ext.Id, ext.Critical = asn1.ObjectIdentifier{2, 5, 29, 37}, true
	ext.Value, err = asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 2}})
	return ext, err
}
