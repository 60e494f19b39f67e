package entra

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sealed"
)

// TokenKind is what an opaque token of a tenant is.
type TokenKind string

const (
	KindRefresh TokenKind = "refresh token"
	KindPRT     TokenKind = "primary refresh token"
)

// TokenText is what anybody sees of an opaque token: what it is, whose, and
// how long the sealed rest is.
type TokenText struct {
	Kind     TokenKind
	TenantID guid.GUID
	Sealed   int // bytes: tenant id, nonce, ciphertext, tag
}

// ErrToken says that a text is no opaque token of a tenant.
var ErrToken = errors.New("not a token of a tenant of this lab")

// ParseTokenText reads the part of a token that is not sealed.
func ParseTokenText(text string) (*TokenText, error) {
	kind, prefix := KindPRT, prtPrefix
	if strings.HasPrefix(text, refreshPrefix) {
		kind, prefix = KindRefresh, refreshPrefix
	}
	rest, ok := sealedPart(prefix, text)
	if !ok || len(rest) > sealed.MaxText {
		return nil, ErrToken
	}
	hint := strings.TrimSuffix(strings.TrimPrefix(text, prefix), "."+rest)
	id, err := base64.RawURLEncoding.Strict().DecodeString(hint)
	if err != nil || len(id) != len(guid.GUID{}) {
		return nil, ErrToken
	}
	body, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(body) == 0 {
		return nil, ErrToken
	}
	return &TokenText{Kind: kind, TenantID: guid.GUID(id), Sealed: len(body)}, nil
}

// TokenClaims are the claims under the seal of a token. Of a primary refresh
// token's session key only the birth is told: the key itself is for the
// tenant alone.
type TokenClaims struct {
	TenantID       string
	UserID, UPN    string
	DeviceID       string // "" when no device proved itself
	AMR            []string
	AuthTime       time.Time // first factor
	MFATime        time.Time // second factor; zero without one
	Credential     string    // "pwd" or "ngc"
	KeyID          string    // of the Hello key
	IssuedAt       time.Time // zero in a refresh token
	Expires        time.Time
	SessionKeyBorn time.Time // zero in a refresh token
	ClientID       string    // of a refresh token, as are the rest
	Family         string
	Serial         int
}

// OpenToken opens a token with the sealing key of the tenant whose section is
// given, as only the owner of the lab can. An expired or revoked token opens,
// too: it is looked at, not used. ErrToken when the tenant did not seal it.
func OpenToken(section providers.Section, text string) (*TokenClaims, error) {
	form, err := ParseTokenText(text)
	if err != nil {
		return nil, err
	}
	cfg, ring, err := ownedBy(section)
	if errors.Is(err, errNotFound) || err == nil && cfg.TenantID != form.TenantID.String() {
		return nil, ErrToken
	}
	if err != nil {
		return nil, err
	}
	defer clear(ring.Seal)
	seal := newSealer(form.TenantID, ring.Seal, nil)
	if form.Kind == KindRefresh {
		var t refreshToken
		sealed, _ := sealedPart(refreshPrefix, text)
		if seal.Open(purposeRefresh, sealed, &t) != nil {
			return nil, ErrToken
		}
		c := t.proof.reveal(cfg.TenantID, t.Expires)
		c.ClientID, c.Family, c.Serial = t.ClientID, t.Family, t.Serial
		return c, nil
	}
	var t primaryToken
	sealed, _ := sealedPart(prtPrefix, text)
	if seal.Open(purposePRT, sealed, &t) != nil {
		return nil, ErrToken
	}
	clear(t.SessionKey)
	c := t.proof.reveal(t.Tenant, t.Expires)
	c.IssuedAt, c.SessionKeyBorn = time.Unix(t.IssuedAt, 0).UTC(), time.Unix(t.SessionKeyBorn, 0).UTC()
	return c, nil
}

// ownedBy reads a tenant's configuration and keys.
func ownedBy(section providers.Section) (cfg *config, ring *keyRing, err error) {
	err = section.View(func(r providers.Reader) error {
		if cfg, err = get[config](r, tableTenant, keyConfig); err == nil {
			ring, err = get[keyRing](r, tableTenant, keyKeys)
		}
		return err
	})
	return cfg, ring, err
}

// PublicCertificate is one that a tenant publishes, or signs others with.
type PublicCertificate struct {
	Use string // "signing key", "device authority", "AIK authority"
	DER []byte
}

// PublicCertificates returns the certificates that what a tenant signed
// verifies with. A section without a tenant has none.
func PublicCertificates(section providers.Section) ([]PublicCertificate, error) {
	_, ring, err := ownedBy(section)
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []PublicCertificate
	for _, k := range ring.Signing {
		all = append(all, PublicCertificate{"signing key", k.Certificate})
	}
	return append(all, PublicCertificate{"device authority", ring.DeviceCA.Certificate}, PublicCertificate{"AIK authority", ring.AIKCA.Certificate}), nil
}

func (p proof) reveal(tenant string, expires int64) *TokenClaims {
	c := &TokenClaims{TenantID: tenant, UserID: p.UserID, UPN: p.UPN, DeviceID: p.DeviceID, AMR: p.AMR, AuthTime: time.UnixMilli(p.AuthTime).UTC(),
		Credential: p.Credential, KeyID: p.KeyID, Expires: time.Unix(expires, 0).UTC()}
	if p.MFATime != 0 {
		c.MFATime = time.UnixMilli(p.MFATime).UTC()
	}
	return c
}

// NonceText is what anybody sees of a nonce: what for and when it was made.
// That the tenant made it, only the tenant can tell.
type NonceText struct {
	Purpose string // "sign-in" or "key attestation"
	Born    time.Time
}

// ParseNonceText reads a nonce without its MAC. ok is false for any other text.
func ParseNonceText(text string) (n NonceText, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != nonceSize || b[0] != nonceVersion {
		return NonceText{}, false
	}
	switch noncePurpose(b[1]) {
	case nonceSignIn:
		n.Purpose = "sign-in"
	case nonceAttest:
		n.Purpose = "key attestation"
	default:
		return NonceText{}, false
	}
	born := binary.BigEndian.Uint64(b[2:])
	if born > 1<<48 { // year 10889
		return NonceText{}, false
	}
	n.Born = time.UnixMilli(int64(born)).UTC()
	return n, true
}
