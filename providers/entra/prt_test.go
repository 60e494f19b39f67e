package entra

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

func TestPRTUse(t *testing.T) {
	seed.Proves(t, "PRT-13")
	seed.Proves(t, "PRT-14")
	seed.Proves(t, "PRT-15")
	seed.Proves(t, "PRT-17")
	b := newBench(t)
	d, _ := b.laptop()
	s := b.passwordPRT(d)
	tokens, err := b.use(s, prt.Request{Resource: oauth.ResourceGraph})
	b.must(err)
	if c := claimsOf(t, tokens.AccessToken); !slices.Equal(c.AMR, []string{"pwd", "rsa"}) || c.DeviceID != d.id {
		t.Errorf("claims %+v", c)
	}
	if tokens.RefreshToken != "" {
		t.Error("a bearer refresh token left the device's session")
	}
	// A password's PRT has no second factor to show.
	_, err = b.use(s, prt.Request{Resource: oauth.ResourceDRS, AMRValues: oauth.AMRNGCMFA})
	want(t, err, oauth.StrongAuthRequired)

	// Fault 54: the request is bound to key, salt and payload; each salt is new.
	n := b.nonce()
	salt := bytes.Repeat([]byte{1}, prt.ContextSize)
	signed, err := prt.SignRequest(prt.Key(s.key), salt, prt.Request{GrantType: oauth.GrantRefreshToken, RefreshToken: s.prt, ClientID: oauth.ClientBroker, Resource: oauth.ResourceGraph, RequestNonce: n})
	b.must(err)
	reply := b.send(b.form(b.login("/oauth2/token"), oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed}.Form()))
	header, _, _ := strings.Cut(string(reply.Body), ".")
	raw, err := base64.RawURLEncoding.DecodeString(header)
	b.must(err)
	if bytes.Contains(raw, []byte(base64.StdEncoding.EncodeToString(salt))) {
		t.Error("the answer has the request's salt")
	}
	if _, err := prt.OpenResponse(string(reply.Body), prt.Key(s.key)); err != nil {
		t.Error(err)
	}
	_, err = b.usePRT(s, signed)
	want(t, err, oauth.NonceInvalid) // replayed
	wrong := &session{s.prt, bytes.Repeat([]byte{9}, prt.SessionKeySize)}
	_, err = b.use(wrong, prt.Request{Resource: oauth.ResourceGraph})
	want(t, err, oauth.SessionKeyInvalid)

	// Fault 53, MOD-11: taken to another device, it is worth nothing there: that
	// device has another session key.
	b.Advance(time.Minute)
	bobTokens, err := b.signIn(interactive{upn: bobUPN, fresh: true})
	b.must(err)
	second := b.join(bobTokens.AccessToken, someKeys()[keyDevice2], someKeys()[keyTransport2])
	bobs, err := b.deviceRequest(second, prt.Request{GrantType: oauth.GrantPassword, Username: bobUPN, Password: password, RequestNonce: b.nonce()})
	b.must(err)
	_, err = b.use(&session{s.prt, bobs.key}, prt.Request{Resource: oauth.ResourceGraph})
	want(t, err, oauth.SessionKeyInvalid)
	// It is no refresh token, and a refresh token is no PRT.
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, Resource: oauth.ResourceGraph, RefreshToken: s.prt})
	want(t, err, oauth.GrantInvalid)
	_, err = b.use(&session{bobTokens.RefreshToken, bobs.key}, prt.Request{Resource: oauth.ResourceGraph})
	want(t, err, oauth.GrantInvalid)
	changed := []byte(s.prt)
	changed[len(changed)-5] ^= 1
	_, err = b.use(&session{string(changed), s.key}, prt.Request{Resource: oauth.ResourceGraph})
	want(t, err, oauth.GrantInvalid)
	seed.Proves(t, "MOD-11")
}

func TestPRTLife(t *testing.T) {
	b := newBench(t)
	d, _ := b.laptop()
	s := b.passwordPRT(d)
	b.Advance(4 * time.Hour)
	renewed, err := b.use(s, prt.Request{ClientID: oauth.ClientCloudAP, Scope: "openid aza ugs"})
	b.must(err)
	if renewed.RefreshToken == s.prt || renewed.SessionKeyJWE != "" || renewed.AccessToken != "" {
		t.Error("renewal brings a new PRT under the same session key, and nothing else")
	}
	b.Advance(14*24*time.Hour - 4*time.Hour + time.Second)
	_, err = b.use(s, prt.Request{Resource: oauth.ResourceGraph})
	want(t, err, oauth.RefreshTokenExpired)
	next := &session{renewed.RefreshToken, s.key}
	for range 3 {
		r, err := b.use(next, prt.Request{ClientID: oauth.ClientCloudAP, Scope: "openid aza"})
		b.must(err)
		if r.SessionKeyJWE != "" {
			rolled, err := d.unwrap(r)
			b.must(err)
			if bytes.Equal(rolled.key, next.key) {
				t.Error("the session key was not rolled")
			}
			next = rolled
			continue
		}
		next.prt = r.RefreshToken
		b.Advance(10 * 24 * time.Hour)
	}
	if bytes.Equal(next.key, s.key) {
		t.Error("a session key of more than 30 days is still in use")
	}

	b.signInAdmin()
	off, on := false, true
	for _, tt := range []struct {
		name string
		do   func()
		code oauth.Code
	}{
		{"device disabled", func() { b.enable(d, false) }, oauth.DeviceDisabled},
		{"device enabled", func() { b.enable(d, true) }, 0},
		{"user disabled", func() { b.patchUser(aliceUPN, graph.User{AccountEnabled: &off}) }, oauth.UserDisabled},
		{"user enabled", func() { b.patchUser(aliceUPN, graph.User{AccountEnabled: &on}) }, 0},
		{"password changed", func() { b.patchUser(aliceUPN, graph.User{PasswordProfile: &graph.PasswordProfile{Password: "new"}}) }, oauth.FreshTokenNeeded},
		{"device deleted", func() { b.must(b.admin.Delete(t.Context(), "devices", b.device(d).ID)) }, oauth.DeviceNotFound},
	} {
		tt.do()
		_, err := b.use(next, prt.Request{Resource: oauth.ResourceGraph})
		t.Run(tt.name, func(t *testing.T) { want(t, err, tt.code) })
	}
}

