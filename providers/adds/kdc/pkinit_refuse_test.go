package kdc

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pkinit"
)

// want checks the code of a refusal; 0 wants a reply.
func want(t *testing.T, name string, e *krb.Error, c krb.Code) {
	t.Helper()
	var got krb.Code
	if e != nil {
		got = e.Code
	}
	if got != c {
		t.Errorf("%s: %v, want %d", name, e, c)
	}
}

// Fault 67: no certificate, no PKINIT, and none offered.
func TestNoKDCCertificate(t *testing.T) {
	l := newKeyLab(t, func(c *PKINITConfig) { c.Identity = pair{} })
	l.register(t, "alice", &helloKey().PublicKey, true, false)
	want(t, "request", l.send(t, request{signer: certify(pair{}, helloKey(), nil).signer()}), krb.ErrPADataTypeNoSupport)
	if l.offers(t, krb.PAASFreshness, krb.PAPKASReq, nil) {
		t.Error("PKINIT is offered")
	}
	if e := l.last(); e.Reason == nil {
		t.Errorf("event %+v", e)
	}
}

// offers sends a request without proof, with further data, and says whether the
// METHOD-DATA of the answer holds a type.
func (l keyLab) offers(t testing.TB, ask, typ int32, more []krb.PAData) bool {
	t.Helper()
	req := krb.KDCReq{MsgType: krb.MsgASReq, PAData: append(more, krb.PAData{Type: ask}), Body: krb.KDCReqBody{
		Client: krb.Principal("alice"), Realm: realm, Server: krb.TGS(realm), Nonce: 1, ETypes: []int32{krb.AES256},
	}}
	e := must(krb.ParseError(l.Handle(context.Background(), must(req.Encode()))))
	_, ok := krb.FindPA(must(krb.ParseMethodData(e.Data)), typ)
	return ok
}

// Fault 61: freshness tokens (RFC 8070), and clocks that differ.
func TestTime(t *testing.T) {
	l := newKeyLab(t, nil)
	signer := user(labPKI().root, ecKey(), aliceUPN, smartCard, adcert.SIDExtension(l.account("alice").SID)).signer()
	send := func(change func(*pkinit.AuthPack)) *krb.Error {
		return l.send(t, request{signer: signer, pack: change})
	}
	token := func(at time.Duration) func(*pkinit.AuthPack) {
		return func(a *pkinit.AuthPack) { a.FreshnessToken = l.pk.tokens.issue(l.clock().Add(at)) }
	}
	forged := func(a *pkinit.AuthPack) {
		token(0)(a)
		a.FreshnessToken[7] ^= 1
	}
	for name, c := range map[string]struct {
		change func(*pkinit.AuthPack)
		want   krb.Code
	}{
		"4:59 behind":         {func(a *pkinit.AuthPack) { a.Time = a.Time.Add(-299 * time.Second) }, 0},
		"5:01 behind":         {func(a *pkinit.AuthPack) { a.Time = a.Time.Add(-301 * time.Second) }, krb.ErrSkew},
		"4:59 ahead":          {func(a *pkinit.AuthPack) { a.Time = a.Time.Add(299 * time.Second) }, 0},
		"5:01 ahead":          {func(a *pkinit.AuthPack) { a.Time = a.Time.Add(301 * time.Second) }, krb.ErrSkew},
		"no token":            {nil, 0},
		"token":               {token(0), 0},
		"token of 14:59":      {token(-899 * time.Second), 0},
		"token of 15:01":      {token(-901 * time.Second), krb.ErrPreauthExpired},
		"token of the future": {token(time.Second), krb.ErrPreauthExpired},
		"forged token":        {forged, krb.ErrModified},
		"empty token":         {func(a *pkinit.AuthPack) { a.FreshnessToken = []byte{} }, krb.ErrModified},
		"long token":          {func(a *pkinit.AuthPack) { token(0)(a); a.FreshnessToken = append(a.FreshnessToken, 0) }, krb.ErrModified},
	} {
		want(t, name, send(c.change), c.want)
	}
	if !l.offers(t, krb.PAASFreshness, krb.PAASFreshness, nil) || l.offers(t, krb.PAPACRequest, krb.PAASFreshness, nil) {
		t.Error("a token is for who asks for one")
	}
	if l.offers(t, krb.PAASFreshness, krb.PAASFreshness, []krb.PAData{{Type: krb.PAEncTimestamp, Value: []byte{1}}}) {
		t.Error("a token for who uses a password")
	}
	l = newKeyLab(t, func(c *PKINITConfig) { c.Policy.RequireFreshness = true })
	want(t, "token required", send(nil), krb.ErrPreauthFailed)
	want(t, "token required and there", send(token(0)), 0)
	other := newKeyLab(t, nil)
	want(t, "token of another domain", send(func(a *pkinit.AuthPack) { a.FreshnessToken = other.pk.tokens.issue(l.now) }), krb.ErrModified)
}

