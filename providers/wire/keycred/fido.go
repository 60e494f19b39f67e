package keycred

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"math/big"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/strict"
)

// FIDO is the key material of a FIDO key, JSON as Entra ID writes it. The
// authenticator data of the registration hold the key (WebAuthn 6.1 and 6.5.1):
//
//	offset  size  field
//	0       32    SHA-256 of the relying party's id
//	32      1     flags, 0x40: a credential follows
//	33      4     signature counter
//	37      16    AAGUID, the authenticator's model
//	53      2     length of the credential id
//	55            credential id; the public key as a COSE_Key; extensions
//
// Numbers are big-endian.
type FIDO struct {
	DisplayName  string
	AAGUID       guid.GUID
	CredentialID []byte
	Key          crypto.PublicKey
	Certificates [][]byte // DER, attestation of the authenticator, leaf first; not verified
}

var errFIDO = errors.New("not the registration of a FIDO key")

const (
	flagAttested    = 0x40
	maxCredentialID = 1023 // WebAuthn 4, "Credential ID"
)

// FIDO returns what the key material of a FIDO key tells.
func (k *Key) FIDO() (*FIDO, error) { return parseFIDO(k.Material) }

func parseFIDO(material []byte) (*FIDO, error) {
	var v struct {
		Version     int      `json:"version"`
		AuthData    []byte   `json:"authData"`
		X5C         [][]byte `json:"x5c"`
		DisplayName string   `json:"displayName"`
	}
	if err := strict.Unmarshal(material, &v); err != nil {
		return nil, err
	}
	a := v.AuthData
	if v.Version != 1 || len(a) < 55 || a[32]&flagAttested == 0 {
		return nil, errFIDO
	}
	n := int(binary.BigEndian.Uint16(a[53:]))
	if n == 0 || n > maxCredentialID || len(a) < 55+n {
		return nil, errFIDO
	}
	key, err := parseCOSE(a[55+n:])
	if err != nil {
		return nil, err
	}
	return &FIDO{v.DisplayName, guid.GUID(a[37:53]), a[55 : 55+n], key, v.X5C}, nil
}

// Labels and values of COSE_Key (RFC 9052 7.1, RFC 9053 7, RFC 8230 4).
const (
	coseKty = 1
	coseOKP = 1
	coseEC2 = 2
	coseRSA = 3

	coseFirst  = -1 // crv, or n of RSA
	coseSecond = -2 // x, or e of RSA
	coseThird  = -3 // y

	coseP256    = 1
	coseP384    = 2
	coseP521    = 3
	coseEd25519 = 6
)

var errCOSE = errors.New("the FIDO key is no COSE_Key that is known")

// parseCOSE reads the COSE_Key that b begins with.
func parseCOSE(b []byte) (crypto.PublicKey, error) {
	m, err := coseMap(b)
	if err != nil {
		return nil, err
	}
	first, second, third := m[coseFirst], m[coseSecond], m[coseThird]
	switch m[coseKty].number {
	case coseOKP:
		if first.number != coseEd25519 || len(second.bytes) != ed25519.PublicKeySize {
			return nil, errCOSE
		}
		return ed25519.PublicKey(second.bytes), nil
	case coseEC2:
		var curve elliptic.Curve
		switch first.number {
		case coseP256:
			curve = elliptic.P256()
		case coseP384:
			curve = elliptic.P384()
		case coseP521:
			curve = elliptic.P521()
		default:
			return nil, errCOSE
		}
		size := (curve.Params().BitSize + 7) / 8
		if len(second.bytes) != size || len(third.bytes) != size {
			return nil, errCOSE
		}
		point := append(append([]byte{4}, second.bytes...), third.bytes...)
		pub, err := ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil {
			return nil, errCOSE
		}
		return pub, nil
	case coseRSA:
		e := new(big.Int).SetBytes(second.bytes)
		if len(first.bytes) == 0 || !e.IsInt64() || e.Int64() > 1<<32-1 {
			return nil, errCOSE
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(first.bytes), E: int(e.Int64())}, nil
	}
	return nil, errCOSE
}

// coseValue is a number or bytes.
type coseValue struct {
	number int64
	bytes  []byte
}

// coseMap reads the CBOR map that b begins with: small numbers to numbers and
// byte strings, at most 16, of definite lengths. Nothing nests.
func coseMap(b []byte) (map[int64]coseValue, error) {
	major, n, b, ok := cborHead(b)
	if !ok || major != 5 || n > 16 {
		return nil, errCOSE
	}
	m := make(map[int64]coseValue, n)
	for range n {
		var label, value coseValue
		if label, b, ok = cborScalar(b); !ok || label.bytes != nil {
			return nil, errCOSE
		}
		if value, b, ok = cborScalar(b); !ok {
			return nil, errCOSE
		}
		if _, twice := m[label.number]; twice {
			return nil, errCOSE
		}
		m[label.number] = value
	}
	return m, nil
}

// cborScalar reads an integer or a byte string.
func cborScalar(b []byte) (v coseValue, rest []byte, ok bool) {
	major, n, b, ok := cborHead(b)
	switch {
	case !ok:
	case major == 0:
		return coseValue{number: int64(n)}, b, true
	case major == 1:
		return coseValue{number: -1 - int64(n)}, b, true
	case major == 2 && int(n) <= len(b):
		return coseValue{bytes: b[:n:n]}, b[n:], true
	}
	return coseValue{}, nil, false
}

// cborHead reads the head of an item with an argument of at most 32 bits.
func cborHead(b []byte) (major byte, n uint32, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, 0, nil, false
	}
	major, low := b[0]>>5, b[0]&31
	b = b[1:]
	switch {
	case low < 24:
		return major, uint32(low), b, true
	case low == 24 && len(b) >= 1:
		return major, uint32(b[0]), b[1:], true
	case low == 25 && len(b) >= 2:
		return major, uint32(binary.BigEndian.Uint16(b)), b[2:], true
	case low == 26 && len(b) >= 4:
		return major, binary.BigEndian.Uint32(b), b[4:], true
	}
	return 0, 0, nil, false
}
