package kdc

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pkinit"
)

// Trust decides whether a certificate may sign in: its path, whether its
// authority may issue such certificates (NTAuth), revocation. Purpose, names
// and mapping are the KDC's to check.
type Trust interface {
	// VerifyClient judges chain[0]; the others came along and prove nothing.
	// A refusal is a *TrustError.
	VerifyClient(ctx context.Context, chain []*x509.Certificate, at time.Time) error
}

// TrustKind is why a certificate is not trusted.
type TrustKind int

// Kinds, with the error that a client gets. After the first two the account's
// registered keys are looked at.
const (
	NoPath                TrustKind = iota // its issuer is not known: 62
	Untrusted                              // its path ends in an authority that is not trusted: 70
	NotNTAuth                              // its issuer may not issue certificates for signing in: 62
	Expired                                // it, or an authority's, is not valid at this time: 71
	Invalid                                // its path breaks a rule (length, names, critical extension): 71
	WeakDigest                             // a certificate of its path is signed with a broken digest: 78
	Revoked                                // 72
	RevocationUnknown                      // its revocation list or responder says nothing usable: 73
	RevocationUnavailable                  // neither could be reached: 74
)

// TrustError is a refusal of Trust.
type TrustError struct {
	Kind         TrustKind
	Sentence     string              // for the client; empty: the code's own
	Certificates []*x509.Certificate // which are at fault; may be nil
	Anchors      []*x509.Certificate // which authorities would be trusted; may be nil
}

func (e *TrustError) Error() string { return invalid(e).Error() }

// invalid is what a client is told: the code, and by it the authorities that
// would do (70) or the certificates that will not (71 to 74).
func invalid(e *TrustError) error {
	code := map[TrustKind]krb.Code{
		NoPath: krb.ErrClientNotTrusted, Untrusted: krb.ErrCantVerifyCertificate, NotNTAuth: krb.ErrClientNotTrusted, Expired: krb.ErrInvalidCertificate,
		Invalid: krb.ErrInvalidCertificate, WeakDigest: krb.ErrCertificateDigestNotAccepted, Revoked: krb.ErrRevokedCertificate,
		RevocationUnknown: krb.ErrRevocationUnknown, RevocationUnavailable: krb.ErrRevocationUnavailable,
	}[e.Kind]
	sentence := e.Sentence
	if sentence == "" {
		sentence = code.Sentence()
	}
	out := krb.NewError(code, "%s", sentence)
	typ, list := krb.TDInvalidCertificates, e.Certificates
	if code == krb.ErrCantVerifyCertificate {
		typ, list = krb.TDTrustedCertifiers, e.Anchors
	}
	if len(list) == 0 || code == krb.ErrClientNotTrusted || code == krb.ErrCertificateDigestNotAccepted {
		return out
	}
	var ids []pkinit.ExternalPrincipalIdentifier
	for _, cert := range list[:min(len(list), 16)] {
		id, err := pkinit.IdentifierOf(cert)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	value, err := pkinit.EncodeIdentifiers(ids)
	if err != nil {
		return err
	}
	data, err := krb.EncodeTypedData([]krb.TypedData{{Type: typ, Value: value}})
	if err != nil {
		return err
	}
	return out.WithData(data)
}

// ChainTrust is Trust by the stores that a domain controller has: root
// authorities, further authorities' certificates, and NTAuth.
type ChainTrust struct {
	Roots         []*x509.Certificate
	Intermediates []*x509.Certificate
	NTAuth        []*x509.Certificate // authorities whose certificates may sign in
	// Revocation judges a verified chain, leaf first, root last; nil: not
	// checked. A refusal is a *TrustError.
	Revocation func(ctx context.Context, chain []*x509.Certificate, at time.Time) error
}

// VerifyClient implements Trust. chain[0] must have been through
// adcert.Understand. Fault 66.
func (c *ChainTrust) VerifyClient(ctx context.Context, chain []*x509.Certificate, at time.Time) error {
	leaf := chain[0]
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	for _, cert := range c.Roots {
		roots.AddCert(cert)
	}
	for _, cert := range slices.Concat(c.Intermediates, chain[1:]) {
		others.AddCert(cert)
	}
	paths, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: others, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return c.distrust(chain, err)
	}
	i := slices.IndexFunc(paths, func(path []*x509.Certificate) bool {
		return len(path) > 1 && slices.ContainsFunc(c.NTAuth, path[1].Equal)
	})
	if i < 0 {
		return &TrustError{Kind: NotNTAuth, Sentence: "The authority that issued the certificate is not in the domain's NTAuth store."}
	}
	if c.Revocation == nil {
		return nil
	}
	return c.Revocation(ctx, paths[i], at)
}

// distrust says what crypto/x509 found in the terms of Kerberos.
func (c *ChainTrust) distrust(chain []*x509.Certificate, err error) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown) && !selfSigned(chain[0]) && slices.ContainsFunc(chain, weak):
		return &TrustError{Kind: WeakDigest} // crypto/x509 follows no such signature
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return &TrustError{Kind: Expired, Sentence: "A certificate of the chain has expired or is not valid yet.", Certificates: []*x509.Certificate{invalid.Cert}}
	case errors.As(err, &unknown):
		e := &TrustError{Kind: NoPath, Anchors: c.Roots}
		if slices.ContainsFunc(chain[1:], selfSigned) {
			e.Kind = Untrusted
		}
		return e
	}
	return &TrustError{Kind: Invalid, Certificates: chain[:1]}
}

// weak says whether a certificate is signed with a digest that is broken.
func weak(cert *x509.Certificate) bool {
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		return true
	}
	return false
}
