package windows

import (
	"context"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

// updateDevice changes what a device may change without joining anew.
func (w *Windows) updateDevice(ctx context.Context, env providers.Env, _ deviceObject, in spec.Device) (spec.DeviceOut, error) {
	defer in.UnlockPIN.Wipe()
	m, err := w.machine(env, env.Addr, in)
	if err != nil {
		return spec.DeviceOut{}, err
	}
	name := computerName(in, env.Addr)
	if err := m.changeComputer(ctx); err != nil {
		return spec.DeviceOut{}, fmt.Errorf("%s: change the computer: %w", env.Addr, err)
	}
	if m.rec.Registration != nil {
		change := standing(in)
		if m.rec.Member == nil { // else Connect carries what the computer's account says
			change.DisplayName, change.OSVersion = name, osVersion(in.OS)
		}
		err := m.change(ctx, change)
		if graph.IsNotFound(err) && m.rec.Member != nil {
			err = m.tellRemoved(ctx, env)
		}
		if err != nil {
			return spec.DeviceOut{}, fmt.Errorf("%s: change the device object: %w", env.Addr, err)
		}
	}
	if m.rec.Name != name {
		m.rec.Name = name
		if err := m.save(ctx); err != nil {
			return spec.DeviceOut{}, err
		}
	}
	return m.out(), nil
}

// tellRemoved tells that the tenant has a computer no more, so that nothing there is
// left to be changed: a cycle of Connect, perhaps of this very apply, took it from the
// tenant. The next refresh finds it gone.
func (m *machine) tellRemoved(ctx context.Context, env providers.Env) error {
	t, _, err := newTrace(ctx, env, hello.DR, "", m.addr)
	if err != nil {
		return err
	}
	const text = "The tenant has the computer's device object no more, so nothing there is changed: Connect takes away what is not in its scope. Add the computer's container to the scope, and plan again."
	t.skip(event.EntraID, "device_object_removed", text, "device_unknown")
	env.Log.Warn("the device is not in the tenant any more: Connect's scope leaves it out", "device", m.addr)
	return nil
}

// standing is what the administrator and device management say of a device. One
// that is called compliant is managed: nobody else can call it so.
func standing(in spec.Device) graph.Device {
	return graph.Device{AccountEnabled: &in.EnabledInTenant, IsManaged: &in.Compliant, IsCompliant: &in.Compliant}
}

// change changes the device's objects in the directories, as their administrator.
func (m *machine) change(ctx context.Context, change graph.Device) error {
	all, err := m.everywhere()
	if err != nil {
		return err
	}
	for _, v := range all {
		if v.rec.Registration == nil {
			continue
		}
		tenant, err := v.itsTenant()
		if err != nil {
			return err
		}
		a, err := m.w.newAdmin(ctx, m.desk, tenant)
		if err != nil {
			return err
		}
		err = a.Patch(ctx, change, "devices", v.rec.Registration.ObjectID)
		a.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
