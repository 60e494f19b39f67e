// Package plan compares what a configuration asks for with what the lab
// remembers and holds, and writes the difference as a graph of steps. Planning
// changes nothing. The applier only walks the steps: it neither expands nor
// compares, so every decision is in the plan and can be read there.
package plan

import (
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
	Addr    addr.Instance
	Kind    string
	Action  Action
	Reason  Reason
	Before  cty.Value  // object of In and Out together; null when it does not exist
	After   cty.Value  // with unknowns; null when it will not exist
	Replace []cty.Path // attributes that force the replacement
	// SensitiveBefore and SensitiveAfter are the paths never to be shown.
	SensitiveBefore, SensitiveAfter []cty.Path
}

// Step is one side effect: what the applier does.
type Step struct {
	Addr   addr.Instance
	Kind   string
	Action Action  // Create, Update, Delete, Forget
	After  []int32 // indexes of steps that must have finished
	// Prior is In and Out of the object as refreshed; null for Create.
	PriorIn, PriorOut cty.Value
	PriorID           string
	// PlannedIn has unknowns where an expression waits for another step, and
	// nulls for write-only attributes. Null for Delete.
	PlannedIn cty.Value
	// Evaluate tells the applier to evaluate the block again: PlannedIn holds
	// unknowns, or the kind has write-only attributes.
	Evaluate    bool
	Deps        []addr.Instance // to be stored with the object
	SkipWire    bool            // Delete: the home goes too, the records with it
	SensitiveIn []cty.Path
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
	Created time.Time
	Lineage string
	Serial  uint64
	Changes []Change // every object, no-ops included, in address order
	Drift   []Change // what the lab holds differently from what was remembered
	Steps   []Step   // in an order that respects After
	Outputs []OutputChange
	Targets []string // -target addresses, when the plan is partial
	// Refreshed are objects whose record (values or revisions) refresh renewed;
	// apply commits them before its first step.
	Refreshed []Refreshed
}

// Refreshed is one object as the lab holds it now. Gone: it no longer exists.
type Refreshed struct {
	Addr    addr.Instance
	Gone    bool
	ID      string
	In, Out cty.Value
	ReadAt  map[string]uint64
}

// Empty reports whether applying the plan would change nothing.
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
