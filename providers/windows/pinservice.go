package windows

import (
	"context"
	"errors"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/sensor"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/pinreset"
	"hellolab/providers/wire/web"
)

// protectAdministrativeKey gives a released container an administrative key that
// the tenant's PIN reset service keeps for it, and reports whether it did. A
// service that cannot be reached stops nobody: the next sign-in tries again.
func (c *cloudAP) protectAdministrativeKey(ctx context.Context, user person, released *container.Released) bool {
	err := c.askToProtect(ctx, user, released)
	if err != nil {
		c.trace.skip(event.Container, "administrative_key_missing", "The container gets no administrative key: the PIN reset service cannot keep one.", reasonOf(err).Code)
		return false
	}
	a := released.Container().Administrative
	c.trace.step(event.Container, "", local, "administrative_key_created", "The container gets an administrative key, which is kept encrypted to the PIN reset service.",
		message{"id": a.ID, "service": c.tenant.RegistrationHost})
	return true
}

func (c *cloudAP) askToProtect(ctx context.Context, user person, released *container.Released) error {
	c.trace.step(event.Container, event.DRS, https, "pin_reset_key_request", "The device asks the PIN reset service for its public key.", nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.tenant.RegistrationHost+pinreset.PathKey, nil)
	if err != nil {
		return err
	}
	service, err := replyOf(c.http, req, pinreset.ParseKeyReply)
	if err != nil {
		return err
	}
	key, err := c.m.maker().NewAdministrativeKey()
	if err != nil {
		return err
	}
	defer clear(key)
	whose := pinreset.Binding{TenantID: c.tenant.TenantID, ObjectID: user.objectID, DeviceID: c.m.rec.Registration.DeviceID}
	wrapped, err := pinreset.Protect(service.PublicKey, whose, key)
	if err != nil {
		return err
	}
	return c.m.maker().SetAdministrativeKey(released, key, c.tenant.TenantID, wrapped)
}

// keepRecoverable gives the container that a sign-in opened an administrative key,
// where policy wants one and there is none.
func (c *cloudAP) keepRecoverable(ctx context.Context, user person, released *container.Released, policy hello.InForce) error {
	opened := released.Container()
	if !pinRecovery(policy) || opened.Administrative != nil || !c.protectAdministrativeKey(ctx, user, released) {
		return nil
	}
	return c.m.env.Section.Record(ctx, func(w providers.Writer) error {
		kept, ok, err := load[*container.Container](w, tableContainer, c.m.holder(user))
		if err != nil || !ok || kept.AuthKey.ID != opened.AuthKey.ID {
			return err
		}
		kept.Administrative = opened.Administrative
		return put(w, tableContainer, c.m.holder(user), kept)
	})
}

// resetByService has the PIN reset service open the container for a user who
// proves two factors, and wraps everything in it anew.
func (p *provisioning) resetByService(ctx context.Context, c *container.Container) error {
	atLock, err := p.atLockScreen()
	if err != nil {
		return err
	}
	if err := p.firstFactor(ctx, atLock); err != nil {
		return err
	}
	opened, err := p.recoverContainer(ctx, c)
	if err != nil {
		return err
	}
	defer opened.Close()
	pin, err := p.choosePIN()
	if err != nil {
		return err
	}
	defer pin.Wipe()
	lost, err := p.showGestures(c)
	if err != nil {
		return err
	}
	if p.container, p.released, err = p.maker().Renew(ctx, opened, pin, p.secrets, p.env.Now()); err != nil {
		return err
	}
	p.cloud.protectAdministrativeKey(ctx, p.user, p.released)
	if err := p.keepRenewed(ctx, c, lost); err != nil {
		return err
	}
	p.trace.step(event.CXH, event.User, local, "pin_reset", "The PIN is reset: a new authentication key opens the keys that were there.",
		message{"container": p.container.ID, "authentication_key": p.container.AuthKey.ID, "old_authentication_key": c.AuthKey.ID, "user_keys": len(p.container.UserKeys), "gestures": len(p.container.Protectors) - 1})
	return nil
}

// recoverContainer gets the container's administrative key back, and opens it.
func (p *provisioning) recoverContainer(ctx context.Context, c *container.Container) (*container.Released, error) {
	t := p.trace
	token, err := p.freshToken(ctx, oauth.ClientPINReset, oauth.ResourcePINReset)
	if err != nil {
		t.refused(event.WAM, event.CXH, local, "pin_reset_token_missing", "The plug-in has no token for the PIN reset service.", err)
		return nil, err
	}
	t.step(event.CXH, event.DRS, https, "pin_reset_request", "The application sends the token, and the key that only the PIN reset service can open.", message{"token": claims(token.AccessToken)})
	req, err := web.NewJSON(ctx, http.MethodPost, "https://"+p.tenant.RegistrationHost+pinreset.PathRecover, pinreset.RecoverRequest{Protected: c.Administrative.Wrapped})
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	recovered, err := replyOf(p.cloud.http, req, pinreset.ParseRecoverReply)
	if err != nil {
		t.refused(event.CXH, event.User, local, "pin_reset_refused", "The PIN reset service does not give the key back.", err)
		return nil, err
	}
	defer clear(recovered.Key)
	opened, err := p.maker().ReleaseWithAdministrativeKey(c, recovered.Key)
	if err != nil {
		return nil, err
	}
	t.step(event.Container, "", local, "administrative_release", "The administrative key opens the container.", message{"container": c.ID, "id": c.Administrative.ID})
	return opened, nil
}

// showGestures has the user show the gestures that the container has: their
// protectors are made anew, too. One that is not shown, or that policy does not
// allow any more, is lost.
func (p *provisioning) showGestures(c *container.Container) (lost []container.Gesture, err error) {
	p.secrets = map[container.Gesture][]byte{}
	sensed, err := p.sensed(p.holder(p.user))
	if err != nil {
		return nil, err
	}
	for _, pr := range c.Protectors {
		g := pr.Gesture
		if g == container.PIN {
			continue
		}
		at, code := p.policy.ForSignIn(p.in, string(g), true, sensed[string(g)])
		if code != "" { // what is lost can be enrolled where there is a sensor
			at, code = p.policy.ForEnrollment(p.in, string(g))
		}
		if code != "" {
			lost = append(lost, g)
			continue
		}
		sample, err := p.w.Hands.answer(Prompt(g), sensor.Sample(string(g), p.face(p.user)))
		if err != nil {
			lost = append(lost, g)
			continue
		}
		tpl, secret, err := sensor.Enroll(p.env.Rand, string(g), p.holder(p.user), sample)
		if err != nil {
			return nil, err
		}
		p.templates, p.secrets[g] = append(p.templates, taken{at, tpl}), secret
	}
	return lost, nil
}

// keepRenewed writes the renewed container in the place of the old one.
func (p *provisioning) keepRenewed(ctx context.Context, old *container.Container, lost []container.Gesture) error {
	holder := p.holder(p.user)
	entries, err := p.entries(ctx, p.templates)
	if err != nil {
		return err
	}
	return p.env.Section.Record(ctx, func(w providers.Writer) error {
		kept, ok, err := load[*container.Container](w, tableContainer, holder)
		if err != nil {
			return err
		}
		if !ok || kept.AuthKey.ID != old.AuthKey.ID {
			return errors.New("the container was replaced meanwhile")
		}
		errs := []error{put(w, tableContainer, holder, p.container)}
		for _, e := range entries {
			errs = append(errs, putTemplate(w, e))
		}
		for _, g := range lost {
			errs = append(errs, dropTemplates(w, string(g), holder))
		}
		return errors.Join(errs...)
	})
}
