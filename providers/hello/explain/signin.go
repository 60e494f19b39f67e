package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// signIn explains the sign-in to one target: its verdict is package access's.
func (e *explaining) signIn(to string) SignIn {
	v := e.lab.Decide(access.Request{User: e.User, Device: e.Device, To: to})
	s := SignIn{To: to, Flow: v.Flow, Verdict: v.Word, Reason: v.Reason, Sentence: v.Sentence, Phase: v.Phase}
	if r, ok := hello.ReasonFor(v.Reason); ok && s.Sentence == "" && v.Reason != hello.Success {
		s.Sentence = r.Sentence
	}
	if e.no != nil {
		s.Conditions = []Condition{{Name: "deployment", Needs: "The deployment is one that Windows Hello for Business has.", Verdict: NotMet, Code: "unsupported_deployment", Why: e.no.Reason, Mend: e.no.Hint}}
		return s
	}
	if to == access.ToUnlock {
		s.Conditions = append(e.credentialConditions(), e.unlockConditions(v)...)
		return s
	}
	s.Conditions = slices.Concat(e.credentialConditions(), e.wayConditions(to, e.domainOf(to)), e.targetConditions(to))
	if v.Word == access.Unknown && !e.unread {
		s.conclude()
	}
	s.Remarks = e.remarks(to, e.domainOf(to))
	return s
}

// conclude reads the verdict off the conditions, where package access has none.
func (s *SignIn) conclude() {
	s.Verdict, s.Reason, s.Sentence, s.Phase = access.Allowed, hello.Success, "", ""
	for _, c := range s.Conditions {
		switch {
		case c.Verdict == NotMet || c.Verdict == Later:
			s.Verdict, s.Reason, s.Sentence = access.Refused, c.Code, c.Why
			return
		case c.Verdict == Partly:
			s.Verdict, s.Reason, s.Sentence = access.Degraded, c.Code, c.Why
		}
	}
}

// wayConditions are those between the lock screen and what the target asks for
// itself, in the order of the flow.
func (e *explaining) wayConditions(to, domain string) []Condition {
	near := e.inside(e.inSession())
	lost, none := hello.Network(e.d.In.Network).Away()
	if s := e.world.Services[to]; s != nil && hello.ServicePurpose(s.In) != "" && string(s.In.Domain) == domain {
		to, domain = "", "" // it is reached by a certificate, not by what the sign-in brings
	}
	own := string(e.d.In.Domain)
	var out []Condition
	switch {
	case !e.member():
		switch {
		case !none || e.shape.Join != hello.EntraJoined:
			out = e.tokenConditions()
		case to == "" || domain != "":
			out = e.cachedSignIn(lost)
		default:
			out = append(e.cachedSignIn(lost), e.tokenConditions()...)
		}
		if domain != "" {
			sight := e.lineOfSight(e.inside(e.inSession() || e.away()))
			out = append(out, e.domainConditions(domain, &sight)...)
		}
		return out
	case e.route.SignIn == hello.A5 && !none: // the tenant first
		out = e.tokenConditions()
		if near {
			out = append(out, e.domainConditions(own, nil)...)
		} else {
			out = append(out, e.hint(own), e.partialTicket(), e.cachedLogon())
		}
	case near:
		out = e.domainConditions(own, nil)
	case e.route.SignIn == hello.A5 && lost == "host_unreachable":
		out = []Condition{e.gestureTicket(lost)}
	default:
		out = []Condition{e.cachedLogon()}
	}
	switch {
	case domain != "" && domain != own:
		out = append(out, condition("domain_reached", "A trust leads from the device to the domain.", false, "domain_not_reached"))
	case domain != "" && !near:
		out = append(out, e.ticketConditions(domain)...)
	case domain == "" && to != "" && (e.route.SignIn != hello.A5 || none):
		out = append(out, e.tokenConditions()...)
	}
	return out
}

// domainOf is the domain that a target belongs to; "" for one of a tenant.
func (e *explaining) domainOf(to string) string {
	if s := e.world.Services[to]; s != nil {
		return string(s.In.Domain)
	}
	if e.world.Domains[to] != nil {
		return to
	}
	return ""
}

// member reports whether the device asks a domain before the tenant.
func (e *explaining) member() bool {
	return e.shape.Join == hello.HybridJoined || e.shape.Join == hello.DomainJoined
}

func (e *explaining) away() bool { return e.d.In.Network == string(hello.VPN) }

// inside reports whether the device is on the domain's network.
func (e *explaining) inside(tunnel bool) bool {
	return e.d.In.Network == "" || e.d.In.Network == string(hello.OnSite) || e.away() && tunnel
}

// inSession reports whether anybody's session keeps a tunnel up.
func (e *explaining) inSession() bool {
	for _, c := range e.machine.Credentials {
		if c.Session {
			return true
		}
	}
	return false
}

