package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ntlm"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/phs"
	"hellolab/providers/wire/sid"
)

// connect gives the tenant an account for synchronization, and signs it in.
func (b *bench) connect() *graph.Client {
	b.t.Helper()
	ctx := b.t.Context()
	app, err := graph.Post[graph.Application](ctx, b.admin, graph.Application{DisplayName: "Connect", UniqueName: "connect",
		RequiredAccess: []graph.ResourceAccess{{ResourceAppID: oauth.AppGraph, Access: []graph.Permission{{ID: graph.RoleSync, Type: "Role"}}}}}, "applications")
	b.must(err)
	secret, err := graph.Post[graph.PasswordCredential](ctx, b.admin, map[string]any{"passwordCredential": graph.PasswordCredential{DisplayName: "lab"}}, "applications", app.ID, "addPassword")
	b.must(err)
	c, err := graph.SignIn(ctx, b.For(b.addr), graph.Tenant{ID: b.out.TenantID, LoginHost: b.out.LoginHost, GraphHost: b.out.GraphHost, ClientID: app.AppID, ClientSecret: string(secret.SecretText)})
	b.must(err)
	b.t.Cleanup(c.Close)
	return c
}

func anchor(n byte) string { return base64.StdEncoding.EncodeToString([]byte{n, 1, 2, 3}) }

// synced is a user as Connect writes one.
func synced(name string, n byte) graph.User {
	yes := true
	return graph.User{UserPrincipalName: name + "@contoso.com", DisplayName: name, AccountEnabled: &yes, OnPremSID: fmt.Sprintf("S-1-5-21-1-2-3-%d", 1100+int(n)),
		OnPremises: graph.OnPremises{SyncEnabled: &yes, ImmutableID: anchor(n), SAMAccountName: name, DomainName: "corp.contoso.com", DistinguishedName: "CN=" + name + ",DC=corp"}}
}

func credentialOf(t testing.TB, password string) *graph.PasswordHash {
	t.Helper()
	nt, err := ntlm.NTHash(password)
	if err != nil {
		t.Fatal(err)
	}
	c, err := phs.New(rand.Reader, nt)
	if err != nil {
		t.Fatal(err)
	}
	return &graph.PasswordHash{Credential: graph.Password(c.Encode())}
}

