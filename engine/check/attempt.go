package check

import (
	"context"
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/lab"
	"hellolab/engine/record"
	"hellolab/hcl/eval"
	"hellolab/providers"
)

// Secrets returns what the configuration asks of an object, write-only
// attributes included; ok is false for one that it does not declare.
type Secrets func(addr string) (in cty.Value, ok bool)

// SecretsOf are those of an evaluated configuration.
func SecretsOf(desired []*eval.Desired) Secrets {
	by := make(map[string]*eval.Desired, len(desired))
	for _, d := range desired {
		by[d.Addr.String()] = d
	}
	return func(addr string) (cty.Value, bool) {
		d, ok := by[addr]
		if !ok {
			return cty.NilVal, false
		}
		in, _ := d.Config.UnmarkDeep()
		return in, true
	}
}

// Try makes the attempt of a check at its device, in l. An error means that it
// could not be made.
func (h Hands) Try(ctx context.Context, l *lab.Lab, r *providers.Registry, secrets Secrets, c eval.Check) (Verdict, error) {
	switch {
	case c.SignIn != nil:
		s := c.SignIn
		env, err := at(l, r, s.Device)
		if err != nil {
			return Verdict{}, err
		}
		return h.SignIn(ctx, env, Attempt{
			User: s.User, Device: s.Device, PIN: secret(s.PIN), Password: secret(s.Password), Gesture: s.Gesture, To: s.To,
		})
	case c.Provision != nil:
		p := c.Provision
		if secrets != nil {
			before := l.Objects()
			l.SetObjects(&withSecrets{before, r, secrets})
			defer l.SetObjects(before)
		}
		env, err := at(l, r, p.Device)
		if err != nil {
			return Verdict{}, err
		}
		return h.Provision(ctx, env, Provisioning{User: p.User, Device: p.Device, PIN: secret(p.PIN), Gestures: p.Gestures, Reset: p.Reset})
	}
	return Verdict{}, errors.New("there is nothing to try")
}

// at is the Env of a device that exists.
func at(l *lab.Lab, r *providers.Registry, device string) (providers.Env, error) {
	rec, err := l.Objects().Lookup(device)
	if errors.Is(err, providers.ErrUnknownObject) {
		return providers.Env{}, fmt.Errorf("%s is not in the lab yet: apply first", device)
	}
	if err != nil {
		return providers.Env{}, err
	}
	t := r.Type(rec.Kind)
	if t == nil {
		return providers.Env{}, fmt.Errorf("%s is of unknown kind %q", rec.Addr, rec.Kind)
	}
	return l.Env(rec.Addr, t, rec.In), nil
}

func secret(v cty.Value) providers.Secret {
	if v == cty.NilVal {
		return nil
	}
	v, _ = v.UnmarkDeep()
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	return providers.Secret(v.AsString())
}

// withSecrets are a lab's objects with the write-only attributes that the
// configuration gives them.
type withSecrets struct {
	providers.Objects
	registry *providers.Registry
	secrets  Secrets
}

func (w *withSecrets) Lookup(addr string) (providers.Record, error) {
	rec, err := w.Objects.Lookup(addr)
	return w.with(rec), err
}

func (w *withSecrets) List(kind string) ([]providers.Record, error) {
	list, err := w.Objects.List(kind)
	for i, rec := range list {
		list[i] = w.with(rec)
	}
	return list, err
}

func (w *withSecrets) with(rec providers.Record) providers.Record {
	t := w.registry.Type(rec.Kind)
	asked, ok := w.secrets(rec.Addr)
	if t != nil && ok && rec.In != cty.NilVal {
		rec.In = record.WithWriteOnly(&t.Schema.In, rec.In, asked)
	}
	return rec
}
