package main

import (
	"context"

	"hellolab/engine/apply"
	"hellolab/engine/check"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/value"
	"hellolab/state"
)

// newRegistry returns the kinds this program ships.
func newRegistry() *providers.Registry { return providers.NewRegistry(value.Kind()) }

func signIn(context.Context, providers.Env, check.Attempt) (check.Verdict, error) {
	return check.Verdict{}, mistake("", "This build has no devices")
}

// recover settles what an interrupted apply left half done in view.
func (s *session) recover(ctx context.Context, view state.View, l *lab.Lab) ([]apply.Recovered, error) {
	settled, diags := apply.Recover(ctx, apply.RecoverRequest{Registry: s.registry, View: view, Lab: l})
	if diags.HasErrors() {
		return settled, diags
	}
	return settled, nil
}
