package all_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	reasons "hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/crl"
)

// newBothLab is a hybrid lab with an Entra joined laptop and a hybrid joined
// desk, on each of which alice has a key. No cycle has carried the keys down.
func newBothLab(t testing.TB) *lab {
	t.Helper()
	l := newHybridLab(t)
	l.Create(laptop, onLaptop())
	l.hybridDesk() // joining runs a cycle
	l.enroll()
	return l
}

// hybridDesk is alice's hybrid joined desk, with a key on it.
func (l *lab) hybridDesk(change ...func(*spec.Device)) spec.EnrollmentOut {
	l.t.Helper()
	l.Create(desk, onDesk(change...))
	l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: new(true)})
	l.Create(deskEnrolled, enrollment(alice, desk))
	return outOf[spec.Enrollment, spec.EnrollmentOut](l, deskEnrolled)
}

const deskEnrolled = "enrollment.alice_desk"

// onDesk and onLaptop are the two devices as declared, but for change.
func onDesk(change ...func(*spec.Device)) spec.Device {
	return changed(spec.Device{Join: "hybrid", Tenant: "tenant.contoso", Domain: corp}, change)
}

func onLaptop(change ...func(*spec.Device)) spec.Device {
	return changed(spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: alice, TrustedRoots: []providers.Ref{"authority.issuing"}}, change)
}

func changed(d spec.Device, change []func(*spec.Device)) spec.Device {
	for _, c := range change {
		c(&d)
	}
	return d
}

func placed(place string) func(*spec.Device) { return func(d *spec.Device) { d.Network = place } }

func (l *lab) due(addrs ...string) {
	l.t.Helper()
	for _, addr := range addrs {
		if err := l.Due(l.t.Context(), addr); err != nil {
			l.t.Fatal(err)
		}
	}
}

// byA3 and byA6 sign alice in to the domain with her key: from the laptop at the
// first use of the domain, and at the desk.
func byA3(to ...string) windows.Request {
	return windows.Request{User: alice, Device: laptop, PIN: providers.Secret(pin), To: append(to, corp)}
}

func byA6(to ...string) windows.Request {
	return windows.Request{User: alice, Device: desk, PIN: providers.Secret(pin), To: to}
}

func requests() []windows.Request { return []windows.Request{byA3(), byA6()} }

// outcome is how a sign-in to the domain is to end.
type outcome struct {
	code   string
	status string   // NTSTATUS and its name
	krb    int32    // Kerberos' error, 0 where none stands for the reason
	phases []string // of A3 and A6
}

var (
	letIn            = outcome{code: "success"}
	refusedNotSynced = outcome{"key_not_synced", "0xC000038C STATUS_PKINIT_CLIENT_FAILURE", 62, []string{"B", "B"}}
	refusedExpired   = outcome{"kdc_certificate_expired", "0xC000040E STATUS_KDC_CERT_EXPIRED", 0, []string{"C", "C"}}
	refusedRevoked   = outcome{"kdc_certificate_revoked", "0xC000040F STATUS_KDC_CERT_REVOKED", 0, []string{"C", "C"}}
	refusedUnknown   = outcome{"kdc_certificate_unknown_revocation", "0xC000040C STATUS_REVOCATION_OFFLINE_KDC", 0, []string{"C", "C"}}
	refusedNoPurpose = outcome{"kdc_certificate_no_kdc_purpose", "0xC0000320 STATUS_PKINIT_FAILURE", 0, []string{"C", "C"}}
	refusedOtherName = outcome{"kdc_certificate_other_domain", "0xC000006D STATUS_LOGON_FAILURE", 76, []string{"C", "C"}}
	refusedUntrusted = outcome{"kdc_certificate_untrusted", "0xC000040D STATUS_ISSUING_CA_UNTRUSTED_KDC", 63, []string{"C", "C"}}
	refusedNoCert    = outcome{"kdc_no_certificate", "0xC00000BB STATUS_NOT_SUPPORTED", 16, []string{"B", "B"}}
	refusedNoSight   = outcome{"no_line_of_sight", "0xC000005E STATUS_NO_LOGON_SERVERS", 0, []string{"A", "A"}}
	refusedNoCached  = outcome{"cached_logon_missing", "0xC000005E STATUS_NO_LOGON_SERVERS", 0, []string{"A", "A"}}
)

// ends signs in by A3 (0) or A6 (1) and compares.
func (l *lab) ends(t *testing.T, flow int, want outcome) {
	t.Helper()
	l.ended(t, flow, l.signIn(requests()[flow]), want)
}

