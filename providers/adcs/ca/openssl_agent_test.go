package ca_test

import (
	"crypto/rand"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adcs/ca"
)

// OpenSSL verifies what an enrollment agent signed, up to the root, and the
// certificate that came of it: its chain, purposes and names. It looks at the
// machine's clock, so the lab's is set to it.
func TestOpenSSLAgent(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("HELLOLAB_OUTSIDE") == "required" {
			t.Fatal("openssl is not installed: `make deps-test` installs it")
		}
		t.Skip("openssl is not installed: `make deps-test` installs it")
	}
	l := &lab{t: t, now: time.Now()}
	l.env = ca.Env{Section: freshSection(t), Now: l.clock, Rand: rand.Reader}
	var err error
	if l.CA, err = ca.Create(ctx, l.env, config(), nil, templates()); err != nil {
		t.Fatal(err)
	}
	request := l.signed(l.issue(admin(), ca.HelloEnrollmentAgent))
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate := func(name string, der []byte) string {
		return write(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("openssl", args...).CombinedOutput()
		if err != nil {
			t.Errorf("openssl %s: %v: %s", args[0], err, out)
		}
		return string(out)
	}
	roots := certificate("root.pem", l.Certificate().Raw)
	for name, der := range map[string][]byte{"cmc": request.encode(t), "pkcs10": request.plainForm(t)} {
		inside := filepath.Join(dir, name+".content")
		out := run("cms", "-verify", "-binary", "-inform", "DER", "-in", write(name+".der", der), "-CAfile", roots, "-purpose", "any", "-out", inside)
		if !strings.Contains(out, "successful") {
			t.Errorf("%s: %s", name, out)
		}
	}
	if out := run("req", "-verify", "-noout", "-inform", "DER", "-in", filepath.Join(dir, "pkcs10.content")); !strings.Contains(out, "OK") {
		t.Errorf("the request inside: %s", out)
	}
	issued, err := l.Issue(ctx, ca.Request{Requester: alice(), CSR: request.encode(t)})
	if err != nil {
		t.Fatal(err)
	}
	leaf := certificate("leaf.pem", issued.Certificate.Raw)
	if out := run("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", roots, leaf); !strings.Contains(out, ": OK") {
		t.Error(out)
	}
	text := run("x509", "-noout", "-text", "-certopt", "ext_parse", "-in", leaf)
	for _, want := range []string{"TLS Web Client Authentication", "Microsoft Smartcard Login", "UPN", "alice@corp.contoso.com", "Alice", "1.3.6.1.4.1.311.25.2"} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl reads no %q in %s", want, text)
		}
	}
}
