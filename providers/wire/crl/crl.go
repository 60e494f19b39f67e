// Package crl is the format of certificate revocation lists as a Windows CA
// writes and a Windows client reads them: base and delta lists, where the
// newest delta is found, and when the next list is to be expected.
//
// A list is signed data and nothing more: whether it is in its life, and what
// it means for a certificate, is decided in wire/revocation.
//
// Sources: RFC 5280 5 (profile, 5.2.4 delta lists, 5.2.6 freshest list),
// MS-WCCE 2.2.2.7.7 and "Certificate Revocation List Properties" (CA version,
// next publish).
package crl

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"
)

const (
	// MaxSize bounds a list that is read, in bytes.
	MaxSize = 4 << 20
	// MaxEntries bounds the certificates of a list that is written: at no more
	// than 60 bytes each they stay below MaxSize.
	MaxEntries = 50_000
	// maxPoints bounds the addresses of one distribution point extension.
	maxPoints = 16
)

// Extensions of lists and, for the freshest list, of certificates.
var (
	ExtDeltaIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}
	ExtIssuingPoint   = asn1.ObjectIdentifier{2, 5, 29, 28}
	ExtPoints         = asn1.ObjectIdentifier{2, 5, 29, 31} // cRLDistributionPoints, of certificates
	ExtFreshest       = asn1.ObjectIdentifier{2, 5, 29, 46}
	ExtCAVersion      = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 1} // szOID_CERTSRV_CA_VERSION
	ExtNextPublish    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 4} // szOID_CRL_NEXT_PUBLISH

	extNumber       = asn1.ObjectIdentifier{2, 5, 29, 20}
	extAuthorityKey = asn1.ObjectIdentifier{2, 5, 29, 35}
	extReason       = asn1.ObjectIdentifier{2, 5, 29, 21}
	extInvalidity   = asn1.ObjectIdentifier{2, 5, 29, 24}
)

// Errors of Parse.
var (
	ErrSyntax      = errors.New("malformed revocation list")
	ErrSize        = errors.New("revocation list is too large")
	ErrUnsupported = errors.New("revocation list of an unsupported kind") // indirect, partial, or with an unknown critical extension
)

// Reason is why a certificate was revoked (CRLReason, RFC 5280 5.3.1).
type Reason int

// Reasons; 7 is not used.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6 // the only one that can be taken back
	RemoveFromCRL        Reason = 8 // in a delta list: no longer revoked
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

var reasonNames = map[Reason]string{
	Unspecified: "unspecified", KeyCompromise: "keyCompromise", CACompromise: "cACompromise", AffiliationChanged: "affiliationChanged",
	Superseded: "superseded", CessationOfOperation: "cessationOfOperation", CertificateHold: "certificateHold", RemoveFromCRL: "removeFromCRL",
	PrivilegeWithdrawn: "privilegeWithdrawn", AACompromise: "aACompromise",
}

// String returns the name of RFC 5280.
func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return fmt.Sprintf("reason %d", int(r))
}

// ParseReason is String's opposite, in whatever case.
func ParseReason(name string) (Reason, bool) {
	for r, n := range reasonNames {
		if strings.EqualFold(n, name) {
			return r, true
		}
	}
	return 0, false
}

// Known says whether RFC 5280 has the reason.
func (r Reason) Known() bool { _, ok := reasonNames[r]; return ok }

// Entry is one revoked certificate.
type Entry struct {
	Serial *big.Int
	At     time.Time
	Reason Reason
}

// Template is a list to be made.
type Template struct {
	Number      int64
	Base        int64 // number of the base list a delta list completes; 0: this is a base list
	ThisUpdate  time.Time
	NextUpdate  time.Time
	NextPublish time.Time // when the CA means to publish again; zero: not said
	Freshest    []string  // where the newest delta list is, in a base list
	CAVersion   int       // certificate index in the low, key index in the high 16 bits
	Entries     []Entry
}

// Create signs a list of issuer, whose key is key.
func Create(rand io.Reader, t Template, issuer *x509.Certificate, key crypto.Signer) ([]byte, error) {
	if len(t.Entries) > MaxEntries {
		return nil, fmt.Errorf("%w: %d entries, at most %d", ErrSize, len(t.Entries), MaxEntries)
	}
	list := &x509.RevocationList{Number: big.NewInt(t.Number), ThisUpdate: t.ThisUpdate, NextUpdate: t.NextUpdate}
	for _, e := range t.Entries {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: e.Serial, RevocationTime: e.At, ReasonCode: int(e.Reason)})
	}
	add := func(id asn1.ObjectIdentifier, critical bool, v any) error {
		value, err := asn1.Marshal(v)
		list.ExtraExtensions = append(list.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
		return err
	}
	err := add(ExtCAVersion, false, t.CAVersion)
	if t.Base != 0 {
		err = errors.Join(err, add(ExtDeltaIndicator, true, t.Base))
	}
	if !t.NextPublish.IsZero() {
		err = errors.Join(err, add(ExtNextPublish, false, t.NextPublish.UTC()))
	}
	if err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	if len(t.Freshest) > 0 {
		ext, err := Points(ExtFreshest, t.Freshest)
		if err != nil {
			return nil, err
		}
		list.ExtraExtensions = append(list.ExtraExtensions, ext)
	}
	der, err := x509.CreateRevocationList(rand, list, issuer, key)
	if err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	return der, nil
}
