package connect_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	wire "hellolab/providers/wire/connect"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/web"
)

// Fault 87: a cycle that is stopped at any instant loses nothing, and the next
// two do what is left, and then nothing.
func TestStoppedMidway(t *testing.T) {
	prepared := func(t *testing.T) *lab {
		l := newLab(t)
		l.must(l.domain.Add(dn("Staff"), adldap.Attributes{"objectClass": {"group"}, "sAMAccountName": {"Staff"}}))
		l.must(l.domain.AddValue(dn("Staff"), "member", dn("alice")))
		l.cycle()
		l.register("alice", someKeys()[0], deviceID(1), false)
		l.cycle()
		// Much is to do: somebody new, somebody gone, a rename, a key that goes and one that comes.
		l.person("carol")
		l.must(l.domain.Delete(dn("bob")))
		l.must(l.domain.Replace(dn("alice"), adldap.Attributes{"userPrincipalName": {"alicia@contoso.com"}, "unicodePwd": {adldap.QuotedPassword("Another horse 2")}}))
		l.must(l.domain.AddValue(dn("Staff"), "member", dn("carol")))
		l.unregister("alice", deviceID(1))
		l.register("alice", someKeys()[1], deviceID(2), false)
		return l
	}
	state := func(l *lab) string {
		l.signIn()
		var members []string
		g, err := graph.First[graph.Group](t.Context(), l.tenant, graph.Equals("displayName", "Staff"), "groups")
		l.must(err)
		for m, err := range graph.List[graph.DirectoryObject](t.Context(), l.tenant, "", "groups", g.ID, "members") {
			l.must(err)
			members = append(members, m.UserPrincipalName)
		}
		slices.Sort(members)
		return fmt.Sprint(l.names(), members, l.keys(dn("alice")))
	}
	l := prepared(t)
	l.cycle()
	want := state(l)
	for n := 1; ; n++ {
		reached := false
		t.Run(fmt.Sprintf("at %d", n), func(t *testing.T) {
			l := prepared(t)
			reached = l.KillAt(t.Context(), n, func(ctx context.Context) {
				_, _ = wire.Cycle(ctx, l.For(hybrid), l.server(), wire.Request{})
			})
			l.cycle()
			if got := state(l); got != want {
				t.Errorf("after the next cycle:\n%s\nwant\n%s", got, want)
			}
			l.wrote("the cycle behind it", l.cycle(), wire.Counts{})
		})
		if t.Failed() || !reached {
			if n < 10 {
				t.Errorf("only %d instants", n)
			}
			break
		}
	}
}

