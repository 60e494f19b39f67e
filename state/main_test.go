package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
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
