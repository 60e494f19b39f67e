package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/engine/lab"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/pkinit"
)

const keyTrustDomain = `
domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"
}
user "alice" {
  upn      = "alice@corp.contoso.com"
  domain   = domain.corp
  password = "Correct-Horse-7!"
}
`

// helloKey is a registered key, as a client signs in with it.
type helloKey struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate // self-signed, as Windows makes it
}

func newHelloKey(t *testing.T, now time.Time) helloKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hello"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return helloKey{key, cert}
}

func (k helloKey) credential(now time.Time) ([]byte, error) {
	device, err := guid.New(rand.Reader)
	if err != nil {
		return nil, err
	}
	c := keycred.FromEntra(keycred.UserKey{Public: &k.key.PublicKey, Device: device, Created: now.Add(-time.Minute), MFA: true})
	return c.Marshal()
}

// signIn asks the domain for a ticket as alice by the key.
func (k helloKey) signIn(ctx context.Context, l *lab.Lab) error {
	client := &krbclient.Client{Realm: "CORP.CONTOSO.COM", Now: l.Now, Rand: rand.Reader, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		return l.Network().Dial(ctx, "dc1.corp.contoso.com", 88)
	}}
	_, err := client.AS(ctx, krbclient.ASRequest{Client: krb.Principal("alice")}, &pkinit.Preauth{
		Initiator: pkinit.Initiator{Signer: cms.Signer{Key: k.key, Certificates: []*x509.Certificate{k.cert}}, Group: pkinit.MODP2048, KDFs: pkinit.DefaultKDFs(), Checksum2: crypto.SHA256},
		Trust:     func(*x509.Certificate, []*x509.Certificate) error { return nil }, // whether a client trusts the KDC is not the question here
		Rand:      rand.Reader,
	})
	return err
}

// TestDoctorForetellsWhatClientsMeet: where doctor names a code, a client gets
// it; where it finds nothing, the client gets in. Fault 67.
func TestDoctorForetellsWhatClientsMeet(t *testing.T) {
	s := scriptSession(t.TempDir())
	defer s.systems.Close()
	var out bytes.Buffer
	s.out, s.err = &out, &out
	write := func(files string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.dir, "main.lab.hcl"), []byte(files), 0o600); err != nil {
			t.Fatal(err)
		}
		c := &applyCommand{autoApprove: true}
		c.refresh, c.parallelism = true, 2
		if err := c.run(t.Context(), s, nil); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
	}
	doctor := func() (string, error) {
		out.Reset()
		err := (&doctorCommand{}).run(t.Context(), s, nil)
		return out.String(), err
	}
	write(keyTrustDomain)
	key := newHelloKey(t, s.now())
	err := s.act(t.Context(), &stateFlags{}, "register", func(l *lab.Lab) error {
		value, err := key.credential(l.Now())
		if err != nil {
			return err
		}
		return s.writeKey(t.Context(), l, "user.alice", value)
	})
	if err != nil {
		t.Fatal(err)
	}
	meets := func() (met error) {
		t.Helper()
		err := s.glance(t.Context(), &stateFlags{}, func(l *lab.Lab) error {
			met = key.signIn(t.Context(), l)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return met
	}

	said, err := doctor()
	if code := exitCode(0); !errors.As(err, &code) || code != exitError || !strings.Contains(said, "Clients meet KDC_ERR_PADATA_TYPE_NOSUPP (16)") {
		t.Errorf("doctor ends with %v and says:\n%s", err, said)
	}
	if err := meets(); !errors.Is(err, krb.ErrPADataTypeNoSupport) {
		t.Errorf("a client without a certificate of the KDC meets %v", err)
	}

	write(keyTrustDomain + `
authority "issuing" {
  domain      = domain.corp
  common_name = "Issuing"
}`)
	if said, err := doctor(); err != nil || said != "Nothing was found that would fail.\n" {
		t.Errorf("doctor ends with %v and says:\n%s", err, said)
	}
	if err := meets(); err != nil {
		t.Errorf("the client meets %v", err)
	}
}
