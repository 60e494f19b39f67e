package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"

	"hellolab/providers"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ocsp"
	"hellolab/providers/wire/rsakey"
	"hellolab/providers/wire/sid"
)

// pair is the responder's certificate and key in the section.
type pair struct {
	Certificate []byte `json:"certificate"`
	PKCS8       []byte `json:"pkcs8"`
}

// responder signs OCSP answers.
type responder struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Answer answers an OCSP request in DER; refusals are answers, too. The state
// is that of the published lists, as Windows' responder has it: a revocation
// shows once a list says so. Unlike Windows' it knows which serial numbers
// were never given, and answers "unknown" for those. A nonce is not echoed, which
// is Windows' default.
func (c *CA) Answer(ctx context.Context, request []byte) ([]byte, error) {
	r, err := ocsp.ParseRequest(request)
	if err != nil {
		return ocsp.Unsigned(ocsp.MalformedRequest), nil
	}
	if !r.Of(c.cert) {
		return ocsp.Unsigned(ocsp.Unauthorized), nil
	}
	lists, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	signer, err := c.signer(ctx)
	if err != nil {
		return nil, err
	}
	now := c.env.Now()
	answer := ocsp.Answer{ProducedAt: now, ThisUpdate: lists.base.ThisUpdate, NextUpdate: lists.base.NextUpdate}
	entry, listed := lists.base.Find(r.Serial)
	if d := lists.delta; d != nil {
		answer.ThisUpdate = d.ThisUpdate
		if d.NextUpdate.Before(answer.NextUpdate) {
			answer.NextUpdate = d.NextUpdate
		}
		if e, ok := d.Find(r.Serial); ok {
			entry, listed = e, e.Reason != crl.RemoveFromCRL
		}
	}
	if !now.Before(answer.NextUpdate) { // the lists are stale, and so would the answer be
		return ocsp.Unsigned(ocsp.TryLater), nil
	}
	var refusal *Error
	switch _, err := c.Find(r.Serial); {
	case listed:
		answer.Status, answer.RevokedAt, answer.Reason = ocsp.Revoked, entry.At, entry.Reason
	case errors.As(err, &refusal):
		answer.Status = ocsp.Unknown
	case err != nil:
		return nil, err
	}
	return answer.Sign(c.env.Rand, r, signer.cert, signer.key)
}

// signer returns the responder's key, with a new certificate where the old one
// nears its end.
func (c *CA) signer(ctx context.Context) (*responder, error) {
	c.answering.Lock()
	defer c.answering.Unlock()
	if c.responder == nil {
		if err := c.loadResponder(); err != nil {
			return nil, err
		}
	}
	template := responderTemplate()
	if r := c.responder; r != nil && (c.env.Now().Add(template.Renewal).Before(r.cert.NotAfter) || r.cert.NotAfter.Equal(c.cert.NotAfter)) {
		return r, nil
	}
	r, err := c.newResponder(ctx, template)
	if err == nil {
		c.responder = r
	}
	return r, err
}

func (c *CA) loadResponder() error {
	var p pair
	err := c.env.Section.View(func(r providers.Reader) error { return get(r, tableCA, keyResponder, &p) })
	if errors.Is(err, errNone) {
		return nil
	}
	if err != nil {
		return err
	}
	r := &responder{}
	if r.cert, err = x509.ParseCertificate(p.Certificate); err != nil {
		return err
	}
	if r.key, err = parseKey(p.PKCS8); err != nil {
		return err
	}
	c.responder = r
	return nil
}

func (c *CA) newResponder(ctx context.Context, template *Template) (*responder, error) {
	key, err := rsakey.New(c.env.Rand, minKeyBits)
	if err != nil {
		return nil, err
	}
	host := c.Config().Host
	cert, err := c.certificate(template, &Requester{DNSNames: []string{host}}, key.Public())
	if err != nil {
		return nil, err
	}
	issued, err := c.issue(ctx, cert, key.Public(), row{Template: template.Name, Requester: host}, template.Validity)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	err = c.env.Section.Record(ctx, func(w providers.Writer) error {
		return put(w, tableCA, keyResponder, pair{issued.Certificate.Raw, pkcs8})
	})
	return &responder{issued.Certificate, key}, err
}

// responderTemplate is Builtin's, whatever templates the authority has.
func responderTemplate() *Template {
	for _, t := range Builtin(sid.New(5, 21, 0, 0, 0), guid.GUID{}) {
		if t.Name == OCSPResponseSigning {
			return &t
		}
	}
	panic("ca: no template " + OCSPResponseSigning)
}
