package kdc

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"maps"
	"testing"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/pkinit"
	"hellolab/providers/wire/sid"
)

// Sign-in by key trust: a self-signed certificate whose key the account has.
func TestKeyTrust(t *testing.T) {
	self := certify(pair{}, helloKey(), nil)
	for name, c := range map[string]struct {
		mfa, attested bool
		want          []sid.SID
	}{
		"plain":            {false, false, []sid.SID{sid.FreshPublicKey, sid.KeyTrust}},
		"MFA":              {true, false, []sid.SID{sid.FreshPublicKey, sid.KeyTrust, sid.KeyMFA}},
		"MFA and attested": {true, true, []sid.SID{sid.FreshPublicKey, sid.KeyTrust, sid.KeyMFA, sid.KeyAttested}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newKeyLab(t, nil)
			l.register(t, "alice", &helloKey().PublicKey, c.mfa, c.attested)
			r, err := l.signIn(krb.Principal("alice"), pkinit.Initiator{Signer: self.signer(), Group: pkinit.MODP2048, KDFs: pkinit.DefaultKDFs(), Checksum2: crypto.SHA256}, nil)
			if err != nil {
				t.Fatal(err)
			}
			p, part := l.ticketPAC(t, r)
			want := map[sid.SID]bool{sid.AuthorityAsserted: true}
			for _, s := range c.want {
				want[s] = true
			}
			if got := extraSIDs(p); !maps.Equal(got, want) {
				t.Errorf("extra SIDs %v, want %v", got, want)
			}
			if !part.Flags.Has(krb.FlagPreAuthent | krb.FlagInitial) {
				t.Errorf("flags %x", part.Flags)
			}
			list, err := p.Credentials.Open(r.ReplyKey)
			if err != nil || len(list) != 1 {
				t.Fatalf("credentials: %v, %v", list, err)
			}
			if hash, err := list[0].NTHash(); err != nil || !bytes.Equal(hash, l.account("alice").NTHash) {
				t.Errorf("NT hash %x, %v", hash, err)
			}
			if e := l.last(); e.Message["method"] != "PKINIT with a registered key" || e.Message["agreement"] != pkinit.MODP2048.Name || e.Message["fresh"] != true {
				t.Errorf("event %+v", e)
			}
		})
	}
}

// Sign-in with a certificate, in each way to agree on a key.
func TestCertificateTrust(t *testing.T) {
	l := newKeyLab(t, func(c *PKINITConfig) { c.Policy.ReuseKey = time.Minute })
	rsaUser := user(labPKI().root, helloKey(), aliceUPN, smartCard, adcert.SIDExtension(l.account("alice").SID))
	ecUser := user(labPKI().root, ecKey(), adcert.SAN{Principals: []adcert.PrincipalName{{Realm: realm, Type: 1, Parts: []string{"ALICE"}}}},
		[]asn1.ObjectIdentifier{adcert.EKUKPClientAuth}, adcert.SIDExtension(l.account("alice").SID))
	for name, c := range map[string]struct {
		i    pkinit.Initiator
		name krb.Name
		ask  func(*krbclient.ASRequest)
	}{
		"group 14":        {pkinit.Initiator{Signer: rsaUser.signer(), Group: pkinit.MODP2048}, krb.Principal("alice"), nil},
		"group 16":        {pkinit.Initiator{Signer: rsaUser.signer(), Group: pkinit.MODP4096, KDFs: pkinit.DefaultKDFs()}, krb.Principal("alice"), nil},
		"P-384, EC key":   {pkinit.Initiator{Signer: ecUser.signer(), Group: pkinit.P384}, krb.Principal("alice"), nil},
		"reused key":      {pkinit.Initiator{Signer: ecUser.signer(), Group: pkinit.P256, DHNonce: true}, krb.Principal("alice"), nil},
		"reused again":    {pkinit.Initiator{Signer: ecUser.signer(), Group: pkinit.P256, DHNonce: true, KDFs: pkinit.DefaultKDFs()}, krb.Principal("alice"), nil},
		"RSA":             {pkinit.Initiator{Signer: rsaUser.signer(), Decrypter: helloKey()}, krb.Principal("alice"), nil},
		"RSA with AES":    {pkinit.Initiator{Signer: rsaUser.signer(), Decrypter: helloKey(), CMSTypes: []asn1.ObjectIdentifier{cms.AES256CBC}}, krb.Principal("alice"), nil},
		"enterprise name": {pkinit.Initiator{Signer: rsaUser.signer(), Group: pkinit.P256, KDFs: pkinit.DefaultKDFs()}, krb.Enterprise("alice@contoso.com"), func(a *krbclient.ASRequest) { a.Options |= krb.OptCanonicalize }},
		"AES-128":         {pkinit.Initiator{Signer: rsaUser.signer(), Group: pkinit.P256}, krb.Principal("alice"), func(a *krbclient.ASRequest) { a.ETypes = []int32{krb.AES128} }},
	} {
		r, err := l.signIn(c.name, c.i, c.ask)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, _ := l.ticketPAC(t, r)
		if got := extraSIDs(p); !maps.Equal(got, map[sid.SID]bool{sid.AuthorityAsserted: true, sid.FreshPublicKey: true}) {
			t.Errorf("%s: extra SIDs %v", name, got)
		}
		if p.Credentials == nil {
			t.Errorf("%s: no credentials", name)
		}
		if _, err := l.client().TGS(t.Context(), &r.Credential, krbclient.TGSRequest{Server: krb.Service("ldap", "dc1.corp.example")}); err != nil {
			t.Errorf("%s: the ticket buys none for a service: %v", name, err)
		}
	}
}

