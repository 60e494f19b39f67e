package pkinit

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/krb"
)

// holder is a key with its certificate.
type holder struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

func (h holder) signer() cms.Signer {
	return cms.Signer{Key: h.key, Certificates: []*x509.Certificate{h.cert}}
}

var now = time.Date(2026, 11, 21, 10, 4, 15, 123456000, time.UTC)

func newHolder(name string) holder {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	der := must(x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, SubjectKeyId: []byte(name),
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}, &x509.Certificate{Subject: pkix.Name{CommonName: name}}, &key.PublicKey, key))
	return holder{key, must(x509.ParseCertificate(der))}
}

// parties are made once: an RSA key takes a while.
var parties = sync.OnceValues(func() (holder, holder) { return newHolder("alice"), newHolder("dc1") })

func exchange() Exchange {
	return Exchange{
		Client: adcert.PrincipalName{Realm: "CORP.EXAMPLE", Type: 1, Parts: []string{"alice"}},
		Server: adcert.KDCName("CORP.EXAMPLE"), ASReq: []byte("the whole request"), EType: krb.AES256,
	}
}

var body = []byte("KDC-REQ-BODY")

// answer is a KDC that trusts its client.
func answer(t testing.TB, value []byte, reused time.Time, x Exchange) ([]byte, krb.Key) {
	t.Helper()
	client, kdc := parties()
	r, err := ParseRequest(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Signed.Verify(client.cert.PublicKey, cms.Accept{}); err != nil {
		t.Fatal(err)
	}
	if err := r.AuthPack.CheckBody(body); err != nil {
		t.Fatal(err)
	}
	if r.AuthPack.PublicValue == nil {
		out, key, err := AnswerRSA(rand.Reader, r.AuthPack, kdc.signer(), client.cert, x)
		if err != nil {
			t.Fatal(err)
		}
		return out, key
	}
	if err := r.AuthPack.PublicValue.CheckGroup(DefaultGroups()); err != nil {
		t.Fatal(err)
	}
	own := must(r.AuthPack.PublicValue.Group.GenerateKey(rand.Reader))
	out, key, err := AnswerDH(rand.Reader, r.AuthPack, DHAnswer{Signer: kdc.signer(), Key: own, KDFs: DefaultKDFs(), Reused: reused}, x)
	if err != nil {
		t.Fatal(err)
	}
	return out, key
}

func trustAll(*x509.Certificate, []*x509.Certificate) error { return nil }

func TestBothSides(t *testing.T) {
	client, kdc := parties()
	dh := func(g *Group) Initiator { return Initiator{Signer: client.signer(), Group: g} }
	nonce := dh(MODP2048)
	nonce.DHNonce = true
	fixed := dh(P256)
	fixed.KDFs = []asn1.ObjectIdentifier{KDFSHA512, KDFSHA1}
	fixed.Checksum2 = crypto.SHA384
	fixed.Trusted = []ExternalPrincipalIdentifier{must(IdentifierOf(kdc.cert))}
	both := nonce
	both.KDFs = DefaultKDFs()
	rsaMode := Initiator{Signer: client.signer(), Decrypter: client.key}
	aes := rsaMode
	aes.CMSTypes = []asn1.ObjectIdentifier{cms.DESEDE3CBC, cms.AES128CBC}
	for name, c := range map[string]struct {
		from   Initiator
		reused time.Time
	}{
		"group 14":                {from: dh(MODP2048)},
		"group 16":                {from: dh(MODP4096)},
		"P-521":                   {from: dh(P521)},
		"nonce":                   {from: nonce},
		"reused key":              {from: nonce, reused: now.Add(time.Minute)},
		"function":                {from: fixed},
		"function and reused key": {from: both, reused: now.Add(time.Minute)},
		"RSA":                     {from: rsaMode},
		"RSA with AES":            {from: aes},
	} {
		for _, etype := range []int32{krb.AES256, krb.AES128} {
			x := exchange()
			x.EType = etype
			attempt, err := c.from.Start(rand.Reader, now, 7, body, []byte("token"))
			if err != nil {
				t.Fatal(err)
			}
			reply, want := answer(t, attempt.Value, c.reused, x)
			asked := false
			got, err := attempt.Finish(rand.Reader, reply, x, func(cert *x509.Certificate, _ []*x509.Certificate) error {
				asked = cert.Equal(kdc.cert)
				return nil
			})
			if err != nil || !got.Equal(want) || got.EType != etype || !asked {
				t.Errorf("%s: %v, %v, asked %v", name, got, err, asked)
			}
			rep := must(ParsePAPKASRep(reply))
			if rep.DHInfo != nil && (rep.DHInfo.DHNonce != nil) != !c.reused.IsZero() {
				t.Errorf("%s: nonce of the KDC %x", name, rep.DHInfo.DHNonce)
			}
		}
	}
}

func TestAuthPackForms(t *testing.T) {
	for name, a := range map[string]AuthPack{
		"least": {PKAuthenticator: PKAuthenticator{Time: now.Truncate(time.Second)}},
		"all": {
			PKAuthenticator: PKAuthenticator{Time: now, Nonce: 1<<32 - 1, PAChecksum: []byte{1}, FreshnessToken: []byte{},
				PAChecksum2: &PAChecksum2{Digest: cms.DigestOID(crypto.SHA256), Sum: []byte{2}}},
			PublicValue: must(P256.GenerateKey(rand.Reader)).Public(),
			CMSTypes:    []asn1.ObjectIdentifier{cms.AES256CBC}, DHNonce: []byte{3}, KDFs: DefaultKDFs(),
		},
	} {
		got, err := ParseAuthPack(must(a.Encode()))
		if err != nil || !reflect.DeepEqual(*got, a) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What a client refuses: a KDC that it does not trust, a reply to another
// request, of another kind, or changed on its way.
func TestReplyRefused(t *testing.T) {
	client, kdc := parties()
	x := exchange()
	start := func(i Initiator, nonce uint32) *Attempt {
		i.Signer = client.signer()
		return must(i.Start(rand.Reader, now, nonce, body, nil))
	}
	dh, rsaMode := Initiator{Group: P256}, Initiator{Decrypter: client.key}
	mine, other := start(dh, 1), start(dh, 2)
	rsaMine := start(rsaMode, 1)
	good, key := answer(t, mine.Value, time.Time{}, x)
	rsaGood, _ := answer(t, rsaMine.Value, time.Time{}, x)
	otherReply, _ := answer(t, other.Value, time.Time{}, x)
	foreign := x
	foreign.ASReq = []byte("another request")

	unknown := errors.New("not trusted")
	refuse := func(*x509.Certificate, []*x509.Certificate) error { return unknown }
	resign := func(s cms.Signer, typ asn1.ObjectIdentifier) []byte {
		rep := must(ParsePAPKASRep(good))
		d := must(cms.ParseSignedData(rep.DHInfo.SignedData))
		rep.DHInfo.SignedData = cms.ContentInfo(cms.SignedDataOID, must(s.Sign(rand.Reader, typ, d.Content)))
		return must(rep.Encode())
	}
	withKDF := func() []byte {
		rep := must(ParsePAPKASRep(good))
		rep.DHInfo.KDF = KDFSHA1
		return must(rep.Encode())
	}
	if got, err := mine.Finish(rand.Reader, good, x, trustAll); err != nil || !got.Equal(key) {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		attempt *Attempt
		value   []byte
		x       Exchange
		trust   Trust
		want    error
	}{
		"not trusted":          {mine, good, x, refuse, unknown},
		"not trusted, RSA":     {rsaMine, rsaGood, x, refuse, unknown},
		"other nonce":          {mine, otherReply, x, trustAll, ErrNonce},
		"other request, RSA":   {rsaMine, rsaGood, foreign, trustAll, ErrNonce},
		"RSA for DH":           {mine, rsaGood, x, trustAll, ErrWeakened},
		"DH for RSA":           {rsaMine, good, x, trustAll, ErrWeakened},
		"function not offered": {mine, withKDF(), x, trustAll, ErrWeakened},
		"no certificate":       {mine, resign(cms.Signer{Key: kdc.key, ID: cms.BySerial(kdc.cert)}, DHKeyDataOID), x, trustAll, ErrNoCertificate},
		"content type":         {mine, resign(kdc.signer(), RKeyDataOID), x, trustAll, ErrMalformed},
		"other signer":         {mine, resign(cms.Signer{Key: client.key, Certificates: []*x509.Certificate{kdc.cert}}, DHKeyDataOID), x, trustAll, cms.ErrSignature},
		"truncated":            {mine, good[:len(good)-1], x, trustAll, ErrMalformed},
		"trailing":             {mine, append(slices.Clone(good), 0), x, trustAll, ErrMalformed},
	} {
		if key, err := c.attempt.Finish(rand.Reader, c.value, c.x, c.trust); !errors.Is(err, c.want) || !key.IsZero() {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Faults 62 and 63, seen by the KDC.
func TestRequestRefused(t *testing.T) {
	client, kdc := parties()
	x := exchange()
	code := func(err error) krb.Code {
		var e *krb.Error
		if !errors.As(err, &e) {
			t.Fatalf("%v is no error of Kerberos", err)
		}
		return e.Code
	}
	pack := func(i Initiator) *AuthPack {
		i.Signer = client.signer()
		return must(ParseRequest(must(i.Start(rand.Reader, now, 1, body, nil)).Value)).AuthPack
	}
	a := pack(Initiator{Group: MODP2048, Checksum2: crypto.SHA256})
	if err := a.CheckBody([]byte("another body")); code(err) != krb.ErrModified {
		t.Error(err)
	}
	a.PAChecksum2.Sum[0] ^= 1
	if err := a.CheckBody(body); code(err) != krb.ErrModified {
		t.Errorf("second checksum: %v", err)
	}
	a.PAChecksum2.Digest = asn1.ObjectIdentifier{1, 2, 3}
	if err := a.CheckBody(body); code(err) != krb.ErrSignedDataDigestNotAccepted {
		t.Errorf("digest of the second checksum: %v", err)
	}
	a.PAChecksum = nil
	if err := a.CheckBody(body); code(err) != krb.ErrPAChecksumMissing {
		t.Errorf("no checksum: %v", err)
	}

	small := pack(Initiator{Group: MODP1024})
	err := small.PublicValue.CheckGroup(DefaultGroups())
	if code(err) != krb.ErrDHParametersNotAccepted {
		t.Fatal(err)
	}
	var e *krb.Error
	errors.As(err, &e)
	again, err := Initiator{Group: MODP1024}.Renegotiate(e.Data, []*Group{MODP4096, MODP2048, MODP1024})
	if err != nil || again.Group != MODP2048 {
		t.Errorf("the client goes on with %v, %v", again.Group, err)
	}
	if _, err := (Initiator{Group: MODP1024}).Renegotiate(e.Data, []*Group{MODP1024}); err == nil {
		t.Error("a client goes on without a common group")
	}
	unknown := &PublicValue{}
	if err := unknown.CheckGroup(DefaultGroups()); code(err) != krb.ErrDHParametersNotAccepted {
		t.Error(err)
	}

	own := must(MODP2048.GenerateKey(rand.Reader))
	d := DHAnswer{Signer: kdc.signer(), Key: own, KDFs: DefaultKDFs()}
	one := pack(Initiator{Group: MODP2048})
	one.PublicValue.Key = derInt(big.NewInt(1))
	if _, _, err := AnswerDH(rand.Reader, one, d, x); code(err) != krb.ErrDHParametersNotAccepted {
		t.Error(err)
	}
	foreign := pack(Initiator{Group: MODP2048, KDFs: []asn1.ObjectIdentifier{{1, 2, 3}}})
	if _, _, err := AnswerDH(rand.Reader, foreign, d, x); code(err) != krb.ErrNoAcceptableKDF {
		t.Error(err)
	}
	des := x
	des.EType = krb.DES3
	if _, _, err := AnswerDH(rand.Reader, pack(Initiator{Group: MODP2048}), d, des); code(err) != krb.ErrETypeNoSupport {
		t.Error(err)
	}
	if _, _, err := AnswerRSA(rand.Reader, pack(Initiator{}), kdc.signer(), client.cert, des); code(err) != krb.ErrETypeNoSupport {
		t.Error(err)
	}
	d.Reused = now
	if _, _, err := AnswerDH(rand.Reader, pack(Initiator{Group: MODP2048}), d, x); err == nil {
		t.Error("a key is reused for a client without nonce")
	}
}

// Windows wraps the inner message for a client that lists no types at all.
func TestRSAInnerForm(t *testing.T) {
	client, _ := parties()
	for name, types := range map[string][]asn1.ObjectIdentifier{"none": nil, "3DES": {cms.DESEDE3CBC}, "AES-256": {cms.DESEDE3CBC, cms.AES256CBC, cms.AES128CBC}} {
		i := Initiator{Signer: client.signer(), CMSTypes: types}
		value, _ := answer(t, must(i.Start(rand.Reader, now, 1, body, nil)).Value, time.Time{}, exchange())
		e := must(cms.ParseEnvelopedData(must(ParsePAPKASRep(value)).EncKeyPack))
		inner := must(e.Open(rand.Reader, client.key, client.cert))
		if wrapped := bytes.Contains(inner[:16], []byte{6, 9, 0x2a, 0x86}); wrapped != (types == nil) {
			t.Errorf("%s: wrapped %v", name, wrapped)
		}
		want := cms.DESEDE3CBC
		if len(types) > 1 {
			want = cms.AES256CBC
		}
		if !e.Cipher.Equal(want) || !e.ContentType.Equal(cms.SignedDataOID) {
			t.Errorf("%s: cipher %v, inside %v", name, e.Cipher, e.ContentType)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	client, kdc := parties()
	ids := []ExternalPrincipalIdentifier{must(IdentifierOf(client.cert)), must(IdentifierOf(kdc.cert)), {SubjectName: []byte{1}}}
	if got, err := ParseIdentifiers(must(EncodeIdentifiers(ids))); err != nil || !reflect.DeepEqual(got, ids) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ParseIdentifiers(must(EncodeIdentifiers(make([]ExternalPrincipalIdentifier, maxList+1)))); !errors.Is(err, ErrMalformed) {
		t.Errorf("too many: %v", err)
	}
}

func BenchmarkAnswerDH(b *testing.B) {
	client, kdc := parties()
	x := exchange()
	a := must(ParseRequest(must(Initiator{Signer: client.signer(), Group: MODP2048, KDFs: DefaultKDFs()}.Start(rand.Reader, now, 1, body, nil)).Value)).AuthPack
	for b.Loop() {
		own := must(MODP2048.GenerateKey(rand.Reader))
		if _, _, err := AnswerDH(rand.Reader, a, DHAnswer{Signer: kdc.signer(), Key: own, KDFs: DefaultKDFs()}, x); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnswerRSA(b *testing.B) {
	client, kdc := parties()
	a := must(ParseRequest(must(Initiator{Signer: client.signer()}.Start(rand.Reader, now, 1, body, nil)).Value)).AuthPack
	for b.Loop() {
		if _, _, err := AnswerRSA(rand.Reader, a, kdc.signer(), client.cert, exchange()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAndVerify(b *testing.B) {
	client, _ := parties()
	value := must(Initiator{Signer: client.signer(), Group: MODP2048}.Start(rand.Reader, now, 1, body, nil)).Value
	for b.Loop() {
		r := must(ParseRequest(value))
		if err := r.Signed.Verify(client.cert.PublicKey, cms.Accept{}); err != nil {
			b.Fatal(err)
		}
	}
}
