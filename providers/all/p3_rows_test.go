package all_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	reasons "hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/eventlog"
)

// TestP3 is alice's provisioning at her hybrid joined desk under cloud Kerberos
// trust, beside the same on an Entra joined laptop, with Connect standing still.
func TestP3(t *testing.T) {
	l := newCloudLab(t)
	l.device("laptop", func(d *spec.Device) { d.Biometrics = nil })
	l.Create(desk, onDesk())
	cycles := func() (n int) {
		for _, e := range l.Events() {
			if e.Step == "cycle_began" {
				n++
			}
		}
		return n
	}
	before := cycles()
	l.Advance(15 * time.Minute) // a second factor is asked for in both
	l.enroll()
	l.Advance(15 * time.Minute)
	l.Create(deskEnrolled, enrollment(alice, desk))
	out := outOf[spec.Enrollment, spec.EnrollmentOut](l, deskEnrolled)
	s := l.story("P3")

	t.Run("as P1", func(t *testing.T) {
		seed.Proves(t, "P3-01", "P3")
		p1 := l.story("P1")
		s.begunByDevice(t)
		for _, letter := range []string{"A", "B", "C"} {
			got, want := s.lanes(letter), p1.lanes(letter)
			if !slices.Equal(got, want) || len(got) < 5 {
				t.Errorf("phase %s of P3\n%s\nof P1\n%s", letter, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		if s.letters() != "ABC" || out.Flow != "P3" || out.Trust != "cloud_kerberos" {
			t.Errorf("phases %s, %+v", s.letters(), out)
		}
	})
	t.Run("partial ticket first", func(t *testing.T) {
		s.inOrder(t, "tgt_cached", "first_factor", "prt_request", "partial_tgt_opened", "prt_cached", "partial_tgt_cached", "prerequisites", "cxh_launch", "token_request")
		if m := s.at(t, "prerequisites").Message; m["OnPremTGT"] != "YES" || m["PreReqResult"] != "WillProvision" {
			t.Errorf("checked %v", m)
		}
		if m := l.story("P1").at(t, "prerequisites").Message; m["OnPremTGT"] != nil {
			t.Errorf("an Entra joined device asks for the ticket: %v", m)
		}
	})
	t.Run("no key to the domain", func(t *testing.T) {
		seed.Proves(t, "P3-02", "P3")
		seed.Proves(t, "P3-03", "P3")
		seed.Proves(t, "KS-09", "P3")
		seed.Proves(t, "KS-01", "P3")
		l.expect(deskPIN("tenant.contoso", corp), "success") // at once
		l.expect(byPINTo("tenant.contoso", corp), "success")
		if n := cycles(); n != before {
			t.Errorf("%d cycles, %d before", n, before)
		}
		if n := len(l.links("alice")); n != 0 {
			t.Errorf("%d keys in the domain", n)
		}
		if out.Status != "ready" {
			t.Errorf("the key is %s", out.Status)
		}
		route := reasons.Route{Shape: reasons.Shape{Deployment: reasons.Hybrid, Trust: reasons.CloudKerberos}, Provision: reasons.P3}
		if stage := route.Stages()[2]; stage.Runs || route.WaitsForSync() || stage.Why != "Cloud Kerberos trust does not use the key in the domain." {
			t.Errorf("stage %+v", stage)
		}
	})
	t.Run("which document", func(t *testing.T) {
		seed.Proves(t, "P3-04", "P3")
		if reasons.P3.Inferred() || len(reasons.P3.Phases()) != 3 {
			t.Errorf("phases %v", reasons.P3.Phases())
		}
	})
}

// TestPartialTicketPrerequisite: a hybrid joined device offers Hello under cloud
// Kerberos trust to who has a partial ticket; an Entra joined one offers it to
// everybody, and who has none lacks the domain only.
func TestPartialTicketPrerequisite(t *testing.T) {
	l := newCloudLab(t)
	l.Delete(cloudTrust)
	l.Update("policy.hello", switchedOn())
	l.Create(desk, onDesk())
	l.device("laptop")

	_, err := l.TryCreate(t.Context(), deskEnrolled, enrollment(alice, desk))
	if refusedWith(err) != "no_cloud_tgt" {
		t.Errorf("provisioning without a partial ticket: %v", err)
	}
	s := l.story("P3")
	check := s.at(t, "prerequisites")
	if check.Outcome != event.Refused || check.Message["OnPremTGT"] != "NO" || check.Message["PreReqResult"] != "WillNotProvision" || check.Message["event"] != 360 || s.has("cxh_launch") {
		t.Errorf("checked %v\n%s", check.Message, s)
	}
	if logged := ids(l.channel(desk, eventlog.HelloForBusiness)); !slices.Contains(logged, 5205) || !slices.Contains(logged, 7054) {
		t.Errorf("logged %v", logged)
	}
	if logged := ids(l.logged(desk)); !slices.Contains(logged, 360) {
		t.Errorf("logged %v", logged)
	}
	status, err := l.windows.Status(l.For(desk), desk, alice)
	if err != nil || status.Check == nil || status.Check.WillProvision || status.Check.Met["OnPremTGT"] || status.Tickets.OnPremTGT {
		t.Errorf("status %+v, %v", status.Check, err)
	}

	l.enroll() // P1 asks nothing of the kind
	l.expect(byPINTo("tenant.contoso"), "success")
	l.expect(byPINTo(corp), "no_cloud_tgt")

	// With the trust a session that is there gets its ticket with its next token.
	l.Create(cloudTrust, spec.Trust{Type: "cloud_kerberos", Tenant: "tenant.contoso", Domain: corp})
	l.Advance(time.Minute)
	l.Create(deskEnrolled, enrollment(alice, desk))
	s = l.story("P3")
	s.inOrder(t, "first_factor", "prt_renewal", "partial_tgt_cached", "prerequisites", "cxh_launch")
	l.expect(deskPIN(), "success")
}

// TestCloudTrustReusesKeys: a key that was provisioned for key trust serves cloud
// Kerberos trust as it is; a controller must see the first sign-in by it.
func TestCloudTrustReusesKeys(t *testing.T) {
	l := newDesk(t)
	l.cycle()
	l.restartDesk()
	l.expect(deskPIN(), "success")
	kid := outOf[spec.Enrollment, spec.EnrollmentOut](l, deskEnrolled).KeyID
	l.Create(cloudTrust, spec.Trust{Type: "cloud_kerberos", Tenant: "tenant.contoso", Domain: corp})
	l.Update("policy.hello", cloudPolicy())

	l.restartDesk()
	l.carry("internet")
	noLogonServers(t, l.expect(deskPIN(), "cached_logon_missing")) // the cached logon is of key trust
	l.carry("onsite")
	l.expect(deskPIN("tenant.contoso", corp), "success")
	if s := l.story("A5"); s.at(t, "key_released").Message["kid"] != kid {
		t.Errorf("another key\n%s", s)
	}
	l.restartDesk()
	l.carry("internet")
	l.expect(deskPIN(), "success")
	l.story("A5").inOrder(t, "partial_tgt_cached", "cached_logon", "explorer_started")
}

// TestTrustTypes: of the three trust types a lab of its own signs in by two; the
// third is refused where AD FS is missing.
func TestTrustTypes(t *testing.T) {
	seed.Proves(t, "MOD-04")
	cloud := newCloudDesk(t)
	if v := cloud.expect(deskPIN(corp), "success"); v.Flow != "A5" {
		t.Errorf("cloud Kerberos trust by %s", v.Flow)
	}
	key := newDesk(t)
	key.cycle()
	if v := key.expect(deskPIN(corp), "success"); v.Flow != "A6" {
		t.Errorf("key trust by %s", v.Flow)
	}
	trusts := reasons.Trusts()
	if !slices.Equal(trusts, []reasons.Trust{reasons.NoTrust, reasons.CloudKerberos, reasons.KeyTrust, reasons.CertTrust}) {
		t.Errorf("trusts %q", trusts)
	}
	route, refusal := reasons.Select(reasons.Shape{Join: reasons.HybridJoined, Deployment: reasons.Hybrid, Authentication: reasons.FederatedADFS, Trust: reasons.CertTrust, Delivery: reasons.RegistrationAuthority})
	if refusal != nil || route.Provision != reasons.P5 || route.SignIn != reasons.A7 {
		t.Errorf("certificate trust: %+v, %v", route, refusal)
	}
}
