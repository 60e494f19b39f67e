package hello

import (
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// federationLabel is the first label of an AD FS host that is not declared.
const federationLabel = "sts"

// FederationHost is the name that a federation service answers to: as declared,
// else "sts." and the DNS name of its domain.
func FederationHost(in spec.Federation, dnsName string) string {
	if in.Host != "" {
		return strings.ToLower(in.Host)
	}
	return strings.ToLower(federationLabel + "." + dnsName)
}

// federationServer is the computer name of AD FS's server in its domain.
func federationServer(in spec.Federation) string {
	label, _, _ := strings.Cut(FederationHost(in, ""), ".")
	return label
}

func (v *validation) federations() {
	hosts, servers := map[string]string{}, map[providers.Ref]string{}
	for _, addr := range sortedKeys(v.Federations) {
		f := v.Federations[addr]
		if !f.Knows("kind") {
			continue
		}
		switch f.In.Kind {
		case spec.FederationADFS:
			v.adfs(f, servers)
		case spec.FederationThirdParty:
			v.thirdParty(f)
		}
		v.federationHost(f, hosts)
		v.federationTimes(f)
		if f.In.SigningVersion < 1 && f.Knows("signing_version") {
			v.problem(addr, "signing_version", "signing_version_malformed", "Not the number of a certificate", "Announced certificates are counted from 1, and signing_version is %d. Raise it.", f.In.SigningVersion)
		}
		if f.In.MFA == spec.AdapterNone && f.In.MFARule == spec.MFAAlways && f.Knows("mfa", "mfa_rule") {
			v.problem(addr, "mfa_rule", "mfa_rule_without_adapter", "Nobody can pass",
				"Every sign-in asks for a second factor, and the service has no adapter to verify one (Azure MFA Server is none since September 2024). Set mfa to \"builtin\" or \"third_party\", or mfa_rule to another value.")
		}
	}
}

func (v *validation) adfs(f *Federation, servers map[providers.Ref]string) {
	if f.In.Domain == "" {
		if f.Knows("domain") {
			v.problem(f.Addr, "domain", "federation_needs_domain", "No domain", "AD FS signs in the accounts of a domain, and none is named. Set domain, or kind to \"third_party\".")
		}
		return
	}
	if other, taken := servers[f.In.Domain]; taken {
		v.problem(f.Addr, "domain", "federation_twice", "The domain has AD FS already", "%s is AD FS of %s, and the lab has one in a domain. Remove one of the two.", other, f.In.Domain)
	}
	servers[f.In.Domain] = f.Addr
	if a := v.Authorities[string(f.In.Authority)]; a != nil && f.Knows("authority") && a.Knows("domain") && a.In.Domain != f.In.Domain {
		v.problem(f.Addr, "authority", "federation_authority_elsewhere", "Authority of another domain", "%s is an authority of %s, and AD FS is of %s. Name one of that domain.", a.Addr, a.In.Domain, f.In.Domain)
	}
}

// thirdParty checks another vendor's service, which has nothing of AD FS.
func (v *validation) thirdParty(f *Federation) {
	if f.In.Host == "" && f.Knows("host") {
		v.problem(f.Addr, "host", "federation_needs_host", "No host", "Another vendor's service has a name of its own, and none is given. Set host, such as \"idp.example.com\".")
	}
	for _, s := range []given{{"domain", f.In.Domain != ""}, {"authority", f.In.Authority != ""}} {
		if s.is {
			v.problem(f.Addr, s.attribute, "federation_setting_foreign", "Setting of AD FS", "Another vendor's service has accounts of its own and registers neither devices nor certificates, so %s is not of it. Remove it, or set kind to \"adfs\".", s.attribute)
		}
	}
	if f.In.UserGroups != nil && !*f.In.UserGroups && f.Knows("ugs_scope") {
		v.warn(f.Addr, "ugs_scope", "federation_setting_unused", "Setting without effect", "Windows asks AD FS alone for the scope ugs, and this is another vendor's service. Remove ugs_scope.")
	}
}

func (v *validation) federationHost(f *Federation, hosts map[string]string) {
	d := v.Domains[string(f.In.Domain)]
	if !f.Knows("host", "domain") || f.In.Host == "" && (d == nil || !d.Knows("dns_name")) {
		return
	}
	dns := ""
	if d != nil {
		dns = d.In.DNSName
	}
	host := FederationHost(f.In, dns)
	if !dnsName(host) {
		if f.In.Host != "" {
			v.problem(f.Addr, "host", "host_malformed", "Not a host name", "%q is not a host name such as \"sts.contoso.com\".", f.In.Host)
		}
		return
	}
	if other, taken := hosts[host]; taken {
		v.problem(f.Addr, "host", "federation_host_taken", "Host of another service", "%s answers to %q already. Give each service a name of its own.", other, host)
	}
	hosts[host] = f.Addr
	if other := v.answersTo(host); other != "" {
		v.problem(f.Addr, "host", "federation_host_taken", "Host of another service", "%s answers to %q already. Give the federation service a name of its own.", other, host)
	}
}

// tenantHosts is what the names of tenants' services end in.
const tenantHosts = ".entra.test"

// answersTo is what of the lab, beside federation services, answers to a host; ""
// when nothing does.
func (v *validation) answersTo(host string) string {
	if strings.HasSuffix(host, tenantHosts) {
		return "A tenant"
	}
	for _, addr := range sortedKeys(v.Domains) {
		d := v.Domains[addr]
		name, inside := strings.CutSuffix(host, "."+strings.ToLower(d.In.DNSName))
		if !inside || !d.Knows("dns_name", "controller") {
			continue
		}
		if controllers, _ := Controllers(d.In); slices.ContainsFunc(controllers, func(c string) bool { return strings.EqualFold(c, name) }) {
			return "A controller of " + addr
		}
		for _, s := range sortedKeys(v.Syncs) {
			if string(v.Syncs[s].In.Domain) == addr && name == connectServer {
				return "The server of " + s
			}
		}
		for _, s := range sortedKeys(v.Services) {
			if string(v.Services[s].In.Domain) == addr && strings.EqualFold(ServiceName(s, v.Services[s].In), name) {
				return s
			}
		}
	}
	return ""
}

func (v *validation) federationTimes(f *Federation) {
	l := f.In.Lifetimes
	if l == nil {
		return
	}
	for _, life := range []struct {
		name string
		d    time.Duration
	}{{"nonce", l.Nonce}, {"assertion", l.Assertion}, {"access_token", l.AccessToken}, {"mfa", l.MFA}, {"prt", l.PRT}, {"signing_overlap", l.SigningOverlap}} {
		if path := "lifetimes." + life.name; life.d <= 0 && f.Knows(path) {
			v.problem(f.Addr, path, "lifetime_not_positive", "Not a lifetime", "What lives no time at all is never valid. Give a duration above zero, such as \"10m\".")
		}
	}
}

// federatedTenant checks that a tenant and its federation service belong together.
func (v *validation) federatedTenant(addr string, t *Tenant) {
	if !t.Knows("authentication", "federation") {
		return
	}
	federated := Authentication(t.In.Authentication).Federated()
	switch {
	case federated && t.In.Federation == "":
		v.problem(addr, "federation", "federation_missing", "No federation service",
			"Another service signs in the users of a federated tenant, and none is named. Set federation, or authentication to \"managed\".")
		return
	case !federated && t.In.Federation != "":
		v.problem(addr, "authentication", "tenant_not_federated", "The tenant is not federated",
			"The tenant names %s and checks passwords itself. Set authentication to \"federated\", or remove federation.", t.In.Federation)
		return
	case !federated:
		if m := t.In.MFA; m != nil && m.Federated != "" && m.Federated != "accept" && t.Knows("mfa", "mfa.federated_behavior") {
			v.warn(addr, "mfa.federated_behavior", "federated_behavior_unused", "Setting without effect", "federated_behavior is of a federated tenant. Remove it, or set authentication to \"federated\".")
		}
		return
	}
	f := v.Federations[string(t.In.Federation)]
	if f == nil || !f.Knows("kind", "domain") || f.In.Kind != spec.FederationADFS || f.In.Domain == "" {
		return
	}
	if v.unsynchronized(providers.Ref(addr), f.In.Domain) {
		v.problem(addr, "federation", "federation_needs_sync", "No synchronization",
			"AD FS tells the tenant whom it signed in by what Connect has carried there, and no sync leads from %s to %s. Declare one.", f.In.Domain, addr)
	}
}

// federatedUser checks that the federation service of a user's tenant can sign
// the user in.
func (v *validation) federatedUser(addr string, u *User) {
	t := v.Tenants[string(u.In.Tenant)]
	if t == nil || !t.Knows("authentication", "federation") || !Authentication(t.In.Authentication).Federated() {
		return
	}
	f := v.Federations[string(t.In.Federation)]
	if f == nil || !f.Knows("kind", "domain") || f.In.Kind != spec.FederationADFS || f.In.Domain == "" || u.In.Domain == f.In.Domain {
		return
	}
	where := "lives in the tenant alone"
	if u.In.Domain != "" {
		where = "lives in " + string(u.In.Domain)
	}
	v.problem(addr, "domain", "federated_user_elsewhere", "AD FS does not know the user",
		"%s is federated with %s, which signs in the accounts of %s, and the user %s. Set domain = %s on the user.", t.Addr, f.Addr, f.In.Domain, where, f.In.Domain)
}

// throughFederation checks that the federation service of an enrollment that is to
// be made can do its part in phase A, and on-premises also in phase C.
func (v *validation) throughFederation(e *Enrollment, u *User, d *Device, route Route) {
	f := v.Federations[v.TokenServiceOf(u)]
	if f == nil || !route.Authentication.Federated() {
		return
	}
	v.adapterService(f, e, route.Provision)
	if e.Exists() {
		return
	}
	if !f.In.Enabled && f.Knows("enabled") {
		v.problem(e.Addr, "user", "federation_down", "The federation service is down",
			"Provisioning signs %s in through %s, which does not run. Set enabled = true there, and false once the user is enrolled: Hello sign-ins do not need it.", u.Addr, f.Addr)
	}
	onPremises := route.Deployment == OnPremises
	if !VerifiesFactors(f) { // the tenant asks for its own only after the service's
		v.problem(e.Addr, "user", "federation_without_second_factor", "No second factor",
			"Provisioning needs two factors and asks %s for the second, which verifies none. Set mfa of the federation to \"builtin\" or \"third_party\", and mfa_rule to another than \"never\".", f.Addr)
	}
	if onPremises && v.RegistersAt(d) == "" && f.Knows("device_registration") {
		v.problem(e.Addr, "device", "on_premises_needs_registration", "No device registration service",
			"On-premises, devices and keys are registered with the Enterprise Device Registration Service, which is off. Set device_registration = true on %s.", f.Addr)
	}
}

// joinsThrough checks that AD FS can say of a device that is to be made which computer
// it is, in words that the tenant takes.
func (v *validation) joinsThrough(d *Device) {
	f := v.JoinsThrough(d)
	if f == nil || d.Exists() {
		return
	}
	if !f.In.Enabled && f.Knows("enabled") {
		v.problem(d.Addr, "join", "join_through_federation_down", "The federation service is down",
			"In a federated tenant a computer joins by what AD FS says of it, and %s, through which %s would join, does not run. Set enabled = true there, and false once the device is joined.", f.Addr, d.Addr)
		return
	}
	// The thumbprint follows signing_version: it is not known while that changes.
	if t := v.Tenants[string(d.In.Tenant)]; f.Exists() && t.Exists() && f.Out.SigningThumbprint == "" {
		v.warn(d.Addr, "join", "join_by_new_signing_certificate", "The tenant may not know who vouches",
			"%s signs by a new certificate from this apply on, and %s, which reads its metadata once a day, takes nothing signed by that before (AADSTS50008): the join of %s through it would fail and stop the apply. Apply the new signing_version first, let a day pass (hellolab clock advance 24h), and add the device then.", f.Addr, t.Addr, d.Addr)
	}
}

// adapterService warns, once a federation, of another vendor's adapter in a flow
// for which the documents name none.
func (v *validation) adapterService(f *Federation, e *Enrollment, flow Flow) {
	if f.In.MFA == spec.AdapterThirdParty && f.Knows("mfa") && flow != "" && !flow.ThirdPartyMFA() {
		v.once("adapter "+f.Addr, f.Addr, "mfa", "third_party_mfa_unnamed", "Second factor of another vendor",
			"%s is provisioned by flow %s, for which Microsoft's description names no other vendor's second factor; it does for P5 to P7. The lab goes on with it. Set mfa to \"builtin\" to follow the description.", e.Addr, flow)
	}
}

// certificates checks further certificates in Hello containers.
func (v *validation) certificates() {
	seen := map[[2]string]string{}
	for _, addr := range sortedKeys(v.Certificates) {
		c := v.Certificates[addr]
		if !c.Knows("enrollment", "purpose", "authority") {
			continue
		}
		key := [2]string{string(c.In.Enrollment), c.In.Purpose}
		if other, twice := seen[key]; twice {
			v.problem(addr, "purpose", "certificate_twice", "Declared twice", "%s is the %s certificate of %s already. Remove one of the two.", other, c.In.Purpose, c.In.Enrollment)
		}
		seen[key] = addr
		v.besideGroupPolicy(c)
		e, a := v.Enrollments[string(c.In.Enrollment)], v.Authorities[string(c.In.Authority)]
		if e == nil || a == nil {
			continue
		}
		if u := v.Users[string(e.In.User)]; u != nil && u.Knows("domain") && a.Knows("domain") && u.In.Domain != a.In.Domain {
			v.problem(addr, "authority", "certificate_authority_elsewhere", "Authority of another domain",
				"%s certifies accounts of %s, and %s has none there. Name an authority of the user's domain.", a.Addr, a.In.Domain, u.Addr)
		}
	}
}

// besideGroupPolicy warns of a certificate that device management delivers into a
// container which group policy turns on: Microsoft says that it never arrives
// ("Remote Desktop sign-in with Windows Hello for Business").
func (v *validation) besideGroupPolicy(c *Certificate) {
	e := v.Enrollments[string(c.In.Enrollment)]
	if e == nil || !e.Knows("user", "device") || !v.policyKnown(string(e.In.User), string(e.In.Device)) {
		return
	}
	if d := v.Devices[string(e.In.Device)]; d == nil || !d.Knows("join") || !member(d) {
		return
	}
	on := v.InForce(string(e.In.User), string(e.In.Device)).UsePassportForWork
	if p := v.Policies[on.Origin.Policy]; p != nil && on.Value && p.In.Source == "gpo" {
		v.warn(c.Addr, "enrollment", "certificate_beside_group_policy", "Group policy and device management mixed",
			"%s turns Hello on by group policy, and device management delivers the certificate: on Windows such a certificate does not arrive (0x82ab0011). The lab goes on and delivers it. Turn Hello on by a policy with source = \"mdm\" to follow the documents.", p.Addr)
	}
}
