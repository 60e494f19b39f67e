// Package ntlm is NT LAN Manager authentication by challenge and response
// (MS-NLMP), its second version only: three messages, of which the last proves
// that the client knows the account's NT hash, without the server learning it.
// HTTP carries them in headers (Header, FromHeader).
//
// Contract: a Server makes challenges and reads answers; who can say whether an
// answer is good is whoever has the hash (Verify), as a rule the domain. The
// session key that it finds then verifies the message integrity code
// (Answer.Keys). LM, NTLM version 1 and its session security are refused by
// form. Parsers are bounded, and no message makes them panic. Nothing is signed
// or sealed afterwards: HTTP does not use it.
//
// Sources: MS-NLMP 2.2, 3.1.5, 3.2.5, 3.3.2; MS-NTHT.
package ntlm

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// What can be wrong with a message or what it proves.
var (
	ErrMessage   = errors.New("malformed NTLM message")
	ErrVersion   = errors.New("answer is not of NTLM version 2")
	ErrAnonymous = errors.New("answer is of nobody")
	ErrProof     = errors.New("answer does not fit the password")
	ErrTime      = errors.New("answer was made at another time")
	ErrIntegrity = errors.New("messages were changed")
	ErrFlags     = errors.New("no options in common")
)

// Bounds of what a peer sends, in bytes and in count.
const (
	maxMessage = 8 << 10
	maxName    = 512
	maxPairs   = 32
)

// Flags are the options of a message (MS-NLMP 2.2.2.5).
type Flags uint32

// Flags, named as in MS-NLMP without NTLMSSP_NEGOTIATE_.
const (
	Unicode          Flags = 0x00000001
	OEM              Flags = 0x00000002
	RequestTarget    Flags = 0x00000004
	Sign             Flags = 0x00000010
	Seal             Flags = 0x00000020
	Datagram         Flags = 0x00000040
	LMKey            Flags = 0x00000080
	NTLM             Flags = 0x00000200
	Anonymous        Flags = 0x00000800
	AlwaysSign       Flags = 0x00008000
	TargetTypeDomain Flags = 0x00010000
	ExtendedSecurity Flags = 0x00080000
	TargetInfo       Flags = 0x00800000
	Version          Flags = 0x02000000
	Bits128          Flags = 0x20000000
	KeyExchange      Flags = 0x40000000
	Bits56           Flags = 0x80000000
)

// Has says whether all of want are set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// scheme of HTTP (MS-NTHT).
const scheme = "NTLM"

// Header makes the value of WWW-Authenticate or Authorization. Without a
// message it is a server's demand.
func Header(message []byte) string {
	if len(message) == 0 {
		return scheme
	}
	return scheme + " " + base64.StdEncoding.EncodeToString(message)
}

// FromHeader finds the message in values of either header. It returns false if
// none is of this scheme, a nil message for one without, and ErrMessage for one
// that is malformed or too long.
func FromHeader(values []string) (message []byte, ok bool, err error) {
	for _, v := range values {
		name, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
		if !strings.EqualFold(name, scheme) {
			continue
		}
		rest = strings.TrimSpace(rest)
		switch {
		case rest == "":
			return nil, true, nil
		case len(rest) > base64.StdEncoding.EncodedLen(maxMessage):
			return nil, true, fmt.Errorf("%w: %d characters", ErrMessage, len(rest))
		}
		if message, err = base64.StdEncoding.Strict().DecodeString(rest); err != nil {
			return nil, true, fmt.Errorf("%w: not base64", ErrMessage)
		}
		return message, true, nil
	}
	return nil, false, nil
}
