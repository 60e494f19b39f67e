package access

import (
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// outcome is what a refusal means for the people.
type outcome struct {
	action     Action
	when       Moment
	confidence Confidence
	rule       string // row of the table of effects
}

// outcomes are those of the reasons that this package gives.
var outcomes = map[string]outcome{
	"no_hello_credential":        {Enroll, NextSignIn, Documented, ""},
	"pin_challenge":              {NoAction, NextSignIn, Documented, ""},
	"pin_disabled_until_restart": {NoAction, NextSignIn, Documented, ""},
	"gesture_not_enrolled":       {UseThePIN, NextUnlock, Documented, ""},
	"sensor_missing":             {UseThePIN, NextUnlock, Documented, ""},
	"biometric_lost":             {UseThePIN, NextUnlock, Documented, ""},
	"sensor_blocked":             {UseThePIN, NextUnlock, Documented, "B3"},
	"anti_spoofing_missing":      {UseThePIN, NextUnlock, Documented, "B2"},
	"biometrics_disabled":        {UseThePIN, NextUnlock, Documented, "B1"},
	"unlock_factor_missing":      {AdminFix, NextUnlock, Documented, "B4"},
	"device_not_joined":          {AdminFix, NextSignIn, Documented, ""},
	"not_work_account":           {AdminFix, NextSignIn, Documented, ""},
	"unsupported_deployment":     {AdminFix, NextSignIn, Documented, ""},

	"user_unknown":        {AdminFix, NextRenewal, Documented, ""},
	"key_device_unknown":  {AdminFix, NextRenewal, Documented, "U6"},
	"device_unknown":      {AdminFix, NextRenewal, Documented, "U6"},
	"user_disabled":       {AdminFix, NextRenewal, Documented, "U5"},
	"key_device_disabled": {AdminFix, NextRenewal, Documented, "U6"},
	"device_disabled":     {AdminFix, NextRenewal, Documented, "U6"},
	"key_not_found":       {Reprovision, NextSignIn, Inferred, "U8"},

	"access_denied":         {AdminFix, NextToken, Documented, "M4"},
	"mfa_required":          {NoAction, NextToken, Documented, "M4"},
	"mfa_not_registered":    {AdminFix, NextToken, Documented, "M4"},
	"device_not_compliant":  {AdminFix, NextToken, Documented, "M4"},
	"device_not_joined_app": {AdminFix, NextToken, Documented, "M4"},
	"device_not_registered": {AdminFix, NextToken, Documented, "M4"},

	"no_line_of_sight":           {LineOfSight, NextTGT, Documented, "Q1"},
	"host_unreachable":           {OtherNetwork, NextSignIn, Documented, "Q2"},
	"hello_ticket_expired":       {OtherNetwork, NextSignIn, Documented, "Q2"},
	"cached_logon_missing":       {LineOfSight, NextSignIn, Documented, "Q1"},
	"network_logon_forced":       {LineOfSight, NextSignIn, Documented, "Q1"},
	"not_domain_account":         {AdminFix, NextTGT, Documented, ""},
	"domain_not_reached":         {AdminFix, NextTGT, Documented, ""},
	"account_disabled_in_domain": {AdminFix, NextTGT, Inferred, "U4"},
	"password_expired_on_prem":   {NewPassword, NextSignIn, Documented, "U3"},
	"password_must_change":       {NewPassword, NextSignIn, Documented, "U3"},
	"key_not_synced":             {WaitForSync, NextSync, Documented, ""},
	"key_name_mismatch":          {AdminFix, NextTGT, Documented, "D3"},
	"domain_refused":             {AdminFix, NextTGT, Inferred, ""},
	"service_refused":            {AdminFix, NextTGT, Documented, ""},
	"domain_hint_missing":        {Reprovision, NextTGT, Inferred, ""},
	"dc_not_found":               {AdminFix, NextTGT, Documented, "D1"},
	"no_cloud_tgt":               {AdminFix, NextTGT, Documented, "U2"},
	"partial_ticket_missing":     {NoAction, NextSignIn, Documented, ""},
	"cloud_kerberos_denied":      {AdminFix, NextTGT, Documented, "U1"},
	"cloud_kerberos_unknown":     {AdminFix, NextTGT, Documented, "U2"},
	"cloud_kerberos_key_differs": {AdminFix, NextTGT, Inferred, "U2"},
	"ntlm_without_password":      {AdminFix, NextTGT, Ours, ""},

	"federation_unreachable":               {AdminFix, AtOnce, Documented, "Q3"},
	"federation_without_password_endpoint": {AdminFix, AtOnce, Documented, "Q3"},
	"upn_suffix_unknown":                   {AdminFix, AtOnce, Documented, "U10"},
	"wrong_password":                       {AdminFix, NextSignIn, Inferred, ""},
	"assertion_refused":                    {NoAction, AtOnce, Documented, "Q3"},

	"certificate_missing":            {WaitForCertificate, NextSignIn, Documented, "T4"},
	"certificate_no_domain":          {AdminFix, NextTGT, Documented, ""},
	"certificate_untrusted":          {AdminFix, NextTGT, Documented, "D5"},
	"certificate_expired":            {AdminFix, CertificateEnds, Documented, "K6"},
	"certificate_revoked":            {Reprovision, NextTGT, Documented, "U9"},
	"certificate_revocation_unknown": {AdminFix, NextTGT, Documented, "K4"},
	"certificate_purpose":            {AdminFix, NextTGT, Documented, ""},
	"certificate_name_unknown":       {Reprovision, NextTGT, Inferred, "U10"},
	"certificate_name_mismatch":      {Reprovision, NextTGT, Inferred, "U10"},
	"certificate_other_account":      {Reprovision, NextTGT, Documented, "D6"},
	"service_certificate_missing":    {AdminFix, AtOnce, Documented, ""},
	"service_needs_hello":            {NoAction, AtOnce, Documented, ""},
	"account_expired_in_domain":      {AdminFix, AtOnce, Inferred, ""},
	"no_enterprise_prt":              {AdminFix, NextProvisioning, Documented, "Q3"},

	"kdc_no_certificate":                 {AdminFix, NextTGT, Documented, "K1"},
	"kdc_certificate_expired":            {AdminFix, NextTGT, Documented, "K1"},
	"kdc_certificate_untrusted":          {AdminFix, NextTGT, Documented, "K5"},
	"kdc_certificate_revoked":            {AdminFix, NextTGT, Documented, ""},
	"kdc_certificate_unknown_revocation": {AdminFix, NextTGT, Documented, "K3"},
	"kdc_certificate_no_kdc_purpose":     {AdminFix, NextTGT, Documented, "K2"},
	"kdc_certificate_other_domain":       {AdminFix, NextTGT, Documented, "K2"},
}

// refuse is the verdict of a code.
func (s *signingIn) refuse(flow hello.Flow, letter, code string) Verdict {
	o, ok := outcomes[code]
	if !ok {
		o = outcome{AdminFix, NextSignIn, Ours, ""}
	}
	v := Verdict{Word: Refused, Reason: code, Flow: string(flow), Phase: letter, Action: o.action, When: o.when, Confidence: o.confidence, Rule: o.rule}
	switch {
	case code == "key_not_synced":
		s.nextCycle(&v)
	case flow == hello.A5 && code == "cached_logon_missing" && s.credential.CachedKey != nil && s.credential.CachedKey.KeyID == s.credential.KeyID:
		v.Rule, v.Sentence = "T1", "No controller is reached, and the key must be proven to one by its new trust first."
	case (flow == hello.A5 || flow == hello.A6 || flow == hello.A7 || flow == hello.A8) && !s.open && (o.when == NextTGT || o.when == CertificateEnds):
		// Windows itself does not open; off the domain's network it still would.
		v.When, v.Grace = NextSignIn, s.cachedLogon() == ""
	}
	if code == "user_unknown" && s.account.Absent || code == "device_unknown" || code == "key_device_unknown" {
		s.outOfScope(&v)
	}
	if s.weak && code == "domain_refused" {
		v.Rule, v.Confidence, v.Sentence = "D8", Documented, "No controller takes AES256, and cloud Kerberos trust needs it."
	}
	switch code {
	case "no_line_of_sight":
		if s.d.In.Network == string(hello.NoNetwork) {
			v.Sentence = "The device is on no network."
		}
	case "assertion_refused":
		s.untilReread(&v)
	case "wrong_password":
		s.noPassword(&v)
	case "certificate_missing":
		if _, why := s.delivered(); why != "" {
			v.Action, v.Sentence = AdminFix, why
		}
	}
	if !s.ended.IsZero() {
		switch code {
		case "kdc_no_certificate":
			v.When, v.At, v.Sentence = CertificateEnds, s.ended, "The certificate of the domain controller's KDC has expired, and nobody renewed it."
		case "certificate_expired":
			v.At, v.Sentence = s.ended, "The sign-in certificate has ended; a sign-in in the six weeks before has the registration authority renew it."
		case "password_expired_on_prem":
			v.When, v.At = PasswordEnds, s.ended
			if policy, by := s.world.PasswordPolicyOf(s.user); s.world.Settings[by] != nil {
				v.Sentence = fmt.Sprintf("The password has expired in the domain: %s has passwords end after %s.", by, providers.FormatDuration(policy.MaxAge))
			}
		}
	}
	s.serviceRemarks(&v)
	return v
}

// outOfScope says that Connect took from the tenant what left its scope.
func (s *signingIn) outOfScope(v *Verdict) {
	sync := s.world.SyncBetween(s.u.In.Tenant, s.u.In.Domain)
	switch {
	case sync == nil:
	case v.Reason == "user_unknown" && !hello.InScope(sync.In.Scope, s.facts.placeOf(s.u)):
		v.Rule, v.Sentence = "C7", fmt.Sprintf("%s is not in the scope of %s, and so not in the tenant.", s.user, sync.Addr)
	case v.Reason != "user_unknown" && !hello.InScope(sync.In.Scope, computer(s.world, s.d)):
		v.Rule, v.Sentence = "C7", fmt.Sprintf("%s is not in the scope of %s, and so not in the tenant.", s.device, sync.Addr)
	}
}

// noPassword says of a right password why it is none: nobody has one where it is
// checked.
func (s *signingIn) noPassword(v *Verdict) {
	t := s.world.Tenants[string(s.tenant())]
	sts := federatedTenant(s.world, t)
	switch {
	case t == nil:
	case sts == nil && s.account.NoSecret:
		v.Sentence = fmt.Sprintf("%s has no password of the user, until password_version is raised.", t.Addr)
	case sts != nil && sts.In.Kind == spec.FederationThirdParty && !s.account.Elsewhere:
		v.Sentence = fmt.Sprintf("%s has no account of the user, until password_version is raised.", sts.Addr)
	}
}

// untilReread says when the tenant reads the metadata of its federation service again,
// and with it the token-signing certificate.
func (s *signingIn) untilReread(v *Verdict) {
	t := s.world.Tenants[string(s.tenant())]
	if t == nil || s.facts.Tenants[t.Addr] == nil {
		return
	}
	v.Sentence = fmt.Sprintf("%s signs by a certificate that %s does not know yet.", t.In.Federation, t.Addr)
	if next := s.facts.Tenants[t.Addr].Next; next.After(s.facts.Now) {
		v.Sentence = fmt.Sprintf("%s signs by a certificate that %s does not know before it reads the service's metadata again, at %s.", t.In.Federation, t.Addr, next.UTC().Format(time.RFC3339))
	}
}

// nextCycle says when Connect brings the key, and why it does not.
func (s *signingIn) nextCycle(v *Verdict) {
	sync := s.world.SyncBetween(s.u.In.Tenant, s.u.In.Domain)
	stop := func(sentence, rule string) {
		v.Action, v.When, v.Sentence, v.Rule = AdminFix, NextSync, sentence, rule
	}
	switch {
	case sync == nil:
		stop("The domain does not have the key, and no sync brings it there.", "C1")
	case sync.In.Staging:
		stop(fmt.Sprintf("The domain does not have the key, and %s is in staging mode.", sync.Addr), "C1")
	case !sync.In.KeyExport:
		stop(fmt.Sprintf("The domain does not have the key, and key_export of %s is off.", sync.Addr), "C4")
	case !sync.In.KeyRight:
		stop(fmt.Sprintf("The domain does not have the key, and %s may not write it (key_writeback_right).", sync.Addr), "C4")
	case s.guarded(sync):
		stop(fmt.Sprintf("The domain does not have the key, and refuses it from %s: AdminSDHolder protects %s, so its account inherits no right for Key Admins.", sync.Addr, s.user), "C5")
	case !hello.InScope(sync.In.Scope, s.facts.placeOf(s.u)):
		stop(fmt.Sprintf("The domain does not have the key, and %s is not in the scope of %s.", s.user, sync.Addr), "C7")
	case hello.KeysPaused(sync.In) != "":
		stop(fmt.Sprintf("The domain does not have the key, and cycles of %s do not run by themselves.", sync.Addr), "C1")
	default:
		v.At = s.facts.Syncs[sync.Addr].Keys.Next
		v.Sentence = "The domain gets the key with the next cycle of Connect."
		if d := s.world.Domains[s.keyDomain()]; d != nil {
			if again := s.deleting(d, s.found(d, every)); len(again) > 0 {
				v.Rule = "D4"
				v.Sentence = fmt.Sprintf("The domain gets the key with the next cycle of Connect, and loses it with the next sign-in: %s.", s.theyDelete(d, again))
			}
		}
	}
}

// remarks adds what is to be said of a sign-in that works.
func (s *signingIn) remarks(v *Verdict) {
	sentence, rule, confidence := "", "", Documented
	if s.typed {
		sentence, rule, confidence = s.pinDue()
		v.NewPIN = sentence != ""
	}
	if v.Word != Allowed || !s.byKey() {
		return
	}
	switch {
	case s.lost() != "":
		v.Word, v.Reason, v.Rule, v.When, v.Action, v.Sentence = AtRisk, "key_deleted_at_sign_in", "D4", NextSignIn, AdminFix, s.lost()
	case !s.policy.UsePassportForWork.Value:
		v.Word, v.Reason, v.Rule, v.Confidence, v.When, v.Action = AtRisk, "policy_disabled", "E1", Inferred, NextSignIn, Enroll
		v.Sentence = "Policy turns Hello off: Windows removes credentials when it enforces that, and no document says when."
	case s.credential.Software && s.policy.RequireSecurityDevice.Value:
		v.Word, v.Reason, v.Rule, v.Confidence, v.When, v.Action = AtRisk, "tpm_missing", "H1", Ours, NextProvisioning, NoAction
		v.Sentence = "The key is in software, and policy asks for a TPM."
	case s.route.Trust == hello.CloudKerberos && len(s.credential.Certificates) > 0:
		v.Word, v.Reason, v.Rule, v.When, v.Action = AtRisk, "certificate_container", "T2", NextSignIn, Reprovision
	case v.NewPIN:
		v.Reason, v.Sentence, v.Rule, v.Confidence, v.When, v.Action = "change_pin_prompt", sentence, rule, confidence, NextPINSignIn, ChangePIN
	}
}

// lost says that this sign-in is the last one with the key, which a controller
// deletes; "" when it keeps it.
func (s *signingIn) lost() string {
	d := s.world.Domains[s.keyDomain()]
	if d == nil {
		return ""
	}
	by := s.deleting(d, s.proven)
	if len(by) == 0 {
		return ""
	}
	chance, sync := "", s.world.SyncBetween(s.u.In.Tenant, s.u.In.Domain)
	if len(by) < len(s.proven) {
		chance = " Another controller that the device may find keeps it."
	}
	if sync == nil || sync.In.Staging || hello.KeysPaused(sync.In) != "" || !sync.In.KeyExport || !sync.In.KeyRight || !hello.InScope(sync.In.Scope, s.facts.placeOf(s.u)) {
		return fmt.Sprintf("The sign-in works once: %s, and no cycle of Connect writes it again.%s", s.theyDelete(d, by), chance)
	}
	return fmt.Sprintf("The sign-in works once: %s. The next one fails until a cycle of Connect writes it again.%s", s.theyDelete(d, by), chance)
}

// theyDelete is the part of a sentence about controllers that delete keys.
func (l *Lab) theyDelete(d *hello.Domain, names []string) string {
	by := l.controllersOf(d).by
	var out []string
	for _, n := range names {
		out = append(out, fmt.Sprintf("%s is of build %s", n, hello.BuildOf(by[n])))
	}
	return strings.Join(out, ", ") + ", which deletes a key that has signed in"
}

// keyDomain is the domain that the sign-in shows its key to.
func (s *signingIn) keyDomain() string {
	if s.to.domain != "" {
		return s.to.domain
	}
	return string(s.d.In.Domain)
}

// pinDue is why Windows asks for a new PIN, "" when it does not.
func (s *signingIn) pinDue() (sentence, rule string, c Confidence) {
	const day = 24 * time.Hour
	life, age := time.Duration(s.policy.PINExpiration.Value)*day, s.facts.Now.Sub(s.credential.PINSet)
	if life > 0 && age >= life {
		return fmt.Sprintf("The PIN is %d days old, policy asks for a new one after %d.", age/day, life/day), "N4", Documented
	}
	pin := s.pin()
	if broken := s.policy.PIN().Check(pin); pin.Length > 0 && len(broken) > 0 {
		return pinSentence(broken[0], pin, s.policy.PIN()), "N1", Reported
	}
	return "", "", Documented
}

// pin is what is known of the PIN: what the device noted, else the enrollment's.
func (s *signingIn) pin() hello.PINShape {
	pin := s.credential.PIN
	for _, en := range s.world.EnrollmentsOn(s.Device) {
		if string(en.In.User) == s.User && en.PIN != nil && pin.Length == 0 {
			pin = *en.PIN
		}
	}
	return pin
}

// pinSentence tells the numbers, where there are some.
func pinSentence(b hello.Violation, pin hello.PINShape, rules hello.PINRules) string {
	switch b.Rule {
	case "pin_too_short":
		return fmt.Sprintf("The PIN is %d long, policy asks for %d.", pin.Length, rules.MinimumLength)
	case "pin_too_long":
		return fmt.Sprintf("The PIN is %d long, policy allows %d.", pin.Length, rules.MaximumLength)
	}
	return b.Sentence
}

// Codes are the reasons for which a decision refuses, in order.
func Codes() []string { return sorted(outcomes) }
