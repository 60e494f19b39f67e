package connect_test

import (
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	wire "hellolab/providers/wire/connect"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// enrolled gives the tenant a device, where the registration service puts it:
// Entra joined, of an owner, with a certificate of key. What change says is as
// the tenant stores it.
func (l *lab) enrolled(name string, n byte, owner string, key *rsa.PrivateKey, change ...func(map[string]any)) guid.GUID {
	l.t.Helper()
	id, object := deviceID(n), guid.GUID{n, 9, 9}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	l.must(err)
	d := map[string]any{"id": object.String(), "device_id": id.String(), "display_name": name, "enabled": true, "os": "Windows", "os_version": "10.0.26100", "trust_type": graph.TrustJoined,
		"owner": owner, "thumbprint": strings.ToUpper(fmt.Sprintf("%x", sha1.Sum(spki))), "spki": spki, "transport_key": cng.MarshalRSAPublic(&key.PublicKey), "registered": l.Now()}
	for _, c := range change {
		c(d)
	}
	l.must(l.For(contoso).Section.Update(l.t.Context(), func(w providers.Writer) error {
		raw, err := json.Marshal(d)
		if err != nil {
			return err
		}
		return errors.Join(w.Put("devices", object.String(), raw), w.Put("deviceid", id.String(), []byte(object.String())))
	}))
	l.enable(n, d["enabled"] == true)
	return id
}

// enable lets a device sign in to the tenant, or not.
func (l *lab) enable(n byte, yes bool) {
	l.t.Helper()
	l.must(l.tenant.Patch(l.t.Context(), graph.Device{AccountEnabled: &yes}, "devices", guid.GUID{n, 9, 9}.String()))
}

// written are the names of the devices in the domain, with what is not as usual
// of them.
func (l *lab) written() string {
	l.t.Helper()
	found, err := l.domain.List(addevice.ContainerDN(l.domain.Base), ldapmsg.EqualTo("objectClass", addevice.Class), addevice.Attributes...)
	l.must(err)
	var out []string
	for _, e := range found {
		d, err := addevice.Parse(e)
		l.must(err)
		text := d.Name
		if !d.Enabled {
			text += "(disabled)"
		}
		if d.TransportKey == nil {
			text += "(keyless)"
		}
		if d.Owner.IsZero() {
			text += "(nobody's)"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func writingBack(s *spec.Sync) { s.DeviceWriteback = true }

// Devices come down whatever their join, and follow the tenant.
func TestWriteBack(t *testing.T) {
	l := newLab(t, writingBack)
	l.cycle()
	alice := l.user("alice")
	key := someKeys()[0]
	id := l.enrolled("LAPTOP", 1, alice.ID, key)
	if _, err := addevice.Find(l.domain, id); !errors.Is(err, addevice.ErrNotWritten) {
		t.Errorf("before the cycle: %v", err)
	}
	l.enrolled("PHONE", 2, alice.ID, someKeys()[1], func(d map[string]any) { d["trust_type"] = graph.TrustRegistered })
	l.enrolled("KIOSK", 3, "", someKeys()[2])
	l.enrolled("PENDING", 4, "", someKeys()[2], func(d map[string]any) { d["trust_type"], d["thumbprint"], d["spki"] = graph.TrustHybrid, "", nil })
	l.wrote("first", l.cycle(), wire.Counts{Written: wire.Count{Added: 3}})
	if got := l.written(); got != "KIOSK(nobody's) LAPTOP PHONE" {
		t.Error(got)
	}
	l.wrote("again", l.cycle(), wire.Counts{})

	// As MS-ADSC has it, attribute by attribute.
	e, err := l.domain.Read(addevice.DN(l.domain.Base, id), append([]string{"cn", "objectClass", "objectCategory"}, addevice.Attributes...)...)
	l.must(err)
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	l.must(err)
	thumbprint := strings.ToUpper(fmt.Sprintf("%x", sha1.Sum(spki)))
	windows := id.Windows()
	owner, err := sid.Parse(alice.OnPremSID)
	l.must(err)
	for attribute, want := range map[string]string{
		"cn": id.String(), "displayName": "LAPTOP", "altSecurityIdentities": drs.AlternativeSecurityID(thumbprint, spki), "msDS-DeviceID": string(windows[:]), "msDS-DeviceObjectVersion": "2",
		"msDS-DeviceOSType": "Windows", "msDS-DeviceOSVersion": "10.0.26100", "msDS-IsEnabled": "TRUE", "msDS-IsManaged": "FALSE", "msDS-IsCompliant": "FALSE",
		"msDS-RegisteredOwner": string(owner.Bytes()), "msDS-CloudAnchor": "Device_" + guid.GUID{1, 9, 9}.String(),
	} {
		if got := string(e.Bytes(attribute)); got != want {
			t.Errorf("%s is %q, want %q", attribute, got, want)
		}
	}
	if !strings.HasPrefix(e.Text("altSecurityIdentities"), "X509:<SHA1-TP-PUBKEY>"+thumbprint) {
		t.Error(e.Text("altSecurityIdentities"))
	}
	byID, err := addevice.Find(l.domain, id)
	l.must(err)
	byCertificate, err := addevice.FindByIdentity(l.domain, drs.AlternativeSecurityID(thumbprint, spki))
	l.must(err)
	if byID.ID != byCertificate.ID || string(byID.TransportKey) != string(cng.MarshalRSAPublic(&key.PublicKey)) || graph.Time(byID.Registered) != graph.Time(l.Now()) {
		t.Errorf("%+v, %+v", byID, byCertificate)
	}

	// Disabled, enabled, managed, registered anew, deleted.
	l.enable(1, false)
	l.wrote("disabled", l.cycle(), wire.Counts{Written: wire.Count{Updated: 1}})
	if got := l.written(); got != "KIOSK(nobody's) LAPTOP(disabled) PHONE" {
		t.Error(got)
	}
	l.enable(1, true)
	yes := true
	l.must(l.tenant.Patch(t.Context(), graph.Device{IsManaged: &yes, IsCompliant: &yes}, "devices", guid.GUID{1, 9, 9}.String()))
	l.enrolled("KIOSK", 3, "", someKeys()[0])
	l.wrote("enabled, and another with a new key", l.cycle(), wire.Counts{Written: wire.Count{Updated: 2}})
	if d, err := addevice.Find(l.domain, id); err != nil || !d.Enabled || !d.Managed || !d.Compliant {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := addevice.Find(l.domain, deviceID(3)); err != nil || string(d.TransportKey) != string(cng.MarshalRSAPublic(&key.PublicKey)) {
		t.Errorf("%+v, %v", d, err)
	}
	l.must(l.tenant.Delete(t.Context(), "devices", guid.GUID{2, 9, 9}.String()))
	l.wrote("deleted", l.cycle(), wire.Counts{Written: wire.Count{Deleted: 1}})

	// What happens behind Connect's back in the domain it makes good; another's device it leaves alone.
	l.must(l.domain.Delete(addevice.DN(l.domain.Base, id)))
	l.must(l.domain.Replace(addevice.DN(l.domain.Base, deviceID(3)), adldap.Attributes{"displayName": {"Else"}, addevice.KeyAttribute: nil}))
	foreign := (&addevice.Device{ID: deviceID(7), Name: "FOREIGN", Identities: []string{"X509:<SHA1-TP-PUBKEY>x"}, Enabled: true}).Values()
	maps.DeleteFunc(foreign, func(_ string, v []string) bool { return len(v) == 0 })
	foreign["objectClass"] = []string{addevice.Class}
	l.must(l.domain.Add(addevice.DN(l.domain.Base, deviceID(7)), foreign))
	l.wrote("made good", l.cycle(), wire.Counts{Written: wire.Count{Added: 1, Updated: 1}})
	l.wrote("once", l.cycle(), wire.Counts{})
	if got := l.written(); got != "FOREIGN(keyless)(nobody's) KIOSK(nobody's) LAPTOP" {
		t.Error(got)
	}

	// Switched off, what was written stays; staging writes nothing.
	l.update(func(s *spec.Sync) { s.DeviceWriteback = false })
	l.enable(1, false)
	l.wrote("off", l.cycle(), wire.Counts{})
	l.update(func(s *spec.Sync) { s.DeviceWriteback, s.Staging = true, true })
	l.wrote("staging", l.cycle(), wire.Counts{})
	l.update(func(s *spec.Sync) { s.Staging = false })
	l.wrote("on", l.cycle(), wire.Counts{Written: wire.Count{Updated: 1}})
}

// The server's account may keep devices, and nothing else; the right is drift
// when somebody takes it away, and may come by a group.
func TestWriteBackRight(t *testing.T) {
	l := newLab(t, writingBack)
	l.cycle()
	l.enrolled("LAPTOP", 1, "", someKeys()[0])
	l.enrolled("TABLET", 2, "", someKeys()[1])
	container := addevice.ContainerDN(l.domain.Base)
	l.must(l.domain.Replace(container, adldap.Attributes{"managedBy": nil}))
	r := l.ask(wire.Request{})
	if r.Result != wire.CompletedErrors || len(r.Errors) != 2 || r.Errors[0].Code != "insufficientAccessRights (50)" || r.Errors[0].Stage != "write back" || r.Counts.Written.Added != 0 {
		t.Errorf("%+v", r)
	}
	writes := func() bool {
		t.Helper()
		rec, err := l.Read(t.Context(), hybrid)
		l.must(err)
		return rec.In.GetAttr("device_writeback").True()
	}
	if writes() {
		t.Error("the lost right is no drift")
	}
	l.update(func(*spec.Sync) {})
	if !writes() {
		t.Error("an update does not give the right back")
	}
	l.wrote("with the right", l.cycle(), wire.Counts{Written: wire.Count{Added: 2}})

	// By a group, which a federation service may be in, too.
	l.must(l.domain.Add(dn("Keepers"), adldap.Attributes{"objectClass": {"group"}, "sAMAccountName": {"Keepers"}}))
	l.must(l.domain.Replace(container, adldap.Attributes{"managedBy": {dn("Keepers")}}))
	if writes() {
		t.Error("it is not in the group")
	}
	l.update(func(*spec.Sync) {})
	l.enable(1, false)
	if l.wrote("by the group", l.cycle(), wire.Counts{Groups: wire.Count{Added: 1}, Written: wire.Count{Updated: 1}}); !writes() {
		t.Error("it is in the group")
	}
	l.update(func(s *spec.Sync) { s.DeviceWriteback = false })
	if e, err := l.domain.Read(dn("Keepers"), "member"); err != nil || len(e.Values("member")) != 0 {
		t.Errorf("it is still in the group, %v", err)
	}
	// Of somebody alone it is not taken.
	l.must(l.domain.Replace(container, adldap.Attributes{"managedBy": {dn("bob")}}))
	l.in.DeviceWriteback = true
	if _, err := l.TryUpdate(t.Context(), hybrid, l.encoded()); err == nil || !strings.Contains(err.Error(), "a group") {
		t.Errorf("taken from bob: %v", err)
	}
}

// Fault 87, for devices: a write-back that is stopped at any instant is done by
// the next cycle, and there is nothing left for the one behind it.
func TestWriteBackStoppedMidway(t *testing.T) {
	prepared := func(t *testing.T) *lab {
		l := newLab(t, writingBack)
		l.cycle()
		alice := l.user("alice").ID
		l.enrolled("GONE", 1, alice, someKeys()[0])
		l.enrolled("CHANGED", 2, alice, someKeys()[0])
		l.cycle()
		l.must(l.tenant.Delete(t.Context(), "devices", guid.GUID{1, 9, 9}.String()))
		l.enrolled("CHANGED", 2, alice, someKeys()[1], func(d map[string]any) { d["enabled"] = false })
		l.enrolled("NEW", 3, alice, someKeys()[2])
		return l
	}
	const want = "CHANGED(disabled) NEW"
	for n := 1; ; n++ {
		reached := false
		t.Run(fmt.Sprintf("at %d", n), func(t *testing.T) {
			l := prepared(t)
			reached = l.KillAt(t.Context(), n, func(ctx context.Context) {
				_, _ = wire.Cycle(ctx, l.For(hybrid), l.server(), wire.Request{Parts: []wire.Part{wire.DeviceWriteback}})
			})
			l.cycle()
			l.signIn()
			if got := l.written(); got != want {
				t.Errorf("after the next cycle: %s, want %s", got, want)
			}
			l.wrote("the cycle behind it", l.cycle(), wire.Counts{})
		})
		if t.Failed() || !reached {
			if n < 5 {
				t.Errorf("only %d instants", n)
			}
			break
		}
	}
}
