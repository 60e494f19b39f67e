package windows

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
)

// firstUse are the flows by which an Entra joined device comes to a domain, with
// their phases by the Kerberos provider's steps (seed 002).
//
// A2, cloud Kerberos trust: A, it finds a controller; B, it sends the partial
// ticket, and LSASS caches the full one. A3, key trust: A, it finds a controller
// and signs; B, the controller checks; C, it checks the controller, and LSASS
// caches the ticket.
var firstUse = map[hello.Flow]map[string]string{
	hello.A2: {"dc_located": "A", "partial_tgt_sent": "B", "as_request": "B", "tgt_cached": "B"},
	hello.A3: {"dc_located": "A", "as_request": "A", "as_sent": "B", "kdc_certificate_accepted": "C", "kdc_certificate_refused": "C", "tgt_cached": "C"},
	hello.A4: {"dc_located": "A", "as_request": "A", "as_sent": "B", "kdc_certificate_accepted": "C", "kdc_certificate_refused": "C", "tgt_cached": "C"},
}

// reachAtFirstUse goes to a domain, or a service of one, from an Entra joined
// device: by the flow of the trust at the first use, with the ticket that it left
// at a later one. A new sign-in is a new session and has none; a session that is
// unlocked goes on.
func (s *signingIn) reachAtFirstUse(ctx context.Context, to target) error {
	provider, d, err := s.kerberosOf(to.domain, kerberosLane(s.trace, nil))
	if err != nil {
		return err
	}
	session, err := s.kerberosSession(s.user)
	if err != nil {
		return err
	}
	goesOn := s.request.Unlock || s.domainUsed
	if !goesOn || session == nil || !kerberos.Usable(session.TGT, s.env.Now()) || session.TGT.CRealm != d.Out.Realm {
		return s.firstUseOf(ctx, to)
	}
	s.verdict.Flow, s.verdict.ID = string(s.route.SignIn), s.trace.id
	s.trace.in("E") // again, after the flow of the first use
	return s.ticket(ctx, provider, session, to)
}

// firstUseOf is flow A2, A3 or A4: the first use of a domain's resource after the
// sign-in on an Entra joined device. It has a trace of its own.
func (s *signingIn) firstUseOf(ctx context.Context, to target) error {
	outer, flow := s.trace, s.route.Domain
	t, ctx, err := newTrace(ctx, s.env, flow, s.request.User, s.addr)
	if err != nil {
		return err
	}
	s.trace = t
	defer func() { s.trace = outer }()
	s.verdict.Flow, s.verdict.ID = string(flow), t.id // who follows the id finds the phase there
	defer func() { s.verdict.Phase, outer.phase, outer.refusing = t.phase, t.phase, t.refusing }()
	t.in("A")
	provider, d, err := s.kerberosOf(to.domain, kerberosLane(t, firstUse[flow]))
	if err != nil {
		return err
	}
	if err := s.hint(d.In); err != nil {
		return err
	}
	session, err := s.proveToDomain(ctx, provider)
	if err != nil {
		return err
	}
	if err := s.keepKerberos(ctx, s.user, session); err != nil {
		return err
	}
	s.domainUsed = true
	return s.ticket(ctx, provider, session, to)
}

// hint has the Kerberos provider learn which domain the user is of: by the sign-in
// certificate, by what the Hello key's metadata names, else by the user's name.
func (s *signingIn) hint(asked spec.Domain) error {
	t := s.trace
	if s.released == nil {
		t.step(event.LSASS, event.Kerberos, local, "domain_hint", "The Kerberos provider takes the domain from the user's name.", message{"domain": asked.DNSName, "user": s.user.upnOnPrem})
		return nil
	}
	if s.route.Trust == hello.CertTrust {
		return s.certificateHint(asked)
	}
	var err error
	switch {
	case s.user.upnOnPrem == "":
		err = because("not_domain_account", nil, "%s has no account in the domain.", s.user.addr)
	case s.domainHint == "":
		err = because("domain_hint_missing", nil, "The Hello key of %s names no domain in its metadata.", s.user.addr)
	case !strings.EqualFold(s.domainHint, asked.DNSName):
		err = because("domain_hint_missing", nil, "The Hello key of %s names %s in its metadata, not %s.", s.user.addr, s.domainHint, asked.DNSName)
	}
	if err != nil {
		t.refused(event.LSASS, event.Kerberos, local, "domain_hint", "The Hello key's metadata gives the Kerberos provider no hint of the domain.", err)
		return err
	}
	t.step(event.LSASS, event.Kerberos, local, "domain_hint", "The Kerberos provider takes the hint for the domain from the Hello key's metadata.", message{"domain": s.domainHint, "kid": s.kid})
	return nil
}

// proveToDomain proves the user to the domain by what they signed in with, a key
// as the trust has it.
func (s *signingIn) proveToDomain(ctx context.Context, provider *kerberos.Provider) (*kerberos.Session, error) {
	if s.released != nil && s.route.Trust == hello.CloudKerberos {
		return s.exchangePartial(ctx, provider)
	}
	return s.domainSignIn(ctx, provider)
}

// domainSignIn proves the released key, or the password, to the domain.
func (s *signingIn) domainSignIn(ctx context.Context, provider *kerberos.Provider) (*kerberos.Session, error) {
	t := s.trace
	if s.user.upnOnPrem == "" {
		err := because("not_domain_account", nil, "%s has no account in the domain.", s.user.addr)
		t.refused(event.Kerberos, event.LSASS, local, "domain_account_missing", "The Kerberos provider knows no account of the user in the domain.", err)
		return nil, err
	}
	var session *kerberos.Session
	var err error
	if s.released == nil {
		session, err = s.passwordToDomain(ctx, provider)
	} else {
		session, err = s.keyToDomain(ctx, provider)
	}
	if err != nil {
		t.refused(event.Kerberos, event.LSASS, protocolKerberos, "domain_sign_in_refused", "The Kerberos provider reports that the domain did not let the user in.", err)
		if s.released == nil && wantsNewPassword(err) {
			s.promptForPassword()
		}
	}
	return session, err
}

