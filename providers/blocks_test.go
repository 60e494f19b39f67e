package providers_test

import (
	"context"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

func sensors(attrs map[string]cty.Value) map[string]cty.Value {
	return map[string]cty.Value{"must": cty.StringVal("x"), "sensor": cty.ObjectVal(attrs)}
}

func object(attrs map[string]cty.Value) cty.Value { return cty.ObjectVal(attrs) }

// Labelled blocks written differently are completed to one type, and those
// that are absent to an empty map: references never meet a null.
func TestCompleteLabelled(t *testing.T) {
	s := allSchema()
	in := petIn(t, s, sensors(map[string]cty.Value{
		"front": object(map[string]cty.Value{"kind": cty.StringVal("face").Mark("m"), "part": cty.ObjectVal(map[string]cty.Value{"lens": cty.EmptyObjectVal})}),
		"back":  object(map[string]cty.Value{"kind": cty.UnknownVal(cty.String), "range": cty.StringVal("3m"), "plain": cty.EmptyObjectVal}),
	}))
	got := in.GetAttr("sensor")
	if !got.Type().IsMapType() || got.LengthInt() != 2 {
		t.Fatalf("sensor is %#v", got)
	}
	front, back := got.Index(cty.StringVal("front")), got.Index(cty.StringVal("back"))
	for _, c := range []struct{ got, want cty.Value }{
		{front.GetAttr("kind"), cty.StringVal("face").Mark("m")},
		{front.GetAttr("range"), cty.StringVal("2m")},
		{front.GetAttr("deep").GetAttr("level"), cty.NumberIntVal(3)},
		{front.GetAttr("part").Index(cty.StringVal("lens")).GetAttr("level"), cty.NumberIntVal(3)},
		{back.GetAttr("kind"), cty.UnknownVal(cty.String)},
		{back.GetAttr("range"), cty.StringVal("3m")},
		{back.GetAttr("part"), cty.MapValEmpty(back.GetAttr("part").Type().ElementType())},
	} {
		if !c.got.RawEquals(c.want) {
			t.Errorf("got %#v, want %#v", c.got, c.want)
		}
	}
	if !front.GetAttr("plain").IsNull() || back.GetAttr("plain").IsNull() {
		t.Errorf("plain is %#v and %#v", front.GetAttr("plain"), back.GetAttr("plain"))
	}
	if got := petIn(t, s, map[string]cty.Value{}).GetAttr("sensor"); got.IsNull() || got.LengthInt() != 0 {
		t.Errorf("absent blocks are %#v, want an empty map", got)
	}
	for says, v := range map[string]cty.Value{
		`no attribute "colour"`: cty.ObjectVal(map[string]cty.Value{"a": object(map[string]cty.Value{"colour": cty.True})}),
		"object is needed":      cty.ObjectVal(map[string]cty.Value{"a": cty.True}),
		"map of objects":        cty.TupleVal([]cty.Value{cty.EmptyObjectVal}),
	} {
		if _, err := s.Complete(cty.ObjectVal(map[string]cty.Value{"sensor": v})); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Complete(%#v): %v, want %q", v, err, says)
		}
	}
}

func TestCheckLabelled(t *testing.T) {
	s := allSchema()
	face := object(map[string]cty.Value{"kind": cty.StringVal("face")})
	for name, c := range map[string]struct {
		blocks map[string]cty.Value
		path   string
		says   string
	}{
		"sound":    {map[string]cty.Value{"front": face, "back-2": face, "_x": face}, "", ""},
		"required": {map[string]cty.Value{"front": cty.EmptyObjectVal}, `sensor["front"].kind`, "required"},
		"enum":     {map[string]cty.Value{"front": object(map[string]cty.Value{"kind": cty.StringVal("nose")})}, `sensor["front"].kind`, `"nose"`},
		"nested": {map[string]cty.Value{"front": object(map[string]cty.Value{"kind": cty.StringVal("face"),
			"part": cty.ObjectVal(map[string]cty.Value{"lens": object(map[string]cty.Value{"level": cty.NumberFloatVal(0.5)})})})},
			`sensor["front"].part["lens"].level`, "whole number"},
		"label":    {map[string]cty.Value{"1 front": face}, `sensor["1 front"]`, "not a name"},
		"no label": {map[string]cty.Value{"": face}, `sensor[""]`, "not a name"},
		"long":     {map[string]cty.Value{strings.Repeat("x", 65): face}, `sensor["` + strings.Repeat("x", 65) + `"]`, "not a name"},
		"case":     {map[string]cty.Value{"front": face, "Front": face}, `sensor["front"]`, `"Front" only in case`},
	} {
		problems := s.CheckValue(petIn(t, s, sensors(c.blocks)))
		if c.says == "" && len(problems) == 0 {
			continue
		}
		if len(problems) != 1 || dotted(problems[0].Path) != c.path || !strings.Contains(problems[0].Error(), c.says) {
			t.Errorf("%s: problems are %v, want one at %s with %q", name, problems, c.path, c.says)
		}
	}
	must := schemaOf[struct {
		Sensors map[string]*sensor `lab:"sensor,blocks,required"`
	}, nothing]()
	if p := must.CheckValue(petIn(t, must, nil)); len(p) != 1 || !strings.Contains(p[0].Error(), "required") {
		t.Errorf("without a block that is required: %v", p)
	}
}

func TestKeepLabelled(t *testing.T) {
	s := allSchema()
	body := func(spelled string) cty.Value {
		return object(map[string]cty.Value{"kind": cty.StringVal("face"), "range": cty.StringVal(spelled)})
	}
	was := petIn(t, s, sensors(map[string]cty.Value{"a": body("60m"), "gone": body("1h")}))
	is := petIn(t, s, sensors(map[string]cty.Value{"a": body("1h"), "new": body("60m")}))
	want := petIn(t, s, sensors(map[string]cty.Value{"a": body("60m"), "new": body("60m")}))
	if got := s.Keep(was, is); !got.RawEquals(want) {
		t.Errorf("Keep = %#v, want %#v", got, want)
	}
}

// Write-only values of labelled blocks are taken out of what is stored, and
// wiped after a call.
func TestLabelledSecrets(t *testing.T) {
	type in struct {
		Sensors map[string]*sensor `lab:"sensor,blocks"`
	}
	var kept []providers.Secret
	typ := kindOf(func(k *providers.Kind[in, petOut]) {
		k.Create = func(_ context.Context, _ providers.Env, v in) (petOut, error) {
			for _, s := range v.Sensors {
				kept = append(kept, s.Secret)
			}
			return petOut{Tag: "1"}, nil
		}
	})
	v := petIn(t, typ.Schema, map[string]cty.Value{"sensor": cty.ObjectVal(map[string]cty.Value{
		"a": object(map[string]cty.Value{"kind": cty.StringVal("face"), "secret": cty.StringVal("hunter2")}),
	})})
	if _, err := typ.Create(t.Context(), providers.Env{Addr: "sample.a"}, v); err != nil {
		t.Fatal(err)
	}
	if len(kept) != 1 || string(kept[0]) != strings.Repeat("\x00", 7) {
		t.Errorf("after Create the secrets are %q", kept)
	}
	stored := typ.Schema.WithoutWriteOnly(v).GetAttr("sensor").Index(cty.StringVal("a"))
	if !stored.GetAttr("secret").IsNull() || stored.GetAttr("kind").IsNull() {
		t.Errorf("stored is %#v", stored)
	}
}
