package krb

import (
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
)

// MaxMessage bounds one message, in bytes. A ticket with a PAC of some thousand
// groups stays below it.
const MaxMessage = 128 << 10

// maxDepth bounds how deep values nest; real messages need about 12.
const maxDepth = 32

var (
	errSize  = errors.New("message is empty or too long")
	errDER   = errors.New("not in the distinguished encoding")
	errDepth = errors.New("values nest too deep")
	errTail  = errors.New("bytes after the message")
	errValue = errors.New("a part is missing or of another type")
)

// Check says whether b is exactly one value in the distinguished encoding of
// ASN.1 (X.690 10, 11), nested at most 32 deep and at most MaxMessage long:
// definite lengths in the fewest bytes, nothing after the end, integers in the
// fewest bytes, strings in one piece. It allocates nothing and looks at every
// byte at most once a level.
func Check(b []byte) error {
	if len(b) == 0 || len(b) > MaxMessage {
		return errSize
	}
	rest, err := checkValue(b, 0)
	if err == nil && len(rest) > 0 {
		err = errTail
	}
	return err
}

func checkValue(b []byte, depth int) (rest []byte, err error) {
	if depth >= maxDepth {
		return nil, errDepth
	}
	tag, body, rest, err := element(b)
	if err != nil {
		return nil, err
	}
	const constructed = 0x20
	if tag&constructed == 0 {
		if tag>>6 == asn1.ClassUniversal {
			err = checkPrimitive(tag, body)
		}
		return rest, err
	}
	if t := int(tag & 0x1f); tag>>6 == asn1.ClassUniversal && t != asn1.TagSequence && t != asn1.TagSet {
		return nil, errDER
	}
	for len(body) > 0 {
		if body, err = checkValue(body, depth+1); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// element splits the first value off: its identifier of one byte, which is all
// that Kerberos uses, and its content.
func element(b []byte) (tag byte, body, rest []byte, err error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, errDER
	}
	n, at := int(b[1]), 2
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 4 || len(b) < 2+size || b[2] == 0 {
			return 0, nil, nil, errDER
		}
		n = 0
		for _, c := range b[2 : 2+size] {
			n = n<<8 | int(c)
		}
		if at += size; n < 0x80 {
			return 0, nil, nil, errDER
		}
	}
	if n < 0 || n > len(b)-at {
		return 0, nil, nil, errDER
	}
	return b[0], b[at : at+n], b[at+n:], nil
}

func checkPrimitive(tag byte, body []byte) error {
	switch int(tag) {
	case asn1.TagInteger, asn1.TagEnum:
		if len(body) == 0 || len(body) > 1 && (body[0] == 0 && body[1] < 0x80 || body[0] == 0xff && body[1] >= 0x80) {
			return errDER
		}
	case asn1.TagBoolean:
		if len(body) != 1 || body[0] != 0 && body[0] != 0xff {
			return errDER
		}
	case asn1.TagBitString:
		if len(body) == 0 || body[0] > 7 || len(body) == 1 && body[0] != 0 || len(body) > 1 && body[len(body)-1]&(1<<body[0]-1) != 0 {
			return errDER
		}
	case 0, asn1.TagSequence, asn1.TagSet:
		return errDER
	}
	return nil
}

// unmarshal reads b, one whole value, into v after Check. A tag of zero means
// a value without an application tag.
func unmarshal(b []byte, v any, tag int) error {
	if err := Check(b); err != nil {
		return err
	}
	if tag != 0 && b[0] != 0x60|byte(tag) {
		return fmt.Errorf("identifier 0x%02x, want application %d", b[0], tag)
	}
	if v, ok := v.(decodable); ok {
		return decode(b, v, tag)
	}
	return reflected(b, v, tag)
}

// reflected is unmarshal after Check by encoding/asn1.
func reflected(b []byte, v any, tag int) error {
	params := ""
	if tag != 0 {
		params = fmt.Sprintf("application,explicit,tag:%d", tag)
	}
	rest, err := asn1.UnmarshalWithParams(b, v, params)
	if err == nil && len(rest) > 0 {
		err = errTail
	}
	return err
}

// marshal writes v, below an application tag unless tag is zero.
func marshal(v any, tag int) ([]byte, error) {
	b, err := asn1.Marshal(v)
	if err != nil || tag == 0 {
		return b, err
	}
	return asn1tools.AddASNAppTag(b, tag), nil
}

// explicit wraps an encoded value in a context tag.
func explicit(tag int, b []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Tag: tag, Bytes: b}
}

// kerberosTime is what KerberosTime can hold: whole seconds of UTC. Zero stays zero.
func kerberosTime(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Second)
}

// readFlags reads flags: clients may send more than 32 of them or, against the
// letter, fewer.
func readFlags(b asn1.BitString) Flags {
	var f Flags
	for i := range 32 {
		if b.At(i) != 0 {
			f |= 1 << (31 - i)
		}
	}
	return f
}

func (f Flags) bits() asn1.BitString {
	return asn1.BitString{Bytes: []byte{byte(f >> 24), byte(f >> 16), byte(f >> 8), byte(f)}, BitLength: 32}
}

// micros checks a count of microseconds within a second.
func micros(n int) error {
	if n < 0 || n > 999999 {
		return fmt.Errorf("%d microseconds", n)
	}
	return nil
}
