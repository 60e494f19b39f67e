package pac

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

var errUTF16 = errors.New("not UTF-16")

// toUTF16 returns s in UTF-16, little-endian.
func toUTF16(s string) []byte {
	units := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// fromUTF16 reads b, which must be well-formed: a half of a surrogate pair
// alone would become another name.
func fromUTF16(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", errUTF16
	}
	runes := make([]rune, 0, len(b)/2)
	for i := 0; i < len(b); i += 2 {
		r := rune(binary.LittleEndian.Uint16(b[i:]))
		if utf16.IsSurrogate(r) {
			i += 2
			if i >= len(b) {
				return "", errUTF16
			}
			if r = utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b[i:]))); r == '\uFFFD' {
				return "", errUTF16
			}
		}
		runes = append(runes, r)
	}
	return string(runes), nil
}
