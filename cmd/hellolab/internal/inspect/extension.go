package inspect

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"strings"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/drs"
)

const (
	nameEK  = "endorsement key certificate"
	nameAIK = "attestation identity key certificate"
)

// usageNames are extended key usages that crypto/x509 has no name for, and
// those that this project's world calls otherwise.
var usageNames = map[string]string{
	"2.23.133.8.1":           nameEK,
	"2.23.133.8.3":           nameAIK,
	"1.3.6.1.4.1.311.20.2.2": "smart card logon",
	"1.3.6.1.5.2.3.4":        "PKINIT client authentication",
	"1.3.6.1.5.2.3.5":        "Kerberos authentication (KDC)",
	"1.3.6.1.4.1.311.20.2.1": "enrolment agent",
}

var standardUsages = map[x509.ExtKeyUsage]string{
	x509.ExtKeyUsageAny:             "any",
	x509.ExtKeyUsageServerAuth:      "server authentication",
	x509.ExtKeyUsageClientAuth:      "client authentication",
	x509.ExtKeyUsageCodeSigning:     "code signing",
	x509.ExtKeyUsageEmailProtection: "e-mail protection",
	x509.ExtKeyUsageTimeStamping:    "time stamping",
	x509.ExtKeyUsageOCSPSigning:     "OCSP signing",
}

func usagesOf(cert *x509.Certificate) []string {
	var names []string
	for _, u := range cert.ExtKeyUsage {
		name, ok := standardUsages[u]
		if !ok {
			name = fmt.Sprintf("usage %d of crypto/x509", u)
		}
		names = append(names, name)
	}
	for _, oid := range cert.UnknownExtKeyUsage {
		if name, ok := usageNames[oid.String()]; ok {
			names = append(names, name+" ("+oid.String()+")")
		} else {
			names = append(names, oid.String())
		}
	}
	return names
}

func keyUsages(u x509.KeyUsage) string {
	var names []string
	for bit, name := range []string{"digital signature", "content commitment", "key encipherment", "data encipherment", "key agreement", "certificate signing", "CRL signing", "encipher only", "decipher only"} {
		if u&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// alternativeNames lists a certificate's subject alternative names (RFC 5280
// 4.2.1.6), the user principal name of Windows among them. The TPM's is told
// elsewhere.
func alternativeNames(cert *x509.Certificate) []string {
	var names []string
	for _, n := range cert.DNSNames {
		names = append(names, "DNS "+n)
	}
	for _, n := range cert.EmailAddresses {
		names = append(names, "e-mail "+n)
	}
	for _, n := range cert.IPAddresses {
		names = append(names, "IP "+n.String())
	}
	for _, n := range cert.URIs {
		names = append(names, "URI "+n.String())
	}
	return append(names, directoryNames(cert)...)
}

// directoryNames are the otherNames: those of Active Directory by their
// content, others by their type.
func directoryNames(cert *x509.Certificate) []string {
	var names []string
	san, err := adcert.Names(cert)
	for _, upn := range san.UPNs {
		names = append(names, "UPN "+upn)
	}
	for _, p := range san.Principals {
		names = append(names, "Kerberos principal "+p.String())
	}
	if !san.ObjectGUID.IsZero() {
		names = append(names, "directory object "+san.ObjectGUID.String())
	}
	for _, ext := range cert.Extensions {
		var general []asn1.RawValue
		if !ext.Id.Equal(adcert.ExtSubjectAltName) {
			continue
		}
		if _, err := asn1.Unmarshal(ext.Value, &general); err != nil {
			continue
		}
		for _, g := range general {
			var oid asn1.ObjectIdentifier
			if g.Class != asn1.ClassContextSpecific || g.Tag != 0 {
				continue
			}
			if _, e := asn1.Unmarshal(g.Bytes, &oid); e != nil {
				continue
			}
			if err != nil || !oid.Equal(adcert.NameUPN) && !oid.Equal(adcert.NamePKINIT) && !oid.Equal(adcert.NameObjectGUID) {
				names = append(names, "other name "+oid.String())
			}
		}
	}
	return names
}

// toldElsewhere are extensions whose content is shown under a name of its own.
var toldElsewhere = map[string]bool{"2.5.29.15": true, "2.5.29.37": true, "2.5.29.19": true, "2.5.29.17": true, "2.5.29.31": true, "2.5.29.46": true, "1.3.6.1.5.5.7.1.1": true,
	"1.3.6.1.4.1.311.20.2": true, "1.3.6.1.4.1.311.21.7": true, "1.3.6.1.4.1.311.25.2": true}

var extensionNames = map[string]string{
	"2.5.29.14":               "subject key identifier",
	"2.5.29.35":               "authority key identifier",
	"2.5.29.32":               "certificate policies",
	"1.3.6.1.4.1.311.21.1":    "CA version",
	"1.3.6.1.4.1.311.21.10":   "application policies",
	"1.3.6.1.5.5.7.48.1.5":    "OCSP no check",
	"1.3.6.1.4.1.11129.2.4.2": "signed certificate timestamps",
}

func otherExtensions(cert *x509.Certificate) []string {
	var out []string
	for _, ext := range cert.Extensions {
		oid := ext.Id.String()
		if _, _, device := drs.DescribeExtension(ext); device || toldElsewhere[oid] {
			continue
		}
		text := oid
		if name, ok := extensionNames[oid]; ok {
			text = name
		}
		if ext.Critical {
			text += ", critical"
		}
		out = append(out, text)
	}
	return out
}
