package graph_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"hellolab/engine/graph"
)

func newGraph(n int, edges ...[2]int32) *graph.Graph {
	g := graph.New(n)
	for _, e := range edges {
		g.Edge(e[0], e[1])
	}
	return g
}

func TestOrder(t *testing.T) {
	tests := []struct {
		name  string
		g     *graph.Graph
		want  []int32
		whole bool
	}{
		{"nothing", newGraph(0), []int32{}, true},
		{"ties go by number", newGraph(4), []int32{0, 1, 2, 3}, true},
		{"edges against the numbers", newGraph(4, [2]int32{3, 0}, [2]int32{2, 3}), []int32{1, 2, 3, 0}, true},
		{"repeated edges", newGraph(2, [2]int32{1, 0}, [2]int32{1, 0}), []int32{1, 0}, true},
		{"a cycle and what hangs on it", newGraph(4, [2]int32{1, 2}, [2]int32{2, 1}, [2]int32{2, 3}), []int32{0}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, whole := tt.g.Order()
			if !slices.Equal(got, tt.want) || whole != tt.whole {
				t.Errorf("Order() = %v, %v; want %v, %v", got, whole, tt.want, tt.whole)
			}
		})
	}
}

func TestCycle(t *testing.T) {
	tests := []struct {
		name string
		g    *graph.Graph
		want []int32
	}{
		{"none", newGraph(3, [2]int32{0, 1}, [2]int32{1, 2}), nil},
		{"itself", newGraph(2, [2]int32{1, 1}), []int32{1}},
		{"the short way round", newGraph(5,
			[2]int32{0, 1}, [2]int32{1, 2}, [2]int32{2, 3}, [2]int32{3, 1}, [2]int32{2, 1}, [2]int32{3, 4}),
			[]int32{1, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.g.Cycle(); !slices.Equal(got, tt.want) {
				t.Errorf("Cycle() = %v, want %v", got, tt.want)
			}
		})
	}
}

// TestModel compares order, components and cycle with their definitions on
// random graphs.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		g := graph.New(n)
		reach := make([][]bool, n)
		for v := range reach {
			reach[v] = make([]bool, n)
		}
		for range rapid.IntRange(0, 20).Draw(t, "edges") {
			from, to := rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to")
			g.Edge(int32(from), int32(to))
			reach[from][to] = true
		}
		direct := make([][]bool, n)
		for v := range reach {
			direct[v] = slices.Clone(reach[v])
		}
		for k := range n { // Warshall
			for i := range n {
				for j := range n {
					reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
				}
			}
		}
		cyclic := false
		component := g.Components()
		for i := range n {
			cyclic = cyclic || reach[i][i]
			for j := range n {
				same := i == j || reach[i][j] && reach[j][i]
				if (component[i] == component[j]) != same {
					t.Fatalf("vertices %d and %d: components %v", i, j, component)
				}
				if direct[i][j] && component[j] > component[i] {
					t.Fatalf("edge %d to %d leads to a higher component: %v", i, j, component)
				}
			}
		}
		order, whole := g.Order()
		if whole == cyclic {
			t.Fatalf("Order says acyclic %v, closure says cyclic %v", whole, cyclic)
		}
		at := make(map[int32]int, n)
		for i, v := range order {
			at[v] = i
		}
		for i := range n {
			for j := range n {
				if whole && direct[i][j] && at[int32(i)] >= at[int32(j)] {
					t.Fatalf("order %v breaks edge %d to %d", order, i, j)
				}
			}
		}
		cycle := g.Cycle()
		if (cycle != nil) != cyclic {
			t.Fatalf("Cycle() = %v, closure says cyclic %v", cycle, cyclic)
		}
		for i, v := range cycle {
			if next := cycle[(i+1)%len(cycle)]; !direct[v][next] {
				t.Fatalf("Cycle() = %v has no edge %d to %d", cycle, v, next)
			}
		}
	})
}

// TestWalkKeepsOrder checks on random acyclic graphs, with random failures,
// that a vertex runs once, after what comes before it, and exactly when none
// of that failed.
func TestWalkKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "n")
		g := graph.New(n)
		before := make([][]int32, n)
		for range rapid.IntRange(0, 60).Draw(t, "edges") {
			a, b := rapid.IntRange(0, n-1).Draw(t, "a"), rapid.IntRange(0, n-1).Draw(t, "b")
			if a != b {
				a, b = min(a, b), max(a, b)
				g.Edge(int32(a), int32(b))
				before[b] = append(before[b], int32(a))
			}
		}
		fails := make([]bool, n)
		for i := range fails {
			fails[i] = rapid.IntRange(0, 9).Draw(t, "fails") == 0
		}
		workers := rapid.IntRange(1, 8).Draw(t, "workers")
		var mu sync.Mutex
		done := make([]int, n)
		broken := errors.New("broken")
		var running, most atomic.Int32
		got := g.Walk(context.Background(), workers, func(_ context.Context, v int32) error {
			now := running.Add(1)
			defer running.Add(-1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			mu.Lock()
			defer mu.Unlock()
			for _, b := range before[v] {
				if done[b] == 0 || fails[b] {
					t.Errorf("%d ran before %d was done", v, b)
				}
			}
			done[v]++
			if fails[v] {
				return broken
			}
			return nil
		})
		if int(most.Load()) > workers {
			t.Fatalf("%d at once with %d workers", most.Load(), workers)
		}
		blocked := make([]bool, n) // failed or behind a failure
		var skipped []int32
		for v := range n {
			behind := slices.ContainsFunc(before[v], func(b int32) bool { return blocked[b] })
			blocked[v] = behind || fails[v]
			if want := map[bool]int{true: 0, false: 1}[behind]; done[v] != want {
				t.Fatalf("%d ran %d times, want %d", v, done[v], want)
			}
			if behind {
				skipped = append(skipped, int32(v))
			}
		}
		if !slices.Equal(got.Skipped, skipped) || got.Left != nil {
			t.Fatalf("skipped %v, left %v; want %v, none", got.Skipped, got.Left, skipped)
		}
	})
}

func TestWalkStopsWithItsContext(t *testing.T) {
	g := newGraph(4, [2]int32{0, 1}, [2]int32{1, 2})
	ctx, cancel := context.WithCancel(context.Background())
	got := g.Walk(ctx, 1, func(_ context.Context, v int32) error {
		if v == 1 {
			cancel()
		}
		return nil
	})
	if want := []int32{2, 3}; !slices.Equal(got.Left, want) || got.Skipped != nil || got.Failed != nil {
		t.Errorf("Walk = %+v, want left %v", got, want)
	}
}

func TestWalkOfCycleEnds(t *testing.T) {
	g := newGraph(3, [2]int32{0, 1}, [2]int32{1, 2}, [2]int32{2, 1})
	got := g.Walk(context.Background(), 4, func(context.Context, int32) error { return nil })
	if want := []int32{1, 2}; !slices.Equal(got.Left, want) {
		t.Errorf("left %v, want %v", got.Left, want)
	}
}

// shapes are those of facts on other engines: separate blocks with two
// references back, and a chain.
func shapes(n int) map[string]*graph.Graph {
	tree, chain := graph.New(n), graph.New(n)
	for v := 1; v < n; v++ {
		tree.Edge(int32(v/2), int32(v))
		tree.Edge(int32(v/3), int32(v))
		chain.Edge(int32(v-1), int32(v))
	}
	return map[string]*graph.Graph{"graph": tree, "chain": chain}
}

func BenchmarkOrder(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		for name, g := range shapes(n) {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, ok := g.Order(); !ok {
						b.Fatal("cycle")
					}
				}
			})
		}
	}
}

func BenchmarkCycle(b *testing.B) {
	for name, g := range shapes(10_000) {
		g.Edge(9_999, 0)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if g.Cycle() == nil {
					b.Fatal("no cycle")
				}
			}
		})
	}
}

func BenchmarkWalk(b *testing.B) {
	for name, g := range shapes(10_000) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				g.Walk(context.Background(), 64, func(context.Context, int32) error { return nil })
			}
		})
	}
}
