package entra

import (
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

// graphGroups answers /groups.
func (s *server) graphGroups(w http.ResponseWriter, q graphRequest) error {
	tail := strings.ToLower(strings.Join(q.path[min(2, len(q.path)):], "/"))
	switch {
	case len(q.path) == 1 && q.Method == http.MethodGet:
		by, value, err := filterOf(q, "displayName", "mailNickname", "onPremisesSecurityIdentifier")
		if err != nil {
			return err
		}
		keep := func(g *group) bool {
			return value == nil || by == "displayName" && g.DisplayName == *value || by == "onPremisesSecurityIdentifier" && g.OnPremSID == *value || by == "mailNickname" && strings.EqualFold(g.MailNickname, *value)
		}
		return list(s, w, q, tableGroups, keep, func(_ providers.Reader, g *group) (graph.Group, error) { return showGroup(g), nil })
	case len(q.path) == 1 && q.Method == http.MethodPost:
		return s.createGroup(w, q)
	case len(q.path) == 2 && strings.EqualFold(q.path[1], "delta") && q.Method == http.MethodGet:
		return delta(s, w, q, tableGroups, showGroup)
	case len(q.path) == 2:
		return s.graphGroup(w, q, strings.ToLower(q.path[1]))
	case tail == "members" && q.Method == http.MethodGet:
		return s.members(w, q, strings.ToLower(q.path[1]))
	case tail == "members/$ref" && q.Method == http.MethodPost:
		return s.joinGroup(w, q, strings.ToLower(q.path[1]))
	case len(q.path) == 5 && strings.EqualFold(q.path[2], "members") && q.path[4] == "$ref" && q.Method == http.MethodDelete:
		return s.leaveGroup(w, q, strings.ToLower(q.path[1]), strings.ToLower(q.path[3]))
	}
	return graphNotFound(strings.Join(q.path, "/"))
}

func showGroup(g *group) graph.Group {
	return graph.Group{ID: g.ID, DisplayName: g.DisplayName, MailNickname: g.MailNickname, SecurityEnabled: true, Created: graph.Time(g.Created), OnPremSID: g.OnPremSID, OnPremises: g.OnPrem.show()}
}

func (s *server) createGroup(w http.ResponseWriter, q graphRequest) error {
	in, err := readGraph[graph.Group](q)
	if err != nil {
		return err
	}
	if in.DisplayName == "" || !validName(in.DisplayName) || !validName(in.MailNickname) {
		return graphBad("Invalid value specified for property 'displayName' or 'mailNickname'.")
	}
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return err
	}
	g := &group{ID: id.String(), DisplayName: in.DisplayName, MailNickname: in.MailNickname, Created: s.env.Now()}
	if err := s.applySyncedGroup(q, g, in); err != nil {
		return err
	}
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		if err := checkNickname(w, g); err != nil {
			return err
		}
		return putGroup(w, g)
	})
	if err != nil {
		return err
	}
	s.changed(q, "group_created", "The administrator creates a group.", map[string]any{"group": g.DisplayName, "object_id": g.ID})
	web.WriteJSON(w, http.StatusCreated, showGroup(g))
	return nil
}

// applySyncedGroup writes what Connect says of a group, and refuses what
// another may not say.
func (s *server) applySyncedGroup(q graphRequest, g *group, in *graph.Group) error {
	if err := mayChange(q, g.OnPrem, in.OnPremises, true); err != nil {
		return err
	}
	if in.OnPremSID != "" {
		if !q.sync || !domainSID.MatchString(in.OnPremSID) {
			return graphBad("Invalid value specified for property 'onPremisesSecurityIdentifier'.")
		}
		g.OnPremSID = in.OnPremSID
	}
	if !q.sync {
		return nil
	}
	on, err := s.synced(g.OnPrem, in.OnPremises, false)
	g.OnPrem = on
	return err
}

// checkSyncedGroup refuses to change a group, or who is in it, that another
// writes.
func checkSyncedGroup(q graphRequest, g *group) error {
	return mayChange(q, g.OnPrem, graph.OnPremises{}, true)
}

// checkNickname refuses a group whose nickname another has.
func checkNickname(r providers.Reader, g *group) error {
	if g.MailNickname == "" {
		return nil
	}
	return r.Scan(tableGroups, "", func(key string, _ []byte) error {
		other, err := get[group](r, tableGroups, key)
		if err == nil && other.ID != g.ID && strings.EqualFold(other.MailNickname, g.MailNickname) {
			err = &graph.Error{Code: graph.CodeConflict, Status: http.StatusBadRequest, Sentence: "Another object with the same value for property mailNickname already exists."}
		}
		return err
	})
}

