package keycred

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
)

type vector struct {
	Name     string
	Note     string
	Hex      string
	DNBinary string `json:"dn_binary"`
	Decoded  *struct {
		Usage, Source string
		Device        string `json:"deviceid_hex"`
		Custom        string `json:"custom_key_info"`
		LastLogon     string `json:"last_logon_utc"`
		Created       string `json:"created_utc"`
		Hashed        bool   `json:"keyhash_is_sha256_of_rest"`
	}
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/vectors/keycredentiallink.json")
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	var v []vector
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recorded parses the value of one name.
func recorded(t testing.TB, name string) (Key, []byte) {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Name == name {
			b := unhex(t, v.Hex)
			k, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			return k, b
		}
	}
	t.Fatalf("there is no vector %s", name)
	return Key{}, nil
}

// TestVectors: every recorded value is read as its record says, and written
// again byte for byte.
func TestVectors(t *testing.T) {
	read := 0
	for _, v := range vectors(t) {
		if v.Decoded == nil { // a modulus or exponent, see TestSambaMaterial
			continue
		}
		read++
		t.Run(v.Name, func(t *testing.T) {
			b := unhex(t, v.Hex)
			k, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := k.Marshal(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("written again it is %x, %v", again, err)
			}
			d := v.Decoded
			device := ""
			if k.Device != nil {
				w := k.Device.Windows()
				device = hex.EncodeToString(w[:])
			}
			if hex.EncodeToString([]byte{byte(k.Usage)}) != d.Usage || hex.EncodeToString([]byte{byte(k.Source)}) != d.Source ||
				hex.EncodeToString(k.Custom) != d.Custom || device != d.Device || k.Unhashed == d.Hashed {
				t.Errorf("read %v, %v, %x, %s, hash %v", k.Usage, k.Source, []byte(k.Custom), device, !k.Unhashed)
			}
			same(t, "created", k.CreatedTime(), d.Created)
			same(t, "last logon", k.LastLogonTime(), d.LastLogon)
			if _, err := k.SubjectPublicKeyInfo(); err != nil {
				t.Error(err)
			}
			if err := k.CheckTimes(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
				t.Error(err)
			}
			checkText(t, v, b)
		})
	}
	if read != 23 {
		t.Errorf("%d values were read, want 23", read)
	}
}

// same compares with a recorded time, which has microseconds. Times before 1601
// stand for none.
func same(t *testing.T, what string, got time.Time, recorded string) {
	t.Helper()
	var want time.Time
	if recorded != "" && !strings.HasPrefix(recorded, "0001") {
		var err error
		if want, err = time.Parse(time.RFC3339Nano, recorded); err != nil {
			t.Fatal(err)
		}
	}
	if got.Sub(want).Abs() > time.Microsecond {
		t.Errorf("%s %s, recorded as %s", what, got, recorded)
	}
}

// checkText reads and prints the DN-Binary form, where one is recorded.
func checkText(t *testing.T, v vector, b []byte) {
	t.Helper()
	if v.DNBinary == "" {
		return
	}
	d, err := ldapmsg.ParseDNBinary(v.DNBinary)
	if v.Note != "" { // "length field wrong on purpose"
		if !errors.Is(err, ldapmsg.ErrDNBinary) {
			t.Errorf("%s: %v", v.Note, err)
		}
		return
	}
	if err != nil || !bytes.Equal(d.Binary, b) || d.String() != v.DNBinary || !strings.HasPrefix(d.DN, "CN=") {
		t.Errorf("text form: %v, %s", err, d)
	}
}

