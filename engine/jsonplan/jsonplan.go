// Package jsonplan writes plans and states in the JSON that Terraform's own
// tools and policy engines read: the shape of terraform-json's Plan and State.
// The structs are this package's; terraform-json checks them in tests.
//
// Sensitive values are not in it: they are null, and the *_sensitive members
// say where. Readers must ignore members they do not know.
//
// Source: the Terraform documentation, "JSON Output Format", version 1.2.
package jsonplan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"hellolab/engine/plan"
	"hellolab/engine/record"
	"hellolab/hcl/addr"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/state"
)

const (
	planFormat  = "1.2"
	stateFormat = "1.0"
	provider    = "hellolab"
)

type planDoc struct {
	FormatVersion   string               `json:"format_version"`
	Mode            plan.Mode            `json:"hellolab_mode"`
	PlannedValues   values               `json:"planned_values"`
	ResourceDrift   []resourceChange     `json:"resource_drift,omitempty"`
	ResourceChanges []resourceChange     `json:"resource_changes"`
	OutputChanges   map[string]changeDoc `json:"output_changes"`
	PriorState      *stateDoc            `json:"prior_state,omitempty"`
	Configuration   configuration        `json:"configuration"`
	Checks          []check              `json:"checks,omitempty"`
	Complete        bool                 `json:"complete"`
	Applyable       bool                 `json:"applyable"`
	Errored         bool                 `json:"errored"`
	Impact          json.RawMessage      `json:"hellolab_impact,omitempty"`
}

type stateDoc struct {
	FormatVersion string `json:"format_version"`
	Values        values `json:"values"`
}

type values struct {
	Outputs    map[string]outputDoc `json:"outputs,omitempty"`
	RootModule module               `json:"root_module"`
}

type module struct {
	Resources []resource `json:"resources,omitempty"`
}

type outputDoc struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type,omitempty"`
	Value     any             `json:"value,omitempty"`
}

// identity is how Terraform describes an instance.
type identity struct {
	Address       string `json:"address"`
	ModuleAddress string `json:"module_address,omitempty"`
	Mode          string `json:"mode"`
	Type          string `json:"type"`
	Name          string `json:"name"`
	Index         any    `json:"index,omitempty"`
	Provider      string `json:"provider_name"`
}

type resource struct {
	identity
	SchemaVersion   int      `json:"schema_version"`
	Values          any      `json:"values"`
	SensitiveValues any      `json:"sensitive_values"`
	DependsOn       []string `json:"depends_on,omitempty"`
	Tainted         bool     `json:"tainted,omitempty"`
}

type resourceChange struct {
	identity
	Change       changeDoc   `json:"change"`
	ActionReason plan.Reason `json:"action_reason,omitempty"`
	Why          string      `json:"hellolab_why,omitempty"`
	Handovers    []handover  `json:"hellolab_handovers,omitempty"`
	Stages       []stage     `json:"hellolab_stages,omitempty"`
}

// stage is one that the made object goes through.
type stage struct {
	Name string `json:"name"`
	Flow string `json:"flow,omitempty"`
	Runs bool   `json:"runs"`
	Why  string `json:"why,omitempty"`
}

// handover is what another object carries on once this one is made.
type handover struct {
	To    string `json:"to"`
	Stage string `json:"stage"`
	Flow  string `json:"flow"`
	Waits bool   `json:"waits"`
	Text  string `json:"text"`
}

type changeDoc struct {
	Actions         []plan.Action `json:"actions"`
	Before          any           `json:"before"`
	After           any           `json:"after"`
	AfterUnknown    any           `json:"after_unknown"`
	BeforeSensitive any           `json:"before_sensitive"`
	AfterSensitive  any           `json:"after_sensitive"`
	ReplacePaths    [][]any       `json:"replace_paths,omitempty"`
}

type configuration struct {
	ProviderConfig map[string]providerConfig `json:"provider_config"`
	RootModule     configModule              `json:"root_module"`
}

type providerConfig struct {
	Name     string `json:"name"`
	FullName string `json:"full_name"`
}

type configModule struct {
	Resources []configResource `json:"resources,omitempty"`
}

type configResource struct {
	Address       string   `json:"address"`
	Mode          string   `json:"mode"`
	Type          string   `json:"type"`
	Name          string   `json:"name"`
	ProviderKey   string   `json:"provider_config_key"`
	SchemaVersion int      `json:"schema_version"`
	DependsOn     []string `json:"depends_on,omitempty"`
}

