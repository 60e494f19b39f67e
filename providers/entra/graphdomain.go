package entra

import (
	"crypto/rsa"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/web"
)

// graphDomains answers /domains: the tenant's domains, the first of which is its
// default, and how they are federated.
func (s *server) graphDomains(w http.ResponseWriter, q graphRequest) error {
	var cfg *config
	var f *federation
	err := s.env.Section.View(func(r providers.Reader) (err error) {
		if cfg, err = get[config](r, tableTenant, keyConfig); err != nil || !cfg.federated() {
			return err
		}
		f, err = get[federation](r, tableTenant, keyFederation)
		return err
	})
	if err != nil {
		return err
	}
	domains := make([]graph.Domain, len(cfg.Domains))
	for i, d := range cfg.Domains {
		domains[i] = graph.Domain{ID: d, IsDefault: i == 0, IsInitial: i == 0, IsVerified: true, AuthenticationType: graph.DomainManaged}
		if f != nil {
			domains[i].AuthenticationType = graph.DomainFederated
		}
	}
	if len(q.path) == 1 && q.Method == http.MethodGet {
		web.WriteJSON(w, http.StatusOK, graph.Page[graph.Domain]{Value: domains})
		return nil
	}
	at := -1
	if len(q.path) > 1 {
		at = slices.Index(cfg.Domains, strings.ToLower(q.path[1]))
	}
	switch {
	case at < 0:
	case len(q.path) == 2 && q.Method == http.MethodGet:
		web.WriteJSON(w, http.StatusOK, domains[at])
		return nil
	case len(q.path) == 3 && q.Method == http.MethodPost && strings.EqualFold(q.path[2], "forceDelete"):
		if err := s.forceDeleteDomain(q, cfg.Domains[at]); err != nil {
			return err
		}
		noContent(w)
		return nil
	case len(q.path) >= 3 && strings.EqualFold(q.path[2], "federationConfiguration") && f != nil:
		return s.graphFederation(w, q, cfg, f)
	}
	return graphNotFound(strings.Join(q.path, "/"))
}

// graphFederation answers /domains/{name}/federationConfiguration. All domains
// of a tenant of the lab are federated with one service.
func (s *server) graphFederation(w http.ResponseWriter, q graphRequest, cfg *config, f *federation) error {
	switch {
	case len(q.path) == 3 && q.Method == http.MethodGet:
		web.WriteJSON(w, http.StatusOK, graph.Page[graph.InternalDomainFederation]{Value: []graph.InternalDomainFederation{showFederation(cfg, f)}})
	case len(q.path) == 4 && strings.EqualFold(q.path[3], cfg.TenantID) && q.Method == http.MethodGet:
		web.WriteJSON(w, http.StatusOK, showFederation(cfg, f))
	case len(q.path) == 4 && strings.EqualFold(q.path[3], cfg.TenantID) && q.Method == http.MethodPatch:
		return s.changeFederation(w, q)
	default:
		return graphNotFound(strings.Join(q.path, "/"))
	}
	return nil
}

// behaviors pairs the language's words with Graph's.
var behaviors = map[string]string{behaviorAccept: graph.BehaviorAccept, behaviorEnforce: graph.BehaviorEnforce, behaviorReject: graph.BehaviorReject}

func showFederation(cfg *config, f *federation) graph.InternalDomainFederation {
	g := graph.InternalDomainFederation{ID: cfg.TenantID, DisplayName: cfg.Name, IssuerURI: f.Issuer, ActiveSignInURI: f.Active, PassiveSignInURI: f.Passive, MetadataExchangeURI: f.MEX,
		Protocol: "wsFed", MFABehavior: behaviors[behaviorAccept], CertificateUpdate: &graph.CertificateUpdateStatus{Result: "success", LastRun: graph.Time(f.Refreshed)}}
	if cfg.FederatedMFA != "" {
		g.MFABehavior = behaviors[cfg.FederatedMFA]
	}
	for i, der := range f.Certificates {
		switch i {
		case 0:
			g.SigningCertificate = der
		case 1:
			g.NextSigningCertificate = der
		}
	}
	return g
}

// changeFederation lets the administrator write the certificates, as where the
// service's metadata cannot be read. The rest is the lab's configuration.
func (s *server) changeFederation(w http.ResponseWriter, q graphRequest) error {
	in, err := readGraph[graph.InternalDomainFederation](q)
	if err != nil {
		return err
	}
	if in.ID+in.DisplayName+in.IssuerURI+in.ActiveSignInURI+in.PassiveSignInURI+in.MetadataExchangeURI+in.Protocol+in.MFABehavior != "" || in.CertificateUpdate != nil || len(in.SigningCertificate)+len(in.NextSigningCertificate) == 0 {
		return graphBad("Only 'signingCertificate' and 'nextSigningCertificate' are changed here.")
	}
	for _, der := range [][]byte{in.SigningCertificate, in.NextSigningCertificate} {
		if len(der) == 0 {
			continue
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return graphBad("Invalid value specified for property 'signingCertificate'.")
		}
		if pub, ok := c.PublicKey.(*rsa.PublicKey); !ok || pub.N.BitLen() < 2048 {
			return graphBad("A token-signing certificate has an RSA key of at least 2048 bits.")
		}
	}
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		f, err := get[federation](w, tableTenant, keyFederation)
		if err != nil {
			return err
		}
		list := make([][]byte, maxSigning)
		copy(list, f.Certificates)
		for i, der := range [][]byte{in.SigningCertificate, in.NextSigningCertificate} {
			if len(der) > 0 {
				list[i] = der
			}
		}
		f.Certificates = slices.DeleteFunc(list, func(der []byte) bool { return len(der) == 0 })
		return putFederation(w, f)
	})
	if err != nil {
		return err
	}
	s.changed(q, "federation_updated", "The administrator changes the token-signing certificates that the tenant takes assertions by.", map[string]any{"domain": q.path[1]})
	noContent(w)
	return nil
}

// deviceIssuers answers /deviceRegistrationIssuers.
func (s *server) deviceIssuers(w http.ResponseWriter) error {
	der := s.keys.deviceCA.cert.Raw
	web.WriteJSON(w, http.StatusOK, graph.Page[graph.DeviceIssuer]{Value: []graph.DeviceIssuer{{Thumbprint: drs.Thumbprint(der), Certificate: der}}})
	return nil
}
