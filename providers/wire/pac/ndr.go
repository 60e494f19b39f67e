package pac

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"

	"hellolab/providers/wire/sid"
)

// Type serialization version 1 (MS-RPCE 2.2.6), little-endian, around one
// structure behind a unique pointer:
//
//	 0  u8   version, 1
//	 1  u8   endianness, 0x10: little
//	 2  u16  length of this common header, 8
//	 4  u32  filler, 0xCCCCCCCC
//	 8  u32  length of what follows byte 16, a multiple of 8
//	12  u32  filler, 0
//	16  u32  referent of the structure
//	20  …    the structure, then what its pointers refer to, in their order
//
// Everything is aligned to its own size, counted from byte 16. Referents count
// up by 4 from 0x00020000, as Windows writes them.
const (
	ndrHeader     = 16
	firstReferent = 0x00020000
	maxText       = 0xFFFF / 2 // UTF-16 units whose bytes a u16 counts
)

// writer writes a structure. What a pointer refers to waits in later, which
// flush empties.
type writer struct {
	b        []byte
	referent uint32
	later    []func()
	err      error // a string too long for its length
}

func newWriter() *writer {
	w := &writer{referent: firstReferent}
	w.b = append(w.b, 1, 0x10, 8, 0, 0xCC, 0xCC, 0xCC, 0xCC, 0, 0, 0, 0, 0, 0, 0, 0)
	w.b = binary.LittleEndian.AppendUint32(w.b, w.next())
	return w
}

func (w *writer) next() uint32 {
	r := w.referent
	w.referent += 4
	return r
}

func (w *writer) align(n int) {
	for len(w.b)%n != 0 { // the header is a multiple of 8 long
		w.b = append(w.b, 0)
	}
}

func (w *writer) u16(v uint16) { w.align(2); w.b = binary.LittleEndian.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32) { w.align(4); w.b = binary.LittleEndian.AppendUint32(w.b, v) }

// time writes a FILETIME, which NDR sees as two u32.
func (w *writer) time(v uint64) { w.u32(uint32(v)); w.u32(uint32(v >> 32)) }

// pointer writes a referent and keeps content for later; nil is a null pointer.
func (w *writer) pointer(content func()) {
	if content == nil {
		w.u32(0)
		return
	}
	w.u32(w.next())
	w.later = append(w.later, content)
}

// text writes an RPC_UNICODE_STRING. With room, its buffer has space for a
// terminating NUL that is not sent, as Windows has it for names of machines.
func (w *writer) text(s string, room bool) {
	units := utf16.Encode([]rune(s))
	space := len(units)
	if room {
		space++
	}
	if space > maxText {
		w.err = fmt.Errorf("string of %d characters: %w", len(units), ErrSize)
		units, space = nil, 0
	}
	w.u16(uint16(2 * len(units)))
	w.u16(uint16(2 * space))
	w.pointer(func() {
		w.u32(uint32(space))
		w.u32(0)
		w.u32(uint32(len(units)))
		for _, u := range units {
			w.u16(u)
		}
	})
}

// sid writes a pointer to an RPC_SID, null for the zero SID.
func (w *writer) sid(s sid.SID) {
	if s.IsZero() {
		w.pointer(nil)
		return
	}
	w.pointer(func() {
		b := s.Bytes()
		w.u32(uint32(b[1]))
		w.b = append(w.b, b...)
	})
}

// groups writes a pointer to an array of GROUP_MEMBERSHIP, null if there are none.
func (w *writer) groups(list []Group) {
	if len(list) == 0 {
		w.pointer(nil)
		return
	}
	w.pointer(func() {
		w.u32(uint32(len(list)))
		for _, g := range list {
			w.u32(g.RID)
			w.u32(g.Attributes)
		}
	})
}

// flush writes what the pointers so far refer to; what those refer to in turn
// comes right behind each.
func (w *writer) flush() {
	later := w.later
	w.later = nil
	for _, content := range later {
		content()
		w.flush()
	}
}

// bytes ends the structure.
func (w *writer) bytes() ([]byte, error) {
	w.flush()
	w.align(8)
	binary.LittleEndian.PutUint32(w.b[8:], uint32(len(w.b)-ndrHeader))
	return w.b, w.err
}

