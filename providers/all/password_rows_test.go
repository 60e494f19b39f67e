package all_test

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adds/kdc"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ntlm"
)

const (
	oldService = "service.old" // takes NTLM only
)

// newPasswordLab is newBothLab after a cycle, with two services of the domain.
func newPasswordLab(t testing.TB) *lab {
	t.Helper()
	l := newBothLab(t)
	l.cycle()
	l.Create(webService, spec.Service{Domain: corp, Kind: spec.ServiceKerberos})
	l.Create(oldService, spec.Service{Domain: corp, Kind: spec.ServiceNTLM})
	return l
}

// maxPasswordAge changes when the domain's passwords expire.
func (l *lab) maxPasswordAge(age string) {
	l.t.Helper()
	d := spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", PasswordPolicy: &spec.PasswordPolicy{}}
	policy := l.With("domain", d, "netbios_name", cty.StringVal("CORP")).GetAttr("password_policy").AsValueMap()
	policy["max_age"] = cty.StringVal(age)
	l.Update(corp, l.With("domain", d, "password_policy", cty.ObjectVal(policy)))
}

// change changes alice's password at a device.
func (l *lab) change(device, was, now string) windows.Verdict {
	l.t.Helper()
	v, err := l.windows.ChangePassword(l.t.Context(), l.For(device), windows.PasswordChange{User: alice, Device: device, Old: providers.Secret(was), New: providers.Secret(now)})
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}

// typed is a sign-in at the desk with a password.
func typed(password string, to ...string) windows.Request {
	return windows.Request{User: alice, Device: desk, Password: providers.Secret(password), To: to}
}

// noPassword checks that a run asks for no password, and sends none.
func (s story) noPassword(t testing.TB) {
	t.Helper()
	for _, e := range s.events {
		if m := e.Message; e.Step == "first_factor" || e.Step == "password_changed" || m["credential"] == "password" || m["grant_type"] == "password" {
			t.Errorf("a step with the password: %s %v\n%s", e.Step, m, s)
		}
	}
}

func TestPasswordChange(t *testing.T) {
	l := newPasswordLab(t)
	l.Advance(25 * time.Hour) // the policy's least age
	l.expect(typed(first), "success")

	t.Run("needs a controller", func(t *testing.T) {
		seed.Proves(t, "PW-08")
		for _, place := range []string{"internet", "vpn", "none"} {
			l.Update(desk, onDesk(placed(place)))
			if err := l.windows.Restart(t.Context(), l.For(desk), desk); err != nil { // a session would hold a tunnel
				t.Fatal(err)
			}
			v := l.change(desk, first, second)
			if v.Code != "password_change_needs_domain" || v.Reason.Code != "0xC000005E" || v.Reason.Name != "STATUS_NO_LOGON_SERVERS" {
				t.Errorf("%s: %s %+v", place, v.Code, v.Reason)
			}
			s := l.story("password")
			if last := s.events[len(s.events)-1]; last.Step != "password_not_changed" || last.Outcome != event.Refused || s.has("password_changed") {
				t.Errorf("%s\n%s", place, s)
			}
		}
		l.Update(desk, onDesk())
		l.expect(typed(first), "success")
	})
	t.Run("what the domain does not take", func(t *testing.T) {
		for what, c := range map[string]struct{ was, now, code, status string }{
			"the old one is wrong": {"not it", second, "wrong_password_in_domain", "0xC000006A"},
			"the new one is weak":  {first, "weak", "password_refused", "0xC000006C"},
			"the new one is old":   {first, first, "password_refused", "0xC000006C"},
		} {
			if v := l.change(desk, c.was, c.now); v.Code != c.code || v.Reason.Code != c.status || v.Reason.Sentence == "" {
				t.Errorf("%s: %s %+v", what, v.Code, v.Reason)
			}
		}
		if v, err := l.windows.ChangePassword(t.Context(), l.For(desk), windows.PasswordChange{User: "user.nobody", Device: desk}); err == nil {
			t.Errorf("nobody: %+v", v)
		}
	})
	t.Run("Ctrl+Alt+Del", func(t *testing.T) {
		seed.Proves(t, "PW-07")
		if v := l.change(desk, first, second); v.Code != "success" || v.ID == "" {
			t.Fatalf("%+v", v)
		}
		s := l.story("password")
		s.inOrder(t, "secure_attention", "dc_located", "password_changed")
		s.by(t, "", event.User, event.Winlogon, "secure_attention")
		s.by(t, "", event.Kerberos, event.KDC, "password_changed")
		l.expect(typed(first), "wrong_password_in_domain")
		// What LSASS keeps is the new one's: the session's hash, and the cached logon.
		l.expect(typed(second, oldService), "success")
		l.Update(desk, onDesk(placed("none")))
		l.expect(typed(first), "wrong_password_in_domain")
		l.expect(typed(second), "success")
		l.Update(desk, onDesk())
	})
	t.Run("Hello is not touched", func(t *testing.T) {
		seed.Proves(t, "PW-01", "A1", "A6")
		l.bothEnd(t, letIn, letIn)
		l.expect(byPIN(pin), "success") // A1
		l.expect(byA6(webService, oldService), "success")
		l.expect(byA3(webService, oldService), "success")
	})
	t.Run("because a key is used", func(t *testing.T) {
		seed.Proves(t, "PW-02", "A1", "A6")
		l.expect(byPIN(pin), "success")
		s := l.story("A1")
		s.noPassword(t)
		s.inOrder(t, "key_released", "nonce_signed", "prt_cached")
		l.expect(byA6(), "success")
		s = l.story("A6")
		s.noPassword(t)
		s.inOrder(t, "key_released", "as_request", "tgt_cached", "nonce_signed", "prt_cached")
		// With the password it is seen, so the check can fail.
		l.expect(typed(second), "success")
		if s := l.story("A6"); !slices.ContainsFunc(s.events, func(e event.Event) bool { return e.Message["credential"] == "password" }) {
			t.Error("no step of a sign-in with the password tells of it")
		}
	})
	t.Run("the tenant hears of it from Connect", func(t *testing.T) {
		cloud := windows.Request{User: alice, Device: laptop, Password: providers.Secret(second)}
		l.expect(cloud, "wrong_password")
		l.cycle()
		cloud.Password = providers.Secret(second)
		l.expect(cloud, "success")
	})
	t.Run("an Entra joined device on the domain's network", func(t *testing.T) {
		l.Advance(25 * time.Hour)
		if v := l.change(laptop, second, "Third.pa55word"); v.Code != "success" {
			t.Errorf("%+v %+v", v, v.Reason)
		}
		l.expect(typed("Third.pa55word"), "success")
	})
}

