package entra

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

// startDevice begins a device code flow.
func (b *bench) startDevice(v oauth.Version, form url.Values) (*oauth.DeviceAuthorization, []byte, error) {
	b.t.Helper()
	path := "/oauth2/devicecode"
	if v == oauth.V2 {
		path = "/oauth2/v2.0/devicecode"
	}
	reply := b.send(b.form(b.login(path), form))
	if reply.Status != http.StatusOK {
		return nil, reply.Body, oauth.ParseError(reply.Status, reply.Body)
	}
	d, err := oauth.ParseDeviceAuthorization(reply.Body)
	return d, reply.Body, err
}

// atPage goes through the pages of a device's user and returns the last one.
func (b *bench) atPage(d *oauth.DeviceAuthorization, typed, secret, answer string) *sas.Config {
	b.t.Helper()
	req := b.form(d.VerificationURI, url.Values{"otc": {typed}})
	for range 5 {
		page, err := sas.ParsePage(b.send(req).Body)
		b.must(err)
		hidden := url.Values{"ctx": {page.Ctx}, "flowToken": {page.FlowToken}, "canary": {page.Canary}}
		switch {
		case page.ErrorCode != "":
			return page
		case page.PageID == sas.PageSignIn:
			req = b.form(page.URLPost, sas.Login{Login: aliceUPN, Password: secret, Ctx: page.Ctx, FlowToken: page.FlowToken, Canary: page.Canary}.Form())
		case page.PageID == sas.PageTFA:
			hidden.Set("request", page.Ctx)
			hidden.Set("mfaAuthMethod", sas.MethodAppOTP)
			hidden.Set("otc", sas.TOTP(b.totp[aliceUPN], b.Now()))
			req = b.form(page.URLPost, hidden)
		case page.PageID == sas.PageConfirm:
			hidden.Set("answer", answer)
			req = b.form(page.URLPost, hidden)
		default:
			return page
		}
	}
	b.t.Fatal("the pages do not come to an end")
	return nil
}

func (b *bench) pollDevice(d *oauth.DeviceAuthorization, client string) (*oauth.TokenResponse, error) {
	b.t.Helper()
	return b.token(oauth.TokenRequest{GrantType: oauth.GrantDeviceCode, ClientID: client, DeviceCode: d.DeviceCode})
}

func TestDeviceCode(t *testing.T) {
	b := newBench(t)
	ask := url.Values{"client_id": {oauth.ClientAzureCLI}, "scope": {"openid offline_access " + oauth.ResourceGraph + "/.default"}}
	d, raw, err := b.startDevice(oauth.V2, ask)
	b.must(err)
	if len(d.UserCode) != 9 || d.Interval != 5 || d.ExpiresIn != 900 || !strings.Contains(d.Message, d.UserCode) ||
		!strings.HasPrefix(d.VerificationURI, "https://"+b.out.LoginHost+"/") || d.VerificationURL != d.VerificationURI || !strings.Contains(string(raw), `"expires_in":900`) {
		t.Errorf("reply %s", raw)
	}
	_, err = b.pollDevice(d, oauth.ClientAzureCLI)
	want(t, err, oauth.AuthorizationPending)
	_, err = b.pollDevice(d, oauth.ClientGraphCLI)
	want(t, err, oauth.GrantInvalid)
	// As people type codes: small letters, blanks.
	if page := b.atPage(d, strings.ToLower(d.UserCode[:4]+" "+d.UserCode[4:]), password, "continue"); page.PageID != sas.PageDone || page.AppName != "Microsoft Azure CLI" {
		t.Fatalf("page %+v", page)
	}
	tokens, err := b.pollDevice(d, oauth.ClientAzureCLI)
	b.must(err)
	if c := claimsOf(t, tokens.AccessToken); c.UPN != aliceUPN || c.AppID != oauth.ClientAzureCLI || c.Audience != oauth.ResourceGraph {
		t.Errorf("claims %+v", c)
	}
	// A second poll was not the device's: what came of the code ends with it.
	_, err = b.pollDevice(d, oauth.ClientAzureCLI)
	want(t, err, oauth.CodeRedeemed)
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientAzureCLI, RefreshToken: tokens.RefreshToken})
	want(t, err, oauth.GrantInvalid)
	// The user code is over, too.
	if page := b.atPage(d, d.UserCode, password, "continue"); page.PageID != sas.PageCode || page.ErrorCode != fmt.Sprint(int(oauth.UserCodeInvalid)) {
		t.Errorf("page %+v", page)
	}
}

