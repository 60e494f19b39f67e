package entra

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// passwordRequest is a PRT request whose only doubtful part is its nonce.
func (b *bench) passwordRequest(d *testDevice, nonce string) error {
	b.t.Helper()
	_, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantPassword, Username: aliceUPN, Password: password, RequestNonce: nonce})
	return err
}

// Faults 49 to 51.
func TestNonces(t *testing.T) {
	seed.Proves(t, "A1-05", "A1")
	seed.Proves(t, "A1-06", "A1")
	seed.Proves(t, "A1-07", "A1")
	seed.Proves(t, "KEY-16")
	b := newBench(t)
	d, _ := b.laptop()

	// The request holds no user data and needs none.
	if a, c := b.nonce(), b.nonce(); a == c {
		t.Error("two nonces are equal")
	}
	for after, code := range map[time.Duration]oauth.Code{4*time.Minute + 59*time.Second: 0, 5*time.Minute + time.Second: oauth.NonceInvalid} {
		n := b.nonce()
		b.Advance(after)
		want(t, b.passwordRequest(d, n), code)
	}
	used := b.nonce()
	want(t, b.passwordRequest(d, used), 0)
	want(t, b.passwordRequest(d, used), oauth.NonceInvalid)

	other := benchOf(t, b.Env, "tenant.fabrikam", "fabrikam.com")
	good := b.nonce()
	raw, err := base64.RawURLEncoding.DecodeString(good)
	b.must(err)
	raw[5] ^= 1
	for name, n := range map[string]string{
		"other tenant's": other.nonce(), "made up": base64.RawURLEncoding.EncodeToString(make([]byte, nonceSize)), "none": "", "no base64": "!",
		"changed": base64.RawURLEncoding.EncodeToString(raw), "for attestation": b.attestNonce(), "longer": good + "AAAA", "with a line end": good[:9] + "\n" + good[9:],
	} {
		t.Run(name, func(t *testing.T) { want(t, b.passwordRequest(d, n), oauth.NonceInvalid) })
	}
	racing := b.nonce()
	if n := race(func() error { return b.passwordRequest(d, racing) }); n != 1 {
		t.Errorf("a nonce was good %d times", n)
	}
}

// Fault 51: unanswered nonces cost no memory, and used ones do not pile up.
func TestNonceFlood(t *testing.T) {
	b := newBench(t)
	d, _ := b.laptop()
	for range 200 {
		b.nonce()
	}
	rows := func() (n int) {
		b.must(b.For(b.addr).Section.View(func(r providers.Reader) error {
			return r.Scan(tableUsed, "", func(string, []byte) error { n++; return nil })
		}))
		return n
	}
	before := rows()
	for range 20 {
		want(t, b.passwordRequest(d, b.nonce()), 0)
	}
	if n := rows() - before; n != 20 {
		t.Errorf("20 used nonces take %d rows", n)
	}
	b.Advance(6 * time.Minute)
	for range 5 {
		want(t, b.passwordRequest(d, b.nonce()), 0)
	}
	if n := rows() - before; n > 10 {
		t.Errorf("%d rows of nonces that expired", n)
	}
}

func TestHelloSignIn(t *testing.T) {
	seed.Proves(t, "A1-08", "A1")
	seed.Proves(t, "A1-11", "A1")
	seed.Proves(t, "A1-17", "A1")
	seed.Proves(t, "PRT-02")
	seed.Proves(t, "PRT-08")
	seed.Proves(t, "PRT-10")
	seed.Proves(t, "PC-11", "P1")
	b := newBench(t)
	d, user := b.enrolled()
	began := len(b.Events())
	s, err := b.hello(d, user)
	b.must(err)
	inOrder(t, b.since(began), "nonce_issued", "device_signature_verified", "signature_verified", "nonce_verified", "prt_issued")
	other := &testDevice{transport: someKeys()[keyOther]}
	resp := *s
	if _, err := other.unwrap(&oauth.TokenResponse{RefreshToken: resp.prt, SessionKeyJWE: b.lastJWE(d, user)}); err == nil {
		t.Error("another transport key opens the session key")
	}

	// Inside the seal: claims about user and device, and the session key.
	p, err := b.server().openPRT(s.prt)
	b.must(err)
	if p.UPN != aliceUPN || p.DeviceID != d.id || !bytes.Equal(p.SessionKey, s.key) || !slices.Equal(p.AMR, []string{"rsa", "mfa"}) {
		t.Errorf("PRT holds %+v", p.proof)
	}
	if strings.Contains(s.prt, d.id) || !strings.HasPrefix(s.prt, "1.A") || strings.Count(s.prt, ".") < 2 {
		t.Errorf("PRT reads %.40s", s.prt)
	}
	tokens, err := b.use(s, prt.Request{Resource: oauth.ResourceGraph})
	b.must(err)
	c := claimsOf(t, tokens.AccessToken)
	if c.UPN != aliceUPN || c.DeviceID != d.id || !slices.Contains(c.AMR, "mfa") || slices.Contains(c.AMR, "ngcmfa") {
		t.Errorf("claims %+v", c)
	}
	b.quiet(s.key, []byte(s.prt), []byte(tokens.AccessToken), []byte(b.out.AdminSecret), b.totp[aliceUPN])
}

