package entra

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/phs"
)

// passwordRounds is the work of PBKDF2-HMAC-SHA256 for a new verifier: what
// Entra ID keeps of a password that Entra Connect synchronizes (Microsoft, "How
// password hash synchronization works"). The section is sealed at rest besides,
// and each sign-in with a password pays for the work, 0.2 ms of a core. The
// number is kept with the verifier.
const passwordRounds = 1_000

const (
	saltSize        = 16
	maxPasswordSize = 256 // of Entra ID; bounds the work a peer can ask for
)

// verifier tells a password from another without holding it.
type verifier struct {
	Salt   []byte `json:"salt"`
	Rounds int    `json:"rounds"`
	Hash   []byte `json:"hash"`
	NT     bool   `json:"nt,omitempty"` // Connect made it, of the NT hash (package phs)
}

func newVerifier(rand io.Reader, password string) (*verifier, error) {
	v := &verifier{Salt: make([]byte, saltSize), Rounds: passwordRounds}
	if _, err := io.ReadFull(rand, v.Salt); err != nil {
		return nil, fmt.Errorf("salt password: %w", err)
	}
	var err error
	v.Hash, err = pbkdf2.Key(sha256.New, password, v.Salt, v.Rounds, sha256.Size)
	return v, err
}

// matches says whether password is the verifier's.
func (v *verifier) matches(password string) bool {
	if v == nil || len(password) > maxPasswordSize {
		return false
	}
	if v.NT {
		return (&phs.Credential{Salt: v.Salt, Rounds: v.Rounds, Hash: v.Hash}).Matches(password)
	}
	hash, err := pbkdf2.Key(sha256.New, password, v.Salt, v.Rounds, sha256.Size)
	return err == nil && subtle.ConstantTimeCompare(hash, v.Hash) == 1
}

// Lock-out, after Entra ID's smart lockout: ten wrong guesses lock for a minute,
// each further one for twice as long. Guesses are counted apart for each place:
// for each registered device that proves itself, and for everywhere else; so a
// stranger who guesses does not lock the owner out of her own device. The same
// wrong guess again does not count, so neither does a stale saved password.
const (
	maxGuesses  = 10
	firstLock   = time.Minute
	longestLock = 24 * time.Hour
	keptDigests = 3
)

// guesses counts the wrong guesses at one secret from one place.
type guesses struct {
	Failures int       `json:"failures"`
	Until    time.Time `json:"until,omitzero"`
	Last     []uint32  `json:"last,omitempty"` // keyed digests, cut: they recognize, and confirm nothing
}

// guessKey names a place: secret is "pwd", "otp" or "push", from is a device id or "".
func guessKey(userID, secret, from string) string { return userID + "/" + secret + "/" + from }

// locked says whether guessing is locked at the moment.
func (s *server) locked(key string) (locked bool, err error) {
	err = s.env.Section.View(func(r providers.Reader) error {
		locked, err = s.lockedIn(r, key)
		return err
	})
	return locked, err
}

// lockedIn is locked in a transaction.
func (s *server) lockedIn(r providers.Reader, key string) (bool, error) {
	g, err := get[guesses](r, tableGuesses, key)
	if err != nil {
		return false, ignoreNotFound(err)
	}
	return s.env.Now().Before(g.Until), nil
}

func (s *server) digest(guess string) uint32 {
	mac := hmac.New(sha256.New, s.guessKey)
	mac.Write([]byte(guess))
	sum := mac.Sum(nil)
	return uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
}

// failed counts a wrong guess.
func (s *server) failed(ctx context.Context, key, guess string) error {
	return s.env.Section.Record(ctx, func(w providers.Writer) error { return s.failedIn(w, key, guess) })
}

// failedIn is failed in a transaction.
func (s *server) failedIn(w providers.Writer, key, guess string) error {
	digest := s.digest(guess)
	g, err := get[guesses](w, tableGuesses, key)
	if err := ignoreNotFound(err); err != nil {
		return err
	}
	if g == nil {
		g = &guesses{}
	}
	if slices.Contains(g.Last, digest) {
		return nil
	}
	if g.Last = append(g.Last, digest); len(g.Last) > keptDigests {
		g.Last = g.Last[1:]
	}
	g.Failures++
	if over := g.Failures - maxGuesses; over >= 0 {
		lock := longestLock
		if over < 10 {
			lock = min(lock, firstLock<<over)
		}
		g.Until = s.env.Now().Add(lock)
	}
	return put(w, tableGuesses, key, g)
}

// succeeded forgets wrong guesses, if there were any.
func (s *server) succeeded(ctx context.Context, key string) error {
	var any bool
	err := s.env.Section.View(func(r providers.Reader) error {
		var err error
		_, any, err = r.Get(tableGuesses, key)
		return err
	})
	if err != nil || !any {
		return err
	}
	return s.env.Section.Record(ctx, func(w providers.Writer) error { return w.Delete(tableGuesses, key) })
}

// checkPassword signs a user in with name and password. from is the device
// that proved itself, or "".
func (s *server) checkPassword(ctx context.Context, upn, password, from string) (*user, error) {
	u, err := s.user(upn)
	if err != nil {
		return nil, err
	}
	if s.cfg.federated() { // whatever the tenant holds of a password
		e := oauth.NewError(oauth.InvalidUserNameOrPassword, "The domain of the user is federated: the tenant checks no password of its users.")
		e.Hint = "Sign in at the federation service, and bring its assertion."
		return nil, e
	}
	key := guessKey(u.ID, "pwd", from)
	if locked, err := s.locked(key); err != nil {
		return nil, err
	} else if locked {
		return nil, oauth.NewError(oauth.IDSLocked)
	}
	if !u.Password.matches(password) {
		if err := s.failed(ctx, key, password); err != nil {
			return nil, err
		}
		return nil, oauth.NewError(oauth.InvalidUserNameOrPassword)
	}
	if err := s.succeeded(ctx, key); err != nil {
		return nil, err
	}
	// After the password, so that a guesser does not learn it.
	if !u.Enabled {
		return nil, oauth.NewError(oauth.UserDisabled)
	}
	return u, nil
}

// user finds an account by name or refuses.
func (s *server) user(upn string) (u *user, err error) {
	err = s.env.Section.View(func(r providers.Reader) error {
		u, err = userByUPN(r, upn)
		return err
	})
	if errors.Is(err, errNotFound) {
		return nil, oauth.NewError(oauth.UserAccountNotFound)
	}
	return u, err
}

func ignoreNotFound(err error) error {
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}
