package keylist

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ngc"
)

var (
	now   = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	alice = Account{Address: "user.alice", Name: "alice@corp.test", Home: "domain.corp"}
)

func rsaKey(t *testing.T) *rsa.PublicKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &k.PublicKey
}

// TestFromAD: each row is a key credential with what is said of it. Fault 86.
func TestFromAD(t *testing.T) {
	seed.Proves(t, "KS-12")
	pub := rsaKey(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	device, err := guid.Parse("8be2bf63-cd1a-4d8f-91f2-03624f7c2d7f")
	if err != nil {
		t.Fatal(err)
	}
	user := func(u keycred.UserKey) keycred.Key {
		u.Device = device
		if u.Public == nil {
			u.Public = pub
		}
		if u.Created.IsZero() {
			u.Created = now.Add(-time.Hour)
		}
		return keycred.FromEntra(u)
	}
	weak := user(keycred.UserKey{})
	weak.Custom[5] = byte(keycred.StrengthWeak)
	used := user(keycred.UserKey{})
	logon := keycred.StampOf(now.Add(-time.Minute), keycred.SourceAzureAD)
	used.LastLogon = &logon
	own := keycred.ForComputer(pub, now.Add(-time.Hour))
	nonsense := keycred.New([]byte("no key"), keycred.UsageNGC, keycred.SourceAzureAD)
	for name, c := range map[string]struct {
		account Account
		key     keycred.Key
		want    string
	}{
		"synchronized":      {alice, user(keycred.UserKey{MFA: true, Attested: true}), "NGC, Entra ID, RSA 2048, mfa yes, attested yes, unknown []"},
		"without MFA":       {alice, user(keycred.UserKey{}), "NGC, Entra ID, RSA 2048, mfa no, attested no, unknown []"},
		"used":              {alice, used, "NGC, Entra ID, RSA 2048, mfa no, attested no, unknown []"},
		"calls itself weak": {alice, weak, "NGC, Entra ID, RSA 2048, mfa no, attested no, weak [weak]"},
		"of tomorrow":       {alice, user(keycred.UserKey{Created: now.Add(48 * time.Hour)}), "NGC, Entra ID, RSA 2048, mfa no, attested no, unknown [malformed]"},
		"exponent 3":        {alice, user(keycred.UserKey{Public: &rsa.PublicKey{N: pub.N, E: 3}}), "NGC, Entra ID, RSA 2048, mfa no, attested no, unknown [weak]"},
		"a user's own":      {alice, own, "NGC, Active Directory, RSA 2048, mfa , attested ,  [foreign]"},
		"a computer's own":  {Account{Name: `CORP\pc$`, Computer: true}, own, "NGC, Active Directory, RSA 2048, mfa , attested ,  []"},
		"no key":            {alice, nonsense, "NGC, Entra ID, , mfa , attested ,  [malformed]"},
		"elliptic curve":    {alice, keycred.New(spki, keycred.UsageNGC, keycred.SourceAzureAD), "NGC, Entra ID, EC P-256, mfa , attested ,  []"},
	} {
		t.Run(name, func(t *testing.T) {
			blob, err := c.key.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			value := ldapmsg.DNBinary{Binary: blob, DN: "CN=x"}
			k := FromAD(c.account, value, now)
			got := fmt.Sprintf("%s, %s, %s, mfa %s, attested %s, %s %v", k.Usage, k.Source, k.Algorithm, yes(k.MFA), yes(k.Attested), k.Strength, k.Marks)
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if k.ID != hex.EncodeToString(c.key.ID) || k.Value != value.String() || len(k.Why) < len(k.Marks) {
				t.Errorf("%+v", k)
			}
			if c.key.Device != nil && (k.Device != device.String() || !k.Created.Equal(c.key.CreatedTime())) {
				t.Errorf("device %s, made %s", k.Device, k.Created)
			}
			if (name == "used") != (k.LastLogon != nil) || name == "used" && !k.LastLogon.Equal(now.Add(-time.Minute)) {
				t.Errorf("last used %v", k.LastLogon)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	k := FromAD(alice, ldapmsg.DNBinary{Binary: []byte{0, 2, 0, 0}}, now)
	if !k.Has(Malformed) || !strings.HasPrefix(k.ID, "#") || len(k.Why) != 1 || !strings.Contains(k.Why[0], "missing") {
		t.Errorf("%+v", k)
	}
	other := Unreadable(alice, "B:1:0:x", errors.New("an odd number"))
	if !other.Has(Malformed) || other.ID == k.ID || other.Value != "B:1:0:x" || other.Account != "user.alice" {
		t.Errorf("%+v", other)
	}
}

// TestBothDirectoriesNameAKeyAlike: the id of a key is the same at Entra ID and
// in the domain that it was synchronized to.
func TestBothDirectoriesNameAKeyAlike(t *testing.T) {
	pub := rsaKey(t)
	blob := cng.MarshalRSAPublic(pub)
	entra := FromEntra(alice, graph.DeviceKey{
		Usage: "NGC", KeyIdentifier: ngc.KeyID(blob), KeyMaterial: blob, Created: graph.Time(now), DeviceID: "d", CustomKeyInformation: graph.CustomKeyInformation, AttestationLevel: "attested",
	})
	synced := keycred.FromEntra(keycred.UserKey{Public: pub, Created: now})
	if entra.ID != hex.EncodeToString(synced.ID) || len(entra.Marks) > 0 || !*entra.Attested || !*entra.MFA || !entra.Created.Equal(now) {
		t.Errorf("%+v, the domain has %x", entra, synced.ID)
	}
	if k := FromEntra(alice, graph.DeviceKey{KeyIdentifier: "odd", KeyMaterial: []byte("odd")}); !k.Has(Malformed) || k.ID != "odd" {
		t.Errorf("%+v", k)
	}
	if got := keyID(base64.RawURLEncoding.EncodeToString(synced.ID)); got != entra.ID {
		t.Errorf("unpadded: %s", got)
	}
}

func TestFind(t *testing.T) {
	keys := []Key{{ID: "aabbccdd"}, {ID: "aabbccddee"}, {ID: "aabbff"}}
	for id, want := range map[string][]string{
		"aabb": {"aabbccdd", "aabbccddee", "aabbff"}, "AABBCCDD": {"aabbccdd"}, "aabbccdde": {"aabbccddee"}, "aabbf": {"aabbff"}, "aabbff00": nil,
	} {
		var got []string
		for _, k := range Find(keys, id) {
			got = append(got, k.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	no := false
	var b bytes.Buffer
	err := Write(&b, []Key{{Account: "user.a\u202e", Directory: AD, ID: strings.Repeat("ab", 32), Usage: "NGC", Created: &now, MFA: &no, Marks: []string{Weak, Foreign}, Why: []string{"W.", "F."}}})
	want := []string{
		"ACCOUNT DIRECTORY KEY USAGE SOURCE DEVICE CREATED LAST LOGON MFA ATTESTED STRENGTH MARKS",
		`user.a\u202e ad abababababab NGC - - 2026-03-02T09:30:00Z - no - - weak, foreign`, "",
		`abababababab of user.a\u202e: W.`, `abababababab of user.a\u202e: F.`, "",
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("%q, %v", lines, err)
	}
}
