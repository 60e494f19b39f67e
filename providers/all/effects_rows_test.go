package all_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
	"hellolab/providers/wire/drs"
)

type attrs = map[string]cty.Value

func word(s string) cty.Value     { return cty.StringVal(s) }
func whole(n int64) cty.Value     { return cty.NumberIntVal(n) }
func block(a attrs) cty.Value     { return cty.ObjectVal(a) }
func words(s ...string) cty.Value { return cty.ListVal(mapped(s, word)) }

func mapped[A, B any](all []A, to func(A) B) (out []B) {
	for _, a := range all {
		out = append(out, to(a))
	}
	return out
}

// controllers are those of the domain, by computer name.
func controllers(by map[string]attrs) edit {
	all := attrs{}
	for name, a := range by {
		whole := attrs{"os": word("windows-server-2022"), "build": cty.NullVal(cty.String), "writable": cty.True, "site": word("Default-First-Site-Name")}
		maps.Copy(whole, a)
		all[name] = block(whole)
	}
	return set(corp, attrs{"controller": cty.MapVal(all)})
}

func template(name string) edit {
	return controllers(map[string]attrs{"dc1": {"kdc_certificate": block(attrs{"template": word(name)})}})
}

// change updates objects before the change that a row is about.
func (l *previewLab) change(addr string, set attrs) {
	l.t.Helper()
	for _, rec := range l.records() {
		if rec.Addr == addr {
			l.Update(addr, with(rec, set))
		}
	}
	l.due()
}

func pinRules(a attrs) edit { return set("policy.pin", attrs{"pin_complexity": block(a)}) }

const (
	tenantAddr = "tenant.contoso"
	byCloud    = providers.Ref("trust.cloud")
	boDesk     = "enrollment.bo_desk"
	boLaptop   = "enrollment.bo_laptop"
)

// makesBo enrolls bo on the desk.
var makesBo = edit{addr: boDesk, make: enrollment("user.bo", desk)}

