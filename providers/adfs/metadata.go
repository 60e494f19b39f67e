package adfs

import (
	"net/http"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// publishKeys answers the token-signing keys: the one in use, and former ones
// for their overlap.
func (s *server) publishKeys(w http.ResponseWriter) {
	set := oauth.JWKS{Keys: []oauth.JWK{}}
	for _, k := range s.keys.published(s.env.Now()) {
		jwk, err := oauth.NewJWK(k.cert, "")
		if err != nil {
			http.Error(w, "The service's keys cannot be published.", http.StatusInternalServerError)
			return
		}
		set.Keys = append(set.Keys, jwk)
	}
	web.WriteJSON(w, http.StatusOK, set)
}
