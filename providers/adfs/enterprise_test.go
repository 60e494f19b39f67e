package adfs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/administer"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	wire "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/winhello"
)

// desk is a computer of the domain that registers with AD FS.
type desk struct {
	key, transport *rsa.PrivateKey
	certificate    []byte
	id             string
}

func (l *lab) rsa() *rsa.PrivateKey {
	l.tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	l.must(err)
	return key
}

// register joins a computer and registers it, over the wire, by its ticket.
func (l *lab) register(name string) *desk {
	l.tb.Helper()
	ctx := l.tb.Context()
	c, _, err := administer.Directory(ctx, l.For(service), corp)
	l.must(err)
	defer c.Close()
	l.must(c.Add("CN="+name+",CN=Computers,"+c.Base, adldap.Attributes{"objectClass": {"computer"}, "sAMAccountName": {name + "$"}, "userAccountControl": {"4096"},
		"dNSHostName": {strings.ToLower(name) + ".corp.contoso.com"}, "unicodePwd": {adldap.QuotedPassword(password)}}))
	contract, err := edrs.Discover(ctx, l.http, l.out().RegistrationHost)
	l.must(err)
	token := l.computerToken(name+"$", contract.Join.ResourceID)
	d := &desk{key: l.rsa(), transport: l.rsa()}
	csr, err := drs.NewCSR(rand.Reader, d.key)
	l.must(err)
	joined, err := edrs.Join(ctx, l.http, contract.Join.URL, token, &drs.JoinRequest{CertificateRequest: drs.CertificateRequest{Type: "pkcs10", Data: csr},
		TransportKey: cng.MarshalRSAPublic(&d.transport.PublicKey), TargetDomain: l.host, DeviceType: "Windows", OSVersion: "10.0.26100", DeviceDisplayName: name, JoinType: drs.JoinHybrid})
	l.must(err)
	d.certificate = joined.Certificate.RawBody
	cert, err := x509.ParseCertificate(d.certificate)
	l.must(err)
	own, err := drs.ParseIdentity(cert)
	l.must(err)
	d.id = own.DeviceID.String()
	return d
}

// computerToken signs a computer in by its ticket, for a resource.
func (l *lab) computerToken(account, resource string) string {
	l.tb.Helper()
	ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: oauth.ClientBroker, RedirectURI: oauth.NativeRedirect(oauth.ClientBroker), Resource: resource}
	header := l.negotiate(l.tb.Context(), account, password)
	header.Set("User-Agent", wire.AgentWindows)
	at := l.get(l.url(wire.PathAuthorize)+"/?"+ask.Query().Encode(), header)
	u, err := url.Parse(at.Header.Get("Location"))
	if err != nil || u.Query().Get("code") == "" {
		l.tb.Fatalf("HTTP status %d: %s", at.Status, at.Body)
	}
	reply, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: ask.ClientID, RedirectURI: ask.RedirectURI, Code: u.Query().Get("code")}.Form())
	l.must(err)
	return reply.AccessToken
}

func (l *lab) nonce() string {
	l.tb.Helper()
	var n oauth.NonceResponse
	reply := l.post(l.url(wire.PathToken), url.Values{"grant_type": {oauth.GrantServerChallenge}})
	l.must(reply.JSON(&n))
	return n.Nonce
}

// enterprise is a PRT with its session key.
type enterprise struct {
	token   string
	session prt.Deriver
}

// signed is a request for a PRT by alice's password, or as changed.
func (l *lab) signed(d *desk, nonce string, change ...func(*prt.Request)) url.Values {
	l.tb.Helper()
	r := prt.Request{ClientID: oauth.ClientCloudAP, Scope: "aza openid", GrantType: oauth.GrantPassword, Username: alice, Password: password, RequestNonce: nonce}
	for _, c := range change {
		c(&r)
	}
	request, err := prt.SignDeviceRequest(d.key, d.certificate, r)
	l.must(err)
	return oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: request}.Form()
}

func (l *lab) obtain(d *desk, change ...func(*prt.Request)) (*enterprise, error) {
	l.tb.Helper()
	reply := l.post(l.url(wire.PathToken)+"/", l.signed(d, l.nonce(), change...))
	if reply.Status != http.StatusOK {
		return nil, wire.ParseError(reply.Status, reply.Body)
	}
	var answer struct {
		PRT     string `json:"refresh_token"`
		JWE     string `json:"session_key_jwe"`
		Seconds int64  `json:"refresh_token_expires_in"`
	}
	l.must(json.Unmarshal(reply.Body, &answer))
	if answer.Seconds != 7*86400 {
		l.tb.Errorf("good for %d s", answer.Seconds)
	}
	wrapped, err := prt.EncryptedSessionKey(answer.JWE)
	l.must(err)
	key, err := rsa.DecryptOAEP(sha1.New(), nil, d.transport, wrapped, nil)
	l.must(err)
	return &enterprise{answer.PRT, prt.Key(key)}, nil
}

func kdf() []byte {
	b := make([]byte, prt.ContextSize)
	_, _ = rand.Read(b) // never fails
	return b
}

// exchange sends a signed request and opens the answer.
func (l *lab) exchange(e *enterprise, claims any) ([]byte, error) {
	l.tb.Helper()
	request, err := prt.SignClaims(e.session, kdf(), claims)
	l.must(err)
	reply := l.post(l.url(wire.PathToken)+"/", oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: request}.Form())
	if reply.Status != http.StatusOK {
		return nil, wire.ParseError(reply.Status, reply.Body)
	}
	plain, err := prt.OpenResponse(string(reply.Body), e.session)
	l.must(err)
	return plain, nil
}

