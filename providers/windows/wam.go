package windows

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/strict"
	"hellolab/providers/wire/web"
)

// wam is the Web Account Manager with its Entra ID plug-in: it gets tokens for
// applications, silently from what the device holds, or by showing the
// tenant's sign-in page.
type wam struct {
	env    providers.Env
	trace  *trace
	hands  Hands
	http   *http.Client
	tenant spec.TenantOut
	screen event.Actor // the window that shows the page

	// ticket is the session's Kerberos ticket for a federation service, as HTTP
	// carries it, "" without one; nil where there is no session.
	ticket func(context.Context, *federationObject) (string, error)
}

// wamRecord is what the plug-in keeps of an interactive sign-in.
type wamRecord struct {
	RefreshToken string    `json:"refresh_token"`
	At           time.Time `json:"at"`
	SecondFactor time.Time `json:"second_factor,omitzero"` // when it was given; zero: it was not
}

// interactive asks for a token by the tenant's page (MS-OIDCE; the
// conversation is that of package sas): user name and password, then, where
// the tenant demands it, a second factor. session, when not empty, is the
// credential of the user's session on the device, which stands for the first
// factor (MS-OAPXBC 2.2.1.1).
func (a *wam) interactive(ctx context.Context, p person, client, resource, session string, freshMFA bool) (*oauth.TokenResponse, error) {
	secret, err := random(a.env, 32)
	if err != nil {
		return nil, err
	}
	verifier := base64.RawURLEncoding.EncodeToString(secret)
	ask := oauth.AuthorizeRequest{
		ResponseType:        "code",
		ClientID:            client,
		RedirectURI:         oauth.NativeRedirect(client),
		Resource:            resource,
		LoginHint:           p.upn,
		CodeChallenge:       oauth.Challenge(verifier),
		CodeChallengeMethod: "S256",
		ClientRequestID:     a.trace.id,
	}
	if freshMFA {
		ask.AMRValues = oauth.AMRNGCMFA
	}
	a.trace.step(event.WAM, event.EntraID, https, "authorize_request",
		"Web Account Manager asks for a sign-in page.",
		message{"client_id": client, "resource": resource, "amr_values": ask.AMRValues, "login_hint": p.upn, "session": session != ""})
	start := a.login("/oauth2/authorize") + "?" + ask.Query().Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	if err != nil {
		return nil, err
	}
	if session != "" {
		req.Header.Set(oauth.HeaderRefreshTokenCredential, session)
	}
	code, err := a.converse(ctx, p, ask.RedirectURI, req)
	if err != nil {
		return nil, err
	}
	req, err = formRequest(ctx, a.login("/oauth2/token"), oauth.TokenRequest{
		GrantType:    oauth.GrantAuthorizationCode,
		ClientID:     client,
		Resource:     resource,
		Code:         code,
		RedirectURI:  ask.RedirectURI,
		CodeVerifier: verifier,
		ClientInfo:   true,
	}.Form())
	if err != nil {
		return nil, err
	}
	return tokenReply(a.http, req)
}

func (a *wam) login(path string) string {
	return "https://" + a.tenant.LoginHost + "/" + a.tenant.TenantID + path
}

// maxPages bounds a conversation: sign-in page, second factor, and room for one retry of each.
const maxPages = 6

