package all_test

import (
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

const strictApp = "application.strict"

// ofPeople are the rows of second factors, accounts, keys and places.
var ofPeople = []effect{
	{row: "M1", change: "a second factor is lost", edits: []edit{set(alice, attrs{"mfa": word("none")})}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
		{on: laptop, to: strictApp, was: "allowed", is: "allowed"},
	}},
	{row: "M1", change: "a second factor is lost, and one is to be enrolled", edits: []edit{set("user.bo", attrs{"mfa": word("none")}), makesBo}, gap: "mfa_not_registered", sees: []sees{
		{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "refused no_hello_credential", then: "enroll next_signin D", row: "-"},
	}},
	{row: "M2", change: "the second factor is older than ten minutes at a provisioning", act: func(t *testing.T, l *previewLab) { l.dawdles(t) }, sees: []sees{
		{user: "user.bo", on: laptop, was: "refused no_hello_credential", is: "refused no_hello_credential", then: "enroll next_signin D", row: "-"},
		{on: laptop, was: "allowed", is: "allowed"},
	}},
	{row: "M2", change: "the same, and the next try asks for it again", act: func(t *testing.T, l *previewLab) {
		l.dawdles(t)
		l.Create(boLaptop, enrollment("user.bo", laptop))
	}, sees: []sees{
		{user: "user.bo", on: laptop, was: "refused no_hello_credential", is: "allowed"},
	}},
	{row: "M4", change: "an application demands a compliant device", edits: []edit{set(strictApp, attrs{"require": block(attrs{"compliant_device": cty.True})})}, sees: []sees{
		{on: laptop, to: strictApp, was: "allowed", is: "refused device_not_compliant", then: "admin_fix next_token D"},
		{on: desk, to: strictApp, was: "allowed", is: "refused device_not_compliant", then: "admin_fix next_token D"},
		{on: desk, was: "allowed", is: "allowed"},
		{on: laptop, to: tenantAddr, was: "allowed", is: "allowed"},
	}},

	{row: "U1", change: "a user becomes a domain administrator", trust: byCloud, edits: []edit{set("group.admins", attrs{"members": words(alice)})}, sees: cloudFails("cloud_kerberos_denied", "")},
	{row: "U1", change: "the same, with key trust", edits: []edit{set("group.admins", attrs{"members": words(alice)})}, sees: []sees{{on: desk, to: corp, was: "allowed", is: "allowed"}}},
	{row: "U1", change: "an administrator is enrolled", trust: byCloud, edits: []edit{set("group.admins", attrs{"members": words("user.bo")}), makesBo}, sees: []sees{
		{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "refused cloud_kerberos_denied", then: "admin_fix next_signin D"},
	}},
	{row: "U2", change: "the domain's Kerberos server object is deleted", trust: byCloud, given: bySwitch, edits: []edit{{addr: "trust.cloud", gone: true}}, sees: cloudFails("no_cloud_tgt", "")},
	{row: "U2", change: "the same, and one is to be enrolled", trust: byCloud, given: bySwitch, edits: []edit{{addr: "trust.cloud", gone: true}, makesBo}, gap: "no_cloud_tgt", sees: []sees{
		{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "refused no_hello_credential", then: "enroll next_signin D", row: "-"},
	}},
	{row: "U3", change: "the password in the domain must be changed", edits: []edit{set(alice, attrs{"password_expired": cty.True})}, sees: []sees{
		{on: desk, to: corp, was: "allowed", is: "allowed"},
		{on: desk, to: "service.web", was: "allowed", is: "allowed"},
		{on: desk, to: "service.old", was: "allowed", is: "refused password_must_change", then: "change_password next_signin D"},
	}},
	{row: "U3", change: "the same, with cloud Kerberos trust", trust: byCloud, edits: []edit{set(alice, attrs{"password_expired": cty.True})}, sees: []sees{
		{on: desk, was: "allowed", is: "refused password_expired_on_prem", then: "change_password next_signin D"},
		{on: laptop, was: "allowed", is: "allowed"},
	}},
	{row: "U3", change: "a group gets password settings of a day, two days ago", trust: byCloud, edits: []edit{settings(24*time.Hour, "group.staff")}, ahead: 2 * day, sees: []sees{
		{on: desk, was: "allowed", is: "refused password_expired_on_prem", then: "change_password password_age D"},
		{on: laptop, was: "allowed", is: "allowed"},
	}},
	{row: "U3", change: "the same, with key trust", edits: []edit{settings(24*time.Hour, "group.staff")}, ahead: 2 * day, sees: []sees{
		{on: desk, to: corp, was: "allowed", is: "allowed"},
		{on: desk, to: "service.old", was: "allowed", is: "refused password_expired_on_prem", then: "change_password password_age D"},
	}},
	{row: "U3", change: "nobody changes a password for fifty days", trust: byCloud, act: func(_ *testing.T, l *previewLab) { l.Advance(50 * day); l.due() }, sees: []sees{
		{on: desk, was: "allowed", is: "refused password_expired_on_prem", then: "change_password password_age D"},
	}},
	{row: "U3", change: "the same, with password settings of the user's that let it live", trust: byCloud,
		given: func(l *previewLab) { l.Create("password_settings.staff", settings(24*time.Hour, "group.staff").make) },
		edits: []edit{{addr: "password_settings.alice", make: spec.PasswordSettings{Domain: corp, Precedence: 99, AppliesTo: []providers.Ref{alice}, MaxAge: 400 * day}}}, ahead: 50 * day, sees: []sees{
			{on: desk, was: "allowed", is: "allowed"},
		}},
	{row: "U4", change: "a user is disabled in the domain", edits: []edit{set(alice, attrs{"enabled_in_domain": cty.False})}, sees: []sees{
		{on: desk, was: "allowed", is: "refused account_disabled_in_domain", then: "admin_fix next_signin I", grace: true},
		{on: laptop, to: corp, was: "allowed", is: "refused account_disabled_in_domain", then: "admin_fix tgt_expiry I"},
	}},
	{row: "U5", change: "a user is disabled in the tenant", edits: []edit{set(alice, attrs{"enabled_in_tenant": cty.False})}, sees: []sees{
		{on: laptop, was: "allowed", is: "refused user_disabled", then: "admin_fix prt_renewal D"},
		{on: laptop, to: access.ToUnlock, was: "allowed", is: "allowed"},
		{on: desk, was: "allowed", is: "degraded user_disabled", then: "admin_fix prt_renewal D"},
		{on: desk, to: corp, was: "allowed", is: "allowed"},
		{on: desk, to: tenantAddr, was: "allowed", is: "refused user_disabled", then: "admin_fix prt_renewal D"},
	}},
	{row: "U5", change: "the same, five hours later", ahead: 5 * time.Hour, edits: []edit{set(alice, attrs{"enabled_in_tenant": cty.False})}, sees: []sees{
		{on: laptop, was: "allowed", is: "refused user_disabled", then: "admin_fix prt_renewal D"},
		{on: laptop, to: access.ToUnlock, was: "allowed", is: "refused user_disabled", then: "admin_fix next_unlock D"},
	}},
	{row: "U6", change: "a device is disabled in the tenant", edits: []edit{set(desk, attrs{"enabled_in_tenant": cty.False})}, sees: []sees{
		{on: desk, was: "allowed", is: "degraded key_device_disabled", then: "admin_fix prt_renewal D"},
		{on: desk, to: corp, was: "allowed", is: "allowed"},
		{on: desk, to: tenantAddr, was: "allowed", is: "refused key_device_disabled", then: "admin_fix prt_renewal D"},
		{on: laptop, was: "allowed", is: "allowed"},
	}},
	{row: "U7", change: "a key is removed from the account in the domain", act: func(t *testing.T, l *previewLab) { l.unlink(t, l.deviceID(desk)) }, sees: []sees{
		{on: desk, was: "allowed", is: "refused key_not_synced", then: "wait_sync next_sync D", row: "-"},
		{on: laptop, to: corp, was: "allowed", is: "allowed"},
	}},
	{row: "U7", change: "the same, after a cycle", act: func(t *testing.T, l *previewLab) { l.unlink(t, l.deviceID(desk)); l.Advance(31 * time.Minute); l.due() }, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
	}},
	{row: "U8", change: "a key is removed from the account in the tenant", act: func(t *testing.T, l *previewLab) { l.unregister(t, l.deviceID(laptop)) }, sees: []sees{
		{on: laptop, was: "allowed", is: "refused key_not_found", then: "reprovision next_signin I"},
		{on: desk, was: "allowed", is: "allowed"},
	}},
	{row: "U8", change: "the same, of a hybrid joined device", act: func(t *testing.T, l *previewLab) { l.unregister(t, l.deviceID(desk)) }, sees: []sees{
		{on: desk, was: "allowed", is: "degraded key_not_found", then: "reprovision next_signin I"},
		{on: desk, to: corp, was: "allowed", is: "allowed"},
	}},
	{row: "U8", change: "the same, with cloud Kerberos trust", trust: byCloud, act: func(t *testing.T, l *previewLab) { l.unregister(t, l.deviceID(desk)) }, sees: []sees{
		{on: desk, was: "allowed", is: "refused key_not_found", then: "reprovision next_signin I"},
	}},
	{row: "U10", change: "a user principal name changes", edits: renamed, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
		{on: desk, to: corp, was: "allowed", is: "allowed"},
		{on: desk, to: "service.web", was: "allowed", is: "allowed"},
		{on: desk, by: access.ByPassword, was: "allowed", is: "allowed"},
		{on: laptop, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "allowed"},
		{on: laptop, to: strictApp, was: "allowed", is: "allowed"},
		{on: laptop, by: access.ByPassword, was: "allowed", is: "allowed"},
	}},
	{row: "U10", change: "the same, with cloud Kerberos trust", trust: byCloud, edits: renamed, sees: []sees{
		{on: desk, to: corp, was: "allowed", is: "allowed"},
		{on: laptop, was: "allowed", is: "allowed"},
		{on: laptop, to: corp, was: "allowed", is: "allowed"},
	}},
	{row: "U11", change: "an eleventh user enrolls on a device", why: "A plan warns (`too_many_enrollments`), and no sign-in changes."},

	{row: "Q1", change: "devices are off the domain's network, without cached logons",
		given: func(l *previewLab) { l.change(corp, attrs{"cached_logons": whole(0)}) },
		edits: []edit{set(desk, attrs{"network": word("internet")}), set(laptop, attrs{"network": word("internet")})}, sees: []sees{
			{on: desk, was: "allowed", is: "refused cached_logon_missing", then: "needs_dc_line_of_sight next_signin D"},
			{on: laptop, was: "allowed", is: "allowed"},
			{on: laptop, to: corp, was: "allowed", is: "refused no_line_of_sight", then: "needs_dc_line_of_sight tgt_expiry D"},
		}},
	{row: "Q1", change: "devices are off the domain's network, with cached logons", edits: []edit{set(desk, attrs{"network": word("internet")})}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
		{on: desk, to: corp, was: "allowed", is: "refused no_line_of_sight", then: "needs_dc_line_of_sight tgt_expiry D"},
	}},
	{row: "Q1", change: "devices are on no network", edits: []edit{set(desk, attrs{"network": word("none")}), set(laptop, attrs{"network": word("none")})}, sees: []sees{
		{on: laptop, was: "allowed", is: "degraded no_line_of_sight", then: "- next_token D"},
		{on: laptop, by: "face", was: "allowed", is: "degraded no_line_of_sight", then: "- next_token D"},
		{on: laptop, by: access.ByPassword, was: "allowed", is: "degraded no_line_of_sight", then: "- next_token D"},
		{on: laptop, to: tenantAddr, was: "allowed", is: "refused no_line_of_sight", then: "other_network next_token D"},
		{on: desk, was: "allowed", is: "degraded no_line_of_sight", then: "needs_dc_line_of_sight tgt_expiry D"},
	}},
	{row: "Q2", change: "the network has a captive portal", edits: []edit{set(desk, attrs{"network": word("captive")}), set(laptop, attrs{"network": word("captive")})}, sees: []sees{
		{on: laptop, was: "allowed", is: "refused hello_ticket_expired", then: "other_network next_signin D"},
		{on: laptop, by: "face", was: "allowed", is: "refused hello_ticket_expired", then: "other_network next_signin D"},
		{on: laptop, by: access.ByPassword, was: "allowed", is: "degraded host_unreachable", then: "- next_token D"},
		{on: desk, was: "allowed", is: "degraded host_unreachable", then: "other_network next_signin D"},
		{on: desk, to: tenantAddr, was: "allowed", is: "refused host_unreachable", then: "other_network next_signin D"},
	}},
	{row: "Q2", change: "the same, with cloud Kerberos trust", trust: byCloud, edits: []edit{set(desk, attrs{"network": word("captive")})}, sees: []sees{
		{on: desk, was: "allowed", is: "refused hello_ticket_expired", then: "other_network next_signin D"},
	}},
}

// settings are password settings with a greatest age.
func settings(age time.Duration, to ...providers.Ref) edit {
	return edit{addr: "password_settings.staff", make: spec.PasswordSettings{Domain: corp, Precedence: 10, AppliesTo: to, MaxAge: age, MinAge: time.Hour}}
}

// bySwitch has policy turn cloud Kerberos trust on without naming the trust.
func bySwitch(l *previewLab) {
	l.change("policy.hello", attrs{"trust": cty.NullVal(cty.String), "use_cloud_trust_for_on_prem_auth": cty.True})
}

// renamed gives alice another user principal name. Her account's name in the domain
// follows.
var renamed = []edit{set(alice, attrs{"upn": word("alicia@contoso.com")})}
