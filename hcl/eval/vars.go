package eval

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"hellolab/hcl/budget"
	"hellolab/hcl/config"
	"hellolab/hcl/funcs"
)

// Names of files and environment variables that set variables.
const (
	VarsFile  = "hellolab.labvars.hcl"
	EnvPrefix = "HELLOLAB_VAR_"
)

// VarSource is where values of variables come from. Later sources win, as in
// Terraform: environment, VarsFile, *.auto.labvars.hcl in name order, Files,
// Flags.
type VarSource struct {
	Files []string // -var-file, in order
	Flags []string // -var, as name=value
	Env   []string // as os.Environ; HELLOLAB_VAR_name=value
	Dir   string   // folder of VarsFile and *.auto.labvars.hcl; "" for none
	// Unset makes a variable that is given no value and has no default unknown
	// instead of a mistake: files are checked without the values of a run.
	Unset bool
}

// given is a value of a variable as its source has it.
type given struct {
	value   cty.Value
	raw     bool // a string of the command line or environment: may be an expression
	rng     *hcl.Range
	where   string // for messages
	unknown hcl.DiagnosticSeverity
}

// RootVariables returns the value of every declared variable: given or
// default, converted to its type and validated. Sensitive ones are not marked.
func RootVariables(c *config.Config, s VarSource) (map[string]cty.Value, hcl.Diagnostics) {
	all := map[string]given{}
	diags := s.read(c, all)
	declared := map[string]*config.Variable{}
	var names []string
	for _, v := range c.Variables() {
		declared[v.Name] = v
		names = append(names, v.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if g := all[name]; declared[name] == nil && g.unknown != 0 {
			diags = append(diags, &hcl.Diagnostic{
				Severity: g.unknown, Summary: "Undeclared variable", Subject: g.rng,
				Detail: fmt.Sprintf("There is no variable %q, but %s gives it a value.%s", name, g.where, suggest(name, names)),
			})
		}
	}
	vals := map[string]cty.Value{}
	for _, v := range c.Variables() {
		g, ok := all[v.Name]
		if !ok && s.Unset && v.Default == cty.NilVal {
			vals[v.Name] = cty.UnknownVal(v.Type)
			continue
		}
		val, more := valueOf(c, v, g, ok)
		diags = append(diags, more...)
		if !more.HasErrors() {
			vals[v.Name] = val
		}
	}
	return vals, append(diags, validate(c, vals)...)
}

func (s VarSource) read(c *config.Config, all map[string]given) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, kv := range s.Env {
		if name, val, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, EnvPrefix) {
			all[name[len(EnvPrefix):]] = given{value: cty.StringVal(val), raw: true, where: "the environment variable " + name}
		}
	}
	if s.Dir != "" {
		names, err := config.ListFiles(s.Dir, config.AutoSuffix)
		if err != nil {
			diags = append(diags, errorf(nil, "Cannot read the lab folder", "%s.", sentence(err.Error())))
		}
		for _, name := range append([]string{VarsFile}, names...) {
			src, err := config.ReadIn(s.Dir, name)
			if name == VarsFile && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			diags = append(diags, readVars(c, name, src, err, all)...)
		}
	}
	for _, path := range s.Files {
		src, err := config.ReadIn(filepath.Dir(path), filepath.Base(path))
		diags = append(diags, readVars(c, path, src, err, all)...)
	}
	for _, kv := range s.Flags {
		name, val, ok := strings.Cut(kv, "=")
		if !ok {
			diags = append(diags, errorf(nil, "Invalid -var", "Write -var name=value."))
			continue
		}
		name = strings.TrimSpace(name)
		all[name] = given{value: cty.StringVal(val), raw: true, where: "the option -var", unknown: hcl.DiagError}
	}
	return diags
}

// readVars reads a file of name = constant lines.
func readVars(c *config.Config, name string, src []byte, err error, all map[string]given) hcl.Diagnostics {
	if err != nil {
		return hcl.Diagnostics{errorf(nil, "Cannot read variable values", "%s.", sentence(err.Error()))}
	}
	f, diags := config.ParseFile(name, src)
	c.AddFile(name, f)
	body, ok := f.Body.(*hclsyntax.Body)
	if !ok || diags.HasErrors() {
		return diags
	}
	budget.Instrument(body)
	for _, b := range body.Blocks {
		rng := b.DefRange()
		diags = append(diags, errorf(&rng, "Unexpected block", "A file of variable values has lines name = value and no blocks."))
	}
	sensitive := map[string]bool{}
	for _, v := range c.Variables() {
		sensitive[v.Name] = v.Sensitive
	}
	root := budget.New(context.Background(), budget.Limits{}).Scope()
	for _, aName := range slices.Sorted(maps.Keys(body.Attributes)) {
		a := body.Attributes[aName]
		if sensitive[aName] {
			c.Redact(a.Expr.Range())
		}
		if refs := a.Expr.Variables(); len(refs) > 0 {
			rng := refs[0].SourceRange()
			diags = append(diags, errorf(&rng, "Constant expected", "A file of variable values holds constants; it cannot refer to other things."))
			continue
		}
		v, more := a.Expr.Value(root)
		diags = append(diags, more...)
		if !more.HasErrors() {
			rng := a.Range()
			all[aName] = given{value: v, rng: &rng, where: "the file " + name, unknown: hcl.DiagWarning}
		}
	}
	return diags
}