// converse follows the pages until one redirects with a code.
func (a *wam) converse(ctx context.Context, p person, redirect string, req *http.Request) (code string, err error) {
	base, askedPassword := req.URL, false
	for range maxPages {
		reply, err := web.Do(a.http, req)
		if err != nil {
			return "", err
		}
		if reply.Status == http.StatusFound || reply.Status == http.StatusSeeOther {
			location := reply.Header.Get("Location")
			f, err := a.leadsTo(p, location)
			if err != nil {
				return "", err
			}
			if f == nil {
				return redirectedCode(redirect, location)
			}
			if req, err = a.throughFederation(ctx, base, p, f, location); err != nil {
				return "", err
			}
			continue
		}
		page, err := sas.ParsePage(reply.Body)
		if err != nil {
			if reply.Status != http.StatusOK {
				return "", oauth.ParseError(reply.Status, reply.Body)
			}
			return "", err
		}
		switch page.PageID {
		case sas.PageSignIn:
			if page.ErrorCode != "" || askedPassword {
				return "", pageError(page)
			}
			askedPassword = true
			if len(p.password) == 0 {
				return "", because("wrong_password", nil, "The page asks for the password of %s, and this run does not know it.", p.addr)
			}
			req, err = a.firstFactor(ctx, base, p, page)
		case sas.PageTFA:
			req, err = a.secondFactor(ctx, base, p, page)
		default:
			return "", pageError(page)
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("the sign-in page does not come to an end")
}

// leadsTo is the federation service that a redirect goes to; nil: it goes elsewhere.
func (a *wam) leadsTo(p person, location string) (*federationObject, error) {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "https" {
		return nil, nil
	}
	f, err := federationOf(a.env, p)
	if err != nil || f == nil || u.Hostname() != f.Out.Host {
		return nil, err
	}
	return f, nil
}

// throughFederation has the user sign in at the service that the tenant's page leads
// to, and returns the request that brings its assertion back to the tenant.
func (a *wam) throughFederation(ctx context.Context, base *url.URL, p person, f *federationObject, location string) (*http.Request, error) {
	pages := &stsPages{wam: a, host: f.Out.Host, who: identityProvider(f)}
	a.trace.step(event.EntraID, pages.who, https, "federation_redirect", "The tenant's page sends the window on to the federation service of the user's domain.", message{"host": pages.host})
	if a.ticket != nil {
		var err error
		if pages.proof, err = a.ticket(ctx, f); err != nil {
			return nil, err
		}
	}
	end, err := pages.signIn(ctx, p, location)
	if err != nil {
		return nil, err
	}
	if end.form == nil {
		return nil, fmt.Errorf("the sign-in at the federation service ended elsewhere: %.80q", end.location)
	}
	a.trace.step(a.screen, event.EntraID, https, "assertion_returned", "The window returns to the tenant with the federation service's assertion.", nil)
	return a.post(ctx, base, end.form.Action, end.form.Fields)
}

// firstFactor posts user name and password.
func (a *wam) firstFactor(ctx context.Context, base *url.URL, p person, page *sas.Config) (*http.Request, error) {
	a.trace.step(a.screen, event.User, local, "password_prompt", "The page asks for user name and password.", message{"login": p.upn})
	typed, err := ask(a.trace, a.hands, a.screen, PromptPassword, p.password)
	if err != nil {
		return nil, err
	}
	defer clear(typed)
	a.trace.step(event.User, a.screen, local, "password_typed", "The user types the password.", nil)
	return a.post(ctx, base, page.URLPost, sas.Login{
		Login: p.upn, Password: string(typed), Ctx: page.Ctx, FlowToken: page.FlowToken, Canary: page.Canary,
	}.Form())
}

func (a *wam) post(ctx context.Context, base *url.URL, target string, form url.Values) (*http.Request, error) {
	u, err := a.resolve(base, target)
	if err != nil {
		return nil, err
	}
	return formRequest(ctx, u, form)
}

// resolve keeps what a page names on the tenant's login host.
func (a *wam) resolve(base *url.URL, target string) (string, error) {
	u, err := base.Parse(target)
	if err != nil || u.Scheme != "https" || u.Hostname() != a.tenant.LoginHost {
		return "", fmt.Errorf("the sign-in page leads elsewhere: %.80q", target)
	}
	return u.String(), nil
}

// secondFactor goes through BeginAuth and EndAuth by the first of the page's
// methods that the person has, and returns the request that ends the
// conversation.
func (a *wam) secondFactor(ctx context.Context, base *url.URL, p person, page *sas.Config) (*http.Request, error) {
	a.trace.step(a.screen, event.EntraID, https, "mfa_begin", "The window goes on to the second factor.", message{"methods": methods(page)})
	method := methodFor(p, page)
	var last *sas.AuthReply
	var err error
	switch method {
	case sas.MethodAppNotification:
		last, err = a.giveApproval(ctx, base, p, page)
	case sas.MethodAppOTP:
		var secret []byte
		if secret, err = sas.ParseTOTPSecret(p.totpSecret); err != nil {
			return nil, refuse("mfa_not_registered", err)
		}
		last, err = a.giveCode(ctx, base, secret, page)
	default:
		return nil, refuse("mfa_not_registered", nil)
	}
	if err != nil {
		return nil, err
	}
	if !last.Success {
		err := because("mfa_failed", nil, "The second factor of %s was refused: %s.%s", p.addr, last.ResultValue, spaced(last.Message))
		a.trace.refused(a.screen, event.User, local, "mfa_refused", "The window shows that the second factor was refused.", err)
		return nil, err
	}
	a.trace.step(a.screen, event.EntraID, https, "mfa_done", "The window returns to the tenant with the second factor done.", message{"method": method})
	return a.post(ctx, base, page.URLPost, sas.ProcessAuth{
		Request: last.Ctx, MFAAuthMethod: method, Login: p.upn, FlowToken: last.FlowToken, Canary: page.Canary,
	}.Form())
}

// methodFor is the page's default, or else the first that the person can do.
func methodFor(p person, page *sas.Config) string {
	can := map[string]bool{sas.MethodAppNotification: p.phone != "", sas.MethodAppOTP: p.totpSecret != ""}
	first := ""
	for _, proof := range page.UserProofs {
		switch {
		case !can[proof.AuthMethodID]:
		case proof.IsDefault:
			return proof.AuthMethodID
		case first == "":
			first = proof.AuthMethodID
		}
	}
	return first
}

// spaced is a sentence behind another.
func spaced(sentence string) string {
	if sentence == "" {
		return ""
	}
	return " " + sentence
}

// codeStep is the life of an authenticator app's code (RFC 6238).
const codeStep = 30 * time.Second

// giveCode types the authenticator app's code. A code works once: when another
// sign-in of the same person took the one that is shown, its successor is good
// already; when that is taken, too, the person waits for the next one.
func (a *wam) giveCode(ctx context.Context, base *url.URL, secret []byte, page *sas.Config) (last *sas.AuthReply, err error) {
	for {
		for _, ahead := range []time.Duration{0, codeStep} {
			begun, err := a.authCall(ctx, base, page, page.URLBeginAuth, sas.AuthRequest{
				Method: "BeginAuth", AuthMethodID: sas.MethodAppOTP, SessionID: page.SessionID, FlowToken: page.FlowToken, Ctx: page.Ctx,
			})
			if err != nil {
				return nil, err
			}
			a.trace.step(a.screen, event.User, local, "mfa_prompt", "The window asks for the code.", nil)
			code, err := ask(a.trace, a.hands, a.screen, PromptCode, []byte(sas.TOTP(secret, a.env.Now().Add(ahead))))
			if err != nil {
				return nil, err
			}
			a.trace.step(event.User, a.screen, local, "mfa_code", "The user types the code that the app shows.", nil)
			last, err = a.authCall(ctx, base, page, page.URLEndAuth, sas.AuthRequest{
				Method: "EndAuth", AuthMethodID: sas.MethodAppOTP, SessionID: begun.SessionID, FlowToken: begun.FlowToken, Ctx: begun.Ctx,
				AdditionalAuthData: string(code), PollCount: 1,
			})
			if err != nil || last.Success || last.ResultValue != sas.ResultReused {
				return last, err
			}
			if last.FlowToken != "" {
				page.FlowToken, page.Ctx = last.FlowToken, last.Ctx
			}
		}
		if !a.nextCode(ctx) {
			return last, ctx.Err()
		}
	}
}

// nextCode waits until lab time is in the next code's half-minute. It does not
// wait on a clock that stands still.
func (a *wam) nextCode(ctx context.Context) bool {
	due := a.env.Now().Truncate(codeStep).Add(codeStep)
	for wait := 100 * time.Millisecond; a.env.Now().Before(due); wait = time.Second {
		if !a.pause(ctx, wait) {
			return false
		}
	}
	return true
}

// pause waits, and says whether lab time went on meanwhile and ctx did not end.
func (a *wam) pause(ctx context.Context, d time.Duration) bool {
	began := a.env.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return false
	}
	return a.env.Now().After(began)
}

func methods(page *sas.Config) []string {
	var ids []string
	for _, p := range page.UserProofs {
		ids = append(ids, p.AuthMethodID)
	}
	return ids
}

func (a *wam) authCall(ctx context.Context, base *url.URL, page *sas.Config, target string, r sas.AuthRequest) (*sas.AuthReply, error) {
	u, err := a.resolve(base, target)
	if err != nil {
		return nil, err
	}
	req, err := web.NewJSON(ctx, http.MethodPost, u, r)
	if err != nil {
		return nil, err
	}
	req.Header.Set(sas.HeaderCanary, page.APICanary)
	return a.authReply(req)
}

func (a *wam) authReply(req *http.Request) (*sas.AuthReply, error) {
	reply, err := web.Do(a.http, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, oauth.ParseError(reply.Status, reply.Body)
	}
	return sas.ParseAuthReply(reply.Body)
}

// pageError is the refusal that a page shows.
func pageError(page *sas.Config) error {
	if page.ErrorCode == "" {
		return fmt.Errorf("the sign-in ended at page %.40q", page.PageID)
	}
	r := worded("AADSTS"+page.ErrorCode, "", page.ErrorText, "")
	return &Refusal{Reason: r}
}

// redirectedCode takes the code off the redirect that ends a sign-in.
func redirectedCode(redirect, location string) (string, error) {
	u, err := url.Parse(location)
	if err != nil {
		return "", fmt.Errorf("redirect: %w", err)
	}
	q := u.Query()
	if code := q.Get("code"); code != "" {
		want, err := url.Parse(redirect)
		if err != nil || u.Scheme != want.Scheme || u.Host != want.Host || u.Path != want.Path {
			return "", fmt.Errorf("the code came to %.80q, not to the client's address", location)
		}
		return code, nil
	}
	if e := q.Get("error"); e != "" {
		return "", redirectedError(e, q.Get("error_description"))
	}
	return "", fmt.Errorf("the redirect brings neither code nor error: %.80q", location)
}

func redirectedError(code, description string) error {
	var number int
	if _, err := fmt.Sscanf(description, "AADSTS%d:", &number); err == nil {
		return oauth.NewError(oauth.Code(number))
	}
	return fmt.Errorf("the sign-in was refused: %.40s: %.200s", code, description)
}

// claims reads the claims of an access token or id token that came over TLS
// from its issuer, for traces: nothing is decided on them.
func claims(token string) message {
	parts := splitToken(token)
	if parts == nil {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var all map[string]any
	if strict.Unmarshal(payload, &all) != nil {
		return nil
	}
	shown := message{}
	for _, name := range []string{"aud", "iss", "upn", "oid", "tid", "amr", "deviceid", "scp", "iat", "exp", "auth_time"} {
		if v, ok := all[name]; ok {
			shown[name] = v
		}
	}
	return shown
}
