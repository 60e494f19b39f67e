package prt

import (
	"strings"
	"testing"
)

func TestParseMessage(t *testing.T) {
	key, ctx := random(t, SessionKeySize), random(t, ContextSize)
	for enc, want := range map[Encryption]string{CBC: "AES-256-CBC", GCM: "AES-256-GCM"} {
		s, err := SealResponse(strings.NewReader(strings.Repeat("x", 64)), Key(key), ctx, []byte("text"), enc)
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseMessage(s)
		if err != nil || m.Algorithm != "dir" || m.Encryption != "A256GCM" || m.Cipher() != want || m.EncryptedKey != 0 || m.Context == "" {
			t.Errorf("%s: %+v, %v", want, m, err)
		}
	}
	for name, s := range map[string]string{
		"four parts": "e30.A.A.A", "not base64": "e30.!.A.A.A", "no header": "AA.AA.AA.AA.AA",
		"compressed": "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiemlwIjoiREVGIn0.AA.AA.AA.AA", "too long": "e30." + strings.Repeat("A", maxJWE) + ".A.A.A",
	} {
		if m, err := ParseMessage(s); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