// Fault 87: cycles that are asked for in parallel run one at a time, and those
// who waited are served by one.
func TestParallelCycles(t *testing.T) {
	l := newLab(t)
	l.cycle()
	l.register("alice", someKeys()[0], deviceID(1), false)
	from := len(l.Events())
	var wg sync.WaitGroup
	var mu sync.Mutex
	added := map[string]int{}
	for range 8 {
		wg.Go(func() {
			r, err := wire.Cycle(t.Context(), l.For(hybrid), l.server(), wire.Request{})
			if err != nil || r.Result != wire.Success {
				t.Errorf("%+v, %v", r, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			added[fmt.Sprint(r.Counts.Keys.Added)]++
		})
	}
	wg.Wait()
	open, written := 0, 0
	for _, e := range l.Events()[from:] {
		switch {
		case e.Actor != event.Connect:
		case e.Step == "cycle_began":
			if open++; open > 1 {
				t.Error("two cycles at a time")
			}
		case e.Step == "sync_cycle":
			open--
		case e.Step == "key_written":
			written++
		}
	}
	if written != 1 || len(l.keys(dn("alice"))) != 1 {
		t.Errorf("the key was written %d times; reports %v", written, added)
	}
}

// Fault 87: an account that is renamed while a cycle runs gets its key.
func TestRenamedMeanwhile(t *testing.T) {
	l := newLab(t)
	l.cycle()
	l.register("alice", someKeys()[0], deviceID(1), false)
	renamed := false
	l.Through(func(env providers.Env) providers.Network {
		return watched{env.Network, func(host string) {
			// The tenant is asked after the domain was read.
			if env.Addr == hybrid && strings.HasPrefix(host, "graph.") && !renamed {
				renamed = true
				l.must(l.domain.Rename(dn("alice"), "CN=Alicia"))
			}
		}}
	})
	l.Reload(hybrid)
	l.wrote("renamed", l.cycle(), wire.Counts{Keys: wire.Count{Added: 1}})
	if !renamed || len(l.keys(dn("Alicia"))) != 1 {
		t.Errorf("renamed %v, %d keys", renamed, len(l.keys(dn("Alicia"))))
	}
	l.wrote("after it", l.cycle(), wire.Counts{Users: wire.Count{Updated: 1}})
}

// watched tells whom its network is dialed to.
type watched struct {
	providers.Network
	tell func(host string)
}

func (w watched) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	w.tell(host)
	return w.Network.Dial(ctx, host, port)
}

// A directory that does not answer stops the cycle, and nobody is removed.
func TestDirectoryDown(t *testing.T) {
	for _, down := range []string{"dc1.", "graph."} {
		l := newLab(t)
		l.cycle()
		l.must(l.domain.Delete(dn("bob")))
		off := true
		l.Through(func(env providers.Env) providers.Network { return cut{env.Network, down, &off} })
		l.Reload(hybrid)
		l.Advance(time.Second)
		r := l.ask(wire.Request{})
		if r.Result != wire.Stopped || r.Err() == nil || len(r.Errors) != 1 {
			t.Errorf("%s down: %+v", down, r)
		}
		off = false
		if l.names() != "alice bob" {
			t.Errorf("%s down: %s", down, l.names())
		}
		l.wrote("up again", l.cycle(), wire.Counts{Users: wire.Count{Deleted: 1}})
	}
}

type cut struct {
	providers.Network
	host string
	off  *bool
}

func (c cut) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	if *c.off && strings.HasPrefix(host, c.host) {
		return nil, errors.New("no line of sight")
	}
	return c.Network.Dial(ctx, host, port)
}

// Rights that are missing are in the report, with the code of LDAP.
func TestMissingRights(t *testing.T) {
	l := newLab(t, func(s *spec.Sync) { s.KeyRight = false })
	l.cycle()
	l.register("alice", someKeys()[0], deviceID(1), false)
	r := l.ask(wire.Request{})
	if r.Result != wire.CompletedErrors || len(r.Errors) != 1 || r.Errors[0].Code != "insufficientAccessRights (50)" || r.Errors[0].Stage != "export domain" || r.Counts.Keys.Added != 0 {
		t.Errorf("%+v", r)
	}
	events := l.Events()
	i := slices.IndexFunc(events, func(e event.Event) bool { return e.Step == "object_not_synchronized" })
	if i < 0 || events[i].Reason == nil || events[i].Reason.Hint == "" {
		t.Error("the trace does not say so")
	}
	if rec, err := l.Read(t.Context(), hybrid); err != nil || rec.In.GetAttr("key_writeback_right").True() {
		t.Errorf("%#v, %v", rec.In, err)
	}
	l.update(func(s *spec.Sync) { s.KeyRight = true })
	l.wrote("with the right", l.cycle(), wire.Counts{Keys: wire.Count{Added: 1}})
	// Without the right to replicate, accounts go up and passwords do not.
	l.must(l.domain.RemoveValue("CN=Replicator,CN=Builtin,DC=corp,DC=contoso,DC=com", "member", "CN=CONNECT,CN=Computers,DC=corp,DC=contoso,DC=com"))
	l.person("carol")
	r = l.ask(wire.Request{})
	if r.Result != wire.CompletedErrors || r.Counts.Users.Added != 1 || r.Counts.Passwords != 0 || r.Errors[0].Code != "insufficientAccessRights (50)" {
		t.Errorf("%+v", r)
	}
}

