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

// check walks the tokens and refuses repeated members, depth and trailing
// data. Names are compared exactly: a pair that differs in case only decodes
// into one Go field, so such pairs count as repeated, too.
func check(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	type level struct {
		object bool
		name   bool // an object awaits a member name
		seen   map[string]struct{}
	}
	var stack []level
	for {
		tok, err := dec.Token()
		if err == io.EOF && len(stack) == 0 {
			return fmt.Errorf("%w: empty", ErrJSON)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrJSON, err)
		}
		top := len(stack) - 1
		switch tok := tok.(type) {
		case json.Delim:
			switch tok {
			case '{', '[':
				if len(stack) == MaxDepth {
					return fmt.Errorf("%w: nested deeper than %d", ErrJSON, MaxDepth)
				}
				stack = append(stack, level{object: tok == '{', name: tok == '{', seen: map[string]struct{}{}})
				continue
			default:
				stack = stack[:top]
				top--
			}
		case string:
			if top >= 0 && stack[top].object && stack[top].name {
				folded := strings.ToLower(strings.ToUpper(tok)) // as encoding/json folds: the long s and the Kelvin sign, too
				if _, dup := stack[top].seen[folded]; dup {
					return fmt.Errorf("%w: member %.64q is given twice", ErrJSON, tok)
				}
				stack[top].seen[folded] = struct{}{}
				stack[top].name = false
				continue
			}
		}
		// A whole value ended here.
		if top < 0 {
			if _, err := dec.Token(); err != io.EOF {
				return fmt.Errorf("%w: data after the end", ErrJSON)
			}
			return nil
		}
		if stack[top].object {
			stack[top].name = true
		}
	}
}
