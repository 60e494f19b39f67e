package ldapd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hellolab/providers/wire/ldapmsg"
)

// Selection is which attributes a search wants (RFC 4511 4.5.1.8).
type Selection struct {
	user        bool // "*", or nothing was named
	operational bool // "+"
	named       []wanted
	all         int // how many of named come before "*"
}

// wanted is an attribute asked for by name.
type wanted struct {
	name    string // in lower case, without options
	options string // as they go into the answer: ";binary"
	ranged  bool
	low     int
	high    int // -1: to the end
}

// Select reads the list of a search.
func Select(attributes []string) Selection {
	if len(attributes) == 0 {
		return Selection{user: true}
	}
	var s Selection
	for _, a := range attributes {
		switch a {
		case "*":
			if !s.user {
				s.user, s.all = true, len(s.named)
			}
		case "+":
			s.operational = true
		case "1.1": // none, unless others are named, too
		default:
			w, ok := want(a)
			same := func(o wanted) bool { return o.name == w.name }
			if ok && len(s.named) < maxWanted && !slices.ContainsFunc(s.named, same) {
				s.named = append(s.named, w)
			}
		}
	}
	return s
}

// maxWanted bounds the attributes that a search names; every entry is looked
// through for each.
const maxWanted = 1000

// want reads a description with the options binary and range (MS-ADTS
// 3.1.1.3.1.3.3). One with others names nothing that a domain has.
func want(description string) (wanted, bool) {
	name, options, _ := strings.Cut(description, ";")
	w := wanted{name: strings.ToLower(name), high: -1}
	for option := range strings.SplitSeq(options, ";") {
		lower := strings.ToLower(option)
		bounds, ranged := strings.CutPrefix(lower, "range=")
		switch {
		case lower == "":
		case lower == "binary":
			w.options = ";binary"
		case ranged && !w.ranged:
			low, high, ok := strings.Cut(bounds, "-")
			var err1, err2 error
			w.ranged = true
			w.low, err1 = strconv.Atoi(low)
			if high != "*" {
				w.high, err2 = strconv.Atoi(high)
			}
			if !ok || err1 != nil || err2 != nil || w.low < 0 || (high != "*" && w.high < w.low) {
				return wanted{}, false
			}
		default:
			return wanted{}, false
		}
	}
	return w, name != ""
}

// Wants says whether an attribute would be shown, by its name in any letter
// case.
func (s Selection) Wants(name string, operational bool) bool {
	if (operational && s.operational) || (!operational && s.user) {
		return true
	}
	return s.Named(name)
}

// Named says whether an attribute was asked for by its name.
func (s Selection) Named(name string) bool {
	return slices.ContainsFunc(s.named, func(w wanted) bool { return strings.EqualFold(w.name, name) })
}

// apply returns the attributes to show: in the order they were asked for, the
// others by name.
func (s Selection) apply(attributes []Attribute, typesOnly bool, most int) []ldapmsg.Attribute {
	out := []ldapmsg.Attribute{}
	show := func(a Attribute, w wanted) {
		if len(a.Values) == 0 {
			return
		}
		if shown, ok := w.show(a, most); ok {
			if typesOnly {
				shown.Values = nil
			}
			out = append(out, shown)
		}
	}
	rest := func() {
		var others []Attribute
		for _, a := range attributes {
			if s.Wants(a.Name, a.Operational) && !s.Named(a.Name) {
				others = append(others, a)
			}
		}
		slices.SortStableFunc(others, func(a, b Attribute) int {
			return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		})
		for _, a := range others {
			show(a, wanted{high: -1})
		}
	}
	for i, w := range s.named {
		if s.user && i == s.all {
			rest()
		}
		for _, a := range attributes {
			if strings.EqualFold(a.Name, w.name) {
				show(a, w)
				break
			}
		}
	}
	if !s.user || s.all == len(s.named) {
		rest()
	}
	return out
}

// show returns an attribute, or the range of its values that was asked for or
// is all that is given at once.
func (w wanted) show(a Attribute, most int) (ldapmsg.Attribute, bool) {
	n := len(a.Values)
	if !w.ranged && n <= most {
		return ldapmsg.Attribute{Description: a.Name + w.options, Values: a.Values}, true
	}
	if w.low >= n {
		return ldapmsg.Attribute{}, false
	}
	end := min(n, w.low+most)
	if w.high >= 0 && w.high < end {
		end = w.high + 1
	}
	upper := "*"
	if end < n {
		upper = strconv.Itoa(end - 1)
	}
	return ldapmsg.Attribute{
		Description: fmt.Sprintf("%s%s;range=%d-%s", a.Name, w.options, w.low, upper),
		Values:      a.Values[w.low:end],
	}, true
}
