package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

// nickname tells groups apart that show one name. Display names may repeat in a
// directory, nicknames may not: with one made of what the author wrote, a second
// group of that name is refused also when two are created at once.
func nickname(addr string, in spec.Group) string {
	from := "name " + in.Name
	if in.Name == "" {
		from = "address " + addr
	}
	sum := sha256.Sum256([]byte(from))
	return hex.EncodeToString(sum[:16])
}

// body is what the directory is told of a group.
func body(addr string, in spec.Group) graph.Group {
	return graph.Group{DisplayName: groupName(addr, in), MailNickname: nickname(addr, in), SecurityEnabled: true}
}

func findTenantGroup(ctx context.Context, env providers.Env, o groupObject, name string) (groupObject, error) {
	c, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return groupObject{}, err
	}
	defer c.Close()
	filter := graph.Equals("displayName", name)
	if name == "" { // none was written
		filter = graph.Equals("mailNickname", nickname(env.Addr, spec.Group{}))
	}
	g, err := graph.First[graph.Group](ctx, c, filter, "groups")
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
	o.In.Members = held(env, inTenant, o.In.Members, ids)
	o.Addr, o.ID, o.Out = env.Addr, g.ID, spec.GroupOut{ObjectID: g.ID}
	return o, nil
}

func createTenantGroup(ctx context.Context, env providers.Env, in spec.Group) (spec.GroupOut, error) {
	c, err := directory(ctx, env, in.Tenant)
	if err != nil {
		return spec.GroupOut{}, err
	}
	defer c.Close()
	g, err := graph.Post[graph.Group](ctx, c, body(env.Addr, in), "groups")
	if err != nil {
		return spec.GroupOut{}, err
	}
	return spec.GroupOut{ObjectID: g.ID}, setMembers(ctx, env, c, g.ID, nil, in.Members)
}

func setMembers(ctx context.Context, env providers.Env, c *graph.Client, group string, was, is []providers.Ref) error {
	return change(ctx, env, inTenant, was, is,
		func(ctx context.Context, id string) error { return c.AddMember(ctx, group, id) },
		func(ctx context.Context, id string) error { return c.RemoveMember(ctx, group, id) })
}

func readTenantGroup(ctx context.Context, env providers.Env, o groupObject) (groupObject, error) {
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

func updateTenantGroup(ctx context.Context, env providers.Env, o groupObject, in spec.Group) (spec.GroupOut, error) {
	c, err := directory(ctx, env, in.Tenant)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	if err := c.Patch(ctx, body(env.Addr, in), "groups", o.ID); err != nil {
		return o.Out, err
	}
	return o.Out, setMembers(ctx, env, c, o.ID, o.In.Members, in.Members)
}

func deleteTenantGroup(ctx context.Context, env providers.Env, o groupObject) error {
	c, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Delete(ctx, "groups", o.ID)
}
