package adfs

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
)

const (
	maxRedirects = 64
	maxName      = 256
	maxURI       = 2048
)

// application is a registered client, and a resource where it has a name as one.
type application struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Resource     string   `json:"resource,omitempty"`
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	Secret       []byte   `json:"secret,omitempty"` // SHA-256 of a drawn secret: nil of a public client
	MFA          bool     `json:"mfa,omitempty"`

	windows bool // one that every service knows
}

// windowsClients are the applications of Windows that every AD FS knows, as
// public clients. They may ask for any resource.
var windowsClients = map[string]string{
	oauth.ClientCloudAP:      "Windows Sign In",
	oauth.ClientBroker:       "Token Broker",
	oauth.ClientProvisioning: "Windows Hello for Business",
}

// application returns a client by its id, nil for one that is not registered.
func (s *server) application(id string) (a *application, err error) {
	id = strings.ToLower(id)
	if name := windowsClients[id]; name != "" && s.set.adfs() {
		return &application{ID: id, Name: name, windows: true}, nil
	}
	err = s.env.Section.View(func(r providers.Reader) error {
		a, err = get[application](r, tableApplications, id)
		return err
	})
	return a, err
}

// resource returns the application that a resource identifier names, nil for
// none.
func (s *server) resource(identifier string) (found *application, err error) {
	err = s.env.Section.View(func(r providers.Reader) error {
		return r.Scan(tableApplications, "", func(key string, _ []byte) error {
			a, err := get[application](r, tableApplications, key)
			if err != nil {
				return err
			}
			if a.Resource != "" && a.Resource == identifier || strings.EqualFold(a.ID, identifier) {
				found = a
			}
			return nil
		})
	})
	return found, err
}

func (s *server) setApplication(ctx context.Context, id string, in adfs.Application) error {
	switch {
	case windowsClients[id] != "":
		return wrong("%s is a client of Windows.", id)
	case len(in.Name) > maxName || len(in.Resource) > maxURI || len(in.Secret) > maxPasswordSize || len(in.RedirectURIs) > maxRedirects:
		return wrong("The registration is too long.")
	}
	for _, uri := range in.RedirectURIs {
		if u, err := url.Parse(uri); err != nil || u.Scheme == "" || u.Fragment != "" || len(uri) > maxURI {
			return wrong("%.128q is not a redirect URI.", uri)
		}
	}
	return s.env.Section.Update(ctx, func(w providers.Writer) error {
		a, err := get[application](w, tableApplications, id)
		if err != nil {
			return err
		}
		if a == nil {
			a = &application{}
		}
		a.ID, a.Name, a.Resource, a.RedirectURIs, a.MFA = id, in.Name, in.Resource, in.RedirectURIs, in.MFA
		if in.Secret != "" {
			sum := sha256.Sum256([]byte(in.Secret))
			a.Secret = sum[:]
		}
		return put(w, tableApplications, id, a)
	})
}

// proves says whether a secret is a confidential client's.
func (a *application) proves(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	return len(a.Secret) > 0 && subtle.ConstantTimeCompare(sum[:], a.Secret) == 1
}

// allows says whether a client may be sent a code at uri. Comparison is exact,
// but for the port of a loopback address (RFC 8252 7.3).
func (a *application) allows(uri string) bool {
	if a.windows {
		return uri == oauth.NativeRedirect(a.ID) || uri == oauth.NativeRedirect("DRS") || uri == oauth.NativeRedirect("DRSFF") || loopbackURI(uri, "http://localhost")
	}
	return slices.ContainsFunc(a.RedirectURIs, func(registered string) bool { return registered == uri || loopbackURI(uri, registered) })
}

// loopbackURI says whether uri is the registered one but for the port, and leads
// to this machine.
func loopbackURI(uri, registered string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || !isLoopback(u.Hostname()) {
		return false
	}
	r, err := url.Parse(registered)
	return err == nil && r.Scheme == u.Scheme && r.Hostname() == u.Hostname() && strings.TrimSuffix(r.Path, "/") == strings.TrimSuffix(u.Path, "/") && r.RawQuery == u.RawQuery
}

// isLoopback says whether a host is this machine: by name, or by an address that
// nobody can point elsewhere (RFC 8252 7.3 and 8.3).
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
