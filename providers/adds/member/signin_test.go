package member_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/ntlm"
)

// lab is a domain and two services of it.
type lab struct {
	*conformance.Env
	t      *testing.T
	domain spec.DomainOut
}

func newLab(t *testing.T) *lab {
	l := &lab{Env: newDomain(t), t: t}
	l.domain = conformance.Get[spec.Domain, spec.DomainOut](l.Env, corp).Out
	l.Create("service.web", spec.Service{Domain: corp, Kind: spec.ServiceKerberos, Enabled: true})
	l.Create("service.old", spec.Service{Domain: corp, Kind: spec.ServiceNTLM, Enabled: true})
	return l
}

// client is one connection to a host.
func (l *lab) client(host string) *http.Client {
	conn, err := l.For("client.c").Network.Dial(l.t.Context(), host, 80)
	if err != nil {
		l.t.Fatal(err)
	}
	first := true
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		if !first {
			l.t.Error("the connection did not last")
			return nil, io.ErrClosedPipe
		}
		first = false
		return conn, nil
	}}
	l.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// answer is what a service answered.
type answer struct {
	status int
	header http.Header
	User   string
	SID    string
	Groups []string
	Code   string
	Name   string
}

func (l *lab) get(c *http.Client, host, authorization string) answer {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	res, err := c.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		l.t.Errorf("%d: %v", res.StatusCode, err)
	}
	return a
}

func (l *lab) expect(what string, a answer, status int, code string) {
	l.t.Helper()
	if a.status != status || a.Code != code {
		l.t.Errorf("%s: %d %q %s, want %d %q", what, a.status, a.Code, a.Name, status, code)
	}
}

// ticket is one of a user for the service on a host.
func (l *lab) ticket(user, password, host string) gss.Credential {
	l.t.Helper()
	kdc := &krbclient.Client{Realm: l.domain.Realm, Now: l.Now, Rand: rand.Reader, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		return l.For("client.c").Network.Dial(ctx, l.domain.Hosts[0], 88)
	}}
	tgt, err := kdc.AS(l.t.Context(), krbclient.ASRequest{Client: krb.Principal(user)}, krbclient.Password(password))
	if err != nil {
		l.t.Fatal(err)
	}
	got, err := kdc.TGS(l.t.Context(), &tgt.Credential, krbclient.TGSRequest{Server: krb.Service("HTTP", host)})
	if err != nil {
		l.t.Fatal(err)
	}
	return gss.Credential{Ticket: &got.Reply.Ticket, Session: got.Credential.Key, Realm: got.Credential.CRealm, Client: got.Credential.Client}
}

