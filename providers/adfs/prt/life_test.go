package prt_test

import (
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/adfs/prt"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	wire "hellolab/providers/wire/prt"
	"hellolab/providers/wire/sealed"
	"hellolab/providers/wire/winhello"
)

// Faults 49 and 50: replayed, old, made up.
func TestNonce(t *testing.T) {
	l := newLab(t)
	ask := func(nonce string) error {
		r := byPassword()
		r.RequestNonce = nonce
		_, err := l.ask(l.desk, r)
		return err
	}
	n := l.nonce()
	if err := ask(n); err != nil {
		t.Fatal(err)
	}
	if err := ask(n); !refused(err, adfs.InvalidGrant, "used before") {
		t.Errorf("again: %v", err)
	}
	in, out := l.nonce(), l.nonce()
	l.Advance(10*time.Minute - time.Second)
	if err := ask(in); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	l.Advance(2 * time.Second)
	if err := ask(out); !refused(err, adfs.InvalidGrant, "expired") {
		t.Errorf("a second after its end: %v", err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(l.nonce())
	l.Must(err)
	raw[3] ^= 1
	for name, text := range map[string]string{"changed": base64.RawURLEncoding.EncodeToString(raw), "no base64": "!", "short": "AAAA"} {
		if err := ask(text); !refused(err, adfs.InvalidGrant, "not issued") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A renewal begins the life anew, and carries the proof on. The device cannot read
// the token, and the service keeps none of it.
func TestSlidingLife(t *testing.T) {
	seed.Proves(t, "KEY-18")
	l := newLab(t)
	g, err := l.ask(l.desk, byPassword())
	l.Must(err)
	if _, err := jose.Parse(g.token); err == nil || strings.Contains(g.token, base64.RawURLEncoding.EncodeToString([]byte(alice))) {
		t.Error("the device can read the token")
	}
	for kept := range l.used {
		if strings.Contains(kept, g.token) {
			t.Error("the service keeps the token")
		}
	}
	if own, err := l.ask(l.desk, byPassword()); err != nil || own.token == g.token {
		t.Errorf("another sign-in has the same token, %v", err)
	} else if _, err := l.use(&got{token: own.token, session: g.session}); !refused(err, adfs.InvalidGrant, "session key") {
		t.Errorf("two tokens have one session key: %v", err)
	}
	l.Advance(6 * 24 * time.Hour)
	reply, err := l.use(g, func(r *wire.Request) { r.Scope, r.Resource, r.ClientID = "aza openid", "", oauth.ClientCloudAP })
	l.Must(err)
	if reply.RefreshToken == "" || reply.RefreshToken == g.token || reply.RefreshTokenExpiresIn != 604800 || reply.SessionKeyJWE != "" {
		t.Fatalf("%+v", reply)
	}
	next := &got{token: reply.RefreshToken, session: g.session}
	l.Advance(24*time.Hour + time.Second)
	if _, err := l.use(g); !refused(err, adfs.InvalidGrant, "expired") {
		t.Errorf("the former: %v", err)
	}
	if _, err := l.use(next); err != nil {
		t.Errorf("the next: %v", err)
	}
	l.Advance(6 * 24 * time.Hour)
	if _, err := l.use(next); !refused(err, adfs.InvalidGrant, "expired") {
		t.Errorf("the next after its life: %v", err)
	}
}

// What a PRT proved ends with the user, the device and the password.
func TestRevocation(t *testing.T) {
	l := newLab(t)
	g, err := l.ask(l.desk, byPassword())
	l.Must(err)
	l.EnableUser("alice", false)
	if _, err := l.use(g); !refused(err, adfs.InvalidGrant, "") {
		t.Errorf("a disabled user: %v", err)
	}
	l.EnableUser("alice", true)
	l.Enable(l.desk.id, false)
	if _, err := l.use(g); !refused(err, adfs.InvalidGrant, "disabled") {
		t.Errorf("a disabled device: %v", err)
	}
	l.Enable(l.desk.id, true)
	if _, err := l.use(g); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	l.Advance(time.Minute)
	l.Must(l.Conn.Replace(l.User("alice").DN, adldap.Attributes{"unicodePwd": {adldap.QuotedPassword("Another-Horse-8")}}))
	if _, err := l.use(g); !refused(err, adfs.InvalidGrant, "password") {
		t.Errorf("after the password was changed: %v", err)
	}
	dn := "CN=" + deskID + ",CN=RegisteredDevices," + l.Conn.Base
	l.Must(l.Conn.Delete(dn))
	h := *l.desk
	if _, err := l.ask(&h, byPassword()); !refused(err, adfs.InvalidGrant, "not written back") {
		t.Errorf("a deleted device: %v", err)
	}
}

// Fault 54: context and salt swapped, no salt, the session key itself, and both
// versions of the derivation.
func TestSessionSignature(t *testing.T) {
	l := newLab(t)
	g, err := l.ask(l.desk, byPassword())
	l.Must(err)
	r := wire.Request{ClientID: oauth.ClientBroker, GrantType: oauth.GrantRefreshToken, RefreshToken: g.token, Resource: resource, Scope: "openid", Expires: wire.Time(l.Now().Add(time.Minute).Unix())}
	sign := func(version int, derive, told []byte) string {
		key, err := g.session(derive)
		l.Must(err)
		text, err := jose.SignHS256(key, jose.Header{Type: "JWT", Context: base64.StdEncoding.EncodeToString(told), KDFVersion: version}, r)
		l.Must(err)
		return text
	}
	one, two := salt(), salt()
	if _, err := l.serve(sign(0, one, one)); err != nil {
		t.Errorf("version 1: %v", err)
	}
	for name, request := range map[string]string{"swapped": sign(0, one, two), "no salt": sign(0, one, nil), "a version that is none": sign(3, one, one), "version 2 derived as 1": sign(2, one, one)} {
		if _, err := l.serve(request); !refused(err, adfs.InvalidGrant, "not signed with the session key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		change     func(*wire.Request)
		oauthError string
	}{
		"over":              {func(r *wire.Request) { r.Expires = r.IssuedAt }, adfs.InvalidGrant},
		"no end":            {func(r *wire.Request) { r.Expires = 0 }, adfs.InvalidRequest},
		"from the future":   {func(r *wire.Request) { r.IssuedAt += 3600 }, adfs.InvalidGrant},
		"good for years":    {func(r *wire.Request) { r.Expires = 1 << 40 }, adfs.InvalidGrant}, // fault 42
		"a made up nonce":   {func(r *wire.Request) { r.RequestNonce = "AAAA" }, adfs.InvalidGrant},
		"another grant":     {func(r *wire.Request) { r.GrantType = oauth.GrantPassword }, adfs.UnsupportedGrantType},
		"an unknown client": {func(r *wire.Request) { r.ClientID = "x" }, adfs.InvalidClient},
		"a certificate":     {func(r *wire.Request) { r.Resource = winhello.Resource }, adfs.InvalidResource}, // nobody issues here
	} {
		if _, err := l.use(g, c.change); !refused(err, c.oauthError, "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestByRefreshToken(t *testing.T) {
	l := newLab(t)
	a := l.User("alice")
	l.refresh = &farm.Proof{UPN: alice, SID: l.SIDOf(a).String(), AMR: []string{"pwd", "mfa"}, Method: adfs.MethodPassword, At: l.Now().Unix(), MFATime: l.Now().Unix()}
	g, err := l.ask(l.desk, wire.Request{GrantType: oauth.GrantRefreshToken, RefreshToken: "good"})
	l.Must(err)
	if _, err := l.use(g); err != nil {
		t.Error(err)
	}
	if p := l.asked[len(l.asked)-1].Proof; p.DeviceID != deskID || p.MFATime != l.refresh.MFATime {
		t.Errorf("%+v", p)
	}
	person := *l.refresh
	l.refresh = &farm.Proof{UPN: "", SID: l.SID.String(), Method: adfs.MethodWindows, At: l.Now().Unix()}
	if _, err := l.ask(l.desk, wire.Request{GrantType: oauth.GrantRefreshToken, RefreshToken: "good"}); !refused(err, adfs.InvalidGrant, "computer") {
		t.Errorf("of a computer: %v", err)
	}
	l.refresh = &person
	l.refresh.DeviceID = "22222222-0000-4000-8000-000000000001"
	if _, err := l.ask(l.desk, wire.Request{GrantType: oauth.GrantRefreshToken, RefreshToken: "good"}); !refused(err, adfs.InvalidGrant, "another device") {
		t.Errorf("of another device: %v", err)
	}
}

func TestBrowserCredential(t *testing.T) {
	l := newLab(t)
	g, err := l.ask(l.desk, byPassword())
	l.Must(err)
	cookie := func(session wire.Deriver, nonce string) string {
		text, err := wire.SignRequest(session, salt(), wire.Request{RefreshToken: g.token, IsPrimary: "true", RequestNonce: nonce})
		l.Must(err)
		return text
	}
	good := cookie(g.session, l.nonce())
	a, p, err := l.service.Credential(t.Context(), good)
	if err != nil || a.UPN != alice || p.DeviceID != deskID {
		t.Fatalf("%+v, %+v, %v", a, p, err)
	}
	for name, text := range map[string]string{"again": good, "without a nonce": cookie(g.session, ""), "another key": cookie(wire.Key(make([]byte, 32)), l.nonce()), "nothing": ""} {
		if _, _, err := l.service.Credential(t.Context(), text); !errors.Is(err, prt.ErrNoCredential) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.EnableUser("alice", false)
	if _, _, err := l.service.Credential(t.Context(), cookie(g.session, l.nonce())); !errors.Is(err, prt.ErrNoCredential) {
		t.Errorf("of a disabled user: %v", err)
	}
}

func TestDeviceCredential(t *testing.T) {
	l := newLab(t)
	sign := func(d *desk, grant, nonce string) string {
		text, err := jose.SignRS256(d.key, jose.Header{Type: "JWT", X5C: jose.Chain{d.cert}}, wire.Request{GrantType: grant, Issuer: "aad:brokerplugin", RequestNonce: nonce})
		l.Must(err)
		return text
	}
	good := sign(l.desk, oauth.GrantDeviceAuth, l.nonce())
	if id, err := l.service.DeviceCredential(t.Context(), good); err != nil || id != deskID {
		t.Fatalf("%s, %v", id, err)
	}
	stranger := l.newDesk("11111111-0000-4000-8000-000000000002", false)
	for name, text := range map[string]string{
		"again": good, "nothing": "", "without a nonce": sign(l.desk, "", ""), "another purpose": sign(l.desk, oauth.GrantPassword, l.nonce()), "not written back": sign(stranger, "", l.nonce()),
	} {
		if id, err := l.service.DeviceCredential(t.Context(), text); !errors.Is(err, prt.ErrNoCredential) || id != "" {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}

// What arrives here is anybody's.
func FuzzServe(f *testing.F) {
	s := &prt.Service{Seal: sealed.New("federation", nil, make([]byte, sealed.KeySize), nil), Now: time.Now}
	for _, text := range []string{"", "a.b.c", "eyJhbGciOiJIUzI1NiJ9.e30.AA", "eyJhbGciOiJSUzI1NiIsIng1YyI6IkFBQUEifQ.e30.AA"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, request string) {
		var refused *adfs.Error
		if err := s.Serve(httptest.NewRecorder(), httptest.NewRequest("POST", "/adfs/oauth2/token/", nil), request); !errors.As(err, &refused) {
			t.Fatalf("%v", err)
		}
	})
}
