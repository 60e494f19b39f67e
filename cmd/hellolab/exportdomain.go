package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hellolab/engine/serve"
	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
)

// Files of an export that Kerberos and LDAP clients read, when the lab has a
// domain.
const (
	fileKrb5          = "krb5.conf"
	fileLDAP          = "ldap.conf" // of the first domain; of another, after its DNS name and a dot
	fileCache         = "krb5cc"    // where programs keep tickets, so that the person's own stay
	fileRoots         = "roots.pem" // after a domain's DNS name and a dot, as the next
	fileIntermediates = "intermediates.pem"
)

// Ports of a controller that the files name.
const (
	portKerberos = 88
	portLDAP     = 389
	portPassword = 464
)

// aboutDomain is a domain in lab.json.
type aboutDomain struct {
	Address       string   `json:"address"` // domain.corp
	DNSName       string   `json:"dns_name"`
	NetBIOSName   string   `json:"netbios_name"`
	Realm         string   `json:"realm"`
	SID           string   `json:"sid"`
	Base          string   `json:"base_dn"`
	Controllers   []string `json:"controllers"`
	LDAP          []string `json:"ldap"`                    // URLs, one a controller
	Roots         string   `json:"roots,omitempty"`         // PEM file of the authorities its directory publishes
	Intermediates string   `json:"intermediates,omitempty"` // and of those below them
	Krb5Conf      string   `json:"krb5_conf"`
	LDAPConf      string   `json:"ldap_conf"`
	Named         bool     `json:"resolvable"` // whether this machine's hosts file knows the controllers

	kdcs, passwords []netip.AddrPort
}

// exportDomains writes krb5.conf and an ldap.conf for each domain.
func (v *served) exportDomains(ctx context.Context, e *exported) error {
	domains, err := providers.ResolveAll[spec.Domain, spec.DomainOut](providers.Env{Objects: v.lab.Objects()}, "domain")
	if err != nil {
		return err
	}
	known := v.s.hostsKnown()
	for _, d := range domains {
		if d.ID == "" {
			continue
		}
		about := aboutDomain{
			Address: d.Addr, DNSName: strings.ToLower(d.In.DNSName), NetBIOSName: d.In.NetBIOSName, Realm: d.Out.Realm,
			SID: d.Out.SID, Base: d.Out.DN, Controllers: d.Out.Hosts,
		}
		v.reach(&about, known)
		roots, intermediates, err := v.publishedAuthorities(ctx, d)
		if err != nil {
			return fmt.Errorf("%s: read the authorities that its directory publishes: %w", d.Addr, err)
		}
		if len(roots) > 0 {
			about.Roots = e.file(about.DNSName+"."+fileRoots, roots)
			e.trust(roots)
		}
		if len(intermediates) > 0 {
			about.Intermediates = e.file(about.DNSName+"."+fileIntermediates, intermediates)
		}
		name := fileLDAP
		if len(e.about.Domains) > 0 {
			name = about.DNSName + "." + name
		}
		about.LDAPConf = e.file(name, ldapConf(&about, e.about.CA))
		prefix := variableName(d.Addr, e.used)
		e.set(about.Realm, prefix+"_REALM")
		e.set(about.Base, prefix+"_BASE")
		e.set(about.LDAP[0], prefix+"_LDAP")
		e.set(about.LDAPConf, prefix+"_LDAPCONF")
		e.about.Domains = append(e.about.Domains, about)
	}
	if len(e.about.Domains) == 0 {
		return nil
	}
	conf := e.file(fileKrb5, krb5Conf(e.about.Domains))
	for i := range e.about.Domains {
		e.about.Domains[i].Krb5Conf = conf
	}
	e.set(conf, "KRB5_CONFIG")
	e.set("FILE:"+e.leaves(fileCache), "KRB5CCNAME")
	e.set(e.about.Domains[0].LDAPConf, "LDAPCONF")
	return nil
}

// reach finds where a domain's services are bound. Kerberos is told addresses:
// no resolver has a part in it. LDAP's URLs have names where this machine knows
// them, since TLS and Kerberos go by the name in the URL; otherwise addresses,
// lest a name that somebody else's DNS knows leads out of the lab.
func (v *served) reach(d *aboutDomain, known map[string]netip.Addr) {
	d.Named = true
	for _, host := range d.Controllers {
		if known[host] != v.bridge.Address(host) {
			d.Named = false
		}
	}
	for _, host := range d.Controllers {
		for _, at := range v.bridge.Endpoints() {
			if at.Host != host || at.Protocol != serve.TCP {
				continue
			}
			switch at.Port {
			case portKerberos:
				d.kdcs = append(d.kdcs, at.Listen)
			case portPassword:
				d.passwords = append(d.passwords, at.Listen)
			case portLDAP:
				name := at.Listen.Addr().String()
				if d.Named && at.Listen.Addr() == v.bridge.Address(host) {
					name = host
				}
				if at.Listen.Port() != portLDAP {
					name = fmt.Sprintf("%s:%d", name, at.Listen.Port())
				}
				d.LDAP = append(d.LDAP, "ldap://"+name)
			}
		}
	}
}

// hostsKnown reads the machine's hosts file: names and their addresses. No
// other resolver is asked, so that nothing of the lab is told to anybody.
func (s *session) hostsKnown() map[string]netip.Addr {
	known := map[string]netip.Addr{}
	data, err := os.ReadFile(s.hostsFile)
	if err != nil {
		s.log.Debug("cannot read the hosts file", "error", err)
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		at, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, name := range fields[1:] {
			if name = strings.ToLower(name); !known[name].IsValid() {
				known[name] = at
			}
		}
	}
	return known
}

