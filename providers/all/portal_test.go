package all_test

import (
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/eventlog"
)

// cachedState is what a test sees of a sign-in that Cloud AP keeps.
type cachedState struct {
	At    time.Time `json:"at"`
	Token *prtState `json:"token"`
}

// kept is alice's with a credential.
func (l *lab) kept(credential string) cachedState {
	l.t.Helper()
	return stored[cachedState](l, laptop, "cloudcache", l.sid("alice")+"|"+credential)
}

// network puts the laptop elsewhere.
func (l *lab) network(place string) {
	l.t.Helper()
	l.Update(laptop, l.With("device", conformance.Get[spec.Device, spec.DeviceOut](l.Env, laptop).In, "network", cty.StringVal(place)))
}

// away signs in where the tenant is out of reach, and demands that nobody was asked
// for a token.
func (l *lab) away(r windows.Request, code string) windows.Verdict {
	l.t.Helper()
	v := l.expect(r, code)
	for _, e := range l.Events() {
		if e.Correlation == v.ID && (e.Actor == event.EntraID || e.Step == "prt_request" || e.Step == "app_token") {
			l.t.Errorf("%s: %s", e.Actor, e.Step)
		}
	}
	return v
}

// TestCachedSignIn: an Entra joined device signs in without its tenant by what Cloud
// AP keeps, with the token that it keeps and no other (Q1).
func TestCachedSignIn(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll("face")
	if l.kept("ngc").At.IsZero() || l.kept("ngc").Token != nil {
		t.Errorf("a new key's: %+v", l.kept("ngc"))
	}
	byPassword := windows.Request{Password: providers.Secret(password)}
	toTenant := func(r windows.Request) windows.Request { r.To = []string{"tenant.contoso"}; return r }

	l.network("none")
	l.away(byPIN(pin), "success") // before its first sign-in: provisioning was one
	l.away(toTenant(byPIN(pin)), "no_line_of_sight")
	l.network("internet")
	l.expect(byPIN(pin), "success")
	token := l.helloPRT()
	if got := l.kept("ngc").Token; got == nil || got.Token != token.Token {
		t.Errorf("kept of the sign-in: %+v", got)
	}
	if err := l.windows.SignOut(t.Context(), l.For(laptop), alice, laptop); err != nil {
		t.Fatal(err)
	}

	l.network("none")
	for _, r := range []windows.Request{byPIN(pin), {Gesture: "face"}, byPassword} {
		if v := l.away(r, "success"); !slices.Contains(l.ran(v), "cached_sign_in") || !slices.Contains(l.ran(v), "explorer_started") {
			t.Errorf("%+v: %q", r, l.ran(v))
		}
	}
	if got := l.helloPRT(); got.Token != token.Token || !got.Obtained.Equal(token.Obtained) {
		t.Errorf("the session's token %+v, want the one that was kept", got)
	}
	l.away(toTenant(windows.Request{Gesture: "face"}), "no_line_of_sight")
	l.away(windows.Request{Password: providers.Secret("Wr0ng.guess")}, "wrong_password")
	l.away(byPIN("482915"), "wrong_pin")

	// An unlock goes on, of age or not; so does a sign-in when the token has ended.
	l.lock()
	l.Advance(5 * time.Hour)
	if v := l.away(unlocking(windows.Request{Gesture: "face"}), "success"); !slices.Contains(l.ran(v), "prt_renewal_later") {
		t.Errorf("an unlock: %q", l.ran(v))
	}
	l.Advance(15 * 24 * time.Hour)
	l.lock()
	l.away(unlocking(windows.Request{Gesture: "face"}), "success")
	l.away(windows.Request{Gesture: "face"}, "success")

	// Whom the tenant refuses once, Cloud AP keeps no more, whatever they showed.
	l.network("internet")
	l.Update(alice, l.With("user", conformance.Get[spec.User, spec.UserOut](l.Env, alice).In, "enabled_in_tenant", cty.False))
	l.expect(windows.Request{Gesture: "face"}, "user_disabled")
	l.network("none")
	l.away(windows.Request{Gesture: "face"}, "no_line_of_sight")
	l.away(windows.Request{Password: providers.Secret(password)}, "no_line_of_sight")
}

// TestCaptivePortal: behind a captive portal Cloud AP tries for 126 seconds, and the
// ticket of a Hello gesture lives 120; a password has none (Q2, scenario 41).
func TestCaptivePortal(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll("face")
	l.network("captive")
	for _, r := range []windows.Request{byPIN(pin), {Gesture: "face"}} {
		before := l.Now()
		v := l.away(r, "hello_ticket_expired")
		noLogonServers(t, v)
		if took := l.Now().Sub(before); took != 126*time.Second || v.Phase != "B" {
			t.Errorf("%+v took %s, and ended in phase %s", r, took, v.Phase)
		}
		if logged := l.channel(laptop, eventlog.HelloForBusiness); logged[len(logged)-1].ID != 7001 {
			t.Errorf("HelloForBusiness says %v", ids(logged))
		}
	}
	before := l.Now()
	l.away(windows.Request{Password: providers.Secret(password)}, "success")
	if took := l.Now().Sub(before); took != 126*time.Second {
		t.Errorf("a password took %s", took)
	}
	// An unlock waits for nobody while the token is young, and airplane mode mends it.
	l.lock()
	l.network("none")
	before = l.Now()
	l.away(unlocking(windows.Request{Gesture: "face"}), "success")
	if !l.Now().Equal(before) {
		t.Error("without a network somebody waited")
	}
}
