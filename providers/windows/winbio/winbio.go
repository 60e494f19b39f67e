// Package winbio is the Windows Biometric Service's storage: the database file of
// one sensor, which holds templates of the people who enrolled at it (seed 004,
// "Biometric data storage"; seed rows BIO-05 to BIO-10). Each file has a random
// key of its own, which is sealed to the machine; each record is encrypted with
// it by AES in CBC mode under a fresh vector, and hashed with SHA-256. What a
// template is, is its sensor's affair.
//
// Where the file lies, that it is one file a sensor and how it is encrypted are
// Microsoft's words; its layout is not public, and this one is ours. The file is
// virtual: the device keeps its bytes where it keeps everything.
//
// A sensor that matches by itself keeps templates on its module: its file is there,
// and has no records.
package winbio

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/guid"
)

// Folder is where Windows keeps the files (seed 004).
const Folder = `C:\WINDOWS\System32\WinBioDatabase`

// ErrDamaged says that a database, or a record of it, is not as it was written, or
// was written elsewhere. What helps is to enroll anew.
var ErrDamaged = errors.New("the sensor's database is damaged")

// Bounds of a file and its parts.
const (
	MaxRecords  = 256  // Windows stops at ten fingers a user
	MaxTemplate = 4096 // bytes
	maxSealed   = 1024 // bytes of a sealed key
	keySize     = 32   // AES-256
)

// Machine is what a database's key is sealed to: the device's TPM, or its software
// key provider.
type Machine interface {
	SealToMachine(ctx context.Context, data []byte) (ksp.Sealed, error)
	UnsealFromMachine(ctx context.Context, s ksp.Sealed) ([]byte, error)
}

// Database is the database of one sensor, as it lies on the disk.
type Database struct {
	ID      guid.GUID
	Key     ksp.Sealed
	Records []Record // at most one a person
}

// Record is what a database has of one person.
type Record struct {
	SID  string
	IV   [aes.BlockSize]byte
	Data []byte // AES-256-CBC; see Key
}

// New makes an empty database under a key of its own.
func New(ctx context.Context, m Machine, rand io.Reader) (*Database, error) {
	id, err := guid.New(rand)
	if err != nil {
		return nil, fmt.Errorf("make a sensor's database: %w", err)
	}
	key := make([]byte, keySize)
	defer clear(key)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, fmt.Errorf("make a sensor's database: %w", err)
	}
	sealed, err := m.SealToMachine(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("make a sensor's database: %w", err)
	}
	return &Database{ID: id, Key: sealed}, nil
}

// Path is the file's, as Windows names it.
func (d *Database) Path() string { return path(d.ID) }

func path(id guid.GUID) string {
	return Folder + `\{` + strings.ToUpper(id.String()) + `}.DAT`
}

// Record returns what the database has of a person.
func (d *Database) Record(sid string) (Record, bool) {
	i := slices.IndexFunc(d.Records, func(r Record) bool { return r.SID == sid })
	if i < 0 {
		return Record{}, false
	}
	return d.Records[i], true
}

// Put takes a record in, in the place of the person's last.
func (d *Database) Put(r Record) error {
	d.Remove(r.SID)
	if len(d.Records) == MaxRecords {
		return fmt.Errorf("the sensor's database has %d records and takes no more", MaxRecords)
	}
	d.Records = append(d.Records, r)
	return nil
}

// Remove takes a person's record out.
func (d *Database) Remove(sid string) {
	d.Records = slices.DeleteFunc(d.Records, func(r Record) bool { return r.SID == sid })
}

// Open has the machine unseal the database's key. On another machine, and where
// the sealed key was changed, it is ErrDamaged; that the machine fails is its own
// error. The caller closes the key.
func (d *Database) Open(ctx context.Context, m Machine) (*Key, error) {
	raw, err := m.UnsealFromMachine(ctx, d.Key)
	if errors.Is(err, ksp.ErrForeignKey) {
		return nil, fmt.Errorf("%w: its key: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open a sensor's database: %w", err)
	}
	if len(raw) != keySize {
		clear(raw)
		return nil, fmt.Errorf("%w: its key has %d bytes", ErrDamaged, len(raw))
	}
	return &Key{id: d.ID, raw: raw}, nil
}

// Key is a database's key in use. What it encrypts in a record:
//
//	size  field
//	32    SHA-256 of what follows, behind the database's GUID (Windows' order) and
//	      the SID with one byte for its length
//	2     n, length of the template, little-endian
//	n     the template
//	      zeros up to whole blocks
type Key struct {
	id  guid.GUID
	raw []byte
}

// Close forgets the key.
func (k *Key) Close() { clear(k.raw) }

const plainHead = sha256.Size + 2

// Encrypt makes the record of a person.
func (k *Key) Encrypt(rand io.Reader, sid string, template []byte) (Record, error) {
	if len(sid) == 0 || len(sid) > 255 || len(template) > MaxTemplate {
		return Record{}, fmt.Errorf("a template of %d bytes, of a SID of %d", len(template), len(sid))
	}
	r := Record{SID: sid}
	if _, err := io.ReadFull(rand, r.IV[:]); err != nil {
		return Record{}, fmt.Errorf("encrypt a template: %w", err)
	}
	block, err := aes.NewCipher(k.raw)
	if err != nil {
		return Record{}, err
	}
	plain := make([]byte, sha256.Size, plainHead+len(template)+aes.BlockSize)
	defer func() { clear(plain) }()
	plain = binary.LittleEndian.AppendUint16(plain, uint16(len(template)))
	plain = append(plain, template...)
	for len(plain)%aes.BlockSize != 0 {
		plain = append(plain, 0)
	}
	sum := k.digest(sid, plain[sha256.Size:])
	copy(plain, sum[:])
	r.Data = make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, r.IV[:]).CryptBlocks(r.Data, plain)
	return r, nil
}

// Decrypt returns the template of a record. One that was changed, or that is of
// another database or person, is ErrDamaged.
func (k *Key) Decrypt(r Record) ([]byte, error) {
	if !sizeOfCipherText(len(r.Data)) {
		return nil, fmt.Errorf("%w: a record of %d bytes", ErrDamaged, len(r.Data))
	}
	block, err := aes.NewCipher(k.raw)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(r.Data))
	cipher.NewCBCDecrypter(block, r.IV[:]).CryptBlocks(plain, r.Data)
	sum := k.digest(r.SID, plain[sha256.Size:])
	n := int(binary.LittleEndian.Uint16(plain[sha256.Size:]))
	if subtle.ConstantTimeCompare(sum[:], plain[:sha256.Size]) != 1 || n > len(plain)-plainHead {
		clear(plain)
		return nil, fmt.Errorf("%w: a record's hash is not its content's", ErrDamaged)
	}
	return plain[plainHead : plainHead+n], nil
}

func sizeOfCipherText(n int) bool {
	return n%aes.BlockSize == 0 && n >= plainHead && n < plainHead+MaxTemplate+aes.BlockSize
}

func (k *Key) digest(sid string, content []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	id := k.id.Windows()
	h.Write(id[:])
	h.Write([]byte{byte(len(sid))})
	io.WriteString(h, sid)
	h.Write(content)
	return [sha256.Size]byte(h.Sum(nil))
}
