package providers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

func TestComplete(t *testing.T) {
	s := allSchema()
	in, err := s.Complete(cty.ObjectVal(map[string]cty.Value{
		"must":     cty.StringVal("x").Mark("m"),
		"count_of": cty.StringVal("7"), // converts
		"on":       cty.NullVal(cty.Bool).Mark("m"),
		"chosen":   cty.UnknownVal(cty.String),
		"texts":    cty.TupleVal([]cty.Value{cty.StringVal("a")}),
		"strict":   cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("n")}),
		"any":      cty.DynamicVal,
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]cty.Value{
		"must":       cty.StringVal("x").Mark("m"),
		"count_of":   cty.NumberIntVal(7),
		"on":         cty.True.Mark("m"),
		"chosen":     cty.UnknownVal(cty.String),
		"texts":      cty.ListVal([]cty.Value{cty.StringVal("a")}),
		"life":       cty.StringVal("14d"),
		"maybe_text": cty.StringVal("x"),
		"friends":    cty.NullVal(cty.List(cty.String)),
		"any":        cty.DynamicVal,
		// Absent blocks: without defaults, of defaults, written with a part.
		"plain":    cty.NullVal(cty.Object(map[string]cty.Type{"length": cty.Number})),
		"defaults": cty.ObjectVal(map[string]cty.Value{"wait": cty.StringVal("5m"), "deep": cty.ObjectVal(map[string]cty.Value{"level": cty.NumberIntVal(3)})}),
		"strict":   cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("n"), "size": cty.NumberIntVal(1)}),
	}
	for name, w := range want {
		if got := in.GetAttr(name); !got.RawEquals(w) {
			t.Errorf("%s is %#v, want %#v", name, got, w)
		}
	}
	if p := s.CheckValue(in); len(p) > 0 {
		t.Errorf("CheckValue: %v", p)
	}

	absent, err := s.Complete(cty.EmptyObjectVal)
	if err != nil {
		t.Fatal(err)
	}
	if got := absent.GetAttr("strict"); !got.IsNull() {
		t.Errorf("a block with something required stands for an absent one: %#v", got)
	}
	for says, bad := range map[string]cty.Value{
		`no attribute "colour"`: cty.ObjectVal(map[string]cty.Value{"colour": cty.True}),
		"object is needed":      cty.True,
		"number":                cty.ObjectVal(map[string]cty.Value{"count_of": cty.StringVal("many")}),
	} {
		if _, err := s.Complete(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Complete(%#v): %v, want %q", bad, err, says)
		}
	}
}

func TestCheckValue(t *testing.T) {
	s := allSchema()
	good := map[string]cty.Value{"must": cty.StringVal("x")}
	cases := map[string]struct {
		attrs map[string]cty.Value
		path  string
		says  string
	}{
		"required":      {map[string]cty.Value{"must": cty.NullVal(cty.String)}, "must", "required"},
		"enum":          {map[string]cty.Value{"chosen": cty.StringVal("c")}, "chosen", `"c" is not one of "a", "b"`},
		"enum in list":  {map[string]cty.Value{"texts": cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.StringVal("z")})}, "texts[1]", `"z"`},
		"duration":      {map[string]cty.Value{"wait": cty.StringVal("5 minutes")}, "wait", "not a duration"},
		"in list":       {map[string]cty.Value{"waits": cty.TupleVal([]cty.Value{cty.StringVal("")})}, "waits[0]", "not a duration"},
		"marked":        {map[string]cty.Value{"wait": cty.StringVal("x").Mark("m")}, "wait", "not a duration"},
		"whole number":  {map[string]cty.Value{"count_of": cty.NumberFloatVal(0.5)}, "count_of", "whole number"},
		"in map":        {map[string]cty.Value{"numbers": cty.ObjectVal(map[string]cty.Value{"k": cty.NumberFloatVal(0.5)})}, `numbers["k"]`, "whole number"},
		"null in list":  {map[string]cty.Value{"friends": cty.TupleVal([]cty.Value{cty.NullVal(cty.String)})}, "friends[0]", "null"},
		"nested":        {map[string]cty.Value{"strict": cty.EmptyObjectVal}, "strict.name", "required"},
		"deeply nested": {map[string]cty.Value{"defaults": cty.ObjectVal(map[string]cty.Value{"deep": cty.ObjectVal(map[string]cty.Value{"level": cty.NumberFloatVal(1.5)})})}, "defaults.deep.level", "whole number"},
		"unknown":       {map[string]cty.Value{"wait": cty.UnknownVal(cty.String), "plain": cty.DynamicVal}, "", ""},
		"any":           {map[string]cty.Value{"any": cty.TupleVal([]cty.Value{cty.NullVal(cty.String)})}, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			attrs := map[string]cty.Value{"must": good["must"]}
			for k, v := range c.attrs {
				attrs[k] = v
			}
			problems := s.CheckValue(petIn(t, s, attrs))
			if c.says == "" {
				if len(problems) > 0 {
					t.Errorf("refused: %v", problems)
				}
				return
			}
			if len(problems) != 1 || dotted(problems[0].Path) != c.path || !strings.Contains(problems[0].Error(), c.says) {
				t.Errorf("problems are %v, want one at %s with %q", problems, c.path, c.says)
			}
		})
	}
}

