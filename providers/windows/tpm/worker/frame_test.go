package worker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestFrameRoundTrip(t *testing.T) {
	for _, payload := range [][]byte{nil, {1}, bytes.Repeat([]byte{7}, MaxFrame-1)} {
		var b bytes.Buffer
		if err := WriteFrame(bufio.NewWriter(&b), OpCommand, payload[:len(payload)/2], payload[len(payload)/2:]); err != nil {
			t.Fatal(err)
		}
		tag, got, err := ReadFrame(bufio.NewReader(&b))
		if err != nil || tag != OpCommand || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: tag %d, %d bytes, %v", len(payload), tag, len(got), err)
		}
	}
	if err := WriteFrame(bufio.NewWriter(io.Discard), OpCommand, make([]byte, MaxFrame)); !errors.Is(err, errFrameSize) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 5, 1})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		tag, payload, err := ReadFrame(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteFrame(bufio.NewWriter(&again), tag, payload); err != nil || !bytes.HasPrefix(b, again.Bytes()) {
			t.Fatalf("%x reads as %d %x (%v)", b, tag, payload, err)
		}
	})
}

// talk runs a worker on requests and returns its replies' statuses and payloads.
func talk(t *testing.T, requests ...[]byte) (statuses []byte, payloads []string) {
	t.Helper()
	m, err := open()
	if errors.Is(err, ErrNoSimulator) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	var in, out bytes.Buffer
	w := bufio.NewWriter(&in)
	for _, r := range requests {
		if err := WriteFrame(w, r[0], r[1:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := serve(m, bufio.NewReader(&in), bufio.NewWriter(&out)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(&out)
	for range requests {
		status, payload, err := ReadFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		statuses, payloads = append(statuses, status), append(payloads, string(payload))
	}
	return statuses, payloads
}

// TestBadRequests shows that nothing a parent sends ends the worker.
func TestBadRequests(t *testing.T) {
	getRandom := binary.BigEndian.AppendUint16([]byte{OpCommand, 0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b}, 8)
	statuses, payloads := talk(t,
		[]byte{99},
		[]byte{OpCommand},
		[]byte{OpCommand, 1, 2, 3},
		append([]byte{OpLoad}, make([]byte, 8+ImageSize-1)...),
		[]byte{OpAdvance, 1},
		append([]byte{OpCommand}, bytes.Repeat([]byte{0xff}, 64)...),
		[]byte{OpManufacture},
		getRandom,
	)
	want := []byte{StatusFailed, StatusFailed, StatusFailed, StatusFailed, StatusFailed, StatusDone, StatusDone, StatusDone}
	if !bytes.Equal(statuses, want) {
		t.Fatalf("statuses %v, want %v\n%q", statuses, want, payloads)
	}
	if rc := binary.BigEndian.Uint32([]byte(payloads[5])[6:]); rc == 0 {
		t.Error("the TPM took noise for a command")
	}
	if len(payloads[7]) != 10+2+8 {
		t.Errorf("random bytes: %x", payloads[7])
	}
	if !strings.Contains(payloads[3], "image of") {
		t.Errorf("short image: %s", payloads[3])
	}
}
