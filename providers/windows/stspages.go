package windows

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/wstrust"
)

// stsPages is a sign-in at the pages of a federation service, in Web Account
// Manager's window. The conversation is that of package adfs. A computer of the
// service's domain has a ticket for it, and then nobody is asked for a password.
type stsPages struct {
	*wam
	host  string
	who   event.Actor // the service
	proof string      // header Authorization by the session's ticket; "" without one

	// session is the header x-ms-RefreshTokenCredential, by which AD FS knows user and
	// device, where the session has its token; device is x-ms-DeviceCredential, by
	// which it knows the device alone. "" for none.
	session, device string
}

// header adds what says who asks.
func (s *stsPages) header(h http.Header) {
	h.Set("User-Agent", adfs.AgentWindows)
	switch {
	case s.session != "":
		h.Set(oauth.HeaderRefreshTokenCredential, s.session)
	case s.device != "":
		h.Set(oauth.HeaderDeviceCredential, s.device)
	}
}

// pagesEnd is how a sign-in at the pages ends: with a redirect to a client, or with
// a form for a relying party.
type pagesEnd struct {
	location string
	form     *wstrust.Form
}

// signIn follows the pages from start to the end.
func (s *stsPages) signIn(ctx context.Context, p person, start string) (end pagesEnd, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	if err != nil {
		return end, err
	}
	if s.proof != "" {
		req.Header.Set("Authorization", s.proof)
	}
	s.header(req.Header)
	typed := false
	for range maxPages {
		base := req.URL
		reply, err := web.Do(s.http, req)
		if err != nil {
			return end, farFromFederation(err)
		}
		switch {
		case reply.Status == http.StatusFound || reply.Status == http.StatusSeeOther:
			return pagesEnd{location: reply.Header.Get("Location")}, nil
		case reply.Status == http.StatusServiceUnavailable:
			return end, stopped(reply)
		}
		page, fields, err := adfs.ReadPage(reply.Body)
		if err != nil {
			return end, fmt.Errorf("the federation service answered HTTP status %d: %w", reply.Status, err)
		}
		if page.Action == "" {
			return end, s.pageRefused("federation_refused", page)
		}
		target, err := base.Parse(page.Action)
		if err != nil || target.Scheme != "https" {
			return end, fmt.Errorf("the page leads elsewhere: %.80q", page.Action)
		}
		if target.Hostname() != s.host { // the service is done, and has something for a relying party
			return pagesEnd{form: &wstrust.Form{Action: target.String(), Fields: fields}}, nil
		}
		switch page.Method {
		case adfs.MethodForms:
			if typed {
				return end, s.pageRefused("wrong_password", page)
			}
			typed = true
			req, err = s.typePassword(ctx, p, target, fields)
		case adfs.MethodTOTP, adfs.MethodPartner:
			return s.typeCode(ctx, p, target, page, fields)
		default:
			return end, fmt.Errorf("the federation service shows a page that nobody expects: %.40q", page.Method)
		}
		if err != nil {
			return end, err
		}
	}
	return end, errors.New("the sign-in at the federation service does not come to an end")
}

// pageRefused is the refusal that a page shows.
func (s *stsPages) pageRefused(code string, page *adfs.Page) error {
	var err error = refuse(code, nil)
	if page.Error != "" {
		err = because(code, nil, "%s", page.Error)
	}
	s.trace.refused(s.screen, event.User, local, "page_refused", "The window shows what the federation service says.", err)
	return err
}

func (s *stsPages) typePassword(ctx context.Context, p person, target *url.URL, fields url.Values) (*http.Request, error) {
	s.trace.step(s.screen, event.User, local, "password_prompt", "The federation service's page asks for user name and password.", message{"login": p.nameAt(s.who), "host": s.host})
	if len(p.password) == 0 {
		return nil, because("wrong_password", nil, "The page asks for the password of %s, and this run does not know it.", p.addr)
	}
	typed, err := ask(s.trace, s.hands, s.screen, PromptPassword, p.password)
	if err != nil {
		return nil, err
	}
	defer clear(typed)
	s.trace.step(event.User, s.screen, local, "password_typed", "The user types the password.", nil)
	fields.Set(adfs.FieldUserName, p.nameAt(s.who))
	fields.Set(adfs.FieldPassword, string(typed))
	return s.submit(ctx, target, fields)
}

func (s *stsPages) submit(ctx context.Context, target *url.URL, fields url.Values) (*http.Request, error) {
	req, err := formRequest(ctx, target.String(), fields)
	if err == nil {
		req.Header.Set("User-Agent", adfs.AgentWindows)
	}
	return req, err
}

// typeCode gives the adapter the authenticator app's code. A code works once: when
// another sign-in took the one that is shown, its successor is good already; when
// that is taken, too, the person waits for the next one.
func (s *stsPages) typeCode(ctx context.Context, p person, target *url.URL, page *adfs.Page, fields url.Values) (end pagesEnd, err error) {
	t := s.trace
	secret, err := sas.ParseTOTPSecret(p.totpSecret)
	if err != nil || p.totpSecret == "" {
		return end, refuse("adapter_not_registered", err)
	}
	for {
		for _, ahead := range []time.Duration{0, codeStep} {
			t.step(s.screen, event.User, local, "mfa_prompt", "The page asks for the code of the authenticator app.", message{"adapter": page.Method})
			code, err := ask(t, s.hands, s.screen, PromptCode, []byte(sas.TOTP(secret, s.env.Now().Add(ahead))))
			if err != nil {
				return end, err
			}
			t.step(event.User, s.screen, local, "mfa_code", "The user types the code that the app shows.", nil)
			fields.Set(adfs.FieldCode, string(code))
			req, err := s.submit(ctx, target, fields)
			if err != nil {
				return end, err
			}
			reply, err := web.Do(s.http, req)
			if err != nil {
				return end, farFromFederation(err)
			}
			if reply.Status == http.StatusFound || reply.Status == http.StatusSeeOther {
				t.step(s.screen, s.who, https, "mfa_done", "The window goes on with the second factor done.", message{"adapter": page.Method})
				return pagesEnd{location: reply.Header.Get("Location")}, nil
			}
			next, again, err := adfs.ReadPage(reply.Body)
			if err != nil {
				return end, fmt.Errorf("the federation service answered HTTP status %d: %w", reply.Status, err)
			}
			to, err := target.Parse(next.Action)
			switch {
			case err != nil || next.Action == "":
				return end, s.pageRefused("federation_refused", next)
			case to.Hostname() != s.host:
				t.step(s.screen, s.who, https, "mfa_done", "The window goes on with the second factor done.", message{"adapter": page.Method})
				return pagesEnd{form: &wstrust.Form{Action: to.String(), Fields: again}}, nil
			case next.Error != codeUsed:
				return end, s.pageRefused("adapter_failed", next)
			}
			target, fields = to, again
		}
		if !s.nextCode(ctx) {
			return end, errors.Join(because("adapter_failed", nil, "%s", codeUsed), ctx.Err())
		}
	}
}

// codeUsed is what an adapter says of a code that was given before.
const codeUsed = "The code was used before; each works once."
