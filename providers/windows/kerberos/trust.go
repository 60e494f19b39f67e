package kerberos

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/kdccert"
	"hellolab/providers/wire/pkinit"
	"hellolab/providers/wire/revocation"
)

// trust makes the five checks of the KDC's certificate (seed 002, A3 C) by the
// machine's clock, and tells their outcome.
func (p *Provider) trust(ctx context.Context) pkinit.Trust {
	return func(kdc *x509.Certificate, others []*x509.Certificate) error {
		note := map[string]any{
			"subject": NameOf(kdc.RawSubject), "issuer": NameOf(kdc.RawIssuer), "dns_names": kdc.DNSNames, "strict": p.Validation.Strict,
			"not_before": kdc.NotBefore.UTC().Format(time.RFC3339), "not_after": kdc.NotAfter.UTC().Format(time.RFC3339),
			"kdc_authentication": adcert.HasEKU(kdc, adcert.EKUKPKdc),
		}
		c := kdccert.Client{
			Roots: p.Validation.Roots, Intermediates: p.Validation.Intermediates, Domain: p.Domain.Name, Strict: p.Validation.Strict,
			Revoked: func(ctx context.Context, chain []*x509.Certificate, at time.Time) error {
				r := revocation.Worst(p.checker.CheckChain(ctx, chain, at))
				note["revocation"] = r.String()
				if r.Status == revocation.Good || r.Status == revocation.Unknown && p.Validation.AllowUnknown {
					return nil
				}
				return &notKnown{r}
			},
		}
		err := c.Verify(ctx, kdc, others, p.Now())
		var refusal *kdccert.Refusal
		if errors.As(err, &refusal) {
			note["check"] = string(refusal.Check)
			p.emit("kdc_certificate_refused", refusal.Sentence, note)
			return err
		}
		if err == nil {
			p.emit("kdc_certificate_accepted", "The certificate of the domain controller passes: root, life, revocation, purpose, domain", note)
		}
		return err
	}
}