// A Hello PRT outlives a change of password; revoking ends it.
func TestHelloPRTAndPassword(t *testing.T) {
	b := newBench(t)
	d, user := b.enrolled()
	s, err := b.hello(d, user)
	b.must(err)
	b.Advance(time.Second)
	b.patchUser(aliceUPN, graph.User{PasswordProfile: &graph.PasswordProfile{Password: "new"}})
	_, err = b.use(s, prt.Request{Resource: oauth.ResourceGraph})
	want(t, err, 0)
	_, err = graph.Post[struct{}](t.Context(), b.admin, struct{}{}, "users", aliceUPN, "revokeSignInSessions")
	b.must(err)
	_, err = b.use(s, prt.Request{Resource: oauth.ResourceGraph})
	want(t, err, oauth.FreshTokenNeeded)
}

// What a device adds to the sign-in page's request.
func TestPageCredentials(t *testing.T) {
	b := newBench(t)
	d, _ := b.laptop()
	s := b.passwordPRT(d)
	prtHeader := func(key []byte, nonce string) http.Header {
		ctx := bytes.Repeat([]byte{3}, prt.ContextSize)
		text, err := prt.SignRequest(prt.Key(key), ctx, prt.Request{RefreshToken: s.prt, IsPrimary: "true", RequestNonce: nonce})
		b.must(err)
		return http.Header{http.CanonicalHeaderKey(oauth.HeaderRefreshTokenCredential): {text}}
	}
	asked := func() string { t.Error("asked for a second factor"); return "" }

	// A PRT signs in without any page, and its device is in the token.
	tokens, err := b.signIn(interactive{password: "not asked", header: prtHeader(s.key, b.nonce()), otp: asked})
	b.must(err)
	if c := claimsOf(t, tokens.AccessToken); c.DeviceID != d.id {
		t.Errorf("claims %+v", c)
	}
	// A fresh second factor is asked for on top, and the password is not.
	b.Advance(time.Minute)
	tokens, err = b.signIn(interactive{password: "not asked", fresh: true, header: prtHeader(s.key, b.nonce())})
	b.must(err)
	if c := claimsOf(t, tokens.AccessToken); !slices.Equal(c.AMR, []string{"pwd", "rsa", "mfa", "ngcmfa"}) || c.DeviceID != d.id {
		t.Errorf("claims %+v", c)
	}
	// One whose nonce alone is no good is asked for again, with a nonce to use.
	for name, old := range map[string]string{"none": "", "foreign": "AwABAgM"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.login("/oauth2/authorize?")+oauth.AuthorizeRequest{ResponseType: "code",
			ClientID: oauth.ClientBroker, RedirectURI: oauth.NativeRedirect(oauth.ClientBroker), Resource: oauth.ResourceDRS, State: "s"}.Query().Encode(), nil)
		b.must(err)
		req.Header = prtHeader(s.key, old)
		reply := b.send(req)
		again, err := req.URL.Parse(reply.Header.Get("Location"))
		b.must(err)
		nonce := again.Query().Get("sso_nonce")
		if reply.Status != http.StatusFound || again.Host != b.out.LoginHost || nonce == "" || again.Query().Get("state") != "s" {
			t.Fatalf("nonce %s: %d to %s", name, reply.Status, again)
		}
		req.URL, req.Header = again, prtHeader(s.key, nonce)
		if reply = b.send(req); reply.Status != http.StatusFound || !strings.Contains(reply.Header.Get("Location"), "code=") {
			t.Errorf("nonce %s: with the nonce offered: %d to %s", name, reply.Status, reply.Header.Get("Location"))
		}
	}
	// One that is not valid is ignored: the page asks for the password.
	n := b.nonce()
	for name, h := range map[string]http.Header{
		"another key": prtHeader(bytes.Repeat([]byte{1}, 32), b.nonce()),
		"no nonce":    prtHeader(s.key, ""),
		"garbage":     {http.CanonicalHeaderKey(oauth.HeaderRefreshTokenCredential): {"x.y.z"}},
	} {
		_, err := b.signIn(interactive{password: "wrong " + name, header: h})
		want(t, err, oauth.InvalidUserNameOrPassword)
	}
	// The device alone: password and device.
	text, err := jose.SignRS256(d.key, jose.Header{Type: "JWT", X5C: jose.Chain{d.cert}}, prt.Request{GrantType: oauth.GrantDeviceAuth, Issuer: "aad:brokerplugin", RequestNonce: n})
	b.must(err)
	tokens, err = b.signIn(interactive{header: http.Header{http.CanonicalHeaderKey(oauth.HeaderDeviceCredential): {text}}})
	b.must(err)
	if c := claimsOf(t, tokens.AccessToken); c.DeviceID != d.id || !slices.Equal(c.AMR, []string{"pwd", "rsa"}) {
		t.Errorf("claims %+v", c)
	}
	tokens, err = b.signIn(interactive{header: http.Header{http.CanonicalHeaderKey(oauth.HeaderDeviceCredential): {text}}})
	b.must(err)
	if c := claimsOf(t, tokens.AccessToken); c.DeviceID != "" {
		t.Error("a replayed device credential proves a device")
	}
}
