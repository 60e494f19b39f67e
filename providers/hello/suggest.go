package hello

import (
	"strconv"
	"strings"
)

// Nearest returns the word of known that value was probably meant to be, or
// "" when none is close: at most a third of its letters may differ.
func Nearest(value string, known []string) string {
	best, limit := "", 0
	for _, word := range known {
		d := distance(strings.ToLower(value), word)
		if d <= max(1, len(word)/3) && (best == "" || d < limit) {
			best, limit = word, d
		}
	}
	return best
}

// distance is the number of single-byte edits between a and b, a swap of
// neighbours counting as one (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return strings.Join(quoted, ", ")
}
