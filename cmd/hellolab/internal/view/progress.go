package view

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"hellolab/engine/impact"
	"hellolab/engine/plan"
	"hellolab/engine/uievent"
)

// Progress returns a sink that prints what an apply does, one line a step.
// What only repeats the plan or is told at the end is left out.
func Progress(w io.Writer, style Style) uievent.Sink {
	return func(e uievent.Event) {
		line := Escape(e.Message())
		switch e.Type {
		case uievent.ApplyStart, uievent.ApplyProgress, uievent.ApplyComplete:
			fmt.Fprintln(w, line)
		case uievent.ApplyErrored:
			fmt.Fprintln(w, style.paint(red, line))
		}
	}
}

// JSONLines returns a sink that writes every event as one line of Terraform's
// machine-readable UI. The first line names its version.
func JSONLines(w io.Writer, program string, now time.Time) (uievent.Sink, error) {
	err := WriteJSON(w, map[string]string{
		"@level":     "info",
		"@message":   program,
		"@module":    "hellolab.ui",
		"@timestamp": now.UTC().Format("2006-01-02T15:04:05.000000Z07:00"),
		"type":       "version",
		"hellolab":   strings.TrimPrefix(program, "hellolab "),
		"ui":         uievent.Version,
	})
	return func(e uievent.Event) { WriteJSON(w, e) }, err
}

// PlanEvents tells a plan to a sink: drift, changes, their count, outputs.
func PlanEvents(sink uievent.Sink, p *plan.Plan) {
	for i := range p.Drift {
		sink.Emit(changeEvent(uievent.ResourceDrift, p, &p.Drift[i]))
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Action != plan.NoOp {
			sink.Emit(changeEvent(uievent.PlannedChange, p, c))
		}
	}
	n := CountActions(p)
	operation := "plan"
	if p.Mode == plan.Destroy {
		operation = "destroy"
	}
	sink.Emit(uievent.Event{Type: uievent.ChangeSummary, At: p.Created, Changes: &uievent.Changes{
		Add: n.Add, Change: n.Change, Remove: n.Destroy, Operation: operation,
	}})
	var outs []uievent.Output
	for _, o := range p.Outputs {
		known := o.After != cty.NilVal && o.After.IsWhollyKnown()
		outs = append(outs, uievent.Output{Name: o.Name, Action: string(o.Action), Sensitive: o.Sensitive, Known: known, Value: o.After})
	}
	if len(outs) > 0 {
		sink.Emit(uievent.Event{Type: uievent.Outputs, At: p.Created, Outputs: outs})
	}
}

// ImpactEvent tells a sink what a plan does to sign-ins.
func ImpactEvent(sink uievent.Sink, r *impact.Report) error {
	data, err := json.Marshal(r)
	if err == nil {
		sink.Emit(uievent.Event{Type: uievent.Impact, At: r.Now, Impact: data, Text: Headline(r, true)})
	}
	return err
}

func changeEvent(t uievent.Type, p *plan.Plan, c *plan.Change) uievent.Event {
	e := uievent.Event{Type: t, At: p.Created, Addr: c.Addr, Action: string(c.Action), Reason: string(c.Reason)}
	for _, h := range c.Handovers {
		e.Handovers = append(e.Handovers, uievent.Handover(h))
	}
	return e
}

// DiagnosticEvents tells diagnostics to a sink.
func DiagnosticEvents(sink uievent.Sink, at time.Time, diags hcl.Diagnostics, files map[string]*hcl.File) {
	for _, d := range sorted(diags) {
		sink.Emit(uievent.Event{Type: uievent.Diagnostic, At: at, Problem: d, Sources: files})
	}
}

// OutputValue is one root output as remembered.
type OutputValue struct {
	Value     cty.Value
	Sensitive bool
}

// Outputs writes outputs by name.
func Outputs(w io.Writer, outs map[string]OutputValue) error {
	var b strings.Builder
	width := 0
	for name := range outs {
		width = max(width, len(name))
	}
	for _, name := range slices.Sorted(maps.Keys(outs)) {
		o := outs[name]
		fmt.Fprintf(&b, "%-*s = %s\n", width, Escape(name), Value(o.Value, o.Sensitive))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// outputJSON is one output as `terraform output -json` writes it.
type outputJSON struct {
	Sensitive bool                    `json:"sensitive"`
	Type      typeJSON                `json:"type"`
	Value     ctyjson.SimpleJSONValue `json:"value"`
}

type typeJSON struct{ cty.Type }

func (t typeJSON) MarshalJSON() ([]byte, error) { return ctyjson.MarshalType(t.Type) }

// OutputsJSON writes outputs, sensitive ones included: it is how programs are
// given them, as with Terraform.
func OutputsJSON(w io.Writer, outs map[string]OutputValue) error {
	out := make(map[string]outputJSON, len(outs))
	for name, o := range outs {
		out[name] = outputJSON{o.Sensitive, typeJSON{o.Value.Type()}, ctyjson.SimpleJSONValue{Value: o.Value}}
	}
	return WriteIndentedJSON(w, out)
}
