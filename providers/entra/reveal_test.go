package entra

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// TestOpenToken: the owner of the tenant reads the claims about user and device
// under the seal; anybody else reads whose token it is.
func TestOpenToken(t *testing.T) {
	seed.Proves(t, "PRT-02")
	seed.Proves(t, "PRT-08")
	b := newBench(t)
	d, user := b.enrolled()
	s, err := b.hello(d, user)
	b.must(err)
	section := b.For(b.addr).Section
	form, err := ParseTokenText(s.prt)
	b.must(err)
	if form.Kind != KindPRT || form.TenantID.String() != b.out.TenantID || form.Sealed < 100 {
		t.Errorf("PRT reads %+v", form)
	}
	c, err := OpenToken(section, s.prt)
	b.must(err)
	if c.UPN != aliceUPN || c.DeviceID != d.id || c.TenantID != b.out.TenantID || c.Credential != "ngc" || c.KeyID == "" ||
		!slices.Equal(c.AMR, []string{"rsa", "mfa"}) || !c.Expires.Equal(c.IssuedAt.Add(14*24*time.Hour)) || !c.SessionKeyBorn.Equal(c.IssuedAt) {
		t.Errorf("PRT holds %+v", c)
	}
	for _, form := range []string{string(s.key), fmt.Sprint(s.key), base64.StdEncoding.EncodeToString(s.key)} {
		if strings.Contains(fmt.Sprintf("%+v", c), form) {
			t.Error("the claims hold the session key")
		}
	}
	// An expired token opens, too: nobody uses it.
	b.Advance(30 * 24 * time.Hour)
	if again, err := OpenToken(section, s.prt); err != nil || again.UPN != aliceUPN {
		t.Errorf("expired: %v", err)
	}

	tokens, err := b.signIn(interactive{upn: bobUPN, fresh: true})
	b.must(err)
	c, err = OpenToken(section, tokens.RefreshToken)
	b.must(err)
	if c.UPN != bobUPN || c.ClientID == "" || c.Family == "" || !c.IssuedAt.IsZero() || !c.SessionKeyBorn.IsZero() {
		t.Errorf("refresh token holds %+v", c)
	}

	other := benchOf(t, b.Env, "tenant.other", "other.example")
	changed := []byte(s.prt)
	changed[len(changed)-5] ^= 1
	for name, try := range map[string]struct {
		section providers.Section
		text    string
	}{
		"another tenant":  {other.For(other.addr).Section, s.prt},
		"no tenant":       {b.For("user.nobody").Section, s.prt},
		"changed":         {section, string(changed)},
		"another purpose": {section, "0" + s.prt[1:]},
		"no token":        {section, "1.A"},
	} {
		if _, err := OpenToken(try.section, try.text); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSessionKeyIsKeptUnderTheSealOnly: what wire.md says of the choice that
// the documents leave open. The tenant has no copy; the token brings it back.
func TestSessionKeyIsKeptUnderTheSealOnly(t *testing.T) {
	seed.Proves(t, "PRT-03")
	b := newBench(t)
	d, user := b.enrolled()
	s, err := b.hello(d, user)
	b.must(err)
	if _, err := b.use(s, prt.Request{Resource: oauth.ResourceGraph}); err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("store.go")
	b.must(err)
	tables := regexp.MustCompile(`\ttable\w+ += "(\w+)"`).FindAllSubmatch(src, -1)
	if len(tables) < 10 {
		t.Fatalf("%d tables in store.go: the expression does not fit any more", len(tables))
	}
	rows := 0
	b.must(b.For(b.addr).Section.View(func(r providers.Reader) error {
		for _, table := range tables {
			err := r.Scan(string(table[1]), "", func(key string, value []byte) error {
				rows++
				for _, form := range [][]byte{s.key, []byte(base64.StdEncoding.EncodeToString(s.key)), []byte(s.prt)} {
					if bytes.Contains(value, form) || strings.Contains(key, string(form)) {
						t.Errorf("%s %q holds it", table[1], key)
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	if rows < 10 {
		t.Errorf("only %d rows were looked at", rows)
	}
	p, err := b.server().openPRT(s.prt)
	b.must(err)
	if !bytes.Equal(p.SessionKey, s.key) {
		t.Error("the seal does not hold the session key")
	}
	doc, err := os.ReadFile("../../docs/wire.md")
	b.must(err)
	if !strings.Contains(strings.Join(strings.Fields(string(doc)), " "), "the primary refresh token holds its session key, so the tenant stores none") {
		t.Error("docs/wire.md does not say where the session key is kept")
	}
}

func TestPublicCertificates(t *testing.T) {
	b := newBench(t)
	certs, err := PublicCertificates(b.For(b.addr).Section)
	b.must(err)
	var uses []string
	for _, c := range certs {
		uses = append(uses, c.Use)
	}
	if !slices.Equal(uses, []string{"signing key", "device authority", "AIK authority"}) {
		t.Errorf("certificates of %v", uses)
	}
	if certs, err := PublicCertificates(b.For("user.nobody").Section); err != nil || certs != nil {
		t.Errorf("no tenant: %v, %v", certs, err)
	}
}

func TestParseNonceText(t *testing.T) {
	b := newBench(t)
	for purpose, text := range map[string]string{"sign-in": b.nonce(), "key attestation": b.attestNonce()} {
		n, ok := ParseNonceText(text)
		if !ok || n.Purpose != purpose || !n.Born.Equal(b.Now().Truncate(time.Millisecond)) {
			t.Errorf("%s: %+v, %v", purpose, n, ok)
		}
	}
	for _, text := range []string{"", "AwABEgEAAAAC", base64.RawURLEncoding.EncodeToString(append([]byte{3, 9}, make([]byte, 40)...)),
		base64.RawURLEncoding.EncodeToString(append([]byte{3, 1, 255}, make([]byte, 39)...))} {
		if n, ok := ParseNonceText(text); ok {
			t.Errorf("%q reads %+v", text, n)
		}
	}
}

func FuzzParseTokenText(f *testing.F) {
	f.Add("1.A" + base64.RawURLEncoding.EncodeToString(make([]byte, 16)) + ".AAAA")
	f.Add(base64.RawURLEncoding.EncodeToString(append([]byte{3, 2}, make([]byte, 40)...)))
	f.Fuzz(func(t *testing.T, text string) {
		if form, err := ParseTokenText(text); err == nil {
			id := form.TenantID
			if form.Sealed == 0 || !strings.Contains(text, base64.RawURLEncoding.EncodeToString(id[:len(guid.GUID{})])) {
				t.Fatalf("%q reads %+v", text, form)
			}
		}
		_, _ = ParseNonceText(text)
	})
}
