package windows

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/sensor"
	"hellolab/providers/wire/oauth"
)

// provisioning is one run of a provisioning flow: the application in the Cloud
// Experience Host, and what it has got so far.
type provisioning struct {
	*enrolling
	trace *trace
	cloud *cloudAP
	wam   *wam

	prt       *prtRecord // of the first sign-in
	token     *oauth.TokenResponse
	templates []taken
	secrets   map[container.Gesture][]byte // what the sensors handed out, until the container has them
	container *container.Container
	released  *container.Released
	key       container.UserKey
	attested  *attestation // of key; nil when it is to be made
	id        string       // of the enrollment that is there already; "" for a new one

	// What the registration of the key leaves for those who certify it.
	made       enrollmentRecord
	receipt    string     // the tenant's, for AD FS; "" without one
	hint       string     // of AD FS's registration service, for AD FS; "" without one
	enterprise *prtRecord // the user's token of AD FS; nil without one

	sts *federationObject // AD FS, where it registers the key; else nil
}

// phase is a lettered phase of a flow. It begins by entering its letter.
type phase = func(*provisioning, context.Context) error

// flows are the provisioning flows of the documents, by their phases in order. P3
// and P4 are P1 after another first sign-in; what Connect does afterwards, P4's
// phase D, is no part of the application. P8 no document draws: it is P4 with
// P2's phase A.
var flows = map[hello.Flow][]phase{
	hello.P1: {(*provisioning).phaseA, (*provisioning).phaseB, (*provisioning).phaseC, (*provisioning).exit},
	hello.P2: {(*provisioning).federatedA, (*provisioning).phaseB, (*provisioning).phaseC, (*provisioning).exit},
	hello.P3: {(*provisioning).phaseA, (*provisioning).phaseB, (*provisioning).phaseC, (*provisioning).exit},
	hello.P4: {(*provisioning).phaseA, (*provisioning).phaseB, (*provisioning).phaseC, (*provisioning).exit},
	hello.P5: {(*provisioning).federatedA, (*provisioning).phaseB, (*provisioning).phaseC, (*provisioning).certificate, (*provisioning).exit},
	hello.P6: {(*provisioning).enterpriseA, (*provisioning).phaseB, (*provisioning).enterpriseC, (*provisioning).exit},
	hello.P7: {(*provisioning).enterpriseA, (*provisioning).phaseB, (*provisioning).enterpriseC, (*provisioning).certificate, (*provisioning).exit},
	hello.P8: {(*provisioning).federatedA, (*provisioning).phaseB, (*provisioning).phaseC, (*provisioning).exit},
}

// run goes through a flow's phases.
func (p *provisioning) run(ctx context.Context) error {
	for _, phase := range flows[p.trace.flow] {
		if err := phase(p, ctx); err != nil {
			return err
		}
	}
	return nil
}

// provision goes from the first sign-in to a registered key. Which flow runs
// is decided here, by one table.
func (e *enrolling) provision(ctx context.Context) (enrollmentRecord, error) {
	shape, ok := e.world.ShapeOf(string(e.asked.User), string(e.asked.Device))
	if !ok {
		return enrollmentRecord{}, errors.New("user or device is not part of the lab")
	}
	route, refusal := hello.Select(shape)
	if refusal != nil && shape.Join != hello.NotJoined {
		return enrollmentRecord{}, because("unsupported_deployment", refusal, "%s", refusal.Reason)
	}
	route.Shape = shape
	e.route, e.policy = route, e.world.InForce(string(e.asked.User), string(e.asked.Device))

	flow := route.Provision
	if flow == "" {
		flow = hello.P1 // joined to nothing: the check below says so
	}
	if flow == hello.P6 || flow == hello.P7 { // AD FS may have come after the computer
		if err := e.joinDomain(ctx); err != nil {
			return enrollmentRecord{}, err
		}
	}
	t, ctx, err := newTrace(ctx, e.env, flow, e.user.addr, e.addr)
	if err != nil {
		return enrollmentRecord{}, err
	}
	t.broker = e.personal()
	p, err := e.application(ctx, t)
	if err != nil {
		return enrollmentRecord{}, err
	}
	defer p.close()
	if err := p.launch(ctx); err != nil {
		return enrollmentRecord{}, err
	}
	if flows[flow] == nil {
		return enrollmentRecord{}, fmt.Errorf("flow %s (%s) is not part of this version", flow, flow.Title())
	}
	err = p.run(ctx)
	if err != nil && !t.refusing {
		t.refused(event.CXH, "", local, "provisioning_failed", "Provisioning cannot go on; the application exits.", err)
	}
	return p.made, err
}

