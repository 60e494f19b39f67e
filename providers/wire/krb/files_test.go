package krb

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func cache(t testing.TB) *CCache {
	_, ticket, part := session(t, AES256)
	raw, err := ticket.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return &CCache{Realm: realm, Principal: Principal("alice"), Credentials: []Credential{{
		CRealm: realm, Client: Principal("alice"), SRealm: realm, Server: Service("ldap", "dc.corp.example"), Key: part.Key,
		Flags: FlagForwardable, AuthTime: part.AuthTime, StartTime: part.StartTime, EndTime: part.EndTime,
		Addresses: []HostAddress{Address(netip.MustParseAddr("127.0.0.1"))}, Ticket: raw,
	}}}
}

func TestCCache(t *testing.T) {
	c := cache(t)
	b := c.Encode()
	got, err := ParseCCache(b)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Fatalf("%v\n%+v\n%+v", err, got, c)
	}
	if _, ok := got.Find(Principal("ldap", "dc.corp.example")); !ok {
		t.Error("not found")
	}
	if _, ok := got.Find(TGS(realm)); ok {
		t.Error("found")
	}
	// A setting as MIT's kinit writes one.
	conf := *c
	conf.Credentials = append([]Credential{{CRealm: realm, Client: Principal("alice"), SRealm: confRealm, Server: Principal("krb5_ccache_conf_data", "pa_type"), Ticket: []byte("2")}}, c.Credentials...)
	if got, err := ParseCCache(conf.Encode()); err != nil || len(got.Credentials) != 1 {
		t.Errorf("with a setting: %+v, %v", got, err)
	}
	ends := map[int]bool{}
	for cut := range len(b) {
		if _, err := ParseCCache(b[:cut]); err == nil {
			ends[cut] = true
		}
	}
	if len(ends) != 1 { // right after the default principal
		t.Errorf("cut at %v is read", ends)
	}
}

func TestKeytab(t *testing.T) {
	b, err := EncodeKeytab([]KeytabEntry{{Realm: "R", Name: Service("host", "h"), Time: time.Unix(1, 0), KVNO: 258, Key: Key{AES128, make([]byte, 16)}}})
	want := "0502" + "0000002f" + "0002" + "0001" + "52" + "0004" + "686f7374" + "0001" + "68" + "00000002" + "00000001" + "02" + "0011" + "0010" + "00000000000000000000000000000000" + "00000102"
	if err != nil || hex.EncodeToString(b) != want {
		t.Errorf("%x\n%s, %v", b, want, err)
	}
	if _, err := EncodeKeytab([]KeytabEntry{{Realm: "R", Name: Service("host", "h"), Key: Key{AES128, nil}}}); err == nil {
		t.Error("an entry without a key")
	}
}
