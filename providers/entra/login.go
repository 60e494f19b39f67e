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
		s.realm(w, seg[2])
	case (path == "oauth2/token" || path == "oauth2/v2.0/token") && post:
		s.token(w, r, v)
	case (path == "oauth2/authorize" || path == "oauth2/v2.0/authorize") && get:
		s.authorize(w, r, v)
	case path == "login" && post:
		s.login(w, r)
	case path == "sas/beginauth" && post:
		s.mfaStep(w, r, sas.MethodBegin, s.beginAuth)
	case path == "sas/endauth" && post:
		s.mfaStep(w, r, sas.MethodEnd, s.endAuth)
	case path == "sas/processauth" && post:
		s.processAuth(w, r)
	default:
		http.NotFound(w, r)
	}
}

// discovery answers the OpenID configuration. The documents of "common" name
// no tenant of their own in the cloud; a lab host has one tenant, so they name
// that.
func (s *server) discovery(w http.ResponseWriter, tenant string, v oauth.Version) {
	if tenant == "common" || tenant == "organizations" {
		tenant = s.cfg.TenantID
	}
	base := "https://" + s.hosts.login + "/" + tenant
	m := oauth.Metadata{
		Issuer:               s.issuer(v),
		ResponseModes:        []string{"query", "fragment", "form_post"},
		ResponseTypes:        []string{"code"},
		SubjectTypes:         []string{"pairwise"},
		SigningAlgorithms:    []string{"RS256"},
		Scopes:               []string{"openid", "profile", "offline_access"},
		TokenEndpointAuth:    []string{"client_secret_post"},
		CodeChallengeMethods: []string{"S256"},
		TenantRegion:         region,
		CloudInstanceName:    s.hosts.login,
		CloudGraphHost:       s.hosts.graph,
		GraphHost:            s.hosts.graph,
	}
	if v == oauth.V2 {
		m.AuthorizationEndpoint, m.TokenEndpoint = base+"/oauth2/v2.0/authorize", base+"/oauth2/v2.0/token"
		m.JWKSURI = base + "/discovery/v2.0/keys"
	} else {
		m.AuthorizationEndpoint, m.TokenEndpoint = base+"/oauth2/authorize", base+"/oauth2/token"
		m.JWKSURI = "https://" + s.hosts.login + "/common/discovery/keys"
		m.MultiRefreshToken = true
	}
	web.WriteJSON(w, http.StatusOK, m)
}

// region is the part of the world a tenant is in.
const region = "EU"

func (s *server) instanceDiscovery(w http.ResponseWriter, r *http.Request) {
	endpoint := r.URL.Query().Get("authorization_endpoint")
	if !strings.HasPrefix(strings.ToLower(endpoint), "https://"+s.hosts.login+"/") {
		s.refuseToken(w, r, oauth.V2, "instance_refused", oauth.NewError(oauth.InstanceUnknown))
		return
	}
	web.WriteJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + s.hosts.login + "/" + s.cfg.TenantID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []map[string]any{{
			"preferred_network": s.hosts.login, "preferred_cache": s.hosts.login, "aliases": []string{s.hosts.login, s.hosts.sts},
		}},
	})
}

// realm says who checks the passwords of a name's domain.
func (s *server) realm(w http.ResponseWriter, upn string) {
	_, domain, _ := strings.Cut(upn, "@")
	answer := map[string]string{"ver": "1.0", "account_type": "Unknown", "cloud_instance_name": s.hosts.login, "cloud_audience_urn": "urn:federation:MicrosoftOnline"}
	if domain != "common" && s.knowsTenant(domain) {
		answer["account_type"], answer["domain_name"] = "Managed", domain
	}
	web.WriteJSON(w, http.StatusOK, answer)
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
	case oauth.ClientBroker, oauth.ClientProvisioning:
		return event.WAM
	}
	return ""
}
