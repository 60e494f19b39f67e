// Package uievent is what planning and applying say while they run, in the
// words of Terraform's machine-readable UI, so that tools made for it read a
// lab's log unchanged. There is one Event and any number of sinks: a sink that
// encodes each event as JSON is the -json output, one that prints Message is
// the human log.
//
// Source: the Terraform documentation, "Machine-Readable UI", version 1.2.
package uievent

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"hellolab/hcl/addr"
)

// Version is the version of the UI's format, for the "version" message that
// opens a log.
const Version = "1.2"

// Type says what an event tells.
type Type string

const (
	PlannedChange   Type = "planned_change"
	ResourceDrift   Type = "resource_drift"
	ChangeSummary   Type = "change_summary"
	RefreshStart    Type = "refresh_start"
	RefreshComplete Type = "refresh_complete"
	ApplyStart      Type = "apply_start"
	ApplyProgress   Type = "apply_progress"
	ApplyComplete   Type = "apply_complete"
	ApplyErrored    Type = "apply_errored"
	Diagnostic      Type = "diagnostic"
	Outputs         Type = "outputs"
	Impact          Type = "hellolab_impact" // ours
)

// Event is one thing that planning or applying says. Which fields are set
// follows from Type; the others are zero.
type Event struct {
	Type    Type
	At      time.Time // lab time
	Addr    addr.Instance
	Action  string // create, update, delete, replace, forget, no-op
	Reason  string // why a planned change is what it is
	ID      string // the object's ID, once known
	Elapsed time.Duration
	Changes *Changes
	Outputs []Output // in order of name
	Problem *hcl.Diagnostic
	Impact  json.RawMessage      // what a plan does to sign-ins
	Text    string               // of Impact: its headline
	Sources map[string]*hcl.File // of Problem, for sinks that quote them; not encoded

	Handovers []Handover // of a planned change: what others carry on once the object is made
}

// Handover is what another object carries on of one that is made.
type Handover struct {
	To    string `json:"to"` // address
	Stage string `json:"stage"`
	Flow  string `json:"flow"`
	Waits bool   `json:"waits"` // the made object is not whole before
	Text  string `json:"text"`
}

// Changes counts the changes of a plan or an apply. A replacement counts as
// one added and one removed.
type Changes struct {
	Add       int    `json:"add"`
	Change    int    `json:"change"`
	Remove    int    `json:"remove"`
	Import    int    `json:"import"`
	Operation string `json:"operation"` // plan, apply, destroy
}

// Output is a root output. Value is null, and Known false, before it is known.
type Output struct {
	Name      string
	Action    string // at plan
	Sensitive bool   // the value is not encoded
	Known     bool
	Value     cty.Value
}

// Sink takes events. It is called by one goroutine at a time and must not keep
// the event's slices.
type Sink func(Event)

// Emit sends e, if there is a sink.
func (s Sink) Emit(e Event) {
	if s != nil {
		s(e)
	}
}

// doing is what Terraform's log says while, and after, an action runs.
var doing = map[string][2]string{
	"create": {"Creating", "Creation"},
	"update": {"Modifying", "Modifications"},
	"delete": {"Destroying", "Destruction"},
	"forget": {"Forgetting", "Forgetting"},
}

// Message is the event as one line for people.
func (e Event) Message() string {
	verb := doing[e.Action]
	switch e.Type {
	case PlannedChange:
		return fmt.Sprintf("%s: Plan to %s", e.Addr, e.Action)
	case ResourceDrift:
		return fmt.Sprintf("%s: Drift detected (%s)", e.Addr, e.Action)
	case RefreshStart:
		return fmt.Sprintf("%s: Refreshing state...%s", e.Addr, e.id())
	case RefreshComplete:
		return fmt.Sprintf("%s: Refresh complete%s", e.Addr, e.id())
	case ApplyStart:
		return fmt.Sprintf("%s: %s...%s", e.Addr, verb[0], e.id())
	case ApplyProgress:
		return fmt.Sprintf("%s: Still %s... [%s elapsed]", e.Addr, lower(verb[0]), e.Elapsed.Truncate(time.Second))
	case ApplyComplete:
		return fmt.Sprintf("%s: %s complete after %s%s", e.Addr, verb[1], e.Elapsed.Truncate(time.Millisecond), e.id())
	case ApplyErrored:
		return fmt.Sprintf("%s: %s errored after %s", e.Addr, verb[1], e.Elapsed.Truncate(time.Millisecond))
	case ChangeSummary:
		return e.Changes.sentence()
	case Diagnostic:
		return severity(e.Problem) + ": " + e.Problem.Summary
	case Outputs:
		return fmt.Sprintf("Outputs: %d", len(e.Outputs))
	case Impact:
		return "Sign-in impact: " + e.Text
	}
	return string(e.Type)
}

func (e Event) id() string {
	if e.ID == "" {
		return ""
	}
	return " [id=" + e.ID + "]"
}

func lower(s string) string {
	if s == "" {
		return s
	}
	return string(s[0]|0x20) + s[1:]
}

