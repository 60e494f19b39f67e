package keycred

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"hellolab/providers/wire/cng"
)

// Form is how KeyMaterial holds a public key. It is told by the first bytes,
// and where those are DER, by what the DER turns out to be.
type Form int

// Forms.
const (
	FormUnknown     Form = iota
	FormRSA1             // BCRYPT_RSAKEY_BLOB, what Windows Hello registers
	FormTPM              // PCP_KEY_BLOB of the Platform Crypto Provider
	FormSPKI             // DER SubjectPublicKeyInfo
	FormPKCS1            // DER RSAPublicKey, what computers write
	FormCertificate      // DER certificate
	FormFIDO             // JSON with the authenticator's data
)

func (f Form) String() string {
	return [...]string{"unknown", "BCRYPT_RSAKEY_BLOB", "TPM key blob (PCP)", "SubjectPublicKeyInfo", "RSAPublicKey (PKCS #1)", "certificate", "FIDO"}[f]
}

// ErrMaterial is wrapped by the errors of PublicKey.
var ErrMaterial = errors.New("the key material cannot be read")

// maxCertificate bounds DER in KeyMaterial.
const maxCertificate = 16 << 10

// PublicKey returns the key: *rsa.PublicKey of at most 4096 bits,
// *ecdsa.PublicKey or ed25519.PublicKey. It may be weak; ask Weaknesses before
// anything is believed by it.
func (k *Key) PublicKey() (crypto.PublicKey, error) {
	pub, _, err := k.read()
	return pub, err
}

// Form returns how the key material holds the key; FormUnknown when it cannot
// be read.
func (k *Key) Form() Form {
	_, form, _ := k.read()
	return form
}

// SubjectPublicKeyInfo returns the key in DER. Two keys are one if these are
// equal.
func (k *Key) SubjectPublicKeyInfo() ([]byte, error) {
	pub, err := k.PublicKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMaterial, err)
	}
	return der, nil
}

func (k *Key) read() (pub crypto.PublicKey, form Form, err error) {
	m := k.Material
	switch {
	case len(m) >= 4 && string(m[:4]) == "RSA1":
		form = FormRSA1
		pub, err = cng.DecodeRSAPublic(m)
	case len(m) >= 4 && string(m[:4]) == "PCPM":
		form = FormTPM
		pub, err = parsePCP(m)
	case len(m) > 0 && m[0] == '{':
		var f *FIDO
		form = FormFIDO
		if f, err = parseFIDO(m); err == nil {
			pub = f.Key
		}
	case len(m) > 0 && m[0] == 0x30 && len(m) <= maxCertificate:
		pub, form, err = parseDER(m)
	default:
		err = errors.New("it has the sign of no known form")
	}
	if err == nil {
		err = bounded(pub)
	}
	if err != nil {
		return nil, FormUnknown, fmt.Errorf("%w: %w", ErrMaterial, err)
	}
	return pub, form, nil
}

func parseDER(m []byte) (crypto.PublicKey, Form, error) {
	if pub, err := x509.ParsePKIXPublicKey(m); err == nil {
		return pub, FormSPKI, nil
	}
	if pub, err := x509.ParsePKCS1PublicKey(m); err == nil {
		return pub, FormPKCS1, nil
	}
	cert, err := x509.ParseCertificate(m)
	if err != nil {
		return nil, FormUnknown, errors.New("the DER is no SubjectPublicKeyInfo, RSAPublicKey or certificate")
	}
	if cert.PublicKey == nil {
		return nil, FormUnknown, errors.New("the certificate's key is of an unknown algorithm")
	}
	return cert.PublicKey, FormCertificate, nil
}

// bounded refuses RSA keys without sense, and such that cost whoever verifies with them more than they
// cost who sends them.
func bounded(pub crypto.PublicKey) error {
	k, ok := pub.(*rsa.PublicKey)
	switch {
	case !ok:
		return nil
	case k.N.Sign() <= 0 || k.E <= 0:
		return errors.New("RSA of a number that is not positive")
	case k.N.BitLen() > cng.MaxBits:
		return fmt.Errorf("RSA of %d bits, at most %d are read", k.N.BitLen(), cng.MaxBits)
	}
	return nil
}
