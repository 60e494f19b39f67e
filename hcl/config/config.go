// Package config reads the files of a lab folder into blocks. Nothing is
// evaluated but constants; kinds of objects are not known here. Every bound
// that protects the HCL parser, which overflows the stack on some 200 kB
// inputs, is checked before it runs.
//
// A Config is immutable after loading, except for the files that functions
// read and the display of secrets; both are safe for concurrent use.
package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"hellolab/hcl/budget"
)

// Suffix ends the names of configuration files.
const Suffix = ".lab.hcl"

const (
	maxFiles  = 1000     // configuration files of a folder
	maxConfig = 16 << 20 // bytes of all of them
	maxErrors = 20       // told of one file that does not parse
)

// Config is the blocks of one lab folder.
type Config struct {
	Objects []*Object
	Locals  []*Local
	Outputs []*Output
	Checks  []*Check
	Faults  []*Fault

	variables []*Variable
	required  []versionConstraint

	mu      sync.Mutex
	root    *folder           // nil when made from sources
	sources map[string][]byte // as read
	files   map[string]*hcl.File
}

// Load reads the configuration files of a folder, in name order. Sub-folders
// are not read. The Config is usable for rendering diagnostics even when they
// hold errors.
func Load(dir string) (*Config, hcl.Diagnostics) {
	root, err := openFolder(dir)
	if err != nil {
		return newConfig(nil), hcl.Diagnostics{errorf(nil, "Cannot read the lab folder", "%s.", sentence(err))}
	}
	c := newConfig(root)
	names, err := root.list(Suffix)
	if err != nil {
		return c, hcl.Diagnostics{errorf(nil, "Cannot read the lab folder", "%s.", sentence(err))}
	}
	if len(names) == 0 {
		return c, hcl.Diagnostics{errorf(nil, "No configuration files",
			"The folder %s holds no file whose name ends in %s. Run the command in a lab folder, or name one with -chdir.", dir, Suffix)}
	}
	if len(names) > maxFiles {
		return c, hcl.Diagnostics{errorf(nil, "Too many configuration files", "The folder %s holds more than %d configuration files.", dir, maxFiles)}
	}
	var diags hcl.Diagnostics
	total := 0
	for _, name := range names {
		src, err := root.read(name)
		if err != nil {
			c.files[name] = &hcl.File{}
			diags = append(diags, errorf(startOf(name), "Cannot read a configuration file", "%s.", sentence(err)))
			continue
		}
		if total += len(src); total > maxConfig {
			return c, append(diags, errorf(startOf(name), "Configuration too large", "The configuration files of the folder have more than %d MiB together.", maxConfig>>20))
		}
		c.sources[name] = src
	}
	return c, append(diags, c.parse()...)
}

// FromSources makes the Config that Load made of the folder whose Sources
// these are. What functions read is served from them alone.
func FromSources(files map[string][]byte) (*Config, hcl.Diagnostics) {
	c := newConfig(nil)
	maps.Copy(c.sources, files)
	return c, c.parse()
}

func newConfig(root *folder) *Config {
	return &Config{root: root, sources: map[string][]byte{}, files: map[string]*hcl.File{}}
}

// Sources returns every file that was read, configuration and those functions
// asked for, by slash-separated path within the folder. A snapshot of them
// makes the same Config again.
func (c *Config) Sources() map[string][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.sources)
}

// Files returns the parsed files for rendering diagnostics. Secrets that were
// redacted are blank in their bytes.
func (c *Config) Files() map[string]*hcl.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.files)
}

// AddFile makes a file that is not configuration (variable values) known to Files.
func (c *Config) AddFile(name string, f *hcl.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[name] = f
}

// Redact blanks a range of a file in what Files returns, so that no diagnostic
// shows the secret written there.
func (c *Config) Redact(rng hcl.Range) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files[rng.Filename]
	if f == nil || !rng.CanSliceBytes(f.Bytes) || rng.Empty() {
		return
	}
	b := slices.Clone(f.Bytes)
	for i := rng.Start.Byte; i < rng.End.Byte; i++ {
		if b[i] != '\n' && b[i] != '\r' {
			b[i] = ' '
		}
	}
	copy(b[rng.Start.Byte:rng.End.Byte], "***")
	c.files[rng.Filename] = &hcl.File{Body: f.Body, Bytes: b, Nav: f.Nav}
}

// ReadFile returns a file of the lab folder, or, for a Config made from
// sources, of the snapshot. A file is read once: all of a run, and a plan made
// in it, see the same bytes. Paths that leave the folder are refused.
func (c *Config) ReadFile(name string) ([]byte, error) {
	name = filepath.ToSlash(filepath.Clean(name))
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%s is outside of the lab folder, from which alone files are read", name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.sources[name]; ok {
		return b, nil
	}
	if c.root == nil {
		return nil, &missing{name}
	}
	if c.root.hides(name) {
		return nil, fmt.Errorf("the file %s is hidden; names that begin with a dot are not read, for the lab's state and its key are among them", name)
	}
	b, err := c.root.read(name)
	if err != nil {
		return nil, err
	}
	total := len(b)
	for _, s := range c.sources {
		total += len(s)
	}
	if total > maxSources {
		return nil, fmt.Errorf("%s: more than %d MiB of files were read", name, maxSources>>20)
	}
	c.sources[name] = b
	return b, nil
}

// Variables returns the declared variables, by name.
func (c *Config) Variables() []*Variable { return c.variables }

// parse reads the configuration among the sources.
func (c *Config) parse() hcl.Diagnostics {
	var diags hcl.Diagnostics
	l := &loader{config: c, seen: map[string]hcl.Range{}}
	for _, name := range slices.Sorted(maps.Keys(c.sources)) {
		if strings.Contains(name, "/") || !strings.HasSuffix(name, Suffix) {
			continue
		}
		f, more := ParseFile(name, c.sources[name])
		diags = append(diags, more...)
		c.files[name] = f
		if body, ok := f.Body.(*hclsyntax.Body); ok && !more.HasErrors() {
			budget.Instrument(body)
			l.file(body)
		}
	}
	diags = append(diags, l.diags...)
	slices.SortFunc(c.variables, func(a, b *Variable) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Locals, func(a, b *Local) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Outputs, func(a, b *Output) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Faults, func(a, b *Fault) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Checks, func(a, b *Check) int { return strings.Compare(a.Name, b.Name) })
	return diags
}

// ParseFile parses one file, within the bounds of the language. The file is
// never nil and always fit for rendering the diagnostics.
func ParseFile(name string, src []byte) (*hcl.File, hcl.Diagnostics) {
	text, diag := Scan(name, src)
	if diag != nil {
		f := &hcl.File{Body: hcl.EmptyBody()}
		if shown(text) {
			f.Bytes = text
		}
		return f, hcl.Diagnostics{diag}
	}
	f, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	if f == nil {
		f = &hcl.File{Body: hcl.EmptyBody(), Bytes: text}
	}
	if diags.HasErrors() && !shown(text) {
		f.Bytes = nil
	}
	if n := len(diags); n > maxErrors {
		diags = append(diags[:maxErrors:maxErrors], errorf(diags[maxErrors].Subject, "Too many errors", "The file has %d more errors from here on.", n-maxErrors))
	}
	return f, diags
}

func errorf(subject *hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: subject}
}

func startOf(file string) *hcl.Range {
	return &hcl.Range{Filename: file, Start: hcl.InitialPos, End: hcl.InitialPos}
}

// sentence makes an error begin a sentence.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:]
}
