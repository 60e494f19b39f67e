package windows

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/graph"
)

type deviceObject = providers.Object[spec.Device, spec.DeviceOut]

func (w *Windows) device() providers.Kind[spec.Device, spec.DeviceOut] {
	return providers.Kind[spec.Device, spec.DeviceOut]{
		Name:  "device",
		Doc:   "A Windows device with its TPM, joined to a tenant, registered with one or more, or known to none.",
		After: []string{"tenant", "user", "domain", "authority", "federation", "sync"},
		Home:  deviceHome,
		Key:   deviceKey,
		Find:  w.findDevice, Create: w.createDevice, Read: w.readDevice, Update: w.updateDevice, Delete: w.deleteDevice,
	}
}

// deviceHome is the tenant that has the device's records. Work accounts of
// several tenants leave records in each, so that no one tenant takes them all
// with it.
func deviceHome(in spec.Device) providers.Ref {
	if len(in.WorkAccounts) > 1 {
		return ""
	}
	return in.Tenant
}

// deviceKey names a device by tenant and name, when it is given one. A device
// named by its block has no key of its own: its address tells it apart.
func deviceKey(in spec.Device) string {
	if in.Name == "" {
		return ""
	}
	return string(in.Tenant) + "|" + strings.ToLower(in.Name)
}

// createDevice installs the device (its TPM, keys and identity come to be) and
// registers it: flow DR, once for a joined device, for each work account of a
// personal one. Each step is durable before the next begins, and a second call
// goes on where a killed one stopped.
func (w *Windows) createDevice(ctx context.Context, env providers.Env, in spec.Device) (spec.DeviceOut, error) {
	defer in.UnlockPIN.Wipe()
	defer w.idle.begin()()
	m, err := w.machine(env, env.Addr, in)
	if errors.Is(err, errNotInstalled) {
		if err := alone(env, in); err != nil {
			return spec.DeviceOut{}, err
		}
		m, err = w.install(ctx, env, in)
	}
	if err != nil {
		return spec.DeviceOut{}, err
	}
	if in.Join == string(hello.NotJoined) {
		return m.out(), nil
	}
	switch {
	case m.inDomain():
		err = m.joinDomain(ctx)
	case in.Tenant == "":
		err = fmt.Errorf("%s: join = %q needs a tenant", env.Addr, in.Join)
	case m.personal():
		if err := m.setUp(ctx, in.UnlockPIN); err != nil {
			return spec.DeviceOut{}, fmt.Errorf("%s: set up Windows: %w", env.Addr, err)
		}
		err = m.addWorkAccounts(ctx)
	default:
		err = m.joinTenant(ctx)
	}
	if err != nil {
		return spec.DeviceOut{}, err
	}
	if !in.EnabledInDomain {
		if err := m.changeComputer(ctx); err != nil {
			return spec.DeviceOut{}, fmt.Errorf("%s: disable the computer: %w", env.Addr, err)
		}
	}
	if m.rec.Registration != nil && (!in.EnabledInTenant || in.Compliant) {
		if err := m.change(ctx, standing(in)); err != nil {
			return spec.DeviceOut{}, fmt.Errorf("%s: change the device object: %w", env.Addr, err)
		}
	}
	return m.out(), nil
}

// joinTenant joins the device out of the box, if it is not joined yet.
func (m *machine) joinTenant(ctx context.Context) error {
	tenant, err := tenantOf(m.env, m.in.Tenant)
	if err != nil {
		return err
	}
	if err := m.settle(ctx, tenant); err != nil {
		return fmt.Errorf("%s: what an earlier join left: %w", m.addr, err)
	}
	if m.registered() {
		return nil
	}
	joiner, err := joinerOf(m.env)
	if err != nil {
		return err
	}
	defer joiner.password.Wipe()
	if err := m.register(ctx, tenant, joiner); err != nil {
		return fmt.Errorf("%s: join: %w", m.addr, err)
	}
	return nil
}

// alone refuses a second device of the same given name in one tenant.
func alone(env providers.Env, in spec.Device) error {
	if in.Name == "" {
		return nil
	}
	all, err := env.Objects.List("device")
	if err != nil {
		return err
	}
	for _, rec := range all {
		if rec.Addr == env.Addr || rec.Out.IsNull() {
			continue
		}
		name, tenant := text(rec.In, "name"), text(rec.In, "tenant")
		if tenant == string(in.Tenant) && strings.EqualFold(name, in.Name) {
			return fmt.Errorf("%s: %s has the name %q already", env.Addr, rec.Addr, in.Name)
		}
	}
	return nil
}

