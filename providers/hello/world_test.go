package hello

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// replace returns recs with one attribute of one record replaced.
func replace(recs []providers.Record, addr, attr string, v cty.Value) []providers.Record {
	for i, r := range recs {
		if r.Addr == addr {
			m := r.In.AsValueMap()
			m[attr] = v
			recs[i].In = cty.ObjectVal(m)
		}
	}
	return recs
}

func TestWorldKeepsNoSecrets(t *testing.T) {
	w := worldOf(t, with(goodLab(), "device.laptop", func(d *spec.Device) { d.UnlockPIN = providers.Secret("271828") }))
	d := w.Devices["device.laptop"]
	u, e := w.Users["user.alice"], w.Enrollments["enrollment.alice_laptop"]
	if u.In.Password != nil || !u.HasPassword || e.In.PIN != nil {
		t.Errorf("%+v %+v", u, e)
	}
	if want := (PINShape{Length: 6, Digits: true}); e.PIN == nil || *e.PIN != want {
		t.Errorf("PIN is %+v, want %+v", e.PIN, want)
	}
	if d.In.UnlockPIN != nil || d.UnlockPIN == nil || *d.UnlockPIN != *e.PIN {
		t.Errorf("%+v", d)
	}
	for _, v := range []any{w.Users["user.alice"], d, w.Enrollments["enrollment.alice_laptop"], Validate(w)} {
		if s := fmt.Sprintf("%+v", v); strings.Contains(s, "271828") || strings.Contains(s, "correct horse") {
			t.Errorf("%s tells a secret", s)
		}
	}
}

// What is unknown at plan is not judged.
func TestUnknownAttributes(t *testing.T) {
	unknown := cty.UnknownVal(cty.String)
	for _, c := range []struct {
		name, addr, attr string
		v                cty.Value
	}{
		{"upn", "user.alice", "upn", unknown},
		{"domains", "tenant.contoso", "domains", cty.UnknownVal(cty.List(cty.String))},
		{"a domain", "tenant.contoso", "domains", cty.ListVal([]cty.Value{unknown})},
		{"tenant of the user", "user.alice", "tenant", unknown},
		{"password", "user.alice", "password", unknown},
		{"mfa", "user.alice", "mfa", unknown},
		{"enabled user", "user.alice", "enabled_in_tenant", cty.UnknownVal(cty.Bool)},
		{"enabled device", "device.laptop", "enabled_in_tenant", cty.UnknownVal(cty.Bool)},
		{"service of second factors", "tenant.contoso", "mfa", cty.ObjectVal(map[string]cty.Value{"provider": unknown})},
		{"join", "device.laptop", "join", unknown},
		{"tenant of the device", "device.laptop", "tenant", unknown},
		{"joined by", "device.laptop", "joined_by", unknown},
		{"tpm", "device.laptop", "tpm", unknown},
		{"session", "device.laptop", "session", unknown},
		{"pin", "enrollment.alice_laptop", "pin", unknown},
		{"gestures", "enrollment.alice_laptop", "gestures", cty.UnknownVal(cty.List(cty.String))},
		{"user of the enrollment", "enrollment.alice_laptop", "user", unknown},
		{"policy switch", "policy.p", "use_passport_for_work", cty.UnknownVal(cty.Bool)},
		{"policy scope", "policy.p", "scope", unknown},
		{"policy assignment", "policy.p", "assign", cty.UnknownVal(cty.List(cty.String))},
	} {
		lab := with(goodLab(), "device.laptop", func(d *spec.Device) { d.JoinedBy = "user.alice" })
		lab["policy.p"] = spec.Policy{Source: "mdm", Scope: "device", UsePassportForWork: ptr(true)}
		w, err := NewWorld(replace(records(t, lab), c.addr, c.attr, c.v))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if ps := Validate(w); len(ps) != 0 {
			t.Errorf("%s unknown: %+v", c.name, ps)
		}
	}
}

func TestKnows(t *testing.T) {
	recs := replace(records(t, goodLab()), "tenant.contoso", "lifetimes", cty.ObjectVal(map[string]cty.Value{
		"nonce": cty.UnknownVal(cty.String), "mfa": cty.StringVal("10m"), "access_token": cty.StringVal("1h"),
		"prt": cty.StringVal("14d"), "prt_renewal": cty.StringVal("4h"),
	}))
	w, err := NewWorld(recs)
	if err != nil {
		t.Fatal(err)
	}
	tenant := w.Tenants["tenant.contoso"]
	for attr, known := range map[string]bool{"domains": true, "lifetimes": false, "lifetimes.nonce": false, "lifetimes.mfa": true} {
		if tenant.Knows(attr) != known {
			t.Errorf("Knows(%s) is %v", attr, !known)
		}
	}
	if tenant.Knows("domains", "lifetimes") {
		t.Error("knows both")
	}
}