// publishedAuthorities returns the authorities that a domain's directory
// publishes, in PEM, as every member of a domain fetches them: those that are
// trusted, and those that others certified.
func (v *served) publishedAuthorities(ctx context.Context, d providers.Object[spec.Domain, spec.DomainOut]) (roots, intermediates []byte, err error) {
	rec, err := v.lab.Objects().Lookup(d.Addr)
	if err != nil {
		return nil, nil, err
	}
	c, err := administer.SignIn(ctx, v.lab.Env(d.Addr, v.s.registry.Type("domain"), rec.In), d.Out)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	services := "CN=Public Key Services,CN=Services,CN=Configuration," + d.Out.DN
	trusted, err := v.certificates(c, "CN=Certification Authorities,"+services)
	if err != nil {
		return nil, nil, err
	}
	all, err := v.certificates(c, "CN=AIA,"+services)
	if err != nil {
		return nil, nil, err
	}
	others := slices.DeleteFunc(all, func(cert *x509.Certificate) bool { return slices.ContainsFunc(trusted, cert.Equal) })
	return encodePEM(trusted), encodePEM(others), nil
}

// certificates returns those of the authorities below a name in the directory.
func (v *served) certificates(c *adldap.Conn, base string) ([]*x509.Certificate, error) {
	found, err := c.List(base, ldapmsg.EqualTo("objectClass", "certificationAuthority"), "cACertificate")
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for _, e := range found {
		for _, der := range e.Values("cACertificate") {
			cert, err := x509.ParseCertificate(der)
			if err != nil { // AD has a single nought where there is none (yet)
				v.s.log.Warn("a published authority is no certificate", "object", e.DN, "error", err)
				continue
			}
			certs = append(certs, cert)
		}
	}
	return certs, nil
}

func encodePEM(certs []*x509.Certificate) []byte {
	var b []byte
	for _, cert := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return b
}

// krb5Conf is the configuration of MIT's and Heimdal's programs for all domains.
// Nothing in it needs a resolver. MIT goes to TCP at once, as PKINIT's replies
// need; Heimdal comes to it by itself.
func krb5Conf(domains []aboutDomain) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `[libdefaults]
    default_realm = %s
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    qualify_shortname = ""
    udp_preference_limit = 1
    forwardable = true
`, domains[0].Realm)
	if slices.ContainsFunc(domains, func(d aboutDomain) bool { return d.Roots != "" }) {
		// Heimdal 7 takes this for the size above which its 2048 bits are, which it
		// would not offer else; to MIT it means the default, 2048 bits.
		fmt.Fprintf(&b, "    pkinit_dh_min_bits = 1700\n")
	}
	fmt.Fprintf(&b, "\n[realms]\n")
	for _, d := range domains {
		fmt.Fprintf(&b, "    %s = {\n", d.Realm)
		for _, at := range d.kdcs {
			fmt.Fprintf(&b, "        kdc = %s\n", at)
		}
		for _, at := range d.passwords {
			fmt.Fprintf(&b, "        kpasswd_server = %s\n", at)
		}
		if d.Roots != "" {
			fmt.Fprintf(&b, "        pkinit_anchors = FILE:%s\n", d.Roots)
			if d.Intermediates != "" {
				fmt.Fprintf(&b, "        pkinit_pool = FILE:%s\n", d.Intermediates)
			}
			// A KDC whose certificate has no name of Kerberos' is known by these.
			for _, name := range append([]string{d.DNSName}, d.Controllers...) {
				fmt.Fprintf(&b, "        pkinit_kdc_hostname = %s\n", name)
			}
		}
		fmt.Fprintf(&b, "    }\n")
	}
	fmt.Fprintf(&b, "\n[domain_realm]\n")
	for _, d := range domains {
		fmt.Fprintf(&b, "    %[1]s = %[2]s\n    .%[1]s = %[2]s\n", d.DNSName, d.Realm)
	}
	return b.Bytes()
}

// ldapConf is the configuration of OpenLDAP's library.
func ldapConf(d *aboutDomain, ca string) []byte {
	return fmt.Appendf(nil, "URI %s\nBASE %s\nTLS_CACERT %s\nSASL_NOCANON on\n", strings.Join(d.LDAP, " "), d.Base, ca)
}

// tellDomains prints what clients of domains read, and what they lack where the
// controllers' names lead nowhere.
func (v *served) tellDomains(w io.Writer) {
	named := true
	for i, d := range v.about.Domains {
		if i == 0 {
			fmt.Fprintf(w, "KRB5:   %s\n", d.Krb5Conf)
		}
		fmt.Fprintf(w, "LDAP:   %s\n", d.LDAPConf)
		named = named && d.Named
	}
	if named {
		return
	}
	hosts := filepath.Join(v.about.Folder, fileHosts)
	fmt.Fprintf(w, "\n%s lacks the controllers' names. Kerberos and TLS know a service by its name: for LDAP with either, append\n%s\n"+
		"to it and serve again, or let one program see it: LD_PRELOAD=libnss_wrapper.so (Debian's libnss-wrapper). kinit, kpasswd and passwords in LDAP need no names.\n", v.s.hostsFile, hosts)
}
