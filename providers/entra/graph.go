package entra

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// graphRequest is a request of the administrator below /v1.0 or /beta.
type graphRequest struct {
	*http.Request
	path []string // segments behind the version, letter case kept
	sync bool     // Connect asks, not the administrator
}

// serveGraph routes Graph's host. All of it is the lab administrator's, but for
// the UserInfo endpoint, and what Entra Connect needs.
func (s *server) serveGraph(w http.ResponseWriter, r *http.Request) {
	if err := s.graph(w, r); err != nil {
		s.refuseGraph(w, r, err)
	}
}

func (s *server) graph(w http.ResponseWriter, r *http.Request) error {
	if strings.EqualFold(r.URL.Path, pathUserinfo) && (r.Method == http.MethodGet || r.Method == http.MethodPost) {
		return s.userinfo(w, r)
	}
	c, err := s.bearer(r, oauth.ResourceGraph)
	if err != nil {
		return &graph.Error{Code: graph.CodeUnauthorized, Status: http.StatusUnauthorized, Sentence: upperFirst(err.Error()) + "."}
	}
	forbidden := &graph.Error{Code: graph.CodeForbidden, Status: http.StatusForbidden, Sentence: "Insufficient privileges to complete the operation."}
	sync := !slices.Contains(c.Roles, roleAdmin)
	if c.IDType != "app" || sync && !slices.Contains(c.Roles, roleSync) {
		return forbidden
	}
	path := strings.FieldsFunc(r.URL.Path, func(r rune) bool { return r == '/' })
	if len(path) < 2 || !(strings.EqualFold(path[0], "v1.0") || strings.EqualFold(path[0], "beta")) {
		return graphNotFound("path")
	}
	q := graphRequest{r, path[1:], sync}
	if sync && !syncMayAsk(q) {
		return forbidden
	}
	switch collection := strings.ToLower(q.path[0]); {
	case collection == "users":
		return s.graphUsers(w, q)
	case collection == "groups":
		return s.graphGroups(w, q)
	case collection == "devices":
		return s.graphDevices(w, q)
	case strings.HasPrefix(collection, "devices("):
		// devices(deviceId='…'), the alternate key.
		m := deviceKey.FindStringSubmatch(q.path[0])
		if m == nil {
			return graphBad("The alternate key is malformed.")
		}
		return s.graphDevice(w, q, func(r providers.Reader) (*device, error) { return deviceByDeviceID(r, m[1]) })
	case collection == "applications", strings.HasPrefix(collection, "applications("):
		return s.graphApplications(w, q)
	case collection == "domains":
		return s.graphDomains(w, q)
	case collection == "deviceregistrationissuers" && len(q.path) == 1 && r.Method == http.MethodGet:
		return s.deviceIssuers(w)
	case collection == "kerberosservers":
		return s.graphKerberos(w, q)
	case collection == "identity":
		return s.graphPolicies(w, q)
	case collection == "identityprotection":
		return s.graphRisk(w, q)
	}
	return graphNotFound(q.path[0])
}

var (
	deviceKey = regexp.MustCompile(`(?i)^devices\(deviceid='([0-9a-f-]{36})'\)$`)
	equality  = regexp.MustCompile(`^([A-Za-z]+) eq '((?:[^']|'')*)'$`)
)

func graphBad(sentence string, args ...any) error {
	return &graph.Error{Code: graph.CodeBadRequest, Status: http.StatusBadRequest, Sentence: fmt.Sprintf(sentence, args...)}
}

func graphNotFound(what string) error {
	return &graph.Error{Code: graph.CodeNotFound, Status: http.StatusNotFound, Sentence: fmt.Sprintf("Resource '%.128s' does not exist.", what)}
}

// orGraphNotFound turns errNotFound into Graph's answer.
func orGraphNotFound(err error, what string) error {
	if errors.Is(err, errNotFound) {
		return graphNotFound(what)
	}
	return err
}

const maxGraphBody = 256 << 10

// readGraph decodes a request's body.
func readGraph[T any](q graphRequest) (*T, error) {
	body, err := io.ReadAll(io.LimitReader(q.Body, maxGraphBody))
	if err != nil {
		return nil, graphBad("The request body cannot be read.")
	}
	v, err := graph.Parse[T](body)
	if err != nil {
		return nil, graphBad("The request body is not the JSON of this resource.")
	}
	return v, nil
}

// filterOf reads $filter, of which "name eq 'value'" is supported; names are
// those given. Without a filter value is nil.
func filterOf(q graphRequest, names ...string) (name string, value *string, err error) {
	text := q.URL.Query().Get("$filter")
	if text == "" {
		return "", nil, nil
	}
	m := equality.FindStringSubmatch(text)
	if m == nil {
		return "", nil, graphBad("The filter is not supported; use: %s eq 'value'.", names[0])
	}
	for _, n := range names {
		if strings.EqualFold(n, m[1]) {
			v := strings.ReplaceAll(m[2], "''", "'")
			return n, &v, nil
		}
	}
	return "", nil, graphBad("The property '%.64s' cannot be filtered by.", m[1])
}

// Pages of a list.
const maxPageSize = 100

// list answers one page of a table, in key order. keep, when given, decides
// which values are in the list; show makes one of them Graph's.
func list[T, G any](s *server, w http.ResponseWriter, q graphRequest, table string, keep func(*T) bool, show func(providers.Reader, *T) (G, error)) error {
	query := q.URL.Query()
	size := maxPageSize
	if top := query.Get("$top"); top != "" {
		n, err := strconv.Atoi(top)
		if err != nil || n < 1 {
			return graphBad("$top is not a positive number.")
		}
		size = min(n, maxPageSize)
	}
	after, err := base64.RawURLEncoding.DecodeString(query.Get("$skiptoken"))
	if err != nil {
		return graphBad("$skiptoken is malformed.")
	}
	page := graph.Page[G]{Value: []G{}}
	err = s.env.Section.View(func(r providers.Reader) error {
		last := ""
		err := r.Scan(table, "", func(key string, _ []byte) error {
			if key <= string(after) {
				return nil
			}
			v, err := get[T](r, table, key)
			if err != nil || keep != nil && !keep(v) {
				return err
			}
			if len(page.Value) == size {
				page.NextLink = s.nextLink(q, last)
				return errEnough
			}
			g, err := show(r, v)
			page.Value, last = append(page.Value, g), key
			return err
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, page)
	return nil
}

func (s *server) nextLink(q graphRequest, last string) string {
	query := q.URL.Query()
	query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(last)))
	u := url.URL{Scheme: "https", Host: s.hosts.graph, Path: q.URL.Path, RawQuery: query.Encode()}
	return u.String()
}

// changed tells of a change that the administrator made, or Connect.
func (s *server) changed(q graphRequest, step, text string, message map[string]any) {
	if q.sync {
		text = strings.Replace(text, "The administrator", "Entra Connect", 1)
	}
	s.step(q.Context(), event.Graph, event.EntraID, step, text, message)
}

func noContent(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }
