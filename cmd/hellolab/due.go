package main

import (
	"context"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"hellolab/engine/lab"
)

// dueEvery is how often a lab that is served does what has become due, in real
// time: a clock that is set ahead, or hours that pass, are noticed by then.
const dueEvery = time.Minute

// due has the lab do what has become due. What fails is told and not fatal: the
// next time tries again.
func due(ctx context.Context, l *lab.Lab) hcl.Diagnostics {
	var diags hcl.Diagnostics
	undone, err := l.Due(ctx)
	for _, u := range undone {
		diags = append(diags, notDone(u)...)
	}
	if err != nil {
		diags = append(diags, asWarning("What has become due is not done", period(sentence(err)))...)
	}
	return diags
}

func notDone(u lab.Undone) hcl.Diagnostics {
	summary, detail := explain(u.Err)
	text := period(summary)
	if detail != "" {
		text += " " + detail
	}
	return asWarning("What has become due of "+u.Addr+" is not done", text+" It is tried again by the next apply, and every minute while the lab is served.")
}

// period ends a sentence that may have ended already.
func period(s string) string { return strings.TrimSuffix(s, ".") + "." }

// keepUp does what becomes due at each tick, until stop is called. Trouble is
// told once, and again when it is another.
func (v *served) keepUp(ctx context.Context, tick <-chan time.Time) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick:
				v.catchUp(ctx)
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// catchUp does what has become due of a lab that is served.
func (v *served) catchUp(ctx context.Context) {
	undone, err := v.lab.Due(ctx)
	if err != nil {
		v.s.log.Warn("cannot see what has become due", "error", err)
		return
	}
	told := make(map[string]string, len(undone))
	for _, u := range undone {
		told[u.Addr] = u.Err.Error()
		if v.told[u.Addr] != told[u.Addr] {
			v.s.warn(notDone(u))
		}
	}
	v.told = told
}