// text reads a string attribute without decoding the object.
func text(in cty.Value, name string) string {
	if in.IsNull() || !in.IsKnown() || !in.Type().HasAttribute(name) {
		return ""
	}
	v := in.GetAttr(name)
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// joinerOf is the user who joins the device at hand out of the box (R14).
func joinerOf(env providers.Env) (person, error) {
	addr, err := hello.JoinerOf(env.Objects, env.Addr)
	if err != nil {
		return person{}, err
	}
	if addr == "" {
		return person{}, fmt.Errorf("%s: nobody is there to join the device: set joined_by on it, or declare an enrollment of a user on it", env.Addr)
	}
	return userOf(env, providers.Ref(addr))
}

// registered reports whether registration is complete, in the domain and with
// the tenant.
func (m *machine) registered() bool {
	if m.inDomain() && m.rec.Member == nil {
		return false
	}
	if m.in.Join == string(hello.DomainJoined) {
		sts, err := m.enterpriseService()
		return err == nil && (sts == nil || m.rec.Enterprise != nil && m.rec.Enterprise.ObjectID != "")
	}
	r := m.rec.Registration
	return r != nil && r.ObjectID != "" && (m.tpm == nil || len(m.rec.AIKChain) > 0)
}

func (m *machine) out() spec.DeviceOut {
	out := spec.DeviceOut{DeviceID: m.rec.MachineID, EKHash: m.rec.ekHash(), TenantWide: m.rec.TenantWide}
	if j := m.rec.Member; j != nil {
		out.DeviceID, out.SID = j.ObjectGUID, j.SID
	}
	if r := m.identity(); r != nil {
		out.DeviceID, out.ObjectID, out.Thumbprint = r.DeviceID, r.ObjectID, r.Thumbprint
		if blob, err := m.transportBlob(); err == nil {
			sum := sha256.Sum256(blob)
			out.TransportKey = base64.StdEncoding.EncodeToString(sum[:])
		}
	}
	return out
}

// transportBlob is the public transport key as it is registered.
func (m *machine) transportBlob() ([]byte, error) {
	pub, err := m.rec.TransportKey.RSA()
	if err != nil {
		return nil, err
	}
	return cng.MarshalRSAPublic(pub), nil
}

// declaredDevice is what is asked of the device at hand.
func declaredDevice(env providers.Env) (spec.Device, error) {
	o, err := providers.Resolve[spec.Device, spec.DeviceOut](env, providers.Ref(env.Addr))
	o.In.UnlockPIN.Wipe()
	o.In.UnlockPIN = nil
	if errors.Is(err, providers.ErrUnknownObject) {
		return spec.Device{}, providers.ErrGone
	}
	return o.In, err
}

// findDevice tells what a creation left that failed or was killed. A device that
// is installed and not registered is one that is joined to nothing, or to its
// domain alone, whatever was asked.
func (w *Windows) findDevice(ctx context.Context, env providers.Env, key string) (deviceObject, error) {
	in, err := declaredDevice(env)
	if err != nil {
		return deviceObject{}, err
	}
	m, err := w.machine(env, env.Addr, in)
	if errors.Is(err, errNotInstalled) || err == nil && key != deviceKey(in) {
		return deviceObject{}, providers.ErrGone
	}
	if err != nil {
		return deviceObject{}, err
	}
	o := deviceObject{Addr: env.Addr, In: in, Out: m.out()}
	o.ID = o.Out.DeviceID
	if in.Join == string(hello.NotJoined) {
		return o, nil
	}
	whole, err := m.whole()
	if err != nil {
		return deviceObject{}, err
	}
	if !whole {
		o.In.Join, o.In.Tenant, o.In.JoinedBy = string(hello.NotJoined), "", ""
		o.In.UnlockAccount, o.In.WorkAccounts = "", nil
		if m.rec.Member != nil && in.Join != string(hello.DomainJoined) { // which lacks the registration
			o.In.Join = string(hello.DomainJoined)
		} else {
			o.In.Domain = ""
		}
		return o, nil
	}
	return w.readDevice(ctx, env, o)
}

// readDevice compares the device with its object in the directory.
func (w *Windows) readDevice(ctx context.Context, env providers.Env, o deviceObject) (deviceObject, error) {
	m, err := w.machine(env, o.Addr, o.In)
	if errors.Is(err, errNotInstalled) {
		return o, providers.ErrGone
	}
	if err != nil {
		return o, err
	}
	if m.inDomain() {
		enabled, err := m.inItsDomain(ctx)
		if err != nil {
			return o, err
		}
		o.In.EnabledInDomain = enabled
	}
	if m.rec.Enterprise != nil {
		switch _, err := m.enterpriseObject(ctx); {
		case errors.Is(err, addevice.ErrNotWritten):
			return o, providers.ErrGone
		case err != nil:
			return o, err
		}
	}
	// A join that was cut off half way is remembered as no join; what there is
	// of a registration goes when the device is made anew.
	if m.rec.Registration == nil || o.In.Join == string(hello.NotJoined) {
		return o, nil
	}
	all, err := m.everywhere()
	if err != nil {
		return o, err
	}
	asked := o.In
	for _, v := range all {
		if v.rec.Registration == nil {
			return o, providers.ErrGone
		}
		d, err := v.object(ctx)
		if graph.IsNotFound(err) {
			return o, providers.ErrGone
		}
		if err != nil {
			return o, err
		}
		// What one tenant has otherwise is what is reported.
		if d.AccountEnabled != nil && *d.AccountEnabled != asked.EnabledInTenant {
			o.In.EnabledInTenant = *d.AccountEnabled
		}
		if is := d.IsCompliant != nil && *d.IsCompliant; is != asked.Compliant {
			o.In.Compliant = is
		}
		if name := computerName(asked, o.Addr); d.DisplayName != name && (m.rec.Member == nil || !strings.EqualFold(d.DisplayName, name)) { // a domain's names have no case
			o.In.Name = d.DisplayName
		}
	}
	return o, nil
}

// object is the device's object in the directory, or graph's not found.
func (m *machine) object(ctx context.Context) (*graph.Device, error) {
	tenant, err := m.itsTenant()
	if err != nil {
		return nil, err
	}
	a, err := m.w.newAdmin(ctx, m.desk, tenant)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return a.device(ctx, m.rec.Registration.DeviceID)
}

// deleteDevice leaves each tenant, by the certificate that it gave the device.
func (w *Windows) deleteDevice(ctx context.Context, env providers.Env, o deviceObject) error {
	m, err := w.machine(env, o.Addr, o.In)
	if errors.Is(err, errNotInstalled) {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := m.everywhere()
	if err != nil {
		return err
	}
	for _, v := range all {
		if err := v.depart(ctx); err != nil {
			return err
		}
	}
	if err := m.leaveEnterprise(ctx); err != nil {
		return err
	}
	return m.leaveDomain(ctx)
}

// depart ends a registration, or what a join that was cut off left of one.
func (m *machine) depart(ctx context.Context) error {
	if m.rec.Registration == nil && m.rec.Joining == "" {
		return nil
	}
	tenant, err := m.tenantOfRecord()
	if err != nil {
		return err
	}
	if m.rec.Joining != "" {
		return m.abandonJoin(ctx, tenant)
	}
	leaveErr := m.leave(ctx, tenant)
	if leaveErr == nil {
		return nil
	}
	// The service turns away a certificate whose device is gone already; and a
	// device whose TPM is broken cannot show its certificate.
	a, err := m.w.newAdmin(ctx, m.desk, tenant)
	if err != nil {
		return errors.Join(leaveErr, err)
	}
	defer a.Close()
	d, err := a.device(ctx, m.rec.Registration.DeviceID)
	if graph.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return errors.Join(leaveErr, err)
	}
	m.env.Log.Warn("the device could not leave by itself; the administrator removes it", "device", m.addr, "error", leaveErr)
	return a.Delete(ctx, "devices", d.ID)
}

// tenantOfRecord is the tenant that the device is registered with, or was
// joining: its declaration may say otherwise after a join was cut off.
func (m *machine) tenantOfRecord() (spec.TenantOut, error) {
	id := m.rec.Joining
	if m.rec.Registration != nil {
		id = m.rec.Registration.TenantID
	}
	all, err := providers.ResolveAll[spec.Tenant, spec.TenantOut](m.env, "tenant")
	if err != nil {
		return spec.TenantOut{}, err
	}
	for _, t := range all {
		if t.Out.TenantID == id {
			return t.Out, nil
		}
	}
	return spec.TenantOut{}, fmt.Errorf("%s: its tenant %s is not in the lab", m.addr, id)
}
