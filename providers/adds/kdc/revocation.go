package kdc

import (
	"context"
	"crypto/x509"
	"time"

	"hellolab/providers/wire/revocation"
)

// Revocation is what ChainTrust.Revocation may be: it asks the checker about
// every certificate of the chain but the root, and takes nothing for granted.
// What is not known to be good is refused: 74 when no source could be reached, 73
// when what a source said is of no use (stale, of another issuer, badly
// signed). A DC of Windows does so, too.
func Revocation(c *revocation.Checker) func(ctx context.Context, chain []*x509.Certificate, at time.Time) error {
	return func(ctx context.Context, chain []*x509.Certificate, at time.Time) error {
		results := c.CheckChain(ctx, chain, at)
		worst := revocation.Worst(results)
		if worst.Status == revocation.Good {
			return nil
		}
		e := &TrustError{Kind: RevocationUnknown, Sentence: "The revocation of a certificate is not known: " + worst.Cause.String() + "."}
		switch {
		case worst.Status == revocation.Revoked:
			e.Kind, e.Sentence = Revoked, "A certificate of the chain is revoked: "+worst.Reason.String()+"."
		case worst.Cause == revocation.Unreachable:
			e.Kind = RevocationUnavailable
		}
		for i, r := range results {
			if r.Status == worst.Status && r.Source == worst.Source {
				e.Certificates = chain[i : i+1]
				break
			}
		}
		return e
	}
}
