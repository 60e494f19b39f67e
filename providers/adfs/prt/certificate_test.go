package prt_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"hellolab/providers/adfs/farmtest"
	"hellolab/providers/adfs/prt"
	"hellolab/providers/event"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	wire "hellolab/providers/wire/prt"
	"hellolab/providers/wire/revocation"
	"hellolab/providers/wire/sid"
)

// authority is one whose lists are what the test says.
type authority struct {
	key    *rsa.PrivateKey
	cert   *x509.Certificate
	status revocation.Result
}

// lists say what is known of every chain.
type lists func() revocation.Result

func (l lists) CheckChain(context.Context, []*x509.Certificate, time.Time) []revocation.Result {
	return []revocation.Result{l()}
}

func (l *lab) newAuthority(name string) *authority {
	l.TB.Helper()
	a := &authority{key: l.Key(), status: revocation.Result{Status: revocation.Good, Source: "http://lists"}}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: l.Now().Add(-time.Hour), NotAfter: l.Now().Add(10 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &a.key.PublicKey, a.key)
	l.Must(err)
	a.cert, err = x509.ParseCertificate(der)
	l.Must(err)
	return a
}

// publish has the domain trust an authority, and take its certificates for signing in.
func (l *lab) publish(a *authority, logon bool) {
	l.TB.Helper()
	values := adldap.Attributes{"objectClass": {"certificationAuthority"}, "cACertificate": {string(a.cert.Raw)}, "authorityRevocationList": {"\x00"}, "certificateRevocationList": {"\x00"}}
	l.Must(l.Conn.Add("CN="+a.cert.Subject.CommonName+","+enroll.Container(l.Conn, enroll.Authorities), values))
	if logon {
		l.Must(l.Conn.Add(enroll.Container(l.Conn, enroll.NTAuth), values))
	}
}

// certificateOf is what a certificate says.
type certificateOf struct {
	upn      string
	owner    sid.SID
	purposes []asn1.ObjectIdentifier
	from, to time.Time
}

func (l *lab) issueTo(a *authority, key *rsa.PrivateKey, c certificateOf) []byte {
	l.TB.Helper()
	t := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "alice"}, NotBefore: c.from, NotAfter: c.to, UnknownExtKeyUsage: c.purposes, KeyUsage: x509.KeyUsageDigitalSignature}
	if c.upn != "" {
		san, err := adcert.SAN{UPNs: []string{c.upn}}.Extension(true)
		l.Must(err)
		t.ExtraExtensions = append(t.ExtraExtensions, san)
	}
	if c.owner != (sid.SID{}) {
		t.ExtraExtensions = append(t.ExtraExtensions, adcert.SIDExtension(c.owner))
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key)
	l.Must(err)
	return der
}

// certified makes the request of a sign-in by certificate.
func (l *lab) certified(key *rsa.PrivateKey, cert []byte, change ...func(*wire.Request, *ngc.Claims)) wire.Request {
	l.TB.Helper()
	r := wire.Request{GrantType: oauth.GrantJWTBearer, RequestNonce: l.nonce()}
	c := ngc.Claims{Issuer: alice, Audience: adfs.Issuer(farmtest.Host), IssuedAt: wire.Time(l.Now().Unix()), Expires: wire.Time(l.Now().Add(time.Minute).Unix()), RequestNonce: r.RequestNonce, Scope: "openid aza"}
	for _, f := range change {
		f(&r, &c)
	}
	var err error
	r.Assertion, err = ngc.SignByCertificate(key, cert, c)
	l.Must(err)
	return r
}

