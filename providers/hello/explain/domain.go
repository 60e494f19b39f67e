package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// lineOfSight is the way to a controller.
func (e *explaining) lineOfSight(ok bool) Condition {
	c := condition("line_of_sight", "The device reaches a controller of the domain.", ok, "no_line_of_sight")
	c.Why = strings.TrimSpace(c.Why + fmt.Sprintf(" Its network is %q.", e.network()))
	return c
}

func (e *explaining) network() string {
	if e.d.In.Network == "" {
		return string(hello.OnSite)
	}
	return e.d.In.Network
}

// ticketConditions are those of a domain behind a session that a cached logon
// opened: the session's ticket, or a new sign-in through the tunnel.
func (e *explaining) ticketConditions(domain string) []Condition {
	sight := e.lineOfSight(e.inside(e.inSession() || e.away()))
	if t := e.credential.Ticket; t != nil && e.held.Lab.Now.Before(t.Ends) {
		return []Condition{sight, {Name: "domain_ticket", Needs: "The session has a ticket of the domain.", Verdict: Met, Why: fmt.Sprintf("It ends on %s.", t.Ends.UTC().Format(time.RFC3339))}}
	}
	return e.domainConditions(domain, &sight)
}

// domainConditions are those of a domain's controllers, by trust. sight is that
// a controller is in sight, nil where that goes without saying.
func (e *explaining) domainConditions(domain string, sight *Condition) []Condition {
	var way []Condition
	if sight != nil {
		way = []Condition{*sight}
	}
	d := e.world.Domains[domain]
	account := condition("domain_account", "The user has an account in the domain.", string(e.u.In.Domain) == domain, "not_domain_account")
	reached := condition("domain_reached", "A trust leads from the device to the domain.", d != nil && (e.member() || e.route.Domain != ""), "domain_not_reached")
	if reached.Verdict != Met {
		return append([]Condition{reached}, way...)
	}
	begin := []Condition{reached}
	if e.shape.Trust == hello.CertTrust {
		begin = append(begin, e.certificateHeld(d)...)
	}
	if e.u.In.Domain == "" && !(e.member() && e.shape.Trust == hello.CloudKerberos) { // before anybody is asked
		return slices.Concat(begin, []Condition{account}, way)
	}
	if !e.member() && e.shape.Trust != hello.CertTrust || e.shape.Trust == hello.CloudKerberos { // a member's Kerberos knows the domain from its own account
		begin = append(begin, e.hint(domain))
	}
	switch {
	case e.shape.Trust == hello.CloudKerberos:
		return slices.Concat(begin, []Condition{e.partialTicket()}, way, e.cloudTrust(d))
	case e.shape.Trust == hello.KeyTrust:
		return slices.Concat(begin, way, []Condition{account, e.accountEnabled()}, e.keyTrust(d))
	case e.shape.Trust == hello.CertTrust:
		return slices.Concat(begin, way, []Condition{account, e.accountEnabled()}, e.certificateTrust(d))
	}
	return slices.Concat(begin, []Condition{account}, way)
}

// hint is the domain's name in the key's metadata, where Kerberos looks for it.
func (e *explaining) hint(domain string) Condition {
	d := e.world.Domains[domain]
	c := condition("domain_hint", "The Hello key's metadata name the domain.", d != nil && e.credential.Hints(d.In.DNSName), "domain_hint_missing")
	if e.credential.KeyID == "" {
		return Condition{Name: c.Name, Needs: c.Needs, Verdict: Unknown}
	}
	return c
}

// serverRefuses is the code for which the server object of a trust serves nobody, as
// the systems hold it, or as a plan found it; "" when it serves.
func (e *explaining) serverRefuses(t *hello.DeclaredTrust) string {
	switch {
	case t == nil:
		return ""
	case e.held.Lab.Servers[t.Addr] != "":
		return e.held.Lab.Servers[t.Addr]
	case t.Exists() && t.In.KeyVersion == 0:
		return "cloud_kerberos_key_differs"
	}
	return ""
}

