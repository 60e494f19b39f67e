package windows

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
)

// PINChange is a user's change of the PIN of their container.
type PINChange struct {
	User     string // address
	Device   string // address
	Old, New providers.Secret
	Phrase   string // what the user types when Windows asks for its challenge phrase
}

// flowPIN is what traces call a change or a reset of a PIN: the documents draw
// no flow of it.
const flowPIN hello.Flow = "pin"

// pinDue is why the age of a PIN has its user asked for a new one; "" when it
// does not.
func pinDue(state container.PINState, made time.Time, rules hello.InForce, now time.Time) string {
	set := state.Set
	if set.IsZero() { // of a version that did not note it
		set = made
	}
	if life := pinLife(rules); life > 0 && now.Sub(set) >= life {
		return fmt.Sprintf("The PIN is %s old; policy asks for a new one after %s.", days(now.Sub(set)), days(life))
	}
	return ""
}

// days is how many whole days a time has.
func days(d time.Duration) string {
	if n := int(d / (24 * time.Hour)); n != 1 {
		return fmt.Sprintf("%d days", n)
	}
	return "1 day"
}

// askForNewPIN is what follows a right PIN that policy does not let live on, for
// its age or for what it looks like: the user is asked for a new one before the
// sign-in goes on (reading R43).
func (s *signingIn) askForNewPIN(ctx context.Context, c *container.Container, released *container.Released) error {
	t := s.trace
	why := pinDue(c.PIN, c.Created, s.policy, s.env.Now())
	if broken := hello.CheckPIN(s.policy.PIN(), s.request.PIN); why == "" && len(broken) > 0 {
		why = "The PIN is not what policy asks for any more. " + sentences(broken)
	}
	if why == "" {
		return nil
	}
	t.step(event.Winlogon, event.User, local, "pin_change_prompt", "Windows asks the user for a new PIN before the sign-in goes on.", message{"why": why, "pin_set": c.PIN.Set})
	if len(s.request.NewPIN) == 0 {
		err := because("change_pin_prompt", nil, "%s", why)
		t.refused(event.User, event.Winlogon, local, "pin_not_changed", "The user gives no new PIN: Windows does not sign them in.", err)
		return err
	}
	err := s.replacePIN(ctx, t, event.Winlogon, s.user, c, released, s.request.NewPIN, s.policy)
	if err != nil {
		t.refused(event.Winlogon, event.User, local, "pin_not_changed", "The PIN stays what it was: Windows does not sign the user in.", err)
	}
	return err
}

func sentences(broken []hello.Violation) string {
	var texts []string
	for _, v := range broken {
		texts = append(texts, v.Sentence)
	}
	return strings.Join(texts, " ")
}

// replacePIN gives a released container another PIN, which policy must take, and
// of which it must not remember that it was one lately.
func (m *machine) replacePIN(ctx context.Context, t *trace, window event.Actor, user person, c *container.Container, released *container.Released, pin providers.Secret, rules hello.InForce) error {
	if err := newPIN(pin, pin, rules.PIN()); err != nil {
		return err
	}
	n := pinHistory(rules)
	if released.Used(pin, n) {
		return because("pin_used_before", nil, "The PIN is one of the last %d; policy asks for another.", n)
	}
	if err := m.maker().ChangePIN(ctx, released, pin, m.env.Now()); err != nil {
		return err
	}
	if err := m.keepPIN(ctx, user, c); err != nil {
		return err
	}
	t.step(window, event.Container, local, "pin_changed", "The new PIN gets the seal of the old one; keys, registration and other gestures stay.",
		message{"container": c.ID, "authentication_key": c.AuthKey.ID, "remembered": n})
	return nil
}

// keepPIN writes what a change of the PIN changed.
func (m *machine) keepPIN(ctx context.Context, user person, changed *container.Container) error {
	return m.env.Section.Record(ctx, func(w providers.Writer) error {
		c, ok, err := load[*container.Container](w, tableContainer, m.holder(user))
		if err != nil {
			return err
		}
		if !ok || c.AuthKey.ID != changed.AuthKey.ID {
			return errors.New("the container was replaced meanwhile")
		}
		c.Gate, c.PIN = changed.Gate, changed.PIN
		for i, p := range c.Protectors {
			for _, q := range changed.Protectors {
				if p.ID == q.ID {
					c.Protectors[i] = q
				}
			}
		}
		return put(w, tableContainer, m.holder(user), c)
	})
}

// ChangePIN is "Change your PIN" of Windows' sign-in options: by the old PIN, on
// the device alone. An error means that the attempt could not be made, not that
// it was refused.
func (w *Windows) ChangePIN(ctx context.Context, env providers.Env, c PINChange) (Verdict, error) {
	defer c.Old.Wipe()
	defer c.New.Wipe()
	defer w.idle.begin()()
	p, err := w.atDevice(env, c.User, c.Device)
	if err != nil {
		return Verdict{}, err
	}
	defer p.oneAtATime()()
	t, ctx, err := newTrace(ctx, env, flowPIN, c.User, c.Device)
	if err != nil {
		return Verdict{}, err
	}
	t.step(event.User, event.Winlogon, local, "pin_change_asked", "The user asks, in Windows' sign-in options, to change the PIN.", message{"user": p.user.upn})
	err = p.changePIN(ctx, t, c)
	return verdictOf(ctx, t, t.verdict(), err, func(err error) {
		t.refused(event.Winlogon, event.User, local, "pin_not_changed", "The PIN stays what it was.", err)
	})
}

func (p *present) changePIN(ctx context.Context, t *trace, change PINChange) error {
	c, err := p.workContainer()
	if err != nil {
		return err
	}
	released, err := p.releaseByPIN(ctx, p.user, c, change.Old, change.Phrase)
	if err != nil {
		t.refused(event.Container, event.Winlogon, tpm20, "key_release_refused", "The old PIN does not open the container.", err)
		return err
	}
	defer released.Close()
	t.step(event.Container, keyHolder(p.machine), tpm20, "key_released", "The old PIN opens its protector.", message{"container": c.ID})
	return p.replacePIN(ctx, t, event.Winlogon, p.user, c, released, change.New, p.policy)
}

// present is a user at a device, for what they do there besides signing in.
type present struct {
	*machine
	device spec.DeviceOut
	user   person
	policy hello.InForce
	world  *hello.World
}

// atDevice finds user and device. The user's password is wiped.
func (w *Windows) atDevice(env providers.Env, user, device string) (*present, error) {
	d, err := providers.Resolve[spec.Device, spec.DeviceOut](env, providers.Ref(device))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", device, err)
	}
	d.In.UnlockPIN.Wipe()
	p := &present{device: d.Out}
	if p.user, err = userOf(env, providers.Ref(user)); err != nil {
		return nil, err
	}
	p.user.password.Wipe()
	m, err := w.machine(env, device, d.In)
	if err != nil {
		return nil, err
	}
	if p.machine, err = m.at(p.user); err != nil {
		return nil, err
	}
	if p.world, err = hello.Around(env.Objects, user, device); err != nil {
		return nil, err
	}
	p.policy = p.world.InForce(user, device)
	return p, nil
}

// workContainer is the container that the user's key of the device's tenant is in.
func (p *present) workContainer() (*container.Container, error) {
	if p.identity() == nil {
		return nil, refuse("no_hello_credential", nil)
	}
	c, ok, err := p.containerOf(p.user)
	if err != nil {
		return nil, err
	}
	if ok {
		_, ok = c.UserKey(p.identity().provider())
	}
	if !ok {
		return nil, refuse("no_hello_credential", nil)
	}
	return c, nil
}