// An account without NT hash gets no credentials, and who signs in without a
// freshness token is not called fresh.
func TestPlainPAC(t *testing.T) {
	l := newKeyLab(t, nil)
	l.account("alice").NTHash = nil
	u := user(labPKI().root, ecKey(), aliceUPN, smartCard, adcert.SIDExtension(l.account("alice").SID))
	stale := pkinit.Initiator{Signer: u.signer(), Group: pkinit.P256}
	r, err := l.client().AS(t.Context(), krbclient.ASRequest{Client: krb.Principal("alice")}, &forgetful{pkinit.Preauth{Initiator: stale, Trust: trustRoot(l.now), Rand: rand.Reader}})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := l.ticketPAC(t, r)
	if got := extraSIDs(p); p.Credentials != nil || !maps.Equal(got, map[sid.SID]bool{sid.AuthorityAsserted: true}) {
		t.Errorf("credentials %v, extra SIDs %v", p.Credentials, got)
	}
}

// forgetful asks for no freshness token.
type forgetful struct{ pkinit.Preauth }

func (*forgetful) Wants() []krb.PAData { return nil }

// Group 2 is refused with the groups that do; the client goes on with one.
func TestGroupRenegotiated(t *testing.T) {
	l := newKeyLab(t, nil)
	l.register(t, "alice", &helloKey().PublicKey, true, false)
	p := &pkinit.Preauth{Initiator: pkinit.Initiator{Signer: certify(pair{}, helloKey(), nil).signer(), Group: pkinit.MODP1024}, Trust: trustRoot(l.now), Rand: rand.Reader}
	ask := krbclient.ASRequest{Client: krb.Principal("alice")}
	_, err := l.client().AS(t.Context(), ask, p)
	if code(err) != krb.ErrDHParametersNotAccepted || !p.Renegotiated(err, []*pkinit.Group{pkinit.MODP1024, pkinit.MODP2048}) {
		t.Fatalf("group 2: %v", err)
	}
	if _, err := l.client().AS(t.Context(), ask, p); err != nil || p.Group != pkinit.MODP2048 {
		t.Errorf("then %s: %v", p.Group.Name, err)
	}
	if p.Renegotiated(krb.NewError(krb.ErrSkew, ""), pkinit.DefaultGroups()) || p.Renegotiated(errors.New("x"), pkinit.DefaultGroups()) {
		t.Error("another error is no reason to change the group")
	}
}

// Reading R1: a request without certificate, as MIT sends it for a self-signed one.
func TestKeylessCMS(t *testing.T) {
	self := certify(pair{}, helloKey(), nil)
	without := cms.Signer{Key: helloKey(), ID: cms.BySerial(self.cert)}
	l := newKeyLab(t, nil)
	l.register(t, "alice", &helloKey().PublicKey, true, false)
	if e := l.send(t, request{signer: without}); e == nil || e.Code != krb.ErrCantVerifyCertificate {
		t.Errorf("by default: %v", e)
	}
	l = newKeyLab(t, func(c *PKINITConfig) { c.Policy.KeylessCMS = true })
	if e := l.send(t, request{signer: without}); e == nil || e.Code != krb.ErrClientNotTrusted {
		t.Errorf("with no key: %v", e)
	}
	l.register(t, "bob", &helloKey().PublicKey, true, false)
	if e := l.send(t, request{signer: without}); e == nil || e.Code != krb.ErrClientNotTrusted {
		t.Errorf("with somebody else's key: %v", e)
	}
	l.register(t, "alice", &must(rsa.GenerateKey(rand.Reader, 2048)).PublicKey, true, false)
	l.register(t, "alice", &helloKey().PublicKey, true, false)
	if e := l.send(t, request{signer: without}); e != nil {
		t.Errorf("with the key: %v", e)
	}
	if e := l.send(t, request{signer: without, pack: func(a *pkinit.AuthPack) { a.PublicValue = nil }}); e == nil || e.Code != krb.ErrPublicKeyEncryptionUnsupported {
		t.Errorf("RSA mode: %v", e)
	}
}

