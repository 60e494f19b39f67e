package directory

import (
	"fmt"
	"slices"

	"hellolab/providers/wire/sid"
)

// groups returns the groups that an object is in, however far: by member links
// and, of an account, its primary group. Each comes once, the nearest first.
func (d *Directory) groups(r reader, o *object) ([]*object, error) {
	var out []*object
	seen := map[string]bool{o.ID.String(): true}
	next := []string{}
	if o.is("user") {
		primary, err := r.bySID(d.sid.Account(uint32(o.number("primaryGroupID"))))
		if err != nil {
			return nil, fmt.Errorf("primary group of %s: %w", o.DN, err)
		}
		next = append(next, primary.ID.String())
	}
	direct, err := r.linked(tableBackLinks, "member", o.ID)
	if err != nil {
		return nil, err
	}
	for next = append(next, direct...); len(next) > 0; {
		id := next[0]
		next = next[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		g, err := r.object(id)
		if err != nil {
			return nil, fmt.Errorf("group of %s: %w", o.DN, err)
		}
		out = append(out, g)
		above, err := r.linked(tableBackLinks, "member", g.ID)
		if err != nil {
			return nil, err
		}
		next = append(next, above...)
	}
	return out, nil
}

// groupSIDs returns the identifiers of groups, in order.
func (d *Directory) groupSIDs(r reader, o *object) ([]sid.SID, error) {
	groups, err := d.groups(r, o)
	if err != nil {
		return nil, err
	}
	out := make([]sid.SID, 0, len(groups))
	for _, g := range groups {
		s, err := sid.Decode([]byte(g.first("objectSid")))
		if err != nil {
			return nil, fmt.Errorf("identifier of %s: %w", g.DN, err)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b sid.SID) int { return int(int64(a.RID()) - int64(b.RID())) })
	return out, nil
}