// An expired password: Hello says nothing of it, and what needs the password
// fails.
func TestExpiredPassword(t *testing.T) {
	l := newPasswordLab(t)
	reach := func(to string) windows.Request { return byA6(to) }
	l.expect(reach(oldService), "success")
	t.Run("at the policy's greatest age", func(t *testing.T) {
		seed.Proves(t, "KEY-14", "A6")
		const set, expires = "pwdLastSet", "msDS-UserPasswordExpiryTimeComputed"
		e, err := l.corpDirectory().Read(aliceInCorp, set, expires)
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]time.Time{}
		for _, name := range []string{set, expires} {
			ticks, err := strconv.ParseUint(string(e.Values(name)[0]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			at[name] = filetime.Time(ticks)
		}
		if life := at[expires].Sub(at[set]); life != 42*24*time.Hour {
			t.Fatalf("it is good for %s", life)
		}
		l.Advance(at[expires].Sub(l.Now()) - time.Second)
		l.due("authority.issuing", corp)
		l.expect(typed(first), "success")
		l.Advance(time.Second)
		l.expect(typed(first), "password_expired_on_prem")
	})

	t.Run("no notice", func(t *testing.T) {
		seed.Proves(t, "PW-03", "A1", "A3", "A6")
		l.bothEnd(t, letIn, letIn)
		for _, flow := range []string{"A3", "A6"} {
			s := l.story(flow)
			s.noPassword(t)
			for _, e := range s.events {
				if e.Actor == event.User && e.Outcome != event.Done || e.Reason != nil && e.Reason.Name == "STATUS_PASSWORD_EXPIRED" {
					t.Errorf("%s: %s tells of it: %+v", flow, e.Step, e.Reason)
				}
			}
		}
	})
	t.Run("what fails, and why", func(t *testing.T) {
		seed.Proves(t, "PW-04")
		l.expect(byA6(webService), "success")
		for _, r := range []windows.Request{byA6(oldService), {User: alice, Device: laptop, PIN: providers.Secret(pin), To: []string{oldService}}} {
			v := l.expect(r, "password_expired_on_prem") // reading R19
			if v.Reason.Code != "0xC0000071" || v.Reason.Name != "STATUS_PASSWORD_EXPIRED" {
				t.Errorf("%+v", v.Reason)
			}
			s := l.story(v.Flow)
			s.inOrder(t, "tgt_cached", "service_request", "ntlm_answered", "service_refused")
		}
	})
	t.Run("no expiration", func(t *testing.T) {
		seed.Proves(t, "PW-05")
		l.maxPasswordAge("0s")
		l.expect(reach(oldService), "success")
		l.maxPasswordAge("42d")
		l.expect(reach(oldService), "password_expired_on_prem")
	})
	t.Run("no expiration for one user", func(t *testing.T) {
		c := l.administrator()
		e, err := c.First(ldapmsg.EqualTo("sAMAccountName", "alice"), "userAccountControl")
		if err != nil {
			t.Fatal(err)
		}
		control := e.Text("userAccountControl")
		bits, err := strconv.ParseUint(control, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct{ control, code string }{
			{strconv.FormatUint(bits|uint64(kdc.PasswordNeverExpires), 10), "success"}, {control, "password_expired_on_prem"},
		} {
			if err := c.Replace(e.DN, adldap.Attributes{"userAccountControl": {x.control}}); err != nil {
				t.Fatal(err)
			}
			l.expect(reach(oldService), x.code)
		}
	})
	t.Run("a policy of a group, and one of the user", func(t *testing.T) {
		seed.Proves(t, "PW-05")
		seed.Proves(t, "POL-09")
		const ofGroup, ofUser = "password_settings.sworn", "password_settings.alice"
		l.Create("group.sworn", spec.Group{Domain: corp, Members: []providers.Ref{alice}})
		resultant := func(want string) {
			t.Helper()
			e, err := l.administrator().Read(aliceInCorp, "msDS-ResultantPSO")
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Text("msDS-ResultantPSO"); want == "" && got != "" || !strings.Contains(got, want) {
				t.Errorf("the policy on the password is %q, want %q", got, want)
			}
		}
		l.Create(ofGroup, spec.PasswordSettings{Domain: corp, Precedence: 10, AppliesTo: []providers.Ref{"group.sworn"}, MaxAge: 400 * 24 * time.Hour, MinLength: 30})
		resultant("CN=sworn,CN=Password Settings Container,CN=System,")
		l.expect(reach(oldService), "success")
		if v := l.change(desk, first, second); v.Code != "password_refused" { // it is too short for that policy
			t.Errorf("%+v", v)
		}
		l.Create(ofUser, spec.PasswordSettings{Domain: corp, Precedence: 99, AppliesTo: []providers.Ref{alice}, MaxAge: 2 * 24 * time.Hour})
		resultant("CN=alice,CN=Password Settings Container,")
		l.expect(reach(oldService), "password_expired_on_prem")
		l.Delete(ofUser)
		l.expect(reach(oldService), "success")
		l.Update("group.sworn", spec.Group{Domain: corp})
		resultant("")
		l.expect(reach(oldService), "password_expired_on_prem")
		l.Delete(ofGroup)
	})
	t.Run("the user changes it", func(t *testing.T) {
		seed.Proves(t, "PW-07")
		l.expect(typed(first), "password_expired_on_prem")
		s := l.story("A6")
		s.inOrder(t, "domain_sign_in_refused", "password_change_prompt", "sign_in_failed")
		s.by(t, "B", event.Winlogon, event.User, "password_change_prompt")
		if v := l.change(desk, first, second); v.Code != "success" {
			t.Fatalf("%+v %+v", v, v.Reason)
		}
		l.expect(reach(oldService), "success")
		l.expect(typed(second), "success")
	})
	t.Run("required by the administrator", func(t *testing.T) {
		seed.Proves(t, "PW-03", "A3", "A6")
		l.Update(alice, spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Domain: corp, PasswordExpired: true})
		l.bothEnd(t, letIn, letIn)
		if s := l.story("A6"); s.has("password_change_prompt") {
			t.Errorf("Hello tells of it\n%s", s)
		}
		l.expect(reach(oldService), "password_must_change")
		l.expect(typed(second), "password_expired_on_prem")
		if s := l.story("A6"); !s.has("password_change_prompt") {
			t.Errorf("no prompt\n%s", s)
		}
		if v := l.change(desk, second, "Third.pa55word"); v.Code != "success" { // at any age
			t.Fatalf("%+v %+v", v, v.Reason)
		}
		l.expect(typed("Third.pa55word", oldService), "success")
	})
}

// NTLM is answered with what the sign-in to the domain brought: a password, or
// the hash in the ticket's credential information; without either it is not
// (reading R18).
func TestNTLMAfterHello(t *testing.T) {
	seed.Proves(t, "PW-09")
	l := newPasswordLab(t)
	hash, err := ntlm.NTHash(first)
	if err != nil {
		t.Fatal(err)
	}
	l.expect(byA6(oldService), "success")
	s := l.story("A6")
	s.inOrder(t, "logon_pac", "explorer_started", "service_request", "ntlm_answered", "access_granted", "service_answered")
	if m := s.at(t, "logon_pac").Message; m["nt_hash"] != true {
		t.Errorf("%v", m)
	}
	l.expect(typed(first, oldService), "success")

	// A ticket that brought no hash, in a session that a cached logon opens: the
	// gesture alone. The tunnel raised after it shows the service.
	l.expect(byA6(), "success")
	sid := l.sid("alice")
	session := stored[kerberos.Session](l, desk, "kerberos", sid)
	if !bytes.Equal(session.NTHash, hash) || session.Method != "key" {
		t.Fatalf("session by %s without the password's hash", session.Method)
	}
	session.NTHash = nil
	l.keep(desk, "kerberos", sid, session)
	l.drop(desk, "session") // which would hold the tunnel
	l.Update(desk, onDesk(placed("vpn")))
	v := l.expect(byA6(oldService), "ntlm_without_password")
	if v.Reason.Code != "0xC000006D" || v.Reason.Name != "STATUS_LOGON_FAILURE" {
		t.Errorf("%+v", v.Reason)
	}
	s = l.story("A6")
	s.inOrder(t, "cached_logon", "explorer_started", "vpn_connected", "service_refused")
	if s.has("service_request") || s.has("ntlm_answered") {
		t.Errorf("the service was asked\n%s", s)
	}
	l.expect(byA6(webService), "success") // Kerberos needs no hash
}
