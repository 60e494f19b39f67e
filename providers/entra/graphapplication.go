package entra

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

var (
	applicationKey = regexp.MustCompile(`(?i)^applications\(appid='([0-9a-f-]{36})'\)$`)
	uniqueName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$`)
)

// maxRedirects is the cloud's, of an application for work accounts.
const maxRedirects = 256

// graphApplications answers /applications.
func (s *server) graphApplications(w http.ResponseWriter, q graphRequest) error {
	key := applicationKey.FindStringSubmatch(q.path[0])
	switch {
	case key != nil && len(q.path) == 1:
		return s.graphApplication(w, q, func(r providers.Reader) (*application, error) { return applicationByClientID(r, key[1]) })
	case !strings.EqualFold(q.path[0], "applications"):
		return graphBad("The alternate key is malformed.")
	case len(q.path) == 1 && q.Method == http.MethodGet:
		by, value, err := filterOf(q, "displayName", "appId", "uniqueName")
		if err != nil {
			return err
		}
		keep := func(a *application) bool {
			return value == nil || by == "displayName" && a.DisplayName == *value || by == "appId" && strings.EqualFold(a.ClientID, *value) ||
				by == "uniqueName" && a.UniqueName == *value
		}
		return list(s, w, q, tableApplications, keep, func(_ providers.Reader, a *application) (graph.Application, error) { return showApplication(a), nil })
	case len(q.path) == 1 && q.Method == http.MethodPost:
		return s.createApplication(w, q)
	case len(q.path) == 3 && q.Method == http.MethodPost:
		return s.applicationSecrets(w, q, strings.ToLower(q.path[1]), strings.ToLower(q.path[2]))
	case len(q.path) == 2:
		id := strings.ToLower(q.path[1])
		return s.graphApplication(w, q, func(r providers.Reader) (*application, error) { return get[application](r, tableApplications, id) })
	}
	return graphNotFound(strings.Join(q.path, "/"))
}

func showApplication(a *application) graph.Application {
	g := graph.Application{ID: a.ID, AppID: a.ClientID, DisplayName: a.DisplayName, UniqueName: a.UniqueName, IdentifierURIs: []string{appURI + a.ClientID},
		PublicClient: &graph.PublicClient{RedirectURIs: append([]string{}, a.RedirectURIs...)}, Created: graph.Time(a.Created)}
	for _, secret := range a.Secrets {
		g.Passwords = append(g.Passwords, secret.show())
	}
	if len(a.Roles) > 0 {
		g.RequiredAccess = []graph.ResourceAccess{{ResourceAppID: oauth.AppGraph, Access: []graph.Permission{{ID: graph.RoleSync, Type: permissionRole}}}}
	}
	return g
}

func (s *server) createApplication(w http.ResponseWriter, q graphRequest) error {
	in, err := readGraph[graph.Application](q)
	if err != nil {
		return err
	}
	if in.DisplayName == "" {
		return graphBad("A value is required for property 'displayName'.")
	}
	if in.UniqueName != "" && !uniqueName.MatchString(in.UniqueName) {
		return graphBad("Invalid value specified for property 'uniqueName'.")
	}
	a := &application{UniqueName: in.UniqueName, Created: s.env.Now()}
	for _, id := range []*string{&a.ID, &a.ClientID} {
		made, err := guid.New(s.env.Rand)
		if err != nil {
			return err
		}
		*id = made.String()
	}
	if err := a.apply(in); err != nil {
		return err
	}
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		if err := checkUniqueName(w, a.UniqueName); err != nil {
			return err
		}
		return putApplication(w, a)
	})
	if err != nil {
		return err
	}
	s.changed(q, "application_created", "The administrator registers an application.", map[string]any{"application": a.DisplayName, "client_id": a.ClientID})
	web.WriteJSON(w, http.StatusCreated, showApplication(a))
	return nil
}

// apply writes what a request sets into an application.
func (a *application) apply(in *graph.Application) error {
	if !validName(in.DisplayName) {
		return graphBad("Invalid value specified for property 'displayName'.")
	}
	if in.DisplayName != "" {
		a.DisplayName = in.DisplayName
	}
	if in.RequiredAccess != nil {
		var err error
		if a.Roles, err = rolesOf(in.RequiredAccess); err != nil {
			return err
		}
	}
	if in.PublicClient == nil {
		return nil
	}
	uris := in.PublicClient.RedirectURIs
	if len(uris) > maxRedirects || slices.ContainsFunc(uris, func(u string) bool { return !validRedirect(u) }) {
		return graphBad("Invalid value specified for property 'redirectUris': each is an absolute URI without a fragment, and http is for the machine itself.")
	}
	a.RedirectURIs = slices.Clone(uris)
	return nil
}

// graphApplication answers one application.
func (s *server) graphApplication(w http.ResponseWriter, q graphRequest, find func(providers.Reader) (*application, error)) error {
	return answerOne(s, w, q, graphOne[application, graph.Application]{
		kind: "application", text: "an application", find: find,
		show: func(a *application) any { return showApplication(a) },
		tell: func(a *application) map[string]any {
			return map[string]any{"application": a.DisplayName, "client_id": a.ClientID}
		},
		patch: func(w providers.Writer, a *application, in *graph.Application) error {
			if in.UniqueName != "" && in.UniqueName != a.UniqueName {
				return graphBad("Property 'uniqueName' is read-only and cannot be set.")
			}
			if err := a.apply(in); err != nil {
				return err
			}
			return putApplication(w, a)
		},
		drop: deleteApplication,
	})
}
