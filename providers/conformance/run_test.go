package conformance

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"hellolab/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noteHarness(bad sabotage) Harness {
	return Harness{
		Kind: "note",
		Env: func(tb testing.TB) *Env {
			env := NewEnv(tb, boardKind(bad), noteKind(bad))
			env.Create("board.b", board{Host: "board.example"})
			return env
		},
		In: func(n int) any {
			return note{Board: "board.b", Title: fmt.Sprintf("note %d", n), Tags: []string{}, Code: providers.Secret(fmt.Sprintf("correct horse %d", n))}
		},
		Change: func(n int) any {
			return note{Board: "board.b", Title: fmt.Sprintf("note %d", n), Text: "new", Tags: []string{"a"}, Code: providers.Secret(fmt.Sprintf("battery staple %d", n))}
		},
	}
}

func TestASoundKindPasses(t *testing.T) { Run(t, noteHarness("")) }

// TestEachFaultIsCaught sabotages a sound kind in one way after the other, and
// wants the clause of the contract that is broken to say so.
func TestEachFaultIsCaught(t *testing.T) {
	for bad, want := range map[sabotage]struct{ clause, says string }{
		"finds what is not there": {"unknown key", `Find("nobody-has-this-key") =`},
		"reading writes":          {"life", "wrote configuration"},
		"reads another text":      {"life", "created, read: In is"},
		"deletes nothing":         {"life", "want ErrGone"},
		"keeps it in memory":      {"life", "after a restart: Find"},
		"predicts wrong":          {"life", "Predict said path"},
		"overwrites":              {"created twice", "one key, two objects"},
		"one id for all":          {"concurrent", `have one id, "7"`},
		"reserves first":          {"killed create", "creating it again"},
		"always due":              {"due", "wrote configuration with nothing due"},
		"due once only":           {"due", "already begun"},
		"keeps the secret":        {"secrets", "table notes"},
		"logs the secret":         {"secrets", "the log holds a write-only value"},
		"tells the token":         {"secrets", "(note_put) holds token"},
	} {
		t.Run(string(bad), func(t *testing.T) {
			i := slices.IndexFunc(checks, func(c check) bool { return c.name == want.clause })
			tb := record(t, func(tb testing.TB) { checks[i].run(tb, noteHarness(bad)) })
			if !slices.ContainsFunc(tb.said, func(line string) bool { return strings.Contains(line, want.says) }) {
				t.Errorf("%q does not say %q, but %q", want.clause, want.says, tb.said)
			}
		})
	}
}

// recorder is a test whose failure is a result.
type recorder struct {
	testing.TB
	ctx      context.Context
	failed   bool
	said     []string
	cleanups []func()
}

func record(t *testing.T, fn func(testing.TB)) *recorder {
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{TB: t, ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(r)
	}()
	<-done
	cancel()
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
	return r
}

func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool             { return r.failed }
func (r *recorder) Logf(string, ...any)      {}

func (r *recorder) Errorf(format string, args ...any) {
	line, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	r.failed, r.said = true, append(r.said, line)
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }
