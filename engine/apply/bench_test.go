package apply_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hellolab/engine/apply"
	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/hcl/eval"
	"hellolab/state"
)

// shape writes a configuration of n value blocks.
//
//	graph    each refers to two before it, by name
//	chain    each refers to the one before it
//	foreach  one block repeated over an inline map, and a second over the first
func shape(name string, n int) string {
	var b strings.Builder
	switch name {
	case "graph":
		for i := range n {
			fmt.Fprintf(&b, "value \"v%d\" {\n  input = { n = %d", i, i)
			if i > 0 {
				fmt.Fprintf(&b, ", a = value.v%d.id, b = value.v%d.id", i/2, i/3)
			}
			b.WriteString(" }\n}\n")
		}
	case "chain":
		b.WriteString("value \"v0\" { input = 0 }\n")
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, "value \"v%d\" { input = value.v%d.id }\n", i, i-1)
		}
	case "foreach":
		fmt.Fprintf(&b, "value \"all\" {\n  for_each = { for i in range(%d) : \"k${i}\" => i }\n  input = each.value\n}\n", n/2)
		b.WriteString("value \"then\" {\n  for_each = value.all\n  input = each.value.id\n}\n")
	}
	return b.String()
}

// durable opens a state file on disk for the benchmark's lab.
func durable(b *testing.B) (*rig.Rig, *state.Store) {
	b.Helper()
	dir := b.TempDir()
	store, err := state.Open(context.Background(), state.Options{
		Path: filepath.Join(dir, "state.db"), Now: func() time.Time { return rig.Epoch }, Writer: "benchmark",
	})
	if err != nil {
		b.Fatal(err)
	}
	r, err := rig.On(store, filepath.Join(dir, "world"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := r.Lab.Close(); err != nil {
			b.Error(err)
		}
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	return r, store
}

// BenchmarkEngine times what a user waits for, files to result: a plan of
// nothing applied, its durable apply, the plan after that with refresh, and the
// destruction. Each prints wall and processor time and allocation; growth is the
// processor time of 10,000 blocks over that of 1,000.
func BenchmarkEngine(b *testing.B) {
	for _, name := range []string{"graph", "chain", "foreach"} {
		used := map[string]map[int]float64{}
		for _, n := range []int{1_000, 10_000} {
			src := shape(name, n)
			phase := func(label string, run func(b *testing.B) (wall, cpu time.Duration)) {
				b.Run(fmt.Sprintf("%s/%d/%s", name, n, label), func(b *testing.B) {
					var took time.Duration
					var before, after runtime.MemStats
					var cpu time.Duration
					runtime.ReadMemStats(&before)
					for b.Loop() {
						b.StopTimer()
						runtime.GC()
						b.StartTimer()
						t, c := run(b)
						took, cpu = took+t, cpu+c
					}
					runtime.ReadMemStats(&after)
					seconds := took.Seconds() / float64(b.N)
					b.ReportMetric(seconds*1000, "ms/phase")
					b.ReportMetric(cpu.Seconds()/float64(b.N)*1000, "ms-cpu/phase")
					b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/(1<<20), "MB-allocated")
					b.ReportMetric(peakRSS(), "MB-peak-RSS")
					if used[label] == nil {
						used[label] = map[int]float64{}
					}
					used[label][n] = cpu.Seconds() / float64(b.N)
					if small := used[label][1_000]; n == 10_000 && small > 0 {
						b.ReportMetric(used[label][n]/small, "growth")
					}
				})
			}
			phase("plan", func(b *testing.B) (wall, cpu time.Duration) {
				r := rig.New(b)
				stop := stopwatch()
				p, _ := r.MustPlan(b, src)
				wall, cpu = stop()
				if len(p.Steps) != n {
					b.Fatalf("%d steps, want %d", len(p.Steps), n)
				}
				return wall, cpu
			})
			phase("apply", func(b *testing.B) (wall, cpu time.Duration) {
				b.StopTimer()
				r, _ := durable(b)
				p, e := r.MustPlan(b, src)
				b.StartTimer()
				return applied(b, r, p, e, n)
			})
			phase("replan", func(b *testing.B) (wall, cpu time.Duration) {
				b.StopTimer()
				r, _ := durable(b)
				p, e := r.MustPlan(b, src)
				applied(b, r, p, e, n)
				b.StartTimer()
				stop := stopwatch()
				p, _ = r.MustPlan(b, src)
				wall, cpu = stop()
				if !p.Empty() {
					b.Fatal("the plan after the apply is not empty")
				}
				return wall, cpu
			})
			phase("destroy", func(b *testing.B) (wall, cpu time.Duration) {
				b.StopTimer()
				r, _ := durable(b)
				p, e := r.MustPlan(b, src)
				applied(b, r, p, e, n)
				b.StartTimer()
				stop := stopwatch()
				p, e = r.MustPlan(b, src, func(req *plan.Request) { req.Mode = plan.Destroy })
				result, diags := r.Apply(p, e)
				if diags.HasErrors() || result.Destroyed != n {
					b.Fatalf("destroyed %d: %s", result.Destroyed, rig.Diagnostics(diags))
				}
				return stop()
			})
		}
	}
}

func applied(b *testing.B, r *rig.Rig, p *plan.Plan, e *eval.Evaluator, n int) (wall, cpu time.Duration) {
	b.Helper()
	stop := stopwatch()
	result, diags := r.Apply(p, e, func(req *apply.Request) { req.Sink = nil })
	if diags.HasErrors() || result.Added != n {
		b.Fatalf("added %d: %s", result.Added, rig.Diagnostics(diags))
	}
	return stop()
}

// stopwatch returns a function that tells the wall and the processor time that
// passed since. Other work on the machine stretches the first, not the second.
func stopwatch() func() (wall, cpu time.Duration) {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return 0
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began, before := time.Now(), used()
	return func() (time.Duration, time.Duration) { return time.Since(began), used() - before }
}

// peakRSS is the most memory the process ever had, in MB, as Linux tells it.
// It grows over a run: only the first phase's figure is that phase's alone.
func peakRSS() float64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}
