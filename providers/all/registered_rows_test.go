package all_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/winbio"
	"hellolab/providers/wire/graph"
)

// TestLocalAccount: a local account unlocks the device. It is no account that
// Hello for Business is for; the work account's enrollment makes the container.
func TestLocalAccount(t *testing.T) {
	l := newLab(t)
	l.own(byLocalAccount)
	if keys := l.keysOf(phonepc, "container"); len(keys) != 0 {
		t.Fatalf("containers %q", keys)
	}
	t.Run("no work account, no Hello", func(t *testing.T) {
		seed.Proves(t, "PRE-03", "P1")
		l.user("bo")
		tap := l.listen()
		_, err := l.TryCreate(t.Context(), "enrollment.bo", work("user.bo", ownerPIN))
		if err == nil || !strings.Contains(err.Error(), "did not sign in with a work account") {
			t.Fatalf("%v", err)
		}
		s := l.story("P1")
		m := s.at(t, "prerequisites").Message
		if m["IsDeviceJoined"] != "YES" || m["WorkplaceJoined"] != "NO" || s.has("cxh_launch") || len(tap.exchanges()) != 0 {
			t.Errorf("%v, %d requests", m, len(tap.exchanges()))
		}
		if v := l.expect(windows.Request{User: "user.bo", Device: phonepc, PIN: providers.Secret(ownerPIN)}, "not_work_account"); v.Phase != "A" {
			t.Errorf("%+v", v)
		}
		l.expect(windows.Request{Device: phonepc, PIN: providers.Secret(ownerPIN)}, "no_hello_credential")
	})
	t.Run("the work account", func(t *testing.T) {
		seed.Proves(t, "CT-01", "P1")
		l.Create(personal, work(alice, pin, "face"))
		c := l.ownersContainer()
		if got := c.Providers(); !slices.Equal(got, []string{l.tenant().TenantID}) || len(c.Protectors) != 2 {
			t.Errorf("%q, %d protectors", got, len(c.Protectors))
		}
		l.expect(onPhone(pin), "success")
		// The gesture is the broker's to ask for: Windows was unlocked without it.
		l.story("A1").inOrder(t, "unlocked_by_owner", "gesture_prompt", "key_released", "broker_sign_in", "prt_cached", "account_signed_in")
		l.expect(windows.Request{User: alice, Device: phonepc, Gesture: "face"}, "success")
		l.Delete(personal)
		if containers := l.keysOf(phonepc, "container"); len(containers) != 0 {
			t.Errorf("left: %q", containers)
		}
		if d, err := winbio.Parse(l.raw(phonepc, "winbio", faceDB)); err != nil || len(d.Records) != 0 {
			t.Errorf("left: %+v, %v", d, err)
		}
	})
}

// TestMicrosoftAccount is no work account either.
func TestMicrosoftAccount(t *testing.T) {
	seed.Proves(t, "PRE-03", "P1")
	l := newLab(t)
	l.own()
	l.user("bo")
	_, err := l.TryCreate(t.Context(), "enrollment.bo", work("user.bo", ownerPIN))
	if err == nil || !strings.Contains(err.Error(), "did not sign in with a work account") || l.has("cxh_launch") {
		t.Fatalf("%v", err)
	}
}

// TestPersonalWithoutTPM: the owner's container and the registrations are in
// software where there is no TPM.
func TestPersonalWithoutTPM(t *testing.T) {
	l := newLabOf(t, "preferred")
	l.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}})
	l.Create("user.eve", spec.User{UPN: "eve@fabrikam.com", Tenant: "tenant.fabrikam", Password: providers.Secret(password)})
	l.own(func(d *spec.Device) { d.TPM, d.WorkAccounts = "none", []providers.Ref{alice, "user.eve"} })
	l.Create(personal, work(alice, ownerPIN, "face"))
	l.Create("enrollment.eve", work("user.eve", ownerPIN))
	for _, user := range []string{alice, "user.eve"} {
		l.expect(windows.Request{User: user, Device: phonepc, PIN: providers.Secret(ownerPIN)}, "success")
	}
	l.expect(onPhone("000000"), "wrong_pin")
	if c := l.ownersContainer(); c.Storage != ksp.Software || len(c.UserKeys) != 3 {
		t.Errorf("%d keys in %s", len(c.UserKeys), c.Storage)
	}
}

