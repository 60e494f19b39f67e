package hello

import (
	"fmt"
	"slices"
	"strings"
)

// enrollmentsPerDevice is how many users a device supports (Windows Hello for
// Business FAQ).
const enrollmentsPerDevice = 10

func (v *validation) devices() {
	owned := map[string]int{} // devices of a user that are there, or come before
	for _, addr := range sortedKeys(v.Devices) {
		if d := v.Devices[addr]; d.Exists() && d.Knows("join", "joined_by", "tenant") {
			for _, by := range v.ownersOf(d) {
				owned[by]++
			}
		}
	}
	for _, addr := range sortedKeys(v.Devices) {
		d := v.Devices[addr]
		if !d.Knows("join") {
			continue
		}
		v.homesOfDevice(d)
		v.place(d)
		v.joinsThrough(d)
		v.kdcSettings(d)
		v.sensors(d)
		switch JoinType(d.In.Join) {
		case Registered:
			v.registered(d)
		case EntraJoined:
			v.unlock(d)
			v.joiner(d)
		default:
			v.unlock(d)
		}
		v.quota(d, owned)
		if n := len(v.EnrollmentsOn(addr)); n > enrollmentsPerDevice {
			v.warn(addr, "", "too_many_enrollments", "Too many enrollments",
				"%d users are enrolled on this device, and Windows supports %d. Spread them over more devices.", n, enrollmentsPerDevice)
		}
	}
}

// ownersOf are the users whose device it becomes in its tenant, towards their quota: who
// joins it, or the work accounts that register it. A hybrid joined device has none.
func (v *validation) ownersOf(d *Device) (users []string) {
	switch JoinType(d.In.Join) {
	case EntraJoined:
		if by, ok := v.Joiner(d.Addr); ok {
			users = append(users, by)
		}
	case Registered:
		for _, by := range d.In.WorkAccounts {
			users = append(users, string(by))
		}
	}
	return users
}

// quota warns unless the tenant takes one more device of those whose it becomes. It
// counts the device among owned, which has those that are there.
func (v *validation) quota(d *Device, owned map[string]int) {
	if d.Exists() || !d.Knows("joined_by", "tenant", "work_accounts") {
		return
	}
	for _, by := range v.ownersOf(d) {
		u := v.Users[by]
		if u == nil || !u.Knows("tenant") {
			continue
		}
		t := v.Tenants[string(u.In.Tenant)]
		if t == nil || !t.Knows("device_quota") {
			continue
		}
		if owned[by]++; owned[by] > t.In.DeviceQuota {
			v.warn(d.Addr, "", "device_quota", "Too many devices of one user",
				"With this device %s has %d, and device_quota of %s is %d: the tenant will refuse to register it (0x801C000E). Let another user join it, remove a device, or raise the quota.", by, owned[by], t.Addr, t.In.DeviceQuota)
		}
	}
}

// joiner checks who joins a device that is not joined yet.
func (v *validation) joiner(d *Device) {
	if !d.Knows("joined_by", "tenant") {
		return
	}
	by, ok := v.Joiner(d.Addr)
	if !ok {
		if !d.Exists() {
			v.problem(d.Addr, "joined_by", "nobody_joins", "Nobody joins the device",
				"A user joins the device out of the box: the first one enrolled on it, and none is. Set joined_by to a user of its tenant.")
		}
		return
	}
	u := v.Users[by]
	if u == nil || d.In.JoinedBy == "" {
		return // the first enrollment's own checks say what its user lacks
	}
	if u.Knows("tenant") && d.In.Tenant != "" && u.In.Tenant != d.In.Tenant {
		v.problem(d.Addr, "joined_by", "joined_by_other_tenant", "User of another tenant",
			"%s lives in %s, and only users of %s can join the device to it. Name one of those.", by, u.In.Tenant, d.In.Tenant)
		return
	}
	if d.Exists() {
		return
	}
	if !u.In.EnabledInTenant && u.Knows("enabled_in_tenant") {
		v.problem(d.Addr, "joined_by", "joined_by_disabled", "Disabled user",
			"%s joins the device and is disabled, so the tenant would refuse (AADSTS50057). Set joined_by to another user, or enable this one.", by)
	}
	if !u.HasPassword {
		v.problem(d.Addr, "joined_by", "joined_by_without_password", "User without password",
			"%s joins the device, and must sign in with a password to do so. Set password on the user.", by)
	}
}

