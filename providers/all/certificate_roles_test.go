package all_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adcs"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
)

// The enrollment agent certificate: who made its key and whose it is, who issued
// it and for what, where it lives, for how long, and what follows it.
func TestInventoryOfAgent(t *testing.T) {
	seed.Proves(t, "KEY-26", "P5")
	l := newFederatedLab(t, spec.TrustCertificate)
	l.Create(desk, onDesk())
	l.cycle()
	l.enrollDesk()
	var agent struct {
		Chain [][]byte `json:"chain"`
		PKCS8 []byte   `json:"pkcs8"`
	}
	read := func() *x509.Certificate {
		t.Helper()
		if err := json.Unmarshal(l.raw(adfs, "server", "agent"), &agent); err != nil {
			t.Fatal(err)
		}
		return parsed(t, agent.Chain[0])
	}
	cert := read()
	// Made by AD FS, certified by the authority as the service's account.
	row := l.issuedTo(`CORP\STS$`, "WHFBEnrollmentAgent")
	if len(row) != 1 || !row[0].Equal(cert) || !strings.HasPrefix(cert.Subject.String(), "CN=STS,") {
		t.Errorf("issued %d, %s", len(row), cert.Subject)
	}
	if got := adcert.EKUs(cert); len(got) != 1 || !adcert.HasEKU(cert, adcert.EKUCertificateRequestAgent) || cert.IsCA {
		t.Errorf("for %v", got)
	}
	// Its private half stays with the service.
	known := slices.Concat(l.deviceRecords(desk), l.records("authority.issuing", "ca", "requests", "server"), l.tenantRecords())
	if len(agent.PKCS8) == 0 || bytes.Contains(known, agent.PKCS8[40:]) {
		t.Error("the private key is elsewhere, too")
	}
	o := conformance.Get[spec.Federation, spec.FederationOut](l.Env, adfs).Out
	if o.AgentNotAfter != cert.NotAfter.UTC().Format(time.RFC3339) || cert.NotAfter.Sub(l.Now()) < 729*24*time.Hour {
		t.Errorf("until %s, says %s", cert.NotAfter, o.AgentNotAfter)
	}
	// The lab's clock renews it, with another key, 60 days ahead.
	for _, c := range []struct {
		ahead time.Duration
		same  bool
	}{{61 * 24 * time.Hour, true}, {60*24*time.Hour - time.Minute, false}} {
		l.Advance(cert.NotAfter.Add(-c.ahead).Sub(l.Now()))
		for _, addr := range []string{"authority.issuing", corp, adfs} {
			if err := l.Due(t.Context(), addr); err != nil {
				t.Fatal(err)
			}
		}
		now := read()
		if now.Equal(cert) != c.same || !c.same && bytes.Equal(now.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo) {
			t.Errorf("%s ahead: the same %t", c.ahead, now.Equal(cert))
		}
	}
}

// issuedTo are the certificates that the authority has issued to somebody by a
// template.
func (l *lab) issuedTo(who, template string) (all []*x509.Certificate) {
	l.t.Helper()
	rows, err := adcs.Issued(l.For("authority.issuing"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Requester == who && (template == "" || r.Template == template) {
			all = append(all, parsed(l.t, r.Certificate))
		}
	}
	return all
}

// Labs of key trust and cloud Kerberos trust ask no authority for a certificate of a
// user: the one that there is certifies servers.
func TestOnlyCertificateTrustCertifiesUsers(t *testing.T) {
	seed.Proves(t, "CE-01")
	roles := func(l *lab) {
		t.Helper()
		for _, e := range l.Events() {
			if e.Actor == event.CRA && e.Step != "agent_certificate_enrolled" || e.Actor == event.SCEP || e.Actor == event.Store || e.Step == "csr_created" || e.Step == "certificate_issued_to_agent" {
				t.Errorf("%s of %s: %s", e.Step, e.Actor, e.Text)
			}
		}
		if got := l.issuedTo(`CORP\alice`, ""); len(got) != 0 {
			t.Errorf("%d certificates of alice", len(got))
		}
	}
	t.Run("key trust", func(t *testing.T) {
		l := newKeyTrust(t)
		l.expect(byPINTo(webService), "success")
		roles(l)
	})
	t.Run("key trust, federated", func(t *testing.T) {
		l := newFederatedLab(t, spec.TrustKey, func(f *federatedLab) { f.Federation.RegistrationAuthority = false })
		l.Create(desk, onDesk())
		l.enrollDesk()
		roles(l)
	})
	t.Run("cloud Kerberos trust", func(t *testing.T) {
		l := newCloudLab(t)
		l.Create("authority.issuing", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
		l.device("laptop")
		l.enroll()
		l.expect(byPINTo(corp), "success")
		roles(l)
	})
}
