package all_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
	"hellolab/providers/wire/crl"
)

// Labs of the rows about federation and certificates.
func inCertificateTrust(t testing.TB) *previewLab {
	return newFederatedPreviewLab(t, spec.TrustCertificate)
}

func inFederatedKeyTrust(t testing.TB) *previewLab {
	return newFederatedPreviewLab(t, spec.TrustKey)
}

// trusts makes the policy's trust another.
func trusts(addr string) edit { return set("policy.hello", attrs{"trust": word(addr)}) }

// alsoTrust declares a trust of a type.
func alsoTrust(typ string) func(*previewLab) {
	return func(l *previewLab) {
		t := spec.Trust{Type: typ, Tenant: tenantAddr, Domain: corp}
		if typ == spec.TrustCertificate {
			t.Federation, t.Authority = adfs, "authority.issuing"
		}
		l.Create("trust."+typ, t)
	}
}

func federation(a attrs) edit { return set(adfs, a) }

func issues(template string, enabled bool) edit {
	return set("authority.issuing", attrs{"template": cty.MapVal(attrs{template: block(attrs{"enabled": cty.BoolVal(enabled)})})})
}

// goOn are alice's sign-ins that do not change, by every way there is.
var goOn = []sees{
	{on: desk, was: "allowed", is: "allowed"},
	{on: desk, to: corp, was: "allowed", is: "allowed"},
	{on: laptop, to: tenantAddr, was: "allowed", is: "allowed"},
}

// boWaits is that bo is not provisioned.
var boWaits = sees{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "refused no_hello_credential", then: "enroll next_signin D", row: "-"}

// boEnters is that bo is.
var boEnters = sees{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "allowed"}

func and(more ...sees) []sees { return append(append([]sees{}, goOn...), more...) }

// certificateFails is what a sign-in certificate means that a controller refuses:
// Windows of the domain does not open.
func certificateFails(reason, then string) []sees {
	return []sees{
		{on: desk, was: "allowed", is: "refused " + reason, then: then, grace: true},
		{on: laptop, to: tenantAddr, was: "allowed", is: "allowed"},
	}
}

