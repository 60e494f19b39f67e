package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/engine/serve"
	"hellolab/providers/wire/keycred"
)

// Programs that others wrote against a served domain, led by the exported files
// alone. Names that only the lab knows are shown to one program at a time, by
// nss_wrapper; who has them in /etc/hosts needs it not.

const outsideDomain = `
variable "password" {
  type      = string
  sensitive = true
}

domain "corp" {
  dns_name     = "corp.fabrikam.com"
  netbios_name = "CORP"
  password_policy {
    min_age = "0s"
  }
  controller "dc1" {}
  controller "dc2" {
    site = "Branch"
  }
}

user "alice" {
  upn      = "alice@contoso.com"
  domain   = domain.corp
  password = var.password
  groups   = [group.staff]
}

user "bo" {
  upn      = "bo@contoso.com"
  domain   = domain.corp
  password = var.password
}

user "late" {
  upn              = "late@contoso.com"
  domain           = domain.corp
  password         = var.password
  password_expired = true
}

user "sync" {
  upn      = "sync@contoso.com"
  domain   = domain.corp
  password = var.password
}

group "staff" {
  domain = domain.corp
}

group "keys" {
  domain     = domain.corp
  well_known = "key_admins"
  members    = [user.sync]
}
`

const (
	domainPassword = "Corr3ct.horse battery"
	domainRealm    = "CORP.FABRIKAM.COM"
	domainBase     = "DC=corp,DC=fabrikam,DC=com"
)

// corp is the served domain as a shell sees it that has its variables.
type corp struct {
	dir  string // of the lab
	home string // of tickets
	vars map[string]string
	env  []string
	lab  *about
}

// serveDomain serves a lab; through is a command that runs it.
func serveDomain(t *testing.T, files string, through ...string) *corp {
	t.Helper()
	env := []string{"HELLOLAB_VAR_password=" + domainPassword}
	c := &corp{dir: applied(t, files, env), home: t.TempDir()}
	cmd := hellolab(t, c.dir, env, "serve", "-json")
	if len(through) > 0 {
		cmd.Args = append(through, cmd.Args...)
		cmd.Args[len(through)] = cmd.Path
		cmd.Path = need(t, through[0])[0]
	}
	c.lab = up(t, cmd)
	c.vars, c.env = variables(t, c.dir)
	return c
}

// tool runs a program as somebody, whose tickets are their own, and returns
// what it printed.
func (c *corp) tool(t *testing.T, who, stdin, program string, args ...string) (string, error) {
	t.Helper()
	path := need(t, program)[0]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = c.home
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(append(os.Environ(), c.env...), "LC_ALL=C", "HOME="+c.home, "KRB5CCNAME=FILE:"+filepath.Join(c.home, who+".cc"), "LD_PRELOAD="+wrapper(t))
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatalf("%s %q: %v", program, args, err)
	}
	return string(out), err
}

// wrapper is the library that gives a program a hosts file of its own.
func wrapper(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/libnss_wrapper.so")
	if err != nil || len(found) == 0 {
		missing(t, "libnss_wrapper.so")
	}
	return found[0]
}

// does demands that a program succeeds and prints something.
func (c *corp) does(t *testing.T, wants []string, who, stdin, program string, args ...string) string {
	t.Helper()
	out, err := c.tool(t, who, stdin, program, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("%s %q: no %q in\n%s", program, args, want, out)
		}
	}
	return out
}

// fails demands that a program fails and prints something.
func (c *corp) fails(t *testing.T, want, who, stdin, program string, args ...string) {
	t.Helper()
	out, err := c.tool(t, who, stdin, program, args...)
	if err == nil || !strings.Contains(out, want) {
		t.Errorf("%s %q: %v, no %q in\n%s", program, args, err, want, out)
	}
}

func says(wants ...string) []string { return wants }

