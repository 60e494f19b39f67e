package entra

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

// graphUsers answers /users.
func (s *server) graphUsers(w http.ResponseWriter, q graphRequest) error {
	switch {
	case len(q.path) == 1 && q.Method == http.MethodGet:
		by, value, err := filterOf(q, "userPrincipalName", "onPremisesImmutableId")
		if err != nil {
			return err
		}
		keep := func(u *user) bool {
			return value == nil || by == "userPrincipalName" && strings.EqualFold(u.UPN, *value) || by == "onPremisesImmutableId" && *value != "" && u.anchor() == *value
		}
		return list(s, w, q, tableUsers, keep, func(_ providers.Reader, u *user) (graph.User, error) { return showUser(u), nil })
	case len(q.path) == 1 && q.Method == http.MethodPost:
		return s.createUser(w, q)
	case len(q.path) == 2 && strings.EqualFold(q.path[1], "delta") && q.Method == http.MethodGet:
		return delta(s, w, q, tableUsers, showUser)
	case len(q.path) == 2:
		return s.graphUser(w, q, q.path[1])
	case len(q.path) >= 3:
		sub := strings.ToLower(strings.Join(q.path[2:], "/"))
		switch {
		case sub == "revokesigninsessions" && q.Method == http.MethodPost:
			return s.revokeSessions(w, q, q.path[1])
		case sub == "memberof" && q.Method == http.MethodGet:
			return s.memberOf(w, q, q.path[1])
		case strings.HasPrefix(sub, "authentication/softwareoathmethods"):
			return s.oathMethods(w, q, q.path[1], q.path[4:])
		case strings.HasPrefix(sub, "authentication/microsoftauthenticatormethods"):
			return s.authenticatorMethods(w, q, q.path[1], q.path[4:])
		case strings.HasPrefix(sub, "authentication/windowshelloforbusinessmethods"):
			return s.helloMethods(w, q, q.path[1], q.path[4:])
		}
	}
	return graphNotFound(strings.Join(q.path, "/"))
}

// showUser makes a user Graph's. Of secrets it has none.
func showUser(u *user) graph.User {
	g := graph.User{ID: u.ID, UserPrincipalName: u.UPN, DisplayName: u.DisplayName, MailNickname: u.MailNickname, AccountEnabled: &u.Enabled,
		Created: graph.Time(u.Created), SessionsValidFrom: graph.Time(u.SessionsValidFrom), PasswordChanged: graph.Time(u.PasswordChanged), OnPremSID: u.OnPremSID, OnPremises: u.OnPrem.show()}
	g.ImmutableID = u.anchor()
	for _, k := range u.HelloKeys {
		level := "notAttested"
		if k.Attested {
			level = "attested"
		}
		g.HelloKeys = append(g.HelloKeys, graph.DeviceKey{ID: k.ID, Usage: "NGC", KeyIdentifier: k.KeyID, KeyMaterial: k.Blob, Created: graph.Time(k.Created),
			DeviceID: k.DeviceID, CustomKeyInformation: graph.CustomKeyInformation, AttestationLevel: level})
	}
	return g
}

func (s *server) createUser(w http.ResponseWriter, q graphRequest) error {
	g, err := readGraph[graph.User](q)
	if err != nil {
		return err
	}
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return err
	}
	now := s.env.Now()
	u := &user{ID: id.String(), Enabled: true, Created: now, DisplayName: g.UserPrincipalName}
	if g.UserPrincipalName == "" {
		return graphBad("A value is required for property 'userPrincipalName'.")
	}
	if err := mayChange(q, nil, g.OnPremises, false); err != nil {
		return err
	}
	if err := s.applyUser(u, g); err != nil {
		return err
	}
	if q.sync {
		if err := s.applyOnPremises(u, g); err != nil {
			return err
		}
	} else if u.ImmutableID == "" && s.cfg.federated() {
		return graphBad("A value is required for property 'onPremisesImmutableId' of a user of a federated domain.")
	}
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		if _, err := userByUPN(w, u.UPN); err == nil {
			return conflict("userPrincipalName")
		} else if !errors.Is(err, errNotFound) {
			return err
		}
		return putUser(w, nil, u)
	})
	if err != nil {
		return err
	}
	s.changed(q, "user_created", "The administrator creates a user.", map[string]any{"user": u.UPN, "object_id": u.ID})
	web.WriteJSON(w, http.StatusCreated, showUser(u))
	return nil
}

