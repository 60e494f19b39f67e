// Package locator is how the controllers of a domain are found: DNS, in which
// they stand by what they serve and in which site (MS-ADTS 6.3.2.3), and the
// netlogon ping that each answers for itself (MS-ADTS 6.3.3.2).
//
// Everything that is answered derives from a Domain. Sockets are the caller's;
// a server closes what it was given when its context is done.
package locator

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/netlogon"
	"hellolab/providers/wire/sid"
)

// Domain is what a locator tells of a domain.
type Domain struct {
	Name        string // DNS name
	Forest      string // DNS name of the forest's root; "" when that is the domain
	NetBIOS     string
	GUID        guid.GUID
	SID         sid.SID
	Controllers []Controller
	Subnets     []Subnet // which addresses lie in which site
}

// Controller is one domain controller.
type Controller struct {
	Host     string    // DNS name
	NetBIOS  string    // "" for the first label of Host
	NTDS     guid.GUID // of its NTDS Settings object
	Site     string
	Writable bool // false: a read-only domain controller
	PDC      bool
	GC       bool // holds a global catalog
	KeyList  bool // answers KERB-KEY-LIST-REQ
	Ports    Ports
}

// Ports are those that SRV records name; 0 stands for the well-known one.
type Ports struct {
	LDAP     uint16 // 389
	GC       uint16 // 3268
	Kerberos uint16 // 88
	KPasswd  uint16 // 464
}

// Subnet assigns addresses to a site.
type Subnet struct {
	Prefix netip.Prefix
	Site   string
}

func or(port, known uint16) uint16 {
	if port == 0 {
		return known
	}
	return port
}

// canonical is a DNS name as names are compared: in lower case, without the dot
// at its end.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func (d *Domain) forest() string {
	if d.Forest == "" {
		return canonical(d.Name)
	}
	return canonical(d.Forest)
}

func (c *Controller) netBIOS() string {
	if c.NetBIOS != "" {
		return c.NetBIOS
	}
	first, _, _ := strings.Cut(c.Host, ".")
	return strings.ToUpper(first[:min(len(first), 15)])
}

// Check says what of the domain DNS cannot hold: names that are none, hosts
// outside the domain, sites of more than one label.
func (d *Domain) Check() error {
	for _, name := range []string{canonical(d.Name), d.forest()} {
		if !isName(name) {
			return fmt.Errorf("%q is no DNS name of a domain", name)
		}
	}
	if len(d.Controllers) == 0 || !slices.ContainsFunc(d.Controllers, func(c Controller) bool { return c.Writable }) {
		return fmt.Errorf("%s has no writable domain controller", d.Name)
	}
	for _, c := range d.Controllers {
		host := canonical(c.Host)
		if !isName(host) || !strings.HasSuffix(host, "."+canonical(d.Name)) {
			return fmt.Errorf("the domain controller %q is no host of %s", c.Host, d.Name)
		}
		if c.Site != "" && (!isName(canonical(c.Site)) || strings.Contains(c.Site, ".")) {
			return fmt.Errorf("the site %q is no label of a DNS name", c.Site)
		}
	}
	return nil
}

// isName says whether a name consists of letters, digits, hyphens and
// underscores, with room for the records' own labels in front of it.
func isName(name string) bool {
	if name == "" || len(name) > 150 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// controller finds one by its host name.
func (d *Domain) controller(host string) (*Controller, bool) {
	i := slices.IndexFunc(d.Controllers, func(c Controller) bool { return canonical(c.Host) == canonical(host) })
	if i < 0 {
		return nil, false
	}
	return &d.Controllers[i], true
}

// SiteOf returns the site of an address: that of the longest prefix. Where there
// are no subnets and all controllers are in one site, so is everybody; else ""
// says that it is not known.
func (d *Domain) SiteOf(a netip.Addr) string {
	if len(d.Subnets) == 0 && len(d.Controllers) > 0 {
		site := d.Controllers[0].Site
		if slices.ContainsFunc(d.Controllers, func(c Controller) bool { return !strings.EqualFold(c.Site, site) }) {
			return ""
		}
		return site
	}
	site, bits := "", -1
	for _, s := range d.Subnets {
		if s.Prefix.Contains(a.Unmap()) && s.Prefix.Bits() > bits {
			site, bits = s.Site, s.Prefix.Bits()
		}
	}
	return site
}

// flags are what a controller says it is and can, to a client in a site. The
// lab's serve no web service (ADWS), and say so.
func (d *Domain) flags(c *Controller, clientSite string) netlogon.Flags {
	f := netlogon.FlagLDAP | netlogon.FlagDS | netlogon.FlagKDC | netlogon.FlagTimeServ | netlogon.FlagDS8 | netlogon.FlagDS9 | netlogon.FlagDS10 |
		netlogon.FlagDNSController | netlogon.FlagDNSDomain
	set := func(on bool, flag netlogon.Flags) {
		if on {
			f |= flag
		}
	}
	set(c.Writable, netlogon.FlagWritable|netlogon.FlagFullSecrets)
	set(!c.Writable, netlogon.FlagRODC)
	set(c.PDC, netlogon.FlagPDC|netlogon.FlagGoodTimeServ)
	set(c.GC, netlogon.FlagGC)
	set(c.KeyList, netlogon.FlagKeyList)
	set(clientSite != "" && strings.EqualFold(clientSite, c.Site), netlogon.FlagClosest)
	set(d.forest() == canonical(d.Name), netlogon.FlagDNSForest)
	return f
}
