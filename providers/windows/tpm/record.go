package tpm

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"hellolab/providers/windows/tpm/worker"
)

// version names one content of a TPM's memory: every save makes a new one, so
// equal versions mean the very same TPM in the very same state. A worker that
// holds a version can serve whoever presents it, the lab itself or a check on
// a copy of it, and a save by one is invisible to the other.
type version [16]byte

// record is a TPM's memory at rest.
//
//	offset  size  content
//	0       1     format, 1
//	1       16    version
//	17      8     lab time of the save, Unix milliseconds, big-endian
//	25      n     memory, 16384 bytes, deflated (RFC 1951)
type record struct {
	version version
	savedAt time.Time
	deflate []byte
}

const recordFormat = 1

var errRecord = errors.New("the stored TPM image is damaged")

// packer makes records, one at a time. It keeps what compression needs, a
// megabyte, from one to the next.
type packer struct{ z *flate.Writer }

func (p *packer) record(v version, savedAt time.Time, raw []byte) (_ *record, err error) {
	var b bytes.Buffer
	if p.z == nil {
		p.z, err = flate.NewWriter(&b, flate.BestSpeed)
	} else {
		p.z.Reset(&b)
	}
	if err == nil {
		_, err = p.z.Write(raw)
	}
	if err == nil {
		err = p.z.Close()
	}
	if err != nil {
		return nil, err
	}
	return &record{v, savedAt.Truncate(time.Millisecond), b.Bytes()}, nil
}

func (r *record) bytes() []byte {
	b := make([]byte, 0, 25+len(r.deflate))
	b = append(b, recordFormat)
	b = append(b, r.version[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.savedAt.UnixMilli()))
	return append(b, r.deflate...)
}

func parseRecord(b []byte) (*record, error) {
	if len(b) < 25 {
		return nil, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	if b[0] != recordFormat {
		return nil, fmt.Errorf("%w: format %d", errRecord, b[0])
	}
	r := &record{
		savedAt: time.UnixMilli(int64(binary.BigEndian.Uint64(b[17:25]))).UTC(),
		deflate: b[25:],
	}
	copy(r.version[:], b[1:17])
	return r, nil
}

func (r *record) inflate() ([]byte, error) {
	z := flate.NewReader(bytes.NewReader(r.deflate))
	raw, err := io.ReadAll(io.LimitReader(z, worker.ImageSize+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	if len(raw) != worker.ImageSize {
		return nil, fmt.Errorf("%w: memory of %d bytes", errRecord, len(raw))
	}
	return raw, nil
}
