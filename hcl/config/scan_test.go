package config

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// deepest returns how deep the lexer's own tokens nest, closers that match
// nothing ignored, as the parser returns at them.
func deepest(src []byte) int {
	toks, _ := hclsyntax.LexConfig(src, "f", hcl.InitialPos)
	var stack []hclsyntax.TokenType
	most := 0
	for _, tok := range toks {
		closes := hclsyntax.TokenNil
		switch tok.Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOBrace, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			stack = append(stack, tok.Type)
			most = max(most, len(stack))
			continue
		case hclsyntax.TokenCParen:
			closes = hclsyntax.TokenOParen
		case hclsyntax.TokenCBrack:
			closes = hclsyntax.TokenOBrack
		case hclsyntax.TokenCQuote:
			closes = hclsyntax.TokenOQuote
		case hclsyntax.TokenCHeredoc:
			closes = hclsyntax.TokenOHeredoc
		case hclsyntax.TokenCBrace, hclsyntax.TokenTemplateSeqEnd:
			for i := len(stack) - 1; i >= 0; i-- {
				if t := stack[i]; t == hclsyntax.TokenOBrace || t == hclsyntax.TokenTemplateInterp || t == hclsyntax.TokenTemplateControl {
					stack = stack[:i]
					break
				}
			}
			continue
		default:
			continue
		}
		if n := len(stack); n > 0 && stack[n-1] == closes {
			stack = stack[:n-1]
		}
	}
	return most
}

var scanSeeds = []string{
	`a = [1, (2), {b = "x${c}y"}]`,
	"a = <<EOT\n${x}\n  EOT\nb = [\n",
	"a = <<-E\n$${[[[\n%%{((( \"[\n E\n[",
	"/* [[[ */ # (((\n// {{{\n\"\\\"[\" [",
	"/* [[[ \n ((",
	`"%{ if x }[%{ endif }" ~}`,
	"} \"${ ( } \" [",
	"<<1\n[[[", "<<é\n[[[\né\n[", "a=\"$${\"[", `"$$${[`, "\"\n[\"", "${[", "a = b[c[d[0]]]", "<<A\n${<<B\n[\nB\n}[\nA\n[",
	"(\n[\r\n{\r\n}",
	"\"\\${[", "\"\\", "`[", "'['",
}

// The scan never finds less nesting than the lexer does.
func FuzzScan(f *testing.F) {
	for _, s := range scanSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		text, diag := Scan("f", src)
		if diag != nil {
			return
		}
		s := scanner{src: text}
		s.scan()
		if got, want := s.deepest, deepest(text); got < want {
			t.Fatalf("%q nests %d deep, the scan says %d", text, want, got)
		}
	})
}

func TestScanCountsAsTheLexerDoes(t *testing.T) {
	for _, src := range scanSeeds {
		s := scanner{src: []byte(src)}
		s.scan()
		if got, want := s.deepest, deepest([]byte(src)); got != want {
			t.Errorf("%q: the scan says %d, the lexer %d", src, got, want)
		}
	}
}

// bombs are inputs that exhaust the stack or memory of the parser, or of what
// walks its tree.
func bombs() map[string]string {
	rep := strings.Repeat
	return map[string]string{
		"brackets":           "a = " + rep("[", 200_000),
		"closed brackets":    "a = " + rep("[", 100_000) + rep("]", 100_000),
		"parentheses":        "a = " + rep("(", 100_000) + "1" + rep(")", 100_000),
		"objects":            "a = " + rep("{a=", 100_000),
		"blocks":             rep("a {\n", 1_000_000),
		"one-line blocks":    rep("a{", 100_000) + rep("}", 100_000),
		"interpolations":     "a = " + rep(`"${`, 100_000),
		"directives":         `a = "` + rep("%{ if true }", 100_000) + rep("%{ endif }", 100_000) + `"`,
		"heredoc directives": "a = <<E\n" + rep("%{ for x in y }\n", 100_000) + "\nE\n",
		"heredocs":           "a = " + rep("<<E\n${", 100_000),
		"not":                "a = " + rep("!", 1_000_000) + "true",
		"minus":              "a = 1" + rep("-", 1_000_000) + "1",
		"sum":                "a = 1" + rep("+1", 1_000_000),
		"sum in parens":      "a = (1" + rep("\n+1", 1_000_000) + ")",
		"sum in for":         "a = {for x in y : x => 1" + rep("\n+1", 500_000) + "}",
		"sum in template":    `a = "${1` + rep("\n+1", 500_000) + `}"`,
		"conditions":         "a = " + rep("true ? 1 : ", 300_000) + "1",
		"and":                "a = true" + rep(" && true", 300_000),
		"index":              "a = b" + rep("[c]", 300_000),
		"splat":              "a = b" + rep("[*]", 300_000),
		"attribute splat":    "a = b" + rep(".*", 300_000),
		"attributes":         "a = b" + rep(".c", 300_000),
		"calls":              "a = " + rep("f(", 100_000),
		"hidden by string":   `a = ["]` + rep(`", ["]`, 50_000),
		"hidden by comment":  "a = [ # ]\n" + rep("[ # ]\n", 50_000),
		"hidden by block":    "a = [ /* ] */" + rep("[ /* ] */", 50_000),
		"hidden by heredoc":  "a = [<<E\n]\nE\n" + rep("[<<E\n]\nE\n", 50_000),
		"false heredoc":      "a = <<1\n" + rep("[", 50_000),
		"open comment":       "/*" + rep("[", 50_000),
		"escaped quote":      `a = "\"` + rep(`${"\"`, 50_000),
		"escaped template":   `a = "$${` + rep(`${"$${`, 50_000),
		"mismatched":         "a = " + rep("[)", 100_000),
		"numbers":            "a = [" + rep("1,", 2_000_000) + "]",
		"commas":             "a = [" + rep(",", 4_000_000) + "]",
		"words":              rep("a ", 2_000_000),
		"newlines":           rep("\n", 4_000_000),
		"quotes":             "a = " + rep(`""`, 1_000_000),
		"labels":             "a " + rep(`"b" `, 800_000) + "{}",
		"comments":           rep("#\n", 2_000_000),
		"one comment":        "#" + rep("[", 4_000_000),
		"literal parts":      `a = "` + rep("$", 4_000_000) + `"`,
		"parts":              `a = "` + rep("${b}", 900_000) + `"`,
		"attributes of body": rep("a=1\n", 900_000),
		"invalid":            rep("`", 4_000_000),
		"escapes":            `a = "` + rep(`\q`, 1_000_000) + `"`,
		"namespaces":         "a = b" + rep("::c", 300_000) + "()",
		"dots":               "a = b" + rep(".0", 500_000),
		"number dots":        "a = b.0" + rep(".0", 500_000),
		"heredoc lines":      "a = <<E\n" + rep("b\n", 500_000) + "E\n",
		"many heredocs":      rep("a = <<E\n"+rep("b\n", 5000)+"E\n", 100),
		"long heredoc":       "a = <<E\n" + rep(rep("b", 60)+"\n", 60_000) + "E\n",
		"percents":           `a = "` + rep("%41", 1_000_000) + `"`,
		"quoted newlines":    `a = "` + rep("b\n", 1_000_000) + `"`,
		"escaped openers":    `a = "` + rep("$${", 1_000_000) + `"`,
		"keys":               "a = {" + rep("b=1,", 300_000) + "}",
	}
}