// graphGroup answers /groups/{id}.
func (s *server) graphGroup(w http.ResponseWriter, q graphRequest, id string) error {
	switch q.Method {
	case http.MethodGet:
		var g *group
		err := s.env.Section.View(func(r providers.Reader) (err error) {
			g, err = get[group](r, tableGroups, id)
			return orGraphNotFound(err, id)
		})
		if err != nil {
			return err
		}
		web.WriteJSON(w, http.StatusOK, showGroup(g))
		return nil
	case http.MethodPatch:
		in, err := readGraph[graph.Group](q)
		if err != nil {
			return err
		}
		if !validName(in.DisplayName) || !validName(in.MailNickname) {
			return graphBad("Invalid value specified for property 'displayName' or 'mailNickname'.")
		}
		err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
			g, err := get[group](w, tableGroups, id)
			if err != nil {
				return orGraphNotFound(err, id)
			}
			if err := s.applySyncedGroup(q, g, in); err != nil {
				return err
			}
			if in.DisplayName != "" {
				g.DisplayName = in.DisplayName
			}
			if in.MailNickname != "" {
				g.MailNickname = in.MailNickname
			}
			if err := checkNickname(w, g); err != nil {
				return err
			}
			return putGroup(w, g)
		})
		if err != nil {
			return err
		}
		s.changed(q, "group_updated", "The administrator changes a group.", map[string]any{"object_id": id})
		noContent(w)
		return nil
	case http.MethodDelete:
		err := s.env.Section.Update(q.Context(), func(w providers.Writer) error {
			g, err := get[group](w, tableGroups, id)
			if err != nil {
				return orGraphNotFound(err, id)
			}
			if q.sync && g.OnPrem == nil {
				return errNotSynced
			}
			return deleteGroup(w, id)
		})
		if err != nil {
			return err
		}
		s.changed(q, "group_deleted", "The administrator deletes a group.", map[string]any{"object_id": id})
		noContent(w)
		return nil
	}
	return graphBad("The method is not supported here.")
}

// directoryObject finds any object by id.
func directoryObject(r providers.Reader, id string) (*graph.DirectoryObject, error) {
	u, err := userByID(r, id)
	if err == nil {
		return &graph.DirectoryObject{Type: graph.TypeUser, ID: id, DisplayName: u.DisplayName, UserPrincipalName: u.UPN}, nil
	}
	if !errors.Is(err, errNotFound) {
		return nil, err
	}
	d, err := get[device](r, tableDevices, id)
	if err == nil {
		return &graph.DirectoryObject{Type: graph.TypeDevice, ID: id, DisplayName: d.DisplayName, DeviceID: d.DeviceID}, nil
	}
	if !errors.Is(err, errNotFound) {
		return nil, err
	}
	g, err := get[group](r, tableGroups, id)
	if err != nil {
		return nil, err
	}
	return &graph.DirectoryObject{Type: graph.TypeGroup, ID: id, DisplayName: g.DisplayName}, nil
}

// answerObjects answers the objects of ids as one page.
func (s *server) answerObjects(w http.ResponseWriter, find func(providers.Reader) ([]string, error)) error {
	page := graph.Page[graph.DirectoryObject]{Value: []graph.DirectoryObject{}}
	err := s.env.Section.View(func(r providers.Reader) error {
		ids, err := find(r)
		if err != nil {
			return err
		}
		slices.Sort(ids)
		for _, id := range ids {
			o, err := directoryObject(r, id)
			if err != nil {
				return err
			}
			page.Value = append(page.Value, *o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, page)
	return nil
}

func (s *server) members(w http.ResponseWriter, _ graphRequest, id string) error {
	return s.answerObjects(w, func(r providers.Reader) ([]string, error) {
		if _, err := get[group](r, tableGroups, id); err != nil {
			return nil, orGraphNotFound(err, id)
		}
		return below(r, tableMembers, id+"/")
	})
}

func (s *server) memberOf(w http.ResponseWriter, _ graphRequest, name string) error {
	return s.answerObjects(w, func(r providers.Reader) ([]string, error) {
		u, err := findUser(r, name)
		if err != nil {
			return nil, orGraphNotFound(err, name)
		}
		return below(r, tableMemberOf, u.ID+"/")
	})
}

// joinGroup adds a member. The cloud answers 400 for one that is there; so
// does the lab, without a change.
func (s *server) joinGroup(w http.ResponseWriter, q graphRequest, id string) error {
	ref, err := readGraph[graph.Reference](q)
	if err != nil {
		return err
	}
	member := strings.ToLower(path.Base(ref.ID))
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		g, err := get[group](w, tableGroups, id)
		if err != nil {
			return orGraphNotFound(err, id)
		}
		if err := checkSyncedGroup(q, g); err != nil {
			return err
		}
		o, err := directoryObject(w, member)
		if err != nil {
			return orGraphNotFound(err, member)
		}
		if _, there, err := w.Get(tableMembers, id+"/"+member); err != nil {
			return err
		} else if there {
			return &graph.Error{Code: graph.CodeConflict, Status: http.StatusBadRequest, Sentence: "One or more added object references already exist for the following modified properties: 'members'."}
		}
		if o.Type == graph.TypeGroup && member == id {
			return graphBad("A group cannot be a member of itself.")
		}
		return addMember(w, id, member, o.Type)
	})
	if err != nil {
		return err
	}
	s.changed(q, "member_added", "The administrator adds a member to a group.", map[string]any{"group": id, "member": member})
	noContent(w)
	return nil
}

func (s *server) leaveGroup(w http.ResponseWriter, q graphRequest, id, member string) error {
	err := s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		g, err := get[group](w, tableGroups, id)
		if err != nil {
			return orGraphNotFound(err, id)
		}
		if err := checkSyncedGroup(q, g); err != nil {
			return err
		}
		if _, there, err := w.Get(tableMembers, id+"/"+member); err != nil {
			return err
		} else if !there {
			return graphNotFound(member)
		}
		return removeMember(w, id, member)
	})
	if err != nil {
		return err
	}
	s.changed(q, "member_removed", "The administrator removes a member from a group.", map[string]any{"group": id, "member": member})
	noContent(w)
	return nil
}
