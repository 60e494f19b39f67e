package funcs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"hellolab/hcl/budget"
)

const secret = "hunter2hunter2"

type mark struct{}

func scope(t testing.TB) *hcl.EvalContext {
	t.Helper()
	m := budget.New(context.Background(), budget.Limits{})
	ctx := m.Scope()
	ctx.Functions = Table(Options{
		Meter:     m,
		Sensitive: mark{},
		Now:       time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
		ReadFile: func(name string) ([]byte, error) {
			if name == "a.txt" {
				return []byte("hello"), nil
			}
			if name == "bin" {
				return []byte{0xff}, nil
			}
			return nil, errors.New("there is no file " + name)
		},
	})
	ctx.Variables["secret"] = cty.StringVal(secret).Mark(mark{})
	ctx.Variables["unknown"] = cty.UnknownVal(cty.String)
	ctx.Variables["unknowns"] = cty.UnknownVal(cty.List(cty.String))
	return ctx
}

func eval(t testing.TB, ctx *hcl.EvalContext, src string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(src), "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %v", src, diags)
	}
	return budget.Expr(e).Value(ctx)
}

// Each line: an expression, and what it is equal to (or "error" and a part of
// the message).
const cases = `
abs(-2) | 2
alltrue([]) | true
alltrue([true, null]) | false
anytrue([false, true]) | true
anytrue([]) | false
base64encode("a") | "YQ=="
base64decode("YQ==") | "a"
base64decode("/w==") | error not UTF-8
base64decode("!") | error not Base64
base64sha256("") | "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
basename("a/b.c") | "b.c"
can(1 + "x") | false
ceil(1.1) | 2
chomp("a\n\n") | "a"
chunklist([1, 2, 3], 2) | [[1, 2], [3]]
coalesce(null, "", "b") | "b"
coalesce(null, "") | error null or empty
coalescelist([], ["a"]) | ["a"]
compact(["a", "", null]) | tolist(["a"])
concat([1], ["a"]) | [1, "a"]
contains(["a"], "a") | true
contains([1, 2], 3) | false
contains(toset(["a"]), "b") | false
csvdecode("a,b\n1,2")[0].b | "2"
dirname("a/b") | "a"
distinct(["a", "b", "a"]) | tolist(["a", "b"])
distinct([{ a = 1 }, { a = 1 }]) | tolist([{ a = 1 }])
element(["a", "b"], 3) | "b"
endswith("ab", "b") | true
file("a.txt") | "hello"
file("bin") | error not UTF-8
file("b.txt") | error no file b.txt
filebase64("bin") | "/w=="
fileexists("b.txt") | false
filesha256("a.txt") | "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
flatten([1, [2, [3]]]) | [1, 2, 3]
floor(-1.5) | -2
format("%s-%03d", "a", 7) | "a-007"
formatdate("YYYY", "2026-01-31T00:00:00Z") | "2026"
formatlist("%s-%s", ["a", "b"], "x") | tolist(["a-x", "b-x"])
indent(2, "a\nb") | "a\n  b"
index(["a", "b"], "b") | 1
index(["a"], "b") | error does not hold
join("-", ["a", "b"], ["c"]) | "a-b-c"
join("-", [1, 2]) | "1-2"
jsondecode("{\"a\": [1]}").a[0] | 1
jsonencode({ b = 1, a = "x" }) | "{\"a\":\"x\",\"b\":1}"
keys({ b = 1, a = 2 }) | ["a", "b"]
length("né") | 2
length([1, 2]) | 2
length({ a = 1 }) | 1
length(1) | error needed
log(8, 2) | 3
lookup({ a = 1 }, "a", 2) | 1
lookup({ a = 1 }, "b", 2) | 2
lookup(tomap({ a = "x" }), "b", "y") | "y"
lower("A") | "a"
matchkeys(["a", "b"], ["x", "y"], ["y"]) | tolist(["b"])
max(1, 3, 2) | 3
max([1, 3]...) | 3
md5("") | "d41d8cd98f00b204e9800998ecf8427e"
merge({ a = 1 }, { b = 2 }, { a = 3 }) | { a = 3, b = 2 }
min(3, 2) | 2
one([1]) | 1
one([]) | null
one([1, 2]) | error more than one
parseint("ff", 16) | 255
plantimestamp() | "2026-01-31T12:00:00Z"
pow(2, 10) | 1024
range(3) | tolist([0, 1, 2])
range(1, 4, 2) | tolist([1, 3])
range(3, 0) | tolist([3, 2, 1])
range(0) | tolist([])
range(1, 1, -1) | tolist([])
range(1, 2, 0) | error not be zero
range(1, 2, -1) | error leads away
range() | error takes a limit
length(range(5000)) | 5000
regex("b+", "abbc") | "bb"
regexall("b", "abb") | tolist(["b", "b"])
replace("a.b", ".", "-") | "a-b"
replace("abb", "/b+/", "-") | "a-"
replace("/", "/", "-") | "-"
reverse([1, 2]) | [2, 1]
setproduct(["a", "b"], [1]) | [["a", 1], ["b", 1]]
setintersection(["a", "b"], ["b"]) | toset(["b"])
setsubtract(["a", "b"], ["b"]) | toset(["a"])
setunion(["a"], ["b"]) | toset(["a", "b"])
sha1("") | "da39a3ee5e6b4b0d3255bfef95601890afd80709"
sha256("") | "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
signum(-3) | -1
slice(["a", "b", "c"], 1, 3) | ["b", "c"]
sort(["b", "a"]) | tolist(["a", "b"])
split(",", "a,b") | tolist(["a", "b"])
startswith("ab", "a") | true
strcontains("abc", "b") | true
strrev("ab") | "ba"
substr("abc", 1, 1) | "b"
sum([1, 2.5]) | 3.5
sum([]) | error at least one
timeadd("2026-01-31T12:00:00Z", "1h") | "2026-01-31T13:00:00Z"
timecmp("2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00") | 0
title("a b") | "A B"
tobool("true") | true
tolist(["a", 1]) | tolist(["a", "1"])
tolist([]) | tolist([])
tomap({ a = 1, b = "x" }).a | "1"
tomap({ a = 1 }) == tomap({ a = 1 }) | true
tonumber("1") | 1
toset(["a", "b", "a"]) | toset(["b", "a"])
tostring(1) | "1"
transpose({ a = ["x", "y"], b = ["x"] }).x | tolist(["a", "b"])
trim("xax", "x") | "a"
trimprefix("ab", "a") | "b"
trimspace(" a ") | "a"
trimsuffix("ab", "b") | "a"
try(unknowns.x.y, "b") | "b"
upper("a") | "A"
urlencode("a b&") | "a+b%26"
uuidv5("dns", "www.example.com") | "2ed6657d-e927-568b-95e1-2665a8aea6a2"
uuidv5("x", "y") | error namespace
values({ b = 1, a = 2 }) | [2, 1]
yamldecode("a: [1, b]").a[1] | "b"
yamldecode("a: &x [1]\nb: *x").b[0] | 1
yamlencode({ a = 1 }) | "\"a\": 1\n"
zipmap(["a"], [1]) | { a = 1 }
true ? [for i in range(200) : i] : [] | range(200)
false ? { for i in range(200) : "k${i}" => i } : {} | tomap({ a = 1 }) == null ? null : tomap({})
issensitive(secret) | true
issensitive("x") | false
nonsensitive(secret) | "hunter2hunter2"
issensitive(sensitive("x")) | true
issensitive(upper(secret)) | true
issensitive(lookup({ a = 1 }, secret, 2)) | true
length(unknowns) == null | false
`

