package entra

import (
	"net/http"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

// graphRisk answers /identityProtection/riskyUsers: what the cloud's detections
// think of users. No detection runs in a lab; its administrator says what one
// would have found, by PATCH, which the cloud does not have.
func (s *server) graphRisk(w http.ResponseWriter, q graphRequest) error {
	switch {
	case len(q.path) < 2 || len(q.path) > 3 || !strings.EqualFold(q.path[1], "riskyUsers"):
		return graphNotFound(strings.Join(q.path, "/"))
	case len(q.path) == 2 && q.Method == http.MethodGet:
		return list(s, w, q, tableUsers, func(u *user) bool { return u.riskLevel() != riskNone },
			func(_ providers.Reader, u *user) (graph.RiskyUser, error) { return showRisk(u), nil })
	case len(q.path) == 2:
		return graphBad("The method is not supported here.")
	}
	id, err := guid.Parse(q.path[2])
	if err != nil {
		return graphNotFound(q.path[2])
	}
	switch q.Method {
	case http.MethodGet:
		u, err := s.lookupUser(id.String())
		if err != nil {
			return err
		}
		web.WriteJSON(w, http.StatusOK, showRisk(u))
		return nil
	case http.MethodPatch:
		in, err := readGraph[graph.RiskyUser](q)
		if err != nil {
			return err
		}
		if !slices.Contains(riskLevels, in.RiskLevel) {
			return graphBad("Invalid value specified for property 'riskLevel': it is none, low, medium or high.")
		}
		u, err := s.changeUser(q, id.String(), func(u *user) error {
			u.Risk, u.RiskUpdated = in.RiskLevel, s.env.Now()
			return nil
		})
		if err != nil {
			return err
		}
		s.changed(q, "risk_changed", "The risk of a user changes.", map[string]any{"user": u.UPN, "risk": u.riskLevel()})
		noContent(w)
		return nil
	}
	return graphBad("The method is not supported here.")
}

func showRisk(u *user) graph.RiskyUser {
	state := "atRisk"
	if u.riskLevel() == riskNone {
		state = "none"
	}
	return graph.RiskyUser{ID: u.ID, UserPrincipalName: u.UPN, RiskLevel: u.riskLevel(), RiskState: state, LastUpdated: graph.Time(u.RiskUpdated)}
}
