package windows

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/guid"
)

// install makes the device: a TPM with certified endorsement key, or a machine
// key for the software provider; the keys that registration will use; one key
// in the pre-generation pool. All of it appears at once.
func (w *Windows) install(ctx context.Context, env providers.Env, in spec.Device) (*machine, error) {
	id, err := guid.New(env.Rand)
	if err != nil {
		return nil, err
	}
	m := w.newMachine(env, env.Addr, in)
	m.rec = machineRecord{MachineID: id.String(), Name: computerName(in, env.Addr)}
	m.rec.makePersonal(in, id)
	if in.Tenant != "" {
		if m.rec.TenantWide, err = hello.EnrollmentPolicies(env.Objects); err != nil {
			return nil, fmt.Errorf("%s: tenant-wide policy: %w", env.Addr, err)
		}
	}
	var image []byte
	var spare ksp.Key
	if in.TPM == "none" {
		m.rec.Storage = ksp.Software
		if m.rec.MachineKey, err = random(env, ksp.MachineKeySize); err != nil {
			return nil, err
		}
		if err := m.openKSP(); err != nil {
			return nil, err
		}
		for key, use := range map[*ksp.Key]ksp.Use{&m.rec.DeviceKey: ksp.Sign, &m.rec.TransportKey: ksp.Decrypt} {
			if *key, err = m.ksp.CreateKey(ctx, use, nil); err != nil {
				return nil, err
			}
		}
	} else {
		if err := tpm.Available(env.Addr); err != nil {
			return nil, err
		}
		b, err := w.pool.Take(ctx, env.Now())
		if err != nil {
			return nil, fmt.Errorf("%s: manufacture TPM: %w", env.Addr, err)
		}
		m.rec.Storage, image, spare = ksp.TPM, b.Image, b.User
		m.rec.EK, m.rec.AIK, m.rec.DeviceKey, m.rec.TransportKey = b.EK, b.AIK, b.Device, b.Transport
		if m.rec.EKChain, err = certifyEK(ctx, env, b.EK); err != nil {
			return nil, fmt.Errorf("%s: endorsement key certificate: %w", env.Addr, err)
		}
	}
	err = env.Section.Update(ctx, func(s providers.Writer) error {
		if image != nil {
			if err := errors.Join(s.Put(tableTPM, "image", image), put(s, tablePool, poolKey(spare), pooledKey{Key: spare})); err != nil {
				return err
			}
		}
		return put(s, tableMachine, "record", m.rec)
	})
	if err != nil {
		return nil, err
	}
	failpoint(env, "device:installed")
	return m, m.openKSP()
}

// certifyEK has the TPM's manufacturer certify its endorsement key.
func certifyEK(ctx context.Context, env providers.Env, ek []byte) ([][]byte, error) {
	public, err := attest.ParsePublic(ek)
	if err != nil {
		return nil, err
	}
	template, err := attest.EKTemplate(attest.Simulator)
	if err != nil {
		return nil, err
	}
	return env.PKI.Issue(ctx, providers.TPMVendorRoot, template, public.Key())
}
