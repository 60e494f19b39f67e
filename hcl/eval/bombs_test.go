package eval

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/hcl/config"
)

// doubling writes n local values, each made of the one before.
func doubling(n int, first, next string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "locals {\n  a0 = %s\n", first)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "  a%d = %s\n", i, strings.ReplaceAll(next, "X", fmt.Sprintf("local.a%d", i-1)))
	}
	fmt.Fprintf(&b, "}\noutput \"o\" { value = local.a%d }\n", n)
	return b.String()
}

func nestedFor(depth int, body string) string {
	var b strings.Builder
	b.WriteString("locals { x = ")
	for i := range depth {
		fmt.Fprintf(&b, "[for v%d in [0,1,2,3,4,5,6,7,8,9] : ", i)
	}
	b.WriteString(body + strings.Repeat("]", depth) + " }\n")
	return b.String()
}

// repeatedBlocks is a rack whose controllers are made n times, with a body.
func repeatedBlocks(n, body string) string {
	return "rack \"r\" {\n place = \"x\"\n dynamic \"controller\" {\n for_each = " + n + "\n labels = [\"c${controller.value}\"]\n content {\n os = \"2022\"\n" + body + "\n}\n}\n}\n"
}

// manyDisks is n labelled blocks, written out.
func manyDisks(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "disk \"d%d\" { size = 1 }\n", i)
	}
	return b.String()
}

