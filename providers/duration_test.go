package providers_test

import (
	"testing"
	"time"

	"hellolab/providers"
)

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "30m": 30 * time.Minute, "1h30m": 90 * time.Minute,
		"14d": 14 * 24 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "1.5h": 90 * time.Minute, "106751d": 106751 * 24 * time.Hour,
	} {
		if got, err := providers.ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %s, %v, want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "d", "5", "-5m", "+5m", "-1d", "+1d", "1d-1h", "1d+1h", "1.5d", "1h1d", "1d1d", "5 m", "soon", "1w", "106752d", "106751d24h", "99999999999999999999d", "2540400h1ns1d"} {
		if got, err := providers.ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %s", s, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "1ns": 1, "10s": 10 * time.Second, "5m": 5 * time.Minute, "1h": time.Hour, "1h30m": 90 * time.Minute,
		"1h0m5s": time.Hour + 5*time.Second, "14d": 14 * 24 * time.Hour, "36h": 36 * time.Hour, "10h": 10 * time.Hour, "10m": 10 * time.Minute,
	} {
		if got := providers.FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%s) = %q, want %q", d, got, want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"14d", "1d12h", "90s", "1.5h", "-1s", "d", "106751d23h", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := providers.ParseDuration(s)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q is %d, below zero", s, d)
		}
		if again, err := providers.ParseDuration(providers.FormatDuration(d)); err != nil || again != d {
			t.Fatalf("%q is %s, written %q, read %s, %v", s, d, providers.FormatDuration(d), again, err)
		}
	})
}
