package entra

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"hellolab/providers/spec"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/wstrust"
)

const computerSID = "S-1-5-21-1-2-3-1105"

var computerGUID = guid.GUID{0x6f, 0x96, 0x19, 0xff, 0x8b, 0x86, 0xd0, 0x11, 0xb4, 0x2d, 0x00, 0xcf, 0x4f, 0xc9, 0x64, 0xff}

// ofComputer makes an assertion one about a computer of the domain.
func ofComputer(a *saml.Assertion) {
	windows := computerGUID.Windows()
	id := base64.StdEncoding.EncodeToString(windows[:])
	a.NameID, a.Method = id, saml.MethodWindows
	a.Attributes = []saml.Attribute{
		{Claim: saml.ClaimAccountType, Values: []string{saml.AccountComputer}}, {Claim: saml.ClaimObjectGUID, Values: []string{id}},
		{Claim: saml.ClaimPrimarySID, Values: []string{computerSID}}, {Claim: saml.ClaimImmutableID, Values: []string{id}},
	}
}

// drsToken redeems an assertion for a token of the registration service, as
// Windows does.
func (b *federatedBench) drsToken(raw []byte, header http.Header) (*oauth.TokenResponse, error) {
	b.t.Helper()
	req := b.form(b.login("/oauth2/token"), oauth.TokenRequest{GrantType: oauth.GrantSAML11, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS,
		AMRValues: oauth.AMRNGCMFA, Assertion: oauth.EncodeAssertion(raw)}.Form())
	for name, values := range header {
		req.Header[name] = values
	}
	reply := b.send(req)
	if reply.Status != http.StatusOK {
		return nil, oauth.ParseError(reply.Status, reply.Body)
	}
	return oauth.ParseTokenResponse(reply.Body)
}

// computer registers the computer by its own assertion.
func (b *federatedBench) computer() *testDevice {
	b.t.Helper()
	resp, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantSAML11, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, Assertion: oauth.EncodeAssertion(b.signed(ofComputer))})
	b.must(err)
	d, err := b.joinComputer(resp.AccessToken, drs.JoinHybrid)
	b.must(err)
	return d
}

func (b *federatedBench) joinComputer(bearer string, joinType int) (*testDevice, error) {
	b.t.Helper()
	keys := someKeys()
	ask := b.joinRequest(keys[keyDevice], keys[keyTransport])
	ask.JoinType = joinType
	body, err := b.drsCall(b.http, http.MethodPost, drs.PathDevice+"?api-version=2.0", bearer, ask)
	if err != nil {
		return nil, err
	}
	reply, err := drs.ParseJoinReply(body)
	b.must(err)
	cert, err := parseCert(reply.Certificate.RawBody)
	b.must(err)
	return &testDevice{id: cert.Subject.CommonName, key: keys[keyDevice], cert: reply.Certificate.RawBody, transport: keys[keyTransport]}, nil
}

// sessionOf is a password sign-in of alice on the device: the password went to
// the federation service, its assertion comes here.
func (b *federatedBench) sessionOf(d *testDevice) *session {
	b.t.Helper()
	s, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantSAML11, Assertion: oauth.EncodeAssertion(b.signed()), RequestNonce: b.nonce()})
	b.must(err)
	return s
}

func (b *federatedBench) sessionHeader(s *session) http.Header {
	b.t.Helper()
	ctx := make([]byte, prt.ContextSize)
	_, _ = rand.Read(ctx)
	text, err := prt.SignRequest(prt.Key(s.key), ctx, prt.Request{RefreshToken: s.prt, IsPrimary: "true", RequestNonce: b.nonce()})
	b.must(err)
	return http.Header{http.CanonicalHeaderKey(oauth.HeaderRefreshTokenCredential): {text}}
}

