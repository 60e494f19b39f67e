package entra

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
)

// accessPolicy is a conditional access policy.
type accessPolicy struct {
	ID           string        `json:"id"`
	DisplayName  string        `json:"display_name"`
	State        string        `json:"state"`
	Applications []string      `json:"applications"`     // client ids, or everyApplication
	Risks        []string      `json:"risks,omitempty"`  // of the user; none means any
	Filter       *deviceFilter `json:"filter,omitempty"` // nil: whatever the device
	Operator     string        `json:"operator"`         // "AND", "OR"
	Controls     []string      `json:"controls"`         // graph.Control…
	Created      time.Time     `json:"created"`
	Modified     time.Time     `json:"modified,omitzero"`
}

const everyApplication = "all"

// deviceFilter selects devices by how they are joined.
type deviceFilter struct {
	Mode       string   `json:"mode"` // "include", "exclude"
	Rule       string   `json:"rule"` // as it was written
	TrustTypes []string `json:"trust_types"`
}

var filterClause = regexp.MustCompile(`(?i)^device\.trustType -eq "(AzureAD|ServerAD|Workplace)"$`)

const maxRule = 3072 // of the cloud

// parseFilter reads a rule. The lab knows rules over trustType alone.
func parseFilter(f graph.DeviceFilter) (*deviceFilter, error) {
	if f.Mode != "include" && f.Mode != "exclude" {
		return nil, fmt.Errorf("the mode of a device filter is include or exclude")
	}
	out := &deviceFilter{Mode: f.Mode, Rule: f.Rule}
	if len(f.Rule) > maxRule {
		return nil, fmt.Errorf("the rule of a device filter has at most %d characters", maxRule)
	}
	for clause := range strings.SplitSeq(f.Rule, " -or ") {
		m := filterClause.FindStringSubmatch(strings.TrimSpace(clause))
		if m == nil {
			return nil, fmt.Errorf(`the rule of a device filter is one or more of device.trustType -eq "AzureAD", "ServerAD" or "Workplace", joined by -or`)
		}
		out.TrustTypes = append(out.TrustTypes, strings.ToLower(m[1]))
	}
	return out, nil
}

// applies says whether a policy with the filter applies to a sign-in from d,
// nil for one from no known device: such a one matches no rule.
func (f *deviceFilter) applies(d *device) bool {
	match := d != nil && slices.Contains(f.TrustTypes, strings.ToLower(d.TrustType))
	return match == (f.Mode == "include")
}

// accessFacts is what a decision looks at.
type accessFacts struct {
	risk    string  // of the user
	device  *device // proved by its key, known and enabled; else nil
	mfa     bool    // the sign-in has a second factor
	enrolls bool    // the user has none registered
	page    bool    // the user is at the sign-in page
}

// decideAccess says what the policies that name an application make of a
// sign-in: the ids of those that apply to it, and the first refusal, nil when
// the token may be issued. Blocks come first; what a sign-in may still bring
// comes in the order in which the cloud asks for it: second factor, then
// compliance of the device (Microsoft Entra documentation, "Building a
// Conditional Access policy").
func decideAccess(f accessFacts, policies []*accessPolicy) (applied []string, refusal *oauth.Error) {
	var blocking, joined, unmet []*accessPolicy
	for _, p := range policies {
		if p.State != graph.PolicyEnabled || len(p.Risks) > 0 && !slices.Contains(p.Risks, f.risk) || p.Filter != nil && !p.Filter.applies(f.device) {
			continue
		}
		applied = append(applied, p.ID)
		switch {
		case slices.Contains(p.Controls, graph.ControlBlock) && p.Filter != nil && p.Filter.Mode == "exclude":
			joined = append(joined, p)
		case slices.Contains(p.Controls, graph.ControlBlock):
			blocking = append(blocking, p)
		case !p.met(f):
			unmet = append(unmet, p)
		}
	}
	wants := func(control string) []*accessPolicy {
		return slices.DeleteFunc(slices.Clone(unmet), func(p *accessPolicy) bool { return !slices.Contains(p.Controls, control) })
	}
	code, because := oauth.Code(0), []*accessPolicy(nil)
	switch mfa, compliant := wants(graph.ControlMFA), wants(graph.ControlCompliantDevice); {
	case len(blocking) > 0:
		code, because = oauth.AccessBlocked, blocking
	case len(joined) > 0:
		// The cloud answers 53003 to every block. Here the condition on the
		// device is what made the policy apply, and 53001 says just that.
		code, because = f.deviceCode(oauth.DeviceNotJoined), joined
	case len(mfa) > 0 && !f.mfa && f.enrolls:
		code, because = oauth.StrongAuthEnrollment, mfa
	case len(mfa) > 0 && !f.mfa:
		code, because = oauth.StrongAuthRequired, mfa
	case len(compliant) > 0:
		code, because = f.deviceCode(oauth.DeviceNotCompliant), compliant
	default:
		return applied, nil
	}
	refusal = oauth.NewError(code)
	var ids []string
	for _, p := range because {
		ids = append(ids, p.ID)
	}
	refusal.Demand(ids)
	return applied, refusal
}

// deviceCode is the refusal of a sign-in whose device is not what is asked
// for. From no known device, it depends on whether there is more to come: to a
// program, device authentication is missing (50097), and it may repeat the
// request with a proof; a page was shown the device's proof if there was one,
// so there the device is not registered (50129).
func (f accessFacts) deviceCode(known oauth.Code) oauth.Code {
	switch {
	case f.device != nil:
		return known
	case f.page:
		return oauth.DeviceNotRegistered
	}
	return oauth.DeviceAuthenticationNeeded
}

// met says whether the sign-in has what the policy demands.
func (p *accessPolicy) met(f accessFacts) bool {
	has := func(control string) bool {
		switch control {
		case graph.ControlMFA:
			return f.mfa
		case graph.ControlCompliantDevice:
			return f.device != nil && f.device.Compliant
		}
		return false
	}
	if p.Operator == "OR" {
		return slices.ContainsFunc(p.Controls, has)
	}
	return !slices.ContainsFunc(p.Controls, func(c string) bool { return !has(c) })
}