// The v1 endpoint's ways: numbers as text, the code in "code", a short name of
// the grant, and a fresh second factor by amr_values.
func TestDeviceCodeV1(t *testing.T) {
	b := newBench(t)
	d, raw, err := b.startDevice(oauth.V1, url.Values{"client_id": {oauth.ClientBroker}, "resource": {oauth.ResourceDRS}, "amr_values": {oauth.AMRNGCMFA}})
	b.must(err)
	if !strings.Contains(string(raw), `"expires_in":"900"`) || !strings.Contains(string(raw), `"interval":"5"`) {
		t.Errorf("reply %s", raw)
	}
	if page := b.atPage(d, d.UserCode, password, "continue"); page.PageID != sas.PageDone || page.ErrorCode != "" {
		t.Fatalf("page %+v", page)
	}
	tokens, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantDeviceCodeShort, ClientID: oauth.ClientBroker, Code: d.DeviceCode})
	b.must(err)
	if c := claimsOf(t, tokens.AccessToken); c.Audience != oauth.ResourceDRS || c.AuthTime == 0 {
		t.Errorf("claims %+v", c)
	}
}

func TestDeviceCodeRefusals(t *testing.T) {
	b := newBench(t)
	begin := func() *oauth.DeviceAuthorization {
		d, _, err := b.startDevice(oauth.V2, url.Values{"client_id": {oauth.ClientAzureCLI}})
		b.must(err)
		return d
	}
	for name, tt := range map[string]struct {
		form url.Values
		code oauth.Code
	}{
		"no client":        {url.Values{}, oauth.ParameterMissing},
		"unknown client":   {url.Values{"client_id": {"x"}}, oauth.ApplicationNotFound},
		"unknown resource": {url.Values{"client_id": {oauth.ClientAzureCLI}, "scope": {"https://nobody.example/.default"}}, oauth.ResourceNotFound},
		"claims":           {url.Values{"client_id": {oauth.ClientAzureCLI}, "claims": {"{"}}, oauth.RequestMalformed},
		"twice":            {url.Values{"client_id": {oauth.ClientAzureCLI, "x"}}, oauth.RequestMalformed},
	} {
		_, _, err := b.startDevice(oauth.V2, tt.form)
		if want(t, err, tt.code); t.Failed() {
			t.Fatal(name)
		}
	}
	_, err := b.pollDevice(&oauth.DeviceAuthorization{DeviceCode: "D.Ax.y"}, oauth.ClientAzureCLI)
	want(t, err, oauth.UserCodeInvalid)
	_, err = b.pollDevice(&oauth.DeviceAuthorization{}, oauth.ClientAzureCLI)
	want(t, err, oauth.ParameterMissing)

	declined := begin()
	if page := b.atPage(declined, declined.UserCode, password, "cancel"); page.ErrorCode != fmt.Sprint(int(oauth.UserDeclined)) {
		t.Errorf("page %+v", page)
	}
	_, err = b.pollDevice(declined, oauth.ClientAzureCLI)
	want(t, err, oauth.UserDeclined)

	// A wrong password leaves the device waiting.
	waiting := begin()
	if page := b.atPage(waiting, waiting.UserCode, "wrong", ""); page.ErrorCode != fmt.Sprint(int(oauth.InvalidUserNameOrPassword)) {
		t.Errorf("page %+v", page)
	}
	_, err = b.pollDevice(waiting, oauth.ClientAzureCLI)
	want(t, err, oauth.AuthorizationPending)

	// Whoever may not sign in any more gets nothing by a code approved before.
	disabled := begin()
	b.atPage(disabled, disabled.UserCode, password, "continue")
	off, on := false, true
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &off})
	_, err = b.pollDevice(disabled, oauth.ClientAzureCLI)
	want(t, err, oauth.UserDisabled)
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &on})

	late := begin()
	b.Advance(deviceCodeLife + time.Second)
	if page := b.atPage(late, late.UserCode, password, "continue"); page.ErrorCode != fmt.Sprint(int(oauth.DeviceCodeExpired)) {
		t.Errorf("page %+v", page)
	}
	_, err = b.pollDevice(late, oauth.ClientAzureCLI)
	want(t, err, oauth.DeviceCodeExpired)
	b.Advance(deviceCodeLife)
	begin() // clears it away
	_, err = b.pollDevice(late, oauth.ClientAzureCLI)
	want(t, err, oauth.DeviceCodeExpired)
}

// Fault 46, of device codes: eight polls at once, one gets tokens.
func TestOneOfEightPollsWins(t *testing.T) {
	b := newBench(t)
	d, _, err := b.startDevice(oauth.V2, url.Values{"client_id": {oauth.ClientAzureCLI}})
	b.must(err)
	b.atPage(d, d.UserCode, password, "continue")
	if n := race(func() error { _, err := b.pollDevice(d, oauth.ClientAzureCLI); return err }); n != 1 {
		t.Errorf("a device code was redeemed %d times", n)
	}
}

// Devices that nobody signs in for do not fill the tenant.
func TestDeviceCodeFlood(t *testing.T) {
	b := newBench(t)
	ask := url.Values{"client_id": {oauth.ClientAzureCLI}}
	for range maxDeviceCodes {
		if _, _, err := b.startDevice(oauth.V2, ask); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := b.startDevice(oauth.V2, ask)
	want(t, err, oauth.InternalError)
	b.Advance(2*deviceCodeLife + time.Second)
	_, _, err = b.startDevice(oauth.V2, ask)
	b.must(err)
}
