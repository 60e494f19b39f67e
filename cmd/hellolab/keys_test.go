package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hellolab/cmd/hellolab/internal/keylist"
	"hellolab/engine/lab"
)

// TestRevokingAsks: a key goes when its owner's administrator says yes to what is
// shown, and stays otherwise.
func TestRevokingAsks(t *testing.T) {
	s := scriptSession(t.TempDir())
	defer s.systems.Close()
	var out bytes.Buffer
	s.out, s.err = &out, &out
	if err := os.WriteFile(filepath.Join(s.dir, "main.lab.hcl"), []byte(keyTrustDomain), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), s, []string{"-chdir=" + s.dir, "apply", "-auto-approve"}); code != exitOK {
		t.Fatalf("%d: %s", code, out.String())
	}
	err := s.act(t.Context(), &stateFlags{}, "register", func(l *lab.Lab) error {
		value, err := credential("good", l.Now())
		if err != nil {
			return err
		}
		return s.writeKey(t.Context(), l, "user.alice", value)
	})
	if err != nil {
		t.Fatal(err)
	}
	held := func() (keys []keylist.Key) {
		t.Helper()
		err := s.glance(t.Context(), &stateFlags{}, func(l *lab.Lab) error {
			found, err := s.keysOf(t.Context(), l, "user.alice")
			for _, k := range found {
				keys = append(keys, k.keys...)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	id := held()[0].ID
	s.tty.in = true
	for _, c := range []struct {
		answer string
		code   int
		left   int
	}{{"no\n", exitError, 1}, {"", exitError, 1}, {"yes\n", exitOK, 0}} {
		s.in, s.lines = strings.NewReader(c.answer), nil
		out.Reset()
		code := run(t.Context(), s, []string{"-chdir=" + s.dir, "keys", "revoke", "user.alice", "-key=" + id[:shortest]})
		if code != c.code || len(held()) != c.left {
			t.Errorf("%q: ends with %d, %d keys left: %s", c.answer, code, len(held()), out.String())
		}
		if said := out.String(); !strings.Contains(said, "Revoke this key?") || !strings.Contains(said, id[:12]) || !strings.Contains(said, "the next synchronization writes it again") {
			t.Errorf("%q: asked %s", c.answer, said)
		}
	}
}
