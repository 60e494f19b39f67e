package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Programs that others wrote against a domain with authorities: OpenSSL makes
// keys and verifies, curl enrolls, kinit signs in by certificate or by a key
// that is registered.

const outsideAuthority = `
variable "password" {
  type      = string
  sensitive = true
}

domain "corp" {
  dns_name     = "corp.fabrikam.com"
  netbios_name = "CORP"
  interop {
    keyless_cms = true
  }
}

authority "root" {
  domain      = domain.corp
  common_name = "Contoso Root CA"
  ntauth      = false
}

authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
  parent      = authority.root
}

user "all" {
  for_each = toset(["alice", "bo", "carla", "sync"])
  upn      = "${each.key}@contoso.com"
  domain   = domain.corp
  password = var.password
}

group "admins" {
  domain     = domain.corp
  well_known = "domain_admins"
  members    = [user.all["carla"]]
}

service "intranet" {
  domain    = domain.corp
  authorize = [group.admins]
}

service "archive" {
  domain = domain.corp
  kind   = "ntlm"
}

group "keys" {
  domain     = domain.corp
  well_known = "key_admins"
  members    = [user.all["sync"]]
}
`

const (
	issuingHost = "issuing.corp.fabrikam.com"
	issuingPath = "/Contoso%20Issuing%20CA"
)

func TestOutsideAuthority(t *testing.T) {
	c := serveDomain(t, outsideAuthority)
	for _, who := range []string{"alice", "carla", "sync"} {
		c.does(t, nil, who, typed(domainPassword), "kinit", who)
	}
	t.Run("TLS", c.secureLDAP)
	t.Run("service", c.service)
	t.Run("certificate", c.certificate)
	t.Run("key", c.registeredKey)
	t.Run("foreign authority", c.foreign)
}

func (c *corp) secureLDAP(t *testing.T) {
	simple := []string{"-LLL", "-x", "-D", "alice@contoso.com", "-w", domainPassword, "(sAMAccountName=bo)", "cn"}
	ldaps := fmt.Sprintf("ldaps://dc1.corp.fabrikam.com:%d", c.bound(t, "dc1.corp.fabrikam.com", 636).Port())
	c.does(t, says("cn: bo"), "", "", "ldapsearch", append(simple, "-ZZ", "-H", c.url(t, "dc1.corp.fabrikam.com"))...)
	c.does(t, says("cn: bo"), "", "", "ldapsearch", append(simple, "-H", ldaps)...)
	c.does(t, says("SASL SSF: 0", "cn: bo"), "alice", "", "ldapsearch", "-LLL", "-Y", "GSSAPI", "-H", ldaps, "(sAMAccountName=bo)", "cn")
	// The certificate has names, and no address.
	address := strings.Replace(ldaps, "dc1.corp.fabrikam.com", c.bound(t, "dc1.corp.fabrikam.com", 636).Addr().String(), 1)
	c.fails(t, "Can't contact LDAP server", "", "", "ldapsearch", append(simple, "-H", address)...)
}

// service is a member server, met by curl.
func (c *corp) service(t *testing.T) {
	get := func(more ...string) []string { return append([]string{"-sS", "-w", " %{http_code}"}, more...) }
	negotiate := get("--negotiate", "-u", ":", c.vars["HELLOLAB_SERVICE_INTRANET_URL"])
	c.does(t, says(`"user":"carla@`+domainRealm+`"`, "} 200"), "carla", "", "curl", negotiate...)
	c.does(t, says("not_authorized", "} 403"), "alice", "", "curl", negotiate...)
	c.does(t, says(" 401"), "nobody", "", "curl", negotiate...)
	for password, want := range map[string]string{domainPassword: "} 200", "wrong": " 401"} {
		c.does(t, says(want), "", "", "curl", get("--ntlm", "-u", `CORP\alice:`+password, c.vars["HELLOLAB_SERVICE_ARCHIVE_URL"])...)
	}
}

