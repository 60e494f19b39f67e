package drs

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"

	"hellolab/providers/wire/guid"
)

func TestDescribeExtension(t *testing.T) {
	id := guid.GUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	w := id.Windows()
	for name, c := range map[string]struct {
		arc       int
		content   []byte
		wantName  string
		wantValue string
	}{
		"device":         {2, longOctets(w[:]), "device id", id.String()},
		"short form":     {4, append([]byte{4, 16}, w[:]...), "domain id", id.String()},
		"invocation":     {1, longOctets(w[:]), "invocation id", id.String()},
		"joined":         {7, longOctets([]byte("1")), "join type", "1, joined"},
		"registered":     {7, longOctets([]byte("0")), "join type", "0, registered"},
		"another join":   {7, longOctets([]byte("5")), "join type", "5"},
		"region":         {8, longOctets([]byte("EU")), "tenant region", "EU"},
		"unknown":        {99, longOctets(w[:]), "device extension 99", id.String()},
		"too short":      {5, longOctets(w[:8]), "tenant id", ""},
		"no octets":      {5, []byte{5, 0}, "tenant id", ""},
		"nothing at all": {5, nil, "tenant id", ""},
	} {
		gotName, value, ok := DescribeExtension(pkix.Extension{Id: append(append(asn1.ObjectIdentifier{}, oidDevice...), c.arc), Value: c.content})
		if !ok || gotName != c.wantName || value != c.wantValue {
			t.Errorf("%s: %q, %q, %v", name, gotName, value, ok)
		}
	}
	if _, _, ok := DescribeExtension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 14}}); ok {
		t.Error("any extension is a device's")
	}
}

func TestDescribeCSR(t *testing.T) {
	k := key(t)
	der, err := NewCSR(rand.Reader, k)
	if err != nil {
		t.Fatal(err)
	}
	o, err := DescribeCSR(der)
	if err != nil {
		t.Fatal(err)
	}
	if o.Version != 0 || len(o.Subject) != 1 || o.Subject[0].Value != CSRCommonName+"\x00" || !o.Subject[0].Type.Equal(oidCommonName) || !o.Algorithm.Equal(oidSHA256WithRSA) || len(o.PublicKey) == 0 {
		t.Errorf("read %+v", o)
	}
	for name, bad := range map[string][]byte{"empty": nil, "cut": der[:len(der)-1], "trailing": append(append([]byte{}, der...), 0), "too long": make([]byte, maxCSR+1)} {
		if _, err := DescribeCSR(bad); !errors.Is(err, ErrCSR) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
