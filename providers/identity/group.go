package identity

import (
	"context"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

type groupObject = providers.Object[spec.Group, spec.GroupOut]

// Group is the kind group: a security group of a tenant.
func Group() providers.Type {
	return providers.Of(providers.Kind[spec.Group, spec.GroupOut]{
		Name:   "group",
		Doc:    "A security group.",
		After:  []string{"tenant"},
		Home:   func(in spec.Group) providers.Ref { return in.Tenant },
		Key:    func(in spec.Group) string { return in.Name },
		Find:   findGroup,
		Create: createGroup,
		Read:   readGroup,
		Update: updateGroup,
		Delete: deleteGroup,
	})
}

// groupName is the display name of a group: the block's address where none is
// declared, so that two groups of one name cannot be mistaken for each other.
func groupName(addr string, in spec.Group) string {
	if in.Name != "" {
		return in.Name
	}
	return addr
}

func findGroup(ctx context.Context, env providers.Env, name string) (groupObject, error) {
	if name == "" {
		name = env.Addr
	}
	o, err := declared[spec.Group, spec.GroupOut](env)
	if err != nil {
		return groupObject{}, err
	}
	c, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return groupObject{}, err
	}
	defer c.Close()
	g, err := graph.First[graph.Group](ctx, c, graph.Equals("displayName", name), "groups")
	if graph.IsNotFound(err) {
		return groupObject{}, providers.ErrGone
	}
	if err != nil {
		return groupObject{}, err
	}
	return groupAs(ctx, env, c, o, g)
}

// groupAs is the declared group o as the directory holds it.
func groupAs(ctx context.Context, env providers.Env, c *graph.Client, o groupObject, g *graph.Group) (groupObject, error) {
	ids, err := members(ctx, c, "groups", g.ID, "members")
	if err != nil {
		return groupObject{}, err
	}
	if g.DisplayName != groupName(env.Addr, o.In) {
		o.In.Name = g.DisplayName
	}
	o.In.Members = held(env, o.In.Members, ids)
	o.Addr, o.ID, o.Out = env.Addr, g.ID, spec.GroupOut{ObjectID: g.ID}
	return o, nil
}

func createGroup(ctx context.Context, env providers.Env, in spec.Group) (spec.GroupOut, error) {
	c, err := directory(ctx, env, in.Tenant)
	if err != nil {
		return spec.GroupOut{}, err
	}
	defer c.Close()
	g, err := graph.Post[graph.Group](ctx, c, graph.Group{DisplayName: groupName(env.Addr, in), SecurityEnabled: true}, "groups")
	if err != nil {
		return spec.GroupOut{}, err
	}
	return spec.GroupOut{ObjectID: g.ID}, setMembers(ctx, env, c, g.ID, nil, in.Members)
}

func setMembers(ctx context.Context, env providers.Env, c *graph.Client, group string, was, is []providers.Ref) error {
	return change(ctx, env, was, is,
		func(ctx context.Context, id string) error { return c.AddMember(ctx, group, id) },
		func(ctx context.Context, id string) error { return c.RemoveMember(ctx, group, id) })
}

func readGroup(ctx context.Context, env providers.Env, o groupObject) (groupObject, error) {
	c, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return groupObject{}, err
	}
	defer c.Close()
	g, err := graph.Get[graph.Group](ctx, c, "groups", o.ID)
	if graph.IsNotFound(err) {
		return groupObject{}, providers.ErrGone
	}
	if err != nil {
		return groupObject{}, err
	}
	return groupAs(ctx, env, c, o, g)
}

func updateGroup(ctx context.Context, env providers.Env, o groupObject, in spec.Group) (spec.GroupOut, error) {
	c, err := directory(ctx, env, in.Tenant)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	if err := c.Patch(ctx, graph.Group{DisplayName: groupName(env.Addr, in), SecurityEnabled: true}, "groups", o.ID); err != nil {
		return o.Out, err
	}
	return o.Out, setMembers(ctx, env, c, o.ID, o.In.Members, in.Members)
}

func deleteGroup(ctx context.Context, env providers.Env, o groupObject) error {
	c, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Delete(ctx, "groups", o.ID)
}
