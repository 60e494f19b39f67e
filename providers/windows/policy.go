package windows

import (
	"context"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/guid"
)

// policy is the kind policy. A policy is a declaration and an id, no more:
// devices read the declarations that reach them when a user signs in, where a
// real one would have had them delivered by device management or group policy
// beforehand. What is in force is decided by package hello, from the
// declarations alone.
func policy() providers.Kind[spec.Policy, spec.PolicyOut] {
	return providers.Kind[spec.Policy, spec.PolicyOut]{
		Name:  "policy",
		Doc:   "Windows Hello for Business settings and whom they reach.",
		After: []string{"tenant", "group", "user", "device"},
		Create: func(_ context.Context, env providers.Env, _ spec.Policy) (spec.PolicyOut, error) {
			id, err := guid.New(env.Rand)
			return spec.PolicyOut{PolicyID: id.String()}, err
		},
		Update: func(_ context.Context, _ providers.Env, o providers.Object[spec.Policy, spec.PolicyOut], _ spec.Policy) (spec.PolicyOut, error) {
			return o.Out, nil
		},
	}
}
