package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/serve"
	"hellolab/providers"
	"hellolab/providers/spec"
)

// What an outside client needs is written into a folder and set in variables.
// Each kind of client has its exporter, which adds files, variables and what
// lab.json says.
func (v *served) exporters() []func(context.Context, *exported) error {
	return []func(context.Context, *exported) error{v.exportTrust, v.exportHosts, v.exportProxy, v.exportTenants, v.exportApplications, v.exportFederations, v.exportDomains, v.exportServices}
}

// Files of an export. lab.json is written last: when it is there, all is.
const (
	fileCA    = "ca.pem"
	fileHosts = "hosts"
	fileEnv   = "env"
	fileLab   = "lab.json"
)

// exported is what exporters add to.
type exported struct {
	folder string // absolute
	files  []exportFile
	left   []string // names of files that clients may leave
	vars   []variable
	used   map[string]bool // beginnings of names of variables
	about  *about
}

type exportFile struct {
	name   string
	secret bool // for its owner alone
	data   []byte
}

// variable is an environment variable of a client.
type variable struct{ name, value string }

func (e *exported) file(name string, data []byte) string {
	e.files = append(e.files, exportFile{name: name, data: data})
	return filepath.Join(e.folder, name)
}

// leaves names a file that clients may make in the folder; it goes with it.
func (e *exported) leaves(name string) string {
	e.left = append(e.left, name)
	return filepath.Join(e.folder, name)
}

// trust adds certificates, in PEM, to those that clients trust.
func (e *exported) trust(certificates []byte) {
	i := slices.IndexFunc(e.files, func(f exportFile) bool { return f.name == fileCA })
	e.files[i].data = append(e.files[i].data, certificates...)
}

func (e *exported) set(value string, names ...string) {
	for _, name := range names {
		e.vars = append(e.vars, variable{name, value})
	}
}

// about is lab.json: what is served, and where. It holds no secret.
type about struct {
	Folder    string        `json:"folder"`
	CA        string        `json:"ca"`    // PEM file
	Proxy     string        `json:"proxy"` // URL
	Offset    string        `json:"clock_offset"`
	Throwaway bool          `json:"throwaway"`
	Hosts     []aboutHost   `json:"hosts"`
	Tenants   []aboutTenant `json:"tenants"`

	Applications []aboutApplication `json:"applications"`
	Domains      []aboutDomain      `json:"domains"`
	Services     []aboutService     `json:"services"`
	Federations  []aboutFederation  `json:"federations"`
}

// encode is the file.
func (a *about) encode() ([]byte, error) {
	data, err := json.MarshalIndent(a, "", "  ")
	return append(data, '\n'), err
}

type aboutHost struct {
	Host    string      `json:"host"`
	Address netip.Addr  `json:"address"`
	Ports   []aboutPort `json:"ports"`
}

type aboutPort struct {
	Port     int            `json:"port"`     // in URLs
	Protocol serve.Protocol `json:"protocol"` // tcp or udp
	Bound    netip.AddrPort `json:"bound"`    // on this machine
	Direct   bool           `json:"direct"`   // bound under its own number on the host's address
	moved    error
}

type aboutTenant struct {
	Address      string   `json:"address"` // tenant.contoso
	ID           string   `json:"tenant_id"`
	Domains      []string `json:"domains"`
	Issuer       string   `json:"issuer"`
	Authority    string   `json:"authority"`
	Discovery    string   `json:"openid_configuration"`
	Login        string   `json:"login_host"`
	Registration string   `json:"registration_host"`
	Graph        string   `json:"graph_host"`
}

type aboutApplication struct {
	Address  string `json:"address"` // application.portal
	Tenant   string `json:"tenant"`
	ClientID string `json:"client_id"`
	Resource string `json:"resource"`
	URL      string `json:"url"`
}

// export writes the folder, and returns what removes it where nobody asked for
// it to stay.
func (v *served) export(ctx context.Context, f *serveFlags) (remove func(), err error) {
	folder, kept := f.export, f.export != ""
	if kept {
		folder = v.s.path(folder)
	} else {
		o, err := v.s.stateOptions(&f.stateFlags, "export")
		if err != nil {
			return nil, err
		}
		folder = filepath.Join(filepath.Dir(o.Path), strings.TrimSuffix(filepath.Base(o.Path), ".db")+".served")
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	e := &exported{folder: folder, used: map[string]bool{}, about: &about{Folder: folder, Offset: v.offset.Round(time.Second).String(),
		Throwaway: v.throwaway, Hosts: []aboutHost{}, Tenants: []aboutTenant{},
		Applications: []aboutApplication{}, Domains: []aboutDomain{}, Services: []aboutService{}, Federations: []aboutFederation{}}}
	for _, add := range v.exporters() {
		if err := add(ctx, e); err != nil {
			return nil, err
		}
	}
	v.about, v.vars = e.about, e.vars
	e.file(fileEnv, shellVariables(e.vars))
	data, err := e.about.encode()
	if err != nil {
		return nil, err
	}
	e.file(fileLab, data)
	remove = func() {
		if kept {
			return
		}
		for _, file := range e.files {
			os.Remove(filepath.Join(folder, file.name))
		}
		for _, name := range e.left {
			os.Remove(filepath.Join(folder, name))
		}
		os.Remove(folder)
	}
	for _, file := range e.files {
		perm := os.FileMode(0o644)
		if file.secret {
			perm = 0o600
		}
		err := writeFile(filepath.Join(folder, file.name), perm, func(w io.Writer) error {
			_, err := w.Write(file.data)
			return err
		})
		if err != nil {
			remove()
			return nil, err
		}
	}
	return remove, nil
}

// exportTrust is the root that certified every service. Variables that name the
// whole trust of a client leave it that root alone: it meets nobody else.
func (v *served) exportTrust(ctx context.Context, e *exported) error {
	root, err := v.lab.Root(ctx, providers.WebRoot)
	if err != nil {
		return err
	}
	e.about.CA = e.file(fileCA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}))
	// OpenSSL and Go; curl; Python's requests; Node, which adds it to its own.
	e.set(e.about.CA, "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "HELLOLAB_CA")
	return nil
}

