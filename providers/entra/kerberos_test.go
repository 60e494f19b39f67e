package entra

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/wire/entrakrb"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/web"
)

const corpDomain = "corp.contoso.com"

func krbtgtKey(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// publish gives the tenant a domain's key.
func (b *bench) publish(version uint32, key []byte) {
	b.t.Helper()
	b.must(b.admin.Put(b.t.Context(), graph.KerberosServer{ID: 42, KeyVersion: version, Key: key}, "kerberosServers", corpDomain))
}

// ticketed asks for a PRT with tickets, on a device.
func (b *bench) ticketed(d *testDevice, r prt.Request) (*session, *oauth.TokenResponse, error) {
	b.t.Helper()
	r.ClientID, r.Scope, r.RequestNonce = oauth.ClientCloudAP, "openid aza ugs", b.nonce()
	signed, err := prt.SignDeviceRequest(d.key, d.cert, r)
	b.must(err)
	resp, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed, WindowsAPIVersion: "2.0", TGT: true})
	if err != nil {
		return nil, nil, err
	}
	s, err := d.unwrap(resp)
	b.must(err)
	return s, resp, nil
}

func alicesPassword() prt.Request {
	return prt.Request{GrantType: oauth.GrantPassword, Username: aliceUPN, Password: password}
}

// hybridAlice is alice's laptop; Connect says that her account is of a domain.
func hybridAlice(t testing.TB) (*bench, *testDevice) {
	t.Helper()
	b := newBench(t)
	d, _ := b.laptop()
	b.must(b.connect().Patch(t.Context(), synced("alice", 7), "users", aliceUPN))
	return b, d
}