// wantGraph wants a refusal of this code; "" wants none.
func wantGraph(t testing.TB, what string, err error, code string) {
	t.Helper()
	var e *graph.Error
	switch {
	case code == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case code != "" && (!errors.As(err, &e) || e.Code != code):
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestSynchronizedUser(t *testing.T) {
	b := newBench(t)
	ctx, c := t.Context(), b.connect()
	dora := synced("dora", 1)
	dora.PasswordHash = credentialOf(t, "Domain pa55")
	made, err := graph.Post[graph.User](ctx, c, dora, "users")
	b.must(err)
	got := b.lookup("dora@contoso.com")
	if got.ID != made.ID || !got.Synced() || got.ImmutableID != anchor(1) || got.SAMAccountName != "dora" || got.DomainName != "corp.contoso.com" || got.OnPremSID != "S-1-5-21-1-2-3-1101" ||
		got.LastSync == "" || got.PasswordHash != nil {
		t.Errorf("%+v", got)
	}
	found, err := graph.First[graph.User](ctx, c, graph.Equals("onPremisesImmutableId", anchor(1)), "users")
	if err != nil || found.ID != made.ID {
		t.Errorf("by anchor: %+v, %v", found, err)
	}
	// The domain's password signs in; what the tenant holds of it is neither.
	for password, code := range map[string]oauth.Code{"Domain pa55": 0, "domain pa55": oauth.InvalidUserNameOrPassword, string(dora.PasswordHash.Credential): oauth.InvalidUserNameOrPassword} {
		_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientAzureCLI, Username: "dora@contoso.com", Password: password})
		want(t, err, code)
	}
	b.must(c.Patch(ctx, graph.User{OnPremises: graph.OnPremises{PasswordHash: credentialOf(t, "Another pa55")}}, "users", made.ID))
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientAzureCLI, Username: "dora@contoso.com", Password: "Another pa55"})
	want(t, err, 0)

	// Who may say what. The domain masters the object; the tenant says who signs in to it.
	no := false
	for _, try := range []struct {
		what string
		who  *graph.Client
		user string
		in   graph.User
		code string
	}{
		{"the administrator renames", b.admin, made.ID, graph.User{DisplayName: "Somebody"}, graph.CodeForbidden},
		{"the administrator sets a password", b.admin, made.ID, graph.User{PasswordProfile: &graph.PasswordProfile{Password: "x"}}, graph.CodeForbidden},
		{"the administrator carries a hash", b.admin, made.ID, graph.User{OnPremises: graph.OnPremises{PasswordHash: dora.PasswordHash}}, graph.CodeForbidden},
		{"the administrator gives an anchor", b.admin, made.ID, graph.User{OnPremises: graph.OnPremises{ImmutableID: anchor(9)}}, graph.CodeForbidden},
		{"the administrator gives one that is none", b.admin, aliceUPN, graph.User{OnPremises: graph.OnPremises{ImmutableID: "a b"}}, graph.CodeBadRequest},
		{"the administrator gives another's", b.admin, aliceUPN, graph.User{OnPremises: graph.OnPremises{ImmutableID: anchor(1)}}, graph.CodeConflict},
		{"the administrator names a federated account", b.admin, aliceUPN, graph.User{OnPremises: graph.OnPremises{ImmutableID: anchor(7)}}, ""},
		{"and names it anew", b.admin, aliceUPN, graph.User{OnPremises: graph.OnPremises{ImmutableID: anchor(8)}}, ""},
		{"the former is free", b.admin, bobUPN, graph.User{OnPremises: graph.OnPremises{ImmutableID: anchor(7)}}, ""},
		{"the administrator blocks", b.admin, made.ID, graph.User{AccountEnabled: &no}, ""},
		{"Connect changes a user that is not its", c, aliceUPN, graph.User{DisplayName: "x"}, graph.CodeForbidden},
		{"Connect changes the anchor", c, made.ID, graph.User{OnPremises: graph.OnPremises{ImmutableID: anchor(2)}}, graph.CodeBadRequest},
		{"Connect takes over without an anchor", c, aliceUPN, graph.User{OnPremises: graph.OnPremises{SyncEnabled: got.SyncEnabled}}, graph.CodeBadRequest},
		{"Connect gives two users one anchor", c, aliceUPN, synced("alice", 1), graph.CodeConflict},
		{"Connect takes over a user (soft match)", c, bobUPN, synced("bob", 2), ""},
		{"Connect brings no credential", c, made.ID, graph.User{OnPremises: graph.OnPremises{PasswordHash: &graph.PasswordHash{Credential: "x"}}}, graph.CodeBadRequest},
		{"Connect renames", c, made.ID, graph.User{UserPrincipalName: "theodora@contoso.com"}, ""},
		{"Connect names another's name", c, made.ID, graph.User{UserPrincipalName: aliceUPN}, graph.CodeConflict},
	} {
		wantGraph(t, try.what, try.who.Patch(ctx, try.in, "users", try.user), try.code)
	}
	for _, path := range [][]string{{"users", bobUPN, "authentication", "softwareOathMethods"}, {"users", bobUPN, "memberOf"}, {"applications"}, {"identity", "conditionalAccess", "policies"}, {"identityProtection", "riskyUsers"}} {
		_, err := graph.Get[graph.User](ctx, c, path...)
		wantGraph(t, "Connect reads "+strings.Join(path, "/"), err, graph.CodeForbidden)
	}
	wantGraph(t, "Connect deletes a user that is not its", c.Delete(ctx, "users", aliceUPN), graph.CodeForbidden)
	wantGraph(t, "Connect makes a user of its own", func() error {
		_, err := graph.Post[graph.User](ctx, c, graph.User{UserPrincipalName: "own@contoso.com"}, "users")
		return err
	}(), graph.CodeForbidden)
	wantGraph(t, "Connect deletes", c.Delete(ctx, "users", made.ID), "")
	again, err := graph.Post[graph.User](ctx, c, synced("dora", 1), "users")
	if err != nil || again.ID == made.ID {
		t.Errorf("the anchor of a deleted user: %v", err)
	}
	for _, e := range b.Events() {
		if strings.Contains(fmt.Sprint(e), string(dora.PasswordHash.Credential)) || strings.Contains(fmt.Sprint(e), "PPH1") {
			t.Error("an event holds a credential")
		}
	}
}