// partialTicket is what the sign-in to the tenant brings.
func (e *explaining) partialTicket() Condition {
	t, _ := e.world.CloudTrustOf(e.u)
	c := condition("partial_ticket", "The sign-in to the tenant brings a partial ticket for the domain: the domain has the tenant's Kerberos server object (AzureADKerberos).", t != nil && e.serverRefuses(t) != "no_cloud_tgt", "no_cloud_tgt")
	switch {
	case t != nil && c.Verdict != Met:
		c.Why = string(t.In.Tenant) + " has no key of the server object."
	case t != nil:
		c.Why = "It is that of " + t.Addr + "."
	}
	return c
}

func (e *explaining) accountEnabled() Condition {
	a := e.account
	over := !a.AccountExpires.IsZero() && !e.held.Lab.Now.Before(a.AccountExpires)
	c := condition("account_enabled_in_domain", "The account is enabled in the domain, not locked, not over.", e.u.In.EnabledInDomain && !a.Locked && !over, "account_disabled_in_domain")
	switch {
	case c.Verdict == Met:
	case a.Locked && e.u.In.EnabledInDomain:
		r, _ := hello.ReasonFor("account_locked_in_domain")
		c.Why, c.Mend = r.Sentence, r.Hint
	case over && e.u.In.EnabledInDomain:
		r, _ := hello.ReasonFor("account_expired_in_domain")
		c.Why, c.Mend = r.Sentence, r.Hint
	}
	return c
}

// keyTrust: the KDC matches the key with those of the account, and proves itself
// by a certificate.
func (e *explaining) keyTrust(d *hello.Domain) []Condition {
	return []Condition{e.release(d), e.kdcCertificate(d), e.keyInDomain(d), e.kdcAccepted(d)}
}

// kdcCertificate is that controllers have a certificate, and kdcAccepted that the
// device takes it.
func (e *explaining) kdcCertificate(d *hello.Domain) Condition {
	return e.kdcCertificates(d, "kdc_certificate", "The controller has a certificate for its KDC, in its life.", func(code string) bool { return code == "kdc_no_certificate" })
}

func (e *explaining) kdcAccepted(d *hello.Domain) Condition {
	return e.kdcCertificates(d, "kdc_accepted", "The device accepts that certificate: root, life, revocation, purpose, name.", func(code string) bool { return code != "" && code != "kdc_no_certificate" })
}

// release is the controllers' Windows: key matching came with 2016, which every
// release of the lab has.
func (e *explaining) release(d *hello.Domain) Condition {
	names, by := hello.Controllers(d.In)
	var has []string
	for _, n := range names {
		what := n + " has " + by[n].OS
		if hello.DeletesKeys(by[n]) {
			what += fmt.Sprintf(", of build %s, which deletes a key that has signed in", hello.BuildOf(by[n]))
		}
		has = append(has, what)
	}
	return Condition{Name: "controller_release", Needs: "The controllers have Windows Server 2016 or later.", Verdict: Met, Why: strings.Join(has, ", ") + "."}
}

// kdcCertificates aggregates a check over the controllers that the device may
// find: chance picks one.
func (e *explaining) kdcCertificates(d *hello.Domain, name, needs string, bad func(code string) bool) Condition {
	c := Condition{Name: name, Needs: needs, Verdict: Met}
	controllers := e.lab.Controllers(e.Device, d.Addr)
	var refused []string
	code := ""
	for _, n := range controllers {
		if got := e.lab.KDC(e.User, e.Device, d.Addr, n); bad(got) {
			refused, code = append(refused, n), got
		}
	}
	switch {
	case len(refused) == 0:
	case len(refused) == len(controllers):
		c = failed(c, code)
	default:
		c = failed(c, code)
		c.Verdict, c.Why = Partly, fmt.Sprintf("Not that of %s: %s", strings.Join(refused, ", "), c.Why)
	}
	return c
}

