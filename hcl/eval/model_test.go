package eval

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"hellolab/hcl/addr"
	"hellolab/hcl/budget"
	"hellolab/hcl/config"
)

// lab is a random configuration of value blocks and local values, each of
// which refers to some before it, with what each refers to.
type lab struct {
	parts []string // one block each, in an order that has no meaning
	refs  []string // expressions that later ones may use
	whole []string // repeated blocks: names that stand for all instances
}

func genLab(t *rapid.T) lab {
	var l lab
	pick := func(what string) string {
		if len(l.refs) == 0 {
			return `"seed"`
		}
		return rapid.SampledFrom(l.refs).Draw(t, what)
	}
	expr := func() string {
		switch rapid.IntRange(0, 7).Draw(t, "expression") {
		case 0:
			return `"x"`
		case 1:
			return fmt.Sprintf("[%s, %s]", pick("a"), pick("b"))
		case 2:
			return fmt.Sprintf(`"<${jsonencode(%s)}>"`, pick("a"))
		case 3:
			return fmt.Sprintf("{ k = %s }", pick("a"))
		case 4:
			if len(l.whole) > 0 {
				return fmt.Sprintf("[for k, v in %s : v.id]", rapid.SampledFrom(l.whole).Draw(t, "whole"))
			}
		case 5:
			return fmt.Sprintf("try(%s.nothing, %s)", pick("a"), pick("b"))
		case 6:
			return fmt.Sprintf("length(jsonencode(%s)) > 3 ? %s : null", pick("a"), pick("b"))
		}
		return pick("only")
	}
	var racks []string
	for i := range rapid.IntRange(1, 12).Draw(t, "blocks") {
		n := fmt.Sprintf("n%d", i)
		switch rapid.IntRange(0, 6).Draw(t, "block") {
		case 0:
			l.parts = append(l.parts, fmt.Sprintf("locals {\n  %s = %s\n}", n, expr()))
			l.refs = append(l.refs, "local."+n)
		case 1:
			count := rapid.IntRange(0, 3).Draw(t, "count")
			l.parts = append(l.parts, fmt.Sprintf("value %q {\n  count = %d\n  input = [count.index, %s]\n}", n, count, expr()))
			for k := range count {
				l.refs = append(l.refs, fmt.Sprintf("value.%s[%d].id", n, k))
			}
			l.whole = append(l.whole, "value."+n)
		case 2:
			l.parts = append(l.parts, fmt.Sprintf("value %q {\n  for_each = { a = %s, b = %s }\n  input = [each.key, each.value]\n}", n, expr(), expr()))
			l.refs = append(l.refs, fmt.Sprintf("value.%s[\"a\"].id", n), fmt.Sprintf("value.%s[\"b\"].input", n))
			l.whole = append(l.whole, "value."+n)
		case 3:
			if len(l.whole) == 0 {
				continue
			}
			from := rapid.SampledFrom(l.whole).Draw(t, "from")
			l.parts = append(l.parts, fmt.Sprintf("value %q {\n  for_each = { for k, v in %s : \"k${k}\" => v.id }\n  input = [each.value, %s]\n}", n, from, expr()))
			l.whole = append(l.whole, "value."+n)
		case 4:
			l.parts = append(l.parts, fmt.Sprintf(`rack %q {
  place = "x"
  peers = PEERS
  controller "a" {
    os = "2022"
    certificate { names = [jsonencode(%s)] }
  }
  dynamic "controller" {
    for_each = ["b", "c"]
    labels   = [controller.value]
    content {
      os = "2022"
      certificate { names = [controller.value, jsonencode(%s)] }
    }
  }
}`, n, expr(), expr()))
			racks = append(racks, "rack."+n)
			l.refs = append(l.refs, fmt.Sprintf("rack.%s.controller[\"b\"].certificate.names", n), fmt.Sprintf("rack.%s.controller", n), "rack."+n+".id")
		default:
			after := ""
			if len(l.whole) > 0 && rapid.Bool().Draw(t, "depends_on") {
				after = fmt.Sprintf("\n  depends_on = [%s]", rapid.SampledFrom(l.whole).Draw(t, "after"))
			}
			l.parts = append(l.parts, fmt.Sprintf("value %q {\n  input = %s%s\n}", n, expr(), after))
			l.refs = append(l.refs, "value."+n+".id", "value."+n+".input")
		}
	}
	for i, part := range l.parts { // racks refer to any others, in circles, too
		if strings.Contains(part, "PEERS") {
			peers := rapid.SliceOfDistinct(rapid.SampledFrom(racks), rapid.ID).Draw(t, "peers")
			peers = slices.DeleteFunc(peers, func(r string) bool { return strings.HasPrefix(part, "rack \""+strings.TrimPrefix(r, "rack.")+"\"") })
			l.parts[i] = strings.Replace(part, "PEERS", "["+strings.Join(peers, ", ")+"]", 1)
		}
	}
	return l
}

