package attest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers/wire/ngc"
)

// Evidence is a claim that a key was made in a device's TPM, and what the
// service knows to judge it by.
type Evidence struct {
	Statement []byte   // ngc.Statement
	AIKChain  [][]byte // DER, leaf first
	Nonce     string
	Key       *rsa.PublicKey // the key that is being registered

	Roots *x509.CertPool // the service's AIK authority
	Now   time.Time

	// Issued says whether the AIK certificate was issued to the device that
	// registers the key and is not revoked.
	Issued func(aik *x509.Certificate) error
	// Fresh says whether Nonce was issued by the service, is in its life and
	// was not used.
	Fresh func(nonce string) error
}

// Failure names the check that evidence failed.
type Failure struct {
	Check string // "aik_certificate", "statement", "signature", "attested", "nonce", "name", "attributes", "key"
	Err   error
}

func (f *Failure) Error() string { return f.Check + ": " + f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Verify goes through the checks in order and returns a *Failure for the first
// that does not hold:
//
//	aik_certificate  the AIK certificate chains to the service's authority, is
//	                 for that purpose, in its life, and issued to this device
//	statement        the statement's form, sizes without a rest
//	signature        the AIK signed the TPM's words (SHA-256)
//	attested         the TPM generated them (magic) about a key (TPM2_Certify)
//	nonce            they hold the digest of a fresh nonce
//	name             the TPM's name of the key is that of the public area
//	attributes       born in the TPM and fixed to it, signs, is not restricted,
//	                 counts wrong PINs, opens by its PIN only
//	key              it is the key that is being registered
func (e Evidence) Verify() error {
	aik, err := VerifyAIK(e.AIKChain, e.Roots, e.Now)
	if err == nil {
		err = e.Issued(aik)
	}
	if err != nil {
		return &Failure{"aik_certificate", err}
	}
	st, err := ngc.ParseStatement(e.Statement)
	if err != nil {
		return &Failure{"statement", err}
	}
	public, err := ParsePublic(st.Public)
	if err != nil {
		return &Failure{"statement", err}
	}
	if err := CheckSignature(aik.PublicKey, st.Attest, st.Signature); err != nil {
		return &Failure{"signature", err}
	}
	certified, extraData, err := parseCertify(st.Attest)
	if err != nil {
		return &Failure{"attested", err}
	}
	if !bytes.Equal(extraData, ExtraData(e.Nonce)) {
		return &Failure{"nonce", errors.New("the statement holds another nonce")}
	}
	if err := e.Fresh(e.Nonce); err != nil {
		return &Failure{"nonce", err}
	}
	if !bytes.Equal(certified.Name.Buffer, public.name) {
		return &Failure{"name", errors.New("the TPM certified another key")}
	}
	if err := public.CheckUserKey(); err != nil {
		return &Failure{"attributes", err}
	}
	if !samePublic(public.key, e.Key) {
		return &Failure{"key", errors.New("the TPM certified another key than the registered one")}
	}
	return nil
}

// CheckSignature says whether an AIK signed the TPM's words. It takes
// RSASSA-PKCS1-v1_5 with SHA-256, or ECDSA P-256 with SHA-256 as r ‖ s of 32
// bytes each, the forms a TPM signs in.
func CheckSignature(key crypto.PublicKey, message, sig []byte) error {
	digest := sha256.Sum256(message)
	switch key := key.(type) {
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		const half = 32
		if len(sig) == 2*half && ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])) {
			return nil
		}
	}
	return errors.New("the AIK did not sign the statement")
}

// TPM_GENERATED_VALUE and TPM_ST_ATTEST_CERTIFY, the first six bytes.
const (
	attestMagic   = 0xFF544347
	attestCertify = 0x8017
	maxAttest     = 1 << 10
)

// parseCertify reads a TPMS_ATTEST of TPM2_Certify, without trailing bytes.
func parseCertify(b []byte) (*tpm2.TPMSCertifyInfo, []byte, error) {
	if len(b) < 6 || len(b) > maxAttest {
		return nil, nil, errors.New("size")
	}
	if binary.BigEndian.Uint32(b) != attestMagic {
		return nil, nil, errors.New("the TPM did not generate the statement")
	}
	if binary.BigEndian.Uint16(b[4:]) != attestCertify {
		return nil, nil, errors.New("the statement is not about a key")
	}
	a, err := tpm2.Unmarshal[tpm2.TPMSAttest](b)
	if err != nil {
		return nil, nil, fmt.Errorf("decode: %w", err)
	}
	if !bytes.Equal(tpm2.Marshal(a), b) {
		return nil, nil, errors.New("trailing bytes")
	}
	certified, err := a.Attested.Certify()
	if err != nil {
		return nil, nil, err
	}
	return certified, a.ExtraData.Buffer, nil
}

// CheckUserKey holds a Hello key to what makes the attestation worth anything.
// sensitiveDataOrigin alone can be claimed for an imported key; fixedTPM and
// fixedParent cannot.
func (p *Public) CheckUserKey() error {
	a := p.area.ObjectAttributes
	switch {
	case !a.FixedTPM || !a.FixedParent:
		return errors.New("the key can leave the TPM")
	case !a.SensitiveDataOrigin:
		return errors.New("the key was not made in the TPM")
	case !a.SignEncrypt || a.Restricted:
		return errors.New("the key is not a signing key")
	case a.NoDA:
		return errors.New("wrong PINs do not count against the key")
	}
	// Who may use the key: the holder of its auth value, directly or by the
	// Platform Crypto Provider's policy. Any other policy could leave it out.
	policy := p.area.AuthPolicy.Buffer
	switch {
	case len(policy) == 0 && a.UserWithAuth:
	case bytes.Equal(policy, PCPPolicy().Digest):
	default:
		return errors.New("the key opens by another policy than its PIN")
	}
	return nil
}

// Policy is the authorization policy of keys of Microsoft's Platform Crypto
// Provider: a PolicyOR of six branches (PCPTool, SHA-256).
//
//	0  PolicyAuthValue
//	1  PolicyAuthValue, PolicyCommandCode(ObjectChangeAuth)
//	2  PolicyAuthValue, PolicyCommandCode(Certify)
//	3  PolicyAuthValue, PolicyCommandCode(ActivateCredential)
//	4  empty
//	5  PolicyCommandCode(Certify): attests without the PIN
type Policy struct {
	Branches [][]byte // as TPM2_PolicyOR takes them
	Digest   []byte   // the key's authPolicy
}

// PCPPolicy returns the policy.
func PCPPolicy() Policy {
	zero := make([]byte, sha256.Size)
	extend := func(digest []byte, cc tpm2.TPMCC, args []byte) []byte {
		h := sha256.New()
		h.Write(digest)
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(cc)))
		h.Write(args)
		return h.Sum(nil)
	}
	command := func(digest []byte, cc tpm2.TPMCC) []byte {
		return extend(digest, tpm2.TPMCCPolicyCommandCode, binary.BigEndian.AppendUint32(nil, uint32(cc)))
	}
	auth := extend(zero, tpm2.TPMCCPolicyAuthValue, nil)
	p := Policy{Branches: [][]byte{
		auth,
		command(auth, tpm2.TPMCCObjectChangeAuth),
		command(auth, tpm2.TPMCCCertify),
		command(auth, tpm2.TPMCCActivateCredential),
		{},
		command(zero, tpm2.TPMCCCertify),
	}}
	p.Digest = extend(zero, tpm2.TPMCCPolicyOR, bytes.Join(p.Branches, nil))
	return p
}