// keyInDomain is the key in msDS-KeyCredentialLink, which Connect writes.
func (e *explaining) keyInDomain(d *hello.Domain) Condition {
	c := Condition{Name: "key_in_domain", Needs: "The domain has the key, in msDS-KeyCredentialLink of the account.", Verdict: Met}
	if e.credential.KeyID == "" || slices.Contains(e.account.DomainKeys, e.credential.KeyID) {
		if e.credential.KeyID == "" {
			c.Verdict = Unknown
		}
		return c
	}
	c = failed(c, "key_not_synced")
	if e.u.In.Tenant == "" {
		c.Why, c.Mend = "AD FS writes it when it is registered, and nothing writes it again.", "Replace the enrollment, which registers a new key."
		return c
	}
	if !e.keyInTenant() {
		c.Why, c.Mend = "Nor has the tenant, which it would come from.", "Replace the enrollment, which registers a new key."
		return c
	}
	s := e.world.SyncBetween(e.u.In.Tenant, e.u.In.Domain)
	if why, mend := e.withheld(s); why != "" {
		c.Why, c.Mend = why, mend
		return c
	}
	c.Verdict, c.At = Later, e.held.Lab.Syncs[s.Addr].Keys.Next
	c.Why = "The next cycle of " + s.Addr + " writes it."
	return c
}

// withheld says why a sync does not bring keys, and what helps; "" when it does.
func (e *explaining) withheld(s *hello.Sync) (why, mend string) {
	set := func(what string) string { return "Set " + what + " and apply." }
	switch {
	case s == nil:
		return "No sync carries keys from the tenant to the domain.", "Declare a sync of the two."
	case s.In.Staging:
		return s.Addr + " is in staging mode, and exports nothing.", set("staging = false of " + s.Addr)
	case !s.In.KeyExport:
		return "key_export of " + s.Addr + " is off.", set("key_export = true of " + s.Addr)
	case !s.In.KeyRight:
		return s.Addr + " may not write keys (key_writeback_right).", set("key_writeback_right = true of " + s.Addr)
	case e.account.Guarded:
		why = e.User + " is protected by AdminSDHolder: its account inherits no right for Key Admins, and the domain refuses what " + s.Addr + " writes."
		domain := string(e.u.In.Domain)
		if d := e.world.Domains[domain]; d != nil && d.In.ProtectedKeys {
			return why, domain + " writes AdminSDHolder's list, which now has that right, to the account within an hour; the cycle after that brings the key."
		}
		return why, set("adminsdholder_key_admins = true of " + domain)
	case !hello.InScope(s.In.Scope, e.u.Out.DN):
		return e.User + " is not in the scope of " + s.Addr + ".", "Add a container above the account to scope of " + s.Addr + "."
	case hello.KeysPaused(s.In) != "":
		return s.Addr + " writes no keys by itself.", "Have it write them (sync run), or let it run by itself again."
	}
	return "", ""
}

// cloudTrust: a controller exchanges the partial ticket, by the key that domain
// and tenant share.
func (e *explaining) cloudTrust(d *hello.Domain) []Condition {
	t, _ := e.world.CloudTrustOf(e.u)
	over := e.account.MustChange || !e.account.PasswordExpires.IsZero() && !e.held.Lab.Now.Before(e.account.PasswordExpires)
	key := condition("kerberos_server_key", "The Kerberos server object is of this domain, and the two have one key.", t != nil && string(e.u.In.Domain) == d.Addr, "cloud_kerberos_unknown")
	if code := e.serverRefuses(t); key.Verdict == Met && code != "" && code != "no_cloud_tgt" {
		key = failed(key, code)
	}
	return []Condition{e.exchanges(d), e.aes(d), key, e.accountEnabled(),
		e.byPolicy(condition("password_current", "The password in the domain is not over: cloud Kerberos trust asks, though nobody types it (reading R19).", !over, "password_expired_on_prem")),
		e.revealed()}
}

// byPolicy adds to the condition of a password whose the policy on it is, where it is
// not the domain's.
func (e *explaining) byPolicy(c Condition) Condition {
	policy, by := e.world.PasswordPolicyOf(e.User)
	switch {
	case e.world.Settings[by] == nil:
		return c
	case policy.MaxAge == 0:
		c.Why += " By " + by + " the password does not expire."
	default:
		c.Why += fmt.Sprintf(" By %s a password expires after %s.", by, providers.FormatDuration(policy.MaxAge))
	}
	if at := e.account.PasswordExpires; !at.IsZero() {
		c.Why += fmt.Sprintf(" This one does on %s.", at.UTC().Format(time.RFC3339))
	}
	c.Why = strings.TrimSpace(c.Why)
	return c
}