// ids are values that tell each id, as an apply would, or none, as a plan.
type ids struct{ known bool }

func (v ids) Instance(d *Desired) (cty.Value, hcl.Diagnostics) {
	id := cty.UnknownVal(cty.String)
	if v.known {
		id = cty.StringVal("id of " + d.Addr.String())
	}
	attrs := d.Config.AsValueMap()
	attrs["id"] = id
	return cty.ObjectVal(attrs), nil
}

func evaluator(t rapid.TB, parts []string) *Evaluator {
	c, diags := config.FromSources(map[string][]byte{"main.lab.hcl": []byte(strings.Join(parts, "\n") + "\n")})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	e, diags := New(c, registry(), nil, Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return e
}

func run1(t rapid.TB, e *Evaluator, v Values) *Result {
	res, diags := e.Evaluate(context.Background(), v)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return res
}

// What is planned with unknowns and evaluated again as results come in is what
// evaluating with all results at once gives; it depends on the order of blocks
// in no way; and dependencies tell all that an instance needs.
func TestInstanceCompletesThePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genLab(t)
		e := evaluator(t, l.parts)
		want := run1(t, e, ids{known: true})
		shuffled := rapid.Permutation(l.parts).Draw(t, "order")
		e = evaluator(t, shuffled)
		plan := run1(t, e, ids{})

		if len(plan.Desired) != len(want.Desired) {
			t.Fatalf("%d instances are planned, %d evaluated", len(plan.Desired), len(want.Desired))
		}
		done := map[addr.Instance]cty.Value{}
		for i, d := range plan.Desired {
			if w := want.Desired[i]; w.Addr != d.Addr || len(with(d.Deps, w.Deps)) != len(d.Deps) {
				t.Fatalf("instance %d is %s after %v, want %s after %v", i, d.Addr, d.Deps, w.Addr, w.Deps)
			}
			if !slices.IsSortedFunc(d.Deps, addr.Compare) {
				t.Fatalf("%s: dependencies are not in order: %v", d.Addr, d.Deps)
			}
			// Nothing but the dependencies, and theirs, has been done.
			near := map[addr.Instance]cty.Value{}
			var add func([]addr.Instance)
			add = func(deps []addr.Instance) {
				for _, dep := range deps {
					v, ok := done[dep]
					if !ok {
						t.Fatalf("%s comes before %s, which it depends on", d.Addr, dep)
					}
					if _, seen := near[dep]; !seen {
						near[dep] = v
						j := slices.IndexFunc(plan.Desired, func(o *Desired) bool { return o.Addr == dep })
						add(without(plan.Desired[j].Deps, plan.Desired[j].Later))
					}
				}
			}
			add(without(d.Deps, d.Later))
			got, diags := e.Instance(context.Background(), d.Addr, func(a addr.Instance) (cty.Value, bool) {
				v, ok := near[a]
				return v, ok
			})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if !got.RawEquals(want.Desired[i].Config) {
				t.Fatalf("%s = %#v, want %#v\n%s", d.Addr, got, want.Desired[i].Config, strings.Join(l.parts, "\n"))
			}
			if d.Config.IsWhollyKnown() && !d.Config.RawEquals(got) {
				t.Fatalf("%s was planned as %#v and is %#v", d.Addr, d.Config, got)
			}
			done[d.Addr], _ = ids{known: true}.Instance(&Desired{Addr: d.Addr, Config: got})
		}
	})
}