// Whom AdminSDHolder protects the domain refuses, and the others' keys come; what is
// there stays, until the list lets Key Admins write.
func TestProtectedAccounts(t *testing.T) {
	l := newLab(t)
	l.cycle()
	l.register("alice", someKeys()[0], deviceID(1), false)
	l.wrote("before", l.cycle(), wire.Counts{Keys: wire.Count{Added: 1}})
	l.must(l.domain.AddValue("CN=Domain Admins,"+people, "member", dn("alice")))
	hour := func() {
		l.Advance(time.Hour)
		l.must(l.Due(t.Context(), corp))
		l.signIn() // tokens have ended
	}
	hour()
	l.unregister("alice", deviceID(1))
	l.register("alice", someKeys()[1], deviceID(2), false)
	l.register("bob", someKeys()[0], deviceID(3), false)
	r := l.ask(wire.Request{})
	if r.Result != wire.CompletedErrors || len(r.Errors) != 1 || r.Errors[0].Code != "insufficientAccessRights (50)" || !strings.EqualFold(r.Errors[0].Object, dn("alice")) {
		t.Errorf("%+v", r)
	}
	if r.Counts.Keys != (wire.Count{Added: 1}) || len(l.keys(dn("alice"))) != 1 || len(l.keys(dn("bob"))) != 1 {
		t.Errorf("%+v: %d and %d keys", r.Counts, len(l.keys(dn("alice"))), len(l.keys(dn("bob"))))
	}
	l.Update(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", ProtectedKeys: true})
	hour()
	l.wrote("with the entry", l.cycle(), wire.Counts{Keys: wire.Count{Added: 1, Deleted: 1}})
}

// Staging reads and writes nothing; the export of keys can be off alone.
func TestStagingAndKeyExport(t *testing.T) {
	l := newLab(t, func(s *spec.Sync) { s.Staging = true })
	r := l.cycle()
	if l.wrote("staging", r, wire.Counts{}); !r.Staging || l.names() != "" {
		t.Errorf("%+v, %s", r, l.names())
	}
	l.update(func(s *spec.Sync) { s.Staging, s.KeyExport = false, false })
	l.wrote("not staging", l.cycle(), wire.Counts{Users: wire.Count{Added: 2}, Passwords: 2})
	l.register("alice", someKeys()[0], deviceID(1), false)
	l.wrote("keys off", l.cycle(), wire.Counts{})
	l.update(func(s *spec.Sync) { s.KeyExport = true })
	l.wrote("keys on", l.cycle(), wire.Counts{Keys: wire.Count{Added: 1}})
}

// Its administration is its administrator's.
func TestAdministration(t *testing.T) {
	l := newLab(t)
	at := l.server()
	for _, secret := range []string{"", "x", at.Secret + "x", at.Secret[:8]} {
		if _, err := wire.Cycle(t.Context(), l.For(hybrid), wire.Server{Host: at.Host, Secret: secret}, wire.Request{}); err == nil || strings.Contains(err.Error(), at.Secret) {
			t.Errorf("%q: %v", secret, err)
		}
	}
	c := web.Client(l.For(hybrid))
	defer c.CloseIdleConnections()
	for _, ask := range []struct {
		method, path, body, kind string
		status                   int
	}{
		{"POST", "/cycle", "{", "application/json", 400}, {"POST", "/cycle", "{}", "text/plain", 415}, {"POST", "/cycle", `{"parts":["everything"]}`, "application/json", 400},
		{"POST", "/cycle", `{"parts":["device_writeback"]}`, "application/json", 400}, {"POST", "/cycle", `{"parts":["key_export"]}`, "application/json", 200},
		{"GET", "/cycle", "", "", 404}, {"DELETE", "/status", "", "", 404},
		{"GET", "/", "", "", 404}, {"POST", "/cycle", `{"initial":true}`, "application/json", 200}, {"GET", "/status", "", "", 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), ask.method, "https://"+at.Host+ask.path, strings.NewReader(ask.body))
		l.must(err)
		req.Header.Set("Authorization", "Bearer "+at.Secret)
		req.Header.Set("Content-Type", ask.kind)
		reply, err := web.Do(c, req)
		if err != nil || reply.Status != ask.status {
			t.Errorf("%s %s %q: %d, %v", ask.method, ask.path, ask.body, reply.Status, err)
		}
	}
	told := fmt.Sprint(l.Events()) + l.Logged()
	for _, secret := range []string{at.Secret, password, "PPH1_MD4"} {
		if strings.Contains(told, secret) {
			t.Error("a secret is told")
		}
	}
	if _, err := l.TryCreate(t.Context(), "sync.second", spec.Sync{Tenant: contoso, Domain: corp}); err == nil {
		t.Error("a domain has two Connects")
	}
}

