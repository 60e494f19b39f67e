package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whatever is no regular file of the folder is refused, without waiting.
func TestLoadRefusesOtherFiles(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.lab.hcl")
	write(t, outside, "locals { secret = 1 }\n")
	for name, c := range map[string]struct {
		make func(path string) error
		why  string
	}{
		"fifo":   {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "named pipe"},
		"device": {func(p string) error { return os.Symlink("/dev/zero", p) }, "symbolic link to /dev/zero"},
		"link":   {func(p string) error { return os.Symlink(outside, p) }, "symbolic link to"},
		"up":     {func(p string) error { return os.Symlink("../../../../../../etc/passwd", p) }, "symbolic link to"},
		"loop":   {func(p string) error { return os.Symlink(filepath.Base(p), p) }, "symbolic link"},
		"broken": {func(p string) error { return os.Symlink("nowhere", p) }, "no file"},
		"large":  {func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, 1<<40)) }, "larger than 4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "main.lab.hcl"), "locals { a = 1 }\n")
			if err := c.make(filepath.Join(dir, "odd.lab.hcl")); err != nil {
				t.Fatal(err)
			}
			done := make(chan hcl.Diagnostics, 1)
			go func() {
				_, diags := Load(dir)
				done <- diags
			}()
			select {
			case diags := <-done:
				if !diags.HasErrors() || !strings.Contains(diags[0].Detail, c.why) || diags[0].Subject.Filename != "odd.lab.hcl" {
					t.Errorf("got %v, want %q in odd.lab.hcl", diags, c.why)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("blocked")
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b.lab.hcl"), "locals { b = 1 }\n")
	write(t, filepath.Join(dir, "sub", "a.lab.hcl"), "locals { not_read = 1 }\n")
	write(t, filepath.Join(dir, "sub", "real.txt"), "locals { a = 1 }\n")
	write(t, filepath.Join(dir, ".#b.lab.hcl"), "editor's own")
	write(t, filepath.Join(dir, "notes.hcl"), "not { read }")
	if err := os.Symlink("sub/real.txt", filepath.Join(dir, "a.lab.hcl")); err != nil {
		t.Fatal(err)
	}
	c, diags := Load(dir)
	if len(diags) > 0 || len(c.Locals) != 2 {
		t.Fatalf("got %d locals, %v", len(c.Locals), diags)
	}
	if _, err := c.ReadFile("./sub/../sub/real.txt"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../x", "/etc/passwd", "sub/../../x", ""} {
		if _, err := c.ReadFile(name); err == nil {
			t.Errorf("%q was read", name)
		}
	}
	if _, err := c.ReadFile("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file is %v", err)
	}

	// The snapshot stands for the folder, also when that has changed.
	want := c.Sources()
	write(t, filepath.Join(dir, "sub", "real.txt"), "changed")
	again, diags := FromSources(want)
	got, err := again.ReadFile("sub/real.txt")
	if len(diags) > 0 || len(again.Locals) != 2 || err != nil || !bytes.Equal(got, []byte("locals { a = 1 }\n")) {
		t.Errorf("the snapshot has %d locals, %q, %v, %v", len(again.Locals), got, err, diags)
	}
	if _, err := again.ReadFile("notes.hcl"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not in the snapshot is %v", err)
	}
	if b, err := c.ReadFile("sub/real.txt"); err != nil || string(b) != "locals { a = 1 }\n" {
		t.Errorf("read again: %q, %v", b, err)
	}
}

func TestLoadNothing(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, diags := Load(dir); !diags.HasErrors() {
			t.Errorf("%s: no error", dir)
		}
	}
}

func TestRedact(t *testing.T) {
	src := "user \"a\" {\n  pin = \"735102\"\n}\n"
	c, _ := FromSources(map[string][]byte{"main.lab.hcl": []byte(src)})
	c.Redact(c.Objects[0].Body.Attributes["pin"].Expr.Range())
	if got, want := string(c.Files()["main.lab.hcl"].Bytes), "user \"a\" {\n  pin = ***     \n}\n"; got != want {
		t.Errorf("shows %q, want %q", got, want)
	}
	if string(c.Sources()["main.lab.hcl"]) != src {
		t.Error("the source itself was changed")
	}
}

func TestCheckVersion(t *testing.T) {
	c, diags := FromSources(map[string][]byte{"main.lab.hcl": []byte("lab {\n required_version = \">= 0.2, < 1\"\n}\n")})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for v, ok := range map[string]bool{"0.1.0": false, "0.2.0": true, "0.2.0-dev": true, "1.0.0": false, "(devel)": true} {
		if got := !c.CheckVersion(v).HasErrors(); got != ok {
			t.Errorf("CheckVersion(%s) = %v", v, got)
		}
	}
}

// Reading any bytes ends with a configuration or diagnostics that have a place.
func FuzzFromSources(f *testing.F) {
	for _, s := range scanSeeds {
		f.Add([]byte(s))
	}
	f.Add([]byte("variable \"x\" {\n type = object({ a = optional(string, \"x\") })\n default = { a = 1 }\n validation {\n condition = true\n error_message = \"\"\n }\n}\n"))
	f.Add([]byte("value \"x\" {\n for_each = {}\n lifecycle {\n ignore_changes = [a.b]\n replace_triggered_by = [value.x]\n }\n depends_on = [value.y[0]]\n}\nlab { required_version = \"1\" }\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		_, diags := FromSources(map[string][]byte{"main.lab.hcl": src})
		for _, d := range diags {
			if d.Subject == nil {
				t.Errorf("no place: %v", d)
			}
		}
	})
}
