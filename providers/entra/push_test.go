package entra

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/phone"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

const doraUPN = "dora@contoso.com"

// pushBench is a bench with dora, who has Microsoft Authenticator, and her phone.
type pushBench struct {
	*bench
	id     string
	app    *graph.AuthenticatorMethod
	secret []byte
	phone  *phone.Phone
}

func newPushed(t testing.TB, change ...func(*spec.Tenant)) *pushBench {
	t.Helper()
	return pushedOn(newBench(t, change...))
}

func pushedOn(b *bench) *pushBench {
	b.t.Helper()
	t := b.t
	u, err := graph.Post[graph.User](t.Context(), b.admin, graph.User{UserPrincipalName: doraUPN, PasswordProfile: &graph.PasswordProfile{Password: password}}, "users")
	b.must(err)
	p := &pushBench{bench: b, id: u.ID}
	p.app, err = graph.Post[graph.AuthenticatorMethod](t.Context(), b.admin, struct{}{}, "users", u.ID, "authentication", "microsoftAuthenticatorMethods")
	b.must(err)
	b.totp[doraUPN], err = sas.ParseTOTPSecret(p.app.SecretKey)
	b.must(err)
	p.secret, err = phone.ParseSecret(p.app.PhoneSecret)
	b.must(err)
	p.phone = p.phoneOf(u.ID, p.app.PhoneSecret)
	return p
}

func (b *bench) phoneOf(user, secret string) *phone.Phone {
	b.t.Helper()
	p, err := phone.New(b.For(b.addr), b.out.LoginHost, b.out.TenantID, user, secret)
	b.must(err)
	b.t.Cleanup(func() { p.Close() })
	return p
}

// tfa goes through the sign-in page to the page of the second factor.
func (b *bench) tfa(upn string) *sas.Config {
	b.t.Helper()
	ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: oauth.ClientBroker, RedirectURI: oauth.NativeRedirect(oauth.ClientBroker), AMRValues: oauth.AMRNGCMFA, Resource: oauth.ResourceDRS,
		CodeChallenge: oauth.Challenge(codeVerifier), CodeChallengeMethod: "S256"}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.login("/oauth2/authorize?")+ask.Query().Encode(), nil)
	b.must(err)
	first, err := sas.ParsePage(b.send(req).Body)
	b.must(err)
	page, err := sas.ParsePage(b.send(b.form(first.URLPost, sas.Login{Login: upn, Password: password, Ctx: first.Ctx, FlowToken: first.FlowToken}.Form())).Body)
	b.must(err)
	if page.PageID != sas.PageTFA {
		b.t.Fatalf("page %s", page.PageID)
	}
	return page
}

// begin sends dora a notification.
func (p *pushBench) begin() (page *sas.Config, begun *sas.AuthReply) {
	p.t.Helper()
	page = p.tfa(doraUPN)
	return page, p.beginOn(page, sas.MethodAppNotification)
}

func (b *bench) beginOn(page *sas.Config, method string) *sas.AuthReply {
	b.t.Helper()
	return b.auth(page.URLBeginAuth, sas.AuthRequest{Method: sas.MethodBegin, AuthMethodID: method, FlowToken: page.FlowToken, Ctx: page.Ctx})
}

// poll asks how the notification stands, as GET.
func (b *bench) poll(page *sas.Config, last *sas.AuthReply) *sas.AuthReply {
	b.t.Helper()
	q, h := sas.AuthRequest{AuthMethodID: sas.MethodAppNotification, SessionID: last.SessionID, FlowToken: last.FlowToken, Ctx: last.Ctx, PollCount: 1}.Poll()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, page.URLEndAuth+"?"+q.Encode(), nil)
	b.must(err)
	for name, v := range h {
		req.Header[name] = v
	}
	reply, err := sas.ParseAuthReply(b.send(req).Body)
	b.must(err)
	return reply
}

// polls asks the same as POST.
func (b *bench) polls(page *sas.Config, last *sas.AuthReply) *sas.AuthReply {
	b.t.Helper()
	return b.auth(page.URLEndAuth, sas.AuthRequest{Method: sas.MethodEnd, AuthMethodID: sas.MethodAppNotification, SessionID: last.SessionID, FlowToken: last.FlowToken, Ctx: last.Ctx, PollCount: 1})
}

// waiting returns what waits on dora's phone.
func (p *pushBench) waiting() []phone.Notification {
	p.t.Helper()
	all, err := p.phone.Notifications(p.t.Context())
	p.must(err)
	return all
}

