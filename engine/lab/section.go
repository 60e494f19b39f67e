package lab

import (
	"context"

	"hellolab/providers"
	"hellolab/state"
)

// section shows a system its section of the view in the contract's words.
type section struct{ s *state.Section }

func newSection(v state.View, name string) providers.Section {
	return section{state.NewSection(v, name)}
}

// Version implements providers.Versioned.
func (s section) Version() any { return s.s.Version() }

func (s section) View(fn func(providers.Reader) error) error {
	return s.s.View(func(r state.TableReader) error { return fn(r) })
}

func (s section) Update(ctx context.Context, fn func(providers.Writer) error) error {
	return s.s.Update(ctx, func(w state.TableWriter) error { return fn(w) })
}

func (s section) Record(ctx context.Context, fn func(providers.Writer) error) error {
	return s.s.Record(ctx, func(w state.TableWriter) error { return fn(w) })
}
