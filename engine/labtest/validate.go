package labtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/config"
	"hellolab/hcl/eval"
)

// Validate tells what is wrong with test files that shows without running them:
// names, references, codes, faults that do not fit. Nothing is done for it.
func Validate(ctx context.Context, req Request) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, f := range req.Files {
		r := newRunner(&req, f)
		runs := map[string]cty.Value{}
		for _, run := range f.Runs {
			diags = append(diags, r.validate(ctx, run, runs)...)
		}
	}
	return distinct(diags)
}

// validate evaluates a run in a lab that does not exist, in which the runs before
// it are worth what nobody knows.
func (r *runner) validate(ctx context.Context, run *config.Run, runs map[string]cty.Value) hcl.Diagnostics {
	arguments := run.Check
	arguments.Asserts = nil
	e, diags := r.evaluator(run, &arguments, runs)
	var result *eval.Result
	if !diags.HasErrors() {
		var more hcl.Diagnostics
		result, more = e.Evaluate(ctx, nil)
		diags = append(diags, more...)
	}
	if !diags.HasErrors() {
		diags = append(diags, r.unfit(run, result)...)
	}
	runs[run.Name] = cty.DynamicVal
	if len(run.Asserts) == 0 || diags.HasErrors() {
		return diags
	}
	e, more := r.evaluator(run, &config.Check{Name: run.Name, Asserts: run.Asserts, Range: run.Range}, runs)
	if diags = append(diags, more...); !more.HasErrors() {
		_, more = e.Evaluate(ctx, nil)
		diags = append(diags, more...)
	}
	return diags
}

// unfit tells what of a run's arguments cannot be.
func (r *runner) unfit(run *config.Run, result *eval.Result) (diags hcl.Diagnostics) {
	if len(result.Checks) == 1 && result.Checks[0].Expect != "" && run.Command != config.RunSync {
		if err := r.KnownReason(fmt.Sprintf("Run %q", run.Name), result.Checks[0].Expect); err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown reason code",
				Detail: err.Error(), Subject: run.Expect.Range().Ptr()})
		}
	}
	for _, t := range slices.Concat(run.Check.Faults, run.End) {
		name, _ := config.FaultName(t)
		i := slices.IndexFunc(result.Faults, func(f eval.Fault) bool { return f.Name == name })
		if i < 0 {
			continue
		}
		if how := r.Registry.Fault(result.Faults[i].Kind); how != nil && how.Lasting {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "A fault without an end",
				Detail:  fmt.Sprintf("Nothing mends a fault of kind %s, and the arguments faults and end would have it over. Switch it on in a run of its own, with command = fault and begin = [fault.%s]; it stays for the rest of the file.", how.Name, name),
				Subject: t.SourceRange().Ptr()})
		}
	}
	for _, t := range slices.Concat(run.Begin, run.End) {
		name, _ := config.FaultName(t)
		if !slices.ContainsFunc(result.Faults, func(f eval.Fault) bool { return f.Name == name }) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown fault",
				Detail: fmt.Sprintf("There is no fault %q.", name), Subject: t.SourceRange().Ptr()})
		}
	}
	if run.Sync != nil {
		if a, err := instanceOf(run.Sync); err != nil || a.Kind != "sync" || !slices.ContainsFunc(result.Desired, func(d *eval.Desired) bool { return d.Addr == a }) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown sync",
				Detail: "The argument sync names a sync block of the lab, as in sync = sync.connect.", Subject: run.Sync.SourceRange().Ptr()})
		}
	}
	return diags
}

// distinct leaves out what was told before: runs evaluate the same lab.
func distinct(diags hcl.Diagnostics) (out hcl.Diagnostics) {
	seen := map[string]bool{}
	for _, d := range diags {
		key := d.Summary + "\x00" + d.Detail
		if d.Subject != nil {
			key += "\x00" + d.Subject.String()
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, d)
		}
	}
	return out
}
