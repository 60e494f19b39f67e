package entra

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/web"
)

// region is the part of the world a tenant is in.
const region = "EU"

// isAnyTenant says whether a path segment names no tenant of its own.
func isAnyTenant(segment string) bool { return segment == "common" || segment == "organizations" }

// discovery answers the OpenID configuration. That of "common" is a template,
// as in the cloud: its issuer holds the words {tenantid}.
func (s *server) discovery(w http.ResponseWriter, tenant string, v oauth.Version) {
	m := oauth.Metadata{
		Issuer:               s.signInIssuer(v),
		ResponseModes:        []string{"query", "fragment", "form_post"},
		ResponseTypes:        []string{"code"},
		SubjectTypes:         []string{"pairwise"},
		SigningAlgorithms:    []string{"RS256"},
		Scopes:               []string{"openid", "profile", "email", "offline_access"},
		TokenEndpointAuth:    []string{"none", "client_secret_post"},
		CodeChallengeMethods: []string{"S256"},
		Claims: []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "preferred_username", "name", "tid", "ver",
			"oid", "upn", "email"},
		UserinfoEndpoint:  "https://" + s.hosts.graph + pathUserinfo,
		TenantRegion:      region,
		CloudInstanceName: s.hosts.login,
		CloudGraphHost:    s.hosts.graph,
		GraphHost:         s.hosts.graph,
	}
	if isAnyTenant(tenant) {
		m.Issuer = strings.Replace(m.Issuer, s.cfg.TenantID, "{tenantid}", 1)
		m.TenantRegion = ""
	} else {
		tenant = s.cfg.TenantID
	}
	base, version := "https://"+s.hosts.login+"/"+tenant, ""
	if v == oauth.V2 {
		version = "v2.0/"
		m.JWKSURI = base + "/discovery/v2.0/keys"
	} else {
		m.JWKSURI = "https://" + s.hosts.login + "/common/discovery/keys"
		m.MultiRefreshToken = true
	}
	m.AuthorizationEndpoint, m.TokenEndpoint = base+"/oauth2/"+version+"authorize", base+"/oauth2/"+version+"token"
	m.DeviceEndpoint, m.EndSessionEndpoint = base+"/oauth2/"+version+"devicecode", base+"/oauth2/"+version+"logout"
	m.IntrospectionEndpoint = base + "/oauth2/" + version + "introspect"
	web.WriteJSON(w, http.StatusOK, m)
}

// instanceDiscovery tells MSAL which hosts are one cloud, and where the
// tenant's configuration is.
func (s *server) instanceDiscovery(w http.ResponseWriter, r *http.Request) {
	endpoint, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	host := ""
	if err == nil && endpoint.Scheme == "https" {
		host, _, _ = strings.Cut(strings.ToLower(endpoint.Host), ":")
	}
	if host != s.hosts.login && host != s.hosts.sts {
		s.refuseToken(w, r, oauth.V2, "instance_refused", oauth.NewError(oauth.InstanceUnknown))
		return
	}
	tenant := s.cfg.TenantID
	if seg := segments(endpoint.Path); len(seg) > 0 && isAnyTenant(seg[0]) {
		tenant = seg[0]
	}
	web.WriteJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + s.hosts.login + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []map[string]any{{
			"preferred_network": s.hosts.login, "preferred_cache": s.hosts.login, "aliases": []string{s.hosts.login, s.hosts.sts},
		}},
	})
}

// realm says who checks the passwords of a name's domain. Clients ask for
// version 1.0; the browser's page, and tools that look at tenants, for 2.0 and 2.1.
func (s *server) realm(w http.ResponseWriter, r *http.Request, upn string) {
	_, domain, _ := strings.Cut(upn, "@")
	known := s.hasDomain(domain)
	f, err := s.federation()
	if err != nil {
		s.refuseToken(w, r, oauth.V1, "realm_refused", err)
		return
	}
	if version := r.URL.Query().Get("api-version"); version != "" && version != "1.0" {
		answer := map[string]any{"NameSpaceType": "Unknown", "Login": upn, "cloud_instance_name": s.hosts.login, "TenantBrandingInfo": nil}
		if known {
			answer["NameSpaceType"], answer["DomainName"], answer["FederationBrandName"] = "Managed", domain, s.cfg.Name
			if f != nil {
				answer["NameSpaceType"], answer["federation_protocol"], answer["AuthURL"] = "Federated", "WSTrust", f.signIn(upn, "").URL(f.Passive)
			}
		}
		web.WriteJSON(w, http.StatusOK, answer)
		return
	}
	answer := map[string]string{"ver": "1.0", "account_type": "Unknown", "cloud_instance_name": s.hosts.login, "cloud_audience_urn": saml.AudienceMicrosoftOnline}
	if known {
		answer["account_type"], answer["domain_name"] = "Managed", domain
		if f != nil {
			answer["account_type"], answer["federation_protocol"] = "Federated", "WSTrust"
			answer["federation_metadata_url"], answer["federation_active_auth_url"] = f.MEX, f.Active
		}
	}
	web.WriteJSON(w, http.StatusOK, answer)
}

// maxCredentialType bounds the body of a question for credential types.
const maxCredentialType = 64 << 10

// credentialType tells a page, before anybody typed a password, how an account
// signs in (POST GetCredentialType; recorded by open clients).
func (s *server) credentialType(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxCredentialType))
	var q *oauth.CredentialTypeRequest
	if err == nil {
		q, err = oauth.ParseCredentialTypeRequest(body)
	}
	if err != nil || q.Username == "" {
		s.refuseToken(w, r, oauth.V1, "credential_type_refused", oauth.NewError(oauth.RequestMalformed, "The request names no user."))
		return
	}
	name := strings.ToLower(strings.TrimSpace(q.Username))
	_, domain, _ := strings.Cut(name, "@")
	answer := oauth.CredentialTypeReply{Username: name, Display: name, IfExistsResult: oauth.AccountMissing, FlowToken: q.FlowToken,
		Credentials: oauth.Credentials{PrefCredential: oauth.CredentialPassword, HasPassword: true}}
	if s.hasDomain(domain) {
		answer.EstsProperties.DomainType = oauth.DomainManaged
		f, err := s.federation()
		if err != nil {
			s.refuseToken(w, r, oauth.V1, "credential_type_refused", err)
			return
		}
		switch u, err := s.user(name); {
		case err == nil:
			answer.IfExistsResult = oauth.AccountExists
			answer.Credentials.HasPassword = u.Password != nil || f != nil
		case s.oauthError(r.Context(), err).Code != oauth.UserAccountNotFound:
			answer.IfExistsResult = oauth.AccountUnsure
		}
		if f != nil {
			answer.EstsProperties.DomainType, answer.Credentials.PrefCredential = oauth.DomainFederated, oauth.CredentialFederation
			answer.Credentials.FederationRedirectURL = f.signIn(name, q.OriginalRequest).URL(f.Passive)
		}
	}
	web.WriteJSON(w, http.StatusOK, answer)
}

// hasDomain says whether names of a domain are the tenant's.
func (s *server) hasDomain(domain string) bool {
	return !isAnyTenant(domain) && domain != s.cfg.TenantID && s.knowsTenant(domain)
}
