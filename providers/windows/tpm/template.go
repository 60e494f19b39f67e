package tpm

import (
	"github.com/google/go-tpm/tpm2"

	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/attest"
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
		return rsaTemplate(born(tpm2.TPMAObject{SignEncrypt: true}), attest.PCPPolicy().Digest), true
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

// pcpBranches is the policy of attestable keys as TPM2_PolicyOR takes it.
func pcpBranches() tpm2.TPMLDigest {
	var l tpm2.TPMLDigest
	for _, b := range attest.PCPPolicy().Branches {
		l.Digests = append(l.Digests, tpm2.TPM2BDigest{Buffer: b})
	}
	return l
}
