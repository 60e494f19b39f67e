package krb

import (
	"encoding/binary"
	"fmt"
	"io"
)

// ReadFrame reads one message as TCP carries it: its length in four bytes, big
// endian, then the message (RFC 4120 7.2.2). A length of zero, with the
// reserved top bit, or beyond MaxMessage is KRB_ERR_FIELD_TOOLONG, and nothing
// is allocated for it. io.EOF says that the peer is done.
func ReadFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > MaxMessage {
		return nil, NewError(ErrFieldTooLong, "A message of %d bytes is announced.", n)
	}
	// Grows with what arrives: a mere announcement costs its sender's bytes.
	b := make([]byte, 0, min(n, 4096))
	for len(b) < int(n) {
		chunk := min(int(n)-len(b), 16<<10)
		at := len(b)
		b = append(b, make([]byte, chunk)...)
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return nil, fmt.Errorf("message cut: %w", io.ErrUnexpectedEOF)
		}
	}
	return b, nil
}

// WriteFrame writes one message as ReadFrame reads it, in one Write.
func WriteFrame(w io.Writer, b []byte) error {
	if len(b) == 0 || len(b) > MaxMessage {
		return fmt.Errorf("message of %d bytes does not fit a frame", len(b))
	}
	out := make([]byte, 4, 4+len(b))
	binary.BigEndian.PutUint32(out, uint32(len(b)))
	_, err := w.Write(append(out, b...))
	return err
}
