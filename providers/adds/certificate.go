package adds

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

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
}

// load returns the certificate, nil when there is none.
func (c *kdcCertificate) load() (*tls.Certificate, error) {
	rec, err := c.record()
	if err != nil || rec == nil {
		return nil, err
	}
	out := &tls.Certificate{Certificate: rec.Chain}
	if out.PrivateKey, err = x509.ParsePKCS8PrivateKey(rec.Key); err != nil {
		return nil, fmt.Errorf("key of %s: %w", c.computer, err)
	}
	if out.Leaf, err = x509.ParseCertificate(rec.Chain[0]); err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.computer, err)
	}
	return out, nil
}

func (c *kdcCertificate) record() (*controllerCertificate, error) {
	var raw []byte
	err := c.env.Section.View(func(r providers.Reader) (err error) {
		raw, _, err = r.Get(tableCertificates, strings.ToLower(c.computer))
		return err
	})
	if err != nil || raw == nil {
		return nil, err
	}
	var rec controllerCertificate
	if err := json.Unmarshal(raw, &rec); err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.computer, err)
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
