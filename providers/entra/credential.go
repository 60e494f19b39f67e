package entra

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"hellolab/providers/event"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// readCredentials takes what the device added to the request (MS-OAPXBC
// 3.2.5.2.1): a PRT, or else the device's own signature. One that is not valid
// is ignored, and sign-in goes on without it; the trace says why. One that
// lacks nothing but a good nonce is answered with a redirect to the same place
// and a nonce to use, once, as the cloud does.
func (s *server) readCredentials(w http.ResponseWriter, r *http.Request, f *flow, req oauth.AuthorizeRequest) (answered bool, err error) {
	ctx := r.Context()
	if text := credential(r, oauth.HeaderRefreshTokenCredential); text != "" {
		p, err := s.readPRTCredential(ctx, text)
		if err == nil {
			f.Proof, f.DeviceID = p, p.DeviceID
			return false, nil
		}
		if errors.Is(err, &oauth.Error{Code: oauth.NonceInvalid}) && req.SSONonce == "" {
			return true, s.offerNonce(w, r)
		}
		if err := s.ignored(ctx, oauth.HeaderRefreshTokenCredential, err); err != nil {
			return false, err
		}
	}
	if text := credential(r, oauth.HeaderDeviceCredential); text != "" {
		id, err := s.readDeviceCredential(ctx, text)
		if err == nil {
			f.DeviceID = id
			return false, nil
		}
		return false, s.ignored(ctx, oauth.HeaderDeviceCredential, err)
	}
	return false, nil
}

// offerNonce sends the client back to where it is with a nonce for its
// credential.
func (s *server) offerNonce(w http.ResponseWriter, r *http.Request) error {
	nonce, err := s.newNonce(nonceSignIn)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	q.Set("sso_nonce", nonce)
	s.step(r.Context(), event.EntraID, event.WAM, "sso_nonce_offered", "Entra ID asks for the session credential again, with the nonce it gives.", nil)
	w.Header().Set("Location", (&url.URL{Path: r.URL.Path, RawQuery: q.Encode()}).String())
	reply(w, http.StatusFound, typeHTML, nil)
	return nil
}

// credential reads a header, or the cookie of the same name.
func credential(r *http.Request, name string) string {
	if h := r.Header.Get(name); h != "" {
		return h
	}
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

func (s *server) ignored(ctx context.Context, name string, err error) error {
	var e *oauth.Error
	if !errors.As(err, &e) {
		return err
	}
	s.refused(ctx, event.EntraID, "credential_ignored", event.Reason{Code: e.Code.ID(), Name: name, Sentence: e.Sentence, Hint: e.Hint})
	return nil
}

func (s *server) readPRTCredential(ctx context.Context, text string) (*proof, error) {
	t, err := jose.Parse(text)
	if err != nil {
		return nil, oauth.NewError(oauth.RequestMalformed, "The credential is malformed.")
	}
	var c prt.Request
	if err := t.Claims(&c); err != nil {
		return nil, oauth.NewError(oauth.RequestMalformed, "The credential is malformed.")
	}
	token, err := s.openPRT(c.RefreshToken)
	if err != nil {
		return nil, err
	}
	if prt.VerifyRequest(t, prt.Key(token.SessionKey)) != nil {
		return nil, oauth.NewError(oauth.SessionKeyInvalid)
	}
	if err := s.takeNonces(ctx, c.RequestNonce); err != nil {
		return nil, err
	}
	return &token.proof, nil
}

func (s *server) readDeviceCredential(ctx context.Context, text string) (string, error) {
	t, err := jose.Parse(text)
	if err != nil {
		return "", oauth.NewError(oauth.RequestMalformed, "The credential is malformed.")
	}
	var c prt.Request
	if err := t.Claims(&c); err != nil || c.GrantType != oauth.GrantDeviceAuth {
		return "", oauth.NewError(oauth.RequestMalformed, "The credential is malformed.")
	}
	dp, err := s.verifyDeviceRequest(t)
	if err != nil {
		return "", err
	}
	if err := s.takeNonces(ctx, c.RequestNonce); err != nil {
		return "", err
	}
	d, err := s.signInDevice(dp)
	if err != nil {
		return "", err
	}
	return d.DeviceID, nil
}
