package trust

import (
	"fmt"
	"maps"
	"slices"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Lists of a new server object: those of a read-only controller (Microsoft,
// "Password Replication Policy"), and Domain Users, without whom nobody would get
// in.
var (
	defaultAllowed = []wellKnown{{rid: sid.RIDAllowedRODCReplication}, {rid: sid.RIDDomainUsers}}
	defaultDenied  = []wellKnown{{rid: sid.RIDDeniedRODCReplication}, {544, true}, {548, true}, {549, true}, {551, true}} // Administrators; Account, Server, Backup Operators
)

// wellKnown is a group that every domain has.
type wellKnown struct {
	rid     uint32
	builtin bool // of S-1-5-32, not of the domain
}

// list returns the groups of a list as declared, or those of the default.
func (b *both) list(refs []providers.Ref, otherwise []wellKnown) ([]guid.GUID, error) {
	var out []guid.GUID
	if refs == nil {
		domain, err := sid.Parse(b.domain.Out.SID)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.domain.Addr, err)
		}
		for _, g := range otherwise {
			id := domain.Account(g.rid)
			if g.builtin {
				id = sid.New(5, 32, g.rid)
			}
			e, err := b.ldap.First(ldapmsg.EqualTo("objectSid", id.String()))
			if err != nil {
				return nil, err
			}
			out = append(out, e.GUID)
		}
		return out, nil
	}
	for _, ref := range refs {
		g, err := providers.Resolve[spec.Group, spec.GroupOut](b.env, ref)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ref, err)
		}
		id, err := guid.Parse(g.Out.ObjectID)
		if err != nil || g.In.Domain != b.in.Domain {
			return nil, fmt.Errorf("%s is not a group of %s", ref, b.in.Domain)
		}
		out = append(out, id)
	}
	return out, nil
}

// names are the groups as an attribute takes them.
func names(groups []guid.GUID) []string {
	out := make([]string, len(groups))
	for i, g := range groups {
		out[i] = adldap.ByGUID(g.String())
	}
	return out
}

// held is a list as the domain has it: as declared where they agree, else the
// groups by address, and by distinguished name those that nobody declared.
func (b *both) held(refs []providers.Ref, otherwise []wellKnown, values [][]byte) ([]providers.Ref, error) {
	found, err := ids(values)
	if err != nil {
		return nil, err
	}
	want, err := b.list(refs, otherwise)
	if err == nil && len(want) == len(found) && !slices.ContainsFunc(want, func(id guid.GUID) bool { return found[id] == "" }) {
		return refs, nil
	}
	groups, err := providers.ResolveAll[spec.Group, spec.GroupOut](b.env, "group")
	if err != nil {
		return nil, err
	}
	out := []providers.Ref{}
	for _, g := range groups {
		if id, err := guid.Parse(g.Out.ObjectID); err == nil && found[id] != "" && g.In.Domain == b.in.Domain {
			out = append(out, providers.Ref(g.Addr))
			delete(found, id)
		}
	}
	for _, dn := range slices.Sorted(maps.Values(found)) {
		out = append(out, providers.Ref(dn))
	}
	return out, nil
}