// lastJWE signs in and returns the reply's session_key_jwe.
func (b *bench) lastJWE(d *testDevice, user *rsa.PrivateKey) string {
	b.t.Helper()
	n := b.nonce()
	signed, err := prt.SignDeviceRequest(d.key, d.cert, prt.Request{ClientID: oauth.ClientCloudAP, Scope: "openid aza", GrantType: oauth.GrantJWTBearer,
		Assertion: b.assertion(aliceUPN, user, n), RequestNonce: n})
	b.must(err)
	resp, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed})
	b.must(err)
	return resp.SessionKeyJWE
}

// The order of the checks: signature before nonce, nonce before device.
func TestHelloOrder(t *testing.T) {
	seed.Proves(t, "A1-09", "A1")
	seed.Proves(t, "A1-10", "A1")
	b := newBench(t)
	d, user := b.enrolled()
	kid := ngc.KeyID(cng.MarshalRSAPublic(&user.PublicKey))
	forged := func(nonce string) string {
		now := b.Now().Unix()
		s, err := ngc.SignAssertion(someKeys()[keyOther], kid, ngc.Claims{Issuer: aliceUPN, Audience: "common", IssuedAt: prt.Time(now), Expires: prt.Time(now + 300), RequestNonce: nonce})
		b.must(err)
		return s
	}
	try := func(assertion, nonce string) error {
		_, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantJWTBearer, Assertion: assertion, RequestNonce: nonce})
		return err
	}
	stale := b.nonce()
	b.Advance(6 * time.Minute)
	want(t, try(forged(stale), stale), oauth.HelloSignatureInvalid)
	want(t, try(b.assertion(aliceUPN, user, stale), stale), oauth.NonceInvalid)
	b.enable(d, false)
	want(t, try(b.assertion(aliceUPN, user, stale), stale), oauth.NonceInvalid)
	n := b.nonce()
	want(t, try(b.assertion(aliceUPN, user, n), n), oauth.HelloDeviceDisabled)
	b.enable(d, true)
	// Clients may send two different nonces; both must be fresh.
	want(t, try(b.assertion(aliceUPN, user, b.nonce()), b.nonce()), 0)
	want(t, try(b.assertion(aliceUPN, user, stale), b.nonce()), oauth.NonceInvalid)
	want(t, try(b.assertion(aliceUPN, user, b.nonce()), ""), oauth.NonceInvalid)
}

