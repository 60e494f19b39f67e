package faults

import (
	"context"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

// machine is a kind with an attribute of every sort that matters.
type machine struct {
	Name    string           `lab:"name,required,replace" doc:"Replaces."`
	Place   string           `lab:"place" default:"here" enum:"here,there" doc:"One of two."`
	Count   int              `lab:"count_of" default:"1" doc:"A number."`
	Owner   providers.Ref    `lab:"owner" ref:"machine" doc:"A reference."`
	Secret  providers.Secret `lab:"secret,writeonly" doc:"Write-only."`
	Enabled bool             `lab:"enabled_here" default:"true" doc:"A switch."`
}
type machineOut struct {
	ID string `lab:"id,id" doc:"Identity."`
}

func registry(update bool) *providers.Registry {
	k := providers.Kind[machine, machineOut]{Name: "machine", Doc: "A machine.",
		Create: func(context.Context, providers.Env, machine) (machineOut, error) { return machineOut{"1"}, nil }}
	if update {
		k.Update = func(_ context.Context, _ providers.Env, o providers.Object[machine, machineOut], _ machine) (machineOut, error) {
			return o.Out, nil
		}
	}
	return providers.NewRegistry(providers.Of(k))
}

// What misconfigured sets must be what an apply could change in place.
func TestSettings(t *testing.T) {
	set := func(name string, v cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{name: v}) }
	text := cty.StringVal
	for _, tt := range []struct {
		name string
		set  cty.Value
		want string // "" when it will do
	}{
		{"good", set("place", text("there")), ""},
		{"converted", set("count_of", text("2")), ""},
		{"unknown yet", cty.UnknownVal(cty.DynamicPseudoType), ""},
		{"unknown value", set("place", cty.UnknownVal(cty.String)), ""},
		{"null", cty.NullVal(cty.DynamicPseudoType), "in braces"},
		{"empty", cty.EmptyObjectVal, "in braces"},
		{"no object", text("place"), "in braces"},
		{"no such", set("plaice", text("there")), `no attribute "plaice"; those that can be changed are count_of, enabled_here, place`},
		{"replaces", set("name", text("b")), "a change replaces it"},
		{"secret", set("secret", text("b")), "is a secret"},
		{"reference", set("owner", text("machine.a")), "is a reference"},
		{"wrong type", set("count_of", text("many")), "is a number"},
		{"wrong value", set("place", text("nowhere")), "is one of here, there"},
	} {
		_, err := settings(registry(true).Type("machine"), tt.set)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := settings(registry(false).Type("machine"), set("place", text("there"))); err == nil || !strings.Contains(err.Error(), "never changed in place") {
		t.Errorf("a kind without Update: %v", err)
	}
}

// Every fault says what it is of, and that in words of the language.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range All() {
		switch {
		case seen[f.Name]:
			t.Errorf("%s is there twice", f.Name)
		case f.Begin == nil || !strings.HasSuffix(f.Doc, "."):
			t.Errorf("%s: incomplete", f.Name)
		case f.Lasting && f.End != nil:
			t.Errorf("%s lasts, and has an end", f.Name)
		}
		seen[f.Name] = true
		for _, p := range f.Params {
			if p.Name == "kind" || p.Name == "target" || p.Name == "after" || p.Name == "window" {
				t.Errorf("%s: the parameter %s hides one of every fault", f.Name, p.Name)
			}
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]string{"10m": "", "-10m": "", "0s": "must not be zero", "-": "duration", "--1m": "duration", "soon": "duration"} {
		err := someDuration("by")(nil, "", map[string]cty.Value{"by": cty.StringVal(text)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("by %q: %v", text, err)
		}
	}
	for text, want := range map[string]string{"10m": "", "-10m": "duration", "0s": "more than zero"} {
		err := positive("delay")(nil, "", map[string]cty.Value{"delay": cty.StringVal(text)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("delay %q: %v", text, err)
		}
	}
	if err := positive("delay")(nil, "", map[string]cty.Value{"delay": cty.UnknownVal(cty.String)}); err != nil {
		t.Errorf("unknown: %v", err)
	}
}