// An application without the role, or with a secret that was taken away, gets
// no token.
func TestApplicationSecrets(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	app, err := graph.Post[graph.Application](ctx, b.admin, graph.Application{DisplayName: "tool"}, "applications")
	b.must(err)
	token := func(secret graph.Password) error {
		_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantClientCredentials, ClientID: app.AppID, ClientSecret: string(secret), Resource: oauth.ResourceGraph})
		return err
	}
	want(t, token(""), oauth.ApplicationNotFound)
	var secrets []*graph.PasswordCredential
	for range maxAppSecrets {
		s, err := graph.Post[graph.PasswordCredential](ctx, b.admin, map[string]any{}, "applications", app.ID, "addPassword")
		b.must(err)
		secrets = append(secrets, s)
	}
	_, err = graph.Post[graph.PasswordCredential](ctx, b.admin, map[string]any{}, "applications", app.ID, "addPassword")
	wantGraph(t, "too many secrets", err, graph.CodeBadRequest)
	want(t, token(secrets[0].SecretText), oauth.ResourceNotFound) // no role
	b.must(b.admin.Patch(ctx, graph.Application{RequiredAccess: []graph.ResourceAccess{{ResourceAppID: oauth.AppGraph, Access: []graph.Permission{{ID: graph.RoleSync, Type: "Role"}}}}}, "applications", app.ID))
	for _, s := range secrets {
		want(t, token(s.SecretText), 0)
	}
	want(t, token("x"), oauth.ClientSecretInvalid)
	_, err = graph.Post[graph.PasswordCredential](ctx, b.admin, graph.PasswordCredential{KeyID: secrets[0].KeyID}, "applications", app.ID, "removePassword")
	b.must(err)
	want(t, token(secrets[0].SecretText), oauth.ClientSecretInvalid)
	want(t, token(secrets[1].SecretText), 0)
	shown, err := graph.Get[graph.Application](ctx, b.admin, "applications", app.ID)
	if err != nil || len(shown.Passwords) != maxAppSecrets-1 || shown.Passwords[0].SecretText != "" || len(shown.RequiredAccess) != 1 {
		t.Errorf("%+v, %v", shown, err)
	}
	for _, r := range []graph.ResourceAccess{{ResourceAppID: oauth.AppDRS, Access: []graph.Permission{{ID: graph.RoleSync, Type: "Role"}}}, {ResourceAppID: oauth.AppGraph, Access: []graph.Permission{{ID: oauth.AppGraph, Type: "Role"}}}} {
		wantGraph(t, "a role that is none", b.admin.Patch(ctx, graph.Application{RequiredAccess: []graph.ResourceAccess{r}}, "applications", app.ID), graph.CodeBadRequest)
	}
}

func TestSynchronizedGroup(t *testing.T) {
	b := newBench(t)
	ctx, c := t.Context(), b.connect()
	yes := true
	g, err := graph.Post[graph.Group](ctx, c, graph.Group{DisplayName: "Staff", SecurityEnabled: true, OnPremSID: "S-1-5-21-1-2-3-1200", OnPremises: graph.OnPremises{SyncEnabled: &yes, SAMAccountName: "Staff"}}, "groups")
	b.must(err)
	own, err := graph.Post[graph.Group](ctx, b.admin, graph.Group{DisplayName: "Cloud"}, "groups")
	b.must(err)
	alice := b.lookup(aliceUPN).ID
	for _, try := range []struct {
		what string
		err  error
		code string
	}{
		{"Connect adds", c.AddMember(ctx, g.ID, alice), ""},
		{"the administrator adds", b.admin.AddMember(ctx, g.ID, b.lookup(bobUPN).ID), graph.CodeForbidden},
		{"the administrator removes", b.admin.RemoveMember(ctx, g.ID, alice), graph.CodeForbidden},
		{"the administrator renames", b.admin.Patch(ctx, graph.Group{DisplayName: "x"}, "groups", g.ID), graph.CodeForbidden},
		{"Connect renames", c.Patch(ctx, graph.Group{DisplayName: "All staff"}, "groups", g.ID), ""},
		{"Connect adds to another's", c.AddMember(ctx, own.ID, alice), graph.CodeForbidden},
		{"Connect deletes another's", c.Delete(ctx, "groups", own.ID), graph.CodeForbidden},
		{"a bad identifier", c.Patch(ctx, graph.Group{OnPremSID: "S-1-5-18"}, "groups", g.ID), graph.CodeBadRequest},
	} {
		wantGraph(t, try.what, try.err, try.code)
	}
	found, err := graph.First[graph.Group](ctx, c, graph.Equals("onPremisesSecurityIdentifier", "S-1-5-21-1-2-3-1200"), "groups")
	if err != nil || found.ID != g.ID || found.DisplayName != "All staff" || !found.Synced() {
		t.Errorf("%+v, %v", found, err)
	}
	b.must(c.Delete(ctx, "groups", g.ID))
}

