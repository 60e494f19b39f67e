package entra

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// Words that stand for a tenant in a path where the client leaves it open.
var openTenants = []string{"common", "organizations", "consumers"}

// serveLogin hands a request to the token service of the tenant it is for. A
// lab with one tenant leaves no choice.
func (f *front) serveLogin(w http.ResponseWriter, r *http.Request, servers []*server) {
	seg := segments(r.URL.Path)
	if len(seg) == 0 {
		http.NotFound(w, r)
		return
	}
	path := strings.Join(seg[1:], "/")
	if path == "discovery/instance" && r.Method == http.MethodGet {
		f.instance(w, r, servers)
		return
	}
	if len(seg) == 1 && seg[0] == pathFederated {
		hints, _ := loginHints(r)
		orFirst(choose(servers, hints), servers).serveLogin(w, r)
		return
	}
	if !slices.Contains(openTenants, seg[0]) {
		orFirst(choose(servers, seg[:1]), servers).serveLogin(w, r)
		return
	}
	hints, form := loginHints(r)
	s := choose(servers, hints)
	if s == nil && len(servers) == 1 {
		s = servers[0]
	}
	if s != nil {
		s.serveLogin(w, organizational(r, seg[0]))
		return
	}
	v := oauth.V1
	if strings.Contains(path, "v2.0/") {
		v = oauth.V2
	}
	get, post := r.Method == http.MethodGet, r.Method == http.MethodPost
	switch {
	case strings.HasSuffix(path, ".well-known/openid-configuration") && get:
		servers[0].serveLogin(w, organizational(r, seg[0])) // a template, of no tenant in particular
	case (path == "discovery/keys" || path == "discovery/v2.0/keys") && get:
		allKeys(w, servers)
	case len(seg) == 3 && seg[1] == "userrealm" && get, path == "getcredentialtype" && post, (path == "oauth2/logout" || path == "oauth2/v2.0/logout") && get:
		servers[0].serveLogin(w, organizational(r, seg[0])) // of a name that none has, or of nobody
	case "/"+path == pathDeviceCode && (get || post):
		waitingFor(form.Get("otc"), servers).serveLogin(w, organizational(r, seg[0]))
	case (path == "oauth2/authorize" || path == "oauth2/v2.0/authorize") && get && r.URL.Query().Get("prompt") != "none":
		askName(w, r)
	case (path == "oauth2/token" || path == "oauth2/v2.0/token") && post && form.Get("grant_type") == oauth.GrantServerChallenge:
		// A device asks for a nonce before it says who signs in.
		anyone := *servers[0]
		anyone.nonceKey = f.key
		anyone.serveLogin(w, organizational(r, seg[0]))
	default:
		servers[0].refuseToken(w, r, v, "tenant_refused", oauth.NewError(oauth.TenantUnnamed))
	}
}

// organizational makes a request to consumers one to common: a lab has no
// personal accounts, and one tenant's server does not know the word.
func organizational(r *http.Request, tenant string) *http.Request {
	if tenant != "consumers" {
		return r
	}
	c := r.WithContext(r.Context())
	u := *r.URL
	if i := strings.Index(strings.ToLower(u.Path), tenant); i >= 0 {
		u.Path, u.RawPath = u.Path[:i]+"common"+u.Path[i+len(tenant):], ""
	}
	c.URL = &u
	return c
}

// waitingFor returns the tenant one of whose devices waits for a user code.
func waitingFor(userCode string, servers []*server) *server {
	for _, s := range servers {
		if _, err := s.waitingDevice(oauth.ParseUserCode(userCode)); err == nil {
			return s
		}
	}
	return servers[0]
}

// allKeys answers the signing keys of every tenant: a key says whose it is.
func allKeys(w http.ResponseWriter, servers []*server) {
	var set oauth.JWKS
	for _, s := range servers {
		set.Keys = append(set.Keys, s.keys.jwks...)
	}
	web.WriteJSON(w, http.StatusOK, set)
}

// instance answers MSAL's question whether an authority is one of Microsoft's:
// the names of the front are, and those of the lab's tenants.
func (f *front) instance(w http.ResponseWriter, r *http.Request, servers []*server) {
	var aliases []string
	for _, name := range MicrosoftHosts() {
		if microsoftDoors[name] == doorLogin && name != "autologon.microsoftazuread-sso.com" && name != "device.login.microsoftonline.com" {
			aliases = append(aliases, name)
		}
	}
	clouds := []map[string]any{{"preferred_network": microsoft.login, "preferred_cache": "login.windows.net", "aliases": aliases}}
	known := slices.Clone(aliases)
	for _, s := range servers {
		at := s.home
		clouds = append(clouds, map[string]any{"preferred_network": at.login, "preferred_cache": at.login, "aliases": []string{at.login, at.sts}})
		known = append(known, at.login)
	}
	u, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	if err != nil || u.Scheme != "https" || !slices.Contains(known, strings.ToLower(u.Host)) {
		servers[0].refuseToken(w, r, oauth.V2, "instance_refused", oauth.NewError(oauth.InstanceUnknown))
		return
	}
	tenant := "common"
	if seg := segments(u.Path); len(seg) > 0 {
		tenant = seg[0]
	}
	web.WriteJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + strings.ToLower(u.Host) + "/" + url.PathEscape(tenant) + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  clouds,
	})
}

// askName answers an authorization request that no tenant is known for: a page
// that asks who signs in and sends the request again with login_hint.
func askName(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	query := r.URL.Query()
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html><head><title>Sign in to your account</title></head><body>\n<form method=\"get\" action=\"%s\">\n",
		html.EscapeString("https://"+host+r.URL.EscapedPath()))
	for name, values := range query {
		if name == "login_hint" {
			continue
		}
		for _, v := range values {
			fmt.Fprintf(&b, "<input type=\"hidden\" name=\"%s\" value=\"%s\">\n", html.EscapeString(name), html.EscapeString(v))
		}
	}
	if given := query.Get("login_hint"); given != "" {
		fmt.Fprintf(&b, "<p role=\"alert\">No tenant of this lab has the user name %s.</p>\n", html.EscapeString(given))
	}
	b.WriteString("<label>User name <input type=\"email\" name=\"login_hint\" autocomplete=\"username\" autofocus required></label>\n" +
		"<button type=\"submit\">Next</button>\n</form>\n</body></html>\n")
	reply(w, http.StatusOK, typeHTML, b.Bytes())
}
