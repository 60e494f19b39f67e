package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hellolab/cmd/hellolab/internal/reference"
	"hellolab/hcl/config"
	"hellolab/hcl/format"
	"hellolab/hcl/funcs"
	"hellolab/providers/hello"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/phone"
	"hellolab/providers/wire/sas"
)

const (
	docsDir     = "../../docs"
	examplesDir = docsDir + "/language" // the lab that docs/language.md is made of
)

var docs = flag.Bool("docs", false, "write the generated parts of docs/language.md and docs/cli.md")

// TestDocuments: what the documents say of kinds, functions, bounds and
// commands is what the program has. With -docs it makes it so.
func TestDocuments(t *testing.T) {
	for name, parts := range map[string]func(*testing.T) map[string]string{
		"language.md": languageParts,
		"cli.md":      cliParts,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(docsDir, name)
			have, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := reference.Fill(have, parts(t))
			if err != nil {
				t.Fatalf("docs/%s: %v", name, err)
			}
			again, err := reference.Fill(want, parts(t))
			if err != nil || !bytes.Equal(want, again) {
				t.Fatalf("docs/%s: written twice it differs: %v", name, err)
			}
			switch {
			case bytes.Equal(have, want):
			case *docs:
				if err := os.WriteFile(file, want, 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("docs/%s is out of date; run `make docs` and commit it", name)
			}
		})
	}
}

func languageParts(t *testing.T) map[string]string {
	t.Helper()
	registry := newSystems(nil, nil).registry
	examples := languageExamples(t)
	kinds, err := reference.Kinds(registry, examples)
	if err != nil {
		t.Fatal(err)
	}
	functions, err := reference.Functions(funcs.All(), funcs.Refused)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{
		"kinds":     kinds,
		"functions": functions,
		"reasons":   reference.Reasons(hello.Reasons()),
		"bounds":    reference.Bounds(config.Bounds()),
	}
	for name, src := range examples {
		if registry.Type(name) == nil { // those of kinds stand in their sections
			parts[name] = reference.Example(src)
		}
	}
	return parts
}

// languageExamples are the files of the example lab, by name without suffix.
func languageExamples(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(examplesDir, "*"+config.Suffix))
	if err != nil || len(names) == 0 {
		t.Fatalf("no examples in %s: %v", examplesDir, err)
	}
	tests, err := filepath.Glob(filepath.Join(examplesDir, "*"+config.TestSuffix))
	if err != nil || len(tests) == 0 {
		t.Fatalf("no test files in %s: %v", examplesDir, err)
	}
	names = append(names, tests...)
	examples := make(map[string][]byte, len(names))
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		formatted, diags := format.Source(name, src)
		if diags.HasErrors() || !bytes.Equal(src, formatted) {
			t.Errorf("%s is not in canonical style: hellolab fmt docs/language", name)
		}
		base := strings.TrimSuffix(filepath.Base(name), config.TestSuffix)
		examples[strings.TrimSuffix(base, config.Suffix)] = src
	}
	return examples
}

func cliParts(*testing.T) map[string]string {
	table := commands()
	all := make([]reference.Command, len(table))
	for i, e := range table {
		all[i] = e.describe()
	}
	return map[string]string{
		"commands": reference.Commands(all),
		"global":   reference.Flags(flagsOf(globalFlags(&session{}, new(bool), new(bool)))),
	}
}

// TestManuals: every command has a manual, no manual is of a command that is
// gone, and the examples are command lines that the flags and the table accept.
func TestManuals(t *testing.T) {
	known := manuals()
	for _, e := range commands() {
		m, ok := known[e.name]
		delete(known, e.name)
		if !ok || len(m.examples) == 0 {
			t.Errorf("%s has no examples", e.name)
		}
		for _, line := range m.examples {
			words := strings.Fields(line)
			if words[0] != "hellolab" {
				t.Errorf("%q does not begin with the program", line)
				continue
			}
			got, rest, err := lookup(commands(), words[1:])
			if err != nil || got.name != e.name {
				t.Errorf("%q is an example of %q, not of %s: %v", line, got.name, e.name, err)
				continue
			}
			pos, err := parseInterspersed(e.flagSet(e.new(), &session{}, new(bool)), rest)
			if err != nil || e.max >= 0 && len(pos) > e.max {
				t.Errorf("%q: arguments %q: %v", line, pos, err)
			}
		}
	}
	for name := range known {
		t.Errorf("there is a manual of %q, which is no command", name)
	}
}

