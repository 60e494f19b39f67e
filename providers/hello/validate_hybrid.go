package hello

import (
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// Bounds of a sync's interval (Microsoft Entra Connect Sync: Scheduler).
const (
	shortestCycle = 30 * time.Minute   // AllowedSyncCycleInterval
	longestCycle  = 7 * 24 * time.Hour // a longer pause may need a full cycle
)

func (v *validation) syncs() {
	pairs, servers := map[[2]providers.Ref]string{}, map[providers.Ref]string{}
	for _, addr := range sortedKeys(v.Syncs) {
		s := v.Syncs[addr]
		if s.Knows("interval") {
			v.interval(addr, "interval", s.In.Interval)
		}
		v.schedule(addr, "key_export", s, s.In.KeySchedule, s.In.KeyExport)
		v.schedule(addr, "device_writeback", s, s.In.DeviceSchedule, s.In.DeviceWriteback)
		if !s.Knows("tenant", "domain") {
			continue
		}
		pair := [2]providers.Ref{s.In.Tenant, s.In.Domain}
		if other, twice := pairs[pair]; twice {
			v.problem(addr, "domain", "sync_twice", "Synchronized twice", "%s synchronizes %s to %s already, and one server does. Remove one of the two.", other, s.In.Domain, s.In.Tenant)
			continue
		}
		pairs[pair] = addr
		if other, taken := servers[s.In.Domain]; taken {
			v.problem(addr, "domain", "sync_server_taken", "Server of another sync", "The server of Connect in %s is %s's already; the lab has one in a domain. Synchronize another domain to %s.", s.In.Domain, other, s.In.Tenant)
		}
		servers[s.In.Domain] = addr
		v.exports(addr, s)
	}
}

// interval checks the time between two runs of a sync or a part of it.
func (v *validation) interval(addr, attribute string, d time.Duration) {
	switch {
	case d <= 0:
		v.problem(addr, attribute, "interval_not_positive", "Not an interval", "Cycles need time between them. Give a duration above zero, such as \"30m\".")
	case d < shortestCycle:
		v.warn(addr, attribute, "interval_below_floor", "Shorter than Connect allows", "The tenant allows a cycle every %s at most, and Connect would wait that long. The lab goes on with %s.",
			providers.FormatDuration(shortestCycle), providers.FormatDuration(d))
	case d > longestCycle:
		v.warn(addr, attribute, "interval_too_long", "Longer than Connect likes", "After a pause of more than %s Connect may need a full cycle. Shorten interval.", providers.FormatDuration(longestCycle))
	}
}

// schedule checks when a part of a sync runs, apart from the cycles.
func (v *validation) schedule(addr, part string, s *Sync, at *spec.SyncSchedule, on bool) {
	if at == nil {
		return
	}
	block := part + "_schedule"
	if !on && s.Knows(part) {
		v.warn(addr, block, "schedule_unused", "Setting without effect", "%s says when something runs that %s = false turns off. Remove it, or set %s = true.", block, part, part)
	}
	if at.Interval != nil && s.Knows(block+".interval") {
		v.interval(addr, block+".interval", *at.Interval)
	}
}

// KeysPaused says by which attribute keys are written only when somebody asks,
// "" where they are written by themselves.
func KeysPaused(s spec.Sync) string {
	switch own := s.KeySchedule; {
	case own == nil && !s.Enabled:
		return "enabled"
	case own != nil && own.Enabled != nil && !*own.Enabled:
		return "key_export_schedule.enabled"
	}
	return ""
}

// exports checks that a sync writes what others in the lab rest on.
func (v *validation) exports(addr string, s *Sync) {
	if !s.Knows("staging", "key_export", "key_export_schedule", "key_writeback_right", "enabled") {
		return
	}
	if s.In.Staging {
		for _, who := range v.synchronized(s) {
			v.problem(addr, "staging", "sync_in_staging", "Nothing is exported", "%s must reach %s by this sync, which exports nothing in staging mode. Set staging = false, and true once it is there.", who, s.In.Tenant)
			break // one says it
		}
	}
	v.writtenBack(addr, s)
	for _, t := range v.Trusts {
		if Trust(t.In.Type) != KeyTrust || t.In.Tenant != s.In.Tenant || t.In.Domain != s.In.Domain {
			continue
		}
		switch {
		case s.In.Staging:
			v.warn(addr, "staging", "keys_not_written", "Keys stay in the tenant", "Key trust waits for keys in the domain, and in staging mode none is written. New Hello keys are refused there.")
		case !s.In.KeyExport:
			v.warn(addr, "key_export", "keys_not_written", "Keys stay in the tenant", "Key trust waits for keys in the domain, and key_export is off. New Hello keys are refused there.")
		case !s.In.KeyRight:
			v.warn(addr, "key_writeback_right", "keys_not_written", "Keys stay in the tenant", "Key trust waits for keys in the domain, and the account of Connect is no member of Key Admins. New Hello keys are refused there.")
		case KeysPaused(s.In) != "":
			v.warn(addr, KeysPaused(s.In), "keys_not_written", "Keys wait for a cycle", "Key trust waits for keys in the domain, and none is written there by itself. New Hello keys are refused there until somebody has them written.")
		}
		return
	}
}

// synchronized are the users and devices still to be made that a sync carries
// to its tenant.
func (v *validation) synchronized(s *Sync) []string {
	var who []string
	for _, addr := range sortedKeys(v.Users) {
		if u := v.Users[addr]; !u.Exists() && u.In.Tenant == s.In.Tenant && u.In.Domain == s.In.Domain {
			who = append(who, addr)
		}
	}
	for _, addr := range sortedKeys(v.Devices) {
		if d := v.Devices[addr]; !d.Exists() && d.In.Join == string(HybridJoined) && d.In.Tenant == s.In.Tenant && d.In.Domain == s.In.Domain {
			who = append(who, addr)
		}
	}
	return who
}

// unsynchronized reports whether it is certain that nothing carries a domain's
// accounts to a tenant.
func (v *validation) unsynchronized(tenant, domain providers.Ref) bool {
	for _, s := range v.Syncs {
		if !s.Knows("tenant", "domain") {
			return false
		}
	}
	return v.SyncBetween(tenant, domain) == nil
}

// inBoth checks a user who has an account in a domain: what it takes to have
// one in a tenant, too.
func (v *validation) inBoth(addr string, u *User) {
	if u.In.Tenant != "" && v.unsynchronized(u.In.Tenant, u.In.Domain) {
		v.problem(addr, "domain", "user_in_both_needs_sync", "No synchronization",
			"An account in both is made in the domain and synchronized to the tenant, and no sync leads from %s to %s. Declare one, or remove tenant or domain.", u.In.Domain, u.In.Tenant)
	}
}

// domainNames checks the settings that only an account in a domain has.
func (v *validation) domainNames(addr string, u *User) {
	if name := u.In.UPNOnPrem; name != "" && u.Knows("upn_onprem") {
		local, domain, ok := strings.Cut(name, "@")
		if !ok || local == "" || !dnsName(strings.ToLower(domain)) || strings.ContainsFunc(local, notInUPN) {
			v.problem(addr, "upn_onprem", "upn_malformed", "Not a user principal name", "%q is not a user principal name such as \"alice@corp.contoso.com\".", name)
		}
	}
	if u.In.Domain != "" || !u.Knows("domain") {
		return
	}
	for _, set := range []struct {
		attribute string
		is        bool
	}{{"upn_onprem", u.In.UPNOnPrem != ""}, {"password_expired", u.In.PasswordExpired}, {"sam_account_name", u.In.SAMAccountName != ""}} {
		if set.is {
			v.warn(addr, set.attribute, "domain_setting_unused", "Setting without effect", "%s is of an account in a domain, and the user has none. Remove it, or set domain.", set.attribute)
		}
	}
}

// ofDomain checks that a user can sign in to a device that is joined to a domain
// at all.
func (v *validation) ofDomain(e *Enrollment, u *User, d *Device) bool {
	if !u.Knows("tenant", "domain") || !d.Knows("tenant", "domain") || d.In.Domain == "" {
		return true
	}
	switch {
	case u.In.Domain == "":
		v.problem(e.Addr, "user", "user_not_in_both", "The user has no account in the domain",
			"%s is joined to %s, whose controllers sign its users in, and %s lives in %s alone. Set domain = %s on the user.", d.Addr, d.In.Domain, u.Addr, u.In.Tenant, d.In.Domain)
		return false
	case u.In.Domain != d.In.Domain:
		v.problem(e.Addr, "user", "domain_mismatch", "User and device in different domains",
			"%s lives in %s and %s is joined to %s, and domains of a lab do not trust each other. Enroll a user of that domain.", u.Addr, u.In.Domain, d.Addr, d.In.Domain)
		return false
	}
	return true
}

// homesOfDevice checks that a device names the tenant and the domain that its
// join type needs, and no other.
func (v *validation) homesOfDevice(d *Device) {
	join := JoinType(d.In.Join)
	registered := join == EntraJoined || join == HybridJoined || join == Registered
	member := join == HybridJoined || join == DomainJoined
	switch {
	case registered && d.In.Tenant == "" && d.Knows("tenant"):
		v.problem(d.Addr, "tenant", "join_needs_tenant", "No tenant",
			"A device with join = %q is registered with a tenant, and none is named. Set tenant, or set join to \"none\".", d.In.Join)
	case !registered && d.In.Tenant != "":
		v.warn(d.Addr, "tenant", "tenant_unused", "Tenant without effect",
			"A device with join = %q is registered with no tenant. Remove tenant, or set join to \"entra\" or \"hybrid\".", d.In.Join)
	}
	switch {
	case member && d.In.Domain == "" && d.Knows("domain"):
		v.problem(d.Addr, "domain", "join_needs_domain", "No domain",
			"A device with join = %q is joined to a domain, and none is named. Set domain, or set join to \"entra\".", d.In.Join)
	case !member && d.In.Domain != "":
		v.warn(d.Addr, "domain", "domain_unused", "Domain without effect",
			"A device with join = %q is joined to no domain. Remove domain, or set join to \"hybrid\".", d.In.Join)
	}
	if !member {
		return
	}
	if d.In.JoinedBy != "" {
		v.warn(d.Addr, "joined_by", "joined_by_of_member", "Setting without effect", "An administrator of the domain joins the device, and nobody registers it by hand. Remove joined_by.")
	}
	if join == HybridJoined && d.In.Tenant != "" && d.In.Domain != "" && d.Knows("tenant", "domain") && v.unsynchronized(d.In.Tenant, d.In.Domain) {
		v.problem(d.Addr, "domain", "hybrid_join_needs_sync", "No synchronization",
			"A computer of %s can register with %s once Connect has carried it there, and no sync leads from one to the other. Declare one.", d.In.Domain, d.In.Tenant)
	}
	v.computerName(d)
}

// connectServer is the computer name of a sync's server.
const connectServer = "connect"

// computerName checks the name by which a domain knows a device.
func (v *validation) computerName(d *Device) {
	if !d.Knows("name", "domain") {
		return
	}
	name := ComputerName(d.Addr, d.In)
	if !netBIOSName(name) {
		v.problem(d.Addr, "name", "computer_name_malformed", "Not a computer name",
			"A domain knows its computers by NetBIOS names, and %q is none: 1 to 15 letters, digits and hyphens, such as \"laptop1\". Set name.", name)
		return
	}
	taken := ""
	for _, addr := range sortedKeys(v.Devices) {
		o := v.Devices[addr]
		if addr < d.Addr && (o.In.Join == string(HybridJoined) || o.In.Join == string(DomainJoined)) && o.In.Domain == d.In.Domain && strings.EqualFold(ComputerName(addr, o.In), name) {
			taken = addr
		}
	}
	for _, addr := range sortedKeys(v.Services) {
		if s := v.Services[addr]; s.In.Domain == d.In.Domain && strings.EqualFold(ServiceName(addr, s.In), name) {
			taken = addr
		}
	}
	for _, addr := range sortedKeys(v.Syncs) {
		if v.Syncs[addr].In.Domain == d.In.Domain && strings.EqualFold(name, connectServer) {
			taken = "the server of " + addr
		}
	}
	if f := v.FederationOn(d.In.Domain); f != nil && f.Knows("host") && strings.EqualFold(name, federationServer(f.In)) {
		taken = "the server of " + f.Addr
	}
	if dom := v.Domains[string(d.In.Domain)]; dom != nil && dom.Knows("controller") {
		controllers, _ := Controllers(dom.In)
		for _, c := range controllers {
			if strings.EqualFold(c, name) {
				taken = "a controller of " + dom.Addr
			}
		}
	}
	if taken != "" {
		v.problem(d.Addr, "name", "computer_name_taken", "Name of another computer", "%s has the computer name %q already. Set name to another.", taken, name)
	}
}

// place checks that a device still to be made is where it can be.
func (v *validation) place(d *Device) {
	if d.Exists() || !d.Knows("network") || d.In.Network == "" {
		return
	}
	join := JoinType(d.In.Join)
	there := "internet"
	if join == HybridJoined || join == DomainJoined {
		there = "onsite" // a domain is joined in sight of a controller
	}
	switch n := Network(d.In.Network); {
	case join == NotJoined:
	case n == Captive:
		v.problem(d.Addr, "network", "join_off_network", "No network to join over",
			"A device with join = %q registers over the network, and nobody has signed in at the captive portal of this one's. Set network to %q, and to \"captive\" once it is joined.", join, there)
	case n == NoNetwork:
		v.problem(d.Addr, "network", "join_off_network", "No network to join over",
			"A device with join = %q registers over the network, and this one is on none. Set network to \"onsite\", and to \"none\" once it is joined.", join)
	case (join == HybridJoined || join == DomainJoined) && !atController(d):
		v.problem(d.Addr, "network", "join_off_network", "No controller to join at",
			"A device joins a domain with line of sight to a controller, and with network = %q this one has none before its user signs in. Set network to \"onsite\", and change it once the device is joined.", n)
	}
}

// firstSignIn checks that the password sign-in before provisioning can be: to a
// controller on a member of a domain, to the tenant elsewhere.
func (v *validation) firstSignIn(e *Enrollment, u *User, d *Device) {
	member := member(d)
	if d.Knows("network") && d.In.Network != "" {
		there := "internet"
		if member {
			there = "onsite" // a controller sees the user's first sign-in
		}
		switch {
		case d.In.Network == string(Captive):
			v.problem(e.Addr, "device", "enrollment_off_network", "No network to provision over",
				"Provisioning asks services, and %s is behind a captive portal at which nobody has signed in. Set network to %q, and to \"captive\" once the user is enrolled.", d.Addr, there)
		case d.In.Network == string(NoNetwork):
			v.problem(e.Addr, "device", "enrollment_off_network", "No network to provision over",
				"Provisioning asks services, and %s is on no network. Set network to \"onsite\", and to \"none\" once the user is enrolled.", d.Addr)
		case member && !atController(d):
			v.problem(e.Addr, "device", "enrollment_off_network", "No controller to sign in at",
				"A controller must see the user's first sign-in, and with network = %q %s reaches none (0xC000005E). Set network to \"onsite\", and change it once the user is enrolled.", d.In.Network, d.Addr)
		}
	}
	if !member {
		return
	}
	if !u.In.EnabledInDomain && u.Knows("enabled_in_domain") {
		v.problem(e.Addr, "user", "user_disabled", "User is disabled",
			"%s is disabled in the domain, which would refuse the sign-in before provisioning (0xC0000072). Enable the user first, and disable it once enrolled.", u.Addr)
	}
	if !d.In.EnabledInDomain && d.Knows("enabled_in_domain") {
		v.problem(e.Addr, "device", "device_disabled", "Device is disabled",
			"%s is disabled in the domain, which would refuse its sign-ins (0xC000018B). Enable the device first, and disable it once enrolled.", d.Addr)
	}
	if u.In.PasswordExpired && u.Knows("password_expired") {
		v.problem(e.Addr, "user", "password_expired", "Password has expired",
			"The user signs in with the password before provisioning, and the domain takes that of %s for nothing but a change (0xC0000224). Set password_expired once the user is enrolled.", u.Addr)
	}
}
