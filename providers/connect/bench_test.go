package connect_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/connect"
	"hellolab/providers/entra"
	"hellolab/providers/event"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	wire "hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ngc"
)

const (
	corp     = "domain.corp"
	contoso  = "tenant.contoso"
	hybrid   = "sync.hybrid"
	password = "Correct horse 1"
	people   = "CN=Users,DC=corp,DC=contoso,DC=com"
)

func kinds() []providers.Type {
	return slices.Concat(entra.Types(), adds.Types(), connect.Types(), identity.Types())
}

// lab is a tenant, a domain with people in it, and Connect between them.
type lab struct {
	*conformance.Env
	t      testing.TB
	in     spec.Sync
	tenant *graph.Client
	domain *adldap.Conn
}

func newLab(t *testing.T, change ...func(*spec.Sync)) *lab {
	t.Helper()
	return newLabOf(t, change...)
}

func newLabOf(t testing.TB, change ...func(*spec.Sync)) *lab {
	t.Helper()
	e := conformance.NewEnv(t, kinds()...)
	e.Create(contoso, spec.Tenant{Domains: []string{"contoso.com"}})
	e.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	l := &lab{Env: e, t: t, in: spec.Sync{Tenant: contoso, Domain: corp, Enabled: true, KeyExport: true, KeyRight: true}}
	for _, c := range change {
		c(&l.in)
	}
	e.Create(hybrid, l.encoded())
	l.signIn()
	for _, name := range []string{"alice", "bob"} {
		l.person(name)
	}
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// signIn signs the administrator in to both directories.
func (l *lab) signIn() {
	l.t.Helper()
	t := conformance.Get[spec.Tenant, spec.TenantOut](l.Env, contoso).Out
	var err error
	l.tenant, err = graph.SignIn(l.t.Context(), l.For(contoso), graph.Tenant{ID: t.TenantID, LoginHost: t.LoginHost, GraphHost: t.GraphHost, ClientID: t.AdminClientID, ClientSecret: t.AdminSecret})
	l.must(err)
	l.t.Cleanup(l.tenant.Close)
	d := conformance.Get[spec.Domain, spec.DomainOut](l.Env, corp).Out
	l.domain, err = adldap.SignIn(l.t.Context(), l.For(corp), adldap.Domain{Realm: d.Realm, Host: d.Hosts[0], BaseDN: d.DN, Account: "Administrator", Password: d.AdminPassword})
	l.must(err)
	l.t.Cleanup(l.domain.Close)
}

func dn(name string) string { return "CN=" + name + "," + people }

// person makes an account in the domain, behind the lab's back.
func (l *lab) person(name string) {
	l.t.Helper()
	l.must(l.domain.Add(dn(name), adldap.Attributes{"objectClass": {"user"}, "sAMAccountName": {name}, "userPrincipalName": {name + "@contoso.com"}, "displayName": {strings.ToUpper(name[:1]) + name[1:]},
		"userAccountControl": {"512"}, "unicodePwd": {adldap.QuotedPassword(password)}}))
}

// update changes the server's settings.
func (l *lab) update(change func(*spec.Sync)) {
	l.t.Helper()
	change(&l.in)
	l.Update(hybrid, l.encoded())
}

func (l *lab) encoded() any {
	l.t.Helper()
	attrs := l.With("sync", l.in, "enabled", cty.BoolVal(l.in.Enabled)).AsValueMap()
	attrs["key_export"], attrs["key_writeback_right"] = cty.BoolVal(l.in.KeyExport), cty.BoolVal(l.in.KeyRight)
	return cty.ObjectVal(attrs)
}

func (l *lab) server() wire.Server {
	o := conformance.Get[spec.Sync, spec.SyncOut](l.Env, hybrid).Out
	return wire.Server{Host: o.Host, Secret: o.Admin}
}

func (l *lab) ask(q wire.Request) *wire.Report {
	l.t.Helper()
	r, err := wire.Cycle(l.t.Context(), l.For(hybrid), l.server(), q)
	l.must(err)
	return r
}

// cycle runs a cycle that must succeed.
func (l *lab) cycle() *wire.Report {
	l.t.Helper()
	r := l.ask(wire.Request{Reason: "test"})
	if r.Result != wire.Success {
		l.t.Fatalf("the cycle ended with %s: %v", r.Result, r.Errors)
	}
	return r
}

// wrote compares what a cycle wrote.
func (l *lab) wrote(what string, r *wire.Report, want wire.Counts) {
	l.t.Helper()
	if r.Counts != want {
		l.t.Errorf("%s: wrote %+v, want %+v", what, r.Counts, want)
	}
}

func (l *lab) user(name string) *graph.User {
	l.t.Helper()
	u, err := graph.Get[graph.User](l.t.Context(), l.tenant, "users", name+"@contoso.com")
	l.must(err)
	return u
}

// names are the synchronized users of the tenant.
func (l *lab) names() string {
	l.t.Helper()
	var out []string
	for u, err := range graph.List[graph.User](l.t.Context(), l.tenant, "", "users") {
		l.must(err)
		if u.Synced() {
			name, _, _ := strings.Cut(u.UserPrincipalName, "@")
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// credentials are the key credentials of an account.
func (l *lab) credentials(name string) (out [][]byte) {
	l.t.Helper()
	e, err := l.domain.Read(name, "msDS-KeyCredentialLink")
	l.must(err)
	for _, v := range e.Values("msDS-KeyCredentialLink") {
		b, err := ldapmsg.ParseDNBinary(string(v))
		l.must(err)
		out = append(out, b.Binary)
	}
	return out
}

// keys are their identifiers, as the tenant spells them.
func (l *lab) keys(name string) (ids []string) {
	l.t.Helper()
	for _, b := range l.credentials(name) {
		k, err := keycred.Parse(b)
		l.must(err)
		ids = append(ids, fmt.Sprintf("%x", k.ID))
	}
	return ids
}

// someKeys are made once.
var someKeys = sync.OnceValue(func() (out []*rsa.PrivateKey) {
	for range 3 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out = append(out, k)
	}
	return out
})

// register gives a user of the tenant a Hello key, where the registration
// service puts it; unregister takes it away as an administrator does.
func (l *lab) register(name string, key *rsa.PrivateKey, device guid.GUID, attested bool) {
	l.t.Helper()
	id, blob := l.user(name).ID, blobOf(key)
	l.must(l.For(contoso).Section.Update(l.t.Context(), func(w providers.Writer) error {
		raw, _, err := w.Get("users", id)
		if err != nil {
			return err
		}
		var u map[string]any
		if err := json.Unmarshal(raw, &u); err != nil {
			return err
		}
		list, _ := u["hello_keys"].([]any)
		u["hello_keys"] = append(list, map[string]any{"id": device.String(), "key_id": ngc.KeyID(blob), "blob": blob, "device_id": device.String(), "created": l.Now(), "attested": attested})
		if raw, err = json.Marshal(u); err != nil {
			return err
		}
		return w.Put("users", id, raw)
	}))
	yes := true // so that the tenant notes a change
	l.must(l.tenant.Patch(l.t.Context(), graph.User{AccountEnabled: &yes}, "users", id))
}

func (l *lab) unregister(name string, device guid.GUID) {
	l.t.Helper()
	l.must(l.tenant.Delete(l.t.Context(), "users", l.user(name).ID, "authentication", "windowsHelloForBusinessMethods", device.String()))
}

// steps are the events of the last cycle, by actor and step.
func (l *lab) steps(from int) (out []string) {
	for _, e := range l.Events()[from:] {
		if e.Actor == event.Connect || e.Peer == event.Connect || e.Actor == event.ActiveDirectory && strings.HasPrefix(e.Step, "key_") {
			out = append(out, string(e.Actor)+": "+e.Step)
		}
	}
	return out
}

func deviceID(n byte) guid.GUID { return guid.GUID{n, 1, 2, 3} }

func blobOf(k *rsa.PrivateKey) []byte { return cng.MarshalRSAPublic(&k.PublicKey) }
