package windows

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/sensor"
)

// releaseBySensor has a look or a touch open a user's container, at the sensor that
// policy lets be used.
func (m *machine) releaseBySensor(ctx context.Context, user person, c *container.Container, g container.Gesture, policy hello.InForce) (*container.Released, error) {
	at, err := m.sensorFor(policy, user, c, string(g))
	if err != nil {
		return nil, err
	}
	tpl, earlier, err := m.earlierTemplate(ctx, string(g), m.holder(user))
	if !earlier && err == nil {
		tpl, err = m.template(ctx, at, m.holder(user))
	}
	if err != nil {
		return nil, err
	}
	shown, err := m.w.Hands.answer(Prompt(g), sensor.Sample(string(g), m.face(user)))
	if err != nil {
		return nil, err
	}
	secret, err := m.shows(user, tpl, shown)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	if earlier {
		if err := m.takeIn(ctx, at, user, secret); err != nil {
			return nil, err
		}
	}
	return c.Release(ctx, m.ksp, g, secret)
}

// releaseByPIN tries the PIN on a user's container, behind Windows' own gate.
// What a wrong PIN does to the counters, the TPM's and the gate's, is durable
// before anyone hears of it.
func (m *machine) releaseByPIN(ctx context.Context, user person, c *container.Container, pin providers.Secret, phrase string) (*container.Released, error) {
	if err := c.Gate.Admit(phrase); err != nil {
		return nil, err
	}
	released, err := c.ReleaseWithPIN(ctx, m.ksp, pin)
	switch {
	case errors.Is(err, ksp.ErrWrongAuth):
		gate, countErr := m.count(ctx, user, func(g container.Gate) container.Gate { g.Wrong++; return g })
		if countErr != nil {
			return nil, countErr
		}
		return nil, because("wrong_pin", err, "The PIN is wrong. %s", triesLeft(gate))
	case err != nil:
		return nil, err
	}
	if c.Gate.Wrong > 0 {
		c.Gate, err = m.count(ctx, user, func(container.Gate) container.Gate { return container.Gate{} })
	}
	if err != nil {
		released.Close()
		return nil, err
	}
	return released, nil
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

// count changes the gate of a user's container.
func (m *machine) count(ctx context.Context, user person, change func(container.Gate) container.Gate) (g container.Gate, err error) {
	err = m.env.Section.Record(context.WithoutCancel(ctx), func(w providers.Writer) error {
		c, ok, err := load[*container.Container](w, tableContainer, m.holder(user))
		if err != nil || !ok {
			return err
		}
		c.Gate = change(c.Gate)
		g = c.Gate
		return put(w, tableContainer, m.holder(user), c)
	})
	return g, err
}
