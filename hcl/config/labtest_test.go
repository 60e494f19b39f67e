package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Test files are those of the folder and of its folder tests. One that cannot be
// looked into is told: tests that nobody runs would seem to pass.
func TestLoadTests(t *testing.T) {
	const run = "run \"a\" {}\n"
	outside := t.TempDir()
	write(t, filepath.Join(outside, "c.labtest.hcl"), run)
	for name, tt := range map[string]struct {
		make  func(dir string) error
		files string
		why   string // "" when nothing is wrong
	}{
		"no folder": {func(string) error { return nil }, "b.labtest.hcl", ""},
		"a folder": {func(dir string) error {
			write(t, filepath.Join(dir, "tests", "a.labtest.hcl"), run)
			write(t, filepath.Join(dir, "tests", "notes.hcl"), "no test")
			write(t, filepath.Join(dir, "tests", "deeper", "a.labtest.hcl"), run)
			return nil
		}, "b.labtest.hcl tests/a.labtest.hcl", ""},
		"a file":     {func(dir string) error { return os.WriteFile(filepath.Join(dir, "tests"), nil, 0o600) }, "b.labtest.hcl", ""},
		"a link out": {func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "tests")) }, "", "Cannot read the folder of test files"},
		"a link in": {func(dir string) error {
			write(t, filepath.Join(dir, "more", "a.labtest.hcl"), run)
			return os.Symlink("more", filepath.Join(dir, "tests"))
		}, "b.labtest.hcl tests/a.labtest.hcl", ""},
		"a link to it": {func(dir string) error { return os.Symlink("tests", filepath.Join(dir, "tests")) }, "", "Cannot read the folder of test files"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "b.labtest.hcl"), run)
		write(t, filepath.Join(dir, "main.lab.hcl"), "locals { a = 1 }\n")
		if err := tt.make(dir); err != nil {
			t.Fatal(err)
		}
		c, diags := Load(dir)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		files, diags := c.LoadTests()
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		why := ""
		for _, d := range diags {
			why += d.Summary
		}
		if got := strings.Join(names, " "); got != tt.files || why != tt.why {
			t.Errorf("%s: %q, %q", name, got, why)
		}
	}
}
