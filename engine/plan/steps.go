package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/graph"
	"hellolab/hcl/addr"
)

// stepper orders the side effects of a plan. Its graph has a node for each
// step, for each object that nothing happens to (what depends on it waits for
// what it depends on), and three for each kind K:
//
//	made(K)       everything that happens to objects of K has happened
//	clearable(K)  nothing that comes after K is left to be deleted
//	cleared(K)    no object of K is left to be deleted
//
// so that "all policies before the first enrollment" costs one edge per object
// and not one per pair. Nodes without a step are contracted in the end.
//
//	create or update of o  after its dependencies, after made(A) for each A in
//	                       Type.After, after its own delete
//	completion of o        after its create, and after the create of what refers
//	                       back to it
//	delete of o            after the deletes of what depended on it, after
//	                       clearable(its kind)
//
// What refers to an object waits for its completion, too, unless the completion
// waits for that.
//
// An update that drops a reference goes before the delete of what it referred
// to, where nothing else demands the opposite.
type stepper struct {
	*planner
	changes  []*object
	nodes    []node
	edges    []edge
	byAddr   map[addr.Instance]*entry
	barriers map[string]barrier
}

// barrier is the three nodes of a kind.
type barrier struct{ made, clearable, cleared int32 }

// edge is "from before to".
type edge struct {
	from, to int32
	// loose edges give way where they close a circle: those from a delete's
	// remembered dependencies, which may be out of date, those from an object's
	// completion, and those between objects that are there already.
	loose bool
}

// node is a vertex; step is nil where it only joins others.
type node struct {
	step *Step
	what string // for the message about a cycle
}

// entry is the nodes of one object: -1 for none.
type entry struct {
	o       *object
	first   int32 // its create or update; or, for a no-op, the node that joins its dependencies
	forward int32 // where it is whole: first, or the step that completes it
	gone    int32 // its delete, or that of the home it goes with
	dropped bool  // it goes with its home
}

func (p *planner) steps(changes []*object) ([]Step, hcl.Diagnostics) {
	s := &stepper{
		planner: p, changes: changes,
		byAddr:   make(map[addr.Instance]*entry, len(changes)),
		barriers: map[string]barrier{},
	}
	if !slices.ContainsFunc(changes, func(o *object) bool { return o.change.Action != NoOp }) {
		return nil, nil
	}
	s.addNodes()
	s.addEdges()
	s.dropLoose()
	order, diags := s.sort()
	if diags.HasErrors() {
		return nil, diags
	}
	return s.contract(order), nil
}

// addNodes numbers the nodes so that, of several that could go next, a joining
// one goes first, then creates and updates, then the deletes of replacements,
// then the other deletes.
func (s *stepper) addNodes() {
	for _, kind := range s.req.Registry.Names() {
		s.barriers[kind] = barrier{
			made:      s.node(nil, "every "+kind),
			clearable: s.node(nil, "the deletes of what comes after every "+kind),
			cleared:   s.node(nil, "the deletes of every "+kind),
		}
	}
	for _, o := range s.changes {
		e := &entry{o: o, first: -1, gone: -1}
		s.byAddr[o.change.Addr] = e
		if o.change.Action == NoOp {
			e.first = s.node(nil, o.change.Addr.String())
		}
	}
	for _, o := range s.changes {
		if a := o.change.Action; a == Create || a == Update || a == Replace {
			s.byAddr[o.change.Addr].first = s.node(o.forwardStep(), o.change.Addr.String())
		}
	}
	for _, o := range s.changes {
		e := s.byAddr[o.change.Addr]
		e.forward = e.first
		if o.twice() {
			e.forward = s.node(o.completion(), "the completion of "+o.change.Addr.String())
		}
	}
	for _, action := range []Action{Replace, Delete} {
		for _, o := range s.changes {
			if e := s.byAddr[o.change.Addr]; o.change.Action == action && !s.goesWithHome(o) {
				e.gone = s.node(o.deleteStep(), "the delete of "+o.change.Addr.String())
			}
		}
	}
	for _, o := range s.changes {
		e := s.byAddr[o.change.Addr]
		if !o.destroyed() || e.gone >= 0 {
			continue
		}
		root := s.rootHome(o)
		e.gone, e.dropped = root.gone, true
		step := s.nodes[root.gone].step
		step.Drops = append(step.Drops, Dropped{Addr: o.change.Addr, Kind: o.change.Kind, ID: o.prior.rec.ID})
	}
}

