package entra

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
)

// Tables of applications and of what is demanded for them.
const (
	tableApplications = "applications"   // object id → application
	tableAppID        = "appid"          // client id → object id
	tableAppName      = "appname"        // unique name → object id
	tablePolicies     = "accesspolicies" // id → accessPolicy
	tablePolicyOf     = "accessfor"      // client id or "all" "/" policy's id
)

// application is a registered application: a public client, and a resource.
type application struct {
	ID           string    `json:"id"`
	ClientID     string    `json:"client_id"`
	DisplayName  string    `json:"display_name"`
	UniqueName   string    `json:"unique_name,omitempty"`
	RedirectURIs []string  `json:"redirect_uris,omitempty"`
	Created      time.Time `json:"created"`

	Roles   []string    `json:"roles,omitempty"`   // application roles at Graph
	Secrets []appSecret `json:"secrets,omitempty"` // any of them proves the application
}

const (
	appURI    = "api://"             // before the client id: the application's name as a resource
	scopeUser = "user_impersonation" // the one permission of a lab's application
	scopeAll  = ".default"           // every permission that was consented to
)

func applicationByClientID(r providers.Reader, clientID string) (*application, error) {
	id, ok, err := r.Get(tableAppID, strings.ToLower(clientID))
	if err == nil && !ok {
		err = errNotFound
	}
	if err != nil {
		return nil, err
	}
	return get[application](r, tableApplications, string(id))
}

// putApplication writes an application and its indexes. Client id and unique
// name never change.
func putApplication(w providers.Writer, a *application) error {
	if a.UniqueName != "" {
		if err := w.Put(tableAppName, a.UniqueName, []byte(a.ID)); err != nil {
			return err
		}
	}
	if err := w.Put(tableAppID, a.ClientID, []byte(a.ID)); err != nil {
		return err
	}
	return put(w, tableApplications, a.ID, a)
}

func deleteApplication(w providers.Writer, a *application) error {
	if a.UniqueName != "" {
		if err := w.Delete(tableAppName, a.UniqueName); err != nil {
			return err
		}
	}
	if err := w.Delete(tableAppID, a.ClientID); err != nil {
		return err
	}
	return w.Delete(tableApplications, a.ID)
}

// checkUniqueName refuses a name that another application was made with.
func checkUniqueName(r providers.Reader, name string) error {
	if name == "" {
		return nil
	}
	_, taken, err := r.Get(tableAppName, name)
	if err == nil && taken {
		err = &graph.Error{Code: graph.CodeConflict, Status: http.StatusBadRequest, Sentence: "Another object with the same value for property uniqueName already exists."}
	}
	return err
}

// client finds who asks: nil for an application that every tenant knows. One
// that nobody knows is refused.
func (s *server) client(id string) (app *application, err error) {
	if knowsClient(id) {
		return nil, nil
	}
	err = s.env.Section.View(func(r providers.Reader) error {
		app, err = applicationByClientID(r, id)
		return err
	})
	if errors.Is(err, errNotFound) {
		return nil, oauth.NewError(oauth.ApplicationNotFound, "Application with identifier '%.64s' was not found in the tenant.", id)
	}
	return app, err
}

// clientName is what a sign-in page calls a client.
func (s *server) clientName(id string) string {
	if name := publicClients[strings.ToLower(id)]; name != "" {
		return name
	}
	app, err := s.client(id)
	if err != nil {
		return id // it was found when the sign-in began
	}
	return app.DisplayName
}

// checkClient is client for those who need no more than the refusal.
func (s *server) checkClient(id string) error {
	_, err := s.client(id)
	return err
}

// allows says whether a code may be sent to uri: a redirect URI of the
// application's, or that of its broker on a device, compared exactly. Of a
// loopback address the port does not count (RFC 8252 7.3): a native client
// listens where it can.
func (a *application) allows(uri string) bool {
	if uri == oauth.NativeRedirect(a.ClientID) || slices.Contains(a.RedirectURIs, uri) {
		return true
	}
	at, ok := loopback(uri)
	if !ok {
		return false
	}
	return slices.ContainsFunc(a.RedirectURIs, func(own string) bool {
		known, ok := loopback(own)
		return ok && known == at
	})
}

// loopback returns a loopback redirect URI without its port.
func loopback(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Opaque != "" || u.Fragment != "" || strings.Contains(uri, "#") {
		return "", false
	}
	host := u.Hostname()
	if host != "localhost" && host != "127.0.0.1" && host != "::1" {
		return "", false
	}
	u.Host = host
	return u.String(), true
}

// validRedirect says whether uri may be registered: https, a scheme of the
// application's own, or http on the machine itself.
func validRedirect(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || !u.IsAbs() || u.User != nil || strings.Contains(uri, "#") || len(uri) > 256 || strings.ContainsFunc(uri, isControl) {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Hostname() != ""
	case "http":
		_, ok := loopback(uri)
		return ok
	case "javascript", "data", "vbscript", "file", "blob", "about":
		return false
	}
	return true
}

// applicationTarget reads the name of an application as a resource: its client
// id or "api://" and that, with a permission of its own. The audience of the
// token is the name that was used.
func (s *server) applicationTarget(resource, permission string) (target, error) {
	unknown := oauth.NewError(oauth.ResourceNotFound, "The resource principal named %.128s was not found in the tenant.", resource)
	name, byURI := strings.CutPrefix(strings.ToLower(resource), appURI)
	id, err := guid.Parse(name)
	if err != nil {
		return target{}, unknown
	}
	var app *application
	err = s.env.Section.View(func(r providers.Reader) error {
		app, err = applicationByClientID(r, id.String())
		return err
	})
	switch {
	case errors.Is(err, errNotFound):
		return target{}, unknown
	case err != nil:
		return target{}, err
	case permission != "" && permission != scopeAll && permission != scopeUser:
		return target{}, oauth.NewError(oauth.ScopeInvalid, "The application %s has no scope '%.64s'.", app.ClientID, permission)
	}
	t := target{resource: app.ClientID, scope: scopeUser, app: app.ClientID}
	if byURI {
		t.resource = appURI + app.ClientID
	}
	return t, nil
}
