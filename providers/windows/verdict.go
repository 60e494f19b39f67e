package windows

import (
	"context"

	"hellolab/providers/event"
	"hellolab/providers/hello"
)

// Verdict is how a sign-in, or something else that a user does at a device, ended.
type Verdict struct {
	Code   string        // hello.Success, or the code of a reason
	Reason *event.Reason // nil on success
	Flow   string
	Phase  string         // letter of the phase that refused, or of the last
	ID     string         // correlation id of the run
	Claims map[string]any // of the tokens got, decoded
}

// verdict is that of a run that goes well.
func (t *trace) verdict() Verdict {
	return Verdict{Code: hello.Success, Flow: string(t.flow), ID: t.id}
}

// verdictOf completes v of a run that err ended: nil, a refusal in the words of
// the one who refused, or what could not be tried, which is returned. last tells of
// it in the trace.
func verdictOf(ctx context.Context, t *trace, v Verdict, err error, last func(error)) (Verdict, error) {
	v.Phase = t.phase
	if err == nil {
		return v, nil
	}
	last(err)
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	reason := reasonOf(err)
	if reason.Code == codeInternal {
		return v, err
	}
	shown := reason.Event()
	v.Code, v.Reason = reason.Code, &shown
	return v, nil
}