// TestTwoTenants: two work accounts register the device with two tenants, each
// with a device object and keys of its own; the container has a key for each.
func TestTwoTenants(t *testing.T) {
	l := newLab(t)
	l.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}, Attestation: "required"})
	l.Create("user.eve", spec.User{UPN: "eve@fabrikam.com", Tenant: "tenant.fabrikam", Password: providers.Secret(password)})
	out := l.own(func(d *spec.Device) { d.WorkAccounts = []providers.Ref{"user.eve", alice} })
	first := stored[machineState](l, phonepc, "machine", "record")
	second := stored[machineState](l, phonepc, "work", l.sid("eve"))
	if first.Registration.DeviceID != out.DeviceID || first.Registration.TenantID != l.tenant().TenantID || second.Registration.DeviceID == out.DeviceID {
		t.Errorf("registered as %s with %s, and as %s; learned %s", first.Registration.DeviceID, first.Registration.TenantID, second.Registration.DeviceID, out.DeviceID)
	}
	for name, pair := range map[string][2][]byte{"device": {first.DeviceKey.Public, second.DeviceKey.Public}, "transport": {first.TransportKey.Public, second.TransportKey.Public}} {
		if len(pair[1]) == 0 || string(pair[0]) == string(pair[1]) {
			t.Errorf("the tenants know the device by one %s key", name)
		}
	}
	l.Create(personal, work(alice, ownerPIN))
	l.Create("enrollment.eve_phonepc", work("user.eve", ownerPIN, "face"))
	eve := conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, "enrollment.eve_phonepc").Out

	t.Run("a key for each", func(t *testing.T) {
		seed.Proves(t, "CT-27", "P1")
		c := l.ownersContainer()
		fabrikam := conformance.Get[spec.Tenant, spec.TenantOut](l.Env, "tenant.fabrikam").Out.TenantID
		if got := c.Providers(); !slices.Equal(got, []string{container.Consumer, l.tenant().TenantID, fabrikam}) {
			t.Errorf("providers %q", got)
		}
		if key, ok := c.UserKey(fabrikam); !ok || key.ID != eve.KeyID || eve.DeviceID != second.Registration.DeviceID {
			t.Errorf("key %s, learned %+v", key.ID, eve)
		}
	})
	t.Run("each account its token", func(t *testing.T) {
		seed.Proves(t, "PRT-06", "DR")
		for _, user := range []string{"alice", "eve"} {
			if keys := l.keysOf(phonepc, "prt"); !slices.Contains(keys, l.sid(user)+"|refresh_token") {
				t.Errorf("%s has none among %q", user, keys)
			}
			l.expect(windows.Request{User: "user." + user, Device: phonepc, PIN: providers.Secret(ownerPIN)}, "success")
		}
	})
	status, err := l.windows.Status(l.For(phonepc), phonepc, "user.eve")
	if err != nil || len(status.WorkAccounts) != 2 || !status.WorkAccounts[1].NGC || !status.PRT || !status.NGC || status.Joined {
		t.Errorf("status %+v, %v", status, err)
	}
	// One tenant takes its own away, not the other's.
	l.Delete(personal)
	l.expect(windows.Request{User: "user.eve", Device: phonepc, Gesture: "face"}, "success")
	l.Delete("enrollment.eve_phonepc")
	l.Delete(phonepc)
	if n := len(l.devices()); n != 0 {
		t.Errorf("%d devices", n)
	}
}

// TestRegisteredDeviceStands: the tenant's word over a registered device is as
// over a joined one.
func TestRegisteredDeviceStands(t *testing.T) {
	l := newLab(t)
	out := l.own()
	l.Create(personal, work(alice, ownerPIN))
	off, on := false, true
	if err := l.directory().Patch(t.Context(), graph.Device{AccountEnabled: &off}, "devices", out.ObjectID); err != nil {
		t.Fatal(err)
	}
	l.expect(onPhone(ownerPIN), "key_device_disabled")
	rec, err := l.Read(t.Context(), phonepc)
	if err != nil || rec.In.GetAttr("enabled_in_tenant").True() {
		t.Errorf("a disabled device reads as %#v, %v", rec.In, err)
	}
	l.expect(windows.Request{Device: phonepc, PIN: providers.Secret(ownerPIN)}, "success") // its owner's still
	if err := l.directory().Patch(t.Context(), graph.Device{AccountEnabled: &on}, "devices", out.ObjectID); err != nil {
		t.Fatal(err)
	}
	l.expect(onPhone(ownerPIN), "success")
	if err := l.directory().Delete(t.Context(), "devices", out.ObjectID); err != nil {
		t.Fatal(err)
	}
	l.expect(onPhone(ownerPIN), "key_device_unknown")
	if _, err := l.Read(t.Context(), phonepc); err == nil {
		t.Error("a device that the tenant does not have reads as there")
	}
}

