package planfile

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"

	"hellolab/engine/plan"
	"hellolab/hcl/addr"
)

// The structs below are plan's own with addresses and paths printed and values
// as msgpack of the type that their kind has in Types.

type planJSON struct {
	Mode      plan.Mode            `json:"mode"`
	Lineage   string               `json:"lineage"`
	Serial    uint64               `json:"serial"`
	Types     map[string]typesJSON `json:"types"`
	Changes   []changeJSON         `json:"changes,omitempty"`
	Drift     []changeJSON         `json:"drift,omitempty"`
	Steps     []stepJSON           `json:"steps,omitempty"`
	Outputs   []outputJSON         `json:"outputs,omitempty"`
	Targets   []string             `json:"targets,omitempty"`
	Refreshed []refreshedJSON      `json:"refreshed,omitempty"`
}

type typesJSON struct {
	In  json.RawMessage `json:"in"`
	Out json.RawMessage `json:"out"`
}

type changeJSON struct {
	Addr            string      `json:"addr"`
	Kind            string      `json:"kind"`
	Action          plan.Action `json:"action"`
	Reason          plan.Reason `json:"reason,omitempty"`
	Why             string      `json:"why,omitempty"`
	Before          []byte      `json:"before"`
	After           []byte      `json:"after"`
	Replace         []string    `json:"replace,omitempty"`
	Rebound         []string    `json:"rebound,omitempty"`
	SensitiveBefore []string    `json:"sensitive_before,omitempty"`
	SensitiveAfter  []string    `json:"sensitive_after,omitempty"`

	Handovers []plan.Handover `json:"handovers,omitempty"`
	Stages    []plan.Stage    `json:"stages,omitempty"`
}

type stepJSON struct {
	Addr        string        `json:"addr,omitempty"`
	Kind        string        `json:"kind,omitempty"`
	Action      plan.Action   `json:"action"`
	After       []int32       `json:"after,omitempty"`
	PriorID     string        `json:"prior_id,omitempty"`
	PriorIn     []byte        `json:"prior_in,omitempty"`
	PriorOut    []byte        `json:"prior_out,omitempty"`
	PlannedIn   []byte        `json:"planned_in,omitempty"`
	PlannedOut  []byte        `json:"planned_out,omitempty"`
	Evaluate    bool          `json:"evaluate,omitempty"`
	Partial     bool          `json:"partial,omitempty"`
	Completes   bool          `json:"completes,omitempty"`
	Deps        []string      `json:"deps,omitempty"`
	SensitiveIn []string      `json:"sensitive_in,omitempty"`
	Drops       []droppedJSON `json:"drops,omitempty"`
}

type droppedJSON struct {
	Addr string `json:"addr"`
	Kind string `json:"kind"`
	ID   string `json:"id,omitempty"`
}

type outputJSON struct {
	Name      string      `json:"name"`
	Action    plan.Action `json:"action"`
	Before    []byte      `json:"before"`
	After     []byte      `json:"after"`
	Sensitive bool        `json:"sensitive,omitempty"`
}

type refreshedJSON struct {
	Addr        string            `json:"addr"`
	Kind        string            `json:"kind"`
	Gone        bool              `json:"gone,omitempty"`
	ID          string            `json:"id,omitempty"`
	In          []byte            `json:"in,omitempty"`
	Out         []byte            `json:"out,omitempty"`
	SensitiveIn []string          `json:"sensitive_in,omitempty"`
	Deps        []string          `json:"deps,omitempty"`
	Tainted     bool              `json:"tainted,omitempty"`
	ReadAt      map[string]uint64 `json:"read_at,omitempty"`
}

// coder converts with the types of a plan and remembers the first error.
type coder struct {
	types map[string]plan.Types
	value map[string]cty.Type // of In and Out together
	err   error
}

func newCoder(types map[string]plan.Types) *coder {
	c := &coder{types: types, value: map[string]cty.Type{}}
	for kind, t := range types {
		c.value[kind] = t.Value()
	}
	return c
}

func (c *coder) fail(err error) {
	if err != nil && c.err == nil {
		c.err = err
	}
}

