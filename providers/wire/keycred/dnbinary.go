package keycred

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// DNBinary is a value of syntax Object(DN-Binary), 2.5.5.7 (MS-ADTS 3.1.1.3.1.1.4):
// bytes, and the name of the object that they are of.
//
// In LDAP it is text: B:<number of hex digits>:<hex>:<DN>.
type DNBinary struct {
	Value []byte
	DN    string
}

// ErrDNBinary is wrapped by every error of ParseDNBinary.
var ErrDNBinary = errors.New("not a DN with binary")

// maxDN bounds the name.
const maxDN = 4 << 10

// ParseDNBinary reads the text form of at most MaxBlob bytes. Hexadecimal
// digits may be of either case; whether the name is one is not looked at.
func ParseDNBinary(text string) (DNBinary, error) {
	rest, ok := strings.CutPrefix(text, "B:")
	if !ok {
		return DNBinary{}, fmt.Errorf("%w: no B: in front", ErrDNBinary)
	}
	count, rest, ok := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(count, 10, 32)
	switch {
	case !ok || err != nil || strconv.FormatUint(n, 10) != count:
		return DNBinary{}, fmt.Errorf("%w: no number of hexadecimal digits", ErrDNBinary)
	case n%2 != 0:
		return DNBinary{}, fmt.Errorf("%w: an odd number of hexadecimal digits", ErrDNBinary)
	case n > 2*MaxBlob:
		return DNBinary{}, fmt.Errorf("%w: more than %d bytes", ErrDNBinary, MaxBlob)
	case uint64(len(rest)) <= n || rest[n] != ':':
		return DNBinary{}, fmt.Errorf("%w: there are not %d hexadecimal digits", ErrDNBinary, n)
	case uint64(len(rest)) > n+1+maxDN:
		return DNBinary{}, fmt.Errorf("%w: its name is too long", ErrDNBinary)
	}
	value, err := hex.DecodeString(rest[:n])
	if err != nil {
		return DNBinary{}, fmt.Errorf("%w: a digit is not hexadecimal", ErrDNBinary)
	}
	return DNBinary{Value: value, DN: rest[n+1:]}, nil
}

// String returns the text form, digits in upper case as Windows prints them.
func (d DNBinary) String() string {
	return fmt.Sprintf("B:%d:%X:%s", 2*len(d.Value), d.Value, d.DN)
}
