package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// verified is what a check of a whole file found.
type verified struct {
	meta     boltMeta
	torn     bool // one of the two headers is invalid
	head     headRecord
	sealer   *sealer
	digest   digest
	warnings []string
}

// verify checks a state file without mapping it: pages, head, lineage, key,
// that its records are those of the last commit, and what the marker remembers
// when it is not nil. It writes nothing.
func verify(o *Options, f io.ReaderAt, size int64, known *marker) (*verified, error) {
	if size == 0 {
		return nil, &Error{Kind: ErrEmptied, Path: o.Path,
			Detail: fmt.Sprintf("The state file %s was emptied.", o.Path), Hint: hintRestore}
	}
	m, torn, err := readMeta(f, size)
	if err != nil {
		return nil, damaged(o.Path, "%v", err)
	}
	v := &verified{meta: m, torn: torn}
	var head, sealedDigest []byte
	var elements *hasher
	err = walkRecords(f, m, func(bucket, key, value []byte) error {
		if bytes.Equal(bucket, bucketMeta) {
			switch {
			case bytes.Equal(key, keyHead):
				head = bytes.Clone(value)
			case bytes.Equal(key, keyDigest):
				sealedDigest = bytes.Clone(value)
			}
			return nil
		}
		if elements == nil { // "meta" comes before "records"
			if err := v.identify(o, head, known); err != nil {
				return err
			}
			elements = v.sealer.hasher()
		}
		e, err := elements.element(key, value)
		if err != nil {
			return fmt.Errorf("its record %q is not sealed", key)
		}
		v.digest.toggle(e)
		v.digest.Count++
		return nil
	})
	if err == nil && elements == nil {
		err = v.identify(o, head, known)
	}
	var told *Error
	if errors.As(err, &told) {
		return nil, told
	}
	if err != nil {
		return nil, damaged(o.Path, "%v", err)
	}
	want, err := openDigest(v.sealer, sealedDigest, head, m.txid)
	if err != nil {
		return nil, damaged(o.Path, "%v", err)
	}
	if want != v.digest {
		return nil, damaged(o.Path, "it holds %d records that are not the %d of the last commit", v.digest.Count, want.Count)
	}
	return v, v.compare(o, known)
}

// identify reads the head and loads the key.
func (v *verified) identify(o *Options, head []byte, known *marker) error {
	h, err := decodeHead(o.Path, head)
	if err != nil {
		return err
	}
	if o.ExpectLineage != "" && h.Lineage != o.ExpectLineage {
		return lineageError(o.Path, h.Lineage, o.ExpectLineage)
	}
	if known != nil && h.Lineage != known.Lineage {
		return lineageError(o.Path, h.Lineage, known.Lineage)
	}
	key, warnings, err := o.key(false)
	if errors.Is(err, fs.ErrNotExist) {
		return noKey(o.keyPath(), o.Path)
	}
	if err != nil {
		return asError(err, o.keyPath())
	}
	v.warnings = append(v.warnings, warnings...)
	s, err := newSealer(key, h.Lineage, o.rand())
	if err != nil {
		return asError(err, o.Path)
	}
	v.head, v.sealer = h, s
	return h.checkKey(o.Path, s)
}

func asError(err error, path string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: ErrAccess, Path: path, Err: err, Detail: fmt.Sprintf("The file %s cannot be used: %v.", path, cause(err))}
}

// marker is a small file beside the state that remembers it: a state that is
// gone, emptied, or older than at its last clean close is then not taken for
// what it pretends to be.
type marker struct {
	Lineage string `json:"lineage"`
	Serial  uint64 `json:"serial"`
	Commit  uint64 `json:"commit"` // txid of the last commit at the last clean close
}

const maxMarker = 4 << 10

// readMarker returns nil when there is no marker, or none that can be read.
func readMarker(path string) (*marker, error) {
	f, _, err := openPrivate(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMarker))
	if err != nil {
		return nil, err
	}
	var m marker
	if json.Unmarshal(b, &m) != nil || m.Lineage == "" {
		return nil, nil // the state itself says more
	}
	return &m, nil
}

func writeMarker(path string, m marker) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	err = replaceFile(path, func(f *os.File) error {
		_, err := f.Write(append(b, '\n'))
		return err
	})
	if err != nil {
		return writeError(path, err)
	}
	return nil
}

// compare holds the age of a verified state against its marker, if it has one.
func (v *verified) compare(o *Options, m *marker) error {
	switch {
	case m != nil && v.meta.txid < m.Commit && v.torn:
		return damaged(o.Path, "one of its two headers is invalid, and with it the last commit is lost")
	case m != nil && v.meta.txid < m.Commit:
		return &Error{Kind: ErrOlder, Path: o.Path,
			Detail: fmt.Sprintf("The state file %s is older than it was: it has commit %d (serial %d), and had commit %d (serial %d).",
				o.Path, v.meta.txid, v.head.Serial, m.Commit, m.Serial),
			Hint: "Put the newer file back, or run `hellolab state restore FILE` to go back on purpose."}
	case v.torn && (m == nil || v.meta.txid > m.Commit):
		v.warnings = append(v.warnings, fmt.Sprintf(
			"The state file %s has one invalid header, as a power cut leaves it: a commit that was under way is not in it.", o.Path))
	}
	return nil
}

func vanished(o *Options) *Error {
	return &Error{Kind: ErrMissing, Path: o.Path,
		Detail: fmt.Sprintf("The state file %s is gone, and %s says that there was one.", o.Path, o.markerPath()),
		Hint:   hintRestore + " To begin anew, remove the marker."}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
