package labtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/apply"
	"hellolab/engine/check"
	"hellolab/engine/fault"
	"hellolab/engine/lab"
	"hellolab/engine/plan"
	"hellolab/hcl/addr"
	"hellolab/hcl/config"
	"hellolab/hcl/eval"
	"hellolab/providers"
)

// do does what a run's command says, and returns what the run is worth.
func (r *runner) do(ctx context.Context, l *lab.Lab, run *config.Run, now *evaluated, faults []fault.Fault, res *Result) (cty.Value, error) {
	switch run.Command {
	case config.RunPlan:
		return r.plan(ctx, run, res)
	case config.RunApply:
		return r.apply(ctx, l, run, res)
	case config.RunSignIn, config.RunProvision:
		return r.attempt(ctx, l, now, res)
	case config.RunSync:
		return r.sync(ctx, l, run, res)
	case config.RunAdvance:
		return r.advance(ctx, l, now, res)
	case config.RunFault:
		return r.fault(ctx, l, run, faults, res)
	case config.RunRevoke:
		res.Did = "revoked"
		return outcome(check.Success), r.Revoke(ctx, l, *now.check.Revoke)
	}
	return cty.NilVal, fmt.Errorf("there is no command %q", run.Command)
}

// outcome is what a run is worth that has nothing but a code.
func outcome(code string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"code": cty.StringVal(code)})
}

// verdictValue is what an attempt is worth.
func verdictValue(v check.Verdict) cty.Value {
	attrs := map[string]cty.Value{
		"code": cty.StringVal(v.Code), "flow": cty.StringVal(v.Flow), "phase": cty.StringVal(v.Phase), "trace": cty.StringVal(v.ID),
		"status": cty.StringVal(""), "name": cty.StringVal(""), "reason": cty.StringVal(""),
	}
	if v.Reason != nil {
		attrs["status"], attrs["name"], attrs["reason"] = cty.StringVal(v.Reason.Code), cty.StringVal(v.Reason.Name), cty.StringVal(v.Reason.Sentence)
	}
	return cty.ObjectVal(attrs)
}

func (r *runner) attempt(ctx context.Context, l *lab.Lab, now *evaluated, res *Result) (cty.Value, error) {
	v, err := r.Hands.Try(ctx, l, r.Registry, check.SecretsOf(now.result.Desired), now.check)
	if err != nil {
		return cty.NilVal, err
	}
	res.Verdict = &v
	res.Did = "signed in"
	if now.check.Provision != nil {
		res.Did = "provisioned"
		if now.check.Provision.Reset {
			res.Did = "reset the PIN"
		}
	}
	r.compare(res, v.Code, nil)
	return verdictValue(v), nil
}

// compare holds what came out against what was expected.
func (r *runner) compare(res *Result, code string, undone []lab.Undone) {
	if code != res.Expect {
		res.Status, res.Message = Fail, check.Unexpected(res.Expect, code, undone)
	}
}

func (r *runner) sync(ctx context.Context, l *lab.Lab, run *config.Run, res *Result) (cty.Value, error) {
	addr := ""
	if run.Sync != nil {
		a, err := instanceOf(run.Sync)
		if err != nil {
			return cty.NilVal, err
		}
		addr = a.String()
	}
	code, detail, err := r.Sync(ctx, l, addr)
	if err != nil {
		return cty.NilVal, err
	}
	res.Did = "synchronized"
	if r.compare(res, code, nil); res.Status != Pass && detail != "" {
		res.Message += ": " + detail
	}
	return outcome(code), nil
}

func (r *runner) advance(ctx context.Context, l *lab.Lab, now *evaluated, res *Result) (cty.Value, error) {
	by, err := providers.ParseDuration(now.check.After)
	if err != nil {
		return cty.NilVal, err
	}
	undone, err := r.broken.Pass(ctx, l, by)
	if err != nil {
		return cty.NilVal, err
	}
	res.Did = now.check.After + " passed"
	res.warn(undone)
	return cty.ObjectVal(map[string]cty.Value{"code": cty.StringVal(check.Success), "now": cty.StringVal(l.Now().UTC().Format("2006-01-02T15:04:05Z07:00"))}), nil
}

// warn tells of what time has made due and could not be done.
func (r *Result) warn(undone []lab.Undone) {
	for _, u := range undone {
		r.Diagnostics = append(r.Diagnostics, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "What has become due of " + u.Addr + " is not done", Detail: u.Err.Error(), Subject: &r.Range,
		})
	}
}

func (r *runner) fault(ctx context.Context, l *lab.Lab, run *config.Run, faults []fault.Fault, res *Result) (cty.Value, error) {
	var did []string
	for _, t := range run.End {
		name, _ := config.FaultName(t)
		if err := r.broken.End(ctx, l, name); err != nil {
			return cty.NilVal, err
		}
		did = append(did, name+" ended")
	}
	for _, t := range run.Begin {
		name, _ := config.FaultName(t)
		if err := r.begin(ctx, l, faults, name); err != nil {
			return cty.NilVal, err
		}
		did = append(did, name+" began")
	}
	res.Did = strings.Join(did, ", ")
	return outcome(check.Success), nil
}

// options are those of a run's plan_options block.
func options(run *config.Run) (o planOptions, err error) {
	o = planOptions{mode: plan.Mode(run.Options.Mode), refresh: run.Options.Refresh}
	if o.targets, err = instances(run.Options.Target); err == nil {
		o.anew, err = instances(run.Options.Replace)
	}
	return o, err
}

