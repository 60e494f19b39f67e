package winbio

import (
	"crypto/aes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/guid"
)

// A file, numbers little-endian:
//
//	size  field
//	8     "WINBIODB"
//	1     form: 1
//	16    id of the database, a GUID in Windows' order; it names the file
//	1     what has sealed the key: 1 a TPM, 2 the software key provider
//	2     n, at most 1024
//	n     the sealed key
//	2     number of records, at most 256
//	      of each record:
//	1       n, at least 1
//	n       SID of the person
//	16      initialization vector
//	2       n, whole blocks
//	n       AES-256-CBC; see Key
//	32    SHA-256 of all before it
const (
	magic = "WINBIODB"
	form  = 1

	sealedByTPM      = 1
	sealedBySoftware = 2
)

// MaxFile is the size of the largest file.
const MaxFile = 2 << 20

// Bytes is the database as its file has it.
func (d *Database) Bytes() []byte {
	b := append([]byte(magic), form)
	id := d.ID.Windows()
	b = append(b, id[:]...)
	by := byte(sealedBySoftware)
	if d.Key.Storage == ksp.TPM {
		by = sealedByTPM
	}
	b = append(b, by)
	b = sized(b, d.Key.Blob)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(d.Records)))
	for _, r := range d.Records {
		b = append(b, byte(len(r.SID)))
		b = append(b, r.SID...)
		b = append(b, r.IV[:]...)
		b = sized(b, r.Data)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func sized(b, part []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(part))), part...)
}

// Parse reads a file. One byte that is not as it was written is ErrDamaged.
func Parse(file []byte) (*Database, error) {
	n := len(file) - sha256.Size
	if n < 0 || len(file) > MaxFile {
		return nil, fmt.Errorf("%w: %d bytes", ErrDamaged, len(file))
	}
	sum := sha256.Sum256(file[:n])
	if subtle.ConstantTimeCompare(sum[:], file[n:]) != 1 {
		return nil, fmt.Errorf("%w: its hash is not its content's", ErrDamaged)
	}
	r := reader{rest: file[:n]}
	if string(r.take(len(magic))) != magic || r.byte() != form {
		return nil, fmt.Errorf("%w: no database of form %d", ErrDamaged, form)
	}
	d := &Database{}
	if id := r.take(16); id != nil {
		d.ID = guid.FromWindows([16]byte(id))
	}
	switch r.byte() {
	case sealedByTPM:
		d.Key.Storage = ksp.TPM
	case sealedBySoftware:
		d.Key.Storage = ksp.Software
	default:
		r.failed = true
	}
	d.Key.Blob = r.sized()
	count := r.uint16()
	if count > MaxRecords || len(d.Key.Blob) > maxSealed {
		r.failed = true
	}
	for range count {
		if r.failed {
			break
		}
		rec := Record{SID: string(r.take(int(r.byte())))}
		if iv := r.take(aes.BlockSize); iv != nil {
			rec.IV = [aes.BlockSize]byte(iv)
		}
		rec.Data = r.sized()
		if _, twice := d.Record(rec.SID); twice || rec.SID == "" || !sizeOfCipherText(len(rec.Data)) {
			r.failed = true
		}
		d.Records = append(d.Records, rec)
	}
	if r.failed || len(r.rest) != 0 {
		return nil, fmt.Errorf("%w: its parts do not fit", ErrDamaged)
	}
	return d, nil
}

// PathOf is the path of a file by the id in it, whatever else became of it; ""
// when it is too short to have one.
func PathOf(file []byte) string {
	head := len(magic) + 1
	if len(file) < head+16 {
		return ""
	}
	return path(guid.FromWindows([16]byte(file[head:])))
}

// reader takes parts off the front. After one that is not there it has nothing more.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if r.failed || len(r.rest) < n {
		r.failed = true
		return nil
	}
	part := r.rest[:n:n]
	r.rest = r.rest[n:]
	return part
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() int {
	if b := r.take(2); b != nil {
		return int(binary.LittleEndian.Uint16(b))
	}
	return 0
}

func (r *reader) sized() []byte { return r.take(r.uint16()) }
