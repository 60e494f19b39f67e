// Package plan compares what a configuration asks for with what the lab
// remembers and holds, and writes the difference as a graph of steps. Planning
// changes nothing. The applier only walks the steps: it neither expands nor
// compares, so every decision is in the plan and can be read there.
package plan

import (
	"maps"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
)

// Action is what a change does to its object; the words are Terraform's.
type Action string

const (
	NoOp    Action = "no-op"
	Create  Action = "create"
	Read    Action = "read"
	Update  Action = "update"
	Delete  Action = "delete"
	Replace Action = "replace" // of a Change only: its steps are a delete and a create
	Forget  Action = "forget"  // removed from the state without touching the lab
	Wait    Action = "wait"    // of a Step only: where many steps meet, so that edges stay few
)

// Reason says why a change is what it is; the words are Terraform's, so that
// its tools understand them.
type Reason string

const (
	NoReason                     Reason = ""
	ReplaceBecauseCannotUpdate   Reason = "replace_because_cannot_update"
	ReplaceBecauseTainted        Reason = "replace_because_tainted"
	ReplaceByRequest             Reason = "replace_by_request"
	ReplaceByTriggers            Reason = "replace_by_triggers"
	ReplaceByRule                Reason = "replace_by_rule" // ours: policy now asks for another flow or trust
	DeleteBecauseNoBlock         Reason = "delete_because_no_resource_config"
	DeleteBecauseEachKey         Reason = "delete_because_each_key"
	DeleteBecauseCountIndex      Reason = "delete_because_count_index"
	DeleteBecauseWrongRepetition Reason = "delete_because_wrong_repetition"
)

// Mode is what a plan is for.
type Mode string

const (
	Normal      Mode = "normal"
	Destroy     Mode = "destroy"
	RefreshOnly Mode = "refresh-only"
)

// Change is the planned fate of one object: what a person reads.
type Change struct {
	Addr   addr.Instance
	Kind   string
	Action Action
	Reason Reason
	// Why is a sentence that explains Reason, where it needs one.
	Why     string
	Before  cty.Value  // object of In and Out together; null when it does not exist
	After   cty.Value  // with unknowns; null when it will not exist
	Replace []cty.Path // attributes that force the replacement
	// Rebound are references to objects that are made anew: their address stays,
	// and yet what they lead to is another object.
	Rebound []cty.Path
	// SensitiveBefore and SensitiveAfter are the paths never to be shown.
	SensitiveBefore, SensitiveAfter []cty.Path
	// Handovers are what others carry on once the object is made.
	Handovers []Handover
	// Stages are what the made object goes through, in order of time.
	Stages []Stage
}

// Stage is one of an object's stages, which others perform and which a deployment
// may leave out. It orders no steps.
type Stage struct {
	Name string // in words: "key_synchronization"
	Flow string // that performs it, or flows with commas; "" where it has none of its own
	Runs bool
	Why  string // one sentence, of a stage that does not run; others may have one
}

// Handover is what another object carries on of one that is made, after the
// plan is applied and in its own time: an edge that orders no steps.
type Handover struct {
	To    string // address of the other object
	Stage string // what it does, in a word: "key_synchronization"
	Flow  string // of the documents, that it belongs to
	Waits bool   // the made object is not whole before
	Text  string // one sentence
}

// Step is one side effect: what the applier does. A Wait step has none, and
// no address.
type Step struct {
	Addr   addr.Instance
	Kind   string
	Action Action  // Create, Update, Delete, Forget, Wait
	After  []int32 // indexes of steps that must have finished, ascending
	// Prior is In and Out of the object as refreshed; null for Create.
	PriorIn, PriorOut cty.Value
	PriorID           string
	// PlannedIn has unknowns where an expression waits for another step, and
	// nulls for write-only attributes. PlannedOut is what the result must agree
	// with where it is known. Both are null for Delete.
	PlannedIn, PlannedOut cty.Value
	// Evaluate tells the applier to evaluate the block again: PlannedIn holds
	// unknowns, or the kind has write-only attributes.
	Evaluate bool
	// Partial tells that a later step completes what this Create makes, and
	// Completes that this Update does: it sets the attributes that refer back,
	// which the Create was not given. What is there before is what the Create
	// made, so Prior is null.
	Partial, Completes bool

	Deps        []addr.Instance // to be stored with the object
	SensitiveIn []cty.Path
	// Drops are the objects whose records go with this one's: Delete of a home.
	Drops []Dropped
}

// Dropped is an object that is deleted by deleting its home: its Delete is not
// called, and its record goes in the home's commit.
type Dropped struct {
	Addr addr.Instance
	Kind string
	ID   string
}

// OutputChange is the planned fate of one root output.
type OutputChange struct {
	Name          string
	Action        Action
	Before, After cty.Value
	Sensitive     bool
}

// Plan is everything that one apply will do.
type Plan struct {
	Mode    Mode
	Created time.Time // lab time; not part of a plan file, whose bytes depend on inputs alone
	Lineage string
	Serial  uint64
	Changes []Change // every object, no-ops included, in address order
	Drift   []Change // what the lab holds differently from what was remembered
	Steps   []Step   // in an order that respects After
	Outputs []OutputChange
	Targets []string // -target addresses, when the plan is partial
	// Refreshed are objects whose record (values, revisions, dependencies) is to
	// be renewed; apply commits them before its first step.
	Refreshed []Refreshed
	// Types are those of the values of each kind that occurs, so that a plan can
	// be read without the program that has the kinds.
	Types map[string]Types
}

// Types are the types of a kind's values.
type Types struct{ In, Out cty.Type }

// Value is the type of In and Out together, which Change.Before and After have.
func (t Types) Value() cty.Type {
	attrs := maps.Clone(t.In.AttributeTypes())
	maps.Copy(attrs, t.Out.AttributeTypes())
	return cty.Object(attrs)
}

// Refreshed is the record of one object as the lab holds it now. Gone: it no
// longer exists.
type Refreshed struct {
	Addr        addr.Instance
	Kind        string
	Gone        bool
	ID          string
	In, Out     cty.Value
	SensitiveIn []cty.Path
	Deps        []addr.Instance
	Tainted     bool
	ReadAt      map[string]uint64
}

// Empty reports whether applying the plan would change neither the lab nor an
// output. It may still renew what the state remembers (Drift, Refreshed).
func (p *Plan) Empty() bool {
	if len(p.Steps) > 0 {
		return false
	}
	for _, o := range p.Outputs {
		if o.Action != NoOp {
			return false
		}
	}
	return true
}
