package application

import (
	"context"
	"reflect"
	"slices"

	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

// What an application requires is up to three conditional access policies of
// its tenant. They are found by their names, which no other application has.
const (
	policySignIn = ": sign-in"
	policyJoined = ": joined device"
	policyRisk   = ": risk"
)

var policyNames = []string{policySignIn, policyJoined, policyRisk}

// joinedDevices is the rule of Entra joined and hybrid joined devices.
const joinedDevices = `device.trustType -eq "AzureAD" -or device.trustType -eq "ServerAD"`

// policiesOf returns the policies that r is made of, by the end of their
// names; nil where there is to be none.
func policiesOf(app string, r *spec.ApplicationRequire) map[string]*graph.ConditionalAccessPolicy {
	out := map[string]*graph.ConditionalAccessPolicy{policySignIn: nil, policyJoined: nil, policyRisk: nil}
	if r == nil {
		return out
	}
	policy := func(controls ...string) *graph.ConditionalAccessPolicy {
		return &graph.ConditionalAccessPolicy{State: graph.PolicyEnabled,
			Conditions:    &graph.ConditionalAccessSet{Applications: graph.PolicyApplications{Include: []string{app}}},
			GrantControls: &graph.GrantControls{Operator: "AND", BuiltIn: controls}}
	}
	var controls []string
	if r.MFA {
		controls = append(controls, graph.ControlMFA)
	}
	if r.CompliantDevice {
		controls = append(controls, graph.ControlCompliantDevice)
	}
	if len(controls) > 0 {
		out[policySignIn] = policy(controls...)
	}
	if r.JoinedDevice {
		// No grant control means "Entra joined or hybrid joined": whatever is
		// neither is blocked.
		p := policy(graph.ControlBlock)
		p.Conditions.Devices = &graph.PolicyDevices{Filter: &graph.DeviceFilter{Mode: "exclude", Rule: joinedDevices}}
		out[policyJoined] = p
	}
	if r.MaxRisk != "" {
		p := policy(graph.ControlBlock)
		if r.RiskAction == "mfa" {
			p = policy(graph.ControlMFA)
		}
		p.Conditions.UserRiskLevels = slices.DeleteFunc(hello.RiskLevels(), func(level string) bool { return !hello.RiskAbove(level, r.MaxRisk) })
		out[policyRisk] = p
	}
	return out
}

// setPolicies makes an application's policies what r asks for; nil asks for none.
func setPolicies(ctx context.Context, c *graph.Client, label, app string, r *spec.ApplicationRequire) error {
	wanted := policiesOf(app, r)
	for _, name := range policyNames {
		want := wanted[name]
		have, err := policyNamed(ctx, c, label+name)
		switch {
		case err != nil:
		case have == nil && want != nil:
			want.DisplayName = label + name
			_, err = graph.Post[graph.ConditionalAccessPolicy](ctx, c, want, policyPath()...)
		case have != nil && want == nil:
			err = c.Delete(ctx, policyPath(have.ID)...)
		case have != nil && !same(have, want):
			// The conditions are replaced as a whole: what is absent is gone.
			err = c.Patch(ctx, want, policyPath(have.ID)...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func policyPath(rest ...string) []string {
	return append([]string{"identity", "conditionalAccess", "policies"}, rest...)
}

func policyNamed(ctx context.Context, c *graph.Client, name string) (*graph.ConditionalAccessPolicy, error) {
	p, err := graph.First[graph.ConditionalAccessPolicy](ctx, c, graph.Equals("displayName", name), policyPath()...)
	if graph.IsNotFound(err) {
		return nil, nil
	}
	return p, err
}

// same says whether two policies demand the same of the same sign-ins.
func same(a, b *graph.ConditionalAccessPolicy) bool {
	return a.State == b.State && reflect.DeepEqual(a.Conditions, b.Conditions) && reflect.DeepEqual(a.GrantControls, b.GrantControls)
}

// readPolicies reads what is demanded for an application off its policies.
// One that somebody changed into what the language cannot say counts as absent,
// so that it shows as drift and is put right.
func readPolicies(ctx context.Context, c *graph.Client, a *graph.Application, declared *spec.ApplicationRequire) (*spec.ApplicationRequire, error) {
	r := &spec.ApplicationRequire{RiskAction: "block"}
	if declared != nil {
		r.RiskAction = declared.RiskAction // without a policy it has no trace
	}
	for _, name := range policyNames {
		p, err := policyNamed(ctx, c, a.UniqueName+name)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		guess := demanded(name, p, *r)
		if want := policiesOf(a.AppID, &guess)[name]; want != nil && same(p, want) {
			*r = guess
		}
	}
	return r, nil
}

// demanded adds to r what a policy seems to demand.
func demanded(name string, p *graph.ConditionalAccessPolicy, r spec.ApplicationRequire) spec.ApplicationRequire {
	if p.Conditions == nil || p.GrantControls == nil {
		return r
	}
	controls, levels := p.GrantControls.BuiltIn, p.Conditions.UserRiskLevels
	switch name {
	case policySignIn:
		r.MFA, r.CompliantDevice = slices.Contains(controls, graph.ControlMFA), slices.Contains(controls, graph.ControlCompliantDevice)
	case policyJoined:
		r.JoinedDevice = true
	case policyRisk:
		if n := len(hello.RiskLevels()) - len(levels); n > 0 && len(levels) > 0 {
			r.MaxRisk, r.RiskAction = hello.RiskLevels()[n-1], "block"
		}
		if slices.Contains(controls, graph.ControlMFA) {
			r.RiskAction = "mfa"
		}
	}
	return r
}
