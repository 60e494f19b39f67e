package hello

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
)

// Problem is something about declared objects that cannot work, or that works
// otherwise than its author may think (Warning). Attribute is a dotted path in
// the block at Addr, "" for the block as a whole.
type Problem struct {
	Addr      string
	Attribute string
	Rule      string // snake_case name
	Warning   bool
	Summary   string // a few words
	Detail    string // full sentences: what is wrong, and what to do next
}

// Validate checks a World across its objects, beyond what each block's schema
// says. References to objects outside the World (a partial plan) and unknown
// attributes are passed over: whatever they turn out to be is checked by the
// systems when it happens. Problems come ordered by address, attribute, rule.
func Validate(w *World) []Problem {
	v := &validation{World: w, otherMFA: map[string]bool{}, accounts: map[string]string{}, said: map[string]bool{}}
	v.federations()
	v.tenants()
	v.domains()
	v.authorities()
	v.users()
	v.groups()
	v.passwordSettings()
	v.devices()
	v.policies()
	v.enrollments()
	v.applications()
	v.services()
	v.syncs()
	v.scopes()
	v.trusts()
	v.certificates()
	v.untrusted()
	slices.SortStableFunc(v.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Addr, b.Addr), cmp.Compare(a.Attribute, b.Attribute), cmp.Compare(a.Rule, b.Rule))
	})
	return v.problems
}

type validation struct {
	*World
	problems []Problem
	otherMFA map[string]bool   // tenants whose third-party service was warned of
	accounts map[string]string // domain and account name → user
	said     map[string]bool   // warnings that are given once, though they concern many
}

func (v *validation) problem(addr, attribute, rule, summary, format string, args ...any) {
	v.problems = append(v.problems, Problem{Addr: addr, Attribute: attribute, Rule: rule, Summary: summary, Detail: fmt.Sprintf(format, args...)})
}

func (v *validation) warn(addr, attribute, rule, summary, format string, args ...any) {
	v.problem(addr, attribute, rule, summary, format, args...)
	v.problems[len(v.problems)-1].Warning = true
}

func (v *validation) tenants() {
	owner := map[string]string{} // domain -> tenant
	for _, addr := range sortedKeys(v.Tenants) {
		t := v.Tenants[addr]
		if len(t.In.Domains) == 0 && t.Knows("domains") {
			v.problem(addr, "domains", "tenant_without_domain", "No domain",
				"A tenant needs at least one verified domain, for its users' names to end in. Add one to domains.")
		}
		for _, d := range t.In.Domains {
			name := strings.ToLower(d)
			switch other, taken := owner[name]; {
			case name == "" && !t.Knows("domains"):
			case !dnsName(name):
				v.problem(addr, "domains", "domain_malformed", "Not a domain name",
					"%q is not a domain name such as \"contoso.com\".", d)
			case taken && other == addr:
				v.problem(addr, "domains", "domain_listed_twice", "Domain listed twice", "%q is listed twice. Remove one.", d)
			case taken:
				v.problem(addr, "domains", "domain_claimed_twice", "Domain of another tenant",
					"%q is a domain of %s already, and a domain can be verified in one tenant only. Remove it from one of them.", d, other)
			default:
				owner[name] = addr
			}
		}
		v.federatedTenant(addr, t)
		v.lifetimes(addr, t)
		if t.In.DeviceQuota < 1 && t.Knows("device_quota") {
			v.problem(addr, "device_quota", "device_quota_too_low", "Nobody could join a device",
				"A quota of %d lets no user join a device. Give at least 1.", t.In.DeviceQuota)
		}
	}
}

func (v *validation) lifetimes(addr string, t *Tenant) {
	l := t.In.Lifetimes
	if l == nil {
		return
	}
	for _, life := range []struct {
		name string
		d    time.Duration
	}{{"nonce", l.Nonce}, {"mfa", l.MFA}, {"access_token", l.AccessToken}, {"prt", l.PRT}, {"prt_renewal", l.PRTRenewal}} {
		path := "lifetimes." + life.name
		if life.d <= 0 && t.Knows(path) {
			v.problem(addr, path, "lifetime_not_positive", "Not a lifetime", "What lives no time at all is never valid. Give a duration above zero, such as \"5m\".")
		}
	}
	if l.PRTRenewal >= l.PRT && l.PRT > 0 && t.Knows("lifetimes.prt", "lifetimes.prt_renewal") {
		v.warn(addr, "lifetimes.prt_renewal", "renewal_after_expiry", "Renewal comes too late",
			"Primary refresh tokens expire before a device renews them, so users must sign in again each time. Set prt_renewal below prt.")
	}
}

