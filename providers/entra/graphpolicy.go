package entra

import (
	"net/http"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

// graphPolicies answers /identity/conditionalAccess/policies.
func (s *server) graphPolicies(w http.ResponseWriter, q graphRequest) error {
	if len(q.path) < 3 || !strings.EqualFold(q.path[1], "conditionalAccess") || !strings.EqualFold(q.path[2], "policies") {
		return graphNotFound(strings.Join(q.path, "/"))
	}
	switch {
	case len(q.path) == 3 && q.Method == http.MethodGet:
		_, name, err := filterOf(q, "displayName")
		if err != nil {
			return err
		}
		keep := func(p *accessPolicy) bool { return name == nil || p.DisplayName == *name }
		return list(s, w, q, tablePolicies, keep, func(_ providers.Reader, p *accessPolicy) (graph.ConditionalAccessPolicy, error) {
			return showPolicy(p), nil
		})
	case len(q.path) == 3 && q.Method == http.MethodPost:
		return s.createPolicy(w, q)
	case len(q.path) == 4:
		return s.graphPolicy(w, q, strings.ToLower(q.path[3]))
	}
	return graphNotFound(strings.Join(q.path, "/"))
}

func showPolicy(p *accessPolicy) graph.ConditionalAccessPolicy {
	apps := slices.Clone(p.Applications)
	if i := slices.Index(apps, everyApplication); i >= 0 {
		apps[i] = "All"
	}
	out := graph.ConditionalAccessPolicy{ID: p.ID, DisplayName: p.DisplayName, State: p.State, Created: graph.Time(p.Created), Modified: graph.Time(p.Modified),
		Conditions:    &graph.ConditionalAccessSet{Applications: graph.PolicyApplications{Include: apps}, UserRiskLevels: p.Risks},
		GrantControls: &graph.GrantControls{Operator: p.Operator, BuiltIn: p.Controls},
	}
	if f := p.Filter; f != nil {
		out.Conditions.Devices = &graph.PolicyDevices{Filter: &graph.DeviceFilter{Mode: f.Mode, Rule: f.Rule}}
	}
	return out
}

func (s *server) createPolicy(w http.ResponseWriter, q graphRequest) error {
	in, err := readGraph[graph.ConditionalAccessPolicy](q)
	if err != nil {
		return err
	}
	if in.DisplayName == "" || in.State == "" || in.Conditions == nil || in.GrantControls == nil {
		return graphBad("A policy needs displayName, state, conditions and grantControls.")
	}
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return err
	}
	p := &accessPolicy{ID: id.String(), Created: s.env.Now()}
	if err := p.apply(in); err != nil {
		return err
	}
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error { return putPolicy(w, nil, p) })
	if err != nil {
		return err
	}
	s.changed(q, "policy_created", "The administrator creates a conditional access policy.", map[string]any{"policy": p.DisplayName, "controls": p.Controls})
	web.WriteJSON(w, http.StatusCreated, showPolicy(p))
	return nil
}

// apply writes what a request sets into a policy. A condition or control that
// the lab does not know is refused, never passed over: a policy that demands
// less than it says would be worse than none.
func (p *accessPolicy) apply(in *graph.ConditionalAccessPolicy) error {
	if !validName(in.DisplayName) {
		return graphBad("Invalid value specified for property 'displayName'.")
	}
	if in.DisplayName != "" {
		p.DisplayName = in.DisplayName
	}
	if in.State != "" {
		if !slices.Contains([]string{graph.PolicyEnabled, graph.PolicyDisabled, graph.PolicyReport}, in.State) {
			return graphBad("Invalid value specified for property 'state'.")
		}
		p.State = in.State
	}
	if c := in.Conditions; c != nil {
		if err := p.applyConditions(c); err != nil {
			return err
		}
	}
	if g := in.GrantControls; g != nil {
		known := []string{graph.ControlBlock, graph.ControlMFA, graph.ControlCompliantDevice}
		unknown := func(control string) bool { return !slices.Contains(known, control) }
		if g.Operator != "AND" && g.Operator != "OR" || len(g.BuiltIn) == 0 || slices.ContainsFunc(g.BuiltIn, unknown) ||
			slices.Contains(g.BuiltIn, graph.ControlBlock) && len(g.BuiltIn) > 1 {
			return graphBad("The grant controls are not supported: operator AND or OR, and builtInControls block alone, or mfa, compliantDevice.")
		}
		p.Operator, p.Controls = g.Operator, slices.Clone(g.BuiltIn)
	}
	return nil
}

func (p *accessPolicy) applyConditions(c *graph.ConditionalAccessSet) error {
	apps := make([]string, 0, len(c.Applications.Include))
	for _, name := range c.Applications.Include {
		id, err := guid.Parse(name)
		switch {
		case strings.EqualFold(name, everyApplication):
			apps = append(apps, everyApplication)
		case err == nil:
			apps = append(apps, id.String())
		default:
			return graphBad("Applications are included by their client id, or all of them by 'All'.")
		}
	}
	if len(apps) == 0 || len(apps) > maxPageSize {
		return graphBad("A policy includes 1 to %d applications.", maxPageSize)
	}
	for _, level := range c.UserRiskLevels {
		if level == riskNone || !slices.Contains(riskLevels, level) {
			return graphBad("A user risk level is low, medium or high.")
		}
	}
	p.Applications, p.Risks, p.Filter = apps, slices.Clone(c.UserRiskLevels), nil
	if c.Devices == nil || c.Devices.Filter == nil {
		return nil
	}
	f, err := parseFilter(*c.Devices.Filter)
	if err != nil {
		return graphBad("%s.", upperFirst(err.Error()))
	}
	p.Filter = f
	return nil
}

// putPolicy writes a policy and the index of the applications it names.
func putPolicy(w providers.Writer, was, is *accessPolicy) error {
	if was != nil {
		if err := dropPolicy(w, was); err != nil {
			return err
		}
	}
	for _, app := range is.Applications {
		if err := w.Put(tablePolicyOf, app+"/"+is.ID, []byte{1}); err != nil {
			return err
		}
	}
	return put(w, tablePolicies, is.ID, is)
}

func dropPolicy(w providers.Writer, p *accessPolicy) error {
	for _, app := range p.Applications {
		if err := w.Delete(tablePolicyOf, app+"/"+p.ID); err != nil {
			return err
		}
	}
	return w.Delete(tablePolicies, p.ID)
}

// graphPolicy answers one policy.
func (s *server) graphPolicy(w http.ResponseWriter, q graphRequest, id string) error {
	return answerOne(s, w, q, graphOne[accessPolicy, graph.ConditionalAccessPolicy]{
		kind: "policy", text: "a conditional access policy",
		find: func(r providers.Reader) (*accessPolicy, error) { return get[accessPolicy](r, tablePolicies, id) },
		show: func(p *accessPolicy) any { return showPolicy(p) },
		tell: func(p *accessPolicy) map[string]any {
			return map[string]any{"policy": p.DisplayName, "state": p.State, "controls": p.Controls}
		},
		patch: func(w providers.Writer, p *accessPolicy, in *graph.ConditionalAccessPolicy) error {
			was := *p
			p.Modified = s.env.Now()
			if err := p.apply(in); err != nil {
				return err
			}
			return putPolicy(w, &was, p)
		},
		drop: dropPolicy,
	})
}