// application is the provisioning application, about to run.
func (e *enrolling) application(ctx context.Context, t *trace) (*provisioning, error) {
	client, err := e.client(ctx, false)
	if err != nil {
		return nil, err
	}
	p := &provisioning{
		enrolling: e,
		trace:     t,
		cloud:     &cloudAP{m: e.machine, trace: t, http: client, tenant: e.tenant, tgt: e.asksTickets(e.user, e.route.Trust)},
		wam:       &wam{env: e.env, trace: t, hands: e.w.Hands, http: client, tenant: e.tenant, screen: event.CXH},
	}
	p.wam.ticket = p.ticketFor
	return p, nil
}

func (p *provisioning) close() {
	if p.released != nil {
		p.released.Close()
	}
	for _, s := range p.secrets {
		clear(s)
	}
}

// launch is what happens before the lettered phases: the user's first sign-in,
// the policy that reaches them, and Windows' check whether to open the Cloud
// Experience Host at all.
func (p *provisioning) launch(ctx context.Context) error {
	t := p.trace
	facts := p.facts(p.user)
	if p.inDomain() {
		first := p.domainFirst
		if p.rec.Registration == nil {
			first = p.domainSession
		}
		if err := first(ctx); err != nil {
			return fmt.Errorf("first sign-in of %s: %w", p.user.addr, err)
		}
	}
	if facts.WorkAccount && p.rec.Registration != nil {
		var err error
		if p.prt, err = p.cloud.firstSignIn(ctx, p.user); err != nil {
			t.refused(event.CloudAP, event.LSASS, local, "sign_in_failed", "Cloud AP reports that the first sign-in failed.", err)
			return fmt.Errorf("first sign-in of %s: %w", p.user.addr, err)
		}
		facts.PRT = true
	}
	if err := p.enterpriseAtFirst(ctx); err != nil {
		return err
	}
	ready, err := p.learnReadiness(ctx, t, p.cloud.http, p.route)
	if err != nil {
		return err
	}
	facts.EnterprisePRT, facts.Template, facts.RegistrationAuthority = p.enterprise != nil, ready.Template, ready.Authority
	tickets, err := p.partialTicket(ctx)
	if err != nil {
		return err
	}
	facts.CloudTGT = tickets
	if facts.MDMCertificate, err = p.hasProfile(p.route, p.user.addr); err != nil {
		return err
	}
	t.step(event.MDM, event.Device, local, "policy_applied", "The policy in force for the user on the device is known.", policyMessage(p.policy))
	check := hello.Prerequisites(p.route, p.policy, facts)
	results := checkMessage(check)
	if !check.WillProvision {
		why := check.Failed()
		reason := event.Reason{Code: "prerequisites"}
		if len(why) > 0 {
			reason = why[0]
		}
		t.write(event.Device, "", local, "prerequisites", "Windows does not offer Hello to the user.", results, event.Refused, &reason)
		return notOffered(check)
	}
	t.step(event.Device, "", local, "prerequisites", "Windows finds every condition for Hello met.", results)
	t.step(event.Device, event.CXH, local, "cxh_launch", "The Cloud Experience Host window opens with the provisioning application.", nil)
	return nil
}

// workAccount says whether an account is one of the identity provider that the
// device is registered with: its tenant, or, on-premises, its domain.
func (m *machine) workAccount(tenant, domain providers.Ref) bool {
	if m.rec.Registration != nil {
		return tenant == m.in.Tenant
	}
	return m.rec.Enterprise != nil && tenant == "" && domain == m.in.Domain
}

