package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/hcl/config"
	"hellolab/hcl/format"
)

// maxFile bounds a file to format; the language's own bound is as large.
const maxFile = 4 << 20

type fmtCommand struct {
	check, diff, recursive bool
}

func (c *fmtCommand) flags(fs *flag.FlagSet) {
	fs.BoolVar(&c.check, "check", false, "write nothing; exit with 3 if something would change")
	fs.BoolVar(&c.diff, "diff", false, "show what changes")
	fs.BoolVar(&c.recursive, "recursive", false, "go into folders")
}

func (c *fmtCommand) run(_ context.Context, s *session, args []string) error {
	if len(args) == 1 && args[0] == "-" {
		return c.stdin(s)
	}
	if len(args) == 0 {
		args = []string{"."}
	}
	var names []string
	for _, arg := range args {
		found, err := c.find(s.path(arg))
		if err != nil {
			return err
		}
		names = append(names, found...)
	}
	var diags hcl.Diagnostics
	changed := false
	for _, name := range names {
		did, err := c.file(s, name)
		var more hcl.Diagnostics
		if errors.As(err, &more) {
			diags = append(diags, more...)
			continue
		}
		if err != nil {
			return err
		}
		changed = changed || did
	}
	switch {
	case diags.HasErrors():
		return diags
	case c.check && changed:
		return exitCode(exitFormat)
	}
	return nil
}

// find lists the files that path stands for. A file named outright is taken
// whatever it is called; in a folder the language's own suffixes count.
func (c *fmtCommand) find(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var names []string
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != path && (!c.recursive || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && formatted(d.Name()) {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

func formatted(name string) bool {
	for _, suffix := range []string{config.Suffix, ".labtest.hcl", "labvars.hcl"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// file formats one file and reports whether that changes it.
func (c *fmtCommand) file(s *session, name string) (changed bool, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, mistake("Only regular files are formatted.", "%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return false, err
	}
	out, err := c.source(s, name, src)
	if err != nil || bytes.Equal(src, out) {
		return false, err
	}
	s.printf("%s\n", view.Escape(name))
	if c.diff {
		s.printf("%s", lineDiff(src, out))
	}
	if c.check {
		return true, nil
	}
	return true, writeFile(name, info.Mode().Perm(), func(w io.Writer) error {
		_, err := w.Write(out)
		return err
	})
}

func (c *fmtCommand) source(s *session, name string, src []byte) ([]byte, error) {
	out, diags := format.Source(name, src)
	if diags.HasErrors() {
		f, _ := config.ParseFile(name, src)
		s.know(map[string]*hcl.File{name: f})
		return nil, diags
	}
	return out, nil
}

// stdin formats standard input to standard output.
func (c *fmtCommand) stdin(s *session) error {
	src, err := io.ReadAll(io.LimitReader(s.in, maxFile+1))
	if err != nil {
		return err
	}
	out, err := c.source(s, "<stdin>", src)
	if err != nil {
		return err
	}
	if c.check {
		if !bytes.Equal(src, out) {
			return exitCode(exitFormat)
		}
		return nil
	}
	_, err = s.out.Write(out)
	return err
}

// lineDiff shows the lines that formatting changes. Formatting mostly keeps
// lines where they are, so a run of differing lines is shown as a whole.
func lineDiff(old, new []byte) string {
	a, b := splitLines(old), splitLines(new)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	i, j := len(a), len(b)
	for i > head && j > head && a[i-1] == b[j-1] {
		i, j = i-1, j-1
	}
	var out strings.Builder
	fmt.Fprintf(&out, "@@ -%d,%d +%d,%d @@\n", head+1, i-head, head+1, j-head)
	a, b = a[head:i], b[head:j]
	if len(a) == len(b) {
		for k := range a {
			if a[k] == b[k] {
				out.WriteString(" " + view.EscapeText(a[k]) + "\n")
				continue
			}
			out.WriteString("-" + view.EscapeText(a[k]) + "\n+" + view.EscapeText(b[k]) + "\n")
		}
		return out.String()
	}
	for _, l := range a {
		out.WriteString("-" + view.EscapeText(l) + "\n")
	}
	for _, l := range b {
		out.WriteString("+" + view.EscapeText(l) + "\n")
	}
	return out.String()
}

func splitLines(b []byte) []string {
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}
