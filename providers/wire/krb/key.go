package krb

import (
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jcmturner/gokrb5/v8/crypto"
)

// Key is an EncryptionKey. Its text never shows the value.
//
//	EncryptionKey ::= SEQUENCE { keytype [0] Int32, keyvalue [1] OCTET STRING }
type Key struct {
	EType int32  `asn1:"explicit,tag:0"`
	Value []byte `asn1:"explicit,tag:1"`
}

// ErrDecrypt says that a ciphertext does not open: wrong key, wrong usage,
// changed or cut. Which of them is nobody's business.
var ErrDecrypt = errors.New("encrypted part does not open")

// cipherSpec is what gokrb5 does not say, or says wrongly, of an encryption type.
type cipherSpec struct {
	keySize  int   // bytes
	overhead int   // bytes of confounder and checksum: the shortest ciphertext
	checksum int32 // the type of its keyed checksum
}

func spec(id int32) (cipherSpec, bool) {
	switch id {
	case AES128:
		return cipherSpec{16, aes.BlockSize + sumSize, 15}, true
	case AES256:
		return cipherSpec{32, aes.BlockSize + sumSize, 16}, true
	case RC4:
		return cipherSpec{16, 8 + 16, -138}, true
	}
	return cipherSpec{}, false
}

// Supported reports whether keys of the type work here: 17, 18 and 23. Whether
// they are allowed is a policy of the caller's.
func Supported(etype int32) bool {
	_, ok := spec(etype)
	return ok
}

// KeySize is the size of a key in bytes, 0 for a type that does not work here.
func KeySize(etype int32) int {
	s, _ := spec(etype)
	return s.keySize
}

// ChecksumType is the type of the checksum that goes with the encryption type,
// 0 for a type that does not work here.
func ChecksumType(etype int32) int32 {
	s, _ := spec(etype)
	return s.checksum
}

// String names the type only.
func (k Key) String() string { return fmt.Sprintf("key of encryption type %d", k.EType) }

// GoString is String, so that %#v tells nothing more.
func (k Key) GoString() string { return k.String() }

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.EType == 0 && len(k.Value) == 0 }

// Equal compares in constant time.
func (k Key) Equal(o Key) bool { return k.EType == o.EType && hmac.Equal(k.Value, o.Value) }

// check says whether the key is of a type that works here, and of its size.
func (k Key) check() (cipherSpec, error) {
	s, ok := spec(k.EType)
	if !ok {
		return s, NewError(ErrETypeNoSupport, "Encryption type %d is not supported.", k.EType)
	}
	if len(k.Value) != s.keySize {
		return s, fmt.Errorf("key of %d bytes for encryption type %d, want %d", len(k.Value), k.EType, s.keySize)
	}
	return s, nil
}

// Encrypt seals plain for a usage, with a random confounder.
func (k Key) Encrypt(usage uint32, plain []byte) ([]byte, error) {
	if _, err := k.check(); err != nil {
		return nil, err
	}
	if k.EType == RC4 {
		_, sealed, err := crypto.RC4HMAC{}.EncryptMessage(k.Value, plain, usage)
		return sealed, err
	}
	derived, err := newAESKey(k.Value)
	if err != nil {
		return nil, err
	}
	return derived.seal(usage, plain)
}

// Decrypt opens what Encrypt sealed; ErrDecrypt when it does not open.
func (k Key) Decrypt(usage uint32, sealed []byte) ([]byte, error) {
	s, err := k.check()
	if err != nil {
		return nil, err
	}
	if len(sealed) < s.overhead || len(sealed) > MaxMessage {
		return nil, ErrDecrypt
	}
	if k.EType == RC4 {
		plain, err := crypto.RC4HMAC{}.DecryptMessage(k.Value, sealed, usage)
		if err != nil {
			return nil, ErrDecrypt
		}
		return plain, nil
	}
	derived, err := newAESKey(k.Value)
	if err != nil {
		return nil, err
	}
	return derived.open(usage, sealed)
}

// Seal is Encrypt into an EncryptedData. A version of 0 is left out.
func (k Key) Seal(usage uint32, kvno uint32, plain []byte) (EncryptedData, error) {
	sealed, err := k.Encrypt(usage, plain)
	return EncryptedData{EType: k.EType, KVNO: int64(kvno), Cipher: sealed}, err
}

// Open opens an EncryptedData; it must be of the key's type.
func (k Key) Open(usage uint32, d EncryptedData) ([]byte, error) {
	if d.EType != k.EType {
		return nil, ErrDecrypt
	}
	return k.Decrypt(usage, d.Cipher)
}