// newest is the one that came last.
func (p *pushBench) newest() string {
	p.t.Helper()
	all := p.waiting()
	if len(all) == 0 {
		p.t.Fatal("nothing waits on the phone")
	}
	return all[len(all)-1].ID
}

func (p *pushBench) approve(number int) string {
	p.t.Helper()
	out, err := p.phone.Approve(p.t.Context(), p.newest(), number)
	p.must(err)
	return out
}

func (p *pushBench) deny() string {
	p.t.Helper()
	out, err := p.phone.Deny(p.t.Context(), p.newest())
	p.must(err)
	return out
}

// other is a number of two digits that is not n.
func other(n int) int {
	return phone.MinNumber + (n-phone.MinNumber+1)%(phone.MaxNumber-phone.MinNumber+1)
}

// TestPush is a sign-in with number matching.
func TestPush(t *testing.T) {
	seed.Proves(t, "PA-06", "P1")
	seed.Proves(t, "PA-12", "P1")
	p := newPushed(t)
	began := len(p.Events())
	page := p.tfa(doraUPN)
	if want := []sas.Proof{
		{AuthMethodID: sas.MethodAppNotification, Data: sas.MethodAppNotification, Display: page.UserProofs[0].Display, IsDefault: true},
		{AuthMethodID: sas.MethodAppOTP, Data: sas.MethodAppOTP, Display: page.UserProofs[1].Display},
	}; !slices.Equal(page.UserProofs, want) {
		t.Errorf("the page lists %+v", page.UserProofs)
	}
	if got := time.Duration(page.MaxPollAttempts*page.PollingInterval) * time.Millisecond; got != notificationLife {
		t.Errorf("the page waits %s, a notification lives %s", got, notificationLife)
	}
	var approved time.Time
	tokens, err := p.signIn(interactive{upn: doraUPN, fresh: true, push: func(number int) {
		if number < phone.MinNumber || number > phone.MaxNumber {
			t.Fatalf("the page shows %d", number)
		}
		all := p.waiting()
		if len(all) != 1 || all[0].Application != oauth.ClientBroker || !all[0].Asked.Equal(p.Now()) || all[0].Expires.Sub(all[0].Asked) != notificationLife {
			t.Errorf("on the phone: %+v", all)
		}
		p.Advance(20 * time.Second)
		approved = p.Now()
		if out := p.approve(number); out != phone.Approved {
			t.Errorf("approved: %s", out)
		}
		p.Advance(20 * time.Second)
	}})
	p.must(err)
	// The second factor was given when it was approved, not when the page learnt of it.
	if c := claimsOf(t, tokens.AccessToken); !slices.Equal(c.AMR, []string{"pwd", "mfa", "ngcmfa"}) || c.AuthTime != approved.Unix() {
		t.Errorf("claims %+v, approved at %d", c, approved.Unix())
	}
	inOrder(t, p.since(began), "first_factor_verified", "mfa_demanded", "mfa_challenged", "notification_sent", "notification_approved", "mfa_verified", "code_issued")
	for _, e := range p.since(began) {
		if e.Step == "notification_sent" && (e.Actor != event.MFA || e.Peer != event.Phone) {
			t.Errorf("%s is of %s to %s", e.Step, e.Actor, e.Peer)
		}
	}
	if len(p.waiting()) != 0 {
		t.Error("the notification still waits")
	}
	// The app shows codes, too.
	tokens, err = p.signIn(interactive{upn: doraUPN, fresh: true})
	p.must(err)
	if c := claimsOf(t, tokens.AccessToken); c.AuthTime != p.Now().Unix() {
		t.Errorf("by code: %+v", c)
	}
	p.quiet(p.secret, p.totp[doraUPN], []byte(p.app.PhoneSecret))
}

