package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"

	"hellolab/engine/apply"
	"hellolab/engine/check"
	"hellolab/engine/lab"
	"hellolab/engine/plan"
	"hellolab/providers"
	"hellolab/providers/all"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/windows/tpm/worker"
	"hellolab/state"
)

// systems are the kinds this program ships, with what runs behind them.
type systems struct {
	registry *providers.Registry
	windows  *windows.Windows
	tpms     *tpm.Pool
}

// newSystems makes the kinds. No process starts before a TPM is needed. A source of
// randomness may have TPMs ready, as it may have keys (see rsakey.Maker).
func newSystems(log *slog.Logger, rand io.Reader) *systems {
	shelf, _ := rand.(tpm.Shelf)
	return systemsWith(tpm.NewPool(tpm.Options{Command: startWorker, Rand: rand, Log: log, Shelf: shelf}))
}

// systemsWith makes the kinds with the TPMs of a pool.
func systemsWith(pool *tpm.Pool) *systems {
	w := windows.New(pool)
	deps := all.Deps{Windows: w}
	return &systems{
		registry: providers.NewRegistry(all.Types(deps)...).AddFaults(all.Faults(deps)...),
		windows:  w,
		tpms:     pool,
	}
}

// startWorker is this program again, as a TPM worker.
func startWorker() *exec.Cmd {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return exec.Command(program, worker.Word)
}

// Close ends the TPM workers.
func (s *systems) Close() error { return s.tpms.Close() }

// expect tells the systems what a plan will ask of them: TPMs are manufactured
// while a worker has nothing else to do, and a new device need not wait.
func (s *systems) expect(p *plan.Plan) {
	devices := 0
	for i := range p.Steps {
		step := &p.Steps[i]
		if step.Action != plan.Create || step.Kind != "device" {
			continue
		}
		if tpm := step.PlannedIn.GetAttr("tpm"); tpm.IsKnown() && !tpm.IsNull() && tpm.AsString() != "none" {
			devices++
		}
	}
	s.tpms.Expect(devices)
}

// signIn signs in for a check.
func (s *systems) signIn(ctx context.Context, env providers.Env, a check.Attempt) (check.Verdict, error) {
	return s.request(ctx, env, windows.Request{
		User: a.User, Device: a.Device, PIN: a.PIN, Password: a.Password, Gesture: a.Gesture, To: a.To,
	})
}

// provision provisions for a check.
func (s *systems) provision(ctx context.Context, env providers.Env, p check.Provisioning) (check.Verdict, error) {
	if p.Reset {
		return s.resetPIN(ctx, env, p)
	}
	v, err := s.windows.Provision(ctx, env, spec.Enrollment{
		User: providers.Ref(p.User), Device: providers.Ref(p.Device), PIN: p.PIN, Gestures: p.Gestures,
	})
	return check.Verdict{Code: v.Code, Reason: v.Reason, Flow: v.Flow, Phase: v.Phase, ID: v.ID}, err
}

// resetPIN resets a PIN at the lock screen for a check: a session of the user is
// locked first.
func (s *systems) resetPIN(ctx context.Context, env providers.Env, p check.Provisioning) (check.Verdict, error) {
	u, err := providers.Resolve[spec.User, spec.UserOut](env, providers.Ref(p.User))
	if err != nil {
		return check.Verdict{}, err
	}
	var none *windows.Refusal // there is no session
	if err := s.windows.Lock(ctx, env, p.User, p.Device); err != nil && !errors.As(err, &none) {
		return check.Verdict{}, err
	}
	v, err := s.windows.ResetPIN(ctx, env, windows.PINReset{User: p.User, Device: p.Device, New: p.PIN, Password: u.In.Password})
	return verdict(v), err
}

// hands are what people do in checks and tests.
func (s *systems) hands() check.Hands { return check.Hands{SignIn: s.signIn, Provision: s.provision} }

func (s *systems) request(ctx context.Context, env providers.Env, r windows.Request) (check.Verdict, error) {
	v, err := s.windows.SignIn(ctx, env, r)
	return verdict(v), err
}

// verdict is a device's as checks and views have it.
func verdict(v windows.Verdict) check.Verdict {
	return check.Verdict{Code: v.Code, Reason: v.Reason, Flow: v.Flow, Phase: v.Phase, ID: v.ID}
}

// recover settles what an interrupted apply left half done in view.
func (s *session) recover(ctx context.Context, view state.View, l *lab.Lab) ([]apply.Recovered, error) {
	settled, diags := apply.Recover(ctx, apply.RecoverRequest{Registry: s.registry, View: view, Lab: l})
	if diags.HasErrors() {
		return settled, diags
	}
	return settled, nil
}
