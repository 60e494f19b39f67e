package adfs

import (
	"context"
	"errors"
	"net/http"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/adfs/prt"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
)

// forPRT is the token service as package prt asks it.
type forPRT struct{ *server }

// Password implements prt.Accounts.
func (f forPRT) Password(ctx context.Context, name, password string) (*farm.Account, error) {
	return f.password(ctx, name, password)
}

// Standing implements prt.Accounts.
func (f forPRT) Standing(ctx context.Context, p *farm.Proof) (*farm.Account, error) {
	return f.standing(ctx, p)
}

// Client implements prt.Tokens.
func (f forPRT) Client(_ context.Context, id string) error {
	app, err := f.application(id)
	if err == nil && app == nil {
		err = unknownClient()
	}
	return err
}

// Redeem implements prt.Tokens.
func (f forPRT) Redeem(ctx context.Context, client, refreshToken string) (*farm.Proof, error) {
	t, err := f.openRefreshToken(refreshToken)
	if err != nil {
		return nil, err
	}
	if t.ClientID != client {
		return nil, refreshInvalid("it was issued to another client")
	}
	return &t.Proof, f.useRefreshToken(ctx, t)
}

// Issue implements prt.Tokens.
func (f forPRT) Issue(ctx context.Context, g prt.Grant) (*oauth.TokenResponse, error) {
	var resp oauth.TokenResponse
	var err error
	if !g.IDOnly {
		t, err := f.targetOf(g.Resource, g.Scope)
		if err != nil {
			return nil, err
		}
		asked, err := asksFactor(g.AMRValues, g.Claims, "")
		if err != nil {
			return nil, err
		}
		if (asked || t.mfa) && !g.Proof.Fresh(f.env.Now(), f.set.lifetimes().MFA) {
			return nil, adfs.NewError(adfs.InteractionRequired, adfs.CodeInteraction, "Interaction is required by the token broker to resolve the issue: a second factor is asked for.").WithHint("Sign in interactively.")
		}
		token, c, err := f.accessToken(ctx, g.Account, g.Proof, g.Client, t)
		if err != nil {
			return nil, err
		}
		resp.AccessToken, resp.Scope, resp.ExpiresIn = token, c.Scope, oauth.Seconds(c.Expires-c.IssuedAt)
	}
	resp.IDToken, err = f.idToken(g.Account, g.Proof, g.Client, "", resp.AccessToken)
	return &resp, err
}

// ofDevice answers the grants by which devices obtain and use primary refresh tokens;
// ok is false for every other.
func (s *server) ofDevice(w http.ResponseWriter, r *http.Request) (ok bool, err error) {
	if s.primary == nil || r.ParseForm() != nil {
		return false, nil
	}
	switch r.PostForm.Get("grant_type") {
	case oauth.GrantServerChallenge:
		return true, s.primary.ServeNonce(w, r)
	case oauth.GrantJWTBearer:
		return true, s.primary.Serve(w, r, r.PostForm.Get("request"))
	}
	return false, nil
}

// signedIn is who a device's credential says is signed in on it; nil for nobody.
func (s *server) signedIn(r *http.Request) (*farm.Account, *farm.Proof, error) {
	text := r.Header.Get(oauth.HeaderRefreshTokenCredential)
	if s.primary == nil || text == "" {
		return nil, nil, nil
	}
	a, p, err := s.primary.Credential(r.Context(), text)
	if errors.Is(err, prt.ErrNoCredential) {
		return nil, nil, nil
	}
	return a, p, err
}
