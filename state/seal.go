package state

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A sealed value, the only form in which records reach the file:
//
//	offset  bytes  meaning
//	0       1      form, 1
//	1       12     nonce, random
//	13      n      value under AES-256-GCM
//	13+n    16     tag
//
// The additional data is a domain byte and the record key, so that a value
// opens only where it was put.
const (
	sealForm  = 1
	nonceSize = 12
	tagSize   = 16
	sealExtra = 1 + nonceSize + tagSize
)

// Domains of additional data.
const (
	domainRecord = 'r'
	domainDigest = 'd'
)

var errUnseal = errors.New("record does not open: it was changed, moved, or belongs to another key")

// sealer seals the values of one lineage. It is safe for concurrent use.
type sealer struct {
	aead  cipher.AEAD
	set   [32]byte // key of element
	check [16]byte // key check value: tells a wrong key without opening a record
	rand  io.Reader
}

// newSealer derives the keys of a lineage from the state key.
func newSealer(stateKey []byte, lineage string, rand io.Reader) (*sealer, error) {
	s := &sealer{rand: rand}
	key, err := subkey(stateKey, lineage, "records", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	set, err := subkey(stateKey, lineage, "record set", 32)
	if err != nil {
		return nil, err
	}
	check, err := subkey(stateKey, lineage, "key check", 16)
	if err != nil {
		return nil, err
	}
	copy(s.set[:], set)
	copy(s.check[:], check)
	return s, nil
}

// subkey derives n bytes for one purpose: HKDF-SHA-256 (RFC 5869) with the
// lineage as salt.
func subkey(stateKey []byte, lineage, purpose string, n int) ([]byte, error) {
	if len(stateKey) != KeySize {
		return nil, fmt.Errorf("state key has %d bytes, not %d", len(stateKey), KeySize)
	}
	return hkdf.Key(sha256.New, stateKey, []byte(lineage), "hellolab state v1: "+purpose, n)
}

func (s *sealer) seal(domain byte, key string, value []byte) ([]byte, error) {
	out := make([]byte, 1+nonceSize, sealExtra+len(value))
	out[0] = sealForm
	if _, err := io.ReadFull(s.rand, out[1:]); err != nil {
		return nil, fmt.Errorf("read randomness for a record: %w", err)
	}
	return s.aead.Seal(out, out[1:], value, additional(domain, key)), nil
}

func (s *sealer) open(domain byte, key string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealExtra || sealed[0] != sealForm {
		return nil, errUnseal
	}
	value, err := s.aead.Open(make([]byte, 0, len(sealed)-sealExtra), sealed[1:1+nonceSize], sealed[1+nonceSize:], additional(domain, key))
	if err != nil {
		return nil, errUnseal
	}
	return value, nil
}

func additional(domain byte, key string) []byte {
	ad := make([]byte, 0, 1+len(key))
	return append(append(ad, domain), key...)
}

// digest stands for the set of all records: the XOR of a keyed hash of each
// one's key, nonce and tag, and their number. A record that was dropped, added,
// renamed or rolled back changes it, and it costs one hash per write to keep
// (a multiset hash after Clarke et al., ASIACRYPT 2003; its elements are a set
// because keys differ). It is kept sealed, so its value helps nobody to forge.
type digest struct {
	Sum   [32]byte
	Count uint64
}

// toggle adds a record to the set, or takes it out.
func (d *digest) toggle(e [32]byte) {
	for i := range d.Sum {
		d.Sum[i] ^= e[i]
	}
}

// hasher computes elements of digests. It is not safe for concurrent use.
type hasher struct {
	h   hash.Hash
	key [32]byte
	buf []byte
}

func (s *sealer) hasher() *hasher { return &hasher{h: sha256.New(), key: s.set} }

// element hashes what identifies one version of a record: its key, its nonce
// and its tag, which covers the rest.
func (h *hasher) element(key []byte, sealed []byte) ([32]byte, error) {
	if len(sealed) < sealExtra || sealed[0] != sealForm {
		return [32]byte{}, errUnseal
	}
	b := append(h.buf[:0], h.key[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(key)))
	b = append(b, key...)
	b = append(b, sealed[1:1+nonceSize]...)
	b = append(b, sealed[len(sealed)-tagSize:]...)
	h.buf = b
	return sha256.Sum256(b), nil
}