// changes asks a delta query, and says what came by name: "+alice" or "-id".
func changes(t testing.TB, c *graph.Client, link, selected string) (names []string, next string) {
	t.Helper()
	next, err := graph.Delta(t.Context(), c, "users", link, selected, func(ch graph.Change[graph.User]) error {
		if ch.Removed {
			names = append(names, "-"+ch.ID)
		} else {
			name, _, _ := strings.Cut(ch.Object.UserPrincipalName, "@")
			names = append(names, "+"+name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, next
}

func TestDelta(t *testing.T) {
	b := newBench(t)
	ctx, c := t.Context(), b.connect()
	for n := range 150 { // more than a page
		_, err := graph.Post[graph.User](ctx, c, synced(fmt.Sprintf("u%d", n), byte(n)), "users")
		b.must(err)
	}
	names, link := changes(t, c, "", "")
	if len(names) != 152 {
		t.Errorf("%d users, want 152", len(names))
	}
	expect := func(what string, want ...string) {
		t.Helper()
		names, next := changes(t, c, link, "")
		if fmt.Sprint(names) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", what, names, want)
		}
		link = next
	}
	expect("nothing")
	b.patchUser(aliceUPN, graph.User{DisplayName: "Alice"})
	b.patchUser(bobUPN, graph.User{DisplayName: "Bob"})
	b.patchUser(aliceUPN, graph.User{DisplayName: "Alice L"})
	expect("in the order of the last change", "+bob", "+alice")
	bob := b.lookup(bobUPN).ID
	b.must(b.admin.Delete(ctx, "users", bob))
	_, err := graph.Post[graph.Group](ctx, b.admin, graph.Group{DisplayName: "not a user"}, "groups")
	b.must(err)
	old := link
	expect("removed", "-"+bob)
	if names, _ := changes(t, c, old, ""); fmt.Sprint(names) != "[-"+bob+"]" {
		t.Errorf("the same link again: %v", names)
	}
	// A selection holds what is named, and the id.
	_, chosen := changes(t, c, "", "userPrincipalName,searchableDeviceKey")
	b.patchUser(aliceUPN, graph.User{DisplayName: "A"})
	_, err = graph.Delta(ctx, c, "users", chosen, "", func(ch graph.Change[graph.User]) error {
		if ch.Object.UserPrincipalName != aliceUPN || ch.ID == "" || ch.Object.DisplayName != "" || ch.Object.Created != "" {
			t.Errorf("selected: %+v", ch.Object)
		}
		return nil
	})
	b.must(err)
	// Tokens are of one collection, of this tenant, whole, and not older than a week.
	ask := func(link string) error {
		_, err := graph.Delta(ctx, c, "users", link, "", func(graph.Change[graph.User]) error { return nil })
		return err
	}
	u, err := url.Parse(link)
	b.must(err)
	wantGraph(t, "at another collection", ask(strings.Replace(link, "/users/", "/groups/", 1)), graph.CodeBadRequest)
	wantGraph(t, "made up", ask("https://"+u.Host+"/v1.0/users/delta?$deltatoken=AAAA"), graph.CodeBadRequest)
	wantGraph(t, "cut", ask(link[:len(link)-2]), graph.CodeBadRequest)
	b.Advance(deltaLife + time.Second)
	b.signInAdmin()
	c = b.admin
	if err := ask(link); !graph.IsResync(err) {
		t.Errorf("after a week: %v", err)
	}
}

// Removals are remembered up to a bound; who comes later reads all anew.
func TestDeltaForgets(t *testing.T) {
	b := newBench(t)
	_, link := changes(t, b.admin, "", "")
	b.must(b.server().env.Section.Update(t.Context(), func(w providers.Writer) error {
		for n := range maxGone + 5 {
			if err := logRemoval(w, tableUsers, fmt.Sprintf("gone%d", n)); err != nil {
				return err
			}
		}
		return nil
	}))
	if _, err := graph.Delta(t.Context(), b.admin, "users", link, "", func(graph.Change[graph.User]) error { return nil }); !graph.IsResync(err) {
		t.Errorf("removals were forgotten: %v", err)
	}
	names, link := changes(t, b.admin, "", "")
	if len(names) != 2 {
		t.Errorf("%v", names)
	}
	if names, _ := changes(t, b.admin, link, ""); len(names) != 0 {
		t.Errorf("%v", names)
	}
}

// computer is one of the domain's, which Connect knows.
func computer(t testing.TB, id guid.GUID, key *rsa.PrivateKey) graph.Device {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id.String()}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	return graph.Device{DeviceID: id.String(), DisplayName: "PC1", AccountEnabled: &yes, OperatingSystem: "Windows", TrustType: graph.TrustHybrid, OnPremSID: "S-1-5-21-1-2-3-1104",
		OnPremises: graph.OnPremises{SyncEnabled: &yes}, UserCertificates: [][]byte{der}}
}

func TestHybridJoin(t *testing.T) {
	b := newBench(t)
	ctx, c := t.Context(), b.connect()
	keys := someKeys()
	id, other := guid.GUID{1, 2, 3}, guid.GUID{4, 5, 6}
	machine, _ := sid.Parse("S-1-5-21-1-2-3-1104")
	request := func(change func(*drs.HybridRequest)) drs.HybridRequest {
		t.Helper()
		j := b.joinRequest(keys[keyDevice], keys[keyTransport])
		who, err := drs.SignIdentity(rand.Reader, keys[keyOther], machine, b.Now())
		b.must(err)
		r := drs.HybridRequest{CertificateRequest: j.CertificateRequest, JoinType: drs.JoinHybrid, ServerAdJoinData: drs.ServerAdJoinData{TransportKey: j.TransportKey, TargetDomain: "contoso.com",
			DeviceType: "Windows", OSVersion: "10.0.26100", DeviceDisplayName: "PC1", TargetDomainID: b.out.TenantID, ClientIdentity: who}}
		if change != nil {
			change(&r)
		}
		return r
	}
	join := func(id string, r drs.HybridRequest) (*drs.JoinReply, error) {
		t.Helper()
		body, err := b.drsCall(b.http, http.MethodPut, drs.PathDevice+id+"?api-version=2.0", "", r)
		if err != nil {
			return nil, err
		}
		return drs.ParseJoinReply(body)
	}
	_, err := join(id.String(), request(nil))
	wantDRS(t, err, "error_missing_device")
	var refusal *drs.Error
	if !errors.As(err, &refusal) || refusal.Type != drs.DirectoryError || refusal.Status != http.StatusBadRequest {
		t.Errorf("%+v", refusal)
	}

	pc := computer(t, id, keys[keyOther])
	bare := pc
	bare.UserCertificates = nil
	made, err := graph.Post[graph.Device](ctx, c, bare, "devices")
	b.must(err)
	if made.Registered != "" || made.TrustType != "ServerAd" || len(made.AlternativeSecurityID) != 0 || !made.Synced() {
		t.Errorf("pending: %+v", made)
	}
	_, err = join(id.String(), request(nil))
	wantDRS(t, err, "error_missing_user_certificate")
	b.must(c.Patch(ctx, graph.Device{UserCertificates: pc.UserCertificates}, "devices", made.ID))

	signed := func(key *rsa.PrivateKey, who sid.SID, at time.Time) func(*drs.HybridRequest) {
		return func(r *drs.HybridRequest) {
			r.ServerAdJoinData.ClientIdentity, err = drs.SignIdentity(rand.Reader, key, who, at)
			b.must(err)
		}
	}
	another, _ := sid.Parse("S-1-5-21-1-2-3-1105")
	for name, try := range map[string]struct {
		change  func(*drs.HybridRequest)
		subcode string
		kind    drs.ErrorType
	}{
		"another key":           {signed(keys[keyUser], machine, b.Now()), "error_computer_signature", drs.AuthenticationError},
		"another computer":      {signed(keys[keyOther], another, b.Now()), "error_computer_sid", drs.AuthenticationError},
		"six minutes late":      {signed(keys[keyOther], machine, b.Now().Add(-6*time.Minute)), "error_computer_time", drs.AuthenticationError},
		"six minutes early":     {signed(keys[keyOther], machine, b.Now().Add(6*time.Minute)), "error_computer_time", drs.AuthenticationError},
		"no signature":          {func(r *drs.HybridRequest) { r.ServerAdJoinData.ClientIdentity.SignedBlob = nil }, "error_computer_signature", drs.AuthenticationError},
		"another type of proof": {func(r *drs.HybridRequest) { r.ServerAdJoinData.ClientIdentity.Type = "none" }, "invalid_parameter", drs.InvalidParameter},
		"another tenant":        {func(r *drs.HybridRequest) { r.ServerAdJoinData.TargetDomainID = id.String() }, "invalid_parameter", drs.InvalidParameter},
		"another join type":     {func(r *drs.HybridRequest) { r.JoinType = 0 }, "invalid_parameter", drs.InvalidParameter},
		"no transport key":      {func(r *drs.HybridRequest) { r.ServerAdJoinData.TransportKey = nil }, "invalid_parameter", drs.InvalidParameter},
		"no request":            {func(r *drs.HybridRequest) { r.CertificateRequest.Data = []byte("x") }, "invalid_parameter", drs.InvalidParameter},
	} {
		_, err := join(id.String(), request(try.change))
		if !drs.HasSubcode(err, try.subcode) || !errors.As(err, &refusal) || refusal.Type != try.kind {
			t.Errorf("%s: %v, want %s %s", name, err, try.kind, try.subcode)
		}
	}
	_, err = join(other.String(), request(nil))
	wantDRS(t, err, "error_missing_device")
	// A device that is no computer of a domain is not completed.
	laptop, _ := b.laptop()
	_, err = join(laptop.id, request(nil))
	wantDRS(t, err, "error_missing_device")
	if d, err := graph.Get[graph.Device](ctx, b.admin, "devices", made.ID); err != nil || d.Registered != "" {
		t.Errorf("registered by refusals: %+v, %v", d, err)
	}

	for range 2 { // a reply may be lost
		reply, err := join(id.String(), request(nil))
		b.must(err)
		cert, err := parseCert(reply.Certificate.RawBody)
		b.must(err)
		if who, err := drs.ParseIdentity(cert); err != nil || who.DeviceID != id || !who.Joined || who.UserID != (guid.GUID{}) {
			t.Errorf("%+v, %v", who, err)
		}
		if d, err := graph.Get[graph.Device](ctx, b.admin, "devices", made.ID); err != nil || d.Registered == "" || d.TrustType != "ServerAd" || string(d.TransportKey) == "" || len(d.AlternativeSecurityID) != 1 || d.OnPremSID != machine.String() {
			t.Errorf("%+v, %v", d, err)
		}
	}
	events := b.Events()
	if last := events[len(events)-1]; last.Step != "device_registered" || last.Actor != event.DRS {
		t.Errorf("%+v", last)
	}
	off := false
	b.must(b.admin.Patch(ctx, graph.Device{AccountEnabled: &off}, "devices", made.ID))
	_, err = join(id.String(), request(nil))
	wantDRS(t, err, "device_disabled")
	wantGraph(t, "a second computer of one id", func() error { _, err := graph.Post[graph.Device](ctx, c, pc, "devices"); return err }(), graph.CodeConflict)
	wantGraph(t, "the administrator makes a device", func() error { _, err := graph.Post[graph.Device](ctx, b.admin, pc, "devices"); return err }(), graph.CodeBadRequest)
	b.must(c.Delete(ctx, "devices", made.ID))
	_, err = join(id.String(), request(nil))
	wantDRS(t, err, "error_missing_device")
}
