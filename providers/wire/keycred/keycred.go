// Package keycred is the key credential of Active Directory: one public key
// that an account may sign in with, as a value of msDS-KeyCredentialLink
// (MS-ADTS 2.2.20). Windows Hello for Business keys (NGC) come here from Entra
// ID by Connect sync, FIDO keys too; computers write their own.
//
// Parse takes no value that does not hold together, and says by one of the
// Err… values what is wrong, so that who reads an account skips that value and
// goes on with the others (Usable does). A key that is weak is not malformed:
// Weaknesses tells. Marshal writes what Parse read, byte for byte.
//
//	offset  size  field
//	0       4     Version, 0x00000200
//	4             entries, ascending by identifier, without padding:
//	0       2     length of the value
//	2       1     identifier
//	3             value
//
//	id  name                              value
//	1   KeyID                             SHA-256 of KeyMaterial; of a FIDO key its credential id (16 to 1023 bytes)
//	2   KeyHash                           SHA-256 of everything after this entry
//	3   KeyMaterial                       the public key, see PublicKey
//	4   KeyUsage                          u8
//	5   KeySource                         u8, 0 Active Directory, 1 Entra ID
//	6   DeviceId                          GUID, the device's id in Entra ID
//	7   CustomKeyInformation              see Custom
//	8   KeyApproximateLastLogonTimeStamp  see Stamp
//	9   KeyCreationTime                   see Stamp
//
// Numbers are little-endian. The specification knows fewer usages, one source
// and only FILETIME; real values are as above (learned from DSInternals, and
// from Samba where it writes less than the specification asks for).
package keycred

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"hellolab/providers/wire/guid"
)

const (
	version = 0x0200 // KEY_CREDENTIAL_LINK_VERSION_2

	// MaxBlob bounds one value: the longest real ones, of FIDO keys, take
	// about 1.5 kB.
	MaxBlob = 64 << 10
)

// ErrBlob is wrapped by every error of Parse and Marshal.
var ErrBlob = errors.New("not a key credential")

// What can be wrong with a value.
var (
	ErrSize       = fmt.Errorf("%w: longer than 64 KiB", ErrBlob)
	ErrVersion    = fmt.Errorf("%w: its version is not 0x200", ErrBlob)
	ErrTruncated  = fmt.Errorf("%w: an entry goes over the end", ErrBlob)
	ErrIdentifier = fmt.Errorf("%w: an entry has no known identifier", ErrBlob)
	ErrDuplicate  = fmt.Errorf("%w: an entry is there twice", ErrBlob)
	ErrOrder      = fmt.Errorf("%w: entries are not in ascending order", ErrBlob)
	ErrLength     = fmt.Errorf("%w: an entry has not its length", ErrBlob)
	ErrMissing    = fmt.Errorf("%w: an entry is missing", ErrBlob)
	ErrKeyHash    = fmt.Errorf("%w: KeyHash is not the hash of what follows", ErrBlob)
	ErrKeyID      = fmt.Errorf("%w: KeyID is not the key's", ErrBlob)
	ErrSource     = fmt.Errorf("%w: its source is neither Active Directory nor Entra ID", ErrBlob)
	ErrCustom     = fmt.Errorf("%w: CustomKeyInformation is not of version 1", ErrBlob)
)

// Usage is what a key is for.
type Usage uint8

// Usages. Samba's interface definition numbers FIDO and FEK otherwise, which
// real values do not bear out.
const (
	UsageNGC               Usage = 1 // Windows Hello for Business
	UsageSTK               Usage = 2 // a device's transport key
	UsageBitLockerRecovery Usage = 3
	UsageFIDO              Usage = 7
	UsageFEK               Usage = 8 // file encryption
)

func (u Usage) String() string {
	switch u {
	case UsageNGC:
		return "NGC"
	case UsageSTK:
		return "STK"
	case UsageBitLockerRecovery:
		return "BitLocker recovery"
	case UsageFIDO:
		return "FIDO"
	case UsageFEK:
		return "FEK"
	}
	return fmt.Sprintf("usage %d", uint8(u))
}

// Source is the directory that a key was registered at.
type Source uint8

// Sources.
const (
	SourceAD      Source = 0
	SourceAzureAD Source = 1
)

func (s Source) String() string {
	switch s {
	case SourceAD:
		return "Active Directory"
	case SourceAzureAD:
		return "Entra ID"
	}
	return fmt.Sprintf("source %d", uint8(s))
}

// Key is one key credential.
type Key struct {
	ID        []byte // nil: no entry, as Samba writes it
	Unhashed  bool   // there is no KeyHash
	Material  []byte
	Usage     Usage
	Source    Source
	Device    *guid.GUID // nil: no entry
	Custom    Custom     // nil: no entry
	LastLogon *Stamp     // nil: no entry
	Created   *Stamp     // nil: no entry

	noSource bool // no entry, which counts as SourceAD
}

// New returns a key credential with the key id of its material.
func New(material []byte, usage Usage, source Source) Key {
	sum := sha256.Sum256(material)
	return Key{ID: sum[:], Material: bytes.Clone(material), Usage: usage, Source: source}
}

// Identifiers of entries.
const (
	idKeyID = 1 + iota
	idKeyHash
	idMaterial
	idUsage
	idSource
	idDevice
	idCustom
	idLastLogon
	idCreated
	idEnd
)

// fixed are the lengths of entries that have one.
func fixed(id uint8) (length int, ok bool) {
	switch id {
	case idKeyHash:
		return sha256.Size, true
	case idUsage, idSource:
		return 1, true
	case idDevice:
		return 16, true
	case idLastLogon, idCreated:
		return 8, true
	}
	return 0, false
}

