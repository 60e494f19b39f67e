package entra

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"hellolab/providers"
	"hellolab/providers/wire/web"
)

// door is a service that stands behind a host name.
type door int

const (
	doorLogin door = iota + 1
	doorDRS
	doorGraph
)

// Microsoft's names for what a tenant answers on. Clients have them compiled
// in (MSAL's list of trusted clouds, MS-DVRJ, Microsoft Graph).
var microsoftDoors = map[string]door{
	"login.microsoftonline.com":          doorLogin,
	"login.windows.net":                  doorLogin,
	"login.microsoft.com":                doorLogin,
	"sts.windows.net":                    doorLogin,
	"device.login.microsoftonline.com":   doorLogin,
	"autologon.microsoftazuread-sso.com": doorLogin,
	"enterpriseregistration.windows.net": doorDRS,
	"graph.microsoft.com":                doorGraph,
	"graph.windows.net":                  doorGraph,
}

// microsoft are the names that a host's own endpoints are not on.
var microsoft = hosts{login: "login.microsoftonline.com", sts: "sts.windows.net", drs: "enterpriseregistration.windows.net", graph: "graph.microsoft.com"}

// MicrosoftHosts returns the names that ServeMicrosoft answers on, in order.
func MicrosoftHosts() []string {
	names := make([]string, 0, len(microsoftDoors))
	for name := range microsoftDoors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// front is Microsoft's names before all tenants of a lab. In the cloud they
// are one system, too: a request meets the host first, and which tenant it is
// for is read off what it says. The front decides nothing else: the tenant's
// own server checks and answers, in this process, so that it sees the TLS
// connection with the device's certificate.
type front struct {
	key     []byte // of nonces that were asked for before a tenant was named
	rand    io.Reader
	tenants []*tenantDoor // in the order given
}

// ServeMicrosoft answers on MicrosoftHosts for tenants, each given by its Env,
// with one certificate of the lab's web root. env is the front's own: its
// section keeps the certificate. Endpoints in replies are on the host that was
// asked; id tokens are issued by Microsoft's name, as the documents there say,
// and access tokens by the tenant's own, as always.
func ServeMicrosoft(ctx context.Context, env providers.Env, tenants []providers.Env) (providers.Service, error) {
	if len(tenants) == 0 {
		return nil, errors.New("the lab has no tenant")
	}
	f := &front{key: make([]byte, 32), rand: env.Rand}
	if f.rand == nil {
		f.rand = rand.Reader
	}
	if _, err := io.ReadFull(f.rand, f.key); err != nil {
		return nil, fmt.Errorf("make nonce key: %w", err)
	}
	for _, t := range tenants {
		if t.Log == nil {
			t.Log = slog.New(slog.DiscardHandler)
		}
		d := &tenantDoor{env: t}
		if _, err := d.open(f.key); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Addr, err)
		}
		f.tenants = append(f.tenants, d)
	}
	names := MicrosoftHosts()
	cert, err := web.Certificate(ctx, env, names)
	if err != nil {
		return nil, err
	}
	return web.Serve(ctx, env, names, cert, f)
}

// tenantDoor is one tenant behind the front.
type tenantDoor struct {
	env providers.Env

	mu          sync.Mutex
	config, key []byte // as stored when server was made
	server      *server
}

// open returns the tenant's server as the section now has it: a tenant that
// changed is met as it is.
func (d *tenantDoor) open(frontKey []byte) (*server, error) {
	var config, key []byte
	err := d.env.Section.View(func(r providers.Reader) (err error) {
		if config, _, err = r.Get(tableTenant, keyConfig); err != nil {
			return err
		}
		key, _, err = r.Get(tableTenant, keyKeys)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil && bytes.Equal(config, d.config) && bytes.Equal(key, d.key) {
		return d.server, nil
	}
	s, err := load(d.env)
	if err != nil {
		return nil, err
	}
	s.frontKey = frontKey
	d.config, d.key, d.server = config, key, s
	return s, nil
}

// ServeHTTP finds the service by the host and the tenant by the request.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	kind := microsoftDoors[name]
	at := microsoft
	switch kind {
	case doorLogin:
		at.login = name
	case doorGraph:
		at.graph = name
	case doorDRS:
	default:
		http.Error(w, "unknown host", http.StatusMisdirectedRequest)
		return
	}
	servers := make([]*server, 0, len(f.tenants))
	for _, d := range f.tenants {
		s, err := d.open(f.key)
		if errors.Is(err, providers.ErrGone) {
			continue
		}
		if err != nil {
			d.env.Log.ErrorContext(r.Context(), "tenant cannot be opened", "error", err, "correlation", web.Correlation(r.Context()))
			http.Error(w, "The server failed.", http.StatusInternalServerError)
			return
		}
		here := *s
		here.hosts, here.signIn = at, microsoft
		servers = append(servers, &here)
	}
	if len(servers) == 0 {
		http.Error(w, "The lab has no tenant any more.", http.StatusServiceUnavailable)
		return
	}
	switch kind {
	case doorLogin:
		f.serveLogin(w, r, servers)
	case doorDRS:
		// A request that names no tenant lacks its proof, which any tenant says.
		orFirst(choose(servers, drsHints(r)), servers).serveDRS(w, r)
	case doorGraph:
		orFirst(choose(servers, graphHints(r)), servers).serveGraph(w, r)
	}
}

func orFirst(s *server, servers []*server) *server {
	if s == nil {
		return servers[0]
	}
	return s
}

// choose returns the tenant that the first hint to name one names: by its id,
// one of its domains, or the issuer that they are federated with.
func choose(servers []*server, hints []string) *server {
	for _, hint := range hints {
		for _, s := range servers {
			if hint == s.cfg.TenantID || slices.Contains(*s.domains.Load(), hint) || s.federatedWith(hint) {
				return s
			}
		}
	}
	return nil
}
