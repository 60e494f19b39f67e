package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"hellolab/providers/wire/crl"
)

// look asks the base list at url, and the delta list where one is named.
func (c *Checker) look(ctx context.Context, url string, cert, issuer *x509.Certificate, at time.Time) (Result, error) {
	base, err := c.list(ctx, url, issuer, at, nil)
	if err != nil {
		return Result{}, err
	}
	if base.Delta() {
		return Result{}, fail(Malformed, "a delta list is where the base list should be")
	}
	entry, revoked := base.Find(cert.SerialNumber)
	result := Result{Source: url, Until: base.NextUpdate}
	if !revoked || entry.Reason == crl.CertificateHold { // anything else stands, whatever a delta list says
		delta, source, err := c.delta(ctx, base, cert, issuer, at)
		if err != nil && !revoked { // on hold it stays until somebody says otherwise
			return Result{}, err
		}
		if delta != nil && delta.Base.Cmp(base.Number) > 0 {
			// The base list was kept, and a newer one is out already.
			if base, err = c.list(ctx, url, issuer, at, base); err != nil {
				return Result{}, err
			}
			if base.Delta() || base.Number == nil || delta.Base.Cmp(base.Number) > 0 {
				return Result{}, fail(Stale, "the delta list completes base list %v, and this one is %v", delta.Base, base.Number)
			}
			result.Until = base.NextUpdate
			entry, revoked = base.Find(cert.SerialNumber)
		}
		if delta != nil {
			if delta.NextUpdate.Before(result.Until) {
				result.Until = delta.NextUpdate
			}
			if e, ok := delta.Find(cert.SerialNumber); ok && delta.Number.Cmp(base.Number) >= 0 {
				entry, revoked, result.Source = e, e.Reason != crl.RemoveFromCRL, source
			}
		}
	}
	if result.Status = Good; revoked {
		result.Status, result.Reason, result.At = Revoked, entry.Reason, entry.At
	}
	return result, nil
}

// delta gets the delta list that the base list or the certificate names; nil
// when neither names one.
func (c *Checker) delta(ctx context.Context, base *crl.List, cert, issuer *x509.Certificate, at time.Time) (*crl.List, string, error) {
	urls := base.Freshest
	if len(urls) == 0 {
		var err error
		if urls, err = crl.FreshestOf(cert); err != nil {
			return nil, "", fail(Malformed, "%w", err)
		}
	}
	if len(urls) == 0 {
		return nil, "", nil
	}
	if base.Number == nil {
		return nil, "", fail(Malformed, "the base list has no number")
	}
	var worst error
	for _, url := range bounded(urls) {
		l, err := c.list(ctx, url, issuer, at, nil)
		if err == nil && (!l.Delta() || l.Number == nil) {
			err = fail(Malformed, "what is at %s is no delta list", url)
		}
		if err == nil {
			return l, url, nil
		}
		if worst == nil || because(err) > because(worst) {
			worst = err
		}
	}
	return nil, "", fmt.Errorf("delta list: %w", worst)
}

// list gets a list that is in its life and signed by issuer, from the cache or
// from url. One that is kept is asked for again when the next is due (Windows
// fetches ahead, too), and serves on when it cannot be had. The list but is not
// good enough: a newer one is asked for.
func (c *Checker) list(ctx context.Context, url string, issuer *x509.Certificate, at time.Time, but *crl.List) (*crl.List, error) {
	key := fmt.Sprintf("list %s %x", url, sha256.Sum256(issuer.Raw))
	kept := func() *crl.List {
		if l, ok := c.cache.get(key, at).(*crl.List); ok && l != but && inLife(l.ThisUpdate, l.NextUpdate, at) == nil {
			return l
		}
		return nil
	}
	old := kept()
	if current(old, at) {
		return old, nil
	}
	got, err := c.cache.once(ctx, key, func(ctx context.Context) (any, error) {
		if l := kept(); current(l, at) { // another fetch ended just now
			return l, nil
		}
		der, err := c.fetch.Fetch(ctx, url, nil, crl.MaxSize)
		if err != nil {
			return nil, unreachable(err)
		}
		l, err := verified(der, issuer)
		if err == nil && inLife(l.ThisUpdate, l.NextUpdate, at) == nil {
			c.cache.put(key, l, len(l.Raw), l.NextUpdate)
		}
		return l, err
	})
	if err == nil {
		l := got.(*crl.List)
		if err = inLife(l.ThisUpdate, l.NextUpdate, at); err == nil {
			return l, nil
		}
	}
	if old != nil { // the next one is late, and this one is still good
		return old, nil
	}
	return nil, err
}

// current says whether a list need not be asked for again: the next one is not
// due by its own word.
func current(l *crl.List, at time.Time) bool {
	return l != nil && (l.NextPublish.IsZero() || at.Before(l.NextPublish))
}

// verified reads a list that issuer must have signed.
func verified(der []byte, issuer *x509.Certificate) (*crl.List, error) {
	l, err := crl.Parse(der)
	if err == nil {
		err = l.VerifyFrom(issuer)
	}
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, crl.ErrSize):
		return nil, fail(TooLarge, "%w", err)
	case errors.Is(err, crl.ErrIssuer):
		return nil, fail(WrongIssuer, "%w", err)
	case errors.Is(err, crl.ErrSignature):
		return nil, fail(BadSignature, "%w", err)
	}
	return nil, fail(Malformed, "%w", err)
}

func unreachable(err error) error {
	if errors.Is(err, ErrTooLarge) {
		return fail(TooLarge, "%w", err)
	}
	return fail(Unreachable, "%w", err)
}
