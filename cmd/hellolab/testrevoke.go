package main

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/fault"
	"hellolab/engine/lab"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/spec"
)

// testRevoke does what an administrator does about a lost device or account: the
// same as the faults that are called so, and for good.
func (s *session) testRevoke(ctx context.Context, l *lab.Lab, r eval.Revoke) error {
	if r.What == "sessions" {
		return s.breakNow(ctx, l, "sessions_revoked", r.User)
	}
	if r.Device == "" {
		return fmt.Errorf("the key of which device? Name it: device = device.name")
	}
	enrollment, err := enrollmentOf(l, r.User, r.Device)
	if err != nil {
		return err
	}
	var kinds []string
	if r.From == "entra" || r.From == "both" {
		kinds = append(kinds, "key_deleted_in_tenant")
	}
	if r.From == "ad" || r.From == "both" {
		kinds = append(kinds, "key_deleted_in_domain")
	}
	for _, kind := range kinds {
		if err := s.breakNow(ctx, l, kind, enrollment); err != nil {
			return err
		}
	}
	return nil
}

// breakNow does what a fault that lasts does.
func (s *session) breakNow(ctx context.Context, l *lab.Lab, kind, target string) error {
	once := &fault.Switch{Registry: s.registry, Trouble: &lab.Trouble{}}
	return once.Begin(ctx, l, fault.Fault{Name: kind, Kind: kind, Target: target})
}

// enrollmentOf finds the enrollment of a user on a device.
func enrollmentOf(l *lab.Lab, user, device string) (string, error) {
	env := l.Env("", &providers.Type{}, cty.NilVal)
	all, err := providers.ResolveAll[spec.Enrollment, spec.EnrollmentOut](env, "enrollment")
	if err != nil {
		return "", err
	}
	for _, e := range all {
		if string(e.In.User) == user && string(e.In.Device) == device && e.ID != "" {
			return e.Addr, nil
		}
	}
	return "", fmt.Errorf("%s has no enrollment on %s", user, device)
}