func TestNewWorldErrors(t *testing.T) {
	for name, rec := range map[string]providers.Record{
		"no value":   {Addr: "user.a", Kind: "user"},
		"null":       {Addr: "user.a", Kind: "user", In: cty.NullVal(cty.DynamicPseudoType)},
		"wrong type": {Addr: "user.a", Kind: "user", In: cty.ObjectVal(map[string]cty.Value{"upn": cty.ListValEmpty(cty.Bool)})},
		"enrollment": {Addr: "enrollment.a", Kind: "enrollment"},
	} {
		if w, err := NewWorld([]providers.Record{rec}); err == nil || w != nil || !strings.Contains(err.Error(), rec.Addr) {
			t.Errorf("%s: %v, %v", name, w, err)
		}
	}
	if _, err := NewWorld([]providers.Record{{Addr: "value.x", Kind: "value"}}); err != nil {
		t.Errorf("other kinds are none of its business: %v", err)
	}
}

// objects is a providers.Objects over records.
type objects []providers.Record

func (o objects) Lookup(addr string) (providers.Record, error) {
	for _, r := range o {
		if r.Addr == addr {
			return r, nil
		}
	}
	return providers.Record{}, providers.ErrUnknownObject
}

func (o objects) List(kind string) ([]providers.Record, error) {
	var list []providers.Record
	for _, r := range o {
		if r.Kind == kind {
			list = append(list, r)
		}
	}
	return list, nil
}

// A device that looks only around itself decides as the whole World does.
func TestAround(t *testing.T) {
	lab := goodLab()
	lab["group.staff"] = spec.Group{Tenant: "tenant.contoso", Members: []providers.Ref{"user.alice"}}
	lab["policy.p"] = spec.Policy{Source: "mdm", Scope: "user", Assign: []providers.Ref{"group.staff"}, RequireSecurityDevice: ptr(true)}
	lab["user.bo"] = spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso"}
	recs := objects(records(t, lab))
	whole := worldOf(t, lab)
	near, err := Around(recs, "user.alice", "device.laptop")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := whole.InForce("user.alice", "device.laptop"), near.InForce("user.alice", "device.laptop"); !reflect.DeepEqual(a, b) || !b.RequireSecurityDevice.Value {
		t.Errorf("%+v\n%+v", a, b)
	}
	if a, b := whole.Planned("user.alice", "device.laptop"), near.Planned("user.alice", "device.laptop"); a != b || !b.PRT {
		t.Errorf("%+v\n%+v", a, b)
	}
	if near.Users["user.bo"] != nil || near.Tenants["tenant.contoso"] == nil {
		t.Errorf("%+v", near)
	}
	if _, err := Around(recs, "user.eve", "device.laptop"); !errors.Is(err, providers.ErrUnknownObject) {
		t.Errorf("unknown user: %v", err)
	}
}

func TestPlannedFacts(t *testing.T) {
	lab := goodLab()
	want := Facts{Joined: true, WorkAccount: true, PRT: true, TPM: true}
	if got := worldOf(t, lab).Planned("user.alice", "device.laptop"); got != want {
		t.Errorf("%+v", got)
	}
	with(lab, "device.laptop", func(d *spec.Device) { d.TPM, d.Session, d.EnabledInTenant = "none", "remote", false })
	want = Facts{Joined: true, WorkAccount: true, Remote: true}
	if got := worldOf(t, lab).Planned("user.alice", "device.laptop"); got != want {
		t.Errorf("%+v", got)
	}
	if got := worldOf(t, lab).Planned("user.eve", "device.laptop"); got != (Facts{}) {
		t.Errorf("%+v", got)
	}
}

func TestJoiner(t *testing.T) {
	lab := goodLab()
	lab["enrollment.a_first"] = spec.Enrollment{User: "user.bo", Device: "device.laptop"}
	lab["device.spare"] = spec.Device{Join: "entra", Tenant: "tenant.contoso"}
	lab["device.shared"] = spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: "user.carol"}
	lab["enrollment.shared"] = spec.Enrollment{User: "user.alice", Device: "device.shared"}
	w, recs := worldOf(t, lab), objects(records(t, lab))
	for device, want := range map[string]string{"device.laptop": "user.bo", "device.shared": "user.carol", "device.spare": "", "device.none": ""} {
		if got, ok := w.Joiner(device); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", device, got, ok)
		}
		got, err := JoinerOf(recs, device)
		if got != want || (err != nil) != (device == "device.none") {
			t.Errorf("%s: %q, %v", device, got, err)
		}
	}
}