// Fault 88 at the tenant, and what else an assertion may be that is not good:
// the code says why, and nothing is issued.
func TestAssertionRefused(t *testing.T) {
	b := newFederated(t)
	b.federatedToken(b.signed(), 0)
	used := b.signed()
	b.federatedToken(used, 0)
	stranger := someKeys()[keyOther]
	forged, err := b.assertion().Sign(stranger, b.sts.certs[0])
	b.must(err)
	signed := b.signed()
	managed := newBench(t)
	_, err = managed.token(oauth.TokenRequest{GrantType: oauth.GrantSAML11, ClientID: oauth.ClientAzureCLI, Resource: oauth.ResourceGraph, Assertion: oauth.EncodeAssertion(signed)})
	want(t, err, oauth.FederationRealmUnknown)
	disabled := false
	b.patchUser(bobUPN, graph.User{AccountEnabled: &disabled})
	for _, tt := range []struct {
		name string
		raw  []byte
		code oauth.Code
	}{
		{"used before", used, oauth.AssertionInvalid},
		{"signed by a stranger", forged, oauth.AssertionInvalid},
		{"changed", bytes.Replace(signed, []byte("alice@"), []byte("bobby@"), 1), oauth.AssertionInvalid},
		{"comment in the name", bytes.Replace(signed, []byte(anchorOf(aliceUPN)), []byte(anchorOf(aliceUPN)+"<!---->"), 1), oauth.SAMLTokenInvalid},
		{"entity bomb", append([]byte(`<!DOCTYPE a [<!ENTITY a "&b;&b;">]>`), signed...), oauth.SAMLTokenInvalid},
		{"wrapped", slices.Concat(bytes.Replace(signed[:len(signed)-len("</saml:Assertion>")], []byte("AssertionID=\"_"), []byte("AssertionID=\"_x"), 1), signed, []byte("</saml:Assertion>")), oauth.SAMLTokenInvalid},
		{"unsigned", bytes.Replace(signed, []byte("ds:Signature"), []byte("ds:Nothing"), 2), oauth.SAMLTokenInvalid},
		{"no assertion", []byte("<x/>"), oauth.SAMLTokenInvalid},
		{"issuer not known", b.signed(func(a *saml.Assertion) { a.Issuer = "http://sts.elsewhere.org/adfs/services/trust" }), oauth.FederationRealmUnknown},
		{"for another", b.signed(func(a *saml.Assertion) { a.Audience = "urn:other" }), oauth.AssertionUnauthorized},
		{"late", b.signed(func(a *saml.Assertion) {
			a.NotBefore, a.NotOnOrAfter = b.Now().Add(-2*time.Hour), b.Now().Add(-time.Hour)
		}), oauth.AssertionNotInLife},
		{"early", b.signed(func(a *saml.Assertion) { a.NotBefore = b.Now().Add(10 * time.Minute) }), oauth.AssertionNotInLife},
		{"nobody's ImmutableID", b.signed(func(a *saml.Assertion) { a.NameID, a.Attributes = "AAAA", nil }), oauth.UserNotInDirectory},
		{"two ImmutableIDs", b.signed(func(a *saml.Assertion) { a.NameID = anchorOf(bobUPN) }), oauth.SAMLTokenInvalid},
		{"disabled", b.signed(func(a *saml.Assertion) { a.NameID, a.Attributes = anchorOf(bobUPN), nil }), oauth.UserDisabled},
		{"a computer", b.signed(ofComputer), oauth.ResourceNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) { b.federatedToken(tt.raw, tt.code) })
	}
	b.federatedToken(signed, 0) // none of them used it up
	if e := b.Events(); !slices.Contains(stepsOf(e), "assertion_validated") {
		t.Error("the trace says nothing of an assertion")
	}
}

// The tenant checks no password of a federated user, wherever it comes.
func TestFederatedPasswordRefused(t *testing.T) {
	b := newFederated(t)
	_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientAzureCLI, Resource: oauth.ResourceGraph, Username: aliceUPN, Password: password})
	want(t, err, oauth.InvalidUserNameOrPassword)
	d := b.computer()
	_, err = b.deviceRequest(d, prt.Request{GrantType: oauth.GrantPassword, Username: aliceUPN, Password: password, RequestNonce: b.nonce()})
	want(t, err, oauth.InvalidUserNameOrPassword)
	b.sessionOf(d)
}

// A computer of a federated domain registers at once, by what the federation
// service says of it, and again.
func TestComputerOfFederatedDomain(t *testing.T) {
	b := newFederated(t)
	d := b.computer()
	if d.id != computerGUID.String() {
		t.Errorf("device id %s", d.id)
	}
	list, err := graph.Get[graph.Page[graph.Device]](t.Context(), b.admin, "devices")
	b.must(err)
	if len(list.Value) != 1 || list.Value[0].TrustType != graph.TrustHybrid || list.Value[0].OnPremSID != computerSID || list.Value[0].Registered == "" {
		t.Errorf("devices %+v", list.Value)
	}
	if again := b.computer(); again.id != d.id || bytes.Equal(again.cert, d.cert) {
		t.Error("a second registration is not of the same device with another certificate")
	}
	resp, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantSAML11, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, Assertion: oauth.EncodeAssertion(b.signed(ofComputer))})
	b.must(err)
	if _, err := b.joinComputer(resp.AccessToken, drs.JoinEntra); err == nil {
		t.Error("a computer's token joins another kind of device")
	}
	// The token stands for no user, at no other place.
	_, err = b.registerKey(resp.AccessToken, b.keyRequest(d, someKeys()[keyUser]))
	wantDRS(t, err, "token_without_user")
	for name, change := range map[string]func(*saml.Assertion){
		"no object":   func(a *saml.Assertion) { a.Attributes[1].Values = []string{"AAAA"} },
		"no SID":      func(a *saml.Assertion) { a.Attributes[2].Values = []string{"S-1-5-18"} },
		"two objects": func(a *saml.Assertion) { a.Attributes[3].Values = []string{anchorOf(aliceUPN)} },
	} {
		_, err := b.drsToken(b.signed(ofComputer, change), nil)
		if want(t, err, oauth.SAMLTokenInvalid); err == nil {
			t.Error(name)
		}
	}
	// Another computer of the same id, as after a domain was made anew.
	resp, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantSAML11, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, Assertion: oauth.EncodeAssertion(b.signed(ofComputer, func(a *saml.Assertion) {
		a.Attributes[2].Values = []string{"S-1-5-21-9-9-9-1105"}
	}))})
	b.must(err)
	_, err = b.joinComputer(resp.AccessToken, drs.JoinHybrid)
	wantDRS(t, err, subcodeSID)
	b.enable(d, false)
	resp, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantSAML11, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, Assertion: oauth.EncodeAssertion(b.signed(ofComputer))})
	b.must(err)
	_, err = b.joinComputer(resp.AccessToken, drs.JoinHybrid)
	wantDRS(t, err, "device_disabled")
}