// TestDevicePINMeetsPolicy: the container's PIN was chosen before the
// organisation had a say.
func TestDevicePINMeetsPolicy(t *testing.T) {
	l := newLab(t)
	l.own()
	eight := 8
	l.Create("policy.p", spec.Policy{PINComplexity: &spec.PINComplexity{MinimumPINLength: &eight}})
	_, err := l.TryCreate(t.Context(), personal, work(alice, ownerPIN))
	if err == nil || !strings.Contains(err.Error(), "The device's PIN is not what the organisation's policy asks for") {
		t.Fatalf("%v", err)
	}
	if got := l.ownersContainer().Providers(); !slices.Equal(got, []string{container.Consumer}) || len(l.helloKeys("alice")) != 0 {
		t.Errorf("the container has keys of %q", got)
	}
}

// TestWrongPINsAtEnrollment count at the container's own gate.
func TestWrongPINsAtEnrollment(t *testing.T) {
	l := newLab(t)
	l.own()
	for range 2 {
		if _, err := l.TryCreate(t.Context(), personal, work(alice, "918273")); err == nil || !strings.Contains(err.Error(), "The PIN is wrong") {
			t.Fatal(err)
		}
	}
	if wrong := l.ownersContainer().Gate.Wrong; wrong != 2 {
		t.Errorf("%d wrong PINs", wrong)
	}
	l.Create(personal, work(alice, ownerPIN))
	if wrong := l.ownersContainer().Gate.Wrong; wrong != 0 {
		t.Errorf("%d wrong PINs after the right one", wrong)
	}
}

// TestRegisteredNeedsItsTenant: the device's tenant is that of a work account.
func TestRegisteredNeedsItsTenant(t *testing.T) {
	l := newLab(t)
	l.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}})
	_, err := l.TryCreate(t.Context(), phonepc, spec.Device{Join: "registered", Tenant: "tenant.fabrikam", WorkAccounts: []providers.Ref{alice}})
	if err == nil || !strings.Contains(err.Error(), "work_accounts") {
		t.Errorf("%v", err)
	}
}

func TestRegisteredDeviceConforms(t *testing.T) {
	device := func(n int) spec.Device {
		return spec.Device{Join: "registered", Tenant: "tenant.contoso", Name: fmt.Sprintf("pc-%d", n),
			WorkAccounts: []providers.Ref{providers.Ref(fmt.Sprintf("user.u%d", n)), providers.Ref(fmt.Sprintf("user.f%d", n))},
			UnlockPIN:    providers.Secret(fmt.Sprintf("9157302%d", n))}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "device",
		Env: func(tb testing.TB) *conformance.Env {
			l := newLab(tb)
			l.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}})
			for n := range 4 {
				l.user(fmt.Sprintf("u%d", n))
				l.Create(fmt.Sprintf("user.f%d", n), spec.User{UPN: fmt.Sprintf("f%d@fabrikam.com", n), Tenant: "tenant.fabrikam", Password: providers.Secret(password)})
			}
			return l.Env
		},
		In:     func(n int) any { return device(n) },
		Change: func(n int) any { d := device(n); d.OS = "windows-10-22h2"; return d },
		Every:  every(),
	})
}

// TestKilledRegistrationLeavesNothing kills the creation of a personal device,
// does what a next run does, and counts what is there.
func TestKilledRegistrationLeavesNothing(t *testing.T) {
	in := spec.Device{Join: "registered", Tenant: "tenant.contoso", WorkAccounts: []providers.Ref{alice, "user.eve"}, UnlockPIN: providers.Secret(ownerPIN)}
	for n := 1; ; n += every() {
		l := newLab(t)
		l.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}})
		l.Create("user.eve", spec.User{UPN: "eve@fabrikam.com", Tenant: "tenant.fabrikam", Password: providers.Secret(password)})
		l.Declare(phonepc, in)
		if killed := l.KillAt(t.Context(), n, func(ctx context.Context) { l.TryCreate(ctx, phonepc, in) }); !killed {
			return
		}
		l.again(phonepc, in)
		if devices := l.devices(); len(devices) != 1 {
			t.Fatalf("killed at instant %d: %d device objects\n%s", n, len(devices), l.trace())
		}
		for _, user := range []string{"alice", "eve"} {
			if keys := l.keysOf(phonepc, "prt"); !slices.Contains(keys, l.sid(user)+"|refresh_token") && !slices.Contains(keys, l.sid(user)+"|password") {
				t.Fatalf("killed at instant %d: no token of %s among %q\n%s", n, user, keys, l.trace())
			}
		}
		l.Create(personal, work(alice, ownerPIN))
		l.expect(onPhone(ownerPIN), "success")
		if got := len(l.ownersContainer().UserKeys); got != 2 {
			t.Fatalf("killed at instant %d: %d keys", n, got)
		}
	}
}

