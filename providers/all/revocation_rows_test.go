package all_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
)

func TestDisabledUser(t *testing.T) {
	seed.Proves(t, "REV-01", "A1")
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.portal(spec.ApplicationRequire{})
	l.expect(to(byPIN(pin)), "success")
	rec := l.prtOf(laptop, "ngc")
	held, code := l.portalToken(laptop, rec)
	if code != 0 {
		t.Fatal(code)
	}
	l.patchUser(graph.User{AccountEnabled: new(false)})
	l.expect(byPIN(pin), "user_disabled")
	l.expect(byPassword(password), "user_disabled")
	if _, code := l.portalToken(laptop, rec); code != oauth.UserDisabled {
		t.Errorf("a token with the token from before: AADSTS%d", code)
	}
	if code := l.useToken(t, laptop, rec); code != oauth.UserDisabled {
		t.Errorf("the directory: AADSTS%d", code)
	}
	if status, code, _ := l.visit(laptop, held); status != http.StatusOK {
		t.Errorf("an access token from before lives to its end: %d %s", status, code)
	}
	l.patchUser(graph.User{AccountEnabled: new(true)})
	l.expect(to(byPIN(pin)), "success")
}

func TestDisabledDevice(t *testing.T) {
	seed.Proves(t, "REV-02", "A1")
	l := newLab(t)
	l.device("laptop")
	l.device("desk")
	l.enroll()
	l.Create("enrollment.desk", enrollment(alice, "device.desk"))
	l.portal(spec.ApplicationRequire{})
	l.expect(to(byPIN(pin)), "success")
	rec := l.prtOf(laptop, "ngc")
	l.patchDevice(laptop, graph.Device{AccountEnabled: new(false)})
	l.expect(byPIN(pin), "key_device_disabled")
	l.expect(byPassword(password), "device_disabled")
	if _, code := l.portalToken(laptop, rec); code != oauth.DeviceDisabled {
		t.Errorf("a token with the token from before: AADSTS%d", code)
	}
	desk := to(byPIN(pin))
	desk.Device = "device.desk"
	l.expect(desk, "success")
	l.patchDevice(laptop, graph.Device{AccountEnabled: new(true)})
	l.expect(to(byPIN(pin)), "success")
}

func TestRevokedSessions(t *testing.T) {
	seed.Proves(t, "REV-03", "A1")
	for _, cae := range []bool{false, true} {
		t.Run(fmt.Sprintf("cae %v", cae), func(t *testing.T) {
			l := newLab(t)
			l.device("laptop")
			l.enroll()
			l.portal(spec.ApplicationRequire{}, func(a *spec.Application) { a.CAE = cae })
			l.expect(to(byPIN(pin)), "success")
			rec := l.prtOf(laptop, "ngc")
			held, _ := l.portalToken(laptop, rec)
			app := conformance.Get[spec.Application, spec.ApplicationOut](l.Env, portal).Out
			first, err := oauth.ParseTokenResponse(l.tokenEndpoint(t, laptop, oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: app.ClientID, Resource: app.Resource,
				Username: "alice@contoso.com", Password: password}).Body)
			if err != nil {
				t.Fatal(err)
			}
			if status, code, _ := l.visit(laptop, held); status != http.StatusOK {
				t.Fatalf("before: %d %s", status, code)
			}
			l.revokeSessions()
			if _, code := l.portalToken(laptop, rec); code != oauth.FreshTokenNeeded {
				t.Errorf("the primary refresh token: AADSTS%d", code)
			}
			reply := l.tokenEndpoint(t, laptop, oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: app.ClientID, Resource: app.Resource, RefreshToken: first.RefreshToken})
			var e *oauth.Error
			if !errors.As(oauth.ParseError(reply.Status, reply.Body), &e) || e.Code != oauth.FreshTokenNeeded || e.SubError != "bad_token" {
				t.Errorf("the refresh token: %d %s", reply.Status, reply.Body)
			}
			status, code, challenge := l.visit(laptop, held)
			if cae {
				if status != http.StatusUnauthorized || code != "token_revoked" || !strings.Contains(challenge, `error="insufficient_claims"`) || !strings.Contains(challenge, `claims="`) {
					t.Errorf("the access token: %d %s %s", status, code, challenge)
				}
				l.disabledUnderCAE(t)
				return
			}
			if status != http.StatusOK {
				t.Errorf("the access token: %d %s", status, code)
			}
			// It lives to its end, and the tolerance of clocks behind it.
			l.Advance(time.Hour + 5*time.Minute)
			if status, code, _ := l.visit(laptop, held); status != http.StatusUnauthorized || code != "token_expired" {
				t.Errorf("at its end: %d %s", status, code)
			}
		})
	}
}

// disabledUnderCAE: an application that asks at each request hears of a disabled
// user and device at the next one, and a new session is let in.
func (l *lab) disabledUnderCAE(t *testing.T) {
	t.Helper()
	l.expect(to(byPIN(pin)), "success")
	held, _ := l.portalToken(laptop, l.prtOf(laptop, "ngc"))
	for _, c := range []struct {
		set  func(on bool)
		code string
	}{
		{func(on bool) { l.patchUser(graph.User{AccountEnabled: &on}) }, "user_disabled"},
		{func(on bool) { l.patchDevice(laptop, graph.Device{AccountEnabled: &on}) }, "device_disabled"},
	} {
		c.set(false)
		if status, code, _ := l.visit(laptop, held); status != http.StatusUnauthorized || code != c.code {
			t.Errorf("%d %s, want %s", status, code, c.code)
		}
		c.set(true)
		if status, code, _ := l.visit(laptop, held); status != http.StatusOK {
			t.Errorf("enabled again: %d %s", status, code)
		}
	}
	if !slices.ContainsFunc(l.Events(), func(e event.Event) bool {
		return e.Step == "access_refused" && e.Actor == event.Application && e.Reason.Code == "user_disabled"
	}) {
		t.Error("the refusal is not told")
	}
}