// Parse reads a value. KeyMaterial and KeyUsage must be there; a KeyID and a
// KeyHash that are there must be right. It copies what it keeps.
func Parse(b []byte) (Key, error) {
	if len(b) > MaxBlob {
		return Key{}, ErrSize
	}
	if len(b) < 4 {
		return Key{}, ErrTruncated
	}
	if v := binary.LittleEndian.Uint32(b); v != version {
		return Key{}, fmt.Errorf("%w but 0x%x", ErrVersion, v)
	}
	var values [idEnd][]byte // nil: no entry
	var hashed []byte
	last := uint8(0)
	for rest := b[4:]; len(rest) > 0; {
		if len(rest) < 3 {
			return Key{}, ErrTruncated
		}
		n, id := int(binary.LittleEndian.Uint16(rest)), rest[2]
		if len(rest) < 3+n {
			return Key{}, fmt.Errorf("%w: entry %d claims %d bytes", ErrTruncated, id, n)
		}
		switch want, ok := fixed(id); {
		case id == 0 || id >= idEnd:
			return Key{}, fmt.Errorf("%w: %d", ErrIdentifier, id)
		case values[id] != nil:
			return Key{}, fmt.Errorf("%w: %d", ErrDuplicate, id)
		case id < last:
			return Key{}, fmt.Errorf("%w: %d after %d", ErrOrder, id, last)
		case ok && n != want:
			return Key{}, fmt.Errorf("%w: entry %d has %d bytes, want %d", ErrLength, id, n, want)
		case n == 0:
			return Key{}, fmt.Errorf("%w: entry %d is empty", ErrLength, id)
		}
		values[id], rest, last = rest[3:3+n], rest[3+n:], id
		if id == idKeyHash {
			hashed = rest
		}
	}
	if sum := sha256.Sum256(hashed); values[idKeyHash] != nil && !bytes.Equal(sum[:], values[idKeyHash]) {
		return Key{}, ErrKeyHash
	}
	return read(&values)
}

// read takes the values of entries, each of the right length.
func read(values *[idEnd][]byte) (Key, error) {
	if values[idMaterial] == nil || values[idUsage] == nil {
		return Key{}, fmt.Errorf("%w: KeyMaterial or KeyUsage", ErrMissing)
	}
	k := Key{
		ID:       bytes.Clone(values[idKeyID]),
		Unhashed: values[idKeyHash] == nil,
		Material: bytes.Clone(values[idMaterial]),
		Usage:    Usage(values[idUsage][0]),
		Custom:   bytes.Clone(values[idCustom]),
		noSource: values[idSource] == nil,
	}
	if !k.noSource {
		k.Source = Source(values[idSource][0])
	}
	if k.Source > SourceAzureAD {
		return Key{}, fmt.Errorf("%w but %d", ErrSource, uint8(k.Source))
	}
	if k.Custom != nil && k.Custom[0] != customVersion {
		return Key{}, fmt.Errorf("%w but %d", ErrCustom, k.Custom[0])
	}
	if v := values[idDevice]; v != nil {
		g := guid.FromWindows([16]byte(v))
		k.Device = &g
	}
	k.LastLogon, k.Created = stamp(values[idLastLogon]), stamp(values[idCreated])
	if err := k.checkID(); err != nil {
		return Key{}, err
	}
	return k, nil
}

func stamp(value []byte) *Stamp {
	if value == nil {
		return nil
	}
	s := Stamp(binary.LittleEndian.Uint64(value))
	return &s
}

// checkID compares a key id that is there with the key's.
func (k *Key) checkID() error {
	if k.ID == nil {
		return nil
	}
	sum := sha256.Sum256(k.Material)
	want := sum[:]
	if k.Usage == UsageFIDO {
		f, err := parseFIDO(k.Material)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrKeyID, err)
		}
		want = f.CredentialID
	}
	if !bytes.Equal(want, k.ID) {
		return ErrKeyID
	}
	return nil
}

// Marshal writes the value. It fails where an entry is longer than one can be;
// whether the entries are true is not looked at.
func (k *Key) Marshal() ([]byte, error) {
	le := binary.LittleEndian
	var after []byte // what KeyHash is of
	var err error
	entry := func(b []byte, id uint8, value []byte) []byte {
		if len(value) > 1<<16-1 || len(b)+len(value) > MaxBlob {
			err = ErrSize
			return b
		}
		return append(append(le.AppendUint16(b, uint16(len(value))), id), value...)
	}
	after = entry(after, idMaterial, k.Material)
	after = entry(after, idUsage, []byte{byte(k.Usage)})
	if !k.noSource || k.Source != SourceAD {
		after = entry(after, idSource, []byte{byte(k.Source)})
	}
	if k.Device != nil {
		w := k.Device.Windows()
		after = entry(after, idDevice, w[:])
	}
	if k.Custom != nil {
		after = entry(after, idCustom, k.Custom)
	}
	if k.LastLogon != nil {
		after = entry(after, idLastLogon, le.AppendUint64(nil, uint64(*k.LastLogon)))
	}
	if k.Created != nil {
		after = entry(after, idCreated, le.AppendUint64(nil, uint64(*k.Created)))
	}
	b := le.AppendUint32(nil, version)
	if k.ID != nil {
		b = entry(b, idKeyID, k.ID)
	}
	if !k.Unhashed {
		sum := sha256.Sum256(after)
		b = entry(b, idKeyHash, sum[:])
	}
	if b = append(b, after...); err != nil || len(b) > MaxBlob {
		return nil, ErrSize
	}
	return b, nil
}
