package adcs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/administer"
	"hellolab/providers/wire/rsakey"
)

// ownCertificate is one of the server's own certificates.
type ownCertificate struct {
	Certificate []byte `json:"certificate"` // DER
	Key         []byte `json:"key"`         // PKCS#8
}

// own is what the server certifies itself with.
type own struct {
	key      string // in tableServer
	template string
	draw     func(io.Reader) (crypto.Signer, error)
}

// owns are the web server's, and the SCEP service's: RSA, since devices encrypt
// to it.
var owns = []own{
	{keyWeb, ca.WebServer, func(rand io.Reader) (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand) }},
	{keyRA, ca.CEPEncryption, func(rand io.Reader) (crypto.Signer, error) { return rsakey.New(rand, 2048) }},
}

// certificate is the web server's, for TLS.
func (s *server) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert, err := loadOwn(s.env, keyWeb)
	if err == nil && cert == nil {
		err = errors.New("the authority's server has no certificate yet")
	}
	if err != nil {
		return nil, err
	}
	for _, above := range s.ca.Chain() {
		cert.Certificate = append(cert.Certificate, above.Raw)
	}
	return cert, nil
}

// loadOwn reads one of the server's certificates; nil when it has none.
func loadOwn(env providers.Env, key string) (*tls.Certificate, error) {
	var raw []byte
	err := env.Section.View(func(r providers.Reader) (err error) {
		raw, _, err = r.Get(tableServer, key)
		return err
	})
	if err != nil || raw == nil {
		return nil, err
	}
	var w ownCertificate
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("the server's certificate: %w", err)
	}
	private, err := x509.ParsePKCS8PrivateKey(w.Key)
	if err != nil {
		return nil, fmt.Errorf("the server's key: %w", err)
	}
	leaf, err := x509.ParseCertificate(w.Certificate)
	return &tls.Certificate{Certificate: [][]byte{w.Certificate}, PrivateKey: private, Leaf: leaf}, err
}

// ensureOwn gives the server certificates of its own authority where it has
// none, or the end of what it has is near.
func ensureOwn(ctx context.Context, env providers.Env, authority *ca.CA, who ca.Requester) error {
	for _, o := range owns {
		if err := o.ensure(ctx, env, authority, who); err != nil {
			return fmt.Errorf("the server's certificate by %s: %w", o.template, err)
		}
	}
	return nil
}

func (o own) ensure(ctx context.Context, env providers.Env, authority *ca.CA, who ca.Requester) error {
	now := env.Now()
	cert, err := loadOwn(env, o.key)
	if err != nil {
		return err
	}
	if cert != nil && cert.Leaf.CheckSignatureFrom(authority.Certificate()) == nil && now.Before(cert.Leaf.NotAfter.Add(-renewBefore)) {
		return nil
	}
	key, err := o.draw(caEnv(env).Rand)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(caEnv(env).Rand, &x509.CertificateRequest{}, key)
	if err != nil {
		return err
	}
	issued, err := authority.Issue(ctx, ca.Request{Requester: who, CSR: csr, Template: o.template})
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	data, err := json.Marshal(ownCertificate{Certificate: issued.Certificate.Raw, Key: pkcs8})
	if err != nil {
		return err
	}
	err = env.Section.Record(ctx, func(w providers.Writer) error { return w.Put(tableServer, o.key, data) })
	if err == nil {
		tellCertified(env, authority, issued.Certificate)
	}
	return err
}

// renewBefore is how long before its end a certificate of the server is renewed.
const renewBefore = 6 * 7 * 24 * time.Hour

// due publishes lists that are due and renews the server's certificates.
func due(ctx context.Context, env providers.Env, _ authorityObject) error {
	authority, set, err := load(env)
	if err != nil {
		return err
	}
	if _, _, err := authority.Lists(ctx); err != nil && !errors.Is(err, ca.ErrNoList) {
		return err
	}
	if err := set.republish(ctx, env, authority); err != nil {
		return err
	}
	return ensureOwn(ctx, env, authority, set.self())
}

// republish brings the templates in the directory to those of this program.
func (s *settings) republish(ctx context.Context, env providers.Env, authority *ca.CA) error {
	if s.Published >= generation {
		return nil
	}
	c, _, err := administer.Directory(ctx, env, s.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := publish(c, authority, s.In, nil); err != nil {
		return err
	}
	s.Published = generation
	if s.SCEP == "" {
		if s.SCEP, err = newSecret(caEnv(env).Rand); err != nil {
			return err
		}
	}
	return s.store(ctx, env)
}
