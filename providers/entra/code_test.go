package entra

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

// Fault 46 and 47, of codes.
func TestCodes(t *testing.T) {
	b := newBench(t)
	code, err := b.code(interactive{})
	b.must(err)
	for name, tt := range map[string]struct {
		i    interactive
		code oauth.Code
	}{
		"another client":   {interactive{client: oauth.ClientCloudAP, redirect: oauth.NativeRedirect(oauth.ClientBroker)}, oauth.GrantInvalid},
		"another redirect": {interactive{redirect: "http://localhost"}, oauth.RedirectMismatch},
		"another verifier": {interactive{verifier: strings.Repeat("a", 43)}, oauth.VerifierMismatch},
		"short verifier":   {interactive{verifier: "a"}, oauth.VerifierMismatch},
	} {
		_, err := b.redeem(code, tt.i)
		if want(t, err, tt.code); t.Failed() {
			t.Fatal(name)
		}
	}
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: oauth.ClientBroker, Code: code, RedirectURI: oauth.NativeRedirect(oauth.ClientBroker)})
	want(t, err, oauth.ChallengeMissing) // PKCE may not be left out
	_, err = b.redeem(code+"x", interactive{})
	want(t, err, oauth.GrantInvalid)
	tokens, err := b.redeem(code, interactive{})
	b.must(err)
	_, err = b.redeem(code, interactive{})
	want(t, err, oauth.CodeRedeemed)
	// What came of the code ends with its second use.
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, RefreshToken: tokens.RefreshToken})
	want(t, err, oauth.GrantInvalid)

	late, err := b.code(interactive{})
	b.must(err)
	b.Advance(codeLife + time.Second)
	_, err = b.redeem(late, interactive{})
	want(t, err, oauth.RefreshTokenExpired)

	// A code asked for without a challenge takes no verifier.
	plain, err := b.code(interactive{authorize: func(r *oauth.AuthorizeRequest) { r.CodeChallenge, r.CodeChallengeMethod = "", "" }})
	b.must(err)
	_, err = b.redeem(plain, interactive{})
	want(t, err, oauth.ChallengeMissing)
}

// Fault 46: eight at once, one wins.
func TestOneOfEightWins(t *testing.T) {
	b := newBench(t)
	code, err := b.code(interactive{})
	b.must(err)
	if n := race(func() error { _, err := b.redeem(code, interactive{}); return err }); n != 1 {
		t.Errorf("a code was redeemed %d times", n)
	}
	tokens, err := b.signIn(interactive{})
	b.must(err)
	refresh := func() error {
		_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, RefreshToken: tokens.RefreshToken})
		return err
	}
	if n := race(refresh); n != 1 {
		t.Errorf("a refresh token was used %d times", n)
	}
}

// race runs fn eight times at once and counts successes.
func race(fn func() error) int {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = fn() })
	}
	wg.Wait()
	n := 0
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}

func TestAuthorizeRefusals(t *testing.T) {
	b := newBench(t)
	for name, tt := range map[string]struct {
		change func(*oauth.AuthorizeRequest)
		code   oauth.Code
	}{
		"foreign redirect":    {func(r *oauth.AuthorizeRequest) { r.RedirectURI = "https://evil.example/" }, oauth.RedirectMismatch},
		"redirect prefix":     {func(r *oauth.AuthorizeRequest) { r.RedirectURI += ".evil" }, oauth.RedirectMismatch},
		"user in redirect":    {func(r *oauth.AuthorizeRequest) { r.RedirectURI = "http://localhost@evil.example" }, oauth.RedirectMismatch},
		"redirect path":       {func(r *oauth.AuthorizeRequest) { r.RedirectURI = "http://localhost/x" }, oauth.RedirectMismatch},
		"no redirect":         {func(r *oauth.AuthorizeRequest) { r.RedirectURI = "" }, oauth.RedirectMismatch},
		"unknown client":      {func(r *oauth.AuthorizeRequest) { r.ClientID = "x" }, oauth.ApplicationNotFound},
		"token response":      {func(r *oauth.AuthorizeRequest) { r.ResponseType = "token" }, oauth.ResponseTypeUnsupported},
		"plain challenge":     {func(r *oauth.AuthorizeRequest) { r.CodeChallengeMethod = "plain" }, oauth.ChallengeMissing},
		"unknown resource":    {func(r *oauth.AuthorizeRequest) { r.Resource = "x" }, oauth.ResourceNotFound},
		"silent, no session":  {func(r *oauth.AuthorizeRequest) { r.Prompt = "none" }, oauth.UserPromptRequired},
		"loopback with port":  {func(r *oauth.AuthorizeRequest) { r.RedirectURI = "http://localhost:8080" }, 0},
		"response mode wrong": {func(r *oauth.AuthorizeRequest) { r.ResponseMode = "pigeon" }, oauth.RequestMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.code(interactive{authorize: tt.change})
			want(t, err, tt.code)
		})
	}
}

