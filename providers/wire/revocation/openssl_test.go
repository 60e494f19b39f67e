package revocation_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/revocation"
)

const opensslConfig = `
[ca]
default_ca = lab
[lab]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
x509_extensions = leaf
crl_extensions = crlext
[any]
commonName = supplied
[leaf]
crlDistributionPoints = URI:http://ca.example/base.crl
authorityInfoAccess = OCSP;URI:http://ca.example/ocsp
[crlext]
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign,digitalSignature
subjectKeyIdentifier = hash
[req]
distinguished_name = name
[name]
`

// openssl runs a command in dir.
func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: `make deps-test` installs it")
	}
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OPENSSL_CONF="+filepath.Join(dir, "openssl.cnf"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// An authority that OpenSSL runs: its lists, and its OCSP answers.
func TestOpenSSLAuthority(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("openssl.cnf", opensslConfig)
	write("index.txt", "")
	write("serial", "4D\n")
	write("crlnumber", "07\n")
	openssl(t, dir, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab", "-days", "30", "-extensions", "authority")
	for _, name := range []string{"good", "bad"} {
		openssl(t, dir, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", name+".key", "-out", name+".csr", "-subj", "/CN="+name)
		openssl(t, dir, "ca", "-batch", "-in", name+".csr", "-out", name+".pem", "-notext")
	}
	openssl(t, dir, "ca", "-revoke", "bad.pem", "-crl_reason", "keyCompromise")
	openssl(t, dir, "ca", "-gencrl", "-out", "crl.pem")
	openssl(t, dir, "crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cert := func(name string) *x509.Certificate {
		block, _ := pem.Decode(read(name))
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	issuer, good, bad := cert("ca.pem"), cert("good.pem"), cert("bad.pem")
	n := newNetwork()
	n.files[baseURL] = read("crl.der")
	at := time.Now().Add(time.Minute)
	lists := revocation.New(n, revocation.Options{NoOCSP: true})
	if got := lists.Check(ctx, good, issuer, at); got.Status != revocation.Good || got.Source != baseURL {
		t.Errorf("%s (%v)", got, got.Err)
	}
	if got := lists.Check(ctx, bad, issuer, at); got.Status != revocation.Revoked || got.Reason != crl.KeyCompromise {
		t.Errorf("%s (%v)", got, got.Err)
	}

	for name, want := range map[string]revocation.Status{"good": revocation.Good, "bad": revocation.Revoked} {
		openssl(t, dir, "ocsp", "-issuer", "ca.pem", "-cert", name+".pem", "-no_nonce", "-reqout", "req.der")
		openssl(t, dir, "ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-reqin", "req.der", "-respout", "resp.der", "-nmin", "60")
		n.files[ocspURL] = read("resp.der")
		got := revocation.New(n, revocation.Options{NoLists: true}).Check(ctx, cert(name+".pem"), issuer, at)
		if got.Status != want || !got.OCSP {
			t.Errorf("%s: %s (%v)", name, got, got.Err)
		}
	}
}
