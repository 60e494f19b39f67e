package phone

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// Phone is a user's registered authenticator app. Close it when done.
type Phone struct {
	base   string // https://LOGIN/TENANT/
	user   string // object id
	secret []byte
	http   *http.Client
}

// New returns the phone of a user, given by object id. secret is what
// EncodeSecret wrote when the app was registered.
func New(env providers.Env, loginHost, tenantID, user, secret string) (*Phone, error) {
	key, err := ParseSecret(secret)
	if err != nil {
		return nil, err
	}
	return &Phone{base: "https://" + loginHost + "/" + tenantID + "/", user: user, secret: key, http: web.Client(env)}, nil
}

// Close ends the phone's connections and wipes its secret.
func (p *Phone) Close() error {
	clear(p.secret)
	p.http.CloseIdleConnections()
	return nil
}

// Notifications returns those that wait, oldest first.
func (p *Phone) Notifications(ctx context.Context) ([]Notification, error) {
	nonce, err := p.challenge(ctx)
	if err != nil {
		return nil, err
	}
	l := &List{User: p.user, Nonce: nonce}
	l.Sign(p.secret)
	all, err := post[Notifications](ctx, p, PathList, l)
	if err != nil {
		return nil, err
	}
	return all.Notifications, nil
}

// Approve answers a notification with the number of the sign-in page, and
// returns the outcome.
func (p *Phone) Approve(ctx context.Context, notification string, number int) (string, error) {
	return p.answer(ctx, &Answer{Notification: notification, Decision: Approve, Number: number})
}

// Deny refuses a notification, and returns the outcome.
func (p *Phone) Deny(ctx context.Context, notification string) (string, error) {
	return p.answer(ctx, &Answer{Notification: notification, Decision: Deny})
}

func (p *Phone) answer(ctx context.Context, a *Answer) (string, error) {
	var err error
	if a.Nonce, err = p.challenge(ctx); err != nil {
		return "", err
	}
	a.User = p.user
	a.Sign(p.secret)
	out, err := post[Outcome](ctx, p, PathAnswer, a)
	if err != nil {
		return "", err
	}
	return out.Result, nil
}

func (p *Phone) challenge(ctx context.Context) (string, error) {
	c, err := post[Challenge](ctx, p, PathChallenge, struct{}{})
	if err != nil {
		return "", err
	}
	if c.Nonce == "" {
		return "", errors.New("the tenant gave the phone no nonce")
	}
	return c.Nonce, nil
}

func post[T any](ctx context.Context, p *Phone, path string, body any) (*T, error) {
	req, err := web.NewJSON(ctx, http.MethodPost, p.base+path, body)
	if err != nil {
		return nil, err
	}
	reply, err := web.Do(p.http, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, oauth.ParseError(reply.Status, reply.Body)
	}
	v, err := parse[T](reply.Body)
	if err != nil {
		return nil, fmt.Errorf("reply of the tenant: %w", err)
	}
	return v, nil
}
