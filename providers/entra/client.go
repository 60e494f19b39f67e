package entra

import (
	"net/url"
	"slices"
	"strings"

	"hellolab/providers/wire/oauth"
)

// publicClients are the applications that every tenant knows. None of them has
// a secret.
var publicClients = []string{
	oauth.ClientCloudAP, oauth.ClientBroker, oauth.ClientProvisioning, oauth.ClientLinuxBroker, oauth.ClientAzurePowerShell,
}

// knowsClient says whether the tenant has a public client of that id.
func knowsClient(id string) bool { return slices.Contains(publicClients, strings.ToLower(id)) }

// allowsRedirect says whether a public client may be sent a code at uri.
// Comparison is exact, but for the port of a loopback address (RFC 8252 7.3).
func (s *server) allowsRedirect(clientID, uri string) bool {
	switch uri {
	case "https://" + s.hosts.login + "/common/oauth2/nativeclient",
		"https://login.microsoftonline.com/common/oauth2/nativeclient",
		oauth.NativeRedirect(strings.ToLower(clientID)),
		oauth.NativeRedirect("DRS"), oauth.NativeRedirect("DRSFF"):
		return true
	}
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "http" && u.User == nil && u.Hostname() == "localhost" && u.Fragment == "" && u.RawQuery == "" &&
		(u.Path == "" || u.Path == "/")
}

// target is what a token is asked for.
type target struct {
	resource string // audience of the access token
	scope    string // scp of the access token
	prt      bool   // scope "aza": a primary refresh token
}

// Words of OpenID Connect and of MS-OAPXBC that a scope may hold besides a
// resource.
var plainScopes = []string{"openid", "profile", "email", "offline_access", "aza", "ugs"}

// targetOf reads resource (V1) and scope (V2). A request that names neither
// asks for Graph.
func (s *server) targetOf(resource, scope string) (target, error) {
	var t target
	for _, word := range strings.Fields(scope) {
		if slices.Contains(plainScopes, word) {
			t.prt = t.prt || word == "aza"
			continue
		}
		name, _, ok := cutLast(word, "/")
		if !ok {
			return target{}, oauth.NewError(oauth.ScopeInvalid, "The scope '%.64s' is not valid.", word)
		}
		if resource != "" && resource != name {
			return target{}, oauth.NewError(oauth.ScopeInvalid, "The scope names more than one resource.")
		}
		resource = name
	}
	switch strings.TrimSuffix(strings.ToLower(resource), "/") {
	case "", oauth.ResourceGraph, oauth.AppGraph, "https://" + s.hosts.graph:
		t.resource, t.scope = oauth.ResourceGraph, "User.Read"
	case oauth.ResourceDRS, oauth.AppDRS:
		t.resource, t.scope = oauth.ResourceDRS, "adrs_access"
	default:
		return target{}, oauth.NewError(oauth.ResourceNotFound, "The resource principal named %.128s was not found in the tenant.", resource)
	}
	return t, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
