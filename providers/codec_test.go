package providers_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"hellolab/providers"
)

// all has a field of every type that tags may stand on.
type all struct {
	Text     string             `lab:"text"`
	Must     string             `lab:"must,required"`
	Chosen   string             `lab:"chosen" default:"a" enum:"a,b"`
	Flag     bool               `lab:"flag"`
	On       bool               `lab:"on" default:"true"`
	Count    int                `lab:"count_of"`
	Ratio    float64            `lab:"ratio"`
	Wait     time.Duration      `lab:"wait"`
	Life     time.Duration      `lab:"life" default:"14d"`
	Friend   providers.Ref      `lab:"friend" ref:"user"`
	Secret   providers.Secret   `lab:"secret,writeonly"`
	Texts    []string           `lab:"texts" enum:"a,b"`
	Waits    []time.Duration    `lab:"waits"`
	Friends  []providers.Ref    `lab:"friends" ref:"user,device"`
	Secrets  []providers.Secret `lab:"secrets,writeonly"`
	Matrix   [][]int            `lab:"matrix"`
	Numbers  map[string]int     `lab:"numbers"`
	MaybeOn  *bool              `lab:"maybe_on"`
	MaybeNum *int               `lab:"maybe_num"`
	MaybeTxt *string            `lab:"maybe_text" default:"x"`
	MaybeDur *time.Duration     `lab:"maybe_wait"`
	Any      cty.Value          `lab:"any"`
	Plain    *plain             `lab:"plain,block"`
	Defaults *defaults          `lab:"defaults,block"`
	Strict   *strictBlock       `lab:"strict,block"`
	Sensors  map[string]*sensor `lab:"sensor,blocks"`
}

// sensor stands any number of times, by label.
type sensor struct {
	Kind   string           `lab:"kind,required,replace" enum:"face,finger"`
	Range  time.Duration    `lab:"range" default:"2m"`
	Note   string           `lab:"note"`
	Owner  providers.Ref    `lab:"owner" ref:"user"`
	Secret providers.Secret `lab:"secret,writeonly"`
	Deep   *deep            `lab:"deep,block"`
	Plain  *plain           `lab:"plain,block"`
	Parts  map[string]*deep `lab:"part,blocks"`
}

type plain struct {
	Length *int `lab:"length"`
}

type defaults struct {
	Wait time.Duration `lab:"wait" default:"5m"`
	Deep *deep         `lab:"deep,block"`
}

type deep struct {
	Level int `lab:"level" default:"3"`
}

// strictBlock has a default, but cannot stand for an absent block.
type strictBlock struct {
	Name string `lab:"name,required"`
	Size int    `lab:"size" default:"1"`
}

type nothing struct{}

func allSchema() *providers.Schema { return schemaOf[all, nothing]() }

// text generates what a cty string holds: valid UTF-8 in normal form C.
func text() *rapid.Generator[string] { return rapid.Map(rapid.String(), cty.NormalizeString) }

func maybe[T any](g *rapid.Generator[T]) *rapid.Generator[*T] { return rapid.Ptr(g, true) }

// list generates nil, empty and filled lists.
func list[T any](g *rapid.Generator[T]) *rapid.Generator[[]T] {
	return rapid.OneOf(rapid.Just([]T(nil)), rapid.SliceOfN(g, 0, 4))
}

func wait() *rapid.Generator[time.Duration] {
	return rapid.OneOf(
		rapid.Map(rapid.Int64Min(0), func(n int64) time.Duration { return time.Duration(n) }),
		rapid.Map(rapid.Int64Range(0, 100), func(n int64) time.Duration { return time.Duration(n) * 24 * time.Hour }),
		rapid.Map(rapid.Int64Range(0, 10000), func(n int64) time.Duration { return time.Duration(n) * time.Second }),
	)
}

func ref() *rapid.Generator[providers.Ref] {
	return rapid.Map(text(), func(s string) providers.Ref { return providers.Ref(s) })
}

func secret() *rapid.Generator[providers.Secret] {
	return rapid.Map(text(), func(s string) providers.Secret { return providers.Secret(s) })
}

func anyValue() *rapid.Generator[cty.Value] {
	return rapid.OneOf(
		rapid.Map(text(), cty.StringVal),
		rapid.Map(rapid.Int64(), cty.NumberIntVal),
		rapid.Just(cty.NullVal(cty.DynamicPseudoType)),
		rapid.Just(cty.EmptyObjectVal),
		rapid.Map(text(), func(s string) cty.Value { return cty.TupleVal([]cty.Value{cty.StringVal(s), cty.True}) }),
	)
}

