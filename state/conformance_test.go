package state_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hellolab/state"
	"hellolab/state/statetest"
)

func open(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), state.Options{
		Path:   filepath.Join(t.TempDir(), "lab", "state.db"),
		Holder: state.Holder{PID: os.Getpid()},
		Now:    time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func overlay(t *testing.T, b state.Base) *state.Overlay {
	o := state.NewOverlay(b)
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func TestConformance(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("store", func(t *testing.T) {
		statetest.Run(t, func(t *testing.T) state.View { return open(t) })
	})
	t.Run("overlay on nothing", func(t *testing.T) {
		statetest.Run(t, func(t *testing.T) state.View { return overlay(t, state.Empty(state.Meta{})) })
	})
	t.Run("overlay on a snapshot", func(t *testing.T) {
		statetest.Run(t, func(t *testing.T) state.View {
			snap, err := open(t).Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			return overlay(t, snap)
		})
	})
	t.Run("overlay on an overlay", func(t *testing.T) {
		statetest.Run(t, func(t *testing.T) state.View {
			return overlay(t, overlay(t, state.Empty(state.Meta{})).Snapshot())
		})
	})
}
