// Package attest is how a TPM proves itself to the registration service: first
// its attestation identity key (AIK), by MakeCredential and ActivateCredential
// against the endorsement key (EK) that the TPM vendor certified (TPM 2.0
// Library, Part 1, 24 "Credential Protection"); then, by TPM2_Certify with that
// AIK, each Hello key.
//
// Windows' own enrolment endpoints are not public. These are the lab's, at the
// registration host, authenticated by the device certificate over TLS:
//
//	POST /EnrollmentServer/aik/          EnrolRequest    → EnrolChallenge
//	POST /EnrollmentServer/aik/activate  ActivateRequest → EnrolReply
//
// Public areas travel as TPM2B_PUBLIC. RSA-2048 and P-256 are accepted for EK
// and AIK; hashes are SHA-256 throughout.
package attest

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers/wire/strict"
)

// Paths of AIK enrolment.
const (
	PathEnrol    = "/EnrollmentServer/aik/"
	PathActivate = "/EnrollmentServer/aik/activate"
)

// NonceLife is how long a nonce of the registration service is good for an
// attestation: keys wait in a device's pool before somebody needs one.
const NonceLife = 90 * 24 * time.Hour

// EnrolRequest asks for an AIK certificate.
type EnrolRequest struct {
	EKCertificates [][]byte `json:"ek_certificates"` // DER, leaf first
	EKPublic       []byte   `json:"ek_public"`
	AIKPublic      []byte   `json:"aik_public"`
}

// EnrolChallenge holds a secret that only the TPM with that EK gives out, and
// only if it holds that AIK. Both byte strings are the contents of their
// TPM2B, without the size in front, as TPM2_ActivateCredential's parameters
// take them in go-tpm.
type EnrolChallenge struct {
	CredentialBlob  []byte `json:"credential_blob"`  // TPM2B_ID_OBJECT
	EncryptedSecret []byte `json:"encrypted_secret"` // TPM2B_ENCRYPTED_SECRET
	Context         string `json:"context"`          // opaque, to be sent back
}

// ActivateRequest returns the secret.
type ActivateRequest struct {
	Context string `json:"context"`
	Secret  []byte `json:"secret"`
}

// EnrolReply brings the AIK certificate.
type EnrolReply struct {
	Certificates [][]byte `json:"certificates"` // DER, leaf first, without the root
}

// ParseEnrolRequest reads an enrolment.
func ParseEnrolRequest(data []byte) (*EnrolRequest, error) { return parse[EnrolRequest](data) }

// ParseActivateRequest reads the answer to a challenge.
func ParseActivateRequest(data []byte) (*ActivateRequest, error) { return parse[ActivateRequest](data) }

// ParseEnrolChallenge reads a challenge.
func ParseEnrolChallenge(data []byte) (*EnrolChallenge, error) { return parse[EnrolChallenge](data) }

// ParseEnrolReply reads the reply that ends an enrolment.
func ParseEnrolReply(data []byte) (*EnrolReply, error) { return parse[EnrolReply](data) }

func parse[T any](data []byte) (*T, error) {
	var v T
	if err := strict.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("AIK enrolment: %w", err)
	}
	return &v, nil
}

// SecretSize is the size of the secret in a challenge: a digest's.
const SecretSize = sha256.Size

// Public is a TPM key's public area.
type Public struct {
	area tpm2.TPMTPublic
	key  crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
	name []byte           // nameAlg ‖ H(TPMT_PUBLIC)
}

// Key returns the public key.
func (p *Public) Key() crypto.PublicKey { return p.key }

// Name returns the TPM's name of the key.
func (p *Public) Name() []byte { return bytes.Clone(p.name) }

// ErrPublic is wrapped by every error of ParsePublic.
var ErrPublic = errors.New("not a TPM public area")

// maxPublic bounds a TPM2B_PUBLIC: RSA-4096 takes about 550 bytes.
const maxPublic = 1 << 10

