package addr

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]Instance{
		"user.alice":              {Block: Block{Kind: "user", Name: "alice"}},
		"user.alice[0]":           {Block: Block{Kind: "user", Name: "alice"}, Key: Int(0)},
		`device.kiosk["hall 1"]`:  {Block: Block{Kind: "device", Name: "kiosk"}, Key: Str("hall 1")},
		`device.kiosk[""]`:        {Block: Block{Kind: "device", Name: "kiosk"}, Key: Str("")},
		`u.x["a\"]b"]`:            {Block: Block{Kind: "u", Name: "x"}, Key: Str(`a"]b`)},
		`u.x["$${a}%%{b}$"]`:      {Block: Block{Kind: "u", Name: "x"}, Key: Str(`${a}%{b}$`)},
		`u.x["\u202e\U0001f600"]`: {Block: Block{Kind: "u", Name: "x"}, Key: Str("\u202e\U0001f600")},
		`module.corp.user.all["bo"]`: {
			Block: Block{Module: "module.corp", Kind: "user", Name: "all"}, Key: Str("bo")},
		`module.a["x.y"].module.b[2].user.u`: {
			Block: Block{Module: `module.a["x.y"].module.b[2]`, Kind: "user", Name: "u"}},
	} {
		got, err := Parse(in)
		if err != nil || got != want {
			t.Errorf("Parse(%s) = %#v, %v; want %#v", in, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, why := range map[string]string{
		"":                                       "a name is expected",
		"user":                                   "a dot is expected",
		"user.":                                  "a name is expected",
		"user.1a":                                "a name is expected",
		"user.alice.upn":                         "should end here",
		"user.alice[1":                           "a key is",
		"user.alice[01]":                         "a key is",
		"user.alice[-1]":                         "a key is",
		"user.alice[99999999999]":                "a key is",
		`user.alice["a]`:                         "does not end",
		`user.alice["a"`:                         "closing bracket",
		`user.alice["${a}"]`:                     "no template",
		`user.alice["\x"]`:                       "escapes are",
		`user.alice["\ud800"]`:                   "names no character",
		"user.alice[\"a\nb\"]":                   "on its line",
		"user.al ice":                            "a name is expected",
		"usér.alice":                             "a name is expected",
		"module.a":                               "a dot is expected",
		"user." + strings.Repeat("a", MaxName+1): "a name is expected",
		`u.x["` + strings.Repeat("k", MaxKey+1) + `"]`: "at most",
		strings.Repeat("module.a.", 2000) + "u.x":      "longer than",
	} {
		if got, err := Parse(in); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("Parse(%.60s) = %v, %v; want an error with %q", in, got, err, why)
		}
	}
}

func genKey(t *rapid.T) Key {
	switch rapid.IntRange(0, 2).Draw(t, "key kind") {
	case 1:
		return Int(rapid.IntRange(0, 1<<31-1).Draw(t, "int"))
	case 2:
		s := rapid.StringN(0, 60, MaxKey).Draw(t, "str")
		return Str(rapid.SampledFrom([]string{s, s + "${", "%{" + s, "$" + s + "$${", `\` + s + `"`}).
			Filter(ValidKey).Draw(t, "spoiled"))
	}
	return Key{}
}

func genInstance(t *rapid.T) Instance {
	name := rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_-]{0,20}`).Filter(func(s string) bool { return s != "module" })
	a := Block{Kind: name.Draw(t, "kind"), Name: name.Draw(t, "name")}.Instance(genKey(t))
	for range rapid.IntRange(0, 2).Draw(t, "depth") {
		if a.Module != "" {
			a.Module += "."
		}
		a.Module += "module." + name.Draw(t, "module") + genKey(t).String()
	}
	return a
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genInstance(t)
		got, err := Parse(a.String())
		if err != nil || got != a {
			t.Fatalf("Parse(%s) = %#v, %v; want %#v", a, got, err, a)
		}
	})
}

// A printed key, pasted into a configuration, is the same string.
func TestKeyIsHCL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := Str(rapid.StringN(0, 60, MaxKey).Draw(t, "key"))
		if strings.ContainsRune(k.Str, 0) {
			t.Skip("a configuration holds no NUL")
		}
		lit := strings.TrimSuffix(strings.TrimPrefix(k.String(), "["), "]")
		tokens, _ := hclsyntax.LexExpression([]byte(lit), "", hcl.InitialPos)
		for _, tok := range tokens {
			if tok.Type == hclsyntax.TokenTemplateInterp || tok.Type == hclsyntax.TokenTemplateControl {
				t.Fatalf("%s opens a template", lit)
			}
		}
		e, diags := hclsyntax.ParseExpression([]byte(lit), "", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatalf("%s: %v", lit, diags)
		}
		v, diags := e.Value(nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		got, err := Parse("u.x" + k.String())
		if err != nil {
			t.Fatal(err)
		}
		// Every string of the language is in normal form C.
		if want := cty.StringVal(got.Key.Str); !v.RawEquals(want) {
			t.Fatalf("%s reads as %#v, want %#v", lit, v, want)
		}
	})
}

func TestCompareIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genInstance(t), genInstance(t)
		if c := Compare(a, b); c != -Compare(b, a) || (c == 0) != (a == b) {
			t.Fatalf("Compare(%s, %s) = %d", a, b, c)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"user.alice", "user.alice[3]", `module.a["b"].u.x["$${\u0041"]`, `a.b["\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(a.String())
		if err != nil || again != a {
			t.Fatalf("Parse(%q) = %#v prints as %s, which reads as %#v, %v", s, a, a, again, err)
		}
	})
}
