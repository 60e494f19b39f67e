package all_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/graph"
)

const aliceInCorp = "CN=alice,CN=Users,DC=corp,DC=contoso,DC=com"

// unlink removes alice's key of one device from the domain, found by the device
// that its value names.
func (l *lab) unlink(t *testing.T, deviceID string) {
	t.Helper()
	links := l.links("alice")
	i := slices.IndexFunc(links, func(k linked) bool { return k.Device.String() == deviceID })
	if i < 0 {
		t.Fatalf("no key of device %s", deviceID)
	}
	if err := l.corpDirectory().RemoveValue(aliceInCorp, keyLink, links[i].value); err != nil {
		t.Fatal(err)
	}
}

// unregister removes alice's key of one device from the tenant.
func (l *lab) unregister(t *testing.T, deviceID string) {
	t.Helper()
	for _, k := range l.helloKeys("alice") {
		if k.DeviceID != deviceID {
			continue
		}
		if err := l.directory().Delete(t.Context(), "users", "alice@contoso.com", "authentication", "windowsHelloForBusinessMethods", k.ID); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no key of device %s", deviceID)
}

func (l *lab) deviceID(addr string) string {
	return outOf[spec.Device, spec.DeviceOut](l, addr).DeviceID
}

// With the account disabled in the domain, its KDC lets nobody in by key.
func TestDisabledInDomain(t *testing.T) {
	seed.Proves(t, "REV-01", "A3", "A6")
	l := newBothLab(t)
	l.cycle()
	l.bothEnd(t, letIn, letIn)
	u := spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(first)}
	l.Update(alice, l.With("user", u, "enabled_in_domain", cty.False))
	disabled := outcome{"account_disabled_in_domain", "0xC0000072 STATUS_ACCOUNT_DISABLED", 18, []string{"A", "A"}} // in answer to the first request, before anything is signed
	l.ends(t, 1, disabled)
	l.ends(t, 0, disabled) // the tenant still lets the user in: it has a switch of its own
	l.Update(alice, u)
	l.cycle()
	l.bothEnd(t, letIn, letIn)
}

// What an administrator does about a lost hybrid joined device under key trust,
// and what it stops.
func TestLostDevice(t *testing.T) {
	l := newBothLab(t)
	l.cycle()
	lost, other := l.deviceID(desk), l.deviceID(laptop)

	t.Run("disabling the device", func(t *testing.T) {
		seed.Proves(t, "REV-05", "A6")
		l.patchDevice(desk, graph.Device{AccountEnabled: new(false)})
		for _, later := range []time.Duration{0, 5 * time.Hour, 48 * time.Hour} {
			l.Advance(later)
			l.cycle()
			l.expect(byA6(corp), "success") // the domain, and what is in it
			s := l.story("A6")
			s.inOrder(t, "tgt_cached", "explorer_started", "sign_in_failed", "service_ticket")
			if e := s.at(t, "sign_in_failed"); e.Reason.Code != "AADSTS130007" || e.Phase != "G" || e.Outcome != event.Refused || s.has("prt_cached") {
				t.Errorf("%s later: %s %+v in phase %s\n%s", later, e.Outcome, e.Reason, e.Phase, s)
			}
			l.expect(byA6("tenant.contoso"), "key_device_disabled")
		}
		l.patchDevice(desk, graph.Device{AccountEnabled: new(true)})
	})
	t.Run("deleting its key in the domain alone", func(t *testing.T) {
		seed.Proves(t, "REV-06", "A6")
		seed.Proves(t, "REV-09", "A3", "A6")
		l.unlink(t, lost)
		if links := l.links("alice"); len(links) != 1 || links[0].Device.String() != other {
			t.Errorf("%d keys are left", len(links))
		}
		l.bothEnd(t, letIn, refusedNotSynced)
		// While the tenant has it, Connect writes it back (reading R10).
		l.cycle()
		l.bothEnd(t, letIn, letIn)
	})
	t.Run("and in the tenant", func(t *testing.T) {
		seed.Proves(t, "REV-06", "A6")
		l.unregister(t, lost)
		// Until a cycle carries that down, the domain knows the key.
		l.expect(byA6(), "success")
		l.unlink(t, lost)
		l.bothEnd(t, letIn, refusedNotSynced)
		l.cycle()
		l.bothEnd(t, letIn, refusedNotSynced)
	})
	t.Run("deleting every key", func(t *testing.T) {
		seed.Proves(t, "REV-07", "A3", "A6")
		if err := l.corpDirectory().Replace(aliceInCorp, adldap.Attributes{keyLink: nil}); err != nil {
			t.Fatal(err)
		}
		l.bothEnd(t, refusedNotSynced, refusedNotSynced)
		l.unregister(t, other)
		l.cycle()
		if n := len(l.links("alice")); n != 0 {
			t.Errorf("%d keys came back", n)
		}
		v := l.expect(byA3(), "key_not_found")
		if v.Flow != "A1" || v.Phase != "C" { // the tenant does not know it any more, either
			t.Errorf("%+v", v)
		}
		l.ends(t, 1, refusedNotSynced)
	})
	t.Run("provisioning again", func(t *testing.T) {
		seed.Proves(t, "REV-08", "P1", "P4")
		was := []string{outOf[spec.Enrollment, spec.EnrollmentOut](l, enrolled).KeyID, outOf[spec.Enrollment, spec.EnrollmentOut](l, deskEnrolled).KeyID}
		l.Delete(enrolled)
		l.Delete(deskEnrolled)
		l.Advance(time.Minute) // a code of the authenticator app is good once
		l.enroll()
		l.Advance(time.Minute)
		l.Create(deskEnrolled, enrollment(alice, desk))
		now := []string{outOf[spec.Enrollment, spec.EnrollmentOut](l, enrolled).KeyID, outOf[spec.Enrollment, spec.EnrollmentOut](l, deskEnrolled).KeyID}
		if was[0] == now[0] || was[1] == now[1] || now[0] == now[1] {
			t.Errorf("keys %v, before %v", now, was)
		}
		l.bothEnd(t, refusedNotSynced, refusedNotSynced)
		l.cycle()
		l.bothEnd(t, letIn, letIn)
	})
}

