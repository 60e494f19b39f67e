//go:build cgo

package attest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-tpm-tools/simulator"
	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"hellolab/providers/wire/ngc"
)

// tpm is the reference implementation's simulator. It holds three objects at a
// time: endorse makes the EK once the storage root key is no longer needed.
type tpm struct {
	transport.TPM
	t   testing.TB
	srk tpm2.NamedHandle
}

func newTPM(t testing.TB) *tpm {
	t.Helper()
	sim, err := simulator.Get()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	m := &tpm{TPM: transport.FromReadWriter(sim), t: t}
	srk := m.primary(tpm2.TPMRHOwner, tpm2.ECCSRKTemplate)
	m.srk = tpm2.NamedHandle{Handle: srk.ObjectHandle, Name: srk.Name}
	return m
}

// endorse drops the storage root key and returns the EK and its TPM2B_PUBLIC.
func (m *tpm) endorse() (tpm2.NamedHandle, []byte) {
	m.t.Helper()
	if _, err := (tpm2.FlushContext{FlushHandle: m.srk.Handle}).Execute(m); err != nil {
		m.t.Fatal(err)
	}
	ek := m.primary(tpm2.TPMRHEndorsement, tpm2.ECCEKTemplate)
	return tpm2.NamedHandle{Handle: ek.ObjectHandle, Name: ek.Name}, tpm2.Marshal(ek.OutPublic)
}

func (m *tpm) primary(h tpm2.TPMHandle, tpl tpm2.TPMTPublic) *tpm2.CreatePrimaryResponse {
	m.t.Helper()
	rsp, err := tpm2.CreatePrimary{PrimaryHandle: h, InPublic: tpm2.New2B(tpl)}.Execute(m)
	if err != nil {
		m.t.Fatal(err)
	}
	return rsp
}

// key makes a child key and returns its handle and TPM2B_PUBLIC.
func (m *tpm) key(attrs tpm2.TPMAObject, policy []byte, scheme tpm2.TPMTRSAScheme) (tpm2.NamedHandle, []byte) {
	m.t.Helper()
	attrs.FixedTPM, attrs.FixedParent, attrs.SensitiveDataOrigin, attrs.UserWithAuth, attrs.SignEncrypt = true, true, true, true, true
	made, err := tpm2.Create{ParentHandle: m.srk, InPublic: tpm2.New2B(tpm2.TPMTPublic{
		Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: attrs, AuthPolicy: tpm2.TPM2BDigest{Buffer: policy},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: 2048, Scheme: scheme}),
	})}.Execute(m)
	if err != nil {
		m.t.Fatal(err)
	}
	loaded, err := tpm2.Load{ParentHandle: m.srk, InPrivate: made.OutPrivate, InPublic: made.OutPublic}.Execute(m)
	if err != nil {
		m.t.Fatal(err)
	}
	return tpm2.NamedHandle{Handle: loaded.ObjectHandle, Name: loaded.Name}, tpm2.Marshal(made.OutPublic)
}