// Checksum is the keyed checksum over data that goes with the key's type.
func (k Key) Checksum(usage uint32, data []byte) (Checksum, error) {
	s, err := k.check()
	if err != nil {
		return Checksum{}, err
	}
	if k.EType == RC4 {
		sum, err := crypto.RC4HMAC{}.GetChecksumHash(k.Value, data, usage)
		return Checksum{Type: s.checksum, Sum: sum}, err
	}
	derived, err := newAESKey(k.Value)
	if err != nil {
		return Checksum{}, err
	}
	return Checksum{Type: s.checksum, Sum: derived.mac(usage, forChecksum, make([]byte, 0, sha1.Size), data)}, nil
}

// VerifyChecksum reports whether sum is the key's checksum over data, in
// constant time. A checksum of another type, keyed or not, is none.
func (k Key) VerifyChecksum(usage uint32, data []byte, sum Checksum) bool {
	want, err := k.Checksum(usage, data)
	return err == nil && sum.Type == want.Type && hmac.Equal(sum.Sum, want.Sum)
}

// RandomKey draws a key.
func RandomKey(etype int32, rand io.Reader) (Key, error) {
	s, ok := spec(etype)
	if !ok {
		return Key{}, NewError(ErrETypeNoSupport, "Encryption type %d is not supported.", etype)
	}
	k := Key{EType: etype, Value: make([]byte, s.keySize)}
	_, err := io.ReadFull(rand, k.Value)
	return k, err
}

// maxPassword bounds a password, in bytes; Windows takes 256 characters.
const maxPassword = 1024

// StringToKey makes the key of a password (RFC 3962 4 with 4096 rounds; for RC4
// the NT hash, where the salt does not matter).
func StringToKey(etype int32, password, salt string) (Key, error) {
	if len(password) > maxPassword || len(salt) > 2*maxText {
		return Key{}, errors.New("password or salt is too long")
	}
	if _, ok := spec(etype); !ok {
		return Key{}, NewError(ErrETypeNoSupport, "Encryption type %d is not supported.", etype)
	}
	e, err := crypto.GetEtype(etype)
	if err != nil {
		return Key{}, err
	}
	value, err := e.StringToKey(password, salt, e.GetDefaultStringToKeyParams())
	return Key{EType: etype, Value: value}, err
}

// EncryptedData is a ciphertext with the type and, optionally, the version of
// its key (RFC 4120 5.2.9). KVNO is 0 when absent; a peer may send it as a
// signed number of 32 bits, so read it with KeyVersion.
type EncryptedData struct {
	EType  int32  `asn1:"explicit,tag:0"`
	KVNO   int64  `asn1:"explicit,optional,tag:1"`
	Cipher []byte `asn1:"explicit,tag:2"`
}

// KeyVersion is the key version as the 32 bits that Windows splits: the upper
// 16 name the krbtgt of a read-only domain controller.
func (d EncryptedData) KeyVersion() uint32 { return uint32(d.KVNO) }

func (d EncryptedData) check() error {
	if d.KVNO < -1<<31 || d.KVNO >= 1<<32 {
		return errors.New("key version beyond 32 bits")
	}
	return nil
}

// Checksum is a checksum with its type (RFC 4120 5.2.9).
type Checksum struct {
	Type int32  `asn1:"explicit,tag:0"`
	Sum  []byte `asn1:"explicit,tag:1"`
}

// IsZero reports whether there is none.
func (c Checksum) IsZero() bool { return c.Type == 0 && len(c.Sum) == 0 }

// ParseChecksum reads a bare Checksum.
func ParseChecksum(b []byte) (Checksum, error) {
	var c Checksum
	err := unmarshal(b, &c, 0)
	return c, err
}

// Encode writes a bare Checksum.
func (c Checksum) Encode() ([]byte, error) { return c.der().encode(), nil }

// UserSalt is the salt that Active Directory gives a user's password
// (MS-KILE 3.1.1.2): the realm in upper case and the sAMAccountName.
func UserSalt(realm, samAccountName string) string { return strings.ToUpper(realm) + samAccountName }

// ComputerSalt is that of a computer: the realm in upper case, "host", and the
// computer's DNS name in lower case, whose first label is the sAMAccountName
// without its dollar sign.
func ComputerSalt(realm, samAccountName string) string {
	name := strings.ToLower(strings.TrimSuffix(samAccountName, "$") + "." + realm)
	return strings.ToUpper(realm) + "host" + name
}
