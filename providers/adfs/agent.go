package adfs

import (
	"context"
	"crypto/x509"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// storedAgent is the enrollment agent certificate of the registration authority
// as the section keeps it.
type storedAgent struct {
	Chain [][]byte  `json:"chain,omitempty"` // DER, the certificate first
	PKCS8 []byte    `json:"pkcs8,omitempty"`
	Made  time.Time `json:"made,omitzero"`
	Error string    `json:"error,omitempty"` // why there is none, or no new one
}

// leaf is the certificate, nil when there is none.
func (a *storedAgent) leaf() *x509.Certificate {
	if len(a.Chain) == 0 {
		return nil
	}
	cert, err := x509.ParseCertificate(a.Chain[0])
	if err != nil {
		return nil
	}
	return cert
}

// describe is what the lab learns of it.
func (a *storedAgent) describe() (thumb, notAfter string) {
	cert := a.leaf()
	if cert == nil {
		return "", ""
	}
	return thumbprint(cert.Raw), cert.NotAfter.UTC().Format(time.RFC3339)
}

// due ends what is over: token-signing keys after their overlap.
func due(ctx context.Context, env providers.Env, _ object) error {
	return dropKeys(ctx, env)
}

// tellChanged tells of a new token-signing certificate.
func (s *settings) tellChanged(env providers.Env, was spec.Federation) {}