func drawAll(t *rapid.T) all {
	a := all{
		Text: text().Draw(t, "text"), Must: text().Draw(t, "must"), Chosen: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "chosen"),
		Flag: rapid.Bool().Draw(t, "flag"), On: rapid.Bool().Draw(t, "on"), Count: rapid.Int().Draw(t, "count"),
		Ratio: rapid.Float64().Draw(t, "ratio"), Wait: wait().Draw(t, "wait"), Life: wait().Draw(t, "life"),
		Friend: ref().Draw(t, "friend"), Secret: secret().Draw(t, "secret"),
		Texts: list(rapid.SampledFrom([]string{"a", "b"})).Draw(t, "texts"), Waits: list(wait()).Draw(t, "waits"),
		Friends: list(ref()).Draw(t, "friends"), Secrets: list(secret()).Draw(t, "secrets"),
		Matrix:  list(rapid.SliceOfN(rapid.Int(), 0, 3)).Draw(t, "matrix"),
		Numbers: rapid.MapOfN(text(), rapid.Int(), 0, 3).Draw(t, "numbers"),
		MaybeOn: maybe(rapid.Bool()).Draw(t, "maybe_on"), MaybeNum: maybe(rapid.Int()).Draw(t, "maybe_num"),
		MaybeDur: maybe(wait()).Draw(t, "maybe_wait"), Any: anyValue().Draw(t, "any"),
		Defaults: &defaults{Wait: wait().Draw(t, "defaults.wait"), Deep: &deep{Level: rapid.Int().Draw(t, "level")}},
	}
	txt := text().Draw(t, "maybe_text")
	a.MaybeTxt = &txt // never nil: it has a default
	if rapid.Bool().Draw(t, "plain") {
		a.Plain = &plain{Length: maybe(rapid.Int()).Draw(t, "length")}
	}
	if rapid.Bool().Draw(t, "strict") {
		a.Strict = &strictBlock{Name: text().Draw(t, "name"), Size: rapid.Int().Draw(t, "size")}
	}
	a.Sensors = labelled(rapid.Custom(drawSensor)).Draw(t, "sensors")
	return a
}

