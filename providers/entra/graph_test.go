package entra

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/web"
)

func TestHostLabels(t *testing.T) {
	for domain, want := range map[string]string{
		"contoso.com":     "contoso-com",
		"contoso-com.net": "contoso--com-net",
		"a--b.c":          "a----b-c",
	} {
		if got := hostLabel(domain); got != want {
			t.Errorf("hostLabel(%s) = %s, want %s", domain, got, want)
		}
	}
	long := strings.Repeat("abcdefghi.", 12) + "example"
	for _, d := range []string{long, "b" + long, strings.Repeat("a-", 30) + "a.example"} {
		if l := hostLabel(d); len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' || !validDomain("login."+l+hostSuffix) {
			t.Errorf("hostLabel(%s) = %s is no DNS label", d, l)
		}
	}
	// Two domains never share a label.
	alphabet := []byte("ab-.")
	distinct := func(x, y []byte) bool {
		name := func(b []byte) string {
			s := make([]byte, len(b))
			for i := range b {
				s[i] = alphabet[b[i]%4]
			}
			return "a" + string(s) + "b.c"
		}
		a, b := name(x), name(y)
		return !validDomain(a) || !validDomain(b) || a == b || hostLabel(a) != hostLabel(b)
	}
	if err := quick.Check(distinct, &quick.Config{MaxCount: 20_000}); err != nil {
		t.Error(err)
	}
}

func TestTenantRefusals(t *testing.T) {
	e := conformance.NewEnv(t, Types()...)
	for _, domains := range [][]string{{"localhost"}, {"-a.com"}, {"a..com"}, {"a_b.com"}, {"a.com", "A.com"}, {"ä.com"}, {strings.Repeat("a", 64) + ".com"}} {
		if _, err := e.TryCreate(t.Context(), "tenant.bad", spec.Tenant{Domains: domains}); err == nil {
			t.Errorf("%q: created", domains)
		}
	}
	if _, err := e.TryCreate(t.Context(), "tenant.bad", spec.Tenant{Domains: []string{"bad.com"}, Lifetimes: &spec.TenantLifetimes{Nonce: -1}}); err == nil {
		t.Error("a negative lifetime was accepted")
	}
	b := benchOf(t, e, contoso, "contoso.com")
	if _, err := e.TryCreate(t.Context(), "tenant.thief", spec.Tenant{Domains: []string{"thief.com", "Contoso.com"}}); err == nil {
		t.Error("a domain belongs to two tenants")
	}
	e.Update(contoso, spec.Tenant{Domains: []string{"contoso.com", "second.com"}})
	b.user("carol@second.com")
	for _, domains := range [][]string{{"second.com", "contoso.com"}, {"contoso.com"}} {
		if _, err := e.TryUpdate(t.Context(), contoso, spec.Tenant{Domains: domains}); err == nil {
			t.Errorf("%q: changed", domains)
		}
	}
}

// Drift and lifetimes come through.
func TestTenantReadsWhatItHolds(t *testing.T) {
	e := conformance.NewEnv(t, Types()...)
	e.Create(contoso, spec.Tenant{Domains: []string{"Contoso.COM"}})
	rec, err := e.Read(t.Context(), contoso)
	if err != nil {
		t.Fatal(err)
	}
	if got := rec.In.GetAttr("domains").AsValueSlice()[0].AsString(); got != "Contoso.COM" {
		t.Errorf("domain reads %s", got)
	}
}

