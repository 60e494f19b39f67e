package kdc

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/krb"
)

// Fault 65: names and mappings (KB5014754).
func TestMappingRefused(t *testing.T) {
	root := labPKI().root
	l := newKeyLab(t, nil)
	alice, bob := l.account("alice"), l.account("bob")
	key := ecKey()
	make := func(n adcert.SAN, ext ...pkix.Extension) pair { return user(root, key, n, smartCard, ext...) }
	bobUPN := adcert.SAN{UPNs: []string{"bob@corp.example"}}
	principal := func(realm string, parts ...string) adcert.SAN {
		return adcert.SAN{Principals: []adcert.PrincipalName{{Realm: realm, Type: 1, Parts: parts}}}
	}
	weak := make(aliceUPN)
	bare := make(adcert.SAN{})
	mail := make(adcert.SAN{Emails: []string{"alice@contoso.com"}})
	old := user(root, key, aliceUPN, smartCard)
	serial := func(p pair) string { return must(adcert.MapIssuerSerial(p.cert)).String() }
	created := weak.cert.NotBefore
	for name, c := range map[string]struct {
		cert     pair
		mode     MappingMode
		backdate time.Duration
		alt      string
		created  time.Time
		want     krb.Code
	}{
		"hers by SID":                       {cert: make(aliceUPN, adcert.SIDExtension(alice.SID))},
		"hers by SID in a name":             {cert: make(adcert.SAN{UPNs: aliceUPN.UPNs, URIs: []string{adcert.SIDURI(alice.SID)}})},
		"without names, by SID":             {cert: make(adcert.SAN{}, adcert.SIDExtension(alice.SID))},
		"the name of the domain, by SID":    {cert: make(adcert.SAN{UPNs: []string{"ALICE@Corp.Example"}}, adcert.SIDExtension(alice.SID))},
		"bob's certificate":                 {cert: make(bobUPN, adcert.SIDExtension(bob.SID)), want: krb.ErrClientNameMismatch},
		"bob's name, her SID":               {cert: make(bobUPN, adcert.SIDExtension(alice.SID)), want: krb.ErrClientNameMismatch},
		"her name, bob's SID":               {cert: make(aliceUPN, adcert.SIDExtension(bob.SID)), want: krb.ErrCertificateMismatch},
		"her name, bob's SID, mapped":       {cert: make(aliceUPN, adcert.SIDExtension(bob.SID)), alt: "any", want: krb.ErrCertificateMismatch},
		"her name, bob's SID, no mode":      {cert: make(aliceUPN, adcert.SIDExtension(bob.SID)), mode: MappingNone, want: krb.ErrCertificateMismatch},
		"malformed SID":                     {cert: make(aliceUPN, pkix.Extension{Id: adcert.ExtSID, Value: []byte{5, 0}}), want: krb.ErrCertificateMismatch},
		"principal":                         {cert: user(root, key, principal(realm, "alice"), smartCard, adcert.SIDExtension(alice.SID))},
		"principal of another realm":        {cert: user(root, key, principal("ELSEWHERE", "alice"), smartCard, adcert.SIDExtension(alice.SID)), want: krb.ErrClientNameMismatch},
		"principal of two parts":            {cert: user(root, key, principal(realm, "alice", "admin"), smartCard, adcert.SIDExtension(alice.SID)), want: krb.ErrClientNameMismatch},
		"name only":                         {cert: weak, want: krb.ErrCertificateMismatch},
		"name only, compatible":             {cert: weak, mode: MappingCompatibility, created: created},
		"older than the account":            {cert: old, mode: MappingCompatibility, created: created.Add(time.Second), want: krb.ErrCertificateMismatch},
		"older, back-dated":                 {cert: old, mode: MappingCompatibility, created: created.Add(time.Second), backdate: time.Second},
		"older, no mode":                    {cert: old, mode: MappingNone, created: created.Add(time.Hour)},
		"by serial number":                  {cert: weak, alt: serial(weak)},
		"by another's serial number":        {cert: weak, alt: serial(bare), want: krb.ErrCertificateMismatch},
		"by hash":                           {cert: bare, alt: adcert.MapSHA1(bare.cert).String()},
		"by subject":                        {cert: bare, alt: "X509:<S>CN=x", want: krb.ErrCertificateMismatch},
		"by subject, compatible":            {cert: bare, mode: MappingCompatibility, alt: "X509:<S>CN=x", created: created},
		"by address, compatible":            {cert: mail, mode: MappingCompatibility, alt: "X509:<RFC822>alice@contoso.com", created: created},
		"by nothing":                        {cert: bare, mode: MappingNone, want: krb.ErrCertificateMismatch},
		"half a mapping":                    {cert: bare, mode: MappingNone, alt: "X509:<I>CN=Lab Root CA", want: krb.ErrCertificateMismatch},
		"bob's name, her mapping by serial": {cert: make(bobUPN), alt: "own", want: krb.ErrClientNameMismatch},
	} {
		l := newKeyLab(t, func(p *PKINITConfig) { p.Policy.Mapping, p.Policy.Backdating = c.mode, c.backdate })
		switch c.alt {
		case "any", "own":
			c.alt = serial(c.cert)
		}
		l.account("alice").AltSecurityIdentities = []string{"Kerberos:alice@ELSEWHERE", c.alt}
		if !c.created.IsZero() {
			l.account("alice").Created = c.created
		}
		want(t, name, l.send(t, request{signer: c.cert.signer()}), c.want)
	}
}

