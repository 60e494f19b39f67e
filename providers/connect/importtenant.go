package connect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
)

// seen is an object of the tenant, as far as a view of it goes.
type seen struct {
	Anchor   string            `json:"anchor,omitempty"` // of a synchronized user
	SID      string            `json:"sid,omitempty"`    // of a synchronized group
	DeviceID string            `json:"device_id,omitempty"`
	Keys     []graph.DeviceKey `json:"keys,omitempty"`   // searchableDeviceKey
	Device   *graph.Device     `json:"device,omitempty"` // of a registered one
}

// Views of the tenant besides its collections: what is written to the domain.
const (
	keysOfUsers = "keys"
	registered  = "registered"
)

// query is a delta query: what a part of a cycle asks of a collection. Each has
// a link of its own, so that a part that is paused misses nothing.
type query struct {
	view       string
	part       connect.Part
	collection string
	selected   string
}

var queries = []query{
	{users, connect.Accounts, users, "userPrincipalName,onPremisesImmutableId"},
	{groups, connect.Accounts, groups, "onPremisesSecurityIdentifier"},
	{devices, connect.Accounts, devices, "deviceId"},
	{keysOfUsers, connect.KeyExport, users, "userPrincipalName,searchableDeviceKey"},
	{registered, connect.DeviceWriteback, devices, "deviceId,displayName,accountEnabled,operatingSystem,operatingSystemVersion,trustType,isManaged,isCompliant," +
		"registrationDateTime,alternativeSecurityIds,transportKey,registeredOwner"},
}

// importTenant asks the tenant for updates: what changed since the last cycle,
// or everything, where the tenant does not know that any more.
func (c *cycle) importTenant(ctx context.Context, initial bool) error {
	client, err := graph.SignIn(ctx, c.env, c.set.Tenant)
	if err != nil {
		return &stop{stageImportTenant, "", err}
	}
	c.tenant = client
	if err := c.updates(ctx, initial); err != nil {
		client.Close()
		return err
	}
	return nil
}

func (c *cycle) updates(ctx context.Context, initial bool) error {
	links, err := c.links()
	if err != nil {
		return err
	}
	asked := slices.DeleteFunc(slices.Clone(queries), func(q query) bool { return !c.does(q.part) })
	everything := true
	for _, q := range asked {
		if initial {
			links[q.view] = ""
		}
		everything = everything && links[q.view] == ""
	}
	c.tell(ctx, event.Event{Peer: event.EntraID, Protocol: "HTTPS", Step: "updates_requested", Text: "Connect asks Entra ID for updates.",
		Message: map[string]any{"everything": everything}})
	changes := map[string]*seen{} // nil: removed
	for _, q := range asked {
		if links[q.view], err = c.ask(ctx, q, links[q.view], changes); err != nil {
			return &stop{stageImportTenant, "", fmt.Errorf("read %s: %w", q.collection, err)}
		}
	}
	for key, s := range changes {
		if s == nil {
			delete(c.seen, key)
		} else {
			c.seen[key] = s
		}
	}
	c.tell(ctx, event.Event{Peer: event.EntraID, Protocol: "HTTPS", Step: "tenant_imported", Text: "Connect takes the updates.", Message: map[string]any{"changes": len(changes), "objects": len(c.seen)}})
	return c.env.Section.Record(ctx, func(w providers.Writer) error {
		if err := c.forgetUnseen(w); err != nil {
			return err
		}
		for key, s := range changes {
			if s == nil {
				continue
			}
			if err := put(w, tableTenant, key, s); err != nil {
				return err
			}
		}
		for view, link := range links {
			if err := w.Put(tableLinks, view, []byte(link)); err != nil {
				return err
			}
		}
		return nil
	})
}

// links are where the last cycle left off, and c.seen what it knew then.
func (c *cycle) links() (map[string]string, error) {
	links := map[string]string{}
	err := c.env.Section.View(func(r providers.Reader) (err error) {
		if c.seen, err = all[seen](r, tableTenant); err != nil {
			return err
		}
		return r.Scan(tableLinks, "", func(view string, link []byte) error {
			links[view] = string(link)
			return nil
		})
	})
	return links, err
}

// ask follows one delta query. Where the tenant wants everything read anew, it
// is: what does not come is not there any more.
func (c *cycle) ask(ctx context.Context, q query, link string, changes map[string]*seen) (string, error) {
	anew := func() {
		for key := range c.seen {
			if strings.HasPrefix(key, q.view+"/") {
				delete(c.seen, key)
			}
		}
	}
	if link == "" {
		anew()
	}
	var next string
	var err error
	for {
		switch q.view {
		case users:
			next, err = delta(ctx, c, q, link, changes, func(u *graph.User) *seen { return &seen{Anchor: u.ImmutableID} })
		case keysOfUsers:
			next, err = delta(ctx, c, q, link, changes, func(u *graph.User) *seen { return &seen{Keys: u.HelloKeys} })
		case groups:
			next, err = delta(ctx, c, q, link, changes, func(g *graph.Group) *seen { return &seen{SID: g.OnPremSID} })
		case devices:
			next, err = delta(ctx, c, q, link, changes, func(d *graph.Device) *seen { return &seen{DeviceID: strings.ToLower(d.DeviceID)} })
		default:
			next, err = delta(ctx, c, q, link, changes, func(d *graph.Device) *seen { return &seen{Device: d} })
		}
		if link == "" || !graph.IsResync(err) {
			return next, err
		}
		link = ""
		anew()
	}
}

func delta[T any](ctx context.Context, c *cycle, q query, link string, changes map[string]*seen, see func(*T) *seen) (string, error) {
	return graph.Delta(ctx, c.tenant, q.collection, link, q.selected, func(ch graph.Change[T]) error {
		key := q.view + "/" + ch.ID
		changes[key] = nil
		if !ch.Removed {
			changes[key] = see(ch.Object)
		}
		return nil
	})
}

// forgetUnseen removes from the section what the tenant does not have.
func (c *cycle) forgetUnseen(w providers.Writer) error {
	var gone []string
	err := w.Scan(tableTenant, "", func(key string, _ []byte) error {
		if c.seen[key] == nil {
			gone = append(gone, key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range gone {
		if err := w.Delete(tableTenant, key); err != nil {
			return err
		}
	}
	return nil
}
