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

// TestKeytabRead: what was written is read, a deleted entry is skipped, and no
// cut is taken for a whole but one between entries.
func TestKeytabRead(t *testing.T) {
	entries := []KeytabEntry{
		{Realm: realm, Name: Service("host", "pc.corp.example"), Time: time.Unix(1, 0).UTC(), KVNO: 258, Key: Key{AES256, make([]byte, 32)}},
		{Realm: realm, Name: Principal("alice"), KVNO: 3, Key: Key{RC4, make([]byte, 16)}},
	}
	b, err := EncodeKeytab(entries)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseKeytab(b); err != nil || !reflect.DeepEqual(got, entries) {
		t.Errorf("%v\n%+v", err, got)
	}
	hole := append([]byte{5, 2, 0xff, 0xff, 0xff, 0xfe, 1, 2}, b[2:]...)
	if got, err := ParseKeytab(hole); err != nil || len(got) != 2 {
		t.Errorf("with a deleted entry: %+v, %v", got, err)
	}
	for cut := range b {
		got, err := ParseKeytab(b[:cut])
		if whole := len(b[:cut]) == 2 || len(got) == 1; (err == nil) != whole {
			t.Errorf("cut at %d: %d entries, %v", cut, len(got), err)
		}
	}
	short := append([]byte{5, 2, 0, 0, 0, 0x0f + 1 + 1 + 2}, []byte{0, 1, 0, 1, 'R', 0, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 0, 7, 0, 17}...)
	if got, err := ParseKeytab(short); err == nil {
		t.Errorf("an entry without a key is %+v", got)
	}
	old := append([]byte{5, 2, 0, 0, 0, 21}, []byte{0, 1, 0, 1, 'R', 0, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 0, 7, 0, 17, 0, 0}...)
	if got, err := ParseKeytab(old); err != nil || len(got) != 1 || got[0].KVNO != 7 {
		t.Errorf("without the long version: %+v, %v", got, err)
	}
}

// FuzzFiles: keytabs and credential caches are read or refused, and a keytab
// that is read survives being written.
func FuzzFiles(f *testing.F) {
	b, err := EncodeKeytab([]KeytabEntry{{Realm: realm, Name: Principal("alice"), KVNO: 3, Key: Key{RC4, make([]byte, 16)}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(cache(f).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ParseCCache(b)
		_, _ = SealedPart(b)
		entries, err := ParseKeytab(b)
		if err != nil {
			return
		}
		again, err := EncodeKeytab(entries)
		if err != nil {
			return // keys of types or lengths that are not written
		}
		if got, err := ParseKeytab(again); err != nil || !reflect.DeepEqual(got, entries) {
			t.Fatalf("%v\n%+v\n%+v", err, got, entries)
		}
	})
}

// TestSealedPart: what can be seen of messages without their key.
func TestSealedPart(t *testing.T) {
	key := Key{AES256, make([]byte, 32)}
	rep, err := APRep{Time: noon}.Encode(key)
	if err != nil {
		t.Fatal(err)
	}
	priv, err := Priv{Data: []byte("x"), Sender: Address(netip.Addr{})}.Encode(key)
	if err != nil {
		t.Fatal(err)
	}
	for usage, b := range map[uint32][]byte{UsageAPRep: rep, UsagePriv: priv} {
		d, err := SealedPart(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := key.Open(usage, d); err != nil {
			t.Errorf("usage %d: %v", usage, err)
		}
		if _, err := SealedPart(b[:len(b)-1]); err == nil {
			t.Error("cut short")
		}
	}
	if _, err := SealedPart(nil); err == nil {
		t.Error("nothing has a part")
	}
}
