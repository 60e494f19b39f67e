package keycred

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/cng"
)

// t20 is a TPMT_PUBLIC of the key of product.
func t20(exponent uint32) []byte {
	be := binary.BigEndian
	b := []byte{0, 1, 0, 0x0b, 0, 3, 4, 0x72, 0, 2, 0xaa, 0xbb, 0, 0x10, 0, 0x14, 0, 0x0b, 8, 0}
	b = be.AppendUint32(b, exponent)
	n := product().N.Bytes()
	return append(be.AppendUint16(b, uint16(len(n))), n...)
}

// pcp wraps a public area as the Platform Crypto Provider does, with a private
// part behind it.
func pcp(area []byte) []byte {
	le := binary.LittleEndian
	b := []byte("PCPM")
	private := []byte{1, 2, 3}
	for _, n := range []int{56, 2, 0, 2 + len(area), len(private), 0, 0, 0, 0, 0, 0, 0, 0} {
		b = le.AppendUint32(b, uint32(n))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(area)))
	return slices.Concat(b, area, private)
}

func fido(t *testing.T, cose []byte) []byte {
	t.Helper()
	auth := make([]byte, 37+16, 200)
	auth[32] = flagAttested
	auth = slices.Concat(auth, []byte{0, 4}, []byte("cred"), cose)
	m, err := json.Marshal(map[string]any{"version": 1, "authData": auth, "x5c": [][]byte{}, "displayName": "a key"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestForms(t *testing.T) {
	pub := product()
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: made, NotAfter: made.Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, pub, ec)
	if err != nil {
		t.Fatal(err)
	}
	ed := make(ed25519.PublicKey, ed25519.PublicKeySize)
	ed[0] = 1
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	n := pub.N.Bytes()
	for name, c := range map[string]struct {
		material []byte
		form     Form
		want     crypto.PublicKey
	}{
		"RSA1":                 {cng.MarshalRSAPublic(pub), FormRSA1, pub},
		"TPM":                  {pcp(t20(65537)), FormTPM, pub},
		"TPM default exponent": {pcp(t20(0)), FormTPM, pub},
		"SPKI":                 {spki, FormSPKI, pub},
		"PKCS1":                {x509.MarshalPKCS1PublicKey(pub), FormPKCS1, pub},
		"certificate":          {cert, FormCertificate, pub},
		"FIDO P-256":           {fido(t, slices.Concat([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, point[1:33], []byte{0x22, 0x58, 32}, point[33:])), FormFIDO, &ec.PublicKey},
		"FIDO RSA":             {fido(t, slices.Concat([]byte{0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, 1, 0}, n, []byte{0x21, 0x43, 1, 0, 1})), FormFIDO, pub},
		"FIDO Ed25519":         {fido(t, slices.Concat([]byte{0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32}, ed)), FormFIDO, ed},
	} {
		k := Key{Material: c.material, Usage: UsageNGC}
		got, err := k.PublicKey()
		if err != nil || k.Form() != c.form {
			t.Errorf("%s: %v, %v", name, k.Form(), err)
			continue
		}
		der, err := k.SubjectPublicKeyInfo()
		want, wantErr := x509.MarshalPKIXPublicKey(c.want)
		if err != nil || wantErr != nil || !bytes.Equal(der, want) {
			t.Errorf("%s: another key, %v", name, got)
		}
		for cut := range c.material {
			short := Key{Material: c.material[:cut]}
			if _, err := short.PublicKey(); err == nil {
				t.Errorf("%s: %d of %d bytes are a key, too", name, cut, len(c.material))
			}
		}
	}
}

func TestNoMaterial(t *testing.T) {
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8191, 1), E: 65537}
	change := func(b []byte, at int, to byte) []byte { b[at] = to; return b }
	off := slices.Concat([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, make([]byte, 32), []byte{0x22, 0x58, 32}, make([]byte, 32))
	for name, m := range map[string][]byte{
		"nothing":              nil,
		"text":                 []byte("hello"),
		"huge RSA, PKCS1":      x509.MarshalPKCS1PublicKey(huge),
		"private CNG":          []byte("RSA2" + strings.Repeat("\x00", 300)),
		"TPM 1.2":              change(pcp(t20(0)), 8, 1),
		"TPM huge header":      change(pcp(t20(0)), 7, 0xff),
		"TPM sizes not summed": append(pcp(t20(0)), 0),
		"TPM no public area":   change(change(pcp(t20(0)), 16, 0), 17, 0),
		"TPM elliptic":         pcp(change(t20(0), 1, 0x23)),
		"TPM other bits":       pcp(change(t20(0), 18, 4)),
		"TPM policy too long":  pcp(change(t20(0), 8, 0xff)),
		"TPM trailing":         pcp(append(t20(0), 0)),
		"FIDO not on curve":    fido(t, off),
		"FIDO no map":          fido(t, []byte{0x80}),
		"FIDO endless map":     fido(t, []byte{0xbf, 1, 2, 0xff}),
		"FIDO twice":           fido(t, []byte{0xa2, 1, 2, 1, 2}),
		"FIDO huge map":        fido(t, []byte{0xba, 0xff, 0xff, 0xff, 0xff}),
		"FIDO huge bytes":      fido(t, []byte{0xa1, 1, 0x5a, 0xff, 0xff, 0xff, 0xff}),
		"FIDO nested":          fido(t, []byte{0xa1, 1, 0xa1, 1, 2}),
		"FIDO no JSON":         []byte("{"),
		"FIDO version 2":       []byte(`{"version":2,"authData":""}`),
		"DER deep":             bytes.Repeat([]byte{0x30, 0x80}, 4000),
	} {
		k := Key{Material: m}
		if pub, err := k.PublicKey(); !errors.Is(err, ErrMaterial) || k.Form() != FormUnknown {
			t.Errorf("%s: %v, %v", name, pub, err)
		}
	}
}

// rocaPrime makes a prime as the library of CVE-2017-15361 made those of
// RSA-2048: k*M + (65537^a mod M), M the product of the first 126 primes.
func rocaPrime(t *testing.T, start int64) *big.Int {
	t.Helper()
	m := big.NewInt(1)
	for p, n := int64(2), 0; n < 126; p++ {
		if prime(p) {
			m.Mul(m, big.NewInt(p))
			n++
		}
	}
	p := new(big.Int).Exp(big.NewInt(65537), big.NewInt(start), m)
	k := new(big.Int).Lsh(big.NewInt(1), uint(1024-m.BitLen()))
	p.Add(p, new(big.Int).Mul(k, m))
	for range 100000 {
		if p.ProbablyPrime(8) {
			return p
		}
		p.Add(p, m)
	}
	t.Fatal("no prime found")
	return nil
}

func TestWeaknesses(t *testing.T) {
	n := product().N
	roca := new(big.Int).Mul(rocaPrime(t, 1234567), rocaPrime(t, 7654321))
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		pub  crypto.PublicKey
		want []Weakness
	}{
		"sound":      {product(), nil},
		"elliptic":   {&ec.PublicKey, nil},
		"ROCA":       {&rsa.PublicKey{N: roca, E: 65537}, []Weakness{WeakROCA}},
		"even":       {&rsa.PublicKey{N: n, E: 65538}, []Weakness{WeakExponent}},
		"three":      {&rsa.PublicKey{N: n, E: 3}, []Weakness{WeakExponent}},
		"factor 2":   {&rsa.PublicKey{N: new(big.Int).Lsh(n, 1), E: 65537}, []Weakness{WeakFactor}},
		"factor 167": {&rsa.PublicKey{N: new(big.Int).Mul(n, big.NewInt(167)), E: 65537}, []Weakness{WeakFactor}},
		"small":      {&rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 521), big.NewInt(1)), E: 1}, []Weakness{WeakSize, WeakExponent}},
	} {
		if got := Weaknesses(c.pub); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for range 20 { // keys of this program are not of that library
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(Weaknesses(&key.PublicKey), WeakROCA) {
			t.Error("a sound key has the fingerprint")
		}
	}
}
