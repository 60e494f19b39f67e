package ngc

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Statement is an attestation of a Hello key by the Platform Crypto Provider:
// what TPM2_Certify said about the key, signed by the AIK, with the key itself.
// Layout of KADS and of PCP_KEY_BLOB_WIN8 (Microsoft's PCPTool in TSS.MSR),
// numbers little-endian:
//
//	offset  size  field
//	0       4     'KADS', 0x5344414B
//	4       4     platform, 2 = TPM 2.0
//	8       4     header size, 24
//	12      4     size of Attest
//	16      4     size of Signature
//	20      4     size of the key blob
//	24            Attest:    TPMS_ATTEST, without a size in front
//	              Signature: raw RSASSA signature over it
//	              key blob:
//	0       4       'PCPM', 0x4D504350
//	4       4       header size, 52
//	8       4       type, 2 = TPM 2.0
//	12      4       flags
//	16      4       size of Public
//	20      4       size of Private
//	24      28      seven sizes of parts that an attested key has not: 0
//	52              Public:  TPM2B_PUBLIC, with its size in front (big-endian)
//	                Private: TPM2B_PRIVATE; not sent
type Statement struct {
	Attest    []byte
	Signature []byte
	Public    []byte // TPM2B_PUBLIC
}

const (
	kadsMagic    = 0x5344414B
	kadsPlatform = 2
	kadsHeader   = 24
	pcpMagic     = 0x4D504350
	pcpHeader    = 52
	pcpType      = 2

	maxStatement = 16 << 10
)

// ErrStatement is wrapped by every error of ParseStatement.
var ErrStatement = errors.New("not a key attestation statement")

// Marshal encodes the statement. RSA-2048 with an RSA-2048 AIK takes about 800
// bytes.
func (s Statement) Marshal() []byte {
	le := binary.LittleEndian
	blob := make([]byte, 0, pcpHeader+len(s.Public))
	for _, n := range []uint32{pcpMagic, pcpHeader, pcpType, 0, uint32(len(s.Public)), 0, 0, 0, 0, 0, 0, 0, 0} {
		blob = le.AppendUint32(blob, n)
	}
	blob = append(blob, s.Public...)
	b := make([]byte, 0, kadsHeader+len(s.Attest)+len(s.Signature)+len(blob))
	for _, n := range []uint32{kadsMagic, kadsPlatform, kadsHeader, uint32(len(s.Attest)), uint32(len(s.Signature)), uint32(len(blob))} {
		b = le.AppendUint32(b, n)
	}
	b = append(b, s.Attest...)
	b = append(b, s.Signature...)
	return append(b, blob...)
}

// ParseStatement reads a statement. Sizes must add up exactly; a private part
// is skipped, as PCPTool's own statements carry the wrapped one.
func ParseStatement(b []byte) (*Statement, error) {
	if len(b) > maxStatement {
		return nil, fmt.Errorf("%w: %d bytes", ErrStatement, len(b))
	}
	head, ok := words(b, kadsHeader)
	if !ok || head[0] != kadsMagic || head[1] != kadsPlatform || head[2] != kadsHeader {
		return nil, fmt.Errorf("%w: header", ErrStatement)
	}
	parts, ok := cut(b[kadsHeader:], head[3:6])
	if !ok {
		return nil, fmt.Errorf("%w: sizes do not add up", ErrStatement)
	}
	blob := parts[2]
	key, ok := words(blob, pcpHeader)
	if !ok || key[0] != pcpMagic || key[1] != pcpHeader || key[2] != pcpType {
		return nil, fmt.Errorf("%w: key blob header", ErrStatement)
	}
	keyParts, ok := cut(blob[pcpHeader:], key[4:13])
	if !ok {
		return nil, fmt.Errorf("%w: sizes of the key blob do not add up", ErrStatement)
	}
	return &Statement{Attest: parts[0], Signature: parts[1], Public: keyParts[0]}, nil
}

// words reads the 32-bit numbers of a header.
func words(b []byte, size int) ([]uint32, bool) {
	if len(b) < size {
		return nil, false
	}
	w := make([]uint32, size/4)
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return w, true
}

// cut splits b into parts of the given sizes, which must use it up.
func cut(b []byte, sizes []uint32) ([][]byte, bool) {
	parts := make([][]byte, len(sizes))
	for i, n := range sizes {
		if uint64(n) > uint64(len(b)) {
			return nil, false
		}
		parts[i], b = b[:n:n], b[n:]
	}
	return parts, len(b) == 0
}