// reader reads a structure. The first thing amiss stays in err, and everything
// read after it is zero. No count is believed beyond the bytes that are there.
type reader struct {
	b     []byte
	at    int
	err   error
	later []func()
}

func newReader(b []byte) *reader {
	r := &reader{b: b}
	if len(b) < ndrHeader+4 || b[0] != 1 || b[1] != 0x10 || binary.LittleEndian.Uint16(b[2:]) != 8 {
		r.fail("not NDR type serialization 1, little-endian")
		return r
	}
	// Some writers count the padding of the whole, and some do not.
	n := uint64(binary.LittleEndian.Uint32(b[8:]))
	if n > uint64(len(b)-ndrHeader) || uint64(len(b)-ndrHeader)-n >= 8 {
		r.fail("length %d of %d bytes", n, len(b)-ndrHeader)
		return r
	}
	r.b, r.at = b[:ndrHeader+int(n)], ndrHeader
	if r.u32() == 0 {
		r.fail("null structure")
	}
	return r
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: "+format, append([]any{r.at}, args...)...)
	}
}

// take returns the next n bytes, aligned to align; nil after a mistake.
func (r *reader) take(n, align int) []byte {
	at := (r.at + align - 1) / align * align
	if r.err == nil && (n < 0 || at > len(r.b) || n > len(r.b)-at) {
		r.fail("%d bytes are not there", n)
	}
	if r.err != nil {
		return nil
	}
	r.at = at + n
	return r.b[at:r.at]
}

func (r *reader) u16() uint16 {
	if b := r.take(2, 2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4, 4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) time() uint64 { lo := r.u32(); return uint64(lo) | uint64(r.u32())<<32 }

// pointer reads a referent and says whether it is one; content is read by flush.
func (r *reader) pointer(content func()) bool {
	if r.u32() == 0 {
		return false
	}
	r.later = append(r.later, content)
	return true
}

// count reads the number of an array's elements, which must be the number want
// that the structure gave, and have room in what is left.
func (r *reader) count(want uint32, size int) int {
	if n := r.u32(); n != want || int64(n)*int64(size) > int64(len(r.b)-r.at) {
		r.fail("array of %d where %d are announced", n, want)
	}
	if r.err != nil {
		return 0
	}
	return int(want)
}

func (r *reader) text(to *string) {
	length, space := r.u16(), r.u16()
	if length%2 != 0 || space%2 != 0 || length > space {
		r.fail("string of %d in %d bytes", length, space)
	}
	there := r.pointer(func() {
		most, offset, n := r.u32(), r.u32(), r.u32()
		if most != uint32(space)/2 || offset != 0 || n != uint32(length)/2 {
			r.fail("string's array does not have its length")
		}
		*to = r.utf16(r.take(int(length), 2))
	})
	if !there && length != 0 {
		r.fail("string of %d bytes at a null pointer", length)
	}
}

// utf16 decodes b, which must be well-formed: a name that changes by reading
// it could name somebody else.
func (r *reader) utf16(b []byte) string {
	s, err := fromUTF16(b)
	if err != nil {
		r.fail("%w", err)
	}
	return s
}

func (r *reader) sid(to *sid.SID) {
	r.pointer(func() {
		n := r.u32()
		if n == 0 || n > 15 {
			r.fail("identifier of %d subauthorities", n)
			return
		}
		b := r.take(8+4*int(n), 4)
		if r.err != nil {
			return
		}
		s, err := sid.Decode(b)
		if err != nil {
			r.fail("%w", err)
		}
		*to = s
	})
}

func (r *reader) groups(want uint32, to *[]Group) {
	there := r.pointer(func() {
		for range r.count(want, 8) {
			*to = append(*to, Group{RID: r.u32(), Attributes: r.u32()})
		}
	})
	if !there && want != 0 {
		r.fail("%d groups at a null pointer", want)
	}
}

// flush reads what the pointers so far refer to, as the writer's wrote it.
func (r *reader) flush() {
	later := r.later
	r.later = nil
	for _, content := range later {
		if r.err != nil {
			return
		}
		content()
		r.flush()
	}
}

// end reads what is left to read, and refuses more than padding behind it.
func (r *reader) end() error {
	r.flush()
	if r.err == nil && len(r.b)-r.at >= 8 {
		r.fail("%d bytes too many", len(r.b)-r.at)
	}
	return r.err
}