// applyUser writes what a request sets into a user.
func (s *server) applyUser(u *user, g *graph.User) error {
	if g.UserPrincipalName != "" {
		if !s.validUPN(g.UserPrincipalName) {
			return graphBad("Invalid value specified for property 'userPrincipalName': it must be a name and one of the tenant's domains.")
		}
		u.UPN = g.UserPrincipalName
	}
	for _, f := range []struct {
		name, value string
		to          *string
	}{{"displayName", g.DisplayName, &u.DisplayName}, {"mailNickname", g.MailNickname, &u.MailNickname}} {
		if f.value == "" {
			continue
		}
		if !validName(f.value) {
			return graphBad("Invalid value specified for property '%s'.", f.name)
		}
		*f.to = f.value
	}
	if g.OnPremSID != "" {
		if !domainSID.MatchString(g.OnPremSID) {
			return graphBad("Invalid value specified for property 'onPremisesSecurityIdentifier'.")
		}
		u.OnPremSID = g.OnPremSID
	}
	if u.OnPrem == nil {
		if err := u.setAnchor(g.ImmutableID); err != nil {
			return err
		}
	}
	if g.AccountEnabled != nil {
		u.Enabled = *g.AccountEnabled
	}
	if p := g.PasswordProfile; p != nil {
		if p.Password == "" || len(p.Password) > maxPasswordSize {
			return graphBad("The specified password does not comply with password complexity requirements: 1 to %d bytes.", maxPasswordSize)
		}
		v, err := newVerifier(s.env.Rand, string(p.Password))
		if err != nil {
			return err
		}
		u.Password, u.PasswordChanged = v, s.env.Now()
	}
	return nil
}

// domainSID is the identifier of an account in a domain (MS-DTYP 2.4.2.4).
var domainSID = regexp.MustCompile(`^S-1-5-21(-[0-9]{1,10}){4}$`)

// validName says whether a display name may be stored: text without controls.
func validName(s string) bool {
	return len(s) <= maxDisplayName && utf8.ValidString(s) && !strings.ContainsFunc(s, isControl)
}

// validUPN says whether a name may sign in: the characters that Entra ID
// allows, and one of the tenant's domains.
func (s *server) validUPN(upn string) bool {
	local, domain, ok := strings.Cut(upn, "@")
	if !ok || local == "" || len(local) > 64 || !slices.Contains(*s.domains.Load(), strings.ToLower(domain)) || strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") {
		return false
	}
	for _, c := range []byte(local) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("'.-_!#^~", c) >= 0) {
			return false
		}
	}
	return true
}

// graphUser answers /users/{id or UPN}.
func (s *server) graphUser(w http.ResponseWriter, q graphRequest, name string) error {
	switch q.Method {
	case http.MethodGet:
		u, err := s.lookupUser(name)
		if err != nil {
			return err
		}
		web.WriteJSON(w, http.StatusOK, showUser(u))
		return nil
	case http.MethodPatch:
		g, err := readGraph[graph.User](q)
		if err != nil {
			return err
		}
		// The password's verifier is made outside the transaction: it is slow.
		draft, own := &user{}, ownUser(g)
		if err := s.applyUser(draft, &graph.User{PasswordProfile: g.PasswordProfile}); err != nil {
			return err
		}
		g.PasswordProfile = nil
		u, err := s.changeUser(q, name, func(u *user) error {
			if err := mayChange(q, u.OnPrem, g.OnPremises, own); err != nil {
				return err
			}
			if q.sync {
				if err := s.applyOnPremises(u, g); err != nil {
					return err
				}
			}
			if draft.Password != nil {
				u.Password, u.PasswordChanged = draft.Password, draft.PasswordChanged
			}
			return s.applyUser(u, g)
		})
		if err != nil {
			return err
		}
		s.changed(q, "user_updated", "The administrator changes a user.", map[string]any{"user": u.UPN, "enabled": u.Enabled, "password_changed": draft.Password != nil || g.PasswordHash != nil})
		noContent(w)
		return nil
	case http.MethodDelete:
		var gone *user
		err := s.env.Section.Update(q.Context(), func(w providers.Writer) error {
			u, err := findUser(w, name)
			if err != nil {
				return orGraphNotFound(err, name)
			}
			if q.sync && u.OnPrem == nil {
				return errNotSynced
			}
			gone = u
			return deleteUser(w, u)
		})
		if err != nil {
			return err
		}
		s.changed(q, "user_deleted", "The administrator deletes a user.", map[string]any{"user": gone.UPN})
		noContent(w)
		return nil
	}
	return graphBad("The method is not supported here.")
}

func (s *server) lookupUser(name string) (u *user, err error) {
	err = s.env.Section.View(func(r providers.Reader) error {
		u, err = findUser(r, name)
		return err
	})
	return u, orGraphNotFound(err, name)
}

// changeUser changes a user in one transaction.
func (s *server) changeUser(q graphRequest, name string, change func(*user) error) (u *user, err error) {
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		was, err := findUser(w, name)
		if err != nil {
			return orGraphNotFound(err, name)
		}
		now := *was
		now.HelloKeys, now.OATH = slices.Clone(was.HelloKeys), slices.Clone(was.OATH)
		if err := change(&now); err != nil {
			return err
		}
		if !strings.EqualFold(was.UPN, now.UPN) {
			if _, err := userByUPN(w, now.UPN); err == nil {
				return conflict("userPrincipalName")
			} else if !errors.Is(err, errNotFound) {
				return err
			}
		}
		u = &now
		return putUser(w, was, &now)
	})
	return u, err
}

