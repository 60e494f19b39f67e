package windows

import (
	"context"
	"errors"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// Flow P1: provisioning on an Entra joined device in a managed tenant (seed 000;
// seed 003 (3) for what is sent; seed 004 for the container).

// phaseA: the application asks the Web Account Manager for an access token to
// the registration service, which the tenant gives for two factors only. A
// second factor of the last ten minutes counts; else the user is prompted.
func (p *provisioning) phaseA(ctx context.Context) (err error) {
	if p.route.Federated { // P3 is drawn for a managed tenant, and works in a federated one
		return p.federatedA(ctx)
	}
	t := p.trace
	t.in("A")
	t.step(event.CXH, event.WAM, local, "token_request", "The application asks for an access token to the registration service.",
		message{"resource": oauth.ResourceDRS, "client_id": oauth.ClientProvisioning})
	t.step(event.WAM, event.EntraID, https, "drs_token_request", "The plug-in asks the tenant for the token, with a current second factor.",
		message{"resource": oauth.ResourceDRS, "amr_values": oauth.AMRNGCMFA, "with": p.prt.Credential})
	p.token, err = p.freshToken(ctx, oauth.ClientProvisioning, oauth.ResourceDRS)
	if err != nil {
		t.refused(event.WAM, event.CXH, local, "drs_token_missing", "The plug-in has no token for the application.", err)
		return err
	}
	t.step(event.WAM, event.CXH, local, "drs_token", "The plug-in hands the token to the application.", claims(p.token.AccessToken))
	return nil
}

// freshToken gets an access token that the tenant gives for two factors only. The
// user's session on the device is the first; where the second is not current, the
// tenant's page asks for it.
func (p *provisioning) freshToken(ctx context.Context, client, resource string) (*oauth.TokenResponse, error) {
	token, err := p.cloud.accessToken(ctx, p.prt, client, resource, true)
	if isOver(err) { // the session was revoked meanwhile: the user signs in again
		if p.prt, err = p.cloud.passwordSignIn(ctx, p.user); err != nil {
			return nil, err
		}
		token, err = p.cloud.accessToken(ctx, p.prt, client, resource, true)
	}
	if !demandsMFA(err) {
		return token, err
	}
	return p.atPage(ctx, client, resource)
}

// atPage has the tenant's page ask for the second factor of the session's user.
func (p *provisioning) atPage(ctx context.Context, client, resource string) (*oauth.TokenResponse, error) {
	p.trace.step(event.WAM, event.CXH, local, "mfa_window", "The sign-in page opens in the application's window.", nil)
	session, err := p.cloud.sessionCredential(ctx, p.prt)
	if err != nil {
		return nil, err
	}
	return p.wam.interactive(ctx, p.user, client, resource, session, true)
}

// demandsMFA says whether the tenant wants an interactive second factor.
func demandsMFA(err error) bool {
	var e *oauth.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case oauth.StrongAuthRequired, oauth.StrongAuthEnrollment, oauth.StrongAuthExpired:
		return true
	}
	return false
}

// isOver says whether its issuer does not take the primary refresh token any more.
func isOver(err error) bool {
	var sts *adfs.Error
	if errors.As(err, &sts) {
		return sts.OAuth == adfs.InvalidGrant
	}
	var e *oauth.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case oauth.GrantInvalid, oauth.FreshTokenNeeded, oauth.RefreshTokenExpired, oauth.RefreshTokenInactive, oauth.SessionKeyInvalid:
		return true
	}
	return false
}

// phaseB: gestures, PIN, container, and a user key out of the pool.
func (p *provisioning) phaseB(ctx context.Context) error {
	t := p.trace
	t.in("B")
	if err := p.checkKeyStorage(); err != nil {
		t.refused(event.CXH, keyHolder(p.machine), local, "key_storage", "Policy does not allow the device's key storage.", err)
		return err
	}
	if err := p.enrollGestures(); err != nil {
		return err
	}
	if err := p.openContainer(ctx); err != nil {
		return err
	}
	return p.takeKey(ctx)
}