func (v *validation) enrollments() {
	seen := map[[2]string]string{}
	conflicts := map[Conflict]bool{}
	for _, addr := range sortedKeys(v.Enrollments) {
		e := v.Enrollments[addr]
		if !e.Knows("user", "device") {
			continue
		}
		pair := [2]string{string(e.In.User), string(e.In.Device)}
		if other, twice := seen[pair]; twice {
			v.problem(addr, "user", "enrolled_twice", "Enrolled twice",
				"%s enrolls %s on %s already; a user has one Hello credential on a device. Remove one of the two.", other, pair[0], pair[1])
			continue
		}
		seen[pair] = addr
		u, d := v.Users[pair[0]], v.Devices[pair[1]]
		if u == nil || d == nil {
			continue
		}
		v.enrollment(e, u, d, conflicts)
	}
}

func (v *validation) enrollment(e *Enrollment, u *User, d *Device, reported map[Conflict]bool) {
	if d.In.Join == string(Registered) {
		if !d.HasWorkAccount(u.Addr) && d.Knows("work_accounts") {
			v.problem(e.Addr, "user", "not_work_account", "No work account on the device",
				"%s is registered by its work accounts, and %s is none of them, so the device has no identity for its tenant. Add it to work_accounts of the device.", d.Addr, u.Addr)
			return
		}
	} else if u.Knows("tenant") && d.Knows("tenant", "join") && d.In.Tenant != "" && u.In.Tenant != "" && u.In.Tenant != d.In.Tenant {
		v.problem(e.Addr, "user", "tenant_mismatch", "User and device in different tenants",
			"%s lives in %s and %s is registered with %s; a container holds keys only of the tenant its device is registered with. Enroll a user of that tenant.", u.Addr, u.In.Tenant, d.Addr, d.In.Tenant)
		return
	}
	if u.In.Tenant == "" && u.Knows("tenant") && d.In.Join != string(DomainJoined) {
		v.problem(e.Addr, "user", "user_without_tenant", "The user has no account in a tenant",
			"%s lives in %s alone, and on %s Hello keys are registered with a tenant. Enroll a user of the tenant.", u.Addr, u.In.Domain, d.Addr)
		return
	}
	if member(d) && !v.ofDomain(e, u, d) {
		return
	}
	if !e.Exists() {
		v.enrollable(e, u, d)
	}
	t := v.Tenants[string(u.In.Tenant)]
	if !d.Knows("join") || t != nil && !t.Knows("authentication") {
		return
	}
	if d.In.Join == string(NotJoined) {
		v.problem(e.Addr, "device", "device_not_joined", "Device is joined to nothing",
			"%s has join = \"none\", so there is no identity provider to register a Hello key with. Set its join to \"entra\".", d.Addr)
		return
	}
	if !u.Knows("tenant", "domain") || !d.Knows("tenant", "domain") || v.deployment(u, d) != CloudOnly && !v.policyKnown(u.Addr, d.Addr) {
		return // the trust is not known, so neither is the flow
	}
	route, problems := v.FlowFor(e)
	v.problems = append(v.problems, problems...)
	v.secondFactorService(t, e, route.Provision)
	v.throughFederation(e, u, d, route)
	if route.Provision == "" || !v.policyKnown(u.Addr, d.Addr) || !d.Knows("tpm", "session") {
		return
	}
	policy := v.InForce(u.Addr, d.Addr)
	v.proof(e, u, d, route, policy)
	v.launch(e, d, route, policy)
	v.gestures(e, d, policy)
	v.unlockFactors(e, u, d, policy)
	v.notOnWindows(d, policy)
	v.pin(e, policy)
	for _, c := range policy.Conflicts {
		if !reported[c] {
			reported[c] = true
			v.warn(c.Loses, c.Setting, "policy_conflict", "Policies conflict",
				"%s sets another value at the same level, and both reach %s on %s. The lab uses that of %s, the first by address. Make the values equal, or assign the policies to different users or devices.", c.Wins, u.Addr, d.Addr, c.Wins)
		}
	}
}

