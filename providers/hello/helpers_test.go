package hello

import (
	"testing"

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
	case spec.Application:
		return "application", spec.ApplicationOut{}
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
		"tenant.contoso": spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "managed", Attestation: "preferred"},
		"user.alice": spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret("correct horse"),
			PasswordVersion: 1, MFA: "totp", EnabledInTenant: true},
		"device.laptop": spec.Device{Join: "entra", Tenant: "tenant.contoso", OS: "windows-11-24h2", TPM: "2.0",
			Biometrics: []string{"face"}, Session: "local", EnabledInTenant: true},
		"enrollment.alice_laptop": spec.Enrollment{User: "user.alice", Device: "device.laptop", PIN: providers.Secret("271828"), PINVersion: 1},
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