// A leaf of an authority that the domain does not know, whose key is
// registered: MIT's client brings its self-made certificate so.
func TestKeyTrustByLeaf(t *testing.T) {
	l := newKeyLab(t, nil)
	own := authority(pair{}, "the device's own", nil)
	leaf := certify(own, helloKey(), nil)
	if e := l.send(t, request{signer: leaf.signer()}); e == nil || e.Code != krb.ErrClientNotTrusted {
		t.Errorf("not registered: %v", e)
	}
	withRoot := cms.Signer{Key: leaf.key, Certificates: []*x509.Certificate{leaf.cert, own.cert}}
	if e := l.send(t, request{signer: withRoot}); e == nil || e.Code != krb.ErrCantVerifyCertificate || !names104(t, e.Data) {
		t.Errorf("not registered, with its root: %v", e)
	}
	l.register(t, "alice", &helloKey().PublicKey, true, false)
	for _, s := range []cms.Signer{leaf.signer(), withRoot} {
		if e := l.send(t, request{signer: s}); e != nil {
			t.Errorf("registered: %v", e)
		}
	}
	// Without a Trust every certificate counts for its key only.
	l = newKeyLab(t, func(c *PKINITConfig) { c.Trust = nil })
	l.register(t, "alice", &helloKey().PublicKey, true, false)
	if e := l.send(t, request{signer: user(labPKI().root, helloKey(), aliceUPN, smartCard).signer()}); e != nil {
		t.Errorf("without authorities: %v", e)
	}
}

// names104 says whether e-data holds TD-TRUSTED-CERTIFIERS with the lab's root.
func names104(t testing.TB, data []byte) bool {
	t.Helper()
	list := must(krb.ParseTypedData(data))
	if len(list) != 1 || list[0].Type != krb.TDTrustedCertifiers {
		return false
	}
	ids := must(pkinit.ParseIdentifiers(list[0].Value))
	return len(ids) == 1 && bytes.Equal(ids[0].SubjectName, labPKI().root.cert.RawSubject)
}

// A computer signs in with its machine certificate, or with the key that it
// wrote to itself.
func TestComputer(t *testing.T) {
	l := newKeyLab(t, nil)
	sidExt := adcert.SIDExtension(l.account("PC1$").SID)
	machine := func(dns string) pair {
		return user(labPKI().root, ecKey(), adcert.SAN{DNSNames: []string{dns}}, smartCard, sidExt)
	}
	if e := l.send(t, request{name: "PC1$", signer: machine("pc1.corp.example").signer()}); e != nil {
		t.Errorf("machine certificate: %v", e)
	}
	if e := l.send(t, request{name: "PC1$", signer: machine("pc2.corp.example").signer()}); e == nil || e.Code != krb.ErrClientNameMismatch {
		t.Errorf("another machine's certificate: %v", e)
	}
	l.register(t, "PC1$", &helloKey().PublicKey, false, false)
	if e := l.send(t, request{name: "PC1$", signer: certify(pair{}, helloKey(), nil).signer()}); e != nil {
		t.Errorf("registered key: %v", e)
	}
}

// A certificate without subject has its names in a critical extension.
func TestCriticalNames(t *testing.T) {
	l := newKeyLab(t, nil)
	u := certify(labPKI().root, ecKey(), func(c *x509.Certificate) {
		c.Subject, c.UnknownExtKeyUsage = pkix.Name{}, smartCard
		c.ExtraExtensions = []pkix.Extension{must(aliceUPN.Extension(true)), adcert.SIDExtension(l.account("alice").SID)}
	})
	if len(u.cert.UnhandledCriticalExtensions) == 0 {
		t.Fatal("the extension is not critical")
	}
	if e := l.send(t, request{signer: u.signer()}); e != nil {
		t.Error(e)
	}
}
