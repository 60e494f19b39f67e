package adfs

import (
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/rsakey"
)

// keyRing is the token-signing keys of a service, the one in use last. Others
// are published, and what they signed is believed, until their time is over.
type keyRing struct {
	Signing []storedKey `json:"signing"`
}

// storedKey is a token-signing key with its certificate.
type storedKey struct {
	Version     int       `json:"version"`     // signing_version that asked for it
	Certificate []byte    `json:"certificate"` // DER, self-signed
	PKCS8       []byte    `json:"pkcs8"`
	Made        time.Time `json:"made"`
	Until       time.Time `json:"until,omitzero"` // zero: in use
}

func (r *keyRing) current() *storedKey { return &r.Signing[len(r.Signing)-1] }

func (k *storedKey) thumbprint() string { return thumbprint(k.Certificate) }

// thumbprint is the SHA-1 of a certificate, as Windows shows it.
func thumbprint(der []byte) string {
	sum := sha1.Sum(der)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// A token-signing certificate as AD FS makes it, but for its life, which is a
// year there: a new one is made when signing_version asks for it, and no other
// time.
const (
	signingBits = 2048
	signingLife = 10 * 365 * 24 * time.Hour
	backdate    = 10 * time.Minute
)

func newSigningKey(env providers.Env, host string, version int) (storedKey, error) {
	random, now := randomness(env), env.Now()
	key, err := rsakey.New(random, signingBits)
	if err != nil {
		return storedKey{}, fmt.Errorf("make token-signing key: %w", err)
	}
	serial, err := newSerial(random)
	if err != nil {
		return storedKey{}, err
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "ADFS Signing - " + host}, NotBefore: now.Add(-backdate), NotAfter: now.Add(signingLife),
		KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(random, t, t, key.Public(), key)
	if err != nil {
		return storedKey{}, fmt.Errorf("make token-signing certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	return storedKey{Version: version, Certificate: der, PKCS8: pkcs8, Made: now}, err
}

// newSerial returns 126 random bits: two certificates never share a serial.
func newSerial(random io.Reader) (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b), nil
}

// ensureKeys makes the token-signing key that signing_version asks for. The
// former stays for the overlap.
func ensureKeys(ctx context.Context, env providers.Env, in spec.Federation, host string, overlap time.Duration) (*keyRing, error) {
	ring, err := loadKeys(env)
	if errors.Is(err, providers.ErrGone) {
		ring, err = &keyRing{}, nil
	}
	if err != nil || len(ring.Signing) > 0 && ring.current().Version == in.SigningVersion {
		return ring, err
	}
	key, err := newSigningKey(env, host, in.SigningVersion)
	if err != nil {
		return nil, err
	}
	if len(ring.Signing) > 0 {
		ring.current().Until = env.Now().Add(overlap)
	}
	ring.Signing = append(ring.Signing, key)
	return ring, env.Section.Update(ctx, func(w providers.Writer) error { return put(w, tableServer, keyRings, ring) })
}

func loadKeys(env providers.Env) (*keyRing, error) {
	return load[keyRing](env, tableServer, keyRings)
}

// SigningCertificates are the certificates, DER, that what a service signed verifies
// with. One that was never applied has none.
func SigningCertificates(env providers.Env) ([][]byte, error) {
	ring, err := loadKeys(env)
	if errors.Is(err, providers.ErrGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, k := range ring.Signing {
		all = append(all, k.Certificate)
	}
	return all, nil
}

// dropKeys forgets keys whose overlap is over.
func dropKeys(ctx context.Context, env providers.Env) error {
	ring, err := loadKeys(env)
	if err != nil {
		return err
	}
	var kept keyRing
	for _, k := range ring.Signing {
		if k.standing(env.Now()) {
			kept.Signing = append(kept.Signing, k)
		}
	}
	if len(kept.Signing) == len(ring.Signing) {
		return nil
	}
	return env.Section.Record(ctx, func(w providers.Writer) error { return put(w, tableServer, keyRings, kept) })
}

// standing says whether a key is in use or still published.
func (k *storedKey) standing(now time.Time) bool { return k.Until.IsZero() || now.Before(k.Until) }

// signer is a token-signing key ready for use.
type signer struct {
	*storedKey
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

func (k *storedKey) load() (*signer, error) {
	cert, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return nil, fmt.Errorf("token-signing certificate: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return nil, fmt.Errorf("token-signing key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("token-signing key is a %T", parsed)
	}
	return &signer{k, cert, key}, nil
}

func (k *signer) kid() string { return oauth.Thumbprint(k.cert.Raw) }

// signers are the loaded keys of a service, the one in use first.
type signers []*signer

func (r *keyRing) load() (signers, error) {
	var out signers
	for i := len(r.Signing) - 1; i >= 0; i-- {
		k, err := r.Signing[i].load()
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		return nil, errors.New("the service has no token-signing key")
	}
	return out, nil
}

// published are the keys that stand at a time.
func (s signers) published(now time.Time) (out signers) {
	for _, k := range s {
		if k.standing(now) {
			out = append(out, k)
		}
	}
	return out
}

// find returns a published key by its id, nil for any other.
func (s signers) find(kid string, now time.Time) *signer {
	for _, k := range s.published(now) {
		if k.kid() == kid {
			return k
		}
	}
	return nil
}
