package ksp

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"hellolab/providers/wire/rsakey"
)

// SoftwareProvider keeps keys of a device without a TPM. Every blob is
// encrypted under the device's machine key, so that it opens on no other
// device; one with an authorization value a second time, inside, under a key
// derived from that value. Unlike a TPM it cannot count tries: whoever holds
// the machine key and a sealed blob may guess a PIN at the speed of PBKDF2, some
// 14 ms of a core for each guess (BenchmarkGuess): hours for six digits,
// which is why policy may demand hardware.
//
// A blob:
//
//	offset  size  content
//	0       1     form: 1
//	1       1     kind: 1 key, 2 data sealed under a person's secret, 3 HMAC key, 4 data sealed to the machine
//	2       12    nonce
//	14      n     AES-256-GCM under the machine key, form and kind as additional data, of:
//	                4   PBKDF2 iterations, big-endian; 0: HKDF, 0xFFFFFFFF: no authorization value
//	                16  salt
//	                12  nonce
//	                n   AES-256-GCM under the derived key, or the plain content
type SoftwareProvider struct {
	machine    [32]byte
	rand       io.Reader
	iterations int
}

// Iterations of PBKDF2-HMAC-SHA256 for a PIN. Ours: Windows stores its own
// number with each protector.
const Iterations = 100_000

// MachineKeySize is the size of a machine key.
const MachineKeySize = 32

// NewSoftware returns the provider of the device whose machine key is given.
func NewSoftware(machineKey []byte, rand io.Reader) (*SoftwareProvider, error) {
	if len(machineKey) != MachineKeySize {
		return nil, fmt.Errorf("machine key of %d bytes", len(machineKey))
	}
	s := &SoftwareProvider{rand: rand, iterations: Iterations}
	copy(s.machine[:], machineKey)
	return s, nil
}

var _ Provider = (*SoftwareProvider)(nil)

const (
	blobForm    = 1
	kindKey     = 1
	kindSealed  = 2
	kindHMAC    = 3
	kindMachine = 4

	noAuth = 0xFFFFFFFF
)

var errBlob = errors.New("software key blob is damaged")

// Storage implements Provider.
func (s *SoftwareProvider) Storage() Storage { return Software }

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // keys here have 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func derive(auth, salt []byte, iterations uint32) ([]byte, error) {
	if iterations == 0 {
		return hkdf.Key(sha256.New, auth, salt, "hellolab software key", 32)
	}
	if iterations > 10*Iterations {
		return nil, errBlob
	}
	return pbkdf2.Key(sha256.New, string(auth), salt, int(iterations), 32)
}

func (s *SoftwareProvider) wrap(kind byte, content, auth []byte, iterations uint32) ([]byte, error) {
	var fresh [12 + 16 + 12]byte
	if _, err := io.ReadFull(s.rand, fresh[:]); err != nil {
		return nil, err
	}
	outer, salt, nonce := fresh[:12], fresh[12:28], fresh[28:]
	if auth == nil {
		iterations = noAuth
	}
	inner := binary.BigEndian.AppendUint32(nil, iterations)
	inner = append(append(inner, salt...), nonce...)
	if auth == nil {
		inner = append(inner, content...)
	} else {
		key, err := derive(auth, salt, iterations)
		if err != nil {
			return nil, err
		}
		inner = gcm(key).Seal(inner, nonce, content, nil)
	}
	head := []byte{blobForm, kind}
	return gcm(s.machine[:]).Seal(append(append([]byte{}, head...), outer...), outer, inner, head), nil
}

func (s *SoftwareProvider) unwrap(storage Storage, kind byte, blob, auth []byte) ([]byte, error) {
	if storage != Software {
		return nil, fmt.Errorf("%w: it is a %s key", ErrForeignKey, storage)
	}
	if len(blob) < 14 || blob[0] != blobForm || blob[1] != kind {
		return nil, errBlob
	}
	inner, err := gcm(s.machine[:]).Open(nil, blob[2:14], blob[14:], blob[:2])
	if err != nil {
		return nil, ErrForeignKey
	}
	if len(inner) < 32 {
		return nil, errBlob
	}
	iterations, salt, nonce, content := binary.BigEndian.Uint32(inner), inner[4:20], inner[20:32], inner[32:]
	if iterations == noAuth {
		return content, nil
	}
	if auth == nil {
		return nil, ErrWrongAuth
	}
	key, err := derive(auth, salt, iterations)
	if err != nil {
		return nil, err
	}
	plain, err := gcm(key).Open(nil, nonce, content, nil)
	if err != nil {
		return nil, ErrWrongAuth
	}
	return plain, nil
}

// CreateKey implements Provider.
func (s *SoftwareProvider) CreateKey(_ context.Context, use Use, auth []byte) (Key, error) {
	var private any
	var public crypto.PublicKey
	switch use {
	case Sign, UserSign, Decrypt:
		k, err := rsakey.New(s.rand, 2048)
		if err != nil {
			return Key{}, err
		}
		private, public = k, k.Public()
	case Agree:
		k, err := ecdh.P256().GenerateKey(s.rand)
		if err != nil {
			return Key{}, err
		}
		private, public = k, k.PublicKey()
	default:
		return Key{}, fmt.Errorf("no software key for use %q", use)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Key{}, err
	}
	defer clear(der)
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, err
	}
	blob, err := s.wrap(kindKey, der, auth, 0)
	if err != nil {
		return Key{}, err
	}
	return Key{Storage: Software, Use: use, Public: spki, Blob: blob}, nil
}