// credentialConditions are those at the lock screen, whatever is behind it.
func (e *explaining) credentialConditions() []Condition {
	c := e.credential
	out := []Condition{condition("hello_credential", "The user has a Hello credential on the device.", c.KeyID != "", "no_hello_credential")}
	if e.unread {
		return []Condition{{Name: out[0].Name, Needs: out[0].Needs, Verdict: Unknown, Why: "What the device holds could not be read."}}
	}
	if c.KeyID == "" {
		return out
	}
	out = append(out, condition("pin_accepted", "Windows takes a PIN: not too many were wrong.", c.Barred == "", c.Barred))
	if p := e.pinLooks(); p != nil {
		out = append(out, *p)
	}
	if days := e.policy.PINExpiration.Value; days > 0 {
		out = append(out, e.pinAge(days))
	}
	if e.policy.MultiFactorUnlock() && e.shape.Join != hello.Registered {
		out = append(out, e.unlockFactors())
	}
	return out
}

// pinAge holds the age of the PIN against policy's.
func (e *explaining) pinAge(days int) Condition {
	c := Condition{Name: "pin_age", Needs: fmt.Sprintf("The PIN is younger than %d days, by %s.", days, origin(e.policy.PINExpiration.Origin)), Verdict: Unknown}
	set := e.credential.PINSet
	if set.IsZero() {
		set = e.credential.Created
	}
	if set.IsZero() {
		return c
	}
	due := set.Add(time.Duration(days) * 24 * time.Hour)
	if e.held.Lab.Now.Before(due) {
		c.Verdict, c.Why = Met, fmt.Sprintf("It is due on %s.", due.UTC().Format(time.RFC3339))
		return c
	}
	c = failed(c, "change_pin_prompt")
	c.Verdict, c.Why = Asks, fmt.Sprintf("It was due on %s.", due.UTC().Format(time.RFC3339))
	return c
}

// pinLooks holds what is known of the PIN against policy; nil when nothing is.
func (e *explaining) pinLooks() *Condition {
	shape := e.credential.PIN
	for _, en := range e.world.EnrollmentsOn(e.Device) {
		if string(en.In.User) == e.User && en.PIN != nil && shape.Length == 0 {
			shape = *en.PIN
		}
	}
	if shape.Length == 0 {
		return nil
	}
	c := Condition{Name: "pin_rules", Needs: "The PIN is as policy wants it.", Verdict: Met}
	if broken := e.policy.PIN().Check(shape); len(broken) > 0 {
		c = failed(c, broken[0].Rule)
		c.Verdict, c.Why = Asks, broken[0].Sentence
	}
	return &c
}

// unlockFactors tells whether the user has a factor of each group.
func (e *explaining) unlockFactors() Condition {
	owned := []string{hello.FactorPIN}
	for _, g := range e.credential.Gestures {
		if _, code := e.policy.ForSignIn(e.d.In, g, true, e.credential.Sensed[g]); code == "" {
			owned = append(owned, g)
		}
	}
	signal := e.world.SignalHolds(e.policy, e.User, e.Device)
	if signal {
		owned = append(owned, hello.FactorSignal)
	}
	c := condition("unlock_factors", fmt.Sprintf("A factor of each group: %s, and another one of %s (by %s).",
		strings.Join(e.policy.UnlockGroupA.Value.Names(), " or "), strings.Join(e.policy.UnlockGroupB.Value.Names(), " or "), origin(e.policy.UnlockGroupA.Origin)),
		slices.ContainsFunc(owned, func(f string) bool { return e.policy.Unlocks(hello.FactorPIN, f) }), "unlock_factor_missing")
	c.Why = fmt.Sprintf("There is: %s.", strings.Join(owned, ", "))
	return c
}

// cachedLogon is the sign-in where no controller is in sight.
func (e *explaining) cachedLogon() Condition {
	c := Condition{Name: "cached_logon", Needs: "No controller is in sight, so LSASS must have kept a sign-in with this key, no older than the domain allows.", Verdict: Met}
	kept := e.credential.CachedKey
	d := e.world.Domains[string(e.d.In.Domain)]
	switch {
	case kept == nil || kept.KeyID != e.credential.KeyID || trustOf(kept) != e.route.Trust:
		c = failed(c, "cached_logon_missing")
	case d != nil && d.In.ForceNetwork > 0 && e.held.Lab.Now.Sub(kept.At) > d.In.ForceNetwork:
		c = failed(c, "network_logon_forced")
	default:
		c.Why = fmt.Sprintf("It kept that of %s.", kept.At.UTC().Format(time.RFC3339))
	}
	return c
}

// trustOf is by which trust a controller took the sign-in that was kept.
func trustOf(kept *access.CachedLogon) hello.Trust {
	if kept.Trust == "" {
		return hello.KeyTrust
	}
	return kept.Trust
}

// tokenConditions are the tenant's: a primary refresh token by the key.
func (e *explaining) tokenConditions() []Condition {
	tenant := string(e.tenant())
	code, lost := hello.Network(e.d.In.Network).Away()
	out := []Condition{
		condition("tenant_in_sight", "The device reaches the tenant.", !lost, code),
		condition("tenant_account", "The user has an account in the tenant of the sign-in.", tenant != "" && string(e.u.In.Tenant) == tenant, "user_unknown"),
	}
	if e.credential.KeyID != "" {
		out = append(out, condition("key_in_tenant", "The tenant knows the key, as one of this device.", e.keyInTenant(), "key_not_found"))
	}
	return append(out,
		condition("device_enabled_in_tenant", "The device is enabled in the tenant.", e.deviceEnabled(), "key_device_disabled"),
		condition("user_enabled_in_tenant", "The user is enabled in the tenant.", e.u.In.EnabledInTenant, "user_disabled"))
}

