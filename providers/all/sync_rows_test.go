package all_test

import (
	"errors"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
)

const hybridSync = "sync.hybrid"

// synchronized changes how the lab is synchronized; off are attributes that are
// true by default.
func (l *lab) synchronized(in spec.Sync, off ...string) {
	l.t.Helper()
	in.Tenant, in.Domain = "tenant.contoso", corp
	attrs := l.With("sync", in, "staging", cty.BoolVal(in.Staging)).AsValueMap()
	for _, name := range off {
		attrs[name] = cty.False
	}
	l.Update(hybridSync, cty.ObjectVal(attrs))
}

// run has Connect run parts.
func (l *lab) run(parts ...connect.Part) *connect.Report {
	l.t.Helper()
	at := outOf[spec.Sync, spec.SyncOut](l, hybridSync)
	r, err := connect.Cycle(l.t.Context(), l.For(hybridSync), connect.Server{Host: at.Host, Secret: at.Admin}, connect.Request{Reason: "a test", Parts: parts})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// titled changes alice's display name in the domain, and says what the tenant
// calls her.
func (l *lab) titled(name string) {
	l.t.Helper()
	if err := l.administrator().Replace(aliceDN, adldap.Attributes{"displayName": {name}}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) called() string {
	l.t.Helper()
	u, err := graph.Get[graph.User](l.t.Context(), l.directory(), "users", "alice@contoso.com")
	if err != nil {
		l.t.Fatal(err)
	}
	return u.DisplayName
}

// What becomes of sign-ins when synchronization is not as it was: existing keys
// go on in every case, and a new one waits (facts C1, C2, C4 and reading R35).
func TestNewKeyWaitsForItsPart(t *testing.T) {
	no, hours := false, 6*time.Hour
	for _, c := range []struct {
		name     string
		in       spec.Sync
		off      []string
		accounts bool         // go on
		mend     func(l *lab) // brings the key
	}{
		{name: "only the export of keys is paused", in: spec.Sync{KeySchedule: &spec.SyncSchedule{Enabled: &no}}, accounts: true,
			mend: func(l *lab) { l.run(connect.KeyExport) }},
		{name: "the export of keys is off", off: []string{"key_export"}, accounts: true,
			mend: func(l *lab) { l.synchronized(spec.Sync{}); l.cycle() }},
		{name: "cycles are paused", off: []string{"enabled"},
			mend: func(l *lab) { l.run(connect.Parts()[:2]...) }},
		{name: "staging", in: spec.Sync{Staging: true},
			mend: func(l *lab) { l.synchronized(spec.Sync{}); l.cycle() }},
		{name: "keys every six hours", in: spec.Sync{KeySchedule: &spec.SyncSchedule{Interval: &hours}}, accounts: true,
			mend: func(l *lab) { l.Advance(5 * time.Hour); l.due(hybridSync) }},
		{name: "no right to write keys", off: []string{"key_writeback_right"}, accounts: true,
			mend: func(l *lab) {
				if r := l.run(); r.Result != connect.CompletedErrors || len(r.Errors) != 1 || r.Errors[0].Code != "insufficientAccessRights (50)" {
					l.t.Errorf("%+v", r)
				}
				l.synchronized(spec.Sync{})
				l.cycle()
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newHybridLab(t)
			l.Create(laptop, onLaptop())
			l.Create(desk, onDesk())
			l.enroll()
			l.cycle()
			l.expect(byA3(), "success")
			l.synchronized(c.in, c.off...)
			on := true
			l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: &on})
			l.Create(deskEnrolled, enrollment(alice, desk))
			l.titled("Alice Else")
			l.Advance(61 * time.Minute)
			_ = l.Due(t.Context(), hybridSync) // a right that is missing is an error of the key's, not of the cycle
			l.expect(byA6(), "key_not_synced")
			l.expect(byA3(), "success") // an existing key goes on
			l.expect(windows.Request{User: alice, Device: desk, Password: providers.Secret(first)}, "success")
			if went := l.called() == "Alice Else"; went != c.accounts {
				t.Errorf("accounts went on: %v", went)
			}
			c.mend(l)
			l.expect(byA6(), "success")
		})
	}
}

// Devices that registered over the wire are in the domain after a cycle, named
// by their certificates, and follow what the tenant says of them.
func TestDeviceWriteBack(t *testing.T) {
	l := newHybridLab(t)
	l.synchronized(spec.Sync{DeviceWriteback: true})
	l.Create(laptop, onLaptop())
	l.Create(desk, onDesk()) // completes its registration behind the cycle that it asks for
	ids := map[string]guid.GUID{}
	for _, addr := range []string{laptop, desk} {
		id, err := guid.Parse(outOf[spec.Device, spec.DeviceOut](l, addr).DeviceID)
		if err != nil {
			t.Fatal(err)
		}
		ids[addr] = id
	}
	if _, err := addevice.Find(l.administrator(), ids[desk]); !errors.Is(err, addevice.ErrNotWritten) {
		t.Errorf("before the cycle: %v", err)
	}
	if r := l.cycle(); r.Counts.Written != (connect.Count{Added: 1}) { // the laptop came with the desk's cycle
		t.Errorf("%+v", r.Counts.Written)
	}
	for addr, id := range ids {
		g, err := graph.First[graph.Device](t.Context(), l.directory(), graph.Equals("deviceId", id.String()), "devices")
		if err != nil {
			t.Fatal(err)
		}
		d, err := addevice.FindByIdentity(l.administrator(), g.AlternativeSecurityID[0])
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		if d.ID != id || d.Anchor != g.ID || !d.Enabled || string(d.TransportKey) != string(g.TransportKey) || len(d.TransportKey) == 0 || d.Name != g.DisplayName {
			t.Errorf("%s: %+v", addr, d)
		}
		if owned := !d.Owner.IsZero(); owned != (addr == laptop) || owned && d.Owner.String() != outOf[spec.User, spec.UserOut](l, alice).SID {
			t.Errorf("%s: owner %s", addr, d.Owner)
		}
	}
	l.Update(laptop, l.With("device", onLaptop(), "enabled_in_tenant", cty.False))
	l.Delete(desk)
	l.cycle()
	if d, err := addevice.Find(l.administrator(), ids[laptop]); err != nil || d.Enabled {
		t.Errorf("disabled in the tenant: %+v, %v", d, err)
	}
	if _, err := addevice.Find(l.administrator(), ids[desk]); !errors.Is(err, addevice.ErrNotWritten) {
		t.Errorf("deleted: %v", err)
	}
}
