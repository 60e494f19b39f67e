package wstrust

import (
	"strconv"
	"time"
)

// minutes writes a duration as wfresh does.
func minutes(d time.Duration) string { return strconv.Itoa(int(d / time.Minute)) }

func parseMinutes(text string) (time.Duration, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<20 {
		return 0, malformed("wfresh is no number of minutes")
	}
	return time.Duration(n) * time.Minute, nil
}