func (v *validation) users() {
	owner := map[string]string{} // UPN in lower case -> user
	for _, addr := range sortedKeys(v.Users) {
		u := v.Users[addr]
		if !u.Knows("upn") {
			continue
		}
		name := strings.ToLower(u.In.UPN)
		if other, taken := owner[name]; taken {
			v.problem(addr, "upn", "upn_taken", "User name taken",
				"%s has the name %q already; upper and lower case make no difference. Give each user a name of their own.", other, u.In.UPN)
			continue
		}
		owner[name] = addr
		v.upn(addr, u)
		v.account(addr, u)
	}
}

func (v *validation) upn(addr string, u *User) {
	local, domain, ok := strings.Cut(u.In.UPN, "@")
	if !ok || local == "" || strings.Contains(domain, "@") || !dnsName(strings.ToLower(domain)) || strings.ContainsFunc(local, notInUPN) {
		v.problem(addr, "upn", "upn_malformed", "Not a user principal name",
			"%q is not a user principal name such as \"alice@contoso.com\".", u.In.UPN)
		return
	}
	t := v.Tenants[string(u.In.Tenant)]
	if t == nil || !t.Knows("domains") || !u.Knows("tenant") || len(t.In.Domains) == 0 {
		return
	}
	known := make([]string, len(t.In.Domains))
	for i, d := range t.In.Domains {
		known[i] = strings.ToLower(d)
	}
	if slices.Contains(known, domainOf(u.In.UPN)) {
		return
	}
	next := fmt.Sprintf("Use one of %s, or add the domain to the tenant.", quoteAll(known))
	if near := Nearest(domain, known); near != "" {
		next = fmt.Sprintf("Did you mean %q?", local+"@"+near)
	}
	v.problem(addr, "upn", "upn_suffix_unverified", "Unknown domain",
		"%q is not a verified domain of %s, so the tenant would not know the user (0xC000005F). %s", domain, t.Addr, next)
}

// notInUPN rejects what Entra ID's user names may not hold besides letters,
// digits and ' . - _ ! # ^ ~ ("Synchronization: username policies").
func notInUPN(c rune) bool {
	if c > 0x7e {
		return true
	}
	return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("'.-_!#^~", c))
}

func (v *validation) groups() {
	for _, addr := range sortedKeys(v.Groups) {
		g := v.Groups[addr]
		v.oneHome(addr, "group", g.In.Tenant, g.In.Domain, g.Knows("tenant", "domain"))
		if g.In.WellKnown != "" && g.In.Domain == "" && g.Knows("domain") {
			v.problem(addr, "well_known", "well_known_without_domain", "No domain",
				"Only a domain has well-known groups. Set domain, or remove well_known.")
		}
		for _, m := range g.In.Members {
			v.sameHome(addr, "members", string(m))
		}
	}
	for _, addr := range sortedKeys(v.Users) {
		for _, g := range v.Users[addr].In.Groups {
			v.sameHome(addr, "groups", string(g))
		}
	}
}

// sameHome checks that a member, or a group, lives where its other end does.
func (v *validation) sameHome(addr, attribute, other string) {
	own, its := v.homesOf(addr), v.homesOf(other)
	shared := func(home string) bool { return slices.Contains(its, home) }
	if len(own) > 0 && len(its) > 0 && !slices.ContainsFunc(own, shared) {
		v.problem(addr, attribute, "member_elsewhere", "Member of another directory",
			"%s lives in %s and %s in %s; a group holds members of its own tenant or domain only. Move one of them.", addr, strings.Join(own, " and "), other, strings.Join(its, " and "))
	}
}

// homesOf returns the tenant and the domain that an object has an account in;
// none when that is not known.
func (w *World) homesOf(addr string) []string {
	var homes []string
	add := func(known bool, refs ...providers.Ref) {
		for _, r := range refs {
			if known && r != "" {
				homes = append(homes, string(r))
			}
		}
	}
	if u := w.Users[addr]; u != nil {
		add(u.Knows("tenant", "domain"), u.In.Tenant, u.In.Domain)
	}
	if d := w.Devices[addr]; d != nil {
		add(d.Knows("tenant", "domain"), d.In.Tenant, d.In.Domain)
	}
	if g := w.Groups[addr]; g != nil {
		add(g.Knows("tenant", "domain"), g.In.Tenant, g.In.Domain)
	}
	return homes
}

// dnsName reports whether s, in lower case, is a name of at least two labels
// by RFC 1123.
func dnsName(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}
