package kerberos

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/krb"
)

// domainComponent is the attribute of a distinguished name that is one label of
// a domain's name (RFC 4519 2.4).
var domainComponent = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}

// HintIn is the DNS name of the domain that a user's certificate leads to (seed
// 002, A4 A): by the distinguished name of its subject, else by the user principal
// name among its alternative ones. "": neither is there.
func HintIn(cert *x509.Certificate) (domain, from string) {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawSubject, &name); err == nil && len(rest) == 0 {
		var labels []string
		for _, rdn := range name { // the root comes first in DER
			for _, a := range rdn {
				if text, ok := a.Value.(string); ok && a.Type.Equal(domainComponent) {
					labels = append(labels, text)
				}
			}
		}
		if len(labels) > 0 {
			slices.Reverse(labels)
			return strings.ToLower(strings.Join(labels, ".")), "subject"
		}
	}
	if upn := UPNIn(cert); upn != "" {
		_, domain, _ = strings.Cut(upn, "@")
		return strings.ToLower(domain), "upn"
	}
	return "", ""
}

// NameIn is whom a certificate asks a ticket for: the user principal name in it,
// else the name by which the user is known anyway.
func NameIn(cert *x509.Certificate, known krb.Name) krb.Name {
	if upn := UPNIn(cert); upn != "" {
		return krb.Enterprise(upn)
	}
	return known
}

// NameOf is adcert's DirectoryName.
func NameOf(raw []byte) string { return adcert.DirectoryName(raw) }

// UPNIn is the user principal name among a certificate's alternative names; "" when
// there is none.
func UPNIn(cert *x509.Certificate) string {
	names, err := adcert.Names(cert)
	if err != nil || len(names.UPNs) == 0 || !strings.Contains(names.UPNs[0], "@") {
		return ""
	}
	return names.UPNs[0]
}