// TestSambaMaterial: modulus and exponent of three forms of key material, as
// Samba's tests expect them.
func TestSambaMaterial(t *testing.T) {
	want := map[string]*big.Int{}
	for _, v := range vectors(t) {
		if strings.HasSuffix(v.Name, "_MODULUS") || strings.HasSuffix(v.Name, "_EXPONENT") {
			want[v.Name] = new(big.Int).SetBytes(unhex(t, v.Hex))
		}
	}
	for name, form := range map[string]Form{"BCRYPT": FormRSA1, "TPM": FormTPM, "DER": FormSPKI} {
		k, _ := recorded(t, name+"_KEY_CREDENTIAL_LINK")
		pub, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		r := pub.(*rsa.PublicKey)
		if k.Form() != form || r.N.Cmp(want[name+"_MODULUS"]) != 0 || int64(r.E) != want[name+"_EXPONENT"].Int64() {
			t.Errorf("%s: %v of %d bits, exponent %d", name, k.Form(), r.N.BitLen(), r.E)
		}
		weak := Weaknesses(pub)
		if odd := name == "DER"; (len(weak) == 0) != odd { // 01020304 is even
			t.Errorf("%s: weaknesses %v", name, weak)
		}
	}
}

// TestRealMaterial: the forms of material in values that Windows and Entra ID
// wrote, none of them weak.
func TestRealMaterial(t *testing.T) {
	for name, form := range map[string]Form{
		"KeyCredential_Parse_NonMFAKey":     FormPKCS1,
		"KeyCredential_Parse_ComputerKey":   FormPKCS1,
		"KeyCredential_Parse_UserKey1":      FormRSA1,
		"KeyCredential_Parse_DeviceKey_RSA": FormRSA1,
		"KeyCredential_Parse_DeviceKey_TPM": FormTPM,
	} {
		k, _ := recorded(t, name)
		pub, err := k.PublicKey()
		if err != nil || k.Form() != form {
			t.Errorf("%s: %v, %v", name, k.Form(), err)
			continue
		}
		if r := pub.(*rsa.PublicKey); r.N.BitLen() != 2048 || r.E != 65537 || Weaknesses(r) != nil {
			t.Errorf("%s: %d bits, exponent %d, %v", name, r.N.BitLen(), r.E, Weaknesses(r))
		}
	}
	k, _ := recorded(t, "KeyCredential_Parse_UserKeyFIDO2")
	f, err := k.FIDO()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Key.(*ecdsa.PublicKey); !ok || k.Form() != FormFIDO || f.DisplayName != "SoloKeys Solo" ||
		f.AAGUID.String() != "8876631b-d4a0-427f-5773-0ec71c9e0279" || !bytes.Equal(f.CredentialID, k.ID) || len(f.Certificates) != 1 {
		t.Errorf("%+v", f)
	}
}

func TestCustomOfVectors(t *testing.T) {
	k, _ := recorded(t, "KeyCredential_Parse_NonMFAKey")
	if k.MFA() || k.Attested() {
		t.Error("the key that was made without MFA counts as made with it")
	}
	k, _ = recorded(t, "KeyCredential_Parse_UserKeyFIDO0")
	if !k.MFA() || !k.Attested() || len(k.Custom) != 15 || k.Custom.Extended() != nil {
		t.Errorf("%x", k.Custom)
	}
}

// TestFromEntra rebuilds a value that Entra Connect wrote from what it says.
func TestFromEntra(t *testing.T) {
	k, want := recorded(t, "KeyCredential_Parse_UserKey2")
	pub, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	built := FromEntra(UserKey{Public: pub.(*rsa.PublicKey), Device: *k.Device, Created: k.CreatedTime(), MFA: true})
	got, err := built.Marshal()
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x\nwant\n%x", got, want)
	}
	if len(k.Material) != 283 || len(want) != 418 {
		t.Errorf("material of %d bytes, value of %d", len(k.Material), len(want))
	}
	device, _ := guid.Parse("d14f7a2b-1b5c-4d0e-9c66-0d6c8a3f0001")
	other := FromEntra(UserKey{Public: pub.(*rsa.PublicKey), Device: device, Attested: true})
	if other.MFA() || !other.Attested() || !other.LastLogonTime().IsZero() || other.Device.String() != device.String() {
		t.Errorf("%+v", other)
	}
}
