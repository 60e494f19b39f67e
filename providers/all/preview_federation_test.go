package all_test

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// newFederatedPreviewLab is a lab like newPreviewLab whose tenant is federated with
// the AD FS of the domain.
func newFederatedPreviewLab(t testing.TB, trust string) *previewLab {
	t.Helper()
	l := &previewLab{newFederatedLab(t, trust)}
	l.Create("user.bo", spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(previewPassword)})
	l.Create("group.staff", spec.Group{Domain: corp, Members: []providers.Ref{alice, "user.bo"}})
	l.Create(desk, spec.Device{Join: "hybrid", Tenant: "tenant.contoso", Domain: corp, Biometrics: []string{"face"}})
	l.device("laptop", func(d *spec.Device) { d.TrustedRoots = []providers.Ref{"authority.issuing"} })
	l.Create("policy.pin", spec.Policy{PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(4)}, Biometrics: &spec.Biometrics{UseBiometrics: ptr(true)}})
	l.Create("application.open", spec.Application{Tenant: "tenant.contoso"})
	l.Create("application.strict", spec.Application{Tenant: "tenant.contoso", Require: &spec.ApplicationRequire{MFA: true, JoinedDevice: true}})
	l.Create("service.web", spec.Service{Domain: corp, Kind: spec.ServiceKerberos, Authorize: []providers.Ref{"group.staff"}})
	l.Create("service.old", spec.Service{Domain: corp, Kind: spec.ServiceNTLM})
	l.cycle() // writes the devices back
	l.Create("enrollment.alice_desk", enrollment(alice, desk, "face"))
	l.Create("enrollment.alice_laptop", enrollment(alice, laptop))
	return l
}

// TestDecisionsOfFederatedLabs: in labs with AD FS, every sign-in ends as the
// decision says.
func TestDecisionsOfFederatedLabs(t *testing.T) {
	for _, trust := range []string{spec.TrustCertificate, spec.TrustKey, spec.TrustCloudKerberos} {
		t.Run(trust, func(t *testing.T) {
			l := newFederatedPreviewLab(t, trust)
			l.expectAll(t)
			l.cycle()
			l.expectAll(t)
		})
	}
}

var _ = access.ByPassword

// newOnPremPreviewLab is a domain with AD FS and no tenant.
func newOnPremPreviewLab(t testing.TB, trust string) *previewLab {
	t.Helper()
	l := &previewLab{newOnPremLab(t, trust)}
	l.Create("user.bo", spec.User{UPN: "bo@contoso.com", Domain: corp, Password: providers.Secret(previewPassword)})
	l.Create("group.staff", spec.Group{Domain: corp, Members: []providers.Ref{alice, "user.bo"}})
	l.Create(desk, onPremDesk(func(d *spec.Device) { d.Biometrics = []string{"face"} }))
	l.Create("policy.pin", spec.Policy{PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(4)}, Biometrics: &spec.Biometrics{UseBiometrics: ptr(true)}})
	l.Create("service.web", spec.Service{Domain: corp, Kind: spec.ServiceKerberos, Authorize: []providers.Ref{"group.staff"}})
	l.Create("service.old", spec.Service{Domain: corp, Kind: spec.ServiceNTLM})
	l.Create("enrollment.alice_desk", enrollment(alice, desk, "face"))
	return l
}

// TestDecisionsOnPremises is the same without a tenant.
func TestDecisionsOnPremises(t *testing.T) {
	for _, trust := range []string{spec.TrustKey, spec.TrustCertificate} {
		t.Run(trust, func(t *testing.T) {
			l := newOnPremPreviewLab(t, trust)
			l.expectAll(t)
		})
	}
}
