// Package graph is a directed graph of small integers, kept on slices: the
// order of the engine's steps, its cycles, and a walk by a pool of workers.
// Vertices are 0…n-1; what they stand for is the caller's.
//
// It knows nothing of the project. Ordering 10,000 vertices takes about a
// millisecond and no allocation per vertex.
package graph

import "slices"

// Graph is a set of vertices and of edges "from comes before to". Edges may
// repeat. The zero Graph has no vertices.
type Graph struct {
	n     int
	edges []edge

	// Adjacency in compressed rows, built from edges when first needed:
	// successors of v are succ[head[v]:head[v+1]], in the order of their edges.
	head, succ []int32
	built      int // edges that head and succ hold
}

type edge struct{ from, to int32 }

// New returns a graph of n vertices without edges.
func New(n int) *Graph { return &Graph{n: n} }

// Len returns the number of vertices.
func (g *Graph) Len() int { return g.n }

// Add adds a vertex and returns it.
func (g *Graph) Add() int32 {
	g.n++
	return int32(g.n - 1)
}

// Edge says that from comes before to.
func (g *Graph) Edge(from, to int32) { g.edges = append(g.edges, edge{from, to}) }

// Successors returns the vertices that from's edges lead to. The slice is the
// graph's own and good until the next Edge or Add.
func (g *Graph) Successors(from int32) []int32 {
	g.build()
	return g.succ[g.head[from]:g.head[from+1]]
}

func (g *Graph) build() {
	if g.built == len(g.edges) && len(g.head) == g.n+1 {
		return
	}
	g.head = make([]int32, g.n+1)
	for _, e := range g.edges {
		g.head[e.from+1]++
	}
	for v := range g.n {
		g.head[v+1] += g.head[v]
	}
	g.succ = make([]int32, len(g.edges))
	next := slices.Clone(g.head)
	for _, e := range g.edges {
		g.succ[next[e.from]] = e.to
		next[e.from]++
	}
	g.built = len(g.edges)
}

// indegrees counts the edges into each vertex.
func (g *Graph) indegrees() []int32 {
	in := make([]int32, g.n)
	for _, e := range g.edges {
		in[e.to]++
	}
	return in
}

// Order returns the vertices so that every edge leads forward (Kahn); of the
// vertices that could come next the smallest does. ok is false when a cycle
// stands in the way: order then holds what comes before every cycle.
func (g *Graph) Order() (order []int32, ok bool) {
	g.build()
	in := g.indegrees()
	var ready heap
	for v := range int32(g.n) {
		if in[v] == 0 {
			ready = append(ready, v) // ascending, so already a heap
		}
	}
	order = make([]int32, 0, g.n)
	for len(ready) > 0 {
		v := ready.pop()
		order = append(order, v)
		for _, w := range g.Successors(v) {
			if in[w]--; in[w] == 0 {
				ready.push(w)
			}
		}
	}
	return order, len(order) == g.n
}

// heap is a binary min-heap of vertices.
type heap []int32

func (h *heap) push(v int32) {
	s := append(*h, v)
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if s[parent] <= s[i] {
			break
		}
		s[parent], s[i] = s[i], s[parent]
		i = parent
	}
	*h = s
}

func (h *heap) pop() int32 {
	s := *h
	top, last := s[0], len(s)-1
	s[0] = s[last]
	s = s[:last]
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && s[child] < s[least] {
				least = child
			}
		}
		if least == i {
			break
		}
		s[least], s[i] = s[i], s[least]
		i = least
	}
	*h = s
	return top
}