func TestSimulatorEnrolsAndAttests(t *testing.T) {
	m := newTPM(t)
	vendor, service := newAuthority(t), newAuthority(t)

	aikHandle, aikPublic := m.key(tpm2.TPMAObject{Restricted: true, NoDA: true}, nil, tpm2.TPMTRSAScheme{
		Scheme: tpm2.TPMAlgRSASSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgRSASSA, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256})})
	userHandle, userPublic := m.key(tpm2.TPMAObject{}, PCPPolicy().Digest, tpm2.TPMTRSAScheme{})
	ekHandle, ekPublic := m.endorse()

	// Enrolment: EK certificate, challenge, activation.
	ek, err := ParsePublic(ekPublic)
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := EKTemplate(Simulator)
	if err != nil {
		t.Fatal(err)
	}
	ekChain := [][]byte{vendor.issue(t, tmpl, ek.Key())}
	if _, err := VerifyEK(ekChain, vendor.pool(), now, ek.Key()); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyEK(ekChain, service.pool(), now, ek.Key()); err == nil {
		t.Error("EK certificate of another vendor accepted")
	}
	if _, err := VerifyEK(ekChain, vendor.pool(), now, &rsaKey(t).PublicKey); err == nil {
		t.Error("EK certificate of another key accepted")
	}
	if _, err := VerifyEK(ekChain, vendor.pool(), now.Add(2*time.Hour), ek.Key()); err == nil {
		t.Error("expired EK certificate accepted")
	}
	aik, err := ParsePublic(aikPublic)
	if err != nil {
		t.Fatal(err)
	}
	if err := ek.CheckEK(); err != nil {
		t.Error(err)
	}
	if err := aik.CheckAIK(); err != nil {
		t.Error(err)
	}
	if ek.CheckAIK() == nil || aik.CheckEK() == nil {
		t.Error("EK and AIK are taken for each other")
	}
	if !bytes.Equal(aik.Name(), aikHandle.Name.Buffer) {
		t.Error("name differs from the TPM's")
	}
	secret := bytes.Repeat([]byte{7}, SecretSize)
	activate := func(ek, aik *Public) ([]byte, error) {
		blob, enc, err := MakeCredential(rand.Reader, ek, aik, secret)
		if err != nil {
			t.Fatal(err)
		}
		rsp, err := tpm2.ActivateCredential{
			ActivateHandle: tpm2.AuthHandle{Handle: aikHandle.Handle, Name: aikHandle.Name, Auth: tpm2.PasswordAuth(nil)},
			KeyHandle: tpm2.AuthHandle{Handle: ekHandle.Handle, Name: ekHandle.Name, Auth: tpm2.Policy(tpm2.TPMAlgSHA256, 16,
				func(tr transport.TPM, h tpm2.TPMISHPolicy, nonce tpm2.TPM2BNonce) error {
					_, err := tpm2.PolicySecret{AuthHandle: tpm2.TPMRHEndorsement, PolicySession: h, NonceTPM: nonce}.Execute(tr)
					return err
				})},
			CredentialBlob: tpm2.TPM2BIDObject{Buffer: blob}, Secret: tpm2.TPM2BEncryptedSecret{Buffer: enc},
		}.Execute(m)
		if err != nil {
			return nil, err
		}
		return rsp.CertInfo.Buffer, nil
	}
	if got, err := activate(ek, aik); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("activation gave %x, %v", got, err)
	}
	user, err := ParsePublic(userPublic)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := activate(ek, user); err == nil {
		t.Error("the TPM gave out a secret bound to another key than the AIK")
	}

	// Attestation of the user key, through the policy's branch without a PIN.
	var branches tpm2.TPMLDigest
	for _, b := range PCPPolicy().Branches {
		branches.Digests = append(branches.Digests, tpm2.TPM2BDigest{Buffer: b})
	}
	certified, err := tpm2.Certify{
		ObjectHandle: tpm2.AuthHandle{Handle: userHandle.Handle, Name: userHandle.Name, Auth: tpm2.Policy(tpm2.TPMAlgSHA256, 16,
			func(tr transport.TPM, h tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
				if _, err := (tpm2.PolicyCommandCode{PolicySession: h, Code: tpm2.TPMCCCertify}).Execute(tr); err != nil {
					return err
				}
				_, err := tpm2.PolicyOr{PolicySession: h, PHashList: branches}.Execute(tr)
				return err
			})},
		SignHandle:     tpm2.AuthHandle{Handle: aikHandle.Handle, Name: aikHandle.Name, Auth: tpm2.PasswordAuth(nil)},
		QualifyingData: tpm2.TPM2BData{Buffer: ExtraData("nonce")},
		InScheme:       tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull},
	}.Execute(m)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := certified.Signature.Signature.RSASSA()
	if err != nil {
		t.Fatal(err)
	}
	e := Evidence{
		Statement: ngc.Statement{Attest: certified.CertifyInfo.Bytes(), Signature: sig.Sig.Buffer, Public: userPublic}.Marshal(),
		AIKChain:  [][]byte{aikCertificate(t, service, aik.Key())},
		Nonce:     "nonce", Key: user.Key().(*rsa.PublicKey), Roots: service.pool(), Now: now,
		Issued: func(*x509.Certificate) error { return nil }, Fresh: func(string) error { return nil },
	}
	if err := e.Verify(); err != nil {
		t.Error(err)
	}
	t.Logf("statement of %d bytes", len(e.Statement))

	e.AIKChain = [][]byte{aikCertificate(t, service, &rsaKey(t).PublicKey)}
	wantFailure(t, e.Verify(), "signature")
}
