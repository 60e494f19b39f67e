package entra

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

const (
	contoso  = "tenant.contoso"
	password = "correct horse battery staple"
	aliceUPN = "alice@contoso.com"
	bobUPN   = "bob@contoso.com"
)

// bench is a tenant and a client of it that can do everything a device does,
// with keys in memory, and everything wrong that a peer could.
type bench struct {
	*conformance.Env
	t     testing.TB
	addr  string
	out   spec.TenantOut
	http  *http.Client
	admin *graph.Client
	totp  map[string][]byte // by UPN
}

func newBench(t testing.TB, change ...func(*spec.Tenant)) *bench {
	t.Helper()
	e := conformance.NewEnv(t, Types()...)
	return benchOf(t, e, contoso, "contoso.com", change...)
}

func benchOf(t testing.TB, e *conformance.Env, addr, domain string, change ...func(*spec.Tenant)) *bench {
	t.Helper()
	in := spec.Tenant{Domains: []string{domain}}
	for _, c := range change {
		c(&in)
	}
	e.Create(addr, in)
	b := &bench{Env: e, t: t, addr: addr, out: conformance.Get[spec.Tenant, spec.TenantOut](e, addr).Out, http: web.Client(e.For(addr)), totp: map[string][]byte{}}
	t.Cleanup(b.http.CloseIdleConnections)
	b.signInAdmin()
	b.user("alice@" + domain)
	b.user("bob@" + domain)
	return b
}

func attestation(mode string) func(*spec.Tenant) {
	return func(in *spec.Tenant) { in.Attestation = mode }
}

// signInAdmin gets a token for Graph, anew where the clock ran past the last.
func (b *bench) signInAdmin() {
	b.t.Helper()
	c, err := graph.SignIn(b.t.Context(), b.For(b.addr), graph.Tenant{ID: b.out.TenantID, LoginHost: b.out.LoginHost, GraphHost: b.out.GraphHost,
		ClientID: b.out.AdminClientID, ClientSecret: b.out.AdminSecret})
	b.must(err)
	b.t.Cleanup(c.Close)
	b.admin = c
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// user makes an account with a password and an authenticator app.
func (b *bench) user(upn string) string {
	b.t.Helper()
	u, err := graph.Post[graph.User](b.t.Context(), b.admin, graph.User{UserPrincipalName: upn, PasswordProfile: &graph.PasswordProfile{Password: password}}, "users")
	b.must(err)
	m, err := graph.Post[graph.SoftwareOathMethod](b.t.Context(), b.admin, struct{}{}, "users", u.ID, "authentication", "softwareOathMethods")
	b.must(err)
	b.totp[upn], err = sas.ParseTOTPSecret(m.SecretKey)
	b.must(err)
	return u.ID
}

func (b *bench) patchUser(upn string, u graph.User) {
	b.t.Helper()
	b.must(b.admin.Patch(b.t.Context(), u, "users", upn))
}

func (b *bench) lookup(upn string) *graph.User {
	b.t.Helper()
	u, err := graph.Get[graph.User](b.t.Context(), b.admin, "users", upn)
	b.must(err)
	return u
}

func (b *bench) enable(d *testDevice, on bool) {
	b.t.Helper()
	b.must(b.admin.Patch(b.t.Context(), graph.Device{AccountEnabled: &on}, fmt.Sprintf("devices(deviceId='%s')", d.id)))
}

func (b *bench) login(path string) string {
	return "https://" + b.out.LoginHost + "/" + b.out.TenantID + path
}

func (b *bench) send(req *http.Request) web.Reply {
	b.t.Helper()
	reply, err := web.Do(b.http, req)
	b.must(err)
	return reply
}

func (b *bench) form(target string, v url.Values) *http.Request {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, target, strings.NewReader(v.Encode()))
	b.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

// token asks the v1 token endpoint.
func (b *bench) token(r oauth.TokenRequest) (*oauth.TokenResponse, error) {
	b.t.Helper()
	reply := b.send(b.form(b.login("/oauth2/token"), r.Form()))
	if reply.Status != http.StatusOK {
		return nil, oauth.ParseError(reply.Status, reply.Body)
	}
	return oauth.ParseTokenResponse(reply.Body)
}

func (b *bench) nonce() string {
	b.t.Helper()
	reply := b.send(b.form(b.login("/oauth2/token"), oauth.TokenRequest{GrantType: oauth.GrantServerChallenge}.Form()))
	var n oauth.NonceResponse
	b.must(reply.JSON(&n))
	return n.Nonce
}

// want compares a refusal's code. 0 wants none.
func want(t testing.TB, err error, code oauth.Code) {
	t.Helper()
	if code == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var e *oauth.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("err = %v, want %s", err, code.ID())
	}
}

