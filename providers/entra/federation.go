package entra

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/fedmeta"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/web"
)

// Values of spec.Tenant.Authentication.
const (
	authenticationManaged   = "managed"
	authenticationFederated = "federated"
)

// Values of spec.TenantMFA.Federated. Empty is accept.
const (
	behaviorAccept  = "accept"
	behaviorEnforce = "enforce"
	behaviorReject  = "reject"
)

const keyFederation = "federation" // in tableTenant

// federation is what a tenant knows of the service that its domains are
// federated with. All but Service is what the service's metadata said.
type federation struct {
	Service      string    `json:"service"`         // address of the object
	Other        bool      `json:"other,omitempty"` // another vendor's, not AD FS
	Issuer       string    `json:"issuer"`
	Passive      string    `json:"passive"`
	Active       string    `json:"active"`
	MEX          string    `json:"mex"`
	Metadata     string    `json:"metadata"`     // where it is read
	Certificates [][]byte  `json:"certificates"` // DER, of token-signing keys: at most two, the current one first
	Refreshed    time.Time `json:"refreshed"`
}

// actor is the service in the trace.
func (f *federation) actor() event.Actor {
	if f.Other {
		return event.IdentityProvider
	}
	return event.STS
}

const (
	// refreshEvery is how often the cloud reads metadata again (Microsoft, "Renew
	// federation certificates for Microsoft 365": daily).
	refreshEvery = 24 * time.Hour
	maxSigning   = 2
)

func (c *config) federated() bool { return c.Federation != "" }

// federationOf returns the stored federation; nil when there is none.
func federationOf(env providers.Env) (f *federation, err error) {
	err = env.Section.View(func(r providers.Reader) error {
		f, err = get[federation](r, tableTenant, keyFederation)
		return ignoreNotFound(err)
	})
	return f, err
}

func putFederation(w providers.Writer, f *federation) error {
	if f == nil {
		return w.Delete(tableTenant, keyFederation)
	}
	return put(w, tableTenant, keyFederation, f)
}

// federate returns what to know of the service that cfg names: what is known
// already, or what its metadata says where the service was made anew. Nil: cfg
// names none.
func federate(ctx context.Context, env providers.Env, cfg *config, known *federation) (*federation, error) {
	if !cfg.federated() {
		return nil, nil
	}
	service, err := providers.Resolve[spec.Federation, spec.FederationOut](env, providers.Ref(cfg.Federation))
	if err != nil {
		return nil, err
	}
	if known != nil && known.Service == cfg.Federation && known.of(service.Out) {
		return known, nil
	}
	f := &federation{Service: cfg.Federation, Other: service.In.Kind == spec.FederationThirdParty, Metadata: (&url.URL{Scheme: "https", Host: service.Out.Host, Path: fedmeta.Path}).String()}
	m, err := fetchMetadata(ctx, env, f.Metadata)
	if err != nil && known != nil && known.Service == cfg.Federation && known.Metadata == f.Metadata {
		return known, nil // it is read again within a day
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Federation, err)
	}
	f.Issuer = m.Issuer
	return f, f.take(m, env.Now())
}

// of reports whether it is of the service as it is now, not of one that had its
// name before: by its identifier, and a token-signing certificate that is known.
func (f *federation) of(out spec.FederationOut) bool {
	return saml.SameIssuer(f.Issuer, out.Issuer) && slices.ContainsFunc(f.Certificates, func(der []byte) bool { return strings.EqualFold(drs.Thumbprint(der), out.SigningThumbprint) })
}

func fetchMetadata(ctx context.Context, env providers.Env, address string) (*fedmeta.Metadata, error) {
	client := web.Client(env)
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := web.Do(client, request)
	if err != nil {
		return nil, fmt.Errorf("read federation metadata: %w", err)
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("read federation metadata: the service answers %d %s", answer.Status, http.StatusText(answer.Status))
	}
	return fedmeta.Parse(answer.Body)
}

// take writes what metadata says. The issuer never changes by itself: it names
// the service.
func (f *federation) take(m *fedmeta.Metadata, at time.Time) error {
	if m.Issuer != f.Issuer {
		return fmt.Errorf("the federation service says to be %q; the tenant is federated with %q", m.Issuer, f.Issuer)
	}
	f.Passive, f.Active, f.MEX, f.Refreshed = m.Passive, m.Active, m.MEX, at
	f.Certificates = nil
	for _, c := range m.Signing[:min(len(m.Signing), maxSigning)] {
		f.Certificates = append(f.Certificates, c.Raw)
	}
	return nil
}

