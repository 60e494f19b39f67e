package entra

import (
	"net/http"
	"strings"

	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

// serveLogin routes the token service's host. Every path begins with the
// tenant, or with "common".
func (s *server) serveLogin(w http.ResponseWriter, r *http.Request) {
	seg := segments(r.URL.Path)
	if len(seg) == 0 {
		http.NotFound(w, r)
		return
	}
	if len(seg) == 1 && seg[0] == pathFederated && r.Method == http.MethodPost {
		s.federatedReturn(w, r)
		return
	}
	v := oauth.V1
	if strings.Contains(strings.ToLower(r.URL.Path), "/v2.0/") {
		v = oauth.V2
	}
	if !s.knowsTenant(seg[0]) {
		s.refuseToken(w, r, v, "tenant_refused", oauth.NewError(oauth.TenantNotFound, "Tenant '%.64q' not found.", seg[0]))
		return
	}
	get, post := r.Method == http.MethodGet, r.Method == http.MethodPost
	switch path := strings.Join(seg[1:], "/"); {
	case path == ".well-known/openid-configuration" && get:
		s.discovery(w, seg[0], oauth.V1)
	case path == "v2.0/.well-known/openid-configuration" && get:
		s.discovery(w, seg[0], oauth.V2)
	case (path == "discovery/keys" || path == "discovery/v2.0/keys") && get:
		web.WriteJSON(w, http.StatusOK, oauth.JWKS{Keys: s.keys.jwks})
	case path == "discovery/instance" && get:
		s.instanceDiscovery(w, r)
	case len(seg) == 3 && seg[1] == "userrealm" && get:
		s.realm(w, r, seg[2])
	case path == "getcredentialtype" && post:
		s.credentialType(w, r)
	case path == "oauth2/devicecode" && post:
		s.startDeviceCode(w, r, oauth.V1)
	case path == "oauth2/v2.0/devicecode" && post:
		s.startDeviceCode(w, r, oauth.V2)
	case "/"+path == pathDeviceCode && get:
		s.deviceCodePage(w, r)
	case "/"+path == pathDeviceCode && post:
		s.enterUserCode(w, r)
	case "/"+path == pathDeviceAnswer && post:
		s.answerDevice(w, r)
	case (path == "oauth2/logout" || path == "oauth2/v2.0/logout") && get:
		s.logout(w, r)
	case (path == "oauth2/introspect" || path == "oauth2/v2.0/introspect") && post:
		s.introspect(w, r)
	case (path == "oauth2/token" || path == "oauth2/v2.0/token") && post:
		s.token(w, r, v)
	case (path == "oauth2/authorize" || path == "oauth2/v2.0/authorize") && get:
		s.authorize(w, r, v)
	case path == "login" && post:
		s.login(w, r)
	case path == "sas/beginauth" && post:
		s.mfaStep(w, r, sas.MethodBegin, s.beginAuth)
	case path == "sas/endauth" && (get || post):
		s.mfaStep(w, r, sas.MethodEnd, s.endAuth)
	case path == "sas/processauth" && post:
		s.processAuth(w, r)
	case strings.HasPrefix(path, "phone/") && post:
		s.servePhone(w, r, path)
	default:
		http.NotFound(w, r)
	}
}

// answerToken sends a reply of the token endpoint and tells that it went out.
func (s *server) answerToken(w http.ResponseWriter, r *http.Request, v oauth.Version, t oauth.TokenResponse) error {
	body, err := t.Encode(v)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, typeJSON, body)
	return nil
}

// actorOf guesses who talks to the token service, for the trace only: it
// decides nothing.
func actorOf(clientID string) event.Actor {
	switch clientID {
	case oauth.ClientCloudAP:
		return event.CloudAP
	case oauth.ClientBroker, oauth.ClientProvisioning, oauth.ClientPINReset:
		return event.WAM
	}
	return ""
}
