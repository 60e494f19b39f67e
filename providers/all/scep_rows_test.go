package all_test

import (
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/eventlog"
)

// newProfileLab is a hybrid lab whose trust is by certificates that device management
// delivers, with alice's Entra joined laptop.
func newProfileLab(t testing.TB, delivery string) *lab {
	t.Helper()
	l := newHybridLab(t)
	l.Create(adfs, spec.Federation{Kind: spec.FederationADFS, Domain: corp, Authority: "authority.issuing"})
	l.Create("trust.certificate", spec.Trust{Type: spec.TrustCertificate, Tenant: "tenant.contoso", Domain: corp, Authority: "authority.issuing", Delivery: delivery})
	l.Create("policy.hello", spec.Policy{Trust: "trust.certificate"})
	l.Create(laptop, onLaptop())
	l.enroll()
	return l
}

// TestProfile: device management's profile reaches the device at the sign-in after
// provisioning, and brings the certificate by SCEP; A4 goes with it at once.
func TestProfile(t *testing.T) {
	l := newProfileLab(t, "mdm_scep")
	out := outOf[spec.Enrollment, spec.EnrollmentOut](l, enrolled)
	if out.Status != "waiting_for_certificate" || out.Certificate != "" || out.Delivery != "mdm_scep" || out.Trust != "certificate" || out.Flow != "P1" || out.Federated {
		t.Errorf("%+v", out)
	}
	if v := l.signIn(byA4()); v.Code != "success" {
		t.Fatalf("%+v\n%s", v, l.trace())
	}
	s := l.story("A1")
	s.inOrder(t, "explorer_started", "certificate_due", "scep_profile", "csr_created", "certificate_request", "certificate_received", "certificate_installed")
	s.by(t, "E", event.MDM, event.Device, "scep_profile")
	s.by(t, "E", event.Device, event.SCEP, "certificate_request")
	s.by(t, "E", event.Device, event.Store, "certificate_installed")
	if m := l.story("A4").asRequest(t).Message; m["self_signed"] != false || m["upn"] != "alice@contoso.com" {
		t.Errorf("the KDC says %v", m)
	}
	store := l.personalStore(laptop)
	if len(store) != 1 || store[0].Delivery != "mdm_scep" || store[0].Subject != "CN=alice,CN=Users,DC=corp,DC=contoso,DC=com" {
		t.Errorf("store %+v", store)
	}
	if _, err := l.Read(t.Context(), enrolled); err != nil {
		t.Fatal(err)
	}
	out = outOf[spec.Enrollment, spec.EnrollmentOut](l, enrolled)
	if out.Status != "ready" || out.Certificate != store[0].Thumbprint || out.CertificateNotAfter != store[0].NotAfter.UTC().Format(time.RFC3339) {
		t.Errorf("%+v", out)
	}
	// The next sign-in has one.
	l.restart()
	l.expect(byA4(), "success")
	for _, r := range l.channel(laptop, eventlog.HelloForBusiness) {
		if r.ID == 7209 {
			t.Error("the log misses a profile that is there")
		}
	}
	if l.story("A1").has("certificate_due") || len(l.personalStore(laptop)) != 1 {
		t.Errorf("%s", l.story("A1"))
	}
	// Close to its end another is asked for, with the same key.
	l.Advance(store[0].NotAfter.Sub(l.Now()) - 41*24*time.Hour)
	l.due("authority.issuing", corp)
	l.restart()
	l.expect(byA4(), "success")
	renewed := l.personalStore(laptop)
	if len(renewed) != 2 || renewed[0].KeyID != store[0].KeyID || !renewed[0].NotAfter.After(store[0].NotAfter) {
		t.Errorf("store %+v", renewed)
	}
	if m := l.story("A4").asRequest(t).Message; m["certificate"] != sha256Hex(renewed[0].DER) {
		t.Errorf("the older certificate is shown: %v", m)
	}
}

// TestNoPayload: certificates from elsewhere do not make certificate trust work. The
// log says why, and key trust goes on working with the key that is there.
func TestNoPayload(t *testing.T) {
	seed.Proves(t, "CE-08", "A4")
	seed.Proves(t, "DBG-08", "A4")
	l := newProfileLab(t, "")
	logged := func() (n int) {
		for _, r := range l.channel(laptop, eventlog.HelloForBusiness) {
			if r.ID == 7209 {
				n++
			}
		}
		return n
	}
	if logged() == 0 {
		t.Error("provisioning logs no 7209")
	}
	before := logged()
	v := l.expect(byA4(), "certificate_missing")
	if v.Flow != "A4" || v.Phase != "A" || logged() == before {
		t.Errorf("%s/%s, %d entries", v.Flow, v.Phase, logged())
	}
	// A certificate of the authority that somebody brings along is not for the key.
	l.cycle()
	l.Update("policy.hello", spec.Policy{Trust: "trust.key"})
	l.restart()
	if v := l.expect(byA4(), "success"); v.Flow != "A3" {
		t.Errorf("%s", v.Flow)
	}
}

// TestProfileFederated: in a tenant that AD FS signs people in for, an Entra joined
// device is provisioned by flow P2, and certified by device management.
func TestProfileFederated(t *testing.T) {
	l := newFederatedLab(t, spec.TrustCertificate, func(f *federatedLab) { f.Trust.Delivery = "mdm_scep" })
	l.Create(laptop, onLaptop())
	if out := l.enroll(); out.Flow != "P2" || out.Delivery != "mdm_scep" || !out.Federated || out.Status != "waiting_for_certificate" {
		t.Errorf("%+v", out)
	}
	if s := l.story("P2"); s.at(t, "prerequisites").Message["MdmCertificateReady"] != "YES" || s.has("csr_created") {
		t.Errorf("%s", s)
	}
	v := l.expect(byA4(), "success")
	if s := l.story("A4"); v.Flow != "A4" || s.asRequest(t).Message["self_signed"] != false {
		t.Errorf("%s\n%s", v.Flow, s)
	}
}

// TestHelloWithoutFederation: on an Entra joined device in a federated tenant, Hello
// goes to the tenant and to the domain while AD FS is stopped.
func TestHelloWithoutFederation(t *testing.T) {
	seed.Proves(t, "A1-16", "A1")
	seed.Proves(t, "A3-15", "A3")
	l := newFederatedLab(t, spec.TrustKey)
	l.Create(laptop, onLaptop())
	l.enroll()
	l.cycle()
	l.restart()
	f := conformance.Get[spec.Federation, spec.FederationOut](l.Env, adfs).In
	l.Update(adfs, l.With("federation", f, "enabled", cty.False))
	begun := len(l.Events())
	v := l.expect(byA3("tenant.contoso"), "success")
	if v.Flow != "A3" || !l.story("A1").has("prt_cached") || !l.story("A3").has("tgt_cached") {
		t.Errorf("%s", v.Flow)
	}
	for _, e := range l.Events()[begun:] {
		if e.Actor == event.STS || e.Peer == event.STS {
			t.Errorf("AD FS has a part in %s", e.Step)
		}
	}
	// Provisioning and the password do need it.
	if v := l.signIn(windows.Request{Password: providers.Secret(first)}); v.Code == "success" {
		t.Error("the password signs in without AD FS")
	}
}