// signing returns the certificates whose assertions are taken.
func (f *federation) signing() ([]*x509.Certificate, error) {
	list := make([]*x509.Certificate, 0, len(f.Certificates))
	for _, der := range f.Certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("stored certificate: %w", err)
		}
		list = append(list, c)
	}
	return list, nil
}

// due reads the federation service's metadata again once a day, so that a new
// token-signing certificate is known before or soon after it signs (fault 89).
// A service that does not answer is a warning: what is known stays.
func due(ctx context.Context, env providers.Env, _ providers.Object[spec.Tenant, spec.TenantOut]) error {
	f, err := federationOf(env)
	if err != nil || f == nil || env.Now().Before(f.Refreshed.Add(refreshEvery)) {
		return err
	}
	m, err := fetchMetadata(ctx, env, f.Metadata)
	if err != nil {
		return fmt.Errorf("the metadata of %s is stale, last read at %s; assertions by a token-signing certificate that is not in it are refused: %w", f.Service, f.Refreshed.UTC().Format(time.RFC3339), err)
	}
	was := f.Certificates
	if err := f.take(m, env.Now()); err != nil {
		return err
	}
	err = env.Section.Record(ctx, func(w providers.Writer) error {
		now, err := get[federation](w, tableTenant, keyFederation)
		if errors.Is(err, errNotFound) || err == nil && now.Service != f.Service {
			return nil // not federated with it any more
		}
		if err != nil {
			return err
		}
		return putFederation(w, f)
	})
	if err != nil {
		return err
	}
	env.Emit.Emit(event.Event{At: env.Now(), Actor: event.EntraID, Peer: f.actor(), Protocol: "HTTPS", Step: "federation_metadata_read",
		Text:    "Entra ID reads the metadata of the federation service, with its token-signing certificates.",
		Message: map[string]any{"issuer": f.Issuer, "certificates": len(f.Certificates), "changed": !equalCertificates(was, f.Certificates)}})
	return nil
}

func equalCertificates(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// federation returns the service that names of the tenant's domains are
// checked by; nil in a managed tenant.
func (s *server) federation() (*federation, error) {
	if !s.cfg.federated() {
		return nil, nil
	}
	return federationOf(s.env)
}

// federatedWith says whether a service of that issuer, in lower case, is the
// tenant's.
func (s *server) federatedWith(issuer string) bool {
	if !strings.Contains(issuer, ":") {
		return false
	}
	f, err := s.federation()
	return err == nil && f != nil && saml.SameIssuer(strings.ToLower(f.Issuer), issuer)
}

// behavior says what a second factor of the federation service counts for.
func (s *server) behavior() string {
	if s.cfg.FederatedMFA == "" {
		return behaviorAccept
	}
	return s.cfg.FederatedMFA
}

// elsewhere says whether second factors may come from the federation service.
func (s *server) elsewhere() bool { return s.cfg.federated() && s.behavior() != behaviorReject }

// FederationState is what a tenant knows of its federation service, and what the
// service says of itself.
type FederationState struct {
	Service   string    // address
	Refreshed time.Time // when the tenant read the service's metadata last
	Trouble   error     // the metadata cannot be read; the rest is not known
	Unknown   bool      // the service signs by a certificate that the tenant does not know
}

// Stale says whether the tenant missed to read the metadata, by more than a day.
func (f *FederationState) Stale(now time.Time) bool {
	return now.After(f.Refreshed.Add(2 * refreshEvery))
}

// LookFederation compares the two for the tenant that env is of; nil for one that
// is not federated. It changes nothing.
func LookFederation(ctx context.Context, env providers.Env) (*FederationState, error) {
	f, err := federationOf(env)
	if err != nil || f == nil {
		return nil, err
	}
	state := &FederationState{Service: f.Service, Refreshed: f.Refreshed}
	m, err := fetchMetadata(ctx, env, f.Metadata)
	if err != nil {
		state.Trouble = err
		return state, nil
	}
	state.Unknown = !slices.ContainsFunc(f.Certificates, func(der []byte) bool { return bytes.Equal(der, m.Signing[0].Raw) })
	return state, nil
}
