package prt_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/adfs/farmtest"
	"hellolab/providers/adfs/prt"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	wire "hellolab/providers/wire/prt"
	"hellolab/providers/wire/sid"
)

const (
	alice    = "alice@" + farmtest.DNSName
	deskID   = "11111111-0000-4000-8000-000000000001"
	resource = "https://app.contoso.com"
)

// lab is the service in a domain with the user alice. The token service around it
// is the test: what it issues is the JSON of what it was asked for.
type lab struct {
	*farmtest.Lab
	service *prt.Service
	used    map[string]bool
	asked   []prt.Grant
	refresh *farm.Proof // of the refresh token "good"
	desk    *desk
}

func newLab(t *testing.T) *lab {
	l := &lab{Lab: farmtest.New(t), used: map[string]bool{}}
	env := l.Service()
	l.Person("alice")
	l.service = &prt.Service{Host: farmtest.Host, Directory: l.Directory, Seal: l.Seal, Accounts: l, Tokens: l, NonceLife: 10 * time.Minute, Life: 7 * 24 * time.Hour, Now: l.Now, Rand: rand.Reader, Emit: env.Emit,
		Once: func(_ context.Context, kind, text string, _ time.Time) (bool, error) {
			first := !l.used[kind+text]
			l.used[kind+text] = true
			return first, nil
		}}
	l.desk = l.newDesk(deskID, true)
	return l
}

func (l *lab) Password(ctx context.Context, name, password string) (*farm.Account, error) {
	if password != farmtest.Password {
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeCredentials, "Wrong.")
	}
	account, _, _ := strings.Cut(name, "@")
	return l.account(ldapmsg.EqualTo("sAMAccountName", account))
}

func (l *lab) Standing(ctx context.Context, p *farm.Proof) (*farm.Account, error) {
	return l.account(ldapmsg.EqualTo("objectSid", p.SID))
}

func (l *lab) account(filter ldapmsg.Filter) (*farm.Account, error) {
	e, err := l.Conn.First(filter, "objectSid", "userPrincipalName", "userAccountControl", "sAMAccountName")
	if err != nil || e.Text("userAccountControl") == "514" {
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeAccountValidation, "No such account, or it is disabled.")
	}
	id, err := sid.Decode(e.Bytes("objectSid"))
	return &farm.Account{UPN: e.Text("userPrincipalName"), Name: e.Text("sAMAccountName"), NetBIOS: "CORP", DN: e.DN, SID: id, GUID: e.GUID, Computer: strings.HasSuffix(e.Text("sAMAccountName"), "$")}, err
}

func (l *lab) Client(_ context.Context, id, _ string) error {
	if id != oauth.ClientCloudAP && id != oauth.ClientBroker {
		return adfs.NewError(adfs.InvalidClient, adfs.CodeClientUnknown, "Unknown.")
	}
	return nil
}

func (l *lab) Redeem(_ context.Context, _, token string) (*farm.Proof, error) {
	if token != "good" {
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "Wrong.")
	}
	return l.refresh, nil
}

func (l *lab) Issue(_ context.Context, g prt.Grant) (*oauth.TokenResponse, error) {
	l.asked = append(l.asked, g)
	return &oauth.TokenResponse{AccessToken: "access to " + g.Resource, IDToken: "id of " + g.Account.UPN, Scope: g.Scope, ExpiresIn: 3600}, nil
}

// desk is a device: its keys and what the domain knows of it.
type desk struct {
	id       guid.GUID
	key, stk *rsa.PrivateKey
	cert     []byte
	device   addevice.Device
}

// newDesk makes a device; the domain has it when it is written back.
func (l *lab) newDesk(id string, written bool) *desk {
	l.TB.Helper()
	d := &desk{key: l.Key(), stk: l.Key()}
	var err error
	d.id, err = guid.Parse(id)
	l.Must(err)
	d.cert = l.certificate(d.key, id, l.Now().Add(-time.Hour), l.Now().Add(365*24*time.Hour))
	parsed, err := x509.ParseCertificate(d.cert)
	l.Must(err)
	d.device = addevice.Device{ID: d.id, Name: "DESK", Identities: []string{drs.AlternativeSecurityID(drs.Thumbprint(d.cert), parsed.RawSubjectPublicKeyInfo)}, Enabled: true,
		TransportKey: cng.MarshalRSAPublic(&d.stk.PublicKey), Anchor: "object"}
	if written {
		l.AddDevice(d.device)
	}
	return d
}

