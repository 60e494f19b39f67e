package conformance

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestTree compares a tree with a map, and copies of it with what they were.
func TestTree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var tr, old tree
	want, before := map[string]string{}, map[string]string{}
	for i := range 3000 {
		key := fmt.Sprintf("%c/%d", 'a'+rng.IntN(3), rng.IntN(200))
		if rng.IntN(3) == 0 {
			tr.delete(key)
			delete(want, key)
		} else {
			tr.put(key, fmt.Append(nil, i))
			want[key] = fmt.Sprint(i)
		}
		if i == 1500 {
			old, before = tr, maps.Clone(want)
		}
	}
	for _, tt := range []struct {
		tree tree
		want map[string]string
	}{{tr, want}, {old, before}} {
		for _, prefix := range []string{"", "a/", "b/1", "c", "d", "b/199"} {
			var keys []string
			err := tt.tree.scan(prefix, func(key string, value []byte) error {
				if tt.want[key] != string(value) {
					t.Errorf("%s is %s, want %s", key, value, tt.want[key])
				}
				keys = append(keys, key)
				return nil
			})
			expected := slices.DeleteFunc(slices.Sorted(maps.Keys(tt.want)), func(k string) bool { return !strings.HasPrefix(k, prefix) })
			if err != nil || !slices.Equal(keys, expected) {
				t.Errorf("below %q: %d keys, want %d (%v)", prefix, len(keys), len(expected), err)
			}
		}
		for key, v := range tt.want {
			if got, ok := tt.tree.get(key); !ok || string(got) != v {
				t.Errorf("%s is %s, %v", key, got, ok)
			}
		}
	}
	stop, seen := errors.New("stop"), 0
	if err := tr.scan("", func(string, []byte) error { seen++; return stop }); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("a scan that is stopped saw %d keys: %v", seen, err)
	}
}
