package ntlm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// Every message (MS-NLMP 2.2.1), little-endian:
//
//	0   8  "NTLMSSP", 0
//	8   4  type
//
// A field is u16 length, u16 allocated length (ignored), u32 offset from the
// message's beginning; what it holds lies after the fixed part.
const (
	signature = "NTLMSSP\x00"

	typeNegotiate    = 1
	typeChallenge    = 2
	typeAuthenticate = 3
)

// NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1):
//
//	12  4  flags
//	16  8  field: domain, OEM     } absent in the shortest form
//	24  8  field: workstation     }
//	32  8  version, if the flag is set

// Negotiate is what a client can. Names that it may tell are not read: nothing
// depends on them.
type Negotiate struct{ Flags Flags }

// Encode writes the message.
func (n Negotiate) Encode() []byte {
	b := header(typeNegotiate)
	b = binary.LittleEndian.AppendUint32(b, uint32(n.Flags))
	return append(b, make([]byte, 16)...)
}

// ParseNegotiate reads the message.
func ParseNegotiate(b []byte) (Negotiate, error) {
	if err := begins(b, typeNegotiate, 16); err != nil {
		return Negotiate{}, err
	}
	return Negotiate{Flags: Flags(binary.LittleEndian.Uint32(b[12:]))}, nil
}

// CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2):
//
//	12  8  field: target name
//	20  4  flags
//	24  8  challenge
//	32  8  reserved
//	40  8  field: target information, AV pairs
//	48  8  version, if the flag is set; zero else, or absent
const challengeFixed = 48

// Challenge is what a server demands.
type Challenge struct {
	Flags  Flags
	Target string // the domain
	Nonce  [8]byte
	Info   []byte // AV pairs, encoded; what a client answers with is made of these bytes
}

// Encode writes the message.
func (c *Challenge) Encode() []byte {
	const fixed = challengeFixed + 8
	target := text(c.Flags, c.Target)
	b := header(typeChallenge)
	b = field(b, len(target), fixed)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.Flags))
	b = append(b, c.Nonce[:]...)
	b = append(b, make([]byte, 8)...)
	b = field(b, len(c.Info), fixed+len(target))
	b = append(b, make([]byte, 8)...)
	return append(append(b, target...), c.Info...)
}

// ParseChallenge reads the message.
func ParseChallenge(b []byte) (*Challenge, error) {
	if err := begins(b, typeChallenge, challengeFixed); err != nil {
		return nil, err
	}
	c := &Challenge{Flags: Flags(binary.LittleEndian.Uint32(b[20:]))}
	copy(c.Nonce[:], b[24:])
	target, err := content(b, 12, challengeFixed, maxName)
	if err != nil {
		return nil, err
	}
	if c.Target, err = readText(c.Flags, target); err != nil {
		return nil, err
	}
	if c.Flags.Has(TargetInfo) {
		if c.Info, err = content(b, 40, challengeFixed, maxMessage); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3):
//
//	12  8  field: LM response
//	20  8  field: NT response
//	28  8  field: domain
//	36  8  field: user
//	44  8  field: workstation
//	52  8  field: encrypted session key
//	60  4  flags
//	64  8  version     } absent in old clients
//	72  16 integrity code, if the response says so
const (
	authenticateFixed = 64
	atMIC             = 72
	sizeMIC           = 16
)

// Authenticate is a client's answer.
type Authenticate struct {
	Flags       Flags
	LM, NT      []byte // responses
	Domain      string
	User        string
	Workstation string
	Key         []byte // session key, encrypted; with KeyExchange
	WithMIC     bool   // the message has an integrity code; Encode leaves it zero

	payload int // where what fields hold begins
}

// Encode writes the message.
func (a *Authenticate) Encode() []byte {
	fixed := authenticateFixed + 8
	if a.WithMIC {
		fixed = atMIC + sizeMIC
	}
	parts := [][]byte{a.LM, a.NT, text(a.Flags, a.Domain), text(a.Flags, a.User), text(a.Flags, a.Workstation), a.Key}
	b := header(typeAuthenticate)
	at := fixed
	for _, p := range parts {
		b = field(b, len(p), at)
		at += len(p)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(a.Flags))
	b = append(b, make([]byte, fixed-len(b))...)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// ParseAuthenticate reads the message. Whether it has an integrity code only
// the response says.
func ParseAuthenticate(b []byte) (*Authenticate, error) {
	if err := begins(b, typeAuthenticate, authenticateFixed); err != nil {
		return nil, err
	}
	a := &Authenticate{Flags: Flags(binary.LittleEndian.Uint32(b[60:])), payload: len(b)}
	var domain, user, workstation []byte
	for i, f := range []struct {
		into *[]byte
		most int
	}{{&a.LM, 64}, {&a.NT, maxMessage}, {&domain, maxName}, {&user, maxName}, {&workstation, maxName}, {&a.Key, 16}} {
		at := 12 + 8*i
		c, err := content(b, at, authenticateFixed, f.most)
		if err != nil {
			return nil, err
		}
		if *f.into = c; len(c) > 0 {
			a.payload = min(a.payload, int(binary.LittleEndian.Uint32(b[at+4:])))
		}
	}
	for _, t := range []struct {
		into *string
		from []byte
	}{{&a.Domain, domain}, {&a.User, user}, {&a.Workstation, workstation}} {
		var err error
		if *t.into, err = readText(a.Flags, t.from); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func header(kind uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte(signature), kind)
}

func begins(b []byte, kind uint32, least int) error {
	switch {
	case len(b) < least || len(b) > maxMessage:
		return fmt.Errorf("%w: %d bytes", ErrMessage, len(b))
	case !bytes.HasPrefix(b, []byte(signature)) || binary.LittleEndian.Uint32(b[8:]) != kind:
		return fmt.Errorf("%w: not of type %d", ErrMessage, kind)
	}
	return nil
}

func field(b []byte, size, offset int) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(size))
	b = binary.LittleEndian.AppendUint16(b, uint16(size))
	return binary.LittleEndian.AppendUint32(b, uint32(offset))
}

// content returns what the field at a place holds; an empty one may point
// anywhere.
func content(b []byte, at, fixed, most int) ([]byte, error) {
	size, offset := int(binary.LittleEndian.Uint16(b[at:])), uint64(binary.LittleEndian.Uint32(b[at+4:]))
	switch {
	case size == 0:
		return nil, nil
	case size > most || offset < uint64(fixed) || offset+uint64(size) > uint64(len(b)):
		return nil, fmt.Errorf("%w: field at %d", ErrMessage, at)
	}
	return b[offset:][:size:size], nil
}

// text writes a name as the flags have it.
func text(f Flags, s string) []byte {
	if f.Has(Unicode) {
		return utf16le(s)
	}
	return []byte(s)
}

// readText reads a name. Of the OEM character set only what all of them share
// is taken.
func readText(f Flags, b []byte) (string, error) {
	if f.Has(Unicode) {
		return fromUTF16(b)
	}
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return "", fmt.Errorf("%w: a name that is not ASCII, without Unicode", ErrMessage)
		}
	}
	return string(b), nil
}

func utf16le(s string) []byte {
	units := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func fromUTF16(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", fmt.Errorf("%w: half a character", ErrMessage)
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	runes := utf16.Decode(units)
	for _, r := range runes {
		if r < 0x20 || r == 0xfffd {
			return "", fmt.Errorf("%w: a name with a control character", ErrMessage)
		}
	}
	return string(runes), nil
}