func TestUsersOverGraph(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	// Pages, with the largest and a small size.
	for n := range 230 {
		_, err := graph.Post[graph.User](ctx, b.admin, graph.User{UserPrincipalName: fmt.Sprintf("u%03d@contoso.com", n)}, "users")
		b.must(err)
	}
	seen := map[string]bool{}
	for u, err := range graph.List[graph.User](ctx, b.admin, "", "users") {
		b.must(err)
		if seen[u.ID] {
			t.Fatalf("%s is on two pages", u.UserPrincipalName)
		}
		seen[u.ID] = true
		if u.PasswordProfile != nil {
			t.Error("a password came out")
		}
	}
	if len(seen) != 232 {
		t.Errorf("%d users, want 232", len(seen))
	}
	// Names that look like something else find nobody and break nothing.
	for _, name := range []string{"' or '1'='1", "*", "a'b@contoso.com", "\x00", "<b>", "$(id)", "../users", "ALICE@contoso.com"} {
		u, err := graph.First[graph.User](ctx, b.admin, graph.Equals("userPrincipalName", name), "users")
		if found := err == nil; found != (name == "ALICE@contoso.com") {
			t.Errorf("%q: %+v, %v", name, u, err)
		}
	}
	for _, upn := range []string{"", "x", "x@elsewhere.com", "a b@contoso.com", "a@b@contoso.com", "\u202ea@contoso.com", ".a@contoso.com", "a/b@contoso.com", "Alice@CONTOSO.com", strings.Repeat("a", 65) + "@contoso.com"} {
		if _, err := graph.Post[graph.User](ctx, b.admin, graph.User{UserPrincipalName: upn}, "users"); err == nil {
			t.Errorf("%q: created", upn)
		}
	}
	for _, u := range []graph.User{{DisplayName: "a\x00"}, {DisplayName: strings.Repeat("a", 300)}, {UserPrincipalName: bobUPN}, {PasswordProfile: &graph.PasswordProfile{}}, {PasswordProfile: &graph.PasswordProfile{Password: graph.Password(strings.Repeat("x", 257))}}} {
		if err := b.admin.Patch(ctx, u, "users", aliceUPN); err == nil {
			t.Errorf("%+v: accepted", u)
		}
	}
	b.patchUser(aliceUPN, graph.User{DisplayName: "Ælise <script>", UserPrincipalName: "alice2@contoso.com"})
	if u := b.lookup("ALICE2@contoso.com"); u.DisplayName != "Ælise <script>" {
		t.Errorf("%+v", u)
	}
	if _, err := graph.Get[graph.User](ctx, b.admin, "users", aliceUPN); !graph.IsNotFound(err) {
		t.Errorf("the old name still finds her: %v", err)
	}
	for _, path := range [][]string{{"users", "nobody@contoso.com"}, {"users", b.out.TenantID}, {"groups", "x"}, {"devices", "x"}, {"nothing"}, {"users", bobUPN, "nothing"}, {"users", bobUPN, "authentication"}} {
		if _, err := graph.Get[graph.User](ctx, b.admin, path...); !graph.IsNotFound(err) {
			t.Errorf("%v: %v", path, err)
		}
	}
}

func TestMembershipsOverGraph(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	g, err := graph.Post[graph.Group](ctx, b.admin, graph.Group{DisplayName: "Staff"}, "groups")
	b.must(err)
	d, _ := b.laptop()
	ids := []string{b.lookup(aliceUPN).ID, b.device(d).ID}
	for _, id := range ids {
		b.must(b.admin.AddMember(ctx, g.ID, id))
		b.must(b.admin.AddMember(ctx, g.ID, id))
	}
	members := func() (got []string) {
		for m, err := range graph.List[graph.DirectoryObject](ctx, b.admin, "", "groups", g.ID, "members") {
			b.must(err)
			got = append(got, m.ID)
		}
		return got
	}
	slices.Sort(ids)
	if got := members(); !slices.Equal(got, ids) {
		t.Errorf("members %v, want %v", got, ids)
	}
	if err := b.admin.AddMember(ctx, g.ID, b.out.TenantID); !graph.IsNotFound(err) {
		t.Errorf("adding nobody: %v", err)
	}
	b.must(b.admin.RemoveMember(ctx, g.ID, b.device(d).ID))
	b.must(b.admin.RemoveMember(ctx, g.ID, b.device(d).ID))
	b.must(b.admin.Delete(ctx, "users", aliceUPN))
	if got := members(); len(got) != 0 {
		t.Errorf("members %v after they went", got)
	}
	b.must(b.admin.AddMember(ctx, g.ID, b.lookup(bobUPN).ID))
	b.must(b.admin.Delete(ctx, "groups", g.ID))
	for m, err := range graph.List[graph.DirectoryObject](ctx, b.admin, "", "users", bobUPN, "memberOf") {
		t.Errorf("bob is in %+v, %v", m, err)
	}
}