// Faults 65 and 66: certificates of others, foreign, ended, revoked, and for another
// purpose; and the requests around a good one.
func TestByCertificate(t *testing.T) {
	l := newLab(t)
	bob := l.SIDOf(l.Person("bob"))
	own := l.SIDOf(l.User("alice"))
	ca, stranger, web := l.newAuthority("Contoso CA"), l.newAuthority("Contoso CA 2"), l.newAuthority("Contoso Web CA")
	l.publish(ca, true)
	l.publish(web, false)
	key := l.Key()
	logon := []asn1.ObjectIdentifier{adcert.EKUSmartCardLogon, adcert.EKUClientAuth}
	issue := func(a *authority, change ...func(*certificateOf)) []byte {
		c := certificateOf{alice, own, logon, l.Now().Add(-time.Hour), l.Now().Add(24 * time.Hour)}
		for _, f := range change {
			f(&c)
		}
		return l.issueTo(a, key, c)
	}
	good := issue(ca)
	ask := func(cert []byte, change ...func(*wire.Request, *ngc.Claims)) (*got, error) {
		return l.ask(l.desk, l.certified(key, cert, change...))
	}
	if _, err := ask(good); !refused(err, adfs.InvalidGrant, "takes no certificates") {
		t.Errorf("without lists: %v", err)
	}
	l.service.Revocation = lists(func() revocation.Result { return ca.status })

	g, err := ask(good)
	l.Must(err)
	if p := l.asked[len(l.asked)-1].Proof; p.SID != own.String() || !slices.Equal(p.AMR, []string{"rsa", "mfa"}) || p.MFATime != 0 || p.Method != adfs.MethodCertificate || p.DeviceID != deskID {
		t.Errorf("%+v", p)
	}
	if e := l.Told(event.STS, "user_certificate_verified"); e.Message["serial_number"] != "7" || e.Message["mapped_by"] != "security identifier" {
		t.Errorf("%+v", e)
	}
	if _, err := l.use(g); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		cert []byte
		part string
	}{
		"another user's":      {issue(ca, func(c *certificateOf) { c.upn, c.owner = "bob@"+farmtest.DNSName, bob }), "names another user"},
		"another user's name": {issue(ca, func(c *certificateOf) { c.upn = "bob@" + farmtest.DNSName }), "names another user"},
		"another identifier":  {issue(ca, func(c *certificateOf) { c.owner = bob }), "issued to another account"},
		"a name alone":        {issue(ca, func(c *certificateOf) { c.owner = sid.SID{} }), "Nothing but a name"},
		"nobody's":            {issue(ca, func(c *certificateOf) { c.upn, c.owner = "", sid.SID{} }), "Nothing but a name"},
		"no purpose":          {issue(ca, func(c *certificateOf) { c.purposes = nil }), "neither the purpose"},
		"another purpose":     {issue(ca, func(c *certificateOf) { c.purposes = []asn1.ObjectIdentifier{adcert.EKUServerAuth} }), "neither the purpose"},
		"ended":               {issue(ca, func(c *certificateOf) { c.to = l.Now().Add(-time.Minute) }), "expired"},
		"not begun":           {issue(ca, func(c *certificateOf) { c.from = l.Now().Add(time.Minute) }), "not valid yet"},
		"foreign":             {issue(stranger), "No path"},
		"of no authority":     {l.certificate(key, "alice", l.Now().Add(-time.Hour), l.Now().Add(time.Hour)), "neither the purpose"},
		"not in NTAuth":       {issue(web), "NTAuth"},
		"the device's":        {l.desk.cert, "not signed with the key"},
		"malformed":           {[]byte{0x30, 0}, "malformed"},
	} {
		if _, err := ask(c.cert); !refused(err, adfs.InvalidGrant, c.part) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		change func(*wire.Request, *ngc.Claims)
		part   string
	}{
		"as another":       {func(_ *wire.Request, c *ngc.Claims) { c.Issuer = "bob@" + farmtest.DNSName }, "names another user"},
		"two nonces":       {func(_ *wire.Request, c *ngc.Claims) { c.RequestNonce = l.nonce() }, "nonce of the request"},
		"no nonce":         {func(_ *wire.Request, c *ngc.Claims) { c.RequestNonce = "" }, "nonce of the request"},
		"another audience": {func(_ *wire.Request, c *ngc.Claims) { c.Audience = "common" }, "another audience"},
		"over":             {func(_ *wire.Request, c *ngc.Claims) { c.Expires = c.IssuedAt }, "not valid at this time"},
	} {
		if _, err := ask(good, c.change); !refused(err, adfs.InvalidGrant, c.part) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := l.ask(l.desk, l.certified(l.Key(), good)); !refused(err, adfs.InvalidGrant, "not signed with the key") {
		t.Errorf("signed by another key: %v", err)
	}
	strangersDesk := l.newDesk("11111111-0000-4000-8000-000000000009", false)
	if _, err := l.ask(strangersDesk, l.certified(key, good)); !refused(err, adfs.InvalidGrant, adfs.NotWrittenBack) {
		t.Errorf("on a device that is not written back: %v", err)
	}
	// A purpose of any client is one factor.
	if _, err := ask(issue(ca, func(c *certificateOf) { c.purposes = []asn1.ObjectIdentifier{adcert.EKUClientAuth} })); err != nil || !slices.Equal(l.asked[len(l.asked)-1].Proof.AMR, []string{"rsa"}) {
		t.Errorf("for clients: %v", err)
	}

	// What was proved by it ends with it: lists that cannot be had end nothing, but
	// nobody signs in by them.
	ca.status = revocation.Result{Status: revocation.Unknown, Cause: revocation.Unreachable}
	if _, err := ask(good); !refused(err, adfs.InvalidGrant, "no source can be reached") {
		t.Errorf("lists out of reach: %v", err)
	}
	if _, err := l.use(g); err != nil {
		t.Errorf("lists out of reach: %v", err)
	}
	ca.status = revocation.Result{Status: revocation.Revoked, Reason: crl.KeyCompromise}
	if _, err := ask(good); !refused(err, adfs.InvalidGrant, "is revoked") {
		t.Errorf("revoked: %v", err)
	}
	if _, err := l.use(g); !refused(err, adfs.InvalidGrant, "is revoked") {
		t.Errorf("a token of one that is revoked: %v", err)
	}
	ca.status = revocation.Result{Status: revocation.Good}
	l.Advance(25 * time.Hour)
	if _, err := l.use(g); !refused(err, adfs.InvalidGrant, "does not sign in any more") {
		t.Errorf("a token of one that ended: %v", err)
	}
}

