package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"hellolab/examples"
)

const gitignore = `# The state of the lab: keys, tokens and recordings.
.hellolab/
`

const emptyLab = `lab {
  required_version = ">= 0.1"
}
`

type initCommand struct{ example string }

func (c *initCommand) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.example, "example", "", "copy the example `NAME`; an unknown one lists them")
}

func (c *initCommand) run(_ context.Context, s *session, args []string) error {
	dir := s.labDir()
	if len(args) == 1 {
		dir = s.path(args[0])
	}
	files := map[string][]byte{"main.lab.hcl": []byte(emptyLab)}
	if c.example != "" {
		var err error
		if files, err = exampleFiles(c.example); err != nil {
			return err
		}
	} else if has, err := hasLab(dir); err != nil {
		return err
	} else if has {
		files = nil // a lab already: only the rest is missing
	}
	files = withIgnore(files)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// Nothing is written unless everything can be.
	for name := range files {
		_, err := os.Lstat(filepath.Join(dir, name))
		switch {
		case err == nil && name != ".gitignore":
			return mistake("Choose an empty folder: hellolab never overwrites your files.", "%s exists already", filepath.Join(dir, name))
		case err == nil:
			delete(files, name)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	for name, data := range files {
		err := writeFile(filepath.Join(dir, name), 0o644, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
		if err != nil {
			return err
		}
	}
	s.printf("The lab in %s is ready. Next: hellolab%s plan\n", dir, chdirFlag(dir))
	return nil
}

func chdirFlag(dir string) string {
	if dir == "." {
		return ""
	}
	return " -chdir=" + dir
}

func withIgnore(files map[string][]byte) map[string][]byte {
	out := map[string][]byte{".gitignore": []byte(gitignore)}
	for name, data := range files {
		out[name] = data
	}
	return out
}

func hasLab(dir string) (bool, error) {
	found, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.lab.hcl"))
	return len(found) > 0, err
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// exampleFiles reads one example out of the binary.
func exampleFiles(name string) (map[string][]byte, error) {
	dirs, err := fs.ReadDir(examples.FS, ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range dirs {
		names = append(names, d.Name())
		if d.Name() != name {
			continue
		}
		entries, err := fs.ReadDir(examples.FS, name)
		if err != nil {
			return nil, err
		}
		files := map[string][]byte{}
		for _, e := range entries {
			if files[e.Name()], err = fs.ReadFile(examples.FS, path.Join(name, e.Name())); err != nil {
				return nil, err
			}
		}
		return files, nil
	}
	return nil, mistake(didYouMean(name, names, "The examples are: "+strings.Join(names, ", ")+"."), "There is no example %q", name)
}
