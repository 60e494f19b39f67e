package all_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

// directory is the tenant's directory as its administrator sees it.
func (l *lab) directory() *graph.Client {
	l.t.Helper()
	o, err := providers.Resolve[spec.Tenant, spec.TenantOut](l.For("tenant.contoso"), "tenant.contoso")
	if err != nil {
		l.t.Fatal(err)
	}
	c, err := graph.SignIn(l.t.Context(), l.For("tenant.contoso"), graph.Tenant{
		ID: o.Out.TenantID, LoginHost: o.Out.LoginHost, GraphHost: o.Out.GraphHost,
		ClientID: o.Out.AdminClientID, ClientSecret: o.Out.AdminSecret,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	return c
}

func (l *lab) devices() []*graph.Device {
	l.t.Helper()
	var all []*graph.Device
	for d, err := range graph.List[graph.Device](l.t.Context(), l.directory(), "", "devices") {
		if err != nil {
			l.t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

func (l *lab) helloKeys(user string) []graph.DeviceKey {
	l.t.Helper()
	u, err := graph.Get[graph.User](l.t.Context(), l.directory(), "users", user+"@contoso.com")
	if err != nil {
		l.t.Fatal(err)
	}
	return u.HelloKeys
}

func TestRegistrationNeedsSomebody(t *testing.T) {
	l := newLab(t)
	_, err := l.TryCreate(t.Context(), laptop, spec.Device{Join: "entra", Tenant: "tenant.contoso"})
	if err == nil || !strings.Contains(err.Error(), "joined_by") || !strings.Contains(err.Error(), "enrollment") {
		t.Fatalf("nobody joins: %v", err)
	}
	// The first user enrolled on it, by address, joins by default.
	l.user("bo")
	l.Declare("enrollment.b", enrollment("user.bo", laptop))
	l.Declare("enrollment.a", enrollment(alice, laptop))
	l.Create(laptop, spec.Device{Join: "entra", Tenant: "tenant.contoso"})
	if e := l.find("registered"); e.User != alice {
		t.Errorf("%s joined", e.User)
	}
}

func TestUnjoinedDevice(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "DR-01")
	seed.Proves(t, "PRE-02", "P1")
	seed.Proves(t, "PRE-08", "P1")
	l.Create(laptop, spec.Device{Join: "none"})
	_, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop))
	if err == nil || !strings.Contains(err.Error(), "joined to nothing") {
		t.Fatalf("provisioning: %v", err)
	}
	if l.has("token_request") || l.has("cxh_launch") {
		t.Errorf("something was launched\n%s", l.trace())
	}
	l.expect(byPIN(pin), "device_not_joined")
	if len(l.devices()) != 0 {
		t.Error("the directory has a device")
	}
}

func TestDeviceDriftsAndLeaves(t *testing.T) {
	l := newLab(t)
	out := l.device("laptop")
	c := l.directory()
	off := false
	if err := c.Patch(t.Context(), graph.Device{AccountEnabled: &off}, "devices", out.ObjectID); err != nil {
		t.Fatal(err)
	}
	rec, err := l.Read(t.Context(), laptop)
	if err != nil || !rec.In.GetAttr("enabled_in_tenant").RawEquals(cty.False) {
		t.Fatalf("disabled in the directory, read as %#v, %v", rec.In.GetAttr("enabled_in_tenant"), err)
	}
	l.Delete(laptop)
	if n := len(l.devices()); n != 0 {
		t.Errorf("%d device objects after it left", n)
	}
	// One that an administrator deleted is gone, and its deletion succeeds.
	out = l.device("laptop")
	if err := c.Delete(t.Context(), "devices", out.ObjectID); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(t.Context(), laptop); !errors.Is(err, providers.ErrGone) {
		t.Errorf("deleted behind our back: %v", err)
	}
}

func TestDisabledDeviceSignsNobodyIn(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "DR-20")
	out := l.device("laptop")
	l.enroll()
	l.expect(byPIN(pin), "success")
	off := false
	if err := l.directory().Patch(t.Context(), graph.Device{AccountEnabled: &off}, "devices", out.ObjectID); err != nil {
		t.Fatal(err)
	}
	v := l.expect(byPIN(pin), "key_device_disabled")
	if v.Phase != "C" || v.Reason.Code != "AADSTS130007" {
		t.Errorf("refused in phase %s by %+v", v.Phase, v.Reason)
	}
	l.expect(byPassword(password), "device_disabled")
}

func TestSoftwareDevice(t *testing.T) {
	l := newLab(t)
	l.Update("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "preferred"})
	seed.Proves(t, "PB-11", "P1")
	out := l.device("laptop", func(d *spec.Device) { d.TPM = "none" })
	if out.EKHash != "" {
		t.Errorf("a device without a TPM has an endorsement key %s", out.EKHash)
	}
	e := l.enroll()
	if e.KeyStorage != "software" {
		t.Errorf("key storage %s", e.KeyStorage)
	}
	l.expect(byPIN(pin), "success")
	l.expect(byPIN("000000"), "wrong_pin")
	for _, ev := range l.Events() {
		if ev.Actor == event.TPM || ev.Peer == event.TPM {
			t.Errorf("a TPM takes part: %+v", ev)
		}
	}
}

func TestSoftwareKeyNeedsLeave(t *testing.T) {
	l := newLab(t) // attestation = "required"
	l.device("laptop", func(d *spec.Device) { d.TPM = "none" })
	_, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop))
	if err == nil {
		t.Fatal("a key that attests nothing was registered")
	}
	if len(l.helloKeys("alice")) != 0 {
		t.Error("the directory has the key")
	}
	l.expect(byPIN(pin), "no_hello_credential")
}
