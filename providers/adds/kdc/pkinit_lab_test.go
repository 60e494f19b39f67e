package kdc

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"sync"
	"testing"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/pkinit"
	"hellolab/providers/wire/sid"
)

// pair is a key with its certificate.
type pair struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func (p pair) signer() cms.Signer {
	return cms.Signer{Key: p.key, Certificates: []*x509.Certificate{p.cert}}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// helloKey is one RSA key for all tests: making one takes a while.
var helloKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

func ecKey() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// certify makes a certificate for key, by issuer or, if that is zero, by itself.
func certify(issuer pair, key crypto.Signer, change func(*x509.Certificate)) pair {
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))), Subject: pkix.Name{CommonName: "x"},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if change != nil {
		change(template)
	}
	parent, signer := issuer.cert, issuer.key
	if parent == nil {
		parent, signer = template, key
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))
	return pair{key, must(x509.ParseCertificate(der))}
}

func authority(issuer pair, name string, change func(*x509.Certificate)) pair {
	return authorityWith(ecKey(), issuer, name, change)
}

func authorityWith(key crypto.Signer, issuer pair, name string, change func(*x509.Certificate)) pair {
	return certify(issuer, key, func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.BasicConstraintsValid, c.KeyUsage = pkix.Name{CommonName: name}, true, true, x509.KeyUsageCertSign
		if change != nil {
			change(c)
		}
	})
}

// pki is a root authority that is trusted for signing in, and the KDC's
// certificate. Both keys are RSA: not every client reads others.
type pki struct{ root, kdc pair }

var labPKI = sync.OnceValue(func() pki {
	root := authorityWith(must(rsa.GenerateKey(rand.Reader, 2048)), pair{}, "Lab Root CA", nil)
	kdc := certify(root, must(rsa.GenerateKey(rand.Reader, 2048)), func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "dc1.corp.example"}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{adcert.EKUKPKdc, adcert.EKUSmartCardLogon}
		c.ExtraExtensions = []pkix.Extension{must(adcert.SAN{Principals: []adcert.PrincipalName{adcert.KDCName(realm)}, DNSNames: []string{"dc1.corp.example", "corp.example"}}.Extension(false))}
	})
	return pki{root, kdc}
})

// user makes a certificate for signing in: names and purposes as given.
func user(issuer pair, key crypto.Signer, names adcert.SAN, purposes []asn1.ObjectIdentifier, ext ...pkix.Extension) pair {
	return certify(issuer, key, func(c *x509.Certificate) {
		c.UnknownExtKeyUsage = purposes
		if n := must(names.Extension(false)); len(n.Value) > 2 {
			ext = append(ext, n)
		}
		c.ExtraExtensions = ext
	})
}

var (
	smartCard = []asn1.ObjectIdentifier{adcert.EKUSmartCardLogon}
	aliceUPN  = adcert.SAN{UPNs: []string{"alice@contoso.com"}}
)

// Certificate implements Identity; the zero pair is a KDC without certificate.
func (p pair) Certificate(context.Context) (*Certificate, error) {
	if p.cert == nil {
		return nil, nil
	}
	return &Certificate{Chain: []*x509.Certificate{p.cert}, Key: p.key}, nil
}

// keyLab is a lab whose KDC takes public keys.
type keyLab struct {
	*lab
	pk *PKINIT
}

func newKeyLab(t testing.TB, change func(*PKINITConfig)) keyLab {
	t.Helper()
	p := labPKI()
	c := PKINITConfig{Identity: p.kdc, Trust: &ChainTrust{Roots: []*x509.Certificate{p.root.cert}, NTAuth: []*x509.Certificate{p.root.cert}}, Rand: rand.Reader}
	if change != nil {
		change(&c)
	}
	pk := must(NewPKINIT(c))
	l := newLab(t, func(c *Config) { c.Preauth = []Preauth{pk} })
	l.account("alice").NTHash = bytes.Repeat([]byte{7}, 16)
	l.account("alice").Created = l.now.AddDate(0, -1, 0)
	return keyLab{l, pk}
}

// forget drops the events so far.
func (l keyLab) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = nil
}