// Fault 52.
func TestHelloRefusals(t *testing.T) {
	seed.Proves(t, "DR-14")
	seed.Proves(t, "DR-20")
	b := newBench(t)
	d, user := b.enrolled()
	sign := func(key *rsa.PrivateKey, h jose.Header, change func(*ngc.Claims)) error {
		n, now := b.nonce(), b.Now().Unix()
		c := ngc.Claims{Issuer: aliceUPN, Audience: "common", IssuedAt: prt.Time(now), Expires: prt.Time(now + 300), RequestNonce: n}
		if change != nil {
			change(&c)
		}
		s, err := jose.SignRS256(key, h, c)
		b.must(err)
		_, err = b.deviceRequest(d, prt.Request{GrantType: oauth.GrantJWTBearer, Assertion: s, RequestNonce: n})
		return err
	}
	kid := ngc.KeyID(cng.MarshalRSAPublic(&user.PublicKey))
	good := jose.Header{KeyID: kid, Use: ngc.Use}
	for name, tt := range map[string]struct {
		key    *rsa.PrivateKey
		header jose.Header
		change func(*ngc.Claims)
		code   oauth.Code
	}{
		"good":              {user, good, nil, 0},
		"unknown key":       {someKeys()[keyOther], jose.Header{KeyID: ngc.KeyID([]byte("x")), Use: ngc.Use}, nil, oauth.HelloKeyNotFound},
		"path in the kid":   {user, jose.Header{KeyID: "../../" + kid, Use: ngc.Use}, nil, oauth.HelloKeyNotFound},
		"NUL in the kid":    {user, jose.Header{KeyID: kid + "\x00", Use: ngc.Use}, nil, oauth.HelloKeyNotFound},
		"quote in the kid":  {user, jose.Header{KeyID: "' or 1=1", Use: ngc.Use}, nil, oauth.HelloKeyNotFound},
		"another's name":    {user, good, func(c *ngc.Claims) { c.Issuer = bobUPN }, oauth.HelloKeyNotFound},
		"unknown name":      {user, good, func(c *ngc.Claims) { c.Issuer = "carol@contoso.com" }, oauth.UserAccountNotFound},
		"own key in header": {someKeys()[keyOther], jose.Header{KeyID: kid, Use: ngc.Use, X5C: jose.Chain{d.cert}}, nil, oauth.RequestMalformed},
		"expired":           {user, good, func(c *ngc.Claims) { c.Expires = prt.Time(b.Now().Unix()) }, oauth.GrantInvalid},
		"negative times":    {user, good, func(c *ngc.Claims) { c.IssuedAt, c.Expires = -1, -1 }, oauth.GrantInvalid},
		"far future":        {user, good, func(c *ngc.Claims) { c.IssuedAt += 3600; c.Expires += 7200 }, oauth.GrantInvalid},
		"huge times":        {user, good, func(c *ngc.Claims) { c.IssuedAt = 1 << 62 }, oauth.GrantInvalid},
		"backdated an hour": {user, good, func(c *ngc.Claims) { c.IssuedAt -= 3600 }, 0},
		"another audience":  {user, good, func(c *ngc.Claims) { c.Audience = "fabrikam.com" }, oauth.GrantInvalid},
		"tenant's audience": {user, good, func(c *ngc.Claims) { c.Audience = b.out.TenantID }, 0},
	} {
		t.Run(name, func(t *testing.T) { want(t, sign(tt.key, tt.header, tt.change), tt.code) })
	}

	// Faults 37 and 38: no algorithm, or the public key as a shared secret.
	for _, alg := range []string{"none", "None", "", "HS256"} {
		n := b.nonce()
		input := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":%q,"use":"ngc"}`, alg, kid)) + "." +
			base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":%q,"aud":"common","iat":%d,"exp":%d,"request_nonce":%q}`, aliceUPN, b.Now().Unix(), b.Now().Unix()+300, n))
		mac := hmac.New(sha256.New, cng.MarshalRSAPublic(&user.PublicKey))
		mac.Write([]byte(input))
		for _, sig := range []string{"", base64.RawURLEncoding.EncodeToString(mac.Sum(nil))} {
			_, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantJWTBearer, Assertion: input + "." + sig, RequestNonce: n})
			want(t, err, oauth.HelloSignatureInvalid)
		}
	}

	// Each state of key, user and device has its own reason.
	off, on := false, true
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &off})
	want(t, sign(user, good, nil), oauth.UserDisabled)
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &on})
	b.enable(d, false)
	want(t, sign(user, good, nil), oauth.HelloDeviceDisabled)
	b.enable(d, true)
	s := b.server()
	dev := *b.device(d)
	b.must(s.env.Section.Update(t.Context(), func(w providers.Writer) error { dev := dev; dev.TransportKey = nil; return putDevice(w, &dev) }))
	want(t, sign(user, good, nil), oauth.HelloTransportKeyNotFound)
	b.must(s.env.Section.Update(t.Context(), func(w providers.Writer) error { return putDevice(w, &dev) }))
	want(t, sign(user, good, nil), 0)
	b.must(b.admin.Delete(t.Context(), "devices", dev.ID))
	want(t, sign(user, good, nil), oauth.HelloDeviceNotFound)
	b.must(s.env.Section.Update(t.Context(), func(w providers.Writer) error { return putDevice(w, &dev) }))
	b.must(b.admin.Delete(t.Context(), "users", aliceUPN, "authentication", "windowsHelloForBusinessMethods", b.lookup(aliceUPN).HelloKeys[0].ID))
	want(t, sign(user, good, nil), oauth.HelloKeyNotFound)
}

