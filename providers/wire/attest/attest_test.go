package attest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers/wire/ngc"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// authority is a certificate authority of a test.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) issue(t testing.TB, tmpl *x509.Certificate, pub crypto.PublicKey) []byte {
	t.Helper()
	tmpl.SerialNumber = big.NewInt(time.Now().UnixNano())
	if tmpl.NotAfter.IsZero() {
		tmpl.NotBefore, tmpl.NotAfter = now.Add(-time.Minute), now.Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, pub, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func aikCertificate(t testing.TB, a *authority, pub crypto.PublicKey) []byte {
	t.Helper()
	tmpl, err := AIKTemplate(Simulator)
	if err != nil {
		t.Fatal(err)
	}
	return a.issue(t, tmpl, pub)
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func userArea(pub *rsa.PublicKey, change func(*tpm2.TPMTPublic)) []byte {
	area := tpm2.TPMTPublic{
		Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, SignEncrypt: true},
		AuthPolicy:       tpm2.TPM2BDigest{Buffer: PCPPolicy().Digest},
		Parameters:       tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: 2048}),
		Unique:           tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: pub.N.Bytes()}),
	}
	if change != nil {
		change(&area)
	}
	return tpm2.Marshal(tpm2.New2B(area))
}

// bench is a TPM of this test: an attestation written by hand, so that each
// part can be wrong. What a real TPM writes is in tpm_test.go.
type bench struct {
	ca     *authority
	aik    *rsa.PrivateKey
	user   *rsa.PrivateKey
	public []byte
	attest tpm2.TPMSAttest
	nonce  string
	chain  [][]byte
}

// benchKeys are made once: generating RSA keys is what this test's time goes to.
var benchKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return keys
})

func newBench(t testing.TB, change func(*tpm2.TPMTPublic)) *bench {
	t.Helper()
	keys := benchKeys()
	b := &bench{ca: newAuthority(t), aik: keys[0], user: keys[1], nonce: "nonce"}
	b.public = userArea(&b.user.PublicKey, change)
	p, err := ParsePublic(b.public)
	if err != nil {
		t.Fatal(err)
	}
	b.attest = tpm2.TPMSAttest{
		Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestCertify,
		ExtraData: tpm2.TPM2BData{Buffer: ExtraData(b.nonce)},
		Attested:  tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{Name: tpm2.TPM2BName{Buffer: p.Name()}}),
	}
	b.chain = [][]byte{aikCertificate(t, b.ca, b.aik.Public())}
	return b
}

func (b *bench) sign(t testing.TB, attest []byte, hash crypto.Hash) []byte {
	t.Helper()
	h := hash.New()
	h.Write(attest)
	sig, err := rsa.SignPKCS1v15(rand.Reader, b.aik, hash, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func (b *bench) evidence(t testing.TB) Evidence {
	t.Helper()
	attest := tpm2.Marshal(b.attest)
	return Evidence{
		Statement: ngc.Statement{Attest: attest, Signature: b.sign(t, attest, crypto.SHA256), Public: b.public}.Marshal(),
		AIKChain:  b.chain, Nonce: b.nonce, Key: &b.user.PublicKey,
		Roots: b.ca.pool(), Now: now,
		Issued: func(*x509.Certificate) error { return nil },
		Fresh:  func(string) error { return nil },
	}
}

func wantFailure(t *testing.T, err error, check string) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) || f.Check != check {
		t.Errorf("err = %v, want check %q to fail", err, check)
	}
}

func TestVerifyAccepts(t *testing.T) {
	if err := newBench(t, nil).evidence(t).Verify(); err != nil {
		t.Error(err)
	}
	plain := func(a *tpm2.TPMTPublic) { a.AuthPolicy.Buffer = nil }
	if err := newBench(t, plain).evidence(t).Verify(); err != nil {
		t.Errorf("key without a policy: %v", err)
	}
}

