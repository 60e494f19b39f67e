package inspect

import (
	"crypto/rsa"
	"encoding/hex"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

func blobOf(t testing.TB, k keycred.Key) []byte {
	t.Helper()
	b, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMakeKeyCredentials makes, of the Hello key of TestMakeMaterial, the key
// of a user as Connect writes it and the key of a computer as it does itself;
// and a key that nobody should use.
func TestMakeKeyCredentials(t *testing.T) {
	if !*remake {
		t.Skip("only with -make")
	}
	user := keysOf(t, "hello.cng")[0].Public.(*rsa.PublicKey)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join("testdata", name), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	device := guid.GUID{0x10, 0x20, 15: 1}
	write("key-credential.hex", hex.EncodeToString(blobOf(t, keycred.FromEntra(keycred.UserKey{Public: user, Device: device, Created: now.Add(-time.Hour), Attested: true}))))

	text := ldapmsg.DNBinary{Binary: blobOf(t, keycred.ForComputer(user, now.Add(-time.Hour))), DN: "CN=PC 7,CN=Computers,DC=corp,DC=example"}.String()
	var ldif strings.Builder
	ldif.WriteString("msDS-KeyCredentialLink: ")
	for at := 0; at < len(text); at += 76 {
		if at > 0 {
			ldif.WriteString("\n ")
		}
		ldif.WriteString(text[at:min(at+76, len(text))])
	}
	write("key-credential-dn.txt", ldif.String())

	small := &rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1279), big.NewInt(1)), E: 3} // a prime
	weak := keycred.New(cng.MarshalRSAPublic(small), keycred.UsageNGC, keycred.SourceAzureAD)
	weak.Custom = keycred.Custom{1, 0, 0, 1, 0, 1}
	created := keycred.StampOf(now.Add(24*time.Hour), keycred.SourceAzureAD)
	weak.Created = &created
	write("key-credential-weak.hex", hex.EncodeToString(blobOf(t, weak)))
}

// TestKeyCredentialDefects: a value that is one and does not hold together is
// said to be malformed, with what is wrong; what is readable of a value whose
// key is not, is shown.
func TestKeyCredentialDefects(t *testing.T) {
	good, err := hex.DecodeString(strings.TrimSpace(string(read(t, "key-credential.hex"))))
	if err != nil {
		t.Fatal(err)
	}
	broken := append([]byte(nil), good...)
	broken[len(broken)-1] ^= 1
	for name, c := range map[string]struct {
		input, want string
	}{
		"hash":         {hex.EncodeToString(broken), "malformed keycredential: not a key credential: KeyHash is not the hash of what follows"},
		"cut":          {hex.EncodeToString(good[:60]), "malformed keycredential: not a key credential: an entry goes over the end"},
		"number":       {"B:827:" + hex.EncodeToString(good) + ":CN=a", "malformed keycredential: malformed DN with binary: no even number of hexadecimal digits"},
		"other binary": {"B:4:BEEF:CN=a", "malformed keycredential: not a key credential"},
	} {
		_, err := Inspect([]byte(c.input), Options{Now: now})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unreadable := blobOf(t, keycred.New([]byte("nothing known"), keycred.UsageSTK, keycred.SourceAD))
	holds(t, reads(t, mustInspect(t, unreadable, Options{})), "usage: 2 (STK", "form: (13 bytes that cannot be read: it has the sign of no known form)")
	none := keycred.Key{Material: []byte("x"), Usage: 9, Unhashed: true}
	holds(t, reads(t, mustInspect(t, blobOf(t, none), Options{})), "key id: (none)", "key hash: (none)", "usage: 9 (usage 9)")
}

// TestRecordedKeyCredentials: the values that Windows and Entra ID wrote.
func TestRecordedKeyCredentials(t *testing.T) {
	var vectors []struct {
		Name, Hex, Note string
		DNBinary        string `json:"dn_binary"`
		Decoded         *struct{}
	}
	vector(t, "keycredentiallink.json", &vectors)
	want := map[string][]string{
		"KeyCredential_Parse_UserKey2": {"source: 1 (Entra ID)", "device id: 10985e4b-0809-443d-8679-149422d9e170", "last logon: never (0x400000430e234000)", "created: 2017-11-13T16:29:24Z",
			"flags: 0 (none: registered with MFA, not attested)", "supports notification: true", "form: BCRYPT_RSAKEY_BLOB (283 bytes)"},
		"KeyCredential_Parse_NonMFAKey":     {"flags: 2 (MFA not used)", "last logon: 2017-08-23T15:41:01Z", "form: RSAPublicKey (PKCS #1)"},
		"KeyCredential_Parse_UserKeyFIDO4":  {"usage: 7 (FIDO)", "display name: Feitian AllinPass FIDO2", "algorithm: ECC P-256", "aaguid: 12ded745-4bed-47d4-abaa-e713f51d6393", "X.509 certificate"},
		"KeyCredential_Parse_DeviceKey_TPM": {"usage: 2 (STK", "form: TPM key blob (PCP)", "algorithm: RSA 2048, exponent 65537"},
		"TPM_KEY_CREDENTIAL_LINK":           {"the public exponent is even or less than 65537"},
	}
	for _, v := range vectors {
		if v.Decoded == nil {
			continue
		}
		got := reads(t, mustInspect(t, []byte(v.Hex), Options{}))
		holds(t, got, append(want[v.Name], "Key credential, msDS-KeyCredentialLink")...)
		clean(t, got)
		delete(want, v.Name)
		if v.DNBinary != "" && v.Note == "" {
			holds(t, reads(t, mustInspect(t, []byte(v.DNBinary), Options{})), "object: CN=")
		}
	}
	if len(want) != 0 {
		t.Errorf("not in the records: %v", want)
	}
}