// exportHosts are the lines of a hosts file, without a comment: nss_wrapper,
// which gives one program a hosts file of its own, takes none.
func (v *served) exportHosts(_ context.Context, e *exported) error {
	var b bytes.Buffer
	for _, at := range v.bridge.Endpoints() {
		address := v.bridge.Address(at.Host)
		n := len(e.about.Hosts)
		if n == 0 || e.about.Hosts[n-1].Host != at.Host {
			fmt.Fprintf(&b, "%s %s\n", address, at.Host)
			e.about.Hosts = append(e.about.Hosts, aboutHost{Host: at.Host, Address: address})
			n++
		}
		h := &e.about.Hosts[n-1]
		h.Ports = append(h.Ports, aboutPort{Port: at.Port, Protocol: at.Protocol, Bound: at.Listen, Direct: at.Moved == nil, moved: at.Moved})
	}
	e.set(e.file(fileHosts, b.Bytes()), "NSS_WRAPPER_HOSTS")
	return nil
}

// exportProxy leads HTTPS through the proxy, all of it but what a client says
// to itself. The proxy takes CONNECT alone, so HTTP_PROXY is not set.
func (v *served) exportProxy(_ context.Context, e *exported) error {
	e.about.Proxy = "http://" + v.bridge.Proxy().String()
	e.set(e.about.Proxy, "HTTPS_PROXY", "https_proxy", "HELLOLAB_PROXY")
	e.set("localhost,127.0.0.1,::1", "NO_PROXY", "no_proxy")
	e.set("1", "NODE_USE_ENV_PROXY") // Node heeds them from version 24 on, when told
	e.set(e.folder, "HELLOLAB_EXPORT")
	return nil
}

// exportTenants names each tenant, its authority and its hosts.
func (v *served) exportTenants(_ context.Context, e *exported) error {
	tenants, err := providers.ResolveAll[spec.Tenant, spec.TenantOut](providers.Env{Objects: v.lab.Objects()}, "tenant")
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if t.ID == "" {
			continue
		}
		authority := "https://" + t.Out.LoginHost + "/" + t.Out.TenantID
		e.about.Tenants = append(e.about.Tenants, aboutTenant{
			Address: t.Addr, ID: t.Out.TenantID, Domains: t.In.Domains, Issuer: t.Out.Issuer, Authority: authority,
			Discovery: authority + "/v2.0/.well-known/openid-configuration",
			Login:     t.Out.LoginHost, Registration: t.Out.RegistrationHost, Graph: t.Out.GraphHost,
		})
		name := variableName(t.Addr, e.used)
		e.set(t.Out.TenantID, name+"_ID")
		e.set(authority, name+"_AUTHORITY")
		e.set(t.Out.LoginHost, name+"_LOGIN_HOST")
	}
	return nil
}

// exportApplications names the clients that each tenant has besides Microsoft's.
func (v *served) exportApplications(_ context.Context, e *exported) error {
	applications, err := providers.ResolveAll[spec.Application, spec.ApplicationOut](providers.Env{Objects: v.lab.Objects()}, "application")
	if err != nil {
		return err
	}
	for _, a := range applications {
		if a.ID == "" {
			continue
		}
		e.about.Applications = append(e.about.Applications, aboutApplication{
			Address: a.Addr, Tenant: string(a.In.Tenant), ClientID: a.Out.ClientID, Resource: a.Out.Resource, URL: a.Out.URL,
		})
		name := variableName(a.Addr, e.used)
		e.set(a.Out.ClientID, name+"_CLIENT_ID")
		e.set(a.Out.URL, name+"_URL")
	}
	return nil
}

// variableName makes a variable's name of an address that is not used yet:
// tenant.contoso becomes HELLOLAB_TENANT_CONTOSO.
func variableName(addr string, used map[string]bool) string {
	base := "HELLOLAB_" + strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, addr), "_")
	name := base
	for n := 2; used[name]; n++ {
		name = base + "_" + strconv.Itoa(n)
	}
	used[name] = true
	return name
}

// shellVariables are lines that a POSIX shell evaluates.
func shellVariables(vars []variable) []byte {
	var b bytes.Buffer
	for _, v := range vars {
		fmt.Fprintf(&b, "export %s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
	}
	return b.Bytes()
}

// printVariables writes them for a shell, or as one JSON object.
func printVariables(w io.Writer, vars []variable, asJSON bool) error {
	if !asJSON {
		_, err := w.Write(shellVariables(vars))
		return err
	}
	object := make(map[string]string, len(vars))
	for _, v := range vars {
		object[v.name] = v.value
	}
	return view.WriteIndentedJSON(w, object)
}
