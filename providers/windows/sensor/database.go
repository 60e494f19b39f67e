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
	"io"

	"hellolab/providers/windows/ksp"
)

// ErrDatabase says that a record is not one of the sensor's database.
var ErrDatabase = errors.New("the record is not of this sensor's database")

// Database is where one sensor of a device keeps its templates: under a random
// key of its own, which is encrypted to the system, here to the device's key
// provider (seed 004, "Biometric data storage": AES in CBC mode, hashed with
// SHA-256). The provider keeps a secret, which it uses for HMAC alone; the
// database's key is made of it.
type Database struct {
	Sensor string     `json:"sensor"` // "face", "fingerprint"
	Key    ksp.Sealed `json:"key"`
}

// Record is a template in a database.
//
//	size  field
//	16    initialization vector
//	16 n  AES-256-CBC of: SHA-256 of the template (32), its length (2, big-endian),
//	      the template as JSON, zeros up to whole blocks
type Record struct {
	Kind string `json:"kind"`
	SID  string `json:"sid"`
	Data []byte `json:"data"`
}

const (
	databaseKeySize = 32
	recordHead      = sha256.Size + 2
	maxTemplate     = 4096
)

// NewDatabase makes the database of a sensor.
func NewDatabase(ctx context.Context, p ksp.Provider, rand io.Reader, sensor string) (Database, error) {
	key := make([]byte, databaseKeySize)
	defer clear(key)
	if _, err := io.ReadFull(rand, key); err != nil {
		return Database{}, fmt.Errorf("database of the %s sensor: %w", sensor, err)
	}
	sealed, err := p.ImportHMAC(ctx, key)
	if err != nil {
		return Database{}, fmt.Errorf("database of the %s sensor: %w", sensor, err)
	}
	return Database{Sensor: sensor, Key: sealed}, nil
}

// Encrypt makes a record of a template.
func (d Database) Encrypt(ctx context.Context, p ksp.Provider, rand io.Reader, t Template) (Record, error) {
	if t.Kind != d.Sensor {
		return Record{}, fmt.Errorf("%w: a %s in that of %s", ErrDatabase, t.Kind, d.Sensor)
	}
	text, err := json.Marshal(t)
	if err != nil || len(text) > maxTemplate {
		return Record{}, fmt.Errorf("a template of %d bytes: %w", len(text), errors.Join(err, ErrDatabase))
	}
	block, err := d.open(ctx, p)
	if err != nil {
		return Record{}, err
	}
	sum := sha256.Sum256(text)
	plain := append(sum[:], byte(len(text)>>8), byte(len(text)))
	plain = append(plain, text...)
	for len(plain)%aes.BlockSize != 0 {
		plain = append(plain, 0)
	}
	data := make([]byte, aes.BlockSize+len(plain))
	if _, err := io.ReadFull(rand, data[:aes.BlockSize]); err != nil {
		return Record{}, err
	}
	cipher.NewCBCEncrypter(block, data[:aes.BlockSize]).CryptBlocks(data[aes.BlockSize:], plain)
	return Record{Kind: t.Kind, SID: t.SID, Data: data}, nil
}

// Decrypt returns the template of a record. One that was changed, or is of another
// database, is ErrDatabase.
func (d Database) Decrypt(ctx context.Context, p ksp.Provider, r Record) (Template, error) {
	n := len(r.Data) - aes.BlockSize
	if r.Kind != d.Sensor || n < recordHead || n%aes.BlockSize != 0 || n > recordHead+maxTemplate+aes.BlockSize {
		return Template{}, ErrDatabase
	}
	block, err := d.open(ctx, p)
	if err != nil {
		return Template{}, err
	}
	plain := make([]byte, n)
	cipher.NewCBCDecrypter(block, r.Data[:aes.BlockSize]).CryptBlocks(plain, r.Data[aes.BlockSize:])
	size := int(plain[sha256.Size])<<8 | int(plain[sha256.Size+1])
	if size > n-recordHead {
		return Template{}, ErrDatabase
	}
	text := plain[recordHead : recordHead+size]
	sum := sha256.Sum256(text)
	var t Template
	if subtle.ConstantTimeCompare(sum[:], plain[:sha256.Size]) != 1 || json.Unmarshal(text, &t) != nil || t.Kind != r.Kind || t.SID != r.SID {
		return Template{}, ErrDatabase
	}
	return t, nil
}

func (d Database) open(ctx context.Context, p ksp.Provider) (cipher.Block, error) {
	key, err := p.HMAC(ctx, d.Key, []byte("hellolab sensor database "+d.Sensor))
	if err != nil {
		return nil, fmt.Errorf("database of the %s sensor: %w", d.Sensor, err)
	}
	defer clear(key)
	return aes.NewCipher(key)
}
