package netlogon

import (
	"fmt"
	"strings"
)

const (
	maxLabel   = 63
	maxName    = 255
	pointer    = 0xc0
	maxPointer = 1<<14 - 1
)

// compressor remembers where which end of a name was written. Names are
// compared exactly, so that each is read as it was written.
type compressor map[string]int

func (c compressor) append(b []byte, name string) ([]byte, error) {
	if len(name)+2 > maxName {
		return nil, fmt.Errorf("%w: a name has more than 255 bytes", ErrResponse)
	}
	for rest := name; rest != ""; {
		if at, ok := c[rest]; ok {
			return append(b, byte(pointer|at>>8), byte(at)), nil
		}
		if len(b) <= maxPointer {
			c[rest] = len(b)
		}
		label, after, more := strings.Cut(rest, ".")
		if label == "" || len(label) > maxLabel || more && after == "" {
			return nil, fmt.Errorf("%w: a label is empty or has more than 63 bytes", ErrResponse)
		}
		b = append(append(b, byte(len(label))), label...)
		rest = after
	}
	return append(b, 0), nil
}

// readName reads the name at an offset and returns where it is over. A pointer
// leads backwards only, which ends every chain of them; a label that holds a
// dot would read as two and is refused.
func readName(b []byte, at int) (name string, end int, err error) {
	bad := func(why string) (string, int, error) {
		return "", 0, fmt.Errorf("%w: a name %s", ErrResponse, why)
	}
	var text strings.Builder
	start, end := at, -1
	for {
		if at >= len(b) {
			return bad("goes over the end")
		}
		n := int(b[at])
		switch {
		case n == 0:
			if end < 0 {
				end = at + 1
			}
			return text.String(), end, nil
		case n&pointer == pointer:
			if at+1 >= len(b) {
				return bad("goes over the end")
			}
			if end < 0 {
				end = at + 2
			}
			to := n&^pointer<<8 | int(b[at+1])
			if to >= start {
				return bad("points forwards")
			}
			at, start = to, to
		case n > maxLabel:
			return bad("has a label of no known kind")
		case at+1+n > len(b):
			return bad("goes over the end")
		default:
			label := string(b[at+1 : at+1+n])
			if text.Len() > 0 {
				text.WriteByte('.')
			}
			if text.WriteString(label); text.Len()+2 > maxName || strings.Contains(label, ".") {
				return bad("is too long or has a dot in a label")
			}
			at += 1 + n
		}
	}
}
