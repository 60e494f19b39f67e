package eval

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
	"hellolab/hcl/config"
)

// shape writes a configuration of n value blocks.
func shape(name string, n int) string {
	var b strings.Builder
	block := func(i int, input string) { fmt.Fprintf(&b, "value \"r%d\" {\n  input = %s\n}\n", i, input) }
	switch name {
	case "graph": // each refers to two earlier ones
		for i := range n {
			if i < 2 {
				block(i, `"seed"`)
			} else {
				block(i, fmt.Sprintf(`[value.r%d.id, value.r%d.id, "x%d"]`, i-1, i/2, i))
			}
		}
	case "chain":
		for i := range n {
			if i == 0 {
				block(i, `"seed"`)
			} else {
				block(i, fmt.Sprintf("value.r%d.id", i-1))
			}
		}
	case "for_each":
		fmt.Fprintf(&b, "value \"r\" {\n  for_each = { for i in range(%d) : \"k${i}\" => \"v${i}\" }\n  input = \"${each.key}-${each.value}\"\n}\n", n)
	case "for_each of for_each":
		fmt.Fprintf(&b, `
value "r" {
  for_each = toset([for i in range(%d) : "k${i}"])
}
value "s" {
  for_each = { for k, v in value.r : k => v.id }
  input    = [each.value, value.r[each.key].id]
}
`, n/2)
	case "fan in": // half of the blocks choose from one repeated block
		fmt.Fprintf(&b, "value \"r\" {\n  count = %d\n}\nlocals {\n  names = { for i in range(%d) : \"n${i}\" => i }\n}\n", n/2, n/2)
		for i := range n / 2 {
			fmt.Fprintf(&b, "value \"s%d\" {\n  input = [value.r[%d].id, value.r[local.names[\"n%d\"]].input, length(value.r)]\n}\n", i, i, i)
		}
	}
	return b.String()
}

var shapes = []string{"graph", "chain", "for_each", "for_each of for_each", "fan in"}

// evaluate does all that plan and validate need of the language.
func evaluate(tb testing.TB, src string) (*Evaluator, *Result) {
	tb.Helper()
	c, diags := config.FromSources(map[string][]byte{"main.lab.hcl": []byte(src)})
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	e, diags := New(c, registry(), nil, Options{})
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	res, diags := e.Evaluate(context.Background(), nil)
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	return e, res
}

func BenchmarkEvaluate(b *testing.B) {
	for _, name := range shapes {
		for _, n := range []int{1000, 10000} {
			src := shape(name, n)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					evaluate(b, src)
				}
			})
		}
	}
}

// cpu is the processor time of the process so far: the figure that other
// work on the machine does not blur.
func cpu(t testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func BenchmarkInstance(b *testing.B) {
	for _, name := range shapes {
		e, res := evaluate(b, shape(name, 10000))
		// Everything that was to be learned has been.
		done := map[addr.Instance]cty.Value{}
		for _, d := range res.Desired {
			in, _ := d.Config.UnmarkDeep()
			done[d.Addr] = cty.ObjectVal(map[string]cty.Value{"input": cty.UnknownAsNull(in.GetAttr("input")), "id": cty.StringVal("id of " + d.Addr.String())})
		}
		lookup := func(a addr.Instance) (cty.Value, bool) {
			v, ok := done[a]
			return v, ok
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				if _, diags := e.Instance(context.Background(), res.Desired[i%len(res.Desired)].Addr, lookup); diags.HasErrors() {
					b.Fatal(diags)
				}
			}
		})
	}
}

// The cost of a configuration grows with its size, whatever its shape: ten
// times as many blocks take at most twelve times as long, and fit the budget
// of a plan with room to spare.
func TestGrowth(t *testing.T) {
	if testing.Short() {
		t.Skip("measures; not in short mode")
	}
	for _, name := range shapes {
		cost := func(n int) time.Duration {
			src := shape(name, n)
			best := time.Hour
			for range 3 {
				runtime.GC()
				start := cpu(t)
				evaluate(t, src)
				best = min(best, cpu(t)-start)
			}
			return best
		}
		small, large := cost(1000), cost(10000)
		t.Logf("%s: 1,000 in %v, 10,000 in %v: × %.1f", name, small, large, float64(large)/float64(small))
		// A machine under load may double either figure.
		if large > 24*small || large > 4*time.Second {
			t.Errorf("%s: 1,000 in %v, 10,000 in %v", name, small, large)
		}
	}
}
