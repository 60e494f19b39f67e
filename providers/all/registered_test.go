package all_test

import (
	"bytes"
	"net/http"
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
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
)

const (
	phonepc  = "device.phonepc"
	ownerPIN = "730415"
	personal = "enrollment.alice_phonepc"
)

// own makes alice's own device: her Microsoft account unlocks it, and her work
// account is added.
func (l *lab) own(change ...func(*spec.Device)) spec.DeviceOut {
	l.t.Helper()
	d := spec.Device{Join: "registered", Tenant: "tenant.contoso", WorkAccounts: []providers.Ref{alice},
		UnlockPIN: providers.Secret(ownerPIN), Biometrics: []string{"face"}}
	for _, c := range change {
		c(&d)
	}
	l.Create(phonepc, d)
	return conformance.Get[spec.Device, spec.DeviceOut](l.Env, phonepc).Out
}

func byLocalAccount(d *spec.Device) { d.UnlockAccount, d.UnlockPIN = "local", nil }

// work is an enrollment of a work account on the personal device.
func work(user, pin string, gestures ...string) spec.Enrollment {
	e := enrollment(user, phonepc, gestures...)
	e.PIN = providers.Secret(pin)
	return e
}

// onPhone is a sign-in of alice's work account there.
func onPhone(pin string) windows.Request {
	return windows.Request{User: alice, Device: phonepc, PIN: providers.Secret(pin)}
}

// ownersContainer is the device's one container.
func (l *lab) ownersContainer() *container.Container {
	l.t.Helper()
	return stored[*container.Container](l, phonepc, "container", l.sidOf(phonepc, "container"))
}

// TestAddWorkAccount is a personal device from its first day until its owner
// has added a work account.
func TestAddWorkAccount(t *testing.T) {
	l := newLab(t)
	tap := l.listen()
	out := l.own()
	sid := l.sid("alice")
	s := l.story("DR")

	t.Run("join type", func(t *testing.T) {
		seed.Proves(t, "DR-06", "DR")
		join, err := drs.ParseJoinRequest(tap.last(t, http.MethodPost, drs.PathDevice).body)
		if err != nil || join.JoinType != drs.JoinRegister {
			t.Errorf("join request %+v, %v", join, err)
		}
		devices := l.devices()
		if len(devices) != 1 || devices[0].TrustType != graph.TrustRegistered || devices[0].DeviceID != out.DeviceID || devices[0].ID != out.ObjectID {
			t.Errorf("the directory has %+v, learned %+v", devices, out)
		}
		reg := stored[machineState](l, phonepc, "machine", "record").Registration
		id, err := drs.ParseIdentity(parsed(t, reg.Certificate))
		if err != nil || id.Joined || id.DeviceID.String() != out.DeviceID {
			t.Errorf("the certificate is for %+v, %v", id, err)
		}
	})
	t.Run("token when the account is added", func(t *testing.T) {
		seed.Proves(t, "DR-09", "DR")
		seed.Proves(t, "PRT-06", "DR")
		s.inOrder(t, "unlocked_by_owner", "add_work_account", "discover", "account_sign_in", "password_prompt", "mfa_done", "registration_token",
			"join_request", "device_registered", "join_reply", "aik_certificate", "registered", "prt_request", "prt_issued",
			"session_key_unwrapped", "session_key_protected", "prt_cached")
		if s.has("lock_screen_dismissed") || s.has("credentials_to_lsass") {
			t.Errorf("somebody logged on:\n%s", s)
		}
		token := stored[prtState](l, phonepc, "prt", sid+"|refresh_token")
		if code := l.useToken(t, phonepc, token); code != 0 || token.UPN != "alice@contoso.com" {
			t.Errorf("the token of %s: AADSTS%d", token.UPN, code)
		}
		if keys := l.keysOf(phonepc, "wam"); len(keys) != 0 {
			t.Errorf("the sign-in's own token is still there: %q", keys)
		}
		// It is held where nobody logs on with the account.
		if e := s.at(t, "prt_cached"); e.Actor != event.WAM {
			t.Errorf("the token is with %s", e.Actor)
		}
	})
	t.Run("not at unlock", func(t *testing.T) {
		seed.Proves(t, "DR-09", "DR")
		seed.Proves(t, "PRT-06", "DR")
		before, requests := stored[prtState](l, phonepc, "prt", sid+"|refresh_token"), len(tap.exchanges())
		l.expect(windows.Request{Device: phonepc, PIN: providers.Secret(ownerPIN)}, "success")
		if n := len(tap.exchanges()); n != requests {
			t.Errorf("unlocking made %d requests", n-requests)
		}
		if keys := l.keysOf(phonepc, "prt"); !slices.Equal(keys, []string{sid + "|refresh_token"}) {
			t.Errorf("tokens after unlocking: %q", keys)
		}
		if after := stored[prtState](l, phonepc, "prt", sid+"|refresh_token"); after.Token != before.Token {
			t.Error("unlocking changed the work account's token")
		}
		l.expect(windows.Request{Device: phonepc, PIN: providers.Secret("000000")}, "wrong_pin")
	})
	t.Run("leaves", func(t *testing.T) {
		l.Delete(phonepc)
		if n := len(l.devices()); n != 0 {
			t.Errorf("%d devices", n)
		}
	})
}