func TestPagesAreSingleUse(t *testing.T) {
	b := newBench(t)
	ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: oauth.ClientBroker, RedirectURI: oauth.NativeRedirect(oauth.ClientBroker), AMRValues: oauth.AMRNGCMFA, Resource: oauth.ResourceDRS}
	get := func() *sas.Config {
		req, err := http.NewRequest(http.MethodGet, b.login("/oauth2/authorize?")+ask.Query().Encode(), nil)
		b.must(err)
		p, err := sas.ParsePage(b.send(req).Body)
		b.must(err)
		return p
	}
	post := func(target string, v interface{ Encode() string }) (int, *sas.Config) {
		req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(v.Encode()))
		b.must(err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		reply := b.send(req)
		p, _ := sas.ParsePage(reply.Body)
		return reply.Status, p
	}
	first := get()
	// The second factor cannot be skipped: neither by naming its end page, nor with the sign-in page's state.
	if status, p := post("https://"+b.out.LoginHost+"/common/SAS/ProcessAuth", sas.ProcessAuth{Request: first.Ctx, FlowToken: first.FlowToken}.Form()); status != http.StatusBadRequest || p.PageID != sas.PageError {
		t.Errorf("state of the sign-in page ends the conversation: %d", status)
	}
	_, tfa := post(first.URLPost, sas.Login{Login: aliceUPN, Password: password, Ctx: first.Ctx, FlowToken: first.FlowToken}.Form())
	if status, _ := post(tfa.URLPost, sas.ProcessAuth{Request: tfa.Ctx, FlowToken: tfa.FlowToken}.Form()); status != http.StatusBadRequest {
		t.Errorf("an unanswered second factor ends the conversation: %d", status)
	}
	begun := b.auth(tfa.URLBeginAuth, sas.AuthRequest{Method: sas.MethodBegin, AuthMethodID: sas.MethodAppOTP, FlowToken: tfa.FlowToken, Ctx: tfa.Ctx})
	ended := b.auth(tfa.URLEndAuth, sas.AuthRequest{Method: sas.MethodEnd, AuthMethodID: sas.MethodAppOTP, FlowToken: begun.FlowToken, Ctx: begun.Ctx, AdditionalAuthData: sas.TOTP(b.totp[aliceUPN], b.Now())})
	done := sas.ProcessAuth{Request: ended.Ctx, FlowToken: ended.FlowToken}.Form()
	other := get()
	if status, _ := post(tfa.URLPost, sas.ProcessAuth{Request: ended.Ctx, FlowToken: other.FlowToken}.Form()); status != http.StatusBadRequest {
		t.Errorf("flow token of another page: %d", status)
	}
	for n, wantCode := range []bool{true, false} {
		req := b.form(tfa.URLPost, done)
		location := b.send(req).Header.Get("Location")
		if strings.Contains(location, "?code=") != wantCode {
			t.Errorf("end of the conversation, time %d: %.100s", n+1, location)
		}
	}
	// Pages end.
	b.Advance(flowLife + time.Second)
	if status, _ := post(other.URLPost, sas.Login{Login: aliceUPN, Password: password, Ctx: other.Ctx, FlowToken: other.FlowToken}.Form()); status != http.StatusBadRequest {
		t.Errorf("page of a quarter of an hour ago: %d", status)
	}
}

func TestRefreshTokensRotate(t *testing.T) {
	b := newBench(t)
	tokens, err := b.signIn(interactive{})
	b.must(err)
	refresh := func(token, client string) (*oauth.TokenResponse, error) {
		return b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: client, Resource: oauth.ResourceGraph, RefreshToken: token})
	}
	second, err := refresh(tokens.RefreshToken, oauth.ClientBroker)
	b.must(err)
	third, err := refresh(second.RefreshToken, oauth.ClientAzurePowerShell) // the clients are a family
	b.must(err)
	_, err = refresh(second.RefreshToken, oauth.ClientBroker)
	want(t, err, oauth.GrantInvalid)
	_, err = refresh(third.RefreshToken, oauth.ClientBroker)
	want(t, err, oauth.GrantInvalid)
	for _, garbage := range []string{"x", "0.A", "0.A.x", strings.Repeat("0.A", 100_000), third.RefreshToken[:40]} {
		_, err = refresh(garbage, oauth.ClientBroker)
		want(t, err, oauth.GrantInvalid)
	}
	idle, err := b.signIn(interactive{})
	b.must(err)
	b.Advance(refreshLife + time.Second)
	_, err = refresh(idle.RefreshToken, oauth.ClientBroker)
	want(t, err, oauth.RefreshTokenInactive)
}