func (s *server) revokeSessions(w http.ResponseWriter, q graphRequest, name string) error {
	u, err := s.changeUser(q, name, func(u *user) error { u.SessionsValidFrom = s.env.Now(); return nil })
	if err != nil {
		return err
	}
	s.changed(q, "sessions_revoked", "The administrator revokes all sessions of a user.", map[string]any{"user": u.UPN})
	web.WriteJSON(w, http.StatusOK, map[string]any{"value": true})
	return nil
}

// oathMethods answers a user's authenticator apps.
func (s *server) oathMethods(w http.ResponseWriter, q graphRequest, name string, rest []string) error {
	show := func(m oathMethod) graph.SoftwareOathMethod {
		return graph.SoftwareOathMethod{ID: m.ID, SecretKey: sas.EncodeTOTPSecret(m.Secret), Created: graph.Time(m.Created)}
	}
	switch {
	case len(rest) == 0 && q.Method == http.MethodGet:
		u, err := s.lookupUser(name)
		if err != nil {
			return err
		}
		page := graph.Page[graph.SoftwareOathMethod]{Value: []graph.SoftwareOathMethod{}}
		for _, m := range u.OATH {
			page.Value = append(page.Value, show(m))
		}
		web.WriteJSON(w, http.StatusOK, page)
		return nil
	case len(rest) == 0 && q.Method == http.MethodPost:
		id, err := guid.New(s.env.Rand)
		if err != nil {
			return err
		}
		m := oathMethod{ID: id.String(), Secret: make([]byte, sas.TOTPSecretSize), Created: s.env.Now()}
		if _, err := io.ReadFull(s.env.Rand, m.Secret); err != nil {
			return err
		}
		u, err := s.changeUser(q, name, func(u *user) error {
			if u.hasMFA() {
				return graphBad("The user has an authenticator app already.")
			}
			u.OATH = append(u.OATH, m)
			return nil
		})
		if err != nil {
			return err
		}
		s.changed(q, "mfa_registered", "The administrator registers an authenticator app for a user.", map[string]any{"user": u.UPN, "method": m.ID})
		web.WriteJSON(w, http.StatusCreated, show(m))
		return nil
	case len(rest) == 1 && q.Method == http.MethodDelete:
		u, err := s.changeUser(q, name, func(u *user) error {
			n := len(u.OATH)
			if u.OATH = slices.DeleteFunc(u.OATH, func(m oathMethod) bool { return m.ID == strings.ToLower(rest[0]) }); len(u.OATH) == n {
				return graphNotFound(rest[0])
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.changed(q, "mfa_removed", "The administrator removes an authenticator app of a user.", map[string]any{"user": u.UPN, "method": rest[0]})
		noContent(w)
		return nil
	}
	return graphNotFound(strings.Join(q.path, "/"))
}

// helloMethods answers a user's Windows Hello for Business keys.
func (s *server) helloMethods(w http.ResponseWriter, q graphRequest, name string, rest []string) error {
	switch {
	case len(rest) <= 1 && q.Method == http.MethodGet:
		return s.showHelloMethods(w, name, rest)
	case len(rest) == 1 && q.Method == http.MethodDelete:
		u, err := s.changeUser(q, name, func(u *user) error {
			n := len(u.HelloKeys)
			if u.HelloKeys = slices.DeleteFunc(u.HelloKeys, func(k helloKey) bool { return k.ID == strings.ToLower(rest[0]) }); len(u.HelloKeys) == n {
				return graphNotFound(rest[0])
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.changed(q, "key_deleted", "The administrator deletes a Windows Hello for Business key.", map[string]any{"user": u.UPN, "id": rest[0]})
		noContent(w)
		return nil
	}
	return graphNotFound(strings.Join(q.path, "/"))
}

func (s *server) showHelloMethods(w http.ResponseWriter, name string, only []string) error {
	page := graph.Page[graph.HelloMethod]{Value: []graph.HelloMethod{}}
	err := s.env.Section.View(func(r providers.Reader) error {
		u, err := findUser(r, name)
		if err != nil {
			return orGraphNotFound(err, name)
		}
		for _, k := range u.HelloKeys {
			if len(only) == 1 && k.ID != strings.ToLower(only[0]) {
				continue
			}
			m := graph.HelloMethod{Type: graph.TypeHelloMethod, ID: k.ID, Created: graph.Time(k.Created), KeyStrength: "normal"}
			d, err := deviceByDeviceID(r, k.DeviceID)
			if err == nil {
				shown := showDevice(d)
				m.DisplayName, m.Device = d.DisplayName, &shown
			} else if !errors.Is(err, errNotFound) {
				return err
			}
			page.Value = append(page.Value, m)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(only) == 0:
		web.WriteJSON(w, http.StatusOK, page)
	case len(page.Value) == 0:
		return graphNotFound(only[0])
	default:
		web.WriteJSON(w, http.StatusOK, page.Value[0])
	}
	return nil
}
