package entra

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/attest"
)

// A nonce is stateless until it is used: the tenant's MAC over its purpose and
// birth says that the tenant made it and when. A million unanswered ones cost
// nothing. Used ones are remembered until they would have expired.
//
//	offset  size  field
//	0       1     version, 3
//	1       1     purpose
//	2       8     birth, Unix milliseconds, big-endian
//	10      16    random
//	26      16    HMAC-SHA256 over the above, cut
type noncePurpose byte

const (
	nonceSignIn noncePurpose = 1 // token service
	nonceAttest noncePurpose = 2 // registration service: key attestation
	noncePhone  noncePurpose = 3 // second factor: calls of an authenticator app

	nonceVersion = 3
	nonceBody    = 26
	nonceSize    = 42
)

var (
	errNonceForeign = errors.New("the nonce was not issued here")
	errNonceExpired = errors.New("the nonce has expired")
	errNonceUsed    = errors.New("the nonce was used before")
)

func (s *server) newNonce(p noncePurpose) (string, error) {
	b := make([]byte, nonceBody, nonceSize)
	b[0], b[1] = nonceVersion, byte(p)
	binary.BigEndian.PutUint64(b[2:], uint64(s.env.Now().UnixMilli()))
	if _, err := io.ReadFull(s.env.Rand, b[10:]); err != nil {
		return "", fmt.Errorf("make nonce: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(b, nonceMAC(s.nonceKey, b)...)), nil
}

func nonceMAC(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return mac.Sum(nil)[:nonceSize-nonceBody]
}

// madeNonce says whether this tenant, or the front it answers behind, made b.
func (s *server) madeNonce(b []byte) bool {
	for _, key := range [][]byte{s.nonceKey, s.frontKey} {
		if key != nil && hmac.Equal(b[nonceBody:], nonceMAC(key, b[:nonceBody])) {
			return true
		}
	}
	return false
}

func (s *server) nonceLife(p noncePurpose) time.Duration {
	if p == nonceAttest {
		return attest.NonceLife
	}
	return s.cfg.Lifetimes.Nonce
}

// nonceExpiry checks form, origin, purpose and life, and returns when the
// nonce ends. It does not use the nonce up.
func (s *server) nonceExpiry(p noncePurpose, text string) (time.Time, error) {
	// A line end, which the decoder passes over, would make two texts of one nonce.
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(b) != nonceSize || b[0] != nonceVersion || b[1] != byte(p) || !s.madeNonce(b) {
		return time.Time{}, errNonceForeign
	}
	born := time.UnixMilli(int64(binary.BigEndian.Uint64(b[2:])))
	now := s.env.Now()
	expiry := born.Add(s.nonceLife(p))
	if now.After(expiry) || born.After(now.Add(maxSkew)) {
		return time.Time{}, errNonceExpired
	}
	return expiry, nil
}

// useNonces uses each distinct nonce up. Of any number of callers with one
// nonce, one succeeds.
func (s *server) useNonces(ctx context.Context, p noncePurpose, nonces ...string) error {
	expiries := map[string]time.Time{}
	for _, n := range nonces {
		expiry, err := s.nonceExpiry(p, n)
		if err != nil {
			return err
		}
		expiries[n] = expiry
	}
	return s.env.Section.Record(ctx, func(w providers.Writer) error {
		for n, expiry := range expiries {
			if fresh, err := s.use(w, "nonce", n, expiry); err != nil {
				return err
			} else if !fresh {
				return errNonceUsed
			}
		}
		return nil
	})
}

// purgeBatch is how many expired entries a use removes at most: the set shrinks
// faster than it grows, and no request pays for all.
const purgeBatch = 8

// use marks the text of a kind as used until expiry and says whether it was
// not before. The key begins with the expiry, so that the oldest come first.
func (s *server) use(w providers.Writer, kind, text string, expiry time.Time) (bool, error) {
	sum := sha256.Sum256([]byte(kind + "\x00" + text))
	key := fmt.Sprintf("%012d/%s", expiry.Unix(), hex.EncodeToString(sum[:16]))
	if _, used, err := w.Get(tableUsed, key); err != nil || used {
		return false, err
	}
	if err := s.purgeUsed(w); err != nil {
		return false, err
	}
	return true, w.Put(tableUsed, key, []byte{1})
}

var errEnough = errors.New("enough")

func (s *server) purgeUsed(w providers.Writer) error {
	limit := fmt.Sprintf("%012d/", s.env.Now().Add(-time.Second).Unix())
	var old []string
	err := w.Scan(tableUsed, "", func(key string, _ []byte) error {
		if key >= limit || len(old) == purgeBatch {
			return errEnough
		}
		old = append(old, key)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	for _, key := range old {
		if err := w.Delete(tableUsed, key); err != nil {
			return err
		}
	}
	return nil
}

// useOnce is use in a transaction of its own.
func (s *server) useOnce(ctx context.Context, kind, text string, expiry time.Time) (first bool, err error) {
	err = s.env.Section.Record(ctx, func(w providers.Writer) (err error) {
		first, err = s.use(w, kind, text, expiry)
		return err
	})
	return first, err
}
