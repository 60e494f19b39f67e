package adfs_test

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers/wire/addevice"
	wire "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/wstrust"
)

// credential is what a browser on a device adds to a request, for the session of a
// PRT.
func (l *lab) credential(e *enterprise) http.Header {
	l.tb.Helper()
	text, err := prt.SignRequest(e.session, kdf(), prt.Request{RefreshToken: e.token, IsPrimary: "true", RequestNonce: l.nonce()})
	l.must(err)
	return http.Header{http.CanonicalHeaderKey(oauth.HeaderRefreshTokenCredential): {text}}
}

// What was proved on a device ends with it: codes and refresh tokens, not the PRT
// alone. It comes back with the device.
func TestDeviceEnds(t *testing.T) {
	l := newLab(t)
	d := l.register("DESK1")
	e, err := l.obtain(d)
	l.must(err)
	at := func() string {
		t.Helper()
		return l.location(l.get(l.url(wire.PathAuthorize)+"/?"+authorization().Encode(), l.credential(e))).Get("code")
	}
	tokens, err := l.tokens(redeem(at()))
	l.must(err)
	if c := claims[wire.Claims](l, tokens.AccessToken); c.DeviceID != d.id {
		t.Fatalf("%+v", c)
	}
	refresh := func(text string) (*oauth.TokenResponse, error) {
		return l.tokens(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: appID, RefreshToken: text, Scope: "openid"}.Form())
	}
	waiting := at()
	c := l.domain()
	id, err := guid.Parse(d.id)
	l.must(err)
	enable := func(text string) {
		t.Helper()
		l.must(c.Replace(addevice.DN(c.Base, id), adldap.Attributes{"msDS-IsEnabled": {text}}))
	}
	enable("FALSE")
	if _, err := l.tokens(redeem(waiting)); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeRefreshInvalid}) || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("a code: %v", err)
	}
	if _, err := refresh(tokens.RefreshToken); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeRefreshInvalid}) || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("a refresh token: %v", err)
	}
	enable("TRUE")
	if tokens, err = refresh(tokens.RefreshToken); err != nil {
		t.Fatalf("enabled again: %v", err)
	}
	l.must(c.Delete(addevice.DN(c.Base, id)))
	if _, err := refresh(tokens.RefreshToken); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeRefreshInvalid}) {
		t.Errorf("of a device that is gone: %v", err)
	}
}

// The page at which a user approves another device proves nothing of that device.
func TestDeviceCodeProvesNoDevice(t *testing.T) {
	l := newLab(t)
	e, err := l.obtain(l.register("DESK1"))
	l.must(err)
	d, err := oauth.ParseDeviceAuthorization(l.post(l.url(wire.PathDeviceCode)+"/", url.Values{"client_id": {appID}, "scope": {"openid " + resource + "/read"}}).Body)
	l.must(err)
	header := l.credential(e)
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	at := l.send(http.MethodPost, d.VerificationURI, []byte(url.Values{wire.FieldUserCode: {d.UserCode}}.Encode()), header)
	if p, _ := l.page(l.fill(at, map[string]string{wire.FieldAnswer: wire.AnswerContinue})); p.Done == "" {
		t.Fatalf("%+v", p)
	}
	tokens, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantDeviceCode, ClientID: appID, DeviceCode: d.DeviceCode}.Form())
	l.must(err)
	if c := claims[wire.Claims](l, tokens.AccessToken); c.UPN != alice || c.DeviceID != "" {
		t.Errorf("%+v", c)
	}
}

// Where nobody may be asked, no page is shown for a second factor, either.
func TestSilent(t *testing.T) {
	l := newLab(t)
	e, err := l.obtain(l.register("DESK1"))
	l.must(err)
	silently := func(q url.Values) { q.Set("prompt", "none") }
	got := l.location(l.get(l.url(wire.PathAuthorize)+"/?"+authorization(silently, withFactor).Encode(), l.credential(e)))
	if got.Get("error") != wire.InteractionRequired || got.Get("state") != "s" {
		t.Errorf("%v", got)
	}
	if got := l.location(l.get(l.url(wire.PathAuthorize)+"/?"+authorization(silently).Encode(), l.credential(e))); got.Get("code") == "" {
		t.Errorf("without a factor: %v", got)
	}
}

// Of any number of codes at once ten are looked at, before the lock-out.
func TestGuessesAtOnce(t *testing.T) {
	l := newLab(t)
	reply := l.login(l.authorize(withFactor))
	var wg sync.WaitGroup
	said := make(chan string, 40)
	for range cap(said) {
		wg.Go(func() {
			p, _ := l.page(l.fill(reply, map[string]string{wire.FieldCode: "000000"}))
			said <- p.Error
		})
	}
	wg.Wait()
	close(said)
	looked := 0
	for text := range said {
		if !strings.Contains(text, "locked") {
			looked++
		}
	}
	if looked != 10 {
		t.Errorf("%d codes were looked at", looked)
	}
	l.Advance(11 * time.Minute)
	l.location(l.fill(reply, map[string]string{wire.FieldCode: sas.TOTP(totp, l.Now())}))
}

