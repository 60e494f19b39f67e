package entra

import (
	"slices"
	"testing"

	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
)

const joinedRule = `device.trustType -eq "AzureAD" -or device.trustType -eq "ServerAD"`

// policy makes an enabled policy, compiled as one that came over Graph.
func policy(t testing.TB, id string, controls []string, change ...func(*graph.ConditionalAccessPolicy)) *accessPolicy {
	t.Helper()
	in := graph.ConditionalAccessPolicy{DisplayName: id, State: graph.PolicyEnabled,
		Conditions:    &graph.ConditionalAccessSet{Applications: graph.PolicyApplications{Include: []string{"All"}}},
		GrantControls: &graph.GrantControls{Operator: "AND", BuiltIn: controls}}
	for _, c := range change {
		c(&in)
	}
	p := &accessPolicy{ID: id}
	if err := p.apply(&in); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecideAccess(t *testing.T) {
	type facts = accessFacts
	risky := func(levels ...string) func(*graph.ConditionalAccessPolicy) {
		return func(p *graph.ConditionalAccessPolicy) { p.Conditions.UserRiskLevels = levels }
	}
	filter := func(mode string) func(*graph.ConditionalAccessPolicy) {
		return func(p *graph.ConditionalAccessPolicy) {
			p.Conditions.Devices = &graph.PolicyDevices{Filter: &graph.DeviceFilter{Mode: mode, Rule: joinedRule}}
		}
	}
	mfa := policy(t, "mfa", []string{graph.ControlMFA})
	compliant := policy(t, "compliant", []string{graph.ControlCompliantDevice})
	both := policy(t, "both", []string{graph.ControlMFA, graph.ControlCompliantDevice})
	either := policy(t, "either", []string{graph.ControlMFA, graph.ControlCompliantDevice}, func(p *graph.ConditionalAccessPolicy) { p.GrantControls.Operator = "OR" })
	joined := policy(t, "joined", []string{graph.ControlBlock}, filter("exclude"))
	noKiosks := policy(t, "nokiosks", []string{graph.ControlBlock}, filter("include"))
	risk := policy(t, "risk", []string{graph.ControlBlock}, risky("medium", "high"))
	riskMFA := policy(t, "riskmfa", []string{graph.ControlMFA}, risky("high"))
	off := policy(t, "off", []string{graph.ControlBlock}, func(p *graph.ConditionalAccessPolicy) { p.State = graph.PolicyDisabled })
	report := policy(t, "report", []string{graph.ControlBlock}, func(p *graph.ConditionalAccessPolicy) { p.State = graph.PolicyReport })
	laptop, managed := &device{DeviceID: "d", TrustType: graph.TrustJoined}, &device{DeviceID: "d", TrustType: graph.TrustJoined, Compliant: true}

	for _, c := range []struct {
		name     string
		facts    facts
		policies []*accessPolicy
		code     oauth.Code
		claims   string
	}{
		{"nothing demanded", facts{}, nil, 0, ""},
		{"switched off", facts{}, []*accessPolicy{off, report}, 0, ""},
		{"no second factor", facts{}, []*accessPolicy{mfa}, oauth.StrongAuthRequired, `{"access_token":{"capolids":{"essential":true,"values":["mfa"]}}}`},
		{"none registered", facts{enrolls: true}, []*accessPolicy{mfa}, oauth.StrongAuthEnrollment, ""},
		{"second factor", facts{mfa: true}, []*accessPolicy{mfa}, 0, ""},
		{"second factor, none registered", facts{mfa: true, enrolls: true}, []*accessPolicy{mfa}, 0, ""}, // Hello is one
		{"no device", facts{mfa: true}, []*accessPolicy{compliant}, oauth.DeviceAuthenticationNeeded, ""},
		{"no device at the page", facts{mfa: true, page: true}, []*accessPolicy{compliant}, oauth.DeviceNotRegistered, ""},
		{"device that is not compliant", facts{device: laptop}, []*accessPolicy{compliant}, oauth.DeviceNotCompliant, ""},
		{"compliant device", facts{device: managed}, []*accessPolicy{compliant}, 0, ""},
		{"both, none given", facts{device: laptop}, []*accessPolicy{both}, oauth.StrongAuthRequired, ""},
		{"both, factor given", facts{mfa: true, device: laptop}, []*accessPolicy{both}, oauth.DeviceNotCompliant, ""},
		{"both given", facts{mfa: true, device: managed}, []*accessPolicy{both}, 0, ""},
		{"either, none given", facts{}, []*accessPolicy{either}, oauth.StrongAuthRequired, ""},
		{"either, one given", facts{device: managed}, []*accessPolicy{either}, 0, ""},
		{"joined", facts{device: laptop}, []*accessPolicy{joined}, 0, ""},
		{"registered, not joined", facts{device: &device{DeviceID: "d", TrustType: graph.TrustRegistered, Compliant: true}}, []*accessPolicy{joined}, oauth.DeviceNotJoined, ""},
		{"no joined device", facts{}, []*accessPolicy{joined}, oauth.DeviceAuthenticationNeeded, ""},
		{"no joined device at the page", facts{page: true}, []*accessPolicy{joined}, oauth.DeviceNotRegistered, ""},
		{"joined devices are blocked", facts{device: laptop}, []*accessPolicy{noKiosks}, oauth.AccessBlocked, ""},
		{"and no others", facts{}, []*accessPolicy{noKiosks}, 0, ""},
		{"no risk", facts{risk: "none"}, []*accessPolicy{risk, riskMFA}, 0, ""},
		{"little risk", facts{risk: "low"}, []*accessPolicy{risk, riskMFA}, 0, ""},
		{"risk", facts{risk: "medium"}, []*accessPolicy{risk, riskMFA}, oauth.AccessBlocked, `{"access_token":{"capolids":{"essential":true,"values":["risk"]}}}`},
		{"high risk", facts{risk: "high"}, []*accessPolicy{riskMFA}, oauth.StrongAuthRequired, ""},
		{"high risk, second factor", facts{risk: "high", mfa: true}, []*accessPolicy{riskMFA}, 0, ""},
		{"a block comes before all", facts{risk: "high"}, []*accessPolicy{mfa, compliant, joined, risk}, oauth.AccessBlocked, ""},
	} {
		_, refusal := decideAccess(c.facts, c.policies)
		switch {
		case refusal == nil && c.code != 0, refusal != nil && refusal.Code != c.code:
			t.Errorf("%s: %v, want %s", c.name, refusal, c.code.ID())
		case refusal != nil && c.claims != "" && refusal.Claims != c.claims:
			t.Errorf("%s: claims %s", c.name, refusal.Claims)
		}
	}
	if applied, _ := decideAccess(facts{risk: "none", mfa: true}, []*accessPolicy{mfa, risk, off}); !slices.Equal(applied, []string{"mfa"}) {
		t.Errorf("applied %q", applied)
	}
}

func TestDeviceFilterRules(t *testing.T) {
	for rule, ok := range map[string]bool{
		joinedRule:                             true,
		`device.trustType -eq "Workplace"`:     true,
		`DEVICE.TRUSTTYPE -EQ "azuread"`:       true,
		``:                                     false,
		`device.trustType -ne "AzureAD"`:       false,
		`device.trustType -eq "Moon"`:          false,
		`device.isCompliant -eq True`:          false,
		joinedRule + ` -and device.x -eq "y"`:  false,
		joinedRule + ` -or `:                   false,
		`device.trustType -eq "AzureAD" -or 1`: false,
	} {
		if _, err := parseFilter(graph.DeviceFilter{Mode: "exclude", Rule: rule}); (err == nil) != ok {
			t.Errorf("%s: %v", rule, err)
		}
	}
	if _, err := parseFilter(graph.DeviceFilter{Mode: "sometimes", Rule: joinedRule}); err == nil {
		t.Error("unknown mode")
	}
}

func TestRedirectURIs(t *testing.T) {
	for uri, ok := range map[string]bool{
		"https://app.example/cb": true, "myapp://auth": true, "http://localhost": true, "http://127.0.0.1:80/cb": true, "ms-appx-web://x/y": true,
		"http://app.example/cb": false, "/cb": false, "": false, "https://": false, "https://a.example/#x": false, "https://a.example/#": false,
		"https://u:p@a.example/": false, "javascript:alert(1)": false, "data:text/html,x": false, "http://localhost@evil.example/": false, "https://a.example/\n": false,
	} {
		if validRedirect(uri) != ok {
			t.Errorf("validRedirect(%q) = %v", uri, !ok)
		}
	}
	a := &application{ClientID: "c", RedirectURIs: []string{"https://app.example/cb", "http://localhost/cb", "http://127.0.0.1"}}
	for uri, ok := range map[string]bool{
		"https://app.example/cb": true, "http://localhost/cb": true, "http://localhost:4711/cb": true, "http://127.0.0.1:9": true, oauth.NativeRedirect("c"): true,
		"https://app.example/cb/": false, "https://app.example:444/cb": false, "https://app.example/cb?x=1": false, "http://localhost:4711/cb2": false,
		"http://localhost/cb?x": false, "http://localhost:1/cb#": false, "http://127.0.0.1:9/cb": false, "http://localhost.evil.example/cb": false, "https://localhost/cb": false,
		oauth.NativeRedirect("d"): false, "": false,
	} {
		if a.allows(uri) != ok {
			t.Errorf("allows(%q) = %v", uri, !ok)
		}
	}
}
