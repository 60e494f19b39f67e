package kdc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pkinit"
)

// freshness makes and checks freshness tokens (RFC 8070):
//
//	0  8   nanoseconds since 1970, big-endian
//	8  32  HMAC-SHA-256 over the first 8 bytes
//
// A token proves that its sender held the private key after the time in it: an
// AuthPack signed beforehand cannot hold it. It is bound to nothing else.
type freshness struct{ key []byte }

// freshFor is how old a token may be. Windows' is at least as patient.
const freshFor = 15 * time.Minute

func (f freshness) mac(stamp []byte) []byte {
	h := hmac.New(sha256.New, f.key)
	h.Write([]byte("freshness token"))
	h.Write(stamp)
	return h.Sum(nil)
}

func (f freshness) issue(now time.Time) []byte {
	stamp := binary.BigEndian.AppendUint64(nil, uint64(now.UnixNano()))
	return append(stamp, f.mac(stamp)...)
}

// check refuses a token that is not ours as modified, and one that is too old
// or of the future as expired. Fault 61.
func (f freshness) check(token []byte, now time.Time) error {
	if len(token) != 8+sha256.Size || !hmac.Equal(f.mac(token[:8]), token[8:]) {
		return krb.NewError(krb.ErrModified, "The freshness token is not one of this domain's.")
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(token)))
	if age := now.Sub(at); age < 0 || age > freshFor {
		return krb.NewError(krb.ErrPreauthExpired, "The freshness token is not of the last %d minutes.", int(freshFor/time.Minute))
	}
	return nil
}

// fresh says whether a request proves that its key was at hand just now.
func (p *PKINIT) fresh(token []byte, now time.Time) (bool, error) {
	if token == nil {
		if p.Policy.RequireFreshness {
			return false, krb.NewError(krb.ErrPreauthFailed, "The domain requires a freshness token, and the request has none.")
		}
		return false, nil
	}
	return true, p.tokens.check(token, now)
}

// replayID is what RFC 4556 3.2.2 asks a KDC to remember of an AuthPack: time
// and nonce, of one account.
func replayID(account *Account, a *pkinit.AuthPack) []byte {
	id := append([]byte("pkinit"), account.SID.Bytes()...)
	id = binary.BigEndian.AppendUint64(id, uint64(a.Time.UnixMicro()))
	return binary.BigEndian.AppendUint32(id, a.Nonce)
}

// keyCache keeps one Diffie-Hellman key for each group for a while.
type keyCache struct {
	mu   sync.Mutex
	keys map[*pkinit.Group]cachedKey
}

type cachedKey struct {
	key   *pkinit.PrivateKey
	until time.Time
}

// get returns the key of a group and the time until which it serves. A clock
// that was set back does not prolong its life.
func (c *keyCache) get(g *pkinit.Group, now time.Time, life time.Duration, rand io.Reader) (*pkinit.PrivateKey, time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.keys[g]; ok && now.Before(k.until) && k.until.Sub(now) <= life {
		return k.key, k.until, nil
	}
	key, err := g.GenerateKey(rand)
	if err != nil {
		return nil, time.Time{}, err
	}
	if c.keys == nil {
		c.keys = map[*pkinit.Group]cachedKey{}
	}
	k := cachedKey{key, now.Add(life)}
	c.keys[g] = k
	return k.key, k.until, nil
}