// facts is what the device knows of a user who signed in; no token and no key yet.
func (m *machine) facts(user person) hello.Facts {
	return hello.Facts{
		Joined:      m.identity() != nil || m.personal(),
		WorkAccount: m.workAccount(user.tenant, user.domain),
		TPM:         m.tpm != nil,
		Remote:      m.in.Session == "remote",

		DomainAccount: m.inDomain() && user.domain == m.in.Domain,
	}
}

// checkMessage is the "Ngc Prerequisite Check" section of `dsregcmd /status`.
func checkMessage(l hello.Launch) message {
	m := message{"PreReqResult": "WillNotProvision", "event": l.DeviceEvent}
	if l.WillProvision {
		m["PreReqResult"] = "WillProvision"
	}
	for _, c := range l.Checks {
		m[c.Name] = yesNo(c.OK)
	}
	return m
}

// notOffered is the refusal of a prerequisite check: the first reason, with
// the sentences of all.
func notOffered(l hello.Launch) error {
	var texts []string
	code := "unsupported_deployment"
	for _, c := range l.Checks {
		if !c.OK {
			if len(texts) == 0 {
				code = c.Code
			}
			texts = append(texts, c.Reason.Sentence)
		}
	}
	return because(code, nil, "Windows Hello for Business is not offered. %s", strings.Join(texts, " "))
}

func yesNo(ok bool) string {
	if ok {
		return "YES"
	}
	return "NO"
}

// policyMessage is event 5003 of Windows' HelloForBusiness log: the policy in
// force, with the origin of what is set. Settings that are off are left out, but
// for those that the event always has.
func policyMessage(f hello.InForce) message {
	rules := f.PIN()
	m := message{
		"UsePassportForWork":    f.UsePassportForWork.Value,
		"RequireSecurityDevice": f.RequireSecurityDevice.Value,
		"MinimumPINLength":      rules.MinimumLength,
		"MaximumPINLength":      rules.MaximumLength,
		"Digits":                rules.Digits,
		"LowercaseLetters":      rules.Lower,
		"UppercaseLetters":      rules.Upper,
		"SpecialCharacters":     rules.Special,
		"History":               f.PINHistory.Value,
		"Expiration":            f.PINExpiration.Value,
		"EnablePinRecovery":     f.EnablePINRecovery.Value,
		"UseBiometrics":         f.UseBiometrics.Value,
	}
	if f.MultiFactorUnlock() {
		m["GroupA"], m["GroupB"] = f.UnlockGroupA.Value, f.UnlockGroupB.Value
	}
	if f.ExcludeTPM12.Value {
		m["ExcludeTPM12"] = true
	}
	if origin := f.UsePassportForWork.Origin.Policy; origin != "" {
		m["policy"] = origin
	}
	return m
}

