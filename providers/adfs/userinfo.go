package adfs

import (
	"net/http"

	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/web"
)

// userinfo answers OpenID Connect Core 5.3: who the bearer of a token for the
// service itself is. AD FS says the subject only.
func (s *server) userinfo(w http.ResponseWriter, r *http.Request) {
	c, err := s.bearer(r, adfs.ResourceUserinfo)
	if err != nil {
		e := s.refusal(r.Context(), err)
		s.refused(r.Context(), "userinfo_refused", e)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		reply(w, e.Status, typeJSON, e.Encode(web.Correlation(r.Context())))
		return
	}
	web.WriteJSON(w, http.StatusOK, map[string]string{"sub": c.Subject})
}

// logout ends a sign-in at the browser (OpenID Connect RP-Initiated Logout). The
// service keeps no session there, so what is left to do is to say so, or to send
// the browser back to a client that named itself and an address of its own.
func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if back := q.Get("post_logout_redirect_uri"); back != "" && s.checkClient(q.Get("client_id"), back) == nil {
		http.Redirect(w, r, back, http.StatusFound)
		return
	}
	if err := s.show(w, http.StatusOK, adfs.Page{Done: "You have signed out. You may close this window."}); err != nil {
		s.errorPage(w, r, err)
	}
}
