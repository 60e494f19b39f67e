package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"hellolab/engine/graph"
	"hellolab/engine/plan"
	"hellolab/hcl/addr"
	"hellolab/providers"
	"hellolab/state"
)

// RecoverRequest is where to look for what an interrupted apply left behind.
type RecoverRequest struct {
	Registry *providers.Registry
	View     state.View
	Lab      plan.Lab
}

// Recovered is one intent that was settled.
type Recovered struct {
	Addr   addr.Instance
	Action plan.Action // of the intent
	// Outcome is "adopted" (it was made, and is now recorded), "nothing" (it was
	// not), "kept" (it stays recorded as it was; the next refresh reads it) or
	// "forgotten" (it is gone).
	Outcome string
}

// Recover settles every intent that has no result: the systems are asked with
// Find what became of it. It must run before planning, on the view that is
// planned on. An object that was made and whose block is gone since is adopted
// all the same, so that the plan deletes it. An intent whose system does not
// answer stays and is an error: planning without it could make a thing twice.
func Recover(ctx context.Context, req RecoverRequest) ([]Recovered, hcl.Diagnostics) {
	var intents []state.Intent
	err := req.View.Read(func(r state.Reader) (err error) {
		intents, err = state.Intents(r)
		return err
	})
	if err != nil {
		return nil, problem("The state cannot be read", "%s", sentence(err))
	}
	var done []Recovered
	var diags hcl.Diagnostics
	for _, i := range inOrder(intents) {
		r, err := recoverOne(ctx, req, i)
		if err != nil {
			diags = append(diags, problem("An interrupted step cannot be settled",
				"The step to %s %s was cut off, and the lab does not say what became of it: %s", i.Action, i.Addr, sentence(err))...)
			continue
		}
		done = append(done, r)
	}
	return done, diags
}

// inOrder puts what was made before what was made from it, and deletes, which
// went the other way, last and reversed: a system is asked while what it needs
// is still recorded.
func inOrder(intents []state.Intent) []state.Intent {
	index := map[string]int32{}
	for i, in := range intents {
		index[in.Addr] = int32(i)
	}
	g := graph.New(len(intents))
	for i, in := range intents {
		for _, dep := range in.Deps {
			if d, ok := index[dep]; ok {
				g.Edge(d, int32(i))
			}
		}
	}
	order, ok := g.Order()
	if !ok { // remembered dependencies may go in circles; then any order will do
		order = order[:0]
		for i := range intents {
			order = append(order, int32(i))
		}
	}
	var made, deleted []state.Intent
	for _, i := range order {
		if intents[i].Action == string(plan.Delete) {
			deleted = append([]state.Intent{intents[i]}, deleted...)
		} else {
			made = append(made, intents[i])
		}
	}
	return append(made, deleted...)
}

func recoverOne(ctx context.Context, req RecoverRequest, i state.Intent) (Recovered, error) {
	a, err := addr.Parse(i.Addr)
	if err != nil {
		return Recovered{}, err
	}
	result := Recovered{Addr: a, Action: plan.Action(i.Action)}
	t := req.Registry.Type(i.Kind)
	if t == nil {
		return result, fmt.Errorf("this program has no kind %q", i.Kind)
	}
	asked, err := msgpack.Unmarshal(i.In, t.Schema.InType)
	if err != nil {
		return result, fmt.Errorf("what was asked cannot be read: %w", err)
	}
	var settle func(state.Writer) error
	switch result.Action {
	case plan.Create, plan.Delete:
		env := req.Lab.Env(i.Addr, t, asked)
		env.Objects = intended{env.Objects, providers.Record{Addr: i.Addr, Kind: i.Kind, In: asked, Out: cty.NullVal(t.Schema.OutType)}}
		found, err := t.Find(ctx, env, i.Key)
		if err != nil && !errors.Is(err, providers.ErrGone) {
			return result, err
		}
		there := err == nil
		switch {
		case result.Action == plan.Create && there:
			result.Outcome = "adopted"
			settle, err = adopt(req, a, t, i, asked, found)
			if err != nil {
				return result, err
			}
		case result.Action == plan.Create:
			result.Outcome = "nothing"
			settle = func(state.Writer) error { return nil }
		case there:
			result.Outcome = "kept"
			settle = readAgain(i.Addr)
		default:
			result.Outcome = "forgotten"
			settle = func(w state.Writer) error {
				return errors.Join(state.DeleteObject(w, i.Addr), state.DropSection(w, i.Addr))
			}
		}
	default:
		result.Outcome = "kept"
		settle = readAgain(i.Addr)
	}
	return result, req.View.Commit(ctx, func(w state.Writer) error {
		return errors.Join(settle(w), state.DeleteIntent(w, i.Addr))
	})
}

// intended shows an object that was asked for and is not recorded, as declared:
// Find looks its home up there.
type intended struct {
	providers.Objects
	rec providers.Record
}

func (o intended) Lookup(name string) (providers.Record, error) {
	rec, err := o.Objects.Lookup(name)
	if name == o.rec.Addr && errors.Is(err, providers.ErrUnknownObject) {
		return o.rec, nil
	}
	return rec, err
}

// adopt records an object that was made and not recorded. It is whole: a kind
// finds nothing less. Values that the system reports as asked keep the
// spelling they were asked in.
func adopt(req RecoverRequest, a addr.Instance, t *providers.Type, i state.Intent, asked cty.Value, found providers.Record) (func(state.Writer) error, error) {
	rec := stored{
		t: t, addr: a, id: found.ID,
		in:  t.Schema.WithoutWriteOnly(t.Schema.Keep(asked, found.In)),
		out: found.Out,
	}
	encoded, err := rec.encode(req.Lab.Now())
	if err != nil {
		return nil, err
	}
	encoded.Deps = i.Deps
	return func(w state.Writer) error { return state.PutObject(w, encoded) }, nil
}

// readAgain leaves the record as it was, and makes the next refresh read it.
func readAgain(name string) func(state.Writer) error {
	return func(w state.Writer) error {
		o, ok, err := state.GetObject(w, name)
		if err != nil || !ok {
			return err
		}
		o.ReadAt = nil
		return state.PutObject(w, o)
	}
}