// typed is what a person types.
func typed(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

func TestOutsideDomain(t *testing.T) {
	c := serveDomain(t, outsideDomain)
	t.Run("MIT", c.mit)
	t.Run("Heimdal", c.heimdal)
	t.Run("LDAP", c.ldap)
	t.Run("keys", c.keys)
	t.Run("DNS", c.dns)
	t.Run("impacket", c.impacket)
}

// TestOutsideDomainMoved has the same files lead to ports that are not AD's.
func TestOutsideDomainMoved(t *testing.T) {
	var through []string
	if os.Getuid() == 0 {
		through = []string{"setpriv", "--bounding-set=-net_bind_service", "--"}
	}
	c := serveDomain(t, outsideDomain, through...)
	if c.bound(t, "dc1.corp.fabrikam.com", portKerberos).Port() == portKerberos {
		t.Skip("this system gives low ports to everyone")
	}
	c.does(t, nil, "alice", typed(domainPassword), "kinit", "alice")
	c.does(t, says("Password changed."), "bo", typed(domainPassword, "An0ther.secret", "An0ther.secret"), "kpasswd", "bo")
	c.does(t, says("dn: CN=alice,"), "", "", "ldapsearch", "-LLL", "-x", "-D", "alice@contoso.com", "-w", domainPassword, "(sAMAccountName=alice)")
	c.does(t, says("dn: CN=alice,", "SASL SSF: 256"), "alice", "", "ldapsearch", "-LLL", "-Y", "GSSAPI", "-H", c.url(t, "dc2.corp.fabrikam.com"), "(sAMAccountName=alice)")
}

func (c *corp) mit(t *testing.T) {
	c.fails(t, "Password incorrect", "alice", typed("wrong"), "kinit", "alice")
	c.fails(t, "not found in Kerberos database", "alice", typed("wrong"), "kinit", "nobody")
	c.does(t, nil, "alice", typed(domainPassword), "kinit", "alice")
	c.does(t, says("ldap/dc1.corp.fabrikam.com@"+domainRealm+": kvno = ", "host/dc2@"+domainRealm+": kvno = "), "alice", "", "kvno", "ldap/dc1.corp.fabrikam.com", "host/dc2")
	c.fails(t, "not found in Kerberos database", "alice", "", "kvno", "http/dc3.corp.fabrikam.com")
	c.does(t, says("Default principal: alice@"+domainRealm, "ldap/dc1.corp.fabrikam.com@"+domainRealm, "aes256-cts-hmac-sha1-96"), "alice", "", "klist", "-e")
	c.does(t, nil, "upn", typed(domainPassword), "kinit", "-C", "-E", "alice@contoso.com")
	c.does(t, says("Default principal: alice@"+domainRealm), "upn", "", "klist")

	// An expired password is changed on the way to the ticket.
	c.does(t, says("Password expired.  You must change it now."), "late", typed(domainPassword, "An0ther.secret", "An0ther.secret"), "kinit", "late")
	c.does(t, says("Default principal: late@"+domainRealm), "late", "", "klist")
	c.fails(t, "Password incorrect", "late", typed(domainPassword), "kinit", "late")

	c.fails(t, "The password is too short for the domain's policy", "late", typed("An0ther.secret", "sh0rT", "sh0rT"), "kpasswd", "late")
	c.does(t, says("Password changed."), "late", typed("An0ther.secret", "Th1rd.secret", "Th1rd.secret"), "kpasswd", "late")
	c.does(t, nil, "late", typed("Th1rd.secret"), "kinit", "late")

	// Tickets that a command of `run` leaves go with its folder.
	own := applied(t, outsideDomain, []string{"HELLOLAB_VAR_password=" + domainPassword})
	run := hellolab(t, own, nil, "run", "--", "sh", "-c", "kinit alice && klist && test -f .hellolab/state.served/krb5cc")
	run.Stdin = strings.NewReader(typed(domainPassword))
	if out, err := run.CombinedOutput(); err != nil || !strings.Contains(string(out), "Default principal: alice@"+domainRealm) || exists(filepath.Join(own, ".hellolab", "state.served")) {
		t.Errorf("run -- kinit: %v\n%s", err, out)
	}
}

// heimdal is the other family of programs, from the packages that .ci/deps
// unpacked: they cannot be installed beside MIT's.
func (c *corp) heimdal(t *testing.T) {
	h := heimdal(t, c)
	h.does(t, nil, "h", typed(domainPassword), h.kinit, "--password-file=STDIN", "alice")
	h.does(t, nil, "h", "", h.kgetcred, "ldap/dc2.corp.fabrikam.com@"+domainRealm)
	h.does(t, says("Principal: alice@"+domainRealm, "ldap/dc2.corp.fabrikam.com@"+domainRealm), "h", "", h.tools, "klist")
	h.fails(t, "Password incorrect", "h", typed("wrong"), h.kinit, "--password-file=STDIN", "alice")
	h.does(t, nil, "h", typed(domainPassword), h.kinit, "--password-file=STDIN", "--canonicalize", "--enterprise", "alice@contoso.com")
}

// heimdals is corp for Heimdal's programs.
type heimdals struct {
	*corp
	kinit, kgetcred, tools string
}

func heimdal(t *testing.T, c *corp) *heimdals {
	t.Helper()
	folder, err := filepath.Abs("../../providers/adds/kdc/testdata/heimdal")
	if err != nil {
		t.Fatal(err)
	}
	libraries, err := filepath.Glob(filepath.Join(folder, "usr/lib/*/libkrb5.so.26"))
	if err != nil || len(libraries) == 0 {
		missing(t, "kinit.heimdal")
	}
	own := *c
	own.env = append(own.env[:len(own.env):len(own.env)], "LD_LIBRARY_PATH="+filepath.Dir(libraries[0]))
	bin := filepath.Join(folder, "usr", "bin")
	return &heimdals{&own, filepath.Join(bin, "kinit.heimdal"), filepath.Join(bin, "kgetcred"), filepath.Join(bin, "heimtools")}
}

func (c *corp) ldap(t *testing.T) {
	search := func(args ...string) []string { return append([]string{"-LLL", "-o", "ldif_wrap=no"}, args...) }
	simple := func(args ...string) []string {
		return search(append([]string{"-x", "-D", `CORP\alice`, "-w", domainPassword}, args...)...)
	}
	ticket := func(args ...string) []string {
		return search(append([]string{"-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com")}, args...)...)
	}
	// ldap.conf leads to the domain: neither -H nor -b.
	c.does(t, says("defaultNamingContext: "+domainBase+"\n", "supportedSASLMechanisms: GSSAPI\n"), "", "", "ldapsearch", search("-x", "-s", "base", "-b", "")...)
	c.does(t, says("dn: CN=alice,CN=Users,"+domainBase+"\n", "memberOf: CN=staff,CN=Users,"+domainBase+"\n", "userPrincipalName: alice@contoso.com\n"), "", "", "ldapsearch",
		simple("(sAMAccountName=alice)", "memberOf", "userPrincipalName")...)
	// Of the security descriptor the list alone: no owner, no group.
	c.does(t, says("nTSecurityDescriptor:: AQAEgAAAAAAAAAAAAAAAABQA"), "", "", "ldapsearch",
		simple("-E", "1.2.840.113556.1.4.801=::MAMCAQQ=", "(sAMAccountName=alice)", "nTSecurityDescriptor")...)
	c.fails(t, "data 52e", "", "", "ldapsearch", search("-x", "-D", "alice@contoso.com", "-w", "wrong", "(cn=alice)")...)
	c.fails(t, "In order to perform this operation a successful bind must be completed", "", "", "ldapsearch", search("-x", "(cn=alice)")...)
	paged := c.does(t, nil, "", "", "ldapsearch", "-x", "-D", `CORP\alice`, "-w", domainPassword, "-E", "pr=2/noprompt", "(objectClass=group)", "cn")
	if pages, names := strings.Count(paged, "\npagedresults: "), strings.Count(paged, "\ncn: "); pages < 5 || names < 9 {
		t.Errorf("%d pages of 2 with %d groups:\n%s", pages, names, paged)
	}

	c.does(t, nil, "alice", typed(domainPassword), "kinit", "alice")
	for layer, ssf := range map[string]string{"": "SASL SSF: 256", "maxssf=1": "SASL SSF: 1", "maxssf=0": "SASL SSF: 0"} {
		c.does(t, says("SASL username: alice@"+domainRealm, ssf, "dn: CN=alice,"), "alice", "", "ldapsearch", ticket("-O", layer, "(sAMAccountName=alice)", "cn")...)
	}
	c.does(t, says("dn: CN=alice,"), "alice", "", "ldapsearch", search("-Y", "GSS-SPNEGO", "-H", c.url(t, "dc2.corp.fabrikam.com"), "(sAMAccountName=alice)", "cn")...)
	c.does(t, says(`u:CORP\alice`), "alice", "", "ldapwhoami", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"))
	c.does(t, says("\npagedresults: ", "cn: Domain Admins\n"), "alice", "", "ldapsearch", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"), "-E", "pr=3/noprompt", "(objectClass=group)", "cn")
	c.fails(t, "No credentials were supplied", "nobody", "", "ldapsearch", ticket("(cn=alice)")...)
	c.fails(t, "not found in Kerberos database", "alice", "", "ldapsearch", search("-Y", "GSSAPI", "(cn=alice)")...) // by address
	// Without an authority there is no certificate.
	c.fails(t, "Server is unavailable", "", "", "ldapsearch", simple("-ZZ", "-H", c.url(t, "dc1.corp.fabrikam.com"), "(cn=alice)")...)
}

// keys are registered by who may, as Connect sync does.
func (c *corp) keys(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	value := keyCredential(t, &key.PublicKey, "bo")
	change := fmt.Sprintf("dn: CN=bo,CN=Users,%s\nchangetype: modify\nadd: msDS-KeyCredentialLink\nmsDS-KeyCredentialLink: %s\n", domainBase, value)
	at := []string{"-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com")}
	for _, who := range []string{"alice", "sync"} {
		c.does(t, nil, who, typed(domainPassword), "kinit", who)
	}
	c.does(t, nil, "bo", typed(domainPassword), "kinit", "bo")
	for _, who := range []string{"alice", "bo"} {
		c.fails(t, "Insufficient access (50)", who, change, "ldapmodify", at...)
	}
	read := append(at, "-LLL", "-o", "ldif_wrap=no", "(sAMAccountName=bo)", "msDS-KeyCredentialLink")
	if out := c.does(t, nil, "sync", "", "ldapsearch", read...); strings.Contains(out, "B:") {
		t.Errorf("written by who may not:\n%s", out)
	}
	c.does(t, says(`modifying entry "CN=bo,`), "sync", change, "ldapmodify", at...)
	c.does(t, says("msDS-KeyCredentialLink: "+value+"\n"), "sync", "", "ldapsearch", read...)
	c.fails(t, "(20)", "sync", change, "ldapmodify", at...)
	c.does(t, nil, "sync", strings.Replace(change, "\nadd:", "\ndelete:", 1), "ldapmodify", at...)
}

// keyCredential is a Hello key as an account's directory value.
func keyCredential(t *testing.T, pub *rsa.PublicKey, account string) string {
	t.Helper()
	k := keycred.FromEntra(keycred.UserKey{Public: pub, Created: time.Now()})
	b, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("B:%d:%s:CN=%s,CN=Users,%s", 2*len(b), strings.ToUpper(hex.EncodeToString(b)), account, domainBase)
}

func (c *corp) dns(t *testing.T) {
	at := c.bound(t, "dc1.corp.fabrikam.com", 53)
	for question, want := range map[string]string{
		"_ldap._tcp.dc._msdcs.corp.fabrikam.com":                   "0 100 389 dc1.corp.fabrikam.com. 0 100 389 dc2.corp.fabrikam.com.",
		"_kerberos._tcp.Branch._sites.dc._msdcs.corp.fabrikam.com": "0 100 88 dc2.corp.fabrikam.com.",
		"_kpasswd._udp.corp.fabrikam.com":                          "0 100 464 dc1.corp.fabrikam.com. 0 100 464 dc2.corp.fabrikam.com.",
	} {
		out := c.does(t, nil, "", "", "dig", "@"+at.Addr().String(), "-p", fmt.Sprint(at.Port()), "+short", "+norecurse", question, "SRV")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		slices.Sort(lines)
		if got := strings.Join(lines, " "); got != want {
			t.Errorf("%s: %q, want %q", question, got, want)
		}
	}
}

// impacket goes to AD's own ports at an address.
func (c *corp) impacket(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, whose packages the system installs
	if exec.CommandContext(t.Context(), python, "-c", "import impacket").Run() != nil {
		missing(t, "python3-impacket")
	}
	const host = "dc1.corp.fabrikam.com"
	at := c.bound(t, host, portKerberos)
	if at.Port() != portKerberos || c.bound(t, host, portLDAP).Port() != portLDAP {
		t.Skip("impacket knows no other ports than 88 and 389, which are not this user's to bind, or another's")
	}
	script, err := filepath.Abs("testdata/outside/domain.py")
	if err != nil {
		t.Fatal(err)
	}
	out := c.does(t, nil, "", "", python, script, at.Addr().String(), host, "corp.fabrikam.com", domainBase, "alice", domainPassword)
	demand(t, strings.Split(strings.TrimSpace(out), "\n"), "OK KDC_ERR_PREAUTH_FAILED", "OK ticket", "OK bo@contoso.com")
}

// bound is where a TCP port of a host is.
func (c *corp) bound(t *testing.T, host string, port int) netip.AddrPort {
	t.Helper()
	for _, h := range c.lab.Hosts {
		for _, p := range h.Ports {
			if h.Host == host && p.Port == port && p.Protocol == serve.TCP {
				return p.Bound
			}
		}
	}
	t.Fatalf("nothing answers on %s:%d", host, port)
	return netip.AddrPort{}
}

// url is LDAP's with a controller's name. Another lab may have its port.
func (c *corp) url(t *testing.T, host string) string {
	return fmt.Sprintf("ldap://%s:%d", host, c.bound(t, host, portLDAP).Port())
}
