package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
)

// benchLab is a lab with a domain, its authority, and a user with a
// certificate of it.
type benchLab struct {
	dir    string
	key    *rsa.PrivateKey
	signer cms.Signer
}

func newBenchLab(b *testing.B, key *rsa.PrivateKey) *benchLab {
	b.Helper()
	l := &benchLab{dir: b.TempDir(), key: key}
	lab := fmt.Sprintf(`domain "corp" {
  dns_name              = %q
  netbios_name          = "CORP"
  accept_client_auth_eku = true
}
authority "root" {
  domain      = domain.corp
  common_name = "Bench Root"
}
user "alice" {
  upn      = "alice@corp.contoso.com"
  domain   = domain.corp
  password = %q
}
`, strings.ToLower(benchRealm), benchPassword)
	if err := os.WriteFile(filepath.Join(l.dir, "main.lab.hcl"), []byte(lab), 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := hellolab(b, l.dir, nil, "apply", "-auto-approve").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	l.enroll(b)
	return l
}

// copy is the lab in a folder of its own: a state has one holder.
func (l *benchLab) copy(b *testing.B) string {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "lab")
	if out, err := exec.Command("cp", "-Rp", l.dir, dir).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// serve starts `hellolab serve`.
func (l *benchLab) serve(b *testing.B) *benchServer {
	b.Helper()
	s, _ := l.served(b, l.copy(b))
	return s
}

func (l *benchLab) served(b *testing.B, dir string) (*benchServer, fromOutside) {
	b.Helper()
	cmd := hellolab(b, dir, nil, "serve", "-json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	s := &benchServer{name: "served", signer: l.signer, key: l.key}
	s.start(b, cmd)
	var about about
	if err := json.NewDecoder(out).Decode(&about); err != nil {
		b.Fatal(err)
	}
	ports := map[string]netip.AddrPort{}
	for _, h := range about.Hosts {
		for _, p := range h.Ports {
			if p.Protocol == "tcp" {
				ports[fmt.Sprintf("%s:%d", h.Host, p.Port)] = p.Bound
			}
		}
	}
	s.at = ports[benchHost+":88"].String()
	return s.await(b), fromOutside{ports: ports}
}

// fromOutside is a network that leads from outside to the hosts of a lab that is
// served.
type fromOutside struct {
	providers.Network // nil: clients only dial
	ports             map[string]netip.AddrPort
}

func (o fromOutside) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	at, ok := o.ports[fmt.Sprintf("%s:%d", strings.ToLower(host), port)]
	if !ok {
		return nil, fmt.Errorf("nobody listens at %s:%d", host, port)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", at.String())
}

// enroll obtains a certificate for the user as any client would.
func (l *benchLab) enroll(b *testing.B) {
	b.Helper()
	s, network := l.served(b, l.dir) // the authority is to know what it issued
	ctx, env := b.Context(), providers.Env{Network: network, Now: time.Now, Rand: rand.Reader}
	c, err := adldap.SignIn(ctx, env, adldap.Domain{Realm: benchRealm, Host: benchHost, BaseDN: "DC=corp,DC=contoso,DC=com", Account: "alice", Password: benchPassword})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	services, err := enroll.Published(c)
	if err != nil || len(services) == 0 {
		b.Fatalf("%v, %v", services, err)
	}
	roots, err := enroll.Roots(c)
	if err != nil {
		b.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, l.key)
	if err != nil {
		b.Fatal(err)
	}
	client := &enroll.Client{Env: env, Roots: enroll.Pool(roots), Ticket: func(ctx context.Context, host string) (gss.Credential, error) {
		return adldap.Ticket(ctx, env, benchRealm, benchHost, benchClient, krbclient.Password(benchPassword), krb.Service("HTTP", host))
	}}
	chain, err := client.Enroll(ctx, services[0], "User", csr)
	if err != nil {
		b.Fatal(err)
	}
	l.signer = cms.Signer{Key: l.key, Certificates: chain[:1]}
	s.stop()
}

// domain starts the lab's domain with its port for Kerberos bound outside,
// nothing between.
func (l *benchLab) domain(b *testing.B) *benchServer {
	b.Helper()
	s := startKDC(b, "domain", l.copy(b))
	s.signer, s.key = l.signer, l.key
	return s
}

// newMemoryKDC starts package kdc with accounts in memory.
func newMemoryKDC(b *testing.B, p *benchPKI) *benchServer {
	b.Helper()
	dir := b.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(p.kdcKey)
	if err != nil {
		b.Fatal(err)
	}
	for name, data := range map[string][]byte{"root": p.root.Raw, "kdc": p.kdc.Raw, "key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	s := startKDC(b, "memory", dir)
	s.signer, s.key = p.signer(), p.clientKey
	return s
}

// startKDC starts a worker (see benchKDC), which says where it listens.
func startKDC(b *testing.B, kind, dir string) *benchServer {
	b.Helper()
	cmd := testProgram(b, "bench-kdc", kind, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	s := &benchServer{name: kind}
	s.start(b, cmd)
	if s.at, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	s.at = strings.TrimSpace(s.at)
	return s.await(b)
}
