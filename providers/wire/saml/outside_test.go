package saml

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// xmlsec1 verifies what we sign, and we verify what it signs.
func TestOutside(t *testing.T) {
	xmlsec, err := exec.LookPath("xmlsec1")
	if err != nil {
		const why = "xmlsec1 is not installed, so nobody else checks our XML signatures: `make deps-test` installs it"
		if os.Getenv("HELLOLAB_OUTSIDE") == "required" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	s := newService(t)
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), xmlsec, args...).CombinedOutput()
		return string(out), err
	}
	certificate := write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certificate.Raw})))
	key := write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8(t, s.key)})))
	id := []string{"--id-attr:AssertionID", Namespace + ":Assertion"}

	signed := s.sign(t, example())
	verify := func(document string) (string, error) {
		return run(append([]string{"--verify", "--pubkey-cert-pem", certificate, "--enabled-key-data", "key-name"}, append(id, write("signed.xml", document))...)...)
	}
	if out, err := verify(signed); err != nil {
		t.Errorf("xmlsec1: %v\n%s", err, out)
	}
	if out, err := verify(strings.Replace(signed, "ada", "eve", 1)); err == nil {
		t.Errorf("xmlsec1 takes a changed assertion:\n%s", out)
	}

	// Its turn: a template with empty values, as a token service would fill it.
	from, to := strings.Index(signed, "<ds:DigestValue>"), strings.Index(signed, "</ds:DigestValue>")
	template := signed[:from+len("<ds:DigestValue>")] + signed[to:]
	from, to = strings.Index(template, "<ds:SignatureValue>"), strings.Index(template, "</ds:SignatureValue>")
	template = template[:from+len("<ds:SignatureValue>")] + template[to:]
	from, to = strings.Index(template, "<ds:X509Certificate>"), strings.Index(template, "</ds:X509Certificate>")
	template = template[:from] + template[to+len("</ds:X509Certificate>"):]
	path := filepath.Join(folder, "theirs.xml")
	if out, err := run(append([]string{"--sign", "--privkey-pem", key + "," + certificate, "--output", path}, append(id, write("template.xml", template))...)...); err != nil {
		t.Fatalf("xmlsec1: %v\n%s", err, out)
	}
	theirs, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := s.trust().Verify(theirs, now); err != nil || a.NameID != example().NameID {
		t.Errorf("theirs: %+v, %v\n%s", a, err, theirs)
	}
}

func pkcs8(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