// keySubject names the certificate around the key, by whose key it is.
func (s *signingIn) keySubject() string {
	if s.identity().TenantID == "" {
		return kerberos.KeySubject(s.user.onPremSID, s.kid, s.keyName)
	}
	return kerberos.KeySubject(s.user.sid, s.kid, s.keyName)
}

// keyToDomain proves the released key to the domain: as it is registered, or by the
// certificate for it.
func (s *signingIn) keyToDomain(ctx context.Context, provider *kerberos.Provider) (*kerberos.Session, error) {
	key, err := s.released.Section(s.identity().provider()).Signer(ctx, s.kid)
	if err != nil {
		return nil, err
	}
	if s.route.Trust != hello.CertTrust {
		return provider.SignInKey(ctx, s.user.onPremName(), kerberos.Key{
			Signer: key, Subject: s.keySubject(),
		})
	}
	if err := s.needCertificate(); err != nil {
		return nil, err
	}
	session, err := provider.SignInKey(ctx, kerberos.NameIn(s.certificate[0], s.user.onPremName()), kerberos.Key{Signer: key, Certificates: s.certificate})
	if err == nil && session.SID != s.user.onPremSID { // the container's owner is at the lock screen, and nobody else (ours)
		return nil, refuse("certificate_name_mismatch", nil)
	}
	return session, err
}

// passwordToDomain proves the password to the domain. One that the domain takes
// only to be changed is changed, where the user gives another at the prompt, and
// the sign-in goes on with that (seed 004, "signing in with the password, which
// then prompts").
func (s *signingIn) passwordToDomain(ctx context.Context, provider *kerberos.Provider) (*kerberos.Session, error) {
	session, err := provider.SignInPassword(ctx, s.user.onPremName(), string(s.request.Password))
	if len(s.request.NewPassword) == 0 || !wantsNewPassword(err) {
		return session, err
	}
	s.promptForPassword()
	if err := s.changePassword(ctx, s.trace, s.user, s.request.Password, s.request.NewPassword); err != nil {
		return nil, err
	}
	s.request.Password.Wipe()
	s.request.Password, s.request.NewPassword = s.request.NewPassword, nil
	return provider.SignInPassword(ctx, s.user.onPremName(), string(s.request.Password))
}

// wantsNewPassword says whether a domain takes the password for nothing but its change.
func wantsNewPassword(err error) bool {
	if err == nil {
		return false
	}
	code := reasonOf(err).Code
	return code == "password_expired_on_prem" || code == "password_must_change"
}

func (s *signingIn) promptForPassword() {
	s.trace.step(event.Winlogon, event.User, local, "password_change_prompt", "Windows prompts the user to change the password.", nil)
}

// ticket uses the session's ticket-granting ticket for what is asked for: a
// service, or, of the domain itself, its directory. A service that takes NTLM only
// gets none.
func (s *signingIn) ticket(ctx context.Context, provider *kerberos.Provider, session *kerberos.Session, to target) error {
	t := s.trace
	if to.service != nil && to.service.In.Kind == spec.ServiceNTLM {
		return s.callNTLM(ctx, session, to)
	}
	host, err := provider.Controller(ctx)
	if err != nil {
		t.refused(event.DCLocator, event.LSASS, local, "dc_not_found", "No controller is in sight.", err)
		return err
	}
	name := krb.Service("ldap", host)
	if to.service != nil {
		if name, err = krb.ParseName(to.service.Out.SPN); err != nil {
			return fmt.Errorf("%s: %w", to.service.Addr, err)
		}
	}
	ticket, err := provider.Ticket(ctx, session, name)
	if err != nil {
		t.refused(event.Kerberos, event.LSASS, protocolKerberos, "service_ticket_refused", "There is no ticket for the service.", err)
		return err
	}
	if err := s.keepKerberos(ctx, s.user, session); err != nil {
		return err
	}
	if to.service == nil {
		return nil
	}
	return s.callService(ctx, ticket, to.service)
}

// callService is a program on the device that opens a member server's page with
// the user's ticket (RFC 4559).
func (s *signingIn) callService(ctx context.Context, ticket *krb.Credential, service *serviceObject) error {
	t := s.trace
	credential, err := kerberos.GSS(ticket)
	if err != nil {
		return err
	}
	exchange := gss.NewNegotiator(gss.InitiatorConfig{Credential: credential, Flags: gss.Mutual | gss.Integrity, Now: s.env.Now(), Rand: s.env.Rand})
	token, _, err := exchange.Step(nil)
	if err != nil {
		return err
	}
	t.step(event.Device, event.Service, "HTTP", "service_request", "A program on the device calls the service with the ticket.", message{"url": service.Out.URL, "service": ticket.Server.String()})
	line := s.lineTo(service)
	defer line.CloseIdleConnections()
	said, err := s.ask(ctx, line, service, gss.Header(token))
	if err == nil && said.status != http.StatusOK {
		err = because("service_refused", nil, "%s does not let the user in: %s", service.Addr, said.sentence)
	}
	if err != nil {
		t.refused(event.Device, event.User, local, "service_refused", "The service does not let the user in.", err)
		return err
	}
	t.step(event.Device, event.User, local, "service_answered", "The service answers: the user is signed in to it.", message{"service": service.Addr})
	return nil
}

// serviceTimeout bounds one request to a service, in real time.
const serviceTimeout = 30 * time.Second