// Fault 60: the same request again, once and eight times at once.
func TestReplayedRequest(t *testing.T) {
	l := newKeyLab(t, nil)
	signer := user(labPKI().root, ecKey(), aliceUPN, smartCard, adcert.SIDExtension(l.account("alice").SID)).signer()
	message := l.message(t, request{signer: signer})
	var wg sync.WaitGroup
	var mu sync.Mutex
	replies := 0
	for range 8 {
		wg.Go(func() {
			answer := l.Handle(context.Background(), message)
			mu.Lock()
			defer mu.Unlock()
			if !krb.IsError(answer) {
				replies++
			} else if e, err := krb.ParseError(answer); err != nil || e.Code != krb.ErrRepeat {
				t.Errorf("%v, %v", e, err)
			}
		})
	}
	wg.Wait()
	if replies != 1 {
		t.Errorf("%d replies to one request", replies)
	}
	// The same time and nonce in another message are a replay, too.
	at, nonce := l.clock(), uint32(77)
	again := request{signer: signer, pack: func(a *pkinit.AuthPack) { a.Time, a.Nonce = at, nonce }}
	want(t, "first", l.send(t, again), 0)
	want(t, "second", l.send(t, again), krb.ErrRepeat)
}

// Faults 62 and 63, and messages that cannot be read (74 to 76).
func TestRequestsRefused(t *testing.T) {
	l := newKeyLab(t, nil)
	u := user(labPKI().root, ecKey(), aliceUPN, smartCard, adcert.SIDExtension(l.account("alice").SID))
	signer := u.signer()
	ecHello := cms.Signer{Key: ecKey(), Certificates: []*x509.Certificate{u.cert}}
	one := cryptobyte.NewBuilder(nil)
	one.AddASN1BigInt(big.NewInt(1))
	group := func(g *pkinit.Group, key []byte) func(*pkinit.AuthPack) {
		return func(a *pkinit.AuthPack) {
			a.PublicValue = must(g.GenerateKey(rand.Reader)).Public()
			if key != nil {
				a.PublicValue.Key = key
			}
		}
	}
	for name, c := range map[string]struct {
		r    request
		want krb.Code
	}{
		"good":               {request{signer: signer}, 0},
		"nonce 0":            {request{signer: signer, pack: func(a *pkinit.AuthPack) { a.Nonce = 0 }}, 0},
		"nonces that differ": {request{signer: signer, pack: func(a *pkinit.AuthPack) { a.Nonce++ }}, 0},
		"checksum wrong":     {request{signer: signer, pack: func(a *pkinit.AuthPack) { a.PAChecksum[0] ^= 1 }}, krb.ErrModified},
		"checksum missing":   {request{signer: signer, pack: func(a *pkinit.AuthPack) { a.PAChecksum = nil }}, krb.ErrPAChecksumMissing},
		"second checksum wrong": {request{signer: signer, pack: func(a *pkinit.AuthPack) {
			a.PAChecksum2 = &pkinit.PAChecksum2{Digest: cms.DigestOID(5), Sum: []byte{1}}
		}}, krb.ErrModified},
		"group 2":                      {request{signer: signer, pack: group(pkinit.MODP1024, nil)}, krb.ErrDHParametersNotAccepted},
		"public value 1":               {request{signer: signer, pack: group(pkinit.MODP2048, one.BytesOrPanic())}, krb.ErrDHParametersNotAccepted},
		"point off the curve":          {request{signer: signer, pack: group(pkinit.P256, bytes.Repeat([]byte{4}, 65))}, krb.ErrDHParametersNotAccepted},
		"unknown functions":            {request{signer: signer, pack: func(a *pkinit.AuthPack) { a.KDFs = []asn1.ObjectIdentifier{{1, 2, 3}} }}, krb.ErrNoAcceptableKDF},
		"RSA mode with an EC key":      {request{signer: signer, pack: func(a *pkinit.AuthPack) { a.PublicValue = nil }}, krb.ErrPublicKeyEncryptionUnsupported},
		"another key signed":           {request{signer: ecHello}, krb.ErrInvalidSignature},
		"other content type":           {request{signer: signer, sign: pkinit.DHKeyDataOID}, krb.ErrPreauthFailed},
		"no PA-PK-AS-REQ":              {request{raw: []byte("rubbish")}, krb.ErrPreauthFailed},
		"no certificate":               {request{signer: cms.Signer{Key: u.key, ID: cms.BySerial(u.cert)}}, krb.ErrCantVerifyCertificate},
		"encryption type, 3DES":        {request{signer: signer, body: func(b *krb.KDCReqBody) { b.ETypes = []int32{krb.DES3} }}, krb.ErrETypeNoSupport},
		"encryption types with 3DES":   {request{signer: signer, body: func(b *krb.KDCReqBody) { b.ETypes = []int32{krb.DES3, krb.AES128} }}, 0},
		"unknown client":               {request{signer: signer, name: "nobody"}, krb.ErrClientUnknown},
		"disabled client":              {request{signer: signer, name: "off"}, krb.ErrClientRevoked},
		"smart card required of alice": {request{signer: signer, body: func(*krb.KDCReqBody) { l.account("alice").UserAccountControl |= SmartCardRequired }}, 0},
		"expired password of alice":    {request{signer: signer, body: func(*krb.KDCReqBody) { l.account("alice").UserAccountControl |= PasswordExpired }}, 0},
	} {
		off := *l.account("bob")
		off.SAMAccountName, off.UserAccountControl = "off", 0x202
		l.dir.accounts = append(l.dir.accounts, &off)
		want(t, name, l.send(t, c.r), c.want)
	}
	noRSA := newKeyLab(t, func(c *PKINITConfig) { c.Policy.NoRSA = true })
	want(t, "RSA mode refused", noRSA.send(t, request{signer: signer, pack: func(a *pkinit.AuthPack) { a.PublicValue = nil }}), krb.ErrPublicKeyEncryptionUnsupported)
}

