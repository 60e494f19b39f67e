// Package guid is the identifier of Windows and Entra ID objects: text as
// RFC 9562 writes it, bytes as Windows stores them (MS-DTYP 2.3.4.2: the first
// three fields little-endian), and the security identifier that Entra ID
// derives from an object id.
package guid

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// GUID holds the 16 bytes in text order.
type GUID [16]byte

// ErrSyntax is what Parse answers for anything but 8-4-4-4-12 hex digits.
var ErrSyntax = errors.New("not a GUID")

// New returns a random (version 4) GUID.
func New(rand io.Reader) (GUID, error) {
	var g GUID
	if _, err := io.ReadFull(rand, g[:]); err != nil {
		return GUID{}, fmt.Errorf("read random GUID: %w", err)
	}
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g, nil
}

// Parse reads the text form, in either letter case, without braces.
func Parse(s string) (GUID, error) {
	var g GUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return GUID{}, ErrSyntax
	}
	digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(g[:], []byte(digits)); err != nil {
		return GUID{}, ErrSyntax
	}
	return g, nil
}

// String returns the lower-case text form.
func (g GUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
}

// IsZero says whether g is the nil GUID.
func (g GUID) IsZero() bool { return g == GUID{} }

// Windows returns the bytes in the order of the Windows GUID structure.
func (g GUID) Windows() [16]byte {
	return [16]byte{
		g[3], g[2], g[1], g[0],
		g[5], g[4],
		g[7], g[6],
		g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15],
	}
}

// FromWindows is the inverse of Windows.
func FromWindows(b [16]byte) GUID { return GUID(GUID(b).Windows()) }

// SID returns the security identifier of an Entra ID object: S-1-12-1 and the
// Windows form of its id as four little-endian 32-bit numbers.
func (g GUID) SID() string {
	w := g.Windows()
	return fmt.Sprintf("S-1-12-1-%d-%d-%d-%d",
		binary.LittleEndian.Uint32(w[0:]), binary.LittleEndian.Uint32(w[4:]),
		binary.LittleEndian.Uint32(w[8:]), binary.LittleEndian.Uint32(w[12:]))
}
