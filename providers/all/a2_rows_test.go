package all_test

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/sid"
)

// TestA2 is the first use of a domain's service after a sign-in by PIN to the
// tenant, under cloud Kerberos trust.
func TestA2(t *testing.T) {
	l := newCloudLaptop(t)
	tap := l.listen()
	l.expect(byPINTo("tenant.contoso"), "success")
	alone := slices.ContainsFunc(l.Events(), func(e event.Event) bool { return e.Flow == "A2" }) ||
		slices.ContainsFunc(l.story("A1").events, func(e event.Event) bool { return e.Actor == event.KDC || e.Peer == event.KDC || e.Step == "dc_located" })
	atSignIn := l.cloudTickets(laptop, "alice")
	kept := len(l.keysOf(laptop, "kerberos"))
	v := l.expect(byPINTo(webService, corp, webService), "success")
	s := l.story("A2")
	s.begunByDevice(t)
	kid := conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, enrolled).Out.KeyID

	t.Run("phases", func(t *testing.T) {
		want := []string{"A:domain_hint", "A:dc_located", "B:partial_tgt_sent", "B:tgt_cached", "B:logon_pac", "B:service_ticket", "B:service_request", "B:service_answered"}
		if got := slices.DeleteFunc(s.local(), func(step string) bool { return step == "B:access_granted" }); !slices.Equal(got, want) || v.Flow != "A1" || v.Phase != "E" {
			t.Errorf("steps %q of %s/%s\n%s", got, v.Flow, v.Phase, s)
		}
	})
	t.Run("first use", func(t *testing.T) {
		seed.Proves(t, "A2-01", "A2")
		if alone || kept != 0 {
			t.Errorf("a sign-in that uses nothing of the domain spoke with it; %d tickets kept", kept)
		}
		if atSignIn.Domain == nil {
			t.Error("the sign-in brought no partial ticket")
		}
		uses, exchanges := 0, 0
		for _, e := range l.story("A1").events {
			switch e.Step {
			case "service_request", "dc_located":
				uses++
			case "partial_tgt_sent":
				exchanges++
			}
		}
		if uses == 0 || exchanges != 0 {
			t.Errorf("%d later uses, %d exchanges\n%s", uses, exchanges, l.story("A1"))
		}
	})
	t.Run("hint, locator", func(t *testing.T) {
		seed.Proves(t, "A2-02", "A2")
		seed.Proves(t, "A2-03", "A2")
		seed.Proves(t, "COMP-07", "A2")
		seed.Proves(t, "COMP-08", "A2")
		s.by(t, "A", event.LSASS, event.Kerberos, "domain_hint")
		s.by(t, "A", event.DCLocator, event.ActiveDirectory, "dc_located")
		if m := s.at(t, "domain_hint").Message; m["kid"] != kid || m["domain"] != "corp.contoso.com" {
			t.Errorf("hint %v, key %s", m, kid)
		}
		if m := s.at(t, "dc_located").Message; m["controller"] != dc || m["records"] != "_ldap._tcp.dc._msdcs.corp.contoso.com" || m["key_list"] != true {
			t.Errorf("located %v", m)
		}
	})
	t.Run("sent", func(t *testing.T) {
		seed.Proves(t, "A2-04", "A2")
		s.by(t, "B", event.Kerberos, event.KDC, "partial_tgt_sent")
		if m := s.at(t, "partial_tgt_sent").Message; m["server"] != "krbtgt/"+realm || m["key_list"] != true {
			t.Errorf("sent %v", m)
		}
		l.story("A1").inOrder(t, "prt_cached", "partial_tgt_cached", "explorer_started")
	})
	held := l.cloudTickets(laptop, "alice").Domain
	session := stored[kerberos.Session](l, laptop, "kerberos", l.sid("alice"))
	ofEntra, number := l.serverKey(t)
	t.Run("partial", func(t *testing.T) {
		seed.Proves(t, "A2-05", "A2")
		seed.Proves(t, "A2-06", "A2")
		seed.Proves(t, "COMP-15", "A2")
		seed.Proves(t, "KEY-21", "A2")
		ticket, err := krb.ParseTicket(held.Ticket)
		if err != nil {
			t.Fatal(err)
		}
		if n := ticket.EncPart.KeyVersion() >> 16; n != uint32(number) {
			t.Errorf("it is of controller %d, not %d", n, number)
		}
		part, err := ticket.Open(ofEntra)
		if err != nil {
			t.Fatal("it is not under the key of the server object: ", err)
		}
		content := pacOf(t, part)
		user := l.userSID(t)
		if content.LogonInfo == nil || len(content.LogonInfo.Groups) != 0 || len(content.LogonInfo.ExtraSIDs) != 0 || content.LogonInfo.User() != user || content.Requestor != user {
			t.Errorf("it says more than who: %+v", content.LogonInfo)
		}
		if err := content.VerifyServer(ofEntra); err != nil {
			t.Error("signature: ", err)
		}
		// Who makes it, who can use it and for how long; how it ends is in
		// TestA5Session and TestA2NoPartialTicket.
		if e := l.story("A1").at(t, "partial_tgt_issued"); e.Actor != event.EntraKerberos || e.Message["groups"] != 0 {
			t.Errorf("made by %s: %v", e.Actor, e.Message)
		}
		if bytes.Contains(tap.unfolded(), held.Key.Value) {
			t.Error("its session key passed in the clear")
		}
		if life := held.EndTime.Sub(held.AuthTime); life != 10*time.Hour {
			t.Errorf("it is good for %s", life)
		}
		if n := len(l.links("alice")); n != 0 {
			t.Errorf("%d keys of alice in the domain", n)
		}
	})
	t.Run("full", func(t *testing.T) {
		seed.Proves(t, "A2-07", "A2")
		if len(session.Groups) < 3 || session.Method != "cloud" || session.SID != l.userSID(t).String() || string(session.TGT.Ticket) == string(held.Ticket) {
			t.Errorf("session by %s of %s with %q", session.Method, session.SID, session.Groups)
		}
		ticket, err := krb.ParseTicket(session.TGT.Ticket)
		if err != nil || ticket.EncPart.KeyVersion() >= 1<<16 {
			t.Errorf("the full ticket is of version %d: %v", ticket.EncPart.KeyVersion(), err)
		}
		if _, err := ticket.Open(ofEntra); err == nil {
			t.Error("the full ticket is under the tenant's key")
		}
	})
	t.Run("tickets in the cache", func(t *testing.T) {
		seed.Proves(t, "KEY-22", "A2")
		tgt := session.TGT
		if life := tgt.EndTime.Sub(tgt.AuthTime); life != 10*time.Hour || tgt.RenewTill.Sub(tgt.AuthTime) != 7*24*time.Hour || !tgt.Server.Equal(krb.TGS(realm)) {
			t.Errorf("the full ticket for %s is good for %s, renewable until %s", tgt.Server, life, tgt.RenewTill)
		}
		if len(session.Tickets) != 2 { // the service, and the directory
			t.Fatalf("%d tickets for services", len(session.Tickets))
		}
		wire := tap.unfolded()
		for _, c := range append(slices.Clone(session.Tickets), *tgt) {
			if c.EndTime.After(tgt.EndTime) || bytes.Contains(wire, c.Key.Value) {
				t.Errorf("%s ends at %s, or its key passed in the clear", c.Server, c.EndTime)
			}
		}
		if err := l.windows.SignOut(t.Context(), l.For(laptop), alice, laptop); err != nil {
			t.Fatal(err)
		}
		if keys := append(l.keysOf(laptop, "kerberos"), l.keysOf(laptop, "cloudtickets")...); len(keys) != 0 {
			t.Errorf("kept beyond the session: %q", keys)
		}
		l.expect(byPINTo(webService), "success")
	})
	t.Run("unlock goes on", func(t *testing.T) {
		l.lock()
		v := l.expect(unlocking(byPINTo(webService)), "success")
		if steps := l.ran(v); slices.Contains(steps, "partial_tgt_sent") || !slices.Contains(steps, "service_answered") {
			t.Errorf("steps %q", steps)
		}
	})
}