func TestBombs(t *testing.T) {
	all := bombs()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		src := all[name]
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, diags := FromSources(map[string][]byte{"main.lab.hcl": []byte(src)})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			made := (after.TotalAlloc - before.TotalAlloc) >> 20
			refused := diags.HasErrors() && diags[0].Summary == "Too complex to be read"
			t.Logf("%s, %d bytes: %v, %d MiB allocated, refused by the scan: %v", name, len(src), took.Round(time.Millisecond), made, refused)
			if !diags.HasErrors() && name != "newlines" && name != "comments" && name != "one comment" {
				t.Error("no diagnostic")
			}
			for _, d := range diags {
				if d.Severity == hcl.DiagError && d.Subject == nil {
					t.Errorf("no place: %v", d)
				}
			}
			limit := 2 * time.Second
			if testing.Short() {
				limit *= 5 // short runs are those that slow the program, to watch it
			}
			if took > limit {
				t.Errorf("took %v", took)
			}
			if made > 1024 {
				t.Errorf("allocated %d MiB", made)
			}
		})
	}
}

func TestBracketsAreRefusedQuickly(t *testing.T) {
	src := []byte("a = " + strings.Repeat("[", 200_000))
	start := time.Now()
	_, diag := Scan("main.lab.hcl", src)
	if took := time.Since(start); diag == nil || took > 100*time.Millisecond {
		t.Fatalf("%v after %v", diag, took)
	}
	if got := fmt.Sprint(diag.Subject); got != "main.lab.hcl:1,206-207" {
		t.Errorf("place is %s", got)
	}
}

// What people write is not refused.
func TestScanAllows(t *testing.T) {
	rep := strings.Repeat
	for name, src := range map[string]string{
		"depth":         "a = " + rep("[", 150) + rep("]", 150),
		"long sum":      "a = 1" + rep(" + 1", 400),
		"long list":     "a = [" + rep("-1, ", 50_000) + "]",
		"long object":   "a = {\n" + rep("b = x.y - 1\n", 50_000) + "}",
		"long body":     rep("a { b = !c.d[0].e }\n", 20_000),
		"brackets text": `a = "` + rep("[[((", 50_000) + `"`,
		"json heredoc":  "a = <<E\n" + rep(`{"a": [`, 10_000) + "\nE\n",
		"comment":       "# " + rep("[", 50_000) + "\na = 1\n",
		"block comment": "/* " + rep("[\n", 50_000) + "*/\n",
		"dotted list":   "a = [\n" + rep("user.a.b,\n", 20_000) + "]",
	} {
		if _, diag := Scan("f", []byte(src)); diag != nil {
			t.Errorf("%s: %v", name, diag)
		}
	}
}

func TestScanRefuses(t *testing.T) {
	for name, c := range map[string]struct{ src, why, where string }{
		"large":              {strings.Repeat("#", MaxFile+1), "4 MiB", "f:1,1-1"},
		"nul":                {"a = 1\nb = \"\x00\"", "NUL", "f:2,6-7"},
		"latin-1":            {"a = \"caf\xe9\"", "not UTF-8", "f:1,9-10"},
		"utf-16":             {"\xff\xfea\x00", "NUL", "f:1,4-5"},
		"utf-16 without nul": {"\xfe\xff\x30\x42", "UTF-16", "f:1,1-1"},
	} {
		_, diag := Scan("f", []byte(c.src))
		if diag == nil || !strings.Contains(diag.Detail, c.why) || diag.Subject.String() != c.where {
			t.Errorf("%s: %v; want %q at %s", name, diag, c.why, c.where)
		}
	}
	for _, src := range []string{"\xef\xbb\xbflocals {\r\n  a = 1\r\n}\r\n"} {
		c, diags := FromSources(map[string][]byte{"main.lab.hcl": []byte(src)})
		if len(diags) != 0 || len(c.Locals) != 1 || !bytes.Equal(c.Sources()["main.lab.hcl"], []byte(src)) {
			t.Errorf("%q: %v, %v", src, c.Locals, diags)
		}
	}
}
