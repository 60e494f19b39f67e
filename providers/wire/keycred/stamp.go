package keycred

import (
	"errors"
	"fmt"
	"time"

	"hellolab/providers/wire/filetime"
)

// Stamp is a time as it stands in the entry. Its meaning hangs on the source of
// the key: FILETIME from Active Directory, .NET's DateTime.ToBinary from Entra
// ID (the low 62 bits count 100 ns since 0001-01-01, the upper two say of which
// kind the time is; all kinds are written in UTC).
type Stamp uint64

const (
	dotnetTicks = 1<<62 - 1
	dotnetUTC   = 1 << 62
	dotnet1601  = 504_911_232_000_000_000 // ticks from 0001-01-01 to 1601-01-01

	// neverLoggedOn is what Entra ID writes for a last logon: eight hours
	// after the beginning of time.
	neverLoggedOn Stamp = 0x400000430E234000
)

// StampOf returns the stamp of t, cut to 100 ns, for keys from source.
func StampOf(t time.Time, source Source) Stamp {
	ticks := filetime.From(t)
	if source == SourceAzureAD {
		return Stamp(min(ticks, dotnetTicks-dotnet1601) + dotnet1601 | dotnetUTC)
	}
	return Stamp(ticks)
}

// Time returns the instant in UTC: the zero time for what names none, as
// everything before 1601 does.
func (s Stamp) Time(source Source) time.Time {
	if source != SourceAzureAD {
		return filetime.Time(uint64(s))
	}
	ticks := uint64(s) & dotnetTicks
	if ticks <= dotnet1601 {
		return time.Time{}
	}
	return filetime.Time(ticks - dotnet1601)
}

// CreatedTime returns when the key was made; zero when that is not said.
func (k *Key) CreatedTime() time.Time { return k.time(k.Created) }

// LastLogonTime returns when the key was used last; zero when that is not said.
func (k *Key) LastLogonTime() time.Time { return k.time(k.LastLogon) }

func (k *Key) time(s *Stamp) time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.Time(k.Source)
}

// ErrFuture is wrapped by the error of CheckTimes.
var ErrFuture = errors.New("the key credential is of the future")

// skew is how far the clocks of a domain may be apart.
const skew = 5 * time.Minute

// CheckTimes refuses a key that was made, or used, more than five minutes after
// now.
func (k *Key) CheckTimes(now time.Time) error {
	for _, e := range []struct {
		what string
		at   time.Time
	}{{"made", k.CreatedTime()}, {"last used", k.LastLogonTime()}} {
		if e.at.After(now.Add(skew)) {
			return fmt.Errorf("%w: %s %s", ErrFuture, e.what, e.at.Format(time.RFC3339))
		}
	}
	return nil
}
