package identity

import (
	"context"
	"fmt"
	"slices"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
)

// Memberships have two ends, and either may declare them: a user its groups, a
// group its members. Each side sees and changes only what it declared; what
// the other declared, or somebody added by hand, is left alone.

// change applies the difference between two declarations of one side: edge is
// called with the directory ids of the far ends to add and to remove.
func change(ctx context.Context, env providers.Env, at place, was, is []providers.Ref, add, remove func(context.Context, string) error) error {
	for _, ref := range was {
		if slices.Contains(is, ref) {
			continue
		}
		id, err := directoryID(env, ref, at)
		if err != nil || id == "" {
			continue // the far end is gone, and the membership with it
		}
		if err := remove(ctx, id); err != nil {
			return fmt.Errorf("membership with %s: %w", ref, err)
		}
	}
	for _, ref := range is {
		id, err := directoryID(env, ref, at)
		if err != nil {
			return err
		}
		if id == "" {
			return fmt.Errorf("%s is not in the directory", ref)
		}
		if err := add(ctx, id); err != nil {
			return fmt.Errorf("membership with %s: %w", ref, err)
		}
	}
	return nil
}

// held returns the declared far ends that the directory still has, in the
// order they were declared.
func held(env providers.Env, at place, refs []providers.Ref, ids map[string]bool) []providers.Ref {
	if refs == nil {
		return nil
	}
	out := make([]providers.Ref, 0, len(refs))
	for _, ref := range refs {
		if id, err := directoryID(env, ref, at); err == nil && ids[id] {
			out = append(out, ref)
		}
	}
	return out
}

// members reads the ids of a collection of directory objects.
func members(ctx context.Context, c *graph.Client, segments ...string) (map[string]bool, error) {
	ids := map[string]bool{}
	for m, err := range graph.List[graph.DirectoryObject](ctx, c, "", segments...) {
		if err != nil {
			return nil, err
		}
		ids[m.ID] = true
	}
	return ids, nil
}
