package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"
)

var authData = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 1}

// holder is a key with its certificate.
type holder struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func certify(t testing.TB, key crypto.Signer, name string) holder {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: name}, SubjectKeyId: []byte(name),
		NotBefore: time.Unix(1000000000, 0), NotAfter: time.Unix(4000000000, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}, &x509.Certificate{Subject: pkix.Name{CommonName: name}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return holder{key, cert}
}

func rsaHolder(t testing.TB, bits int) holder {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return certify(t, key, "rsa")
}

func ecHolder(t testing.TB, curve elliptic.Curve) holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certify(t, key, curve.Params().Name)
}

func sign(t testing.TB, s Signer, content string) []byte {
	t.Helper()
	b, err := s.Sign(rand.Reader, authData, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSignAndVerify(t *testing.T) {
	rsaKey, p256, p521 := rsaHolder(t, 2048), ecHolder(t, elliptic.P256()), ecHolder(t, elliptic.P521())
	for _, h := range []holder{rsaKey, p256, p521} {
		for _, hash := range []crypto.Hash{0, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			s := Signer{Key: h.key, Hash: hash, Certificates: []*x509.Certificate{h.cert, p256.cert}}
			for _, der := range [][]byte{sign(t, s, "content"), ContentInfo(SignedDataOID, sign(t, s, "content"))} {
				d, err := ParseSignedData(der)
				if err != nil {
					t.Fatal(err)
				}
				if !d.ContentType.Equal(authData) || string(d.Content) != "content" || len(d.Certificates) != 2 || !d.SignerCertificate().Equal(h.cert) {
					t.Errorf("read %v, %q, %d certificates", d.ContentType, d.Content, len(d.Certificates))
				}
				if err := d.Verify(h.key.Public(), Accept{}); err != nil {
					t.Errorf("%T, %v: %v", h.key, hash, err)
				}
				if err := d.Verify(rsaHolder(t, 2048).key.Public(), Accept{}); err == nil {
					t.Errorf("%T, %v: another key verifies", h.key, hash)
				}
			}
		}
	}
}

// A signer without a certificate of its own: named by issuer and serial number
// (as MIT does), or by a key identifier.
func TestSignerNamed(t *testing.T) {
	h := ecHolder(t, elliptic.P256())
	for _, id := range []Identifier{BySerial(h.cert), {SubjectKeyID: h.cert.SubjectKeyId}} {
		d, err := ParseSignedData(sign(t, Signer{Key: h.key, ID: id}, "x"))
		if err != nil || d.SignerCertificate() != nil || !d.Signer.Names(h.cert) {
			t.Fatalf("%+v, %v", d, err)
		}
		if err := d.Verify(h.key.Public(), Accept{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := (Signer{Key: h.key}).Sign(rand.Reader, authData, nil); err == nil {
		t.Error("signed without a name")
	}
	if _, err := (Signer{Key: h.key, Hash: crypto.SHA1, Certificates: []*x509.Certificate{h.cert}}).Sign(rand.Reader, authData, nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("signed with SHA-1: %v", err)
	}
	if (Identifier{}).Names(&x509.Certificate{}) {
		t.Error("no identifier names nobody")
	}
}

// Fault 48: keys too small or too large, and algorithms that do not go with the
// key, verify nothing.
func TestKeysRefused(t *testing.T) {
	h := rsaHolder(t, 2048)
	d, err := ParseSignedData(sign(t, Signer{Key: h.key, Certificates: []*x509.Certificate{h.cert}}, "x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, pub := range map[string]crypto.PublicKey{
		"small": &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537},
		"huge":  &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 16383, 1), E: 65537},
		"none":  nil,
		"p224":  ecHolder(t, elliptic.P224()).key.Public(),
	} {
		if err := d.Verify(pub, Accept{}); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.Verify(ecHolder(t, elliptic.P256()).key.Public(), Accept{}); !errors.Is(err, ErrSignature) {
		t.Errorf("RSA signature with an EC key: %v", err)
	}
}

// Fault 76: what a sender may have changed. Each change keeps the encoding's
// lengths, so that it is the meaning that is refused.
func TestTampered(t *testing.T) {
	h := rsaHolder(t, 2048)
	good := sign(t, Signer{Key: h.key, Certificates: []*x509.Certificate{h.cert}}, "the content")
	for name, c := range map[string]struct {
		from, to []byte
		want     error
	}{
		"content":             {[]byte("the content"), []byte("thy content"), ErrSignature},
		"content type":        {mustOID(authData), mustOID(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 3}), ErrSyntax},
		"other attribute":     {mustOID(attrContentType), mustOID(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 2}), ErrSyntax},
		"attribute twice":     {mustOID(attrMessageDigest), mustOID(attrContentType), ErrSyntax},
		"digest missing":      {mustOID(attrMessageDigest), mustOID(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}), ErrSyntax},
		"signature algorithm": {mustOID(digests[1].rsa), mustOID(digests[2].rsa), ErrUnsupported},
	} {
		i := bytes.LastIndex(good, c.from) // the certificate comes before
		if name == "content" || name == "content type" {
			i = bytes.Index(good, c.from)
		}
		if i < 0 {
			t.Fatalf("%s: not found", name)
		}
		bad := bytes.Clone(good)
		copy(bad[i:], c.to)
		d, err := ParseSignedData(bad)
		if err == nil {
			err = d.Verify(h.key.Public(), Accept{})
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func mustOID(id asn1.ObjectIdentifier) []byte {
	b, err := asn1.Marshal(id)
	if err != nil {
		panic(err)
	}
	return b
}

// The structures of a message for encoding/asn1, to build wrong ones with.
type (
	rawSigned struct {
		Version      int
		Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
		Encap        rawEncap
		Certificates asn1.RawValue   `asn1:"optional"`
		Infos        []asn1.RawValue `asn1:"set"`
	}
	rawEncap struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"optional"`
	}
	rawInfo struct {
		Version   int
		ID        asn1.RawValue
		Digest    pkix.AlgorithmIdentifier
		Attrs     asn1.RawValue `asn1:"optional"`
		Algorithm pkix.AlgorithmIdentifier
		Value     []byte
	}
)

// rebuild takes a message apart, lets change work on it and puts it together.
func rebuild(t *testing.T, der []byte, change func(*rawSigned, *rawInfo)) []byte {
	t.Helper()
	var s rawSigned
	var i rawInfo
	if _, err := asn1.Unmarshal(der, &s); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(s.Infos[0].FullBytes, &i); err != nil {
		t.Fatal(err)
	}
	infos := len(s.Infos)
	change(&s, &i)
	info, err := asn1.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Infos) == infos {
		s.Infos[0] = asn1.RawValue{FullBytes: info}
	}
	out, err := asn1.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Faults 74, 75 and 76.
func TestRefused(t *testing.T) {
	h := rsaHolder(t, 2048)
	good := sign(t, Signer{Key: h.key, Certificates: []*x509.Certificate{h.cert}}, "content")
	edit := func(change func(*rawSigned, *rawInfo)) []byte { return rebuild(t, good, change) }
	if d, err := ParseSignedData(edit(func(*rawSigned, *rawInfo) {})); err != nil || d.Verify(h.key.Public(), Accept{}) != nil {
		t.Fatalf("an unchanged message: %v", err)
	}
	swapped := func(i *rawInfo) {
		var first, second asn1.RawValue
		rest, err := asn1.Unmarshal(i.Attrs.Bytes, &first)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = asn1.Unmarshal(rest, &second); err != nil {
			t.Fatal(err)
		}
		i.Attrs = asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: slices.Concat(second.FullBytes, first.FullBytes)}
	}
	deep := bytes.Repeat([]byte{0x30, 0x80}, MaxSize/2)
	nested := []byte{}
	for range 10000 {
		nested, _ = asn1.Marshal(asn1.RawValue{Class: 0, Tag: 16, IsCompound: true, Bytes: nested})
	}
	for name, der := range map[string][]byte{
		"empty":                 nil,
		"trailing byte":         append(bytes.Clone(good), 0),
		"truncated":             good[:len(good)-1],
		"indefinite length":     slices.Concat([]byte{0x30, 0x80}, good[4:], []byte{0, 0}),
		"long form of length":   slices.Concat([]byte{0x30, 0x83, 0}, good[2:]),
		"length over the end":   slices.Concat([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, good[4:]),
		"length of 2^63":        slices.Concat([]byte{0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, good[4:]),
		"nested indefinite":     deep,
		"nested":                nested,
		"too large":             ContentInfo(SignedDataOID, make([]byte, MaxSize)),
		"content info of data":  ContentInfo(Data, good),
		"no signer":             edit(func(s *rawSigned, _ *rawInfo) { s.Infos = nil }),
		"two signers":           edit(func(s *rawSigned, _ *rawInfo) { s.Infos = append(s.Infos, s.Infos[0]) }),
		"detached":              edit(func(s *rawSigned, _ *rawInfo) { s.Encap.Content = asn1.RawValue{} }),
		"attributes missing":    edit(func(_ *rawSigned, i *rawInfo) { i.Attrs = asn1.RawValue{} }),
		"attributes empty":      edit(func(_ *rawSigned, i *rawInfo) { i.Attrs = asn1.RawValue{Class: 2, Tag: 0, IsCompound: true} }),
		"attributes reordered":  edit(func(_ *rawSigned, i *rawInfo) { swapped(i) }),
		"version of another id": edit(func(_ *rawSigned, i *rawInfo) { i.Version = 3 }),
		"unknown digest":        edit(func(_ *rawSigned, i *rawInfo) { i.Digest.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5} }),
		"negative version":      edit(func(s *rawSigned, _ *rawInfo) { s.Version = -1 }),
		"thousands of algorithms": edit(func(s *rawSigned, _ *rawInfo) {
			s.Digests = slices.Repeat(s.Digests, 2000)
		}),
		"bag of certificates": edit(func(s *rawSigned, _ *rawInfo) {
			s.Certificates = asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: bytes.Repeat(h.cert.Raw, maxCertificates+1)}
		}),
		"thousands of certificates": edit(func(s *rawSigned, _ *rawInfo) {
			s.Certificates = asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: bytes.Repeat(h.cert.Raw, 3000)}
		}),
		"certificate of a huge key": edit(func(s *rawSigned, _ *rawInfo) {
			s.Certificates = asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: hugeKey(t)}
		}),
		"certificate that is none": edit(func(s *rawSigned, _ *rawInfo) {
			s.Certificates = asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: []byte{0x30, 0}}
		}),
	} {
		_, err := ParseSignedData(der)
		if want := map[bool]error{true: ErrDigest, false: ErrSyntax}[name == "unknown digest"]; !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hugeKey is a certificate of an RSA key that would take seconds to verify with.
func hugeKey(t testing.TB) []byte {
	t.Helper()
	above := ecHolder(t, elliptic.P256())
	pub := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1<<18, 1), E: 1<<31 - 1}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "huge"}}, above.cert, pub, above.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestEnvelope(t *testing.T) {
	h := rsaHolder(t, 2048)
	key := h.key.(*rsa.PrivateKey)
	for _, algo := range []asn1.ObjectIdentifier{DESEDE3CBC, AES128CBC, AES256CBC} {
		for _, n := range []int{0, 1, 15, 16, 17, 500} {
			content := bytes.Repeat([]byte{7}, n)
			der, err := Envelope(rand.Reader, h.cert, SignedDataOID, content, algo)
			if err != nil {
				t.Fatal(err)
			}
			e, err := ParseEnvelopedData(ContentInfo(EnvelopedOID, der))
			if err != nil || !e.ContentType.Equal(SignedDataOID) || !e.Cipher.Equal(algo) {
				t.Fatalf("%+v, %v", e, err)
			}
			if got, err := e.Open(rand.Reader, key, h.cert); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, %v", algo, len(got), err)
			}
		}
	}
	if _, err := Envelope(rand.Reader, ecHolder(t, elliptic.P256()).cert, Data, nil, AES256CBC); !errors.Is(err, ErrUnsupported) {
		t.Errorf("to an EC key: %v", err)
	}
	if _, err := Envelope(rand.Reader, h.cert, Data, nil, Data); !errors.Is(err, ErrUnsupported) {
		t.Errorf("with an unknown cipher: %v", err)
	}
}

// Fault 45 in CMS: a wrong key, a changed wrapped key and changed padding are
// refused alike.
func TestEnvelopeRefusesAlike(t *testing.T) {
	h, other := rsaHolder(t, 2048), rsaHolder(t, 2048)
	der, err := Envelope(rand.Reader, h.cert, Data, []byte("secret"), AES256CBC)
	if err != nil {
		t.Fatal(err)
	}
	open := func(key holder, change func(*EnvelopedData)) error {
		e, err := ParseEnvelopedData(bytes.Clone(der))
		if err != nil {
			t.Fatal(err)
		}
		change(e)
		// A random key hits a good padding once in 256: then there is no error
		// to see, only other content.
		got, err := e.Open(rand.Reader, key.key.(*rsa.PrivateKey), h.cert)
		if err == nil && !bytes.Equal(got, []byte("secret")) {
			return ErrDecrypt
		}
		return err
	}
	if err := open(h, func(*EnvelopedData) {}); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another key":        open(other, func(*EnvelopedData) {}),
		"changed key":        open(h, func(e *EnvelopedData) { e.Recipients[0].key[9] ^= 1 }),
		"changed padding":    open(h, func(e *EnvelopedData) { e.iv[15] ^= 1 }),
		"padding of 0":       open(h, func(e *EnvelopedData) { e.iv[15] ^= 10 }),
		"padding in between": open(h, func(e *EnvelopedData) { e.iv[12] ^= 1 }),
	} {
		if err == nil || err.Error() != ErrDecrypt.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := open(h, func(e *EnvelopedData) { e.sealed = e.sealed[:5] }); !errors.Is(err, ErrSyntax) {
		t.Errorf("odd length: %v", err)
	}
	if err := open(h, func(e *EnvelopedData) { e.Recipients[0].ID.Serial = big.NewInt(1) }); !errors.Is(err, ErrDecrypt) {
		t.Errorf("nobody's: %v", err)
	}
	if err := open(h, func(e *EnvelopedData) { e.Cipher = Data }); !errors.Is(err, ErrUnsupported) {
		t.Errorf("unknown cipher: %v", err)
	}
}