// evalBombs are small configurations that would make something huge.
var evalBombs = map[string]string{
	"nested for":           nestedFor(7, "1"),
	"nested for, deep":     nestedFor(60, "1"),
	"range":                `locals { x = range(1e9) }`,
	"range, tiny step":     `locals { x = range(0, 1, 1e-9) }`,
	"range of ranges":      `locals { x = [for i in range(1000) : range(100000)] }`,
	"range lengths":        `locals { x = [for i in range(1000) : length(range(100000))] }`,
	"count":                `value "x" { count = 5000000 }`,
	"count, large":         `value "x" { count = 1e300 }`,
	"for_each":             `value "x" { for_each = { for i in range(999999) : "k${i}" => i } }`,
	"strings":              doubling(60, `"0123456789"`, `"${X}${X}"`),
	"strings, wide":        `locals { a = join("", [for i in range(100000) : "0123456789"]) }` + "\nlocals { b = \"" + strings.Repeat("${local.a}", 1000) + "\" }",
	"join":                 doubling(60, `"0123456789"`, `join(X, ["", "", X])`),
	"join, separator":      `locals { x = join(join("", [for i in range(100000) : "0123456789"]), range(10000)) }`,
	"replace":              doubling(60, `"aaaaaaaaaa"`, `replace(X, "a", "aa")`),
	"replace, regular":     doubling(60, `"aaaaaaaaaa"`, `replace(X, "/(.*)/", "$1$1$1")`),
	"format width":         `locals { x = format("%1000000000s", "x") }`,
	"format precision":     `locals { x = format("%.1000000000f", 1) }`,
	"format repeated":      doubling(60, `"0123456789"`, `format("%[1]s%[1]s%[1]s", X)`),
	"formatlist":           `locals { x = formatlist("%10000s", range(100000)) }`,
	"indent":               `locals { x = indent(1000000000, "a\nb") }`,
	"json":                 doubling(60, `"\""`, `jsonencode([X, X])`),
	"yaml":                 doubling(60, `"\""`, `yamlencode([X, X])`),
	"base64":               doubling(200, `"0123456789"`, `base64encode(X)`),
	"lists shared":         doubling(60, `[1]`, `[X, X]`),
	"objects shared":       doubling(60, `{ a = 1 }`, `{ a = X, b = X }`),
	"lists compared":       doubling(60, `[1]`, `[X == X, X, X]`),
	"lists in for":         `locals { x = ` + strings.Repeat(`[for a in [`, 60) + "1" + strings.Repeat(`] : [a, a]]`, 60) + " }",
	"concat":               doubling(60, `[1]`, `concat(X, X)`),
	"concat of large":      doubling(60, `[range(10000)]`, `concat(X, X)`),
	"merge":                doubling(60, `{ a = 1 }`, `{ a = merge(X, X), b = X }`),
	"flatten":              doubling(60, `[1]`, `flatten([X, X])`),
	"setproduct":           `locals { x = setproduct(range(1000), range(1000), range(1000)) }`,
	"setproduct, wide":     `locals { x = setproduct(` + strings.Repeat(`["a","b"],`, 60) + `["c"]) }`,
	"chunklist":            `locals { x = [for i in range(1000) : chunklist(range(1000), 1)] }`,
	"splat":                `locals { x = [for i in range(2000) : range(900)[*]] }`,
	"templates":            `locals { x = "%{ for a in range(1000) }%{ for b in range(1000) }%{ for c in range(1000) }x%{ endfor }%{ endfor }%{ endfor }" }`,
	"numbers":              doubling(60, `1e4000`, `X * X`),
	"numbers, divided":     doubling(60, `1e-4000`, `1 / X * X / (1 / X)`),
	"number literal":       `locals { x = "${1e600000000}" }`,
	"number as string":     `locals { x = upper(1e600000000) }`,
	"number from string":   `locals { x = tostring(tonumber("1e600000000")) }`,
	"number of list":       `locals { x = tolist(["1e600000000", 1])[0] + 1 }`,
	"number attribute":     "tenant \"t\" { domains = [1e600000000] }",
	"integer attribute":    "user \"t\" {\n upn = \"a\"\n tenant = tenant.t\n password_version = \"1e600000000\"\n}\ntenant \"t\" { domains = [\"a\"] }",
	"pow":                  `locals { x = "${pow(10, 100000)}" }`,
	"parseint":             `locals { x = parseint(join("", [for i in range(100000) : "9999999999"]), 10) }`,
	"yaml aliases":         "locals { x = yamldecode(<<E\na: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g,*g]\nE\n) }",
	"json depth":           `locals { x = jsondecode(join("", [for i in range(200000) : "["])) }`,
	"json depth, closed":   `locals { x = jsondecode(join("", concat([for i in range(100000) : "["], [for i in range(100000) : "]"]))) }`,
	"yaml depth, block":    `locals { x = yamldecode(join("", [for i in range(100000) : "- "])) }`,
	"number of text":       `locals { x = join("", [for i in range(100000) : "1234567890"]) + 1 }`,
	"number of text, call": `locals { x = abs(join("", [for i in range(100000) : "1234567890"])) }`,
	"number of text, key":  `locals { x = [1][join("", [for i in range(100000) : "1234567890"])] }`,
	"number of text, list": "user \"t\" {\n upn = \"a\"\n tenant = tenant.t\n password_version = join(\"\", [for i in range(100000) : \"1234567890\"])\n}\ntenant \"t\" { domains = [\"a\"] }",
	"yaml depth":           `locals { x = yamldecode(join("", [for i in range(200000) : "["])) }`,
	"regular expression":   `locals { x = regexall("((((((a{0,30}){0,30}){0,30}){0,30}){0,30}){0,30})", join("", range(10000))) }`,
	"contains":             "locals {\n l = range(20000)\n x = [for i in range(20000) : contains(local.l, -1)]\n}",
	"distinct":             `locals { x = distinct([for i in range(20000) : { a = i }]) }`,
	"index":                "locals {\n l = range(20000)\n x = [for i in local.l : index(local.l, i)]\n}",
	"calls on large":       "locals {\n l = range(300000)\n x = [for i in range(100000) : reverse(local.l)[0]]\n}",
	"comparisons of large": "locals {\n l = range(300000)\n x = [for i in range(100000) : local.l == local.l]\n}",
	"conditions of large":  "locals {\n l = range(300000)\n x = [for i in range(100000) : (i == 0 ? local.l : local.l)[0]]\n}",
	"large in instances":   "locals { l = range(100000) }\nvalue \"x\" {\n count = 10000\n input = local.l\n}",
	"large in blocks":      "locals { l = join(\"\", range(100000)) }\nvalue \"x\" {\n count = 10000\n input = local.l\n}",
	"tolist of mixed":      `locals { x = tolist(concat([for i in range(50000) : i], [for i in range(50000) : "a"])) }`,
	"try":                  `locals { x = try(` + strings.TrimSuffix(strings.TrimPrefix(nestedFor(7, "1"), "locals { x = "), " }\n") + `, 1) }`,
	"validation":           "variable \"v\" {\n default = 1\n validation {\n condition = length(" + strings.TrimSuffix(strings.TrimPrefix(nestedFor(7, "1"), "locals { x = "), " }\n") + ") == var.v\n error_message = \"x\"\n }\n}",
	"default":              "variable \"v\" {\n default = " + strings.TrimSuffix(strings.TrimPrefix(nestedFor(7, "1"), "locals { x = "), " }\n") + "\n}",
	"output":               `output "x" { value = ` + strings.TrimSuffix(strings.TrimPrefix(nestedFor(7, "1"), "locals { x = "), " }\n") + " }",
	"assert":               "check \"c\" {\n assert {\n condition = length(range(1e9)) == 1\n error_message = \"x\"\n }\n}",
	"trigger":              "value \"a\" { count = 20000 }\nvalue \"b\" {\n count = 10000\n lifecycle { replace_triggered_by = [value.a] }\n}",
	"matchkeys":            `locals { x = matchkeys(range(100000), range(100000), range(200000, 300000)) }`,
	"transposed":           `locals { x = transpose({ for i in range(1000) : "k${i}" => [for j in range(2000) : "v${j}"] }) }`,
	"sum":                  "locals {\n l = range(300000)\n x = [for i in range(100000) : sum(local.l)]\n}",
	"keys":                 "locals {\n m = { for i in range(100000) : \"k${i}\" => i }\n x = [for i in range(100000) : keys(local.m)[0]]\n}",
	"splice":               "locals {\n l = range(300000)\n x = [for i in range(100000) : max(local.l...)]\n}",
	"hash":                 "locals {\n l = join(\"\", range(1000000))\n x = [for i in range(100000) : sha512(local.l)]\n}",
	"trim":                 "locals {\n l = join(\"\", range(1000000))\n x = [for i in range(100000) : length(trimspace(local.l))]\n}",
	"dynamic":              repeatedBlocks("range(999999)", ""),
	"dynamic, nested":      repeatedBlocks("range(20000)", "dynamic \"disk\" {\n for_each = range(20000)\n labels = [\"d${disk.value}\"]\n content { size = 1 }\n}"),
	"dynamic, wide":        repeatedBlocks("range(100000)", manyDisks(20000)),
	"dynamic, large":       repeatedBlocks("range(100000)", "certificate {\n names = ["+strings.Repeat("\"x\",", 100000)+"]\n}"),
	"dynamic, no labels":   "rack \"r\" {\n place = \"x\"\n dynamic \"cooling\" {\n for_each = range(999999)\n content {}\n}\n}",
	"dynamic, instances":   "rack \"r\" {\n count = 10000\n place = \"x\"\n dynamic \"controller\" {\n for_each = range(1000)\n labels = [\"c${controller.value}\"]\n content { os = \"2022\" }\n}\n}",
	"labelled, instances":  "rack \"r\" {\n count = 100000\n place = \"x\"\n controller \"a\" {\n os = \"2022\"\n" + manyDisks(1000) + "}\n}",
	"startswith":           "locals {\n l = join(\"\", range(1000000))\n x = [for i in range(100000) : strcontains(local.l, \"x\")]\n}",
}

