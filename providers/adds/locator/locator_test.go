package locator

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ntds   = "0d1ec0de-0000-4000-8000-000000000001"
	domain = "d0000000-1111-4222-8333-444444444444"
)

func mustGUID(text string) guid.GUID {
	g, err := guid.Parse(text)
	if err != nil {
		panic(err)
	}
	return g
}

// corp is a forest's root with a controller in each of three sites.
func corp() Domain {
	return Domain{
		Name: "corp.example", NetBIOS: "CORP", GUID: mustGUID(domain), SID: sid.New(5, 21, 1, 2, 3),
		Controllers: []Controller{
			{Host: "DC1.corp.example", NTDS: mustGUID(ntds), Site: "Berlin", Writable: true, PDC: true, GC: true, KeyList: true},
			{Host: "dc2.corp.example", Site: "Paris", Writable: true, Ports: Ports{LDAP: 10389, Kerberos: 10088, KPasswd: 10464}},
			{Host: "rodc.corp.example", Site: "Oslo"},
		},
		Subnets: []Subnet{
			{netip.MustParsePrefix("127.0.0.0/8"), "Berlin"},
			{netip.MustParsePrefix("127.0.9.0/24"), "Paris"},
			{netip.MustParsePrefix("fd00::/8"), "Oslo"},
		},
	}
}

// emea is a child domain in the same forest.
func emea() Domain {
	return Domain{
		Name: "emea.corp.example", Forest: "corp.example", NetBIOS: "EMEA", GUID: guid.GUID{9}, SID: sid.New(5, 21, 4, 5, 6),
		Controllers: []Controller{{Host: "dc9.emea.corp.example", Site: "Oslo", Writable: true, GC: true}},
	}
}

// hosts are the addresses of a lab.
type hosts map[string]string

var errBroken = errors.New("broken")

func (h hosts) Address(_ context.Context, host string) (netip.Addr, error) {
	switch a, ok := h[host]; {
	case a == "broken":
		return netip.Addr{}, errBroken
	case ok:
		return netip.MustParseAddr(a), nil
	}
	return netip.Addr{}, nil
}

func lab() hosts {
	return hosts{
		"dc1.corp.example": "127.0.1.1", "dc2.corp.example": "127.0.1.2", "rodc.corp.example": "fd00::3", "dc9.emea.corp.example": "127.0.1.9",
		"pc7.corp.example": "127.0.1.7", "broken.corp.example": "broken", "www.other.example": "127.0.1.8",
	}
}

func newDNS(t testing.TB, domains ...Domain) *DNS {
	t.Helper()
	s, err := NewDNS(lab(), domains...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSites(t *testing.T) {
	d := corp()
	for a, want := range map[string]string{"127.0.0.1": "Berlin", "::ffff:127.0.9.4": "Paris", "127.0.9.255": "Paris", "fd00::1": "Oslo", "10.0.0.1": ""} {
		if got := d.SiteOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s is in %q, want %q", a, got, want)
		}
	}
	if got := d.SiteOf(netip.Addr{}); got != "" {
		t.Errorf("no address is in %q", got)
	}
	if d.Subnets = nil; d.SiteOf(netip.MustParseAddr("127.0.0.1")) != "" {
		t.Error("a site of three was chosen")
	}
	e := emea()
	if got := e.SiteOf(netip.Addr{}); got != "Oslo" {
		t.Errorf("with one site, everybody is in %q", got)
	}
}

func TestCheck(t *testing.T) {
	for name, change := range map[string]func(d *Domain){
		"no name":         func(d *Domain) { d.Name = "" },
		"a dot":           func(d *Domain) { d.Name = "." },
		"an empty label":  func(d *Domain) { d.Name = "corp..example" },
		"an escape":       func(d *Domain) { d.Forest = `corp\.example` },
		"no controllers":  func(d *Domain) { d.Controllers = nil },
		"only read-only":  func(d *Domain) { d.Controllers = d.Controllers[2:] },
		"foreign host":    func(d *Domain) { d.Controllers[1].Host = "dc2.other.example" },
		"the domain":      func(d *Domain) { d.Controllers[1].Host = "corp.example" },
		"site of two":     func(d *Domain) { d.Controllers[1].Site = "a.b" },
		"site with blank": func(d *Domain) { d.Controllers[1].Site = "New York" },
	} {
		d := corp()
		change(&d)
		if _, err := NewDNS(lab(), d); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
