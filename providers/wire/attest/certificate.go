package attest

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

var (
	oidSubjectAltName  = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidEKCertificate   = asn1.ObjectIdentifier{2, 23, 133, 8, 1} // tcg-kp-EKCertificate
	oidAIKCertificate  = asn1.ObjectIdentifier{2, 23, 133, 8, 3} // tcg-kp-AIKCertificate
	oidTPMManufacturer = asn1.ObjectIdentifier{2, 23, 133, 2, 1}
	oidTPMModel        = asn1.ObjectIdentifier{2, 23, 133, 2, 2}
	oidTPMVersion      = asn1.ObjectIdentifier{2, 23, 133, 2, 3}
)

// TPM is what EK and AIK certificates say about the module (TCG EK Credential
// Profile 3.2.9).
type TPM struct {
	Manufacturer string // "id:4D534654", four letters in hex
	Model        string
	Version      string // "id:00020000", firmware
}

// Simulator is the module that the lab's devices have: Microsoft's reference
// implementation.
var Simulator = TPM{Manufacturer: "id:4D534654", Model: "hellolab", Version: "id:00020000"}

// EKTemplate is a certificate for an endorsement key, to be signed by the TPM
// vendor.
func EKTemplate(tpm TPM) (*x509.Certificate, error) {
	return template(tpm, oidEKCertificate, x509.KeyUsageKeyEncipherment)
}

// AIKTemplate is a certificate for an attestation identity key. Its form (empty
// subject, critical subject alternative name) is what WebAuthn's "tpm"
// attestation demands, too (WebAuthn Level 2, 8.3.1).
func AIKTemplate(tpm TPM) (*x509.Certificate, error) {
	return template(tpm, oidAIKCertificate, x509.KeyUsageDigitalSignature)
}

func template(tpm TPM, purpose asn1.ObjectIdentifier, usage x509.KeyUsage) (*x509.Certificate, error) {
	name, err := asn1.Marshal(pkix.RDNSequence{
		{{Type: oidTPMManufacturer, Value: tpm.Manufacturer}},
		{{Type: oidTPMModel, Value: tpm.Model}},
		{{Type: oidTPMVersion, Value: tpm.Version}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode TPM name: %w", err)
	}
	// GeneralNames with one directoryName, [4] EXPLICIT Name.
	san, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: name}})
	if err != nil {
		return nil, fmt.Errorf("encode TPM name: %w", err)
	}
	return &x509.Certificate{
		KeyUsage:              usage,
		UnknownExtKeyUsage:    []asn1.ObjectIdentifier{purpose},
		BasicConstraintsValid: true,
		ExtraExtensions:       []pkix.Extension{{Id: oidSubjectAltName, Critical: true, Value: san}},
	}, nil
}

// ParseTPM reads what an EK or AIK certificate says about the module off its
// subject alternative name, whether its attributes stand in one relative name
// or in several. ok is false when the certificate names no module.
func ParseTPM(cert *x509.Certificate) (tpm TPM, ok bool) {
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(oidSubjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if _, err := asn1.Unmarshal(ext.Value, &names); err != nil {
			return TPM{}, false
		}
		for _, name := range names {
			var rdns pkix.RDNSequence
			if name.Class != asn1.ClassContextSpecific || name.Tag != 4 {
				continue
			}
			if _, err := asn1.Unmarshal(name.Bytes, &rdns); err != nil {
				return TPM{}, false
			}
			for _, rdn := range rdns {
				for _, a := range rdn {
					value, isText := a.Value.(string)
					switch {
					case !isText:
					case a.Type.Equal(oidTPMManufacturer):
						tpm.Manufacturer = value
					case a.Type.Equal(oidTPMModel):
						tpm.Model = value
					case a.Type.Equal(oidTPMVersion):
						tpm.Version = value
					}
				}
			}
		}
	}
	return tpm, tpm != TPM{}
}

// ErrCertificate is wrapped by errors about EK and AIK certificates.
var ErrCertificate = errors.New("certificate is not accepted")

const (
	maxChain = 6 // certificates
	// maxRSA bounds their keys, in bits, as crypto/tls does: a chain is a stranger's
	// until it is verified, and that takes the longer the longer the keys are.
	maxRSA = 8192
)

// VerifyEK checks a chain, leaf first, of an endorsement key certificate and
// that it is for key.
func VerifyEK(chain [][]byte, roots *x509.CertPool, now time.Time, key crypto.PublicKey) (*x509.Certificate, error) {
	leaf, err := verify(chain, roots, now, oidEKCertificate)
	if err != nil {
		return nil, err
	}
	if !samePublic(leaf.PublicKey, key) {
		return nil, fmt.Errorf("%w: it is for another key", ErrCertificate)
	}
	return leaf, nil
}

// VerifyAIK checks a chain, leaf first, of an AIK certificate.
func VerifyAIK(chain [][]byte, roots *x509.CertPool, now time.Time) (*x509.Certificate, error) {
	return verify(chain, roots, now, oidAIKCertificate)
}

func verify(chain [][]byte, roots *x509.CertPool, now time.Time, purpose asn1.ObjectIdentifier) (*x509.Certificate, error) {
	if len(chain) == 0 || len(chain) > maxChain {
		return nil, fmt.Errorf("%w: chain of %d, want 1 to %d", ErrCertificate, len(chain), maxChain)
	}
	certs := make([]*x509.Certificate, len(chain))
	for i, der := range chain {
		var err error
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
		}
		if pub, ok := certs[i].PublicKey.(*rsa.PublicKey); ok && pub.N.BitLen() > maxRSA {
			return nil, fmt.Errorf("%w: a key of %d bits", ErrCertificate, pub.N.BitLen())
		}
	}
	leaf := certs[0]
	// crypto/x509 does not read directoryName and so calls the extension
	// unhandled. What it says is descriptive: trust comes from the chain.
	leaf.UnhandledCriticalExtensions = without(leaf.UnhandledCriticalExtensions, oidSubjectAltName)
	intermediates := x509.NewCertPool()
	for _, c := range certs[1:] {
		intermediates.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if leaf.IsCA || !contains(leaf.UnknownExtKeyUsage, purpose) {
		return nil, fmt.Errorf("%w: it is not for this purpose (%v)", ErrCertificate, purpose)
	}
	return leaf, nil
}

func contains(oids []asn1.ObjectIdentifier, want asn1.ObjectIdentifier) bool {
	for _, oid := range oids {
		if oid.Equal(want) {
			return true
		}
	}
	return false
}

func without(oids []asn1.ObjectIdentifier, drop asn1.ObjectIdentifier) []asn1.ObjectIdentifier {
	var kept []asn1.ObjectIdentifier
	for _, oid := range oids {
		if !oid.Equal(drop) {
			kept = append(kept, oid)
		}
	}
	return kept
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