func TestVerifyECDSA(t *testing.T) {
	b := newBench(t, nil)
	aik, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b.chain = [][]byte{aikCertificate(t, b.ca, aik.Public())}
	e := b.evidence(t)
	attest := tpm2.Marshal(b.attest)
	digest := sha256.Sum256(attest)
	r, s, err := ecdsa.Sign(rand.Reader, aik, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	e.Statement = ngc.Statement{Attest: attest, Signature: sig, Public: b.public}.Marshal()
	if err := e.Verify(); err != nil {
		t.Error(err)
	}
	// Fault 48: r or s zero.
	e.Statement = ngc.Statement{Attest: attest, Signature: make([]byte, 64), Public: b.public}.Marshal()
	wantFailure(t, e.Verify(), "signature")
}

// Fault 56, check by check.
func TestVerifyRefuses(t *testing.T) {
	attributes := func(change func(*tpm2.TPMAObject)) func(*tpm2.TPMTPublic) {
		return func(a *tpm2.TPMTPublic) { change(&a.ObjectAttributes) }
	}
	for name, tt := range map[string]struct {
		area   func(*tpm2.TPMTPublic)
		bench  func(*testing.T, *bench)
		after  func(*testing.T, *bench, *Evidence)
		failed string
	}{
		"unknown root":        {failed: "aik_certificate", after: func(t *testing.T, b *bench, e *Evidence) { e.Roots = newAuthority(t).pool() }},
		"no certificate":      {failed: "aik_certificate", after: func(_ *testing.T, _ *bench, e *Evidence) { e.AIKChain = nil }},
		"garbage certificate": {failed: "aik_certificate", after: func(_ *testing.T, _ *bench, e *Evidence) { e.AIKChain = [][]byte{{1}} }},
		"expired certificate": {failed: "aik_certificate", after: func(_ *testing.T, _ *bench, e *Evidence) { e.Now = now.Add(2 * time.Hour) }},
		"certificate for another purpose": {failed: "aik_certificate", after: func(t *testing.T, b *bench, e *Evidence) {
			tmpl, err := EKTemplate(Simulator)
			if err != nil {
				t.Fatal(err)
			}
			e.AIKChain = [][]byte{b.ca.issue(t, tmpl, b.aik.Public())}
		}},
		"AIK of another device": {failed: "aik_certificate", after: func(_ *testing.T, _ *bench, e *Evidence) {
			e.Issued = func(*x509.Certificate) error { return errors.New("issued to another device") }
		}},
		"signed by another TPM": {failed: "signature", bench: func(t *testing.T, b *bench) { b.aik = rsaKey(t) }},
		"hash downgrade": {failed: "signature", after: func(t *testing.T, b *bench, e *Evidence) {
			attest := tpm2.Marshal(b.attest)
			e.Statement = ngc.Statement{Attest: attest, Signature: b.sign(t, attest, crypto.SHA1), Public: b.public}.Marshal()
		}},
		"quote instead of certify": {failed: "attested", bench: func(_ *testing.T, b *bench) {
			b.attest.Type = tpm2.TPMSTAttestTime
			b.attest.Attested = tpm2.NewTPMUAttest(tpm2.TPMSTAttestTime, &tpm2.TPMSTimeAttestInfo{})
		}},
		"trailing byte in the words": {failed: "attested", after: func(t *testing.T, b *bench, e *Evidence) {
			attest := append(tpm2.Marshal(b.attest), 0)
			e.Statement = ngc.Statement{Attest: attest, Signature: b.sign(t, attest, crypto.SHA256), Public: b.public}.Marshal()
		}},
		"wrong magic": {failed: "attested", after: func(t *testing.T, b *bench, e *Evidence) {
			attest := tpm2.Marshal(b.attest)
			attest[0] = 0
			e.Statement = ngc.Statement{Attest: attest, Signature: b.sign(t, attest, crypto.SHA256), Public: b.public}.Marshal()
		}},
		"another nonce": {failed: "nonce", after: func(_ *testing.T, _ *bench, e *Evidence) { e.Nonce = "other" }},
		"replayed nonce": {failed: "nonce", after: func(_ *testing.T, _ *bench, e *Evidence) {
			e.Fresh = func(string) error { return errors.New("used") }
		}},
		"public area of another key": {failed: "name", after: func(t *testing.T, b *bench, e *Evidence) {
			attest := tpm2.Marshal(b.attest)
			e.Statement = ngc.Statement{Attest: attest, Signature: b.sign(t, attest, crypto.SHA256), Public: userArea(&rsaKey(t).PublicKey, nil)}.Marshal()
		}},
		"software key":                       {failed: "attributes", area: attributes(func(a *tpm2.TPMAObject) { a.FixedTPM, a.FixedParent, a.SensitiveDataOrigin = false, false, false })},
		"software key that claims an origin": {failed: "attributes", area: attributes(func(a *tpm2.TPMAObject) { a.FixedTPM, a.FixedParent = false, false })},
		"imported key":                       {failed: "attributes", area: attributes(func(a *tpm2.TPMAObject) { a.SensitiveDataOrigin = false })},
		"movable key":                        {failed: "attributes", area: attributes(func(a *tpm2.TPMAObject) { a.FixedParent = false })},
		"restricted key":                     {failed: "attributes", area: attributes(func(a *tpm2.TPMAObject) { a.Restricted = true })},
		"decryption key":                     {failed: "attributes", area: attributes(func(a *tpm2.TPMAObject) { a.SignEncrypt, a.Decrypt = false, true })},
		"key without lockout":                {failed: "attributes", area: attributes(func(a *tpm2.TPMAObject) { a.NoDA = true })},
		"key with a back door":               {failed: "attributes", area: func(a *tpm2.TPMTPublic) { a.AuthPolicy.Buffer = make([]byte, 32) }},
		"key that opens for everyone":        {failed: "attributes", area: func(a *tpm2.TPMTPublic) { a.AuthPolicy.Buffer, a.ObjectAttributes.UserWithAuth = nil, false }},
		"another registered key":             {failed: "key", after: func(t *testing.T, _ *bench, e *Evidence) { e.Key = &rsaKey(t).PublicKey }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tt.area)
			if tt.bench != nil {
				tt.bench(t, b)
			}
			e := b.evidence(t)
			if tt.after != nil {
				tt.after(t, b, &e)
			}
			wantFailure(t, e.Verify(), tt.failed)
		})
	}
}

