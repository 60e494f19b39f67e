package ca_test

import (
	"crypto/rand"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/wire/crl"
)

// OpenSSL verifies chain and lists, base and delta, and asks the responder. It
// looks at the machine's clock, so the lab's is set to it.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("HELLOLAB_OUTSIDE") == "required" {
			t.Fatal("openssl is not installed: `make deps-test` installs it")
		}
		t.Skip("openssl is not installed: `make deps-test` installs it")
	}
	root := config()
	root.CommonName, root.Host, root.PathLen = "Contoso Root CA", "root.corp.contoso.com", 1
	at := func(c ca.Config, above ca.Parent) *lab {
		made := &lab{t: t, now: time.Now()}
		made.env = ca.Env{Section: freshSection(t), Now: made.clock, Rand: rand.Reader}
		var err error
		if made.CA, err = ca.Create(ctx, made.env, c, above, templates()); err != nil {
			t.Fatal(err)
		}
		return made
	}
	parent := at(root, nil)
	l := at(config(), parent)
	good, base, delta := l.issue(controller(), ca.KerberosAuthentication), l.issue(alice(), ca.User), l.issue(alice(), ca.User)
	if err := l.Revoke(ctx, base.SerialNumber, crl.KeyCompromise, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := l.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.Revoke(ctx, delta.SerialNumber, crl.CertificateHold, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := l.PublishDelta(ctx); err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	write := func(name string, blocks ...*pem.Block) string {
		var b []byte
		for _, block := range blocks {
			b = append(b, pem.EncodeToMemory(block)...)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate := func(der []byte) *pem.Block { return &pem.Block{Type: "CERTIFICATE", Bytes: der} }
	var lists []*pem.Block
	for _, c := range []*lab{parent, l} {
		b, d, err := c.Lists(ctx)
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, &pem.Block{Type: "X509 CRL", Bytes: b}, &pem.Block{Type: "X509 CRL", Bytes: d})
	}
	roots, issuer := write("root.pem", certificate(parent.Certificate().Raw)), write("issuer.pem", certificate(l.Certificate().Raw))
	all := write("lists.pem", lists...)
	server := httptest.NewServer(l.Handler(func(err error) { t.Error(err) }))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		name           string
		der            []byte
		verify, status string
	}{
		{"good", good.Raw, ": OK", ": good"},
		{"base", base.Raw, "certificate revoked", ": revoked"},
		{"delta", delta.Raw, "certificate revoked", ": revoked"},
	} {
		path := write(c.name+".pem", certificate(c.der))
		out, _ := exec.Command("openssl", "verify", "-x509_strict", "-crl_check_all", "-extended_crl", "-use_deltas", "-CAfile", roots, "-untrusted", issuer, "-CRLfile", all, path).CombinedOutput()
		if !strings.Contains(string(out), c.verify) {
			t.Errorf("%s: openssl verify: %s", c.name, out)
		}
		out, err := exec.Command("openssl", "ocsp", "-url", server.URL+"/ocsp", "-issuer", issuer, "-cert", path, "-CAfile", roots, "-verify_other", issuer, "-partial_chain").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Response verify OK") || !strings.Contains(string(out), c.status) {
			t.Errorf("%s: openssl ocsp: %v: %s", c.name, err, out)
		}
	}
}