func wantDRS(t testing.TB, err error, subcode string) {
	t.Helper()
	if subcode == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if !drs.HasSubcode(err, subcode) {
		t.Errorf("err = %v (%+v), want %s", err, err, subcode)
	}
}

// interactive is one sign-in at the tenant's page.
type interactive struct {
	upn, password string
	client        string
	resource      string
	fresh         bool
	otp           func() string // nil: the right one
	header        http.Header
	redirect      string
	verifier      string
	authorize     func(*oauth.AuthorizeRequest)
}

const codeVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func (b *bench) page(i interactive) interactive {
	if i.upn == "" {
		i.upn = aliceUPN
	}
	if i.password == "" {
		i.password = password
	}
	if i.client == "" {
		i.client = oauth.ClientBroker
	}
	if i.resource == "" {
		i.resource = oauth.ResourceDRS
	}
	if i.redirect == "" {
		i.redirect = oauth.NativeRedirect(i.client)
	}
	if i.verifier == "" {
		i.verifier = codeVerifier
	}
	if i.otp == nil {
		i.otp = func() string { return sas.TOTP(b.totp[i.upn], b.Now()) }
	}
	return i
}

// code goes through the pages to a code.
func (b *bench) code(i interactive) (string, error) {
	b.t.Helper()
	i = b.page(i)
	ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: i.client, RedirectURI: i.redirect, Resource: i.resource, LoginHint: i.upn,
		CodeChallenge: oauth.Challenge(i.verifier), CodeChallengeMethod: "S256", State: "st&te"}
	if i.fresh {
		ask.AMRValues = oauth.AMRNGCMFA
	}
	if i.authorize != nil {
		i.authorize(&ask)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.login("/oauth2/authorize?")+ask.Query().Encode(), nil)
	b.must(err)
	for name, v := range i.header {
		req.Header[name] = v
	}
	for asked := false; ; {
		reply := b.send(req)
		if reply.Status == http.StatusFound {
			u, err := url.Parse(reply.Header.Get("Location"))
			b.must(err)
			if e := u.Query().Get("error_codes"); e != "" {
				var n int
				_, _ = fmt.Sscan(e, &n)
				return "", oauth.NewError(oauth.Code(n))
			}
			if u.Query().Get("state") != ask.State {
				b.t.Errorf("state %q came back", u.Query().Get("state"))
			}
			return u.Query().Get("code"), nil
		}
		page, err := sas.ParsePage(reply.Body)
		b.must(err)
		if page.ErrorCode != "" {
			var n int
			_, _ = fmt.Sscan(page.ErrorCode, &n)
			return "", oauth.NewError(oauth.Code(n))
		}
		switch {
		case page.PageID == sas.PageSignIn && !asked:
			asked = true
			req = b.form(page.URLPost, sas.Login{Login: i.upn, Password: i.password, Ctx: page.Ctx, FlowToken: page.FlowToken, Canary: page.Canary}.Form())
		case page.PageID == sas.PageTFA:
			begun := b.auth(page.URLBeginAuth, sas.AuthRequest{Method: sas.MethodBegin, AuthMethodID: sas.MethodAppOTP, FlowToken: page.FlowToken, Ctx: page.Ctx})
			ended := b.auth(page.URLEndAuth, sas.AuthRequest{Method: sas.MethodEnd, AuthMethodID: sas.MethodAppOTP, FlowToken: begun.FlowToken, Ctx: begun.Ctx,
				SessionID: begun.SessionID, AdditionalAuthData: i.otp(), PollCount: 1})
			if !ended.Success {
				return "", fmt.Errorf("%s: %w", ended.ResultValue, oauth.NewError(oauth.Code(ended.ErrCode)))
			}
			req = b.form(page.URLPost, sas.ProcessAuth{Request: ended.Ctx, MFAAuthMethod: sas.MethodAppOTP, Login: i.upn, FlowToken: ended.FlowToken, Canary: page.Canary}.Form())
		default:
			b.t.Fatalf("page %s", page.PageID)
		}
	}
}