// tenant is the one that a sign-in on the device is to.
func (e *explaining) tenant() providers.Ref {
	if e.shape.Join == hello.Registered {
		return e.u.In.Tenant
	}
	return e.d.In.Tenant
}

func (e *explaining) deviceEnabled() bool {
	if e.machine.Enabled != nil {
		return *e.machine.Enabled
	}
	return e.d.In.EnabledInTenant
}

func (e *explaining) keyInTenant() bool {
	device := e.machine.DeviceID
	if e.shape.Join == hello.Registered && e.credential.DeviceID != "" {
		device = e.credential.DeviceID
	}
	return slices.ContainsFunc(e.account.TenantKeys, func(k access.Key) bool { return k.ID == e.credential.KeyID && k.DeviceID == device })
}

// targetConditions are what an application or a service asks for itself.
func (e *explaining) targetConditions(to string) []Condition {
	if a := e.world.Applications[to]; a != nil {
		return e.applicationConditions(a)
	}
	if s := e.world.Services[to]; s != nil {
		return e.serviceConditions(s)
	}
	return nil
}

func (e *explaining) applicationConditions(a *hello.Application) []Condition {
	out := []Condition{condition("application_of_tenant", "The application is one of the user's tenant.", a.In.Tenant == e.tenant(), "application_unknown")}
	r := a.In.Require
	if r == nil {
		return out
	}
	if r.MaxRisk != "" && r.RiskAction != "mfa" {
		out = append(out, condition("risk", "The user's risk is no higher than "+r.MaxRisk+".", !hello.RiskAbove(e.u.In.Risk, r.MaxRisk), "access_denied"))
	}
	if r.JoinedDevice {
		out = append(out, condition("joined_device", "The device is Entra joined or hybrid joined.", e.shape.Join == hello.EntraJoined || e.shape.Join == hello.HybridJoined, "device_not_joined_app"))
	}
	if r.MFA {
		c := condition("second_factor", "The sign-in has a second factor.", true, "")
		c.Why = "A Hello sign-in has it."
		out = append(out, c)
	}
	if r.CompliantDevice {
		out = append(out, condition("compliant_device", "Device management calls the device compliant.", e.d.In.Compliant, "device_not_compliant"))
	}
	return out
}

// containerConditions are those of a service that takes a certificate of the Hello
// container: that there is one, and what comes of showing it.
func (e *explaining) containerConditions(s *hello.Service) []Condition {
	purpose := hello.ServicePurpose(s.In)
	has := slices.ContainsFunc(e.credential.Further, func(c *access.UserCertificate) bool { return c.Purpose == purpose })
	out := []Condition{condition("service_certificate", "The Hello container has a certificate for the service.", has, "service_certificate_missing")}
	if !has {
		return out
	}
	code, partly := e.lab.AtService(e.User, e.Device, s.Addr)
	takes := condition("service_takes_certificate", "The service, and the domain that it asks, take the certificate and let the user in.", code == "", code)
	if partly {
		takes.Verdict = Partly
	}
	return append(out, takes)
}

func (e *explaining) serviceConditions(s *hello.Service) []Condition {
	allowed := len(s.In.Authorize) == 0 || slices.Contains(s.In.Authorize, providers.Ref(e.User)) ||
		slices.ContainsFunc(e.world.GroupsOf(e.User), func(g string) bool { return slices.Contains(s.In.Authorize, providers.Ref(g)) })
	lets := condition("authorized", "The service lets the user in.", allowed, "service_refused")
	if hello.ServicePurpose(s.In) != "" {
		return e.containerConditions(s)
	}
	if s.In.Kind != spec.ServiceNTLM {
		return []Condition{condition("service_enabled", "The service's account is enabled.", s.In.Enabled, "domain_refused"), lets}
	}
	over := e.account.MustChange || !e.account.PasswordExpires.IsZero() && !e.held.Lab.Now.Before(e.account.PasswordExpires)
	code := "password_expired_on_prem"
	if e.account.MustChange {
		code = "password_must_change"
	}
	protected := slices.ContainsFunc(e.world.GroupsOf(e.User), func(g string) bool {
		group := e.world.Groups[g]
		return group != nil && group.In.WellKnown == "protected_users"
	})
	return []Condition{
		condition("ntlm_material", "The sign-in brought what NTLM answers with.", !e.account.NoPassword, "ntlm_without_password"),
		condition("service_enabled", "The service's account is enabled.", s.In.Enabled, "service_refused"),
		e.byPolicy(condition("password_current", "The user's password in the domain is not over: NTLM asks, though nobody types it.", !over, code)),
		condition("not_protected", "The user is not in Protected Users, whom NTLM refuses.", !protected, "service_refused"),
		lets,
	}
}
