package all_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/pkinit"
	"hellolab/providers/wire/wstep"
)

const (
	realm = "CORP.CONTOSO.COM"
	dc    = "dc1.corp.contoso.com"
)

// domainLab is a domain with an authority, and controllers that have enrolled.
type domainLab struct {
	*conformance.Env
	t testing.TB
}

func newDomainLab(t testing.TB) *domainLab {
	t.Helper()
	e := conformance.NewEnv(t, append(append(adds.Types(), adcs.Types()...), identity.Types()...)...)
	e.Create("domain.corp", spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	e.Create("authority.issuing", spec.Authority{Domain: "domain.corp", CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	e.Create("user.alice", spec.User{UPN: "alice@contoso.com", Domain: "domain.corp", Password: providers.Secret("First.pa55word")})
	e.Create("user.keeper", spec.User{UPN: "keeper@contoso.com", Domain: "domain.corp", Password: providers.Secret("First.pa55word")})
	e.Create("group.keys", spec.Group{Domain: "domain.corp", WellKnown: "key_admins", Members: []providers.Ref{"user.keeper"}})
	l := &domainLab{e, t}
	l.due()
	return l
}

func (l *domainLab) due() {
	l.t.Helper()
	for _, addr := range []string{"authority.issuing", "domain.corp"} {
		if err := l.Due(l.t.Context(), addr); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *domainLab) kdc() *krbclient.Client {
	env := l.For("domain.corp")
	return &krbclient.Client{Realm: realm, Now: l.Now, Rand: rand.Reader, Dial: func(ctx context.Context, _ string) (net.Conn, error) { return env.Network.Dial(ctx, dc, 88) }}
}

// directory signs in by LDAP with a password.
func (l *domainLab) directory(account string) *adldap.Conn {
	l.t.Helper()
	env := l.For("domain.corp")
	env.Rand = rand.Reader
	c, err := adldap.SignIn(l.t.Context(), env, adldap.Domain{Realm: realm, Host: dc, BaseDN: "DC=corp,DC=contoso,DC=com", Account: account, Password: "First.pa55word"})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	return c
}

// helloKey is a user key and the self-signed certificate around it that a
// request under key trust brings.
type helloKey struct {
	*rsa.PrivateKey
	cert *x509.Certificate
}

func newHelloKey(t testing.TB, now time.Time) helloKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "alice"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
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

// signIn asks for a ticket with a key and a certificate around it, and returns
// the KDC's certificate, too.
func (l *domainLab) signIn(name krb.Name, key *rsa.PrivateKey, cert *x509.Certificate) (*krbclient.Result, *x509.Certificate, error) {
	var seen *x509.Certificate
	pre := &pkinit.Preauth{Rand: rand.Reader, Trust: func(kdc *x509.Certificate, _ []*x509.Certificate) error {
		seen = kdc
		return nil
	}}
	pre.Signer = cms.Signer{Key: key, Certificates: []*x509.Certificate{cert}, ID: cms.BySerial(cert)}
	pre.Group, pre.KDFs = pkinit.DefaultGroups()[0], pkinit.DefaultKDFs()
	r, err := l.kdc().AS(l.t.Context(), krbclient.ASRequest{Client: name}, pre)
	return r, seen, err
}

func kdcRefuses(t testing.TB, what string, err error, code krb.Code) {
	t.Helper()
	var e *krb.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: %v; want %d", what, err, code)
	}
}

// Somebody who may write it registers a public key with the account; the key
// signs in until it is removed. Everything crosses the wire.
func TestKeyTrustSignIn(t *testing.T) {
	seed.Proves(t, "COMP-23")
	seed.Proves(t, "COMP-24")
	seed.Proves(t, "KS-13")
	seed.Proves(t, "KEY-22")
	seed.Proves(t, "KEY-23")
	seed.Proves(t, "KEY-25")
	seed.Proves(t, "A3-07")
	seed.Proves(t, "A3-08")
	l := newDomainLab(t)
	key := newHelloKey(t, l.Now())
	alice := krb.Enterprise("alice@contoso.com")
	_, _, err := l.signIn(alice, key.PrivateKey, key.cert)
	kdcRefuses(t, "a key that nobody registered", err, krb.ErrClientNotTrusted)

	device, err := guid.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	credential := keycred.FromEntra(keycred.UserKey{Public: &key.PublicKey, Device: device, Created: l.Now(), MFA: true})
	blob, err := credential.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	dn := "CN=alice,CN=Users,DC=corp,DC=contoso,DC=com"
	value := ldapmsg.DNBinary{Binary: blob, DN: dn}.String()
	if err := l.directory("alice").AddValue(dn, "msDS-KeyCredentialLink", value); !adldap.IsCode(err, ldapmsg.InsufficientAccessRights) {
		t.Errorf("the user's own write: %v", err)
	}
	keeper := l.directory("keeper")
	if err := keeper.AddValue(dn, "msDS-KeyCredentialLink", value); err != nil {
		t.Fatalf("a key administrator's write: %v", err)
	}
	r, kdc, err := l.signIn(alice, key.PrivateKey, key.cert)
	if err != nil {
		t.Fatal(err)
	}
	if kdc == nil || kdc.VerifyHostname("corp.contoso.com") != nil || !adcert.HasEKU(kdc, adcert.EKUKPKdc) {
		t.Error("the reply holds no certificate of the KDC that is for KDC authentication and names the domain")
	}
	if !r.Part.Server.Equal(krb.TGS(realm)) || r.Credential.Key.EType != krb.AES256 {
		t.Errorf("ticket for %s under a key of type %d", r.Part.Server, r.Credential.Key.EType)
	}
	service, err := l.kdc().TGS(t.Context(), &r.Credential, krbclient.TGSRequest{Server: krb.Service("cifs", dc)})
	if err != nil || service.Part.Server.String() != "cifs/"+dc {
		t.Errorf("service ticket: %v", err)
	}

	_, _, err = l.signIn(krb.Principal("keeper"), key.PrivateKey, key.cert)
	kdcRefuses(t, "another's key", err, krb.ErrClientNotTrusted)
	if err := keeper.RemoveValue(dn, "msDS-KeyCredentialLink", value); err != nil {
		t.Fatal(err)
	}
	_, _, err = l.signIn(alice, key.PrivateKey, key.cert)
	kdcRefuses(t, "a key that was removed", err, krb.ErrClientNotTrusted)
}

// An account enrolls a certificate and signs in with it, until a list says that
// it was taken back.
func TestCertificateSignIn(t *testing.T) {
	seed.Proves(t, "COMP-21")
	seed.Proves(t, "KEY-27")
	l := newDomainLab(t)
	key := newHelloKey(t, l.Now())
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Administrator"}}, key.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	env := l.For("domain.corp")
	env.Rand = rand.Reader
	c := l.directory("alice")
	services, err := enroll.Published(c)
	if err != nil || len(services) != 1 {
		t.Fatalf("%d enrollment services, %v", len(services), err)
	}
	roots, err := enroll.Roots(c)
	if err != nil {
		t.Fatal(err)
	}
	client := &enroll.Client{Env: env, Roots: enroll.Pool(roots), Ticket: func(ctx context.Context, host string) (gss.Credential, error) {
		return adldap.Ticket(ctx, env, realm, dc, krb.Principal("alice"), krbclient.Password("First.pa55word"), krb.Service("HTTP", host))
	}}
	chain, err := client.Enroll(t.Context(), services[0], "User", csr)
	if err != nil {
		t.Fatal(err)
	}
	if names, err := adcert.Names(chain[0]); err != nil || len(names.UPNs) != 1 || names.UPNs[0] != "alice@contoso.com" {
		t.Errorf("names in the certificate: %+v, %v", names, err)
	}
	alice := krb.Enterprise("alice@contoso.com")
	_, _, err = l.signIn(alice, key.PrivateKey, chain[0])
	if err == nil {
		t.Error("a certificate for client authentication alone signs in")
	}
	kdcRefuses(t, "client authentication alone (reading R12)", err, krb.ErrInconsistentKeyPurpose)

	_, err = client.Enroll(t.Context(), services[0], ca.SmartcardLogon, csr)
	var fault *wstep.Fault
	if !errors.As(err, &fault) || ca.Code(fault.Code) != ca.CodeTemplateDenied {
		t.Errorf("a template that is not for everybody: %v", err)
	}
	l.Update("authority.issuing", spec.Authority{Domain: "domain.corp", CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true,
		Templates: map[string]*spec.AuthorityTemplate{ca.SmartcardLogon: {Enabled: true, Enroll: []providers.Ref{"user.alice"}}}})
	if chain, err = client.Enroll(t.Context(), services[0], ca.SmartcardLogon, csr); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.signIn(alice, key.PrivateKey, chain[0]); err != nil {
		t.Fatalf("with a certificate: %v", err)
	}
	_, _, err = l.signIn(krb.Principal("keeper"), key.PrivateKey, chain[0])
	kdcRefuses(t, "for somebody else (reading R11)", err, krb.ErrClientNameMismatch)

	authority, err := ca.Open(ca.Env{Section: l.For("authority.issuing").Section, Now: l.Now, Rand: rand.Reader}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Revoke(t.Context(), chain[0].SerialNumber, crl.KeyCompromise, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.signIn(alice, key.PrivateKey, chain[0]); err != nil {
		t.Errorf("before a list says so: %v", err)
	}
	l.Advance(8 * 24 * time.Hour)
	l.due()
	_, _, err = l.signIn(alice, key.PrivateKey, chain[0])
	kdcRefuses(t, "revoked", err, krb.ErrRevokedCertificate)
}

// A controller without a certificate does not take a key, and says so before
// it is asked and after.
func TestNoKDCCertificate(t *testing.T) {
	e := conformance.NewEnv(t, adds.Types()...)
	e.Create("domain.corp", spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	l := &domainLab{e, t}
	key := newHelloKey(t, l.Now())
	_, _, err := l.signIn(krb.Principal("Administrator"), key.PrivateKey, key.cert)
	kdcRefuses(t, "fault 67: no certificate", err, krb.ErrPADataTypeNoSupport)
}
