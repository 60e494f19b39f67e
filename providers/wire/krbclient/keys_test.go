package krbclient

import (
	"crypto/rand"
	"encoding/asn1"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
)

// A host with keys of several types proves itself by one that the KDC offers,
// whatever it has asked for itself.
func TestKeysFollowTheOffer(t *testing.T) {
	best, err := krb.RandomKey(krb.AES256, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := krb.RandomKey(krb.AES128, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	offer := func(etypes ...int32) []krb.PAData {
		var info []krb.ETypeInfo2Entry
		for _, e := range etypes {
			info = append(info, krb.ETypeInfo2Entry{EType: e})
		}
		value, err := krb.EncodeETypeInfo2(info)
		if err != nil {
			t.Fatal(err)
		}
		return []krb.PAData{{Type: krb.PAETypeInfo2, Value: value}}
	}
	for name, c := range map[string]struct {
		offered []krb.PAData
		want    int32 // 0: there is none
	}{
		"nothing offered": {nil, krb.AES256},
		"both":            {offer(krb.AES256, krb.AES128), krb.AES256},
		"128 only":        {offer(krb.AES128), krb.AES128},
		"RC4 only":        {offer(krb.RC4), 0},
	} {
		r := Request{KDCReq: &krb.KDCReq{Body: krb.KDCReqBody{ETypes: []int32{krb.AES256, krb.AES128}}}, Offered: c.offered, Now: time.Now()}
		data, err := Keys(best, other).Data(t.Context(), r)
		if c.want == 0 {
			if err == nil {
				t.Errorf("%s: %v", name, data)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var sealed struct {
			EType  int32  `asn1:"explicit,tag:0"`
			Cipher []byte `asn1:"explicit,tag:2"`
		}
		if _, err := asn1.Unmarshal(data[0].Value, &sealed); err != nil || sealed.EType != c.want {
			t.Errorf("%s: by a key of type %d, %v", name, sealed.EType, err)
		}
	}
	offered := []krb.PAData{{Type: krb.PAETypeInfo2, Value: []byte{1}}}
	if _, err := Keys(best).Data(t.Context(), Request{KDCReq: &krb.KDCReq{}, Offered: offered}); err == nil {
		t.Error("an offer that cannot be read was passed over")
	}
}