func (b *bench) device(d *testDevice) *device {
	b.t.Helper()
	var dev *device
	b.must(b.For(b.addr).Section.View(func(r providers.Reader) (err error) { dev, err = deviceByDeviceID(r, d.id); return err }))
	return dev
}

// A key works on the device it was made on, and on no other.
func TestHelloKeyStaysOnItsDevice(t *testing.T) {
	b := newBench(t)
	_, user := b.enrolled()
	tokens, err := b.signIn(interactive{fresh: true})
	if err != nil {
		b.Advance(time.Minute)
		tokens, err = b.signIn(interactive{fresh: true})
	}
	b.must(err)
	second := b.join(tokens.AccessToken, someKeys()[keyDevice2], someKeys()[keyTransport2])
	_, err = b.hello(second, user)
	want(t, err, oauth.HelloKeyNotFound)
}

// Fault 55.
func TestDeviceProof(t *testing.T) {
	seed.Proves(t, "DR-02", "DR")
	seed.Proves(t, "DR-05", "DR")
	b := newBench(t)
	d, _ := b.laptop()
	try := func(key *rsa.PrivateKey, cert []byte) error {
		_, err := b.deviceRequest(&testDevice{key: key, cert: cert, transport: d.transport}, prt.Request{GrantType: oauth.GrantPassword, Username: "nobody@contoso.com", Password: "x", RequestNonce: b.nonce()})
		return err
	}
	ca := b.server().keys.deviceCA
	parsed, err := parseCert(d.cert)
	b.must(err)
	foreign, err := newKeyRing(rand.Reader, b.Now())
	b.must(err)
	foreignCA, err := foreign.DeviceCA.load()
	b.must(err)
	copied := func(ca *keyPair, change func(*x509.Certificate)) []byte {
		tmpl := &x509.Certificate{Subject: parsed.Subject, NotBefore: b.Now().Add(-time.Minute), NotAfter: b.Now().Add(time.Hour), ExtraExtensions: parsed.Extensions}
		if change != nil {
			change(tmpl)
		}
		der, err := ca.issue(rand.Reader, tmpl, d.key.Public())
		b.must(err)
		return der
	}
	other := someKeys()[keyOther]
	began := len(b.Events())
	for name, err := range map[string]error{
		"another key":     try(other, d.cert),
		"self-made":       try(d.key, copied(foreignCA, nil)),
		"expired":         try(d.key, copied(ca, func(c *x509.Certificate) { c.NotAfter = b.Now().Add(-time.Second) })),
		"not a device's":  try(d.key, copied(ca, func(c *x509.Certificate) { c.ExtraExtensions = nil })),
		"another subject": try(d.key, copied(ca, func(c *x509.Certificate) { c.Subject.CommonName = b.out.TenantID })),
		"garbage":         try(d.key, []byte("x")),
	} {
		t.Run(name, func(t *testing.T) { want(t, err, oauth.DeviceJWTInvalid) })
	}
	// No user data was read for any of them: nothing was told of a user.
	for _, e := range b.since(began) {
		if e.Outcome == event.Refused && e.Reason.Code != oauth.DeviceJWTInvalid.ID() {
			t.Errorf("refused with %s", e.Reason.Code)
		}
	}
	// A certificate of this tenant that is not the device's present one proves nothing.
	want(t, try(d.key, copied(ca, nil)), oauth.DeviceNotFound)
	// Without any proof there is no PRT.
	signed, err := jose.SignRS256(d.key, jose.Header{Type: "JWT"}, prt.Request{GrantType: oauth.GrantPassword, ClientID: oauth.ClientCloudAP, Username: aliceUPN, Password: password, RequestNonce: b.nonce()})
	b.must(err)
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed})
	if err == nil {
		t.Error("a PRT without device proof")
	}
}
