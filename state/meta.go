package state

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Format is the version of the layout this package reads and writes.
const Format = 1

// The file holds two bbolt buckets. "records" maps record keys to sealed
// values. "meta" has two entries: the head, readable without a key in every
// format, and the sealed digest of all records.
//
//	head:    32 bytes SHA-256 of the rest | JSON of headRecord
//	digest:  sealed: 32 bytes sum | 8 bytes count | 8 bytes commit (bbolt's
//	         transaction id), both big-endian | 32 bytes SHA-256 of the head
var (
	bucketMeta    = []byte("meta")
	bucketRecords = []byte("records")
	keyHead       = []byte("head")
	keyDigest     = []byte("digest")
)

type headRecord struct {
	Format   int       `json:"format"`
	Lineage  string    `json:"lineage"`
	Serial   uint64    `json:"serial"`
	Created  time.Time `json:"created"`
	Writer   string    `json:"writer"`
	KeyCheck []byte    `json:"key_check"`
}

func (h headRecord) meta() Meta {
	return Meta{Format: h.Format, Lineage: h.Lineage, Serial: h.Serial, Created: h.Created, Writer: h.Writer}
}

func encodeHead(m Meta, s *sealer) ([]byte, error) {
	b, err := json.Marshal(headRecord{m.Format, m.Lineage, m.Serial, m.Created, m.Writer, s.check[:]})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return append(sum[:], b...), nil
}

// decodeHead reads a head of any format; fields of a newer one may be absent.
func decodeHead(path string, b []byte) (headRecord, error) {
	var h headRecord
	if len(b) < sha256.Size {
		return h, damaged(path, "its head is missing")
	}
	sum := sha256.Sum256(b[sha256.Size:])
	if !bytes.Equal(sum[:], b[:sha256.Size]) {
		return h, damaged(path, "the checksum of its head is wrong")
	}
	if err := json.Unmarshal(b[sha256.Size:], &h); err != nil {
		return h, damaged(path, "its head cannot be decoded: %v", err)
	}
	if h.Format > Format {
		return h, &Error{Kind: ErrFormat, Path: path,
			Detail: fmt.Sprintf("The state file %s has format %d, written by %s; this program reads up to format %d.", path, h.Format, h.Writer, Format),
			Hint:   "Use the newer program."}
	}
	if h.Format < 1 || h.Lineage == "" {
		return h, damaged(path, "its head has format %d and lineage %q", h.Format, h.Lineage)
	}
	return h, nil
}

// checkKey tells a wrong key in a sentence.
func (h headRecord) checkKey(path string, s *sealer) error {
	if subtle.ConstantTimeCompare(h.KeyCheck, s.check[:]) != 1 {
		return &Error{Kind: ErrKey, Path: path,
			Detail: fmt.Sprintf("The state key does not fit the state file %s.", path),
			Hint:   "Restore the key file this state was made with, or set HELLOLAB_STATE_KEY to its key in base64."}
	}
	return nil
}

func (d digest) seal(s *sealer, head []byte, txid uint64) ([]byte, error) {
	sum := sha256.Sum256(head)
	b := append([]byte(nil), d.Sum[:]...)
	b = binary.BigEndian.AppendUint64(b, d.Count)
	b = binary.BigEndian.AppendUint64(b, txid)
	b = append(b, sum[:]...)
	return s.seal(domainDigest, string(keyDigest), b)
}

// openDigest returns the digest that commit txid sealed with head.
func openDigest(s *sealer, sealed, head []byte, txid uint64) (digest, error) {
	var d digest
	b, err := s.open(domainDigest, string(keyDigest), sealed)
	if err != nil {
		return d, errors.New("the seal of its record set does not open")
	}
	if len(b) != 80 {
		return d, fmt.Errorf("the seal of its record set has %d bytes", len(b))
	}
	if sum := sha256.Sum256(head); !bytes.Equal(sum[:], b[48:]) {
		return d, errors.New("its head is not the one of its last commit")
	}
	if n := binary.BigEndian.Uint64(b[40:]); n != txid {
		return d, fmt.Errorf("another program wrote it after commit %d", n)
	}
	copy(d.Sum[:], b)
	d.Count = binary.BigEndian.Uint64(b[32:])
	return d, nil
}
