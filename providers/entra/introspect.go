package entra

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// An access token carries a note of the sign-in behind it, to the millisecond:
// sessions that were revoked are told from later ones by it, and iat has whole
// seconds only.

func noteOf(p proof) string { return p.Credential + "." + strconv.FormatInt(p.AuthTime, 10) }

// proofOf is the proof behind an access token.
func (c *accessClaims) proofOf() (proof, bool) {
	credential, at, ok := strings.Cut(c.AIO, ".")
	ms, err := strconv.ParseInt(at, 10, 64)
	return proof{UserID: c.ObjectID, UPN: c.UPN, DeviceID: c.DeviceID, AMR: c.AMR, Credential: credential, AuthTime: ms}, ok && err == nil
}

// introspect answers whether an access token still stands (RFC 7662): that of
// a user who may sign in, from a device that may, in a session that was not
// revoked. The token is its own admission: who asks holds it already, and one
// cannot be guessed.
func (s *server) introspect(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if err := r.ParseForm(); err != nil || len(r.PostForm["token"]) != 1 {
		s.refuseToken(w, r, oauth.V2, "introspection_refused", missing("token"))
		return
	}
	answer, upn, err := s.stands(r.PostForm.Get("token"))
	var refusal *oauth.Error
	switch {
	case errors.As(err, &refusal):
		answer = oauth.Introspection{Code: refusal.Code, Sentence: refusal.Sentence}
	case err != nil:
		s.refuseToken(w, r, oauth.V2, "introspection_refused", err)
		return
	}
	m := map[string]any{"user": upn, "active": answer.Active}
	if refusal != nil {
		m["code"] = refusal.Code.ID()
	}
	s.step(ctx, event.EntraID, event.Application, "token_introspected", "Entra ID tells the application whether the access token still stands.", m)
	web.WriteJSON(w, http.StatusOK, answer)
}

// stands is introspection without its wire: an *oauth.Error says why a token
// does not stand.
func (s *server) stands(token string) (answer oauth.Introspection, upn string, err error) {
	c, err := s.readAccessToken(token)
	if err != nil {
		return answer, "", oauth.NewError(oauth.GrantInvalid, "%s.", upperFirst(err.Error()))
	}
	p, ok := c.proofOf()
	if !ok {
		return answer, c.UPN, oauth.NewError(oauth.GrantInvalid, "The access token is not a user's.")
	}
	if _, _, err := s.standing(p); err != nil {
		return answer, c.UPN, err
	}
	return oauth.Introspection{Active: true, ClientID: c.AppID, Subject: c.Subject, Expires: oauth.Seconds(c.Expires)}, c.UPN, nil
}
