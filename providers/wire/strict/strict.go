// Package strict reads JSON that a peer sent. encoding/json takes the last of
// two equal members and recurses thousands of levels; two readers of one
// message could then see different things. Here equal members, trailing data,
// depth and size beyond bounds are errors. Unknown members are allowed: the
// protocols grow.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// MaxBytes bounds one JSON text.
	MaxBytes = 1 << 20
	// MaxDepth bounds nesting of objects and arrays.
	MaxDepth = 32
)

// ErrJSON is wrapped by every error of this package.
var ErrJSON = errors.New("malformed JSON")

// Unmarshal decodes one JSON text into v.
func Unmarshal(data []byte, v any) error {
	if len(data) > MaxBytes {
		return fmt.Errorf("%w: %d bytes, at most %d are read", ErrJSON, len(data), MaxBytes)
	}
	if err := check(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrJSON, err)
	}
	return nil
}

// check walks the text and refuses repeated members, depth and trailing data.
// Names are compared exactly: a pair that differs in case only decodes into one
// Go field, so such pairs count as repeated, too.
func check(data []byte) error {
	if err := checkDepth(data); err != nil { // before anything recurses into it
		return err
	}
	if !json.Valid(data) {
		return invalid(data)
	}
	// From here on the text is one valid value: its strings alone can hide a
	// brace, and a string before a colon is a name.
	var seen [MaxDepth]map[string]struct{}
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			seen[depth] = nil
			depth++
		case '}', ']':
			depth--
		case '"':
			end := endOfString(data, i)
			if next := bytes.TrimLeft(data[end:], " \t\r\n"); len(next) > 0 && next[0] == ':' {
				name, err := folded(data[i:end])
				if err != nil {
					return err
				}
				names := &seen[depth-1]
				if _, dup := (*names)[name]; dup {
					return fmt.Errorf("%w: member %.64q is given twice", ErrJSON, name)
				}
				if *names == nil {
					*names = map[string]struct{}{}
				}
				(*names)[name] = struct{}{}
			}
			i = end - 1
		}
	}
	return nil
}

// checkDepth bounds nesting. What is not JSON may pass.
func checkDepth(data []byte) error {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("%w: nested deeper than %d", ErrJSON, MaxDepth)
			}
		case '}', ']':
			depth--
		case '"':
			i = endOfString(data, i) - 1
		}
	}
	return nil
}

// endOfString returns where the string that begins at i is over, or the end.
func endOfString(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

// folded is a member's name as encoding/json compares it with a field's: the
// long s and the Kelvin sign fold, too.
func folded(quoted []byte) (string, error) {
	name := string(quoted[1 : len(quoted)-1])
	if plain(name) {
		return strings.ToLower(name), nil
	}
	if bytes.IndexByte(quoted, '\\') >= 0 || !utf8.Valid(quoted) {
		if err := json.Unmarshal(quoted, &name); err != nil {
			return "", fmt.Errorf("%w: %w", ErrJSON, err)
		}
	}
	return strings.ToLower(strings.ToUpper(name)), nil
}

// plain reports whether a name is of ASCII and without escapes, as nearly all are.
func plain(name string) bool {
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' || name[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// invalid says what is wrong with a text that is not one JSON value.
func invalid(data []byte) error {
	var v json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(data))
	switch err := dec.Decode(&v); {
	case err == io.EOF:
		return fmt.Errorf("%w: empty", ErrJSON)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrJSON, err)
	}
	return fmt.Errorf("%w: data after the end", ErrJSON)
}