// TestPushResults: each way a notification may end has its own result, asked
// for in either form, and only one of them gives a code.
func TestPushResults(t *testing.T) {
	seed.Proves(t, "PA-14", "P1")
	for _, tt := range []struct {
		name   string
		do     func(p *pushBench, number int)
		result string
	}{
		{"nothing yet", func(p *pushBench, _ int) {}, sas.ResultPending},
		{"approved", func(p *pushBench, n int) { p.approve(n) }, sas.ResultSuccess},
		{"denied", func(p *pushBench, _ int) { p.deny() }, sas.ResultDenied},
		{"wrong number", func(p *pushBench, n int) { p.approve(other(n)) }, sas.ResultWrongNumber},
		{"no number", func(p *pushBench, _ int) { p.approve(0) }, sas.ResultWrongNumber},
		{"last instant", func(p *pushBench, _ int) { p.Advance(notificationLife) }, sas.ResultPending},
		{"expired", func(p *pushBench, _ int) { p.Advance(notificationLife + time.Second) }, sas.ResultNoResponse},
		{"approved at the last instant", func(p *pushBench, n int) { p.Advance(notificationLife); p.approve(n); p.Advance(notificationLife) }, sas.ResultSuccess},
		{"approval forgotten", func(p *pushBench, n int) { p.approve(n); p.Advance(notificationLife + time.Second) }, sas.ResultNoResponse},
		{"phone removed", func(p *pushBench, n int) {
			p.approve(n)
			p.must(p.admin.Delete(p.t.Context(), "users", doraUPN, "authentication", "microsoftAuthenticatorMethods", p.app.ID))
		}, sas.ResultNoResponse},
	} {
		for form, ask := range map[string]func(*pushBench, *sas.Config, *sas.AuthReply) *sas.AuthReply{
			"GET":  func(p *pushBench, c *sas.Config, r *sas.AuthReply) *sas.AuthReply { return p.poll(c, r) },
			"POST": func(p *pushBench, c *sas.Config, r *sas.AuthReply) *sas.AuthReply { return p.polls(c, r) },
		} {
			t.Run(tt.name+"/"+form, func(t *testing.T) {
				p := newPushed(t)
				page, begun := p.begin()
				if !begun.Success || begun.Entropy == 0 || begun.AuthMethodID != sas.MethodAppNotification {
					t.Fatalf("begun %+v", begun)
				}
				tt.do(p, begun.Entropy)
				got := ask(p, page, begun)
				wantCode := int(oauth.AuthenticationFailed)
				if tt.result == sas.ResultSuccess || tt.result == sas.ResultPending {
					wantCode = 0
				}
				if got.ResultValue != tt.result || got.ErrCode != wantCode || got.Success != (tt.result == sas.ResultSuccess) || got.Retry == got.Success || got.Entropy != 0 {
					t.Errorf("%+v, want %s", got, tt.result)
				}
				reply := p.send(p.form(page.URLPost, sas.ProcessAuth{Request: got.Ctx, FlowToken: got.FlowToken}.Form()))
				if gave := strings.Contains(reply.Header.Get("Location"), "?code="); gave != got.Success {
					t.Errorf("gave a code: %v", gave)
				}
			})
		}
	}
}

// A late answer is not heard.
func TestPushAnswersInTime(t *testing.T) {
	for after, outcome := range map[time.Duration]string{notificationLife - time.Second: phone.Approved, notificationLife: phone.Approved, notificationLife + time.Millisecond: phone.Gone} {
		p := newPushed(t)
		_, begun := p.begin()
		id := p.newest()
		p.Advance(after)
		out, err := p.phone.Approve(t.Context(), id, begun.Entropy)
		if err != nil || out != outcome {
			t.Errorf("after %s: %s, %v; want %s", after, out, err, outcome)
		}
	}
}

// The approval is current for ten minutes, as any second factor.
func TestPushStaysCurrent(t *testing.T) {
	seed.Proves(t, "PA-07", "P1")
	seed.Proves(t, "CONST-01")
	for after, code := range map[time.Duration]oauth.Code{
		9*time.Minute + 59*time.Second: 0,
		10 * time.Minute:               0,
		10*time.Minute + 1*time.Second: oauth.StrongAuthRequired,
	} {
		p := newPushed(t)
		var approved time.Time
		tokens, err := p.signIn(interactive{upn: doraUPN, fresh: true, push: func(n int) { p.approve(n); approved = p.Now(); p.Advance(30 * time.Second) }})
		p.must(err)
		p.Advance(after - p.Now().Sub(approved))
		_, err = p.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, AMRValues: oauth.AMRNGCMFA, RefreshToken: tokens.RefreshToken})
		want(t, err, code)
	}
}

// Of eight approvals one is heard, and of eight that ask one learns of it.
func TestPushIsHeardOnce(t *testing.T) {
	p := newPushed(t)
	page, begun := p.begin()
	id := p.newest()
	gone := fmt.Errorf("not the first")
	if n := race(func() error {
		out, err := p.phone.Approve(t.Context(), id, begun.Entropy)
		if err == nil && out == phone.Approved {
			return nil
		}
		if out != phone.Gone {
			t.Errorf("%s, %v", out, err)
		}
		return gone
	}); n != 1 {
		t.Errorf("%d approvals were heard", n)
	}
	if out, err := p.phone.Deny(t.Context(), id); err != nil || out != phone.Gone {
		t.Errorf("a denial after the approval: %s, %v", out, err)
	}
	if n := race(func() error {
		if r := p.poll(page, begun); !r.Success {
			return gone
		}
		return nil
	}); n != 1 {
		t.Errorf("an approval was used %d times", n)
	}
}

