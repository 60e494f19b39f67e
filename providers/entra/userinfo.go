package entra

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// pathUserinfo is the UserInfo endpoint, which Graph's host answers.
const pathUserinfo = "/oidc/userinfo"

// subject is the name of a user towards one client: pairwise, so that two
// clients cannot compare (OpenID Connect Core 8.1).
func (s *server) subject(clientID, userID string) string {
	mac := hmac.New(sha256.New, s.subjectKey)
	mac.Write([]byte(strings.ToLower(clientID) + "\x00" + userID))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// userinfo answers OpenID Connect Core 5.3: who the bearer of a token for Graph
// is, in the words of the client it was issued to.
func (s *server) userinfo(w http.ResponseWriter, r *http.Request) error {
	c, err := s.bearer(r, oauth.ResourceGraph)
	if err == nil && c.IDType == "app" {
		err = errors.New("the access token stands for no user")
	}
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return &graph.Error{Code: graph.CodeUnauthorized, Status: http.StatusUnauthorized, Sentence: upperFirst(err.Error()) + "."}
	}
	var u *user
	err = s.env.Section.View(func(r providers.Reader) error {
		u, err = userByID(r, c.ObjectID)
		return orGraphNotFound(err, c.ObjectID)
	})
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, map[string]string{"sub": c.Subject, "name": u.DisplayName, "email": u.UPN})
	return nil
}
