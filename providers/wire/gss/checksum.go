package gss

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/binary"

	"hellolab/providers/wire/krb"
)

// The authenticator's checksum in a GSS-API exchange (RFC 4121 4.1.1), which is
// none; little-endian:
//
//	0   u32  16
//	4   16   MD5 of the channel bindings; zero: none
//	20  u32  flags
//	24  u16  1    (with Delegate)
//	26  u16  length of a KRB-CRED    (with Delegate)
//	28  …    KRB-CRED, then extensions
const (
	checksumType = 0x8003
	checksumSize = 24
)

// Bindings tie a context to the channel it is made over: for TLS the
// application data of RFC 5929, "tls-server-end-point:" and the hash of the
// server's certificate. Nil is none.
type Bindings []byte

// sum is the MD5 of the bindings' structure (RFC 4121 4.1.1.2): no addresses,
// and the application data. MD5 is what the protocol has; what protects it is
// the authenticator's encryption.
func (b Bindings) sum() [md5.Size]byte {
	if b == nil {
		return [md5.Size]byte{}
	}
	data := make([]byte, 16, 20+len(b))
	data = binary.LittleEndian.AppendUint32(data, uint32(len(b)))
	return md5.Sum(append(data, b...))
}

func makeChecksum(flags Flags, b Bindings) krb.Checksum {
	sum := b.sum()
	data := binary.LittleEndian.AppendUint32(nil, md5.Size)
	data = append(data, sum[:]...)
	return krb.Checksum{Type: checksumType, Sum: binary.LittleEndian.AppendUint32(data, uint32(flags))}
}

// readChecksum returns the flags. Bindings are compared when both sides have
// some; required refuses an initiator who has none.
func readChecksum(c krb.Checksum, b Bindings, required bool) (Flags, error) {
	if c.Type != checksumType {
		return 0, krb.NewError(krb.ErrInappropriateChecksum, "The authenticator has no GSS-API checksum.")
	}
	d := c.Sum
	if len(d) < checksumSize || binary.LittleEndian.Uint32(d) != md5.Size {
		return 0, ErrDefective
	}
	flags := Flags(binary.LittleEndian.Uint32(d[20:]))
	if flags.Has(Delegate) {
		if len(d) < 28 || binary.LittleEndian.Uint16(d[24:]) != 1 || int(binary.LittleEndian.Uint16(d[26:])) > len(d)-28 {
			return 0, ErrDefective
		}
	}
	if b != nil {
		theirs, none, ours := d[4:20], [md5.Size]byte{}, b.sum()
		absent := subtle.ConstantTimeCompare(theirs, none[:]) == 1
		if absent && required || !absent && subtle.ConstantTimeCompare(theirs, ours[:]) != 1 {
			return 0, ErrBindings
		}
	}
	return flags, nil
}