// bombLimit is the processor time of a bomb on a machine that may be busy.
// Those that faults.md names take less than half of it.
const bombLimit = 4 * time.Second

func TestEvaluationBombs(t *testing.T) {
	if name := os.Getenv("LAB_BOMB"); name != "" {
		explode(t, evalBombs[name])
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(evalBombs))
	if testing.Short() {
		names = []string{"nested for", "range", "strings", "format width"} // those of faults.md
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, exe, "-test.run=^TestEvaluationBombs$", "-test.v")
			cmd.Env = append(os.Environ(), "LAB_BOMB="+name)
			out, err := cmd.CombinedOutput()
			if err != nil {
				if len(out) > 3000 {
					out = out[:3000]
				}
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
			t.Logf("%s: %v, %d MiB: %s", name, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), maxRSS(cmd.ProcessState), firstLine(out, "limit:"))
			if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); used > bombLimit {
				t.Errorf("took %v", used)
			}
			if m := maxRSS(cmd.ProcessState); m > 256 && !testing.Short() {
				t.Errorf("took %d MiB", m) // short runs are those that watch the program, and take more
			}
		})
	}
}

// explode evaluates a bomb, which must end with a diagnostic that has a place.
func explode(t *testing.T, src string) {
	debug.SetGCPercent(50)
	c, diags := config.FromSources(map[string][]byte{"main.lab.hcl": []byte(src)})
	if !diags.HasErrors() {
		vars, more := RootVariables(c, VarSource{})
		diags = append(diags, more...)
		e, more := New(c, registry(), vars, Options{})
		diags = append(diags, more...)
		if !diags.HasErrors() {
			_, more = e.Evaluate(context.Background(), nil)
			diags = append(diags, more...)
		}
	}
	if !diags.HasErrors() {
		t.Fatal("no diagnostic")
	}
	for _, d := range diags {
		if d.Subject == nil {
			t.Errorf("no place: %v", d)
		}
	}
	if len(diags) > 3 {
		t.Errorf("told %d times", len(diags))
	}
	fmt.Println("limit:", len(diags), diags[0].Summary, diags[0].Detail)
}

func firstLine(out []byte, prefix string) string {
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func maxRSS(s *os.ProcessState) int64 { return rss(s) >> 10 }
