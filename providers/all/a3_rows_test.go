package all_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/kdccert"
	"hellolab/providers/wire/krb"
)

// newKeyTrust is newHybridLab with an Entra joined laptop that trusts the
// domain's root, alice's key in both directories, and a service in the domain.
func newKeyTrust(t testing.TB) *lab {
	t.Helper()
	l := newHybridLab(t)
	l.Create(webService, spec.Service{Domain: corp, Kind: spec.ServiceKerberos, Enabled: true})
	l.device("laptop", trusting)
	l.enroll()
	l.cycle()
	return l
}

func trusting(d *spec.Device) { d.TrustedRoots = []providers.Ref{"authority.issuing"} }

// byPINTo is a sign-in with the PIN and then a way to go.
func byPINTo(to ...string) windows.Request {
	return windows.Request{PIN: providers.Secret(pin), To: to}
}

// administrator is the domain's directory, by its administrator.
func (l *lab) administrator() *adldap.Conn {
	l.t.Helper()
	d := conformance.Get[spec.Domain, spec.DomainOut](l.Env, corp).Out
	account, _, _ := strings.Cut(d.AdminUPN, "@")
	c, err := adldap.SignIn(l.t.Context(), l.For(corp), adldap.Domain{Realm: realm, Host: dc, BaseDN: d.DN, Account: account, Password: d.AdminPassword})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	return c
}

const keyLinks = "msDS-KeyCredentialLink"

// keyLinksOf are the keys that the domain's directory has of an account.
func (l *lab) keyLinksOf(c *adldap.Conn, dn string) []string {
	l.t.Helper()
	e, err := c.Read(dn, keyLinks)
	if err != nil {
		l.t.Fatal(err)
	}
	var all []string
	for _, v := range e.Values(keyLinks) {
		all = append(all, string(v))
	}
	return all
}

// asRequest is what the KDC says of the request with a key in a story.
func (s story) asRequest(t testing.TB) event.Event {
	t.Helper()
	for _, e := range s.events {
		if e.Step == "as_req" && e.Message["certificate"] != nil {
			return e
		}
	}
	t.Fatalf("the KDC saw no request with a certificate\n%s", s)
	return event.Event{}
}

// TestA3 is the first use of a domain's service after a sign-in by PIN.
func TestA3(t *testing.T) {
	l := newKeyTrust(t)
	ran := func(flow string) bool {
		return slices.ContainsFunc(l.Events(), func(e event.Event) bool { return e.Flow == flow })
	}
	l.expect(byPINTo("tenant.contoso"), "success")
	alone := ran("A3")
	v := l.expect(byPINTo(webService, corp, webService), "success")
	s := l.story("A3")
	s.begunByDevice(t)
	request := s.asRequest(t)
	kid := conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, enrolled).Out.KeyID

	t.Run("phases", func(t *testing.T) {
		seed.Proves(t, "COMP-25", "A3") // a resource of the domain's, by ticket
		want := []string{"A:domain_hint", "A:dc_located", "A:as_request", "B:as_sent", "B:as_req", "C:kdc_certificate_accepted", "C:tgt_cached", "C:logon_pac", "C:service_ticket", "C:service_request", "C:access_granted", "C:service_answered"}
		if got := s.steps(); !slices.Equal(got, want) || v.Flow != "A1" || v.Phase != "E" {
			t.Errorf("steps %q of %s/%s\n%s", got, v.Flow, v.Phase, s)
		}
	})
	t.Run("first use, hint, locator", func(t *testing.T) {
		seed.Proves(t, "A3-01", "A3")
		seed.Proves(t, "COMP-07", "A3")
		seed.Proves(t, "COMP-08", "A3")
		if alone {
			t.Error("a sign-in that uses nothing of the domain spoke with it")
		}
		s.by(t, "A", event.LSASS, event.Kerberos, "domain_hint")
		s.by(t, "A", event.DCLocator, event.ActiveDirectory, "dc_located")
		s.by(t, "A", event.Kerberos, event.KDC, "as_request")
		if m := s.at(t, "domain_hint").Message; m["kid"] != kid || m["domain"] != "corp.contoso.com" {
			t.Errorf("hint %v, key %s", m, kid)
		}
		if m := s.at(t, "dc_located").Message; m["controller"] != dc || m["records"] != "_ldap._tcp.dc._msdcs.corp.contoso.com" {
			t.Errorf("located %v", m)
		}
		// Later uses have the ticket, and no exchange of their own.
		uses, exchanges := 0, 0
		for _, e := range l.story("A1").events {
			switch e.Step {
			case "service_request", "dc_located":
				uses++
			case "as_request":
				exchanges++
			}
		}
		if uses == 0 || exchanges != 0 {
			t.Errorf("%d later uses, %d AS exchanges\n%s", uses, exchanges, l.story("A1"))
		}
	})
	t.Run("self-signed", func(t *testing.T) {
		seed.Proves(t, "A3-04", "A3")
		if m := request.Message; m["self_signed"] != true || m["method"] != "PKINIT with a registered key" || s.at(t, "as_sent").Message["issuer_is_subject"] != true {
			t.Errorf("the KDC says %v", m)
		}
		if request.Phase != "B" || request.Outcome != event.Done {
			t.Errorf("in phase %q, %s", request.Phase, request.Outcome)
		}
	})
	t.Run("unlock goes on", func(t *testing.T) {
		seed.Proves(t, "A3-14", "A3")
		l.lock()
		v := l.expect(unlocking(byPINTo(webService)), "success")
		if steps := l.ran(v); slices.Contains(steps, "as_request") || !slices.Contains(steps, "service_answered") {
			t.Errorf("steps %q", steps)
		}
		l.lock()
		l.Advance(10*time.Hour + time.Minute) // the ticket has ended
		l.expect(unlocking(byPINTo(webService)), "success")
		if n := len(l.story("A3").phase("B").events); n == 0 {
			t.Error("no AS exchange after the ticket's end")
		}
	})
}

