package connect

import (
	"context"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/graph"
)

// seen is an object of the tenant, as far as Connect looks at it.
type seen struct {
	Anchor   string            `json:"anchor,omitempty"` // of a synchronized user
	SID      string            `json:"sid,omitempty"`    // of a synchronized group
	DeviceID string            `json:"device_id,omitempty"`
	Keys     []graph.DeviceKey `json:"keys,omitempty"` // searchableDeviceKey
}

// queries are the delta queries of a cycle: what is asked of each collection.
var queries = []struct{ collection, selected string }{
	{users, "userPrincipalName,onPremisesImmutableId,searchableDeviceKey"},
	{groups, "onPremisesSecurityIdentifier"},
	{devices, "deviceId"},
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
	links, err := c.links(initial)
	if err != nil {
		return err
	}
	c.tell(ctx, event.Event{Peer: event.EntraID, Protocol: "HTTPS", Step: "updates_requested", Text: "Connect asks Entra ID for updates.",
		Message: map[string]any{"everything": links[users] == ""}})
	changes := map[string]*seen{} // nil: removed
	for _, q := range queries {
		if links[q.collection], err = c.ask(ctx, q.collection, q.selected, links[q.collection], changes); err != nil {
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
		for collection, link := range links {
			if err := w.Put(tableLinks, collection, []byte(link)); err != nil {
				return err
			}
		}
		return nil
	})
}

// links are where the last cycle left off, and c.seen what it knew then.
func (c *cycle) links(initial bool) (map[string]string, error) {
	links := map[string]string{}
	c.seen = map[string]*seen{}
	if initial {
		return links, nil
	}
	err := c.env.Section.View(func(r providers.Reader) (err error) {
		if c.seen, err = all[seen](r, tableTenant); err != nil {
			return err
		}
		return r.Scan(tableLinks, "", func(collection string, link []byte) error {
			links[collection] = string(link)
			return nil
		})
	})
	return links, err
}

// ask follows one delta query. Where the tenant wants everything read anew, it
// is: what does not come is not there any more.
func (c *cycle) ask(ctx context.Context, collection, selected, link string, changes map[string]*seen) (string, error) {
	anew := func() {
		for key := range c.seen {
			if strings.HasPrefix(key, collection+"/") {
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
		switch collection {
		case users:
			next, err = delta(ctx, c, collection, link, selected, changes, func(u *graph.User) *seen { return &seen{Anchor: u.ImmutableID, Keys: u.HelloKeys} })
		case groups:
			next, err = delta(ctx, c, collection, link, selected, changes, func(g *graph.Group) *seen { return &seen{SID: g.OnPremSID} })
		default:
			next, err = delta(ctx, c, collection, link, selected, changes, func(d *graph.Device) *seen { return &seen{DeviceID: strings.ToLower(d.DeviceID)} })
		}
		if link == "" || !graph.IsResync(err) {
			return next, err
		}
		link = ""
		anew()
	}
}

func delta[T any](ctx context.Context, c *cycle, collection, link, selected string, changes map[string]*seen, see func(*T) *seen) (string, error) {
	return graph.Delta(ctx, c.tenant, collection, link, selected, func(ch graph.Change[T]) error {
		key := collection + "/" + ch.ID
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
