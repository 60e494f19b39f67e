package ldapmsg

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// An element is an identifier octet, a length and contents (X.690 8.1):
//
//	identifier  class in bits 8 and 7, constructed in bit 6, number in the rest
//	length      0 to 127 in one octet, or 0x80+n and n octets, big-endian
const (
	classContext = 0x80
	constructed  = 0x20
	numberMask   = 0x1f

	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagEnumerated  = 0x0a
	tagSequence    = 0x30
	tagSet         = 0x31
)

// application is the identifier octet of a protocolOp that is constructed.
const application = 0x40 | constructed

// maxLengthOctets is how long a length's long form may be.
const maxLengthOctets = 4

// ReadFrame reads one message, of at most max bytes. Memory is taken as bytes
// come, not as the length promises. At the end of the stream it answers io.EOF.
func ReadFrame(r *bufio.Reader, max int) ([]byte, error) {
	first, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	if first != tagSequence {
		return nil, fmt.Errorf("%w: begins with 0x%02x", ErrMalformed, first)
	}
	header := []byte{first}
	next := func() (byte, error) {
		c, err := r.ReadByte()
		if err != nil {
			return 0, noEOF(err)
		}
		header = append(header, c)
		return c, nil
	}
	c, err := next()
	if err != nil {
		return nil, err
	}
	length := int64(c)
	if c >= 0x80 {
		n := int(c & 0x7f)
		if n == 0 || n > maxLengthOctets {
			return nil, fmt.Errorf("%w: length of %d octets", ErrMalformed, n)
		}
		length = 0
		for range n {
			if c, err = next(); err != nil {
				return nil, err
			}
			length = length<<8 | int64(c)
		}
	}
	if int64(len(header))+length > int64(max) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooLarge, length, max)
	}
	frame := bytes.NewBuffer(header)
	if _, err := io.CopyN(frame, r, length); err != nil {
		return nil, noEOF(err)
	}
	return frame.Bytes(), nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// header reads an element's identifier and length at the start of b. It
// answers where the contents begin and end.
func header(b []byte) (identifier byte, begin, end int, err error) {
	if len(b) < 2 {
		return 0, 0, 0, fmt.Errorf("%w: cut short", ErrMalformed)
	}
	if b[0]&numberMask == numberMask {
		return 0, 0, 0, fmt.Errorf("%w: tag number beyond 30", ErrMalformed)
	}
	begin, length := 2, int64(b[1])
	if b[1] >= 0x80 {
		n := int(b[1] & 0x7f)
		if n == 0 || n > maxLengthOctets || len(b) < 2+n {
			return 0, 0, 0, fmt.Errorf("%w: length of %d octets", ErrMalformed, n)
		}
		length = 0
		for _, c := range b[2 : 2+n] {
			length = length<<8 | int64(c)
		}
		begin += n
	}
	if length > int64(len(b)-begin) {
		return 0, 0, 0, fmt.Errorf("%w: length beyond the end", ErrMalformed)
	}
	return b[0], begin, begin + int(length), nil
}

// scan walks all elements of b, which must be exactly one, without recursion:
// every length fits, nothing nests deeper than depth, there are no more than
// count of them.
func scan(b []byte, depth, count int) error {
	ends := make([]int, 0, 16) // of the elements that at lies in
	for at := 0; ; {
		identifier, begin, end, err := header(b[at:limit(ends, len(b))])
		if err != nil {
			return err
		}
		if count--; count < 0 {
			return fmt.Errorf("%w: more elements than %d", ErrMalformed, maxElements)
		}
		universal := identifier&0xc0 == 0
		if universal && (identifier&constructed != 0) != (identifier == tagSequence || identifier == tagSet) {
			return fmt.Errorf("%w: 0x%02x is not an element of LDAP", ErrMalformed, identifier)
		}
		if identifier&constructed != 0 {
			if len(ends) == depth {
				return fmt.Errorf("%w: nested deeper than %d", ErrMalformed, depth)
			}
			ends = append(ends, at+end)
			at += begin
		} else {
			at += end
		}
		for len(ends) > 0 && at == ends[len(ends)-1] {
			ends = ends[:len(ends)-1]
		}
		if len(ends) == 0 {
			if at != len(b) {
				return fmt.Errorf("%w: %d bytes after its end", ErrMalformed, len(b)-at)
			}
			return nil
		}
	}
}

func limit(ends []int, size int) int {
	if len(ends) == 0 {
		return size
	}
	return ends[len(ends)-1]
}

// reader takes the elements of a constructed one in turn. All readers of a
// message share the first error; after it they yield zero values. What it reads
// has been scanned.
type reader struct {
	rest []byte
	err  *error
}

func newReader(b []byte) *reader { return &reader{rest: b, err: new(error)} }

func (r *reader) fail(format string, args ...any) {
	if *r.err == nil {
		*r.err = fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
	}
	r.rest = nil
}

func (r *reader) more() bool { return *r.err == nil && len(r.rest) > 0 }

// done fails where something is left.
func (r *reader) done() {
	if r.more() {
		r.fail("0x%02x where a sequence ends", r.rest[0])
	}
}

// any takes the next element, whatever it is.
func (r *reader) any() (identifier byte, contents []byte) {
	if *r.err != nil {
		return 0, nil
	}
	identifier, begin, end, err := header(r.rest)
	if err != nil {
		r.fail("%w", err)
		return 0, nil
	}
	contents = r.rest[begin:end:end]
	r.rest = r.rest[end:]
	return identifier, contents
}

// take takes the next element, which must be the one named.
func (r *reader) take(identifier byte) []byte {
	got, contents := r.any()
	if *r.err == nil && got != identifier {
		r.fail("0x%02x instead of 0x%02x", got, identifier)
		return nil
	}
	return contents
}

// count says how many elements are left.
func (r *reader) count() int {
	n := 0
	for rest := r.rest; len(rest) > 0; n++ {
		_, _, end, err := header(rest)
		if err != nil {
			break
		}
		rest = rest[end:]
	}
	return n
}

// optional takes the next element if it is the one named.
func (r *reader) optional(identifier byte) (contents []byte, ok bool) {
	if !r.more() || r.rest[0] != identifier {
		return nil, false
	}
	return r.take(identifier), *r.err == nil
}

// enter takes a constructed element and reads inside.
func (r *reader) enter(identifier byte) *reader { return &reader{r.take(identifier), r.err} }

func (r *reader) octets() []byte { return r.take(tagOctetString) }

// number takes an integer or enumerated of 0 to max.
func (r *reader) number(identifier byte, max int64) int64 {
	contents := r.take(identifier)
	if *r.err != nil {
		return 0
	}
	if len(contents) == 0 || len(contents) > 8 {
		r.fail("integer of %d octets", len(contents))
		return 0
	}
	v := int64(int8(contents[0]))
	for _, c := range contents[1:] {
		v = v<<8 | int64(c)
	}
	if v < 0 || v > max {
		r.fail("integer %d is not of 0 to %d", v, max)
		return 0
	}
	return v
}

// boolean reads a truth value. RFC 4511 wants TRUE to be 0xff; clients send
// other octets, too.
func (r *reader) boolean(contents []byte) bool {
	if len(contents) != 1 {
		if *r.err == nil {
			r.fail("boolean of %d octets", len(contents))
		}
		return false
	}
	return contents[0] != 0
}
