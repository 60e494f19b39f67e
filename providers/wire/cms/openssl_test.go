package cms

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openssl runs the outside program in dir, where cert.pem, key.pem and content
// are the holder's and the message's.
func openssl(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

func store(t *testing.T, h holder, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(h.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.cert.Raw}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"content":  content,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOpenSSLVerifiesOurs(t *testing.T) {
	for _, h := range []holder{rsaHolder(t, 2048), ecHolder(t, elliptic.P384())} {
		for _, id := range []Identifier{{}, {SubjectKeyID: h.cert.SubjectKeyId}} {
			for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA512} {
				s := Signer{Key: h.key, Hash: hash, Certificates: []*x509.Certificate{h.cert}, ID: id}
				dir := store(t, h, ContentInfo(SignedDataOID, sign(t, s, "our content")))
				out := openssl(t, dir, "cms", "-verify", "-binary", "-inform", "DER", "-in", "content", "-CAfile", "cert.pem", "-purpose", "any")
				if string(out) != "our content" {
					t.Errorf("openssl read %q", out)
				}
			}
		}
	}
}

func TestOursVerifiesOpenSSL(t *testing.T) {
	rsaKey, ec := rsaHolder(t, 2048), ecHolder(t, elliptic.P256())
	for name, c := range map[string]struct {
		h    holder
		args []string
		sha1 bool
		ski  bool
	}{
		"serial":   {h: rsaKey},
		"keyid":    {h: rsaKey, args: []string{"-keyid"}, ski: true},
		"sha1":     {h: rsaKey, args: []string{"-md", "sha1"}, sha1: true},
		"sha384":   {h: rsaKey, args: []string{"-md", "sha384"}},
		"sha512":   {h: rsaKey, args: []string{"-md", "sha512"}},
		"pss":      {h: rsaKey, args: []string{"-md", "sha256", "-keyopt", "rsa_padding_mode:pss"}},
		"pss 32":   {h: rsaKey, args: []string{"-md", "sha512", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"}},
		"ec":       {h: ec, args: []string{"-md", "sha256"}},
		"ec keyid": {h: ec, args: []string{"-md", "sha512", "-keyid"}, ski: true},
	} {
		dir := store(t, c.h, []byte("their content"))
		args := append([]string{"cms", "-sign", "-binary", "-nodetach", "-econtent_type", authData.String(), "-signer", "cert.pem", "-inkey", "key.pem", "-in", "content", "-outform", "DER"}, c.args...)
		d, err := ParseSignedData(openssl(t, dir, args...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !d.ContentType.Equal(authData) || string(d.Content) != "their content" || !d.SignerCertificate().Equal(c.h.cert) || (d.Signer.SubjectKeyID != nil) != c.ski {
			t.Errorf("%s: read %v, %q, signer %+v", name, d.ContentType, d.Content, d.Signer)
		}
		if err := d.Verify(c.h.key.Public(), Accept{SHA1: c.sha1}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.sha1 {
			if err := d.Verify(c.h.key.Public(), Accept{}); !errors.Is(err, ErrDigest) {
				t.Errorf("%s, not accepted: %v", name, err)
			}
		}
	}
	// Fault 76: no signed attributes.
	dir := store(t, rsaKey, []byte("x"))
	der := openssl(t, dir, "cms", "-sign", "-binary", "-nodetach", "-noattr", "-signer", "cert.pem", "-inkey", "key.pem", "-in", "content", "-outform", "DER")
	if _, err := ParseSignedData(der); !errors.Is(err, ErrSyntax) {
		t.Errorf("without attributes: %v", err)
	}
}

func TestEnvelopesWithOpenSSL(t *testing.T) {
	h := rsaHolder(t, 2048)
	for name, algo := range map[string]asn1.ObjectIdentifier{"-des3": DESEDE3CBC, "-aes128": AES128CBC, "-aes256": AES256CBC} {
		der, err := Envelope(rand.Reader, h.cert, Data, []byte("our secret"), algo)
		if err != nil {
			t.Fatal(err)
		}
		dir := store(t, h, ContentInfo(EnvelopedOID, der))
		if out := openssl(t, dir, "cms", "-decrypt", "-inform", "DER", "-in", "content", "-recip", "cert.pem", "-inkey", "key.pem"); string(out) != "our secret" {
			t.Errorf("openssl read %q", out)
		}
		for _, keyid := range []bool{false, true} {
			dir = store(t, h, []byte("their secret"))
			args := []string{"cms", "-encrypt", "-binary", name, "-in", "content", "-outform", "DER", "-recip", "cert.pem"}
			if keyid {
				args = append(args, "-keyid")
			}
			e, err := ParseEnvelopedData(openssl(t, dir, args...))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := e.Open(rand.Reader, h.key.(*rsa.PrivateKey), h.cert); err != nil || string(got) != "their secret" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
}
