package adds

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// controllerCertificate is what a controller enrolled.
type controllerCertificate struct {
	Template string   `json:"template"`
	Chain    [][]byte `json:"chain"` // DER, leaf first
	Key      []byte   `json:"key"`   // PKCS#8
}

// kdcCertificate is the certificate of one controller, as it stands when it is
// asked for: enrollment may replace it while the domain is open.
type kdcCertificate struct {
	env      providers.Env
	computer string
	last     atomic.Pointer[loadedCertificate]
}

// loadedCertificate is a record that was read into certificates and a key,
// which takes longer than all else of a sign-in. It serves for as long as the
// store has that very record.
type loadedCertificate struct {
	raw   []byte // of the store
	tls   *tls.Certificate
	chain []*x509.Certificate
}

// load returns the certificate, nil when there is none. It is shared: nobody
// changes it.
func (c *kdcCertificate) load() (*loadedCertificate, error) {
	raw, err := c.stored()
	if err != nil || raw == nil {
		return nil, err
	}
	if last := c.last.Load(); last != nil && subtle.ConstantTimeCompare(last.raw, raw) == 1 {
		return last, nil
	}
	rec, err := decodeCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.computer, err)
	}
	out := &loadedCertificate{raw: raw, tls: &tls.Certificate{Certificate: rec.Chain}}
	if out.tls.PrivateKey, err = x509.ParsePKCS8PrivateKey(rec.Key); err != nil {
		return nil, fmt.Errorf("key of %s: %w", c.computer, err)
	}
	for _, der := range rec.Chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", c.computer, err)
		}
		out.chain = append(out.chain, cert)
	}
	out.tls.Leaf = out.chain[0]
	c.last.Store(out)
	return out, nil
}

// record returns what is stored, nil when there is nothing.
func (c *kdcCertificate) record() (*controllerCertificate, error) {
	raw, err := c.stored()
	if err != nil || raw == nil {
		return nil, err
	}
	rec, err := decodeCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.computer, err)
	}
	return rec, nil
}

func (c *kdcCertificate) stored() (raw []byte, err error) {
	err = c.env.Section.View(func(r providers.Reader) (err error) {
		raw, _, err = r.Get(tableCertificates, strings.ToLower(c.computer))
		return err
	})
	return raw, err
}

func decodeCertificate(raw []byte) (*controllerCertificate, error) {
	var rec controllerCertificate
	if err := json.Unmarshal(raw, &rec); err != nil {
		return nil, err
	}
	if len(rec.Chain) == 0 {
		return nil, errors.New("a stored certificate is empty")
	}
	return &rec, nil
}

// wanted is the template that a controller enrolls, spec.TemplateNone for none.
func wanted(c spec.Controller) string {
	if c.KDCCertificate == nil {
		return spec.TemplateKerberosAuthentication
	}
	return c.KDCCertificate.Template
}
