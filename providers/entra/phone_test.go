package entra

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/phone"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

// The methods of the conversation are those that the user has.
func TestSecondFactorMethods(t *testing.T) {
	p := newPushed(t)
	alice := p.tfa(aliceUPN)
	if len(alice.UserProofs) != 1 || alice.UserProofs[0].AuthMethodID != sas.MethodAppOTP || !alice.UserProofs[0].IsDefault {
		t.Errorf("alice's page lists %+v", alice.UserProofs)
	}
	refused := func(name, target string, r sas.AuthRequest) {
		t.Helper()
		req, err := web.NewJSON(t.Context(), http.MethodPost, target, r)
		p.must(err)
		reply := p.send(req)
		if reply.Status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, reply.Status, reply.Body)
			return
		}
		want(t, oauth.ParseError(reply.Status, reply.Body), oauth.RequestMalformed)
	}
	for _, method := range []string{sas.MethodAppNotification, "OneWaySMS", ""} {
		refused("begun by "+method, alice.URLBeginAuth, sas.AuthRequest{Method: sas.MethodBegin, AuthMethodID: method, FlowToken: alice.FlowToken, Ctx: alice.Ctx})
	}
	page, begun := p.begin()
	refused("ended by another method", page.URLEndAuth, sas.AuthRequest{Method: sas.MethodEnd, AuthMethodID: sas.MethodAppOTP, FlowToken: begun.FlowToken, Ctx: begun.Ctx,
		AdditionalAuthData: sas.TOTP(p.totp[doraUPN], p.Now())})
	byCode := p.beginOn(page, sas.MethodAppOTP)
	refused("ended by another method", page.URLEndAuth, sas.AuthRequest{Method: sas.MethodEnd, AuthMethodID: sas.MethodAppNotification, FlowToken: byCode.FlowToken, Ctx: byCode.Ctx})
	refused("begun where it is ended", page.URLEndAuth, sas.AuthRequest{Method: sas.MethodBegin, AuthMethodID: sas.MethodAppOTP, FlowToken: page.FlowToken, Ctx: page.Ctx})
	if byCode.Entropy != 0 {
		t.Error("a page that asks for a code shows a number")
	}

	// One app at a time; no user has another's.
	_, err := graph.Post[graph.SoftwareOathMethod](t.Context(), p.admin, struct{}{}, "users", doraUPN, "authentication", "softwareOathMethods")
	if err == nil {
		t.Error("a second app was registered")
	}
	if err := p.admin.Delete(t.Context(), "users", aliceUPN, "authentication", "microsoftAuthenticatorMethods", p.app.ID); err != nil && !graph.IsNotFound(err) {
		t.Error(err)
	}
	if _, begun := p.begin(); !begun.Success {
		t.Errorf("dora's app went with another's: %+v", begun)
	}
}

// Who is not the phone is not heard, and learns nothing.
func TestPhoneRefusals(t *testing.T) {
	p := newPushed(t)
	_, begun := p.begin()
	id := p.newest()
	challenge := func() string {
		t.Helper()
		var c phone.Challenge
		req, err := web.NewJSON(t.Context(), http.MethodPost, p.login("/"+phone.PathChallenge), struct{}{})
		p.must(err)
		p.must(p.send(req).JSON(&c))
		return c.Nonce
	}
	send := func(path string, body any) error {
		t.Helper()
		req, err := web.NewJSON(t.Context(), http.MethodPost, p.login("/"+path), body)
		p.must(err)
		if reply := p.send(req); reply.Status != http.StatusOK {
			return oauth.ParseError(reply.Status, reply.Body)
		}
		return nil
	}
	answer := func() *phone.Answer {
		return &phone.Answer{User: p.id, Notification: id, Decision: phone.Approve, Number: begun.Entropy, Nonce: challenge()}
	}
	old := challenge()
	p.Advance(6 * time.Minute)
	_, begun = p.begin()
	id = p.newest()
	var sentences []string
	for name, tt := range map[string]struct {
		change func(a *phone.Answer) (secret []byte)
		code   oauth.Code
	}{
		"another secret":     {func(*phone.Answer) []byte { return bytes.Repeat([]byte{1}, phone.SecretSize) }, oauth.GrantInvalid},
		"the secret of none": {func(*phone.Answer) []byte { return make([]byte, phone.SecretSize) }, oauth.GrantInvalid},
		"the user's TOTP":    {func(*phone.Answer) []byte { return p.totp[doraUPN] }, oauth.GrantInvalid},
		"a user without phone": {func(a *phone.Answer) []byte {
			a.User = p.lookup(aliceUPN).ID
			return make([]byte, phone.SecretSize)
		}, oauth.GrantInvalid},
		"no such user":      {func(a *phone.Answer) []byte { a.User = oauth.ClientBroker; return make([]byte, phone.SecretSize) }, oauth.GrantInvalid},
		"no id":             {func(a *phone.Answer) []byte { a.User = "x"; return p.secret }, oauth.GrantInvalid},
		"expired nonce":     {func(a *phone.Answer) []byte { a.Nonce = old; return p.secret }, oauth.NonceInvalid},
		"made-up nonce":     {func(a *phone.Answer) []byte { a.Nonce = strings.Repeat("A", 56); return p.secret }, oauth.NonceInvalid},
		"nonce of sign-in":  {func(a *phone.Answer) []byte { a.Nonce = p.nonce(); return p.secret }, oauth.NonceInvalid},
		"malformed":         {func(a *phone.Answer) []byte { a.Decision = "maybe"; return p.secret }, oauth.RequestMalformed},
		"another's session": {func(a *phone.Answer) []byte { a.Notification = oauth.ClientBroker; return p.secret }, 0},
	} {
		a := answer()
		a.Sign(tt.change(a))
		err := send(phone.PathAnswer, a)
		if want(t, err, tt.code); t.Failed() {
			t.Fatal(name)
		}
		if tt.code == oauth.GrantInvalid {
			sentences = append(sentences, err.(*oauth.Error).Sentence)
		}
	}
	if len(slices.Compact(sentences)) != 1 {
		t.Errorf("who guesses learns what was wrong: %q", sentences)
	}
	if got := len(p.waiting()); got != 1 {
		t.Fatalf("%d notifications wait", got)
	}
	// A call that was overheard is good for nothing, nor is its proof for another call.
	a := answer()
	a.Decision, a.Number, a.Notification = phone.Approve, other(begun.Entropy), oauth.ClientBroker
	a.Sign(p.secret)
	want(t, send(phone.PathAnswer, a), 0)
	want(t, send(phone.PathAnswer, a), oauth.NonceInvalid)
	l := &phone.List{User: p.id, Nonce: challenge()}
	l.Sign(p.secret)
	want(t, send(phone.PathList, l), 0)
	want(t, send(phone.PathList, l), oauth.NonceInvalid)
	want(t, send(phone.PathList, &phone.List{User: p.id, Nonce: a.Nonce, Proof: a.Proof}), oauth.GrantInvalid)
	// Registered anew, the old phone is nobody's.
	p.must(p.admin.Delete(t.Context(), "users", doraUPN, "authentication", "microsoftAuthenticatorMethods", p.app.ID))
	_, err := graph.Post[graph.AuthenticatorMethod](t.Context(), p.admin, struct{}{}, "users", doraUPN, "authentication", "microsoftAuthenticatorMethods")
	p.must(err)
	_, err = p.phone.Notifications(t.Context())
	want(t, err, oauth.GrantInvalid)
	p.quiet(p.secret, []byte(p.app.PhoneSecret))
}