// Fault 64: self-signed certificates whose key is in nobody's list, in another
// user's, or was taken away.
func TestKeyTrustRefused(t *testing.T) {
	l := newKeyLab(t, nil)
	self := certify(pair{}, helloKey(), func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{must(aliceUPN.Extension(false))} })
	want(t, "nobody's", l.send(t, request{signer: self.signer()}), krb.ErrClientNotTrusted)
	l.register(t, "bob", &helloKey().PublicKey, true, false)
	want(t, "bob's", l.send(t, request{signer: self.signer()}), krb.ErrClientNotTrusted)
	want(t, "bob's, for bob", l.send(t, request{name: "bob", signer: self.signer()}), 0)
	l.register(t, "alice", &helloKey().PublicKey, true, false)
	want(t, "hers", l.send(t, request{signer: self.signer()}), 0)
	l.account("alice").KeyCredentials = nil
	want(t, "taken away", l.send(t, request{signer: self.signer()}), krb.ErrClientNotTrusted)
	l.register(t, "alice", &must(rsa.GenerateKey(rand.Reader, 2048)).PublicKey, true, false)
	want(t, "another key of hers", l.send(t, request{signer: self.signer()}), krb.ErrClientNotTrusted)
}

// The first check that fails decides what the client is told (RFC 4556 3.2.2).
// Request i breaks check i and all that come after it.
func TestOrderOfChecks(t *testing.T) {
	l := newKeyLab(t, nil)
	alice, bob := l.account("alice").SID, l.account("bob").SID
	expired := l.pk.tokens.issue(l.now.Add(-time.Hour))
	for i, c := range []krb.Code{
		krb.ErrPreauthFailed, krb.ErrInvalidSignature, krb.ErrClientNotTrusted, krb.ErrInconsistentKeyPurpose, krb.ErrClientNameMismatch, krb.ErrCertificateMismatch,
		krb.ErrSkew, krb.ErrModified, krb.ErrDHParametersNotAccepted, krb.ErrPreauthExpired, 0,
	} {
		issuer, names, purposes, owner := labPKI().root, aliceUPN, smartCard, alice
		if i <= 2 {
			issuer = authority(pair{}, "unknown", nil)
		}
		if i <= 3 {
			purposes = nil
		}
		if i <= 4 {
			names = adcert.SAN{UPNs: []string{"bob@corp.example"}}
		}
		if i <= 5 {
			owner = bob
		}
		r := request{signer: user(issuer, ecKey(), names, purposes, adcert.SIDExtension(owner)).signer()}
		if i <= 1 {
			r.signer.Key = ecKey()
		}
		if i <= 0 {
			r.sign = pkinit.DHKeyDataOID
		}
		r.pack = func(a *pkinit.AuthPack) {
			if i <= 6 {
				a.Time = a.Time.Add(-time.Hour)
			}
			if i <= 7 {
				a.PAChecksum[0] ^= 1
			}
			if i <= 8 {
				a.PublicValue = &pkinit.PublicValue{Group: pkinit.MODP1024, Key: []byte{2, 1, 5}}
			}
			if i <= 9 {
				a.FreshnessToken = expired
			}
		}
		want(t, "broken from check "+strconv.Itoa(i)+" on", l.send(t, r), c)
	}
}

