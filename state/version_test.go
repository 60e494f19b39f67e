package state_test

import (
	"errors"
	"testing"

	"hellolab/state"
)

// A section's version stands while nothing is committed to its view, whichever
// section that would be in, and is another once a commit has returned.
func TestSectionVersion(t *testing.T) {
	for name, view := range map[string]state.View{"store": open(t), "overlay": overlay(t, state.Empty(state.Meta{}))} {
		t.Run(name, func(t *testing.T) {
			s, other := state.NewSection(view, "domain.a"), state.NewSection(view, "domain.b")
			first := s.Version()
			if first == nil || s.Version() != first {
				t.Fatal("no version, or another without a commit")
			}
			refused := errors.New("refused")
			if err := s.Update(t.Context(), func(state.TableWriter) error { return refused }); !errors.Is(err, refused) {
				t.Fatal(err)
			}
			put := func(w state.TableWriter) error { return w.Put("table", "key", []byte("value")) }
			seen := map[any]bool{s.Version(): true}
			for _, commit := range []func() error{
				func() error { return s.Update(t.Context(), put) }, func() error { return s.Record(t.Context(), put) }, func() error { return other.Update(t.Context(), put) },
			} {
				if err := commit(); err != nil {
					t.Fatal(err)
				}
				if v := s.Version(); seen[v] || v != other.Version() {
					t.Error("the version of before, or not of the whole view")
				} else {
					seen[v] = true
				}
			}
		})
	}
}
