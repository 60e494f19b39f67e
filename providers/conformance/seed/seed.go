// Package seed ties tests to rows of the seed checklist: the statements of the
// documents that the lab implements. `make fidelity` collects the ties into
// docs/fidelity.md.
package seed

import "testing"

// Proves records that t proves a row ("PA-07"), for the flows named, or for
// every flow the row speaks of when none is. The tie is one log line; a test
// that fails proves nothing.
func Proves(t testing.TB, row string, flows ...string) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() && !t.Skipped() {
			t.Logf("seed: %s %v proven by %s", row, flows, t.Name())
		}
	})
}