func (b *bench) auth(target string, r sas.AuthRequest) *sas.AuthReply {
	b.t.Helper()
	req, err := web.NewJSON(b.t.Context(), http.MethodPost, target, r)
	b.must(err)
	a, err := sas.ParseAuthReply(b.send(req).Body)
	b.must(err)
	return a
}

func (b *bench) redeem(code string, i interactive) (*oauth.TokenResponse, error) {
	b.t.Helper()
	i = b.page(i)
	return b.token(oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: i.client, Code: code, RedirectURI: i.redirect, CodeVerifier: i.verifier})
}

// signIn goes through the pages to tokens.
func (b *bench) signIn(i interactive) (*oauth.TokenResponse, error) {
	b.t.Helper()
	code, err := b.code(i)
	if err != nil {
		return nil, err
	}
	return b.redeem(code, i)
}

// testDevice is a device with its keys in memory.
type testDevice struct {
	id        string
	key       *rsa.PrivateKey
	cert      []byte
	transport *rsa.PrivateKey
}

// someKeys are made once: RSA generation is what a test's time goes to.
var someKeys = sync.OnceValue(func() (keys [8]*rsa.PrivateKey) {
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
				panic(err)
			}
		})
	}
	wg.Wait()
	return keys
})

const (
	keyDevice = iota
	keyTransport
	keyDevice2
	keyTransport2
	keyUser
	keyUser2
	keyAIK
	keyOther
)

func (b *bench) joinRequest(device, transport *rsa.PrivateKey) drs.JoinRequest {
	b.t.Helper()
	csr, err := drs.NewCSR(rand.Reader, device)
	b.must(err)
	return drs.JoinRequest{CertificateRequest: drs.CertificateRequest{Type: "pkcs10", Data: csr}, TransportKey: cng.MarshalRSAPublic(&transport.PublicKey),
		TargetDomain: "contoso.com", DeviceType: "Windows", OSVersion: "10.0.26100", DeviceDisplayName: "laptop", JoinType: drs.JoinEntra}
}

func (b *bench) drsURL(path string) string { return "https://" + b.out.RegistrationHost + path }

// drsCall sends a registration request.
func (b *bench) drsCall(c *http.Client, method, path, bearer string, body any) ([]byte, error) {
	b.t.Helper()
	req, err := web.NewJSON(b.t.Context(), method, b.drsURL(path), body)
	b.must(err)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	reply, err := web.Do(c, req)
	b.must(err)
	if reply.Status != http.StatusOK {
		return nil, drs.ParseError(reply.Status, reply.Body)
	}
	return reply.Body, nil
}

func (b *bench) join(bearer string, device, transport *rsa.PrivateKey) *testDevice {
	b.t.Helper()
	body, err := b.drsCall(b.http, http.MethodPost, drs.PathDevice+"?api-version=2.0", bearer, b.joinRequest(device, transport))
	b.must(err)
	reply, err := drs.ParseJoinReply(body)
	b.must(err)
	cert, err := parseCert(reply.Certificate.RawBody)
	b.must(err)
	return &testDevice{id: cert.Subject.CommonName, key: device, cert: reply.Certificate.RawBody, transport: transport}
}

// laptop signs alice in with a second factor and joins her device.
func (b *bench) laptop() (*testDevice, *oauth.TokenResponse) {
	b.t.Helper()
	tokens, err := b.signIn(interactive{fresh: true})
	b.must(err)
	return b.join(tokens.AccessToken, someKeys()[keyDevice], someKeys()[keyTransport]), tokens
}

// tlsClient presents the device certificate.
func (b *bench) tlsClient(d *testDevice) *http.Client {
	c := web.Client(b.For(b.addr), tls.Certificate{Certificate: [][]byte{d.cert}, PrivateKey: d.key})
	b.t.Cleanup(c.CloseIdleConnections)
	return c
}

// session is a primary refresh token and its session key.
type session struct {
	prt string
	key []byte
}

func (d *testDevice) unwrap(r *oauth.TokenResponse) (*session, error) {
	wrapped, err := prt.EncryptedSessionKey(r.SessionKeyJWE)
	if err != nil {
		return nil, err
	}
	key, err := rsa.DecryptOAEP(sha1.New(), nil, d.transport, wrapped, nil)
	if err != nil {
		return nil, err
	}
	return &session{r.RefreshToken, key}, prt.CheckSessionKey(r.SessionKeyJWE, key)
}

