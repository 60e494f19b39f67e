package ldapd

import (
	"fmt"
	"strings"
	"testing"
)

// Ranges of values as MS-ADTS 3.1.1.3.1.3.3 has them.
func TestRanges(t *testing.T) {
	member := Attribute{Name: "member"}
	for i := range 4000 {
		member.Values = append(member.Values, fmt.Append(nil, i))
	}
	for asked, want := range map[string]string{
		"member":                              "member;range=0-1499 1500 0",
		"member;range=0-*":                    "member;range=0-1499 1500 0",
		"MEMBER;Range=1500-*":                 "member;range=1500-2999 1500 1500",
		"member;range=3000-*":                 "member;range=3000-* 1000 3000",
		"member;range=3000-3999":              "member;range=3000-* 1000 3000",
		"member;range=10-19":                  "member;range=10-19 10 10",
		"member;binary;range=10-19":           "member;binary;range=10-19 10 10",
		"member;range=3999-9999":              "member;range=3999-* 1 3999",
		"member;range=4000-*":                 "",
		"member;range=5-4":                    "",
		"member;range=-1-4":                   "",
		"member;range=x-4":                    "",
		"member;range=1":                      "",
		"member;range=1-2;range=1-2":          "",
		"member;range=1-99999999999999999999": "",
		"member;lang-de":                      "",
		";range=0-1":                          "",
		"":                                    "",
	} {
		var got []string
		for _, a := range Select([]string{asked}).apply([]Attribute{member}, false, 1500) {
			got = append(got, fmt.Sprintf("%s %d %s", a.Description, len(a.Values), a.Values[0]))
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%q: %q", asked, got)
		}
	}
}

func TestWants(t *testing.T) {
	for _, c := range []struct {
		asked       []string
		user, token bool
	}{
		{nil, true, false}, {[]string{"*"}, true, false}, {[]string{"+"}, false, true}, {[]string{"1.1"}, false, false},
		{[]string{"CN;binary"}, true, false}, {[]string{"tokengroups", "*"}, true, true},
	} {
		s := Select(c.asked)
		if s.Wants("cn", false) != c.user || s.Wants("tokenGroups", true) != c.token {
			t.Errorf("%v: %v %v", c.asked, s.Wants("cn", false), s.Wants("tokenGroups", true))
		}
	}
	many := make([]string, 100000)
	for i := range many {
		many[i] = fmt.Sprint("a", i)
	}
	if n := len(Select(many).named); n != maxWanted {
		t.Errorf("%d attributes are looked for in every entry", n)
	}
}