// secondFactorService warns, once a tenant, of another vendor's service in a
// flow for which the documents name none.
func (v *validation) secondFactorService(t *Tenant, e *Enrollment, flow Flow) {
	if t == nil || t.In.MFA == nil || !t.Knows("mfa", "mfa.provider") || t.In.MFA.Provider != "third_party" || flow == "" || flow.ThirdPartyMFA() || v.otherMFA[t.Addr] {
		return
	}
	v.otherMFA[t.Addr] = true
	v.warn(t.Addr, "mfa.provider", "third_party_mfa_unnamed", "Second factor of another vendor",
		"%s is provisioned by flow %s, for which Microsoft's description names the tenant's own second factor only; it names another vendor's for P5 to P7. The lab goes on with it. Set provider to \"builtin\" to follow the description.", e.Addr, flow)
}

// enrollable checks what a user needs to pass provisioning with two factors.
func (v *validation) enrollable(e *Enrollment, u *User, d *Device) {
	v.firstSignIn(e, u, d)
	if u.In.Tenant != "" && !u.In.EnabledInTenant && u.Knows("enabled_in_tenant") {
		v.problem(e.Addr, "user", "user_disabled", "User is disabled",
			"%s is disabled in the tenant, which would refuse the sign-in before provisioning (AADSTS50057). Enable the user first, and disable it once enrolled.", u.Addr)
	}
	if d.In.Tenant != "" && !d.In.EnabledInTenant && d.Knows("enabled_in_tenant") {
		v.problem(e.Addr, "device", "device_disabled", "Device is disabled",
			"%s is disabled in the tenant, which would refuse its sign-ins (AADSTS135011). Enable the device first, and disable it once enrolled.", d.Addr)
	}
	if !u.HasPassword {
		v.problem(e.Addr, "user", "no_password", "User without password",
			"Provisioning needs two factors, and %s has no password as the first. Set password on the user.", u.Addr)
	}
	if !secondFactor(u.In) && u.Knows("mfa") {
		v.problem(e.Addr, "user", "no_mfa", "User without second factor",
			"Provisioning needs two factors, and %s has registered no second (AADSTS50079). Set mfa to \"totp\" or \"push\" on the user.", u.Addr)
	}
}

// launch reports the prerequisites that would keep provisioning from starting.
// An enrollment that exists already keeps working where Windows would let it.
func (v *validation) launch(e *Enrollment, d *Device, route Route, policy InForce) {
	facts := v.Planned(string(e.In.User), d.Addr)
	// Accounts that are disabled, or in different tenants, have had their say.
	facts.WorkAccount, facts.PRT, facts.DomainAccount = true, true, true
	if d.In.Join == string(DomainJoined) {
		facts.Joined = true // throughFederation says what is not registered
	}
	for _, c := range Prerequisites(route, policy, facts).Checks {
		if c.OK {
			continue
		}
		p := Problem{
			Addr: e.Addr, Attribute: "device", Rule: c.Code,
			Summary: "Provisioning would not start",
			Detail:  fmt.Sprintf("%s (%s, event %d).%s %s", strings.TrimSuffix(c.Reason.Sentence, "."), c.Name, c.Event, because(policy, c.Name), c.Reason.Hint),
		}
		if c.Later {
			p.Warning, p.Summary = true, "Provisioned without certificate"
		}
		if e.Exists() {
			text, ok := afterwards[c.Name]
			if !ok {
				continue
			}
			p.Warning, p.Summary = true, "Enrollment could not be provisioned again"
			p.Detail = fmt.Sprintf("%s.%s %s", strings.TrimSuffix(c.Reason.Sentence, "."), because(policy, c.Name), text)
		}
		v.problems = append(v.problems, p)
	}
}

