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
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/web"
)

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
