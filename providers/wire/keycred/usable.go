package keycred

import (
	"fmt"
	"time"
)

// Skipped is a value of an account that Usable left out.
type Skipped struct {
	Index int // among the values
	Err   error
}

func (s Skipped) Error() string {
	return fmt.Sprintf("key credential %d is left out: %v", s.Index, s.Err)
}
func (s Skipped) Unwrap() error { return s.Err }

// Usable returns the keys that an account may sign in with: those of usage NGC
// among its values. A value that is malformed, of the future or holds no
// readable key is skipped and told of; one of another usage is passed over
// silently. Weak keys are returned: what to do about them is the policy of the
// domain (Weaknesses).
func Usable(values [][]byte, now time.Time) (keys []Key, skipped []Skipped) {
	for i, b := range values {
		k, err := Parse(b)
		if err == nil && k.Usage != UsageNGC {
			continue
		}
		if err == nil {
			err = k.CheckTimes(now)
		}
		if err == nil {
			_, err = k.PublicKey()
		}
		if err != nil {
			skipped = append(skipped, Skipped{i, err})
			continue
		}
		keys = append(keys, k)
	}
	return keys, skipped
}
