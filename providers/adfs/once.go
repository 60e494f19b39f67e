package adfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
)

// purgeBatch is how many entries that are over a use removes at most: a set
// shrinks faster than it grows, and no request pays for all.
const purgeBatch = 8

// useOnce marks the text of a kind as used until expiry, and says whether it was
// not before. The key begins with the expiry, so that the oldest come first.
func (s *server) useOnce(ctx context.Context, kind, text string, expiry time.Time) (first bool, err error) {
	sum := sha256.Sum256([]byte(kind + "\x00" + text))
	key := fmt.Sprintf("%012d/%s", expiry.Unix(), hex.EncodeToString(sum[:16]))
	err = s.env.Section.Record(ctx, func(w providers.Writer) error {
		_, used, err := w.Get(tableUsed, key)
		if first = !used; err != nil || used {
			return err
		}
		limit := fmt.Sprintf("%012d/", s.env.Now().Add(-time.Second).Unix())
		if err := purge(w, tableUsed, func(key string, _ []byte) (over, last bool) { return key < limit, key >= limit }); err != nil {
			return err
		}
		return w.Put(tableUsed, key, []byte{1})
	})
	return first, err
}

var errEnough = errors.New("enough")

// purge removes entries that are over, a few at a time, the first keys first.
func purge(w providers.Writer, table string, over func(key string, value []byte) (over, last bool)) error {
	var old []string
	seen := 0
	err := w.Scan(table, "", func(key string, value []byte) error {
		is, last := over(key, value)
		if is {
			old = append(old, key)
		}
		if seen++; last || len(old) == purgeBatch || seen > 2*purgeBatch {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	for _, key := range old {
		if err := w.Delete(table, key); err != nil {
			return err
		}
	}
	return nil
}

// guesses counts the wrong guesses in a row at one secret of an account.
type guesses struct {
	Failures int       `json:"failures"`
	Until    time.Time `json:"until,omitzero"`
}

// Secrets at which guesses are counted.
const (
	secretPassword = "pwd"
	secretCode     = "otp"
)

func guessKey(secret, upn string) string { return strings.ToLower(upn) + "/" + secret }

// guess counts a guess at one secret of an account as a wrong one, before it is
// looked at: of any number at once no more than maxGuesses are looked at. forget
// takes a right one back. Locked says that this one is not to be looked at.
func (s *server) guess(ctx context.Context, secret, upn string) (locked bool, err error) {
	err = s.env.Section.Record(ctx, func(w providers.Writer) error {
		g, err := get[guesses](w, tableGuesses, guessKey(secret, upn))
		if err != nil {
			return err
		}
		if g == nil {
			g = &guesses{}
		}
		if locked = s.env.Now().Before(g.Until); locked {
			return nil
		}
		if g.Failures++; g.Failures >= maxGuesses {
			g.Until = s.env.Now().Add(guessLock)
		}
		return put(w, tableGuesses, guessKey(secret, upn), g)
	})
	return locked, err
}

// forget forgets wrong guesses, if there were any.
func (s *server) forget(ctx context.Context, secret, upn string) error {
	var any bool
	err := s.env.Section.View(func(r providers.Reader) (err error) {
		_, any, err = r.Get(tableGuesses, guessKey(secret, upn))
		return err
	})
	if err != nil || !any {
		return err
	}
	return s.env.Section.Record(ctx, func(w providers.Writer) error { return w.Delete(tableGuesses, guessKey(secret, upn)) })
}

// counts are where what is counted of an account lies: wrong guesses, and the codes
// that were used.
func counts(upn string) [][2]string {
	return [][2]string{{tableGuesses, guessKey(secretPassword, upn)}, {tableGuesses, guessKey(secretCode, upn)}, {tableOATH, strings.ToLower(upn)}}
}

// moveCounts takes what is counted of an account to its new name; what was counted
// under that name was another's.
func moveCounts(w providers.Writer, former, upn string) error {
	to := counts(upn)
	for i, from := range counts(former) {
		value, held, err := w.Get(from[0], from[1])
		if err != nil {
			return err
		}
		if err := w.Delete(to[i][0], to[i][1]); err != nil {
			return err
		}
		if !held {
			continue
		}
		if err := errors.Join(w.Put(to[i][0], to[i][1], value), w.Delete(from[0], from[1])); err != nil {
			return err
		}
	}
	return nil
}

// deleteAccount deletes what the service holds of an account: who gets its name
// begins with nothing.
func (s *server) deleteAccount(ctx context.Context, upn string) error {
	return s.env.Section.Update(ctx, func(w providers.Writer) error {
		err := w.Delete(tableAccounts, upn)
		for _, at := range counts(upn) {
			err = errors.Join(err, w.Delete(at[0], at[1]))
		}
		return err
	})
}
