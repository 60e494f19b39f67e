package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

const (
	// MaxFile bounds one file, in bytes.
	MaxFile = 4 << 20
	// maxSources bounds all files of a lab together.
	maxSources = 64 << 20
)

// folder reads regular files of one directory tree. Symbolic links are
// followed within the tree only; whatever is no regular file is refused
// without being opened, so that a FIFO cannot block and a device not act.
type folder struct {
	root *os.Root
	dir  string
}

func openFolder(dir string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root: root, dir: dir}, nil
}

// list returns the names of files of the folder itself that end in suffix.
func (f *folder) list(suffix string) ([]string, error) {
	d, err := f.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		n := e.Name()
		if strings.HasSuffix(n, suffix) && !strings.HasPrefix(n, ".") && !strings.HasPrefix(n, "#") && !e.IsDir() {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return names, nil
}

// read returns the content of a regular file of the tree.
func (f *folder) read(name string) ([]byte, error) {
	info, err := f.root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("the file %s is %s; only regular files are read", name, kindOf(info.Mode()))
	}
	if err != nil {
		return nil, f.explain(name, err)
	}
	// The file may have become another since: do not block, and look again.
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, f.explain(name, err)
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the file %s is %s; only regular files are read", name, kindOf(info.Mode()))
	}
	if info.Size() > MaxFile {
		return nil, tooLarge(name)
	}
	b, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxFile {
		return nil, tooLarge(name)
	}
	return b, nil
}

// hides reports whether a file stands in a folder whose name begins with a
// dot, or has such a name itself, at the end of its links.
func (f *folder) hides(name string) bool {
	hidden := func(path string) bool {
		return strings.Contains("/"+filepath.ToSlash(path), "/.")
	}
	if hidden(name) {
		return true
	}
	dir, err := filepath.EvalSymlinks(f.dir)
	if err != nil {
		return false // reading it fails likewise
	}
	to, err := filepath.EvalSymlinks(filepath.Join(dir, name))
	if err != nil {
		return false
	}
	to, err = filepath.Rel(dir, to)
	return err == nil && filepath.IsLocal(to) && hidden(to)
}

func tooLarge(name string) error {
	return fmt.Errorf("the file %s is larger than %d MiB", name, MaxFile>>20)
}

// explain says where a link leads when that is why reading failed.
func (f *folder) explain(name string, err error) error {
	if to, lerr := f.root.Readlink(name); lerr == nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the file %s is a symbolic link to %s; links are followed within the folder only", name, to)
	}
	var perr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &missing{name}
	case errors.As(err, &perr):
		return fmt.Errorf("the file %s cannot be read: %w", name, perr.Err)
	}
	return err
}

// missing says that there is no such file; it is fs.ErrNotExist.
type missing struct{ name string }

func (m *missing) Error() string        { return "there is no file " + m.name }
func (m *missing) Is(target error) bool { return target == fs.ErrNotExist }

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "no regular file"
}

// listIn is list of a folder within, with its name before each; nothing where
// there is no such folder.
func (f *folder) listIn(name, suffix string) ([]string, error) {
	info, err := f.root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.IsDir():
		return nil, nil
	case err != nil:
		return nil, err
	}
	within, err := f.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	defer within.Close()
	names, err := (&folder{root: within}).list(suffix)
	for i, n := range names {
		names[i] = name + "/" + n
	}
	return names, err
}

// ListFiles returns the names of the files of a folder that end in suffix, in order.
func ListFiles(dir, suffix string) ([]string, error) {
	f, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	defer f.root.Close()
	return f.list(suffix)
}

// ReadIn reads a file of a folder as configuration is read: a regular file of
// the folder's tree, at most MaxFile bytes.
func ReadIn(dir, name string) ([]byte, error) {
	f, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	defer f.root.Close()
	return f.read(name)
}
