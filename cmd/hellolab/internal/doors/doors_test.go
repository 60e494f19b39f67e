package doors

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "hellolab/"

// pkg is what `go list` says of one package.
type pkg struct {
	Dir        string
	ImportPath string
	Imports    []string
	GoFiles    []string
	CgoFiles   []string
}

// rules say which rooms a room may look into. The first rule whose room holds
// the package applies; "itself" is always allowed. A rule's rooms are path
// prefixes inside the module, but for the contract, which is that package alone:
// "providers/..." is all that is below it, too.
var rules = []struct {
	room string
	may  []string
}{
	{"hcl/addr", nil},
	{"hcl", []string{"hcl", "providers"}},
	{"providers/event", nil},
	{"providers/conformance", []string{"providers/event", "providers/spec", "providers/wire", "providers"}},
	{"providers/wire", []string{"providers/wire", "providers/event", "providers"}},
	{"providers/spec", []string{"providers"}},
	{"providers/administer", []string{"providers/spec", "providers/wire", "providers"}},
	{"providers/hello", []string{"providers", "providers/event", "providers/spec"}},
	{"providers/all", []string{"providers/..."}},
	{"providers/entra", []string{"providers/event", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/windows", []string{"providers/windows", "providers/administer", "providers/event", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/identity", []string{"providers/administer", "providers/event", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/application", []string{"providers/administer", "providers/event", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/adds", []string{"providers/adds", "providers/administer", "providers/event", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/adcs", []string{"providers/adcs", "providers/administer", "providers/event", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/adfs", []string{"providers/adfs", "providers/administer", "providers/event", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/connect", []string{"providers/administer", "providers/event", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/trust", []string{"providers/administer", "providers/event", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/faults", []string{"providers/administer", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/survey", []string{"providers/administer", "providers/spec", "providers/hello", "providers/wire", "providers"}},
	{"providers/value", []string{"providers/spec", "providers/wire", "providers"}},
	{"providers", []string{"providers/event"}},
	{"engine/graph", nil},
	{"engine", []string{"engine", "hcl", "providers/event", "providers", "state"}},
	{"state", []string{"state"}},
	{"docs", nil},
	{"examples", nil},
	{"cmd", []string{"cmd", "engine", "hcl", "providers/...", "state", "examples"}},
}

// contract is between the engine and the systems.
const contract = "providers"

// systems may be imported by nobody but the list of kinds and the command.
var systems = []string{"providers/entra", "providers/windows", "providers/identity", "providers/application", "providers/value", "providers/trust", "providers/adds", "providers/adcs", "providers/adfs", "providers/connect"}

// support are packages that only tests import: they may build on systems.
var support = []string{"engine/internal/rig", "providers/windows/tpm/tpmtest", "providers/adfs/farmtest"}

// only says who may import a library at all.
var only = map[string]string{
	"go.etcd.io/bbolt":                         "state",
	"github.com/google/go-tpm-tools/simulator": "providers/windows/tpm",
	"github.com/hashicorp/hcl/v2/hclsyntax":    "hcl",
	"github.com/hashicorp/terraform-json":      "engine/jsonplan",
}

// forbidden are identifiers of the world outside, which only cmd may touch.
// An exception names the package that is allowed to, and why.
var forbidden = map[string]map[string]string{
	"time.Now":   {"docs/fidelity": "a tool"},
	"os.Args":    {"docs/fidelity": "a tool", "providers/windows/tpm/tpmtest": "starts the test binary again as a worker"},
	"os.Stdout":  {"docs/fidelity": "a tool", "providers/windows/tpm/tpmtest": "starts the test binary again as a worker"},
	"os.Stderr":  {"docs/fidelity": "a tool"},
	"os.Getenv":  {"docs/fidelity": "a tool"},
	"net.Listen": {"state": "the control socket"},

	"net.ListenPacket": {},
	"net.ListenUDP":    {},
}

func inRoom(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

func packages(t *testing.T) []pkg {
	t.Helper()
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("go", "list", "-json=Dir,ImportPath,Imports,GoFiles,CgoFiles", "./...")
	list.Dir = strings.TrimSpace(string(root))
	out, err := list.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := list.Start(); err != nil {
		t.Fatal(err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(out); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if err := list.Wait(); err != nil || len(pkgs) == 0 {
		t.Fatalf("go list: %d packages, %v", len(pkgs), err)
	}
	return pkgs
}

func TestImportsPointDownward(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		var may []string
		known := false
		for _, r := range rules {
			if inRoom(from, r.room) {
				may, known = append([]string{r.room}, r.may...), true
				break
			}
		}
		if !known {
			t.Errorf("%s is in no room: name it in rules and in docs/architecture.md", from)
			continue
		}
		for _, imp := range p.Imports {
			for lib, room := range only {
				if imp == lib && !inRoom(from, room) {
					t.Errorf("%s imports %s, which only %s may", from, lib, room)
				}
			}
			to, ours := strings.CutPrefix(imp, module)
			if !ours {
				if (from == "providers" || strings.HasPrefix(from, "providers/spec")) && strings.Contains(imp, ".") && !strings.HasPrefix(imp, "github.com/zclconf/go-cty/") {
					t.Errorf("%s imports %s: the contract knows only cty and the standard library", from, imp)
				}
				if from == "providers/event" && strings.Contains(imp, ".") {
					t.Errorf("%s imports %s: it is a leaf", from, imp)
				}
				continue
			}
			if !allowed(to, may) && !slices.Contains(support, from) {
				t.Errorf("%s imports %s, which is not below it", from, to)
			}
			if slices.Contains(support, to) {
				t.Errorf("%s imports %s, which is for tests", from, to)
			}
			for _, s := range systems {
				if inRoom(to, s) && !inRoom(from, s) && from != "providers/all" && !inRoom(from, "cmd") && !slices.Contains(support, from) {
					t.Errorf("%s imports the system %s: systems meet only on the wire", from, to)
				}
			}
		}
	}
}

// allowed reports whether to is in one of the rooms.
func allowed(to string, may []string) bool {
	for _, room := range may {
		if whole, all := strings.CutSuffix(room, "/..."); to == room || room != contract && inRoom(to, room) || all && inRoom(to, whole) {
			return true
		}
	}
	return false
}

// The doors are shut: a rule that names the contract opens nothing behind it.
func TestAllowed(t *testing.T) {
	for _, tt := range []struct {
		to   string
		may  string
		want bool
	}{
		{"providers", contract, true},
		{"providers/wire/krb", contract, false},
		{"providers/entra", contract, false},
		{"providers/wire/krb", "providers/wire", true},
		{"providers/wired", "providers/wire", false},
		{"providers", "providers/...", true},
		{"providers/wire/krb", "providers/...", true},
		{"engine/plan", "providers/...", false},
	} {
		if got := allowed(tt.to, []string{tt.may}); got != tt.want {
			t.Errorf("%s by %s: %v", tt.to, tt.may, got)
		}
	}
}

func TestOnlyTheCommandTouchesTheWorld(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		if inRoom(from, "cmd") {
			continue
		}
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			path := filepath.Join(p.Dir, name)
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			imported := map[string]bool{}
			for _, i := range file.Imports {
				if s, err := strconv.Unquote(i.Path.Value); err == nil {
					imported[s] = true
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Recv == nil && n.Name.Name == "init" {
						t.Errorf("%s: init() hides an order; construct things in cmd", fset.Position(n.Pos()))
					}
				case *ast.SelectorExpr:
					x, ok := n.X.(*ast.Ident)
					if !ok || !imported[x.Name] {
						return true
					}
					id := x.Name + "." + n.Sel.Name
					if except, bad := forbidden[id]; bad {
						for room := range except {
							if inRoom(from, room) {
								return true
							}
						}
						t.Errorf("%s: %s outside cmd; it is injected", fset.Position(n.Pos()), id)
					}
				}
				return true
			})
		}
	}
}
