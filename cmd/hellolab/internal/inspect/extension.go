package inspect

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
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

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
)

// alternativeNames lists a certificate's subject alternative names (RFC 5280
// 4.2.1.6), those of Active Directory and Kerberos among them. The TPM's is told
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
	of, err := adcert.Names(cert)
	for _, n := range of.UPNs {
		names = append(names, "UPN "+n)
	}
	for _, n := range of.Principals {
		names = append(names, "Kerberos principal "+n.String())
	}
	if !of.ObjectGUID.IsZero() {
		names = append(names, "object GUID "+of.ObjectGUID.String())
	}
	for _, ext := range cert.Extensions {
		var general []asn1.RawValue
		if !ext.Id.Equal(oidSubjectAltName) {
			continue
		}
		if _, err := asn1.Unmarshal(ext.Value, &general); err != nil {
			continue
		}
		for _, g := range general {
			if g.Class != asn1.ClassContextSpecific || g.Tag != 0 {
				continue
			}
			var oid asn1.ObjectIdentifier
			if _, e := asn1.Unmarshal(g.Bytes, &oid); e != nil {
				continue
			}
			if known := isOneOf(oid, adcert.NameUPN, adcert.NamePKINIT, adcert.NameObjectGUID); !known || err != nil {
				names = append(names, "other name "+oid.String())
			}
		}
	}
	return names
}

func isOneOf(oid asn1.ObjectIdentifier, among ...asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(among, oid.Equal)
}

// directoryExtensions are what an enterprise CA says of the account and of how
// the certificate was made, and where its status is found.
func directoryExtensions(cert *x509.Certificate) Fields {
	f := Fields{}
	switch s, found, err := adcert.SID(cert); {
	case err != nil:
		f.add("account sid", "(it cannot be read: "+err.Error()+")")
	case found:
		f.noted("account sid", s.String(), "strong mapping")
	}
	switch t, found, err := adcert.TemplateOf(cert); {
	case err != nil:
		f.add("template", "(it cannot be read: "+err.Error()+")")
	case found && t.ID == nil:
		f.add("template", t.Name)
	case found:
		f.noted("template", t.ID.String(), fmt.Sprintf("version %d.%d", t.Major, t.Minor))
	}
	for _, places := range []struct {
		name string
		urls []string
	}{{"revocation lists", cert.CRLDistributionPoints}, {"ocsp", cert.OCSPServer}, {"issuer's certificate", cert.IssuingCertificateURL}} {
		if len(places.urls) > 0 {
			f.many(places.name, len(places.urls), func(k int) any { return places.urls[k] })
		}
	}
	return f
}

// toldElsewhere are extensions whose content is shown under a name of its own.
var toldElsewhere = map[string]bool{"2.5.29.15": true, "2.5.29.37": true, "2.5.29.19": true, "2.5.29.17": true,
	"1.3.6.1.4.1.311.25.2": true, "1.3.6.1.4.1.311.21.7": true, "1.3.6.1.4.1.311.20.2": true}

var extensionNames = map[string]string{
	"2.5.29.14":               "subject key identifier",
	"2.5.29.35":               "authority key identifier",
	"2.5.29.31":               "CRL distribution points",
	"2.5.29.32":               "certificate policies",
	"1.3.6.1.5.5.7.1.1":       "authority information access",
	"1.3.6.1.4.1.311.21.10":   "application policies",
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
