// Package ksp is what a Windows device asks of a key storage provider (CNG's
// term, KSP): keys that are made, used and never handed out. Two providers
// exist: the platform one, a TPM 2.0 (package tpm), and the software one
// (Software, for devices without a TPM).
//
// A key at rest is a blob only its provider understands. Its authorization
// value, when it has one, is needed at each use; a wrong one is ErrWrongAuth,
// and on a TPM counts towards the lockout.
package ksp

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
)

// Storage says where a key lives.
type Storage string

const (
	TPM      Storage = "tpm"
	Software Storage = "software"
)

// Errors of every provider, for errors.Is.
var (
	ErrWrongAuth     = errors.New("authorization value is wrong")
	ErrLockedOut     = errors.New("the TPM is locked out after too many wrong authorizations")
	ErrForeignKey    = errors.New("the key was not made here")
	ErrDecrypt       = errors.New("the cipher text is not for this key")
	ErrNotExportable = errors.New("not exportable")
)

// Use is what a key may do.
type Use string

const (
	// Sign is an RSA-2048 key that signs SHA-256 digests.
	Sign Use = "sign"
	// UserSign is Sign with the policy of attestable Hello keys: the TPM may
	// certify it without its authorization value.
	UserSign Use = "user-sign"
	// Decrypt is an RSA-2048 key that opens RSAES-OAEP (SHA-1), the transport key.
	Decrypt Use = "decrypt"
	// Agree is a P-256 key for ECDH, the container's authentication key.
	Agree Use = "agree"
)

// Padding is the form of an RSA signature (RFC 8017, section 8).
type Padding int

const (
	PKCS1 Padding = iota // RSASSA-PKCS1-v1_5, of tokens and certificate requests
	PSS                  // RSASSA-PSS with a salt of 32 bytes, of TLS 1.3
)

// Key is a key at rest: nothing in it is secret to the provider that made it,
// and nothing in it is of use to another.
type Key struct {
	Storage Storage `json:"storage"`
	Use     Use     `json:"use"`
	Public  []byte  `json:"public"` // SubjectPublicKeyInfo, DER
	Blob    []byte  `json:"blob"`   // the provider's own
}

// PublicKey decodes Public.
func (k Key) PublicKey() (crypto.PublicKey, error) {
	pub, err := x509.ParsePKIXPublicKey(k.Public)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	switch pub := pub.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
		return pub, nil
	default:
		return nil, fmt.Errorf("public key of type %T", pub)
	}
}

// RSA decodes Public of an RSA key.
func (k Key) RSA() (*rsa.PublicKey, error) {
	pub, err := k.PublicKey()
	if err != nil {
		return nil, err
	}
	r, ok := pub.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key of type %T, want RSA", pub)
	}
	return r, nil
}

// Digest is the SHA-256 of Public, to name the key in traces.
func (k Key) Digest() [sha256.Size]byte { return sha256.Sum256(k.Public) }

// Sealed is bytes that only the provider gives back.
type Sealed struct {
	Storage Storage `json:"storage"`
	Blob    []byte  `json:"blob"`
}

// Provider makes and uses keys. auth nil means that the object has none. No
// method returns a private key.
type Provider interface {
	Storage() Storage
	CreateKey(ctx context.Context, use Use, auth []byte) (Key, error)
	// ChangeAuth returns the key under a new authorization value; the old blob is void by convention.
	ChangeAuth(ctx context.Context, k Key, old, auth []byte) (Key, error)
	// Export asks for the private key. The answer is always ErrNotExportable.
	Export(ctx context.Context, k Key) error
	// SignSHA256 signs the SHA-256 digest of a message.
	SignSHA256(ctx context.Context, k Key, auth []byte, pad Padding, digest [sha256.Size]byte) ([]byte, error)
	// DecryptOAEP opens RSAES-OAEP with SHA-1, MGF1-SHA-1 and an empty label. What
	// does not open is ErrDecrypt, for whatever reason.
	DecryptOAEP(ctx context.Context, k Key, ciphertext []byte) ([]byte, error)
	// Agree returns the x coordinate of the ECDH shared point with an uncompressed P-256 point.
	Agree(ctx context.Context, k Key, auth, point []byte) ([]byte, error)
	// Seal keeps at most 128 bytes under auth, which a person chose and which
	// is therefore guarded against guessing: by the TPM's lockout or by a slow derivation.
	Seal(ctx context.Context, data, auth []byte) (Sealed, error)
	Unseal(ctx context.Context, s Sealed, auth []byte) ([]byte, error)
	// SealToMachine keeps at most 128 bytes for whatever runs on the device, and for
	// nothing elsewhere: there is no authorization value, and so nothing to guess.
	SealToMachine(ctx context.Context, data []byte) (Sealed, error)
	// UnsealFromMachine gives them back. What was sealed on another device, under
	// an authorization value, or was changed since, is ErrForeignKey.
	UnsealFromMachine(ctx context.Context, s Sealed) ([]byte, error)
	// ImportHMAC takes in a symmetric key, which from then on only HMAC uses.
	ImportHMAC(ctx context.Context, secret []byte) (Sealed, error)
	// HMAC returns HMAC-SHA256 of data under an imported key.
	HMAC(ctx context.Context, k Sealed, data []byte) ([]byte, error)
}

// Signer is a key as crypto.Signer, for the length of ctx. It signs SHA-256 digests only.
func Signer(ctx context.Context, p Provider, k Key, auth []byte) (crypto.Signer, error) {
	pub, err := k.RSA()
	if err != nil {
		return nil, err
	}
	return signer{pub, func(pad Padding, digest [sha256.Size]byte) ([]byte, error) {
		return p.SignSHA256(ctx, k, auth, pad, digest)
	}}, nil
}

// SignerFunc makes a crypto.Signer of a public key and what signs for it.
func SignerFunc(pub *rsa.PublicKey, sign func(Padding, [sha256.Size]byte) ([]byte, error)) crypto.Signer {
	return signer{pub, sign}
}

type signer struct {
	pub  *rsa.PublicKey
	sign func(Padding, [sha256.Size]byte) ([]byte, error)
}

func (s signer) Public() crypto.PublicKey { return s.pub }

func (s signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return nil, fmt.Errorf("the key signs SHA-256 digests, not %v", opts.HashFunc())
	}
	pad := PKCS1
	if _, ok := opts.(*rsa.PSSOptions); ok {
		pad = PSS
	}
	return s.sign(pad, [sha256.Size]byte(digest))
}