type check struct {
	Address   checkAddress    `json:"address"`
	Status    string          `json:"status"`
	Instances []checkInstance `json:"instances"`
}

type checkAddress struct {
	Display string `json:"to_display"`
	Kind    string `json:"kind,omitempty"`
	Name    string `json:"name,omitempty"`
}

type checkInstance struct {
	Address checkAddress `json:"address"`
	Status  string       `json:"status"`
}

// Marshal writes a plan. The result is that of the plan's evaluation; without
// it the configuration is told from the changes, and there are no checks.
func Marshal(p *plan.Plan, r *eval.Result, _ *providers.Registry) ([]byte, error) {
	return MarshalWithImpact(p, r, nil)
}

// MarshalWithImpact is Marshal with what the plan does to sign-ins, which is
// JSON; nil: that was not asked.
func MarshalWithImpact(p *plan.Plan, r *eval.Result, impact json.RawMessage) ([]byte, error) {
	doc := planDoc{
		FormatVersion:   planFormat,
		Mode:            p.Mode,
		ResourceChanges: []resourceChange{},
		OutputChanges:   map[string]changeDoc{},
		PriorState:      &stateDoc{FormatVersion: stateFormat},
		Configuration: configuration{
			ProviderConfig: map[string]providerConfig{provider: {provider, provider}},
			RootModule:     configModule{configResources(p, r)},
		},
		Checks:    checks(r),
		Complete:  len(p.Targets) == 0,
		Applyable: !p.Empty() || len(p.Drift) > 0,
		Impact:    impact,
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		doc.ResourceChanges = append(doc.ResourceChanges, changeOf(c))
		if !c.After.IsNull() {
			doc.PlannedValues.RootModule.add(c.Addr, c.After, c.SensitiveAfter)
		}
		if !c.Before.IsNull() {
			doc.PriorState.Values.RootModule.add(c.Addr, c.Before, c.SensitiveBefore)
		}
	}
	for i := range p.Drift {
		doc.ResourceDrift = append(doc.ResourceDrift, changeOf(&p.Drift[i]))
	}
	for _, o := range p.Outputs {
		if err := doc.output(o); err != nil {
			return nil, fmt.Errorf("plan as JSON: output %q: %w", o.Name, err)
		}
	}
	return json.Marshal(doc)
}

func (m *module) add(a addr.Instance, v cty.Value, sensitive []cty.Path) {
	secret := maskOf(sensitive)
	m.Resources = append(m.Resources, resource{
		identity: identityOf(a), Values: redacted(v, secret), SensitiveValues: orEmpty(secret.marks(v)),
	})
}

func (d *planDoc) output(o plan.OutputChange) error {
	all := mask{}
	if o.Sensitive {
		all.whole = true
	}
	d.OutputChanges[o.Name] = changeDoc{
		Actions: actions(o.Action),
		Before:  redacted(o.Before, all), After: redacted(o.After, all),
		AfterUnknown:    orFalse(unknowns(o.After)),
		BeforeSensitive: o.Sensitive, AfterSensitive: o.Sensitive,
	}
	if o.Action == plan.Delete {
		return nil
	}
	if d.PlannedValues.Outputs == nil {
		d.PlannedValues.Outputs = map[string]outputDoc{}
	}
	out, err := outputOf(o.After, o.Sensitive)
	d.PlannedValues.Outputs[o.Name] = out
	return err
}

func outputOf(v cty.Value, sensitive bool) (outputDoc, error) {
	out := outputDoc{Sensitive: sensitive}
	if !v.IsWhollyKnown() {
		return out, nil
	}
	ty, err := ctyjson.MarshalType(v.Type())
	out.Type = ty
	if !sensitive {
		out.Value = redacted(v, mask{})
	}
	return out, err
}

func changeOf(c *plan.Change) resourceChange {
	before, after := maskOf(c.SensitiveBefore), maskOf(c.SensitiveAfter)
	doc := resourceChange{
		identity: identityOf(c.Addr), ActionReason: c.Reason, Why: c.Why,
		Change: changeDoc{
			Actions: actions(c.Action),
			Before:  redacted(c.Before, before), After: redacted(c.After, after),
			AfterUnknown:    orEmpty(unknowns(c.After)),
			BeforeSensitive: orEmpty(before.marks(c.Before)), AfterSensitive: orEmpty(after.marks(c.After)),
		},
	}
	if c.After.IsNull() {
		doc.Change.AfterUnknown, doc.Change.AfterSensitive = false, false
	}
	if c.Before.IsNull() {
		doc.Change.BeforeSensitive = false
	}
	for _, h := range c.Handovers {
		doc.Handovers = append(doc.Handovers, handover(h))
	}
	for _, s := range c.Stages {
		doc.Stages = append(doc.Stages, stage(s))
	}
	for _, p := range c.Replace {
		doc.Change.ReplacePaths = append(doc.Change.ReplacePaths, pathOf(p))
	}
	return doc
}

