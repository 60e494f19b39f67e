// Package kdccert is how a Windows client that signs in with a key or a
// certificate decides whether it was the domain's KDC that answered: the five
// checks of the KDC's certificate (seed 002, A3 C), with strict KDC validation
// or without (reading R2).
//
//	root        the chain ends at a root that the client trusts
//	life        every certificate of it is in its life
//	revocation  none of them is revoked
//	purpose     it is for KDC authentication; without strict validation, for
//	            server authentication at least
//	domain      a DNS name in it is that of the domain; strict validation only
//
// Sources: MS-PKCA 3.1.5, Microsoft's documents on Entra joined devices and
// on-premises sign-in.
package kdccert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pkinit"
)

// Check is one of the five.
type Check string

// The checks, in the order they are made.
const (
	Root       Check = "root"
	Life       Check = "life"
	Revocation Check = "revocation"
	Purpose    Check = "purpose"
	Domain     Check = "domain"
)

// Refusal is a certificate that did not pass.
type Refusal struct {
	Check    Check
	Sentence string
	Cause    error // nil where the sentence says all
}

func (r *Refusal) Error() string { return r.Sentence }

// Unwrap returns the cause, and the code that Kerberos has for the refusal (RFC
// 4556 3.1.3): 76 for a certificate of another KDC, else 63.
func (r *Refusal) Unwrap() []error {
	code := krb.ErrKDCNotTrusted
	if r.Check == Domain {
		code = krb.ErrKDCNameMismatch
	}
	return []error{code, r.Cause}
}

// Client is what a client knows and demands.
type Client struct {
	Roots         []*x509.Certificate
	Intermediates []*x509.Certificate // that it has beside what the KDC sends
	Domain        string              // DNS name of the domain that it signs in to
	Strict        bool                // strict KDC validation

	// Revoked judges a verified chain, leaf first, root last: an error for one
	// that is revoked, or not known to be good where that counts. Nil: not asked.
	Revoked func(ctx context.Context, chain []*x509.Certificate, at time.Time) error
}

// Verify makes the checks at a time; a refusal is a *Refusal.
func (c *Client) Verify(ctx context.Context, kdc *x509.Certificate, others []*x509.Certificate, at time.Time) error {
	if _, err := adcert.Understand(kdc); err != nil {
		return &Refusal{Root, "The certificate of the domain controller cannot be read.", err}
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, r := range c.Roots {
		roots.AddCert(r)
	}
	for _, o := range slices.Concat(c.Intermediates, others) {
		between.AddCert(o)
	}
	chains, err := kdc.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return &Refusal{Life, fmt.Sprintf("The certificate of the domain controller, or one above it, is not in its life at %s.", at.UTC().Format(time.RFC3339)), err}
	}
	if err != nil {
		return &Refusal{Root, "The certificate of the domain controller does not lead to an authority that this device trusts.", err}
	}
	if c.Revoked != nil {
		if err := c.Revoked(ctx, chains[0], at); err != nil {
			return &Refusal{Revocation, "The certificate of the domain controller is revoked, or whether it is cannot be learned.", err}
		}
	}
	if !adcert.HasEKU(kdc, adcert.EKUKPKdc) && (c.Strict || !slices.Contains(kdc.ExtKeyUsage, x509.ExtKeyUsageServerAuth)) {
		return &Refusal{Purpose, "The certificate of the domain controller is not for KDC authentication.", nil}
	}
	if c.Strict && !slices.ContainsFunc(kdc.DNSNames, func(n string) bool { return strings.EqualFold(n, c.Domain) }) {
		return &Refusal{Domain, fmt.Sprintf("The certificate of the domain controller does not name the domain %s.", c.Domain), nil}
	}
	return nil
}

// Trust makes the checks those of an AS exchange.
func (c *Client) Trust(ctx context.Context, now func() time.Time) pkinit.Trust {
	return func(kdc *x509.Certificate, others []*x509.Certificate) error {
		return c.Verify(ctx, kdc, others, now())
	}
}
