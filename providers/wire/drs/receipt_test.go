package drs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

func authority(t testing.TB, serial int64) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// Fault 79: forged, of another authority, expired.
func TestReceipt(t *testing.T) {
	key, cert := authority(t, 1)
	other, otherCert := authority(t, 2)
	now := time.Unix(1_800_000_000, 0)
	r := Receipt{Issuer: "https://drs.example/tenant", Key: []byte("blob"), OnPremSID: "S-1-5-21-1-2-3-4", IssuedAt: now.Unix(), NotBefore: now.Unix(), Expiration: now.Unix() + 60}
	good, err := r.Sign(key, cert)
	if err != nil {
		t.Fatal(err)
	}
	trusted := []*x509.Certificate{otherCert, cert}
	got, err := OpenReceipt(good, trusted, now)
	if err != nil || string(got.Key) != "blob" || got.OnPremSID != r.OnPremSID {
		t.Fatalf("%+v, %v", got, err)
	}
	forged, err := r.Sign(other, cert) // names the authority, signed by another
	if err != nil {
		t.Fatal(err)
	}
	again := func(change func(*receiptContext)) string {
		raw, _ := base64.StdEncoding.DecodeString(good)
		var c receiptContext
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		change(&c)
		raw, _ = json.Marshal(c)
		return base64.StdEncoding.EncodeToString(raw)
	}
	for name, tt := range map[string]struct {
		text    string
		trusted []*x509.Certificate
		at      time.Time
	}{
		"forged":         {forged, trusted, now},
		"untrusted":      {good, trusted[:1], now},
		"nobody trusted": {good, nil, now},
		"late":           {good, trusted, now.Add(time.Minute)},
		"early":          {good, trusted, now.Add(-time.Second)},
		"format":         {again(func(c *receiptContext) { c.Format = 2 }), trusted, now},
		"version":        {again(func(c *receiptContext) { c.Version = 2 }), trusted, now},
		"changed":        {again(func(c *receiptContext) { c.Data[len(c.Data)-9] ^= 1 }), trusted, now},
		"no token":       {again(func(c *receiptContext) { c.Data = []byte("x") }), trusted, now},
		"no base64":      {"%", trusted, now},
		"no JSON":        {"eHg=", trusted, now},
		"long":           {strings.Repeat("A", maxReceipt+4), trusted, now},
		"empty":          {"", trusted, now},
	} {
		if _, err := OpenReceipt(tt.text, tt.trusted, tt.at); !errors.Is(err, ErrReceipt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpenReceipt(f *testing.F) {
	_, cert := authority(f, 1)
	f.Add("eyJEYXRhIjoiZXlKaGJHY2lPaUpTVXpJMU5pSjkuZTMwLngiLCJGb3JtYXQiOjEsIlZlcnNpb24iOjF9")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := OpenReceipt(s, []*x509.Certificate{cert}, time.Unix(0, 0)); err == nil {
			t.Errorf("opened %+v", r)
		}
	})
}
