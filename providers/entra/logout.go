package entra

import (
	"net/http"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

// logout ends a sign-in at the browser (OpenID Connect RP-Initiated Logout). The
// tenant keeps no session there, so what is left to do is to say so, or to
// send the browser back to a client that named itself and an address of its own.
func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, client := q.Get("post_logout_redirect_uri"), q.Get("client_id")
	if back != "" && s.checkAuthorize(oauth.AuthorizeRequest{ClientID: client, RedirectURI: back}) == nil {
		http.Redirect(w, r, back, http.StatusFound)
		return
	}
	if err := s.show(w, http.StatusOK, sas.Config{PageID: sas.PageDone}); err != nil {
		s.errorPage(w, r, err)
	}
}