func TestRules(t *testing.T) {
	var r Rules
	made := []string{"tenant.contoso", "user.alice", "device.laptop", "enrollment.alice_laptop"}
	lab := goodLab()
	recs := records(t, lab, made...)
	if ps := r.Validate(recs); len(ps) != 0 {
		t.Errorf("%+v", ps)
	}
	world := r.world
	rec := recs[1]
	if rec.Kind != "enrollment" {
		t.Fatal(rec.Addr)
	}
	if why, ok := r.Outdated(rec, recs); ok {
		t.Errorf("outdated: %s", why)
	}
	if r.world != world {
		t.Error("the same records were read twice")
	}

	for _, replaced := range []string{"device.laptop", "user.alice"} {
		var keep []string
		for _, m := range made {
			if m != replaced {
				keep = append(keep, m)
			}
		}
		planned := records(t, lab, keep...)
		why, ok := r.Outdated(rec, planned)
		if !ok || !strings.Contains(why, replaced) {
			t.Errorf("%s is made anew: %q, %v", replaced, why, ok)
		}
		if r.world == world {
			t.Error("other records were not read")
		}
	}
	if _, ok := r.Outdated(recs[0], recs); ok {
		t.Errorf("%s is outdated", recs[0].Addr)
	}
	fresh := records(t, lab)
	if _, ok := r.Outdated(fresh[1], fresh); ok {
		t.Error("what does not exist is outdated")
	}

	bad := []providers.Record{{Addr: "user.a", Kind: "user"}}
	if ps := r.Validate(bad); len(ps) != 1 || ps[0].Warning || !strings.Contains(ps[0].Detail, "user.a") {
		t.Errorf("%+v", ps)
	}
}

func TestOutdatedByDeviceID(t *testing.T) {
	w := worldOf(t, goodLab(), "tenant.contoso", "user.alice", "device.laptop", "enrollment.alice_laptop")
	e, d := w.Enrollments["enrollment.alice_laptop"], w.Devices["device.laptop"]
	e.Out.Flow, e.Out.DeviceID, d.Out.DeviceID = "P1", "one", "one"
	if why, ok := w.Outdated(e); ok {
		t.Errorf("%s", why)
	}
	d.Out.DeviceID = "two"
	if _, ok := w.Outdated(e); !ok {
		t.Error("the key of another device is good")
	}
}

// From "Plan a Windows Hello for Business deployment": moving between
// on-premises and hybrid deploys anew; from the cloud Kerberos page: leaving
// certificate trust for it needs a new container; everything else keeps the key.
func TestReprovision(t *testing.T) {
	hybridKey := Route{Shape: Shape{Trust: KeyTrust}, Provision: P4}
	for _, c := range []struct {
		flow  Flow
		trust Trust
		now   Route
		again bool
	}{
		{P1, NoTrust, Route{Shape: Shape{Trust: NoTrust}, Provision: P1}, false},
		{P1, NoTrust, Route{Shape: Shape{Trust: NoTrust}, Provision: P2}, false},  // federated since
		{P1, NoTrust, Route{Shape: Shape{Trust: KeyTrust}, Provision: P1}, false}, // linked to a domain since
		{P1, KeyTrust, Route{Shape: Shape{Trust: NoTrust}, Provision: P1}, false},
		{P4, KeyTrust, Route{Shape: Shape{Trust: CloudKerberos}, Provision: P3}, false},
		{P5, CertTrust, Route{Shape: Shape{Trust: CloudKerberos}, Provision: P3}, true},
		{P5, CertTrust, hybridKey, false},
		{P4, KeyTrust, Route{Shape: Shape{Trust: CertTrust}, Provision: P5}, false},
		{P3, CloudKerberos, hybridKey, false},
		{P6, KeyTrust, hybridKey, true},
		{P4, KeyTrust, Route{Shape: Shape{Trust: KeyTrust}, Provision: P6}, true},
		{P7, CertTrust, Route{Shape: Shape{Trust: KeyTrust}, Provision: P6}, false},
		{"", "", hybridKey, false},
	} {
		why, again := reprovision(c.flow, c.trust, c.now)
		if again != c.again || again != strings.HasSuffix(why, ".") {
			t.Errorf("%s %s -> %s %s: %v %q", c.flow, c.trust, c.now.Provision, c.now.Trust, again, why)
		}
	}
}

func TestFlowFor(t *testing.T) {
	lab := goodLab()
	w := worldOf(t, lab)
	route, ps := w.FlowFor(w.Enrollments["enrollment.alice_laptop"])
	if route.Provision != P1 || route.SignIn != A1 || route.Trust != NoTrust || len(ps) != 0 {
		t.Errorf("%+v %+v", route, ps)
	}
	with(lab, "device.laptop", func(d *spec.Device) { d.Join = "domain" })
	w = worldOf(t, lab)
	route, ps = w.FlowFor(w.Enrollments["enrollment.alice_laptop"])
	if route.Provision != "" || len(ps) != 1 || ps[0].Rule != "domain_join_unregistered" || ps[0].Addr != "enrollment.alice_laptop" {
		t.Errorf("%+v %+v", route, ps)
	}
}

func TestShapeOfPINKeepsNothing(t *testing.T) {
	pin := []byte("271828")
	before := ShapeOfPIN(pin)
	if !bytes.Equal(pin, []byte("271828")) {
		t.Error("the PIN was changed")
	}
	clear(pin)
	if before != (PINShape{Length: 6, Digits: true}) {
		t.Errorf("%+v", before)
	}
}
