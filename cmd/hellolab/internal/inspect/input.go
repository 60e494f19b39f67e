package inspect

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Input is what was read, in the forms decoders want it.
type Input struct {
	Raw []byte

	// Text is the input when it is text, without white space around it; ""
	// when it is not.
	Text string
	// Compact is Text without any white space, quotes around it, and the name
	// of the header or cookie it was copied from.
	Compact string
	// Bytes are what the input may stand for: itself when it is not text, what
	// its hexadecimal or base64 decodes to when it is.
	Bytes [][]byte
}

// carriers are what tokens are copied with.
var carriers = []string{"authorization:", "www-authenticate:", "negotiate", "bearer", "request=", "assertion="}

// credential is the name of a header or cookie of MS-OAPXBC 2.2.1; a client
// with several credentials counts them.
var credential = regexp.MustCompile(`(?i)x-ms-(?:refreshtoken|device)credential\d*[:=]`)

func newInput(data []byte) Input {
	in := Input{Raw: data}
	if !isText(data) {
		in.Bytes = [][]byte{data}
		return in
	}
	in.Text = strings.TrimSpace(strings.TrimPrefix(string(data), "\uFEFF"))
	in.Compact = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, in.Text)
	if at := credential.FindStringIndex(in.Compact); at != nil {
		in.Compact = in.Compact[at[1]:]
	}
	for again := true; again; {
		again = false
		for _, c := range carriers {
			if len(in.Compact) > len(c) && strings.EqualFold(in.Compact[:len(c)], c) {
				in.Compact, again = in.Compact[len(c):], true
			}
		}
	}
	if before, _, cut := strings.Cut(in.Compact, ";"); cut { // attributes of a cookie
		in.Compact = before
	}
	if n := len(in.Compact); n > 1 && in.Compact[0] == '"' && in.Compact[n-1] == '"' {
		in.Compact = in.Compact[1 : n-1]
	}
	if b, err := hex.DecodeString(in.Compact); err == nil && len(b) > 0 {
		in.Bytes = append(in.Bytes, b)
	}
	if b, ok := fromBase64(in.Compact); ok {
		in.Bytes = append(in.Bytes, b)
	}
	return in
}

// isText says whether data is text that a person could have pasted. A binary
// format begins with other bytes.
func isText(data []byte) bool {
	return utf8.Valid(data) && !bytes.ContainsFunc(data, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f
	})
}

// fromBase64 reads either alphabet, padded or not.
func fromBase64(s string) ([]byte, bool) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawStdEncoding.DecodeString(s)
	return b, err == nil && len(b) > 0
}

// each gives decode the bytes that the input may stand for, until one is what
// it wants.
func (in Input) each(decode func(b []byte) (*Node, error)) (*Node, error) {
	var err error = not("it is text, and neither base64 nor hexadecimal")
	for _, b := range in.Bytes {
		var node *Node
		if node, err = decode(b); err == nil {
			return node, nil
		}
		if _, foreign := err.(not); !foreign {
			break
		}
	}
	return nil, err
}