func TestFunctions(t *testing.T) {
	tested := map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(cases)) {
		src, want, _ := strings.Cut(strings.TrimSpace(line), " | ")
		for _, f := range functions {
			if strings.Contains(src, f.Name+"(") {
				tested[f.Name] = true
			}
		}
		ctx := scope(t)
		got, diags := eval(t, ctx, src)
		if part, ok := strings.CutPrefix(want, "error "); ok {
			if !diags.HasErrors() || !strings.Contains(diags.Error(), part) {
				t.Errorf("%s: %v, want an error with %q", src, diags, part)
			}
			continue
		}
		wanted, more := eval(t, ctx, want)
		if diags.HasErrors() || more.HasErrors() {
			t.Errorf("%s: %v %v", src, diags, more)
			continue
		}
		if got.IsNull() && wanted.IsNull() {
			continue
		}
		// Lists and tuples, maps and objects are one to the author.
		got, _ = got.UnmarkDeep()
		a, err1 := stdlib.JSONEncode(got)
		b, err2 := stdlib.JSONEncode(wanted)
		if err1 != nil || err2 != nil || !a.RawEquals(b) {
			t.Errorf("%s = %#v, want %#v", src, got, wanted)
		}
	}
	for _, f := range functions {
		if !tested[f.Name] && f.Name != "base64sha512" && f.Name != "sha512" {
			t.Errorf("%s has no case", f.Name)
		}
		if f.Doc == "" {
			t.Errorf("%s has no description", f.Name)
		}
	}
	if !slices.IsSortedFunc(functions, func(a, b Function) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table is not in name order")
	}
}

// No error quotes a sensitive argument, whatever it is given to.
func TestErrorsKeepSecrets(t *testing.T) {
	args := []string{"secret", `[secret]`, `{ a = secret }`, `"%d"`, `"/(/"`, "1"}
	for _, f := range functions {
		switch f.Name {
		case "nonsensitive", "try", "can":
			continue
		}
		for _, a := range args {
			for _, list := range []string{a, a + ", secret", "secret, " + a, a + ", secret, secret", `"%d", ` + a} {
				src := f.Name + "(" + list + ")"
				v, diags := eval(t, scope(t), src)
				if strings.Contains(diags.Error(), secret) || strings.Contains(diags.Error(), "hunter") {
					t.Errorf("%s: %v", src, diags)
				}
				if v, marks := v.UnmarkDeep(); v.Type() == cty.String && v.IsKnown() && !v.IsNull() && strings.Contains(v.AsString(), "hunter") && len(marks) == 0 {
					t.Errorf("%s shows the secret", src)
				}
			}
		}
	}
}