// takeKey takes the user key from the pre-generation pool and binds it to the
// container.
func (p *provisioning) takeKey(ctx context.Context) error {
	t := p.trace
	key, ready, err := p.takeUserKey(ctx)
	if err != nil {
		return err
	}
	left, err := p.poolLevel()
	if err != nil {
		return err
	}
	text := "The pool hands out a key pair that lay ready."
	if !ready {
		text = "The pool is empty: a key pair is made now."
	}
	if key.Attestation.holds(p.tenant.TenantID, p.env.Now()) {
		p.attested = key.Attestation
	}
	pub, err := key.RSA()
	if err != nil {
		return err
	}
	blob := cng.MarshalRSAPublic(pub)
	kid := ngc.KeyID(blob)
	t.step(event.KeyPool, event.CXH, local, "pool_take", text,
		message{"key_id": kid, "pregenerated": ready, "attested": p.attested != nil, "left": left, "algorithm": "RSA-2048", "storage": string(key.Storage)})
	domain, err := p.domainOf(p.user)
	if err != nil {
		return err
	}
	own := p.identity()
	p.key, err = p.released.Section(own.provider()).Adopt(ctx, container.UserKey{
		ID:      kid,
		Name:    own.keyName(p.user.upn),
		Key:     key.Key,
		Created: p.env.Now(),
		Domain:  domain,
		Hinted:  true,
	}, own.provider())
	if err != nil {
		return err
	}
	t.step(event.Container, keyHolder(p.machine), tpm20, "user_key_bound", "The private key is bound to the container: only a gesture opens it.",
		message{"key_id": kid, "name": p.key.Name})
	return nil
}

// phaseC: the registration service takes token, public key, attestation and
// device information, writes the key to the user's object and returns its id.
func (p *provisioning) phaseC(ctx context.Context) error {
	return p.register(ctx, p.registerKey)
}

// register is phase C, whoever registers the key by ask: what the device has of
// the key is durable before the service hears of it.
func (p *provisioning) register(ctx context.Context, ask func(context.Context) (registered, error)) error {
	t := p.trace
	t.in("C")
	p.made = enrollmentRecord{
		Addr: p.env.Addr, KeyID: p.key.ID, Flow: string(p.trace.flow), Trust: string(p.route.Trust),
		DeviceID: p.identity().DeviceID, Created: p.env.Now(), Gestures: p.asked.Gestures, ID: p.id,
		Federated: p.route.Authentication.Federated(), Delivery: string(p.route.Delivery),
	}
	if err := p.keep(ctx, p.made); err != nil {
		return err
	}
	failpoint(p.env, "enrollment:container")
	reply, err := ask(ctx)
	if err != nil {
		t.refused(event.CXH, event.Container, local, "key_not_registered", "The application has no key id: the key is given up.", err)
		if saidNo(err) { // nothing of the key is there
			err = errors.Join(err, p.forget(ctx))
		}
		return err
	}
	p.made.EntryID, p.made.Registered, p.receipt, p.hint = reply.entry, true, reply.receipt, reply.hint
	p.made.Receipt, p.made.Hint = reply.receipt, reply.hint
	cache, err := p.provisionCache()
	if err != nil {
		return err
	}
	err = p.env.Section.Update(ctx, func(w providers.Writer) error {
		return errors.Join(put(w, tableEnrollment, p.user.sid, p.made), cache(w))
	})
	if err != nil {
		return err
	}
	failpoint(p.env, "enrollment:registered")
	t.step(event.CXH, event.Container, local, "key_id_stored", "The device stores the key id, which will name the key at sign-in.",
		message{"kid": p.made.KeyID, "entry": reply.entry, "upn": reply.upn})
	return nil
}

