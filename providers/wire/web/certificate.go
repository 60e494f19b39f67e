package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hellolab/providers"
)

const (
	certificateTable = "web"
	certificateKey   = "certificate"
)

// storedCertificate is a server's certificate in its section.
type storedCertificate struct {
	Chain [][]byte `json:"chain"` // DER, leaf first
	Key   []byte   `json:"key"`   // PKCS#8 DER
}

// Certificate returns the server certificate of the object at hand for hosts.
// The first call has it issued by the public authorities and keeps it in the
// section, table "web"; later calls return that one until a host is missing
// from it or two thirds of its life are over.
func Certificate(ctx context.Context, env providers.Env, hosts []string) (tls.Certificate, error) {
	var raw []byte
	err := env.Section.View(func(r providers.Reader) (err error) {
		raw, _, err = r.Get(certificateTable, certificateKey)
		return err
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	if raw != nil {
		cert, err := parseCertificate(raw)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("stored web certificate: %w", err)
		}
		if serves(cert.Leaf, hosts, env.Now()) {
			return cert, nil
		}
	}
	if raw, err = issue(ctx, env, hosts); err != nil {
		return tls.Certificate{}, fmt.Errorf("web certificate: %w", err)
	}
	err = env.Section.Record(ctx, func(w providers.Writer) error {
		return w.Put(certificateTable, certificateKey, raw)
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	return parseCertificate(raw)
}

func serves(leaf *x509.Certificate, hosts []string, now time.Time) bool {
	for _, h := range hosts {
		if leaf.VerifyHostname(h) != nil {
			return false
		}
	}
	renew := leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 3 * 2)
	return now.After(leaf.NotBefore) && now.Before(renew)
}

func issue(ctx context.Context, env providers.Env, hosts []string) ([]byte, error) {
	if len(hosts) == 0 {
		return nil, errors.New("no host to certify")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), env.Rand)
	if err != nil {
		return nil, err
	}
	chain, err := env.PKI.Issue(ctx, providers.WebRoot, &x509.Certificate{
		Subject:               pkix.Name{CommonName: hosts[0]},
		DNSNames:              hosts,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}, key.Public())
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(storedCertificate{Chain: chain, Key: pkcs8})
}

func parseCertificate(raw []byte) (tls.Certificate, error) {
	var s storedCertificate
	if err := json.Unmarshal(raw, &s); err != nil {
		return tls.Certificate{}, err
	}
	if len(s.Chain) == 0 {
		return tls.Certificate{}, errors.New("no certificate in the chain")
	}
	leaf, err := x509.ParseCertificate(s.Chain[0])
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := x509.ParsePKCS8PrivateKey(s.Key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: s.Chain, PrivateKey: key, Leaf: leaf}, nil
}