// ofFederation are the rows of federation and certificate trust.
var ofFederation = []effect{
	{row: "T2", change: "trust: certificate to cloud Kerberos, and the container stays", in: inCertificateTrust, given: alsoTrust(spec.TrustCloudKerberos), edits: []edit{trusts("trust.cloud_kerberos"), makesBo}, sees: []sees{
		{on: desk, was: "allowed", is: "at_risk certificate_container", then: "reprovision next_signin D"},
		boEnters,
	}},
	{row: "T2", change: "the same, and Hello is provisioned anew, as a plan has it", in: inCertificateTrust, given: alsoTrust(spec.TrustCloudKerberos), edits: []edit{trusts("trust.cloud_kerberos"), {addr: "enrollment.alice_desk", gone: true}, {addr: "enrollment.alice_desk", make: enrollment(alice, desk)}}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
	}},
	{row: "T4", change: "trust: key to certificate, and one is enrolled", in: inFederatedKeyTrust, given: alsoTrust(spec.TrustCertificate), edits: []edit{trusts("trust.certificate"), makesBo}, sees: []sees{
		{on: desk, was: "allowed", is: "refused certificate_missing", then: "wait_certificate next_signin D"},
		{on: laptop, to: tenantAddr, was: "allowed", is: "allowed"},
		boEnters,
	}},
	{row: "T5", change: "trust: certificate to key, and Connect exports keys", in: inCertificateTrust, given: alsoTrust(spec.TrustKey), edits: []edit{trusts("trust.key")}, sees: []sees{
		{on: desk, to: corp, was: "allowed", is: "allowed"},
	}},
	{row: "T7", change: "on-premises to hybrid: user, device and enrollment are made anew", in: func(t testing.TB) *previewLab { return newOnPremPreviewLab(t, spec.TrustKey) }, edits: []edit{
		{addr: "enrollment.alice_desk", gone: true}, {addr: desk, gone: true}, {addr: alice, gone: true}, {addr: "trust.corp", gone: true},
		{addr: tenantAddr, make: spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "federated", Federation: adfs}},
		{addr: "sync.hybrid", make: spec.Sync{Tenant: tenantAddr, Domain: corp, DeviceWriteback: true}},
		{addr: "trust.corp", make: spec.Trust{Type: spec.TrustKey, Tenant: tenantAddr, Domain: corp}},
		{addr: alice, make: spec.User{UPN: "alice@contoso.com", Tenant: tenantAddr, Domain: corp, Password: providers.Secret(first)}},
		{addr: desk, make: spec.Device{Join: "hybrid", Tenant: tenantAddr, Domain: corp}}, {addr: "enrollment.alice_desk", make: enrollment(alice, desk)}}, sees: []sees{
		{on: desk, was: "allowed", is: "refused key_not_synced", then: "wait_sync next_sync D", row: "-"},
	}},
	{row: "T8", change: "federated to managed, with certificate trust: a plan refuses it", in: inCertificateTrust, edits: []edit{set(tenantAddr, attrs{"authentication": word("managed"), "federation": cty.NullVal(cty.String)})}, sees: []sees{
		{on: desk, was: "allowed", is: "refused unsupported_deployment", then: "admin_fix next_signin D", row: "-"},
	}},
	{row: "T9", change: "managed to federated, and one is enrolled", in: inFederatedKeyTrust,
		given: func(l *previewLab) {
			l.change(tenantAddr, attrs{"authentication": word("managed"), "federation": cty.NullVal(cty.String)})
		},
		edits: []edit{set(tenantAddr, attrs{"authentication": word("federated"), "federation": word(adfs)}), makesBo}, ahead: 31 * time.Minute, sees: and(boEnters)},
	{row: "M3", change: "AD FS's second factor does not count any more, and one is enrolled with the tenant's", in: inFederatedKeyTrust,
		edits: []edit{set(tenantAddr, attrs{"mfa": block(attrs{"federated_behavior": word("reject")})}), makesBo}, ahead: 31 * time.Minute, sees: and(boEnters)},
	{row: "M3", change: "AD FS must verify a second factor, and has no adapter", in: inFederatedKeyTrust,
		edits: []edit{set(tenantAddr, attrs{"mfa": block(attrs{"federated_behavior": word("enforce")})}), federation(attrs{"mfa": word("none")}), makesBo}, gap: "federation_refused", sees: and(boWaits)},
	{row: "D5", change: "the authority of sign-in certificates is not in NTAuth", in: inCertificateTrust, edits: []edit{set("authority.issuing", attrs{"ntauth": cty.False})},
		sees: certificateFails("certificate_untrusted", "admin_fix next_signin D")},
	{row: "D5", change: "the same, with key trust", in: inFederatedKeyTrust, edits: []edit{set("authority.issuing", attrs{"ntauth": cty.False})}, sees: goOn},
	{row: "D6", change: "controllers demand strong mapping, and a certificate bears no identifier", in: inCertificateTrust, edits: []edit{set(corp, attrs{"strong_certificate_mapping": word("full")})},
		given: func(l *previewLab) {
			l.change(corp, attrs{"strong_certificate_mapping": word("none")})
			l.replaceCertificate(desk, l.issue(desk, func(i *issuing) { i.template.Enrollment |= ca.NoSecurityExtension }))
		}, sees: certificateFails("certificate_other_account", "reprovision next_signin D")},
	{row: "D6", change: "the template of sign-in certificates leaves the identifier out, and one is enrolled", in: inCertificateTrust, edits: []edit{
		set("authority.issuing", attrs{"template": cty.MapVal(attrs{"WHFBAuthentication": block(attrs{"enabled": cty.True, "security_identifier": cty.False})})}), makesBo},
		sees: and(sees{user: "user.bo", on: desk, was: "refused no_hello_credential", is: "refused certificate_other_account", then: "reprovision next_signin D", row: "D6"})},
	{row: "K4", change: "controllers cannot read the lists, and keep none", in: inCertificateTrust, edits: []edit{set("authority.issuing", attrs{"crl": block(attrs{"reachable_from": words("onsite", "internet")})})},
		act:  func(_ *testing.T, l *previewLab) { l.Restart() },
		sees: certificateFails("certificate_revocation_unknown", "admin_fix next_signin D")},
	{row: "K6", change: "AD FS is no registration authority any more, and one is to be enrolled", in: inCertificateTrust, edits: []edit{federation(attrs{"registration_authority": cty.False}), makesBo}, gap: "registration_authority_not_ready", sees: and(boWaits)},
	{row: "K6", change: "the template of sign-in certificates is not issued, and one is to be enrolled", in: inCertificateTrust, edits: []edit{issues("WHFBAuthentication", false), makesBo}, gap: "template_not_ready", sees: and(boWaits)},
	{row: "K6", change: "nobody renews a sign-in certificate for a year", in: inCertificateTrust, act: func(_ *testing.T, l *previewLab) {
		l.Advance(366 * day)
		l.Restart()
		l.due()
	}, sees: certificateFails("certificate_expired", "admin_fix next_signin D")},
	{row: "C6", change: "device write-back is off, and a device is made anew", in: inCertificateTrust, edits: []edit{
		syncing(attrs{"device_writeback": cty.False}), {addr: "enrollment.alice_desk", gone: true}, {addr: desk, gone: true},
		{addr: desk, make: spec.Device{Join: "hybrid", Tenant: tenantAddr, Domain: corp}}, {addr: "enrollment.alice_desk", make: enrollment(alice, desk)}}, gap: "no_enterprise_prt", sees: []sees{
		{on: desk, was: "allowed", is: "refused no_hello_credential", then: "enroll next_signin D", row: "-"},
	}},
	{row: "C6", change: "device write-back is off: what was written stays", in: inCertificateTrust, edits: []edit{syncing(attrs{"device_writeback": cty.False})}, ahead: 31 * time.Minute, sees: goOn},
	{row: "U10", change: "the same, with key trust and AD FS", in: inFederatedKeyTrust, edits: renamed, sees: and(sees{on: laptop, by: access.ByPassword, was: "allowed", is: "allowed"})},
	{row: "U10", change: "the same, with certificate trust", in: inCertificateTrust, edits: renamed, sees: append(certificateFails("certificate_name_unknown", "reprovision next_signin I"),
		sees{on: desk, by: access.ByPassword, was: "allowed", is: "allowed"})},
	{row: "U10", change: "the same, and Hello is provisioned anew, which brings another certificate", in: inCertificateTrust,
		edits: append([]edit{{addr: "enrollment.alice_desk", gone: true}, {addr: "enrollment.alice_desk", make: enrollment(alice, desk)}}, renamed...), sees: []sees{
			{on: desk, was: "allowed", is: "allowed"},
		}},
	{row: "U9", change: "a sign-in certificate is revoked, and the lists say so", in: inCertificateTrust, act: func(t *testing.T, l *previewLab) {
		for _, c := range l.personalStore(desk) {
			serial, ok := new(big.Int).SetString(c.Serial, 16)
			if !ok {
				t.Fatal(c.Serial)
			}
			if err := l.authority().Revoke(t.Context(), serial, crl.KeyCompromise, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		l.Advance(8 * day)
		l.due()
		l.Restart()
	}, sees: certificateFails("certificate_revoked", "reprovision next_signin D")},
	{row: "Q3", change: "the federation service is down", in: inCertificateTrust, edits: []edit{federation(attrs{"enabled": cty.False})}, sees: and(
		sees{on: laptop, by: access.ByPassword, was: "allowed", is: "refused federation_unreachable", then: "admin_fix immediate D"})},
	{row: "Q3", change: "the same, and one is to be enrolled", in: inCertificateTrust, edits: []edit{federation(attrs{"enabled": cty.False}), makesBo}, gap: "federation_unreachable", sees: and(boWaits)},
	{row: "Q3", change: "the same, on-premises", in: func(t testing.TB) *previewLab { return newOnPremPreviewLab(t, spec.TrustKey) }, edits: []edit{federation(attrs{"enabled": cty.False})}, sees: []sees{
		{on: desk, was: "allowed", is: "degraded no_enterprise_prt", then: "admin_fix next_provisioning D"},
		{on: desk, to: corp, was: "allowed", is: "allowed"},
	}},
}
