package all_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
)

// everyInstant makes the kill tests try every instant; else they try one in five.
var everyInstant = flag.Bool("every-instant", false, "kill at every instant, not at each fifth")

func every() int {
	if *everyInstant {
		return 1
	}
	return 5
}

func TestPolicyConforms(t *testing.T) {
	off := false
	conformance.Run(t, conformance.Harness{
		Kind:   "policy",
		Env:    func(tb testing.TB) *conformance.Env { return newLab(tb).Env },
		In:     func(int) any { return spec.Policy{} },
		Change: func(int) any { return spec.Policy{UsePassportForWork: &off} },
	})
}

func TestDeviceConforms(t *testing.T) {
	device := func(n int) spec.Device {
		return spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref(fmt.Sprintf("user.u%d", n)), Name: fmt.Sprintf("pc-%d", n)}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "device",
		Env: func(tb testing.TB) *conformance.Env {
			l := newLab(tb)
			for n := range 4 {
				l.user(fmt.Sprintf("u%d", n))
			}
			return l.Env
		},
		In:     func(n int) any { return device(n) },
		Change: func(n int) any { d := device(n); d.OS, d.Compliant = "windows-10-22h2", true; return d },
		Every:  every(),
	})
}

func TestEnrollmentConforms(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Kind: "enrollment",
		Env: func(tb testing.TB) *conformance.Env {
			l := newLab(tb)
			for n := range 4 {
				user := fmt.Sprintf("u%d", n)
				l.user(user)
				l.Create("device."+user, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref("user." + user), Biometrics: []string{"face"}})
			}
			return l.Env
		},
		In: func(n int) any {
			return spec.Enrollment{
				User: providers.Ref(fmt.Sprintf("user.u%d", n)), Device: providers.Ref(fmt.Sprintf("device.u%d", n)),
				PIN: providers.Secret(fmt.Sprintf("9157302%d", n)), Gestures: []string{"face"},
			}
		},
		Every: every(),
	})
}

func TestCertificateConforms(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Kind: "certificate",
		Env: func(tb testing.TB) *conformance.Env {
			l := newHybridLab(tb)
			l.Create("user.bo", spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(first)})
			for _, user := range []string{"alice", "bo"} {
				l.Create("device."+user, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref("user." + user), TrustedRoots: []providers.Ref{"authority.issuing"}})
				l.Create("enrollment."+user, spec.Enrollment{User: providers.Ref("user." + user), Device: providers.Ref("device." + user), PIN: providers.Secret(pin)})
			}
			return l.Env
		},
		In: func(n int) any {
			return spec.Certificate{Enrollment: []providers.Ref{"enrollment.alice", "enrollment.bo"}[n/2%2], Authority: "authority.issuing",
				Purpose: []string{spec.PurposeVPN, spec.PurposeRDP}[n%2], Delivery: "mdm_scep"}
		},
		Every: every(),
	})
}

// TestKilledJoinLeavesNothing kills the creation of a device, does what a next
// run does, and counts device objects.
func TestKilledJoinLeavesNothing(t *testing.T) {
	in := spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: alice}
	for n := 1; ; n += every() {
		l := newLab(t)
		l.Declare(laptop, in)
		killed := l.KillAt(t.Context(), n, func(ctx context.Context) { l.TryCreate(ctx, laptop, in) })
		if !killed {
			return
		}
		l.again(laptop, in)
		if devices := l.devices(); len(devices) != 1 {
			t.Fatalf("killed at instant %d: %d device objects\n%s", n, len(devices), l.trace())
		}
		l.enroll()
		if m := l.story("P1").at(t, "pool_take").Message; m["pregenerated"] != true || m["attested"] != true {
			t.Errorf("killed at instant %d: the pool gave %v", n, m)
		}
		l.expect(byPIN(pin), "success")
	}
}

// TestKilledEnrollmentLeavesNoKey is the same for provisioning and keys.
func TestKilledEnrollmentLeavesNoKey(t *testing.T) {
	for n := 1; ; n += every() {
		l := newLab(t)
		l.device("laptop")
		l.Declare(enrolled, enrollment(alice, laptop))
		killed := l.KillAt(t.Context(), n, func(ctx context.Context) { l.TryCreate(ctx, enrolled, enrollment(alice, laptop)) })
		if !killed {
			return
		}
		l.again(enrolled, enrollment(alice, laptop))
		if keys := l.helloKeys("alice"); len(keys) != 1 {
			t.Fatalf("killed at instant %d: %d keys\n%s", n, len(keys), l.trace())
		}
		l.expect(byPIN(pin), "success")
		l.Delete(enrolled)
		if keys := l.helloKeys("alice"); len(keys) != 0 {
			t.Fatalf("killed at instant %d: %d keys after deletion", n, len(keys))
		}
	}
}

// again is what a run after a killed one does with an object: what is there is
// adopted, what is half there is made anew.
func (l *lab) again(addr string, in any) {
	l.t.Helper()
	kind := l.kind(strings.Split(addr, ".")[0])
	declared := l.Declare(addr, in)
	rec, err := l.Find(l.t.Context(), addr, kind.Key(declared.In))
	switch {
	case errors.Is(err, providers.ErrGone):
		l.Create(addr, in)
	case err != nil:
		l.t.Fatal(err)
	case text(rec, "join") == "none":
		l.Delete(addr)
		l.Create(addr, in)
	}
}

func text(rec providers.Record, attr string) string {
	if !rec.In.Type().HasAttribute(attr) {
		return ""
	}
	return rec.In.GetAttr(attr).AsString()
}