func (l *lab) certificate(key *rsa.PrivateKey, name string, from, to time.Time) []byte {
	l.TB.Helper()
	t := &x509.Certificate{SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	l.Must(err)
	return der
}

func (l *lab) nonce() string {
	l.TB.Helper()
	w := httptest.NewRecorder()
	l.Must(l.service.ServeNonce(w, httptest.NewRequestWithContext(l.TB.Context(), "POST", "/adfs/oauth2/token/", nil)))
	var n oauth.NonceResponse
	l.Must(json.Unmarshal(w.Body.Bytes(), &n))
	return n.Nonce
}

func (l *lab) serve(request string) (string, error) {
	w := httptest.NewRecorder()
	err := l.service.Serve(w, httptest.NewRequestWithContext(l.TB.Context(), "POST", "/adfs/oauth2/token/", nil), request)
	return w.Body.String(), err
}

// got is a PRT with its session key, as a device has it.
type got struct {
	token   string
	session wire.Deriver
	seconds int64
}

// ask asks for a PRT on a device.
func (l *lab) ask(d *desk, r wire.Request) (*got, error) {
	l.TB.Helper()
	if r.RequestNonce == "" {
		r.RequestNonce = l.nonce()
	}
	if r.ClientID == "" {
		r.ClientID = oauth.ClientCloudAP
	}
	r.Scope = "aza openid"
	request, err := wire.SignDeviceRequest(d.key, d.cert, r)
	l.Must(err)
	body, err := l.serve(request)
	if err != nil {
		return nil, err
	}
	var reply struct {
		TokenType string `json:"token_type"`
		PRT       string `json:"refresh_token"`
		Seconds   int64  `json:"refresh_token_expires_in"`
		JWE       string `json:"session_key_jwe"`
		IDToken   string `json:"id_token"`
	}
	l.Must(json.Unmarshal([]byte(body), &reply))
	if reply.TokenType != "pop" || reply.IDToken != "id of "+alice || strings.Contains(body, "access_token") {
		l.TB.Errorf("%s", body)
	}
	wrapped, err := wire.EncryptedSessionKey(reply.JWE)
	l.Must(err)
	key, err := rsa.DecryptOAEP(sha1.New(), nil, d.stk, wrapped, nil)
	l.Must(err)
	return &got{reply.PRT, wire.Key(key), reply.Seconds}, nil
}

func byPassword() wire.Request {
	return wire.Request{GrantType: oauth.GrantPassword, Username: alice, Password: farmtest.Password}
}

// use exchanges a PRT.
func (l *lab) use(g *got, change ...func(*wire.Request)) (*oauth.TokenResponse, error) {
	l.TB.Helper()
	r := wire.Request{ClientID: oauth.ClientBroker, GrantType: oauth.GrantRefreshToken, RefreshToken: g.token, Resource: resource, Scope: "openid",
		IssuedAt: wire.Time(l.Now().Unix()), Expires: wire.Time(l.Now().Add(time.Minute).Unix())}
	for _, c := range change {
		c(&r)
	}
	request, err := wire.SignRequest(g.session, salt(), r)
	l.Must(err)
	body, err := l.serve(request)
	if err != nil {
		return nil, err
	}
	if m, err := wire.ParseMessage(body); err != nil || m.KeyID != "session" || m.Cipher() != "AES-256-GCM" || m.Algorithm != "dir" {
		l.TB.Errorf("%+v, %v", m, err)
	}
	plain, err := wire.OpenResponse(body, g.session)
	l.Must(err)
	return oauth.ParseTokenResponse(plain)
}

func salt() []byte {
	b := make([]byte, wire.ContextSize)
	_, _ = rand.Read(b) // never fails
	return b
}

func refused(err error, oauthError, part string) bool {
	var e *adfs.Error
	return errors.As(err, &e) && e.OAuth == oauthError && strings.Contains(e.Sentence, part)
}

func TestByPassword(t *testing.T) {
	l := newLab(t)
	g, err := l.ask(l.desk, byPassword())
	l.Must(err)
	if g.seconds != 604800 {
		t.Errorf("good for %d s", g.seconds)
	}
	reply, err := l.use(g)
	l.Must(err)
	if reply.AccessToken != "access to "+resource || reply.RefreshToken != "" || reply.TokenType != "bearer" {
		t.Errorf("%+v", reply)
	}
	last := l.asked[len(l.asked)-1]
	if p := last.Proof; last.Account.UPN != alice || p.DeviceID != deskID || !slices.Equal(p.AMR, []string{"pwd"}) || p.MFATime != 0 || last.Client != oauth.ClientBroker {
		t.Errorf("%+v, %+v", last, p)
	}
	if _, err := l.ask(l.desk, wire.Request{GrantType: oauth.GrantPassword, Username: alice, Password: "guess"}); !refused(err, adfs.InvalidGrant, "Wrong") {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := l.ask(l.desk, wire.Request{GrantType: "client_credentials"}); !refused(err, adfs.UnsupportedGrantType, "") {
		t.Errorf("another grant: %v", err)
	}
	if _, err := l.ask(l.desk, wire.Request{ClientID: "stranger", GrantType: oauth.GrantPassword}); !refused(err, adfs.InvalidClient, "") {
		t.Errorf("another client: %v", err)
	}
}

// A device that Active Directory does not have gets no enterprise PRT, and is told
// why; written back, it gets one.
func TestNeedsWriteBack(t *testing.T) {
	seed.Proves(t, "DR-21")
	seed.Proves(t, "PRT-19")
	seed.Proves(t, "POL-13")
	l := newLab(t)
	d := l.newDesk("11111111-0000-4000-8000-000000000002", false)
	_, err := l.ask(d, byPassword())
	if !refused(err, adfs.InvalidGrant, adfs.NotWrittenBack) {
		t.Fatalf("%v", err)
	}
	var e *adfs.Error
	if errors.As(err, &e); !strings.Contains(e.Hint, "device_writeback") {
		t.Errorf("hint %q", e.Hint)
	}
	l.AddDevice(d.device)
	if _, err := l.ask(d, byPassword()); err != nil {
		t.Errorf("written back: %v", err)
	}
	if e := l.Told(event.STS, "device_found"); e.Protocol != "LDAP" || e.Peer != event.ActiveDirectory || e.Message["written_back"] != true {
		t.Errorf("%+v", e)
	}
	if e := l.Told(event.STS, "enterprise_prt_issued"); e.Message["device_id"] != d.id.String() || e.Message["user"] != alice {
		t.Errorf("%+v", e)
	}
	// Its transport key is part of what is written back.
	bare := l.newDesk("11111111-0000-4000-8000-000000000003", false)
	bare.device.TransportKey = nil
	l.AddDevice(bare.device)
	if _, err := l.ask(bare, byPassword()); !refused(err, adfs.InvalidGrant, "no transport key") {
		t.Errorf("without a transport key: %v", err)
	}
	l.Enable(d.id, false)
	if _, err := l.ask(d, byPassword()); !refused(err, adfs.InvalidGrant, "disabled") {
		t.Errorf("disabled: %v", err)
	}
}

// Faults 53 and 55: another device's, an expired and a self-made certificate, and
// a request that another key signed. No user data is read for them.
func TestForeignDevice(t *testing.T) {
	l := newLab(t)
	other := l.newDesk("11111111-0000-4000-8000-000000000002", true)
	late := *l.desk
	late.cert = l.certificate(l.desk.key, deskID, l.Now().Add(-48*time.Hour), l.Now().Add(-time.Hour))
	mine := *l.desk
	mine.cert = l.certificate(l.desk.key, deskID, l.Now().Add(-time.Hour), l.Now().Add(time.Hour)) // of the same key, made by itself
	crossed := *l.desk
	crossed.cert = other.cert
	before := l.Now()
	l.Advance(time.Second)
	for name, c := range map[string]struct {
		desk *desk
		part string
	}{"expired": {&late, "not valid at this time"}, "self-made": {&mine, "not written back"}, "another's certificate": {&crossed, "not signed with the device's key"}} {
		if _, err := l.ask(c.desk, byPassword()); !refused(err, adfs.InvalidGrant, c.part) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if steps := l.Steps(event.STS, before.Add(time.Millisecond)); slices.Contains(steps, "device_found") || slices.Contains(steps, "device_signature_verified") {
		t.Errorf("told %v", steps)
	}
	// A PRT moved to another device is of no use without its session key.
	g, err := l.ask(l.desk, byPassword())
	l.Must(err)
	h, err := l.ask(other, byPassword())
	l.Must(err)
	if _, err := l.use(&got{token: g.token, session: h.session}); !refused(err, adfs.InvalidGrant, "session key") {
		t.Errorf("moved: %v", err)
	}
	for _, token := range []string{"", "x", g.token[:len(g.token)-2]} {
		if _, err := l.use(&got{token: token, session: g.session}); !refused(err, adfs.InvalidGrant, "not valid") {
			t.Errorf("PRT %.8q: %v", token, err)
		}
	}
	if _, err := l.serve("no.token"); !refused(err, adfs.InvalidRequest, "malformed") {
		t.Errorf("%v", err)
	}
	if _, err := l.serve(""); !refused(err, adfs.InvalidRequest, "") {
		t.Errorf("%v", err)
	}
}

// hello makes the request of a Hello sign-in.
func (l *lab) hello(key *rsa.PrivateKey, change ...func(*wire.Request, *ngc.Claims)) wire.Request {
	l.TB.Helper()
	r := wire.Request{GrantType: oauth.GrantJWTBearer, RequestNonce: l.nonce()}
	c := ngc.Claims{Issuer: alice, Audience: adfs.Issuer(farmtest.Host), IssuedAt: wire.Time(l.Now().Unix()), Expires: wire.Time(l.Now().Add(time.Minute).Unix()), RequestNonce: r.RequestNonce, Scope: "openid aza ugs"}
	for _, f := range change {
		f(&r, &c)
	}
	var err error
	r.Assertion, err = ngc.SignAssertion(key, ngc.KeyID(cng.MarshalRSAPublic(&key.PublicKey)), c)
	l.Must(err)
	return r
}

// Fault 52: keys of another user, of another device, unknown and removed ones.
func TestByHello(t *testing.T) {
	l := newLab(t)
	l.Person("bob")
	key, foreign := l.Key(), l.Key()
	if _, err := l.ask(l.desk, l.hello(key)); !refused(err, adfs.InvalidGrant, "not registered for the user") {
		t.Errorf("before it is registered: %v", err)
	}
	l.AddKey("alice", cng.MarshalRSAPublic(&key.PublicKey), l.desk.id)
	l.AddKey("alice", cng.MarshalRSAPublic(&foreign.PublicKey), guid.GUID{7})
	g, err := l.ask(l.desk, l.hello(key))
	l.Must(err)
	if p := l.asked[len(l.asked)-1].Proof; !slices.Equal(p.AMR, []string{"rsa", "mfa"}) || p.MFATime != 0 || p.Method != adfs.MethodHello {
		t.Errorf("%+v", p)
	}
	if e := l.Told(event.STS, "registered_keys_read"); e.Protocol != "LDAP" || e.Message["attribute"] != "msDS-KeyCredentialLink" || e.Message["found"] != true {
		t.Errorf("%+v", e)
	}
	for name, c := range map[string]struct {
		request wire.Request
		part    string
	}{
		"another user":     {l.hello(key, func(_ *wire.Request, c *ngc.Claims) { c.Issuer = "bob@" + farmtest.DNSName }), "not registered for the user"},
		"nobody":           {l.hello(key, func(_ *wire.Request, c *ngc.Claims) { c.Issuer = "nobody@" + farmtest.DNSName }), "no user"},
		"an unknown key":   {l.hello(l.Key()), "not registered for the user"},
		"another device":   {l.hello(foreign), "another device"},
		"two nonces":       {l.hello(key, func(_ *wire.Request, c *ngc.Claims) { c.RequestNonce = l.nonce() }), "nonce of the request"},
		"another audience": {l.hello(key, func(_ *wire.Request, c *ngc.Claims) { c.Audience = "common" }), "another audience"},
		"over":             {l.hello(key, func(_ *wire.Request, c *ngc.Claims) { c.Expires = c.IssuedAt }), "not valid at this time"},
		"from the future":  {l.hello(key, func(_ *wire.Request, c *ngc.Claims) { c.IssuedAt += 3600; c.Expires += 7200 }), "not valid at this time"},
	} {
		if _, err := l.ask(l.desk, c.request); !refused(err, adfs.InvalidGrant, c.part) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := l.hello(key)
	signed, err := ngc.SignAssertion(foreign, ngc.KeyID(cng.MarshalRSAPublic(&key.PublicKey)), ngc.Claims{Issuer: alice})
	l.Must(err)
	bad.Assertion = signed
	if _, err := l.ask(l.desk, bad); !refused(err, adfs.InvalidGrant, "not signed with the key") {
		t.Errorf("signed by another key: %v", err)
	}
	if _, err := l.use(g); err != nil {
		t.Error(err)
	}
	l.Must(l.Conn.Replace(l.User("alice").DN, map[string][]string{addevice.KeyAttribute: nil}))
	if _, err := l.use(g); !refused(err, adfs.InvalidGrant, "not registered any more") {
		t.Errorf("after the key was removed: %v", err)
	}
}
