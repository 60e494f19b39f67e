// Package cng encodes public keys as Windows' Cryptography API: Next
// Generation does: BCRYPT_RSAKEY_BLOB (bcrypt.h; MS-DVRJ 4.1 and MS-KPP 4.1
// carry it on the wire). The blob is what is registered, hashed to a key id
// and stored in directories, so it is compared byte by byte.
//
//	offset  size  field
//	0       4     magic "RSA1" (a public key)
//	4       4     BitLength     length of the modulus in bits
//	8       4     cbPublicExp
//	12      4     cbModulus
//	16      4     cbPrime1      0 in a public key
//	20      4     cbPrime2      0 in a public key
//	24            public exponent, big-endian
//	              modulus, big-endian
//
// Numbers are little-endian.
package cng

import (
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

const (
	headerSize = 24

	// MaxBits bounds the modulus that is accepted: verification of larger
	// keys costs a server more than a peer pays for sending them.
	MaxBits = 4096
	// MinBits is the smallest modulus that is accepted.
	MinBits = 2048
)

// ErrBlob is wrapped by every error of ParseRSAPublic.
var ErrBlob = errors.New("not an RSA public key blob")

// MarshalRSAPublic returns pub as a blob. RSA-2048 with exponent 65537 takes
// 283 bytes.
func MarshalRSAPublic(pub *rsa.PublicKey) []byte {
	exponent := big.NewInt(int64(pub.E)).Bytes()
	modulus := pub.N.Bytes()
	b := make([]byte, 0, headerSize+len(exponent)+len(modulus))
	b = append(b, "RSA1"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(pub.N.BitLen()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(exponent)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(modulus)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, exponent...)
	return append(b, modulus...)
}

// ParseRSAPublic reads a blob. There is one blob for a key: padded numbers,
// trailing bytes, even or tiny exponents and moduli outside MinBits to
// MaxBits are refused.
func ParseRSAPublic(b []byte) (*rsa.PublicKey, error) {
	pub, err := DecodeRSAPublic(b)
	if err != nil {
		return nil, err
	}
	if bits := pub.N.BitLen(); bits < MinBits {
		return nil, fmt.Errorf("%w: modulus of %d bits, want %d to %d", ErrBlob, bits, MinBits, MaxBits)
	}
	if pub.E < 3 || pub.E&1 == 0 || pub.E > 1<<31-1 || pub.N.Bit(0) == 0 {
		return nil, fmt.Errorf("%w: even modulus or bad exponent", ErrBlob)
	}
	return pub, nil
}

// DecodeRSAPublic reads a blob for a reader who has to tell of any key that
// stands in a directory, weak ones too: the layout and MaxBits are checked, the
// numbers are not. Nothing may be verified with such a key before they are.
func DecodeRSAPublic(b []byte) (*rsa.PublicKey, error) {
	if len(b) < headerSize || string(b[:4]) != "RSA1" {
		return nil, fmt.Errorf("%w: magic is not RSA1", ErrBlob)
	}
	bits := binary.LittleEndian.Uint32(b[4:])
	cbExponent := binary.LittleEndian.Uint32(b[8:])
	cbModulus := binary.LittleEndian.Uint32(b[12:])
	if binary.LittleEndian.Uint32(b[16:]) != 0 || binary.LittleEndian.Uint32(b[20:]) != 0 {
		return nil, fmt.Errorf("%w: it claims private primes", ErrBlob)
	}
	if bits == 0 || bits > MaxBits {
		return nil, fmt.Errorf("%w: modulus of %d bits, want %d to %d", ErrBlob, bits, MinBits, MaxBits)
	}
	if cbExponent == 0 || cbExponent > 4 || cbModulus != (bits+7)/8 || len(b) != headerSize+int(cbExponent)+int(cbModulus) {
		return nil, fmt.Errorf("%w: lengths do not add up", ErrBlob)
	}
	exponent := new(big.Int).SetBytes(b[headerSize : headerSize+cbExponent])
	modulus := new(big.Int).SetBytes(b[headerSize+cbExponent:])
	if b[headerSize] == 0 || modulus.BitLen() != int(bits) {
		return nil, fmt.Errorf("%w: padded number", ErrBlob)
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}
