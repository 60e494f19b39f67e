package eval

import (
	"fmt"
	"slices"
	"strings"
)

// suggest returns ` Did you mean "x"?` for the name nearest to given, or
// nothing when none is near.
func suggest(given string, names []string) string {
	if near := nearest(given, names); near != "" {
		return fmt.Sprintf(" Did you mean %q?", near)
	}
	return ""
}

func nearest(given string, names []string) string {
	best, least := "", 3
	switch {
	case len(given) <= 2:
		return "" // every short name is near
	case len(given) == 3:
		least = 2
	}
	names = slices.Clone(names)
	slices.Sort(names)
	for _, n := range names {
		if d := distance(strings.ToLower(given), strings.ToLower(n), least); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the number of edits (insert, delete, substitute, swap neighbours)
// between a and b, or limit when it is not less.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, cur := rows[(i+2)%3], rows[i%3], rows[(i+1)%3]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
	}
	return min(limit, rows[(len(a)+1)%3][len(b)])
}