// deviceRequest asks for a PRT.
func (b *bench) deviceRequest(d *testDevice, r prt.Request) (*session, error) {
	b.t.Helper()
	if r.ClientID == "" {
		r.ClientID = oauth.ClientCloudAP
	}
	r.Scope = "openid aza ugs"
	signed, err := prt.SignDeviceRequest(d.key, d.cert, r)
	b.must(err)
	resp, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed, WindowsAPIVersion: "2.0"})
	if err != nil {
		return nil, err
	}
	return d.unwrap(resp)
}

func (b *bench) passwordPRT(d *testDevice) *session {
	b.t.Helper()
	s, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantPassword, Username: aliceUPN, Password: password, RequestNonce: b.nonce()})
	b.must(err)
	return s
}

// use sends a request signed with a key of the session key.
func (b *bench) use(s *session, r prt.Request) (*oauth.TokenResponse, error) {
	b.t.Helper()
	if r.ClientID == "" {
		r.ClientID = oauth.ClientBroker
	}
	r.GrantType, r.RefreshToken = oauth.GrantRefreshToken, s.prt
	if r.RequestNonce == "" {
		r.RequestNonce = b.nonce()
	}
	ctx := make([]byte, prt.ContextSize)
	_, _ = rand.Read(ctx)
	signed, err := prt.SignRequest(prt.Key(s.key), ctx, r)
	b.must(err)
	return b.usePRT(s, signed)
}

func (b *bench) usePRT(s *session, signed string) (*oauth.TokenResponse, error) {
	b.t.Helper()
	reply := b.send(b.form(b.login("/oauth2/token"), oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed, WindowsAPIVersion: "2.0"}.Form()))
	if reply.Status != http.StatusOK {
		return nil, oauth.ParseError(reply.Status, reply.Body)
	}
	body, err := prt.OpenResponse(string(reply.Body), prt.Key(s.key))
	if err != nil {
		return nil, err
	}
	return oauth.ParseTokenResponse(body)
}

// drsToken is a token with which a key may be registered: it proves alice, her
// device and a fresh second factor.
func (b *bench) keyToken(d *testDevice, tokens *oauth.TokenResponse) string {
	b.t.Helper()
	s, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantRefreshToken, RefreshToken: tokens.RefreshToken, RequestNonce: b.nonce()})
	b.must(err)
	resp, err := b.use(s, prt.Request{Resource: oauth.ResourceDRS, AMRValues: oauth.AMRNGCMFA, ClientID: oauth.ClientProvisioning})
	b.must(err)
	return resp.AccessToken
}

// server opens the tenant a second time, off the network, for what a test must
// do behind its back.
func (b *bench) server() *server {
	b.t.Helper()
	env := b.For(b.addr)
	var s *server
	b.must(env.Section.View(func(r providers.Reader) error {
		cfg, err := get[config](r, tableTenant, keyConfig)
		if err != nil {
			return err
		}
		ring, err := get[keyRing](r, tableTenant, keyKeys)
		if err != nil {
			return err
		}
		s, err = newServer(env, *cfg, ring)
		return err
	}))
	return s
}

// aikFor issues an AIK certificate to a device, as enrolment does.
func (b *bench) aikFor(deviceID string, pub crypto.PublicKey) []byte {
	b.t.Helper()
	s := b.server()
	tmpl, err := attest.AIKTemplate(attest.Simulator)
	b.must(err)
	tmpl.NotBefore, tmpl.NotAfter = b.Now().Add(-time.Minute), b.Now().Add(time.Hour)
	der, err := s.keys.aikCA.issue(rand.Reader, tmpl, pub)
	b.must(err)
	b.must(s.env.Section.Record(b.t.Context(), func(w providers.Writer) error { return put(w, tableAIK, digestOf(der), aikRecord{DeviceID: deviceID}) }))
	return der
}

func (b *bench) attestNonce() string {
	b.t.Helper()
	body, err := b.drsCall(b.http, http.MethodGet, drs.PathNonce+b.out.TenantID+"/", "", nil)
	b.must(err)
	n, err := drs.ParseNonceReply(body)
	b.must(err)
	return n.Value
}

