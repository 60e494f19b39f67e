package krb

import (
	"crypto/aes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/jcmturner/gokrb5/v8/crypto/common"
	"github.com/jcmturner/gokrb5/v8/crypto/etype"
	"github.com/jcmturner/gokrb5/v8/crypto/rfc3961"
	"github.com/jcmturner/gokrb5/v8/crypto/rfc3962"
)

// fast is one of gokrb5's AES types of RFC 3962 with a derivation of keys that
// takes a fifth of the time. A request at a KDC derives fifteen keys, and each
// of another base key, so that no cache would help.
type fast struct{ etype.EType }

func (f fast) EncryptMessage(key, message []byte, usage uint32) ([]byte, []byte, error) {
	return rfc3962.EncryptMessage(key, message, usage, f)
}

func (f fast) DecryptMessage(key, sealed []byte, usage uint32) ([]byte, error) {
	return rfc3962.DecryptMessage(key, sealed, usage, f)
}

func (f fast) GetChecksumHash(key, data []byte, usage uint32) ([]byte, error) {
	return common.GetHash(data, key, common.GetUsageKc(usage), f)
}

func (f fast) VerifyIntegrity(key, sealed, plain []byte, usage uint32) bool {
	return rfc3961.VerifyIntegrity(key, sealed, plain, usage, f)
}

// DeriveKey is DK(key, constant) of RFC 3961 5.1 for constants of five bytes, a
// usage number and one more: AES in a chain over the constant folded to a block.
func (f fast) DeriveKey(key, constant []byte) ([]byte, error) {
	if len(constant) != 5 || len(key) != f.GetKeyByteSize() {
		return nil, fmt.Errorf("derivation from a key of %d bytes and a constant of %d", len(key), len(constant))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(key))
	from := fold(constant)
	for at := 0; at < len(out); at += aes.BlockSize {
		block.Encrypt(out[at:], from[:])
		copy(from[:], out[at:])
	}
	return out, nil
}

// fold is 128-fold of RFC 3961 5.1 for five bytes: sixteen copies, each turned
// right by 13 bits more than the one before, added up in blocks of 16 bytes
// with the carry brought round.
func fold(b []byte) (out [16]byte) {
	const size, mask = 40, 1<<40 - 1
	v := uint64(b[0])<<32 | uint64(binary.BigEndian.Uint32(b[1:]))
	var all [16*5 + 3]byte
	for i := range 16 {
		binary.BigEndian.PutUint64(all[5*i:], v<<24)
		v = (v>>13 | v<<(size-13)) & mask
	}
	var hi, lo uint64
	for at := 0; at < 80; at += 16 {
		var carry uint64
		lo, carry = bits.Add64(lo, binary.BigEndian.Uint64(all[at+8:]), 0)
		hi, carry = bits.Add64(hi, binary.BigEndian.Uint64(all[at:]), carry)
		lo, carry = bits.Add64(lo, carry, 0)
		hi += carry
	}
	binary.BigEndian.PutUint64(out[:], hi)
	binary.BigEndian.PutUint64(out[8:], lo)
	return out
}