// ParsePublic reads a TPM2B_PUBLIC of an RSA or elliptic-curve key named by
// SHA-256, without trailing bytes.
func ParsePublic(b []byte) (*Public, error) {
	if len(b) < 4 || len(b) > maxPublic || int(binary.BigEndian.Uint16(b)) != len(b)-2 {
		return nil, fmt.Errorf("%w: size", ErrPublic)
	}
	b = b[2:]
	// Only asymmetric keys reach the decoder: other areas hold lists.
	switch tpm2.TPMAlgID(binary.BigEndian.Uint16(b)) {
	case tpm2.TPMAlgRSA, tpm2.TPMAlgECC:
	default:
		return nil, fmt.Errorf("%w: neither RSA nor elliptic-curve", ErrPublic)
	}
	area, err := tpm2.Unmarshal[tpm2.TPMTPublic](b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPublic, err)
	}
	if !bytes.Equal(tpm2.Marshal(area), b) {
		return nil, fmt.Errorf("%w: trailing or reserved bits", ErrPublic)
	}
	if area.NameAlg != tpm2.TPMAlgSHA256 {
		return nil, fmt.Errorf("%w: named by another hash than SHA-256", ErrPublic)
	}
	p := &Public{area: *area}
	if p.key, err = publicKey(area); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPublic, err)
	}
	sum := sha256.Sum256(b)
	p.name = append(binary.BigEndian.AppendUint16(nil, uint16(area.NameAlg)), sum[:]...)
	return p, nil
}

func publicKey(area *tpm2.TPMTPublic) (crypto.PublicKey, error) {
	if area.Type == tpm2.TPMAlgRSA {
		params, err := area.Parameters.RSADetail()
		if err != nil {
			return nil, err
		}
		n, err := area.Unique.RSA()
		if err != nil {
			return nil, err
		}
		pub, err := tpm2.RSAPub(params, n)
		if err != nil {
			return nil, err
		}
		if params.KeyBits != 2048 || pub.N.BitLen() != 2048 || pub.N.Bit(0) == 0 || pub.E != 65537 {
			return nil, errors.New("want RSA-2048 with exponent 65537")
		}
		return pub, nil
	}
	params, err := area.Parameters.ECCDetail()
	if err != nil {
		return nil, err
	}
	point, err := area.Unique.ECC()
	if err != nil {
		return nil, err
	}
	if params.CurveID != tpm2.TPMECCNistP256 {
		return nil, errors.New("want curve P-256")
	}
	pub, err := tpm2.ECDSAPub(params, point)
	if err != nil {
		return nil, err
	}
	if _, err := pub.ECDH(); err != nil { // not on the curve
		return nil, err
	}
	return pub, nil
}

// CheckEK says whether p is an endorsement key: it decrypts, only structures
// the TPM made, and cannot leave it.
func (p *Public) CheckEK() error {
	a := p.area.ObjectAttributes
	if !a.FixedTPM || !a.FixedParent || !a.SensitiveDataOrigin || !a.Restricted || !a.Decrypt || a.SignEncrypt {
		return errors.New("the key is not a restricted decryption key born in the TPM")
	}
	return nil
}

// CheckAIK says whether p is an attestation identity key: it signs, only what
// the TPM itself wrote, and cannot leave it.
func (p *Public) CheckAIK() error {
	a := p.area.ObjectAttributes
	if !a.FixedTPM || !a.FixedParent || !a.SensitiveDataOrigin || !a.Restricted || !a.SignEncrypt || a.Decrypt {
		return errors.New("the key is not a restricted signing key born in the TPM")
	}
	return nil
}

// MakeCredential encrypts secret to the TPM that has ek, to be given out only
// if that TPM holds the AIK, too.
func MakeCredential(rand io.Reader, ek, aik *Public, secret []byte) (credentialBlob, encryptedSecret []byte, err error) {
	key, err := tpm2.ImportEncapsulationKey(&ek.area)
	if err != nil {
		return nil, nil, fmt.Errorf("make credential: %w", err)
	}
	blob, enc, err := tpm2.CreateCredential(rand, key, aik.name, secret)
	if err != nil {
		return nil, nil, fmt.Errorf("make credential: %w", err)
	}
	return blob, enc, nil
}

// ExtraData is what a device certifies a key with: the TPM's extraData takes
// at most a digest, so the nonce is hashed.
func ExtraData(nonce string) []byte {
	sum := sha256.Sum256([]byte(nonce))
	return sum[:]
}