// TestSharedContainer: Microsoft account and work account have one container
// on a personal device, and each provider its own keys in it.
func TestSharedContainer(t *testing.T) {
	l := newLab(t)
	tap := l.listen()
	out := l.own()
	before := l.ownersContainer()
	_, err := l.TryCreate(t.Context(), personal, work(alice, "918273", "face"))
	if err == nil || !strings.Contains(err.Error(), "The PIN is wrong") {
		t.Fatalf("another PIN than the container's: %v", err)
	}
	if n := len(l.helloKeys("alice")); n != 0 {
		t.Fatalf("%d keys", n)
	}
	l.Create(personal, work(alice, ownerPIN, "face"))
	e := conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, personal).Out
	c := l.ownersContainer()
	tenant := l.tenant().TenantID

	t.Run("one container, two sections", func(t *testing.T) {
		seed.Proves(t, "CT-16", "P1")
		if c.ID != before.ID || c.AuthKey.ID != before.AuthKey.ID || len(before.UserKeys) != 1 || len(c.UserKeys) != 2 {
			t.Errorf("before %+v\nafter %+v", before, c)
		}
		if got := c.Providers(); !slices.Equal(got, []string{container.Consumer, tenant}) {
			t.Errorf("providers %q", got)
		}
		if e.DeviceID != out.DeviceID || e.Flow != "P1" {
			t.Errorf("learned %+v", e)
		}
		s := l.story("P1")
		s.inOrder(t, "prerequisites", "cxh_launch", "drs_token", "pin_prompt", "container_shared", "user_key_bound", "key_id_stored")
		if s.has("container_created") || s.at(t, "prerequisites").Message["WorkplaceJoined"] != "YES" {
			t.Errorf("%s", s)
		}
	})
	t.Run("keys apart", func(t *testing.T) {
		seed.Proves(t, "CT-17", "P1")
		released, err := c.ReleaseWithPIN(t.Context(), l.tpmOf(phonepc), []byte(ownerPIN))
		if err != nil {
			t.Fatal(err)
		}
		defer released.Close()
		consumer := c.UserKeys[0].ID
		for _, x := range []struct{ provider, own, other string }{{tenant, e.KeyID, consumer}, {container.Consumer, consumer, e.KeyID}} {
			section := released.Section(x.provider)
			if keys := section.Keys(); len(keys) != 1 || keys[0].ID != x.own {
				t.Errorf("%s sees %+v", x.provider, keys)
			}
			if _, err := section.Signer(t.Context(), x.own); err != nil {
				t.Errorf("%s and its key: %v", x.provider, err)
			}
			if _, err := section.Signer(t.Context(), x.other); err == nil {
				t.Errorf("%s gets the other's key", x.provider)
			}
		}
		// The Microsoft account's key is known to the device alone.
		seed.Proves(t, "KEY-10", "P1")
		blob := c.UserKeys[0].Key.Blob[len(c.UserKeys[0].Key.Blob)-48:]
		if pub := c.UserKeys[0].Key.Public; bytes.Contains(l.tenantRecords(), pub) || bytes.Contains(tap.unfolded(), pub) || bytes.Contains(tap.unfolded(), blob) {
			t.Error("the Microsoft account's key left the device")
		}
		if keys := l.helloKeys("alice"); len(keys) != 1 || keys[0].KeyIdentifier != e.KeyID {
			t.Errorf("the directory has %+v", keys)
		}
	})
	t.Run("the account's sign-in", func(t *testing.T) {
		l.expect(onPhone(ownerPIN), "success")
		s := l.story("A1")
		s.inOrder(t, "lock_screen_dismissed", "gesture_provided", "key_released", "unlocked_by_owner", "broker_sign_in", "nonce_signed", "prt_request", "prt_issued", "prt_cached", "account_signed_in")
		if got := s.letters(); got != "ABCDE" || s.has("logon_session") {
			t.Errorf("phases %s:\n%s", got, s)
		}
		l.expect(windows.Request{User: alice, Device: phonepc, Gesture: "face"}, "success")
		l.expect(windows.Request{User: alice, Device: phonepc, Password: providers.Secret(password)}, "success")
		l.expect(windows.Request{Device: phonepc, Gesture: "face"}, "success") // the owner's face, too
		l.expect(onPhone("000000"), "wrong_pin")
	})
	t.Run("enrollment gone, owner stays", func(t *testing.T) {
		l.Delete(personal)
		c := l.ownersContainer()
		if got := c.Providers(); !slices.Equal(got, []string{container.Consumer}) || c.Has(container.Face) {
			t.Errorf("left: %q, face: %v", got, c.Has(container.Face))
		}
		if n := len(l.helloKeys("alice")); n != 0 {
			t.Errorf("%d keys in the directory", n)
		}
		l.expect(windows.Request{Device: phonepc, PIN: providers.Secret(ownerPIN)}, "success")
		l.expect(onPhone(ownerPIN), "no_hello_credential")
		if keys := l.keysOf(phonepc, "prt"); !slices.Contains(keys, l.sid("alice")+"|refresh_token") {
			t.Errorf("the work account lost its token: %q", keys)
		}
	})
}
