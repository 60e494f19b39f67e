package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"hellolab/providers/windows/tpm"
)

// What is dear to make is made once for all tests: RSA keys and TPMs with theirs
// are numbered files in the folder readyVar. A script, or a test with a lab of its
// own, goes through the numbers from zero, each once, and makes what nobody came to
// before it. So no lab has anything twice, and a lab of another test is another
// world. A process without takenVar, which counts, makes all anew.
const (
	readyVar = "HELLOLAB_TEST_READY"
	takenVar = "HELLOLAB_TEST_TAKEN"
)

// withReady runs the tests with a folder of things that are ready.
type withReady struct{ m *testing.M }

func (w withReady) Run() int {
	dir, err := os.MkdirTemp("", "hellolab-ready-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitError
	}
	defer os.RemoveAll(dir)
	os.Setenv(readyVar, dir)
	return w.m.Run()
}

// ready is crypto/rand with keys and TPMs that are ready: a rsakey.Maker and a
// tpm.Shelf.
type ready struct {
	io.Reader
	dir, taken string

	mu      sync.Mutex
	missing []string // files of TPMs that this lab came to first, and has yet to make
}

// newReady is for a lab of one test.
func newReady(t *testing.T) *ready {
	return &ready{Reader: rand.Reader, dir: os.Getenv(readyVar), taken: t.TempDir()}
}

// takenBy is the folder in which a test counts what it has taken.
func takenBy(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(os.Getenv(readyVar), "taken", name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// readyOf is what the environment says that a process works with.
func readyOf(getenv func(string) string) io.Reader {
	if dir, taken := getenv(readyVar), getenv(takenVar); dir != "" && taken != "" {
		return &ready{Reader: rand.Reader, dir: dir, taken: taken}
	}
	return rand.Reader
}

// next is the file of the next thing of a kind.
func (r *ready) next(kind string) (string, error) {
	f, err := os.OpenFile(filepath.Join(r.taken, kind), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close() // and unlocks
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	n, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Write([]byte{'.'})
	}
	return filepath.Join(r.dir, fmt.Sprintf("%s-%d", kind, n)), err
}

// keep makes a file for those who come to its number later, unless somebody else
// has made it meanwhile.
func keep(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), file); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// RSAKey implements rsakey.Maker.
func (r *ready) RSAKey(bits int) (*rsa.PrivateKey, error) {
	file, err := r.next(fmt.Sprintf("rsa-%d", bits))
	if err != nil {
		return nil, err
	}
	if data, err := os.ReadFile(file); err == nil {
		key, err := x509.ParsePKCS8PrivateKey(data)
		if err != nil {
			return nil, err
		}
		return key.(*rsa.PrivateKey), nil
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	data, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, keep(file, data)
}

// Take implements tpm.Shelf.
func (r *ready) Take() *tpm.Baked {
	file, err := r.next("tpm")
	if err != nil {
		return nil // the pool bakes one
	}
	if data, err := os.ReadFile(file); err == nil {
		b := &tpm.Baked{}
		if json.Unmarshal(data, b) == nil {
			return b
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missing = append(r.missing, file)
	return nil
}

// Made implements tpm.Shelf.
func (r *ready) Made(b *tpm.Baked) {
	r.mu.Lock()
	var file string
	if n := len(r.missing); n > 0 {
		file, r.missing = r.missing[n-1], r.missing[:n-1]
	}
	r.mu.Unlock()
	if data, err := json.Marshal(b); err == nil && file != "" {
		_ = keep(file, data) // others make theirs
	}
}
