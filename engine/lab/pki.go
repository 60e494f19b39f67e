package lab

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"sync"
	"time"

	"hellolab/providers"
	"hellolab/state"
)

// rootLife is how long an authority of the lab is good. Labs look decades
// ahead with `clock advance`; the authorities outside the lab's systems are
// not what such a test is about.
const rootLife = 100 * 365 * 24 * time.Hour

// leafLife is the validity of a certificate whose template names none.
const leafLife = 398 * 24 * time.Hour

// pki is the authorities that stand outside every system: one self-signed
// P-256 root each, made at first use, its key in the (sealed) state.
type pki struct {
	view state.View
	now  func() time.Time
	rand io.Reader

	mu    sync.Mutex
	roots map[providers.Root]*authority
}

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// storedAuthority is an authority at rest.
type storedAuthority struct {
	Certificate []byte `json:"certificate"` // DER
	Key         []byte `json:"key"`         // PKCS#8 DER
}

func rootKey(root providers.Root) string { return "pki/" + string(root) }

var rootNames = map[providers.Root]string{
	providers.WebRoot:       "hellolab Web Root",
	providers.TPMVendorRoot: "hellolab TPM Vendor Root",
}

// Issue implements providers.PKI.
func (p *pki) Issue(ctx context.Context, root providers.Root, template *x509.Certificate, pub any) ([][]byte, error) {
	a, err := p.authority(ctx, root)
	if err != nil {
		return nil, err
	}
	leaf := *template
	if leaf.SerialNumber == nil {
		if leaf.SerialNumber, err = serial(p.rand); err != nil {
			return nil, err
		}
	}
	if leaf.NotBefore.IsZero() {
		leaf.NotBefore = p.now().Add(-10 * time.Minute)
	}
	if leaf.NotAfter.IsZero() {
		leaf.NotAfter = leaf.NotBefore.Add(leafLife)
	}
	der, err := x509.CreateCertificate(p.rand, &leaf, a.cert, pub, a.key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate under %s: %w", rootNames[root], err)
	}
	return [][]byte{der, a.cert.Raw}, nil
}

// Roots implements providers.PKI.
func (p *pki) Roots(ctx context.Context, root providers.Root) (*x509.CertPool, error) {
	a, err := p.authority(ctx, root)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool, nil
}

func (p *pki) authority(ctx context.Context, root providers.Root) (*authority, error) {
	name, ok := rootNames[root]
	if !ok {
		return nil, fmt.Errorf("no authority named %q", root)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.roots[root]; a != nil {
		return a, nil
	}
	var stored []byte
	err := p.view.Read(func(r state.Reader) (err error) {
		stored, _, err = r.Get(state.BucketLab, rootKey(root))
		return err
	})
	if err != nil {
		return nil, err
	}
	if stored == nil {
		made, err := p.found(name)
		if err != nil {
			return nil, fmt.Errorf("found %s: %w", name, err)
		}
		// Whoever commits first founds the authority.
		err = p.view.Commit(ctx, func(w state.Writer) error {
			was, ok, err := w.Get(state.BucketLab, rootKey(root))
			if err != nil || ok {
				stored = was
				return err
			}
			stored = made
			return w.Put(state.BucketLab, rootKey(root), made)
		})
		if err != nil {
			return nil, err
		}
	}
	a, err := parseAuthority(stored)
	if err != nil {
		return nil, fmt.Errorf("stored %s: %w", name, err)
	}
	p.roots[root] = a
	return a, nil
}

// found makes a new authority and returns it as stored.
func (p *pki) found(name string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), p.rand)
	if err != nil {
		return nil, err
	}
	number, err := serial(p.rand)
	if err != nil {
		return nil, err
	}
	began := p.now().Add(-24 * time.Hour)
	template := &x509.Certificate{
		SerialNumber:          number,
		Subject:               pkix.Name{Organization: []string{"hellolab"}, CommonName: name},
		NotBefore:             began,
		NotAfter:              began.Add(rootLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(p.rand, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(storedAuthority{Certificate: der, Key: pkcs8})
}

func parseAuthority(stored []byte) (*authority, error) {
	var s storedAuthority
	if err := json.Unmarshal(stored, &s); err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(s.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(s.Key)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key of type %T cannot sign", key)
	}
	return &authority{cert: cert, key: signer}, nil
}

// serial returns a positive 128-bit certificate serial number.
func serial(rand io.Reader) (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}