// What the directory shows of keys is public.
func TestDirectoryHoldsPublicKeysOnly(t *testing.T) {
	seed.Proves(t, "PC-14", "P1")
	b := newBench(t)
	d, user := b.enrolled()
	secrets := [][]byte{d.key.D.Bytes(), d.transport.D.Bytes(), user.D.Bytes(), user.Primes[0].Bytes(), d.key.Primes[0].Bytes(), []byte(password)}
	b.must(b.For(b.addr).Section.View(func(r providers.Reader) error {
		for _, table := range []string{tableUsers, tableDevices, tableHelloKeys, tableUPN, tableDeviceID} {
			if err := r.Scan(table, "", func(key string, value []byte) error {
				for _, s := range secrets {
					if strings.Contains(string(value), string(s)) {
						t.Errorf("%s %s holds a secret", table, key)
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}))
	b.quiet(secrets...)
}

func TestForeignHost(t *testing.T) {
	b := newBench(t)
	req, err := http.NewRequest(http.MethodGet, "https://"+b.out.LoginHost+"/common/discovery/keys", nil)
	b.must(err)
	req.Host = "login.microsoftonline.com"
	reply, err := web.Do(b.http, req)
	b.must(err)
	if reply.Status != http.StatusMisdirectedRequest {
		t.Errorf("answers for another host: %d", reply.Status)
	}
}

// TestKeptTokens: an administrator signs in once for as long as the token is
// good, and again when the directory does not take it.
func TestKeptTokens(t *testing.T) {
	b := newBench(t)
	var tokens graph.Tokens
	issued := func() (n int) {
		for _, e := range b.Events() {
			if e.Step == "admin_token_issued" {
				n++
			}
		}
		return n
	}
	env := b.For(b.addr)
	use := func(env providers.Env, secret string) error {
		c, err := tokens.SignIn(t.Context(), env, b.http, graph.Tenant{ID: b.out.TenantID, LoginHost: b.out.LoginHost, GraphHost: b.out.GraphHost,
			ClientID: b.out.AdminClientID, ClientSecret: secret})
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = graph.Get[graph.User](t.Context(), c, "users", aliceUPN)
		return err
	}
	begun, behind := issued(), b.Now()
	for _, tt := range []struct {
		later time.Duration
		signs int
	}{{0, 1}, {time.Minute, 1}, {50 * time.Minute, 1}, {5 * time.Minute, 2}, {2 * time.Hour, 3}} {
		b.Advance(tt.later)
		b.must(use(env, b.out.AdminSecret))
		if n := issued() - begun; n != tt.signs {
			t.Errorf("%s later: signed in %d times, want %d", tt.later, n, tt.signs)
		}
	}
	// A view of the lab whose clock runs behind takes the token for good, after it ended.
	late := env
	late.Now = func() time.Time { return behind.Add(3 * time.Hour) }
	b.Advance(2 * time.Hour)
	b.must(use(late, b.out.AdminSecret))
	if n := issued() - begun; n != 4 {
		t.Errorf("after a refusal: signed in %d times, want 4", n)
	}
	if err := use(env, "wrong"); err == nil {
		t.Error("another's token was taken for a wrong secret")
	}
}

// A domain that is deleted by force renames its accounts; the first one stays.
func TestForceDeleteDomain(t *testing.T) {
	b := newBench(t, func(in *spec.Tenant) { in.Domains = append(in.Domains, "second.com") })
	b.user("carol@second.com")
	b.user("alice@second.com")
	drop := func(domain string) error {
		_, err := graph.Post[struct{}](t.Context(), b.admin, graph.ForceDelete{}, "domains", domain, "forceDelete")
		return err
	}
	for _, domain := range []string{"contoso.com", "second.com", "third.com"} { // the first; one of whose names one is taken; none of the tenant's
		if drop(domain) == nil {
			t.Errorf("%s: deleted", domain)
		}
	}
	b.must(b.admin.Delete(t.Context(), "users", "alice@second.com"))
	b.must(drop("second.com"))
	if got := b.lookup("carol@contoso.com"); got == nil {
		t.Error("carol is not renamed")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.login("/UserRealm/carol@second.com?api-version=1.0"), nil)
	b.must(err)
	if reply := b.send(req); !strings.Contains(string(reply.Body), `"account_type":"Unknown"`) {
		t.Errorf("%s", reply.Body)
	}
	if got := b.server().cfg.Written; !slices.Equal(got, []string{"contoso.com"}) {
		t.Errorf("%q", got)
	}
}
