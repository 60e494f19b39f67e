package all_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ldapmsg"
)

const keyLink = "msDS-KeyCredentialLink"

// corpDirectory is the domain's directory as its administrator sees it.
func (l *lab) corpDirectory() *adldap.Conn {
	l.t.Helper()
	d := outOf[spec.Domain, spec.DomainOut](l, corp)
	account, _, _ := strings.Cut(d.AdminUPN, "@")
	c, err := adldap.SignIn(l.t.Context(), l.For(corp), adldap.Domain{Realm: d.Realm, Host: d.Hosts[0], BaseDN: d.DN, Account: account, Password: d.AdminPassword})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	return c
}

// linked is a value of msDS-KeyCredentialLink and what is in it.
type linked struct {
	value string
	keycred.Key
}

// links are a user's values in the domain.
func (l *lab) links(name string) (all []linked) {
	l.t.Helper()
	e, err := l.corpDirectory().Read("CN="+name+",CN=Users,DC=corp,DC=contoso,DC=com", keyLink)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, v := range e.Values(keyLink) {
		blob, err := ldapmsg.ParseDNBinary(string(v))
		if err != nil {
			l.t.Fatal(err)
		}
		k, err := keycred.Parse(blob.Binary)
		if err != nil {
			l.t.Fatal(err)
		}
		all = append(all, linked{string(v), k})
	}
	return all
}

// steps of a phase with who did them, to whom.
func (s story) lanes(letter string) (all []string) {
	for _, e := range s.phase(letter).events {
		all = append(all, string(e.Actor)+" → "+string(e.Peer)+": "+e.Step)
	}
	return all
}

// TestP4 is alice's provisioning at her hybrid joined desk, beside the same on an
// Entra joined laptop.
func TestP4(t *testing.T) {
	l := newHybridLab(t)
	l.Create(laptop, onLaptop())
	l.Create(desk, onDesk())
	l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: new(true)})
	l.Advance(15 * time.Minute) // a second factor is asked for in both
	l.enroll()
	l.Advance(15 * time.Minute)
	l.due("sync.hybrid")
	l.Create(deskEnrolled, enrollment(alice, desk))
	out := outOf[spec.Enrollment, spec.EnrollmentOut](l, deskEnrolled)
	s := l.story("P4")

	t.Run("as P1", func(t *testing.T) {
		seed.Proves(t, "P4-01", "P4")
		p1 := l.story("P1")
		s.begunByDevice(t)
		for _, letter := range []string{"A", "B", "C"} {
			got, want := s.lanes(letter), p1.lanes(letter)
			if !slices.Equal(got, want) || len(got) < 5 {
				t.Errorf("phase %s of P4\n%s\nof P1\n%s", letter, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		if s.letters() != "ABC" || out.Flow != "P4" || out.Trust != "key" {
			t.Errorf("phases %s, %+v", s.letters(), out)
		}
	})
	t.Run("before the cycle", func(t *testing.T) {
		seed.Proves(t, "P4-05", "P4")
		seed.Proves(t, "KS-07", "A6")
		if links := l.links("alice"); len(links) != 1 || links[0].Device.String() == out.DeviceID {
			t.Errorf("%d keys in the domain, and not the laptop's alone", len(links))
		}
		v := l.expect(byA6(), "key_not_synced")
		if v.Flow != "A6" || v.Phase != "B" || !strings.Contains(v.Reason.Sentence, "does not find the key") || !strings.Contains(v.Reason.Hint, "cycle") {
			t.Errorf("%+v %+v", v, v.Reason)
		}
		a6 := l.story("A6")
		if e := a6.at(t, "as_req"); e.Actor != event.KDC || e.Outcome != event.Refused || e.Reason.Code != "62" || krb.ErrClientNotTrusted != 62 {
			t.Errorf("the KDC: %s %+v", e.Outcome, e.Reason)
		}
		l.expect(windows.Request{User: alice, Device: desk, Password: providers.Secret(first)}, "success") // the password does
		l.Advance(29 * time.Minute)
		l.due("sync.hybrid")
		l.expect(byA6(), "key_not_synced")

		// The cycle that is due by time carries it down.
		l.Advance(2 * time.Minute)
		l.due("sync.hybrid")
		l.expect(byA6(), "success")
		links, registered := l.links("alice"), l.helloKeys("alice")
		if len(links) != 2 || len(registered) != 2 {
			t.Fatalf("%d keys in the domain, %d in the tenant", len(links), len(registered))
		}
		for _, k := range links {
			if !slices.ContainsFunc(registered, func(d graph.DeviceKey) bool {
				return bytes.Equal(d.KeyMaterial, k.Material) && d.DeviceID == k.Device.String()
			}) {
				t.Errorf("a key of device %s that the tenant does not have", k.Device)
			}
		}
	})
}

// The two reasons for which a first sign-in by key fails are told apart, and are
// asked in this order: is a controller in sight, does it have the key.
func TestFirstSignInNeedsBoth(t *testing.T) {
	seed.Proves(t, "KS-08", "A3", "A6")
	l := newBothLab(t)
	away := func(place string) {
		l.Update(desk, onDesk(placed(place)))
		l.Update(laptop, onLaptop(placed(place)))
	}
	away("internet")
	l.bothEnd(t, refusedNoSight, refusedNoCached)
	away("onsite")
	l.bothEnd(t, refusedNotSynced, refusedNotSynced)
	l.cycle()
	away("internet")
	l.bothEnd(t, refusedNoSight, refusedNoCached)
	if s := l.story("A6"); s.has("as_request") || s.has("prt_cached") {
		t.Errorf("somebody was asked\n%s", s)
	}
	away("onsite")
	l.bothEnd(t, letIn, letIn)
	away("internet")
	l.bothEnd(t, refusedNoSight, letIn) // a cached logon on the computer of the domain
}
