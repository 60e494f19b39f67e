package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

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

// groupName is the display name of a group: as written, else the last part of
// its address.
func groupName(addr string, in spec.Group) string {
	if in.Name != "" {
		return in.Name
	}
	return addr[strings.LastIndex(addr, "group.")+len("group."):]
}

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

func findGroup(ctx context.Context, env providers.Env, name string) (groupObject, error) {
	o, err := declared[spec.Group, spec.GroupOut](env)
	if err != nil {
		return groupObject{}, err
	}
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
	g, err := graph.Post[graph.Group](ctx, c, body(env.Addr, in), "groups")
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
	if err := c.Patch(ctx, body(env.Addr, in), "groups", o.ID); err != nil {
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