// ofTrustAndPolicy are the rows of trusts and of whether policy has Hello.
var ofTrustAndPolicy = []effect{
	{row: "T1", change: "trust: key to cloud Kerberos", edits: []edit{set("policy.hello", attrs{"trust": word("trust.cloud")})}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
		{on: desk, to: corp, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "allowed"},
	}},
	{row: "T1", change: "the same, away from the domain", edits: []edit{set("policy.hello", attrs{"trust": word("trust.cloud")})},
		given: func(l *previewLab) {
			l.tryAny(sees{on: desk}.request())
			l.change(desk, attrs{"network": word("internet")})
		}, sees: []sees{
			{on: desk, was: "allowed", is: "refused cached_logon_missing", then: "needs_dc_line_of_sight next_signin D"},
		}},
	{row: "T1", change: "the same, and one is enrolled: no cycle is waited for", edits: []edit{set("policy.hello", attrs{"trust": word("trust.cloud")}), makesBo}, sees: []sees{
		{user: "user.bo", on: desk, to: corp, was: "refused no_hello_credential", is: "allowed"},
	}},
	{row: "T3", change: "cloud Kerberos trust is turned on while certificate trust is", edits: []edit{set("policy.hello", attrs{"use_cloud_trust_for_on_prem_auth": cty.True})},
		given: func(l *previewLab) {
			l.change("policy.hello", attrs{"trust": cty.NullVal(cty.String), "use_certificate_for_on_prem_auth": cty.True})
		}, sees: []sees{
			{on: desk, was: "refused unsupported_deployment", is: "refused unsupported_deployment", then: "admin_fix next_signin D", row: "-"},
		}},
	{row: "T6", change: "trust: cloud Kerberos to key, the domain has the key", trust: byCloud, edits: []edit{set("policy.hello", attrs{"trust": word("trust.key")})}, sees: []sees{
		{on: desk, to: corp, was: "allowed", is: "allowed"},
	}},
	{row: "T6", change: "the same, and Connect never exported it", trust: byCloud, edits: []edit{set("policy.hello", attrs{"trust": word("trust.key")})},
		given: func(l *previewLab) { l.Create(boDesk, makesBo.make) }, sees: []sees{
			{user: "user.bo", on: desk, was: "allowed", is: "refused key_not_synced", then: "wait_sync next_sync D", row: "-"},
		}},
	{row: "T6", change: "the same, and a KDC has no certificate", trust: byCloud, edits: []edit{set("policy.hello", attrs{"trust": word("trust.key")})},
		given: func(l *previewLab) { l.change(corp, template("none").set) }, sees: []sees{
			{on: desk, was: "allowed", is: "refused kdc_no_certificate", then: "admin_fix next_signin D", row: "K1"},
			{on: laptop, to: tenantAddr, was: "allowed", is: "allowed"},
			{on: laptop, to: corp, was: "allowed", is: "refused kdc_no_certificate", then: "admin_fix tgt_expiry D", row: "K1"},
		}},

	{row: "E1", change: "policy turns Hello off", edits: []edit{set("policy.hello", attrs{"use_passport_for_work": cty.False})}, sees: []sees{
		{on: desk, was: "allowed", is: "at_risk policy_disabled", then: "enroll next_signin I"},
		{on: desk, by: access.ByPassword, was: "allowed", is: "allowed"},
	}},
	{row: "E1", change: "policy turns Hello off, and one is to be enrolled", edits: []edit{set("policy.hello", attrs{"use_passport_for_work": cty.False}), makesBo}, gap: "policy_disabled", sees: []sees{
		{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "refused no_hello_credential", then: "enroll next_signin D", row: "-"},
	}},
	{row: "E2", change: "policy turns Hello on", trust: byCloud, edits: []edit{set("policy.hello", attrs{"use_passport_for_work": cty.True}), makesBo},
		given: func(l *previewLab) { l.change("policy.hello", attrs{"use_passport_for_work": cty.False}) }, sees: []sees{
			{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "allowed"},
			{on: desk, was: "at_risk policy_disabled", is: "allowed"},
		}},
	{row: "E3", change: "the tenant-wide policy turns Hello off", edits: []edit{set("policy.wide", attrs{"use_passport_for_work": cty.False})},
		given: func(l *previewLab) {
			l.Create("policy.wide", spec.Policy{Source: spec.SourceTenantWide, UsePassportForWork: ptr(true)})
		}, sees: []sees{{on: laptop, to: tenantAddr, was: "allowed", is: "allowed"}}},
	{row: "E4", change: "Hello is not offered after sign-in any more", edits: []edit{set("policy.hello", attrs{"disable_post_logon_provisioning": cty.True})}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
	}},
	{row: "E5", change: "user settings are added over computer settings",
		edits: []edit{{addr: "policy.user", make: spec.Policy{Source: "mdm", Scope: "user", PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(8)}}}}, sees: []sees{
			{on: desk, was: "allowed", is: "allowed change_pin_prompt", then: "change_pin next_pin_signin C", row: "N1"},
		}},
	{row: "E6", change: "group policy is added where device management ruled",
		given: func(l *previewLab) {
			l.change("policy.pin", attrs{"pin_complexity": block(attrs{"minimum_pin_length": whole(8)})})
		},
		edits: []edit{{addr: "policy.gpo", make: spec.Policy{Source: "gpo", PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(4)}}}}, sees: []sees{
			{on: laptop, was: "allowed change_pin_prompt", is: "allowed"},
		}},
}

// dawdles has bo be provisioned on the laptop so slowly that the second factor is too
// old when the key is to be registered.
func (l *previewLab) dawdles(t *testing.T) {
	t.Helper()
	l.OnFailpoint(func(name string) {
		if name == "enrollment:container" {
			l.Advance(11 * time.Minute)
		}
	})
	defer l.OnFailpoint(nil)
	_, err := l.TryCreate(t.Context(), boLaptop, enrollment("user.bo", laptop))
	if !drs.HasSubcode(err, "mfa_not_current") {
		t.Errorf("%v, want mfa_not_current", err)
	}
	if !slices.ContainsFunc(l.Events(), func(e event.Event) bool { return e.Reason != nil && e.Reason.Code == "0x801C03ED" }) {
		t.Error("no event tells of mfa_expired")
	}
}