// TestA3Lookup: the KDC finds a key by itself, not by what the certificate around it says.
func TestA3Lookup(t *testing.T) {
	l := newKeyTrust(t)
	keeper := spec.User{UPN: "keeper@contoso.com", Domain: corp, Password: providers.Secret(first)}
	l.Create("user.keeper", keeper)
	l.Create("group.keys", spec.Group{Domain: corp, WellKnown: "key_admins", Members: []providers.Ref{"user.keeper"}})
	domain := &domainLab{l.Env, t}
	registered, other := newHello(t), newHello(t)
	domain.register(registered)
	hers := kerberos.KeySubject(l.sid("alice"), conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, enrolled).Out.KeyID, "login.windows.net/"+l.tenant().TenantID+"/alice@contoso.com")
	anybodys := kerberos.KeySubject("S-1-12-1-1-2-3-4", "another", "login.windows.net/another/keeper@contoso.com")
	for what, tt := range map[string]struct {
		key     hello
		subject string
		good    bool
	}{
		"her key, her name":           {registered, hers, true},
		"her key, another's name":     {registered, anybodys, true},
		"another key, her name":       {other, hers, false},
		"another key, another's name": {other, anybodys, false},
	} {
		t.Run(what, func(t *testing.T) {
			seed.Proves(t, "A3-05", "A3")
			m := domain.pc("onsite")
			k := tt.key.credential(t, pin)
			k.Subject = tt.subject
			_, err := m.SignInKey(t.Context(), kerberos.Client("alice@contoso.com"), k)
			if !tt.good {
				refuses(t, what, err, kerberos.PhaseAS, "STATUS_PKINIT_CLIENT_FAILURE", krb.ErrClientNotTrusted)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("the flow", func(t *testing.T) {
		seed.Proves(t, "A3-05", "A3")
		l.expect(byPINTo(corp), "success")
		m := l.story("A3").asRequest(t).Message
		if m["key_source"] != "Entra ID" || m["key_device"] != conformance.Get[spec.Device, spec.DeviceOut](l.Env, laptop).Out.DeviceID || m["account"] != "alice" {
			t.Errorf("found %v", m)
		}
	})
}

// TestA3Name: a key of one user does not sign in another, whatever name asks.
func TestA3Name(t *testing.T) {
	seed.Proves(t, "A3-06", "A3")
	l := newKeyTrust(t)
	l.Create("user.bo", spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(first)})
	l.expect(byPINTo(corp), "success")
	directory := l.administrator()
	const boDN = "CN=bo,CN=Users,DC=corp,DC=contoso,DC=com"
	keys := l.keyLinksOf(directory, aliceDN)
	if len(keys) != 1 {
		t.Fatalf("alice has %d keys in the domain", len(keys))
	}
	// The key becomes bo's; the request goes on to say alice.
	if err := directory.RemoveValue(aliceDN, keyLinks, keys[0]); err != nil {
		t.Fatal(err)
	}
	if err := directory.AddValue(boDN, keyLinks, strings.Replace(keys[0], aliceDN, boDN, 1)); err != nil {
		t.Fatal(err)
	}
	v := l.expect(byPINTo(corp), "key_not_synced")
	s := l.story("A3")
	refused := s.at(t, "domain_sign_in_refused")
	if v.Flow != "A3" || v.Phase != "B" || v.Reason.Code != "0xC000038C" || v.Reason.Name != "STATUS_PKINIT_CLIENT_FAILURE" || refused.Phase != "B" {
		t.Errorf("%s/%s, %+v", v.Flow, v.Phase, v.Reason)
	}
	if s.has("tgt_cached") {
		t.Errorf("a ticket is there:\n%s", s)
	}
	if m := s.at(t, "as_request").Message; m["client"] != `alice\@contoso.com` {
		t.Errorf("asked as %v", m["client"])
	}
	// A user principal name that is no account's is refused, too.
	_, err := (&domainLab{l.Env, t}).pc("onsite").SignInKey(t.Context(), kerberos.Client("nobody@contoso.com"), newHello(t).credential(t, pin))
	refuses(t, "no such name", err, kerberos.PhaseAS, "STATUS_NO_SUCH_USER", krb.ErrClientUnknown)
}

// TestA3Certificate: what a device does not trust of the KDC ends the flow in phase C, with no ticket kept.
func TestA3Certificate(t *testing.T) {
	l := newHybridLab(t)
	l.device("laptop") // trusts no root of the domain
	l.enroll()
	l.cycle()
	t.Run("unknown root", func(t *testing.T) {
		seed.Proves(t, "A3-09", "A3")
		v := l.expect(byPINTo(corp), "kdc_certificate_untrusted")
		s := l.story("A3")
		if m := s.at(t, "kdc_certificate_refused"); m.Phase != "C" || m.Message["check"] != string(kdccert.Root) || v.Phase != "C" {
			t.Errorf("%s/%s: %+v", v.Flow, v.Phase, m)
		}
		if s.has("tgt_cached") || len(l.keysOf(laptop, "kerberos")) != 0 {
			t.Error("a ticket is kept")
		}
	})
	t.Run("the root is trusted", func(t *testing.T) {
		seed.Proves(t, "A3-09", "A3")
		d := spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: alice, Biometrics: []string{"face", "fingerprint"}}
		trusting(&d)
		l.Update(laptop, d)
		l.expect(byPINTo(corp), "success")
		if len(l.keysOf(laptop, "kerberos")) != 1 {
			t.Error("no ticket is kept")
		}
	})
}

// TestA3Away: the tunnel that a session raised brings the domain into sight.
func TestA3Away(t *testing.T) {
	for place, want := range map[string]string{"onsite": "success", "vpn": "success", "internet": "no_line_of_sight"} {
		t.Run(place, func(t *testing.T) {
			seed.Proves(t, "A3-01", "A3")
			l := newKeyTrust(t)
			if err := l.windows.Restart(t.Context(), l.For(laptop), laptop); err != nil {
				t.Fatal(err)
			}
			d := spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: alice, Network: place, Biometrics: []string{"face", "fingerprint"}}
			trusting(&d)
			l.Update(laptop, d)
			v := l.expect(byPINTo(webService), want)
			if s := l.story("A1"); s.has("vpn_connected") != (place == "vpn") {
				t.Errorf("%s", s)
			}
			if s := l.story("A3"); s.has("dc_located") != (want == "success") || want != "success" && v.Phase != "A" {
				t.Errorf("%s/%s\n%s", v.Flow, v.Phase, s)
			}
		})
	}
}
