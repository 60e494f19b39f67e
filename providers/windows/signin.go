package windows

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
	"hellolab/providers/wire/oauth"
)

// Request is one sign-in to try. One of PIN, Gesture and Password is given; PIN
// and Gesture where policy demands two factors; Password and PIN where Windows asks
// for the PIN behind the password, for the Hello key to sign a certificate request.
type Request struct {
	User     string // address; empty for whoever unlocks a personal device
	Device   string // address
	PIN      providers.Secret
	NewPIN   providers.Secret // what the user gives when a new PIN is asked for; without it the sign-in ends there
	Gesture  string           // "face", "fingerprint"
	Password providers.Secret
	// NewPassword is what the user gives when a new password is asked for; without
	// it the sign-in ends there.
	NewPassword providers.Secret
	Phrase      string   // what the user types when Windows asks for its challenge phrase
	Unlock      bool     // of a locked session
	To          []string // addresses of the tenant or its applications; none means what the device signs in to by itself
}

// signingIn is one run of a sign-in flow.
type signingIn struct {
	*machine
	trace   *trace
	cloud   *cloudAP
	user    person
	request Request
	route   hello.Route
	policy  hello.InForce
	to      []target

	kid     string
	keyName string // that the key has in the container: whose it was when it was made

	domainHint  string              // of the key's metadata: the DNS name of the user's domain
	certificate []*x509.Certificate // for the key, with certificate trust: what LSASS shows the domain; nil: there is none
	released    *container.Released
	nonce       string
	assertion   string
	reply       *oauth.TokenResponse
	prt         *prtRecord
	enterprise  *prtRecord // AD FS's; nil: the session has none
	cloudless   error      // why the session has no primary refresh token, where it opened without one
	verdict     *Verdict

	gestureTaken time.Time // when the gesture opened the container

	domainUsed bool // this sign-in has tickets of a domain, by a flow of its first use
}

// SignIn signs a user in to a device for real: the gesture against the
// container, the key against the tenant. env is that of the device. An error
// means that the attempt could not be made, not that it was refused.
func (w *Windows) SignIn(ctx context.Context, env providers.Env, r Request) (Verdict, error) {
	defer r.PIN.Wipe()
	defer r.NewPIN.Wipe()
	defer r.Password.Wipe()
	defer r.NewPassword.Wipe()
	defer w.idle.begin()()
	if r.User == "" {
		return w.unlock(ctx, env, r)
	}
	d, err := providers.Resolve[spec.Device, spec.DeviceOut](env, providers.Ref(r.Device))
	if err != nil {
		return Verdict{}, fmt.Errorf("%s: %w", r.Device, err)
	}
	d.In.UnlockPIN.Wipe()
	user, err := userOf(env, providers.Ref(r.User))
	if err != nil {
		return Verdict{}, err
	}
	defer user.password.Wipe()
	m, err := w.machine(env, r.Device, d.In)
	if err != nil {
		return Verdict{}, err
	}
	if m, err = m.at(user); err != nil {
		return Verdict{}, err
	}
	route, tenant, policy, refusal, err := signInRoute(env, m, r)
	if err != nil {
		return Verdict{}, err
	}
	var to []target
	if refusal == nil {
		if to, err = destinations(env, r.Device, tenant.ref, r.To); err != nil {
			return Verdict{}, err
		}
	}
	t, ctx, err := newTrace(ctx, env, route.SignIn, r.User, r.Device)
	if err != nil {
		return Verdict{}, err
	}
	t.broker = m.personal()
	client, err := m.client(ctx, false)
	if err != nil {
		return Verdict{}, err
	}
	v := t.verdict()
	s := &signingIn{
		machine: m, trace: t, user: user, request: r, route: route, policy: policy, to: to, verdict: &v,
		cloud: &cloudAP{m: m, trace: t, http: client, tenant: tenant.TenantOut, tgt: m.asksTickets(user, route.Trust)},
	}
	defer s.close()
	switch {
	case refusal != nil:
		err = refusal
		t.in("A")
		t.refused(event.Winlogon, event.User, local, "sign_in_refused", "The device cannot sign anybody in to a tenant.", err)
	case route.SignIn == hello.APP:
		err = s.withoutToken(ctx)
	case r.Unlock:
		err = s.unlock(ctx)
	default:
		err = s.signInFlow(ctx)
	}
	return verdictOf(ctx, t, v, err, func(err error) {
		if !t.refusing {
			t.refused(event.Winlogon, event.User, local, "sign_in_failed", "Winlogon shows that the sign-in failed.", err)
		}
	})
}