func TestTruncatedStatement(t *testing.T) {
	e := newBench(t, nil).evidence(t)
	whole := e.Statement
	for n := range whole {
		e.Statement = whole[:n]
		if e.Verify() == nil {
			t.Fatalf("cut at %d: accepted", n)
		}
	}
}

func TestParsePublicRefuses(t *testing.T) {
	good := userArea(&rsaKey(t).PublicKey, nil)
	sha1Name := userArea(&rsaKey(t).PublicKey, func(a *tpm2.TPMTPublic) { a.NameAlg = tpm2.TPMAlgSHA1 })
	oddExponent := userArea(&rsaKey(t).PublicKey, func(a *tpm2.TPMTPublic) {
		a.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: 2048, Exponent: 3})
	})
	small := userArea(&rsaKey(t).PublicKey, func(a *tpm2.TPMTPublic) {
		a.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: []byte{15}})
	})
	offCurve := tpm2.Marshal(tpm2.New2B(tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256}),
		Unique:     tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: []byte{1}}, Y: tpm2.TPM2BECCParameter{Buffer: []byte{1}}}),
	}))
	for name, b := range map[string][]byte{
		"empty": nil, "trailing": append(bytes.Clone(good), 0), "truncated": good[:len(good)-1],
		"SHA-1 name": sha1Name, "exponent 3": oddExponent, "four-bit modulus": small, "point off the curve": offCurve,
	} {
		if _, err := ParsePublic(b); !errors.Is(err, ErrPublic) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParsePublic(f *testing.F) {
	f.Add(userArea(&rsaKey(f).PublicKey, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePublic(b)
		if err == nil && (len(p.Name()) != 34 || p.Key() == nil) {
			t.Fatal("accepted without key or name")
		}
	})
}

func FuzzVerify(f *testing.F) {
	b := newBench(f, nil)
	e := b.evidence(f)
	good := e.Statement
	f.Add(good)
	f.Add(tpm2.Marshal(b.attest))
	f.Fuzz(func(t *testing.T, statement []byte) {
		e := e
		e.Statement = statement
		if e.Verify() == nil && !bytes.Equal(statement, good) {
			st, err := ngc.ParseStatement(statement)
			if err != nil || !bytes.Equal(st.Marshal(), good) { // flags and a wrapped private part do not count
				t.Fatal("accepted another statement")
			}
		}
		_, _ = ParseCertified(statement)
	})
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"ek_certificates":["AA=="],"ek_public":"AA==","aik_public":"AA==","context":"x","secret":"AA==","certificates":["AA=="]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = ParseEnrolRequest(data)
		_, _ = ParseActivateRequest(data)
		_, _ = ParseEnrolChallenge(data)
		_, _ = ParseEnrolReply(data)
		_, _ = VerifyAIK([][]byte{data}, x509.NewCertPool(), now)
	})
}

// A chain that holds a key of a size nobody has is refused before any signature
// is verified with it: each would take seconds.
func TestHugeKeyInChain(t *testing.T) {
	b := newBench(t, nil)
	good := aikCertificate(t, b.ca, b.aik.Public())
	huge := aikCertificate(t, b.ca, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), maxRSA, 1), E: 65537})
	if _, err := VerifyAIK([][]byte{good}, b.ca.pool(), now); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyAIK([][]byte{good, huge}, b.ca.pool(), now); !errors.Is(err, ErrCertificate) {
		t.Errorf("%v", err)
	}
}
