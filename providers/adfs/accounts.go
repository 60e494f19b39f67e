package adfs

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/adfs"
)

const (
	maxUPN          = 1024 // of a userPrincipalName (MS-ADA3)
	maxPasswordSize = 256  // bounds the work that a peer can ask for
	maxTOTPSecret   = 64
	minTOTPSecret   = 10
)

// account is what the service holds of an account: the secret of its second
// factor, and for a third party's service everything.
type account struct {
	UPN         string    `json:"upn"`
	ImmutableID string    `json:"immutable_id,omitempty"`
	Name        string    `json:"name,omitempty"`
	Password    *verifier `json:"password,omitempty"`
	TOTP        []byte    `json:"totp,omitempty"`
	Disabled    bool      `json:"disabled,omitempty"`
	PasswordSet time.Time `json:"password_set,omitzero"` // when it became another
}

// account returns what the service holds of an account, nil for nothing.
func (s *server) account(upn string) (a *account, err error) {
	err = s.env.Section.View(func(r providers.Reader) error {
		a, err = get[account](r, tableAccounts, strings.ToLower(upn))
		return err
	})
	return a, err
}

// setAccount registers a second factor, or a third party's account. What a
// request does not name stays: a password, and the secret of a factor that it says
// is registered. What an account of the former name has moves to this one, and what
// somebody left under this name is lost.
func (s *server) setAccount(ctx context.Context, upn string, in adfs.Account) error {
	switch {
	case s.set.adfs() && (in.Password != "" || in.ImmutableID != ""):
		return wrong("AD FS has no accounts but its domain's: it takes a second factor only.")
	case len(in.Former) > maxUPN:
		return wrong("A user principal name has at most %d characters.", maxUPN)
	case len(in.Password) > maxPasswordSize:
		return wrong("A password has at most %d bytes.", maxPasswordSize)
	case in.TOTPSecret != nil && (len(in.TOTPSecret) < minTOTPSecret || len(in.TOTPSecret) > maxTOTPSecret):
		return wrong("The secret of an authenticator app has %d to %d bytes.", minTOTPSecret, maxTOTPSecret)
	}
	var password *verifier
	if in.Password != "" {
		var err error
		if password, err = newVerifier(s.env.Rand, in.Password); err != nil {
			return err
		}
	}
	return s.env.Section.Update(ctx, func(w providers.Writer) error {
		a, err := get[account](w, tableAccounts, upn)
		if err != nil {
			return err
		}
		if former := strings.ToLower(in.Former); former != "" && former != upn {
			was, err := get[account](w, tableAccounts, former)
			if err != nil {
				return err
			}
			if was != nil && was.ImmutableID == in.ImmutableID { // else this is done already, and the name may be another's
				if err := errors.Join(w.Delete(tableAccounts, former), moveCounts(w, former, upn)); err != nil {
					return err
				}
				a = was
			}
		}
		if a == nil {
			a = &account{}
		}
		a.UPN, a.ImmutableID, a.Name, a.Disabled = upn, in.ImmutableID, in.Name, in.Disabled
		if password != nil && !a.Password.matches(in.Password) {
			a.Password, a.PasswordSet = password, s.env.Now()
		}
		switch {
		case in.TOTPSecret != nil:
			a.TOTP = in.TOTPSecret
		case !in.MFA:
			a.TOTP = nil
		}
		return put(w, tableAccounts, upn, a)
	})
}

// verifier tells a password from another without holding it.
type verifier struct {
	Salt   []byte `json:"salt"`
	Rounds int    `json:"rounds"`
	Hash   []byte `json:"hash"`
}

// passwordRounds is the work of PBKDF2-HMAC-SHA256, which a sign-in pays for.
// The section is sealed at rest besides.
const passwordRounds = 10_000

func newVerifier(rand io.Reader, password string) (*verifier, error) {
	v := &verifier{Salt: make([]byte, 16), Rounds: passwordRounds}
	if _, err := io.ReadFull(rand, v.Salt); err != nil {
		return nil, fmt.Errorf("salt password: %w", err)
	}
	var err error
	v.Hash, err = pbkdf2.Key(sha256.New, password, v.Salt, v.Rounds, sha256.Size)
	return v, err
}

// matches says whether password is the verifier's. None takes as long as any, so
// that time does not tell whether there is an account.
func (v *verifier) matches(password string) bool {
	if len(password) > maxPasswordSize {
		return false
	}
	if v == nil {
		v = &verifier{Salt: make([]byte, 16), Rounds: passwordRounds}
	}
	hash, err := pbkdf2.Key(sha256.New, password, v.Salt, v.Rounds, sha256.Size)
	return err == nil && subtle.ConstantTimeCompare(hash, v.Hash) == 1
}
