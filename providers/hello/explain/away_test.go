package explain

import (
	"testing"
	"time"

	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// heldAt is alice on the laptop, where all is well, with a session of that age.
func heldAt(age time.Duration) *access.Facts {
	f := access.NewFacts(now)
	f.Machines["device.laptop"] = &access.Machine{DeviceID: "d", Credentials: map[string]*access.Credential{"user.alice": {
		KeyID: "k", DeviceID: "d", Session: true, Domain: "corp.contoso.com", Partial: now.Add(time.Hour),
		CachedKey: &access.CachedLogon{At: now, KeyID: "k"}, Token: &access.Token{Obtained: now.Add(-age), Ends: now.Add(24 * time.Hour)},
	}}}
	f.Accounts["user.alice"] = &access.Account{TenantKeys: []access.Key{{ID: "k", DeviceID: "d"}}, DomainKeys: []string{"k"}}
	return f
}

// Where the tenant is out of reach, or refuses, the first condition that is not met is
// the verdict's reason: of the sign-in to Windows, of that to the tenant, and of an unlock,
// which is told of where it ends otherwise.
func TestReasonsWithoutTheTenant(t *testing.T) {
	yes := true
	trusts := map[string]map[string]spec.Policy{
		"key":   {"policy.p": {Source: "gpo", Scope: "device", UsePassportForWork: &yes}},
		"cloud": {"policy.p": {Source: "gpo", Scope: "device", UsePassportForWork: &yes, UseCloudTrustForOnPremAuth: &yes}},
	}
	for _, c := range []struct {
		join, trust, network string
		enabled              bool // the device, in the tenant
		age                  time.Duration
		windows, tenant      string // reasons
		unlock               string // reason; "" when it is not told of
	}{
		{"entra", "key", "none", true, time.Hour, "no_line_of_sight", "no_line_of_sight", "success"},
		{"entra", "key", "captive", true, 5 * time.Hour, "hello_ticket_expired", "hello_ticket_expired", "success"},
		{"entra", "key", "onsite", true, time.Hour, "success", "success", ""},
		{"entra", "key", "onsite", false, time.Hour, "key_device_disabled", "key_device_disabled", "success"},
		{"entra", "key", "onsite", false, 5 * time.Hour, "key_device_disabled", "key_device_disabled", "device_disabled"},
		{"hybrid", "key", "captive", true, time.Hour, "host_unreachable", "host_unreachable", "success"},
		{"hybrid", "cloud", "captive", true, 5 * time.Hour, "hello_ticket_expired", "hello_ticket_expired", "cached_logon_missing"},
	} {
		objects := labOf(c.join, "managed", trusts[c.trust])
		d := objects["device.laptop"].(spec.Device)
		d.Network, d.EnabledInTenant = c.network, c.enabled
		objects["device.laptop"] = d
		x := Explain(worldOf(t, objects), Held{Applied: true, Lab: heldAt(c.age)}, Request{User: "user.alice", Device: "device.laptop", To: "tenant.contoso"})
		got := map[string]string{}
		for _, s := range x.SignIns {
			got[s.To] = s.Reason
			first := ""
			for _, cond := range s.Conditions {
				if cond.Verdict == NotMet && first == "" {
					first = cond.Code
				}
			}
			if s.Verdict == access.Refused && first != s.Reason {
				t.Errorf("%+v: to %q refused for %s, and the first condition that is not met says %q", c, s.To, s.Reason, first)
			}
		}
		if got[""] != c.windows || got["tenant.contoso"] != c.tenant || got[access.ToUnlock] != c.unlock {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
