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

	"hellolab/providers/conformance/ready"
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

// tpms are those of labs that have ended, as they were before a device had them.
var tpms ready.Shelf[struct{}, tpm.Baked]

// NewLabPool is NewPool for a lab: its devices get TPMs that no other lab has
// and no device of this one ever had, but that were made for labs which have
// ended: to bake them anew is most of what the tests of whole labs cost in
// workers. A benchmark bakes its own.
func NewLabPool(t testing.TB, workers int) *tpm.Pool {
	t.Helper()
	if _, measured := t.(*testing.B); measured {
		return NewPool(t, workers)
	}
	loan := tpms.Lend()
	t.Cleanup(loan.Return) // once the pool is closed
	return NewPool(t, workers, func(o *tpm.Options) { o.Shelf = shelf{loan} })
}

// shelf is what a lab was lent, for its pool.
type shelf struct {
	*ready.Loan[struct{}, tpm.Baked]
}

func (s shelf) Take() *tpm.Baked {
	b, ok := s.Loan.Take(struct{}{})
	if !ok {
		return nil
	}
	return &b
}

func (s shelf) Made(b *tpm.Baked) { s.Loan.Made(struct{}{}, *b) }