// signInRoute decides which flow signs a user in, by one table, and under which
// policy. A refusal is for the user; an error says that there is nothing to try.
// On a device that is joined to nothing, a password still signs in to applications.
func signInRoute(env providers.Env, m *machine, r Request) (route hello.Route, tenant signInTenant, policy hello.InForce, refusal *Refusal, err error) {
	if m.identity() == nil {
		why := "device_not_joined"
		if m.personal() {
			why = "not_work_account"
		}
		route.SignIn = hello.A1
		if len(r.Password) == 0 || len(r.To) == 0 {
			return route, tenant, policy, refuse(why, nil), nil
		}
		user, err := providers.Resolve[spec.User, spec.UserOut](env, providers.Ref(r.User))
		if err != nil {
			return route, tenant, policy, nil, err
		}
		user.In.Password.Wipe()
		if slices.Contains(r.To, string(user.In.Tenant)) {
			return route, tenant, policy, refuse(why, nil), nil
		}
		route.SignIn = hello.APP
		tenant, err = signInTenantOf(env, user.In.Tenant)
		return route, tenant, policy, nil, err
	}
	world, err := hello.Around(env.Objects, r.User, r.Device)
	if err != nil {
		return route, tenant, policy, nil, err
	}
	shape, _ := world.ShapeOf(r.User, r.Device)
	route, unsupported := hello.Select(shape)
	route.Shape = shape
	switch {
	case unsupported != nil:
		return route, tenant, policy, nil, unsupported
	case signIns[route.SignIn] == nil:
		return route, tenant, policy, nil, fmt.Errorf("flow %s (%s) is not part of this version", route.SignIn, route.SignIn.Title())
	}
	if route.SignIn == hello.A5 && len(r.Password) > 0 {
		route.SignIn = hello.A6 // a password is proven to a controller first, whatever the key's trust
	}
	if m.in.Tenant != "" {
		tenant, err = signInTenantOf(env, m.in.Tenant)
	}
	return route, tenant, world.InForce(r.User, r.Device), nil, err
}

// signInTenant is the tenant that a sign-in is to.
type signInTenant struct {
	ref providers.Ref
	spec.TenantOut
}

func signInTenantOf(env providers.Env, ref providers.Ref) (signInTenant, error) {
	out, err := tenantOf(env, ref)
	return signInTenant{ref, out}, err
}

func (s *signingIn) close() {
	if s.released != nil {
		s.released.Close()
	}
}

// release has the gesture open the container ("releasing the key").
func (s *signingIn) release(ctx context.Context) error {
	c, ok, err := s.containerOf(s.user)
	if err != nil {
		return err
	}
	if !ok {
		return refuse("no_hello_credential", nil)
	}
	key, ok := c.UserKey(s.identity().provider())
	if !ok {
		return refuse("no_hello_credential", container.ErrNoKey)
	}
	s.kid, s.keyName = key.ID, key.Name
	if s.domainHint, err = s.hintIn(key, s.user); err != nil {
		return err
	}
	if s.route.Trust == hello.CertTrust {
		if s.certificate, err = s.signInCertificate(s.user, key); err != nil {
			return err
		}
	}
	return s.opened(ctx, c)
}

// Restart restarts a device: sessions end, and Windows' gate against wrong PINs
// opens again. The TPM's own count stays.
func (w *Windows) Restart(ctx context.Context, env providers.Env, device string) error {
	if env.Emit != nil {
		env.Emit(event.Event{At: env.Now(), Actor: event.Device, Protocol: local, Step: "restart", Text: "The device restarts.", Device: device})
	}
	return env.Section.Record(ctx, func(s providers.Writer) error {
		if err := endSessions(s); err != nil {
			return err
		}
		found := map[string]*container.Container{}
		err := s.Scan(tableContainer, "", func(sid string, _ []byte) error {
			c, ok, err := load[*container.Container](s, tableContainer, sid)
			if ok && c.Gate.Wrong > 0 {
				found[sid] = c
			}
			return err
		})
		for sid, c := range found {
			c.Gate = container.Gate{}
			err = errors.Join(err, put(s, tableContainer, sid, c))
		}
		return err
	})
}
