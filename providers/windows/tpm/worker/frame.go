package worker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is one request or reply on the worker's pipe:
//
//	offset  size  content
//	0       4     length of what follows, big-endian, at most MaxFrame
//	4       1     op of a request, status of a reply
//	5       n     payload
//
// Requests and replies alternate. Payloads by op:
//
//	op           request                        reply
//	Manufacture  -                              -
//	Load         time u64, image 16384 bytes    -
//	Save         -                              image 16384 bytes
//	Advance      time u64                       -
//	Command      TPM command                    TPM response
//
// Times are milliseconds of TPM time since power on, big-endian. A reply with
// status Failed has an error text for payload.
const (
	OpManufacture byte = 1 // a new TPM: new seeds, empty memory, started
	OpLoad        byte = 2 // another device's TPM: its memory, power cycled, started, time set
	OpSave        byte = 3 // orderly shutdown state written, memory out; the TPM stays up
	OpAdvance     byte = 4 // TPM time moved forward to at least time
	OpCommand     byte = 5 // one TPM command
)

// Statuses of a reply.
const (
	StatusDone   byte = 0
	StatusFailed byte = 1
)

// MaxFrame bounds a frame: the largest is an image with its time.
const MaxFrame = 1 + 8 + 16384

var errFrameSize = errors.New("frame is empty or too long")

// WriteFrame writes one frame and flushes it.
func WriteFrame(w *bufio.Writer, tag byte, payload ...[]byte) error {
	n := 1
	for _, p := range payload {
		n += len(p)
	}
	if n > MaxFrame {
		return errFrameSize
	}
	var head [5]byte
	binary.BigEndian.PutUint32(head[:4], uint32(n))
	head[4] = tag
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	for _, p := range payload {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Flush()
}

// ReadFrame reads one frame. It returns io.EOF when the stream ends between frames.
func ReadFrame(r *bufio.Reader) (tag byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n == 0 || n > MaxFrame {
		return 0, nil, fmt.Errorf("%w: %d bytes", errFrameSize, n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return body[0], body[1:], nil
}