// A computer with a certificate becomes a pending device, registers, and goes.
func TestComputer(t *testing.T) {
	seed.Proves(t, "DR-08")
	l := newLab(t)
	key := someKeys()[0]
	const name = "CN=PC1,CN=Computers,DC=corp,DC=contoso,DC=com"
	l.must(l.domain.Add(name, adldap.Attributes{"objectClass": {"computer"}, "sAMAccountName": {"PC1$"}, "userAccountControl": {"4096"}, "operatingSystem": {"Windows 11"}, "operatingSystemVersion": {"10.0 (26100)"},
		"unicodePwd": {adldap.QuotedPassword(password)}}))
	l.wrote("without a certificate", l.cycle(), wire.Counts{Users: wire.Count{Added: 2}, Passwords: 2})
	e, err := l.domain.Read(name, "objectSid")
	l.must(err)
	certificate := func(cn string) string {
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotBefore: l.Now(), NotAfter: l.Now().AddDate(10, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
		l.must(err)
		return string(der)
	}
	l.must(l.domain.Replace(name, adldap.Attributes{"userCertificate": {certificate("PC1")}}))
	l.wrote("with a certificate that is for something else", l.cycle(), wire.Counts{})
	l.must(l.domain.AddValue(name, "userCertificate", certificate(e.GUID.String())))
	l.wrote("with a certificate", l.cycle(), wire.Counts{Devices: wire.Count{Added: 1}})
	get := func() *graph.Device {
		t.Helper()
		d, err := graph.First[graph.Device](t.Context(), l.tenant, graph.Equals("deviceId", e.GUID.String()), "devices")
		l.must(err)
		return d
	}
	if d := get(); d.Registered != "" || d.TrustType != graph.TrustHybrid || d.DisplayName != "PC1" || d.OSVersion != "10.0.26100" || len(d.UserCertificates) != 1 {
		t.Errorf("%+v", d)
	}
	// It registers over the wire.
	who, err := sid.Decode(e.Bytes("objectSid"))
	l.must(err)
	tenant := conformance.Get[spec.Tenant, spec.TenantOut](l.Env, contoso).Out
	identity, err := drs.SignIdentity(rand.Reader, key, who, l.Now())
	l.must(err)
	csr, err := drs.NewCSR(rand.Reader, someKeys()[1])
	l.must(err)
	req, err := web.NewJSON(t.Context(), http.MethodPut, "https://"+tenant.RegistrationHost+drs.PathDevice+e.GUID.String()+"?api-version=2.0", drs.HybridRequest{
		CertificateRequest: drs.CertificateRequest{Type: "pkcs10", Data: csr}, JoinType: drs.JoinHybrid, ServerAdJoinData: drs.ServerAdJoinData{TransportKey: cng.MarshalRSAPublic(&someKeys()[2].PublicKey),
			DeviceType: "Windows", OSVersion: "10.0.26100", DeviceDisplayName: "PC1", TargetDomainID: tenant.TenantID, ClientIdentity: identity}})
	l.must(err)
	c := web.Client(l.For(hybrid))
	defer c.CloseIdleConnections()
	reply, err := web.Do(c, req)
	if err != nil || reply.Status != 200 {
		t.Fatalf("%d %s, %v", reply.Status, reply.Body, err)
	}
	d := get()
	if d.Registered == "" || d.OnPremSID != who.String() {
		t.Errorf("%+v", d)
	}
	l.wrote("registered", l.cycle(), wire.Counts{})
	if get().Registered == "" {
		t.Error("a cycle undid the registration")
	}
	// Deleted in the tenant, it comes back, pending; deleted in the domain, it goes.
	l.must(l.tenant.Delete(t.Context(), "devices", d.ID))
	l.wrote("deleted in the tenant", l.cycle(), wire.Counts{Devices: wire.Count{Added: 1}})
	if get().Registered != "" {
		t.Error("it is registered")
	}
	l.must(l.domain.Delete(name))
	l.wrote("deleted in the domain", l.cycle(), wire.Counts{Devices: wire.Count{Deleted: 1}})
}