func label() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_-]{0,3}`) }

// labelled generates nil and filled maps whose labels differ in more than case.
func labelled[T any](g *rapid.Generator[T]) *rapid.Generator[map[string]*T] {
	return rapid.Custom(func(t *rapid.T) map[string]*T {
		var m map[string]*T
		for _, l := range rapid.SliceOfNDistinct(label(), 0, 3, strings.ToLower).Draw(t, "labels") {
			if m == nil {
				m = map[string]*T{}
			}
			body := g.Draw(t, l)
			m[l] = &body
		}
		return m
	})
}

func drawSensor(t *rapid.T) sensor {
	s := sensor{
		Kind: rapid.SampledFrom([]string{"face", "finger"}).Draw(t, "kind"), Range: wait().Draw(t, "range"), Note: text().Draw(t, "note"),
		Owner: ref().Draw(t, "owner"), Secret: secret().Draw(t, "secret"), Deep: &deep{Level: rapid.Int().Draw(t, "level")},
		Parts: labelled(rapid.Custom(func(t *rapid.T) deep { return deep{Level: rapid.Int().Draw(t, "level")} })).Draw(t, "parts"),
	}
	if rapid.Bool().Draw(t, "plain") {
		s.Plain = &plain{Length: maybe(rapid.Int()).Draw(t, "length")}
	}
	return s
}

var compareAll = cmp.Options{
	cmp.Comparer(func(a, b cty.Value) bool { return a == cty.NilVal && b == cty.NilVal || a.RawEquals(b) }),
	cmp.Comparer(func(a, b providers.Secret) bool { return (a == nil) == (b == nil) && string(a) == string(b) }),
}

func TestRoundTrip(t *testing.T) {
	schema := allSchema()
	rapid.Check(t, func(t *rapid.T) {
		want := drawAll(t)
		for _, zero := range []providers.Zero{providers.KeepZero, providers.NullZero} {
			v, err := providers.Encode(want, zero)
			if err != nil {
				t.Fatal(err)
			}
			if errs := v.Type().TestConformance(schema.InType); len(errs) > 0 {
				t.Fatalf("encoded as %#v: %v", v.Type(), errs)
			}
			got, err := providers.Decode[all](v)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, compareAll); diff != "" {
				t.Fatalf("mode %d: decoded is not what was encoded (-want +got):\n%s", zero, diff)
			}
			if problems := schema.CheckValue(v); len(problems) > 0 {
				t.Fatalf("an encoded value is refused: %v", problems)
			}
			// What is complete stays as it is, and so does what means the same.
			done, err := schema.Complete(v)
			if err != nil {
				t.Fatal(err)
			}
			if !done.RawEquals(v) {
				t.Fatalf("Complete changed\n%#v\nto\n%#v", v, done)
			}
		}
		kept, _ := providers.Encode(want, providers.KeepZero)
		null, _ := providers.Encode(want, providers.NullZero)
		if got := schema.Keep(null, kept); !got.RawEquals(null) {
			t.Fatalf("Keep(%#v, %#v) = %#v", null, kept, got)
		}
	})
}

// spoil takes some values away, or what is known of them.
func spoil(t *rapid.T, prefix string, attrs map[string]cty.Value) {
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		switch v := attrs[name]; rapid.IntRange(0, 3).Draw(t, prefix+name) {
		case 0:
			delete(attrs, name)
		case 1:
			attrs[name] = cty.NullVal(v.Type())
		case 2:
			attrs[name] = cty.UnknownVal(v.Type())
		}
	}
}

// Whatever is missing or unknown, decoding gives a usable struct.
func TestDecodeIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		full, err := providers.Encode(drawAll(t), providers.KeepZero)
		if err != nil {
			t.Fatal(err)
		}
		attrs := full.AsValueMap()
		if sensors := attrs["sensor"].AsValueMap(); len(sensors) > 0 {
			spoil(t, "sensor ", sensors)
			attrs["sensor"] = cty.ObjectVal(sensors)
		}
		spoil(t, "", attrs)
		got, err := providers.Decode[all](cty.ObjectVal(attrs))
		if err != nil {
			t.Fatal(err)
		}
		if got.Defaults == nil || got.Defaults.Deep == nil {
			t.Fatalf("a block of defaults is missing: %+v", got)
		}
		for l, s := range got.Sensors {
			if s == nil || s.Deep == nil {
				t.Fatalf("sensor %q lacks its defaults: %+v", l, s)
			}
		}
	})
	for _, v := range []cty.Value{cty.NilVal, cty.DynamicVal, cty.NullVal(cty.DynamicPseudoType), cty.EmptyObjectVal, cty.UnknownVal(allSchema().InType)} {
		got, err := providers.Decode[all](v)
		if err != nil || got.Defaults == nil || got.Defaults.Deep == nil || got.Plain != nil || got.Strict != nil || got.Sensors != nil {
			t.Errorf("Decode(%#v) = %+v, %v", v, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, v := range map[string]cty.Value{
		"no object":     cty.StringVal("x"),
		"wrong type":    cty.ObjectVal(map[string]cty.Value{"flag": cty.EmptyObjectVal}),
		"fraction":      cty.ObjectVal(map[string]cty.Value{"count_of": cty.NumberFloatVal(1.5)}),
		"too large":     cty.ObjectVal(map[string]cty.Value{"count_of": cty.MustParseNumberVal("9223372036854775808")}),
		"huge":          cty.ObjectVal(map[string]cty.Value{"ratio": cty.MustParseNumberVal("1e400")}),
		"no duration":   cty.ObjectVal(map[string]cty.Value{"wait": cty.StringVal("soon")}),
		"null in list":  cty.ObjectVal(map[string]cty.Value{"texts": cty.ListVal([]cty.Value{cty.NullVal(cty.String)})}),
		"marked":        cty.EmptyObjectVal.Mark("m"),
		"marked within": cty.ObjectVal(map[string]cty.Value{"text": cty.StringVal("x").Mark("m")}),
		"marked any":    cty.ObjectVal(map[string]cty.Value{"any": cty.TupleVal([]cty.Value{cty.StringVal("x").Mark("m")})}),
	} {
		if got, err := providers.Decode[all](v); err == nil {
			t.Errorf("%s: decoded as %+v", name, got)
		}
	}
}

func TestDecodeKeepsWhatItCan(t *testing.T) {
	got, err := providers.Decode[all](cty.ObjectVal(map[string]cty.Value{
		"text": cty.StringVal("kept"), "wait": cty.StringVal("soon"), "must": cty.StringVal("too"),
	}))
	if err == nil || got.Text != "kept" || got.Must != "too" {
		t.Errorf("Decode = %+v, %v; want the good attributes and an error", got, err)
	}
}

func TestEncodeZero(t *testing.T) {
	for mode, want := range map[providers.Zero]map[string]cty.Value{
		providers.KeepZero: {"text": cty.StringVal(""), "must": cty.StringVal(""), "on": cty.False, "count_of": cty.Zero},
		providers.NullZero: {"text": cty.NullVal(cty.String), "must": cty.StringVal(""), "on": cty.False, "count_of": cty.NullVal(cty.Number)},
		providers.OmitZero: {"text": cty.NullVal(cty.String), "must": cty.NullVal(cty.String), "on": cty.NullVal(cty.Bool), "count_of": cty.NullVal(cty.Number)},
	} {
		v, err := providers.Encode(&all{}, mode)
		if err != nil {
			t.Fatal(err)
		}
		for name, w := range want {
			if got := v.GetAttr(name); !got.RawEquals(w) {
				t.Errorf("mode %d: %s is %#v, want %#v", mode, name, got, w)
			}
		}
	}
	for _, bad := range []any{nil, 1, (*all)(nil), struct{ A chan int }{}} {
		if v, err := providers.Encode(bad, providers.KeepZero); err == nil {
			t.Errorf("Encode(%#v) = %#v", bad, v)
		}
	}
}
