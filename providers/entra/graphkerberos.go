package entra

import (
	"net/http"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/web"
)

// graphKerberos answers /kerberosServers: the server objects of domains, which an
// administrator publishes. A key that was written is read by nobody.
func (s *server) graphKerberos(w http.ResponseWriter, q graphRequest) error {
	switch {
	case len(q.path) == 1 && q.Method == http.MethodGet:
		return list(s, w, q, tableKerberos, nil, func(_ providers.Reader, k *kerberosServer) (graph.KerberosServer, error) { return k.show(), nil })
	case len(q.path) != 2:
		return graphNotFound(strings.Join(q.path, "/"))
	}
	domain := strings.ToLower(q.path[1])
	switch q.Method {
	case http.MethodGet:
		var k *kerberosServer
		err := s.env.Section.View(func(r providers.Reader) (err error) {
			k, err = get[kerberosServer](r, tableKerberos, domain)
			return err
		})
		if err != nil {
			return orGraphNotFound(err, domain)
		}
		web.WriteJSON(w, http.StatusOK, k.show())
		return nil
	case http.MethodPut:
		return s.putKerberos(w, q, domain)
	case http.MethodDelete:
		err := s.env.Section.Update(q.Context(), func(w providers.Writer) error {
			if _, err := get[kerberosServer](w, tableKerberos, domain); err != nil {
				return err
			}
			return w.Delete(tableKerberos, domain)
		})
		if err != nil {
			return orGraphNotFound(err, domain)
		}
		s.changed(q, "kerberos_server_removed", "The administrator removes a domain's Kerberos server object.", map[string]any{"domain": domain})
		noContent(w)
		return nil
	}
	return graphBad("The method is not supported here.")
}

func (k *kerberosServer) show() graph.KerberosServer {
	return graph.KerberosServer{Domain: k.Domain, ID: k.Number, KeyVersion: k.KeyVersion, KeyUpdated: graph.Time(k.KeyUpdated)}
}

// putKerberos takes a domain's key, in place of the one that it gave before.
func (s *server) putKerberos(w http.ResponseWriter, q graphRequest, domain string) error {
	in, err := readGraph[graph.KerberosServer](q)
	if err != nil {
		return err
	}
	defer clear(in.Key)
	switch {
	case !validDomain(domain) || in.Domain != "" && !strings.EqualFold(in.Domain, domain):
		return graphBad("Invalid value specified for property 'domainDnsName'.")
	case in.ID == 0:
		return graphBad("Invalid value specified for property 'id': it is a number from 1 to 65535.")
	case in.KeyVersion == 0 || in.KeyVersion > 1<<31-1:
		return graphBad("Invalid value specified for property 'keyVersion'.")
	case len(in.Key) != krb.KeySize(krb.AES256):
		return graphBad("Invalid value specified for property 'key': it is the 32 bytes of a key of AES-256.")
	}
	sealed, err := s.seal.Seal(purposeKerberos, in.Key)
	if err != nil {
		return err
	}
	k := &kerberosServer{Domain: domain, Number: in.ID, KeyVersion: in.KeyVersion, KeyUpdated: s.env.Now(), Key: sealed}
	if err := s.env.Section.Update(q.Context(), func(w providers.Writer) error { return put(w, tableKerberos, domain, k) }); err != nil {
		return err
	}
	s.changed(q, "kerberos_server_published", "The administrator gives Entra Kerberos the key of a domain's server object.",
		map[string]any{"domain": domain, "id": k.Number, "key_version": k.KeyVersion})
	noContent(w)
	return nil
}