// An account that has ended gets nothing for what it proved before.
func TestAccountEnds(t *testing.T) {
	l := newLab(t)
	tokens, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: appID, Username: alice, Password: password}.Form())
	l.must(err)
	c := l.domain()
	e, err := c.First(ldapmsg.EqualTo("userPrincipalName", alice))
	l.must(err)
	l.must(c.Replace(e.DN, adldap.Attributes{"accountExpires": {strconv.FormatUint(filetime.From(l.Now().Add(time.Hour)), 10)}}))
	refresh := func() (*oauth.TokenResponse, error) {
		return l.tokens(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: appID, RefreshToken: tokens.RefreshToken, Scope: "openid"}.Form())
	}
	if tokens, err = refresh(); err != nil {
		t.Fatal(err)
	}
	l.Advance(time.Hour + time.Second)
	if _, err := refresh(); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeAccountValidation}) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
}

// Keys and devices are registered by Windows: an application that a user signs in
// to gets no token for that.
func TestRegistrationIsWindows(t *testing.T) {
	l := newLab(t)
	to := func(q url.Values) { q.Set("scope", "openid"); q.Set("resource", wire.ResourceDRS(host)) }
	code := l.location(l.login(l.authorize(to))).Get("code")
	if _, err := l.tokens(redeem(code)); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeResourceDenied}) {
		t.Errorf("by a code: %v", err)
	}
	if _, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: appID, Username: alice, Password: password, Resource: wire.ResourceDRS(host)}.Form()); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeResourceDenied}) {
		t.Errorf("by a password: %v", err)
	}
}

// A session whose second factor is old does for a relying party that asks for no
// age, and for none that does.
func TestOldFactor(t *testing.T) {
	l := newLab(t).federated()
	ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: oauth.ClientBroker, RedirectURI: oauth.NativeRedirect(oauth.ClientBroker), Scope: "openid", AMRValues: oauth.AMRNGCMFA}
	u, err := url.Parse(l.code(l.login(l.get(l.url(wire.PathAuthorize)+"/?"+ask.Query().Encode(), nil))).Header.Get("Location"))
	l.must(err)
	tokens, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: ask.ClientID, RedirectURI: ask.RedirectURI, Code: u.Query().Get("code")}.Form())
	l.must(err)
	e, err := l.obtain(l.register("DESK1"), func(r *prt.Request) {
		r.GrantType, r.Username, r.Password, r.RefreshToken = oauth.GrantRefreshToken, "", "", tokens.RefreshToken
	})
	l.must(err)
	l.Advance(11 * time.Minute)
	asked := func(fresh time.Duration) string {
		t.Helper()
		p, _ := l.page(l.get(l.passive(withMultiple, func(r *wstrust.SignInRequest) { r.Fresh = fresh }), l.credential(e)))
		return p.Method
	}
	if got := asked(-1); got == wire.MethodTOTP || got == wire.MethodForms {
		t.Errorf("of any age: page %s", got)
	}
	if got := asked(10 * time.Minute); got != wire.MethodTOTP {
		t.Errorf("of ten minutes: page %q", got)
	}
}

// The refresh token of an application becomes no primary refresh token, which is
// good for any.
func TestApplicationGetsNoPRT(t *testing.T) {
	l := newLab(t)
	d := l.register("DESK1")
	tokens, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: appID, Username: alice, Password: password}.Form())
	l.must(err)
	for _, client := range []string{appID, oauth.ClientCloudAP} {
		_, err := l.obtain(d, func(r *prt.Request) {
			r.ClientID, r.GrantType, r.Username, r.Password, r.RefreshToken = client, oauth.GrantRefreshToken, "", "", tokens.RefreshToken
		})
		if !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeRefreshInvalid}) {
			t.Errorf("%s: %v", client, err)
		}
	}
}

// Another password ends what the former proved at a third party's service, too; the
// same one told again does not.
func TestThirdPartyPassword(t *testing.T) {
	l := newThirdParty(t)
	set := func(password string) {
		t.Helper()
		l.must(l.admin().SetAccount(t.Context(), l.For(service), wire.Account{UPN: alice, Password: password, ImmutableID: "immutable-alice", TOTPSecret: totp}))
	}
	tokens, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: appID, Username: alice, Password: password}.Form())
	l.must(err)
	refresh := func() (err error) {
		next, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: appID, RefreshToken: tokens.RefreshToken, Scope: "openid"}.Form())
		if err == nil {
			tokens = next
		}
		return err
	}
	l.Advance(time.Minute)
	set(password)
	if err := refresh(); err != nil {
		t.Errorf("the same password: %v", err)
	}
	set("Another horse 8 battery")
	if err := refresh(); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeRefreshInvalid}) {
		t.Errorf("another password: %v", err)
	}
}
