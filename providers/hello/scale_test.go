package hello

import (
	"fmt"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// BenchmarkValidate reads and checks a lab of 1,000 enrollments, users and
// devices under 20 policies and groups.
func BenchmarkValidate(b *testing.B) {
	lab := goodLab()
	for i := range 20 {
		group := fmt.Sprintf("group.g%d", i)
		lab[group] = spec.Group{Tenant: "tenant.contoso"}
		lab[fmt.Sprintf("policy.p%d", i)] = spec.Policy{Source: "mdm", Scope: "device", Assign: []providers.Ref{providers.Ref(group)}, RequireSecurityDevice: ptr(true)}
	}
	for i := range 1000 {
		user, device := fmt.Sprintf("user.u%d", i), fmt.Sprintf("device.d%d", i)
		lab[user], lab[device] = lab["user.alice"], lab["device.laptop"]
		with(lab, user, func(u *spec.User) {
			u.UPN, u.Groups = fmt.Sprintf("u%d@contoso.com", i), []providers.Ref{providers.Ref(fmt.Sprintf("group.g%d", i%20))}
		})
		lab[fmt.Sprintf("enrollment.e%d", i)] = spec.Enrollment{User: providers.Ref(user), Device: providers.Ref(device), PIN: providers.Secret("271828")}
	}
	recs := records(b, lab)
	for b.Loop() {
		w, err := NewWorld(recs)
		if err != nil {
			b.Fatal(err)
		}
		if ps := Validate(w); len(ps) != 0 {
			b.Fatalf("%+v", ps[0])
		}
	}
}
