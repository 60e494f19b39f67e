package entra

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/phs"
)

// tableAnchors finds a user by what the domain, or the federation service, calls
// it: immutable id → object id.
const tableAnchors = "anchors"

// onPremises is what Connect says of an object that it synchronizes.
type onPremises struct {
	ImmutableID string    `json:"immutable_id,omitempty"` // source anchor; users have one
	Account     string    `json:"account,omitempty"`      // sAMAccountName
	Domain      string    `json:"domain,omitempty"`       // DNS name
	DN          string    `json:"dn,omitempty"`
	LastSync    time.Time `json:"last_sync"`
}

// mastered refuses a change of what the domain says.
var errMastered = &graph.Error{Code: graph.CodeForbidden, Status: http.StatusForbidden,
	Sentence: "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration."}

var errNotSynced = &graph.Error{Code: graph.CodeForbidden, Status: http.StatusForbidden,
	Sentence: "The synchronization account writes synchronized objects only."}

// mayChange says whether a request may change an object: Connect what is
// synchronized, or what it takes over by saying that it is; the administrator
// the rest. own is what the request sets besides that the domain says of a
// synchronized object.
func mayChange(q graphRequest, is *onPremises, on graph.OnPremises, own bool) error {
	switch {
	case q.sync && is == nil && !on.Synced():
		return errNotSynced
	case q.sync:
		return nil
	case is == nil && on == graph.OnPremises{ImmutableID: on.ImmutableID}:
		return nil // what a federation service calls an account that is not synchronized
	case on != graph.OnPremises{}:
		return errMastered
	case is != nil && own:
		return errMastered
	}
	return nil
}

const maxDN = 2048

// synced returns what a request of Connect makes of is.
func (s *server) synced(is *onPremises, on graph.OnPremises, anchored bool) (*onPremises, error) {
	now := onPremises{}
	if is != nil {
		now = *is
	}
	now.LastSync = s.env.Now()
	for _, f := range []struct {
		name, value string
		max         int
		to          *string
	}{
		{"onPremisesSamAccountName", on.SAMAccountName, maxDisplayName, &now.Account}, {"onPremisesDomainName", on.DomainName, maxDisplayName, &now.Domain},
		{"onPremisesDistinguishedName", on.DistinguishedName, maxDN, &now.DN},
	} {
		if len(f.value) > f.max || strings.ContainsFunc(f.value, isControl) {
			return nil, graphBad("Invalid value specified for property '%s'.", f.name)
		}
		if f.value != "" {
			*f.to = f.value
		}
	}
	switch {
	case on.ImmutableID == "" && now.ImmutableID == "" && anchored:
		return nil, graphBad("A value is required for property 'onPremisesImmutableId' of a synchronized object.")
	case on.ImmutableID == "":
	case now.ImmutableID != "" && now.ImmutableID != on.ImmutableID:
		return nil, graphBad("Property 'onPremisesImmutableId' of a synchronized object cannot be changed.")
	default:
		if !validAnchor(on.ImmutableID) {
			return nil, errAnchor
		}
		now.ImmutableID = on.ImmutableID
	}
	return &now, nil
}

// syncedPassword reads a password that Connect carries.
func syncedPassword(p *graph.PasswordHash) (*verifier, error) {
	c, err := phs.Parse(string(p.Credential))
	if err != nil {
		return nil, graphBad("Invalid value specified for property 'onPremisesPasswordHash'.")
	}
	return &verifier{Salt: c.Salt, Rounds: c.Rounds, Hash: c.Hash, NT: true}, nil
}

// show is the part of Graph's object.
func (o *onPremises) show() graph.OnPremises {
	if o == nil {
		return graph.OnPremises{}
	}
	yes := true
	return graph.OnPremises{SyncEnabled: &yes, ImmutableID: o.ImmutableID, SAMAccountName: o.Account, DomainName: o.Domain, DistinguishedName: o.DN, LastSync: graph.Time(o.LastSync)}
}

// anchor is the user's immutable id; "" for one that nobody else knows.
func (u *user) anchor() string {
	if u.OnPrem != nil {
		return u.OnPrem.ImmutableID
	}
	return u.ImmutableID
}

// anchorUser keeps the index of anchors. Two users never have one anchor.
func anchorUser(w providers.Writer, was, now *user) error {
	old, anchor := "", now.anchor()
	if was != nil {
		old = was.anchor()
	}
	if anchor == old {
		return nil
	}
	if old != "" {
		if err := w.Delete(tableAnchors, old); err != nil {
			return err
		}
	}
	if anchor == "" {
		return nil
	}
	_, taken, err := w.Get(tableAnchors, anchor)
	if err != nil {
		return err
	}
	if taken {
		return conflict("onPremisesImmutableId")
	}
	return w.Put(tableAnchors, anchor, []byte(now.ID))
}

// setAnchor takes the immutable id of an account that is not synchronized.
func (u *user) setAnchor(id string) error {
	if id == "" {
		return nil
	}
	if !validAnchor(id) {
		return errAnchor
	}
	u.ImmutableID = id
	return nil
}

var errAnchor = graphBad("Invalid value specified for property 'onPremisesImmutableId'.")

func validAnchor(id string) bool {
	raw, err := base64.StdEncoding.Strict().DecodeString(id)
	return err == nil && len(raw) > 0 && len(raw) <= 64
}

func conflict(property string) error {
	return &graph.Error{Code: graph.CodeConflict, Status: http.StatusBadRequest, Sentence: "Another object with the same value for property " + property + " already exists."}
}

// applyOnPremises writes what Connect says of a user.
func (s *server) applyOnPremises(u *user, g *graph.User) error {
	on, err := s.synced(u.OnPrem, g.OnPremises, true)
	if err != nil {
		return err
	}
	u.OnPrem, u.ImmutableID = on, ""
	if g.PasswordHash != nil {
		if u.Password, err = syncedPassword(g.PasswordHash); err != nil {
			return err
		}
		u.PasswordChanged = s.env.Now()
	}
	return nil
}

// ownUser says whether a request sets what the domain says of a synchronized
// user. Whether the account may sign in to the tenant, the tenant may say
// (Microsoft, "Revoke user access in an emergency").
func ownUser(g *graph.User) bool {
	return g.UserPrincipalName != "" || g.DisplayName != "" || g.MailNickname != "" || g.PasswordProfile != nil || g.OnPremSID != ""
}

// syncMayAsk says whether the synchronization account may ask for a path: the
// objects it writes, the memberships of its groups, and what changed.
func syncMayAsk(q graphRequest) bool {
	collection, _, _ := strings.Cut(strings.ToLower(q.path[0]), "(")
	switch collection {
	case "users", "devices":
		return len(q.path) <= 2
	case "groups":
		return true
	case "domains", "deviceregistrationissuers":
		return q.Method == http.MethodGet
	}
	return false
}
