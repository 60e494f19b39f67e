package hello

import (
	"slices"
	"strings"
	"testing"

	"hellolab/providers/spec"
)

// Policy rows D1, D2 and D8: which controllers serve cloud Kerberos trust.
func TestExchangesPartial(t *testing.T) {
	const w2016, w2019 = "windows-server-2016", "windows-server-2019"
	for name, tt := range map[string]struct {
		in      spec.Controller
		keyList bool
		want    string
	}{
		"2016, before KB4534307":  {spec.Controller{OS: w2016, Build: "14393.3443"}, false, "is of build 14393.3443, older than cloud Kerberos trust"},
		"2016, with KB4534307":    {spec.Controller{OS: w2016, Build: "14393.3474"}, true, ""},
		"2016, with every update": {spec.Controller{OS: w2016}, true, ""},
		"2019, before KB4534321":  {spec.Controller{OS: w2019, Build: "17763.1011"}, false, "is of build 17763.1011, older than cloud Kerberos trust"},
		"2019, with KB4534321":    {spec.Controller{OS: w2019, Build: "17763.1012"}, true, ""},
		"2022 as it came":         {spec.Controller{OS: "windows-server-2022", Build: "20348.1"}, true, ""},
		"2025":                    {spec.Controller{OS: "windows-server-2025"}, true, ""},
		"read-only":               {spec.Controller{OS: w2019, Writable: ptr(false)}, false, "is read-only"},
		"said to be writable":     {spec.Controller{OS: w2019, Writable: ptr(true)}, true, ""},
		"without AES256":          {spec.Controller{OS: w2019, ETypes: []string{"aes128", "rc4"}}, true, "does not take AES256"},
		"AES256 alone":            {spec.Controller{OS: w2019, ETypes: []string{"aes256"}}, true, ""},
	} {
		if got := ExchangesPartial(tt.in); got != tt.want || KeyList(tt.in) != tt.keyList {
			t.Errorf("%s: %q, key list %v", name, got, KeyList(tt.in))
		}
	}
}

func TestParseBuild(t *testing.T) {
	for build, deletes := range map[string]bool{
		"14393.3929": false, "14393.3930": true, "14393.4048": true, "14393.4049": false, "14393.4104": false,
		"17763.1456": false, "17763.1457": true, "17763.1613": true, "17763.1614": false, "17763.1637": false, "20348.1500": false, "": false,
	} {
		no := false
		if got := DeletesKeys(spec.Controller{OS: "windows-server-2016", Build: build}); got != deletes {
			t.Errorf("%q deletes keys: %t", build, got)
		}
		if DeletesKeys(spec.Controller{OS: "windows-server-2016", Build: build, Writable: &no}) {
			t.Errorf("%q deletes keys, read-only", build)
		}
	}
	if b, ok := ParseBuild("17763.1012"); !ok || b != (Build{17763, 1012}) || b.String() != "17763.1012" {
		t.Errorf("%v, %v", b, ok)
	}
	for _, text := range []string{"", "17763", "17763.", ".1012", "10.0.17763.1012", "-1.5", "17763.70000", "a.b"} {
		if b, ok := ParseBuild(text); ok {
			t.Errorf("%q read as %v", text, b)
		}
	}
}

// The first of a domain's controllers holds its roles, so it can be written at.
func TestControllersInOrder(t *testing.T) {
	names, by := Controllers(spec.Domain{Controllers: map[string]*spec.Controller{"b": {}, "a": {Writable: ptr(false)}, "c": {}, "d": {Writable: ptr(false)}}})
	if !slices.Equal(names, []string{"b", "c", "a", "d"}) || len(by) != 4 {
		t.Errorf("%q", names)
	}
	if names, _ := Controllers(spec.Domain{}); !slices.Equal(names, []string{"dc1"}) {
		t.Errorf("%q", names)
	}
}

// A plan names the controllers of a key trust whose Windows deals with keys wrongly, and
// the build that mends it.
func TestControllersOfKeysAreToldOf(t *testing.T) {
	no := false
	for _, c := range []struct {
		name string
		dc   spec.Controller
		cert bool
		rule string
		says []string
	}{
		{"2016 that deletes", spec.Controller{OS: "windows-server-2016", Build: "14393.4000"}, false, "controller_deletes_keys", []string{"Controller dc1", "14393.4000", `"14393.4104"`}},
		{"2019 that deletes", spec.Controller{OS: "windows-server-2019", Build: "17763.1457"}, false, "controller_deletes_keys", []string{"Controller dc1", "17763.1457", `"17763.1637"`}},
		{"2019 that misnames", spec.Controller{OS: "windows-server-2019", Build: "17763.200"}, false, "controller_misnames_keys", []string{"Controller dc1", "17763.200", `"17763.316"`}},
		{"mended", spec.Controller{OS: "windows-server-2019", Build: "17763.1637"}, false, "", nil},
		{"of every update", spec.Controller{OS: "windows-server-2016"}, false, "", nil},
		{"read-only", spec.Controller{OS: "windows-server-2016", Build: "14393.4000", Writable: &no}, false, "", nil},
		{"of another trust", spec.Controller{OS: "windows-server-2016", Build: "14393.4000"}, true, "", nil},
	} {
		l := hybridLab()
		with(l, "domain.corp", func(d *spec.Domain) { d.Controllers = map[string]*spec.Controller{"dc1": &c.dc} })
		if c.cert {
			with(l, "trust.key", func(x *spec.Trust) { x.Type = "cloud_kerberos" })
		}
		var told []Problem
		for _, p := range Validate(worldOf(t, l, sortedKeys(l)...)) {
			if strings.HasSuffix(p.Rule, "_keys") {
				told = append(told, p)
			}
		}
		if c.rule == "" {
			if len(told) > 0 {
				t.Errorf("%s: %+v", c.name, told)
			}
			continue
		}
		if len(told) != 1 || told[0].Rule != c.rule || !told[0].Warning || told[0].Addr != "domain.corp" {
			t.Errorf("%s: %+v", c.name, told)
			continue
		}
		for _, s := range c.says {
			if !strings.Contains(told[0].Detail, s) {
				t.Errorf("%s: %q does not name %s", c.name, told[0].Detail, s)
			}
		}
	}
}