func (s *stepper) node(step *Step, what string) int32 {
	s.nodes = append(s.nodes, node{step, what})
	return int32(len(s.nodes) - 1)
}

// home returns the entry of the object that holds o's records, if that is
// destroyed by this plan.
func (s *stepper) home(o *object) *entry {
	name := o.prior.home()
	if name == "" || name == o.prior.rec.Addr {
		return nil
	}
	a, err := addr.Parse(name)
	if err != nil {
		return nil
	}
	e := s.byAddr[a]
	if e == nil || !e.o.destroyed() {
		return nil
	}
	return e
}

// goesWithHome reports whether deleting o's home deletes o: the home is
// destroyed, and has no home itself or goes with that.
func (s *stepper) goesWithHome(o *object) bool {
	seen := map[*object]bool{} // homes in a ring are nobody's
	for !seen[o] {
		seen[o] = true
		h := s.home(o)
		if h == nil {
			return false
		}
		if h.o.prior.home() == "" {
			return true
		}
		o = h.o
	}
	return false
}

// rootHome is the home that o goes with.
func (s *stepper) rootHome(o *object) *entry {
	h := s.home(o)
	for h.o.prior.home() != "" {
		h = s.home(h.o)
	}
	return h
}

func (o *object) forwardStep() *Step {
	step := &Step{
		Addr: o.change.Addr, Kind: o.change.Kind, Action: Create,
		PriorIn: cty.NullVal(o.kind.types.In), PriorOut: cty.NullVal(o.kind.types.Out),
		PlannedIn: o.in, PlannedOut: o.out,
		Evaluate: o.evaluate, Deps: o.desired.Deps, SensitiveIn: o.marked,
	}
	switch {
	case o.change.Action == Update:
		step.Action = Update
		step.PriorID, step.PriorIn, step.PriorOut = o.prior.rec.ID, o.prior.rec.In, o.prior.rec.Out
	case o.twice():
		step.Partial = true
		step.PlannedIn = o.kind.t.Schema.WithoutLater(o.in)
		step.PlannedOut = predict(o.kind.t, step.PlannedIn)
	}
	return step
}

// twice reports whether an object is made first and completed later, because
// something that it refers to refers back to it.
func (o *object) twice() bool { return o.anew() && o.desired != nil && len(o.desired.Later) > 0 }

// completion is the step that sets what the create of o was not given.
func (o *object) completion() *Step {
	step := o.forwardStep()
	step.Action, step.Partial, step.Completes = Update, false, true
	step.PlannedIn, step.PlannedOut = o.in, o.out
	return step
}

func (o *object) deleteStep() *Step {
	return &Step{
		Addr: o.change.Addr, Kind: o.change.Kind, Action: Delete,
		PriorID: o.prior.rec.ID, PriorIn: o.prior.rec.In, PriorOut: o.prior.rec.Out,
		PlannedIn: cty.NullVal(o.kind.types.In), PlannedOut: cty.NullVal(o.kind.types.Out),
		SensitiveIn: o.prior.marked, Deps: o.prior.deps,
	}
}

func (s *stepper) edge(from, to int32) {
	if from >= 0 && to >= 0 && from != to {
		s.edges = append(s.edges, edge{from: from, to: to})
	}
}

func (s *stepper) addEdges() {
	freed := s.freedKeys()
	for _, o := range s.changes {
		e, k := s.byAddr[o.change.Addr], o.kind.t
		own := s.barriers[k.Name]
		if e.first >= 0 {
			s.after(o, e)
		}
		if o.anew() || o.change.Action == Update {
			for _, before := range k.After {
				if b, ok := s.barriers[before]; ok {
					s.edge(b.made, e.first)
				}
			}
			s.edge(e.forward, own.made)
			s.edge(e.gone, e.first)
			s.afterFreed(o, e, freed)
		}
		if e.gone < 0 {
			continue
		}
		s.edge(own.clearable, e.gone)
		s.edge(e.gone, own.made)
		if e.dropped {
			continue // nobody is asked to delete it, so nothing waits for that
		}
		s.edge(e.gone, own.cleared)
		for _, dep := range o.prior.deps {
			if d := s.byAddr[dep]; d != nil && d.gone >= 0 && d.gone != e.gone {
				s.wish(e.gone, d.gone)
			}
		}
	}
	for _, kind := range s.req.Registry.Names() {
		own := s.barriers[kind]
		s.edge(own.clearable, own.cleared)
		for _, before := range s.req.Registry.Type(kind).After {
			if b, ok := s.barriers[before]; ok {
				s.edge(b.made, own.made)
				s.edge(own.cleared, b.clearable)
			}
		}
	}
}

