package pkinit

import (
	"bytes"
	"encoding/asn1"
	"encoding/json"
	"os"
	"testing"

	"github.com/jcmturner/gokrb5/v8/crypto"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/krb"
)

func vector(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/vectors/" + name)
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// The test vectors of RFC 8636 9.
func TestDeriveKey(t *testing.T) {
	var file struct {
		Vectors []struct {
			Name, KDF, Key string
			EncType        int32
		}
	}
	vector(t, "pkinit_kdf_rfc8636.json", &file)
	x := Exchange{
		Client: adcert.PrincipalName{Realm: "SU.SE", Type: 1, Parts: []string{"lha"}},
		Server: adcert.PrincipalName{Realm: "SU.SE", Type: 1, Parts: []string{"krbtgt", "SU.SE"}},
		ASReq:  bytes.Repeat([]byte{0xaa}, 10),
	}
	if len(file.Vectors) != 3 {
		t.Fatalf("%d vectors", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		var id asn1.ObjectIdentifier
		for _, known := range DefaultKDFs() {
			if known.String() == v.KDF {
				id = known
			}
		}
		x.EType = v.EncType
		z, pkASRep := make([]byte, 256), bytes.Repeat([]byte{0xbb}, 9)
		var got []byte
		if v.EncType == krb.DES3 { // no key of ours; its random-to-key is gokrb5's
			e, err := crypto.GetEtype(v.EncType)
			if err != nil {
				t.Fatal(err)
			}
			got = e.RandomToKey(must(derive(id, z, x, pkASRep, 21)))
		} else {
			k, err := DeriveKey(id, z, x, pkASRep)
			if err != nil || k.EType != v.EncType {
				t.Fatal(err)
			}
			got = k.Value
		}
		if !bytes.Equal(got, unhex(t, v.Key)) {
			t.Errorf("%s: %x", v.Name, got)
		}
	}
	if _, err := DeriveKey(asn1.ObjectIdentifier{1, 2, 3}, nil, Exchange{EType: krb.AES256}, nil); err == nil {
		t.Error("unknown function accepted")
	}
	if _, err := DeriveKey(KDFSHA256, nil, Exchange{EType: 1}, nil); err == nil {
		t.Error("unknown encryption type accepted")
	}
}

// The test vectors of RFC 4556 appendix B.
func TestOctetString2Key(t *testing.T) {
	var file struct {
		Vectors []struct {
			EncType int32
			X, Key  string
		}
	}
	vector(t, "pkinit_octetstring2key_rfc4556.json", &file)
	tested := 0
	for i, v := range file.Vectors {
		if !krb.Supported(v.EncType) {
			continue
		}
		tested++
		k, err := OctetString2Key(v.EncType, unhex(t, v.X), nil, nil)
		if err != nil || !bytes.Equal(k.Value, unhex(t, v.Key)) {
			t.Errorf("vector %d: %x, %v", i, k.Value, err)
		}
	}
	if tested < 3 {
		t.Errorf("only %d vectors tested", tested)
	}
	// Nonces count only in pairs.
	z := []byte{1, 2, 3}
	plain := must(OctetString2Key(krb.AES256, z, nil, nil))
	if !plain.Equal(must(OctetString2Key(krb.AES256, z, []byte{4}, nil))) || !plain.Equal(must(OctetString2Key(krb.AES256, z, nil, []byte{4}))) {
		t.Error("one nonce alone changes the key")
	}
	if both := must(OctetString2Key(krb.AES256, z, []byte{4}, []byte{5})); !both.Equal(must(OctetString2Key(krb.AES256, []byte{1, 2, 3, 4, 5}, nil, nil))) {
		t.Error("both nonces do not follow the secret")
	}
	if _, err := OctetString2Key(1, z, nil, nil); err == nil {
		t.Error("unknown encryption type accepted")
	}
}
