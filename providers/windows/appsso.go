package windows

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// application is an application that is to be reached.
type application = providers.Object[spec.Application, spec.ApplicationOut]

// target is what a sign-in is to reach: an application, a domain, a service of
// one, or, where none of them is set, the tenant itself.
type target struct {
	app     *application
	domain  providers.Ref // of a domain, and of a service
	service *serviceObject
}

// serviceObject is a member server that is to be reached.
type serviceObject = providers.Object[spec.Service, spec.ServiceOut]

// destinations resolves what a sign-in is to reach besides the device. The
// applications belong to the one tenant that is signed in to.
func destinations(env providers.Env, device string, tenant providers.Ref, to []string) (found []target, err error) {
	for _, addr := range to {
		if addr == string(tenant) {
			found = append(found, target{})
			continue
		}
		rec, err := env.Objects.Lookup(addr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", addr, err)
		}
		t, err := destination(env, device, tenant, rec)
		if err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	return found, nil
}

func destination(env providers.Env, device string, tenant providers.Ref, rec providers.Record) (target, error) {
	addr := rec.Addr
	switch rec.Kind {
	case "domain":
		return target{domain: providers.Ref(addr)}, nil
	case "service":
		service, err := providers.Resolve[spec.Service, spec.ServiceOut](env, providers.Ref(addr))
		if err == nil && service.Out.URL == "" {
			err = errNotCreated
		}
		if err != nil {
			return target{}, fmt.Errorf("%s: %w", addr, err)
		}
		return target{domain: service.In.Domain, service: &service}, nil
	case "application":
		app, err := providers.Resolve[spec.Application, spec.ApplicationOut](env, providers.Ref(addr))
		switch {
		case err != nil:
			return target{}, fmt.Errorf("%s: %w", addr, err)
		case app.Out.ClientID == "":
			return target{}, fmt.Errorf("%s: %w", addr, errNotCreated)
		case app.In.Tenant != tenant:
			return target{}, fmt.Errorf("%s is an application of %s, and the sign-in is to %s", addr, app.In.Tenant, tenant)
		}
		return target{app: &app}, nil
	}
	return target{}, fmt.Errorf("%s signs in to %s, its applications, domains and their services, not to %s", device, tenant, addr)
}

// withoutToken is what a person meets who sits at a device that is joined to
// nothing, with an account that no tenant knows: there is no primary refresh
// token, and each application asks for the password (seed 004).
func (s *signingIn) withoutToken(ctx context.Context) error {
	t := s.trace
	t.step(event.Winlogon, event.User, local, "local_session", "The user sits at the device with a local account: there is no primary refresh token.", nil)
	for _, to := range s.to {
		app := to.app
		if app == nil {
			return because("device_not_joined", nil, "A device that is joined to nothing reaches applications only.")
		}
		token, err := s.askForToken(ctx, app)
		if err != nil {
			t.refused(event.WAM, "", local, "app_token_refused", "The application gets no token.", err)
			return err
		}
		if err := s.call(ctx, app, token); err != nil {
			return err
		}
	}
	return nil
}

// askForToken shows the tenant's page. The person gives the password of this
// sign-in, and nothing more: a second factor is for hands that have one.
func (s *signingIn) askForToken(ctx context.Context, app *application) (*oauth.TokenResponse, error) {
	s.trace.step(event.WAM, event.User, local, "credentials_prompt", "The plug-in has nothing to get a token with, so the application asks for credentials.",
		message{"client_id": app.Out.ClientID, "resource": app.Out.Resource})
	factor := false
	hands := func(p Prompt, has []byte) ([]byte, bool) {
		factor = factor || p == PromptCode
		if s.w.Hands != nil {
			return s.w.Hands(p, has)
		}
		return has, p != PromptCode
	}
	person := s.user
	person.password = s.request.Password
	a := &wam{env: s.env, trace: s.trace, hands: hands, http: s.cloud.http, tenant: s.cloud.tenant, screen: event.WAM}
	token, err := a.interactive(ctx, person, app.Out.ClientID, app.Out.Resource, "", false)
	var own *Refusal
	if factor && errors.As(err, &own) && own.Reason.Code == "cancelled" {
		return nil, refuse("mfa_required", err)
	}
	return token, err
}

// reachApplication is single sign-on (seed 003, "app access", 1 to 4): an
// application on the device asks for a token to what it speaks to, and the
// session's primary refresh token gets it without asking anybody.
func (s *signingIn) reachApplication(ctx context.Context, app *application) error {
	t := s.trace
	t.step(event.WAM, event.EntraID, https, "app_token_request", "An application asks for a token; the request is signed with a key derived from the session key.",
		message{"client_id": app.Out.ClientID, "resource": app.Out.Resource})
	token, err := s.cloud.accessToken(ctx, s.prt, app.Out.ClientID, app.Out.Resource, false)
	if err != nil {
		var refusal *oauth.Error
		if errors.As(err, &refusal) && (refusal.Code == oauth.StrongAuthRequired || refusal.Code == oauth.StrongAuthExpired) {
			t.step(event.WAM, event.User, local, "mfa_prompt", "Silent sign-on does not suffice: the plug-in asks for the second factor.", message{"code": refusal.Code.ID()})
		}
		t.refused(event.WAM, "", local, "app_token_refused", "The application gets no token.", err)
		return err
	}
	return s.call(ctx, app, token)
}

// call calls the application with a token. What it answers is the verdict.
func (s *signingIn) call(ctx context.Context, app *application, token *oauth.TokenResponse) error {
	t := s.trace
	s.verdict.Claims = claims(token.AccessToken)
	t.step(event.WAM, "", local, "app_token", "The plug-in opens the reply and hands the token to the application.", s.verdict.Claims)
	t.step(event.Device, event.Application, https, "app_request", "The application's client on the device calls it with the access token.", message{"url": app.Out.URL})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, app.Out.URL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	reply, err := web.Do(s.cloud.http, req)
	if err == nil {
		err = answerOf(reply)
	}
	if err != nil {
		t.refused(event.Device, event.User, local, "app_refused", "The application does not let the user in.", err)
		return err
	}
	t.step(event.Device, event.User, local, "app_answered", "The application answers: the user is signed in to it.", message{"application": app.Addr})
	return nil
}

// answerOf is what an application said: nil, or its refusal in its own words.
func answerOf(reply web.Reply) error {
	var said struct {
		Code        string `json:"code"`
		Description string `json:"error_description"`
	}
	if err := reply.JSON(&said); err != nil {
		return fmt.Errorf("the application answered %d: %w", reply.Status, err)
	}
	if reply.Status == http.StatusOK {
		return nil
	}
	r := refuse("application_refused", nil)
	r.Reason.Name = said.Code
	if said.Description != "" {
		r.Reason.Sentence = said.Description
	}
	return r
}
