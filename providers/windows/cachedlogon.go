package windows

import (
	"cmp"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/position"
)

// cachedLogon is what LSASS keeps of a user's last sign-in to the domain, to
// sign them in where no controller is in sight. It proves nothing to anybody
// else.
type cachedLogon struct {
	At       time.Time   `json:"at"`
	KeyID    string      `json:"key_id,omitempty"`   // kid of the Hello key, which its gesture releases
	Trust    hello.Trust `json:"trust,omitempty"`    // by which the key was proven; "" for key trust
	Salt     []byte      `json:"salt,omitempty"`     // of a password's verifier
	Verifier []byte      `json:"verifier,omitempty"` // PBKDF2-HMAC-SHA-256 of the password
}

// shown is what a user shows at the lock screen: a key or a password.
type shown struct {
	kid      string // of the Hello key; "" with a password
	trust    hello.Trust
	password providers.Secret
}

// credential is what a cached logon of it is kept by.
func (s shown) credential() string {
	if s.kid == "" {
		return byPassword
	}
	return byHello
}

// shows is what the user signs in with.
func (s *signingIn) shows() shown {
	if s.released == nil {
		return shown{password: s.request.Password}
	}
	return shown{kid: s.kid, trust: s.route.Trust}
}

// Windows' own verifier is PBKDF2 with 10240 rounds over another hash; nobody
// but the machine ever sees either.
const (
	verifierRounds = 10240
	verifierSize   = 32
)

func verifier(password providers.Secret, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, string(password), salt, verifierRounds, verifierSize)
}

// proves reports whether the sign-in at hand shows what the cached one showed. A
// key that is to be proven by another trust than it was is not known by this one:
// a controller must see it first ("Cloud Kerberos trust", migration).
func (c cachedLogon) proves(s shown) (bool, error) {
	if c.KeyID != "" {
		return s.kid != "" && cmp.Or(c.Trust, hello.KeyTrust) == s.trust && subtle.ConstantTimeCompare([]byte(s.kid), []byte(c.KeyID)) == 1, nil
	}
	v, err := verifier(s.password, c.Salt)
	return err == nil && len(s.password) > 0 && subtle.ConstantTimeCompare(v, c.Verifier) == 1, err
}

// cacheLogon keeps a sign-in that the domain took, and drops the oldest of
// users that are too many.
func (m *machine) cacheLogon(ctx context.Context, user person, by shown, domain spec.Domain) error {
	c, err := m.logonBy(by)
	if err != nil {
		return err
	}
	return m.env.Section.Record(ctx, func(w providers.Writer) error {
		if domain.CachedLogons == 0 {
			return dropCachedLogons(w, 0)
		}
		return errors.Join(put(w, tableCached, user.sid+"|"+by.credential(), c), dropCachedLogons(w, domain.CachedLogons))
	})
}

// logonBy is what is kept of a sign-in now.
func (m *machine) logonBy(by shown) (c cachedLogon, err error) {
	c = cachedLogon{At: m.env.Now(), KeyID: by.kid, Trust: by.trust}
	if by.kid != "" {
		return c, nil
	}
	if c.Salt, err = random(m.env, 16); err == nil {
		c.Verifier, err = verifier(by.password, c.Salt)
	}
	return c, err
}

// dropCachedLogons leaves those of the users who signed in last.
func dropCachedLogons(w providers.Writer, leave int) error {
	last := map[string]time.Time{} // by SID
	var keys []string
	err := w.Scan(tableCached, "", func(key string, _ []byte) error {
		c, _, err := load[cachedLogon](w, tableCached, key)
		sid, _, _ := strings.Cut(key, "|")
		if c.At.After(last[sid]) {
			last[sid] = c.At
		}
		keys = append(keys, key)
		return err
	})
	if err != nil || len(last) <= leave {
		return err
	}
	var users []string
	for sid := range last {
		users = append(users, sid)
	}
	slices.SortFunc(users, func(a, b string) int { return last[b].Compare(last[a]) })
	for _, key := range keys {
		if sid, _, _ := strings.Cut(key, "|"); !slices.Contains(users[:leave], sid) {
			err = errors.Join(err, w.Delete(tableCached, key))
		}
	}
	return err
}

// outOfSight says whether what went wrong is that no controller is in sight.
func outOfSight(err error) bool {
	var far *position.NoLineOfSight
	var refusal *kerberos.Error
	return errors.As(err, &far) || errors.As(err, &refusal) && refusal.OutOfSight()
}

// byCachedLogon signs the user in by the last sign-in that LSASS kept. cause is
// why the domain was not asked.
func (s *signingIn) byCachedLogon(domain spec.Domain, cause error) error {
	return s.cachedSignIn(s.trace, s.user, s.shows(), domain, cause)
}

// cachedSignIn signs a user in by the last sign-in that LSASS kept of what they show.
func (m *machine) cachedSignIn(t *trace, user person, by shown, domain spec.Domain, cause error) error {
	credential := by.credential()
	refused := func(err error) error {
		t.refused(event.LSASS, event.Winlogon, local, "cached_logon_refused", "LSASS has no cached logon that signs the user in.", err)
		return err
	}
	c, ok, err := view[cachedLogon](m.env.Section, tableCached, user.sid+"|"+credential)
	if err != nil {
		return err
	}
	if !ok {
		return refused(refuse("cached_logon_missing", cause))
	}
	if age := m.env.Now().Sub(c.At); domain.ForceNetwork > 0 && age > domain.ForceNetwork {
		return refused(because("network_logon_forced", cause, "No controller is reached, and the sign-in that the device keeps is %s old; the domain allows %s.",
			providers.FormatDuration(age.Round(time.Second)), providers.FormatDuration(domain.ForceNetwork)))
	}
	proven, err := c.proves(by)
	if err != nil {
		return err
	}
	if !proven {
		if credential == byPassword {
			return refused(because("wrong_password_in_domain", cause, "The password is not that of the last sign-in that %s keeps of %s.", m.addr, user.addr))
		}
		return refused(refuse("cached_logon_missing", cause))
	}
	t.step(event.LSASS, event.Winlogon, local, "cached_logon", "No controller is in sight: LSASS signs the user in by the logon that it cached.", message{"cached": c.At, "credential": credential})
	return nil
}