// The methods of an assertion become the token's, the device's credential beside
// it the device.
func TestFederatedClaims(t *testing.T) {
	b := newFederated(t)
	d := b.computer()
	s := b.sessionOf(d)
	tokens, err := b.drsToken(b.signed(withMFA), b.sessionHeader(s))
	b.must(err)
	if c := claimsOf(t, tokens.AccessToken); c.UPN != aliceUPN || c.DeviceID != d.id || !slices.Equal(c.AMR, []string{"pwd", "mfa", "rsa", "ngcmfa"}) || c.AuthTime != b.Now().Unix() {
		t.Errorf("claims %+v", c)
	}
	windows := b.federatedToken(b.signed(func(a *saml.Assertion) { a.Method = saml.MethodWindows }), 0)
	if c := claimsOf(t, windows.AccessToken); !slices.Equal(c.AMR, []string{"wia"}) || c.DeviceID != "" {
		t.Errorf("claims %+v", c)
	}
	// The session of another user proves no device.
	b.patchUser(bobUPN, graph.User{})
	tokens, err = b.drsToken(b.signed(withMFA, func(a *saml.Assertion) {
		a.NameID, a.Attributes[1].Values = anchorOf(bobUPN), []string{anchorOf(bobUPN)}
	}), b.sessionHeader(s))
	b.must(err)
	if c := claimsOf(t, tokens.AccessToken); c.UPN != bobUPN || c.DeviceID != "" {
		t.Errorf("claims %+v", c)
	}
	// The second factor is as old as the service says.
	b.Advance(15 * time.Minute)
	_, err = b.drsToken(b.signed(withMFA, func(a *saml.Assertion) { a.AuthInstant = b.Now().Add(-11 * time.Minute) }), nil)
	want(t, err, oauth.StrongAuthRequired)
	_, err = b.drsToken(b.signed(withMFA, func(a *saml.Assertion) { a.AuthInstant = b.Now().Add(time.Hour) }), nil)
	want(t, err, 0)
}

// A password that changed ends the sessions that began with the former, where
// Connect tells the tenant of it.
func TestFederatedPasswordChange(t *testing.T) {
	b := newFederated(t)
	d := b.computer()
	byPassword := b.sessionOf(d)
	windows, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantSAML11, RequestNonce: b.nonce(),
		Assertion: oauth.EncodeAssertion(b.signed(func(a *saml.Assertion) { a.Method = saml.MethodWindows }))})
	b.must(err)
	b.Advance(time.Minute)
	b.patchUser(aliceUPN, graph.User{PasswordProfile: &graph.PasswordProfile{Password: "another"}})
	_, err = b.use(byPassword, prt.Request{Resource: oauth.ResourceGraph})
	want(t, err, oauth.FreshTokenNeeded)
	_, err = b.use(windows, prt.Request{Resource: oauth.ResourceGraph})
	want(t, err, 0)
}