// TestThirdPartyMFA: another vendor's service has a lane of its own; what it
// gives counts the same.
func TestThirdPartyMFA(t *testing.T) {
	p := newPushed(t, func(in *spec.Tenant) { in.MFA = &spec.TenantMFA{Provider: "third_party"} })
	began := len(p.Events())
	for _, i := range []interactive{{upn: doraUPN, fresh: true}, {upn: doraUPN, fresh: true, push: func(n int) { p.approve(n) }}} {
		tokens, err := p.signIn(i)
		p.must(err)
		if c := claimsOf(t, tokens.AccessToken); !slices.Contains(c.AMR, "ngcmfa") {
			t.Errorf("claims %+v", c)
		}
	}
	inOrder(t, p.since(began), "mfa_demanded", "mfa_handed_over", "mfa_challenged", "mfa_verified", "mfa_handed_over", "notification_sent", "notification_approved", "mfa_verified")
	for _, e := range p.since(began) {
		if e.Actor == event.MFA || e.Peer == event.MFA {
			t.Errorf("%s is of Entra MFA", e.Step)
		}
		if (e.Step == "mfa_challenged" || e.Step == "mfa_verified") && (e.Actor != event.ThirdPartyMFA || !strings.HasPrefix(e.Text, "Third-party MFA ")) {
			t.Errorf("%s is of %s: %s", e.Step, e.Actor, e.Text)
		}
	}
}

// Every number of two digits is drawn, none but these, and none more often than
// chance has it.
func TestNumbers(t *testing.T) {
	var all []byte
	for n := range 256 {
		all = append(all, byte(n))
	}
	seen := map[int]int{}
	for r := bytes.NewReader(all); ; {
		n, err := newNumber(r)
		if err != nil {
			break
		}
		seen[n]++
	}
	if len(seen) != 90 {
		t.Errorf("%d numbers", len(seen))
	}
	for n, times := range seen {
		if n < 10 || n > 99 || times != 2 {
			t.Errorf("%d came %d times", n, times)
		}
	}
}

// A person at a browser, who presses the page's buttons.
func TestPushByForms(t *testing.T) {
	p := newPushed(t)
	press := func(page *sas.Config, button string) (*sas.Config, string) {
		reply := p.send(p.form(page.URLPost, url.Values{"request": {page.Ctx}, "flowToken": {page.FlowToken}, "mfaAuthMethod": {button}, "otc": {""}}))
		if reply.Status == http.StatusFound {
			return nil, reply.Header.Get("Location")
		}
		next, err := sas.ParsePage(reply.Body)
		p.must(err)
		if next.Number != 0 && !strings.Contains(string(reply.Body), `id="number">`+strconv.Itoa(next.Number)+"<") {
			t.Errorf("the page does not show the number: %s", reply.Body)
		}
		return next, ""
	}
	page := p.tfa(doraUPN)
	if page.Number != 0 || len(p.waiting()) != 0 {
		t.Fatal("a notification went out before anybody asked for it")
	}
	page, _ = press(page, sas.MethodAppNotification)
	if page, _ = press(page, sas.MethodAppNotification); page.Number == 0 || page.ErrorCode != "" || len(p.waiting()) != 1 {
		t.Fatalf("before an answer: %+v", page)
	}
	p.approve(page.Number%90 + 10) // another number
	if page, _ = press(page, sas.MethodAppNotification); page.ErrorCode != "500121" || page.Number != 0 {
		t.Fatalf("after a wrong number: %+v", page)
	}
	page, _ = press(page, sas.MethodAppNotification)
	p.approve(page.Number)
	if _, location := press(page, sas.MethodAppNotification); !strings.Contains(location, "code=") {
		t.Fatalf("after the approval: %q", location)
	}
}
