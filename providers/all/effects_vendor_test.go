package all_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

const vendor = "federation.idp"

// federatesWith are the attributes of a tenant whose passwords a service checks; ""
// is that it checks them itself.
func federatesWith(service string) attrs {
	if service == "" {
		return attrs{"authentication": word("managed"), "federation": cty.NullVal(cty.String)}
	}
	return attrs{"authentication": word("federated"), "federation": word(service)}
}

// inVendorLab is a tenant, another vendor's federation service, which checks the
// passwords when the tenant is federated, and bo, who has Hello on the laptop.
func inVendorLab(federated bool) func(testing.TB) *previewLab {
	return func(t testing.TB) *previewLab {
		l := &previewLab{newLab(t)}
		l.Create(vendor, spec.Federation{Kind: spec.FederationThirdParty, Host: "idp.example.com"})
		if federated {
			l.change(tenantAddr, federatesWith(vendor))
		}
		l.Create("user.bo", spec.User{UPN: "bo@contoso.com", Tenant: tenantAddr, Password: providers.Secret(previewPassword)})
		l.device("laptop", func(d *spec.Device) { d.JoinedBy = "user.bo" })
		l.Advance(day) // a code of an authenticator app works once
		l.Create("enrollment.bo_laptop", enrollment("user.bo", laptop))
		return l
	}
}

// boGoesOn is bo by PIN, and by password as it becomes.
func boGoesOn(was, is, then string) []sees {
	return []sees{
		{user: "user.bo", on: laptop, to: tenantAddr, was: "allowed", is: "allowed"},
		{user: "user.bo", on: laptop, by: access.ByPassword, was: was, is: is, then: then, row: "-"},
	}
}

// raisesPassword is that password_version is raised.
var raisesPassword = set("user.bo", attrs{"password_version": whole(2), "password": word(previewPassword)})

// ofVendors are the rows of another vendor's federation service, and of a federation
// service's token-signing certificate.
var ofVendors = []effect{
	{row: "T8", change: "federated with another vendor's service to managed: the tenant has no passwords", in: inVendorLab(true), edits: []edit{set(tenantAddr, federatesWith(""))},
		gap: "tenant.contoso will have no password of user.bo", sees: boGoesOn("allowed", "refused wrong_password", "admin_fix next_signin I")},
	{row: "T8", change: "the same, and password_version is raised", in: inVendorLab(true), edits: []edit{set(tenantAddr, federatesWith("")), raisesPassword}, sees: boGoesOn("allowed", "allowed", "")},
	{row: "T9", change: "managed to federated with another vendor's service, which has no accounts", in: inVendorLab(false), edits: []edit{set(tenantAddr, federatesWith(vendor))},
		gap: "federation.idp will have no password of user.alice, user.bo", sees: boGoesOn("allowed", "refused wrong_password", "admin_fix next_signin I")},
	{row: "T9", change: "the same, and password_version is raised", in: inVendorLab(false), edits: []edit{set(tenantAddr, federatesWith(vendor)), raisesPassword},
		gap: "federation.idp will have no password of user.alice:", sees: boGoesOn("allowed", "allowed", "")},
	{row: "Q3", change: "another vendor's federation service is down", in: inVendorLab(true), edits: []edit{set(vendor, attrs{"enabled": cty.False})}, sees: []sees{
		{user: "user.bo", on: laptop, to: tenantAddr, was: "allowed", is: "allowed"},
		{user: "user.bo", on: laptop, by: access.ByPassword, was: "allowed", is: "refused federation_unreachable", then: "admin_fix immediate D"},
	}},
	{row: "Q3", change: "the federation service signs by a new certificate, which the tenant has not read", in: inFederatedKeyTrust, edits: []edit{federation(attrs{"signing_version": whole(2)})}, sees: and(
		sees{on: laptop, by: access.ByPassword, was: "allowed", is: "refused assertion_refused", then: "- immediate D"},
		sees{on: desk, by: access.ByPassword, was: "allowed", is: "degraded assertion_refused", then: "- immediate D"})},
	{row: "Q3", change: "the same, a day later", in: inFederatedKeyTrust, edits: []edit{federation(attrs{"signing_version": whole(2)})}, ahead: day + day/24,
		sees: and(sees{on: laptop, by: access.ByPassword, was: "allowed", is: "allowed"})},
	{row: "Q3", change: "the same, and one is to be enrolled", in: inFederatedKeyTrust, edits: []edit{federation(attrs{"signing_version": whole(2)}), makesBo}, gap: "assertion_refused", sees: and(boWaits)},
}