// attested is a statement as a TPM with that AIK would write it.
func (b *bench) attested(aik, user *rsa.PrivateKey, nonce string, change func(*tpm2.TPMTPublic)) []byte {
	b.t.Helper()
	area := tpm2.TPMTPublic{
		Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, SignEncrypt: true},
		Parameters:       tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: 2048}),
		Unique:           tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: user.N.Bytes()}),
	}
	if change != nil {
		change(&area)
	}
	name, err := tpm2.ObjectName(&area)
	b.must(err)
	said := tpm2.Marshal(tpm2.TPMSAttest{Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestCertify, ExtraData: tpm2.TPM2BData{Buffer: attest.ExtraData(nonce)},
		Attested: tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{Name: *name})})
	digest := sha256.Sum256(said)
	sig, err := rsa.SignPKCS1v15(nil, aik, crypto.SHA256, digest[:])
	b.must(err)
	return ngc.Statement{Attest: said, Signature: sig, Public: tpm2.Marshal(tpm2.New2B(area))}.Marshal()
}

// keyRequest is a key registration with nothing wrong.
func (b *bench) keyRequest(d *testDevice, user *rsa.PrivateKey) drs.KeyRequest {
	b.t.Helper()
	aik := someKeys()[keyAIK]
	nonce := b.attestNonce()
	return drs.KeyRequest{
		PublicKey:   cng.MarshalRSAPublic(&user.PublicKey),
		Attestation: &drs.KeyAttestation{Statement: b.attested(aik, user, nonce, nil), Nonce: nonce, AIKCertificates: [][]byte{b.aikFor(d.id, aik.Public())}},
		Device:      &drs.KeyDevice{DeviceID: d.id, DisplayName: "laptop", OSVersion: "10.0.26100"},
	}
}

func (b *bench) registerKey(bearer string, body any) (*drs.KeyReply, error) {
	b.t.Helper()
	reply, err := b.drsCall(b.http, http.MethodPost, drs.PathKey+"?api-version=1.0", bearer, body)
	if err != nil {
		return nil, err
	}
	return drs.ParseKeyReply(reply)
}

// enrolled is alice's laptop with her Hello key on it.
func (b *bench) enrolled() (*testDevice, *rsa.PrivateKey) {
	b.t.Helper()
	d, tokens := b.laptop()
	user := someKeys()[keyUser]
	_, err := b.registerKey(b.keyToken(d, tokens), b.keyRequest(d, user))
	b.must(err)
	return d, user
}

func (b *bench) assertion(upn string, user *rsa.PrivateKey, nonce string) string {
	b.t.Helper()
	now := b.Now().Unix()
	s, err := ngc.SignAssertion(user, ngc.KeyID(cng.MarshalRSAPublic(&user.PublicKey)), ngc.Claims{Issuer: upn, Audience: "common",
		IssuedAt: prt.Time(now), Expires: prt.Time(now + 300), RequestNonce: nonce, Scope: "openid aza ugs"})
	b.must(err)
	return s
}

// hello signs in with a Hello key.
func (b *bench) hello(d *testDevice, user *rsa.PrivateKey) (*session, error) {
	b.t.Helper()
	n := b.nonce()
	return b.deviceRequest(d, prt.Request{GrantType: oauth.GrantJWTBearer, Assertion: b.assertion(aliceUPN, user, n), RequestNonce: n})
}

// claimsOf reads the claims of a token.
func claimsOf(t testing.TB, token string) accessClaims {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c accessClaims
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// steps are the names of the tenant's events.
func (b *bench) steps() []string {
	var names []string
	for _, e := range b.Events() {
		names = append(names, e.Step)
	}
	return names
}

// since returns the events that came after the first n.
func (b *bench) since(n int) []event.Event { return b.Events()[n:] }

// inOrder checks that steps happened, one after the other.
func inOrder(t testing.TB, events []event.Event, steps ...string) {
	t.Helper()
	for _, e := range events {
		if len(steps) > 0 && e.Step == steps[0] {
			steps = steps[1:]
		}
	}
	if len(steps) > 0 {
		t.Errorf("step %s did not happen in its place", steps[0])
	}
}

// quiet checks that nothing secret is in events and log.
func (b *bench) quiet(secrets ...[]byte) {
	b.t.Helper()
	told, err := json.Marshal(b.Events())
	b.must(err)
	told = append(told, b.Logged()...)
	for _, s := range secrets {
		for _, form := range [][]byte{s, []byte(base64.StdEncoding.EncodeToString(s)), []byte(base64.RawURLEncoding.EncodeToString(s)), fmt.Appendf(nil, "%x", s)} {
			if bytes.Contains(told, form) {
				b.t.Errorf("a secret was told: %.8s…", form)
			}
		}
	}
}
