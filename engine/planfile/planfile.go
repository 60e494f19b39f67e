// Package planfile is the bytes of a saved plan: a zip archive that holds all
// that applying needs, so that apply never looks at the working directory.
//
//	manifest.json  format, program, lineage, serial, mode: readable by anybody
//	plan.json      the plan in Terraform's public form, redacted (engine/jsonplan)
//	sealed         the plan itself, the configuration's files and the values of
//	               variables: JSON, deflated, under AES-256-GCM
//	hmac           HMAC-SHA-256 over the names and bytes of the other members, the
//	               bytes as they lie in the archive: nothing is inflated unvouched
//
// Only plan.json is compressed by the archive.
//
// The keys are derived from one that only holders of the lab's state have. The
// nonce of sealed is a keyed digest of what it seals, so that equal inputs
// give equal bytes and a nonce never meets two contents. Entries are sorted
// and carry no time; when the plan was made is not in the file either.
package planfile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/plan"
)

// Format is the version of the archive's layout. A reader refuses a newer one.
const Format = 1

// Bounds of a file that is read.
const (
	maxMembers  = 16        // before anybody vouched for it, as is the size of the file
	maxInflated = 512 << 20 // bytes of a member, inflated
)

// Why a file is refused, for errors.Is. The errors themselves are sentences.
var (
	ErrNoPlan = errors.New("no plan file")
	ErrFormat = errors.New("plan file of a newer format")
	ErrEdited = errors.New("plan file is not as it was written")
)

// Error is what a user reads when a plan file cannot be used.
type Error struct {
	Kind   error // one of the sentinels above
	Detail string
	Hint   string
}

func (e *Error) Error() string { return e.Detail + " " + e.Hint }
func (e *Error) Unwrap() error { return e.Kind }

// File is a saved plan.
type File struct {
	Plan    *plan.Plan
	Sources map[string][]byte    // config.Sources, for config.FromSources
	Vars    map[string]cty.Value // as given to eval.New; marks are not kept
	Program string               // program and version that planned
	JSON    []byte               // plan.json
}

const (
	nameManifest = "manifest.json"
	nameJSON     = "plan.json"
	nameSealed   = "sealed"
	nameMAC      = "hmac"
)

// manifest is what can be read without a key.
type manifest struct {
	Format  int       `json:"format"`
	Program string    `json:"program"`
	Lineage string    `json:"lineage"`
	Serial  uint64    `json:"serial"`
	Mode    plan.Mode `json:"mode"`
}

// keys are what the caller's key is good for.
type keys struct{ seal, nonce, mac []byte }

func derive(key []byte) (k keys, err error) {
	for _, part := range []struct {
		to   *[]byte
		info string
	}{{&k.seal, "seal"}, {&k.nonce, "nonce"}, {&k.mac, "hmac"}} {
		*part.to, err = hkdf.Key(sha256.New, key, nil, "hellolab plan file 1: "+part.info, 32)
		if err != nil {
			return keys{}, err
		}
	}
	return k, nil
}

// member is one entry of the archive, as it lies there.
type member struct {
	name  string
	bytes []byte
}

// Write writes f; key is state.DeriveKey's.
func Write(w io.Writer, f File, key []byte) error {
	if err := write(w, f, key); err != nil {
		return fmt.Errorf("plan file: %w", err)
	}
	return nil
}

func write(w io.Writer, f File, key []byte) error {
	k, err := derive(key)
	if err != nil {
		return err
	}
	head, err := json.Marshal(manifest{Format, f.Program, f.Plan.Lineage, f.Plan.Serial, f.Plan.Mode})
	if err != nil {
		return err
	}
	public, err := deflate(f.JSON, flate.DefaultCompression)
	if err != nil {
		return err
	}
	sealed, err := seal(f, k)
	if err != nil {
		return err
	}
	members := []member{{nameManifest, head}, {nameJSON, public}, {nameSealed, sealed}}
	mac := []byte(hex.EncodeToString(authenticate(members, k.mac)))
	z := zip.NewWriter(w)
	for _, m := range append([]member{{nameMAC, mac}}, members...) { // sorted by name
		h := zip.FileHeader{
			Name: m.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(m.bytes),
			CompressedSize64: uint64(len(m.bytes)), UncompressedSize64: uint64(len(m.bytes)),
		}
		if m.name == nameJSON {
			h.Method, h.CRC32, h.UncompressedSize64 = zip.Deflate, crc32.ChecksumIEEE(f.JSON), uint64(len(f.JSON))
		}
		e, err := z.CreateRaw(&h)
		if err != nil {
			return err
		}
		if _, err := e.Write(m.bytes); err != nil {
			return err
		}
	}
	return z.Close()
}