// ended compares how a sign-in ended.
func (l *lab) ended(t *testing.T, flow int, v windows.Verdict, want outcome) {
	t.Helper()
	name := []string{"A3", "A6"}[flow]
	if _, err := l.For(corp).Objects.Lookup("trust.certificate"); err == nil {
		name = []string{"A4", "A7"}[flow]
	}
	if v.Flow != name || v.Code != want.code {
		t.Errorf("%s ended with %s (%+v) in flow %s; want %s\n%s", name, v.Code, v.Reason, v.Flow, want.code, l.story(name))
		return
	}
	if want.code == letIn.code {
		return
	}
	if v.Reason == nil || v.Reason.Code+" "+v.Reason.Name != want.status || v.Phase != want.phases[flow] {
		t.Errorf("%s: %+v in phase %s; want %s in %s", name, v.Reason, v.Phase, want.status, want.phases[flow])
	}
	r, _ := reasons.ReasonFor(v.Code)
	if code, ok := r.Kerberos(); code != want.krb || ok != (want.krb != 0) {
		t.Errorf("%s: error %d of Kerberos, want %d", v.Code, code, want.krb)
	}
	// Nobody is signed in, and the last event says so with the same reason.
	s := l.story(name)
	last := s.events[len(s.events)-1]
	if last.Outcome != event.Refused || last.Reason == nil || last.Reason.Name != v.Reason.Name || s.has("tgt_cached") || s.has("explorer_started") {
		t.Errorf("%s: ends with %s (%s)\n%s", name, last.Step, last.Outcome, s)
	}
}

func (l *lab) bothEnd(t *testing.T, a3, a6 outcome) {
	t.Helper()
	l.ends(t, 0, a3)
	l.ends(t, 1, a6)
}

// The same things go wrong on an Entra joined and on a hybrid joined device, and
// are told alike: by code, status, error of Kerberos, and phase.
func TestDomainRefusals(t *testing.T) {
	seed.Proves(t, "A6-04", "A6")
	seed.Proves(t, "A6-09", "A6")
	seed.Proves(t, "KS-07", "A3", "A6")
	l := newBothLab(t)
	l.bothEnd(t, refusedNotSynced, refusedNotSynced)
	l.cycle()
	t.Run("no line of sight", func(t *testing.T) {
		seed.Proves(t, "KS-08", "A6")
		for _, place := range []string{"internet", "none"} {
			l.Update(desk, onDesk(placed(place)))
			l.ends(t, 1, refusedNoCached)
		}
		l.Update(laptop, onLaptop(placed("internet")))
		l.ends(t, 0, refusedNoSight)
		l.Update(desk, onDesk())
		l.Update(laptop, onLaptop())
	})
	l.kdcCertificateRefused(t)
}