func (c *coder) of(kind string) plan.Types {
	t, ok := c.types[kind]
	if !ok {
		c.fail(fmt.Errorf("the plan does not say what a %q is", kind))
		return plan.Types{In: cty.EmptyObject, Out: cty.EmptyObject}
	}
	return t
}

func (c *coder) pack(v cty.Value, ty cty.Type) []byte {
	if v == cty.NilVal {
		return nil
	}
	b, err := msgpack.Marshal(v, ty)
	c.fail(err)
	return b
}

func (c *coder) unpack(b []byte, ty cty.Type) cty.Value {
	if len(b) == 0 {
		return cty.NilVal
	}
	v, err := msgpack.Unmarshal(b, ty)
	c.fail(err)
	return v
}

func (c *coder) addr(s string) addr.Instance {
	a, err := addr.Parse(s)
	c.fail(err)
	return a
}

func (c *coder) addrs(list []string) []addr.Instance {
	var out []addr.Instance
	for _, s := range list {
		out = append(out, c.addr(s))
	}
	return out
}

func (c *coder) paths(list []string) []cty.Path {
	var out []cty.Path
	for _, s := range list {
		p, err := plan.ParsePath(s)
		c.fail(err)
		out = append(out, p)
	}
	return out
}

func printAddrs(list []addr.Instance) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

func printPaths(list []cty.Path) []string {
	var out []string
	for _, p := range list {
		out = append(out, plan.PathString(p))
	}
	return out
}

func encodePlan(p *plan.Plan) (planJSON, error) {
	c := newCoder(p.Types)
	e := planJSON{Mode: p.Mode, Lineage: p.Lineage, Serial: p.Serial, Targets: p.Targets, Types: map[string]typesJSON{}}
	for kind, t := range p.Types {
		in, err := ctyjson.MarshalType(t.In)
		c.fail(err)
		out, err := ctyjson.MarshalType(t.Out)
		c.fail(err)
		e.Types[kind] = typesJSON{in, out}
	}
	e.Changes, e.Drift = c.changes(p.Changes), c.changes(p.Drift)
	for i := range p.Steps {
		s := &p.Steps[i]
		step := stepJSON{Action: s.Action, After: s.After, Evaluate: s.Evaluate, Partial: s.Partial, Completes: s.Completes}
		if s.Action != plan.Wait {
			t := c.of(s.Kind)
			step.Addr, step.Kind, step.PriorID = s.Addr.String(), s.Kind, s.PriorID
			step.PriorIn, step.PriorOut = c.pack(s.PriorIn, t.In), c.pack(s.PriorOut, t.Out)
			step.PlannedIn, step.PlannedOut = c.pack(s.PlannedIn, t.In), c.pack(s.PlannedOut, t.Out)
			step.Deps, step.SensitiveIn = printAddrs(s.Deps), printPaths(s.SensitiveIn)
		}
		for _, d := range s.Drops {
			step.Drops = append(step.Drops, droppedJSON{d.Addr.String(), d.Kind, d.ID})
		}
		e.Steps = append(e.Steps, step)
	}
	for _, o := range p.Outputs {
		e.Outputs = append(e.Outputs, outputJSON{
			o.Name, o.Action, c.pack(o.Before, cty.DynamicPseudoType), c.pack(o.After, cty.DynamicPseudoType), o.Sensitive,
		})
	}
	for i := range p.Refreshed {
		r := &p.Refreshed[i]
		t := c.of(r.Kind)
		e.Refreshed = append(e.Refreshed, refreshedJSON{
			Addr: r.Addr.String(), Kind: r.Kind, Gone: r.Gone, ID: r.ID, In: c.pack(r.In, t.In), Out: c.pack(r.Out, t.Out),
			SensitiveIn: printPaths(r.SensitiveIn), Deps: printAddrs(r.Deps), Tainted: r.Tainted, ReadAt: r.ReadAt,
		})
	}
	return e, c.err
}

func (c *coder) changes(list []plan.Change) []changeJSON {
	var out []changeJSON
	for i := range list {
		ch := &list[i]
		c.of(ch.Kind)
		ty := c.value[ch.Kind]
		out = append(out, changeJSON{
			Addr: ch.Addr.String(), Kind: ch.Kind, Action: ch.Action, Reason: ch.Reason, Why: ch.Why,
			Before: c.pack(ch.Before, ty), After: c.pack(ch.After, ty),
			Replace: printPaths(ch.Replace), Rebound: printPaths(ch.Rebound),
			SensitiveBefore: printPaths(ch.SensitiveBefore), SensitiveAfter: printPaths(ch.SensitiveAfter), Handovers: ch.Handovers, Stages: ch.Stages,
		})
	}
	return out
}

