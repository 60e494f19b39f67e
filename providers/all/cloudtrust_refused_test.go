package all_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/eventlog"
	"hellolab/providers/wire/krb"
)

// refusedInE demands that a sign-in at the desk was refused by the domain in phase
// E of A5, with the tenant's half done, and that it left nothing.
func (l *lab) refusedInE(t testing.TB, v windows.Verdict, status string, code krb.Code) {
	t.Helper()
	s := l.story("A5")
	if v.Flow != "A5" || v.Phase != "E" || v.Reason == nil || v.Reason.Code+" "+v.Reason.Name != status {
		t.Errorf("%s/%s, %+v; want %s", v.Flow, v.Phase, v.Reason, status)
	}
	s.inOrder(t, "prt_cached", "partial_tgt_cached", "partial_tgt_sent", "domain_sign_in_refused")
	if s.has("tgt_cached") || s.has("logon_session") {
		t.Errorf("it went on\n%s", s)
	}
	for _, table := range []string{"prt", "cloudtickets", "kerberos", "session"} {
		if keys := l.keysOf(desk, table); len(keys) != 0 {
			t.Errorf("%s afterwards: %q", table, keys)
		}
	}
	refused := slices.IndexFunc(s.events, func(e event.Event) bool { return e.Actor == event.KDC && e.Outcome == event.Refused })
	if refused < 0 || s.events[refused].Phase != "E" || s.events[refused].Reason.Code != strconv.Itoa(int(code)) {
		t.Errorf("the KDC did not refuse with %d\n%s", code, s)
	}
}

// TestPrivilegedUser: who is on the deny list of the Kerberos server object gets
// no full ticket: not let in at a hybrid joined desk, in at an Entra joined laptop
// without the domain. With key trust the same key signs in. U1 of the facts.
func TestPrivilegedUser(t *testing.T) {
	seed.Proves(t, "A5-09", "A5")
	seed.Proves(t, "A2-07", "A2")
	l := newCloudLab(t)
	l.Create(desk, onDesk())
	l.device("laptop")
	l.Create("group.admins", spec.Group{Domain: corp, WellKnown: "domain_admins", Members: []providers.Ref{alice}})
	l.Create(deskEnrolled, enrollment(alice, desk)) // the tenant knows nothing of the group
	l.enroll()
	l.restartDesk()

	v := l.expect(deskPIN(), "cloud_kerberos_denied")
	l.refusedInE(t, v, "0xC000006D STATUS_LOGON_FAILURE", krb.ErrTGTRevoked)
	if logged := ids(l.channel(desk, eventlog.HelloForBusiness)); logged[len(logged)-1] != 7001 {
		t.Errorf("logged %v", logged)
	}
	if !strings.Contains(v.Reason.Sentence, "must never know") {
		t.Errorf("%+v", v.Reason)
	}
	l.expect(byPINTo("tenant.contoso"), "success")
	v = l.expect(byPINTo(corp), "cloud_kerberos_denied")
	if v.Flow != "A2" || v.Phase != "B" || l.story("A2").has("tgt_cached") {
		t.Errorf("%s/%s", v.Flow, v.Phase)
	}
	l.expect(deskPassword("tenant.contoso", corp), "success") // the password is not by a partial ticket

	// Key trust asks no such list.
	l.Create("authority.issuing", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	l.due("authority.issuing", corp)
	l.cycle()
	l.Create("trust.key", spec.Trust{Type: "key", Tenant: "tenant.contoso", Domain: corp})
	keyPolicy := cloudPolicy()
	keyPolicy.Trust = "trust.key"
	l.Update("policy.hello", keyPolicy)
	l.restartDesk()
	if v := l.expect(deskPIN("tenant.contoso", corp), "success"); v.Flow != "A6" {
		t.Errorf("by %s", v.Flow)
	}

	// Out of the group, cloud Kerberos trust lets alice in.
	l.Update("policy.hello", cloudPolicy())
	l.Delete("group.admins")
	l.restartDesk()
	l.expect(deskPIN("tenant.contoso", corp), "success")
	l.expect(byPINTo(corp), "success")
}

// TestCloudTrustAccount: what is the matter with the account in the domain stops a
// sign-in by partial ticket there, whatever the tenant thinks. U3, U4; R19.
func TestCloudTrustAccount(t *testing.T) {
	user := spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(first)}
	for name, tt := range map[string]struct {
		attribute    string
		set          cty.Value
		code, status string
		krb          krb.Code
	}{
		"password to be changed": {"password_expired", cty.True, "password_expired_on_prem", "0xC0000071 STATUS_PASSWORD_EXPIRED", krb.ErrKeyExpired},
		"disabled in the domain": {"enabled_in_domain", cty.False, "account_disabled_in_domain", "0xC0000072 STATUS_ACCOUNT_DISABLED", krb.ErrClientRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			seed.Proves(t, "A5-09", "A5")
			l := newCloudDesk(t)
			l.expect(deskPIN(), "success")
			l.restartDesk()
			l.Update(alice, l.With("user", user, tt.attribute, tt.set))
			v := l.expect(deskPIN(), tt.code)
			l.refusedInE(t, v, tt.status, tt.krb)
			l.Update(alice, user)
			if tt.krb == krb.ErrClientRevoked {
				l.expect(deskPIN(), "success")
			}
		})
	}
}

