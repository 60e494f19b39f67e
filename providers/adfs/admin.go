package adfs

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

// administer answers the lab's administrator, whether the service runs or not.
func (s *server) administer(w http.ResponseWriter, r *http.Request) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(text), []byte(s.set.Secret)) != 1 {
		refuse(w, http.StatusUnauthorized, "Its administrator proves itself by a secret, which this request does not bring.")
		return
	}
	var v any
	var err error
	switch path := strings.ToLower(r.URL.Path); {
	case path == adfs.PathStatus && r.Method == http.MethodGet:
		v, err = s.status(r.Context())
	case strings.HasPrefix(path, adfs.PathAccounts):
		v, err = s.administerAccount(r, strings.TrimPrefix(path, adfs.PathAccounts))
	case strings.HasPrefix(path, adfs.PathApplications):
		v, err = s.administerApplication(r, strings.TrimPrefix(path, adfs.PathApplications))
	default:
		err = &adfs.NotFound{Sentence: "There is nothing at this path."}
	}
	var missing *adfs.NotFound
	var wrong *wrongError
	switch {
	case errors.As(err, &missing):
		refuse(w, http.StatusNotFound, missing.Sentence)
	case errors.As(err, &wrong):
		refuse(w, wrong.status, wrong.sentence)
	case err != nil:
		s.log.ErrorContext(r.Context(), "administration of a federation service failed", "error", err)
		refuse(w, http.StatusInternalServerError, "The service could not do it; the log has the cause.")
	case v == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		web.WriteJSON(w, http.StatusOK, v)
	}
}

func refuse(w http.ResponseWriter, status int, sentence string) {
	web.WriteJSON(w, status, adfs.Refusal{Error: sentence})
}

// wrongError is a request that the administrator must put right.
type wrongError struct {
	status   int
	sentence string
}

func (e *wrongError) Error() string { return e.sentence }

func wrong(format string, args ...any) error {
	return &wrongError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func noMethod() error {
	return &wrongError{http.StatusMethodNotAllowed, "GET, PUT and DELETE are what can be done here."}
}

// readBody reads the JSON of a PUT.
func readBody(r *http.Request, v any) error {
	if err := web.ReadJSON(r, v); err != nil {
		return &wrongError{web.Status(err), "The request's body is not a JSON object of the expected form."}
	}
	return nil
}

func (s *server) status(ctx context.Context) (*adfs.Status, error) {
	ring, err := loadKeys(s.env)
	if err != nil {
		return nil, err
	}
	st := &adfs.Status{Signing: []adfs.Certificate{}}
	signing, err := ring.load()
	if err != nil {
		return nil, err
	}
	for _, k := range signing.published(s.env.Now()) {
		st.Signing = append(st.Signing, adfs.Certificate{Thumbprint: k.thumbprint(), NotAfter: k.cert.NotAfter.UTC(), Renewed: k.Made, Published: k.Until})
	}
	agent, err := load[storedAgent](s.env, tableServer, keyAgent)
	if errors.Is(err, providers.ErrGone) {
		return st, nil
	}
	if err != nil {
		return nil, err
	}
	st.AgentError = agent.Error
	if leaf := agent.leaf(); leaf != nil {
		st.Agent = &adfs.Certificate{Thumbprint: thumbprint(leaf.Raw), NotAfter: leaf.NotAfter.UTC(), Renewed: agent.Made, Revoked: agent.revoked(ctx, s.env)}
	}
	return st, nil
}

func (s *server) administerAccount(r *http.Request, upn string) (any, error) {
	if at := strings.IndexByte(upn, '@'); at <= 0 || at == len(upn)-1 || len(upn) > maxUPN {
		return nil, wrong("An account is named by its user principal name.")
	}
	switch r.Method {
	case http.MethodGet:
		a, err := s.account(upn)
		if err == nil && a == nil {
			err = &adfs.NotFound{Sentence: "The service has no account " + upn + "."}
		}
		if err != nil {
			return nil, err
		}
		return adfs.Account{UPN: a.UPN, ImmutableID: a.ImmutableID, Name: a.Name, MFA: len(a.TOTP) > 0, Disabled: a.Disabled}, nil
	case http.MethodPut:
		var in adfs.Account
		if err := readBody(r, &in); err != nil {
			return nil, err
		}
		return nil, s.setAccount(r.Context(), upn, in)
	case http.MethodDelete:
		return nil, s.deleteAccount(r.Context(), upn)
	}
	return nil, noMethod()
}

func (s *server) administerApplication(r *http.Request, id string) (any, error) {
	if _, err := guid.Parse(id); err != nil {
		return nil, wrong("An application is named by the GUID of its client.")
	}
	switch r.Method {
	case http.MethodGet:
		a, err := s.application(id)
		if err == nil && a == nil {
			err = &adfs.NotFound{Sentence: "The service has no application " + id + "."}
		}
		if err != nil {
			return nil, err
		}
		return adfs.Application{ID: a.ID, Name: a.Name, Resource: a.Resource, RedirectURIs: a.RedirectURIs, MFA: a.MFA}, nil
	case http.MethodPut:
		var in adfs.Application
		if err := readBody(r, &in); err != nil {
			return nil, err
		}
		return nil, s.setApplication(r.Context(), id, in)
	case http.MethodDelete:
		return nil, s.env.Section.Update(r.Context(), func(w providers.Writer) error { return w.Delete(tableApplications, id) })
	}
	return nil, noMethod()
}