// Fault 66: certificates that a path or a purpose does not hold for.
func TestCertificatesRefused(t *testing.T) {
	root := labPKI().root
	key := ecKey()
	l := newKeyLab(t, nil)
	sidExt := adcert.SIDExtension(l.account("alice").SID)
	good := func(issuer pair, change func(*x509.Certificate)) pair {
		return certify(issuer, key, func(c *x509.Certificate) {
			c.UnknownExtKeyUsage = smartCard
			c.ExtraExtensions = []pkix.Extension{must(aliceUPN.Extension(false)), sidExt}
			if change != nil {
				change(c)
			}
		})
	}
	leafOnly := authority(root, "may have leaves", func(c *x509.Certificate) { c.MaxPathLenZero = true })
	tooLong := authority(leafOnly, "below it", nil)
	constrained := authority(root, "only other.example", func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"other.example"}
	})
	expiredCA := authority(root, "expired", func(c *x509.Certificate) { c.NotAfter = l.now.Add(-time.Hour) })
	notNT := authority(root, "not for signing in", nil)
	notCA := certify(root, ecKey(), nil)
	unknown := authority(pair{}, "unknown", nil)
	send := func(p pair, through ...pair) *krb.Error {
		s := p.signer()
		for _, c := range through {
			s.Certificates = append(s.Certificates, c.cert)
		}
		return l.send(t, request{signer: s})
	}
	purposes := func(known []x509.ExtKeyUsage, other ...asn1.ObjectIdentifier) pair {
		return good(root, func(c *x509.Certificate) { c.ExtKeyUsage, c.UnknownExtKeyUsage = known, other })
	}
	want(t, "good", send(good(root, nil)), 0)
	want(t, "unknown authority", send(good(unknown, nil)), krb.ErrClientNotTrusted)
	want(t, "unknown authority, sent along", send(good(unknown, nil), unknown), krb.ErrCantVerifyCertificate)
	want(t, "expired", send(good(root, func(c *x509.Certificate) { c.NotAfter = l.now.Add(-time.Second) })), krb.ErrInvalidCertificate)
	want(t, "not yet valid", send(good(root, func(c *x509.Certificate) { c.NotBefore = l.now.Add(time.Minute) })), krb.ErrInvalidCertificate)
	want(t, "expired authority", send(good(expiredCA, nil), expiredCA), krb.ErrInvalidCertificate)
	want(t, "path too long", send(good(tooLong, nil), tooLong, leafOnly), krb.ErrInvalidCertificate)
	want(t, "name constraint", send(good(constrained, func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{must(adcert.SAN{UPNs: aliceUPN.UPNs, DNSNames: []string{"pc1.corp.example"}}.Extension(false)), sidExt}
	}), constrained), krb.ErrInvalidCertificate)
	want(t, "critical extension", send(good(root, func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
	})), krb.ErrInvalidCertificate)
	want(t, "by no authority", send(good(notCA, nil), notCA), krb.ErrClientNotTrusted)
	want(t, "not NTAuth", send(good(notNT, nil), notNT), krb.ErrClientNotTrusted)
	want(t, "malformed names", send(good(root, func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: adcert.ExtSubjectAltName, Value: []byte{0x30, 4, 0xa0, 2, 5, 0}}, sidExt}
	})), krb.ErrInvalidCertificate)

	want(t, "no purpose", send(purposes(nil)), krb.ErrInconsistentKeyPurpose)
	want(t, "any purpose", send(purposes([]x509.ExtKeyUsage{x509.ExtKeyUsageAny})), krb.ErrInconsistentKeyPurpose)
	want(t, "client authentication", send(purposes([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth})), krb.ErrInconsistentKeyPurpose)
	want(t, "smart card and client authentication", send(purposes([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, adcert.EKUSmartCardLogon)), 0)
	want(t, "PKINIT", send(purposes(nil, adcert.EKUKPClientAuth)), 0)
	l = newKeyLab(t, func(c *PKINITConfig) { c.Policy.ClientAuthEKU = true }) // reading R12
	want(t, "client authentication, accepted", send(purposes([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth})), 0)
	want(t, "no purpose, all the same", send(purposes(nil)), krb.ErrInconsistentKeyPurpose)
}

// Whatever a certificate that nobody vouches for is named, events stay small.
func TestNoteOfLongNames(t *testing.T) {
	long := strings.Repeat("é", 1000)
	c := certify(pair{}, ecKey(), func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: long} })
	issuer, _ := note(c.cert)["issuer"].(string)
	if len(issuer) < maxNote-4 || len(issuer) > maxNote || !utf8.ValidString(issuer) {
		t.Errorf("issuer of %d bytes: %q", len(issuer), issuer)
	}
}