func actions(a plan.Action) []plan.Action {
	if a == plan.Replace {
		return []plan.Action{plan.Delete, plan.Create}
	}
	return []plan.Action{a}
}

func identityOf(a addr.Instance) identity {
	id := identity{Address: a.String(), ModuleAddress: a.Module, Mode: "managed", Type: a.Kind, Name: a.Name, Provider: provider}
	switch a.Key.Kind {
	case addr.IntKey:
		id.Index = a.Key.Int
	case addr.StringKey:
		id.Index = a.Key.Str
	}
	return id
}

// configResources lists the declared blocks.
func configResources(p *plan.Plan, r *eval.Result) []configResource {
	deps := map[addr.Block][]string{}
	if r != nil {
		for _, d := range r.Desired {
			list := deps[d.Addr.Block]
			for _, dep := range d.Deps {
				list = append(list, dep.Block.String())
			}
			deps[d.Addr.Block] = list
		}
	} else {
		for i := range p.Changes {
			if !p.Changes[i].After.IsNull() {
				deps[p.Changes[i].Addr.Block] = nil
			}
		}
	}
	var out []configResource
	for b, list := range deps {
		slices.Sort(list)
		out = append(out, configResource{
			Address: b.String(), Mode: "managed", Type: b.Kind, Name: b.Name, ProviderKey: provider,
			DependsOn: slices.Compact(list),
		})
	}
	slices.SortFunc(out, func(a, b configResource) int { return strings.Compare(a.Address, b.Address) })
	return out
}

// checks lists the check blocks; what they find is known when they run.
func checks(r *eval.Result) []check {
	if r == nil {
		return nil
	}
	var out []check
	for _, c := range r.Checks {
		name := "check." + c.Name
		out = append(out, check{
			Address: checkAddress{Display: name, Kind: "check", Name: c.Name}, Status: "unknown",
			Instances: []checkInstance{{Address: checkAddress{Display: name}, Status: "unknown"}},
		})
	}
	return out
}

// MarshalState writes a state.
func MarshalState(from state.Reader, registry *providers.Registry) ([]byte, error) {
	objects, err := state.Objects(from)
	if err != nil {
		return nil, err
	}
	doc := stateDoc{FormatVersion: stateFormat}
	for _, o := range objects {
		t := registry.Type(o.Kind)
		a, err := addr.Parse(o.Addr)
		if err != nil {
			return nil, fmt.Errorf("state as JSON: %w", err)
		}
		if t == nil {
			return nil, fmt.Errorf("state as JSON: %s is of kind %q, which this program does not have", o.Addr, o.Kind)
		}
		rec, err := record.Decode(t, o)
		if err != nil {
			return nil, fmt.Errorf("state as JSON: %w", err)
		}
		var marked []cty.Path
		for _, text := range o.Sens {
			p, err := plan.ParsePath(text)
			if err != nil {
				return nil, fmt.Errorf("state as JSON: %s: %w", o.Addr, err)
			}
			marked = append(marked, p)
		}
		m := &doc.Values.RootModule
		v := record.Value(rec.In, rec.Out)
		m.add(a, v, plan.SensitivePaths(t, v, marked))
		m.Resources[len(m.Resources)-1].DependsOn = o.Deps
		m.Resources[len(m.Resources)-1].Tainted = o.Tainted
	}
	outputs, err := state.Outputs(from)
	if err != nil {
		return nil, err
	}
	for name, o := range outputs {
		v, err := record.DecodeOutput(o)
		if err != nil {
			return nil, fmt.Errorf("state as JSON: output %q: %w", name, err)
		}
		if doc.Values.Outputs == nil {
			doc.Values.Outputs = map[string]outputDoc{}
		}
		if doc.Values.Outputs[name], err = outputOf(v, o.Sensitive); err != nil {
			return nil, fmt.Errorf("state as JSON: output %q: %w", name, err)
		}
	}
	return json.Marshal(doc)
}