// pacOf is the authorization data of a ticket's part.
func pacOf(t testing.TB, part *krb.EncTicketPart) *pac.PAC {
	t.Helper()
	raw, ok := part.PAC()
	if !ok {
		t.Fatal("the ticket has no PAC")
	}
	content, err := pac.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func (l *lab) userSID(t testing.TB) sid.SID {
	t.Helper()
	id, err := sid.Parse(conformance.Get[spec.User, spec.UserOut](l.Env, alice).Out.SID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestA2Tampered: a controller takes no partial ticket but as it was issued, to
// whom it was issued.
func TestA2Tampered(t *testing.T) {
	l := newCloudLaptop(t)
	l.expect(byPINTo("tenant.contoso"), "success")
	good := l.cloudTickets(laptop, "alice")
	key, number := l.serverKey(t)
	kvno := uint32(number) << 16
	ticket, err := krb.ParseTicket(good.Domain.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	kvno |= ticket.EncPart.KeyVersion() & 0xffff
	part, err := ticket.Open(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(key krb.Key, kvno uint32, change func(*krb.EncTicketPart)) []byte {
		forged := *part
		change(&forged)
		t2, err := krb.SealTicket(key, kvno, realm, krb.TGS(realm), &forged)
		if err != nil {
			t.Fatal(err)
		}
		b, err := t2.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	as := func(*krb.EncTicketPart) {}
	flipped := slices.Clone(good.Domain.Ticket)
	flipped[len(flipped)-1] ^= 1
	wrong := krb.Key{EType: krb.AES256, Value: make([]byte, 32)}
	for what, tt := range map[string]struct {
		ticket []byte
		code   string
	}{
		"as issued":              {good.Domain.Ticket, "success"},
		"sealed anew, unchanged": {sealed(key, kvno, as), "success"},
		"a bit flipped":          {flipped, "cloud_kerberos_key_differs"},
		"under another key":      {sealed(wrong, kvno, as), "cloud_kerberos_key_differs"},
		"of another controller":  {sealed(key, kvno^(1<<16), as), "cloud_kerberos_unknown"},
		"to another account":     {sealed(key, kvno, func(p *krb.EncTicketPart) { p.Client = krb.Principal("Administrator") }), ""},
	} {
		t.Run(what, func(t *testing.T) {
			seed.Proves(t, "A2-07", "A2")
			held := *good.Domain
			held.Ticket = tt.ticket
			d := conformance.Get[spec.Domain, spec.DomainOut](l.Env, corp)
			p := kerberos.New(kerberos.Config{
				Network: l.For(corp).Network, Now: l.Now, Rand: rand.Reader,
				Domain: kerberos.Domain{Name: d.In.DNSName, Realm: d.Out.Realm, Servers: d.Out.Hosts},
			})
			session, err := p.SignInPartial(t.Context(), &held)
			if tt.code == "success" {
				if err != nil || len(session.Groups) < 3 || session.NTHash == nil {
					t.Errorf("%+v, %v", session, err)
				}
				return
			}
			if err == nil {
				t.Fatal("it is taken")
			}
			if tt.code == "" {
				return
			}
			l.keep(laptop, "cloudtickets", l.sid("alice"), ticketsState{Domain: &held})
			l.lock()
			v := l.expect(unlocking(byPINTo(corp)), tt.code)
			if v.Flow != "A2" || v.Phase != "B" {
				t.Errorf("%s/%s", v.Flow, v.Phase)
			}
			if s := l.story("A2"); s.has("tgt_cached") || len(l.keysOf(laptop, "kerberos")) != 0 {
				t.Errorf("a ticket is kept\n%s", s)
			}
		})
	}
}

// TestA2Hint: without the name of a domain in the key's metadata nobody looks for
// a controller, and without a controller that can nobody is asked.
func TestA2Hint(t *testing.T) {
	for domain, code := range map[string]string{"corp.contoso.com": "success", "": "domain_hint_missing", "fabrikam.com": "domain_hint_missing"} {
		t.Run(domain, func(t *testing.T) {
			seed.Proves(t, "A2-02", "A2")
			l := newCloudLaptop(t)
			c := l.containerOf(laptop, "alice")
			if c.UserKeys[0].Domain != "corp.contoso.com" {
				t.Fatalf("provisioning notes %q", c.UserKeys[0].Domain)
			}
			c.UserKeys[0].Domain = domain
			l.keep(laptop, "container", l.sid("alice"), c)
			l.expect(byPINTo("tenant.contoso"), "success")
			v := l.expect(byPINTo(corp), code)
			s := l.story("A2")
			if code == "success" {
				return
			}
			if v.Flow != "A2" || v.Phase != "A" || s.has("dc_located") || s.has("partial_tgt_sent") || s.at(t, "domain_hint").Outcome != event.Refused {
				t.Errorf("%s/%s\n%s", v.Flow, v.Phase, s)
			}
		})
	}
}

// TestA2Locator: a controller that answers and cannot exchange partial tickets is
// none for this flow.
func TestA2Locator(t *testing.T) {
	for _, place := range []string{"onsite", "vpn", "internet"} {
		t.Run(place, func(t *testing.T) {
			seed.Proves(t, "A2-03", "A2")
			seed.Proves(t, "MOD-12", "A2")
			l := newCloudLaptop(t)
			if err := l.windows.Restart(t.Context(), l.For(laptop), laptop); err != nil {
				t.Fatal(err)
			}
			l.Update(laptop, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: alice, Network: place, Biometrics: []string{"face", "fingerprint"}})
			l.expect(byPINTo("tenant.contoso"), "success") // with a controller in sight or none
			if err := l.windows.Restart(t.Context(), l.For(laptop), laptop); err != nil {
				t.Fatal(err)
			}
			want := "success"
			if place == "internet" {
				want = "no_line_of_sight"
			}
			v := l.expect(byPINTo(webService), want)
			if s := l.story("A1"); s.has("vpn_connected") != (place == "vpn") {
				t.Errorf("%s", s)
			}
			s := l.story("A2")
			if s.events[0].Correlation != v.ID {
				t.Errorf("the verdict, %s/%s, names the run %s", v.Flow, v.Phase, v.ID)
			}
			if s.has("dc_located") != (want == "success") || want != "success" && (v.Phase != "A" || v.Reason.Code != "0xC000005E") {
				t.Errorf("%s/%s, %+v\n%s", v.Flow, v.Phase, v.Reason, s)
			}
		})
	}
}

// TestExchangers: a controller that is too old for partial tickets, or read-only,
// is not asked, and where there is no other the flow ends at the locator. D1, D2.
func TestExchangers(t *testing.T) {
	old := &spec.Controller{OS: "windows-server-2019", Build: "17763.100", Site: "Default-First-Site-Name"}
	current := &spec.Controller{OS: "windows-server-2022", Site: "Default-First-Site-Name"}
	for name, controllers := range map[string]map[string]*spec.Controller{
		"": {"dc1": old}, "dc2.corp.contoso.com": {"dc1": old, "dc2": current},
	} {
		t.Run(name, func(t *testing.T) {
			seed.Proves(t, "A2-03", "A2")
			seed.Proves(t, "A5-09", "A5")
			l := newCloudLab(t, func(d *spec.Domain) { d.Controllers = controllers })
			l.device("laptop")
			l.enroll()
			l.Create(desk, onDesk())
			l.Create(deskEnrolled, enrollment(alice, desk)) // a partial ticket is of the tenant
			l.restartDesk()
			if name != "" {
				l.expect(byPINTo(corp), "success")
				l.expect(deskPIN(), "success")
				for _, flow := range []string{"A2", "A5"} {
					if m := l.story(flow).at(t, "dc_located").Message; m["controller"] != name {
						t.Errorf("%s asks %v", flow, m)
					}
				}
				return
			}
			v := l.expect(byPINTo(corp), "dc_not_found")
			if s := l.story("A2"); v.Phase != "A" || v.Reason.Code != "0xC0000233" || s.has("partial_tgt_sent") {
				t.Errorf("%s/%s, %+v\n%s", v.Flow, v.Phase, v.Reason, s)
			}
			v = l.expect(deskPIN(), "dc_not_found")
			if s := l.story("A5"); v.Phase != "E" || s.has("partial_tgt_sent") || s.has("logon_session") || s.has("cached_logon") {
				t.Errorf("%s/%s\n%s", v.Flow, v.Phase, s)
			}
			l.expect(deskPassword(corp), "success") // any controller takes a password
		})
	}
}

// TestA2NoPartialTicket: who has none is told to sign in again, and is asked for no
// password.
func TestA2NoPartialTicket(t *testing.T) {
	seed.Proves(t, "A2-04", "A2")
	l := newCloudLaptop(t)
	unasked := func(v windows.Verdict) {
		t.Helper()
		s := l.story("A2")
		if v.Flow != "A2" || v.Phase != "A" || !s.has("sign_in_again") || s.has("partial_tgt_sent") || s.has("as_request") {
			t.Errorf("%s/%s\n%s", v.Flow, v.Phase, s)
		}
		for _, e := range s.events {
			if strings.Contains(e.Step, "password") || strings.Contains(e.Step, "prompt") {
				t.Errorf("the user is asked: %s", e.Step)
			}
		}
		if v.Reason.Hint == "" {
			t.Errorf("%+v", v.Reason)
		}
	}

	// The session began before the trust was there: there was nothing to bring.
	l.Delete(cloudTrust)
	l.Update("policy.hello", switchedOn())
	l.expect(byPINTo("tenant.contoso"), "success")
	v := l.expect(byPINTo(corp), "no_cloud_tgt")
	unasked(v)
	l.Create(cloudTrust, spec.Trust{Type: "cloud_kerberos", Tenant: "tenant.contoso", Domain: corp})
	l.lock()
	unasked(l.expect(unlocking(byPINTo(corp)), "no_cloud_tgt")) // the session goes on without
	l.expect(byPINTo(corp), "success")                          // a new one has it

	// The cache is empty, or what is in it has ended.
	l.expect(byPINTo("tenant.contoso"), "success")
	l.drop(laptop, "cloudtickets")
	l.drop(laptop, "kerberos")
	l.lock()
	unasked(l.expect(unlocking(byPINTo(corp)), "partial_ticket_missing"))
	l.expect(byPINTo(corp), "success")

	// A token of age is renewed at an unlock, and brings another ticket.
	l.lock()
	l.Advance(11 * time.Hour)
	if l.cloudTickets(laptop, "alice").Domain.EndTime.After(l.Now()) {
		t.Error("the ticket is still good")
	}
	l.expect(unlocking(byPINTo(corp)), "success")
	if s := l.story("A1"); !s.has("prt_renewal") || !s.has("partial_tgt_cached") {
		t.Errorf("%s", s)
	}
	if n := conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, enrolled).Out.Flow; n != "P1" {
		t.Errorf("provisioned by %s", n)
	}
}

// TestHintOfAnOlderVersion: keys whose metadata are of a version that noted no
// domain lead to the user's.
func TestHintOfAnOlderVersion(t *testing.T) {
	l := newKeyTrust(t)
	c := l.containerOf(laptop, "alice")
	c.UserKeys[0].Domain = ""
	l.keep(laptop, "container", l.sid("alice"), c)
	l.expect(byPINTo(corp), "domain_hint_missing")
	c.UserKeys[0].Hinted = false
	l.keep(laptop, "container", l.sid("alice"), c)
	l.expect(byPINTo(corp), "success")
}
