package attest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/go-tpm/tpm2"
)

// Certified is what a TPM said of a key with TPM2_Certify (TPM 2.0 Library,
// Part 2, 10.12.12 "TPMS_ATTEST"). Only who holds the AIK's public key can
// tell whether a TPM said it.
type Certified struct {
	QualifiedSigner []byte // qualified name of the AIK
	ExtraData       []byte // qualifying data: what the caller had the TPM repeat
	Clock           uint64 // milliseconds that the TPM was powered
	ResetCount      uint32
	RestartCount    uint32
	Safe            bool   // Clock never ran back
	Firmware        uint64 // obfuscated unless the AIK is in the endorsement hierarchy
	Name            []byte // of the certified key: nameAlg ‖ H(TPMT_PUBLIC)
	QualifiedName   []byte
}

// ParseCertified reads a TPMS_ATTEST of TPM2_Certify, without a size in front
// and without trailing bytes.
func ParseCertified(b []byte) (*Certified, error) {
	info, extraData, err := parseCertify(b)
	if err != nil {
		return nil, fmt.Errorf("attestation: %w", err)
	}
	a, err := tpm2.Unmarshal[tpm2.TPMSAttest](b)
	if err != nil {
		return nil, fmt.Errorf("attestation: %w", err)
	}
	return &Certified{
		QualifiedSigner: a.QualifiedSigner.Buffer, ExtraData: extraData,
		Clock: a.ClockInfo.Clock, ResetCount: a.ClockInfo.ResetCount, RestartCount: a.ClockInfo.RestartCount, Safe: bool(a.ClockInfo.Safe),
		Firmware: a.FirmwareVersion,
		Name:     info.Name.Buffer, QualifiedName: info.QualifiedName.Buffer,
	}, nil
}

// Names says whether the certified key is that of a public area.
func (c *Certified) Names(p *Public) bool { return bytes.Equal(c.Name, p.name) }

// Attributes spells out the attributes that are set, by the names of the TPM
// 2.0 Library, Part 2, 8.3 "TPMA_OBJECT", in the order of their bits.
func (p *Public) Attributes() []string {
	a := p.area.ObjectAttributes
	var set []string
	for _, bit := range []struct {
		name string
		on   bool
	}{
		{"fixedTPM", a.FixedTPM}, {"stClear", a.STClear}, {"fixedParent", a.FixedParent}, {"sensitiveDataOrigin", a.SensitiveDataOrigin},
		{"userWithAuth", a.UserWithAuth}, {"adminWithPolicy", a.AdminWithPolicy}, {"firmwareLimited", a.FirmwareLimited},
		{"noDA", a.NoDA}, {"encryptedDuplication", a.EncryptedDuplication}, {"restricted", a.Restricted}, {"decrypt", a.Decrypt},
		{"sign", a.SignEncrypt}, {"x509sign", a.X509Sign},
	} {
		if bit.on {
			set = append(set, bit.name)
		}
	}
	return set
}

// Policy describes who may use the key: by its authorization policy's digest,
// the one policy that is known by name, or "" for none.
func (p *Public) Policy() string {
	digest := p.area.AuthPolicy.Buffer
	switch {
	case len(digest) == 0:
		return ""
	case bytes.Equal(digest, PCPPolicy().Digest):
		return "Platform Crypto Provider (PIN; certification without it)"
	}
	return hex.EncodeToString(digest)
}

// Algorithm names the key's: "RSA 2048, exponent 65537" or "ECC P-256".
func (p *Public) Algorithm() string {
	if p.area.Type == tpm2.TPMAlgRSA {
		return "RSA 2048, exponent 65537" // the only one that ParsePublic takes
	}
	return "ECC P-256"
}

// Purpose says what a key with these attributes is for: "endorsement key",
// "attestation identity key", "user key" or "" for something else.
func (p *Public) Purpose() string {
	var is []string
	for _, c := range []struct {
		what  string
		check func() error
	}{{"endorsement key", p.CheckEK}, {"attestation identity key", p.CheckAIK}, {"user key", p.CheckUserKey}} {
		if c.check() == nil {
			is = append(is, c.what)
		}
	}
	return strings.Join(is, ", ")
}
