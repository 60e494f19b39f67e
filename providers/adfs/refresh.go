package adfs

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/adfs/farm"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/guid"
)

// Refresh tokens rotate: each is good once and brings the next of its family.
// One that comes back was copied, so the whole family ends (RFC 9700 4.14.2).
// A family that was never refreshed is in no table.
type refreshToken struct {
	Proof    farm.Proof `json:"proof"`
	ClientID string     `json:"client_id"`
	Family   string     `json:"family"`
	Serial   int        `json:"serial"`
	Expires  int64      `json:"exp"` // Unix seconds
}

type familyState struct {
	Serial  int       `json:"serial"` // of the token that is good
	Revoked bool      `json:"revoked,omitempty"`
	Expires time.Time `json:"expires"`
}

// refreshLife is the life of a refresh token: AD FS's SsoLifetime of a device
// that is not registered, 480 minutes.
const refreshLife = 8 * time.Hour

func refreshInvalid(why string) *adfs.Error {
	return adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "The refresh token received in 'refresh_token' parameter is invalid: %s.", why).WithHint("Sign in again.")
}

// newFamily names a family. It begins with the day, so that the oldest come
// first in their table.
func (s *server) newFamily() (string, error) {
	id, err := guid.New(s.env.Rand)
	return s.env.Now().UTC().Format("20060102") + "-" + id.String(), err
}

func (s *server) newRefreshToken(p *farm.Proof, clientID, family string, serial int) (string, error) {
	return s.seal.Seal(purposeRefresh, refreshToken{Proof: *p, ClientID: clientID, Family: family, Serial: serial, Expires: s.env.Now().Add(refreshLife).Unix()})
}

// openRefreshToken reads a refresh token without using it up.
func (s *server) openRefreshToken(text string) (*refreshToken, error) {
	var t refreshToken
	if s.seal.Open(purposeRefresh, text, &t) != nil {
		return nil, refreshInvalid("the service did not issue it")
	}
	if s.env.Now().After(time.Unix(t.Expires, 0)) {
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshExpired, "The refresh token received in 'refresh_token' parameter has expired.").WithHint("Sign in again.")
	}
	return &t, nil
}

// refreshTokenOf is openRefreshToken for a client: its own tokens, and those of
// the applications of Windows are one family.
func (s *server) refreshTokenOf(client *application, text string) (*refreshToken, error) {
	t, err := s.openRefreshToken(text)
	if err == nil && !strings.EqualFold(t.ClientID, client.ID) && (windowsClients[t.ClientID] == "" || !client.windows) {
		return nil, refreshInvalid("it was issued to another client")
	}
	return t, err
}

// useRefreshToken uses a refresh token up, as the last thing before what it buys
// is made. Of any number of callers with one token, one succeeds and the family
// ends.
func (s *server) useRefreshToken(ctx context.Context, t *refreshToken) error {
	var refusal error
	err := s.env.Section.Record(ctx, func(w providers.Writer) error {
		refusal = nil
		f, err := get[familyState](w, tableFamilies, t.Family)
		if err != nil {
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
			refusal = refreshInvalid("it was revoked, for it or one before it was used twice")
			return nil
		case t.Serial != f.Serial:
			f.Revoked = true
			refusal = refreshInvalid("it was used before; it and what came from it are revoked")
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
	return purge(w, tableFamilies, func(_ string, value []byte) (over, last bool) {
		var f familyState
		return json.Unmarshal(value, &f) == nil && s.env.Now().After(f.Expires), false
	})
}