// register puts a key on an account, as Connect does.
func (l keyLab) register(t testing.TB, name string, pub *rsa.PublicKey, mfa, attested bool) {
	t.Helper()
	k := keycred.FromEntra(keycred.UserKey{Public: pub, Device: must(guid.New(rand.Reader)), Created: l.now.Add(-time.Hour), MFA: mfa, Attested: attested})
	l.dir.mu.Lock()
	defer l.dir.mu.Unlock()
	a := l.account(name)
	a.KeyCredentials = append(a.KeyCredentials, []byte("not a key credential"), must(k.Marshal())) // fault 86: the first is passed over
}

// trustRoot is a client that checks the KDC's certificate by its path only.
func trustRoot(at time.Time) pkinit.Trust {
	return func(kdc *x509.Certificate, _ []*x509.Certificate) error {
		roots := x509.NewCertPool()
		roots.AddCert(labPKI().root.cert)
		_, err := kdc.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		return err
	}
}

// signIn obtains a ticket with the initiator.
func (l keyLab) signIn(name krb.Name, i pkinit.Initiator, change func(*krbclient.ASRequest)) (*krbclient.Result, error) {
	ask := krbclient.ASRequest{Client: name}
	if change != nil {
		change(&ask)
	}
	return l.client().AS(context.Background(), ask, &pkinit.Preauth{Initiator: i, Trust: trustRoot(l.clock()), Rand: rand.Reader})
}

// openPAC reads the PAC of a ticket-granting ticket.
func (l keyLab) ticketPAC(t testing.TB, r *krbclient.Result) (*pac.PAC, *krb.EncTicketPart) {
	t.Helper()
	ticket := must(krb.ParseTicket(r.Credential.Ticket))
	part, err := ticket.Open(l.account("krbtgt").Keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	raw, ok := part.PAC()
	if !ok {
		t.Fatal("no PAC")
	}
	return must(pac.Parse(raw)), part
}

func extraSIDs(p *pac.PAC) map[sid.SID]bool {
	out := map[sid.SID]bool{}
	for _, s := range p.LogonInfo.ExtraSIDs {
		out[s.SID] = true
	}
	return out
}

// request is an AS-REQ with PKINIT in the making, for what no client sends.
type request struct {
	name   string
	signer cms.Signer
	body   func(*krb.KDCReqBody)
	pack   func(*pkinit.AuthPack)
	sign   asn1.ObjectIdentifier // nil: id-pkinit-authData
	padata []krb.PAData
	raw    []byte // sent instead of the signed AuthPack's PA-PK-AS-REQ
}

var p256 = sync.OnceValue(func() *pkinit.PrivateKey { return must(pkinit.P256.GenerateKey(rand.Reader)) })

// send makes the AS-REQ and returns the KDC's error; nil: a reply came.
func (l keyLab) send(t testing.TB, r request) *krb.Error {
	t.Helper()
	answer := l.Handle(context.Background(), l.message(t, r))
	if !krb.IsError(answer) {
		if _, err := krb.ParseKDCRep(answer); err != nil {
			t.Fatal(err)
		}
		return nil
	}
	return must(krb.ParseError(answer))
}

func (l keyLab) message(t testing.TB, r request) []byte {
	t.Helper()
	if r.name == "" {
		r.name = "alice"
	}
	nonce := must(rand.Int(rand.Reader, big.NewInt(1<<30))).Uint64()
	req := krb.KDCReq{MsgType: krb.MsgASReq, Body: krb.KDCReqBody{
		Client: krb.Principal(r.name), Realm: realm, Server: krb.TGS(realm), Nonce: uint32(nonce), ETypes: []int32{krb.AES256},
	}}
	if r.body != nil {
		r.body(&req.Body)
	}
	sum := sha1.Sum(must(req.EncodeBody()))
	a := pkinit.AuthPack{PKAuthenticator: pkinit.PKAuthenticator{Time: l.clock(), Nonce: req.Body.Nonce, PAChecksum: sum[:]}, PublicValue: p256().Public()}
	if r.pack != nil {
		r.pack(&a)
	}
	if r.sign == nil {
		r.sign = pkinit.AuthDataOID
	}
	value := r.raw
	if value == nil {
		message := must(r.signer.Sign(rand.Reader, r.sign, must(a.Encode())))
		value = must((&pkinit.PAPKASReq{SignedAuthPack: cms.ContentInfo(cms.SignedDataOID, message)}).Encode())
	}
	req.PAData = append(r.padata, krb.PAData{Type: krb.PAPKASReq, Value: value})
	return must(req.Encode())
}
