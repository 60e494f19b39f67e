// Package filetime is the time of Windows structures: FILETIME (MS-DTYP 2.3.3),
// 100-nanosecond ticks since 1601-01-01 UTC in 64 bits.
package filetime

import "time"

// Never stands for an instant that does not come.
const Never = 0x7FFFFFFFFFFFFFFF

const (
	ticksPerSecond = 10_000_000
	epoch          = 11_644_473_600 // seconds from 1601 to 1970
)

// From returns the ticks of t, cut to 100 ns; 0 for the zero time and for what
// comes before 1601, Never for what comes after the last tick (in 30828).
func From(t time.Time) uint64 {
	s := t.Unix() + epoch
	switch {
	case t.IsZero() || s < 0:
		return 0
	case s >= Never/ticksPerSecond:
		return Never
	}
	return uint64(s)*ticksPerSecond + uint64(t.Nanosecond()/100)
}

// Time returns the instant of ticks, in UTC: the zero time for 0 and for Never
// and beyond, which name none.
func Time(ticks uint64) time.Time {
	if ticks == 0 || ticks >= Never {
		return time.Time{}
	}
	return time.Unix(int64(ticks/ticksPerSecond)-epoch, int64(ticks%ticksPerSecond)*100).UTC()
}