// openPartial opens tgt_ad as the device does, and its ticket as the domain does.
func openPartial(t testing.TB, member string, s *session, key []byte) (*krb.Credential, *krb.EncTicketPart, *pac.PAC) {
	t.Helper()
	k, err := entrakrb.Open(member, prt.Key(s.key))
	if err != nil {
		t.Fatal(err)
	}
	c, err := k.Credential()
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := krb.ParseTicket(c.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	part, err := ticket.Open(krb.Key{EType: krb.AES256, Value: key})
	if err != nil {
		t.Fatal(err)
	}
	raw, ok := part.PAC()
	if !ok {
		t.Fatal("the partial ticket has no PAC")
	}
	p, err := pac.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c, part, p
}

// One answer holds the PRT and both tickets, under keys that only the device's
// session key gives. The partial one holds the user's identifier alone and is
// signed with the key of the tenant's server object.
func TestTickets(t *testing.T) {
	seed.Proves(t, "A2-05")
	seed.Proves(t, "A2-06")
	seed.Proves(t, "A5-06")
	b, d := hybridAlice(t)
	key := krbtgtKey(3)
	b.publish(7, key)
	n := len(b.Events())
	s, resp, err := b.ticketed(d, alicesPassword())
	b.must(err)
	if resp.RefreshToken == "" || resp.SessionKeyJWE == "" || resp.TopLevelNames != topLevelNames {
		t.Errorf("%+v", resp)
	}
	c, part, p := openPartial(t, resp.TGTAD, s, key)
	realm := strings.ToUpper(corpDomain)
	account, err := sid.Parse("S-1-5-21-1-2-3-1107")
	b.must(err)
	ticket, err := krb.ParseTicket(c.Ticket)
	b.must(err)
	if ticket.EncPart.KeyVersion() != 42<<16|7 || c.SRealm != realm || !c.Server.Equal(krb.TGS(realm)) || !c.Client.Equal(krb.Principal("alice")) || c.CRealm != realm {
		t.Errorf("%+v, key version %#x", c, ticket.EncPart.KeyVersion())
	}
	now := b.Now().UTC().Truncate(time.Second)
	if !part.Key.Equal(c.Key) || part.AuthTime != now || part.EndTime != now.Add(ticketLife) || part.RenewTill != now.Add(ticketRenew) || !part.Flags.Has(krb.FlagInitial) {
		t.Errorf("%+v at %s", part, now)
	}
	krbtgt := krb.Key{EType: krb.AES256, Value: key}
	if err := p.Verify(pac.Ticket{Client: "alice", AuthTime: part.AuthTime, Server: krbtgt, KDC: krbtgt, RODC: 42, TGT: true}); err != nil {
		t.Error(err)
	}
	if l := p.LogonInfo; l.User() != account || p.Requestor != account || len(l.Groups)+len(l.ExtraSIDs)+len(l.ResourceGroups) != 0 {
		t.Errorf("%+v", l)
	}
	if err := krb.Check(c.Ticket); err != nil {
		t.Error(err)
	}

	cloud, err := entrakrb.Open(resp.TGTCloud, prt.Key(s.key))
	b.must(err)
	cc, err := cloud.Credential()
	b.must(err)
	if cc.SRealm != entrakrb.CloudRealm || !cc.Client.Equal(krb.Enterprise(aliceUPN)) {
		t.Errorf("%+v", cc)
	}
	ct, err := krb.ParseTicket(cc.Ticket)
	b.must(err)
	if _, err := ct.Open(b.server().cloudKey()); err != nil {
		t.Error("the cloud's ticket is not under the tenant's own key: ", err)
	}
	inOrder(t, b.since(n), "prt_issued")
	for _, e := range b.since(n) {
		if e.Step == "partial_tgt_issued" && (e.Actor != event.EntraKerberos || e.Message["groups"] != 0) {
			t.Errorf("%+v", e)
		}
	}
	for _, want := range []string{"partial_tgt_issued", "cloud_tgt_issued"} {
		inOrder(t, b.since(n), want)
	}

	// Nobody else opens them.
	other := &session{key: bytes.Repeat([]byte{1}, prt.SessionKeySize)}
	for name, member := range map[string]string{"tgt_ad": resp.TGTAD, "tgt_cloud": resp.TGTCloud} {
		if _, err := entrakrb.Open(member, prt.Key(other.key)); !errors.Is(err, prt.ErrDecrypt) {
			t.Errorf("%s with another session key: %v", name, err)
		}
	}
	if _, err := ticket.Open(krb.Key{EType: krb.AES256, Value: krbtgtKey(4)}); err == nil {
		t.Error("another server object's key opens the ticket")
	}
	k, err := entrakrb.Open(resp.TGTAD, prt.Key(s.key))
	b.must(err)
	b.quiet(key, s.key, k.Key.Value, c.Key.Value, b.server().cloudKey().Value)

	// The cloud ticket is of the tenant that made it.
	second := benchOf(t, b.Env, "tenant.fabrikam", "fabrikam.com")
	if b.server().cloudKey().Equal(second.server().cloudKey()) {
		t.Error("two tenants have one key")
	}

	// Without the form field there is none.
	signed, err := prt.SignDeviceRequest(d.key, d.cert, prt.Request{ClientID: oauth.ClientCloudAP, Scope: "openid aza", GrantType: oauth.GrantPassword, Username: aliceUPN, Password: password, RequestNonce: b.nonce()})
	b.must(err)
	plain, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed})
	b.must(err)
	if plain.TGTAD != "" || plain.TGTCloud != "" || plain.TopLevelNames != "" {
		t.Errorf("tickets that nobody asked for: %+v", plain)
	}
}

// A renewal that asks brings new tickets, under the key of the day; the session
// key still opens them.
func TestTicketsRenewed(t *testing.T) {
	b, d := hybridAlice(t)
	b.publish(1, krbtgtKey(3))
	s, _, err := b.ticketed(d, alicesPassword())
	b.must(err)
	b.publish(2, krbtgtKey(4))
	b.Advance(4 * time.Hour)
	renewed, err := b.use(s, prt.Request{ClientID: oauth.ClientCloudAP, Scope: "openid aza ugs", TGT: true})
	b.must(err)
	c, part, _ := openPartial(t, renewed.TGTAD, s, krbtgtKey(4))
	if ticket, err := krb.ParseTicket(c.Ticket); err != nil || ticket.EncPart.KeyVersion() != 42<<16|2 {
		t.Errorf("%+v, %v", ticket, err)
	}
	if part.AuthTime != b.Now().UTC().Truncate(time.Second) {
		t.Errorf("%s", part.AuthTime)
	}
	// A new session key seals the tickets that come with it.
	for next := (&session{renewed.RefreshToken, s.key}); ; {
		b.Advance(13 * 24 * time.Hour)
		r, err := b.use(next, prt.Request{ClientID: oauth.ClientCloudAP, Scope: "openid aza ugs", TGT: true})
		b.must(err)
		if next.prt = r.RefreshToken; r.SessionKeyJWE != "" {
			rolled, err := d.unwrap(r)
			b.must(err)
			openPartial(t, r.TGTAD, rolled, krbtgtKey(4))
			break
		}
	}
}

