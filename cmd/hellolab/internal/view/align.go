package view

import "github.com/zclconf/go-cty/cty"

// pair is a line of an alignment: the indexes in the old and the new
// sequence, -1 where there is none.
type pair struct{ old, new int }

// maxAlign bounds the table of an alignment; longer differences are shown as
// removal and addition.
const maxAlign = 1 << 20

// align lines up two sequences: equal elements by their longest common
// subsequence, and neighbouring removals and additions of containers with
// each other, so that their own difference can be shown.
func align(old, new []cty.Value) []pair {
	var head, tail []pair
	for len(head) < len(old) && len(head) < len(new) && old[len(head)].RawEquals(new[len(head)]) {
		head = append(head, pair{len(head), len(head)})
	}
	from := len(head)
	i, j := len(old), len(new)
	for i > from && j > from && old[i-1].RawEquals(new[j-1]) {
		i, j = i-1, j-1
	}
	for k := 0; i+k < len(old); k++ {
		tail = append(tail, pair{i + k, j + k})
	}
	mid := subsequence(old[from:i], new[from:j])
	for k := range mid {
		if mid[k].old >= 0 {
			mid[k].old += from
		}
		if mid[k].new >= 0 {
			mid[k].new += from
		}
	}
	return append(append(head, couple(mid, old, new)...), tail...)
}

// subsequence aligns by dynamic programming: lcs[i][j] is the length of the
// longest common subsequence of old[i:] and new[j:].
func subsequence(old, new []cty.Value) []pair {
	var out []pair
	if len(old)*len(new) > maxAlign {
		for i := range old {
			out = append(out, pair{i, -1})
		}
		for j := range new {
			out = append(out, pair{-1, j})
		}
		return out
	}
	lcs := make([][]int, len(old)+1)
	for i := range lcs {
		lcs[i] = make([]int, len(new)+1)
	}
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(new) - 1; j >= 0; j-- {
			if old[i].RawEquals(new[j]) {
				lcs[i][j] = lcs[i+1][j+1] + 1
			} else {
				lcs[i][j] = max(lcs[i+1][j], lcs[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(old) || j < len(new) {
		switch {
		case i < len(old) && j < len(new) && old[i].RawEquals(new[j]):
			out = append(out, pair{i, j})
			i, j = i+1, j+1
		case j == len(new) || i < len(old) && lcs[i+1][j] >= lcs[i][j+1]:
			out = append(out, pair{i, -1})
			i++
		default:
			out = append(out, pair{-1, j})
			j++
		}
	}
	return out
}

// couple joins each run of removals with the additions that follow it, as far
// as both are containers.
func couple(in []pair, old, new []cty.Value) []pair {
	var out []pair
	for k := 0; k < len(in); {
		if in[k].old < 0 || in[k].new >= 0 {
			out = append(out, in[k])
			k++
			continue
		}
		gone := k
		for k < len(in) && in[k].new < 0 {
			k++
		}
		come := k
		for k < len(in) && in[k].old < 0 {
			k++
		}
		n := 0
		for gone+n < come && come+n < k && isMapping(old[in[gone+n].old]) && isMapping(new[in[come+n].new]) {
			out = append(out, pair{in[gone+n].old, in[come+n].new})
			n++
		}
		out = append(out, in[gone+n:come]...)
		out = append(out, in[come+n:k]...)
	}
	return out
}
