// Package worker is the process that runs TPM 2.0 simulators for devices. The
// simulator is the Microsoft reference code, whose state is C globals: one TPM
// per process. A worker therefore holds one device's TPM at a time, and takes
// another device's by swapping the 16 KiB of non-volatile memory and cycling
// the power (0.03 ms, against 26 ms for a manufacture that makes RSA keys).
//
// The parent (package tpm) talks to it in frames on stdin and stdout. The
// worker keeps nothing: what must survive is in the images that the parent
// saves. It ends when stdin ends.
//
// Sources: TCG TPM 2.0 Library Part 1, 2 and 3; Microsoft's reference
// implementation as shipped in github.com/google/go-tpm-tools/simulator.
package worker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// Word is the hidden first argument with which a program starts itself as a
// worker.
const Word = "tpm-worker"

// ErrNoSimulator says that the program was built without the simulator.
var ErrNoSimulator = errors.New("this build has no TPM simulator: it was built without cgo (CGO_ENABLED=1, gcc and libssl-dev are needed)")

// machine is the simulator as the loop needs it.
type machine interface {
	manufacture() error
	load(image []byte) error
	save() ([]byte, error)
	timeAtLeast(ms uint64)
	command(cmd []byte) ([]byte, error)
	close() error
}

// Main serves frames from in until it ends. The parent's program calls it, and
// nothing else, when its first argument is Word.
func Main(in io.Reader, out io.Writer) error {
	// An interrupt at the terminal reaches the whole process group; the parent
	// decides what becomes of running work, and ends the worker by its stdin.
	signal.Ignore(os.Interrupt)
	m, err := open()
	if err != nil {
		return err
	}
	defer m.close()
	return serve(m, bufio.NewReaderSize(in, MaxFrame+4), bufio.NewWriterSize(out, MaxFrame+4))
}

func serve(m machine, r *bufio.Reader, w *bufio.Writer) error {
	for {
		op, payload, err := ReadFrame(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		reply, err := handle(m, op, payload)
		if err != nil {
			err = WriteFrame(w, StatusFailed, []byte(err.Error()))
		} else {
			err = WriteFrame(w, StatusDone, reply)
		}
		if err != nil {
			return fmt.Errorf("write reply: %w", err)
		}
	}
}

func handle(m machine, op byte, payload []byte) ([]byte, error) {
	switch op {
	case OpManufacture:
		return nil, m.manufacture()
	case OpLoad:
		if len(payload) != 8+ImageSize {
			return nil, fmt.Errorf("image of %d bytes instead of %d", len(payload)-8, ImageSize)
		}
		if err := m.load(payload[8:]); err != nil {
			return nil, err
		}
		m.timeAtLeast(binary.BigEndian.Uint64(payload))
		return nil, nil
	case OpSave:
		return m.save()
	case OpAdvance:
		if len(payload) != 8 {
			return nil, errors.New("time is not eight bytes")
		}
		m.timeAtLeast(binary.BigEndian.Uint64(payload))
		return nil, nil
	case OpCommand:
		return m.command(payload)
	default:
		return nil, fmt.Errorf("unknown op %d", op)
	}
}

// ImageSize is the length of a TPM's non-volatile memory.
const ImageSize = 16384