// Revocation, by what Trust says of it; and a Trust that breaks.
func TestRevocation(t *testing.T) {
	p := labPKI()
	var l keyLab
	for name, c := range map[string]struct {
		err  error
		want krb.Code
	}{
		"good":        {nil, 0},
		"revoked":     {&TrustError{Kind: Revoked, Certificates: []*x509.Certificate{p.root.cert}}, krb.ErrRevokedCertificate},
		"unknown":     {&TrustError{Kind: RevocationUnknown}, krb.ErrRevocationUnknown},
		"unavailable": {&TrustError{Kind: RevocationUnavailable, Sentence: "The list cannot be fetched."}, krb.ErrRevocationUnavailable},
		"weak digest": {&TrustError{Kind: WeakDigest}, krb.ErrCertificateDigestNotAccepted},
		"broken":      {errors.New("disk"), krb.ErrGeneric},
	} {
		l = newKeyLab(t, func(config *PKINITConfig) {
			config.Trust = &ChainTrust{Roots: []*x509.Certificate{p.root.cert}, NTAuth: []*x509.Certificate{p.root.cert},
				Revocation: func(_ context.Context, chain []*x509.Certificate, at time.Time) error {
					if len(chain) != 2 || !chain[1].Equal(p.root.cert) || !at.Equal(l.now) {
						t.Errorf("chain of %d at %v", len(chain), at)
					}
					return c.err
				}}
		})
		u := user(p.root, helloKey(), aliceUPN, smartCard, adcert.SIDExtension(l.account("alice").SID))
		l.register(t, "alice", &helloKey().PublicKey, true, false) // a registered key does not save a revoked certificate
		e := l.send(t, request{signer: u.signer()})
		want(t, name, e, c.want)
		if name == "revoked" {
			if list := must(krb.ParseTypedData(e.Data)); len(list) != 1 || list[0].Type != krb.TDInvalidCertificates {
				t.Errorf("e-data %v", list)
			}
		}
		if name == "broken" && bytes.Contains([]byte(e.Sentence), []byte("disk")) {
			t.Error("the client is told what broke")
		}
	}
}

func TestSHA1(t *testing.T) {
	for err, code := range map[error]krb.Code{
		cms.ErrDigest: krb.ErrSignedDataDigestNotAccepted, cms.ErrSignature: krb.ErrInvalidSignature, cms.ErrUnsupported: krb.ErrInvalidSignature,
		cms.ErrSyntax: krb.ErrPreauthFailed, pkinit.ErrMalformed: krb.ErrPreauthFailed,
	} {
		if got := unreadable(err); !errors.Is(got, code) {
			t.Errorf("%v: %v", err, got)
		}
	}
	root := labPKI().root
	c := ChainTrust{Roots: []*x509.Certificate{root.cert}, NTAuth: []*x509.Certificate{root.cert}}
	sha1 := certify(root, ecKey(), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })
	var e *TrustError
	if err := c.VerifyClient(t.Context(), []*x509.Certificate{sha1.cert}, time.Unix(1795000000, 0)); !errors.As(err, &e) || e.Kind != WeakDigest {
		t.Errorf("certificate signed with SHA-1: %v", err)
	}
}
