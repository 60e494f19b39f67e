package windows

import (
	"context"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// Provision has a user provision Hello on a device, as the creation of an
// enrollment does. env is that of the device; the objects that it looks up must
// hold the user's password. An error means that the attempt could not be made,
// not that it was refused.
func (w *Windows) Provision(ctx context.Context, env providers.Env, in spec.Enrollment) (Verdict, error) {
	v := Verdict{Code: hello.Success}
	tell := env.Emit
	env.Emit = func(e event.Event) {
		if strings.HasPrefix(e.Flow, "P") && e.User == string(in.User) {
			v.Flow, v.Phase, v.ID = e.Flow, e.Phase, e.Correlation
		}
		tell.Emit(e)
	}
	_, err := w.createEnrollment(ctx, env, in)
	if err == nil {
		return v, nil
	}
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	code, reason := ReasonOf(err)
	if reason == nil {
		return v, err
	}
	v.Code, v.Reason = code, reason
	return v, nil
}

// ReasonOf finds in an error why somebody refused: the code that a check may
// expect, and the reason as events carry it. The reason is nil when nobody did,
// and something broke.
func ReasonOf(err error) (code string, reason *event.Reason) {
	r := reasonOf(err)
	if r.Code == codeInternal {
		return "", nil
	}
	shown := r.Event()
	return r.Code, &shown
}
