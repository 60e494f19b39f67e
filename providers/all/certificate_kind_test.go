package all_test

import (
	"crypto/x509"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/ldapmsg"
)

const (
	gateway = "service.gate"
	remote  = "service.host"
	vpnCert = "certificate.vpn"
	rdpCert = "certificate.rdp"
)

// newCertificateKinds is newKeyTrust with a VPN gateway and a Remote Desktop host.
func newCertificateKinds(t testing.TB) *lab {
	t.Helper()
	l := newKeyTrust(t)
	l.Create(gateway, spec.Service{Domain: corp, Kind: spec.ServiceVPN, Enabled: true})
	l.Create(remote, spec.Service{Domain: corp, Kind: spec.ServiceRDP, Enabled: true})
	return l
}

func further(purpose string) spec.Certificate {
	return spec.Certificate{Enrollment: enrolled, Authority: "authority.issuing", Purpose: purpose, Delivery: "mdm_scep"}
}

// serialOf is the serial number of a further certificate.
func (l *lab) serialOf(addr string) *big.Int {
	l.t.Helper()
	thumbprint := conformance.Get[spec.Certificate, spec.CertificateOut](l.Env, addr).Out.Thumbprint
	for _, c := range l.personalStore(laptop) {
		if c.Thumbprint == thumbprint {
			cert, err := x509.ParseCertificate(c.DER)
			if err != nil {
				l.t.Fatal(err)
			}
			return cert.SerialNumber
		}
	}
	l.t.Fatalf("%s is not in the Personal store", addr)
	return nil
}

// A user key is tied to the organization's authority by further certificates,
// which device management has the device enroll.
func TestFurtherCertificates(t *testing.T) {
	l := newCertificateKinds(t)
	for _, to := range []string{gateway, remote} {
		l.expect(byPINTo(to), "service_certificate_missing")
	}
	l.Create(vpnCert, further(spec.PurposeVPN))
	t.Run("tied to the authority", func(t *testing.T) {
		seed.Proves(t, "CT-34")
		seed.Proves(t, "KEY-10")
		l.inOrder("pin_prompt", "key_released", "challenge_issued", "scep_profile", "csr_created", "certificate_request", "certificate_issued", "certificate_received", "certificate_installed")
		kid := conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, enrolled).Out.KeyID
		store := l.personalStore(laptop)
		if len(store) != 1 || store[0].KeyID != kid || store[0].Purpose != spec.PurposeVPN || !strings.HasPrefix(store[0].Issuer, "CN=Contoso Issuing CA,") {
			t.Fatalf("Personal store of %d, key %s", len(store), kid)
		}
		_, key := l.released(laptop)
		cert, err := x509.ParseCertificate(store[0].DER)
		if err != nil || !slices.Equal(cert.RawSubjectPublicKeyInfo, key.Key.Public) || !slices.Contains(key.Certificates, store[0].Thumbprint) {
			t.Errorf("the certificate is not of the container's key: %v", err)
		}
	})
	t.Run("vpn", func(t *testing.T) {
		seed.Proves(t, "CT-35")
		seed.Proves(t, "COMP-25")
		l.expect(byPINTo(gateway), "success")
		e := l.lastEvent(event.Service, "access_granted")
		if e.Message["user"] != "alice@contoso.com" || e.Message["authentication"] != spec.ServiceVPN {
			t.Errorf("let in: %v", e.Message)
		}
		l.expect(byPINTo(remote), "service_certificate_missing") // another purpose
		l.expect(windows.Request{Password: providers.Secret("First.pa55word"), To: []string{gateway}}, "service_needs_hello")
	})
	t.Run("rdp", func(t *testing.T) {
		seed.Proves(t, "CT-36")
		l.Create(rdpCert, further(spec.PurposeRDP))
		if store := l.personalStore(laptop); len(store) != 2 || store[0].KeyID != store[1].KeyID {
			t.Errorf("Personal store %+v", store)
		}
		l.expect(byPINTo(remote, gateway), "success")
		granted := l.lastEvent(event.Service, "access_granted")
		if granted.Message["user"] != "alice@contoso.com" {
			t.Errorf("let in: %v", granted.Message)
		}
	})
	t.Run("expired account", func(t *testing.T) {
		c := l.administrator()
		e, err := c.First(ldapmsg.EqualTo("sAMAccountName", "alice"))
		if err != nil {
			t.Fatal(err)
		}
		for _, end := range []struct {
			at   uint64
			want string
		}{{filetime.From(l.Now().Add(-time.Minute)), "account_expired_in_domain"}, {filetime.Never, "success"}} {
			if err := c.Replace(e.DN, adldap.Attributes{"accountExpires": {strconv.FormatUint(end.at, 10)}}); err != nil {
				t.Fatal(err)
			}
			l.expect(byPINTo(gateway), end.want)
		}
	})
	t.Run("revoked", func(t *testing.T) {
		env := l.For("authority.issuing")
		if err := adcs.Revoke(t.Context(), env, l.serialOf(vpnCert), crl.KeyCompromise); err != nil {
			t.Fatal(err)
		}
		l.Advance(8 * 24 * time.Hour) // what was fetched has ended
		if err := adcs.Publish(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		l.expect(byPINTo(gateway), "certificate_revoked")
	})
	t.Run("gone with the key", func(t *testing.T) {
		l.Delete(vpnCert)
		if store := l.personalStore(laptop); len(store) != 1 || store[0].Purpose != spec.PurposeRDP {
			t.Errorf("Personal store %+v", store)
		}
		l.expect(byPINTo(gateway), "service_certificate_missing")
	})
}

// lastEvent is the newest event of an actor and step.
func (l *lab) lastEvent(actor event.Actor, step string) event.Event {
	l.t.Helper()
	for _, e := range slices.Backward(l.Events()) {
		if e.Actor == actor && e.Step == step {
			return e
		}
	}
	l.t.Fatalf("no %s of %s", step, actor)
	return event.Event{}
}

// A gateway takes nothing but a certificate of the domain for client
// authentication, of an account that is enabled.
func TestGatewayRefuses(t *testing.T) {
	l := newCertificateKinds(t)
	l.Create(vpnCert, further(spec.PurposeVPN))
	o := conformance.Get[spec.Service, spec.ServiceOut](l.Env, gateway)
	if o.Out.URL != "https://gate.corp.contoso.com/" {
		t.Errorf("it answers at %s", o.Out.URL)
	}
	l.Update(alice, l.With("user", spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Domain: corp}, "enabled_in_domain", cty.False))
	l.expect(byPINTo(gateway), "account_disabled_in_domain")
}