// No partial ticket: the member says why, and the rest of the answer is there.
func TestNoTicket(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*bench, *testDevice)
		says   string
	}{
		"no server object": {func(b *bench, _ *testDevice) {
			b.must(b.connect().Patch(b.t.Context(), synced("alice", 7), "users", aliceUPN))
		}, "no Kerberos server object of the domain corp.contoso.com"},
		"a user of the tenant alone": {func(b *bench, _ *testDevice) { b.publish(1, krbtgtKey(1)) },
			"no onPremisesSamAccountName and no onPremisesDomainName and no onPremisesSecurityIdentifier"},
		"no identifier": {func(b *bench, _ *testDevice) {
			b.publish(1, krbtgtKey(1))
			u := synced("alice", 7)
			u.OnPremSID = ""
			b.must(b.connect().Patch(b.t.Context(), u, "users", aliceUPN))
		}, "The user has no onPremisesSecurityIdentifier in the tenant."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			d, _ := b.laptop()
			c.change(b, d)
			n := len(b.Events())
			s, resp, err := b.ticketed(d, alicesPassword())
			b.must(err)
			var no *entrakrb.Refused
			if _, err := entrakrb.Open(resp.TGTAD, prt.Key(s.key)); !errors.As(err, &no) || !strings.Contains(no.Reason, c.says) {
				t.Errorf("%v", err)
			}
			if _, err := entrakrb.Open(resp.TGTCloud, prt.Key(s.key)); err != nil {
				t.Error(err)
			}
			inOrder(t, b.since(n), "partial_tgt_refused")
		})
	}
}

// Who may not have a PRT has no ticket either.
func TestNoPRTNoTicket(t *testing.T) {
	b, d := hybridAlice(t)
	b.publish(1, krbtgtKey(1))
	s, _, err := b.ticketed(d, alicesPassword())
	b.must(err)
	off, on := false, true
	for _, c := range []struct {
		name string
		do   func()
		code oauth.Code
	}{
		{"device disabled", func() { b.enable(d, false) }, oauth.DeviceDisabled},
		{"user disabled", func() { b.enable(d, true); b.patchUser(aliceUPN, graph.User{AccountEnabled: &off}) }, oauth.UserDisabled},
		{"device deleted", func() {
			b.patchUser(aliceUPN, graph.User{AccountEnabled: &on})
			b.must(b.admin.Delete(t.Context(), "devices", b.device(d).ID))
		}, oauth.DeviceNotFound},
	} {
		c.do()
		n := len(b.Events())
		_, resp, err := b.ticketed(d, alicesPassword())
		want(t, err, c.code)
		renewed, err := b.use(s, prt.Request{ClientID: oauth.ClientCloudAP, Scope: "openid aza ugs", TGT: true})
		want(t, err, c.code)
		if resp != nil || renewed != nil {
			t.Errorf("%s: %+v, %+v", c.name, resp, renewed)
		}
		for _, e := range b.since(n) {
			if strings.HasPrefix(e.Step, "partial_tgt") || e.Step == "cloud_tgt_issued" {
				t.Errorf("%s: %s", c.name, e.Step)
			}
		}
	}
}

