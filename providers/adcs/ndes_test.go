package adcs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/scep"
)

// A device gets certificates by SCEP in the name that device management said,
// with a challenge that is good once and for an hour.
func TestSCEP(t *testing.T) {
	e := newDomain(t)
	e.Create(issuing, spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	e.Create("user.alice", spec.User{UPN: "alice@corp.contoso.com", Domain: corp, Password: providers.Secret("Correct-Horse-7"), EnabledInDomain: true, PasswordVersion: 1})
	o := conformance.Get[spec.Authority, spec.AuthorityOut](e, issuing)
	env := e.For("device.pc")
	if env.Rand == nil {
		env.Rand = rand.Reader
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(o.Out.Certificate)) {
		t.Fatal("no certificate")
	}
	mdm := &scep.Admin{Env: env, Host: o.Out.Host, Secret: o.Out.SCEPSecret, Roots: roots}
	challenge := func(template string) *scep.Challenge {
		t.Helper()
		c, err := mdm.Challenge(t.Context(), `CORP\alice`, template)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	key := newKey(t)
	enroll := func(key *rsa.PrivateKey, c *scep.Challenge) ([]*x509.Certificate, error) {
		t.Helper()
		csr, err := scep.NewRequest(rand.Reader, key, pkix.Name{CommonName: "Administrator"}, c.Password)
		if err != nil {
			t.Fatal(err)
		}
		return (&scep.Client{Dial: env.Network.Dial, URL: c.URL, Thumbprint: c.Thumbprint, Now: env.Now, Rand: env.Rand}).Enroll(t.Context(), csr)
	}
	refused := func(err error) bool {
		var no *scep.Refusal
		return errors.As(err, &no) && no.Info == scep.BadRequest && no.Text != ""
	}
	for _, template := range []string{ca.HelloDevice, ca.VPNUser, ca.RemoteDesktopUser} {
		c := challenge(template)
		chain, err := enroll(key, c)
		if err != nil {
			t.Fatalf("%s: %v", template, err)
		}
		names, err := adcert.Names(chain[0])
		if err != nil || !slices.Equal(names.UPNs, []string{"alice@corp.contoso.com"}) || chain[0].Subject.CommonName != "alice" || !key.PublicKey.Equal(chain[0].PublicKey) {
			t.Errorf("%s: %s, %+v, %v", template, chain[0].Subject, names, err)
		}
		if got := adcert.HasEKU(chain[0], adcert.EKUSmartCardLogon); got != (template != ca.VPNUser) {
			t.Errorf("%s: for signing in: %t", template, got)
		}
		if len(chain) != 2 || chain[0].CheckSignatureFrom(chain[1]) != nil {
			t.Errorf("%s: a chain of %d", template, len(chain))
		}
		if _, err := enroll(key, c); !refused(err) {
			t.Errorf("%s: the challenge again: %v", template, err)
		}
	}
	byName, err := mdm.Challenge(t.Context(), "alice@corp.contoso.com", ca.VPNUser)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enroll(key, byName); err != nil {
		t.Errorf("by her user principal name: %v", err)
	}
	late := challenge(ca.VPNUser)
	e.Advance(time.Hour)
	if _, err := enroll(key, late); !refused(err) {
		t.Errorf("an hour later: %v", err)
	}
	if _, err := enroll(key, &scep.Challenge{URL: late.URL, Thumbprint: late.Thumbprint, Password: "0123456789ABCDEF"}); !refused(err) {
		t.Errorf("a challenge that was never given: %v", err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enroll(weak, challenge(ca.VPNUser)); !refused(err) || !strings.Contains(err.Error(), "CERTSRV_E_KEY_LENGTH") {
		t.Errorf("a short key: %v", err)
	}
	for name, ask := range map[string]func() error{
		"another template": func() error { _, err := mdm.Challenge(t.Context(), `CORP\alice`, ca.HelloAuthentication); return err },
		"nobody":           func() error { _, err := mdm.Challenge(t.Context(), `CORP\nobody`, ca.VPNUser); return err },
		"another secret": func() error {
			_, err := (&scep.Admin{Env: env, Host: o.Out.Host, Secret: "x", Roots: roots}).Challenge(t.Context(), `CORP\alice`, ca.VPNUser)
			return err
		},
	} {
		if err := ask(); err == nil {
			t.Errorf("%s: a challenge was given", name)
		}
	}
	steps := map[string]int{}
	for _, ev := range e.Events() {
		if ev.Actor == event.SCEP {
			steps[ev.Step]++
		}
	}
	if steps["challenge_issued"] != 6 || steps["certificate_issued"] != 4 || steps["certificate_refused"] != 6 {
		t.Errorf("the trace: %v", steps)
	}
}
