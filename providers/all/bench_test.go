package all_test

import (
	"fmt"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// BenchmarkEnrollment is a user's and a device's first day: join and P1.
func BenchmarkEnrollment(b *testing.B) {
	l := newLab(b)
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		user, device := fmt.Sprintf("user.b%d", n), fmt.Sprintf("device.b%d", n)
		l.user(fmt.Sprintf("b%d", n))
		b.StartTimer()
		l.Create(device, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref(user)})
		l.Create(fmt.Sprintf("enrollment.b%d", n), enrollment(user, device))
	}
}

// BenchmarkSignIn is flow A1 by PIN.
func BenchmarkSignIn(b *testing.B) {
	l := newLab(b)
	l.device("laptop")
	l.enroll()
	for b.Loop() {
		if v := l.signIn(windows.Request{PIN: providers.Secret(pin)}); v.Code != "success" {
			b.Fatalf("%+v", v)
		}
	}
}
