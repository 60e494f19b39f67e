package providers

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// Fault is a way to break something of a lab on purpose, from outside of its
// systems: on the network, by a clock, or by what an administrator, an owner or
// a thief can do to them. No system knows of faults; what follows from one is
// what they make of it by themselves.
type Fault struct {
	Name string // as a fault block's kind names it
	Doc  string // one sentence for the reference

	// Targets are the kinds whose objects it can be of.
	Targets []string

	// Params are the attributes that a fault block of this kind has besides:
	// strings, numbers, bools, and whatever a dynamic type takes.
	Params []Attr

	// Lasting says that nothing mends it: the fault has no end.
	Lasting bool

	// Begin breaks it. What it does through the Breaker's Cut, Skew and Change is
	// undone when the fault ends.
	Begin func(context.Context, Breaker, Broken) error
	// End mends what Begin did otherwise. Nil: there is nothing more to mend.
	End func(context.Context, Breaker, Broken) error

	// Check refuses what a target or parameters cannot be, in a sentence; it is
	// asked when files are read, with what is known then. Nil: all will do.
	Check func(r *Registry, kind string, params map[string]cty.Value) error
}

// Broken is what one fault is of.
type Broken struct {
	Target Record               // as it is now
	Params map[string]cty.Value // by name, null when not written
}

// Text returns a parameter as text, "" when it was not written.
func (b Broken) Text(name string) string {
	if v, ok := b.Params[name]; ok && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
		return v.AsString()
	}
	return ""
}

// Breaker is what a lab offers to those who break it.
type Breaker interface {
	// Env is what an object's kind works with; of "", that of the lab itself.
	Env(addr string) (Env, error)
	// Hosts are the names that an object answers on.
	Hosts(addr string) ([]string, error)
	// Cut makes trouble on the network.
	Cut(Outage)
	// Skew sets the clock of an object's machine ahead of lab time; by less than
	// zero, behind.
	Skew(addr string, by time.Duration)
	// Change changes attributes of an object, as an apply of changed files does:
	// by its kind's Update, and then what is due of it.
	Change(ctx context.Context, addr string, attrs map[string]cty.Value) error
	// Due has an object do what has become due of it.
	Due(ctx context.Context, addr string) error
}

// Outage is trouble of a host on the network.
type Outage struct {
	Host string
	Port int           // zero: all ports
	Slow time.Duration // lab time that passes before each answer; zero: it does not answer at all
}
