package value_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/value"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Kind:   "value",
		Env:    func(tb testing.TB) *conformance.Env { return conformance.NewEnv(tb, value.Kind()) },
		In:     func(n int) any { return spec.Value{Input: cty.NumberIntVal(int64(n))} },
		Change: func(int) any { return spec.Value{Input: cty.EmptyTupleVal} },
	})
}

func TestAnyTypeIsRemembered(t *testing.T) {
	env := conformance.NewEnv(t, value.Kind())
	for name, in := range map[string]cty.Value{
		"null":   cty.NullVal(cty.DynamicPseudoType),
		"typed":  cty.NullVal(cty.String),
		"string": cty.StringVal("x"),
		"object": cty.ObjectVal(map[string]cty.Value{"a": cty.ListVal([]cty.Value{cty.True}), "b": cty.NullVal(cty.Number)}),
	} {
		rec := env.Create("value."+name, spec.Value{Input: in})
		if got := rec.Out.GetAttr("output"); !got.RawEquals(in) {
			t.Errorf("%s: output is %#v", name, got)
		}
	}
	absent := env.Create("value.absent", cty.EmptyObjectVal)
	if got := absent.Out.GetAttr("output"); !got.IsNull() {
		t.Errorf("no input: output is %#v", got)
	}
}

func TestPredictKnowsOutput(t *testing.T) {
	kind := value.Kind()
	for name, in := range map[string]cty.Value{
		"known":   cty.StringVal("x"),
		"partly":  cty.ListVal([]cty.Value{cty.StringVal("x"), cty.UnknownVal(cty.String)}),
		"unknown": cty.DynamicVal,
	} {
		v, err := kind.Schema.Complete(cty.ObjectVal(map[string]cty.Value{"input": in}))
		if err != nil {
			t.Fatal(err)
		}
		out := kind.Predict(v)
		if got := out.GetAttr("output"); !got.RawEquals(in) {
			t.Errorf("%s: predicted output is %#v, want %#v", name, got, in)
		}
		if out.GetAttr("id").IsKnown() {
			t.Errorf("%s: a random id is predicted", name)
		}
	}
	if _, err := kind.Create(t.Context(), providers.Env{}, cty.ObjectVal(map[string]cty.Value{"input": cty.DynamicVal})); err == nil {
		t.Error("a value is created from an unknown input")
	}
}
