// Package adcert is what Active Directory adds to X.509: its key purposes, the
// names of users and domain controllers in a subject alternative name, the
// extensions that a Windows CA writes and a KDC reads, and how a certificate is
// mapped to an account (altSecurityIdentities).
//
// Writers return a pkix.Extension for x509.Certificate.ExtraExtensions; readers
// take an x509.Certificate. A reader answers "not there" and "malformed" apart:
// a malformed extension is never taken for an absent one, since absence decides
// which rules apply.
//
// Sources: MS-WCCE 2.2.2.7.7, MS-CRTD 2, MS-PKCA 2.2 and 3.1.5, MS-ADTS
// (altSecurityIdentities), RFC 4556 3.2 and appendix A, KB5014754.
package adcert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
)

// Key purposes (extended key usages, application policies).
var (
	EKUServerAuth              = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	EKUClientAuth              = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	EKUEmailProtection         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 4}
	EKUOCSPSigning             = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9}
	EKUKPClientAuth            = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 4} // id-pkinit-KPClientAuth
	EKUKPKdc                   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 5} // id-pkinit-KPKdc
	EKUSmartCardLogon          = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
	EKUCertificateRequestAgent = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 1}
	EKUKeyRecoveryAgent        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 6}
	EKUDSEmailReplication      = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 19}
	EKUAnyPurpose              = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
)

// Extensions.
var (
	ExtSubjectAltName      = asn1.ObjectIdentifier{2, 5, 29, 17}
	ExtTemplateName        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2}  // szOID_ENROLL_CERTTYPE_EXTENSION
	ExtTemplate            = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 7}  // szOID_CERTIFICATE_TEMPLATE
	ExtApplicationPolicies = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 10} // szOID_APPLICATION_CERT_POLICIES
	ExtCAVersion           = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 1}  // szOID_CERTSRV_CA_VERSION
	extExtendedKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 37}
	ExtSID                 = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2} // szOID_NTDS_CA_SECURITY_EXT
)

// Types of otherName.
var (
	NameUPN        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3} // szOID_NT_PRINCIPAL_NAME
	NamePKINIT     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 2}             // id-pkinit-san
	NameObjectGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 1}    // szOID_NTDS_REPLICATION
	nameSID        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2, 1} // szOID_NTDS_OBJECTSID
)

// maxExtension bounds an extension that is read, in bytes; maxNames what is
// listed in one.
const (
	maxExtension = 16 << 10
	maxNames     = 64
)

// ErrExtension is wrapped by every error about an extension that is there and
// cannot be read.
var ErrExtension = errors.New("malformed certificate extension")

// EKUs returns the key purposes of a certificate; none when it has no such
// extension, or one that x509.ParseCertificate would not have taken.
func EKUs(cert *x509.Certificate) []asn1.ObjectIdentifier {
	value, found, err := find(cert, extExtendedKeyUsage)
	if err != nil || !found {
		return nil
	}
	var ids []asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(value, &ids); err != nil || len(rest) > 0 {
		return nil
	}
	return ids
}

// HasEKU says whether a certificate names at least one of the purposes. Neither
// "any purpose" nor an absent extension counts: AD's own purposes must be named.
func HasEKU(cert *x509.Certificate, purposes ...asn1.ObjectIdentifier) bool {
	for _, have := range EKUs(cert) {
		for _, want := range purposes {
			if have.Equal(want) {
				return true
			}
		}
	}
	return false
}

// find returns the value of the extension id. An extension that is there twice
// is malformed.
func find(cert *x509.Certificate, id asn1.ObjectIdentifier) (value []byte, found bool, err error) {
	for _, e := range cert.Extensions {
		if !e.Id.Equal(id) {
			continue
		}
		if found || len(e.Value) > maxExtension {
			return nil, true, ErrExtension
		}
		value, found = e.Value, true
	}
	return value, found, nil
}

// understood takes id off the list of critical extensions that nobody handled.
func understood(cert *x509.Certificate, id asn1.ObjectIdentifier) {
	cert.UnhandledCriticalExtensions = slices.DeleteFunc(cert.UnhandledCriticalExtensions, id.Equal)
}

func extension(id asn1.ObjectIdentifier, critical bool, value []byte, err error) (pkix.Extension, error) {
	if err != nil {
		return pkix.Extension{}, err
	}
	return pkix.Extension{Id: id, Critical: critical, Value: value}, nil
}
