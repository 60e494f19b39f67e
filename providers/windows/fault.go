package windows

import (
	"context"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// Faults returns what can break at a device by the hands of whoever has it.
func (w *Windows) Faults() []providers.Fault {
	return []providers.Fault{
		{
			Name: "tpm_locked", Targets: []string{"device"}, Lasting: true,
			Doc:   "Its TPM is locked after 32 wrong guesses; it forgets one every 10 minutes.",
			Begin: w.atTPM(func(ctx context.Context, m *machine) error { return m.tpm.LockOut(ctx) }),
		},
		{
			Name: "tpm_cleared", Targets: []string{"device"}, Lasting: true,
			Doc:   "Its TPM was cleared: no key that it made before is of use any more.",
			Begin: w.atTPM(func(ctx context.Context, m *machine) error { return m.tpm.Clear(ctx) }),
		},
		{
			Name: "container_deleted", Targets: []string{"enrollment"}, Lasting: true,
			Doc:   "The Hello container is deleted on the device, as certutil -deletehellocontainer does; the directories keep the key.",
			Begin: w.deleteContainer,
		},
	}
}

// atTPM is a fault of a device's TPM.
func (w *Windows) atTPM(do func(context.Context, *machine) error) func(context.Context, providers.Breaker, providers.Broken) error {
	return func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
		env, err := b.Env(is.Target.Addr)
		if err != nil {
			return err
		}
		d, err := providers.Resolve[spec.Device, spec.DeviceOut](env, providers.Ref(is.Target.Addr))
		if err != nil {
			return err
		}
		m, err := w.machine(env, is.Target.Addr, d.In)
		if err != nil {
			return err
		}
		if m.tpm == nil {
			return fmt.Errorf("%s has no TPM", is.Target.Addr)
		}
		return do(ctx, m)
	}
}

func (w *Windows) deleteContainer(ctx context.Context, b providers.Breaker, is providers.Broken) error {
	env, err := b.Env(is.Target.Addr)
	if err != nil {
		return err
	}
	o, err := providers.Resolve[spec.Enrollment, spec.EnrollmentOut](env, providers.Ref(is.Target.Addr))
	if err != nil {
		return err
	}
	e, err := w.enrolling(env, o.In)
	if err != nil {
		return err
	}
	return e.forget(ctx)
}
