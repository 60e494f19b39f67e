package all_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/position"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/ntlm"
)

const first, second = "First.pa55word", "Second.pa55word"

func (m *pc) byPassword(name, password string) (*kerberos.Session, error) {
	m.l.t.Helper()
	return m.SignInPassword(m.l.t.Context(), kerberos.Client(name), password)
}

// A ticket-granting ticket is renewed before its end, up to a limit; one that
// has ended is not.
func TestKerberosRenewal(t *testing.T) {
	l := newCorpLab(t, spec.Domain{}, spec.Authority{})
	m := l.pc("onsite")
	s, err := m.byPassword("alice@contoso.com", first)
	if err != nil {
		t.Fatal(err)
	}
	ldap := krb.Service("ldap", dc)
	begin, tgt := l.asRequests(), s.TGT.EndTime
	if _, err := m.Ticket(t.Context(), s, ldap); err != nil {
		t.Fatal(err)
	}
	l.Advance(9*time.Hour + 44*time.Minute)
	if err := m.Renew(t.Context(), s); err != nil || !s.TGT.EndTime.Equal(tgt) {
		t.Errorf("early: %v, to %s", err, s.TGT.EndTime)
	}
	l.Advance(2 * time.Minute)
	if _, err := m.Ticket(t.Context(), s, krb.Service("cifs", dc)); err != nil {
		t.Fatal(err)
	}
	if want := l.Now().Add(10 * time.Hour); !s.TGT.EndTime.Equal(want) || !slices.Contains(m.steps, "tgt_renewed") {
		t.Errorf("the ticket-granting ticket goes to %s, want %s; %q", s.TGT.EndTime, want, m.steps)
	}
	l.Advance(20 * time.Minute) // the first service ticket has ended
	again, err := m.Ticket(t.Context(), s, ldap)
	if err != nil || !again.EndTime.After(l.Now()) || len(s.Tickets) != 2 {
		t.Errorf("a new ticket: %v, to %s, of %d", err, again.EndTime, len(s.Tickets))
	}
	for s.TGT.RenewTill.After(s.TGT.EndTime) {
		l.Advance(s.TGT.EndTime.Sub(l.Now()) - 10*time.Minute)
		if err := m.Renew(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if l.asRequests() != begin {
		t.Error("renewing took an AS exchange")
	}

	// Away, a ticket that can be renewed stays as it is until its end.
	if s, err = m.byPassword("alice@contoso.com", first); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Ticket(t.Context(), s, ldap); err != nil {
		t.Fatal(err)
	}
	away := l.pc("internet")
	l.Advance(9*time.Hour + 50*time.Minute)
	if err := away.Renew(t.Context(), s); err != nil || !slices.Contains(away.steps, "tgt_not_renewed") {
		t.Errorf("away: %v, %q", err, away.steps)
	}
	if _, err := away.Ticket(t.Context(), s, ldap); err != nil {
		t.Errorf("away, from the cache: %v", err)
	}
	_, err = away.Ticket(t.Context(), s, krb.Service("cifs", dc))
	refuses(t, "away, a new ticket", err, kerberos.PhaseLocate, "STATUS_NO_LOGON_SERVERS", 0)
	l.Advance(11 * time.Minute)
	_, err = m.Ticket(t.Context(), s, ldap)
	refuses(t, "after its end", err, kerberos.PhaseTGS, "STATUS_LOGON_FAILURE", krb.ErrTicketExpired)
}

// A clock that is wrong is set right for Kerberos, as Windows does; a machine
// whose position changed looks for its controller again.
func TestKerberosClock(t *testing.T) {
	l, h := newCorpLab(t, spec.Domain{}, spec.Authority{}), newHello(t)
	l.register(h)
	l.Create("service.web", spec.Service{Domain: "domain.corp", Kind: spec.ServiceKerberos, Enabled: true})
	for _, ahead := range []time.Duration{4 * time.Minute, 10 * time.Minute, time.Hour} {
		m := l.pc("onsite")
		m.ahead = ahead
		s, err := m.signInKey(h)
		if err != nil {
			t.Errorf("ahead by %s: %v", ahead, err)
			continue
		}
		if wrong := s.Skew + ahead; ahead > krb.Skew && wrong.Abs() > time.Second || ahead < krb.Skew && s.Skew != 0 {
			t.Errorf("ahead by %s: the skew is %s", ahead, s.Skew)
		}
		if _, err := m.Ticket(t.Context(), s, krb.Service("HTTP", "web.corp.contoso.com")); err != nil {
			t.Errorf("ahead by %s: %v", ahead, err)
		}
		if err := m.ChangePassword(t.Context(), kerberos.Client("alice@contoso.com"), "wrong", second); err == nil {
			t.Error("a wrong password changes it")
		}
	}
}

// Passwords: signing in, changing, and what stays when one has expired.
func TestKerberosPassword(t *testing.T) {
	seed.Proves(t, "PW-08")
	policy := &spec.PasswordPolicy{MinLength: 7, Complexity: true, History: 24, MaxAge: 42 * 24 * time.Hour}
	l, h := newCorpLab(t, spec.Domain{PasswordPolicy: policy}, spec.Authority{}), newHello(t)
	l.register(h)
	m, alice := l.pc("onsite"), kerberos.Client("alice@contoso.com")
	_, err := m.byPassword("alice@contoso.com", "wrong")
	refuses(t, "a wrong password", err, kerberos.PhaseAS, "STATUS_WRONG_PASSWORD", krb.ErrPreauthFailed)
	_, err = m.byPassword("nobody@contoso.com", first)
	refuses(t, "nobody", err, kerberos.PhaseAS, "STATUS_NO_SUCH_USER", krb.ErrClientUnknown)
	s, err := m.byPassword("alice@contoso.com", first)
	if err != nil {
		t.Fatal(err)
	}
	if old, _ := ntlm.NTHash(first); s.Account != "alice" || !bytes.Equal(s.NTHash, old) || s.Method != "password" {
		t.Errorf("session %q of %q", s.Method, s.Account)
	}

	for _, place := range []string{"internet", "vpn", "none"} {
		err := l.pc(place).ChangePassword(t.Context(), alice, first, second)
		refuses(t, place, err, kerberos.PhaseLocate, "STATUS_NO_LOGON_SERVERS", 0)
		if !errors.As(err, new(*position.NoLineOfSight)) {
			t.Errorf("%s: %v", place, err)
		}
	}
	err = m.ChangePassword(t.Context(), alice, first, "weak")
	if e := refuses(t, "a weak one", err, kerberos.PhasePassword, "STATUS_PASSWORD_RESTRICTION", 0); !errors.As(err, new(*krbclient.PasswordRefused)) || e.Hint == "" {
		t.Errorf("a weak one: %v (%q)", err, e.Hint)
	}
	err = m.ChangePassword(t.Context(), alice, "wrong", second)
	refuses(t, "by a wrong one", err, kerberos.PhaseAS, "STATUS_WRONG_PASSWORD", krb.ErrPreauthFailed)
	err = m.ChangePassword(t.Context(), alice, first, second)
	refuses(t, "too early", err, kerberos.PhasePassword, "STATUS_PASSWORD_RESTRICTION", 0)
	l.Advance(25 * time.Hour)
	if err := m.ChangePassword(t.Context(), alice, first, second); err != nil {
		t.Fatal(err)
	}
	_, err = m.byPassword("alice@contoso.com", first)
	refuses(t, "the old one", err, kerberos.PhaseAS, "STATUS_WRONG_PASSWORD", krb.ErrPreauthFailed)
	if _, err := m.byPassword("alice", second); err != nil {
		t.Errorf("the new one: %v", err)
	}
	if s, err = m.signInKey(h); err != nil {
		t.Fatalf("by key, after the change: %v", err)
	}
	if now, _ := ntlm.NTHash(second); !bytes.Equal(s.NTHash, now) {
		t.Error("the key brings the hash of another password")
	}

	// An expired password: the key signs in without a word (PW-03, reading R19),
	// and what needs the password fails.
	l.Create("service.old", spec.Service{Domain: "domain.corp", Kind: spec.ServiceNTLM, Enabled: true})
	if status, code := l.byNTLM(m, s, "old.corp.contoso.com"); status != http.StatusOK {
		t.Errorf("NTLM before: %d %s", status, code)
	}
	l.Advance(43 * 24 * time.Hour)
	l.due()
	_, err = m.byPassword("alice@contoso.com", second)
	refuses(t, "expired", err, kerberos.PhaseAS, "STATUS_PASSWORD_EXPIRED", krb.ErrKeyExpired)
	if s, err = m.signInKey(h); err != nil {
		t.Fatalf("by key, with an expired password: %v", err)
	}
	if status, code := l.byNTLM(m, s, "old.corp.contoso.com"); status == http.StatusOK {
		t.Errorf("NTLM with an expired password: %d %s", status, code)
	}
	if err := m.ChangePassword(t.Context(), alice, second, "Third.pa55word"); err != nil {
		t.Errorf("an expired password is not changed: %v", err)
	}

	l.Update("user.alice", l.With("user", spec.User{UPN: "alice@contoso.com", Domain: "domain.corp", Password: providers.Secret(first)}, "enabled_in_domain", cty.False))
	_, err = m.signInKey(h)
	refuses(t, "disabled, by key", err, kerberos.PhaseAS, "STATUS_ACCOUNT_DISABLED", krb.ErrClientRevoked)
	_, err = m.Ticket(t.Context(), s, krb.Service("ldap", dc))
	refuses(t, "disabled, a ticket", err, kerberos.PhaseTGS, "STATUS_ACCOUNT_DISABLED", krb.ErrClientRevoked)
}

// byNTLM answers a service's challenge with the session's hash.
func (l *domainLab) byNTLM(m *pc, s *kerberos.Session, host string) (status int, code string) {
	l.t.Helper()
	conn, err := m.Network.Dial(l.t.Context(), host, 80)
	if err != nil {
		l.t.Fatal(err)
	}
	line := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	defer line.CloseIdleConnections()
	ask := func(message []byte) (*http.Response, string) {
		r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+host+"/", nil)
		if err != nil {
			l.t.Fatal(err)
		}
		r.Header.Set("Authorization", ntlm.Header(message))
		answer, err := (&http.Client{Transport: line}).Do(r)
		if err != nil {
			l.t.Fatal(err)
		}
		defer answer.Body.Close()
		var body struct{ Code string }
		_ = json.NewDecoder(answer.Body).Decode(&body)
		return answer, body.Code
	}
	c := &ntlm.Client{User: s.Account, Domain: "CORP", NTHash: s.NTHash, Now: l.Now(), Rand: rand.Reader}
	answer, _ := ask(c.Begin())
	challenge, _, err := ntlm.FromHeader(answer.Header.Values("WWW-Authenticate"))
	if err != nil {
		l.t.Fatal(err)
	}
	message, _, err := c.Answer(challenge)
	if err != nil {
		l.t.Fatal(err)
	}
	answer, code = ask(message)
	return answer.StatusCode, code
}
