package hello

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// maxNetBIOS is the longest NetBIOS name, of a domain or a computer (MS-NBTE).
const maxNetBIOS = 15

func netBIOSName(s string) bool {
	return s != "" && len(s) <= maxNetBIOS && !strings.HasPrefix(s, "-") && !strings.ContainsFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-')
	})
}

func (v *validation) domains() {
	byDNS, byNetBIOS := map[string]string{}, map[string]string{}
	for _, addr := range sortedKeys(v.Domains) {
		d := v.Domains[addr]
		if d.Knows("dns_name") {
			name := strings.ToLower(d.In.DNSName)
			if !dnsName(name) {
				v.problem(addr, "dns_name", "dns_name_malformed", "Not a DNS name", "%q is not the DNS name of a domain, such as \"corp.contoso.com\".", d.In.DNSName)
			} else if other, taken := byDNS[name]; taken {
				v.problem(addr, "dns_name", "domain_name_taken", "Domain name taken", "%s has the name %q already. Give each domain a name of its own.", other, name)
			}
			byDNS[name] = addr
		}
		if d.Knows("netbios_name") {
			name := strings.ToUpper(d.In.NetBIOSName)
			if !netBIOSName(name) {
				v.problem(addr, "netbios_name", "netbios_name_malformed", "Not a NetBIOS name", "%q is not a NetBIOS name: 1 to 15 letters, digits and hyphens, such as \"CORP\".", d.In.NetBIOSName)
			} else if other, taken := byNetBIOS[name]; taken {
				v.problem(addr, "netbios_name", "netbios_name_taken", "NetBIOS name taken", "%s has the name %q already. Give each domain a name of its own.", other, name)
			}
			byNetBIOS[name] = addr
		}
		v.controllers(addr, d)
		v.passwordPolicy(addr, d)
		v.cachedLogons(addr, d)
	}
}

// maxCachedLogons is the most that Windows keeps (CachedLogonsCount).
const maxCachedLogons = 50

func (v *validation) cachedLogons(addr string, d *Domain) {
	if !d.Knows("cached_logons", "force_network_logon") {
		return
	}
	switch n, age := d.In.CachedLogons, d.In.ForceNetwork; {
	case n < 0 || n > maxCachedLogons:
		v.problem(addr, "cached_logons", "cached_logons_range", "Out of range", "cached_logons is %d, and Windows takes 0 to %d.", n, maxCachedLogons)
	case n == 0 && age > 0:
		v.warn(addr, "force_network_logon", "force_network_unused", "Setting without effect", "No sign-in is kept (cached_logons = 0), so every sign-in needs a controller anyway. Remove force_network_logon, or raise cached_logons.")
	}
}

func (v *validation) passwordPolicy(addr string, d *Domain) {
	if p := d.In.PasswordPolicy; p != nil {
		v.passwordRules(addr, "password_policy.", *p, d.Knows)
	}
}

// passwordRules checks a policy on passwords, whose attributes begin with prefix.
func (v *validation) passwordRules(addr, prefix string, p spec.PasswordPolicy, knows func(...string) bool) {
	for _, bound := range []struct {
		name     string
		n, below int
	}{{"min_length", p.MinLength, 128}, {"history", p.History, 24}} {
		path := prefix + bound.name
		if knows(path) && (bound.n < 0 || bound.n > bound.below) {
			v.problem(addr, path, "password_policy_range", "Out of range", "%s is %d, and Windows takes 0 to %d.", bound.name, bound.n, bound.below)
		}
	}
	if knows(prefix+"max_age", prefix+"min_age") && p.MaxAge > 0 && p.MinAge >= p.MaxAge {
		v.problem(addr, prefix+"min_age", "password_ages", "Passwords expire before they may be changed",
			"min_age is %s and max_age %s. Set min_age below max_age.", providers.FormatDuration(p.MinAge), providers.FormatDuration(p.MaxAge))
	}
}

func (v *validation) authorities() {
	names := map[string]string{} // domain and common name → authority
	for _, addr := range sortedKeys(v.Authorities) {
		a := v.Authorities[addr]
		if a.Knows("common_name", "domain") {
			key := string(a.In.Domain) + "/" + strings.ToLower(a.In.CommonName)
			if other, taken := names[key]; taken {
				v.problem(addr, "common_name", "authority_name_taken", "Name of another authority", "%s has the name %q already, and the directory holds one authority of a name. Choose another.", other, a.In.CommonName)
			}
			names[key] = addr
			if strings.TrimSpace(a.In.CommonName) == "" || len(a.In.CommonName) > 64 {
				v.problem(addr, "common_name", "common_name_malformed", "Not a name", "An authority's name has 1 to 64 bytes.")
			}
		}
		parent := v.Authorities[string(a.In.Parent)]
		if parent != nil && parent.In.Domain != a.In.Domain && a.Knows("domain") && parent.Knows("domain") {
			v.problem(addr, "parent", "parent_elsewhere", "Parent of another domain", "%s is an authority of %s, not of %s. Name one of the same domain.", parent.Addr, parent.In.Domain, a.In.Domain)
		}
		for _, name := range sortedKeys(a.In.Templates) {
			v.templateName(addr, name)
			for _, ref := range a.In.Templates[name].Enroll {
				if homes := v.homesOf(string(ref)); len(homes) > 0 && a.Knows("domain") && !slices.Contains(homes, string(a.In.Domain)) {
					v.problem(addr, "template", "enrollee_elsewhere", "Enrollee of another directory", "%s lives in %s, and the authority certifies accounts of %s. Name one of those.", ref, strings.Join(homes, " and "), a.In.Domain)
				}
			}
		}
		v.deltaLists(addr, a)
		if c := a.In.CRL; c != nil && a.Knows("crl.validity", "crl.delta", "crl.overlap") {
			if c.Validity < time.Hour || c.Delta < 0 || c.Overlap < 0 || c.Delta >= c.Validity {
				v.problem(addr, "crl", "crl_times", "Lists that cannot be", "A base list is good for an hour at least, and a delta list for less than the base list. Change validity or delta.")
			}
		}
	}
}

