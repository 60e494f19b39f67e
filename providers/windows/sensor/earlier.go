package sensor

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"

	"hellolab/providers/windows/ksp"
)

// ErrEarlier says that a record of an earlier version does not open.
var ErrEarlier = errors.New("the record is not of this sensor's database")

// Earlier is the database of a kind of sensor as versions kept it before each
// sensor had a file: the key's HMAC of a label is the key of the records. It is
// read and written no more.
type Earlier struct {
	Sensor string     `json:"sensor"` // "face", "fingerprint"
	Key    ksp.Sealed `json:"key"`
}

// EarlierRecord is a template in such a database.
//
//	size  field
//	16    initialization vector
//	16 n  AES-256-CBC of: SHA-256 of the template (32), its length (2, big-endian),
//	      the template as JSON, zeros up to whole blocks
type EarlierRecord struct {
	Kind string `json:"kind"`
	SID  string `json:"sid"`
	Data []byte `json:"data"`
}

const (
	recordHead  = sha256.Size + 2
	maxTemplate = 4096
)

// Decrypt returns the template of a record. One that was changed, or is of another
// database, is ErrEarlier.
func (d Earlier) Decrypt(ctx context.Context, p ksp.Provider, r EarlierRecord) (Template, error) {
	n := len(r.Data) - aes.BlockSize
	if r.Kind != d.Sensor || n < recordHead || n%aes.BlockSize != 0 || n > recordHead+maxTemplate+aes.BlockSize {
		return Template{}, ErrEarlier
	}
	key, err := p.HMAC(ctx, d.Key, []byte("hellolab sensor database "+d.Sensor))
	if err != nil {
		return Template{}, fmt.Errorf("%w: its key: %w", ErrEarlier, err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return Template{}, err
	}
	plain := make([]byte, n)
	cipher.NewCBCDecrypter(block, r.Data[:aes.BlockSize]).CryptBlocks(plain, r.Data[aes.BlockSize:])
	size := int(plain[sha256.Size])<<8 | int(plain[sha256.Size+1])
	if size > n-recordHead {
		return Template{}, ErrEarlier
	}
	text := plain[recordHead : recordHead+size]
	sum := sha256.Sum256(text)
	var t Template
	if subtle.ConstantTimeCompare(sum[:], plain[:sha256.Size]) != 1 || json.Unmarshal(text, &t) != nil || t.Kind != r.Kind || t.SID != r.SID {
		return Template{}, ErrEarlier
	}
	return t, nil
}
