//go:build !cgo

package all_test

import (
	"strings"
	"testing"

	"hellolab/providers/spec"
)

// TestWithoutSimulator: a build without cgo says which device it cannot run,
// and runs the others.
func TestWithoutSimulator(t *testing.T) {
	l := newLabOf(t, "preferred")
	_, err := l.TryCreate(t.Context(), laptop, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: alice})
	if err == nil || !strings.Contains(err.Error(), laptop) || !strings.Contains(err.Error(), "cgo") || !strings.Contains(err.Error(), `tpm = "none"`) {
		t.Fatalf("a device with a TPM: %v", err)
	}
	l.device("laptop", func(d *spec.Device) { d.TPM = "none" })
	l.enroll()
	l.expect(byPIN(pin), "success")
}
