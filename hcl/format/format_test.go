package format

import (
	"bytes"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func TestSource(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"empty":      {"", ""},
		"blank":      {" \n\n", ""},
		"spacing":    {"user   \"a\"{\nupn=\"x\"\ntenant   = tenant.t\n}", "user \"a\" {\n  upn    = \"x\"\n  tenant = tenant.t\n}\n"},
		"crlf, bom":  {"\xef\xbb\xbflocals {\r\na=1\r\n}\r\n", "locals {\n  a = 1\n}\n"},
		"ends":       {"\n\n# c\nlocals {}\n\n\n", "# c\nlocals {}\n"},
		"one line":   {"output \"x\" {value=1}", "output \"x\" { value = 1 }\n"},
		"heredoc":    {"locals {\n a = <<EOT\n  x  \n\n   EOT\n}\n", "locals {\n  a = <<EOT\n  x  \n\n   EOT\n}\n"},
		"comments":   {"locals {\n  a = 1 # one\n  bb = 2   # two\n}\n", "locals {\n  a  = 1 # one\n  bb = 2 # two\n}\n"},
		"expression": {"locals {\n a = [for x in  y:x if  x!=1]\n}\n", "locals {\n  a = [for x in y : x if x != 1]\n}\n"},
	} {
		got, diags := Source("main.lab.hcl", []byte(c.in))
		if diags.HasErrors() || string(got) != c.want {
			t.Errorf("%s: got %q, %v; want %q", name, got, diags, c.want)
		}
	}
}

func TestSourceRefuses(t *testing.T) {
	for _, in := range []string{"user \"a\" {", "a = \xff", "a = \x00", string(bytes.Repeat([]byte("["), 100_000))} {
		got, diags := Source("main.lab.hcl", []byte(in))
		if !diags.HasErrors() || string(got) != in {
			t.Errorf("Source(%.20q) = %.20q, %v; want the text itself and an error", in, got, diags)
		}
	}
}

// Formatting keeps every token but white space, and is done after one time.
func FuzzSource(f *testing.F) {
	for _, s := range []string{"locals { a=1 }", "a{\n#c\n}\n", "x = <<E\n${1}\nE\n", "x = [\n1,\n]\n\n\n", "a = 1 /* x */\nbb = 2 // y\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		once, diags := Source("f", src)
		if diags.HasErrors() {
			return
		}
		twice, diags := Source("f", once)
		if diags.HasErrors() || !bytes.Equal(once, twice) {
			t.Fatalf("%q formats to %q, which formats to %q, %v", src, once, twice, diags)
		}
		if a, b := tokens(src), tokens(once); !bytes.Equal(a, b) {
			t.Fatalf("%q formats to %q, with other tokens:\n%q\n%q", src, once, a, b)
		}
	})
}

func tokens(src []byte) []byte {
	toks, _ := hclsyntax.LexConfig(src, "f", hcl.InitialPos)
	var out []byte
	for _, tok := range toks {
		if tok.Type != hclsyntax.TokenNewline && tok.Type != hclsyntax.TokenEOF {
			out = append(append(out, bytes.TrimRight(bytes.ReplaceAll(tok.Bytes, []byte("\r\n"), []byte("\n")), " \t\r\n")...), ' ')
		}
	}
	return out
}