func TestSensitiveValuesAreNotQuoted(t *testing.T) {
	s := allSchema()
	hidden := cty.StringVal("hunter2").Mark("sensitive")
	problems := s.CheckValue(petIn(t, s, map[string]cty.Value{
		"must": cty.StringVal("x"), "chosen": hidden, "wait": hidden, "texts": cty.TupleVal([]cty.Value{hidden}),
		"waits": cty.TupleVal([]cty.Value{cty.StringVal("hunter2")}).Mark("sensitive"),
	}))
	if len(problems) != 4 {
		t.Errorf("problems are %v, want 4", problems)
	}
	for _, p := range problems {
		if strings.Contains(p.Error(), "hunter2") {
			t.Errorf("%s: %v", dotted(p.Path), p)
		}
	}
}

func dotted(p cty.Path) string {
	var b strings.Builder
	for _, step := range p {
		switch step := step.(type) {
		case cty.GetAttrStep:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step.Name)
		case cty.IndexStep:
			if step.Key.Type() == cty.String {
				b.WriteString(`["` + step.Key.AsString() + `"]`)
			} else {
				b.WriteString("[" + step.Key.AsBigFloat().String() + "]")
			}
		}
	}
	return b.String()
}

func TestWithoutWriteOnly(t *testing.T) {
	s := allSchema()
	in := petIn(t, s, map[string]cty.Value{
		"must": cty.StringVal("x"), "secret": cty.StringVal("s").Mark("m"), "secrets": cty.TupleVal([]cty.Value{cty.StringVal("t")}),
	})
	out := s.WithoutWriteOnly(in)
	if !out.GetAttr("secret").IsNull() || !out.GetAttr("secrets").IsNull() || !out.Type().Equals(in.Type()) {
		t.Errorf("left over: %#v", out)
	}
	if got := out.GetAttr("must"); !got.RawEquals(cty.StringVal("x")) {
		t.Errorf("must became %#v", got)
	}
	for _, v := range []cty.Value{cty.UnknownVal(s.InType), cty.NullVal(s.InType)} {
		if got := s.WithoutWriteOnly(v); !got.RawEquals(v) {
			t.Errorf("%#v became %#v", v, got)
		}
	}
}

func TestWithoutLater(t *testing.T) {
	s := schemaOf[struct {
		Name    string          `lab:"name"`
		Friends []providers.Ref `lab:"friends,later" ref:"user"`
	}, nothing]()
	friends := cty.TupleVal([]cty.Value{cty.StringVal("user.a")})
	got := s.WithoutLater(petIn(t, s, map[string]cty.Value{"name": cty.StringVal("x"), "friends": friends}))
	if want := petIn(t, s, map[string]cty.Value{"name": cty.StringVal("x")}); !got.RawEquals(want) {
		t.Errorf("WithoutLater = %#v, want %#v", got, want)
	}
}

func TestKeep(t *testing.T) {
	s := allSchema()
	was := petIn(t, s, map[string]cty.Value{
		"must": cty.StringVal("x"), "wait": cty.StringVal("60m"), "texts": cty.ListValEmpty(cty.String),
		"defaults": cty.ObjectVal(map[string]cty.Value{"wait": cty.StringVal("300s")}),
	})
	is := petIn(t, s, map[string]cty.Value{
		"must": cty.StringVal("y"), "wait": cty.StringVal("1h"), "text": cty.StringVal(""), "flag": cty.False,
		"life": cty.StringVal("336h"), "maybe_on": cty.False, "defaults": cty.ObjectVal(map[string]cty.Value{"wait": cty.StringVal("5m")}),
	})
	got := s.Keep(was, is)
	for name, want := range map[string]cty.Value{
		"must":     cty.StringVal("y"),                // differs
		"wait":     cty.StringVal("60m"),              // an hour is an hour
		"life":     cty.StringVal("14d"),              // so are two weeks
		"text":     cty.NullVal(cty.String),           // nobody wrote it
		"flag":     cty.NullVal(cty.Bool),             // nor that
		"maybe_on": cty.False,                         // a pointer says more than zero
		"texts":    cty.NullVal(cty.List(cty.String)), // absent is not empty
		"defaults": was.GetAttr("defaults"),           // within blocks, too
	} {
		if g := got.GetAttr(name); !g.RawEquals(want) {
			t.Errorf("%s is %#v, want %#v", name, g, want)
		}
	}
	if got := s.Keep(cty.NilVal, is); !got.RawEquals(is) {
		t.Errorf("Keep with nothing before changes the value")
	}
}

func TestElements(t *testing.T) {
	for name, c := range map[string]struct{ was, is, want []string }{
		"order":     {[]string{"a", "b"}, []string{"b", "a"}, []string{"a", "b"}},
		"absent":    {nil, []string{}, nil},
		"empty":     {[]string{}, nil, []string{}},
		"more":      {[]string{"a"}, []string{"b", "a"}, []string{"b", "a"}},
		"fewer":     {[]string{"a", "b"}, []string{"b"}, []string{"b"}},
		"twice":     {[]string{"a", "a", "b"}, []string{"a", "b", "b"}, []string{"a", "b", "b"}},
		"different": {[]string{"a"}, []string{"b"}, []string{"b"}},
	} {
		if got := providers.Elements(c.was, c.is); !cmp.Equal(got, c.want) {
			t.Errorf("%s: %#v, want %#v", name, got, c.want)
		}
	}
}