// TestHelpTellsTheManual: help and the document are made of the same parts.
func TestHelpTellsTheManual(t *testing.T) {
	for _, e := range commands() {
		var out bytes.Buffer
		s := process()
		s.out, s.err, s.tty = &out, io.Discard, terminal{}
		if code := run(context.Background(), s, append([]string{"help"}, strings.Fields(e.name)...)); code != exitOK {
			t.Fatalf("help %s exits with %d", e.name, code)
		}
		c := e.describe()
		tells := slices.Clone(c.Examples)
		for _, f := range c.Flags {
			tells = append(tells, f.Name)
		}
		for _, want := range tells {
			if !strings.Contains(out.String(), "\n  "+want) {
				t.Errorf("help %s does not tell of %q", e.name, want)
			}
		}
	}
}

// TestWireDocument: docs/wire.md names every member of the formats that are
// ours, and every subcode that the registration service refuses with.
func TestWireDocument(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(docsDir, "wire.md"))
	if err != nil {
		t.Fatal(err)
	}
	tells := func(what, name string) {
		t.Helper()
		if !bytes.Contains(doc, []byte("`"+name+"`")) {
			t.Errorf("docs/wire.md does not tell of the %s `%s`", what, name)
		}
	}
	for prefix, v := range map[string]any{
		"": drs.KeyReply{}, "attestation.": drs.KeyAttestation{}, "device.": drs.KeyDevice{},
	} {
		for _, name := range members(v) {
			tells("member", prefix+name)
		}
	}
	for _, v := range []any{attest.EnrolRequest{}, attest.EnrolChallenge{}, attest.ActivateRequest{}, attest.EnrolReply{}, graph.DeviceKey{},
		phone.Challenge{}, phone.List{}, phone.Notifications{}, phone.Notification{}, phone.Answer{}, phone.Outcome{}} {
		for _, name := range members(v) {
			tells("member", name)
		}
	}
	for what, names := range map[string][]string{
		"result": {sas.ResultSuccess, sas.ResultPending, sas.ResultWrongCode, sas.ResultReused, sas.ResultCodeLocked, sas.ResultDenied, sas.ResultWrongNumber,
			sas.ResultNoResponse, sas.ResultLocked, phone.Approved, phone.Denied, phone.WrongNumber, phone.Gone, phone.Locked},
		"method":   {sas.MethodAppOTP, sas.MethodAppNotification},
		"decision": {phone.Approve, phone.Deny},
	} {
		for _, name := range names {
			tells(what, name)
		}
	}
	for _, path := range []string{attest.PathEnrol, attest.PathActivate, drs.PathKey, drs.PathNonce, phone.PathChallenge, phone.PathList, phone.PathAnswer} {
		if !bytes.Contains(doc, []byte(path)) {
			t.Errorf("docs/wire.md does not tell of %s", path)
		}
	}

	sources, err := filepath.Glob("../../providers/entra/*.go")
	if err != nil {
		t.Fatal(err)
	}
	subcode := regexp.MustCompile(`(?:drsRefusal\(drs\.\w+, http\.\w+, |missingPart\()"([a-z_]+[a-z])"`)
	found := 0
	for _, name := range sources {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range subcode.FindAllSubmatch(src, -1) {
			found++
			if !bytes.HasPrefix(m[1], []byte("attestation_")) || bytes.Equal(m[1], []byte("attestation_missing")) {
				tells("subcode", string(m[1]))
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d refusals were found in the sources: the expression does not fit them any more", found)
	}
}

// members are the JSON names of a struct's fields.
func members(v any) []string {
	var names []string
	for f := range reflect.TypeOf(v).Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