// exchanges is a controller that takes partial tickets; the locator looks for one
// that does.
func (e *explaining) exchanges(d *hello.Domain) Condition {
	c := Condition{Name: "controller_exchanges", Needs: "A controller exchanges partial tickets: writable, of Windows Server 2016 with KB4534307, 2019 with KB4534321 or later.", Verdict: Met}
	names, by := hello.Controllers(d.In)
	var not, does []string
	for _, n := range names {
		if hello.KeyList(by[n]) {
			does = append(does, n)
		} else {
			not = append(not, n+" "+hello.ExchangesPartial(by[n]))
		}
	}
	if len(does) == 0 {
		c = failed(c, "dc_not_found")
	} else {
		c.Why = "By " + strings.Join(does, ", ") + "."
	}
	if len(not) > 0 {
		c.Why = strings.TrimSpace(c.Why + " " + strings.Join(not, "; ") + ".")
	}
	return c
}

// aes is what partial tickets are sealed with.
func (e *explaining) aes(d *hello.Domain) Condition {
	c := Condition{Name: "controller_aes256", Needs: "That controller takes AES256, which partial tickets are sealed with.", Verdict: Met}
	var not []string
	found := e.lab.Exchangers(e.Device, d.Addr)
	_, by := hello.Controllers(d.In)
	for _, n := range found {
		if !hello.Offers(by[n], "aes256") {
			not = append(not, n)
		}
	}
	switch {
	case len(not) == 0:
	case len(not) == len(found):
		c = failed(c, "domain_refused")
		c.Why, c.Mend = strings.Join(not, ", ")+" does not.", "Add \"aes256\" to etypes of the controller."
	default:
		c = failed(c, "domain_refused")
		c.Verdict, c.Why, c.Mend = Partly, strings.Join(not, ", ")+" does not.", "Add \"aes256\" to etypes of the controller."
	}
	return c
}

// revealed is the password replication policy of the server object.
func (e *explaining) revealed() Condition {
	why, denied := e.world.CloudKerberosDenies(e.User)
	c := condition("password_replication", "The account is on the allow list of the Kerberos server object, and in no group of its deny list.", !denied, "cloud_kerberos_denied")
	if denied {
		c.Why = why + "."
	}
	return c
}

// authority is one of the domain that certifies KDCs.
func (e *explaining) authority(d *hello.Domain) Condition {
	var has []string
	for addr, a := range e.world.Authorities {
		if string(a.In.Domain) == d.Addr {
			has = append(has, addr)
		}
	}
	slices.Sort(has)
	c := condition("authority", "The domain has a certification authority.", len(has) > 0, "kdc_no_certificate")
	if len(has) > 0 {
		c.Why = strings.Join(has, ", ") + " is one."
	}
	return c
}

// remarks are what one may expect to count, and does not.
func (e *explaining) remarks(to, domain string) []string {
	var out []string
	onPrem := domain != "" || e.member()
	if !e.deviceEnabled() && onPrem && e.member() && (e.shape.Trust == hello.KeyTrust || e.shape.Trust == hello.CertTrust) && (to == "" || domain != "") {
		what := "it matches the key with those of the account (msDS-KeyCredentialLink)"
		ends := "Delete that key in the domain and in the tenant (`hellolab keys revoke`, and the enrollment's entry over Graph), or disable the account in the domain."
		if e.shape.Trust == hello.CertTrust {
			what, ends = "it verifies the user's certificate", "Revoke the certificate and publish the list, or disable the account in the domain."
		}
		out = append(out, fmt.Sprintf("%s is disabled in the tenant, and that ends no sign-in to the domain, not even hours later: the domain does not ask the tenant, %s. %s", e.Device, what, ends))
	}
	if domain != "" && e.shape.Trust != hello.CloudKerberos && e.world.Services[to] == nil {
		if a := e.account; a.MustChange || !a.PasswordExpires.IsZero() && !e.held.Lab.Now.Before(a.PasswordExpires) {
			out = append(out, "The password in the domain is over. The key signs in without it, nobody is told, and what asks for the password (NTLM) fails.")
		}
	}
	if s := e.world.Services[to]; s != nil && s.In.Kind == spec.ServiceNTLM {
		out = append(out, "NTLM after a Hello sign-in works with what the ticket brought, and with nothing else (reading R18).")
	}
	return out
}