func (s *SoftwareProvider) private(k Key, auth []byte) (any, error) {
	der, err := s.unwrap(k.Storage, kindKey, k.Blob, auth)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return x509.ParsePKCS8PrivateKey(der)
}

func (s *SoftwareProvider) rsa(k Key, auth []byte) (*rsa.PrivateKey, error) {
	p, err := s.private(k, auth)
	if err != nil {
		return nil, err
	}
	r, ok := p.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key of type %T, want RSA", p)
	}
	return r, nil
}

// ChangeAuth implements Provider.
func (s *SoftwareProvider) ChangeAuth(_ context.Context, k Key, old, auth []byte) (Key, error) {
	der, err := s.unwrap(k.Storage, kindKey, k.Blob, old)
	if err != nil {
		return Key{}, err
	}
	defer clear(der)
	k.Blob, err = s.wrap(kindKey, der, auth, 0)
	return k, err
}

// Export implements Provider: keys are made without the export flag.
func (s *SoftwareProvider) Export(_ context.Context, k Key) error {
	if _, err := s.unwrap(k.Storage, kindKey, k.Blob, nil); err != nil && !errors.Is(err, ErrWrongAuth) {
		return err
	}
	return ErrNotExportable
}

// SignSHA256 implements Provider.
func (s *SoftwareProvider) SignSHA256(_ context.Context, k Key, auth []byte, pad Padding, digest [sha256.Size]byte) ([]byte, error) {
	if k.Use != Sign && k.Use != UserSign {
		return nil, fmt.Errorf("a %s key does not sign", k.Use)
	}
	r, err := s.rsa(k, auth)
	if err != nil {
		return nil, err
	}
	if pad == PSS {
		return rsa.SignPSS(s.rand, r, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return rsa.SignPKCS1v15(nil, r, crypto.SHA256, digest[:])
}

// DecryptOAEP implements Provider.
func (s *SoftwareProvider) DecryptOAEP(_ context.Context, k Key, ciphertext []byte) ([]byte, error) {
	if k.Use != Decrypt {
		return nil, fmt.Errorf("a %s key does not decrypt", k.Use)
	}
	r, err := s.rsa(k, nil)
	if err != nil {
		return nil, err
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, r, ciphertext, nil)
	if err != nil {
		return nil, ErrDecrypt
	}
	return plain, nil
}

// Agree implements Provider.
func (s *SoftwareProvider) Agree(_ context.Context, k Key, auth, point []byte) ([]byte, error) {
	p, err := s.private(k, auth)
	if err != nil {
		return nil, err
	}
	peer, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, err
	}
	type agrees interface {
		ECDH() (*ecdh.PrivateKey, error)
	}
	switch p := p.(type) {
	case *ecdh.PrivateKey:
		return p.ECDH(peer)
	case agrees:
		e, err := p.ECDH()
		if err != nil {
			return nil, err
		}
		return e.ECDH(peer)
	default:
		return nil, fmt.Errorf("key of type %T does not agree", p)
	}
}

// Seal implements Provider.
func (s *SoftwareProvider) Seal(_ context.Context, data, auth []byte) (Sealed, error) {
	if auth == nil {
		return Sealed{}, errors.New("sealing needs an authorization value")
	}
	blob, err := s.wrap(kindSealed, data, auth, uint32(s.iterations))
	return Sealed{Storage: Software, Blob: blob}, err
}

// Unseal implements Provider.
func (s *SoftwareProvider) Unseal(_ context.Context, k Sealed, auth []byte) ([]byte, error) {
	return s.unwrap(k.Storage, kindSealed, k.Blob, auth)
}

// SealToMachine implements Provider.
func (s *SoftwareProvider) SealToMachine(_ context.Context, data []byte) (Sealed, error) {
	blob, err := s.wrap(kindMachine, data, nil, 0)
	return Sealed{Storage: Software, Blob: blob}, err
}

// UnsealFromMachine implements Provider.
func (s *SoftwareProvider) UnsealFromMachine(_ context.Context, k Sealed) ([]byte, error) {
	data, err := s.unwrap(k.Storage, kindMachine, k.Blob, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeignKey, err)
	}
	return data, nil
}

// ImportHMAC implements Provider.
func (s *SoftwareProvider) ImportHMAC(_ context.Context, secret []byte) (Sealed, error) {
	blob, err := s.wrap(kindHMAC, secret, nil, 0)
	return Sealed{Storage: Software, Blob: blob}, err
}

// HMAC implements Provider.
func (s *SoftwareProvider) HMAC(_ context.Context, k Sealed, data []byte) ([]byte, error) {
	secret, err := s.unwrap(k.Storage, kindHMAC, k.Blob, nil)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	m := hmac.New(sha256.New, secret)
	m.Write(data)
	return m.Sum(nil), nil
}