// Instance may be called by many at once.
func TestInstanceConcurrently(t *testing.T) {
	e := evaluator(t, []string{shape("graph", 200), "locals {\n  all = [for i in range(100) : value.r5.id]\n}",
		"value \"many\" {\n  for_each = { for i in range(100) : \"k${i}\" => value.r7.id }\n  input    = [each.value, local.all, length(value.c)]\n}\nvalue \"c\" { count = 50 }"})
	plan := run1(t, e, ids{})
	final := map[addr.Instance]cty.Value{}
	for _, d := range run1(t, evaluator(t, []string{shape("graph", 200), "value \"c\" { count = 50 }"}), ids{known: true}).Desired {
		final[d.Addr], _ = ids{known: true}.Instance(d)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range plan.Desired {
				d := plan.Desired[(i+w*31)%len(plan.Desired)]
				got, diags := e.Instance(context.Background(), d.Addr, func(a addr.Instance) (cty.Value, bool) {
					v, ok := final[a]
					return v, ok
				})
				if diags.HasErrors() || !got.IsWhollyKnown() {
					t.Errorf("%s = %#v, %v", d.Addr, got, diags)
				}
			}
		})
	}
	wg.Wait()
}

func TestEvaluateStops(t *testing.T) {
	e := evaluator(t, []string{shape("for_each", 10000)})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	res, diags := e.Evaluate(ctx, nil)
	if !diags.HasErrors() || len(res.Desired) > 0 {
		t.Errorf("%d instances, %v", len(res.Desired), diags)
	}
}

// A reference to what was marked sensitive stays so.
func TestSensitiveFlows(t *testing.T) {
	c, e, diags := load(t, map[string]string{"main.lab.hcl": `
variable "pin" {
  sensitive = true
}
value "a" { input = { deep = [var.pin], plain = "x" } }
value "b" { input = value.a.input.deep[0] }
value "c" { input = value.a.input.plain }
value "d" { input = nonsensitive(value.b.input) }
output "shown" { value = value.a.input.plain }
`}, VarSource{Flags: []string{"pin=735102"}})
	res, more := e.Evaluate(context.Background(), nil)
	if diags = append(diags, more...); diags.HasErrors() {
		t.Fatal(rendered(t, c, diags))
	}
	for i, want := range []bool{true, true, false, false} {
		if got := res.Desired[i].Config.ContainsMarked(); got != want {
			t.Errorf("%s: sensitive is %v", res.Desired[i].Addr, got)
		}
	}
}

// Evaluating any configuration ends, with diagnostics that have a place.
func FuzzEvaluate(f *testing.F) {
	for _, s := range slices.Sorted(maps.Values(evalBombs)) {
		f.Add(s)
	}
	for _, name := range shapes {
		f.Add(shape(name, 4))
	}
	f.Add("user \"u\" {\n upn = \"a\"\n tenant = tenant.t\n groups = [group.g[\"a\"]]\n password = \"x\"\n}\ntenant \"t\" { domains = [\"a\"] }\ngroup \"g\" {\n for_each = toset([\"a\"])\n tenant = tenant.t\n}\n")
	f.Add("rack \"r\" {\n place = \"x\"\n controller \"a\" {\n os = \"2022\"\n disk \"c\" { size = 1 }\n}\n dynamic \"controller\" {\n for_each = [\"b\"]\n iterator = i\n labels = [i.value]\n content {\n os = i.key\n dynamic \"certificate\" {\n for_each = [1]\n content { names = [i.value] }\n}\n}\n}\n}\nvalue \"v\" { input = rack.r.controller[\"a\"].disk }\n")
	f.Add("check \"c\" {\n after = \"30m\"\n sign_in {\n user = user.u\n device = device.d\n pin = \"1\"\n }\n assert {\n condition = true\n error_message = \"\"\n }\n}\n")
	f.Fuzz(func(t *testing.T, src string) {
		c, diags := config.FromSources(map[string][]byte{"main.lab.hcl": []byte(src)})
		vars, more := RootVariables(c, VarSource{})
		diags = append(diags, more...)
		e, more := New(c, registry(), vars, Options{Limits: budget.Limits{Elements: 20_000, Bytes: 1 << 20}})
		diags = append(diags, more...)
		res, more := e.Evaluate(context.Background(), nil)
		for _, d := range append(diags, more...) {
			if d.Subject == nil {
				t.Errorf("no place: %v", d)
			}
			if d.Summary == "Internal error" {
				t.Errorf("panic: %v", d)
			}
		}
		rendered(t, c, append(diags, more...))
		for _, d := range res.Desired {
			if again, diags := e.Instance(context.Background(), d.Addr, nil); diags.HasErrors() || !again.RawEquals(d.Config) {
				t.Fatalf("%s = %#v, then %#v, %v", d.Addr, d.Config, again, diags)
			}
		}
	})
}
