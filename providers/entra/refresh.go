package entra

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
)

// Refresh tokens rotate: each is good once and brings the next of its family.
// One that comes back was copied, so the whole family ends (RFC 9700 4.14.2).
// A family that was never refreshed is in no table.
type refreshToken struct {
	proof
	ClientID string `json:"client_id"`
	Family   string `json:"family"`
	Serial   int    `json:"serial"`
	Expires  int64  `json:"exp"` // Unix seconds
}

type familyState struct {
	Serial  int       `json:"serial"` // of the token that is good
	Revoked bool      `json:"revoked,omitempty"`
	Expires time.Time `json:"expires"`
}

// refreshLife is the life of an unused refresh token (Microsoft Entra
// documentation: 90 days, sliding).
const refreshLife = 90 * 24 * time.Hour

// Texts of tokens begin like the cloud's: a version, the client and tenant
// hint, a dot, and the opaque rest.
const (
	refreshPrefix = "0.A"
	prtPrefix     = "1.A"
	devicePrefix  = "D.A"
)

func (s *server) tokenText(prefix, sealed string) string {
	return prefix + base64.RawURLEncoding.EncodeToString(s.tenant[:]) + "." + sealed
}

// sealedPart returns the opaque rest of a token that begins with prefix.
func sealedPart(prefix, text string) (string, bool) {
	rest, kind := strings.CutPrefix(text, prefix)
	_, sealed, ok := strings.Cut(rest, ".")
	return sealed, kind && ok
}

// newFamily names a family. It begins with the day, so that the oldest come
// first in their table.
func (s *server) newFamily() (string, error) {
	id, err := guid.New(s.env.Rand)
	return s.env.Now().UTC().Format("20060102") + "-" + id.String(), err
}

func (s *server) newRefreshToken(p proof, clientID, family string, serial int) (string, error) {
	sealed, err := s.seal.Seal(purposeRefresh, refreshToken{
		proof: p, ClientID: clientID, Family: family, Serial: serial, Expires: s.env.Now().Add(refreshLife).Unix()})
	return s.tokenText(refreshPrefix, sealed), err
}

// openRefreshToken reads a refresh token without using it up.
func (s *server) openRefreshToken(text string) (*refreshToken, error) {
	var t refreshToken
	sealed, ok := sealedPart(refreshPrefix, text)
	if !ok || s.seal.Open(purposeRefresh, sealed, &t) != nil {
		return nil, oauth.NewError(oauth.GrantInvalid, "The refresh token is not valid.")
	}
	if s.env.Now().After(time.Unix(t.Expires, 0)) {
		return nil, oauth.NewError(oauth.RefreshTokenInactive)
	}
	return &t, nil
}

// useRefreshToken uses a refresh token up, as the last thing before what it
// buys is made. Of any number of callers with one token, one succeeds and the
// family ends.
func (s *server) useRefreshToken(ctx context.Context, t *refreshToken) error {
	var refusal error
	err := s.env.Section.Record(ctx, func(w providers.Writer) error {
		refusal = nil
		f, err := get[familyState](w, tableFamilies, t.Family)
		if err := ignoreNotFound(err); err != nil {
			return err
		}
		if f == nil {
			if err := s.purgeFamilies(w); err != nil {
				return err
			}
			f = &familyState{}
		}
		switch {
		case f.Revoked:
			refusal = oauth.NewError(oauth.GrantInvalid, "The refresh token was revoked because it, or one before it, was used twice.")
			return nil
		case t.Serial != f.Serial:
			f.Revoked = true
			refusal = oauth.NewError(oauth.GrantInvalid, "The refresh token was used before; it and what came from it are revoked.")
		default:
			f.Serial++
		}
		f.Expires = s.env.Now().Add(refreshLife)
		return put(w, tableFamilies, t.Family, f)
	})
	if err != nil {
		return err
	}
	return refusal
}

// revokeFamily ends a family whose code came back.
func (s *server) revokeFamily(ctx context.Context, family string) error {
	return s.env.Section.Record(ctx, func(w providers.Writer) error {
		return put(w, tableFamilies, family, familyState{Revoked: true, Expires: s.env.Now().Add(refreshLife)})
	})
}

// purgeFamilies removes families that ended, the oldest first, a few at a time.
func (s *server) purgeFamilies(w providers.Writer) error {
	seen := 0
	var old []string
	err := w.Scan(tableFamilies, "", func(key string, _ []byte) error {
		if seen++; seen > 2*purgeBatch {
			return errEnough
		}
		f, err := get[familyState](w, tableFamilies, key)
		if err != nil {
			return err
		}
		if s.env.Now().After(f.Expires) {
			old = append(old, key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("purge token families: %w", err)
	}
	for _, key := range old {
		if err := w.Delete(tableFamilies, key); err != nil {
			return err
		}
	}
	return nil
}
