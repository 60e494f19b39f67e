package windows

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
)

// PINReset is "I forgot my PIN": a new PIN without the old one (reading R8).
type PINReset struct {
	User        string           // address
	Device      string           // address
	New         providers.Secret // the new PIN
	Password    providers.Secret // the first factor where the user has no unlocked session on the device
	Destructive bool             // although the PIN reset service could keep the keys
}

// ResetWay is how a PIN can be reset, in the words of dsregcmd's CanReset.
type ResetWay string

const (
	ResetDestructive ResetWay = "DestructiveOnly"
	ResetByService   ResetWay = "NonDestructiveOnly"
	ResetBoth        ResetWay = "DestructiveAndNonDestructive"
	ResetNotAllowed  ResetWay = "NotAllowed"
)

// resetWays are how the PIN of a container can be reset: by the tenant's service,
// which needs an administrative key of the container and policy's leave, or by
// making all anew. The latter is not for a personal device, whose container has
// keys of its owner's account, too.
func resetWays(c *container.Container, tenant string, policy hello.InForce, personal bool) ResetWay {
	a := c.Administrative
	switch byService := a != nil && a.Provider == tenant && pinRecovery(policy); {
	case byService && personal:
		return ResetByService
	case byService:
		return ResetBoth
	case personal:
		return ResetNotAllowed
	}
	return ResetDestructive
}

func (w ResetWay) keepsKeys() bool { return w == ResetByService || w == ResetBoth }

// ResetPIN gives a user who forgot the PIN another. With the PIN reset service
// the keys are kept and wrapped anew. Without, the container is made anew with
// another key, which is registered in the place of the old one; the domain hears
// of it from Connect. An error means that the attempt could not be made, not that it
// was refused.
func (w *Windows) ResetPIN(ctx context.Context, env providers.Env, r PINReset) (Verdict, error) {
	defer r.New.Wipe()
	defer r.Password.Wipe()
	end := w.idle.begin()
	defer end()
	e, err := w.resetting(env, r)
	if err != nil {
		return Verdict{}, err
	}
	defer e.oneAtATime()()
	flow := flowPIN
	c, rec, refusal := e.credential()
	byService := refusal == nil && !r.Destructive && resetWays(c, e.tenant.TenantID, e.policy, e.personal()).keepsKeys()
	if !byService && e.route.Provision != "" {
		flow = e.route.Provision // which a destructive reset runs again
	}
	t, ctx, err := newTrace(ctx, env, flow, r.User, r.Device)
	if err != nil {
		return Verdict{}, err
	}
	p, err := e.application(ctx, t)
	if err != nil {
		return Verdict{}, err
	}
	defer p.close()
	t.step(event.User, event.Winlogon, local, "pin_forgotten", "The user says that the PIN is forgotten.", message{"user": e.user.upn, "keeps_keys": byService})
	switch {
	case refusal != nil:
		err = refusal
	case byService:
		err = p.resetByService(ctx, c)
	default:
		err = p.resetDestructively(ctx, rec)
	}
	v, err := verdictOf(ctx, t, t.verdict(), err, func(err error) {
		if !t.refusing {
			t.refused(event.CXH, event.User, local, "pin_not_reset", "The PIN is not reset.", err)
		}
	})
	end()
	w.idle.use(ctx, w, env, e.short)
	return v, err
}

// resetting is the enrollment whose PIN is reset, as its own provisioning sees it.
func (w *Windows) resetting(env providers.Env, r PINReset) (*enrolling, error) {
	at, err := w.atDevice(env, r.User, r.Device)
	if err != nil {
		return nil, err
	}
	e := &enrolling{machine: at.machine, device: at.device, user: at.user, world: at.world, policy: at.policy}
	e.user.password = r.Password
	e.asked = spec.Enrollment{User: providers.Ref(r.User), Device: providers.Ref(r.Device), PIN: r.New}
	shape, _ := e.world.ShapeOf(r.User, r.Device)
	e.route, _ = hello.Select(shape)
	e.route.Shape = shape
	if e.in.Tenant != "" {
		if e.tenant, err = tenantOf(env, e.in.Tenant); err != nil {
			return nil, err
		}
	}
	rec, ok, err := e.record()
	if err != nil || !ok {
		return e, err
	}
	o, err := providers.Resolve[spec.Enrollment, spec.EnrollmentOut](env, providers.Ref(rec.Addr))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rec.Addr, err)
	}
	e.asked.Gestures = o.In.Gestures
	e.env.Addr = rec.Addr
	return e, nil
}

// credential is what is reset, or why there is nothing. A key whose registration
// was cut off, by an earlier reset, may be reset again.
func (e *enrolling) credential() (*container.Container, enrollmentRecord, error) {
	c, err := (&present{machine: e.machine, user: e.user}).workContainer()
	if err != nil {
		return nil, enrollmentRecord{}, err
	}
	rec, ok, err := e.record()
	if err == nil && !ok {
		err = refuse("no_hello_credential", nil)
	}
	return c, rec, err
}

