package budget

import (
	"context"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Instrumented expressions have the values that the plain ones have.
func TestInstrumentedIsPlain(t *testing.T) {
	vars := map[string]cty.Value{
		"l": cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
		"o": cty.ObjectVal(map[string]cty.Value{"a": cty.NumberIntVal(1), "b": cty.StringVal("x").Mark("m")}),
		"u": cty.UnknownVal(cty.List(cty.String)),
		"n": cty.NullVal(cty.String),
	}
	for _, src := range []string{
		`[for i, x in l : "${i}${x}" if x != "a"]`, `{ for k, v in o : k => v... }`, `l[*]`, `o[*].a`, `u[*]`, `n[*]`,
		`[for x in u : x]`, `o.b`, `o["b"]`, `l[1]`, `l["1"]`, `-1 + 2 * 3 % 2`, `1 / 4`, `1 == 1 && !(2 < 1)`, `n == null`,
		`"${l[0]}-${1}"`, `"%{ for x in l }${x},%{ endfor }"`, `"%{ if true }a%{ else }b%{ endif }"`, `"${l}"`, `"${n}"`,
		`true ? l : []`, `false ? 1 : "x"`, `u[0] == "x" ? 1 : 2`, `(l)`, `[l, o]`, `{ (l[0]) = 1, b = 2 }`, `o.c`, `l[7]`, `1 + "x"`,
		`true ? [1, 2] : ["a"]`, `false ? { a = 1 } : {}`, `f(1)`, "<<E\na ${l[1]}\nE\n",
	} {
		parse := func() hclsyntax.Expression {
			e, diags := hclsyntax.ParseExpression([]byte(src), "f", hcl.InitialPos)
			if diags.HasErrors() {
				t.Fatalf("%s: %v", src, diags)
			}
			return e
		}
		want, wantDiags := parse().Value(&hcl.EvalContext{Variables: vars})
		ctx := New(context.Background(), Limits{}).Scope().NewChild()
		ctx.Variables = vars
		e := Expr(parse())
		got, diags := e.Value(ctx)
		if !got.RawEquals(want) || diags.Error() != wantDiags.Error() {
			t.Errorf("%s = %#v, %v; want %#v, %v", src, got, diags, want, wantDiags)
		}
		if a, b := len(e.Variables()), len(parse().Variables()); a != b {
			t.Errorf("%s: %d references are seen, %d are there", src, a, b)
		}
	}
}

func TestMeter(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := New(ctx, Limits{Elements: 10, Bytes: 5})
	if m.Elements(10) != nil || m.Bytes(5) != nil || m.Spent() {
		t.Error("what is allowed was refused")
	}
	if m.Elements(1) == nil || !m.Spent() || m.Bytes(0) == nil {
		t.Error("a spent meter goes on")
	}
	if d := m.Diagnose(hcl.Range{}); len(d) != 1 || len(m.Diagnose(hcl.Range{})) != 0 || len(m.Finish(nil)) != 1 || len(m.Finish(d)) != 1 {
		t.Error("a limit is not told once")
	}
	m.Reset(ctx)
	if m.Spent() || m.Elements(int(^uint(0)>>1)) == nil {
		t.Error("a huge claim was allowed")
	}
	m.Reset(ctx)
	cancel()
	for range 2000 {
		_ = m.Elements(0)
	}
	if !m.Spent() {
		t.Error("a cancelled evaluation goes on")
	}
}
