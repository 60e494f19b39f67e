package addevice

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"
	"time"

	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/sid"
)

// Reading is tested where a domain is: with Entra Connect, which writes these.
func TestValues(t *testing.T) {
	owner, err := sid.Parse("S-1-5-21-1-2-3-1104")
	if err != nil {
		t.Fatal(err)
	}
	d := &Device{ID: guid.GUID{1, 2, 3, 4, 5, 6, 7, 8}, Name: "PC", Identities: []string{"X509:<SHA1-TP-PUBKEY>AB"}, Enabled: true, Owner: owner, Anchor: "object"}
	v := d.Values()
	for attribute, want := range map[string]string{
		"displayName": "PC", "msDS-DeviceID": "\x04\x03\x02\x01\x06\x05\x08\x07" + string(make([]byte, 8)), "msDS-IsEnabled": "TRUE", "msDS-IsManaged": "FALSE", "msDS-IsCompliant": "FALSE",
		"msDS-RegisteredOwner": string(owner.Bytes()), "msDS-CloudAnchor": "Device_object", "msDS-DeviceObjectVersion": "2",
	} {
		if len(v[attribute]) != 1 || v[attribute][0] != want {
			t.Errorf("%s: %q, want %q", attribute, v[attribute], want)
		}
	}
	for _, absent := range []string{"msDS-DeviceOSType", "msDS-DeviceOSVersion"} {
		if list, named := v[absent]; !named || len(list) != 0 {
			t.Errorf("%s: %q", absent, list)
		}
	}
	if got := DN("DC=corp", d.ID); got != "CN="+d.ID.String()+",CN=RegisteredDevices,DC=corp" {
		t.Error(got)
	}
}

func TestTransportKey(t *testing.T) {
	if k, err := (&Device{}).Key(); k != nil || err != nil {
		t.Errorf("%x, %v", k, err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	d := &Device{ID: guid.GUID{9}, TransportKey: cng.MarshalRSAPublic(&key.PublicKey), Registered: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)}
	raw, err := d.Key()
	if err != nil {
		t.Fatal(err)
	}
	k, err := keycred.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := k.PublicKey()
	if err != nil || !key.PublicKey.Equal(pub) || k.Usage != keycred.UsageSTK || k.Source != keycred.SourceAzureAD || *k.Device != d.ID || !k.CreatedTime().Equal(d.Registered) {
		t.Errorf("%+v, %v", k, err)
	}
}
