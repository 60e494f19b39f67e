package entra

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"hellolab/providers/wire/oauth"
)

// publicClients are the applications that every tenant knows, with the names
// that sign-in pages show. None of them has a secret; all are one family.
var publicClients = map[string]string{
	oauth.ClientCloudAP:         "Windows Sign In",
	oauth.ClientBroker:          "Microsoft Authentication Broker",
	oauth.ClientProvisioning:    "Windows Hello for Business",
	oauth.ClientLinuxBroker:     "Microsoft Identity Broker for Linux",
	oauth.ClientAzurePowerShell: "Azure Active Directory PowerShell",
	oauth.ClientAzureCLI:        "Microsoft Azure CLI",
	oauth.ClientGraphCLI:        "Microsoft Graph Command Line Tools",
}

// knowsClient says whether a client is one that every tenant knows.
func knowsClient(id string) bool { return publicClients[strings.ToLower(id)] != "" }

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
	return err == nil && u.Scheme == "http" && u.User == nil && isLoopback(u.Hostname()) && u.Fragment == "" && u.RawQuery == "" &&
		(u.Path == "" || u.Path == "/")
}

// isLoopback says whether a host is this machine: by name, or by an address
// that nobody can point elsewhere (RFC 8252 7.3 and 8.3).
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// target is what a token is asked for.
type target struct {
	resource string // audience of the access token
	scope    string // scp of the access token
	app      string // client id of the resource, which policies name
	prt      bool   // scope "aza": a primary refresh token
}

// Words of OpenID Connect and of MS-OAPXBC that a scope may hold besides a
// resource.
var plainScopes = []string{"openid", "profile", "email", "offline_access", "aza", "ugs"}

// targetOf reads resource (V1) and scope (V2). A request that names neither
// asks for Graph.
func (s *server) targetOf(resource, scope string) (target, error) {
	var t target
	permission := ""
	for _, word := range strings.Fields(scope) {
		if slices.Contains(plainScopes, word) {
			t.prt = t.prt || word == "aza"
			continue
		}
		name, asked, ok := cutLast(word, "/")
		if !ok {
			return target{}, oauth.NewError(oauth.ScopeInvalid, "The scope '%.64s' is not valid.", word)
		}
		if resource != "" && resource != name {
			return target{}, oauth.NewError(oauth.ScopeInvalid, "The scope names more than one resource.")
		}
		resource, permission = name, asked
	}
	switch strings.TrimSuffix(strings.ToLower(resource), "/") {
	case "", oauth.ResourceGraph, oauth.AppGraph, "https://" + s.hosts.graph:
		t.resource, t.scope, t.app = oauth.ResourceGraph, "User.Read", oauth.AppGraph
	case oauth.ResourceDRS, oauth.AppDRS:
		t.resource, t.scope, t.app = oauth.ResourceDRS, "adrs_access", oauth.AppDRS
	default:
		app, err := s.applicationTarget(strings.TrimSuffix(resource, "/"), permission)
		app.prt = t.prt
		return app, err
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

// sameFamily says whether a client may use another's refresh token: its own
// always, and those of the applications that every tenant knows are one family
// (FOCI).
func sameFamily(issuedTo, client string) bool {
	return strings.EqualFold(issuedTo, client) || knowsClient(issuedTo) && knowsClient(client)
}
