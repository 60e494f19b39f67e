package uievent_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/uievent"
	"hellolab/hcl/addr"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var bo = addr.Block{Kind: "user", Name: "all"}.Instance(addr.Str("bo"))

var resource = map[string]any{
	"addr": `user.all["bo"]`, "module": "", "resource": `user.all["bo"]`, "implied_provider": "hellolab",
	"resource_type": "user", "resource_name": "all", "resource_key": "bo",
}

// TestMessages pins the messages that tools made for Terraform read.
func TestMessages(t *testing.T) {
	tests := []struct {
		name  string
		event uievent.Event
		want  map[string]any // besides level, module and timestamp
	}{
		{"a planned change",
			uievent.Event{Type: uievent.PlannedChange, Addr: bo, Action: "replace", Reason: "replace_by_request"},
			map[string]any{
				"@message": `user.all["bo"]: Plan to replace`,
				"change":   map[string]any{"resource": resource, "action": "replace", "reason": "replace_by_request"},
			}},
		{"a planned change that others carry on",
			uievent.Event{Type: uievent.PlannedChange, Addr: bo, Action: "create", Handovers: []uievent.Handover{{To: "sync.s", Stage: "later", Flow: "P4", Waits: true, Text: "Later."}}},
			map[string]any{
				"@message": `user.all["bo"]: Plan to create`,
				"change": map[string]any{"resource": resource, "action": "create",
					"hellolab_handovers": []any{map[string]any{"to": "sync.s", "stage": "later", "flow": "P4", "waits": true, "text": "Later."}}},
			}},
		{"a summary",
			uievent.Event{Type: uievent.ChangeSummary, Changes: &uievent.Changes{Add: 1, Change: 2, Remove: 3, Operation: "plan"}},
			map[string]any{
				"@message": "Plan: 1 to add, 2 to change, 3 to destroy.",
				"changes":  map[string]any{"add": 1.0, "change": 2.0, "remove": 3.0, "import": 0.0, "operation": "plan"},
			}},
		{"a refresh",
			uievent.Event{Type: uievent.RefreshStart, Addr: bo, ID: "7"},
			map[string]any{
				"@message": `user.all["bo"]: Refreshing state... [id=7]`,
				"hook":     map[string]any{"resource": resource, "id_key": "id", "id_value": "7"},
			}},
		{"a step that begins",
			uievent.Event{Type: uievent.ApplyStart, Addr: bo, Action: "create"},
			map[string]any{
				"@message": `user.all["bo"]: Creating...`,
				"hook":     map[string]any{"resource": resource, "action": "create"},
			}},
		{"a step that lasts",
			uievent.Event{Type: uievent.ApplyProgress, Addr: bo, Action: "update", Elapsed: 10*time.Second + 1},
			map[string]any{
				"@message": `user.all["bo"]: Still modifying... [10s elapsed]`,
				"hook":     map[string]any{"resource": resource, "action": "update", "elapsed_seconds": 10.0},
			}},
		{"a step that is done",
			uievent.Event{Type: uievent.ApplyComplete, Addr: bo, Action: "create", ID: "7", Elapsed: 1500 * time.Millisecond},
			map[string]any{
				"@message": `user.all["bo"]: Creation complete after 1.5s [id=7]`,
				"hook":     map[string]any{"resource": resource, "action": "create", "id_key": "id", "id_value": "7", "elapsed_seconds": 1.5},
			}},
		{"a step that failed",
			uievent.Event{Type: uievent.ApplyErrored, Addr: bo, Action: "delete"},
			map[string]any{
				"@message": `user.all["bo"]: Destruction errored after 0s`,
				"hook":     map[string]any{"resource": resource, "action": "delete", "elapsed_seconds": 0.0},
			}},
		{"outputs",
			uievent.Event{Type: uievent.Outputs, Outputs: []uievent.Output{
				{Name: "n", Known: true, Value: cty.NumberIntVal(1)},
				{Name: "s", Known: true, Value: cty.StringVal("hush"), Sensitive: true},
				{Name: "u", Action: "create", Value: cty.UnknownVal(cty.String)},
			}},
			map[string]any{
				"@message": "Outputs: 3",
				"outputs": map[string]any{
					"n": map[string]any{"sensitive": false, "type": "number", "value": 1.0},
					"s": map[string]any{"sensitive": true, "type": "string"},
					"u": map[string]any{"sensitive": false, "action": "create"},
				},
			}},
		{"a diagnostic",
			uievent.Event{Type: uievent.Diagnostic, Problem: &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "S", Detail: "D.",
				Subject: &hcl.Range{Filename: "f", Start: hcl.Pos{Line: 1, Column: 2, Byte: 3}, End: hcl.Pos{Line: 4, Column: 5, Byte: 6}},
			}},
			map[string]any{
				"@message": "Error: S",
				"@level":   "error",
				"diagnostic": map[string]any{
					"severity": "error", "summary": "S", "detail": "D.",
					"range": map[string]any{
						"filename": "f",
						"start":    map[string]any{"line": 1.0, "column": 2.0, "byte": 3.0},
						"end":      map[string]any{"line": 4.0, "column": 5.0, "byte": 6.0},
					},
				},
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.event.At = at
			b, err := json.Marshal(tt.event)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			tt.want["type"] = string(tt.event.Type)
			tt.want["@module"] = "hellolab.ui"
			tt.want["@timestamp"] = "2026-03-01T12:00:00.000000Z"
			if tt.want["@level"] == nil {
				tt.want["@level"] = "info"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}
