package strict

import (
	"encoding/json"
	"errors"
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
