package providers

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	day         = 24 * time.Hour
	notDuration = "is not a duration such as \"90s\", \"30m\", \"4h\" or \"14d\""
)

// ParseDuration reads a duration as the language writes it: whole days, then
// Go's syntax: "14d", "1d12h", "30m", "1h30m". Negative ones are refused.
func ParseDuration(s string) (time.Duration, error) {
	wrong := fmt.Errorf("%q %s", s, notDuration)
	days, rest, found := strings.Cut(s, "d")
	var d time.Duration
	if found {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n > uint64((1<<63-1)/day) {
			return 0, wrong
		}
		d = time.Duration(n) * day
		if rest == "" {
			return d, nil
		}
	} else {
		rest = s
	}
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, wrong
	}
	part, err := time.ParseDuration(rest)
	if err != nil || d+part < d {
		return 0, wrong
	}
	return d + part, nil
}

// FormatDuration writes d in the shortest form that ParseDuration reads:
// "14d", "36h", "1h30m", "5m".
func FormatDuration(d time.Duration) string {
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
