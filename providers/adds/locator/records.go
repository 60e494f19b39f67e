package locator

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Times of records.
const (
	ttl    = 600 // seconds; what Netlogon registers with
	minTTL = 60  // of what there is not
)

// Well-known ports.
const (
	portLDAP     = 389
	portGC       = 3268
	portKerberos = 88
	portKPasswd  = 464
)

// zone holds the records below one name.
type zone struct {
	apex    string                     // with a dot at its end
	sets    map[string]map[uint16]*set // by name in lower case, and type
	parents map[string]bool            // names that have only names below them
}

// set is the records of a name and type. Those of hosts name the hosts, whose
// addresses are looked up when they are asked for.
type set struct {
	records []dns.RR
	hosts   []string
}

func newZone(apex string) *zone {
	return &zone{apex: dns.Fqdn(apex), sets: map[string]map[uint16]*set{}, parents: map[string]bool{}}
}

func (z *zone) set(name string, kind uint16) *set {
	name = strings.ToLower(dns.Fqdn(name))
	if z.sets[name] == nil {
		z.sets[name] = map[uint16]*set{}
		for n := name; n != z.apex; {
			_, n, _ = strings.Cut(n, ".")
			z.parents[n] = true
		}
	}
	if z.sets[name][kind] == nil {
		z.sets[name][kind] = &set{}
	}
	return z.sets[name][kind]
}

// add adds a record unless it is there.
func (z *zone) add(rr dns.RR) {
	s := z.set(rr.Header().Name, rr.Header().Rrtype)
	for _, r := range s.records {
		if dns.IsDuplicate(r, rr) {
			return
		}
	}
	s.records = append(s.records, rr)
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: dns.Fqdn(name), Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// zonesOf makes the zones of domains: one of each, and _msdcs of each forest.
func zonesOf(domains []Domain) []*zone {
	byApex := map[string]*zone{}
	var zones []*zone
	at := func(apex string) *zone {
		if byApex[apex] == nil {
			byApex[apex] = newZone(apex)
			zones = append(zones, byApex[apex])
		}
		return byApex[apex]
	}
	for i := range domains {
		d := &domains[i]
		for _, apex := range []string{canonical(d.Name), "_msdcs." + d.forest()} {
			at(apex).authority(d)
		}
		if d.forest() != canonical(d.Name) {
			at(d.forest()) // where the global catalogs of the whole forest stand
		}
	}
	// The closest zone holds a name, so all are made before any is filled.
	add := func(rr dns.RR) { closest(zones, rr.Header().Name).add(rr) }
	hosts := func(name string, host string) {
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
			s := closest(zones, dns.Fqdn(name)).set(name, kind)
			if host = canonical(host); !slices.Contains(s.hosts, host) {
				s.hosts = append(s.hosts, host)
			}
		}
	}
	for i := range domains {
		d := &domains[i]
		for j := range d.Controllers {
			d.records(&d.Controllers[j], add, hosts)
		}
	}
	return zones
}

// closest returns the zone that a name lies in; nil for none.
func closest(zones []*zone, name string) *zone {
	var found *zone
	for _, z := range zones {
		if dns.IsSubDomain(z.apex, name) && (found == nil || len(z.apex) > len(found.apex)) {
			found = z
		}
	}
	return found
}

// authority adds SOA and NS: the writable controllers are the name servers.
func (z *zone) authority(d *Domain) {
	for _, c := range d.Controllers {
		if !c.Writable {
			continue
		}
		host := dns.Fqdn(canonical(c.Host))
		if z.sets[z.apex][dns.TypeSOA] == nil {
			z.add(&dns.SOA{Hdr: header(z.apex, dns.TypeSOA), Ns: host, Mbox: dns.Fqdn("hostmaster." + canonical(d.Name)),
				Serial: 1, Refresh: 900, Retry: 600, Expire: 86400, Minttl: minTTL})
		}
		z.add(&dns.NS{Hdr: header(z.apex, dns.TypeNS), Ns: host})
	}
}

// records are what a controller registers (MS-ADTS 6.3.2.3). A read-only one
// registers only what names its site.
func (d *Domain) records(c *Controller, add func(dns.RR), hosts func(name, host string)) {
	domain, forest, target := canonical(d.Name), d.forest(), dns.Fqdn(canonical(c.Host))
	srv := func(port uint16, names ...string) {
		for _, name := range names {
			add(&dns.SRV{Hdr: header(name, dns.TypeSRV), Weight: 100, Port: port, Target: target})
		}
	}
	ldap, kerberos := or(c.Ports.LDAP, portLDAP), or(c.Ports.Kerberos, portKerberos)
	kpasswd, gc := or(c.Ports.KPasswd, portKPasswd), or(c.Ports.GC, portGC)
	if site := canonical(c.Site); site != "" {
		srv(ldap, "_ldap._tcp."+site+"._sites."+domain, "_ldap._tcp."+site+"._sites.dc._msdcs."+domain)
		srv(kerberos, "_kerberos._tcp."+site+"._sites."+domain, "_kerberos._tcp."+site+"._sites.dc._msdcs."+domain)
		if c.GC {
			srv(gc, "_gc._tcp."+site+"._sites."+forest, "_ldap._tcp."+site+"._sites.gc._msdcs."+forest)
		}
	}
	if !c.NTDS.IsZero() {
		add(&dns.CNAME{Hdr: header(c.NTDS.String()+"._msdcs."+forest, dns.TypeCNAME), Target: target})
	}
	hosts(canonical(c.Host), c.Host)
	if !c.Writable {
		return
	}
	hosts(domain, c.Host)
	srv(ldap, "_ldap._tcp."+domain, "_ldap._tcp.dc._msdcs."+domain, "_ldap._tcp."+d.GUID.String()+".domains._msdcs."+forest)
	srv(kerberos, "_kerberos._tcp."+domain, "_kerberos._udp."+domain, "_kerberos._tcp.dc._msdcs."+domain)
	srv(kpasswd, "_kpasswd._tcp."+domain, "_kpasswd._udp."+domain)
	if c.PDC {
		srv(ldap, "_ldap._tcp.pdc._msdcs."+domain)
	}
	if c.GC {
		srv(gc, "_gc._tcp."+forest, "_ldap._tcp.gc._msdcs."+forest)
		hosts("gc._msdcs."+forest, c.Host)
	}
	c.uris(domain, kerberos, kpasswd, add)
}

// uris are the records that MIT Kerberos asks for before SRV
// (draft-mccallum-kitten-krb-service-discovery): krb5srv:flags:transport:host.
// The flag m is that of the primary server. Active Directory has none.
func (c *Controller) uris(domain string, kerberos, kpasswd uint16, add func(dns.RR)) {
	flags := ""
	if c.PDC {
		flags = "m"
	}
	for i, transport := range []string{"tcp", "udp"} {
		uri := func(name string, port uint16) {
			add(&dns.URI{Hdr: header(name+domain, dns.TypeURI), Priority: uint16(i), Weight: 100,
				Target: fmt.Sprintf("krb5srv:%s:%s:%s:%d", flags, transport, canonical(c.Host), port)})
		}
		uri("_kerberos.", kerberos)
		uri("_kpasswd.", kpasswd)
	}
}
