package hello

import (
	"fmt"
	"slices"
	"strings"

	"hellolab/providers"
)

// serverObject checks that a domain can be what a cloud Kerberos trust needs
// ("Cloud Kerberos trust deployment guide", "Passwordless security key sign-in to
// on-premises resources"): controllers that exchange partial tickets, and one
// server object. What else the guide asks for cannot be declared otherwise: a
// tenant (on premises there is no such trust), a domain of level 2008 R2, clients
// of Windows 10 or 11 21H2.
func (v *validation) serverObject(t *DeclaredTrust) {
	v.oneServerObject(t)
	v.exchangers(t)
	v.relaxed(t)
	if t.In.KeyVersion < 1 && t.Knows("key_version") {
		v.problem(t.Addr, "key_version", "key_version_malformed", "Not the number of a key", "Announced keys are counted from 1, and key_version is %d. Raise it.", t.In.KeyVersion)
	}
}

// oneServerObject: a domain has one AzureADKerberos, and it is of one tenant.
func (v *validation) oneServerObject(t *DeclaredTrust) {
	for _, addr := range sortedKeys(v.Trusts) {
		if addr >= t.Addr {
			return
		}
		other := v.Trusts[addr]
		if other.Knows("type", "domain") && Trust(other.In.Type) == CloudKerberos && other.In.Domain == t.In.Domain {
			v.problem(t.Addr, "domain", "cloud_trust_twice", "The domain has a Kerberos server object already",
				"%s makes the Kerberos server object of %s for %s, and a domain has one. Remove one of the two.", addr, t.In.Domain, other.In.Tenant)
			return
		}
	}
}

// exchangers checks who exchanges partial tickets: somebody must, and somebody at
// each site that has controllers should.
func (v *validation) exchangers(t *DeclaredTrust) {
	d := v.Domains[string(t.In.Domain)]
	if d == nil || !d.Knows("controller") {
		return
	}
	names, by := Controllers(d.In)
	var without []string
	able := map[string]bool{}       // sites
	unable := map[string][]string{} // site → its controllers, and why they do not
	for _, name := range names {
		site := by[name].Site
		why := ExchangesPartial(by[name])
		if why == "" {
			able[site] = true
			continue
		}
		said := fmt.Sprintf("%s %s", name, why)
		without, unable[site] = append(without, said), append(unable[site], said)
	}
	const need = "a writable controller of Windows Server 2016 with KB4534307, 2019 with KB4534321, or later, with AES256 among its etypes"
	if len(able) == 0 {
		say := v.problem
		if t.Exists() { // what that costs is for the preview of the plan to show
			say = v.warn
		}
		say(t.Addr, "domain", "cloud_trust_without_controller", "No controller for the trust",
			"No controller of %s exchanges partial tickets: %s. Declare %s.", t.In.Domain, strings.Join(without, "; "), need)
		return
	}
	for _, site := range sortedKeys(unable) {
		if !able[site] {
			v.once("exchangers "+d.Addr+" "+site, d.Addr, "controller", "cloud_trust_site_without_controller", "No controller for the trust at a site",
				"Site %s has no controller that exchanges the partial tickets of %s: %s. Devices there have to reach another site's. Add %s.", site, t.Addr, strings.Join(unable[site], "; "), need)
		}
	}
}

// relaxed warns of an allow list without anybody, and of a deny list without the
// group that holds the privileged accounts.
func (v *validation) relaxed(t *DeclaredTrust) {
	if t.In.Allowed != nil && len(t.In.Allowed) == 0 && t.Knows("allowed") {
		v.warn(t.Addr, "allowed", "cloud_trust_allows_nobody", "Nobody is allowed", "allowed names the whole list, and it is empty: no partial ticket is exchanged. Add a group, or leave allowed out.")
	}
	if t.In.Denied == nil || !t.Knows("denied") {
		return
	}
	denies := slices.ContainsFunc(sortedKeys(v.Groups), func(addr string) bool {
		g := v.Groups[addr]
		return !g.Knows("well_known") || g.In.WellKnown == deniedReplication && slices.ContainsFunc(t.In.Denied, func(r providers.Ref) bool { return string(r) == addr })
	})
	if !denies {
		v.warn(t.Addr, "denied", "cloud_trust_denies_too_few", "Privileged accounts are not denied",
			"denied names the whole list, and it lacks the Denied RODC Password Replication Group, in which the domain's administrators are: who holds the tenant's key can sign in as one of them. Add a group with well_known = %q.", deniedReplication)
	}
}