// The administrator publishes, reads all but the key, and removes; nobody else
// does.
func TestKerberosServers(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	good := graph.KerberosServer{Domain: "Corp.Contoso.Com", ID: 65535, KeyVersion: 3, Key: krbtgtKey(5)}
	b.must(b.admin.Put(ctx, good, "kerberosServers", "CORP.contoso.com"))
	got, err := graph.Get[graph.KerberosServer](ctx, b.admin, "kerberosServers", corpDomain)
	b.must(err)
	if got.Domain != corpDomain || got.ID != 65535 || got.KeyVersion != 3 || got.KeyUpdated != graph.Time(b.Now()) || got.Key != nil {
		t.Errorf("%+v", got)
	}
	all := 0
	for k, err := range graph.List[graph.KerberosServer](ctx, b.admin, "", "kerberosServers") {
		b.must(err)
		if all++; k.Key != nil || k.Domain != corpDomain {
			t.Errorf("%+v", k)
		}
	}
	if all != 1 {
		t.Errorf("%d server objects", all)
	}
	for name, c := range map[string]struct {
		domain string
		change func(*graph.KerberosServer)
	}{
		"not a domain":       {"corp", func(k *graph.KerberosServer) { k.Domain = "" }},
		"another domain":     {"east.contoso.com", func(*graph.KerberosServer) {}},
		"no number":          {corpDomain, func(k *graph.KerberosServer) { k.ID = 0 }},
		"no version":         {corpDomain, func(k *graph.KerberosServer) { k.KeyVersion = 0 }},
		"version too high":   {corpDomain, func(k *graph.KerberosServer) { k.KeyVersion = 1 << 31 }},
		"no key":             {corpDomain, func(k *graph.KerberosServer) { k.Key = nil }},
		"a key of AES-128":   {corpDomain, func(k *graph.KerberosServer) { k.Key = k.Key[:16] }},
		"a key of 256 bytes": {corpDomain, func(k *graph.KerberosServer) { k.Key = make([]byte, 256) }},
	} {
		k := good
		c.change(&k)
		wantGraph(t, name, b.admin.Put(ctx, k, "kerberosServers", c.domain), graph.CodeBadRequest)
	}
	wantGraph(t, "a text as number", b.admin.Put(ctx, map[string]any{"id": "x"}, "kerberosServers", corpDomain), graph.CodeBadRequest)
	c := b.connect()
	wantGraph(t, "Connect publishes", c.Put(ctx, good, "kerberosServers", corpDomain), graph.CodeForbidden)
	_, err = graph.Get[graph.KerberosServer](ctx, c, "kerberosServers", corpDomain)
	wantGraph(t, "Connect reads", err, graph.CodeForbidden)
	tokens, err := b.signIn(interactive{resource: oauth.ResourceGraph})
	b.must(err)
	req, err := web.NewJSON(ctx, http.MethodPut, "https://"+b.out.GraphHost+"/v1.0/kerberosServers/"+corpDomain, good)
	b.must(err)
	req.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	if r := b.send(req); r.Status != http.StatusForbidden {
		t.Errorf("a user publishes: %d %s", r.Status, r.Body)
	}

	// At rest the key is sealed.
	err = b.For(b.addr).Section.View(func(r providers.Reader) error {
		return r.Scan(tableKerberos, "", func(_ string, value []byte) error {
			var k kerberosServer
			if err := json.Unmarshal(value, &k); err != nil {
				return err
			}
			for _, form := range []string{string(krbtgtKey(5)), base64.StdEncoding.EncodeToString(krbtgtKey(5)), base64.RawURLEncoding.EncodeToString(krbtgtKey(5))} {
				if bytes.Contains(value, []byte(form)) {
					t.Error("the key lies open")
				}
			}
			return nil
		})
	})
	b.must(err)
	b.quiet(krbtgtKey(5))

	b.must(b.admin.Delete(ctx, "kerberosServers", corpDomain))
	_, err = graph.Get[graph.KerberosServer](ctx, b.admin, "kerberosServers", corpDomain)
	if !graph.IsNotFound(err) {
		t.Errorf("%v", err)
	}
	b.must(b.admin.Delete(ctx, "kerberosServers", corpDomain)) // gone already
}