// valueOf is the value of a variable: what was given, else its default.
func valueOf(c *config.Config, v *config.Variable, g given, ok bool) (cty.Value, hcl.Diagnostics) {
	if !ok || !v.Nullable && g.value.IsNull() {
		if v.Default != cty.NilVal {
			return v.Default, nil
		}
		why := fmt.Sprintf("The variable %q has no default, so it needs a value: -var '%s=…', %s%s=…, or a line %s = … in %s.", v.Name, v.Name, EnvPrefix, v.Name, v.Name, VarsFile)
		if ok {
			why = fmt.Sprintf("The variable %q is not nullable, and %s gives it null.", v.Name, g.where)
		}
		return cty.NilVal, hcl.Diagnostics{errorf(&v.Range, "Missing value of variable", "%s", why)}
	}
	rng := &v.Range
	if g.rng != nil {
		rng = g.rng
	}
	val := g.value
	// Text stands for itself where a string or any type is asked for, as in
	// Terraform; for other types it is an expression.
	if ty := v.Type; g.raw && !ty.IsPrimitiveType() && ty != cty.DynamicPseudoType {
		parsed, why := parseText(val.AsString())
		if why != "" {
			return cty.NilVal, hcl.Diagnostics{errorf(rng, "Invalid value of variable", "The value that %s gives %q is no constant expression: %s", g.where, v.Name, why)}
		}
		val = parsed
	}
	out, err := v.Convert(val)
	if err == nil {
		// Conversion may have made numbers of text.
		err = budget.New(context.Background(), budget.Limits{}).Value(out)
	}
	if err != nil {
		text := err.Error()
		if v.Sensitive {
			text = "it does not fit the type"
		}
		return cty.NilVal, hcl.Diagnostics{errorf(rng, "Invalid value of variable", "The value that %s gives %q does not fit: %s.", g.where, v.Name, text)}
	}
	return out, nil
}

// parseText reads a constant expression; the complaint does not quote it, for
// it may be secret.
func parseText(s string) (cty.Value, string) {
	src, diag := config.Scan("value", []byte(s))
	if diag != nil {
		return cty.NilVal, diag.Detail
	}
	e, diags := hclsyntax.ParseExpression(src, "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, diags[0].Detail
	}
	if len(e.Variables()) > 0 {
		return cty.NilVal, "It refers to other things. Put strings into quotes."
	}
	v, diags := budget.Expr(e).Value(budget.New(context.Background(), budget.Limits{}).Scope())
	if diags.HasErrors() {
		return cty.NilVal, diags[0].Detail
	}
	return v, ""
}

// validate runs the validation blocks of all variables.
func validate(c *config.Config, vals map[string]cty.Value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	m := budget.New(context.Background(), budget.Limits{})
	ctx := m.Scope()
	ctx.Functions = funcs.Table(funcs.Options{Meter: m, ReadFile: c.ReadFile, Now: time.Time{}, Sensitive: Sensitive})
	ctx.Variables["var"] = variablesObject(c, vals)
	for _, v := range c.Variables() {
		if _, ok := vals[v.Name]; !ok {
			continue
		}
		for _, a := range v.Validations {
			if bad := foreignRefs(a.Condition, a.ErrorMessage); bad != nil {
				diags = append(diags, bad)
				continue
			}
			got, more := a.Condition.Value(ctx)
			diags = append(diags, more...)
			if more.HasErrors() {
				continue
			}
			got, _ = got.Unmark()
			ok, err := convert.Convert(got, cty.Bool)
			rng := a.Condition.Range()
			switch {
			case err != nil || ok.IsKnown() && ok.IsNull():
				diags = append(diags, errorf(&rng, "Invalid condition", "A condition is true or false."))
			case ok.IsKnown() && ok.False():
				diags = append(diags, errorf(&rng, "Invalid value of variable", "%s\n\nThis was checked for the variable %q.", message(a.ErrorMessage, ctx, &diags), v.Name))
			}
		}
	}
	return m.Finish(diags)
}

func foreignRefs(exprs ...hclsyntax.Expression) *hcl.Diagnostic {
	for _, e := range exprs {
		for _, t := range e.Variables() {
			if t.RootName() != "var" {
				rng := t.SourceRange()
				return errorf(&rng, "Invalid reference", "A validation refers to variables only.")
			}
		}
	}
	return nil
}
