package all_test

import (
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/adcs"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/eventlog"
	"hellolab/providers/wire/crl"
)

// certified are the templates by which the authority has certified users' keys.
func (l *lab) certified() (templates []string) {
	l.t.Helper()
	rows, err := adcs.Issued(l.For("authority.issuing"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Requester == `CORP\alice` {
			templates = append(templates, r.Template)
		}
	}
	return templates
}

// TestNoUserCertificates: without certificate trust nobody is certified, whatever AD
// FS could do.
func TestNoUserCertificates(t *testing.T) {
	seed.Proves(t, "CE-01", "P4", "P8", "P6")
	managed := newDesk(t)
	managed.cycle()
	managed.expect(deskPIN(), "success")
	federated := newFederatedLab(t, spec.TrustKey)
	federated.Create(desk, onDesk())
	federated.enrollDesk()
	federated.cycle()
	federated.expect(deskPIN(), "success")
	alone := newOnPrem(t, spec.TrustKey)
	alone.enrollDesk()
	alone.expect(deskPIN(), "success")
	for name, l := range map[string]*lab{"managed": managed, "federated": federated, "on-premises": alone} {
		if got := l.certified(); len(got) != 0 || l.has("csr_created") || l.has("certificate_request") {
			t.Errorf("%s: certificates by %q", name, got)
		}
	}
	t.Run("the flow ends after C", func(t *testing.T) {
		seed.Proves(t, "CE-06", "P8")
		if s := federated.story("P8"); s.letters() != "ABC" && s.events[len(s.events)-1].Phase != "C" || s.has("csr_created") {
			t.Errorf("%s", s)
		}
	})
}

// TestRegistrationAuthorityOff: with certificate trust, an AD FS that is no
// registration authority keeps Windows from offering Hello.
func TestRegistrationAuthorityOff(t *testing.T) {
	seed.Proves(t, "CE-06", "P5")
	l := newP5(t)
	f := conformance.Get[spec.Federation, spec.FederationOut](l.Env, adfs).In
	l.Update(adfs, l.With("federation", f, "registration_authority", cty.False))
	l.refuses(t, deskEnrolled, enrollment(alice, desk))
	if s := l.story("P5"); s.has("csr_created") || s.at(t, "prerequisites").Message["AdfsRaIsReady"] != "NO" {
		t.Errorf("%s", s)
	}
	for c, id := range map[eventlog.Channel]int{eventlog.HelloForBusiness: 7206, eventlog.UserDeviceRegistration: 362} {
		if !slices.ContainsFunc(l.channel(desk, c), func(r eventlog.Record) bool { return r.ID == id }) {
			t.Errorf("no entry %d", id)
		}
	}
}

// TestA7Revoked: at the desk, too, a revoked certificate signs in until its list is
// there, and the logon that the device keeps does not ask.
func TestA7Revoked(t *testing.T) {
	seed.Proves(t, "REV-04", "A7")
	seed.Proves(t, "CE-09", "A7")
	l := newP5(t, func(f *federatedLab) { f.Authority.OCSP = false })
	l.Update("authority.issuing", l.With("authority", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true}, "ocsp", cty.False))
	l.enrollDesk()
	l.restartDesk()
	l.expect(deskPIN(), "success")
	rows, err := adcs.Issued(l.For("authority.issuing"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(rows, func(r ca.Row) bool { return r.Requester == `CORP\alice` })
	if i < 0 || rows[i].Template != ca.HelloAuthentication {
		t.Fatalf("issued %+v", rows)
	}
	if err := l.authority().Revoke(t.Context(), l.leafOf(desk).SerialNumber, crl.KeyCompromise, time.Time{}); err != nil {
		t.Fatal(err)
	}
	l.restartDesk()
	l.expect(deskPIN(), "success") // until the next list
	l.Advance(8 * 24 * time.Hour)
	l.due("authority.issuing", corp, adfs)
	l.restartDesk()
	v := l.expect(deskPIN(), "certificate_revoked")
	if s := l.story("A7"); v.Phase != "B" || v.Reason.Name != "STATUS_SMARTCARD_CERT_REVOKED" || s.has("explorer_started") || s.has("nonce_request") {
		t.Errorf("%s, %+v\n%s", v.Phase, v.Reason, s)
	}
	// The key itself is as good as before: the tenant takes it.
	if keys := l.helloKeys("alice"); len(keys) != 1 {
		t.Errorf("keys %v", keys)
	}
}

// TestCertificateOfAnother: a certificate of one user's key does not sign in another.
// Fault 65.
func TestCertificateOfAnother(t *testing.T) {
	l := newCertificateLab(t)
	for name, tt := range map[string]struct {
		change func(*ca.Requester)
		code   string
	}{
		"names and identifier": {func(r *ca.Requester) {
			r.UPN, r.SID = "Administrator@corp.contoso.com", r.SID.Domain().Account(500)
		}, "certificate_name_mismatch"}, // the domain would sign that account in, into alice's session
		"names alone":      {func(r *ca.Requester) { r.UPN = "Administrator@corp.contoso.com" }, "certificate_other_account"},
		"identifier alone": {func(r *ca.Requester) { r.SID = r.SID.Domain().Account(500) }, "certificate_other_account"},
	} {
		t.Run(name, func(t *testing.T) {
			l.replaceCertificate(laptop, l.issue(laptop, as(tt.change)))
			l.restart()
			before := len(l.keysOf(laptop, "kerberos"))
			if v := l.signIn(byA4()); v.Code != tt.code || len(l.keysOf(laptop, "kerberos")) != before {
				t.Errorf("%s (%+v)\n%s", v.Code, v.Reason, l.story("A4"))
			}
		})
	}
	if slices.ContainsFunc(l.Events(), func(e event.Event) bool { return e.Outcome == event.Failed }) {
		t.Error("something broke")
	}
}
