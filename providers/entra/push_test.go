package entra

import (
	"fmt"
	"net/http"
	"slices"
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
