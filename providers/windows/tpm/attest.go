package tpm

import (
	"context"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"hellolab/providers/windows/ksp"
)

// Certification is what an attestation identity key says about another key:
// that it is in the same TPM.
type Certification struct {
	Attest    []byte // TPMS_ATTEST
	Signature []byte // RSASSA-PKCS1-v1_5 SHA-256 by the identity key
}

// Certify lets aik speak for k over a verifier's nonce, without the
// authorization value of k: through the Certify branch of its policy.
func (t *TPM) Certify(ctx context.Context, k, aik ksp.Key, nonce []byte) (c Certification, err error) {
	err = t.with(ctx, aik.Storage, aik.Blob, func(s *session, signer *loaded) error {
		subject, err := s.load(k.Blob)
		if err != nil {
			return err
		}
		defer subject.flush()
		c, err = s.certify(subject, signer, nonce)
		return err
	})
	return c, err
}

func (s *session) certify(subject, signer *loaded, nonce []byte) (Certification, error) {
	rsp, err := tpm2.Certify{
		ObjectHandle:   subject.auth(tpm2.Policy(tpm2.TPMAlgSHA256, 16, certifyBranch)),
		SignHandle:     signer.auth(tpm2.PasswordAuth(nil)),
		QualifyingData: tpm2.TPM2BData{Buffer: nonce},
		InScheme:       tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull},
	}.Execute(s)
	if err != nil {
		return Certification{}, fmt.Errorf("certify: %w", err)
	}
	sig, err := rsp.Signature.Signature.RSASSA()
	if err != nil {
		return Certification{}, fmt.Errorf("certify: %w", err)
	}
	return Certification{rsp.CertifyInfo.Bytes(), sig.Sig.Buffer}, nil
}

func certifyBranch(t transport.TPM, h tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
	if _, err := (tpm2.PolicyCommandCode{PolicySession: h, Code: tpm2.TPMCCCertify}).Execute(t); err != nil {
		return err
	}
	_, err := tpm2.PolicyOr{PolicySession: h, PHashList: pcpBranches()}.Execute(t)
	return err
}

// ActivateCredential opens a credential that an issuer bound to this TPM's
// endorsement key and to the name of aik (TPM 2.0 Part 1, 24).
func (t *TPM) ActivateCredential(ctx context.Context, aik ksp.Key, credential, secret []byte) (cert []byte, err error) {
	err = t.with(ctx, aik.Storage, aik.Blob, func(s *session, l *loaded) error {
		ek, err := tpm2.ReadPublic{ObjectHandle: ekHandle}.Execute(s)
		if err != nil {
			return fmt.Errorf("read endorsement key: %w", err)
		}
		rsp, err := tpm2.ActivateCredential{
			ActivateHandle: l.auth(tpm2.PasswordAuth(nil)),
			KeyHandle: tpm2.AuthHandle{
				Handle: ekHandle,
				Name:   ek.Name,
				Auth:   tpm2.Policy(tpm2.TPMAlgSHA256, 16, endorsementPolicy),
			},
			CredentialBlob: tpm2.TPM2BIDObject{Buffer: credential},
			Secret:         tpm2.TPM2BEncryptedSecret{Buffer: secret},
		}.Execute(s)
		if err != nil {
			return fmt.Errorf("activate credential: %w", err)
		}
		cert = rsp.CertInfo.Buffer
		return nil
	})
	return cert, err
}

// endorsementPolicy meets PolicySecret(TPM_RH_ENDORSEMENT), the policy of every endorsement key.
func endorsementPolicy(t transport.TPM, h tpm2.TPMISHPolicy, nonce tpm2.TPM2BNonce) error {
	_, err := tpm2.PolicySecret{
		AuthHandle:    tpm2.AuthHandle{Handle: tpm2.TPMRHEndorsement, Auth: tpm2.PasswordAuth(nil)},
		PolicySession: h,
		NonceTPM:      nonce,
	}.Execute(t)
	return err
}

// Lockout is the state of the dictionary attack protection.
type Lockout struct {
	Failures int // counted and not yet forgotten
	Max      int // at which the TPM locks
	Locked   bool
}

// Lockout reads the state of the dictionary attack protection.
func (t *TPM) Lockout(ctx context.Context) (l Lockout, err error) {
	err = t.run(ctx, func(s *session) error {
		failures, err := s.property(tpm2.TPMPTLockoutCounter)
		if err != nil {
			return err
		}
		limit, err := s.property(tpm2.TPMPTMaxAuthFail)
		if err != nil {
			return err
		}
		permanent, err := s.property(tpm2.TPMPTPermanent)
		if err != nil {
			return err
		}
		l = Lockout{Failures: int(failures), Max: int(limit), Locked: permanent>>9&1 == 1}
		return nil
	})
	return l, err
}

func (s *session) property(pt tpm2.TPMPT) (uint32, error) {
	rsp, err := tpm2.GetCapability{Capability: tpm2.TPMCapTPMProperties, Property: uint32(pt), PropertyCount: 1}.Execute(s)
	if err != nil {
		return 0, fmt.Errorf("read property: %w", err)
	}
	props, err := rsp.CapabilityData.Data.TPMProperties()
	if err != nil {
		return 0, fmt.Errorf("read property: %w", err)
	}
	for _, p := range props.TPMProperty {
		if p.Property == pt {
			return p.Value, nil
		}
	}
	return 0, fmt.Errorf("the TPM has no property %#x", uint32(pt))
}
