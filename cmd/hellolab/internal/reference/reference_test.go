package reference

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/budget"
	"hellolab/hcl/funcs"
	"hellolab/providers"
)

const (
	open  = "<!-- generated: a -->\n"
	close = "<!-- end -->\n"
)

func TestFill(t *testing.T) {
	parts := map[string]string{"a": "\nnew\n\n"}
	want := "before\n" + open + "\nnew\n\n" + close + "after"
	for name, doc := range map[string]string{
		"empty":  "before\n" + open + close + "after",
		"stale":  "before\n" + open + "old\n# x\n" + close + "after",
		"filled": want,
	} {
		got, err := Fill([]byte(doc), parts)
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	for name, c := range map[string]struct{ doc, want string }{
		"no region":    {"text\n", `no region "a"`},
		"unknown":      {open + close + "<!-- generated: b -->\n" + close, `line 3: nothing is generated for the region "b"`},
		"twice":        {open + close + open + close, "comes twice"},
		"inside":       {open + open + close, `begins inside of "a"`},
		"unterminated": {open + "text\n", "does not end"},
		"stray end":    {close + open + close, "line 1: no region ends here"},
	} {
		if _, err := Fill([]byte(c.doc), parts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func schema(in providers.Block, out []providers.Attr) *providers.Registry {
	return providers.NewRegistry(providers.Type{Name: "thing", Doc: "A thing.", After: []string{"tenant", "user"}, Schema: &providers.Schema{In: in, Out: out}})
}

func TestKinds(t *testing.T) {
	r := schema(providers.Block{
		Attrs: []providers.Attr{
			{Name: "name", Doc: "A | B.", Type: cty.String, Required: true, Replace: true},
			{Name: "owners", Doc: "Who.", Type: cty.List(cty.String), Ref: []string{"user", "group"}},
			{Name: "home", Doc: "Where.", Type: cty.String, Ref: []string{"tenant"}},
			{Name: "colours", Doc: "Which.", Type: cty.List(cty.String), Enum: []string{"red", "blue"}},
			{Name: "tags", Doc: "Tags.", Type: cty.Map(cty.String)},
			{Name: "pin", Doc: "PIN.", Type: cty.String, WriteOnly: true, Sensitive: true},
			{Name: "size", Doc: "Size.", Type: cty.Number, Format: providers.Integer, Default: cty.NumberIntVal(3)},
			{Name: "life", Doc: "Life.", Type: cty.String, Format: providers.Duration, Default: cty.StringVal("5m")},
			{Name: "any", Doc: "Anything.", Type: cty.DynamicPseudoType},
		},
		Blocks: []providers.NestedBlock{{Name: "inner", Doc: "Within.", Required: true, Block: providers.Block{
			Attrs:  []providers.Attr{{Name: "depth", Doc: "Depth.", Type: cty.Bool}},
			Blocks: []providers.NestedBlock{{Name: "core", Block: providers.Block{Attrs: []providers.Attr{{Name: "heat", Type: cty.Number}}}}},
		}}, {Name: "part", Doc: "Parts.", Labelled: true, Block: providers.Block{
			Blocks: []providers.NestedBlock{{Name: "bit", Labelled: true, Required: true, Block: providers.Block{Attrs: []providers.Attr{{Name: "on", Type: cty.Bool}}}}},
		}}},
	}, []providers.Attr{
		{Name: "thing_id", Doc: "Id.", Type: cty.String, ID: true},
		{Name: "secret", Doc: "Secret.", Type: cty.String, Sensitive: true, Follows: []string{"size", "name"}},
		{Name: "status", Doc: "Status.", Type: cty.String, Volatile: true},
	})
	got, err := Kinds(r, map[string][]byte{"thing": []byte("thing \"x\" {}\n")})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"[thing](#thing).",
		"### thing\n\nA thing.\nMade after every `tenant` and `user` of the lab.\n\n```hcl\nthing \"x\" {}\n```\n\n| Attribute ",
		"| `name` | string | **required** | A \\| B. *A change replaces the object.* |",
		"| `owners` | list of references to `user` or `group` | unset | Who. |",
		"| `home` | reference to `tenant` | unset | Where. |",
		"| `colours` | list of `\"red\"` or `\"blue\"` | unset | Which. |",
		"| `tags` | map of string | unset | Tags. |",
		"| `pin` | string | unset | PIN. *Write-only.* |",
		"| `size` | whole number | `3` | Size. |",
		"| `life` | duration | `\"5m\"` | Life. |",
		"| `any` | any | unset | Anything. |",
		"| `inner { }` | block, at most one | **required** | Within. |",
		"Inside `inner { }`:\n\n| Attribute ",
		"| `depth` | bool | unset | Depth. |\n| `core { }` | block, at most one | may be left out |  |",
		"Inside `inner.core { }`:\n\n| Attribute ",
		"| `part \"name\" { }` | blocks, by label | none | Parts. |",
		"Inside `part \"name\" { }`:\n\n| Attribute ",
		"| `bit \"name\" { }` | blocks, by label | **required** |  |",
		"Inside `part[\"name\"].bit \"name\" { }`:\n\n| Attribute ",
		"| `thing_id` | string | Id. *The object's id.* |",
		"| `secret` | string | Secret. *Sensitive.* *Learned anew when `size` or `name` changes.* |",
		"| `status` | string | Status. *Changes with time alone, which is no drift.* |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if _, err := Kinds(r, nil); err == nil || !strings.Contains(err.Error(), "docs/language/thing.lab.hcl") {
		t.Errorf("a kind without an example: %v", err)
	}
}

func TestFunctions(t *testing.T) {
	got, err := Functions(funcs.All(), map[string]string{"b": "B.", "a": "A."})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"### Numbers\n\n| Function | Result |",
		"| `max(numbers...)` | The greatest of numbers. |",
		"| `format(format, args...)` |",
		"| `plantimestamp()` |",
		"| `try(expressions...)` |",
		"| `a` | A. |\n| `b` | B. |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for range 5 {
		if again, err := Functions(funcs.All(), map[string]string{"b": "B.", "a": "A."}); err != nil || again != got {
			t.Fatal("two runs differ", err)
		}
	}
	if _, err := Functions(append(funcs.All(), funcs.Function{Name: "novel"}), nil); err == nil || !strings.Contains(err.Error(), "novel is in no group") {
		t.Errorf("a function without a group: %v", err)
	}
	if _, err := Functions(funcs.All()[1:], nil); err == nil || !strings.Contains(err.Error(), "abs") {
		t.Errorf("a group with a function that is gone: %v", err)
	}
}

func TestBounds(t *testing.T) {
	got := Bounds([]budget.Bound{{What: "Files", Limit: 1_234_567}, {What: "Text", Limit: 4 << 20, Bytes: true}, {What: "Key", Limit: 256, Bytes: true}})
	if want := "\n| What | At most |\n|---|---|\n| Files | 1,234,567 |\n| Text | 4 MiB |\n| Key | 256 bytes |\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestCommands(t *testing.T) {
	got := Commands([]Command{{
		Name: "state list", Usage: "hellolab state list [flags]", Summary: "List", Detail: "More.",
		Flags:    []Flag{{Name: "-n=N", Doc: "a | b", Default: "3"}},
		Exits:    []Exit{{Code: "0", When: "done"}},
		Examples: []string{"hellolab state list"},
	}})
	want := `
| Command | What it does |
|---|---|
| [` + "`state list`" + `](#state-list) | List. |

### state list

List.
More.

    hellolab state list [flags]

| Flag | Meaning | Default |
|---|---|---|
| ` + "`-n=N` | a \\| b | `3`" + ` |

| Exit | When |
|---|---|
| 0 | done |

Examples:

    hellolab state list
`
	if got != want {
		t.Errorf("%s", got)
	}
}
