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
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/sensor"
	"hellolab/providers/wire/oauth"
)

// Request is one sign-in to try. One of PIN, Gesture and Password is given.
type Request struct {
	User     string // address
	Device   string // address
	PIN      providers.Secret
	Gesture  string // "face", "fingerprint"
	Password providers.Secret
	Phrase   string   // what the user types when Windows asks for its challenge phrase
	To       []string // addresses; none means what the device signs in to by itself
}

// Verdict is how a sign-in ended.
type Verdict struct {
	Code   string        // hello.Success, or the code of a reason
	Reason *event.Reason // nil on success
	Flow   string
	Phase  string         // letter of the phase that refused, or of the last
	ID     string         // correlation id of the run
	Claims map[string]any // of the tokens got, decoded
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

	kid       string
	released  *container.Released
	nonce     string
	assertion string
	reply     *oauth.TokenResponse
	prt       *prtRecord
	verdict   *Verdict
}

// SignIn signs a user in to a device for real: the gesture against the
// container, the key against the tenant. env is that of the device. An error
// means that the attempt could not be made, not that it was refused.
func (w *Windows) SignIn(ctx context.Context, env providers.Env, r Request) (Verdict, error) {
	defer r.PIN.Wipe()
	defer r.Password.Wipe()
	d, err := providers.Resolve[spec.Device, spec.DeviceOut](env, providers.Ref(r.Device))
	if err != nil {
		return Verdict{}, fmt.Errorf("%s: %w", r.Device, err)
	}
	user, err := userOf(env, providers.Ref(r.User))
	if err != nil {
		return Verdict{}, err
	}
	defer user.password.Wipe()
	m, err := w.machine(env, r.Device, d.In)
	if err != nil {
		return Verdict{}, err
	}
	route, tenant, policy, refusal, err := signInRoute(env, m, r)
	if err != nil {
		return Verdict{}, err
	}
	t, ctx, err := newTrace(ctx, env, route.SignIn, r.User, r.Device)
	if err != nil {
		return Verdict{}, err
	}
	client, err := m.client(ctx, false)
	if err != nil {
		return Verdict{}, err
	}
	defer client.CloseIdleConnections()
	v := Verdict{Code: hello.Success, Flow: string(route.SignIn), ID: t.id}
	s := &signingIn{
		machine: m, trace: t, user: user, request: r, route: route, policy: policy, verdict: &v,
		cloud: &cloudAP{m: m, trace: t, http: client, tenant: tenant},
	}
	defer s.close()
	if refusal != nil {
		err = refusal
		t.in("A")
		t.refused(event.Winlogon, event.User, local, "sign_in_refused", "The device cannot sign anybody in to a tenant.", err)
	} else {
		err = s.a1(ctx)
	}
	v.Phase = t.phase
	if err == nil {
		return v, nil
	}
	if !t.refusing {
		t.refused(event.Winlogon, event.User, local, "sign_in_failed", "Winlogon shows that the sign-in failed.", err)
	}
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	reason := reasonOf(err)
	if reason.Code == codeInternal {
		return v, err
	}
	shown := reason.Event()
	v.Code, v.Reason = reason.Code, &shown
	return v, nil
}

// signInRoute decides which flow signs a user in, by one table, and under which
// policy. A refusal is for the user; an error says that there is nothing to try.
func signInRoute(env providers.Env, m *machine, r Request) (route hello.Route, tenant spec.TenantOut, policy hello.InForce, refusal *Refusal, err error) {
	if m.rec.Registration == nil {
		return hello.Route{SignIn: hello.A1}, tenant, policy, refuse("device_not_joined", nil), nil
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
	case route.SignIn != hello.A1:
		return route, tenant, policy, nil, fmt.Errorf("flow %s (%s) is not part of this version", route.SignIn, route.SignIn.Title())
	}
	for _, to := range r.To {
		if to != string(m.in.Tenant) {
			return route, tenant, policy, nil, fmt.Errorf("%s signs in to %s, not to %s", r.Device, m.in.Tenant, to)
		}
	}
	tenant, err = tenantOf(env, m.in.Tenant)
	return route, tenant, world.InForce(r.User, r.Device), nil, err
}

