package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hellolab/providers/windows/tpm"
)

// TestReadmeLab applies the lab that the README shows, as it stands there.
func TestReadmeLab(t *testing.T) {
	if tpm.Available("device.laptop") != nil {
		t.Skip("built without cgo: there is no TPM simulator for the README's laptop")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, opened := strings.Cut(string(readme), "```hcl\n")
	lab, _, closed := strings.Cut(rest, "```")
	if !opened || !closed {
		t.Fatal("the README shows no lab")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.lab.hcl"), []byte(lab), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"HELLOLAB_VAR_password=correct horse battery staple", "HELLOLAB_VAR_pin=271828"}
	for _, args := range [][]string{{"fmt", "-check"}, {"apply", "-auto-approve"}, {"check"}} {
		if out, err := hellolab(t, dir, env, args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}