// TestKilledSharingLeavesNoKey is the same for an enrollment in the owner's container.
func TestKilledSharingLeavesNoKey(t *testing.T) {
	for n := 1; ; n += every() {
		l := newLab(t)
		l.own()
		in := work(alice, ownerPIN, "face")
		l.Declare(personal, in)
		if killed := l.KillAt(t.Context(), n, func(ctx context.Context) { l.TryCreate(ctx, personal, in) }); !killed {
			return
		}
		l.again(personal, in)
		c := l.ownersContainer()
		if keys := l.helloKeys("alice"); len(keys) != 1 || len(c.UserKeys) != 2 || len(c.Protectors) != 2 {
			t.Fatalf("killed at instant %d: %d keys in the directory, %d in the container, %d protectors\n%s", n, len(keys), len(c.UserKeys), len(c.Protectors), l.trace())
		}
		l.expect(onPhone(ownerPIN), "success")
		l.Delete(personal)
		if c := l.ownersContainer(); len(l.helloKeys("alice")) != 0 || len(c.UserKeys) != 1 || len(c.Protectors) != 1 {
			t.Fatalf("killed at instant %d: left %+v", n, c)
		}
	}
}

// TestTokenAtSignIn: on a joined device it is the sign-in that brings the
// token, and each brings a new one; joining the device brought none.
func TestTokenAtSignIn(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	if keys := l.keysOf(laptop, "prt"); len(keys) != 0 {
		t.Fatalf("tokens after the join: %q", keys)
	}
	l.enroll()
	sid := l.sid("alice")
	if keys := l.keysOf(laptop, "prt"); slices.Contains(keys, sid+"|ngc") {
		t.Fatalf("tokens before the first Hello sign-in: %q", keys)
	}
	for _, c := range []struct {
		name string
		r    windows.Request
		key  string
	}{{"PIN", byPIN(pin), "ngc"}, {"PIN again", byPIN(pin), "ngc"}, {"password", windows.Request{Password: providers.Secret(password)}, "password"}} {
		t.Run(c.name, func(t *testing.T) {
			seed.Proves(t, "PRT-04", "A1")
			seed.Proves(t, "PRT-05", "A1")
			was, _ := storedIn[prtState](t, l.For(laptop).Section, "prt", sid+"|"+c.key)
			l.Advance(1)
			l.expect(c.r, "success")
			s := l.story("A1")
			s.by(t, "E", event.LSASS, "", "prt_cached")
			is := stored[prtState](l, laptop, "prt", sid+"|"+c.key)
			if is.Token == was.Token || !is.Obtained.After(was.Obtained) {
				t.Errorf("token of %s, before of %s", is.Obtained, was.Obtained)
			}
			if code := l.useToken(t, laptop, is); code != 0 {
				t.Errorf("AADSTS%d", code)
			}
		})
	}
}

// TestApplicationsFromPersonal: the work account's token signs in to
// applications from a personal device, which is registered and not joined.
func TestApplicationsFromPersonal(t *testing.T) {
	seed.Proves(t, "PRT-06", "A1")
	l := newLab(t)
	l.own()
	l.Create(personal, work(alice, ownerPIN))
	l.portal(spec.ApplicationRequire{MFA: true})
	if v := l.expect(to(onPhone(ownerPIN)), "success"); v.Claims["deviceid"] != stored[machineState](l, phonepc, "machine", "record").Registration.DeviceID {
		t.Errorf("claims %v", v.Claims)
	}
	l.require(spec.ApplicationRequire{JoinedDevice: true})
	if v := l.signIn(to(onPhone(ownerPIN))); v.Code == "success" || v.Reason == nil || v.Reason.Code != "AADSTS53001" {
		t.Errorf("as a joined device: %s, %+v", v.Code, v.Reason)
	}
	l.require(spec.ApplicationRequire{CompliantDevice: true})
	l.expect(to(onPhone(ownerPIN)), "device_not_compliant")
	l.patchDevice(phonepc, graph.Device{IsCompliant: new(true)})
	l.expect(to(onPhone(ownerPIN)), "success")
}