// What the second factor of the federation service counts for.
func TestFederatedBehavior(t *testing.T) {
	for _, tt := range []struct {
		behavior              string
		verified, plain, page oauth.Code // by a token request with, without; by pages without
		own                   bool       // the tenant asks for its own
	}{
		{behaviorAccept, 0, oauth.StrongAuthRequired, 0, true},
		{behaviorEnforce, 0, oauth.StrongAuthRequired, oauth.StrongAuthRequired, false},
		{behaviorReject, oauth.StrongAuthRequired, oauth.StrongAuthRequired, 0, true},
	} {
		t.Run(tt.behavior, func(t *testing.T) {
			b := newFederated(t, func(in *spec.Tenant) { in.MFA = &spec.TenantMFA{Federated: tt.behavior} })
			_, err := b.drsToken(b.signed(withMFA), nil)
			want(t, err, tt.verified)
			_, err = b.drsToken(b.signed(), nil)
			want(t, err, tt.plain)
			began := len(b.Events())
			asked, err := b.passive(interactive{fresh: true}, nil)
			want(t, err, tt.page)
			if own := slices.Contains(stepsOf(b.since(began)), "mfa_challenged"); own != tt.own {
				t.Errorf("the tenant asks for its own: %v", own)
			}
			if counts := tt.behavior != behaviorReject; (asked[0].Method == saml.MethodMultiple) != counts || counts && asked[0].Fresh != 10*time.Minute {
				t.Errorf("the service is asked %+v", asked[0])
			}
			settings, err := graph.Get[graph.Page[graph.InternalDomainFederation]](t.Context(), b.admin, "domains", "contoso.com", "federationConfiguration")
			b.must(err)
			if settings.Value[0].MFABehavior != behaviors[tt.behavior] {
				t.Errorf("Graph says %s", settings.Value[0].MFABehavior)
			}
		})
	}
}

// passive goes through the tenant's pages with a browser that the federation
// service signs in: it answers each request by what change makes of alice's
// assertion.
func (b *federatedBench) passive(i interactive, change func(*saml.Assertion)) (asked []*wstrust.SignInRequest, err error) {
	b.t.Helper()
	i.visit = func(u *url.URL) *http.Request {
		if u.Host != stsHost {
			return nil
		}
		q, err := wstrust.ParseSignInRequest(u.Query())
		b.must(err)
		asked = append(asked, q)
		a := b.assertion()
		if change != nil {
			change(a)
		}
		raw, err := a.Sign(b.sts.keys[0], b.sts.certs[0])
		b.must(err)
		answer := wstrust.Response{AppliesTo: q.Realm, Created: a.NotBefore, Expires: a.NotOnOrAfter, Assertion: raw}
		return b.form("https://"+b.out.LoginHost+"/login.srf", (&wstrust.SignInResponse{Result: answer.Result(), Context: q.Context}).Form())
	}
	_, err = b.signIn(i)
	return asked, err
}

// A federated user at the tenant's page is sent to the federation service and
// comes back with an assertion.
func TestPassiveSignIn(t *testing.T) {
	b := newFederated(t)
	began := len(b.Events())
	asked, err := b.passive(interactive{}, nil)
	b.must(err)
	if len(asked) != 1 || asked[0].Username != aliceUPN || asked[0].Realm != saml.AudienceMicrosoftOnline || asked[0].Method != "" {
		t.Errorf("asked %+v", asked)
	}
	inOrder(t, b.since(began), "sent_to_federation", "assertion_validated", "code_issued", "access_token_issued")
	// The name typed at the page, not hinted.
	_, err = b.passive(interactive{authorize: func(r *oauth.AuthorizeRequest) { r.LoginHint = "" }}, nil)
	want(t, err, 0)
	// A second factor at the service.
	asked, err = b.passive(interactive{fresh: true}, withMFA)
	b.must(err)
	if len(asked) != 1 || asked[0].Method != saml.MethodMultiple {
		t.Errorf("asked %+v", asked)
	}
	// The tenant's session, and then another user at the service.
	d := b.computer()
	s := b.sessionOf(d)
	bob := func(a *saml.Assertion) {
		withMFA(a)
		a.NameID, a.Attributes[1].Values = anchorOf(bobUPN), []string{anchorOf(bobUPN)}
	}
	_, err = b.passive(interactive{fresh: true, header: b.sessionHeader(s)}, bob)
	want(t, err, oauth.GrantInvalid)
	asked, err = b.passive(interactive{fresh: true, header: b.sessionHeader(s)}, withMFA)
	b.must(err)
	if len(asked) != 1 || asked[0].Username != aliceUPN {
		t.Errorf("asked %+v", asked)
	}
	_, err = b.passive(interactive{}, func(a *saml.Assertion) { a.Audience = "urn:other" })
	want(t, err, oauth.AssertionUnauthorized)
	// What is no answer to anything.
	for name, form := range map[string]url.Values{
		"empty":         {},
		"no state":      (&wstrust.SignInResponse{Result: []byte("<x/>")}).Form(),
		"foreign state": (&wstrust.SignInResponse{Result: []byte("<x/>"), Context: wctx("x")}).Form(),
	} {
		if reply := b.send(b.form("https://"+b.out.LoginHost+"/login.srf", form)); reply.Status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, reply.Status)
		}
	}
}
