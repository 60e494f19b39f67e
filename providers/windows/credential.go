package windows

import (
	"context"
	"errors"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
)

// dropCredential removes a user's Hello credential. On a joined device the
// container is the user's and goes with it; on a personal one it is the
// owner's, and stays as long as another account has a key in it, with the
// gestures that another enrollment asked for.
func (m *machine) dropCredential(w providers.Writer, sid, provider string) error {
	rec, _, err := load[enrollmentRecord](w, tableEnrollment, sid)
	if err == nil {
		err = errors.Join(w.Delete(tableEnrollment, sid), dropCertificates(w, sid, ""))
	}
	if err != nil {
		return err
	}
	holder := m.holder(person{sid: sid})
	c, ok, err := load[*container.Container](w, tableContainer, holder)
	if err != nil {
		return err
	}
	if !m.personal() || !ok || !c.RemoveKey(provider) {
		return errors.Join(w.Delete(tableContainer, holder),
			dropTemplates(w, string(container.Face), holder),
			dropTemplates(w, string(container.Fingerprint), holder))
	}
	idle, err := notAskedFor(w, rec.Gestures)
	if err != nil {
		return err
	}
	for _, g := range idle {
		c.RemoveProtector(container.Gesture(g))
		if err := dropTemplates(w, g, holder); err != nil {
			return err
		}
	}
	return put(w, tableContainer, holder, c)
}

// notAskedFor returns the gestures that no enrollment on the device asked for.
func notAskedFor(r providers.Reader, gestures []string) ([]string, error) {
	left := slices.Clone(gestures)
	err := r.Scan(tableEnrollment, "", func(key string, _ []byte) error {
		other, _, err := load[enrollmentRecord](r, tableEnrollment, key)
		left = slices.DeleteFunc(left, func(g string) bool { return slices.Contains(other.Gestures, g) })
		return err
	})
	return left, err
}

// openContainer gets a released container to put the key into: a new one under
// the PIN that the user chooses, or, on a personal device that has one, the
// owner's.
func (p *provisioning) openContainer(ctx context.Context) error {
	if p.personal() {
		c, ok, err := p.containerOf(p.user)
		if err != nil {
			return err
		}
		if ok {
			return p.shareContainer(ctx, c)
		}
	}
	pin, err := p.choosePIN()
	if err != nil {
		return err
	}
	defer pin.Wipe()
	if err := p.protect(ctx, pin); err != nil {
		return err
	}
	p.trace.step(event.Container, "", local, "container_created", "The container is there: a logical group of keys, and no file or registry key.",
		message{"container": p.container.ID, "protectors": len(p.container.Protectors), "storage": string(p.container.Storage)})
	return nil
}

// shareContainer opens the container that the device has with its PIN, and
// adds the gestures that it lacks. A device has one PIN, and the organisation's
// rules bind it (PassportForWork CSP, PINComplexity).
func (p *provisioning) shareContainer(ctx context.Context, c *container.Container) error {
	t := p.trace
	t.step(event.CXH, event.User, local, "pin_prompt", "The device has a container already: the application asks for its PIN.", message{"container": c.ID})
	typed, err := ask(t, p.w.Hands, event.CXH, PromptPIN, p.asked.PIN)
	if err != nil {
		return err
	}
	pin := providers.Secret(typed)
	defer pin.Wipe()
	if p.released, err = p.releaseByPIN(ctx, p.user, c, pin, ""); err != nil {
		t.refused(event.Container, event.CXH, tpm20, "key_release_refused", "The PIN does not open the container.", err)
		return err
	}
	if broken := hello.CheckPIN(p.policy.PIN(), pin); len(broken) > 0 {
		var texts []string
		for _, b := range broken {
			texts = append(texts, b.Sentence)
		}
		err := because(broken[0].Rule, nil, "The device's PIN is not what the organisation's policy asks for. %s", strings.Join(texts, " "))
		t.refused(event.CXH, event.User, local, "pin_refused", "The application does not take the PIN.", err)
		return err
	}
	p.container = c
	t.step(event.Container, "", local, "container_shared", "The PIN opens it: personal and work accounts share one container, each provider's keys apart.",
		message{"container": c.ID, "providers": c.Providers(), "protectors": len(c.Protectors)})
	at, err := p.sensed(p.holder(p.user))
	if err != nil {
		return err
	}
	p.templates = slices.DeleteFunc(p.templates, func(t taken) bool { return c.Has(container.Gesture(t.at.Kind)) && len(at[t.at.Kind]) > 0 })
	for _, shown := range p.templates {
		g := container.Gesture(shown.at.Kind)
		c.RemoveProtector(g) // of a template that is lost
		if err := p.maker().AddProtector(ctx, p.released, g, p.secrets[g]); err != nil {
			return err
		}
		t.step(event.Container, keyHolder(p.machine), tpm20, "protector_created", "The gesture gets a protector of its own.", message{"gesture": g})
	}
	return nil
}
