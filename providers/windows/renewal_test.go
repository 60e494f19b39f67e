package windows

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// TestChangedReply turns over each bit of a reply, and cuts it everywhere:
// nothing but what the tenant wrote is read.
func TestChangedReply(t *testing.T) {
	seed.Proves(t, "PRT-16", "A1")
	session := prt.Key(bytes.Repeat([]byte{7}, prt.SessionKeySize))
	body, err := oauth.TokenResponse{TokenType: "Bearer", Scope: "openid", ExpiresIn: 3599, AccessToken: strings.Repeat("eyJ.", 20)}.Encode(oauth.V1)
	if err != nil {
		t.Fatal(err)
	}
	for name, enc := range map[string]prt.Encryption{"CBC": prt.CBC, "GCM": prt.GCM} {
		t.Run(name, func(t *testing.T) {
			sealed, err := prt.SealResponse(rand.NewChaCha8([32]byte{1}), session, bytes.Repeat([]byte{1}, prt.ContextSize), body, enc)
			if err != nil {
				t.Fatal(err)
			}
			reply, err := openReply(sealed, session, "Bearer")
			if err != nil || reply.AccessToken != strings.Repeat("eyJ.", 20) {
				t.Fatalf("the tenant's own reply: %+v, %v", reply, err)
			}
			for i := range sealed {
				for bit := range 8 {
					changed := []byte(sealed)
					changed[i] ^= 1 << bit
					if got, err := openReply(string(changed), session, "Bearer"); err == nil {
						t.Errorf("byte %d, bit %d: %+v", i, bit, got)
					}
				}
				if _, err := openReply(sealed[:i], session, "Bearer"); !errors.Is(err, errReply) {
					t.Errorf("cut at %d: %v", i, err)
				}
			}
			other := prt.Key(bytes.Repeat([]byte{8}, prt.SessionKeySize))
			if _, err := openReply(sealed, other, "Bearer"); !errors.Is(err, errReply) {
				t.Errorf("with another session's key: %v", err)
			}
		})
	}
	if _, err := openReply(string(body), session, "Bearer"); !errors.Is(err, errReply) {
		t.Errorf("a reply in the clear: %v", err)
	}
}
