package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// tie is one call of seed.Proves.
type tie struct {
	row   string
	flows []string // none: every flow the row speaks of
	test  string   // name of the test function, or of the script
	file  string
	at    string // file:line
}

const seedPackage = "hellolab/providers/conformance/seed"

// scan finds the ties of all tests under root: calls of seed.Proves in Go
// tests, and lines "# proves ROW FLOW…" in the command line's scripts. They
// come in order of file and line.
func scan(root fs.FS) ([]tie, error) {
	var ties []tie
	var problems []error
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := path.Base(name); name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		var found []tie
		switch inTestdata := strings.Contains("/"+name, "/testdata/"); {
		case strings.HasSuffix(name, "_test.go") && !inTestdata:
			found, err = scanGo(root, name)
		case strings.HasSuffix(name, ".txtar") && strings.Contains("/"+name, "/testdata/script/"):
			found, err = scanScript(root, name)
		}
		ties = append(ties, found...)
		if err != nil {
			problems = append(problems, err)
		}
		return nil
	})
	if err = errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	return ties, nil
}

// scanGo finds the calls in one Go file.
func scanGo(root fs.FS, name string) ([]tie, error) {
	src, err := fs.ReadFile(root, name)
	if err != nil || !bytes.Contains(src, []byte(seedPackage)) {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	local := importedAs(file, seedPackage)
	if local == "" {
		return nil, nil // mentioned, not imported
	}
	var ties []tie
	var problems []error
	for _, decl := range file.Decls {
		fn, _ := decl.(*ast.FuncDecl)
		ast.Inspect(decl, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isSelector(call.Fun, local, "Proves") {
				return true
			}
			t, err := readCall(fn, call)
			t.file, t.at = name, fmt.Sprintf("%s:%d", name, fset.Position(call.Pos()).Line)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", t.at, err))
			}
			ties = append(ties, t)
			return true
		})
	}
	slices.SortStableFunc(ties, func(a, b tie) int { return cmp.Compare(a.row, b.row) })
	return ties, errors.Join(problems...)
}

// importedAs returns the name by which a file knows a package, "" if it does not.
func importedAs(file *ast.File, pkg string) string {
	for _, spec := range file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != pkg {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(pkg)
	}
	return ""
}

// readCall reads seed.Proves(t, "ROW", "FLOW", …) off the source: literals
// only, in a test function, so that the page needs no test to be run.
func readCall(fn *ast.FuncDecl, call *ast.CallExpr) (t tie, err error) {
	if fn == nil || fn.Recv != nil || !isTest(fn.Name.Name) {
		return t, errors.New("seed.Proves must be called in a test function, so that the page can name the test")
	}
	t.test = fn.Name.Name
	if len(call.Args) < 2 || call.Ellipsis.IsValid() {
		return t, errors.New("seed.Proves needs a row, and flows one by one")
	}
	var ok bool
	if t.row, ok = literal(call.Args[1]); !ok {
		return t, errors.New("the row given to seed.Proves must be a string literal")
	}
	for _, arg := range call.Args[2:] {
		f, ok := flowOf(arg)
		if !ok {
			return t, errors.New("a flow given to seed.Proves must be a string literal or string(hello.P1)")
		}
		t.flows = append(t.flows, f)
	}
	return t, nil
}

func isTest(name string) bool {
	for _, prefix := range []string{"Test", "Fuzz", "Benchmark"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// flowOf reads "P1", string(hello.P1) or, inside package hello, string(P1).
func flowOf(e ast.Expr) (string, bool) {
	if s, ok := literal(e); ok {
		return s, true
	}
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return "", false
	}
	if id, ok := call.Fun.(*ast.Ident); !ok || id.Name != "string" {
		return "", false
	}
	switch arg := call.Args[0].(type) {
	case *ast.Ident:
		return arg.Name, true
	case *ast.SelectorExpr:
		return arg.Sel.Name, true
	}
	return "", false
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

func isSelector(e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg
}

// scanScript finds "# proves ROW FLOW…" among the commands of a txtar script,
// that is, before its first file.
func scanScript(root fs.FS, name string) ([]tie, error) {
	src, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	script := strings.TrimSuffix(path.Base(name), ".txtar")
	var ties []tie
	in := bufio.NewScanner(bytes.NewReader(src))
	in.Buffer(nil, len(src)+1)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		if strings.HasPrefix(line, "-- ") && strings.HasSuffix(line, " --") {
			break
		}
		words := strings.Fields(strings.TrimPrefix(line, "#"))
		if !strings.HasPrefix(line, "#") || len(words) < 2 || words[0] != "proves" {
			continue
		}
		ties = append(ties, tie{row: words[1], flows: words[2:], test: script, file: name, at: fmt.Sprintf("%s:%d", name, n)})
	}
	return ties, in.Err()
}