func (l *lab) token(c gss.Credential) (*gss.Negotiator, []byte) {
	l.t.Helper()
	n := gss.NewNegotiator(gss.InitiatorConfig{Credential: c, Flags: gss.Mutual, Now: l.Now(), Rand: rand.Reader})
	token, _, err := n.Step(nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return n, token
}

// admin changes an account as an administrator.
func (l *lab) admin(name string, attributes adldap.Attributes) {
	l.t.Helper()
	user, _, _ := strings.Cut(l.domain.AdminUPN, "@")
	env := l.For("client.c")
	c, err := adldap.SignIn(l.t.Context(), env, adldap.Domain{Realm: l.domain.Realm, Host: l.domain.Hosts[0], BaseDN: l.domain.DN, Account: user, Password: l.domain.AdminPassword})
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Replace(name, attributes); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) identifiers() (alice, staff string) {
	return conformance.Get[spec.User, spec.UserOut](l.Env, "user.alice").Out.SID, conformance.Get[spec.Group, spec.GroupOut](l.Env, "group.staff").Out.SID
}

const web, old = "web.corp.contoso.com", "old.corp.contoso.com"

func TestByKerberos(t *testing.T) {
	l := newLab(t)
	alice, staff := l.identifiers()
	c := l.client(web)
	a := l.get(c, web, "")
	l.expect("nobody", a, 401, "sign_in")
	if got := a.header.Get("WWW-Authenticate"); got != "Negotiate" {
		t.Errorf("demanded %q", got)
	}
	cred := l.ticket("alice", password, web)
	n, token := l.token(cred)
	a = l.get(c, web, gss.Header(token))
	l.expect("alice", a, 200, "")
	if a.User != "alice@CORP.CONTOSO.COM" || a.SID != alice || !slices.Contains(a.Groups, staff) {
		t.Errorf("%+v", a)
	}
	proof, ok, err := gss.FromHeader(a.header.Values("WWW-Authenticate"))
	if err != nil || !ok {
		t.Fatalf("%v %v", ok, err)
	}
	if _, done, err := n.Step(proof); err != nil || !done {
		t.Errorf("the service did not prove itself: %v %v", done, err)
	}
	// A replay is refused, on this connection and on another (RFC 4120 3.2.3).
	code := strconv.Itoa(int(krb.ErrRepeat))
	l.expect("replay", l.get(c, web, gss.Header(token)), 401, code)
	l.expect("replay elsewhere", l.get(l.client(web), web, gss.Header(token)), 401, code)
	// No request rests on the one before.
	l.expect("without a ticket", l.get(c, web, ""), 401, "sign_in")
	// A ticket for another service is not opened by this one's key.
	_, token = l.token(l.ticket("alice", password, old))
	l.expect("another's ticket", l.get(c, web, gss.Header(token)), 401, strconv.Itoa(int(krb.ErrBadIntegrity)))
	l.expect("malformed", l.get(c, web, "Negotiate AAAA"), 401, "token_malformed")
	l.expect("not base64", l.get(c, web, "Negotiate !"), 401, "token_malformed")
}

func TestAuthorize(t *testing.T) {
	l := newLab(t)
	l.Create("user.bo", spec.User{UPN: "bo@contoso.com", Domain: corp, Password: providers.Secret(password), EnabledInDomain: true})
	in := spec.Service{Domain: corp, Kind: spec.ServiceKerberos, Enabled: true, Authorize: []providers.Ref{"group.staff"}}
	visit := func(user string) answer {
		_, token := l.token(l.ticket(user, password, web))
		return l.get(l.client(web), web, gss.Header(token))
	}
	for _, c := range []struct {
		authorize []providers.Ref
		alice, bo int
	}{
		{[]providers.Ref{"group.staff"}, 200, 403},
		{[]providers.Ref{"user.bo"}, 403, 200},
		{[]providers.Ref{"user.bo", "group.staff"}, 200, 200},
		{[]providers.Ref{}, 403, 403},
	} {
		in.Authorize = c.authorize
		l.Update("service.web", in)
		l.Reload("service.web")
		for user, status := range map[string]int{"alice": c.alice, "bo": c.bo} {
			code := map[int]string{200: "", 403: "not_authorized"}[status]
			l.expect(user, visit(user), status, code)
		}
	}
}

// byNTLM signs a connection in.
func (l *lab) byNTLM(c *http.Client, user, domain, password string) answer {
	l.t.Helper()
	hash, err := ntlm.NTHash(password)
	if err != nil {
		l.t.Fatal(err)
	}
	client := &ntlm.Client{User: user, Domain: domain, NTHash: hash, Workstation: "PC", Target: "HTTP/" + old, Now: l.Now(), Rand: rand.Reader}
	a := l.get(c, old, ntlm.Header(client.Begin()))
	l.expect("challenge", a, 401, "sign_in")
	challenge, ok, err := ntlm.FromHeader(a.header.Values("WWW-Authenticate"))
	if err != nil || !ok {
		l.t.Fatalf("%v, %v", ok, err)
	}
	message, _, err := client.Answer(challenge)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.get(c, old, ntlm.Header(message))
}

func TestByNTLM(t *testing.T) {
	l := newLab(t)
	alice, staff := l.identifiers()
	c := l.client(old)
	a := l.get(c, old, "")
	l.expect("nobody", a, 401, "sign_in")
	if got := a.header.Get("WWW-Authenticate"); got != "NTLM" {
		t.Errorf("demanded %q", got)
	}
	a = l.byNTLM(c, "alice", "CORP", password)
	l.expect("alice", a, 200, "")
	if a.User != `CORP\alice` || a.SID != alice || !slices.Contains(a.Groups, staff) {
		t.Errorf("%+v", a)
	}
	l.expect("the same connection", l.get(c, old, ""), 200, "")
	l.expect("another connection", l.get(l.client(old), old, ""), 401, "sign_in")
	for _, name := range [][2]string{{"alice@contoso.com", ""}, {"ALICE", "corp"}, {"alice", "corp.contoso.com"}, {"alice", ""}} {
		l.expect(name[1]+`\`+name[0], l.byNTLM(l.client(old), name[0], name[1], password), 200, "")
	}
	// A new exchange ends what the connection was.
	l.expect("wrong password", l.byNTLM(c, "alice", "CORP", "wrong"), 401, "0xC000006D")
	l.expect("after it", l.get(c, old, ""), 401, "sign_in")
	l.expect("malformed", l.get(c, old, "NTLM TlRMTVNTUAA="), 401, "ntlm_malformed")
}

// What the domain refuses, the trace says by its own status (MS-ERREF); the
// client does not hear whether the name or the password is wrong.
func TestRefusedByNTLM(t *testing.T) {
	alice := "CN=alice,CN=Users,DC=corp,DC=contoso,DC=com"
	for _, c := range []struct {
		name                   string
		user, domain, password string
		change                 func(*lab)
		status, heard          string
	}{
		{name: "wrong password", password: "Wrong horse 1", status: "0xC000006A", heard: "0xC000006D"},
		{name: "unknown user", user: "nobody", status: "0xC0000064", heard: "0xC000006D"},
		{name: "another domain", domain: "OTHER", status: "0xC0000064", heard: "0xC000006D"},
		{name: "krbtgt", user: "krbtgt", status: "0xC000006A", heard: "0xC000006D"},
		{name: "disabled", change: func(l *lab) { l.admin(alice, adldap.Attributes{"userAccountControl": {"514"}}) }, status: "0xC0000072", heard: "0xC0000072"},
		{name: "disabled and wrong", password: "wrong", change: func(l *lab) { l.admin(alice, adldap.Attributes{"userAccountControl": {"514"}}) }, status: "0xC000006A", heard: "0xC000006D"},
		{name: "must change", change: func(l *lab) { l.admin(alice, adldap.Attributes{"pwdLastSet": {"0"}}) }, status: "0xC0000224", heard: "0xC0000224"},
		{name: "expired", change: func(l *lab) { l.Advance(43 * 24 * 3600 * 1e9) }, status: "0xC0000071", heard: "0xC0000071"},
		{name: "account expired", change: func(l *lab) { l.admin(alice, adldap.Attributes{"accountExpires": {"1"}}) }, status: "0xC0000193", heard: "0xC0000193"},
		{name: "smart card required", change: func(l *lab) { l.admin(alice, adldap.Attributes{"userAccountControl": {"262656"}}) }, status: "0xC000006E", heard: "0xC000006E"},
		{name: "protected user", change: func(l *lab) {
			l.Create("group.protected", spec.Group{Domain: corp, WellKnown: "protected_users", Members: []providers.Ref{"user.alice"}})
		}, status: "0xC000006E", heard: "0xC000006E"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			if c.change != nil {
				c.change(l)
			}
			or := func(s, otherwise string) string {
				if s == "" {
					return otherwise
				}
				return s
			}
			l.expect(c.name, l.byNTLM(l.client(old), or(c.user, "alice"), or(c.domain, "CORP"), or(c.password, password)), 401, c.heard)
			for _, actor := range []event.Actor{event.ActiveDirectory, event.Service} {
				events := slices.DeleteFunc(l.Events(), func(e event.Event) bool { return e.Actor != actor || e.Outcome != event.Refused })
				if len(events) != 1 || events[0].Reason.Code != c.status || events[0].Reason.Sentence == "" {
					t.Errorf("%s tells %+v, want %s", actor, events, c.status)
				}
			}
		})
	}
}

// A service whose computer account is disabled, or has another password, does
// not get its domain's word.
func TestServiceWithoutTrust(t *testing.T) {
	for name, change := range map[string]adldap.Attributes{
		"disabled": {"userAccountControl": {"4098"}}, "another password": {"unicodePwd": {adldap.QuotedPassword("Somebody else's 1")}},
	} {
		l := newLab(t)
		l.admin("CN=OLD,CN=Computers,DC=corp,DC=contoso,DC=com", change)
		l.expect(name, l.byNTLM(l.client(old), "alice", "CORP", password), 503, "domain_unavailable")
	}
	l := newLab(t)
	l.admin("CN=WEB,CN=Computers,DC=corp,DC=contoso,DC=com", adldap.Attributes{"unicodePwd": {adldap.QuotedPassword("Somebody else's 1")}})
	_, token := l.token(l.ticket("alice", password, web))
	l.expect("a key that is not the service's", l.get(l.client(web), web, gss.Header(token)), 401, strconv.Itoa(int(krb.ErrBadIntegrity)))
}

// What somebody changed at the account shows, and an update mends it.
func TestDrift(t *testing.T) {
	l := newLab(t)
	dn := "CN=WEB,CN=Computers,DC=corp,DC=contoso,DC=com"
	read := func() spec.Service {
		t.Helper()
		rec, err := l.Read(t.Context(), "service.web")
		if err != nil {
			t.Fatal(err)
		}
		in, err := providers.Decode[spec.Service](rec.In)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	if got := read(); got.SPN != "" || !got.Enabled {
		t.Fatalf("%+v", got)
	}
	l.admin(dn, adldap.Attributes{"servicePrincipalName": {"HOST/WEB"}})
	if got := read(); got.SPN != "none" {
		t.Errorf("without names: %+v", got)
	}
	l.admin(dn, adldap.Attributes{"servicePrincipalName": {"HOST/WEB", "HTTP/other.contoso.com"}, "userAccountControl": {"4098"}})
	if got := read(); got.SPN != "HTTP/other.contoso.com" || got.Enabled {
		t.Errorf("another name, disabled: %+v", got)
	}
	l.Update("service.web", spec.Service{Domain: corp, Kind: spec.ServiceKerberos, Enabled: true})
	if got := read(); got.SPN != "" || !got.Enabled {
		t.Errorf("mended: %+v", got)
	}
	_, token := l.token(l.ticket("alice", password, web))
	l.expect("alice", l.get(l.client(web), web, gss.Header(token)), 200, "")
}

// No secret is in what the lab tells and logs.
func TestNoSecretIsTold(t *testing.T) {
	l := newLab(t)
	l.byNTLM(l.client(old), "alice", "CORP", password)
	l.byNTLM(l.client(old), "alice", "CORP", "wrong")
	told, err := json.Marshal(l.Events())
	if err != nil {
		t.Fatal(err)
	}
	hash, _ := ntlm.NTHash(password)
	for _, secret := range [][]byte{[]byte(password), hash} {
		if bytes.Contains(told, secret) || strings.Contains(l.Logged(), string(secret)) {
			t.Error("a secret is told")
		}
	}
}
