package eval

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// sortNodes orders nodes, which come in order of preference, so that each
// comes after those it refers to; of several that could be next, the first.
// Nodes of a cycle, and those that need them, are left out.
func sortNodes(nodes []*node) (order []*node, circles [][]*node) {
	waits := make([]int32, len(nodes)) // references not yet ordered
	users := make([][]int32, len(nodes))
	for i, n := range nodes {
		for _, to := range n.edges {
			users[to.index] = append(users[to.index], int32(i))
			waits[i]++
		}
	}
	ready := &intHeap{}
	for i := range nodes {
		if waits[i] == 0 {
			*ready = append(*ready, int32(i))
		}
	}
	heap.Init(ready)
	order = make([]*node, 0, len(nodes))
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int32)
		order = append(order, nodes[i])
		for _, u := range users[i] {
			if waits[u]--; waits[u] == 0 {
				heap.Push(ready, u)
			}
		}
	}
	if len(order) == len(nodes) {
		return order, nil
	}
	return order, components(nodes, waits)
}

// sortLater orders nodes as sortNodes does. Where blocks refer to each other in
// a circle, and some by attributes that may be set later, these references give
// way: in place of the block, its repetition alone is evaluated before, which
// tells its addresses. What then still goes in circles is told. The nodes
// returned are all there are, by index.
func sortLater(nodes []*node) (order, all []*node, diags hcl.Diagnostics) {
	expanders := map[*node]*node{}
	for {
		order, circles := sortNodes(nodes)
		gave := false
		for _, scc := range circles {
			in := make(map[*node]bool, len(scc))
			for _, n := range scc {
				in[n] = true
			}
			for _, n := range scc {
				for _, to := range n.soft {
					if !in[to] || n.stubs[to] {
						continue
					}
					gave = true
					x := expanders[to]
					if x == nil {
						x = &node{index: len(nodes), expands: to, edges: append(targets(&to.repeat), to.repeat.locals...)}
						expanders[to] = x
						nodes = append(nodes, x)
						to.edges = append(to.edges, x)
					}
					if n.stubs == nil {
						n.stubs = map[*node]bool{}
					}
					n.stubs[to] = true
					n.edges = append(n.edges, x)
				}
				n.edges = slices.DeleteFunc(n.edges, func(e *node) bool { return n.stubs[e] })
			}
		}
		if gave {
			continue
		}
		for _, scc := range circles {
			diags = append(diags, cycleDiagnostic(scc))
		}
		return order, nodes, diags
	}
}

// components returns the strongly connected components of more than one node
// among those that wait (Tarjan's algorithm, without recursion).
func components(nodes []*node, waits []int32) [][]*node {
	index := make([]int, len(nodes)) // 0: not visited
	low := make([]int, len(nodes))
	on := make([]bool, len(nodes))
	var stack []int
	var found [][]*node
	next := 1
	type frame struct{ n, edge int }
	for start := range nodes {
		if waits[start] == 0 || index[start] != 0 {
			continue
		}
		frames := []frame{{start, 0}}
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			v := f.n
			if f.edge == 0 {
				index[v], low[v] = next, next
				next++
				stack, on[v] = append(stack, v), true
			}
			if f.edge < len(nodes[v].edges) {
				to := nodes[v].edges[f.edge].index
				f.edge++
				switch {
				case waits[to] == 0:
				case index[to] == 0:
					frames = append(frames, frame{to, 0})
				case on[to]:
					low[v] = min(low[v], index[to])
				}
				continue
			}
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				p := frames[len(frames)-1].n
				low[p] = min(low[p], low[v])
			}
			if low[v] != index[v] {
				continue
			}
			var scc []*node
			for {
				w := stack[len(stack)-1]
				stack, on[w] = stack[:len(stack)-1], false
				scc = append(scc, nodes[w])
				if w == v {
					break
				}
			}
			if len(scc) > 1 {
				found = append(found, scc)
			}
		}
	}
	return found
}

// maxCycle bounds how many blocks of a cycle are printed.
const maxCycle = 50

// cycleDiagnostic prints a shortest cycle through the first node of a
// component, then the component's other blocks.
func cycleDiagnostic(scc []*node) *hcl.Diagnostic {
	first := slices.MinFunc(scc, func(a, b *node) int { return a.index - b.index })
	path := shortestCycle(first, scc)
	var b strings.Builder
	b.WriteString("These refer to each other in a circle, so none of them can be first:\n")
	for i, n := range path {
		if i == maxCycle {
			fmt.Fprintf(&b, "\n  … and %d more", len(path)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s (%s) refers to %s", n, n.rng(), path[(i+1)%len(path)])
	}
	if rest := len(scc) - len(path); rest > 0 {
		b.WriteString("\n\nIn further circles with them:\n")
		shown := 0
		for _, n := range scc {
			if slices.Contains(path, n) {
				continue
			}
			if shown++; shown > maxCycle {
				fmt.Fprintf(&b, "\n  … and %d more", rest-maxCycle)
				break
			}
			fmt.Fprintf(&b, "\n  %s (%s)", n, n.rng())
		}
	}
	rng := first.rng()
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Reference cycle", Detail: b.String(), Subject: &rng}
}

func shortestCycle(first *node, scc []*node) []*node {
	in := make(map[*node]bool, len(scc))
	for _, n := range scc {
		in[n] = true
	}
	from := map[*node]*node{}
	queue := []*node{first}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, to := range n.edges {
			if to == first {
				var path []*node
				for at := n; at != nil; at = from[at] {
					path = append(path, at)
				}
				slices.Reverse(path)
				return path
			}
			if _, seen := from[to]; in[to] && !seen {
				from[to] = n
				queue = append(queue, to)
			}
		}
	}
	return scc
}

type intHeap []int32

func (h intHeap) Len() int           { return len(h) }
func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(x any)        { *h = append(*h, x.(int32)) }
func (h *intHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