// Whoever has the device has neither gesture nor key: guesses end at the TPM, no
// guess reaches the domain, and the key is in no file.
func TestStolenDevice(t *testing.T) {
	seed.Proves(t, "REV-10", "A6")
	l := newHybridLab(t)
	l.hybridDesk()
	l.cycle()
	l.expect(byA6(), "success")
	guess := byA6()
	asked := func() (n int) {
		for _, e := range l.Events() {
			if e.Actor == event.KDC || e.Step == "nonce_request" {
				n++
			}
		}
		return n
	}
	l.Update(desk, onDesk(placed("internet"))) // the thief's
	before := asked()
	for wrong := 0; wrong < 32; wrong++ {
		if wrong%4 == 0 { // before Windows' own gate closes
			if err := l.windows.Restart(t.Context(), l.For(desk), desk); err != nil {
				t.Fatal(err)
			}
		}
		guess.PIN = providers.Secret("000000")
		if v := l.expect(guess, "wrong_pin"); v.Flow != "A6" || v.Phase != "A" {
			t.Fatalf("%+v", v)
		}
	}
	if err := l.windows.Restart(t.Context(), l.For(desk), desk); err != nil {
		t.Fatal(err)
	}
	// Not the right one, either: LSASS' cached logon needs the key, too.
	if v := l.expect(byA6(), "pin_locked_out"); v.Reason.Code != "0x80280921" {
		t.Errorf("%+v", v.Reason)
	}
	if n := asked() - before; n != 0 {
		t.Errorf("the domain or the tenant was asked %d times", n)
	}
	l.Update(desk, onDesk())
	l.expect(byA6(), "pin_locked_out") // nor on the domain's network
	key := stored[machineState](l, desk, "machine", "record").DeviceKey
	if err := l.tpmOf(desk).Export(t.Context(), key); !errors.Is(err, ksp.ErrNotExportable) {
		t.Errorf("export: %v", err)
	}
	user, ok := l.containerOf(desk, "alice").UserKey(l.tenant().TenantID)
	if !ok {
		t.Fatal("no key of the user")
	}
	if err := l.tpmOf(desk).Export(t.Context(), user.Key); !errors.Is(err, ksp.ErrNotExportable) {
		t.Errorf("export: %v", err)
	}
}

// What may be changed of a hybrid joined device, without joining it anew.
func TestHybridDeviceChanges(t *testing.T) {
	l := newHybridLab(t)
	l.hybridDesk()
	l.cycle()
	set := func(attr string, on bool) { l.Update(desk, l.With("device", onDesk(), attr, cty.BoolVal(on))) }
	set("compliant", true)
	l.expect(byA6("tenant.contoso"), "success")
	set("enabled_in_tenant", false)
	l.expect(byA6(corp), "success")
	l.expect(byA6("tenant.contoso"), "key_device_disabled")
	set("enabled_in_tenant", true)
	l.expect(byA6("tenant.contoso"), "success")
	renamed := onDesk(func(d *spec.Device) { d.Name = "kiosk" })
	if _, err := l.TryUpdate(t.Context(), desk, renamed); err == nil || !strings.Contains(err.Error(), "keeps its name") {
		t.Errorf("renamed: %v", err)
	}
	l.expect(byA6(), "success")
}
