package hello

import (
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// records encodes declared objects as a planner would hold them: objects that
// are to be made, unless made gives them an ID.
func records(t testing.TB, objects map[string]any, made ...string) []providers.Record {
	t.Helper()
	var recs []providers.Record
	for _, addr := range sortedKeys(objects) {
		kind, out := kindOf(t, objects[addr])
		in, err := providers.Encode(objects[addr], providers.KeepZero)
		if err != nil {
			t.Fatal(err)
		}
		rec := providers.Record{Addr: addr, Kind: kind, In: in, Out: cty.NullVal(cty.DynamicPseudoType)}
		for _, m := range made {
			if m == addr {
				rec.ID = "id-of-" + addr
				if rec.Out, err = providers.Encode(out, providers.KeepZero); err != nil {
					t.Fatal(err)
				}
			}
		}
		recs = append(recs, rec)
	}
	return recs
}

func kindOf(t testing.TB, in any) (kind string, out any) {
	t.Helper()
	switch in.(type) {
	case spec.Tenant:
		return "tenant", spec.TenantOut{}
	case spec.Group:
		return "group", spec.GroupOut{}
	case spec.User:
		return "user", spec.UserOut{}
	case spec.Device:
		return "device", spec.DeviceOut{}
	case spec.Policy:
		return "policy", spec.PolicyOut{}
	case spec.Enrollment:
		return "enrollment", spec.EnrollmentOut{}
	case spec.Domain:
		return "domain", spec.DomainOut{}
	case spec.Service:
		return "service", spec.ServiceOut{}
	case spec.Authority:
		return "authority", spec.AuthorityOut{}
	case spec.Sync:
		return "sync", spec.SyncOut{}
	case spec.Trust:
		return "trust", spec.TrustOut{}
	case spec.Application:
		return "application", spec.ApplicationOut{}
	case spec.Federation:
		return "federation", spec.FederationOut{}
	case spec.PasswordSettings:
		return "password_settings", spec.PasswordSettingsOut{}
	case spec.Certificate:
		return "certificate", spec.CertificateOut{}
	}
	t.Fatalf("no kind for %T", in)
	return "", nil
}

func worldOf(t testing.TB, objects map[string]any, made ...string) *World {
	t.Helper()
	w, err := NewWorld(records(t, objects, made...))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// goodLab is a lab without problems: one tenant, user, device, enrollment.
func goodLab() map[string]any {
	return map[string]any{
		"tenant.contoso": spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "managed", Attestation: "preferred", DeviceQuota: 50},
		"user.alice": spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret("correct horse"),
			PasswordVersion: 1, MFA: "totp", EnabledInTenant: true},
		"device.laptop": spec.Device{Join: "entra", Tenant: "tenant.contoso", OS: "windows-11-24h2", TPM: "2.0",
			Biometrics: []string{"face"}, Session: "local", EnabledInTenant: true},
		"enrollment.alice_laptop": spec.Enrollment{User: "user.alice", Device: "device.laptop", PIN: providers.Secret("271828"), PINVersion: 1},
	}
}

// hybridLab is a lab without problems: a tenant and a domain that a sync and a
// key trust link, alice in both, a hybrid joined desk and an Entra joined tablet
// with her enrollments, and bo, who is in the tenant alone.
func hybridLab() map[string]any {
	return map[string]any{
		"tenant.contoso": spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "managed", Attestation: "preferred", DeviceQuota: 50},
		"domain.corp":    spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", FunctionalLevel: "2016", Mapping: "full", CachedLogons: 10},
		"authority.root": spec.Authority{Domain: "domain.corp", CommonName: "Corp CA", NTAuth: true, OCSP: true},
		"sync.up":        spec.Sync{Tenant: "tenant.contoso", Domain: "domain.corp", Interval: 30 * time.Minute, Enabled: true, KeyExport: true, KeyRight: true},
		"trust.key":      spec.Trust{Type: "key", KeyVersion: 1, Tenant: "tenant.contoso", Domain: "domain.corp"},
		"policy.hello":   spec.Policy{Source: "gpo", Scope: "device", Trust: "trust.key", UsePassportForWork: ptr(true)},
		"user.alice": spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Domain: "domain.corp", Password: providers.Secret("correct horse"),
			PasswordVersion: 1, MFA: "totp", EnabledInTenant: true, EnabledInDomain: true},
		"user.bo": spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret("correct horse"),
			PasswordVersion: 1, MFA: "totp", EnabledInTenant: true},
		"device.desk": spec.Device{Join: "hybrid", Tenant: "tenant.contoso", Domain: "domain.corp", TPM: "2.0", Session: "local",
			Network: "onsite", RevocationUnknown: "refuse", EnabledInTenant: true, EnabledInDomain: true},
		"device.tablet": spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: "user.bo", TPM: "2.0", Session: "local", Network: "onsite",
			TrustedRoots: []providers.Ref{"authority.root"}, RevocationUnknown: "refuse", EnabledInTenant: true},
		"enrollment.desk":   spec.Enrollment{User: "user.alice", Device: "device.desk", PIN: providers.Secret("271828"), PINVersion: 1},
		"enrollment.tablet": spec.Enrollment{User: "user.alice", Device: "device.tablet", PIN: providers.Secret("271828"), PINVersion: 1},
	}
}

// with returns the good lab with one object changed or added.
func with[T any](objects map[string]any, addr string, change func(*T)) map[string]any {
	v, _ := objects[addr].(T)
	change(&v)
	objects[addr] = v
	return objects
}

func ptr[T any](v T) *T { return &v }
