package filetime

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestKnown(t *testing.T) {
	for ticks, text := range map[uint64]string{
		0x01d31c2638f15462: "2017-08-23T15:41:01.3551202Z", // the creation time of a recorded key credential
		116444736000000000: "1970-01-01T00:00:00Z",
		1:                  "1601-01-01T00:00:00.0000001Z",
	} {
		if got := Time(ticks).Format(time.RFC3339Nano); got != text {
			t.Errorf("%d is %s, want %s", ticks, got, text)
		}
		if got := From(Time(ticks)); got != ticks {
			t.Errorf("%d became %d", ticks, got)
		}
	}
	for _, none := range []uint64{0, Never, Never + 1, 1<<64 - 1} {
		if !Time(none).IsZero() {
			t.Errorf("%d is %s", none, Time(none))
		}
	}
	if From(time.Time{}) != 0 || From(time.Date(1600, 12, 31, 0, 0, 0, 0, time.UTC)) != 0 || From(time.Date(40000, 1, 1, 0, 0, 0, 0, time.UTC)) != Never {
		t.Error("what lies outside must be 0 or Never")
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := rapid.Uint64Range(1, Never-ticksPerSecond).Draw(t, "ticks")
		if got := From(Time(ticks)); got != ticks {
			t.Fatalf("%d became %s, then %d", ticks, Time(ticks), got)
		}
	})
}
