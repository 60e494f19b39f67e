package kdc_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/adds/kdc"
	"hellolab/providers/conformance"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/revocation"
	"hellolab/providers/wire/sid"
)

// A domain controller checks revocation: a certificate is good until the CA
// publishes that it is not, and what cannot be known is refused. Faults 66, 80.
func TestRevocation(t *testing.T) {
	ctx := context.Background()
	domain := sid.New(5, 21, 1, 2, 3)
	var hours, down atomic.Int64
	now := func() time.Time { return conformance.Began.Add(time.Duration(hours.Load()) * time.Hour) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	authority := func(config ca.Config, parent ca.Parent) *ca.CA {
		config.Domain, config.HTTP, config.Lists.Manual = "corp.example", true, true
		env := ca.Env{Section: conformance.NewEnv(t).For("authority.x").Section, Now: now, Rand: rand.Reader}
		c, err := ca.Create(ctx, env, config, parent, ca.Builtin(domain, guid.GUID{}))
		must(err)
		return c
	}
	root := authority(ca.Config{CommonName: "Root", Host: "root.corp.example", PathLen: 1}, nil)
	issuing := authority(ca.Config{CommonName: "Issuing", Host: "ca.corp.example"}, root)
	hosts := map[string]string{}
	for host, c := range map[string]*ca.CA{"root.corp.example": root, "ca.corp.example": issuing} {
		server := httptest.NewServer(c.Handler(func(err error) { t.Error(err) }))
		t.Cleanup(server.Close)
		hosts[host] = server.Listener.Addr().String()
	}
	checker := revocation.New(revocation.NewHTTP(func(ctx context.Context, host string, _ int) (net.Conn, error) {
		if hosts[host] == "" || down.Load() != 0 {
			return nil, errors.New("no such host")
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", hosts[host])
	}), revocation.Options{})
	trust := &kdc.ChainTrust{Roots: root.Chain(), Intermediates: issuing.Chain()[:1], NTAuth: issuing.Chain()[:1], Revocation: kdc.Revocation(checker)}

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(err)
	issued, err := issuing.Issue(ctx, ca.Request{CSR: csr, Template: ca.SmartcardLogon, Requester: ca.Requester{SID: domain.Account(1104),
		Groups: []sid.SID{domain.Account(sid.RIDDomainAdmins)}, DN: "CN=Alice,DC=corp,DC=example", UPN: "alice@corp.example"}})
	must(err)
	cert := issued.Certificate
	_, err = adcert.Understand(cert)
	must(err)
	const accepted = kdc.TrustKind(-1)
	expect := func(when string, want kdc.TrustKind) {
		t.Helper()
		got := accepted
		var e *kdc.TrustError
		if err := trust.VerifyClient(ctx, []*x509.Certificate{cert}, now()); errors.As(err, &e) {
			got = e.Kind
			if len(e.Certificates) != 1 {
				t.Errorf("%s: at fault are %v", when, e.Certificates)
			}
		} else if err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if got != want {
			t.Errorf("%s: kind %d, want %d", when, got, want)
		}
	}
	down.Store(1)
	expect("nothing is reachable", kdc.RevocationUnavailable)
	down.Store(0)
	expect("good", accepted)
	must(issuing.Revoke(ctx, cert.SerialNumber, crl.CertificateHold, time.Time{}))
	checker.Forget()
	expect("revoked, not published", accepted)
	must(issuing.PublishDelta(ctx))
	expect("published, while the old list is kept", accepted)
	checker.Forget()
	expect("published", kdc.Revoked)
	must(issuing.Unrevoke(ctx, cert.SerialNumber))
	must(issuing.PublishDelta(ctx))
	checker.Forget()
	expect("let go", accepted)
	hours.Add(30 * 24)
	expect("lists are stale", kdc.RevocationUnknown)
	must(root.Publish(ctx))
	must(issuing.Publish(ctx))
	expect("published again", accepted)
	must(root.Revoke(ctx, issuing.Certificate().SerialNumber, crl.CACompromise, time.Time{}))
	must(root.Publish(ctx))
	checker.Forget()
	expect("the authority is revoked", kdc.Revoked)
}