// certificate is enrolled by curl, verified by OpenSSL, and signs in.
func (c *corp) certificate(t *testing.T) {
	c.fails(t, "CERTSRV_E_TEMPLATE_DENIED", "alice", "", "sh", "-c", c.enrollment(t, "alice", "SmartcardLogon"))
	carla := c.enroll(t, "carla", "SmartcardLogon")
	alice := c.enroll(t, "alice", "User")

	corp := c.lab.Domains[0]
	verify := []string{"verify", "-CAfile", corp.Roots, "-untrusted", corp.Intermediates}
	c.does(t, says("OK"), "", "", "openssl", append(verify, "-x509_strict", "carla.pem")...)
	c.does(t, nil, "", "", "curl", "-sSf", "--proxytunnel", "--proxy", c.vars["HELLOLAB_PROXY"], "-o", "issuing.crl", "http://"+issuingHost+"/CertEnroll"+issuingPath+".crl")
	c.does(t, nil, "", "", "openssl", "crl", "-inform", "DER", "-in", "issuing.crl", "-out", "issuing.crl.pem")
	c.does(t, says("OK"), "", "", "openssl", append(verify, "-crl_check", "-CRLfile", "issuing.crl.pem", "carla.pem")...)
	ocsp := fmt.Sprintf("http://%s:%d/ocsp", issuingHost, c.bound(t, issuingHost, 80).Port())
	c.does(t, says("Response verify OK", "carla.pem: good"), "", "", "openssl", "ocsp", "-issuer", corp.Intermediates, "-cert", "carla.pem", "-url", ocsp, "-CAfile", corp.Roots, "-verify_other", corp.Intermediates)

	// MIT's kinit: group 14, the ticket serves; RSA; by UPN.
	c.does(t, nil, "smart", "", "kinit", "-X", carla, "carla")
	c.does(t, says(`u:CORP\carla`), "smart", "", "ldapwhoami", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"))
	c.does(t, nil, "smart", "", "kinit", "-X", carla, "-X", "flag_RSA_PROTOCOL=yes", "carla")
	c.does(t, nil, "upn", "", "kinit", "-X", carla, "-C", "-E", "carla@contoso.com")
	c.does(t, says("Default principal: carla@"+domainRealm), "upn", "", "klist")
	c.fails(t, "Client name mismatch", "no", "", "kinit", "-X", carla, "bo")
	c.fails(t, "key purpose", "no", "", "kinit", "-X", alice, "alice") // for clients of TLS and for mail

	h := heimdal(t, c)
	file := strings.TrimPrefix(carla, "X509_user_identity=")
	h.does(t, nil, "h", "", h.kinit, "-C", file, "carla")
	h.does(t, nil, "h", "", h.kgetcred, "ldap/dc1.corp.fabrikam.com@"+domainRealm)
	h.does(t, nil, "h", "", h.kinit, "-C", file, "--pk-use-enckey", "carla")
	h.fails(t, "The certificate does not name bo", "h", "", h.kinit, "-C", file, "bo")
}

// enrollment is a command line that asks the authority for a certificate, for a
// new key. Who asks is told by a Kerberos ticket.
func (c *corp) enrollment(t *testing.T, who, template string) string {
	t.Helper()
	c.does(t, nil, "", "", "openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", who+".key", "-subj", "/CN=anything", "-outform", "DER", "-out", who+".csr")
	envelope, err := os.ReadFile("testdata/outside/enroll.xml")
	if err != nil {
		t.Fatal(err)
	}
	csr, err := os.ReadFile(filepath.Join(c.home, who+".csr"))
	if err != nil {
		t.Fatal(err)
	}
	message := strings.NewReplacer("REQUEST", base64.StdEncoding.EncodeToString(csr), "TEMPLATE", template).Replace(string(envelope))
	c.write(t, who+".xml", message)
	need(t, "curl")
	return fmt.Sprintf("curl -sS --fail-with-body --negotiate -u : -H 'Content-Type: application/soap+xml; charset=utf-8' --data-binary @%s.xml 'https://%s%s_CES_Kerberos/service.svc/CES'",
		who, issuingHost, issuingPath)
}

func (c *corp) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.home, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificateIn is the issued certificate in the authority's answer.
var certificateIn = regexp.MustCompile(`X509v3"[^>]*>([A-Za-z0-9+/=\s]+)</`)

// enroll returns kinit's option for the identity that was enrolled.
func (c *corp) enroll(t *testing.T, who, template string) string {
	t.Helper()
	answer := c.does(t, nil, who, "", "sh", "-c", c.enrollment(t, who, template))
	found := certificateIn.FindStringSubmatch(answer)
	if found == nil {
		t.Fatalf("no certificate in %s", answer)
	}
	der, err := base64.StdEncoding.DecodeString(found[1])
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, who+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return "X509_user_identity=FILE:" + who + ".pem," + who + ".key"
}

// registeredKey is a key that its holder made and a key administrator wrote to
// the account, as Windows Hello for Business has it: no authority knows it.
func (c *corp) registeredKey(t *testing.T) {
	// Heimdal signs with a certificate that says it is for signing.
	c.does(t, nil, "", "", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "bo.key", "-subj", "/CN=bo's key", "-days", "1", "-addext", "keyUsage=digitalSignature", "-out", "bo.pem")
	identity := "X509_user_identity=FILE:bo.pem,bo.key"
	h := heimdal(t, c)
	h.fails(t, "The key of the self-signed certificate is not registered with", "h", "", h.kinit, "-C", "FILE:bo.pem,bo.key", "bo")

	data, err := os.ReadFile(filepath.Join(c.home, "bo.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	change := fmt.Sprintf("dn: CN=bo,CN=Users,%s\nchangetype: modify\nadd: msDS-KeyCredentialLink\nmsDS-KeyCredentialLink: %s\n", domainBase, keyCredential(t, cert.PublicKey.(*rsa.PublicKey), "bo"))
	modify := []string{"-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com")}
	c.does(t, nil, "sync", change, "ldapmodify", modify...)

	// Heimdal sends a certificate that nobody signed but its holder.
	h.does(t, nil, "h", "", h.kinit, "-C", "FILE:bo.pem,bo.key", "bo")
	h.does(t, says("Principal: bo@"+domainRealm), "h", "", h.tools, "klist")
	h.does(t, nil, "h", "", h.kinit, "-C", "FILE:bo.pem,bo.key", "--pk-use-enckey", "bo")
	h.fails(t, "The key of the self-signed certificate is not registered with", "h", "", h.kinit, "-C", "FILE:bo.pem,bo.key", "alice")

	// MIT's kinit wants to believe its own certificate. If that is the anchor it
	// leaves it out, and the domain tries the account's keys (keyless_cms).
	believing := func(anchor string) *corp { return c.believing(t, anchor) }
	believing("bo.pem").does(t, nil, "key", "", "kinit", "-X", identity, "bo")
	c.does(t, says(`u:CORP\bo`), "key", "", "ldapwhoami", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"))
	believing("bo.pem").fails(t, "not trusted", "no", "", "kinit", "-X", identity, "alice")
	// Or an authority of its own has signed it.
	c.does(t, nil, "", "", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "own.key", "-subj", "/CN=own", "-days", "1", "-out", "own.pem")
	c.does(t, nil, "", "", "openssl", "req", "-x509", "-key", "bo.key", "-CA", "own.pem", "-CAkey", "own.key", "-subj", "/CN=bo's key", "-days", "1", "-addext", "basicConstraints=CA:FALSE", "-out", "leaf.pem")
	leaf := "X509_user_identity=FILE:leaf.pem,bo.key"
	believing("own.pem").does(t, nil, "key", "", "kinit", "-X", leaf, "bo")
	believing("own.pem").does(t, nil, "key", "", "kinit", "-X", leaf, "-X", "flag_RSA_PROTOCOL=yes", "bo")

	// A key that is taken away signs nobody in.
	c.does(t, nil, "sync", strings.Replace(change, "\nadd:", "\ndelete:", 1), "ldapmodify", modify...)
	h.fails(t, "The key of the self-signed certificate is not registered with", "h", "", h.kinit, "-C", "FILE:bo.pem,bo.key", "bo")
	believing("own.pem").fails(t, "not trusted", "no", "", "kinit", "-X", leaf, "bo")
}

// believing has MIT's programs trust one more authority, by a file of their own
// before the exported one.
func (c *corp) believing(t *testing.T, anchor string) *corp {
	t.Helper()
	own := *c
	c.write(t, "own.conf", fmt.Sprintf("[realms]\n%s = {\n pkinit_anchors = FILE:%s\n}\n", domainRealm, filepath.Join(c.home, anchor)))
	own.env = append(own.env[:len(own.env):len(own.env)], "KRB5_CONFIG="+filepath.Join(c.home, "own.conf")+":"+c.vars["KRB5_CONFIG"])
	return &own
}

// foreign is an authority outside the lab. An administrator makes the domain
// trust it, store by store; its certificate tells nobody whether it is revoked.
func (c *corp) foreign(t *testing.T) {
	settings, err := filepath.Abs("testdata/outside/pkinit.cnf")
	if err != nil {
		t.Fatal(err)
	}
	c.does(t, nil, "", "", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "foreign.key", "-subj", "/CN=Foreign CA", "-days", "1", "-out", "foreign.pem")
	own := *c
	own.env = append(own.env[:len(own.env):len(own.env)], "REALM="+domainRealm)
	own.does(t, nil, "", "", "openssl", "req", "-x509", "-config", settings, "-newkey", "rsa:2048", "-nodes", "-keyout", "alien.key", "-CA", "foreign.pem", "-CAkey", "foreign.key", "-days", "1", "-out", "alien.pem")
	data, err := os.ReadFile(filepath.Join(c.home, "foreign.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	value := base64.StdEncoding.EncodeToString(block.Bytes)
	services := "CN=Public Key Services,CN=Services,CN=Configuration," + domainBase
	directory := []string{"-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com")}

	h := heimdal(t, c)
	refused := func(want string) {
		t.Helper()
		h.fails(t, want, "no", "", h.kinit, "-C", "FILE:alien.pem,alien.key", "alice")
	}
	refused("certificate or key is not trusted")
	root := fmt.Sprintf("dn: CN=Foreign CA,CN=Certification Authorities,%s\nobjectClass: certificationAuthority\ncACertificate:: %s\nauthorityRevocationList:: AA==\ncertificateRevocationList:: AA==\n", services, value)
	c.fails(t, "Insufficient access (50)", "alice", root, "ldapadd", directory...)
	c.does(t, nil, "carla", root, "ldapadd", directory...)
	refused("is not in the domain's NTAuth store")
	c.does(t, nil, "carla", fmt.Sprintf("dn: CN=NTAuthCertificates,%s\nchangetype: modify\nadd: cACertificate\ncACertificate:: %s\n", services, value), "ldapmodify", directory...)
	refused("the certificate names no source")
	c.believing(t, "foreign.pem").fails(t, "Revocation status unknown", "no", "", "kinit", "-X", "X509_user_identity=FILE:alien.pem,alien.key", "alice")
}