// An approval is for one sign-in: that of the page that showed the number.
func TestPushIsOfOneFlow(t *testing.T) {
	p := newPushed(t)
	mine, begun := p.begin()
	first := p.newest()
	theirs, theirBegun := p.begin()
	if out, err := p.phone.Approve(t.Context(), first, begun.Entropy); err != nil || out != phone.Approved {
		t.Fatalf("%s, %v", out, err)
	}
	if r := p.poll(theirs, theirBegun); r.ResultValue != sas.ResultPending {
		t.Errorf("the other page: %s", r.ResultValue)
	}
	if r := p.poll(mine, begun); !r.Success {
		t.Errorf("the page that was approved: %s", r.ResultValue)
	}
	// A page that begins again leaves its first notification behind.
	page, begun := p.begin()
	old := p.newest()
	again := p.beginOn(page, sas.MethodAppNotification)
	if out, err := p.phone.Approve(t.Context(), old, begun.Entropy); err != nil || out != phone.Gone {
		t.Errorf("the notification of before: %s, %v", out, err)
	}
	p.approve(again.Entropy)
	if r := p.poll(page, begun); r.ResultValue != sas.ResultNoResponse {
		t.Errorf("the state of before: %s", r.ResultValue)
	}
	if r := p.poll(page, again); !r.Success {
		t.Errorf("begun again: %s", r.ResultValue)
	}
}

// Who floods a user's phone only ends notifications, older ones first.
func TestPushFlood(t *testing.T) {
	p := newPushed(t)
	first, begun := p.begin()
	second, secondBegun := p.begin()
	for range maxNotifications - 1 {
		p.begin()
	}
	if got := len(p.waiting()); got != maxNotifications {
		t.Errorf("%d wait, at most %d should", got, maxNotifications)
	}
	if r := p.poll(first, begun); r.ResultValue != sas.ResultNoResponse {
		t.Errorf("the oldest: %s", r.ResultValue)
	}
	if r := p.poll(second, secondBegun); r.ResultValue != sas.ResultPending {
		t.Errorf("the second: %s", r.ResultValue)
	}
	p.Advance(notificationLife + time.Second)
	p.begin()
	if got := len(p.waiting()); got != 1 {
		t.Errorf("%d wait after the others expired", got)
	}
}

// Too many denials and wrong numbers lock notifications, not codes.
func TestPushLocks(t *testing.T) {
	p := newPushed(t)
	_, held := p.begin()
	heldID := p.newest()
	heldPage := p.tfa(doraUPN)
	for n := range maxGuesses {
		_, begun := p.begin()
		if want, got := phone.Denied, ""; n%2 == 0 {
			if got = p.deny(); got != want {
				t.Fatalf("denial %d: %s", n, got)
			}
		} else if got = p.approve(other(begun.Entropy)); got != phone.WrongNumber {
			t.Fatalf("wrong number %d: %s", n, got)
		}
	}
	if r := p.beginOn(heldPage, sas.MethodAppNotification); r.Success || r.ResultValue != sas.ResultLocked || r.ErrCode != int(oauth.AuthenticationFailed) || r.Entropy != 0 || r.Retry {
		t.Errorf("begun while locked: %+v", r)
	}
	if r := p.poll(heldPage, held); r.ResultValue != sas.ResultLocked {
		t.Errorf("one that waits: %s", r.ResultValue)
	}
	if out, err := p.phone.Approve(t.Context(), heldID, held.Entropy); err != nil || out != phone.Locked {
		t.Errorf("approved while locked: %s, %v", out, err)
	}
	_, err := p.signIn(interactive{upn: doraUPN, fresh: true})
	want(t, err, 0)
	p.Advance(firstLock + time.Second)
	_, err = p.signIn(interactive{upn: doraUPN, fresh: true, push: func(n int) { p.approve(n) }})
	want(t, err, 0)
	// An approval forgets what was counted.
	p.begin()
	p.deny()
	if _, begun := p.begin(); !begun.Success {
		t.Errorf("locked again after one denial: %+v", begun)
	}
}

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
