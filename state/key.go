package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// KeySize is the number of bytes of a state key.
const KeySize = 32

// key returns the state key of o: given bytes, else those of the key file. A
// missing file is made when create is set.
func (o *Options) key(create bool) ([]byte, []string, error) {
	if o.Key != nil {
		if len(o.Key) != KeySize {
			return nil, nil, &Error{Kind: ErrKey, Detail: fmt.Sprintf("The given state key has %d bytes, not %d.", len(o.Key), KeySize)}
		}
		return o.Key, nil, nil
	}
	path := o.keyPath()
	for {
		key, warnings, err := readKey(path)
		if !create || !errors.Is(err, fs.ErrNotExist) {
			return key, warnings, err
		}
		fresh := make([]byte, KeySize)
		if _, err := io.ReadFull(o.rand(), fresh); err != nil {
			return nil, nil, fmt.Errorf("make state key: %w", err)
		}
		o.fail("state:before-key")
		err = createFile(path, fresh)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, nil, writeError(path, err)
		}
		o.fail("state:after-key") // read it back, whoever made it
	}
}

func readKey(path string) ([]byte, []string, error) {
	f, warnings, err := openPrivate(path, false)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	b := make([]byte, KeySize+1)
	n, err := io.ReadFull(f, b)
	if !errors.Is(err, io.ErrUnexpectedEOF) || n != KeySize {
		return nil, nil, &Error{Kind: ErrKey, Path: path,
			Detail: fmt.Sprintf("The key file %s does not hold a key of %d bytes.", path, KeySize),
			Hint:   "Restore the file from a copy; without it the state cannot be read."}
	}
	return b[:KeySize], warnings, nil
}

func noKey(path, statePath string) *Error {
	return &Error{Kind: ErrNoKey, Path: path,
		Detail: fmt.Sprintf("The key file %s of the state %s is missing.", path, statePath),
		Hint: fmt.Sprintf("Restore %s from a copy, or set HELLOLAB_STATE_KEY to the key in base64; without the key the state cannot be read.",
			filepath.Base(path))}
}
