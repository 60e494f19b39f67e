package all_test

import (
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/adcs"
	"hellolab/providers/spec"
	"hellolab/providers/wire/crl"
)

// atServices is what becomes of alice's sign-ins at the services that take a
// certificate of the Hello container.
func atServices(on, toGateway, thenGateway, toRemote, thenRemote, row string) []sees {
	return []sees{
		{on: on, to: gateway, was: "allowed", is: toGateway, then: thenGateway, row: row},
		{on: on, to: remote, was: "allowed", is: toRemote, then: thenRemote, row: row},
		{on: on, to: corp, was: "allowed", is: "allowed"},
	}
}

// revokesFurther revokes alice's certificates for services, and has lists say so.
func revokesFurther(t *testing.T, l *previewLab) {
	env := l.For("authority.issuing")
	for _, c := range []string{vpnCert + "_laptop", rdpCert + "_laptop"} {
		if err := adcs.Revoke(t.Context(), env, l.serialOf(c), crl.KeyCompromise); err != nil {
			t.Fatal(err)
		}
	}
	l.Advance(8 * day)
	l.due()
	l.Restart()
}

// ofServices are the rows of services that take a certificate of the Hello container.
var ofServices = []effect{
	{row: "U9", change: "certificates for a VPN gateway and for Remote Desktop are revoked, and the lists say so", given: withContainerServices(laptop), act: revokesFurther,
		sees: atServices(laptop, "refused certificate_revoked", "admin_fix immediate D", "refused certificate_revoked", "admin_fix tgt_expiry D", "")},
	{row: "U9", change: "they are not declared any more", given: withContainerServices(laptop), edits: []edit{{addr: vpnCert + "_laptop", gone: true}, {addr: rdpCert + "_laptop", gone: true}},
		sees: atServices(laptop, "refused service_certificate_missing", "admin_fix immediate D", "refused service_certificate_missing", "admin_fix immediate D", "-")},
	{row: "U10", change: "the same, of certificates for a VPN gateway and for Remote Desktop", given: withContainerServices(laptop), edits: renamed, sees: []sees{
		{on: laptop, to: gateway, was: "allowed", is: "refused certificate_other_account", then: "admin_fix immediate D", row: "D6"},
		{on: laptop, to: remote, was: "allowed", is: "refused certificate_name_unknown", then: "admin_fix tgt_expiry I"},
		{on: laptop, to: corp, was: "allowed", is: "allowed"},
	}},
	{row: "D5", change: "the authority of certificates for services is not in NTAuth, with key trust", given: withContainerServices(desk), edits: []edit{set("authority.issuing", attrs{"ntauth": cty.False})},
		sees: atServices(desk, "refused certificate_untrusted", "admin_fix immediate D", "refused certificate_untrusted", "admin_fix tgt_expiry D", "")},
	{row: "K1", change: "a KDC has no certificate, with cloud Kerberos trust and certificates for services", trust: byCloud, given: withContainerServices(laptop), edits: []edit{template("none")},
		sees: atServices(laptop, "allowed", "", "refused kdc_no_certificate", "admin_fix tgt_expiry D", "")},
	{row: "K6", change: "a year passes, and no device renews certificates for services", given: withContainerServices(laptop), act: func(_ *testing.T, l *previewLab) {
		l.Advance(366 * day)
		l.Restart()
		l.due()
	}, sees: atServices(laptop, "refused certificate_expired", "admin_fix cert_expiry D", "refused certificate_expired", "admin_fix cert_expiry D", "-")},
	{row: "U4", change: "a user with certificates for services is disabled in the domain", given: withContainerServices(laptop), edits: []edit{set(alice, attrs{"enabled_in_domain": cty.False})}, ahead: time.Minute, sees: []sees{
		{on: laptop, to: gateway, was: "allowed", is: "refused account_disabled_in_domain", then: "admin_fix immediate I"},
		{on: laptop, to: remote, was: "allowed", is: "refused account_disabled_in_domain", then: "admin_fix tgt_expiry I"},
		{on: laptop, to: tenantAddr, was: "allowed", is: "allowed"},
	}},
}

// byProfile declares a certificate trust whose certificates device management delivers.
func byProfile(l *previewLab) {
	l.Create("trust.certificate", spec.Trust{Type: spec.TrustCertificate, Tenant: tenantAddr, Domain: corp, Authority: "authority.issuing", Delivery: "mdm_scep"})
}

// ofProfiles are the rows of sign-in certificates that device management delivers.
var ofProfiles = []effect{
	{row: "T4", change: "trust: key to certificate by device management, and one is enrolled: the certificate comes with the first sign-in", in: inFederatedKeyTrust, given: byProfile,
		edits: []edit{trusts("trust.certificate"), {addr: "enrollment.bo_laptop", make: enrollment("user.bo", laptop)}}, sees: []sees{
			{on: laptop, to: corp, was: "allowed", is: "allowed"},
			{user: "user.bo", on: laptop, to: corp, was: "refused no_hello_credential", is: "allowed"},
		}},
	{row: "T4", change: "the same, and the template of its profile is not issued", in: inFederatedKeyTrust, given: byProfile, edits: []edit{trusts("trust.certificate"), issues("WHFBDeviceAuthentication", false)}, sees: []sees{
		{on: laptop, to: corp, was: "allowed", is: "refused certificate_missing", then: "admin_fix next_signin D"},
		{on: laptop, to: tenantAddr, was: "allowed", is: "allowed"},
	}},
}
