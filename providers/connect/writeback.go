package connect

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// writeBack writes the devices that are registered with the tenant to the
// domain, whatever their join, and makes those that it wrote before what the
// tenant says now: one that was deleted, or that has yet to register again,
// goes. What is there is read first, so that a cycle that was cut off, or a
// change behind Connect's back, is made good. Devices that Connect did not write
// stay as they are.
func (c *cycle) writeBack(ctx context.Context) error {
	container := addevice.ContainerDN(c.domain.Base)
	found, err := c.domain.List(container, ldapmsg.EqualTo("objectClass", addevice.Class), addevice.Attributes...)
	if err != nil {
		return &stop{stageWriteBack, container, err}
	}
	written := map[guid.GUID]*adldap.Entry{}
	for _, e := range found {
		d, err := addevice.Parse(e)
		switch {
		case err != nil:
			c.problem(ctx, stageWriteBack, e.DN, err, false)
		case d.Anchor != "":
			written[d.ID] = e
		}
	}
	want := c.registeredDevices(ctx)
	for _, id := range slices.SortedFunc(maps.Keys(written), byText) {
		if want[id] == nil {
			if err := c.written(ctx, written[id].DN, c.removeDevice(ctx, id, written[id])); err != nil {
				return err
			}
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(want), byText) {
		if err := c.written(ctx, addevice.DN(c.domain.Base, id), c.writeDevice(ctx, want[id], written[id])); err != nil {
			return err
		}
	}
	return nil
}

func byText(a, b guid.GUID) int { return strings.Compare(a.String(), b.String()) }

// written notes what kept a device from being written; an error ends the cycle.
func (c *cycle) written(ctx context.Context, dn string, err error) error {
	switch {
	case err == nil:
		return nil
	case refused(err):
		c.problem(ctx, stageWriteBack, dn, err, true)
		return nil
	}
	return &stop{stageWriteBack, "", err}
}

// registeredDevices are the tenant's, as they are to stand in the domain. A
// computer that is pending has no certificate, and is none of them.
func (c *cycle) registeredDevices(ctx context.Context) map[guid.GUID]*addevice.Device {
	owners := map[string]string{} // object id in the tenant → SID
	for id, j := range c.joined {
		if o := c.objects[id]; o != nil && o.collection == users && j.ID != "" {
			owners[j.ID] = o.SID
		}
	}
	out := map[guid.GUID]*addevice.Device{}
	for key, s := range c.seen {
		view, object, _ := strings.Cut(key, "/")
		if view != registered || s.Device == nil || len(s.Device.AlternativeSecurityID) == 0 {
			continue
		}
		d, err := deviceOf(object, s.Device, owners)
		if err != nil {
			c.problem(ctx, stageWriteBack, "", fmt.Errorf("device %s: %w", s.Device.DeviceID, err), false)
			continue
		}
		out[d.ID] = d
	}
	return out
}

func deviceOf(object string, g *graph.Device, owners map[string]string) (*addevice.Device, error) {
	is := func(b *bool) bool { return b != nil && *b }
	d := &addevice.Device{Name: g.DisplayName, Identities: g.AlternativeSecurityID, OS: g.OperatingSystem, OSVersion: g.OSVersion,
		Enabled: is(g.AccountEnabled), Managed: is(g.IsManaged), Compliant: is(g.IsCompliant), Anchor: object, TransportKey: g.TransportKey}
	var err error
	if d.ID, err = guid.Parse(g.DeviceID); err != nil {
		return nil, err
	}
	if g.Registered != "" {
		if d.Registered, err = time.Parse(time.RFC3339, g.Registered); err != nil {
			return nil, err
		}
	}
	if owner := owners[g.RegisteredOwner]; owner != "" {
		if d.Owner, err = sid.Parse(owner); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// writeDevice makes a device's object what it is to be.
func (c *cycle) writeDevice(ctx context.Context, d *addevice.Device, e *adldap.Entry) error {
	key, err := d.Key()
	if err != nil {
		return err
	}
	name, values := addevice.DN(c.domain.Base, d.ID), d.Values()
	if e == nil {
		values["objectClass"] = []string{addevice.Class}
		maps.DeleteFunc(values, func(_ string, v []string) bool { return len(v) == 0 })
		if err := c.domain.Add(name, values); err != nil {
			return err
		}
		c.report.Counts.Written.Added++
		c.tellDevice(ctx, d, name, "device_written_back", "Connect writes a registered device to the domain.")
		return c.writeTransportKey(name, key, nil)
	}
	maps.DeleteFunc(values, func(attribute string, want []string) bool { return same(e.Values(attribute), want) })
	was, err := keysIn(e)
	if err != nil {
		return err
	}
	keyed := len(was) == 0 && key == nil || len(was) == 1 && bytes.Equal(was[0], key)
	if len(values) == 0 && keyed {
		return nil
	}
	if err := c.domain.Replace(name, values); err != nil {
		return err
	}
	if !keyed {
		if err := c.writeTransportKey(name, key, was); err != nil {
			return err
		}
	}
	c.report.Counts.Written.Updated++
	c.tellDevice(ctx, d, name, "device_written_back_changed", "Connect changes a registered device in the domain.")
	return nil
}

// writeTransportKey makes a device's only key this one; nil: it has none.
func (c *cycle) writeTransportKey(name string, key []byte, was [][]byte) error {
	for _, old := range was {
		if bytes.Equal(old, key) {
			continue
		}
		if err := c.domain.RemoveValue(name, addevice.KeyAttribute, ldapmsg.DNBinary{Binary: old, DN: name}.String()); err != nil {
			return err
		}
	}
	if key == nil {
		return nil
	}
	return c.domain.AddValue(name, addevice.KeyAttribute, ldapmsg.DNBinary{Binary: key, DN: name}.String())
}

func (c *cycle) removeDevice(ctx context.Context, id guid.GUID, e *adldap.Entry) error {
	err := c.domain.Delete(e.DN)
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil
	}
	if err != nil {
		return err
	}
	c.report.Counts.Written.Deleted++
	c.tell(ctx, event.Event{Peer: event.ActiveDirectory, Protocol: "LDAP", Step: "device_written_back_removed", Text: "Connect removes a device from the domain that the tenant has not any more.",
		Message: map[string]any{"object": e.DN, "device_id": id.String()}})
	return nil
}

func (c *cycle) tellDevice(ctx context.Context, d *addevice.Device, dn, step, text string) {
	m := map[string]any{"object": dn, "device_id": d.ID.String(), "name": d.Name, "enabled": d.Enabled, "altSecurityIdentities": d.Identities}
	if !d.Owner.IsZero() {
		m["owner_sid"] = d.Owner.String()
	}
	c.tell(ctx, event.Event{Peer: event.ActiveDirectory, Protocol: "LDAP", Step: step, Text: text, Message: m})
}

// keysIn are the binary parts of a device's keys.
func keysIn(e *adldap.Entry) (out [][]byte, err error) {
	for _, v := range e.Values(addevice.KeyAttribute) {
		b, err := ldapmsg.ParseDNBinary(string(v))
		if err != nil {
			return nil, err
		}
		out = append(out, b.Binary)
	}
	return out, nil
}

// same says whether an attribute has these values, in whatever order.
func same(has [][]byte, want []string) bool {
	if len(has) != len(want) {
		return false
	}
	for _, v := range has {
		if !slices.Contains(want, string(v)) {
			return false
		}
	}
	return true
}

// keepDevices lets the server's account keep the devices in the domain, or takes
// that from it, as the wizard's Initialize-ADSyncDeviceWriteBack does: their
// container is managed by it, or by a group that it is in. What was written stays.
func (s *settings) keepDevices(c *adldap.Conn) error {
	account, err := c.First(ldapmsg.EqualTo("sAMAccountName", s.Account.Name()))
	if err != nil {
		return err
	}
	keeper, is, err := s.keepsDevices(c, account.GUID)
	container := addevice.ContainerDN(s.Account.Base)
	switch {
	case err != nil || is == s.In.DeviceWriteback:
		return err
	case keeper == nil:
		return c.Replace(container, adldap.Attributes{"managedBy": {account.DN}})
	case keeper.GUID == account.GUID:
		return c.Replace(container, adldap.Attributes{"managedBy": nil})
	case !slices.ContainsFunc(keeper.Values("objectClass"), func(v []byte) bool { return strings.EqualFold(string(v), "group") }):
		return fmt.Errorf("%s keeps the devices of the domain: set managedBy of %s to a group that %s is in, too", keeper.DN, container, keeper.DN)
	case s.In.DeviceWriteback:
		return c.AddValue(keeper.DN, "member", account.DN)
	}
	return c.RemoveValue(keeper.DN, "member", account.DN)
}

// keepsDevices says whether an account is the keeper of the domain's devices, or
// in the group that is. The keeper is nil when nobody is.
func (s *settings) keepsDevices(c *adldap.Conn, account guid.GUID) (keeper *adldap.Entry, is bool, err error) {
	e, err := c.Read(addevice.ContainerDN(s.Account.Base), "managedBy")
	if err != nil || e.Text("managedBy") == "" {
		return nil, false, err
	}
	_, id, err := adldap.SplitName(e.Text("managedBy"))
	if err != nil {
		return nil, false, err
	}
	if keeper, err = c.Read(adldap.ByGUID(id.String()), "objectClass", "member"); err != nil {
		return nil, false, err
	}
	for _, v := range keeper.Values("member") {
		_, member, err := adldap.SplitName(string(v))
		if err != nil {
			return nil, false, err
		}
		is = is || member == account
	}
	return keeper, is || id == account, nil
}
