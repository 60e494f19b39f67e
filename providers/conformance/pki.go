package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"time"

	"hellolab/providers"
)

// pki implements providers.PKI with authorities made at first use.
type pki struct {
	now   func() time.Time
	mu    sync.Mutex
	roots map[providers.Root]*authority
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (p *pki) Issue(_ context.Context, root providers.Root, template *x509.Certificate, pub any) ([][]byte, error) {
	a, err := p.root(root)
	if err != nil {
		return nil, err
	}
	leaf := *template
	if leaf.SerialNumber == nil {
		if leaf.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
			return nil, err
		}
	}
	if leaf.NotBefore.IsZero() {
		leaf.NotBefore = p.now().Add(-time.Minute)
	}
	if leaf.NotAfter.IsZero() {
		leaf.NotAfter = leaf.NotBefore.AddDate(1, 0, 0)
	}
	der, err := x509.CreateCertificate(rand.Reader, &leaf, a.cert, pub, a.key)
	if err != nil {
		return nil, err
	}
	return [][]byte{der, a.cert.Raw}, nil
}

func (p *pki) Roots(_ context.Context, root providers.Root) (*x509.CertPool, error) {
	a, err := p.root(root)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool, nil
}

func (p *pki) root(name providers.Root) (*authority, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.roots[name]; a != nil {
		return a, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Test root " + string(name)},
		NotBefore:             p.now().AddDate(-1, 0, 0),
		NotAfter:              p.now().AddDate(100, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	p.roots[name] = &authority{cert: cert, key: key}
	return p.roots[name], nil
}