// A certificate that only names its account counts as the domain has it.
func TestMappings(t *testing.T) {
	l := newLab(t)
	ca := l.newAuthority("Contoso CA")
	l.publish(ca, true)
	l.service.Revocation = lists(func() revocation.Result { return ca.status })
	key := l.Key()
	from := func(d time.Duration) []byte {
		return l.issueTo(ca, key, certificateOf{"alice@" + farmtest.DNSName, sid.SID{}, []asn1.ObjectIdentifier{adcert.EKUSmartCardLogon}, l.Now().Add(d), l.Now().Add(24 * time.Hour)})
	}
	old, young := from(-24*time.Hour), from(0)
	mode := prt.MappingFull
	l.service.Mapping = func() string { return mode }
	l.Advance(time.Minute)
	for _, c := range []struct {
		mode       string
		old, young bool
	}{{prt.MappingFull, false, false}, {prt.MappingCompatibility, false, true}, {prt.MappingNone, true, true}, {"", false, false}} {
		mode = c.mode
		for cert, want := range map[*[]byte]bool{&old: c.old, &young: c.young} {
			if _, err := l.ask(l.desk, l.certified(key, *cert)); (err == nil) != want {
				t.Errorf("%s: %v, want %t", c.mode, err, want)
			}
		}
	}
	// A strong mapping needs no name.
	mode = prt.MappingFull
	parsed, err := x509.ParseCertificate(old)
	l.Must(err)
	m, err := adcert.MapIssuerSerial(parsed)
	l.Must(err)
	l.Must(l.Conn.Replace(l.User("alice").DN, adldap.Attributes{"altSecurityIdentities": {"X509:<SKI>00", m.String()}}))
	if _, err := l.ask(l.desk, l.certified(key, old)); err != nil {
		t.Error(err)
	}
}
