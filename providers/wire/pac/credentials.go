package pac

import (
	"encoding/binary"
	"errors"
	"fmt"

	"hellolab/providers/wire/krb"
)

// PAC_CREDENTIAL_INFO (MS-PAC 2.6.1):
//
//	0  u32  version, 0
//	4  u32  encryption type
//	8  …    PAC_CREDENTIAL_DATA, encrypted with the AS reply key, key usage 16
//
// PAC_CREDENTIAL_DATA (2.6.2), NDR:
//
//	u32  number of credentials, of the array and again of the structure
//	     { string package, u32 size, pointer to bytes } for each

// Credentials is what a client who signed in with a public key may use where a
// password is still asked for, readable with the AS reply key only.
type Credentials struct {
	EType  int32
	Cipher []byte
}

// SupplementalCredential is SECPKG_SUPPLEMENTAL_CRED: what one security
// package gets.
type SupplementalCredential struct {
	Package string
	Data    []byte
}

// maxCredentials is how many packages' credentials are read.
const maxCredentials = 16

// SealCredentials encrypts credentials with the AS reply key.
func SealCredentials(replyKey krb.Key, list []SupplementalCredential) (*Credentials, error) {
	w := newWriter()
	w.u32(uint32(len(list)))
	w.u32(uint32(len(list)))
	for _, c := range list {
		w.text(c.Package, false)
		w.u32(uint32(len(c.Data)))
		w.pointer(func() {
			w.u32(uint32(len(c.Data)))
			w.b = append(w.b, c.Data...)
		})
	}
	plain, err := w.bytes()
	if err != nil {
		return nil, err
	}
	cipher, err := replyKey.Encrypt(krb.UsagePACCredential, plain)
	if err != nil {
		return nil, fmt.Errorf("encrypting credentials: %w", err)
	}
	return &Credentials{replyKey.EType, cipher}, nil
}

// Open decrypts the credentials with the AS reply key.
func (c *Credentials) Open(replyKey krb.Key) ([]SupplementalCredential, error) {
	if replyKey.EType != c.EType {
		return nil, errors.New("credentials are encrypted with another type of key")
	}
	plain, err := replyKey.Decrypt(krb.UsagePACCredential, c.Cipher)
	if err != nil {
		return nil, fmt.Errorf("decrypting credentials: %w", err)
	}
	r := newReader(plain)
	most, n := r.u32(), r.u32()
	if n != most || n > maxCredentials {
		r.fail("%d credentials in an array of %d", n, most)
	}
	if r.err != nil {
		return nil, fmt.Errorf("credentials: %w", r.err)
	}
	list := make([]SupplementalCredential, n)
	for i := range list {
		c := &list[i]
		r.text(&c.Package)
		size := r.u32()
		there := r.pointer(func() { c.Data = r.take(r.count(size, 1), 1) })
		if !there && size != 0 {
			r.fail("%d bytes at a null pointer", size)
		}
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	return list, nil
}

func (c *Credentials) encode() []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(c.EType))
	return append(b, c.Cipher...)
}

func decodeCredentials(b []byte) (*Credentials, error) {
	if len(b) < 8 {
		return nil, errLength
	}
	if v := binary.LittleEndian.Uint32(b); v != 0 {
		return nil, fmt.Errorf("version %d", v)
	}
	return &Credentials{int32(binary.LittleEndian.Uint32(b[4:])), b[8:]}, nil
}

// NTLM_SUPPLEMENTAL_CREDENTIAL (MS-PAC 2.6.4):
//
//	0   u32  version, 0
//	4   u32  flags: 1 LM hash, 2 NT hash
//	8   16   LM hash
//	24  16   NT hash

const (
	ntlmPackage = "NTLM"
	ntlmSize    = 40
	ntlmHasNT   = 2
	hashSize    = 16
)

// NTLM makes the credential of an NT hash, which has 16 bytes.
func NTLM(ntHash []byte) (SupplementalCredential, error) {
	if len(ntHash) != hashSize {
		return SupplementalCredential{}, errLength
	}
	b := make([]byte, ntlmSize)
	b[4] = ntlmHasNT
	copy(b[24:], ntHash)
	return SupplementalCredential{ntlmPackage, b}, nil
}

// NTHash returns the NT hash of an NTLM credential.
func (c SupplementalCredential) NTHash() ([]byte, error) {
	if c.Package != ntlmPackage || len(c.Data) != ntlmSize || binary.LittleEndian.Uint32(c.Data) != 0 || c.Data[4]&ntlmHasNT == 0 {
		return nil, errors.New("not an NTLM credential with an NT hash")
	}
	return c.Data[24:], nil
}