func (c *Changes) sentence() string {
	switch c.Operation {
	case "apply":
		return fmt.Sprintf("Apply complete! Resources: %d added, %d changed, %d destroyed.", c.Add, c.Change, c.Remove)
	case "destroy":
		return fmt.Sprintf("Destroy complete! Resources: %d destroyed.", c.Remove)
	}
	return fmt.Sprintf("Plan: %d to add, %d to change, %d to destroy.", c.Add, c.Change, c.Remove)
}

func severity(d *hcl.Diagnostic) string {
	if d.Severity == hcl.DiagWarning {
		return "Warning"
	}
	return "Error"
}

// resource is Terraform's description of an instance.
type resource struct {
	Addr     string `json:"addr"`
	Module   string `json:"module"`
	Resource string `json:"resource"`
	Provider string `json:"implied_provider"`
	Type     string `json:"resource_type"`
	Name     string `json:"resource_name"`
	Key      any    `json:"resource_key"` // string, number or null
}

func resourceOf(a addr.Instance) *resource {
	r := &resource{Addr: a.String(), Module: a.Module, Provider: "hellolab", Type: a.Kind, Name: a.Name}
	local := a
	local.Module = ""
	r.Resource = local.String()
	switch a.Key.Kind {
	case addr.IntKey:
		r.Key = a.Key.Int
	case addr.StringKey:
		r.Key = a.Key.Str
	}
	return r
}

type hook struct {
	Resource *resource `json:"resource"`
	Action   string    `json:"action,omitempty"`
	IDKey    string    `json:"id_key,omitempty"`
	IDValue  string    `json:"id_value,omitempty"`
	Elapsed  *float64  `json:"elapsed_seconds,omitempty"`
}

type change struct {
	Resource *resource `json:"resource"`
	Action   string    `json:"action"`
	Reason   string    `json:"reason,omitempty"`

	Handovers []Handover `json:"hellolab_handovers,omitempty"`
}

type output struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	Action    string          `json:"action,omitempty"`
}

type diagnostic struct {
	Severity string     `json:"severity"`
	Summary  string     `json:"summary"`
	Detail   string     `json:"detail"`
	Range    *fileRange `json:"range,omitempty"`
}

type fileRange struct {
	Filename string `json:"filename"`
	Start    pos    `json:"start"`
	End      pos    `json:"end"`
}

type pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// MarshalJSON writes the event as one message of the machine-readable UI.
func (e Event) MarshalJSON() ([]byte, error) {
	m := struct {
		Level      string            `json:"@level"`
		Message    string            `json:"@message"`
		Module     string            `json:"@module"`
		Timestamp  string            `json:"@timestamp"`
		Type       Type              `json:"type"`
		Change     *change           `json:"change,omitempty"`
		Hook       *hook             `json:"hook,omitempty"`
		Changes    *Changes          `json:"changes,omitempty"`
		Outputs    map[string]output `json:"outputs,omitempty"`
		Diagnostic *diagnostic       `json:"diagnostic,omitempty"`
		Impact     json.RawMessage   `json:"impact,omitempty"`
	}{
		Level:     "info",
		Message:   e.Message(),
		Module:    "hellolab.ui",
		Timestamp: e.At.Format("2006-01-02T15:04:05.000000Z07:00"),
		Type:      e.Type,
		Changes:   e.Changes,
		Impact:    e.Impact,
	}
	switch e.Type {
	case PlannedChange, ResourceDrift:
		m.Change = &change{Resource: resourceOf(e.Addr), Action: e.Action, Reason: e.Reason, Handovers: e.Handovers}
	case RefreshStart, RefreshComplete, ApplyStart, ApplyProgress, ApplyComplete, ApplyErrored:
		m.Hook = &hook{Resource: resourceOf(e.Addr), Action: e.Action}
		if e.ID != "" {
			m.Hook.IDKey, m.Hook.IDValue = "id", e.ID
		}
		if e.Type == ApplyProgress || e.Type == ApplyComplete || e.Type == ApplyErrored {
			seconds := e.Elapsed.Truncate(time.Millisecond).Seconds()
			m.Hook.Elapsed = &seconds
		}
	case Outputs:
		m.Outputs = make(map[string]output, len(e.Outputs))
		for _, o := range e.Outputs {
			encoded, err := o.encode()
			if err != nil {
				return nil, err
			}
			m.Outputs[o.Name] = encoded
		}
	case Diagnostic:
		m.Diagnostic = diagnosticOf(e.Problem)
		if e.Problem.Severity == hcl.DiagWarning {
			m.Level = "warn"
		} else {
			m.Level = "error"
		}
	}
	return json.Marshal(m)
}

func (o Output) encode() (output, error) {
	e := output{Sensitive: o.Sensitive, Action: o.Action}
	if !o.Known || o.Value == cty.NilVal {
		return e, nil
	}
	var err error
	if e.Type, err = ctyjson.MarshalType(o.Value.Type()); err != nil {
		return e, err
	}
	if o.Sensitive {
		return e, nil
	}
	e.Value, err = ctyjson.Marshal(o.Value, o.Value.Type())
	return e, err
}

func diagnosticOf(d *hcl.Diagnostic) *diagnostic {
	out := &diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if r := d.Subject; r != nil {
		out.Range = &fileRange{
			Filename: r.Filename,
			Start:    pos{r.Start.Line, r.Start.Column, r.Start.Byte},
			End:      pos{r.End.Line, r.End.Column, r.End.Byte},
		}
	}
	return out
}
