package entra

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// appSecret is a client secret of an application: 32 random bytes, of which
// the tenant keeps a digest.
type appSecret struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Digest  []byte    `json:"digest"`
	Created time.Time `json:"created"`
}

const (
	maxAppSecrets  = 8
	appSecretSize  = 32
	permissionRole = "Role"
)

func (a appSecret) show() graph.PasswordCredential {
	return graph.PasswordCredential{KeyID: a.ID, DisplayName: a.Name, Start: graph.Time(a.Created)}
}

// proves says whether text is one of the application's secrets.
func (a *application) proves(text string) bool {
	sum := sha256.Sum256([]byte(text))
	ok := 0
	for _, s := range a.Secrets {
		ok |= subtle.ConstantTimeCompare(sum[:], s.Digest)
	}
	return ok == 1
}

// rolesOf reads the application roles that are asked for. The administrator
// consents by asking.
func rolesOf(list []graph.ResourceAccess) ([]string, error) {
	var roles []string
	for _, r := range list {
		for _, p := range r.Access {
			if r.ResourceAppID != oauth.AppGraph || p.ID != graph.RoleSync || p.Type != permissionRole {
				return nil, graphBad("Invalid value specified for property 'requiredResourceAccess': the tenant has no such permission.")
			}
			roles = []string{roleSync}
		}
	}
	return roles, nil
}

// applicationSecrets adds or removes a client secret.
func (s *server) applicationSecrets(w http.ResponseWriter, q graphRequest, id, action string) error {
	switch action {
	case "addpassword":
		return s.addSecret(w, q, id)
	case "removepassword":
		return s.removeSecret(w, q, id)
	}
	return graphNotFound(action)
}

func (s *server) addSecret(w http.ResponseWriter, q graphRequest, id string) error {
	in, err := readGraph[struct {
		Credential graph.PasswordCredential `json:"passwordCredential"`
	}](q)
	if err != nil {
		return err
	}
	if !validName(in.Credential.DisplayName) {
		return graphBad("Invalid value specified for property 'displayName'.")
	}
	raw := make([]byte, appSecretSize)
	if _, err := io.ReadFull(s.env.Rand, raw); err != nil {
		return fmt.Errorf("make a client secret: %w", err)
	}
	key, err := guid.New(s.env.Rand)
	if err != nil {
		return err
	}
	text := base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(text))
	made := appSecret{ID: key.String(), Name: in.Credential.DisplayName, Digest: sum[:], Created: s.env.Now()}
	a, err := s.changeSecrets(q, id, func(a *application) error {
		if len(a.Secrets) >= maxAppSecrets {
			return graphBad("An application has at most %d secrets.", maxAppSecrets)
		}
		a.Secrets = append(a.Secrets, made)
		return nil
	})
	if err != nil {
		return err
	}
	s.changed(q, "application_secret_added", "The administrator gives an application a secret.", map[string]any{"application": a.DisplayName, "client_id": a.ClientID, "secret_id": made.ID})
	answer := made.show()
	answer.SecretText = graph.Password(text)
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

func (s *server) removeSecret(w http.ResponseWriter, q graphRequest, id string) error {
	in, err := readGraph[graph.PasswordCredential](q)
	if err != nil {
		return err
	}
	a, err := s.changeSecrets(q, id, func(a *application) error {
		n := len(a.Secrets)
		if a.Secrets = slices.DeleteFunc(a.Secrets, func(x appSecret) bool { return x.ID == strings.ToLower(in.KeyID) }); len(a.Secrets) == n {
			return graphNotFound(in.KeyID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.changed(q, "application_secret_removed", "The administrator takes a secret from an application.", map[string]any{"application": a.DisplayName, "client_id": a.ClientID, "secret_id": in.KeyID})
	noContent(w)
	return nil
}

func (s *server) changeSecrets(q graphRequest, id string, change func(*application) error) (a *application, err error) {
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		if a, err = get[application](w, tableApplications, id); err != nil {
			return orGraphNotFound(err, id)
		}
		if err := change(a); err != nil {
			return err
		}
		return putApplication(w, a)
	})
	return a, err
}

// confidentialClient finds who asks for a token without a user: the lab's
// administrator, or an application by its secret; and the roles it has at
// Graph.
func (s *server) confidentialClient(req oauth.TokenRequest) (id string, roles []string, err error) {
	if strings.EqualFold(req.ClientID, s.cfg.AdminClientID) {
		if subtle.ConstantTimeCompare([]byte(req.ClientSecret), []byte(s.cfg.AdminSecret)) != 1 {
			return "", nil, oauth.NewError(oauth.ClientSecretInvalid)
		}
		return s.cfg.AdminClientID, []string{roleAdmin}, nil
	}
	a, err := s.client(req.ClientID)
	switch {
	case err != nil:
		return "", nil, err
	case a == nil || len(a.Secrets) == 0: // one of those that every tenant knows, or public
		return "", nil, oauth.NewError(oauth.ApplicationNotFound, "Application with identifier '%.64s' was not found in the tenant.", req.ClientID)
	case !a.proves(req.ClientSecret):
		return "", nil, oauth.NewError(oauth.ClientSecretInvalid)
	}
	return a.ClientID, a.Roles, nil
}
