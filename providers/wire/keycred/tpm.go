package keycred

import (
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"math/big"
)

// Key blob of the Platform Crypto Provider for TPM 2.0 (PCP_KEY_BLOB of
// Microsoft's PCPTool, and what later Windows made of it), little-endian:
//
//	offset  size  field
//	0       4     magic "PCPM"
//	4       4     size of the header: 52, 54 or 56
//	8       4     type, 2 = TPM 2.0
//	12      4     flags
//	16      4     size of the public area
//	20      32    sizes of eight other parts, private ones among them
//	52            the rest of the header, then TPM2B_PUBLIC (its numbers
//	              big-endian) and the other parts
//
// Samba's tests hold a blob whose sizes are all 0, whose header claims 46 bytes
// and takes 54, and whose TPM2B_PUBLIC has a little-endian size: it is read,
// too.
const (
	pcpSizes    = 9
	pcpHeader   = 16 + 4*pcpSizes
	pcpTPM20    = 2
	sambaHeader = 46
	sambaPublic = 54
)

var errPCP = errors.New("not a TPM 2.0 key blob")

// parsePCP returns the RSA key of a blob.
func parsePCP(b []byte) (*rsa.PublicKey, error) {
	le := binary.LittleEndian
	if len(b) < pcpHeader || le.Uint32(b[8:]) != pcpTPM20 {
		return nil, errPCP
	}
	header, public := uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[16:]))
	if header == sambaHeader && public == 0 {
		if len(b) < sambaPublic+2 || int(le.Uint16(b[sambaPublic:])) != len(b)-sambaPublic-2 {
			return nil, errPCP
		}
		return parseTPMT(b[sambaPublic+2:])
	}
	if header < pcpHeader || header > 64 {
		return nil, errPCP
	}
	total := header
	for i := range uint64(pcpSizes) {
		total += uint64(le.Uint32(b[16+4*i:]))
	}
	if total != uint64(len(b)) || public < 2 {
		return nil, errPCP
	}
	area := b[header : header+public]
	if int(binary.BigEndian.Uint16(area)) != len(area)-2 {
		return nil, errPCP
	}
	return parseTPMT(area[2:])
}

// Algorithms of the TPM 2.0 Library, Part 2, 6.3.
const (
	algRSA   = 0x0001
	algNull  = 0x0010
	algRSAES = 0x0015
)

// parseTPMT reads the TPMT_PUBLIC of an RSA key (TPM 2.0 Library, Part 2,
// 12.2.4), big-endian:
//
//	u16  type
//	u16  nameAlg
//	u32  objectAttributes
//	u16  size, and the policy's digest
//	u16  symmetric algorithm; unless that is null, u16 bits and u16 mode
//	u16  scheme; unless that is null or RSAES, u16 hash
//	u16  key bits
//	u32  exponent, 0 for 65537
//	u16  size, and the modulus
//
// wire/attest reads public areas, too, but only of keys it would certify.
func parseTPMT(b []byte) (*rsa.PublicKey, error) {
	r := reader{b}
	if r.u16() != algRSA {
		return nil, errors.New("the TPM's key is not RSA")
	}
	r.take(2 + 4)
	r.take(int(r.u16()))
	if r.u16() != algNull {
		r.take(4)
	}
	if scheme := r.u16(); scheme != algNull && scheme != algRSAES {
		r.take(2)
	}
	bits := int(r.u16())
	exponent := int(binary.BigEndian.Uint32(append(make([]byte, 0, 4), r.take(4)...)))
	modulus := new(big.Int).SetBytes(r.take(int(r.u16())))
	if r.b == nil || len(r.b) != 0 || modulus.BitLen() != bits {
		return nil, errPCP
	}
	if exponent == 0 {
		exponent = 65537
	}
	return &rsa.PublicKey{N: modulus, E: exponent}, nil
}

// reader takes bytes off the front. Once there were too few, b is nil and
// everything reads as zeros.
type reader struct{ b []byte }

func (r *reader) take(n int) []byte {
	if r.b == nil || n > len(r.b) {
		r.b = nil
		return make([]byte, min(n, 8))
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
