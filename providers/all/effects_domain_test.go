package all_test

import (
	"maps"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// outdated is a controller below the floor of cloud Kerberos trust.
var outdated = attrs{"os": word("windows-server-2019"), "build": word("17763.500")}

// deletes is a controller that deletes a key that has signed in.
var deletes = attrs{"os": word("windows-server-2019"), "build": word("17763.1457")}

// elsewhere is a controller in another site.
func elsewhere(a attrs) attrs {
	a = maps.Clone(a)
	a["site"] = word("Branch")
	return a
}

// signsInOnce is a sign-in at the desk, once the controller is of a build that
// deletes keys.
func signsInOnce(t *testing.T, l *previewLab) {
	t.Helper()
	l.change(corp, controllers(map[string]attrs{"dc1": deletes}).set)
	l.Restart()
	if v := l.try(access.Request{User: alice, Device: desk, Gesture: "pin"}); v.Code != "success" {
		t.Errorf("the first sign-in: %s", v.Code)
	}
}

func syncing(a attrs) edit { return set("sync.hybrid", a) }

// noPlus is that a web server refuses the names of delta lists.
var noPlus = set("authority.issuing", attrs{"crl": block(attrs{"validity": word("7d"), "delta": word("1d"), "overlap": word("12h"), "double_escaping": cty.False})})

// waits is a new key that Connect does not bring, for a row's reason.
func waits(action, row string) []sees {
	return []sees{
		{on: desk, was: "allowed", is: "allowed"},
		{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "refused key_not_synced", then: action + " next_sync D", row: row},
	}
}

// cloudFails is what cloud Kerberos trust lost in the domain means: Windows of
// the domain does not open, a device of the tenant's goes on without the domain.
func cloudFails(reason, row string) []sees {
	return []sees{
		{on: desk, was: "allowed", is: "refused " + reason, then: "admin_fix next_signin D", row: row, grace: true},
		{on: laptop, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "refused " + reason, then: "admin_fix tgt_expiry D", row: row},
	}
}

// ofDomains are the rows of controllers, certificates and synchronization.
var ofDomains = []effect{
	{row: "D1", change: "every controller is below the floor of cloud Kerberos trust", trust: byCloud, edits: []edit{controllers(map[string]attrs{"dc1": outdated})}, sees: cloudFails("dc_not_found", "")},
	{row: "D1", change: "the same, with key trust", edits: []edit{controllers(map[string]attrs{"dc1": outdated})}, sees: []sees{{on: desk, to: corp, was: "allowed", is: "allowed"}}},
	{row: "D1", change: "a second controller is below the floor", trust: byCloud, edits: []edit{controllers(map[string]attrs{"dc1": {}, "dc2": outdated})}, sees: []sees{
		{on: desk, to: corp, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "allowed"},
	}},
	{row: "D2", change: "the controller that is not read-only is below the floor", trust: byCloud,
		given: func(l *previewLab) {
			l.change(corp, controllers(map[string]attrs{"dc1": {}, "dc2": {"writable": cty.False}}).set)
		},
		edits: []edit{controllers(map[string]attrs{"dc1": outdated, "dc2": {"writable": cty.False}})}, sees: cloudFails("dc_not_found", "D1")},
	{row: "D3", change: "the controller is of Windows Server 2019 before 17763.316", edits: []edit{controllers(map[string]attrs{"dc1": {"os": word("windows-server-2019"), "build": word("17763.300")}})}, sees: []sees{
		{on: desk, was: "allowed", is: "refused key_name_mismatch", then: "admin_fix next_signin D", grace: true},
		{on: desk, by: access.ByPassword, was: "allowed", is: "allowed"},
		{on: laptop, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "refused key_name_mismatch", then: "admin_fix tgt_expiry D"},
	}},
	{row: "D4", change: "the controller is of a build that deletes keys", edits: []edit{controllers(map[string]attrs{"dc1": deletes})}, sees: []sees{
		{on: desk, was: "allowed", is: "at_risk key_deleted_at_sign_in", then: "admin_fix next_signin D"},
		{on: desk, by: access.ByPassword, was: "allowed", is: "allowed"},
		{on: laptop, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "at_risk key_deleted_at_sign_in", then: "admin_fix next_signin D"},
	}},
	{row: "D4", change: "the same, after a sign-in on the desk", act: signsInOnce, sees: []sees{
		{on: desk, was: "allowed", is: "refused key_not_synced", then: "wait_sync next_sync D"},
		{on: desk, by: access.ByPassword, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "at_risk key_deleted_at_sign_in", then: "admin_fix next_signin D"},
	}},
	{row: "D4", change: "the same, after a cycle", act: func(t *testing.T, l *previewLab) { signsInOnce(t, l); l.Advance(31 * time.Minute); l.due() }, sees: []sees{
		{on: desk, was: "allowed", is: "at_risk key_deleted_at_sign_in", then: "admin_fix next_signin D"},
	}},
	{row: "D4", change: "one of two controllers is of such a build", edits: []edit{controllers(map[string]attrs{"dc1": {}, "dc2": deletes})}, sees: []sees{
		{on: desk, was: "allowed", is: "at_risk key_deleted_at_sign_in", then: "admin_fix next_signin D"},
	}},
	{row: "D4", change: "such a controller is of another site than the desk, and another read-only",
		given: func(l *previewLab) { l.change(desk, attrs{"site": word("Default-First-Site-Name")}) }, edits: []edit{controllers(map[string]attrs{
			"dc1": {}, "dc2": elsewhere(deletes), "dc3": {"os": deletes["os"], "build": deletes["build"], "writable": cty.False}})}, sees: []sees{
			{on: desk, was: "allowed", is: "allowed"},
		}},
	{row: "D4", change: "the controller is of such a build, with cloud Kerberos trust", trust: byCloud, edits: []edit{controllers(map[string]attrs{"dc1": deletes})}, sees: []sees{{on: desk, was: "allowed", is: "allowed"}}},
	{row: "D7", change: "the functional level is raised", edits: []edit{set(corp, attrs{"functional_level": word("2025")})}, sees: []sees{
		{on: desk, to: corp, was: "allowed", is: "allowed"},
	}},
	{row: "D8", change: "controllers give up AES-256", trust: byCloud, edits: []edit{controllers(map[string]attrs{"dc1": {"etypes": words("aes128")}})}, sees: cloudFails("domain_refused", "")},

	{row: "K1", change: "the KDC has no certificate", edits: []edit{template("none")}, sees: []sees{
		{on: desk, was: "allowed", is: "refused kdc_no_certificate", then: "admin_fix next_signin D", grace: true},
		{on: laptop, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "refused kdc_no_certificate", then: "admin_fix tgt_expiry D"},
	}},
	{row: "K1", change: "the same, with cloud Kerberos trust", trust: byCloud, edits: []edit{template("none")}, sees: []sees{{on: desk, to: corp, was: "allowed", is: "allowed"}}},
	{row: "K1", change: "nobody renews the KDC's certificate for a year", sees: []sees{
		{on: laptop, to: corp, was: "allowed", is: "refused kdc_no_certificate", then: "admin_fix cert_expiry D"},
	}, act: func(_ *testing.T, l *previewLab) {
		l.change("authority.issuing", attrs{"template": cty.MapVal(attrs{"KerberosAuthentication": block(attrs{"enabled": cty.False})})})
		l.Advance(366 * day)
		l.Restart()
		l.due()
	}},
	{row: "K2", change: "the KDC's certificate is for a server only", edits: []edit{template("domain_controller")}, sees: []sees{
		{on: desk, to: corp, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "refused kdc_certificate_no_kdc_purpose", then: "admin_fix tgt_expiry D"},
	}},
	{row: "K3", change: "revocation lists can be read by controllers alone", edits: []edit{set("authority.issuing", attrs{"crl": block(attrs{"reachable_from": words("dc")})})}, sees: []sees{
		{on: laptop, to: corp, was: "allowed", is: "refused kdc_certificate_unknown_revocation", then: "admin_fix tgt_expiry D"},
		{on: laptop, was: "allowed", is: "allowed"},
	}},
	{row: "K3", change: "the web server of the lists refuses delta lists, and certificates name no responder",
		given: func(l *previewLab) {
			l.change("authority.issuing", attrs{"ocsp": cty.False})
			l.change(corp, template("none").set) // to have a certificate that names none
			l.change(corp, template("kerberos_authentication").set)
		},
		edits: []edit{noPlus},
		act:   func(_ *testing.T, l *previewLab) { l.Restart() },
		sees: []sees{
			{on: laptop, to: corp, was: "allowed", is: "refused kdc_certificate_unknown_revocation", then: "admin_fix tgt_expiry D"},
			{on: laptop, was: "allowed", is: "allowed"},
		}},
	{row: "K3", change: "the same, and they name one",
		edits: []edit{noPlus},
		act:   func(_ *testing.T, l *previewLab) { l.Restart() },
		sees:  []sees{{on: laptop, to: corp, was: "allowed", is: "allowed"}}},
	{row: "K5", change: "a device does not trust the root any more", edits: []edit{set(laptop, attrs{"trusted_roots": cty.ListValEmpty(cty.String)})}, sees: []sees{
		{on: laptop, to: corp, was: "allowed", is: "refused kdc_certificate_untrusted", then: "admin_fix tgt_expiry D"},
		{on: laptop, was: "allowed", is: "allowed"},
		{on: desk, to: corp, was: "allowed", is: "allowed"},
	}},

	{row: "C1", change: "Connect's scheduler is off, and one is enrolled", edits: []edit{syncing(attrs{"enabled": cty.False}), makesBo}, ahead: 3 * time.Hour, sees: waits("admin_fix", "")},
	{row: "C1", change: "Connect is in staging mode, and one is enrolled", edits: []edit{syncing(attrs{"staging": cty.True}), makesBo}, ahead: 3 * time.Hour, sees: waits("admin_fix", "")},
	{row: "C1", change: "the same, with cloud Kerberos trust", trust: byCloud, edits: []edit{syncing(attrs{"staging": cty.True}), makesBo}, sees: []sees{
		{user: "user.bo", on: desk, to: corp, was: "refused no_hello_credential", is: "allowed"},
	}},
	{row: "C2", change: "cycles are two hours apart, and one was enrolled half an hour ago", edits: []edit{syncing(attrs{"interval": word("2h")}), makesBo}, ahead: 31 * time.Minute, sees: waits("wait_sync", "-")},
	{row: "C2", change: "the same, after two hours", edits: []edit{syncing(attrs{"interval": word("2h")}), makesBo}, ahead: 121 * time.Minute, sees: []sees{
		{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "allowed"},
	}},
	{row: "C3", change: "nothing is synchronized for seven days, and one is enrolled", edits: []edit{syncing(attrs{"enabled": cty.False}), makesBo}, ahead: 8 * day, sees: append(waits("admin_fix", "C1"),
		sees{on: laptop, to: tenantAddr, was: "allowed", is: "allowed"})},
	{row: "C3", change: "the same, and then a cycle runs: one of the lab's reads everything", act: func(_ *testing.T, l *previewLab) { l.Advance(8 * day); l.cycle() },
		given: func(l *previewLab) {
			l.change("sync.hybrid", attrs{"enabled": cty.False})
			l.Create(boDesk, makesBo.make)
		}, sees: []sees{
			{user: "user.bo", on: desk, was: "refused key_not_synced", is: "allowed"},
			{on: desk, was: "allowed", is: "allowed"},
		}},
	{row: "C4", change: "Connect may not write keys, and one is enrolled", edits: []edit{syncing(attrs{"key_writeback_right": cty.False}), makesBo}, ahead: 3 * time.Hour, sees: waits("admin_fix", "")},
	{row: "C5", change: "AdminSDHolder comes to protect a user: the key that the domain has", edits: []edit{administers(alice)}, ahead: 3 * time.Hour, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
	}},
	{row: "C5", change: "AdminSDHolder comes to protect a user before the cycle that would bring the new key", edits: []edit{administers("user.bo"), syncing(attrs{"interval": word("2h")}), makesBo}, ahead: 3 * time.Hour, sees: waits("admin_fix", "")},
	{row: "C5", change: "one is enrolled whom AdminSDHolder protects", given: protectsBo, edits: []edit{makesBo}, ahead: 3 * time.Hour, sees: waits("admin_fix", "")},
	{row: "C5", change: "the same, and its list lets Key Admins write", given: protectsBo, edits: []edit{set(corp, attrs{"adminsdholder_key_admins": cty.True}), makesBo}, ahead: 3 * time.Hour, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
		{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "allowed"},
	}},
	{row: "C5", change: "on premises, one is to be enrolled whom AdminSDHolder protects: AD FS may not write the key", in: func(t testing.TB) *previewLab { return newOnPremPreviewLab(t, spec.TrustKey) }, given: func(l *previewLab) {
		l.Create("group.admins", spec.Group{Domain: corp, WellKnown: "domain_admins"})
		protectsBo(l)
	}, edits: []edit{makesBo}, gap: "registration_refused", sees: []sees{boWaits}},
	{row: "C5", change: "one is enrolled who was an administrator: what AdminSDHolder took is not given back", given: func(l *previewLab) {
		protectsBo(l)
		l.change("group.admins", administers().set)
		l.Advance(2 * time.Hour)
		l.due()
	}, edits: []edit{makesBo}, ahead: 3 * time.Hour, sees: waits("admin_fix", "")},
	{row: "C7", change: "accounts leave the scope: three hours later the tenant has them no more", gap: "users: 2, devices: 1", edits: []edit{leavesScope}, ahead: 3 * time.Hour, sees: []sees{
		{on: desk, was: "allowed", is: "refused key_not_synced", then: "admin_fix next_sync D"},
		{on: desk, by: access.ByPassword, was: "allowed", is: "degraded device_unknown", then: "admin_fix prt_renewal D"},
		{on: desk, to: corp, by: access.ByPassword, was: "allowed", is: "allowed"},
		{on: laptop, was: "allowed", is: "refused user_unknown", then: "admin_fix prt_renewal D"},
		{on: laptop, by: access.ByPassword, was: "allowed", is: "refused user_unknown", then: "admin_fix prt_renewal D"},
		{user: "user.carl", on: laptop, was: "allowed", is: "allowed"},
	}},
	{row: "C7", change: "the same, with cloud Kerberos trust", trust: byCloud, gap: "users: 2, devices: 1", edits: []edit{leavesScope}, ahead: 3 * time.Hour, sees: []sees{
		{on: desk, was: "allowed", is: "refused user_unknown", then: "admin_fix prt_renewal D"},
		{on: laptop, to: corp, was: "allowed", is: "refused user_unknown", then: "admin_fix prt_renewal D"},
	}},
	{row: "C7", change: "the same, before a cycle", gap: "users: 2, devices: 1", edits: []edit{leavesScope}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
		{on: laptop, was: "allowed", is: "allowed"},
	}},
}

// administers is an edit that makes people administrators of the domain.
func administers(people ...string) edit {
	if len(people) == 0 {
		return set("group.admins", attrs{"members": cty.ListValEmpty(cty.String)})
	}
	return set("group.admins", attrs{"members": words(people...)})
}

// protectsBo has AdminSDHolder protect bo.
func protectsBo(l *previewLab) {
	l.change("group.admins", administers("user.bo").set)
	l.Advance(time.Hour)
	l.due()
}

// leavesScope is a scope without the people and the computers.
var leavesScope = syncing(attrs{"scope": words("OU=Domain Controllers,DC=corp,DC=contoso,DC=com")})
