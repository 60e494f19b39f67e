// Package tpmtest lets a test binary be its own TPM worker, and gives it pools
// of such workers.
//
//	func TestMain(m *testing.M) { tpmtest.Main(m) }
package tpmtest

import (
	"log"
	"os"
	"os/exec"
	"testing"

	"hellolab/providers/windows/tpm"
	"hellolab/providers/windows/tpm/worker"
)

// Main is the body of TestMain: it runs the tests, or serves as the worker
// that a pool has started this binary as. It does not return.
func Main(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != worker.Word {
		os.Exit(m.Run())
	}
	if err := worker.Main(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
	os.Exit(0)
}

// NeedsSimulator skips the test in a build that has no simulator.
func NeedsSimulator(t testing.TB) {
	t.Helper()
	if !worker.Available() {
		t.Skip("built without cgo: there is no TPM simulator, and so no device with a TPM")
	}
}

// NewPool returns a pool of at most so many workers, 0 for the pool's own
// choice. It closes with the test. Without a simulator it can start none.
func NewPool(t testing.TB, workers int, change ...func(*tpm.Options)) *tpm.Pool {
	t.Helper()
	o := tpm.Options{Command: func() *exec.Cmd { return exec.Command(os.Args[0], worker.Word) }, Workers: workers}
	for _, c := range change {
		c(&o)
	}
	p := tpm.NewPool(o)
	t.Cleanup(func() { p.Close() })
	return p
}