// authenticate returns the HMAC of members: for each, the length of its name,
// its name, the length of its bytes and its bytes, lengths as 8 bytes, big-endian.
func authenticate(members []member, key []byte) []byte {
	h := hmac.New(sha256.New, key)
	put := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, m := range members {
		put([]byte(m.name))
		put(m.bytes)
	}
	return h.Sum(nil)
}

// Read reads and authenticates a file of size bytes. The Created time of the
// plan is not known.
func Read(r io.ReaderAt, size int64, key []byte) (*File, error) {
	k, err := derive(key)
	if err != nil {
		return nil, fmt.Errorf("plan file: %w", err)
	}
	parts, err := unzip(r, size)
	if err != nil {
		return nil, err
	}
	var head manifest
	if err := json.Unmarshal(parts[nameManifest], &head); err != nil {
		return nil, notAPlan("its manifest cannot be read")
	}
	if head.Format > Format {
		return nil, &Error{ErrFormat,
			fmt.Sprintf("The plan file has format %d, written by %s; this program knows formats up to %d.", head.Format, head.Program, Format),
			"Apply it with that program, or plan again."}
	}
	mac := make([]byte, sha256.Size)
	n, err := hex.Decode(mac, parts[nameMAC])
	want := authenticate([]member{
		{nameManifest, parts[nameManifest]}, {nameJSON, parts[nameJSON]}, {nameSealed, parts[nameSealed]},
	}, k.mac)
	if err != nil || n != len(mac) || !hmac.Equal(mac, want) {
		return nil, &Error{ErrEdited,
			fmt.Sprintf("The plan file is not as it was written, or belongs to another lab (its lineage is %q).", head.Lineage),
			"Plan again; a plan file cannot be edited."}
	}
	f, err := open(parts[nameSealed], k)
	if err != nil {
		return nil, fmt.Errorf("plan file: %w", err)
	}
	f.Program = head.Program
	if f.JSON, err = inflate(parts[nameJSON]); err != nil {
		return nil, fmt.Errorf("plan file: %w", err)
	}
	return f, nil
}

// unzip returns the members of an archive that nobody has vouched for yet, as
// they lie in it.
func unzip(r io.ReaderAt, size int64) (map[string][]byte, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, notAPlan("it is no archive")
	}
	if len(z.File) > maxMembers {
		return nil, notAPlan("it has too many members")
	}
	parts := map[string][]byte{}
	for _, entry := range z.File {
		if _, twice := parts[entry.Name]; twice {
			return nil, notAPlan("a member is there twice")
		}
		method := zip.Store
		switch entry.Name {
		case nameJSON:
			method = zip.Deflate
		case nameManifest, nameSealed, nameMAC:
		default:
			return nil, notAPlan(fmt.Sprintf("a member %q does not belong there", entry.Name))
		}
		raw, err := entry.OpenRaw()
		if err != nil || entry.Method != method || entry.CompressedSize64 > uint64(size) {
			return nil, notAPlan(fmt.Sprintf("member %s cannot be read", entry.Name))
		}
		b := make([]byte, entry.CompressedSize64)
		if _, err := io.ReadFull(raw, b); err != nil {
			return nil, notAPlan(fmt.Sprintf("member %s cannot be read", entry.Name))
		}
		parts[entry.Name] = b
	}
	for _, name := range []string{nameManifest, nameJSON, nameSealed, nameMAC} {
		if _, ok := parts[name]; !ok {
			return nil, notAPlan("member " + name + " is missing")
		}
	}
	return parts, nil
}

func deflate(b []byte, level int) ([]byte, error) {
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, level)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return small.Bytes(), nil
}

func inflate(small []byte) ([]byte, error) {
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(flate.NewReader(bytes.NewReader(small)), maxInflated+1))
	switch {
	case err != nil:
		return nil, err
	case n > maxInflated:
		return nil, fmt.Errorf("a member inflates to more than %d bytes", maxInflated)
	}
	return b.Bytes(), nil
}

func notAPlan(why string) error {
	return &Error{ErrNoPlan, fmt.Sprintf("This is no plan file of hellolab: %s.", why), "Give the file that `hellolab plan -out` wrote."}
}
