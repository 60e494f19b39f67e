package adfs

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/strict"
	"hellolab/providers/wire/web"
)

// Paths of the lab's administrator. In Windows these are cmdlets and the pages
// of an adapter; the form is ours.
//
//	PUT    /lab/accounts/{upn}      Account          register a second factor, or an account of a third party's service
//	GET    /lab/accounts/{upn}      → Account        without secrets
//	DELETE /lab/accounts/{upn}
//	PUT    /lab/applications/{id}   Application      register a client (Add-AdfsNativeClientApplication, Add-AdfsWebApiApplication)
//	GET    /lab/applications/{id}   → Application    without its secret
//	DELETE /lab/applications/{id}
//	GET    /lab/status              → Status
const (
	PathAccounts     = "/lab/accounts/"
	PathApplications = "/lab/applications/"
	PathStatus       = "/lab/status"
)

// Account is what a service holds of an account besides its directory.
type Account struct {
	UPN         string `json:"upn"`
	Former      string `json:"former_upn,omitempty"`   // name that it had: what the service holds under that moves
	ImmutableID string `json:"immutable_id,omitempty"` // of a third party's; AD FS has the directory's
	Name        string `json:"name,omitempty"`         // display name, of a third party's
	Password    string `json:"password,omitempty"`     // of a third party's; never returned
	TOTPSecret  []byte `json:"totp_secret,omitempty"`  // of the adapter; never returned
	MFA         bool   `json:"mfa"`                    // whether a second factor is registered: without a secret it stays, with false it goes
	Disabled    bool   `json:"disabled,omitempty"`     // of a third party's
}

// Application is a client and a resource of a service.
type Application struct {
	ID           string   `json:"id"` // of the client, a GUID
	Name         string   `json:"name"`
	Resource     string   `json:"resource,omitempty"` // identifier as a resource; "": it is none
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	Secret       string   `json:"secret,omitempty"` // of a confidential client; never returned
	MFA          bool     `json:"mfa,omitempty"`    // access control policy: permit with a second factor only
}

// Status is how a service stands.
type Status struct {
	Signing []Certificate `json:"signing"` // the one in use first; others are published for the overlap
	Agent   *Certificate  `json:"agent,omitempty"`
	// AgentError is why there is no current enrollment agent certificate.
	AgentError string `json:"agent_error,omitempty"`
}

// Certificate is one of a service's own.
type Certificate struct {
	Thumbprint string    `json:"thumbprint"` // SHA-1, hexadecimal
	NotAfter   time.Time `json:"not_after"`
	Renewed    time.Time `json:"renewed,omitzero"`   // when it was made
	Published  time.Time `json:"published,omitzero"` // until when it is published; zero: it is in use
	Revoked    bool      `json:"revoked,omitempty"`  // of the agent's: its authority says so, by a list or OCSP
}

// Admin administers a service of the lab.
type Admin struct {
	Host   string
	Secret string
}

// NotFound is what a service answers for an account or application that it does
// not have.
type NotFound struct{ Sentence string }

func (e *NotFound) Error() string { return e.Sentence }

// SetAccount registers an account or its second factor, whatever was there.
func (a Admin) SetAccount(ctx context.Context, env providers.Env, account Account) error {
	_, err := call[struct{}](ctx, env, a, http.MethodPut, PathAccounts+escape(account.UPN), account)
	return err
}

// Account returns what a service has of an account, or *NotFound.
func (a Admin) Account(ctx context.Context, env providers.Env, upn string) (*Account, error) {
	return call[Account](ctx, env, a, http.MethodGet, PathAccounts+escape(upn), nil)
}

// DeleteAccount forgets an account. One that is not there is no error.
func (a Admin) DeleteAccount(ctx context.Context, env providers.Env, upn string) error {
	_, err := call[struct{}](ctx, env, a, http.MethodDelete, PathAccounts+escape(upn), nil)
	return err
}

// SetApplication registers an application, whatever was there.
func (a Admin) SetApplication(ctx context.Context, env providers.Env, app Application) error {
	_, err := call[struct{}](ctx, env, a, http.MethodPut, PathApplications+escape(app.ID), app)
	return err
}

// Application returns a registered application, or *NotFound.
func (a Admin) Application(ctx context.Context, env providers.Env, id string) (*Application, error) {
	return call[Application](ctx, env, a, http.MethodGet, PathApplications+escape(id), nil)
}

// DeleteApplication takes a registration away. One that is not there is no error.
func (a Admin) DeleteApplication(ctx context.Context, env providers.Env, id string) error {
	_, err := call[struct{}](ctx, env, a, http.MethodDelete, PathApplications+escape(id), nil)
	return err
}

// Status asks how the service stands.
func (a Admin) Status(ctx context.Context, env providers.Env) (*Status, error) {
	return call[Status](ctx, env, a, http.MethodGet, PathStatus, nil)
}

func escape(name string) string { return url.PathEscape(strings.ToLower(name)) }

// Refusal is the body of a request that was not served.
type Refusal struct {
	Error string `json:"error"`
}

func call[T any](ctx context.Context, env providers.Env, at Admin, method, path string, body any) (*T, error) {
	client := web.Client(env)
	defer client.CloseIdleConnections()
	req, err := web.NewJSON(ctx, method, "https://"+at.Host+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+at.Secret)
	reply, err := web.Do(client, req)
	if err != nil {
		return nil, fmt.Errorf("federation service at %s: %w", at.Host, err)
	}
	switch reply.Status {
	case http.StatusNoContent:
		return new(T), nil
	case http.StatusOK:
		v := new(T)
		if err := strict.Unmarshal(reply.Body, v); err != nil {
			return nil, fmt.Errorf("federation service at %s: %w", at.Host, err)
		}
		return v, nil
	}
	var no Refusal
	if strict.Unmarshal(reply.Body, &no) != nil || no.Error == "" {
		no.Error = fmt.Sprintf("it answered %d %s", reply.Status, http.StatusText(reply.Status))
	}
	if reply.Status == http.StatusNotFound {
		return nil, &NotFound{no.Error}
	}
	return nil, fmt.Errorf("federation service at %s: %s", at.Host, no.Error)
}
