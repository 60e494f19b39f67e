package hello

import (
	"fmt"
	"sync"

	"hellolab/providers"
)

// Rules answers a planner's questions about records: what cannot work, which
// objects must be made anew though none of their attributes changed, and what is
// left to others once an object is made. It
// remembers the World of the records last asked about, so that asking for each
// of many objects costs one reading; the caller must therefore not change a
// slice in place between calls. The zero Rules is ready and may be shared.
//
// An object that is to be made, or made anew, is a record without ID. A plan
// that replaces a device or a user thereby asks for its enrollments again.
type Rules struct {
	mu    sync.Mutex
	of    []providers.Record
	world *World
	err   error
}

// Validate returns the problems of the records as a whole.
func (r *Rules) Validate(records []providers.Record) []Problem {
	w, err := r.read(records)
	if err != nil {
		return []Problem{{
			Rule: "unreadable", Summary: "Objects cannot be read",
			Detail: fmt.Sprintf("The objects do not match their kinds: %s.", err),
		}}
	}
	return Validate(w)
}

// Outdated tells whether rec, as the lab holds it, must be made anew for the
// other records, as they are planned, and why.
func (r *Rules) Outdated(rec providers.Record, records []providers.Record) (why string, ok bool) {
	if rec.Kind != "enrollment" {
		return "", false
	}
	w, err := r.read(records)
	if err != nil {
		return "", false // Validate says so
	}
	e, err := enrollmentOf(rec)
	if err != nil {
		return "", false
	}
	return w.Outdated(e)
}

// Handovers are what other objects carry on of rec once it is made.
func (r *Rules) Handovers(rec providers.Record, records []providers.Record) []Handover {
	w, e := r.enrollment(rec, records)
	if e == nil {
		return nil
	}
	return w.Handovers(e)
}

// Stages are those that rec, an enrollment, goes through once it is made: see
// Route.Stages. Other kinds have none.
func (r *Rules) Stages(rec providers.Record, records []providers.Record) []Stage {
	w, e := r.enrollment(rec, records)
	if e == nil {
		return nil
	}
	return w.Stages(e)
}

// enrollment reads rec as one; nil of another kind, and where Validate says why.
func (r *Rules) enrollment(rec providers.Record, records []providers.Record) (*World, *Enrollment) {
	if rec.Kind != "enrollment" {
		return nil, nil
	}
	w, err := r.read(records)
	if err != nil {
		return nil, nil
	}
	e, err := enrollmentOf(rec)
	if err != nil {
		return nil, nil
	}
	return w, e
}

func (r *Rules) read(records []providers.Record) (*World, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := r.world != nil && len(r.of) == len(records) && (len(records) == 0 || &r.of[0] == &records[0])
	if !same {
		r.of = records
		r.world, r.err = NewWorld(records)
	}
	return r.world, r.err
}
