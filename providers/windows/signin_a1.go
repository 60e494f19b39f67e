package windows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// a1 is flow A1: sign-in on an Entra joined device, to the tenant (seed 002;
// seed 003, "upon sign-in", 1 to 5). A password goes the same way with another
// proof, and gets a token without a second factor. On a personal device phase A
// is another, and phase E opens no session.
func (s *signingIn) a1(ctx context.Context) error {
	return s.inOrder(ctx, s.phaseA, s.cloudSession)
}

// cloudSession are A1's phases B to E. Where the tenant is out of reach, an Entra
// joined device opens the session by the sign-in that Cloud AP keeps.
func (s *signingIn) cloudSession(ctx context.Context) error {
	err := s.inOrder(ctx, s.phaseB, s.phaseC, s.phaseD)
	switch {
	case err == nil:
		return s.phaseE(ctx)
	case !unreachable(err) || !s.keepsSignIns() || ctx.Err() != nil:
		return errors.Join(err, s.forgetSignIn(ctx, err))
	}
	if err := s.ticketLives(ctx); err != nil {
		return err
	}
	return s.cachedSession(ctx, err)
}

func (s *signingIn) inOrder(ctx context.Context, phases ...func(context.Context) error) error {
	for _, phase := range phases {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	return nil
}

// phaseA: from the lock screen to Cloud AP, and the key out of its container.
func (s *signingIn) phaseA(ctx context.Context) error {
	s.trace.in("A")
	if s.personal() {
		return s.workPhaseA(ctx)
	}
	s.collect()
	return s.passTo(ctx, event.CloudAP)
}

// collect goes from the lock screen to LSASS with what the user gives.
func (s *signingIn) collect() {
	t, with := s.trace, s.with()
	t.step(event.Winlogon, event.CredentialProvider, local, "lock_screen_dismissed", "The lock screen is dismissed; Winlogon shows the credential provider.", nil)
	if with == s.request.Gesture {
		t.step(event.User, event.Sensor, local, "gesture", "The user shows the gesture to the sensor.", message{"gesture": with})
	}
	t.step(event.CredentialProvider, event.User, local, "gesture_provided", "The credential provider takes what the user gives.", message{"credential": with})
	t.step(event.CredentialProvider, event.Winlogon, local, "credentials_packed", "The credential provider packs it and returns it to Winlogon.", nil)
	t.step(event.Winlogon, event.LSASS, local, "credentials_to_lsass", "Winlogon passes the credentials to LSASS.", nil)
}

// passTo has LSASS pass the credentials to Cloud AP or the Kerberos provider,
// for which the gesture opens the container.
func (s *signingIn) passTo(ctx context.Context, provider event.Actor) error {
	t, with := s.trace, s.with()
	step, text := "credentials_to_cloud_ap", "LSASS passes the credentials to Cloud AP."
	if provider == event.Kerberos {
		step, text = "credentials_to_kerberos", "LSASS passes the credentials to the Kerberos provider."
	}
	t.step(event.LSASS, provider, local, step, text, nil)
	if with == byPassword {
		return nil
	}
	if err := s.release(ctx); err != nil {
		s.notReleased(provider, err)
		return err
	}
	s.gestureTaken = s.env.Now()
	t.step(event.Container, keyHolder(s.machine), tpm20, "key_released", "The gesture opens its protector: the key is released.",
		message{"gesture": with, "kid": s.kid})
	return nil
}

// notReleased tells whoever waits for the key why there is none, unless the user
// was told.
func (s *signingIn) notReleased(waits event.Actor, err error) {
	if !s.trace.refusing {
		s.trace.refused(event.Container, waits, tpm20, "key_release_refused", "The gesture does not open the container.", err)
	}
}

// phaseB: nonce, and the proof over it.
func (s *signingIn) phaseB(ctx context.Context) error {
	s.trace.in("B")
	if err := s.fetchNonce(ctx); err != nil || s.released == nil {
		return err
	}
	return s.signNonce(ctx)
}

// fetchNonce gets the tenant's nonce.
func (s *signingIn) fetchNonce(ctx context.Context) (err error) {
	if s.nonce, err = s.cloud.nonce(ctx); err != nil {
		s.trace.refused(event.CloudAP, event.LSASS, local, "nonce_missing", "Cloud AP has no nonce to sign.", err)
	}
	return err
}

// signNonce proves the key to the tenant.
func (s *signingIn) signNonce(ctx context.Context) (err error) {
	s.assertion, err = s.signFor(ctx, s.cloud, s.nonce)
	return err
}

// signFor signs the nonce of whoever is asked for a token with the user's key. To AD
// FS it shows the certificate that the session began with, if there is one: the key
// itself need not be known in the domain yet (MS-OAPXBC 3.2.5.1.2.1.4).
func (s *signingIn) signFor(ctx context.Context, asked *cloudAP, nonce string) (string, error) {
	t := s.trace
	key, err := s.released.Section(s.identity().provider()).Signer(ctx, s.kid)
	if err != nil {
		return "", err
	}
	now := s.env.Now()
	c := ngc.Claims{
		Issuer:       s.user.nameAt(asked.at().actor),
		Audience:     asked.at().aud,
		IssuedAt:     prt.Time(now.Unix()),
		Expires:      prt.Time(now.Add(5 * time.Minute).Unix()),
		RequestNonce: nonce,
		Scope:        asked.at().scope,
	}
	m := message{"kid": s.kid, "use": ngc.Use, "alg": "RS256", "iss": c.Issuer, "aud": c.Audience, "nonce_length": len(nonce)}
	var assertion string
	if asked.sts != nil && s.certificate != nil {
		delete(m, "kid")
		delete(m, "use")
		m["x5c"] = kerberos.NameOf(s.certificate[0].RawSubject)
		assertion, err = ngc.SignByCertificate(key, s.certificate[0].Raw, c)
	} else {
		assertion, err = ngc.SignAssertion(key, s.kid, c)
	}
	if err != nil {
		err = fmt.Errorf("sign the nonce: %w", err)
		t.refused(keyHolder(s.machine), event.CloudAP, tpm20, "nonce_not_signed", "The key does not sign.", err)
		return "", err
	}
	t.step(event.CloudAP, keyHolder(s.machine), tpm20, "nonce_signed", "Cloud AP has the nonce signed with the user's private key.", m)
	return assertion, nil
}

// phaseC: the tenant checks the proof and answers with a primary refresh token.
func (s *signingIn) phaseC(ctx context.Context) (err error) {
	t := s.trace
	t.in("C")
	r := prt.Request{RequestNonce: s.nonce, GrantType: oauth.GrantJWTBearer, Username: s.user.upn, Assertion: s.assertion}
	text := "Cloud AP returns the signed nonce in a request signed with the device key."
	m := message{"scope": s.cloud.at().scope, "device_id": s.rec.Registration.DeviceID}
	if s.released == nil {
		if r, err = s.cloud.byPasswordOf(ctx, s.user, s.request.Password); err != nil {
			return err
		}
		r.RequestNonce = s.nonce
		text = "Cloud AP returns the nonce with what proves the password in a request signed with the device key."
	} else {
		m["kid"] = s.kid
	}
	m["grant_type"] = r.GrantType
	if s.cloud.tgt {
		m["tgt"] = true // tickets of Entra Kerberos are asked for, too
	}
	t.step(event.CloudAP, event.EntraID, https, "prt_request", text, m)
	if s.reply, err = s.cloud.exchange(ctx, r); err != nil {
		t.refused(event.CloudAP, event.LSASS, local, "sign_in_failed", "Cloud AP reports that the tenant refused the sign-in.", err)
		return err
	}
	s.verdict.Claims = claims(s.reply.IDToken)
	return nil
}

// phaseD: the session key goes into the TPM.
func (s *signingIn) phaseD(ctx context.Context) (err error) {
	t := s.trace
	t.in("D")
	credential := byHello
	if s.released == nil {
		credential = byPassword
	}
	if s.prt, err = s.cloud.keep(ctx, s.reply, credential, s.user.upn); err != nil {
		t.refused(keyHolder(s.machine), event.CloudAP, tpm20, "session_key_refused", "The session key cannot be unwrapped.", err)
	}
	return err
}

// phaseE: LSASS has the token, Winlogon opens the session.
func (s *signingIn) phaseE(ctx context.Context) error {
	s.trace.in("E")
	if err := s.inOrder(ctx, s.ticketLives, s.keepSession, s.keepSignIn); err != nil {
		return err
	}
	if s.personal() {
		s.trace.step(event.WAM, event.User, local, "account_signed_in", "The work account is signed in; the Windows session stays its owner's.", nil)
	} else {
		s.desktopOpens()
		if err := s.raiseTunnel(ctx); err != nil {
			return err
		}
	}
	return s.inOrder(ctx, s.postLogon, s.certificates, s.reach)
}

// keepSession is keepToken where the session begins, or goes on, with it.
func (s *signingIn) keepSession(ctx context.Context) error { return s.keepToken(ctx, true) }

// keepToken has LSASS keep the primary refresh token, and what came with it.
// session says that the user's session begins or goes on with it.
func (s *signingIn) keepToken(ctx context.Context, session bool) error {
	t := s.trace
	if !s.personal() {
		t.step(event.CloudAP, event.LSASS, local, "success_to_lsass", "Cloud AP reports success to LSASS.", nil)
	}
	if err := s.cloud.cache(ctx, s.user.sid, s.prt, session); err != nil {
		return err
	}
	t.step(event.LSASS, "", local, "prt_cached", "LSASS caches the primary refresh token.",
		message{"credential": s.prt.Credential, "expires": s.prt.Expires, "claims": claims(s.reply.IDToken)})
	s.cloud.ticketsCached(s.prt.tickets)
	return nil
}

// desktopOpens is Winlogon's part of a sign-in.
func (s *signingIn) desktopOpens() {
	t := s.trace
	t.step(event.LSASS, event.Winlogon, local, "success_to_winlogon", "LSASS tells Winlogon of the success.", nil)
	t.step(event.Winlogon, "", local, "logon_session", "Winlogon creates the logon session.", nil)
	t.step(event.Winlogon, "", local, "profile_loaded", "Winlogon loads the user's profile.", nil)
	t.step(event.Winlogon, event.User, local, "explorer_started", "Winlogon starts explorer: the user is signed in.", nil)
}

// reach goes with the session where the request asks for.
func (s *signingIn) reach(ctx context.Context) error {
	for _, to := range s.to {
		var err error
		switch {
		case to.domain != "":
			err = s.reachDomain(ctx, to)
		case s.cloudless != nil:
			err = s.cloudless
		case to.app != nil:
			err = s.reachApplication(ctx, to.app)
		default:
			err = s.reachTenant(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reachDomain goes to a domain, or a service of one, by the flow that the trust
// has for it; with the session's ticket where there is one.
func (s *signingIn) reachDomain(ctx context.Context, to target) error {
	switch {
	case to.service != nil && hello.ServicePurpose(to.service.In) != "":
		return s.reachByCertificate(ctx, to)
	case s.inDomain():
		return s.reachByTicket(ctx, to)
	case firstUse[s.route.Domain] != nil:
		return s.reachAtFirstUse(ctx, to)
	}
	return because("domain_not_reached", nil, "No trust leads from %s on %s to %s.", s.user.addr, s.addr, to.domain)
}

// postLogon is Windows' look, after a sign-in with a password, whether to offer
// Hello. Taking the offer is an enrollment's, not a sign-in's. After one by Hello it
// makes sure that the PIN can be reset as policy wants.
func (s *signingIn) postLogon(ctx context.Context) error {
	t := s.trace
	if s.released != nil && s.rec.Registration == nil {
		return nil // the PIN reset service is a tenant's
	}
	if s.released != nil {
		return s.cloud.keepRecoverable(ctx, s.user, s.released, s.policy)
	}
	c, ok, err := s.containerOf(s.user)
	if err != nil {
		return err
	}
	facts := s.facts(s.user)
	tickets, err := s.cloudTickets(s.user)
	if err != nil {
		return err
	}
	ready, err := s.learnReadiness(ctx, t, s.cloud.http, s.route)
	if err != nil {
		return err
	}
	facts.EnterprisePRT, facts.Template, facts.RegistrationAuthority = s.enterprise != nil, ready.Template, ready.Authority
	facts.PRT, facts.CloudTGT = s.prt != nil, kerberos.Usable(tickets.Domain, s.env.Now())
	if facts.MDMCertificate, err = s.hasProfile(s.route, s.user.addr); err != nil {
		return err
	}
	if ok {
		_, facts.HasKey = c.UserKey(s.identity().provider())
	}
	check := hello.Prerequisites(s.route, s.policy, facts)
	switch {
	case check.HasKey:
		t.step(event.Device, "", local, "already_provisioned", "Windows finds the user's Hello credential and does not offer another.", nil)
	case check.WillProvision:
		t.step(event.Device, "", local, "prerequisites", "Windows finds every condition for Hello met: the user may enroll.", checkMessage(check))
	default:
		t.step(event.Device, "", local, "prerequisites", "Windows does not offer Hello to the user.", checkMessage(check))
	}
	return nil
}

// reachTenant shows that the session's token is good for something: an access
// token to the tenant's directory, by way of the session key.
func (s *signingIn) reachTenant(ctx context.Context) error {
	t := s.trace
	t.step(event.WAM, event.EntraID, https, "app_token_request", "An application asks for a token; the request is signed with a key derived from the session key.",
		message{"resource": oauth.ResourceGraph})
	reply, err := s.cloud.accessToken(ctx, s.prt, oauth.ClientBroker, oauth.ResourceGraph, false)
	if err != nil {
		t.refused(event.WAM, "", local, "app_token_refused", "The application gets no token.", err)
		return err
	}
	s.verdict.Claims = claims(reply.AccessToken)
	t.step(event.WAM, "", local, "app_token", "The plug-in opens the reply and hands the token to the application.", claims(reply.AccessToken))
	return nil
}
