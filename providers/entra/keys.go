package entra

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"golang.org/x/sync/errgroup"

	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/rsakey"
)

// keyRing is a tenant's private keys as the section keeps them.
type keyRing struct {
	Signing  []storedKey `json:"signing"` // newest last; all are published
	DeviceCA storedKey   `json:"device_ca"`
	AIKCA    storedKey   `json:"aik_ca"`
	Seal     []byte      `json:"seal"` // master key of everything sealed
}

// storedKey is a private key with its certificate.
type storedKey struct {
	Certificate []byte    `json:"certificate"` // DER
	PKCS8       []byte    `json:"pkcs8"`
	Active      time.Time `json:"active"` // tokens are signed with it from then on
}

// keyPair is a storedKey ready for use.
type keyPair struct {
	cert   *x509.Certificate
	key    crypto.Signer
	active time.Time
}

func (k storedKey) load() (*keyPair, error) {
	cert, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return nil, fmt.Errorf("stored certificate: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return nil, fmt.Errorf("stored key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("stored key is a %T", key)
	}
	return &keyPair{cert, signer, k.Active}, nil
}

const (
	caLife      = 20 * 365 * 24 * time.Hour
	signingLife = 5 * 365 * 24 * time.Hour
	backdate    = 10 * time.Minute // NotBefore lies this far back (MS-DVRJ 4.1)
)

// newKeyRing makes a tenant's keys. RSA generation is what creating a tenant
// costs, so the two run side by side.
func newKeyRing(rand io.Reader, now time.Time) (*keyRing, error) {
	var ring keyRing
	var g errgroup.Group
	g.Go(func() error {
		key, err := rsakey.New(rand, 2048)
		if err != nil {
			return err
		}
		k, err := selfSigned(rand, key, now, signingLife, &x509.Certificate{
			Subject: pkix.Name{CommonName: "accounts.accesscontrol.windows.net"}, KeyUsage: x509.KeyUsageDigitalSignature})
		ring.Signing = []storedKey{k}
		return err
	})
	g.Go(func() error {
		key, err := rsakey.New(rand, 2048)
		if err != nil {
			return err
		}
		unit, err := guid.New(rand)
		if err != nil {
			return err
		}
		subject, err := drs.IssuerName(unit, "net", "windows")
		if err != nil {
			return err
		}
		ring.DeviceCA, err = selfSigned(rand, key, now, caLife, authorityTemplate(subject, nil))
		return err
	})
	g.Go(func() error {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
		if err != nil {
			return err
		}
		ring.AIKCA, err = selfSigned(rand, key, now, caLife, authorityTemplate(nil, &pkix.Name{CommonName: "hellolab AIK CA"}))
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("make tenant keys: %w", err)
	}
	ring.Seal = make([]byte, 32)
	if _, err := io.ReadFull(rand, ring.Seal); err != nil {
		return nil, fmt.Errorf("make tenant keys: %w", err)
	}
	return &ring, nil
}

func authorityTemplate(rawSubject []byte, subject *pkix.Name) *x509.Certificate {
	t := &x509.Certificate{RawSubject: rawSubject, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	if subject != nil {
		t.Subject = *subject
	}
	return t
}

func selfSigned(rand io.Reader, key crypto.Signer, now time.Time, life time.Duration, t *x509.Certificate) (storedKey, error) {
	var err error
	if t.SerialNumber, err = newSerial(rand); err != nil {
		return storedKey{}, err
	}
	t.NotBefore, t.NotAfter = now.Add(-backdate), now.Add(life)
	der, err := x509.CreateCertificate(rand, t, t, key.Public(), key)
	if err != nil {
		return storedKey{}, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return storedKey{}, err
	}
	return storedKey{Certificate: der, PKCS8: pkcs8, Active: now}, nil
}

// newSerial returns 127 random bits: two certificates never share a serial,
// also when the service stops in the middle of issuing.
func newSerial(rand io.Reader) (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}

// keys are the loaded keys.
type keys struct {
	signing  map[string]*keyPair // by kid
	current  *keyPair
	jwks     []oauth.JWK
	deviceCA *keyPair
	aikCA    *keyPair
	devices  *x509.CertPool
	aiks     *x509.CertPool
}

func (r *keyRing) load(now time.Time, issuer string) (*keys, error) {
	k := &keys{signing: map[string]*keyPair{}, devices: x509.NewCertPool(), aiks: x509.NewCertPool()}
	for _, stored := range r.Signing {
		pair, err := stored.load()
		if err != nil {
			return nil, err
		}
		jwk, err := oauth.NewJWK(pair.cert, issuer)
		if err != nil {
			return nil, err
		}
		k.signing[jwk.KeyID] = pair
		k.jwks = append(k.jwks, jwk)
		if !pair.active.After(now) {
			k.current = pair
		}
	}
	if k.current == nil {
		return nil, errors.New("no signing key is active")
	}
	var err error
	if k.deviceCA, err = r.DeviceCA.load(); err != nil {
		return nil, err
	}
	if k.aikCA, err = r.AIKCA.load(); err != nil {
		return nil, err
	}
	k.devices.AddCert(k.deviceCA.cert)
	k.aiks.AddCert(k.aikCA.cert)
	return k, nil
}

func (k *keyPair) kid() string { return oauth.Thumbprint(k.cert.Raw) }

// issue signs template for pub.
func (k *keyPair) issue(rand io.Reader, template *x509.Certificate, pub crypto.PublicKey) ([]byte, error) {
	var err error
	if template.SerialNumber, err = newSerial(rand); err != nil {
		return nil, err
	}
	return x509.CreateCertificate(rand, template, k.cert, pub, k.key)
}