// Templates are the names of the certificate templates that a domain has.
func Templates() []string {
	return []string{
		"KerberosAuthentication", "DomainControllerAuthentication", "DomainController", "Machine", "WebServer", "User", "SmartcardLogon", "EnrollmentAgent",
		SignInTemplate, AgentTemplate, "WHFBDeviceAuthentication", "VPNUser", "RemoteDesktopUser", "CEPEncryption", "OCSPResponseSigning",
	}
}

// templateName refuses a template that a domain does not have.
func (v *validation) templateName(addr, name string) {
	all := Templates()
	if slices.ContainsFunc(all, func(t string) bool { return strings.EqualFold(t, name) }) {
		return
	}
	next := "Use one of " + strings.Join(all, ", ") + "."
	if near := Nearest(name, all); near != "" {
		next = fmt.Sprintf("Did you mean %q?", near)
	}
	v.problem(addr, "template", "template_unknown", "No such template", "The domain has no certificate template %q. %s", name, next)
}

// oneHome checks that an account or a group lives in a tenant or in a domain.
func (v *validation) oneHome(addr, what string, tenant, domain providers.Ref, known bool) {
	switch {
	case !known:
	case tenant == "" && domain == "":
		v.problem(addr, "", what+"_without_home", "No directory", "A %s lives in a tenant or in a domain, and none is named. Set tenant or domain.", what)
	case tenant != "" && domain != "" && what == "group":
		v.problem(addr, "domain", "group_in_both", "Two directories", "A group lives in a tenant or in a domain. Remove one of them.")
	}
}

// account checks what a user's home asks of the account.
func (v *validation) account(addr string, u *User) {
	v.oneHome(addr, "user", u.In.Tenant, u.In.Domain, u.Knows("tenant", "domain"))
	v.domainNames(addr, u)
	if u.Knows("domain", "tenant") {
		v.federatedUser(addr, u)
	}
	if u.In.Domain == "" || !u.Knows("domain", "tenant") {
		return
	}
	v.inBoth(addr, u)
	v.domainUPN(addr, u)
	if u.In.EnabledInDomain && !u.HasPassword && u.Knows("enabled_in_domain", "password") {
		v.problem(addr, "password", "password_missing", "No password", "A domain enables no account without a password. Set password, or enabled_in_domain = false.")
	}
	name := SAMAccountName(u.In)
	if u.Knows("sam_account_name", "upn") && (name == "" || len(name) > 20 || strings.ContainsAny(name, `"/\[]:;|=,+*?<>@`) || strings.HasSuffix(name, ".")) {
		v.problem(addr, "sam_account_name", "sam_account_name_malformed", "Not an account name",
			"%q is not an account name: up to 20 characters, none of \" / \\ [ ] : ; | = , + * ? < > @. Set sam_account_name.", name)
		return
	}
	if !u.Knows("sam_account_name", "upn") {
		return
	}
	key := string(u.In.Domain) + "/" + strings.ToLower(name)
	if other, taken := v.accounts[key]; taken {
		v.problem(addr, "sam_account_name", "sam_account_name_taken", "Account name taken", "%s has the account name %q already. Set sam_account_name to another.", other, name)
	} else if slices.Contains(builtIn, strings.ToLower(name)) {
		v.problem(addr, "sam_account_name", "sam_account_name_taken", "Account name taken", "Every domain has an account %q of its own. Set sam_account_name to another.", name)
	}
	v.accounts[key] = addr
}

// domainUPN checks that a user's name in the domain is nobody else's there, and none
// that Connect would take for the one in the tenant.
func (v *validation) domainUPN(addr string, u *User) {
	if !u.Knows("upn", "upn_onprem") {
		return
	}
	name := DomainUPN(u.In)
	key := string(u.In.Domain) + "/upn/" + strings.ToLower(name) // no account name has a slash
	if other, taken := v.accounts[key]; taken {
		attribute := "upn_onprem"
		if u.In.UPNOnPrem == "" {
			attribute = "upn"
		}
		v.problem(addr, attribute, "upn_taken", "User name taken", "%s has the name %q in %s already. Give each user a name of their own.", other, name, u.In.Domain)
	}
	v.accounts[key] = addr
	t := v.Tenants[string(u.In.Tenant)]
	if t == nil || !t.Knows("domains") || strings.EqualFold(name, u.In.UPN) {
		return
	}
	if slices.ContainsFunc(t.In.Domains, func(d string) bool { return strings.EqualFold(d, domainOf(name)) }) {
		v.problem(addr, "upn_onprem", "upn_onprem_verified", "Two names in the tenant",
			"The domain of %q is one of %s, so Connect makes it the user's name there, too, and not %q. Set upn to it, or upn_onprem to a name of another domain.", name, t.Addr, u.In.UPN)
	}
}

// builtIn are the accounts that every domain has.
var builtIn = []string{"administrator", "guest", "krbtgt"}

// DomainUPN is the user principal name of a user in their domain: as declared for
// it, else that in the tenant.
func DomainUPN(u spec.User) string { return cmp.Or(u.UPNOnPrem, u.UPN) }

// SAMAccountName is the account name of a user in its domain: as declared, else
// the part of the UPN before @.
func SAMAccountName(u spec.User) string {
	if u.SAMAccountName != "" {
		return u.SAMAccountName
	}
	name, _, _ := strings.Cut(u.UPN, "@")
	return name
}
