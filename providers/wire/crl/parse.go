package crl

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// List is a list that was read. Its signature is not checked yet (VerifyFrom).
type List struct {
	Raw         []byte
	RawIssuer   []byte
	ThisUpdate  time.Time
	NextUpdate  time.Time // zero: the list does not say
	NextPublish time.Time // zero: the list does not say
	Number      *big.Int  // nil: none
	Base        *big.Int  // of a delta list: the number of the base list it completes
	Freshest    []string
	CAVersion   int

	entries []Entry
	index   map[string]int // serial → place in entries, the last one counts
	list    *x509.RevocationList
}

// Parse reads one list in DER that fills der.
func Parse(der []byte) (*List, error) {
	if len(der) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrSize, len(der), MaxSize)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	if len(list.Raw) != len(der) {
		return nil, fmt.Errorf("%w: trailing data", ErrSyntax)
	}
	l := &List{Raw: list.Raw, RawIssuer: list.RawIssuer, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate, Number: list.Number, list: list,
		entries: make([]Entry, 0, len(list.RevokedCertificateEntries)), index: make(map[string]int, len(list.RevokedCertificateEntries))}
	if err := l.readExtensions(list.Extensions); err != nil {
		return nil, err
	}
	for _, e := range list.RevokedCertificateEntries {
		for _, ext := range e.Extensions {
			if ext.Critical && !ext.Id.Equal(extReason) && !ext.Id.Equal(extInvalidity) {
				return nil, fmt.Errorf("%w: critical extension %s of an entry", ErrUnsupported, ext.Id)
			}
		}
		if !Reason(e.ReasonCode).Known() {
			return nil, fmt.Errorf("%w: reason %d", ErrSyntax, e.ReasonCode)
		}
		l.index[key(e.SerialNumber)] = len(l.entries)
		l.entries = append(l.entries, Entry{e.SerialNumber, e.RevocationTime, Reason(e.ReasonCode)})
	}
	return l, nil
}

func (l *List) readExtensions(extensions []pkix.Extension) error {
	seen := map[string]bool{}
	for _, ext := range extensions {
		id := ext.Id.String()
		if seen[id] {
			return fmt.Errorf("%w: extension %s is there twice", ErrSyntax, id)
		}
		seen[id] = true
		var err error
		switch {
		case ext.Id.Equal(ExtDeltaIndicator):
			if err = whole(ext.Value, &l.Base); err == nil && l.Base.Sign() < 0 {
				err = errors.New("negative number")
			}
		case ext.Id.Equal(ExtNextPublish):
			err = whole(ext.Value, &l.NextPublish)
		case ext.Id.Equal(ExtCAVersion):
			err = whole(ext.Value, &l.CAVersion)
		case ext.Id.Equal(ExtFreshest):
			l.Freshest, err = parsePoints(ext.Value)
		case ext.Id.Equal(ExtIssuingPoint):
			if err := wholeScope(ext.Value); err != nil {
				return err
			}
		case ext.Id.Equal(extNumber), ext.Id.Equal(extAuthorityKey):
		case ext.Critical:
			return fmt.Errorf("%w: critical extension %s", ErrUnsupported, id)
		}
		if err != nil {
			return fmt.Errorf("%w: extension %s: %w", ErrSyntax, id, err)
		}
	}
	if l.Number != nil && l.Number.Sign() < 0 {
		return fmt.Errorf("%w: negative number", ErrSyntax)
	}
	return nil
}

// IssuingDistributionPoint (RFC 5280 5.2.5): a list of some certificates, some
// reasons or several issuers says less than it seems to.
type issuingPoint struct {
	Point      asn1.RawValue  `asn1:"optional,tag:0"`
	OnlyUsers  bool           `asn1:"optional,tag:1"`
	OnlyCAs    bool           `asn1:"optional,tag:2"`
	SomeReason asn1.BitString `asn1:"optional,tag:3"`
	Indirect   bool           `asn1:"optional,tag:4"`
	OnlyAttrs  bool           `asn1:"optional,tag:5"`
}

func wholeScope(value []byte) error {
	var p issuingPoint
	if err := whole(value, &p); err != nil {
		return fmt.Errorf("%w: issuing distribution point: %w", ErrSyntax, err)
	}
	if p.OnlyUsers || p.OnlyCAs || p.Indirect || p.OnlyAttrs || p.SomeReason.BitLength > 0 {
		return fmt.Errorf("%w: it is indirect or of some certificates only", ErrUnsupported)
	}
	return nil
}

// whole decodes one DER value that fills b.
func whole(b []byte, v any) error {
	rest, err := asn1.Unmarshal(b, v)
	if err == nil && len(rest) > 0 {
		err = errors.New("trailing data")
	}
	return err
}

// Delta says whether this is a delta list.
func (l *List) Delta() bool { return l.Base != nil }

// Entries are the certificates in the list, in its order.
func (l *List) Entries() []Entry { return l.entries }

// Find returns what the list says of a serial number.
func (l *List) Find(serial *big.Int) (Entry, bool) {
	i, ok := l.index[key(serial)]
	if !ok {
		return Entry{}, false
	}
	return l.entries[i], true
}

// key tells serial numbers apart, their signs included.
func key(serial *big.Int) string {
	return string(append([]byte{byte(serial.Sign())}, serial.Bytes()...))
}

// Errors of VerifyFrom.
var (
	ErrIssuer    = errors.New("revocation list of another issuer")
	ErrSignature = errors.New("revocation list has a bad signature")
)

// VerifyFrom checks that issuer made the list: its name, its key where the list
// says which, its right to sign lists, the signature (no MD5 and no SHA-1).
func (l *List) VerifyFrom(issuer *x509.Certificate) error {
	if !bytes.Equal(l.RawIssuer, issuer.RawSubject) {
		return ErrIssuer
	}
	if id := l.list.AuthorityKeyId; len(id) > 0 && len(issuer.SubjectKeyId) > 0 && !bytes.Equal(id, issuer.SubjectKeyId) {
		return fmt.Errorf("%w: its key is another one", ErrIssuer)
	}
	switch l.list.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.UnknownSignatureAlgorithm:
		return fmt.Errorf("%w: algorithm %v", ErrSignature, l.list.SignatureAlgorithm)
	}
	if err := l.list.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}
