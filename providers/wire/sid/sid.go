// Package sid is the security identifier of Windows: text and the packet form
// of MS-DTYP 2.4.2, and the well-known ones that a domain needs (2.4.2.4).
package sid

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// maxSub is how many subauthorities an identifier may have.
const maxSub = 15

// SID is a security identifier. It is comparable; the zero SID is none.
type SID struct {
	authority uint64 // 48 bits
	n         uint8
	sub       [maxSub]uint32
}

// ErrSyntax is what Parse and Decode answer for anything but one identifier of
// revision 1.
var ErrSyntax = errors.New("not a security identifier")

// New makes an identifier of at least one and at most 15 subauthorities;
// another number of them is a mistake of the program, and panics.
func New(authority uint64, sub ...uint32) SID {
	if len(sub) == 0 || len(sub) > maxSub || authority >= 1<<48 {
		panic("sid: no such identifier")
	}
	s := SID{authority: authority, n: uint8(len(sub))}
	copy(s.sub[:], sub)
	return s
}

// Parse reads "S-1-…".
func Parse(text string) (SID, error) {
	parts := strings.Split(text, "-")
	if len(parts) < 4 || len(parts) > 3+maxSub || !strings.EqualFold(parts[0], "S") || parts[1] != "1" {
		return SID{}, ErrSyntax
	}
	authority, err := number(parts[2], 48)
	if err != nil {
		return SID{}, err
	}
	s := SID{authority: authority, n: uint8(len(parts) - 3)}
	for i, p := range parts[3:] {
		v, err := number(p, 32)
		if err != nil {
			return SID{}, err
		}
		s.sub[i] = uint32(v)
	}
	return s, nil
}

// number reads a decimal number, or, as MS-DTYP 2.4.2.1 writes an authority
// beyond 32 bits, a hexadecimal one.
func number(text string, bits int) (uint64, error) {
	base := 10
	if hex, ok := strings.CutPrefix(text, "0x"); ok && bits > 32 {
		text, base = hex, 16
	}
	v, err := strconv.ParseUint(text, base, bits)
	if err != nil || text[0] == '+' {
		return 0, ErrSyntax
	}
	return v, nil
}

// String returns the text form.
func (s SID) String() string {
	if s.n == 0 {
		return ""
	}
	b := []byte("S-1-")
	if s.authority < 1<<32 {
		b = strconv.AppendUint(b, s.authority, 10)
	} else {
		b = append(append(b, "0x"...), strconv.FormatUint(s.authority|1<<48, 16)[1:]...)
	}
	for _, v := range s.sub[:s.n] {
		b = strconv.AppendUint(append(b, '-'), uint64(v), 10)
	}
	return string(b)
}

// Packet form (MS-DTYP 2.4.2.2):
//
//	0  u8   revision, 1
//	1  u8   number of subauthorities, 1 to 15
//	2  48   identifier authority, big-endian
//	8  u32  subauthorities, little-endian, as many as said

// Bytes returns the packet form.
func (s SID) Bytes() []byte {
	b := make([]byte, 8, 8+4*int(s.n))
	binary.BigEndian.PutUint64(b, s.authority)
	b[0], b[1] = 1, s.n
	for _, v := range s.sub[:s.n] {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// Decode reads a packet form that fills b.
func Decode(b []byte) (SID, error) {
	if len(b) < 12 || b[0] != 1 || b[1] == 0 || b[1] > maxSub || len(b) != 8+4*int(b[1]) {
		return SID{}, ErrSyntax
	}
	s := SID{authority: binary.BigEndian.Uint64(b) & (1<<48 - 1), n: b[1]}
	for i := range s.n {
		s.sub[i] = binary.LittleEndian.Uint32(b[8+4*int(i):])
	}
	return s, nil
}

// IsZero says whether s is no identifier.
func (s SID) IsZero() bool { return s.n == 0 }

// RID returns the last subauthority, which tells the accounts of a domain apart.
func (s SID) RID() uint32 {
	if s.n == 0 {
		return 0
	}
	return s.sub[s.n-1]
}

// Domain returns s without its last subauthority: the domain of an account.
// An identifier of one subauthority has none.
func (s SID) Domain() SID {
	if s.n < 2 {
		return SID{}
	}
	s.n--
	s.sub[s.n] = 0
	return s
}

// Account returns the identifier of the account rid in the domain s, which must
// have room for it (14 subauthorities at most).
func (s SID) Account(rid uint32) SID {
	if s.n == 0 || s.n == maxSub {
		panic("sid: not a domain")
	}
	s.sub[s.n] = rid
	s.n++
	return s
}
