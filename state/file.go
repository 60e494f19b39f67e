package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// openPrivate opens a file that only its owner may use: no symbolic link, no
// device, owned by this user (or root), not writable by others. One that
// others may read is made private, and a warning says so.
func openPrivate(path string, write bool) (*os.File, []string, error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	// O_NONBLOCK: opening a FIFO must not wait for its other end.
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return nil, nil, access(path, "is a symbolic link", "Put the file itself in its place.")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return nil, nil, &Error{Kind: ErrAccess, Path: path, Err: err,
			Detail: fmt.Sprintf("The file %s cannot be opened: %v.", path, cause(err)),
			Hint:   "Run as the user who owns it, on a file system that can be written."}
	case err != nil:
		return nil, nil, err
	}
	warnings, err := checkPrivate(f, path)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, warnings, nil
}

func checkPrivate(f *os.File, path string) (warnings []string, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, access(path, "is not a regular file", "")
	}
	if err := checkOwner(info, path); err != nil {
		return nil, err
	}
	mode := info.Mode().Perm()
	if mode&0o022 != 0 {
		return nil, access(path, fmt.Sprintf("may be written by others (mode %04o)", mode), fmt.Sprintf("If its contents are yours, run `chmod 600 %s`.", path))
	}
	if mode&0o077 != 0 {
		w := fmt.Sprintf("The file %s could be read by others (mode %04o)", path, mode)
		if err := f.Chmod(0o600); err != nil {
			return []string{w + "; run `chmod 600` on it."}, nil
		}
		return []string{w + "; it is now 0600."}, nil
	}
	return nil, nil
}

// checkFolder makes sure that nobody else can put files in place of the state's.
// A folder with the sticky bit is good enough: others cannot replace what is there.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := checkOwner(info, dir); err != nil && info.Mode()&os.ModeSticky == 0 {
		return err
	}
	if mode := info.Mode(); mode.Perm()&0o022 != 0 && mode&os.ModeSticky == 0 {
		return access(dir, fmt.Sprintf("may be written by others (mode %04o)", mode.Perm()), fmt.Sprintf("Run `chmod 700 %s`, or keep the state elsewhere.", dir))
	}
	return nil
}

// makeFolder makes the state's folder when it is not there.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return checkFolder(dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return writeError(dir, err)
	}
	return checkFolder(dir)
}

func checkOwner(info os.FileInfo, path string) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if me := os.Geteuid(); ok && st.Uid != 0 && me != 0 && int(st.Uid) != me {
		return access(path, fmt.Sprintf("belongs to another user (uid %d)", st.Uid), "")
	}
	return nil
}

func access(path, what, hint string) *Error {
	return &Error{Kind: ErrAccess, Path: path, Detail: fmt.Sprintf("%s %s and is not used.", path, what), Hint: hint}
}

// writeError names the file that could not be written, and why.
func writeError(path string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	hint := ""
	if no := diskFull(err); no != 0 {
		err = no // bbolt words it with the name of a temporary file
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "Make room on its disk and run the command again."
	case errors.Is(err, syscall.EFBIG):
		hint = "Raise the file size limit (ulimit -f) and run the command again."
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		hint = "Run as the user who owns it, on a file system that can be written."
	}
	return &Error{Kind: ErrWrite, Path: path, Err: err, Hint: hint,
		Detail: fmt.Sprintf("The file %s cannot be written: %v.", path, cause(err))}
}

// diskFull returns the errno of an error that says that a file may not grow,
// or 0. Some of bbolt's errors carry it as text only.
func diskFull(err error) syscall.Errno {
	for _, no := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, no) || strings.HasSuffix(err.Error(), no.Error()) {
			return no
		}
	}
	return 0
}

// cause strips the operation and path that an os error repeats.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}

// createFile makes a file with the given content, all of it or nothing, and
// never in place of another: fs.ErrExist. Its folder entry is durable.
func createFile(path string, content []byte) error {
	return buildFile(path, func(f *os.File) error {
		_, err := f.Write(content)
		return err
	}, linkNew)
}

// replaceFile is createFile, over a file that may be there.
func replaceFile(path string, write func(*os.File) error) error {
	return buildFile(path, write, os.Rename)
}

// buildFile writes a temporary file in the folder of path, syncs it and moves
// it into place.
func buildFile(path string, write func(*os.File) error, place func(from, to string) error) error {
	f, err := createTemp(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

const tempInfix = ".new-"

// createTemp makes a locked temporary file beside path. The lock ends with the
// process, which tells a leftover from one in the making.
func createTemp(path string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+tempInfix+"*") // O_EXCL, 0600
	if err != nil {
		return nil, err
	}
	if err := lockFile(f, true); err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}

// removeLeftovers removes temporary files, of the files that glob names, whose
// maker was killed.
func removeLeftovers(glob string) {
	names, _ := filepath.Glob(glob + tempInfix + "*")
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		// One that has its real name already is locked with it.
		if lockFile(f, true) == nil || samePlace(f, name[:strings.LastIndex(name, tempInfix)]) {
			os.Remove(name)
		}
		f.Close()
	}
}

func globQuote(path string) string {
	var b []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}

// linkNew moves a file to a name that must be free.
func linkNew(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.ENOSYS) {
		return err
	}
	// A file system without hard links: the check and the rename are two steps.
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// lockFile takes the advisory lock of f without waiting: syscall.EWOULDBLOCK
// when another open file has it.
func lockFile(f *os.File, exclusive bool) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err != syscall.EINTR {
			return err
		}
	}
}

// samePlace reports whether path still names the file f.
func samePlace(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}
