package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"hellolab/providers/conformance/seed"
)

// oldNames are names that services had, as people write them.
var oldNames = regexp.MustCompile(`Azure (AD|Active Directory|DRS|Device Registration|MFA|Kerberos)|\bAAD Connect|\bADRS\b|\bDirSync\b|Passport for Work`)

// oldStill are texts in which an old name is right, since that is what the thing is
// called to this day.
var oldStill = []string{
	"Azure Active Directory PowerShell", // an application's display name in every tenant
	"Azure MFA Server",                  // a product that ended under its name
}

// TestOneVocabulary: the page has the old names of services beside the new, and no
// text of the program, its documents and its examples uses an old one.
func TestOneVocabulary(t *testing.T) {
	seed.Proves(t, "MOD-16")
	page, err := os.ReadFile(filepath.Join(docsDir, "language.md"))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), "\n## Names of services\n")
	table, after, ended := strings.Cut(rest, "\n## ")
	if !found || !ended {
		t.Fatal("docs/language.md has no section of names")
	}
	for _, row := range [][]string{
		{"| Entra ID |", "Azure AD"},
		{"| Connect, Connect Sync |", "Azure AD Connect", "AAD Connect", "Entra Connect Sync"},
		{"| DRS, registration service |", "Azure DRS", "ADRS"},
	} {
		_, line, _ := strings.Cut(table, "\n"+row[0])
		line, _, _ = strings.Cut(line, "\n")
		for _, name := range row[1:] {
			if !strings.Contains(line, name) {
				t.Errorf("%s does not name %s", row[0], name)
			}
		}
	}
	texts := 0
	check := func(file, text string) {
		texts++
		for _, fine := range oldStill {
			text = strings.ReplaceAll(text, fine, "")
		}
		if old := oldNames.FindString(text); old != "" {
			t.Errorf("%s says %q", file, old)
		}
	}
	check("docs/language.md", before+after)
	err = filepath.WalkDir("../..", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name := d.Name(); file != "../.." && strings.HasPrefix(name, ".") || name == "testdata" {
				return fs.SkipDir
			}
		case strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "docs/language.md"):
		case strings.HasSuffix(file, ".md"), strings.HasSuffix(file, ".hcl"), strings.HasSuffix(file, ".tsv"):
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			check(file, string(data))
		case strings.HasSuffix(file, ".go"):
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil {
						check(file, text)
					}
				}
				return true
			})
		}
		return nil
	})
	if err != nil || texts < 5000 {
		t.Errorf("%d texts, %v", texts, err)
	}
}