// resetDestructively runs the provisioning flow again. The new container takes
// the place of the old, and the new key that of the old one at the registration
// service, in a registration of its own.
func (p *provisioning) resetDestructively(ctx context.Context, old enrollmentRecord) error {
	atLock, err := p.atLockScreen()
	switch {
	case err != nil:
		return err
	case p.personal():
		return because("pin_reset_not_allowed", nil, "The container is that of the account that unlocks %s, which has keys of its own in it: make the enrollment anew instead.", p.addr)
	case atLock && p.route.WaitsForSync() && p.route.Join == hello.HybridJoined:
		return refuse("pin_reset_not_allowed", nil)
	}
	if err := p.seeDomain(ctx); err != nil {
		return err
	}
	if p.rec.Registration != nil {
		err = p.firstFactor(ctx, atLock)
	}
	if err == nil {
		err = p.enterpriseFactor(ctx, atLock)
	}
	if err != nil {
		return err
	}
	facts := p.facts(p.user)
	facts.PRT = p.prt != nil
	if needsReadiness(p.route) {
		ready, err := p.learnReadiness(ctx, p.trace, p.cloud.http, p.route)
		if err != nil {
			return err
		}
		facts.Template, facts.RegistrationAuthority = ready.Template, ready.Authority
	}
	facts.EnterprisePRT = p.enterprise != nil
	if facts.CloudTGT, err = p.partialTicket(ctx); err != nil {
		return err
	}
	if check := hello.Prerequisites(p.route, p.policy, facts); !check.WillProvision {
		return notOffered(check)
	}
	p.id = old.id()
	if err := p.run(ctx); err != nil {
		return err
	}
	p.trace.step(event.CXH, event.User, local, "pin_reset", "The PIN is reset: container and keys are new ones.",
		message{"container": p.container.ID, "key_id": p.made.KeyID, "old_key_id": old.KeyID, "waits_for_sync": p.route.WaitsForSync()})
	return p.env.Section.Record(ctx, func(w providers.Writer) error { // what the old key proved
		return errors.Join(w.Delete(tablePRT, p.user.sid+"|"+byHello), w.Delete(tableCached, p.user.sid+"|"+byHello))
	})
}

// atLockScreen reports whether the user has no session open to reset the PIN in.
// That of a personal device is its owner's.
func (p *provisioning) atLockScreen() (bool, error) {
	if p.personal() {
		return false, nil
	}
	session, ok, err := view[sessionRecord](p.env.Section, tableSession, p.user.sid)
	return !ok || session.Locked, err
}

// seeDomain makes sure that a controller is in sight, which a destructive reset on
// a domain's computer needs ("PIN reset": connectivity to the domain).
func (p *provisioning) seeDomain(ctx context.Context) error {
	if !p.inDomain() {
		return nil
	}
	provider, _, err := p.kerberosOf(p.in.Domain, kerberosLane(p.trace, nil))
	if err != nil {
		return err
	}
	_, err = provider.Controller(ctx)
	return err
}

// firstFactor is the session that the user has open, or, at the lock screen, the
// password on the tenant's page.
func (p *provisioning) firstFactor(ctx context.Context, atLock bool) error {
	t := p.trace
	if !atLock {
		for _, credential := range []string{byHello, byPassword, byRefresh} {
			held, ok, err := view[prtRecord](p.env.Section, tablePRT, p.user.sid+"|"+credential)
			if err != nil {
				return err
			}
			if ok && held.Tenant == p.tenant.TenantID && p.env.Now().Before(held.Expires) {
				t.step(event.User, event.CXH, local, "first_factor", "The user is signed in.", message{"user": p.user.upn, "credential": credential, "since": held.Obtained})
				p.prt = &held
				return nil
			}
		}
	}
	if len(p.user.password) == 0 {
		return refuse("pin_reset_needs_password", nil)
	}
	t.step(event.User, event.CXH, local, "first_factor", "The user proves who they are with the password.", message{"user": p.user.upn, "credential": byPassword})
	rec, err := p.cloud.passwordToken(ctx, p.user)
	p.prt = rec
	return err
}

// enterpriseFactor is firstFactor where the domain checks passwords and no tenant
// is: the session that is open, or the password at a controller. It looks for the
// token of AD FS, too.
func (p *provisioning) enterpriseFactor(ctx context.Context, atLock bool) (err error) {
	if p.rec.Registration == nil && atLock {
		if len(p.user.password) == 0 {
			return refuse("pin_reset_needs_password", nil)
		}
		p.trace.step(event.User, event.CXH, local, "first_factor", "The user proves who they are with the password.", message{"user": p.user.upn, "credential": byPassword})
		if err := p.domainFirst(ctx); err != nil {
			return err
		}
	}
	if len(p.user.password) > 0 {
		return p.enterpriseAtFirst(ctx)
	}
	p.enterprise, err = p.heldEnterprise(p.user)
	return err
}
