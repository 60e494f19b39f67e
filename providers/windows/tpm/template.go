package tpm

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers/windows/ksp"
)

// Persistent handles: EK and SRK at their handles of the TCG profiles
// (P-256: EK Credential Profile 2.2.1.5.2; SRK as Windows and the TCG
// provisioning guidance place it).
const (
	srkHandle = tpm2.TPMHandle(0x81000001)
	ekHandle  = tpm2.TPMHandle(0x81010002)
)

// Lockout parameters that Windows sets at OS installation: locked after 32
// failures, one forgotten each 10 minutes, a day's wait after a wrong lockout
// authorization (Microsoft, "TPM fundamentals").
const (
	maxTries        = 32
	recoverySeconds = 600
	lockoutSeconds  = 86400
)

func rsaTemplate(attrs tpm2.TPMAObject, policy []byte) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgRSA,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: attrs,
		AuthPolicy:       tpm2.TPM2BDigest{Buffer: policy},
		Parameters:       tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: 2048}),
	}
}

func p256Template(attrs tpm2.TPMAObject, scheme tpm2.TPMTECCScheme) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgECC,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: attrs,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			CurveID: tpm2.TPMECCNistP256,
			Scheme:  scheme,
		}),
	}
}

func born(a tpm2.TPMAObject) tpm2.TPMAObject {
	a.FixedTPM, a.FixedParent, a.SensitiveDataOrigin, a.UserWithAuth = true, true, true, true
	return a
}

// template gives the public template of a key. Keys with an authorization
// value are guarded by the lockout; keys without one are not, or they would
// stop working for everyone once the TPM is locked out.
func template(use ksp.Use, guarded bool) (tpm2.TPMTPublic, bool) {
	switch use {
	case ksp.Sign:
		return rsaTemplate(born(tpm2.TPMAObject{SignEncrypt: true, NoDA: !guarded}), nil), true
	case ksp.UserSign:
		return rsaTemplate(born(tpm2.TPMAObject{SignEncrypt: true}), PCPPolicy()), true
	case ksp.Decrypt:
		return rsaTemplate(born(tpm2.TPMAObject{Decrypt: true, NoDA: !guarded}), nil), true
	case ksp.Agree:
		return p256Template(born(tpm2.TPMAObject{Decrypt: true, NoDA: !guarded}), tpm2.TPMTECCScheme{
			Scheme:  tpm2.TPMAlgECDH,
			Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDH, &tpm2.TPMSKeySchemeECDH{HashAlg: tpm2.TPMAlgSHA256}),
		}), true
	default:
		return tpm2.TPMTPublic{}, false
	}
}

// aikTemplate is an attestation identity key: restricted, so that it signs
// only what the TPM itself says. RSA, because the statement that carries its
// signatures (KADS) has room for a bare RSA signature only.
func aikTemplate() tpm2.TPMTPublic {
	tpl := rsaTemplate(born(tpm2.TPMAObject{SignEncrypt: true, Restricted: true, NoDA: true}), nil)
	tpl.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{
		KeyBits: 2048,
		Scheme: tpm2.TPMTRSAScheme{
			Scheme:  tpm2.TPMAlgRSASSA,
			Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgRSASSA, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256}),
		},
	})
	return tpl
}

// sealTemplate is a sealed data object. guarded ones count wrong authorizations.
func sealTemplate(guarded bool) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgKeyedHash,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: !guarded},
	}
}

// hmacTemplate is an HMAC-SHA256 key that came from outside: it cannot claim
// to be born here, and it cannot be duplicated out.
func hmacTemplate() tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgKeyedHash,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true, SignEncrypt: true},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgKeyedHash, &tpm2.TPMSKeyedHashParms{
			Scheme: tpm2.TPMTKeyedHashScheme{
				Scheme:  tpm2.TPMAlgHMAC,
				Details: tpm2.NewTPMUSchemeKeyedHash(tpm2.TPMAlgHMAC, &tpm2.TPMSSchemeHMAC{HashAlg: tpm2.TPMAlgSHA256}),
			},
		}),
	}
}

// The policy of attestable keys of Windows' platform crypto provider, as its
// public PCPTool shows it: any one of
//
//	1  authorization value
//	2  authorization value, ObjectChangeAuth
//	3  authorization value, Certify
//	4  authorization value, ActivateCredential
//	5  nothing (never met: an empty digest)
//	6  Certify
//
// The last branch lets the system certify a key without the user's PIN.

func extend(digest []byte, parts ...uint32) []byte {
	h := sha256.New()
	h.Write(digest)
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, p))
	}
	return h.Sum(nil)
}

func pcpBranches() tpm2.TPMLDigest {
	start := make([]byte, sha256.Size)
	auth := extend(start, uint32(tpm2.TPMCCPolicyAuthValue))
	in := func(d []byte, code tpm2.TPMCC) []byte {
		return extend(d, uint32(tpm2.TPMCCPolicyCommandCode), uint32(code))
	}
	branches := [][]byte{
		auth,
		in(auth, tpm2.TPMCCObjectChangeAuth),
		in(auth, tpm2.TPMCCCertify),
		in(auth, tpm2.TPMCCActivateCredential),
		nil,
		in(start, tpm2.TPMCCCertify),
	}
	var l tpm2.TPMLDigest
	for _, b := range branches {
		l.Digests = append(l.Digests, tpm2.TPM2BDigest{Buffer: b})
	}
	return l
}

// PCPPolicy returns the policy digest that an attestable key carries.
func PCPPolicy() []byte {
	h := sha256.New()
	h.Write(make([]byte, sha256.Size))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(tpm2.TPMCCPolicyOR)))
	for _, d := range pcpBranches().Digests {
		h.Write(d.Buffer)
	}
	return h.Sum(nil)
}
