// Package revocation is the relying side of revocation: what a KDC or a Windows
// client does to learn whether a certificate was taken back. It fetches base
// and delta lists and OCSP answers from where the certificate says, verifies
// them, and keeps them until their next update.
//
// An answer is Good, Revoked, or Unknown with its cause; what Unknown means for
// a sign-in is the caller's policy. Nothing that is fetched is believed without
// a signature, nothing grows without bound, and one source that is out of reach
// does not hide another that answers.
//
// Sources: RFC 5280 6.3 (lists), RFC 6960 (OCSP), Windows' order (OCSP before
// lists) and its rule that a delta list which is named must be there.
package revocation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"hellolab/providers/wire/crl"
)

// Fetcher gets what lies at a URL. It refuses more than limit bytes with
// ErrTooLarge, and schemes that it does not speak with any error. Post, when it
// is not nil, is the body of a POST with that media type.
type Fetcher interface {
	Fetch(ctx context.Context, url string, post *Post, limit int) ([]byte, error)
}

// Post is the body of a request.
type Post struct {
	Type string
	Body []byte
}

// ErrTooLarge is what a Fetcher answers for more bytes than it was allowed.
var ErrTooLarge = errors.New("more bytes than are taken")

// Status is the answer.
type Status int

// Answers.
const (
	Unknown Status = iota
	Good
	Revoked
)

// String returns the status as a word.
func (s Status) String() string {
	switch s {
	case Good:
		return "good"
	case Revoked:
		return "revoked"
	}
	return "unknown"
}

// Cause says why the status is Unknown.
type Cause int

// Causes, the most telling last: of several sources that fail, the answer
// tells the highest.
const (
	NoSource      Cause = iota // the certificate names none
	Unreachable                // no source could be fetched
	TooLarge                   // a source sent more than is taken
	Malformed                  // a source sent something else
	WrongIssuer                // a list of somebody else, or an answer about another certificate
	BadSignature               // not signed by the issuer or whom it delegated
	WrongNonce                 // an answer to another question
	NotYetValid                // its time has not come
	Stale                      // a newer one should have been there
	UnknownSerial              // the responder does not know the certificate
)

var causes = map[Cause]string{
	NoSource: "the certificate names no source", Unreachable: "no source can be reached", TooLarge: "what a source sends is too large",
	Malformed: "what a source sends cannot be read", WrongIssuer: "what a source sends is of another issuer", BadSignature: "what a source sends is not signed by the issuer",
	WrongNonce: "the answer is to another question", NotYetValid: "what a source sends is not valid yet", Stale: "what a source sends is out of date",
	UnknownSerial: "the responder does not know the certificate",
}

// String returns the cause as part of a sentence.
func (c Cause) String() string { return causes[c] }

// Result is what is known of one certificate.
type Result struct {
	Status Status
	Cause  Cause      // when it is Unknown
	Reason crl.Reason // when it is Revoked
	At     time.Time  // when it is Revoked: since when
	Source string     // URL of what decided
	OCSP   bool       // the source is a responder
	Until  time.Time  // when it is not Unknown: the next update of the source
	Err    error      // when it is Unknown: what went wrong, for logs
}

// String tells a person.
func (r Result) String() string {
	switch r.Status {
	case Good:
		return "good by " + r.Source
	case Revoked:
		return fmt.Sprintf("revoked since %s (%s) by %s", r.At.UTC().Format(time.RFC3339), r.Reason, r.Source)
	}
	return "unknown: " + r.Cause.String()
}

// Options say how to check. The zero value is Windows' way.
type Options struct {
	NoOCSP  bool // lists only
	NoLists bool // OCSP only

	// Rand, when set, puts a nonce into each OCSP request. Windows sends none,
	// and its responder echoes none: an answer without a nonce is taken, one
	// with another nonce is not. Answers to requests with a nonce are not kept.
	Rand io.Reader
}

// Checker checks certificates. It is safe for concurrent use.
type Checker struct {
	fetch   Fetcher
	options Options
	cache   *cache
}

// New returns a checker with an empty cache.
func New(f Fetcher, o Options) *Checker { return &Checker{fetch: f, options: o, cache: newCache()} }

// Forget drops all that is kept, as an administrator does who cannot wait for a
// next update.
func (c *Checker) Forget() { c.cache.clear() }

// CheckChain checks a verified chain, leaf first, at a time: every certificate
// but the last, which is trusted by itself.
func (c *Checker) CheckChain(ctx context.Context, chain []*x509.Certificate, at time.Time) []Result {
	var out []Result
	for i := 0; i+1 < len(chain); i++ {
		out = append(out, c.Check(ctx, chain[i], chain[i+1], at))
	}
	return out
}

// Worst returns the result that decides for a chain: a revocation, else what is
// unknown, else good. Of an empty chain it is good: a root answers for itself.
func Worst(results []Result) Result {
	worst := Result{Status: Good}
	for _, r := range results {
		switch {
		case r.Status == Revoked:
			return r
		case r.Status == Unknown && worst.Status != Unknown:
			worst = r
		case r.Status == Good && worst.Source == "" && worst.Status == Good:
			worst = r
		}
	}
	return worst
}

// failure is an Unknown in the making.
type failure struct {
	cause Cause
	err   error
}

func (f *failure) Error() string { return f.cause.String() + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(cause Cause, format string, args ...any) error {
	return &failure{cause, fmt.Errorf(format, args...)}
}

// because is the cause of an error of this package.
func because(err error) Cause {
	var f *failure
	if errors.As(err, &f) {
		return f.cause
	}
	return Malformed
}

// Check says whether cert, which issuer signed, is revoked at a time.
func (c *Checker) Check(ctx context.Context, cert, issuer *x509.Certificate, at time.Time) Result {
	unknown := Result{Cause: NoSource, Err: errors.New("the certificate names no source")}
	note := func(source string, ocsp bool, err error) {
		if cause := because(err); cause >= unknown.Cause {
			unknown = Result{Cause: cause, Source: source, OCSP: ocsp, Err: err}
		}
	}
	if !c.options.NoOCSP {
		for _, url := range bounded(cert.OCSPServer) {
			r, err := c.ask(ctx, url, cert, issuer, at)
			if err == nil {
				return r
			}
			note(url, true, err)
		}
	}
	if !c.options.NoLists {
		for _, url := range bounded(cert.CRLDistributionPoints) {
			r, err := c.look(ctx, url, cert, issuer, at)
			if err == nil {
				return r
			}
			note(url, false, err)
		}
	}
	return unknown
}

// maxSources bounds the addresses of one kind that are tried.
const maxSources = 4

func bounded(urls []string) []string { return urls[:min(len(urls), maxSources)] }

// inLife judges the time of a list or an answer. One that does not say when the
// next comes (a zero until) is stale: RFC 5280 5.1.2.5 wants it said.
func inLife(from, until, at time.Time) error {
	switch {
	case at.Before(from):
		return fail(NotYetValid, "it is of %s", from.UTC().Format(time.RFC3339))
	case !at.Before(until):
		return fail(Stale, "it was good until %s", until.UTC().Format(time.RFC3339))
	}
	return nil
}
