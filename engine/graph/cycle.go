package graph

import "slices"

// Components returns for each vertex the number of its strongly connected
// component (Tarjan, 1972): two vertices share one exactly when each can reach
// the other. Components are numbered against the edges: an edge never leads to
// a higher number.
func (g *Graph) Components() []int32 {
	g.build()
	t := tarjan{
		g:         g,
		index:     make([]int32, g.n),
		low:       make([]int32, g.n),
		component: make([]int32, g.n),
	}
	for v := range t.component {
		t.component[v] = -1
	}
	for v := range int32(g.n) {
		if t.index[v] == 0 {
			t.visit(v)
		}
	}
	return t.component
}

// tarjan is the state of one search. index is 1-based; 0 is not yet visited.
type tarjan struct {
	g         *Graph
	index     []int32
	low       []int32
	component []int32
	stack     []int32
	visited   int32
	found     int32
}

// visit searches from root without recursion: chains are as long as a lab is.
func (t *tarjan) visit(root int32) {
	type frame struct{ v, next int32 } // next successor of v to look at
	frames := []frame{{v: root}}
	t.enter(root)
	for len(frames) > 0 {
		f := &frames[len(frames)-1]
		successors := t.g.Successors(f.v)
		if int(f.next) < len(successors) {
			w := successors[f.next]
			f.next++
			if t.index[w] == 0 {
				t.enter(w)
				frames = append(frames, frame{v: w})
			} else if t.component[w] < 0 {
				t.low[f.v] = min(t.low[f.v], t.index[w])
			}
			continue
		}
		v := f.v
		frames = frames[:len(frames)-1]
		if len(frames) > 0 {
			parent := frames[len(frames)-1].v
			t.low[parent] = min(t.low[parent], t.low[v])
		}
		if t.low[v] != t.index[v] {
			continue
		}
		for last := int32(-1); last != v; {
			last = t.stack[len(t.stack)-1]
			t.stack = t.stack[:len(t.stack)-1]
			t.component[last] = t.found
		}
		t.found++
	}
}

func (t *tarjan) enter(v int32) {
	t.visited++
	t.index[v], t.low[v] = t.visited, t.visited
	t.stack = append(t.stack, v)
}

// Cycle returns the vertices of one cycle in order, the smallest first, or nil
// when there is none. It is a shortest one through that vertex.
func (g *Graph) Cycle() []int32 {
	component := g.Components()
	size := map[int32]int{}
	for _, c := range component {
		size[c]++
	}
	for v := range int32(g.n) {
		if size[component[v]] > 1 || slices.Contains(g.Successors(v), v) {
			return g.shortestCycle(v, component)
		}
	}
	return nil
}

// shortestCycle searches in breadth from start back to start, within its component.
func (g *Graph) shortestCycle(start int32, component []int32) []int32 {
	from := map[int32]int32{}
	queue := []int32{start}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for _, w := range g.Successors(v) {
			if w == start {
				cycle := []int32{v}
				for v != start {
					v = from[v]
					cycle = append(cycle, v)
				}
				slices.Reverse(cycle)
				return cycle
			}
			if _, seen := from[w]; !seen && component[w] == component[start] {
				from[w] = v
				queue = append(queue, w)
			}
		}
	}
	return nil
}