func (l *lab) times(r *prt.Request) {
	r.IssuedAt, r.Expires = prt.Time(l.Now().Unix()), prt.Time(l.Now().Add(time.Minute).Unix())
}

func grantError(err error, oauthError string) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.OAuth == oauthError
}

// A computer registers, alice signs in on it, uses what she got, and has a key of
// hers certified, all of it at one service.
func TestEnterprise(t *testing.T) {
	l := newLab(t)
	l.authority()
	l.Update(service, spec.Federation{Domain: corp, Authority: issuing})
	d := l.register("DESK1")
	e, err := l.obtain(d)
	l.must(err)

	// Tokens for an application, bound to the device, without a second factor.
	r := prt.Request{ClientID: oauth.ClientBroker, GrantType: oauth.GrantRefreshToken, RefreshToken: e.token, Resource: resource, Scope: "openid"}
	l.times(&r)
	plain, err := l.exchange(e, r)
	l.must(err)
	tokens, err := oauth.ParseTokenResponse(plain)
	l.must(err)
	access, err := jose.Parse(tokens.AccessToken)
	l.must(err)
	var claims wire.Claims
	if err := access.Claims(&claims); err != nil || claims.Audience != resource || claims.UPN != alice || claims.DeviceID != d.id || tokens.RefreshToken != "" {
		t.Errorf("%+v, %v", claims, err)
	}
	demanding := r
	demanding.Resource, demanding.AMRValues = edrs.Resource(l.host), oauth.AMRNGCMFA
	if _, err := l.exchange(e, demanding); !grantError(err, wire.InteractionRequired) {
		t.Errorf("a fresh factor of nobody: %v", err)
	}
	unknown := r
	unknown.Resource = "https://nobody.example.com"
	if _, err := l.exchange(e, unknown); !grantError(err, wire.InvalidResource) {
		t.Errorf("an unknown resource: %v", err)
	}

	// A certificate for a key that alice registers with a token of the pages.
	key := l.rsa()
	ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: oauth.ClientProvisioning, RedirectURI: oauth.NativeRedirect(oauth.ClientProvisioning), Resource: edrs.Resource(l.host), AMRValues: oauth.AMRNGCMFA}
	credential, err := prt.SignRequest(e.session, kdf(), prt.Request{RefreshToken: e.token, IsPrimary: "true", RequestNonce: l.nonce()})
	l.must(err)
	at := l.code(l.get(l.url(wire.PathAuthorize)+"/?"+ask.Query().Encode(), http.Header{http.CanonicalHeaderKey(oauth.HeaderRefreshTokenCredential): {credential}}))
	u, err := url.Parse(at.Header.Get("Location"))
	l.must(err)
	fresh, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: ask.ClientID, RedirectURI: ask.RedirectURI, Code: u.Query().Get("code")}.Form())
	l.must(err)
	certify := func() ([]byte, error) {
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		l.must(err)
		w := winhello.NewRequest(csr)
		w.RefreshToken = e.token
		l.times(&w.Request)
		return l.exchange(e, w)
	}
	if _, err := certify(); !grantError(err, wire.InvalidRequest) || !strings.Contains(err.Error(), wire.CodeHelloKey) {
		t.Errorf("before it is registered: %v", err)
	}
	registered, err := edrs.RegisterKey(t.Context(), l.http, "https://"+l.out().RegistrationHost+edrs.PathKey, fresh.AccessToken, &drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&key.PublicKey)})
	l.must(err)
	if registered.UPN != alice {
		t.Errorf("%+v", registered)
	}
	plain, err = certify()
	l.must(err)
	reply, err := winhello.ParseReply(plain)
	l.must(err)
	chain, err := reply.Chain(&key.PublicKey)
	if err != nil || len(chain) != 2 || reply.RefreshToken == "" {
		t.Errorf("chain of %d, %v", len(chain), err)
	}
	var order []string
	for _, ev := range l.Events() {
		if ev.Actor == event.CRA || ev.Actor == event.EnterpriseDRS {
			order = append(order, ev.Step)
		}
	}
	if !has(order, "contract_told", "device_registered", "certificate_request_refused", "user_located", "key_written", "key_id_returned", "registered_keys_queried", "request_signed", "certificate_returned") {
		t.Errorf("%v", order)
	}

	// A service that does not run answers none of it.
	off := l.With("federation", spec.Federation{Domain: corp, Authority: issuing}, "enabled", cty.False)
	l.Update(service, off)
	l.Restart()
	if _, err := certify(); err == nil {
		t.Error("a service that does not run issues")
	}
	if _, err := edrs.Discover(t.Context(), l.http, edrs.Host("corp.contoso.com")); err == nil {
		t.Error("a service that does not run tells where to register")
	}
}

// Fault 49: of eight requests with one nonce, of two devices and at once, one is
// answered.
func TestOneNonceAtOnce(t *testing.T) {
	l := newLab(t)
	desks := []*desk{l.register("DESK1"), l.register("DESK2")}
	nonce := l.nonce()
	var forms []url.Values
	for i := range 8 {
		forms = append(forms, l.signed(desks[i%2], nonce))
	}
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for _, form := range forms {
		wg.Go(func() {
			resp, err := l.http.PostForm(l.url(wire.PathToken)+"/", form)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			switch resp.StatusCode {
			case http.StatusOK:
				won.Add(1)
			case http.StatusBadRequest:
				lost.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 7 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
}
