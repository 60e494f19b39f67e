package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A device's session as MIT's programs see it: the tickets of a Hello sign-in,
// exported.

const outsideHybrid = `
variable "password" {
  type      = string
  sensitive = true
}

tenant "contoso" {
  domains = ["contoso.com"]
}

domain "corp" {
  dns_name     = "corp.fabrikam.com"
  netbios_name = "CORP"
}

authority "ca" {
  domain      = domain.corp
  common_name = "Fabrikam CA"
}

sync "corp" {
  tenant = tenant.contoso
  domain = domain.corp
}

trust "key" {
  type   = "key"
  tenant = tenant.contoso
  domain = domain.corp
}

policy "hello" {
  source                = "gpo"
  trust                 = trust.key
  use_passport_for_work = true
}

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}

device "desk" {
  join   = "hybrid"
  tenant = tenant.contoso
  domain = domain.corp
}

enrollment "alice_desk" {
  user   = user.alice
  device = device.desk
  pin    = "739146"
}

service "files" {
  domain = domain.corp
}
`

func TestOutsideSession(t *testing.T) {
	need(t, "kvno", "klist", "ldapwhoami")
	c := serveDomain(t, outsideHybrid)
	cache := filepath.Join(c.home, "alice.cc")
	ours := func(args ...string) (string, error) {
		out, err := hellolab(t, c.dir, []string{"PIN=739146"}, args...).CombinedOutput()
		return string(out), err
	}
	signIn := func() (string, error) {
		return ours("signin", "user.alice", "device.desk", "-pin=env:PIN", "-ccache="+cache)
	}

	// Who is refused has no tickets.
	if out, err := signIn(); err == nil || !strings.Contains(out, "key_not_synced") {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(cache); err == nil {
		t.Fatal("a refused sign-in left tickets")
	}
	if out, err := ours("sync", "run"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := signIn(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, err := os.Stat(cache); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}

	c.does(t, says("Default principal: alice@"+domainRealm, "krbtgt/"+domainRealm), "alice", "", "klist")
	c.does(t, says("HTTP/files.corp.fabrikam.com@"+domainRealm+": kvno = ", "ldap/dc1.corp.fabrikam.com@"+domainRealm+": kvno = "),
		"alice", "", "kvno", "HTTP/files.corp.fabrikam.com", "ldap/dc1.corp.fabrikam.com")
	c.does(t, says(`u:CORP\alice`), "alice", "", "ldapwhoami", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"))

	// What programs made of the file stays.
	before, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := signIn(); err == nil || !strings.Contains(out, "is there already") {
		t.Errorf("%v\n%s", err, out)
	}
	if after, err := os.ReadFile(cache); err != nil || string(after) != string(before) {
		t.Errorf("the file was replaced: %v", err)
	}
}

// outsideCloud is outsideHybrid under cloud Kerberos trust: without an authority.
var outsideCloud = strings.NewReplacer(
	`authority "ca" {
  domain      = domain.corp
  common_name = "Fabrikam CA"
}
`, "",
	`trust "key" {
  type   = "key"`, `trust "cloud" {
  type   = "cloud_kerberos"`,
	"trust.key", "trust.cloud").Replace(outsideHybrid)

// TestOutsideCloudSession is the same with the tickets of cloud Kerberos trust:
// what the domain gave for the partial ticket, which is in the file, too.
func TestOutsideCloudSession(t *testing.T) {
	need(t, "kvno", "klist", "ldapwhoami")
	c := serveDomain(t, outsideCloud)
	cache := filepath.Join(c.home, "alice.cc")
	out, err := hellolab(t, c.dir, []string{"PIN=739146"}, "signin", "user.alice", "device.desk", "-pin=env:PIN", "-ccache="+cache).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "(A5, phase E)") { // no cycle had to run
		t.Fatalf("%v\n%s", err, out)
	}
	c.does(t, says("Default principal: alice@"+domainRealm, "krbtgt/"+domainRealm), "alice", "", "klist")
	c.does(t, says("HTTP/files.corp.fabrikam.com@"+domainRealm+": kvno = ", "ldap/dc1.corp.fabrikam.com@"+domainRealm+": kvno = "),
		"alice", "", "kvno", "HTTP/files.corp.fabrikam.com", "ldap/dc1.corp.fabrikam.com")
	c.does(t, says(`u:CORP\alice`), "alice", "", "ldapwhoami", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"))

	// MIT's klist shows both tickets: the full one first, the partial one last.
	if out := c.does(t, nil, "alice", "", "klist", "-f"); strings.Count(out, "krbtgt/"+domainRealm+"@"+domainRealm) != 2 {
		t.Errorf("%s", out)
	}
}