// choosePIN has the user type the new PIN, and type it again. It returns a
// PIN that policy wants, for the caller to wipe.
func (p *provisioning) choosePIN() (providers.Secret, error) {
	t := p.trace
	first, err := ask(t, p.w.Hands, event.CXH, PromptPIN, p.asked.PIN)
	if err != nil {
		return nil, err
	}
	second, err := ask(t, p.w.Hands, event.CXH, PromptPINAgain, p.asked.PIN)
	defer clear(second)
	if err == nil {
		if err = newPIN(first, second, p.policy.PIN()); err != nil {
			t.refused(event.CXH, event.User, local, "pin_refused", "The application does not take the PIN.", err)
		}
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	t.step(event.User, event.CXH, local, "pin_confirmed", "The user provides a PIN and confirms it.", nil)
	return first, nil
}

// newPIN judges the PIN that a user chose: typed twice alike, and as policy
// wants it. It keeps nothing.
func newPIN(first, second providers.Secret, rules hello.PINRules) error {
	if string(first) != string(second) {
		return because("pin_mismatch", nil, "The two PINs are not the same.")
	}
	broken := hello.CheckPIN(rules, first)
	if len(broken) == 0 {
		return nil
	}
	var texts []string
	for _, v := range broken {
		texts = append(texts, v.Sentence)
	}
	return because(broken[0].Rule, nil, "%s", strings.Join(texts, " "))
}

// sensors are the biometric sensors that policy lets the device use.
func (p *provisioning) sensors() []string { return p.policy.UsableSensors(p.in) }

// enrollGestures has the user enroll biometrics, or skip.
func (p *provisioning) enrollGestures() error {
	t := p.trace
	have := p.sensors()
	if len(have) == 0 {
		if len(p.asked.Gestures) > 0 {
			err := because(p.policy.SensorRefused(p.in, p.asked.Gestures[0]), nil, "The device has no sensor for %s that policy lets it use.", p.asked.Gestures[0])
			t.refused(event.CXH, event.Sensor, local, "sensor_check", "The application finds no sensor for the gesture.", err)
			return err
		}
		t.step(event.CXH, event.Sensor, local, "sensor_check", "The application finds no Hello-compatible sensor.", message{"sensors": 0})
		return nil
	}
	t.step(event.CXH, event.Sensor, local, "sensor_check", "The application finds Hello-compatible sensors.", message{"sensors": have})
	if len(p.asked.Gestures) == 0 {
		t.step(event.User, event.CXH, local, "biometrics_skipped", "The user may enroll biometrics, and skips.", nil)
		return nil
	}
	t.step(event.User, event.CXH, local, "biometrics_chosen", "The user chooses to enroll biometrics.", message{"gestures": p.asked.Gestures})
	p.secrets = map[container.Gesture][]byte{}
	for _, g := range p.asked.Gestures {
		at, code := p.policy.ForEnrollment(p.in, g)
		if code != "" {
			err := because(code, nil, "The device has no sensor for %s that policy lets it use.", g)
			t.refused(event.CXH, event.Sensor, local, "biometric_not_enrolled", "The application finds no sensor for the gesture.", err)
			return err
		}
		tpl, secret, err := sensor.Enroll(p.env.Rand, g, p.holder(p.user), sensor.Sample(g, p.face(p.user)))
		if err != nil {
			return err
		}
		p.templates = append(p.templates, taken{at, tpl})
		p.secrets[container.Gesture(g)] = secret
		t.step(event.Sensor, "", local, "biometric_enrolled", "The sensor keeps a template; the sample is dropped.",
			message{"gesture": g, "sensor": at.Name, "match_on_chip": at.MatchOnChip})
	}
	return nil
}

// protect makes the container: the PIN's protector first, then one for each
// biometric gesture, each with its own copy of what opens the authentication key.
func (p *provisioning) protect(ctx context.Context, pin providers.Secret) error {
	var err error
	if p.container, p.released, err = p.maker().Create(ctx, p.holder(p.user), pin, p.env.Now()); err != nil {
		return err
	}
	for _, t := range p.templates {
		g := container.Gesture(t.at.Kind)
		if err := p.maker().AddProtector(ctx, p.released, g, p.secrets[g]); err != nil {
			return err
		}
	}
	for _, pr := range p.container.Protectors {
		p.trace.step(event.Container, keyHolder(p.machine), tpm20, "protector_created", "The gesture gets a protector of its own.",
			message{"protector": pr.ID, "gesture": string(pr.Gesture), "storage": string(pr.Sealed.Storage)})
	}
	if pinRecovery(p.policy) {
		p.cloud.protectAdministrativeKey(ctx, p.user, p.released)
	}
	d := p.container.AuthKey.Key.Digest()
	p.trace.step(event.Container, keyHolder(p.machine), tpm20, "authentication_key_created", "The container's authentication key is made; every protector opens it.",
		message{"id": p.container.AuthKey.ID, "algorithm": "ECDH P-256", "public_sha256": fmt.Sprintf("%x", d[:8]), "copies": len(p.container.Protectors)})
	return nil
}

// checkKeyStorage holds the device's key provider against policy.
func (p *provisioning) checkKeyStorage() error {
	if p.rec.Storage == ksp.Software && p.policy.RequireSecurityDevice.Value {
		return refuse("tpm_missing", nil)
	}
	return nil
}