// TestKerberosServerGone: a server object that the domain has not, and a key that
// is not the tenant's, are of nobody's fault at the desk. U2.
func TestKerberosServerGone(t *testing.T) {
	seed.Proves(t, "A2-06", "A2", "A5")
	l := newCloudDesk(t)
	l.expect(deskPIN(), "success")
	l.restartDesk()
	directory := l.administrator()
	const object = "CN=AzureADKerberos,OU=Domain Controllers,DC=corp,DC=contoso,DC=com"
	if err := directory.Delete(object); err != nil {
		t.Fatal(err)
	}
	v := l.expect(deskPIN(), "cloud_kerberos_unknown")
	l.refusedInE(t, v, "0xC000006D STATUS_LOGON_FAILURE", krb.ErrPolicy)
	l.expect(deskPassword(), "success")
}

// TestA5Away: the first sign-in with Hello needs tenant and controller in sight;
// later ones open the desktop by what LSASS kept. Q1.
func TestA5Away(t *testing.T) {
	for _, place := range []string{"vpn", "internet", "none"} {
		t.Run(place, func(t *testing.T) {
			seed.Proves(t, "HY-02", "A5")
			seed.Proves(t, "HY-08", "A5")
			l := newCloudDesk(t)
			l.carry(place)
			noLogonServers(t, l.expect(deskPIN(), "cached_logon_missing"))
			s := l.story("A5")
			if s.has("logon_session") || s.has("tgt_cached") || s.has("prt_cached") != (place != "none") || len(l.keysOf(desk, "prt")) != 0 {
				t.Errorf("a session opened in\n%s", s)
			}
			l.carry("onsite")
			l.expect(deskPIN(), "success")
			l.restartDesk()
			l.carry(place)
			l.expect(deskPIN(), "success")
			s = l.story("A5")
			s.inOrder(t, "cloud_trust_policy", "nonce_request", "cached_logon", "explorer_started")
			if s.has("prt_cached") != (place != "none") || s.has("tgt_cached") || s.has("vpn_connected") != (place == "vpn") {
				t.Errorf("by cached logon\n%s", s)
			}
			switch place {
			case "vpn": // the tunnel is up, and the partial ticket is at hand
				l.lockDesk()
				l.expect(unlocking(deskPIN("tenant.contoso", corp)), "success")
				if s := l.story("A5"); !s.has("partial_tgt_sent") || s.has("cached_logon") {
					t.Errorf("unlocked\n%s", s)
				}
			case "internet":
				l.expect(deskPIN("tenant.contoso"), "success")
				l.expect(deskPIN(corp), "no_line_of_sight")
			default:
				l.expect(deskPIN("tenant.contoso"), "no_line_of_sight")
			}
		})
	}
}

// TestA5CloudOutage: without the tenant there is no partial ticket, and the
// desktop opens by the cached logon.
func TestA5CloudOutage(t *testing.T) {
	seed.Proves(t, "HY-08", "A5")
	l := newCloudDesk(t)
	l.stopCloud(true)
	noLogonServers(t, l.expect(deskPIN(), "cached_logon_missing"))
	l.expect(deskPassword(corp), "success") // the domain is there
	l.stopCloud(false)
	l.restartDesk()
	l.expect(deskPIN(), "success")
	l.restartDesk()
	l.stopCloud(true)
	l.expect(deskPIN(), "success")
	l.story("A5").inOrder(t, "nonce_request", "cached_logon", "explorer_started")
	v := l.expect(deskPIN(corp), "partial_ticket_missing")
	if s := l.story("A5"); !s.has("sign_in_again") || v.Reason.Hint == "" {
		t.Errorf("%+v\n%s", v.Reason, s)
	}
	l.stopCloud(false)
	l.lockDesk()
	l.expect(unlocking(deskPIN("tenant.contoso", corp)), "success")
}

// TestNTLMByKeyList: the exchange brings the hash that NTLM needs. Reading R18.
func TestNTLMByKeyList(t *testing.T) {
	seed.Proves(t, "PW-09")
	l := newCloudDesk(t)
	l.Create(oldService, spec.Service{Domain: corp, Kind: spec.ServiceNTLM, Enabled: true})
	l.expect(deskPIN(oldService), "success")
	s := l.story("A5")
	s.inOrder(t, "partial_tgt_sent", "tgt_cached", "explorer_started", "service_request", "ntlm_answered", "service_answered")
	if m := s.at(t, "logon_pac").Message; m["nt_hash"] != true {
		t.Errorf("%v", m)
	}
	// In a session that a cached logon opened there is none until the exchange.
	l.restartDesk()
	l.carry("internet")
	l.expect(deskPIN(oldService), "no_line_of_sight")
	l.Advance(time.Minute)
}