// kdcCertificateRefused spoils the controller's certificate in each way that a
// device looks for; alice signs in to the domain with both devices before.
func (l *lab) kdcCertificateRefused(t *testing.T) {
	l.bothEnd(t, letIn, letIn)
	good := l.raw(corp, "certificates", "dc1")

	t.Run("no certificate, and one without the purpose", func(t *testing.T) {
		for _, c := range []struct {
			template        string
			strict, windows outcome // windows: as an unconfigured hybrid joined device
		}{
			{spec.TemplateNone, refusedNoCert, refusedNoCert},
			{spec.TemplateDomainController, refusedNoPurpose, letIn},
			{spec.TemplateDomainControllerAuthentication, refusedNoPurpose, letIn},
		} {
			l.template(c.template)
			l.bothEnd(t, c.strict, c.windows)
			l.strict(t, c.strict, c.windows)
		}
		l.template(spec.TemplateKerberosAuthentication)
		l.bothEnd(t, letIn, letIn)
	})
	t.Run("another domain's", func(t *testing.T) {
		l.Create("domain.other", spec.Domain{DNSName: "fabrikam.com", NetBIOSName: "FABRIKAM"})
		l.Create("authority.other", spec.Authority{Domain: "domain.other", CommonName: "Other CA", NTAuth: true})
		l.due("authority.other", "domain.other")
		l.putKDC(l.raw("domain.other", "certificates", "dc1"))
		// Its root is no root of theirs.
		l.bothEnd(t, refusedUntrusted, refusedUntrusted)
		trusting := func(d *spec.Device) { d.TrustedRoots = []providers.Ref{"authority.issuing", "authority.other"} }
		l.Update(laptop, onLaptop(trusting))
		l.Update(desk, onDesk(trusting))
		l.bothEnd(t, refusedOtherName, letIn)
		l.strict(t, refusedOtherName, letIn, trusting)
	})
	l.putKDC(good)
	l.bothEnd(t, letIn, letIn)
	t.Run("unknown root", func(t *testing.T) {
		l.Update(laptop, onLaptop(func(d *spec.Device) { d.TrustedRoots = nil }))
		l.bothEnd(t, refusedUntrusted, letIn) // a computer of the domain has its roots by itself
		l.Update(laptop, onLaptop())
	})
	t.Run("revoked", func(t *testing.T) {
		authority, err := ca.Open(ca.Env{Section: l.For("authority.issuing").Section, Now: l.Now, Rand: rand.Reader}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := authority.Revoke(t.Context(), l.kdcLeaf(t).SerialNumber, crl.KeyCompromise, time.Time{}); err != nil {
			t.Fatal(err)
		}
		l.Advance(8 * 24 * time.Hour)
		l.due("authority.issuing")
		l.bothEnd(t, refusedRevoked, refusedRevoked)
	})
	t.Run("expired", func(t *testing.T) {
		// The device's clock is set ahead while it signs in.
		life := l.kdcLeaf(t).NotAfter.Sub(l.Now()) + time.Minute
		for flow, r := range requests() {
			env := l.For(r.Device)
			var ahead time.Duration
			tell := env.Emit
			env.Now = func() time.Time { return l.Now().Add(ahead) }
			env.Emit = func(e event.Event) {
				if e.Step == "domain_hint" {
					ahead = life
				}
				tell(e)
			}
			v, err := l.windows.SignIn(t.Context(), env, r)
			if err != nil {
				t.Fatal(err)
			}
			l.ended(t, flow, v, refusedExpired)
		}
		// The controller itself does not show one that is over.
		l.Advance(life)
		l.bothEnd(t, refusedNoCert, refusedNoCert)
		l.due("authority.issuing", corp)
		l.bothEnd(t, letIn, letIn)
	})
}

// strict has both devices be strict about a KDC's certificate, and neither
// (reading R2).
func (l *lab) strict(t *testing.T, on, off outcome, more ...func(*spec.Device)) {
	t.Helper()
	for yes, want := range map[bool]outcome{true: on, false: off} {
		set := append(slices.Clone(more), func(d *spec.Device) { d.StrictKDC = &yes })
		l.Update(laptop, onLaptop(set...))
		l.Update(desk, onDesk(set...))
		l.bothEnd(t, want, want)
	}
	l.Update(laptop, onLaptop(more...))
	l.Update(desk, onDesk(more...))
}

// template has the controller enroll by another template.
func (l *lab) template(name string) {
	l.t.Helper()
	d := kdcTemplate(name)
	d.DNSName, d.NetBIOSName = "corp.contoso.com", "CORP"
	l.Update(corp, d)
	l.due(corp)
}

// putKDC has the domain's controller answer with another certificate.
func (l *lab) putKDC(raw []byte) {
	l.t.Helper()
	if err := l.For(corp).Section.Update(l.t.Context(), func(w providers.Writer) error { return w.Put("certificates", "dc1", raw) }); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) kdcLeaf(t *testing.T) *x509.Certificate {
	t.Helper()
	var rec struct{ Chain [][]byte }
	if err := json.Unmarshal(l.raw(corp, "certificates", "dc1"), &rec); err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(rec.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// Whether the KDC's certificate is revoked is learned where the authority's
// lists are reached from; where they are not, the device's policy decides.
func TestDomainRevocationUnknown(t *testing.T) {
	l := newBothLab(t)
	l.cycle()
	from := func(places ...string) {
		l.Update("authority.issuing", l.With("authority", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true,
			CRL: &spec.AuthorityCRL{Validity: 7 * 24 * time.Hour, Overlap: 12 * time.Hour, ReachableFrom: places}}, "ocsp", cty.True))
	}
	from("onsite")
	l.bothEnd(t, letIn, letIn)
	for _, places := range [][]string{{"internet"}, {"dc"}} {
		from(places...)
		l.bothEnd(t, refusedUnknown, refusedUnknown)
	}
	allow := func(d *spec.Device) { d.RevocationUnknown = "allow" }
	l.Update(laptop, onLaptop(allow))
	l.Update(desk, onDesk(allow))
	l.bothEnd(t, letIn, letIn)
	from("onsite", "internet")
	l.Update(laptop, onLaptop())
	l.Update(desk, onDesk())
	l.bothEnd(t, letIn, letIn)

	// By the tunnel, without a ticket: what is reached beside it counts, too.
	for places, want := range map[string]outcome{"onsite": letIn, "internet": letIn, "dc": refusedUnknown} {
		from("onsite")
		l.Update(desk, onDesk())
		l.expect(byA6(), "success") // caches the logon
		if err := l.windows.Restart(t.Context(), l.For(desk), desk); err != nil {
			t.Fatal(err)
		}
		l.Update(desk, onDesk(placed("vpn")))
		from(places)
		v := l.expect(byA6(corp), want.code)
		s := l.story("A6")
		s.inOrder(t, "cached_logon", "explorer_started", "vpn_connected", "as_request")
		if want.code != letIn.code && v.Reason.Code+" "+v.Reason.Name != want.status {
			t.Errorf("%s: %+v", places, v.Reason)
		}
	}
}

// outOf is what an object has learned.
func outOf[In, Out any](l *lab, addr string) Out {
	l.t.Helper()
	return conformance.Get[In, Out](l.Env, addr).Out
}