func TestRevocation(t *testing.T) {
	disabled, enabled := false, true
	for name, tt := range map[string]struct {
		do   func(*bench)
		code oauth.Code
	}{
		"revoked": {func(b *bench) {
			_, err := graph.Post[struct{}](t.Context(), b.admin, struct{}{}, "users", aliceUPN, "revokeSignInSessions")
			b.must(err)
		}, oauth.FreshTokenNeeded},
		"password changed": {func(b *bench) {
			b.patchUser(aliceUPN, graph.User{PasswordProfile: &graph.PasswordProfile{Password: "another one"}})
		}, oauth.FreshTokenNeeded},
		"disabled": {func(b *bench) { b.patchUser(aliceUPN, graph.User{AccountEnabled: &disabled}) }, oauth.UserDisabled},
		"deleted":  {func(b *bench) { b.must(b.admin.Delete(t.Context(), "users", aliceUPN)) }, oauth.UserAccountNotFound},
		"disabled a while": {func(b *bench) {
			b.patchUser(aliceUPN, graph.User{AccountEnabled: &disabled})
			b.patchUser(aliceUPN, graph.User{AccountEnabled: &enabled})
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			tokens, err := b.signIn(interactive{})
			b.must(err)
			b.Advance(time.Second)
			tt.do(b)
			_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, Resource: oauth.ResourceGraph, RefreshToken: tokens.RefreshToken})
			want(t, err, tt.code)
		})
	}
}

func TestLockOut(t *testing.T) {
	b := newBench(t)
	d, _ := b.laptop()
	guess := func(p string) error {
		_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Resource: oauth.ResourceGraph, Username: aliceUPN, Password: p})
		return err
	}
	// The same stale password, again and again, locks nobody out.
	for range 2 * maxGuesses {
		want(t, guess("stale"), oauth.InvalidUserNameOrPassword)
	}
	want(t, guess(password), 0)
	for n := range maxGuesses {
		want(t, guess(strings.Repeat("x", n+1)), oauth.InvalidUserNameOrPassword)
	}
	want(t, guess(password), oauth.IDSLocked)
	// Who guesses elsewhere does not lock the owner out of her device.
	b.passwordPRT(d)
	b.Advance(firstLock + time.Second)
	want(t, guess(password), 0)
	want(t, guess("x"), oauth.InvalidUserNameOrPassword)
}

func TestAdministratorOnly(t *testing.T) {
	b := newBench(t)
	tokens, err := b.signIn(interactive{resource: oauth.ResourceGraph})
	b.must(err)
	drsTokens, err := b.signIn(interactive{})
	b.must(err)
	for name, tt := range map[string]struct {
		token  string
		status int
	}{
		"no token":          {"", http.StatusUnauthorized},
		"garbage":           {"a.b.c", http.StatusUnauthorized},
		"a user's token":    {tokens.AccessToken, http.StatusForbidden},
		"token for the DRS": {drsTokens.AccessToken, http.StatusUnauthorized},
		"refresh token":     {tokens.RefreshToken, http.StatusUnauthorized},
	} {
		req, err := http.NewRequest(http.MethodGet, "https://"+b.out.GraphHost+"/v1.0/users", nil)
		b.must(err)
		if tt.token != "" {
			req.Header.Set("Authorization", "Bearer "+tt.token)
		}
		if reply := b.send(req); reply.Status != tt.status {
			t.Errorf("%s: %d %s", name, reply.Status, reply.Body)
		}
	}
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantClientCredentials, ClientID: b.out.AdminClientID, ClientSecret: "wrong", Resource: oauth.ResourceGraph})
	want(t, err, oauth.ClientSecretInvalid)
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantClientCredentials, ClientID: oauth.ClientBroker, Resource: oauth.ResourceGraph})
	want(t, err, oauth.ApplicationNotFound)
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantClientCredentials, ClientID: b.out.AdminClientID, ClientSecret: b.out.AdminSecret, Resource: oauth.ResourceDRS})
	want(t, err, oauth.ResourceNotFound)
	b.Advance(time.Hour)
	if _, err := graph.Get[graph.User](t.Context(), b.admin, "users", aliceUPN); err == nil {
		t.Error("the administrator's token does not expire")
	}
}