// afterwards says what becomes of an existing enrollment when a prerequisite
// no longer holds. The others are about the moment of provisioning only.
var afterwards = map[string]string{
	"DeviceEligible": "The credential in software keeps working, and could not be provisioned again (R3).",
	"PolicyEnabled":  "Windows deletes the Hello container when it next applies policy (R3).",

	"MdmCertificateReady":    "A certificate in the container is good until it ends, and none follows it.",
	"LogonCertTemplateReady": "A certificate in the container is good until it ends, and is not renewed.",
	"AdfsRaIsReady":          "A certificate in the container is good until it ends, and is not renewed.",
	"AdfsRefreshToken":       "A certificate in the container is good until it ends, and is not renewed.",
}

// because names the policy behind a failed check.
func because(f InForce, check string) string {
	var o Origin
	switch check {
	case "DeviceEligible":
		o = f.RequireSecurityDevice.Origin
	case "PolicyEnabled":
		o = f.UsePassportForWork.Origin
	case "PostLogonEnabled":
		o = f.DisablePostLogonProvisioning.Origin
	}
	if o.Policy == "" {
		return ""
	}
	return fmt.Sprintf(" %s (%s) says so.", o.Policy, o.Level)
}

func (v *validation) gestures(e *Enrollment, d *Device, policy InForce) {
	for _, g := range e.In.Gestures {
		if g == "" && !e.Knows("gestures") || !d.Knows("biometrics", "sensor", "os") {
			continue
		}
		switch code := policy.SensorRefused(d.In, g); {
		case code == "":
		case !slices.ContainsFunc(Sensors(d.In), func(s Sensor) bool { return s.Kind == g }):
			v.report(e, "gestures", "gesture_without_sensor", "No sensor for the gesture",
				"%s has no sensor for %q, so it cannot be used; the PIN can. Add it to biometrics of the device, or leave the gesture out.", d.Addr, g)
		case code == "biometrics_disabled":
			v.report(e, "gestures", "biometrics_disabled", "Biometrics are off",
				"Biometric gestures are off by %s, so %q cannot be used; the PIN can. Leave the gesture out, or set use_biometrics = true.", policy.sensorPolicy(code), g)
		default:
			r, _ := ReasonFor(code)
			v.report(e, "gestures", code, "Sensor against policy", "%s By %s, %q cannot be used; the PIN can. %s", r.Sentence, policy.sensorPolicy(code), g, r.Hint)
		}
	}
}

func (v *validation) pin(e *Enrollment, policy InForce) {
	rules := policy.PIN()
	if !rules.Satisfiable() {
		v.report(e, "pin", "pin_impossible", "No PIN is possible",
			"The policies in force together forbid every class of characters, so no PIN can be made. Allow or require at least one.")
		return
	}
	if e.PIN == nil {
		return
	}
	for _, violation := range rules.Check(*e.PIN) {
		next := "Choose another PIN, or change the policy."
		if e.Exists() {
			next = "The PIN in use keeps working until Windows asks for a new one. Choose another and raise pin_version."
		}
		v.report(e, "pin", violation.Rule, "PIN against policy", "%s%s %s", violation.Sentence, pinOrigin(policy, violation.Rule), next)
	}
}

// pinOrigin names the policy behind the lengths; classes may have four.
func pinOrigin(f InForce, rule string) string {
	var o Origin
	switch rule {
	case "pin_too_short":
		o = f.MinimumPINLength.Origin
	case "pin_too_long":
		o = f.MaximumPINLength.Origin
	default:
		return ""
	}
	if o.Policy == "" {
		return fmt.Sprintf(" (default of the %s)", o.Default)
	}
	return fmt.Sprintf(" (%s, %s)", o.Policy, o.Level)
}

// report is a problem for an enrollment to be made and a warning for one that
// exists, which goes on working.
func (v *validation) report(e *Enrollment, attribute, rule, summary, format string, args ...any) {
	if e.Exists() {
		v.warn(e.Addr, attribute, rule, summary, format, args...)
		return
	}
	v.problem(e.Addr, attribute, rule, summary, format, args...)
}

// policyKnown reports whether nothing is unknown about the policies that reach
// the pair, or may.
func (w *World) policyKnown(user, device string) bool {
	for _, p := range w.Policies {
		if !p.Knows("assign") || !p.Knows("source", "scope") {
			return false
		}
	}
	for _, p := range w.reaching(user, device) {
		if len(p.unknown) > 0 {
			return false
		}
	}
	return true
}

func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
