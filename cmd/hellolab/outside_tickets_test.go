package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"hellolab/engine/serve"
	"hellolab/providers/windows/kerberos"
)

// TestOutsideTickets has the Kerberos provider of a Windows device meet a served
// domain on real sockets, and MIT's programs use the tickets that it got.
func TestOutsideTickets(t *testing.T) {
	c := serveDomain(t, outsideAuthority)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c.does(t, nil, "sync", typed(domainPassword), "kinit", "sync")
	change := fmt.Sprintf("dn: CN=alice,CN=Users,%s\nchangetype: modify\nadd: msDS-KeyCredentialLink\nmsDS-KeyCredentialLink: %s\n", domainBase, keyCredential(t, &key.PublicKey, "alice"))
	c.does(t, nil, "sync", change, "ldapmodify", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"))

	device := kerberos.New(kerberos.Config{
		Network: sockets{c}, Now: time.Now, Rand: rand.Reader, Patience: 5 * time.Second,
		Domain:     kerberos.Domain{Name: "corp.fabrikam.com", Realm: domainRealm, Servers: []string{"dc1.corp.fabrikam.com"}},
		Validation: kerberos.Validation{Roots: certificatesIn(t, c.lab.Domains[0].Roots), Strict: true},
	})
	session, err := device.SignInKey(t.Context(), kerberos.Client("alice@contoso.com"), kerberos.Key{Signer: key, Subject: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := session.CCache()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.home, "device.cc"), cache.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	c.does(t, says("Default principal: alice@"+domainRealm, "krbtgt/"+domainRealm), "device", "", "klist")
	c.does(t, says("ldap/dc1.corp.fabrikam.com@"+domainRealm+": kvno = "), "device", "", "kvno", "ldap/dc1.corp.fabrikam.com")
	c.does(t, says(`u:CORP\alice`), "device", "", "ldapwhoami", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"))
	c.does(t, nil, "device", "", "kinit", "-R") // renewable

	// MIT's own user-to-user request, with the same ticket on both sides.
	cc := "FILE:" + filepath.Join(c.home, "device.cc")
	c.does(t, says("alice@"+domainRealm+": kvno = "), "device", "", "kvno", "--u2u", cc, "alice")
}

// certificatesIn reads a PEM file.
func certificatesIn(t *testing.T, file string) (list []*x509.Certificate) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, cert)
	}
	return list
}

// sockets is the network of a machine that finds the lab's ports where they are
// bound.
type sockets struct{ c *corp }

func (s sockets) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	return s.dial(ctx, host, port, serve.TCP)
}

func (s sockets) DialPacket(ctx context.Context, host string, port int) (net.Conn, error) {
	return s.dial(ctx, host, port, serve.UDP)
}

func (s sockets) dial(ctx context.Context, host string, port int, protocol serve.Protocol) (net.Conn, error) {
	for _, h := range s.c.lab.Hosts {
		i := slices.IndexFunc(h.Ports, func(p aboutPort) bool { return p.Port == port && p.Protocol == protocol })
		if h.Host == host && i >= 0 {
			return new(net.Dialer).DialContext(ctx, string(protocol), h.Ports[i].Bound.String())
		}
	}
	return nil, fmt.Errorf("nothing answers on %s:%d (%s)", host, port, protocol)
}
