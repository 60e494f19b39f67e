package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var testNow = time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)

// testOptions are those of a new state in a new folder.
func testOptions(t testing.TB) Options {
	t.Helper()
	return Options{
		Path:   filepath.Join(t.TempDir(), ".hellolab", "state.db"),
		Holder: Holder{Operation: "test", User: "alice", Host: "here", PID: os.Getpid(), Since: testNow},
		Now:    func() time.Time { return testNow },
		Writer: "hellolab test",
	}
}

func testKey(seed string) []byte {
	k := sha256.Sum256([]byte(seed))
	return bytes.Clone(k[:])
}

func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(ctx, o)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}

// soak is n in an ordinary run, and HELLOLAB_SOAK when that is set.
func soak(t testing.TB, n int) int {
	t.Helper()
	s := os.Getenv("HELLOLAB_SOAK")
	if s == "" {
		return n
	}
	m, err := strconv.Atoi(s)
	must(t, err)
	return m
}

// dump returns all records of a reader.
func dump(r Reader) (map[string]string, error) {
	out := map[string]string{}
	buckets, err := r.Buckets("")
	for _, b := range buckets {
		err = errors.Join(err, r.Scan(b, "", func(k string, v []byte) error {
			out[recordKey(b, k)] = string(v)
			return nil
		}))
	}
	return out, err
}

// want fails unless err is of a kind and a sentence with all parts.
func want(t testing.TB, err, kind error, parts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q is not in: %v", p, err)
		}
	}
}

// sampleState makes a state with records of many sizes, written over many
// commits, and returns what it holds.
func sampleState(t testing.TB, o Options) map[string]string {
	t.Helper()
	s := openStore(t, o)
	for i := range 60 {
		must(t, s.Commit(ctx, func(w Writer) error {
			_, err := BumpSerial(w)
			for j := range 20 {
				err = errors.Join(err, PutObject(w, benchObject(i*20+j)))
			}
			return errors.Join(err,
				w.Put("section/tenant.corp/big", fmt.Sprint(i%7), bytes.Repeat([]byte{byte(i)}, 9000)),
				w.Delete(BucketObjects, benchObject(i*7).Addr))
		}))
	}
	var all map[string]string
	must(t, s.Read(func(r Reader) (err error) { all, err = dump(r); return err }))
	must(t, s.Close())
	return all
}

// copyState copies the files of a state into a new folder.
func copyState(t testing.TB, o Options) Options {
	t.Helper()
	to := testOptions(t)
	must(t, os.MkdirAll(to.dir(), 0o700))
	for _, p := range []func(*Options) string{func(o *Options) string { return o.Path }, (*Options).keyPath, (*Options).markerPath} {
		b, err := os.ReadFile(p(&o))
		must(t, err)
		must(t, os.WriteFile(p(&to), b, 0o600))
	}
	return to
}

func sum256(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}