// after makes an object wait for its dependencies.
func (s *stepper) after(o *object, e *entry) {
	s.edge(e.first, e.forward)
	for _, dep := range o.desired.Deps {
		d := s.byAddr[dep]
		if d == nil || d.first < 0 {
			continue
		}
		_, back := slices.BinarySearchFunc(o.desired.Later, dep, addr.Compare)
		switch {
		case back && d.o.anew():
			s.edge(d.first, e.forward)
		case back: // it is there already
			s.wish(d.first, e.forward)
		case d.o.anew() || len(d.o.desired.Later) == 0:
			s.edge(d.first, e.first)
			s.wish(d.forward, e.first)
		default: // its update may wait for this
			s.wish(d.first, e.first)
		}
	}
}

// wish adds an edge that gives way where it closes a circle.
func (s *stepper) wish(from, to int32) {
	if from != to {
		s.edges = append(s.edges, edge{from: from, to: to, loose: true})
	}
}

// dropLoose removes the loose edges that go in circles. What an object depended
// on is remembered from when it was last applied, and of two objects that were
// not applied together each may remember the other.
func (s *stepper) dropLoose() {
	component := s.graph().Components()
	s.edges = slices.DeleteFunc(s.edges, func(e edge) bool {
		return e.loose && component[e.from] == component[e.to]
	})
}

func (s *stepper) graph() *graph.Graph {
	g := graph.New(len(s.nodes))
	for _, e := range s.edges {
		g.Edge(e.from, e.to)
	}
	return g
}

// sort orders the nodes and then adds the edges that are only wishes: as far
// as they agree with that order they cannot close a circle.
func (s *stepper) sort() ([]int32, hcl.Diagnostics) {
	g := s.graph()
	order, ok := g.Order()
	if !ok {
		return nil, s.circle(g.Cycle())
	}
	at := make([]int32, len(order))
	for i, v := range order {
		at[v] = int32(i)
	}
	for _, o := range s.changes {
		if o.change.Action != Update {
			continue
		}
		e := s.byAddr[o.change.Addr]
		for _, dep := range o.prior.deps {
			if d := s.byAddr[dep]; d != nil && d.o.change.Action == Delete && at[e.forward] < at[d.gone] {
				s.edge(e.forward, d.gone)
			}
		}
	}
	return order, nil
}

func (s *stepper) circle(nodes []int32) hcl.Diagnostics {
	names := make([]string, 0, len(nodes)+1)
	for _, v := range append(nodes, nodes[0]) {
		names = append(names, s.nodes[v].what)
	}
	d := &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "These wait for each other",
		Detail: fmt.Sprintf("There is no order in which this plan could be applied, because each of these must come before the next: %s. References and the order of kinds contradict each other; remove one of the references.",
			strings.Join(names, ", ")),
	}
	for _, v := range nodes {
		if step := s.nodes[v].step; step != nil {
			if e := s.byAddr[step.Addr]; e != nil && e.o.desired != nil {
				d.Subject = e.o.desired.Range.Ptr()
				break
			}
		}
	}
	return hcl.Diagnostics{d}
}

// contract returns the steps in order. A node without a step hands what it
// waits for on to what waits for it; only where that would multiply edges it
// becomes a Wait step.
func (s *stepper) contract(order []int32) []Step {
	before := make([][]int32, len(s.nodes)) // predecessors
	uses := make([]int32, len(s.nodes))     // successors that lead to a step
	for _, e := range s.edges {
		before[e.to] = append(before[e.to], e.from)
	}
	for _, v := range slices.Backward(order) {
		if s.nodes[v].step == nil && uses[v] == 0 {
			continue
		}
		for _, w := range before[v] {
			uses[w]++
		}
	}
	steps := make([]Step, 0, len(s.nodes))
	after := make([][]int32, len(s.nodes)) // steps that stand for a node
	for _, v := range order {
		if s.nodes[v].step == nil && uses[v] == 0 {
			continue
		}
		var wait []int32
		for _, w := range before[v] {
			wait = append(wait, after[w]...)
		}
		slices.Sort(wait)
		wait = slices.Compact(wait)
		step := s.nodes[v].step
		if step == nil {
			if len(wait) <= 1 || uses[v] <= 1 {
				after[v] = wait
				continue
			}
			step = &Step{Action: Wait}
		}
		step.After = wait
		after[v] = []int32{int32(len(steps))}
		steps = append(steps, *step)
	}
	return steps
}
