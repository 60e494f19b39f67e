package identity

import (
	"cmp"
	"context"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
)

type groupObject = providers.Object[spec.Group, spec.GroupOut]

// Group is the kind group: a security group of a tenant or of a domain.
func Group() providers.Type {
	return providers.Of(providers.Kind[spec.Group, spec.GroupOut]{
		Name:  "group",
		Doc:   "A security group.",
		After: []string{"domain"}, // what a group may do may be what a tenant waits for: an authority, then a federation
		Home:  func(in spec.Group) providers.Ref { return cmp.Or(in.Tenant, in.Domain) },
		Key:   func(in spec.Group) string { return in.Name },
		Find: func(ctx context.Context, env providers.Env, name string) (groupObject, error) {
			o, err := declared[spec.Group, spec.GroupOut](env)
			if err != nil {
				return groupObject{}, err
			}
			return groupsOf(o.In).find(ctx, env, o, name)
		},
		Create: func(ctx context.Context, env providers.Env, in spec.Group) (spec.GroupOut, error) {
			return groupsOf(in).create(ctx, env, in)
		},
		Read: func(ctx context.Context, env providers.Env, o groupObject) (groupObject, error) {
			return groupsOf(o.In).read(ctx, env, o)
		},
		Update: func(ctx context.Context, env providers.Env, o groupObject, in spec.Group) (spec.GroupOut, error) {
			return groupsOf(in).update(ctx, env, o, in)
		},
		Delete: func(ctx context.Context, env providers.Env, o groupObject) error {
			return groupsOf(o.In).delete(ctx, env, o)
		},
	})
}

// groups is the life of groups in one kind of directory.
type groups struct {
	find   func(context.Context, providers.Env, groupObject, string) (groupObject, error)
	create func(context.Context, providers.Env, spec.Group) (spec.GroupOut, error)
	read   func(context.Context, providers.Env, groupObject) (groupObject, error)
	update func(context.Context, providers.Env, groupObject, spec.Group) (spec.GroupOut, error)
	delete func(context.Context, providers.Env, groupObject) error
}

// groupsOf returns the life of the groups where a group lives.
func groupsOf(in spec.Group) groups {
	if in.Domain != "" {
		return groups{findDomainGroup, createDomainGroup, readDomainGroup, updateDomainGroup, deleteDomainGroup}
	}
	return groups{findTenantGroup, createTenantGroup, readTenantGroup, updateTenantGroup, deleteTenantGroup}
}

// groupName is the display name of a group: as written, else the last part of
// its address.
func groupName(addr string, in spec.Group) string {
	if in.Name != "" {
		return in.Name
	}
	return addr[strings.LastIndex(addr, "group.")+len("group."):]
}
