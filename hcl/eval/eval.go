// Package eval turns a configuration into desired instances: it orders blocks
// by reference, expands for_each, count and enabled, and decodes bodies into
// values of their kind's schema, with unknown and sensitive values carried
// through. It asks its caller one thing only: what an instance is worth to the
// expressions that refer to it. It never sees state, plans or systems.
package eval

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
	"hellolab/providers"
)

// Values answers what an instance is worth. The value is an object of every
// attribute of the kind's In and Out, unknown where not known yet; eval adds
// the attribute "address". Plan answers with planned values, apply with stored
// ones. It is called once an instance's own dependencies, but those of Later,
// have been answered.
type Values interface {
	Instance(d *Desired) (cty.Value, hcl.Diagnostics)
}

// Desired is one instance the configuration asks for.
type Desired struct {
	Addr addr.Instance
	Type *providers.Type
	// Config is of Type.Schema.InType: defaults filled in, references as
	// addresses, write-only values present, sensitive values marked Sensitive.
	Config cty.Value
	Deps   []addr.Instance // direct, sorted: references and depends_on
	// Later are those of Deps that refer back to the instance, in however many
	// steps: they need not be there when it is made, but before the attributes
	// are set whose kind says that they may come later.
	Later []addr.Instance
	Meta  Meta
	Range hcl.Range // of the block header
	// AttrRanges gives the place of each attribute that the author wrote, by
	// dotted path ("pin_complexity.minimum_pin_length").
	AttrRanges map[string]hcl.Range
}

// Meta is the lifecycle part of a block.
type Meta struct {
	PreventDestroy     bool
	IgnoreChanges      []string // dotted attribute paths; "all" for every one
	ReplaceTriggeredBy []addr.Instance
}

// Output is one evaluated output block.
type Output struct {
	Name      string
	Value     cty.Value // unmarked; may hold unknowns at plan
	Sensitive bool
	Range     hcl.Range
}

// Check is one evaluated check block: an access assertion, plain asserts, or
// both. A run of a test file is one, too.
type Check struct {
	Name      string
	After     string // duration of lab time, "" for now
	SignIn    *SignIn
	Provision *Provision
	Revoke    *Revoke  // of a run
	Faults    []string // names of those that are on meanwhile
	Expect    string   // "success" or a reason code
	Asserts   []Assert
	Range     hcl.Range
}

// SignIn is the sign_in block of a check. PIN and Password are marked Sensitive.
type SignIn struct {
	User     string // address
	Device   string // address
	PIN      cty.Value
	Password cty.Value
	Gesture  string   // "face", …; "" for PIN or password
	To       []string // addresses
	Range    hcl.Range
}

// Provision is the provision block of a check. PIN is marked Sensitive.
type Provision struct {
	User     string // address
	Device   string // address
	PIN      cty.Value
	Gestures []string
	Reset    bool // a PIN that is forgotten
	Range    hcl.Range
}

// Revoke is the revoke block of a run.
type Revoke struct {
	User   string // address
	Device string // address; "" where What is "sessions"
	What   string // "key" or "sessions"
	From   string // "entra", "ad" or "both"
	Range  hcl.Range
}

// Fault is one evaluated fault block, fit for its kind.
type Fault struct {
	Name   string
	Kind   string               // of providers.Fault
	Target string               // address
	After  string               // duration of lab time until it begins, "" at once
	Window string               // duration of lab time that it lasts, "" without end
	Params map[string]cty.Value // of the kind's own arguments, null where not written

	// Unknown are the arguments that are known only after an apply. They are empty
	// here, or unknown among Params, and the fault cannot be switched on.
	Unknown []string
	Range   hcl.Range
}

// Assert is one assert block, its condition evaluated (unknown at plan is allowed).
type Assert struct {
	Condition cty.Value
	Message   string
	Range     hcl.Range
}

// Result is everything a configuration asks for.
type Result struct {
	Desired []*Desired // dependencies (but those of Later) before dependents; ties in address order
	Outputs []Output   // by name
	Checks  []Check    // by name
	Faults  []Fault    // by name
}

// Sensitive is the mark of sensitive values.
const Sensitive = mark("sensitive")

type mark string

func (m mark) GoString() string { return "eval." + string(m) }
