package revocation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"hellolab/providers/wire/ocsp"
)

const (
	nonceSize = 16
	// patience is how old an answer may be that does not say when the next comes.
	patience = time.Hour
)

// ask asks the responder at url.
func (c *Checker) ask(ctx context.Context, url string, cert, issuer *x509.Certificate, at time.Time) (Result, error) {
	key := fmt.Sprintf("ocsp %s %x %x", url, sha256.Sum256(issuer.Raw), cert.SerialNumber)
	if r, ok := c.cache.get(key, at).(Result); ok && c.options.Rand == nil {
		return r, nil
	}
	var nonce []byte
	if c.options.Rand != nil {
		nonce = make([]byte, nonceSize)
		if _, err := io.ReadFull(c.options.Rand, nonce); err != nil {
			return Result{}, fail(Unreachable, "%w", err)
		}
	}
	request, err := ocsp.NewRequest(cert, issuer, nonce)
	if err != nil {
		return Result{}, fail(Malformed, "%w", err)
	}
	got, err := c.cache.once(ctx, fmt.Sprintf("%s %x", key, nonce), func(ctx context.Context) (any, error) {
		response, err := c.fetch.Fetch(ctx, url, &Post{ocsp.TypeRequest, request}, ocsp.MaxResponse)
		if err != nil {
			return nil, unreachable(err)
		}
		return response, nil
	})
	if err != nil {
		return Result{}, err
	}
	answer, err := ocsp.ParseResponse(got.([]byte), cert, issuer, at)
	if err != nil {
		return Result{}, ocspFailure(err)
	}
	if nonce != nil && answer.Nonce != nil && !bytes.Equal(nonce, answer.Nonce) {
		return Result{}, fail(WrongNonce, "the nonce differs")
	}
	until := answer.NextUpdate
	if until.IsZero() {
		until = answer.ThisUpdate.Add(patience)
	}
	if err := inLife(answer.ThisUpdate, until, at); err != nil {
		return Result{}, err
	}
	r := Result{Source: url, OCSP: true, Until: until}
	switch answer.Status {
	case ocsp.Good:
		r.Status = Good
	case ocsp.Revoked:
		r.Status, r.Reason, r.At = Revoked, answer.Reason, answer.RevokedAt
	default:
		return Result{}, fail(UnknownSerial, "the responder does not know the certificate")
	}
	if !answer.NextUpdate.IsZero() && nonce == nil {
		c.cache.put(key, r, len(key), until)
	}
	return r, nil
}

func ocspFailure(err error) error {
	var status *ocsp.StatusError
	switch {
	case errors.As(err, &status):
		return fail(Unreachable, "%w", err)
	case errors.Is(err, ocsp.ErrSignature), errors.Is(err, ocsp.ErrResponder):
		return fail(BadSignature, "%w", err)
	case errors.Is(err, ocsp.ErrOther):
		return fail(WrongIssuer, "%w", err)
	}
	return fail(Malformed, "%w", err)
}