// plan plans, and keeps what the plan is worth.
func (r *runner) plan(ctx context.Context, run *config.Run, res *Result) (cty.Value, error) {
	made, err := r.make(ctx, run, res)
	if err != nil || made == nil {
		return cty.NilVal, err
	}
	attrs, counts := changesOf(made.plan)
	res.Did = counts
	if r.Impact != nil {
		v, err := r.Impact(ctx, r.view.Snapshot(), made.plan, made.rules)
		if err != nil {
			return cty.NilVal, err
		}
		attrs["impact"] = v
	}
	return cty.ObjectVal(attrs), nil
}

// make plans for a run; nil when the result says what is wrong.
func (r *runner) make(ctx context.Context, run *config.Run, res *Result) (*evaluated, error) {
	o, err := options(run)
	if err != nil {
		return nil, err
	}
	e, diags := r.evaluator(run, &config.Check{Name: run.Name, Range: run.Range}, r.past)
	var made *evaluated
	if !diags.HasErrors() {
		made, diags = r.planned(ctx, e, run, o, r.broken.Trouble, diags)
	}
	if diags.HasErrors() {
		*res = res.wrong(diags)
		return nil, nil
	}
	return made, nil
}

// changesOf is what a plan is worth to asserts, and its summary.
func changesOf(p *plan.Plan) (map[string]cty.Value, string) {
	changes := map[string]cty.Value{}
	add, change, destroy := 0, 0, 0
	for _, c := range p.Changes {
		switch c.Action {
		case plan.NoOp, plan.Read:
			continue
		case plan.Create:
			add++
		case plan.Update:
			change++
		case plan.Delete:
			destroy++
		case plan.Replace:
			add, destroy = add+1, destroy+1
		}
		changes[c.Addr.String()] = cty.StringVal(string(c.Action))
	}
	all := cty.MapValEmpty(cty.String)
	if len(changes) > 0 {
		all = cty.MapVal(changes)
	}
	return map[string]cty.Value{
		"code": cty.StringVal(check.Success), "changes": all,
		"add": cty.NumberIntVal(int64(add)), "change": cty.NumberIntVal(int64(change)), "destroy": cty.NumberIntVal(int64(destroy)),
	}, fmt.Sprintf("planned: %d to add, %d to change, %d to destroy", add, change, destroy)
}

// apply plans and applies, and then does what lab time has made due.
func (r *runner) apply(ctx context.Context, l *lab.Lab, run *config.Run, res *Result) (cty.Value, error) {
	made, err := r.make(ctx, run, res)
	if err != nil || made == nil {
		return cty.NilVal, err
	}
	if r.Expect != nil {
		r.Expect(made.plan)
	}
	done, diags := apply.Run(ctx, apply.Request{Plan: made.plan, Registry: r.Registry, View: r.view, Lab: l, Evaluator: made.eval})
	if diags.HasErrors() {
		return r.refused(res, diags)
	}
	undone, err := l.Due(ctx)
	if err != nil {
		return cty.NilVal, err
	}
	res.Did = fmt.Sprintf("applied: %d added, %d changed, %d destroyed", done.Added, done.Changed, done.Destroyed)
	res.warn(undone)
	r.compare(res, check.Success, nil)
	attrs, _ := changesOf(made.plan)
	outputs := map[string]cty.Value{}
	for _, o := range done.Outputs {
		outputs[o.Name] = o.Value
		if o.Sensitive {
			outputs[o.Name] = o.Value.Mark(eval.Sensitive)
		}
	}
	attrs["outputs"] = cty.ObjectVal(outputs)
	return cty.ObjectVal(attrs), nil
}

// refused is an apply that failed: expected, when that is why somebody refused.
func (r *runner) refused(res *Result, diags hcl.Diagnostics) (cty.Value, error) {
	var first *check.Verdict
	for _, d := range diags {
		err, ok := d.Extra.(error)
		if !ok {
			continue
		}
		code, reason := r.Reason(err)
		if reason == nil {
			continue
		}
		v := check.Verdict{Code: code, Reason: reason}
		if code == res.Expect {
			res.Verdict, res.Did = &v, "the apply was refused"
			return verdictValue(v), nil
		}
		if first == nil {
			first = &v
		}
	}
	if first == nil || res.Expect == check.Success {
		*res = res.wrong(diags)
		res.Verdict = first
		return cty.NilVal, nil
	}
	res.Verdict = first
	r.compare(res, first.Code, nil)
	return verdictValue(*first), nil
}

// instances reads references to blocks or instances.
func instances(list []hcl.Traversal) ([]addr.Instance, error) {
	var out []addr.Instance
	for _, t := range list {
		a, err := instanceOf(t)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// instanceOf is the address that a reference names.
func instanceOf(t hcl.Traversal) (addr.Instance, error) {
	var b strings.Builder
	for i, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			switch {
			case s.Key.Type() == cty.String:
				b.WriteString("[" + strconv.Quote(s.Key.AsString()) + "]")
			case s.Key.Type() == cty.Number:
				b.WriteString("[" + s.Key.AsBigFloat().Text('f', -1) + "]")
			}
		default:
			return addr.Instance{}, fmt.Errorf("step %d of a reference names nothing", i)
		}
	}
	a, err := addr.Parse(b.String())
	if err != nil {
		return a, errors.Join(fmt.Errorf("%s names no block of the lab", b.String()), err)
	}
	return a, nil
}
