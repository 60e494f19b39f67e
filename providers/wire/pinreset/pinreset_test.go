package pinreset_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"hellolab/providers/wire/pinreset"
)

var alices = pinreset.Binding{TenantID: "4a1e3e55-0000-4000-8000-000000000001", ObjectID: "4a1e3e55-0000-4000-8000-000000000002", DeviceID: "4a1e3e55-0000-4000-8000-000000000003"}

func service(t testing.TB, seed byte) *pinreset.Service {
	t.Helper()
	s, err := pinreset.NewService(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRecover(t *testing.T) {
	s, key := service(t, 1), bytes.Repeat([]byte{7}, pinreset.KeySize)
	text, err := pinreset.Protect(s.PublicKey(), alices, key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := pinreset.Protect(s.PublicKey(), alices, key)
	if err != nil || again == text {
		t.Errorf("one key, one text: %v", err)
	}
	whose, got, err := service(t, 1).Recover(text) // the key pair is that of the seed
	if err != nil || !bytes.Equal(got, key) || !whose.Is(alices) {
		t.Errorf("%+v %x %v", whose, got, err)
	}
	upper := alices
	upper.ObjectID = strings.ToUpper(upper.ObjectID)
	other := alices
	other.DeviceID = alices.ObjectID
	if !whose.Is(upper) || whose.Is(other) {
		t.Error("bindings are compared wrongly")
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoiled := range map[string]func([]byte) []byte{
		"the point":      func(b []byte) []byte { b[10] ^= 1; return b },
		"the ciphertext": func(b []byte) []byte { b[80] ^= 1; return b },
		"the tag":        func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"cut off":        func(b []byte) []byte { return b[:70] },
		"only a point":   func(b []byte) []byte { return b[:65] },
		"nothing":        func([]byte) []byte { return nil },
		"too much":       func(b []byte) []byte { return append(b, 0) },
	} {
		text := base64.RawURLEncoding.EncodeToString(spoiled(bytes.Clone(raw)))
		if _, _, err := s.Recover(text); !errors.Is(err, pinreset.ErrProtected) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{"no base64url": "+/=", "long": strings.Repeat("A", 1<<20)} {
		if _, _, err := s.Recover(text); !errors.Is(err, pinreset.ErrProtected) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := service(t, 2).Recover(text); !errors.Is(err, pinreset.ErrProtected) {
		t.Errorf("another service: %v", err)
	}
}

func TestProtectRefuses(t *testing.T) {
	s, key := service(t, 1), make([]byte, pinreset.KeySize)
	nobodys := alices
	nobodys.DeviceID = ""
	for name, do := range map[string]func() (string, error){
		"a short key":      func() (string, error) { return pinreset.Protect(s.PublicKey(), alices, key[:16]) },
		"nobody's":         func() (string, error) { return pinreset.Protect(s.PublicKey(), nobodys, key) },
		"no point":         func() (string, error) { return pinreset.Protect([]byte("no point"), alices, key) },
		"not on the curve": func() (string, error) { return pinreset.Protect(append([]byte{4}, make([]byte, 64)...), alices, key) },
	} {
		if text, err := do(); err == nil {
			t.Errorf("%s: %s", name, text)
		}
	}
	if _, err := pinreset.NewService(make([]byte, 8)); err == nil {
		t.Error("a seed of eight bytes")
	}
}

func TestMessages(t *testing.T) {
	s := service(t, 1)
	body, err := json.Marshal(pinreset.KeyReply{PublicKey: s.PublicKey()})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := pinreset.ParseKeyReply(body); err != nil || !bytes.Equal(r.PublicKey, s.PublicKey()) {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "[]", "{}", `{"public_key":"AAAA"}`, `{"public_key":1}`, `{"public_key":"AAAA","public_key":"AAAA"}`, strings.Repeat(" ", 1<<14)} {
		if r, err := pinreset.ParseKeyReply([]byte(bad)); err == nil {
			t.Errorf("%.40q: %+v", bad, r)
		}
		if r, err := pinreset.ParseRecoverReply([]byte(bad)); err == nil {
			t.Errorf("%.40q: %+v", bad, r)
		}
	}
	if r, err := pinreset.ParseRecoverRequest([]byte(`{"protected":"x"}`)); err != nil || r.Protected != "x" {
		t.Errorf("%+v, %v", r, err)
	}
}

func FuzzRecover(f *testing.F) {
	s := service(f, 1)
	key := make([]byte, pinreset.KeySize)
	text, err := pinreset.Protect(s.PublicKey(), alices, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("")
	f.Add(strings.Repeat("A", 100))
	f.Fuzz(func(t *testing.T, text string) {
		if whose, got, err := s.Recover(text); err == nil && (!bytes.Equal(got, key) || whose != alices) { // nobody else's can be made by chance
			t.Errorf("%+v %x", whose, got)
		}
	})
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"public_key":"BAAA"}`))
	f.Add([]byte(`{"protected":"x"}`))
	f.Add([]byte(`{"key":"AAAA"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := pinreset.ParseKeyReply(body); err == nil && len(r.PublicKey) != 65 {
			t.Errorf("a point of %d bytes", len(r.PublicKey))
		}
		if r, err := pinreset.ParseRecoverReply(body); err == nil && len(r.Key) != pinreset.KeySize {
			t.Errorf("a key of %d bytes", len(r.Key))
		}
		_, _ = pinreset.ParseRecoverRequest(body)
	})
}
