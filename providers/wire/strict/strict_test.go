package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestUnmarshal(t *testing.T) {
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"object", `{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}`, true},
		{"scalar", `"x"`, true},
		{"array of strings", `["a","a"]`, true},
		{"value equal to a name", `{"a":"a","b":"a"}`, true},
		{"repeated member", `{"a":1,"a":2}`, false},
		{"repeated member, other case", `{"alg":"RS256","ALG":"none"}`, false},
		{"repeated member, long s", `{"us":1,"uſ":2}`, false},
		{"repeated by escape", `{"a":1,"\u0061":2}`, false},
		{"repeated deep down", `[{"x":[{"a":1,"a":1}]}]`, false},
		{"trailing data", `{} {}`, false},
		{"trailing garbage", `{}x`, false},
		{"empty", ``, false},
		{"cut", `{"a":`, false},
		{"at the depth limit", strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), true},
		{"beyond the depth limit", strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), false},
		{"very deep", strings.Repeat("[", 100000), false},
		{"too long", `"` + strings.Repeat("a", MaxBytes) + `"`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v any
			err := Unmarshal([]byte(tt.in), &v)
			if (err == nil) != tt.ok {
				t.Fatalf("err = %v, want ok = %v", err, tt.ok)
			}
			if err != nil && !errors.Is(err, ErrJSON) {
				t.Errorf("err = %v does not wrap ErrJSON", err)
			}
		})
	}
}

// checkByTokens is check as encoding/json's token reader would have it: slower,
// and another reader of the same rules.
func checkByTokens(data []byte) error {
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
					return ErrJSON
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

// FuzzCheck holds the two against each other.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":null}],"c":"d"}`, `{"a":1,"A":2}`, `{"a":{"a":1},"b":[{"a":1},{"a":2}]}`, `{"a\\":1,"a\"":2}`,
		`{"us":1,"u\u017f":2}`, `["a:","b"] `, `{"a" : 1, "\xff":2,"\xfe":3}`, `{} x`, `"{"`, ` `, `[[[[`, `{"a":"\\","b":"}"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := check(data), checkByTokens(data); (got == nil) != (want == nil) {
			t.Errorf("%q: %v, by tokens %v", data, got, want)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"d"}`))
	f.Add([]byte(`{"a":1,"A":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if Unmarshal(data, &v) != nil {
			return
		}
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
	})
}
