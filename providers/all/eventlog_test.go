package all_test

import (
	"slices"
	"testing"

	"hellolab/engine/journal"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/eventlog"
)

// logged is the User Device Registration log of a device.
func (l *lab) logged(device string) []eventlog.Record {
	return l.channel(device, eventlog.UserDeviceRegistration)
}

// channel is one log of a device, from what the flows really recorded.
func (l *lab) channel(device string, c eventlog.Channel) []eventlog.Record {
	var placed []event.Event
	placer := journal.NewPlacer()
	for _, e := range l.Events() {
		placer.Place(e, func(e event.Event) { placed = append(placed, e) })
	}
	return eventlog.Records(placed, device, c)
}

func ids(records []eventlog.Record) (all []int) {
	for _, r := range records {
		all = append(all, r.ID)
	}
	return all
}

// TestEventLog runs flows that work and flows that fail, and reads the User
// Device Registration log of the device. Each entry is for a step of a flow, so
// a step that gets another name is missed here.
func TestEventLog(t *testing.T) {
	join, key := []int{101, 102, 105, 306}, []int{358, 323, 325, 108, 109, 386, 300}
	for _, c := range []struct {
		name string
		run  func(t *testing.T, l *lab)
		want []int
		last map[string]string // fields that the last entry has, among others
	}{
		{"registered and enrolled", func(_ *testing.T, l *lab) {
			l.device("laptop")
			l.enroll()
			l.signIn(windows.Request{PIN: []byte(pin)})
		}, append(slices.Clone(join), key...), map[string]string{"UPN": "alice@contoso.com", "Attestation": "Yes"}},
		{"wrong password at the join", func(t *testing.T, l *lab) {
			l.windows.Hands = func(p windows.Prompt, has []byte) ([]byte, bool) {
				if p == windows.PromptPassword {
					return []byte("another"), true
				}
				return has, true
			}
			l.refuses(t, laptop, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: alice})
		}, []int{101, 305}, map[string]string{"ServerErrorCode": "AADSTS50126"}},
		{"no second factor at the enrollment", func(t *testing.T, l *lab) {
			l.device("laptop")
			l.Create("user.mo", spec.User{UPN: "mo@contoso.com", Tenant: "tenant.contoso", Password: []byte(password), MFA: "none"})
			l.refuses(t, "enrollment.mo", enrollment("user.mo", laptop))
		}, append(slices.Clone(join), 358, 323, 324), map[string]string{"ServerErrorCode": "AADSTS50079"}},
		{"a key in software where the tenant wants a TPM", func(t *testing.T, l *lab) {
			l.device("laptop", func(d *spec.Device) { d.TPM = "none" })
			l.refuses(t, enrolled, enrollment(alice, laptop))
		}, append(slices.Clone(join), 358, 323, 325, 108, 109, 301), map[string]string{"ExitCode": "0x801C03EE", "ServerErrorCode": "InvalidParameter", "ServerErrorSubcode": "attestation_missing"}},
		{"not offered", func(t *testing.T, l *lab) {
			l.device("laptop", func(d *spec.Device) { d.Session = "remote" })
			l.refuses(t, enrolled, enrollment(alice, laptop))
		}, append(slices.Clone(join), 360), map[string]string{"DeviceIsJoined": "Yes", "UserIsNotRemote": "No"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			seed.Proves(t, "DR-24", "DR", "P1")
			l := newLab(t)
			c.run(t, l)
			got := l.logged(laptop)
			if !slices.Equal(ids(got), c.want) {
				t.Fatalf("%v, want %v\n%s", ids(got), c.want, l.trace())
			}
			last := got[len(got)-1]
			for name, want := range c.last {
				if v := last.Data.Get(name); v != want {
					t.Errorf("%d: %s = %q, want %q in %v", last.ID, name, v, want, last.Data)
				}
			}
		})
	}
}

// refuses tries to create what cannot be.
func (l *lab) refuses(t *testing.T, addr string, in any) {
	t.Helper()
	if _, err := l.TryCreate(t.Context(), addr, in); err == nil {
		t.Fatalf("%s was created", addr)
	}
}
