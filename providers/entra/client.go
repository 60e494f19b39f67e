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
	oauth.ClientPINReset:        "Microsoft Pin Reset Client Production",
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
	resource string   // audience of the access token
	scope    string   // scp of the access token: the one permission there is to each resource
	app      string   // client id of the resource, which policies name
	prt      bool     // scope "aza": a primary refresh token
	granted  []string // words of the scope that are granted, as they were asked for; V2 answers them
}

// Words of OpenID Connect and of MS-OAPXBC that a scope may hold besides a
// resource.
var plainScopes = []string{"openid", "profile", "email", "offline_access", "aza", "ugs"}

// scopeGraph is the permission to Graph, which may be asked for by this short name.
const scopeGraph = "User.Read"

// targetOf reads resource (V1) and scope (V2). A request that names neither
// asks for Graph.
func (s *server) targetOf(resource, scope string) (target, error) {
	var plain []string
	asked := map[string]string{} // word → permission
	permission := ""
	for _, word := range strings.Fields(scope) {
		if slices.Contains(plainScopes, word) {
			plain = append(plain, word)
			continue
		}
		name, named, ok := cutLast(word, "/")
		switch {
		case !ok && strings.EqualFold(word, scopeGraph):
			name, named = oauth.ResourceGraph, word
		case !ok:
			return target{}, oauth.NewError(oauth.ScopeInvalid, "The scope '%.64s' is not valid.", word)
		}
		if resource != "" && resource != name {
			return target{}, oauth.NewError(oauth.ScopeInvalid, "The scope names more than one resource.")
		}
		resource, permission, asked[word] = name, named, named
	}
	t, err := s.resourceTarget(resource, permission)
	if err != nil {
		return target{}, err
	}
	t.prt = slices.Contains(plain, "aza")
	t.granted = slices.DeleteFunc(plain, func(w string) bool { return w == "offline_access" }) // as the cloud answers
	for word, named := range asked {
		if named == scopeAll || strings.EqualFold(named, t.scope) {
			t.granted = append(t.granted, word)
		}
	}
	slices.Sort(t.granted)
	return t, nil
}

func (s *server) resourceTarget(resource, permission string) (target, error) {
	switch strings.TrimSuffix(strings.ToLower(resource), "/") {
	case "", oauth.ResourceGraph, oauth.AppGraph, "https://" + s.hosts.graph:
		return target{resource: oauth.ResourceGraph, scope: scopeGraph, app: oauth.AppGraph}, nil
	case oauth.ResourceDRS, oauth.AppDRS:
		return target{resource: oauth.ResourceDRS, scope: "adrs_access", app: oauth.AppDRS}, nil
	case oauth.ResourcePINReset, oauth.AppPINReset:
		return target{resource: oauth.ResourcePINReset, scope: "user_impersonation", app: oauth.AppPINReset}, nil
	}
	return s.applicationTarget(strings.TrimSuffix(resource, "/"), permission)
}

// reply is the scope of a token endpoint's reply.
func (t target) reply(v oauth.Version) string {
	if v == oauth.V1 || len(t.granted) == 0 {
		return t.scope
	}
	return strings.Join(t.granted, " ")
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