func decodePlan(e planJSON) (*plan.Plan, error) {
	c := newCoder(nil)
	p := &plan.Plan{Mode: e.Mode, Lineage: e.Lineage, Serial: e.Serial, Targets: e.Targets, Types: map[string]plan.Types{}}
	for kind, t := range e.Types {
		in, err := ctyjson.UnmarshalType(t.In)
		c.fail(err)
		out, err := ctyjson.UnmarshalType(t.Out)
		c.fail(err)
		if c.err == nil && (!in.IsObjectType() || !out.IsObjectType()) {
			c.fail(fmt.Errorf("kind %q has values that are no objects", kind))
		}
		p.Types[kind] = plan.Types{In: in, Out: out}
	}
	if c.err != nil {
		return nil, c.err
	}
	c = newCoder(p.Types)
	p.Changes, p.Drift = c.decodeChanges(e.Changes), c.decodeChanges(e.Drift)
	for i, s := range e.Steps {
		step := plan.Step{Action: s.Action, After: s.After, Evaluate: s.Evaluate, Partial: s.Partial, Completes: s.Completes}
		for _, before := range s.After {
			if before < 0 || int(before) >= i {
				c.fail(fmt.Errorf("step %d comes after step %d", i, before))
			}
		}
		if s.Action != plan.Wait {
			t := c.of(s.Kind)
			step.Addr, step.Kind, step.PriorID = c.addr(s.Addr), s.Kind, s.PriorID
			step.PriorIn, step.PriorOut = c.unpack(s.PriorIn, t.In), c.unpack(s.PriorOut, t.Out)
			step.PlannedIn, step.PlannedOut = c.unpack(s.PlannedIn, t.In), c.unpack(s.PlannedOut, t.Out)
			step.Deps, step.SensitiveIn = c.addrs(s.Deps), c.paths(s.SensitiveIn)
		}
		for _, d := range s.Drops {
			step.Drops = append(step.Drops, plan.Dropped{Addr: c.addr(d.Addr), Kind: d.Kind, ID: d.ID})
		}
		p.Steps = append(p.Steps, step)
	}
	for _, o := range e.Outputs {
		p.Outputs = append(p.Outputs, plan.OutputChange{
			Name: o.Name, Action: o.Action, Sensitive: o.Sensitive,
			Before: c.unpack(o.Before, cty.DynamicPseudoType), After: c.unpack(o.After, cty.DynamicPseudoType),
		})
	}
	for _, r := range e.Refreshed {
		t := c.of(r.Kind)
		p.Refreshed = append(p.Refreshed, plan.Refreshed{
			Addr: c.addr(r.Addr), Kind: r.Kind, Gone: r.Gone, ID: r.ID, In: c.unpack(r.In, t.In), Out: c.unpack(r.Out, t.Out),
			SensitiveIn: c.paths(r.SensitiveIn), Deps: c.addrs(r.Deps), Tainted: r.Tainted, ReadAt: r.ReadAt,
		})
	}
	return p, c.err
}

func (c *coder) decodeChanges(list []changeJSON) []plan.Change {
	var out []plan.Change
	for _, ch := range list {
		c.of(ch.Kind)
		ty, ok := c.value[ch.Kind]
		if !ok {
			return nil
		}
		out = append(out, plan.Change{
			Addr: c.addr(ch.Addr), Kind: ch.Kind, Action: ch.Action, Reason: ch.Reason, Why: ch.Why,
			Before: c.unpack(ch.Before, ty), After: c.unpack(ch.After, ty),
			Replace: c.paths(ch.Replace), Rebound: c.paths(ch.Rebound),
			SensitiveBefore: c.paths(ch.SensitiveBefore), SensitiveAfter: c.paths(ch.SensitiveAfter), Handovers: ch.Handovers, Stages: ch.Stages,
		})
	}
	return out
}