func (s *signingIn) close() {
	if s.released != nil {
		s.released.Close()
	}
}

// release has the gesture open the container ("releasing the key").
func (s *signingIn) release(ctx context.Context) error {
	c, ok, err := view[*container.Container](s.env.Section, tableContainer, s.user.sid)
	if err != nil {
		return err
	}
	if !ok {
		return refuse("no_hello_credential", nil)
	}
	key, ok := c.UserKey(s.rec.Registration.TenantID)
	if !ok {
		return refuse("no_hello_credential", container.ErrNoKey)
	}
	s.kid = key.ID
	if s.request.Gesture != "" {
		s.released, err = s.releaseBySensor(ctx, c)
		return err
	}
	return s.releaseByPIN(ctx, c)
}

func (s *signingIn) releaseBySensor(ctx context.Context, c *container.Container) (*container.Released, error) {
	g := container.Gesture(s.request.Gesture)
	if !s.policy.UseBiometrics.Value {
		return nil, refuse("biometrics_disabled", nil)
	}
	tpl, ok, err := view[sensor.Template](s.env.Section, tableSensor, string(g)+"|"+s.user.sid)
	if err != nil {
		return nil, err
	}
	if !ok || !c.Has(g) {
		return nil, fmt.Errorf("%w: %s", container.ErrNoProtector, g)
	}
	shown, err := s.w.Hands.answer(Prompt(g), sensor.Sample(string(g), s.user.upn))
	if err != nil {
		return nil, err
	}
	secret, err := tpl.Match(shown)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	return c.Release(ctx, s.ksp, g, secret)
}

// releaseByPIN tries the PIN, behind Windows' own gate. What a wrong PIN does
// to the counters, the TPM's and the gate's, is durable before anyone hears of it.
func (s *signingIn) releaseByPIN(ctx context.Context, c *container.Container) error {
	if err := c.Gate.Admit(s.request.Phrase); err != nil {
		return err
	}
	released, err := c.ReleaseWithPIN(ctx, s.ksp, s.request.PIN)
	switch {
	case errors.Is(err, ksp.ErrWrongAuth):
		gate, countErr := s.count(ctx, func(g container.Gate) container.Gate { g.Wrong++; return g })
		if countErr != nil {
			return countErr
		}
		return because("wrong_pin", err, "The PIN is wrong. %s", triesLeft(gate))
	case err != nil:
		return err
	}
	s.released = released
	if c.Gate.Wrong > 0 {
		_, err = s.count(ctx, func(container.Gate) container.Gate { return container.Gate{} })
	}
	return err
}

func triesLeft(g container.Gate) string {
	switch n := g.Left(); n {
	case 0:
		return "Windows takes no further PIN before a restart."
	case 1:
		return "Windows takes 1 more PIN before a restart, after its challenge phrase."
	default:
		return fmt.Sprintf("Windows takes %d more PINs before a restart.", n)
	}
}

// count changes the gate of the user's container.
func (s *signingIn) count(ctx context.Context, change func(container.Gate) container.Gate) (g container.Gate, err error) {
	err = s.env.Section.Record(context.WithoutCancel(ctx), func(w providers.Writer) error {
		c, ok, err := load[*container.Container](w, tableContainer, s.user.sid)
		if err != nil || !ok {
			return err
		}
		c.Gate = change(c.Gate)
		g = c.Gate
		return put(w, tableContainer, s.user.sid, c)
	})
	return g, err
}

// Restart restarts a device: Windows' gate against wrong PINs opens again. The
// TPM's own count stays.
func (w *Windows) Restart(ctx context.Context, env providers.Env, device string) error {
	if env.Emit != nil {
		env.Emit(event.Event{At: env.Now(), Actor: event.Device, Protocol: local, Step: "restart", Text: "The device restarts.", Device: device})
	}
	return env.Section.Record(ctx, func(s providers.Writer) error {
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
