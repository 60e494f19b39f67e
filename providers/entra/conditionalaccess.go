package entra

import (
	"context"
	"errors"
	"slices"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
)

// conditionalAccess decides whether a sign-in gets a token for t: at each
// issue of one, by whatever grant, and at the page, which may still ask for
// what is missing. The issue and renewal of a primary refresh token is not for
// a resource and is never asked about (Microsoft Entra documentation, "What is
// a Primary Refresh Token?"). The user's and device's standing was checked.
func (s *server) conditionalAccess(ctx context.Context, client string, u *user, p proof, t target, page bool) error {
	var policies []*accessPolicy
	f := accessFacts{risk: u.riskLevel(), mfa: slices.Contains(p.AMR, oauth.AMRMFA), enrolls: !u.hasMFA(), page: page}
	err := s.env.Section.View(func(r providers.Reader) (err error) {
		if policies, err = policiesFor(r, t.app); err != nil || p.DeviceID == "" || len(policies) == 0 {
			return err
		}
		if f.device, err = deviceByDeviceID(r, p.DeviceID); errors.Is(err, errNotFound) || err == nil && !f.device.Enabled {
			f.device, err = nil, nil
		}
		return err
	})
	if err != nil {
		return err
	}
	applied, refusal := decideAccess(f, policies)
	if len(applied) == 0 {
		return nil
	}
	m := map[string]any{"user": u.UPN, "resource": t.resource, "policies": applied, "risk": f.risk, "mfa": f.mfa, "result": "grant"}
	if f.device != nil {
		m["deviceid"], m["trust_type"], m["compliant"] = f.device.DeviceID, f.device.TrustType, f.device.Compliant
	}
	if refusal != nil {
		m["result"] = refusal.Code.ID()
	}
	s.step(ctx, event.EntraID, actorOf(client), "conditional_access_evaluated", "Entra ID compares the sign-in with the conditional access policies of the application.", m)
	if refusal != nil {
		return refusal
	}
	return nil
}

// policiesFor returns the policies that name an application, or every one.
func policiesFor(r providers.Reader, app string) (policies []*accessPolicy, err error) {
	for _, of := range []string{app, everyApplication} {
		ids, err := below(r, tablePolicyOf, of+"/")
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			p, err := get[accessPolicy](r, tablePolicies, id)
			if err != nil {
				return nil, err
			}
			policies = append(policies, p)
		}
	}
	return policies, nil
}

// demandAt is what stands between a sign-in at the page and its code: a fresh
// second factor, or what conditional access demands.
func (s *server) demandAt(ctx context.Context, f *flow, p proof, u *user) error {
	if err := s.demandMFA(f.Demands, p, u); err != nil {
		return err
	}
	t, err := s.targetOf(f.Resource, f.Scope)
	if err != nil {
		return err
	}
	return s.conditionalAccess(ctx, f.ClientID, u, p, t, true)
}

// riskLevel is what is thought of the account.
func (u *user) riskLevel() string {
	if u.Risk == "" {
		return riskNone
	}
	return u.Risk
}

const riskNone = "none"

// riskLevels are Graph's, lowest first.
var riskLevels = []string{riskNone, "low", "medium", "high"}
