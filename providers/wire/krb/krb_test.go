package krb

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

const realm = "CORP.EXAMPLE"

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func key(t testing.TB, etype int32) Key {
	t.Helper()
	k, err := RandomKey(etype, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func code(err error) Code {
	if err == nil {
		return 0
	}
	return AsError(err).Code
}

func TestStringToKey(t *testing.T) { // RFC 3962 appendix B, 4096 rounds is the default
	k, err := StringToKey(AES256, "password", "ATHENA.MIT.EDUraeburn")
	if want := "01b897121d933ab44b47eb5494db15e50eb74530dbdae9b634d65020ff5d88c1"; err != nil || hex.EncodeToString(k.Value) != want {
		t.Errorf("%x, %v", k.Value, err)
	}
	k, err = StringToKey(AES128, "password", "ATHENA.MIT.EDUraeburn")
	if want := "fca822951813fb252154c883f5ee1cf4"; err != nil || hex.EncodeToString(k.Value) != want {
		t.Errorf("%x, %v", k.Value, err)
	}
	k, err = StringToKey(RC4, "foo", "")
	if want := "ac8e657f83df82beea5d43bdaf7800cc"; err != nil || hex.EncodeToString(k.Value) != want {
		t.Errorf("%x, %v", k.Value, err)
	}
	for _, etype := range []int32{1, 3, DES3, 19, 20, 0, -1} { // fault 71
		if _, err := StringToKey(etype, "a", "b"); code(err) != ErrETypeNoSupport {
			t.Errorf("type %d: %v", etype, err)
		}
		if _, err := RandomKey(etype, rand.Reader); code(err) != ErrETypeNoSupport {
			t.Errorf("type %d: %v", etype, err)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, etype := range []int32{AES128, AES256, RC4} {
		t.Run(fmt.Sprint(etype), func(t *testing.T) {
			k := key(t, etype)
			for _, size := range []int{0, 1, 15, 16, 17, 31, 32, 33, 1000} {
				plain := bytes.Repeat([]byte{7}, size)
				sealed, err := k.Encrypt(UsageTicket, plain)
				if err != nil {
					t.Fatal(err)
				}
				if out, err := k.Decrypt(UsageTicket, sealed); err != nil || !bytes.Equal(out, plain) {
					t.Errorf("%d bytes: %v", size, err)
				}
				if _, err := k.Decrypt(UsageTGSReqAuth, sealed); !errors.Is(err, ErrDecrypt) {
					t.Errorf("another usage: %v", err)
				}
				if _, err := key(t, etype).Decrypt(UsageTicket, sealed); !errors.Is(err, ErrDecrypt) {
					t.Errorf("another key: %v", err)
				}
				for cut := range len(sealed) { // gokrb5 would panic on the short ones
					if _, err := k.Decrypt(UsageTicket, sealed[:cut]); !errors.Is(err, ErrDecrypt) {
						t.Fatalf("cut at %d: %v", cut, err)
					}
				}
				sealed[len(sealed)/2] ^= 1
				if _, err := k.Decrypt(UsageTicket, sealed); !errors.Is(err, ErrDecrypt) {
					t.Errorf("changed: %v", err)
				}
			}
			sum, err := k.Checksum(UsagePAC, []byte("data"))
			if err != nil || sum.Type != ChecksumType(etype) || !k.VerifyChecksum(UsagePAC, []byte("data"), sum) {
				t.Fatalf("%+v, %v", sum, err)
			}
			if k.VerifyChecksum(UsagePAC, []byte("date"), sum) || k.VerifyChecksum(UsageTicket, []byte("data"), sum) || k.VerifyChecksum(UsagePAC, []byte("data"), Checksum{7, sum.Sum}) ||
				k.VerifyChecksum(UsagePAC, []byte("data"), Checksum{sum.Type, sum.Sum[:4]}) || k.VerifyChecksum(UsagePAC, []byte("data"), Checksum{}) {
				t.Error("a wrong checksum verifies")
			}
			if s := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Contains(s, hex.EncodeToString(k.Value)) || strings.Contains(s, fmt.Sprint(k.Value)) {
				t.Errorf("the text of a key shows it: %s", s)
			}
			short := Key{etype, k.Value[:5]}
			if _, err := short.Encrypt(1, nil); err == nil {
				t.Error("a short key encrypts")
			}
			if _, err := short.Decrypt(1, make([]byte, 99)); err == nil {
				t.Error("a short key decrypts")
			}
			if _, err := short.Checksum(1, nil); err == nil {
				t.Error("a short key makes checksums")
			}
		})
	}
}

func TestErrorRoundTrip(t *testing.T) {
	data, err := EncodeMethodData([]PAData{{PAEncTimestamp, nil}, {PAPKASReq, []byte{}}})
	if err != nil {
		t.Fatal(err)
	}
	now := at("2026-11-21T10:00:00Z").Add(123456 * time.Microsecond)
	e := NewError(ErrPreauthRequired, "").WithData(data).WithHint("Sign in.")
	e.Client, e.ClientRealm = Principal("alice"), realm
	b, err := e.Encode(realm, TGS(realm), now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseError(b)
	if err != nil {
		t.Fatal(err)
	}
	want := &Error{Code: ErrPreauthRequired, Sentence: ErrPreauthRequired.Sentence(), Data: data, Realm: realm, Server: TGS(realm), ClientRealm: realm, Client: Principal("alice"), Time: now}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if !errors.Is(got, ErrPreauthRequired) || errors.Is(got, ErrSkew) || !strings.Contains(got.Error(), "KDC_ERR_PREAUTH_REQUIRED") {
		t.Error(got)
	}
	if AsError(errors.New("disk on fire")).Sentence != ErrGeneric.Sentence() {
		t.Error("what breaks inside is told to a peer")
	}
}

// Every code of RFC 4120 7.5.9, 4556 and 8636 that a KDC may send has a name
// and a sentence, and no two share a name.
func TestCodes(t *testing.T) {
	names := map[string]Code{}
	n := 0
	for c := Code(0); c < 128; c++ {
		name, sentence := c.text()
		if name == "" {
			if sentence != "" || c.Sentence() == "" {
				t.Errorf("%d: %q", c, sentence)
			}
			continue
		}
		n++
		if other, ok := names[name]; ok && c != ErrBadProtocolVersion {
			t.Errorf("%d and %d are both %s", c, other, name)
		}
		if names[name] = c; !strings.HasSuffix(sentence, ".") {
			t.Errorf("%s: %q", name, sentence)
		}
	}
	if n != 76 {
		t.Errorf("%d codes have a name", n)
	}
	for c, name := range map[Code]string{65: "KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED", 79: "KDC_ERR_PA_CHECKSUM_MUST_BE_INCLUDED", 90: "KDC_ERR_PREAUTH_EXPIRED", 100: "KDC_ERR_NO_ACCEPTABLE_KDF", 34: "KRB_AP_ERR_REPEAT"} {
		if c.Name() != name {
			t.Errorf("%d is %s", c, c.Name())
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]Name{
		"alice":                       Principal("alice"),
		"host/pc.corp.example":        Service("host", "pc.corp.example"),
		`a\/b`:                        Principal("a/b"),
		`alice\@contoso.com`:          Principal("alice@contoso.com"),
		"krbtgt/" + realm:             TGS(realm),
		`http/a\\b/c`:                 Service("http", `a\b`, "c"),
		"cifs/fs.corp.example/\u00e4": Service("cifs", "fs.corp.example", "\u00e4"),
	} {
		got, err := ParseName(text)
		if err != nil || !reflect.DeepEqual(got, want) || got.String() != text {
			t.Errorf("%s: %+v %s, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "/", "a//b", "a\x00b", "a\nb", strings.Repeat("a", 300), strings.Repeat("a/", 9) + "a"} {
		if n, err := ParseName(text); err == nil {
			t.Errorf("%q is %+v", text, n)
		}
	}
	if !TGS("a").EqualFold(TGS("A")) || TGS("a").Equal(TGS("A")) || TGS("a").EqualFold(Principal("krbtgt")) || !Principal("a", "b").Equal(Service("a", "b")) {
		t.Error("names compare wrongly")
	}
}

func TestTicketAndPAC(t *testing.T) {
	k := key(t, AES256)
	part := &EncTicketPart{
		Flags: FlagInitial | FlagPreAuthent | FlagForwardable, Key: key(t, AES256), CRealm: realm, Client: Principal("alice"),
		Transited: Transited{Contents: []byte{}}, AuthTime: at("2026-11-21T10:00:00Z"), EndTime: at("2026-11-21T20:00:00Z"), Addresses: []HostAddress{Address(netip.MustParseAddr("127.0.0.1"))},
		AuthData: []AuthData{{ADIfRelevant, []byte{0x30, 0}}},
	}
	if _, ok := part.PAC(); ok {
		t.Error("a PAC from nowhere")
	}
	with, err := part.WithPAC([]byte("the PAC"))
	if err != nil || len(with.AuthData) != 2 || len(part.AuthData) != 1 {
		t.Fatal(err)
	}
	ticket, err := SealTicket(k, 3, realm, TGS(realm), with)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ticket.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := ParseTicket(b)
	if err != nil || read.EncPart.KeyVersion() != 3 {
		t.Fatal(err)
	}
	got, err := read.Open(k)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, with) {
		t.Errorf("got %+v\nwant %+v", got, with)
	}
	if pac, ok := got.PAC(); !ok || string(pac) != "the PAC" {
		t.Errorf("%q", pac)
	}
	zero, err := got.WithPAC([]byte{0})
	if err != nil || len(zero.AuthData) != 2 {
		t.Fatal(err)
	}
	if pac, _ := zero.PAC(); !bytes.Equal(pac, []byte{0}) {
		t.Errorf("%x", pac)
	}
	if _, err := read.Open(key(t, AES256)); code(err) != ErrBadIntegrity {
		t.Error(err)
	}
	if _, err := read.Open(key(t, AES128)); code(err) != ErrBadIntegrity {
		t.Error(err)
	}
	for now, want := range map[string]Code{
		"2026-11-21T09:54:00Z": ErrTicketNotYetValid, "2026-11-21T09:56:00Z": 0, "2026-11-21T12:00:00Z": 0,
		"2026-11-21T20:04:00Z": 0, "2026-11-21T20:06:00Z": ErrTicketExpired,
	} {
		if err := got.Valid(at(now), Skew); code(err) != want {
			t.Errorf("%s: %v", now, err)
		}
	}
	got.Flags |= FlagInvalid
	if err := got.Valid(at("2026-11-21T12:00:00Z"), Skew); code(err) != ErrTicketNotYetValid {
		t.Error(err)
	}
}

func TestPAData(t *testing.T) {
	k := key(t, AES256)
	now := at("2026-11-21T10:00:00Z").Add(5 * time.Microsecond)
	value, err := EncTimestamp(k, now)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseEncryptedData(value)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenEncTimestamp(k, d); err != nil || !got.Equal(now) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := OpenEncTimestamp(key(t, AES256), d); !errors.Is(err, ErrDecrypt) {
		t.Error(err)
	}
	info := []ETypeInfo2Entry{{EType: AES256, Salt: "CORP.EXAMPLEalice"}, {EType: RC4}}
	if b, err := EncodeETypeInfo2(info); err != nil {
		t.Error(err)
	} else if got, err := ParseETypeInfo2(b); err != nil || !reflect.DeepEqual(got, info) {
		t.Errorf("%+v, %v", got, err)
	}
	typed := []TypedData{{TDDHParameters, []byte{1, 2}}}
	if b, err := EncodeTypedData(typed); err != nil {
		t.Error(err)
	} else if got, err := ParseTypedData(b); err != nil || !reflect.DeepEqual(got, typed) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, include := range []bool{true, false} {
		if b, err := EncodePACRequest(include); err != nil {
			t.Error(err)
		} else if got, err := ParsePACRequest(b); err != nil || got != include {
			t.Error(got, err)
		}
	}
	if b, err := EncodePACOptions(PACOptionClaims | PACOptionConstrained); err != nil {
		t.Error(err)
	} else if got, err := ParsePACOptions(b); err != nil || got != 0x90000000 {
		t.Errorf("%x, %v", got, err)
	}
	pa, err := EncPARep(k, []byte("request"))
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyEncPARep(k, []byte("request"), pa.Value); err != nil {
		t.Error(err)
	}
	if err := VerifyEncPARep(k, []byte("another"), pa.Value); code(err) != ErrModified {
		t.Error(err)
	}
}
