// Package lab is the running lab: it opens the systems of a state view on the
// lab network when somebody dials them, and makes the Env that kinds work
// with. Plan, apply, every check and every command that touches a system run
// in a Lab; only the view, the clock and the listeners differ.
package lab

import (
	"io"
	"log/slog"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

// Options are what a lab runs with. View, Registry, Wall and Rand are required.
type Options struct {
	View     state.View
	Registry *providers.Registry
	Wall     func() time.Time // the machine's clock; lab time adds the stored offset
	Offset   time.Duration    // added to the stored offset, for looking ahead
	Rand     io.Reader
	Emit     event.Sink
	Log      *slog.Logger
	// Objects answers lookups; nil means the objects of the view.
	Objects   providers.Objects
	Failpoint func(string)
}