// registered is what a registration service answers of a key.
type registered struct {
	entry, upn string // GUID of the directory's entry, and whose it is
	receipt    string // by which AD FS takes the key before the domain has it (krctx); "" without one
	hint       string // which controller has the key (pctx), for AD FS; "" without one
}

// saidNo reports whether a registration service refused, and did not break.
func saidNo(err error) bool {
	var tenants *drs.Error
	var domains *edrs.Error
	return errors.As(err, &tenants) || errors.As(err, &domains)
}

// exit is the end of provisioning, in whichever phase that is.
func (p *provisioning) exit(context.Context) error {
	p.trace.step(event.CXH, "", local, "exit", "Provisioning is over; the application exits.", nil)
	if p.tpm != nil {
		p.short = p.filler()
	}
	return nil
}

// keep writes container, templates and how far provisioning came, before the
// registration service hears of the key.
func (p *provisioning) keep(ctx context.Context, rec enrollmentRecord) error {
	entries, err := p.entries(ctx, p.templates)
	if err != nil {
		return err
	}
	return p.env.Section.Update(ctx, func(w providers.Writer) error {
		errs := []error{put(w, tableContainer, p.holder(p.user), p.container), put(w, tableEnrollment, p.user.sid, rec), dropCertificates(w, p.user.sid, rec.KeyID)}
		for _, e := range entries {
			errs = append(errs, putTemplate(w, e))
		}
		return errors.Join(errs...)
	})
}

func (p *provisioning) registerKey(ctx context.Context) (done registered, err error) {
	pub, err := p.key.Key.RSA()
	if err != nil {
		return done, err
	}
	body := drs.KeyRequest{
		PublicKey: cng.MarshalRSAPublic(pub),
		Device: &drs.KeyDevice{
			DeviceID: p.rec.Registration.DeviceID, DisplayName: p.rec.Name, OSVersion: osVersion(p.in.OS),
		},
		ReturnReceipt: p.trace.flow == hello.P5, // AD FS is asked for a certificate next
	}
	if body.Attestation, err = p.attestation(ctx); err != nil {
		return done, err
	}
	p.trace.step(event.CXH, event.DRS, https, "key_registration", "The application sends token, public key, attestation data and device information.",
		message{"kid": p.key.ID, "attestation": body.Attestation != nil, "device_id": body.Device.DeviceID, "token": claims(p.token.AccessToken)})
	req, err := web.NewJSON(ctx, http.MethodPost, "https://"+p.tenant.RegistrationHost+drs.PathKey+"?api-version=1.0", body)
	if err != nil {
		return done, err
	}
	req.Header.Set("Authorization", "Bearer "+p.token.AccessToken)
	req.Header.Set("Accept", "application/json")
	reply, err := replyOf(p.cloud.http, req, drs.ParseKeyReply)
	if err != nil {
		return done, err
	}
	return registered{entry: reply.KeyID, upn: reply.UPN, receipt: reply.Receipt}, nil
}

// attestation is what the pool gave with the user key, or is made now: for a key
// that was made on demand, or waited too long. A device without a TPM has none.
func (p *provisioning) attestation(ctx context.Context) (*drs.KeyAttestation, error) {
	if p.tpm == nil {
		p.trace.skip(event.Container, "attestation", "The device has no TPM, and so nothing that could attest the key.", "tpm_missing")
		return nil, nil
	}
	if p.attested != nil {
		p.trace.step(event.KeyPool, event.CXH, local, "attestation", "The key's attestation lay ready with it.",
			message{"made": p.attested.Made, "aik": poolKey(p.rec.AIK), "aik_certificates": len(p.rec.AIKChain)})
		return p.evidence(p.key.Key, p.attested)
	}
	made, err := p.filler().certify(ctx, event.CXH, p.key.Key)
	if err != nil {
		return nil, err
	}
	return p.evidence(p.key.Key, made)
}

func (p *provisioning) filler() *poolFiller {
	return &poolFiller{machine: p.machine, trace: p.trace, http: p.cloud.http, tenant: p.tenant}
}
