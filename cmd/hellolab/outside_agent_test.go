package main

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/cmc"
)

// An enrollment agent that others' programs are: OpenSSL makes the keys and signs
// on behalf of alice, curl asks the authority, and MIT's kinit signs in with the
// certificate that came of it, until a revocation list says no.
func TestOutsideAgent(t *testing.T) {
	env := []string{"HELLOLAB_VAR_password=" + domainPassword}
	c := &corp{dir: applied(t, outsideAuthority, env), home: t.TempDir()}
	serving := func(name string, fn func(*testing.T)) {
		t.Run(name, func(t *testing.T) {
			c.lab = up(t, hellolab(t, c.dir, env, "serve", "-json"))
			c.vars, c.env = variables(t, c.dir)
			fn(t)
		})
	}
	revoke := func(args ...string) {
		t.Helper()
		args = append([]string{"revoke", "certificate", thumbprintOf(t, filepath.Join(c.home, "whfb.pem")), "-auto-approve"}, args...)
		if out, err := hellolab(t, c.dir, env, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	const identity = "X509_user_identity=FILE:whfb.pem,whfb.key"
	signIn := []string{"-X", identity, "alice"}
	serving("issued", func(t *testing.T) {
		c.onBehalf(t)
		c.does(t, nil, "smart", "", "kinit", signIn...)
		c.does(t, says(`u:CORP\alice`), "smart", "", "ldapwhoami", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"))
		c.fails(t, "Client name mismatch", "no", "", "kinit", "-X", identity, "bo")
	})
	revoke()
	serving("revoked, in no list", func(t *testing.T) { c.does(t, nil, "smart", "", "kinit", signIn...) })
	revoke("-publish")
	serving("in the list", func(t *testing.T) {
		seed.Proves(t, "CE-09")
		c.fails(t, "Revoked certificate", "no", "", "kinit", signIn...)
	})
}

// onBehalf leaves the key and certificate of alice that carla, an administrator,
// asked for as an enrollment agent.
func (c *corp) onBehalf(t *testing.T) {
	t.Helper()
	c.does(t, nil, "carla", typed(domainPassword), "kinit", "carla")
	c.fails(t, "CERTSRV_E_SIGNATURE_POLICY_REQUIRED", "carla", "", "sh", "-c", c.enrollment(t, "whfb", "WHFBAuthentication"))
	c.enroll(t, "carla", "WHFBEnrollmentAgent")
	csr, err := os.ReadFile(filepath.Join(c.home, "whfb.csr"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := cmc.Request{CSR: csr, Pairs: map[string]string{cmc.RequesterName: `CORP\alice`}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "pkidata.der", string(data))
	c.does(t, nil, "", "", "openssl", "cms", "-sign", "-binary", "-nodetach", "-md", "sha256", "-econtent_type", "1.3.6.1.5.5.7.12.2", "-outform", "DER",
		"-in", "pkidata.der", "-signer", "carla.pem", "-inkey", "carla.key", "-out", "request.der")
	signed, err := os.ReadFile(filepath.Join(c.home, "request.der"))
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := os.ReadFile("testdata/outside/enroll.xml")
	if err != nil {
		t.Fatal(err)
	}
	const cms = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#PKCS7"
	message := strings.NewReplacer("REQUEST", base64.StdEncoding.EncodeToString(signed), "TEMPLATE", "WHFBAuthentication",
		"http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS10", cms).Replace(string(envelope))
	c.write(t, "behalf.xml", message)
	answer := c.does(t, nil, "carla", "", "sh", "-c", fmt.Sprintf("curl -sS --fail-with-body --negotiate -u : -H 'Content-Type: application/soap+xml; charset=utf-8' --data-binary @behalf.xml 'https://%s%s_CES_Kerberos/service.svc/CES'", issuingHost, issuingPath))
	found := certificateIn.FindStringSubmatch(answer)
	if found == nil {
		t.Fatalf("no certificate in %s", answer)
	}
	der, err := base64.StdEncoding.DecodeString(found[1])
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "whfb.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	corp := c.lab.Domains[0]
	c.does(t, says("OK"), "", "", "openssl", "verify", "-CAfile", corp.Roots, "-untrusted", corp.Intermediates, "-x509_strict", "whfb.pem")
	c.does(t, says("Microsoft Smartcard Login", "TLS Web Client Authentication", "alice@contoso.com"), "", "", "openssl", "x509", "-noout", "-text", "-in", "whfb.pem")
}

func thumbprintOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("%s is not PEM", path)
	}
	return fmt.Sprintf("%X", sha1.Sum(block.Bytes))
}
