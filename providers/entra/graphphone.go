package entra

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/phone"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

// authenticatorMethods answers a user's Microsoft Authenticator, of which there
// is one at most.
func (s *server) authenticatorMethods(w http.ResponseWriter, q graphRequest, name string, rest []string) error {
	switch {
	case len(rest) == 0 && q.Method == http.MethodGet:
		u, err := s.lookupUser(name)
		if err != nil {
			return err
		}
		page := graph.Page[graph.AuthenticatorMethod]{Value: []graph.AuthenticatorMethod{}}
		if u.Phone != nil {
			page.Value = append(page.Value, showPhone(u))
		}
		web.WriteJSON(w, http.StatusOK, page)
		return nil
	case len(rest) == 0 && q.Method == http.MethodPost:
		app, err := s.newPhone()
		if err != nil {
			return err
		}
		u, err := s.changeUser(q, name, func(u *user) error {
			if u.hasMFA() {
				return graphBad("The user has an authenticator app already.")
			}
			u.Phone = app
			return nil
		})
		if err != nil {
			return err
		}
		s.changed(q, "mfa_registered", "The administrator registers an authenticator app for a user.", map[string]any{"user": u.UPN, "method": app.ID})
		web.WriteJSON(w, http.StatusCreated, showPhone(u))
		return nil
	case len(rest) == 1 && q.Method == http.MethodDelete:
		u, err := s.changeUser(q, name, func(u *user) error {
			if u.Phone == nil || u.Phone.ID != strings.ToLower(rest[0]) {
				return graphNotFound(rest[0])
			}
			u.Phone = nil
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

func (s *server) newPhone() (*phoneApp, error) {
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return nil, err
	}
	app := &phoneApp{oathMethod: oathMethod{ID: id.String(), Secret: make([]byte, sas.TOTPSecretSize), Created: s.env.Now()}, Key: make([]byte, phone.SecretSize)}
	for _, secret := range [][]byte{app.Secret, app.Key} {
		if _, err := io.ReadFull(s.env.Rand, secret); err != nil {
			return nil, fmt.Errorf("make secret of authenticator app: %w", err)
		}
	}
	return app, nil
}

func showPhone(u *user) graph.AuthenticatorMethod {
	return graph.AuthenticatorMethod{Type: graph.TypeAuthenticatorMethod, ID: u.Phone.ID, DisplayName: "Phone of " + u.DisplayName, DeviceTag: "SoftwareTokenActivated",
		Created: graph.Time(u.Phone.Created), SecretKey: sas.EncodeTOTPSecret(u.Phone.Secret), PhoneSecret: phone.EncodeSecret(u.Phone.Key)}
}
