package windows

import (
	"context"

	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
)

// certificates is Windows' look, after a sign-in, at the certificate of the user's
// Hello key: with certificate trust it asks for the one that is missing, and for the
// next where the one that is there comes to its end. What stops it stops no session.
//
// The key signs the request, so the gesture is needed: that of the sign-in, or,
// after a password, the PIN, which Windows asks for (ours; Windows shows a
// notification).
func (s *signingIn) certificates(ctx context.Context) error {
	if s.route.Trust != hello.CertTrust || s.identity() == nil || s.personal() {
		return nil
	}
	c, ok, err := s.containerOf(s.user)
	if err != nil || !ok {
		return err
	}
	key, ok := c.UserKey(s.identity().provider())
	if !ok {
		return nil
	}
	chosen, err := s.signInCertificate(s.user, key)
	if err != nil {
		return err
	}
	if chosen != nil && !renewalDue(chosen[0], s.env.Now()) {
		return nil
	}
	why := "There is no sign-in certificate for the Hello key."
	if chosen != nil {
		why = "The sign-in certificate comes to its end."
	}
	s.trace.step(event.Device, event.Store, local, "certificate_due", why+" The device asks for one.", message{"kid": key.ID, "renewal": chosen != nil})
	if err := s.certify(ctx, c, key); err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.trace.withoutCertificate(event.Device, err)
		return nil
	}
	if c, ok, err = s.containerOf(s.user); err != nil || !ok || s.released == nil {
		return err
	}
	if key, ok = c.UserKey(s.identity().provider()); ok { // what it can be used for at once
		s.certificate, err = s.signInCertificate(s.user, key)
	}
	return err
}

// certify asks for a certificate by what the trust has for it.
func (s *signingIn) certify(ctx context.Context, held *container.Container, key container.UserKey) error {
	if s.route.Delivery == hello.MDMDelivery {
		return s.certifyByProfile(ctx, held, key)
	}
	sts, err := s.asksEnterprise(s.user, s.route)
	if err != nil {
		return err
	}
	if sts == nil {
		return refuse("registration_authority_not_ready", nil)
	}
	rec, _, err := view[enrollmentRecord](s.env.Section, tableEnrollment, s.user.sid)
	if err != nil {
		return err
	}
	released, err := s.gesture(ctx, held)
	if err != nil {
		return err
	}
	defer s.closeUnlessOwn(released)
	c := &certifying{machine: s.machine, trace: s.trace, cloud: s.cloud.towards(sts), user: s.user, key: key, prt: s.enterprise,
		receipt: rec.Receipt, hint: rec.Hint, by: event.Device}
	if c.signer, err = released.Section(key.Provider).Signer(ctx, key.ID); err != nil {
		return err
	}
	return c.run(ctx)
}

// gesture is the container as the sign-in opened it, or, after a password, as the
// PIN that the user gives opens it.
func (s *signingIn) gesture(ctx context.Context, held *container.Container) (*container.Released, error) {
	if s.released != nil {
		return s.released, nil
	}
	s.trace.step(event.Device, event.User, local, "pin_prompt", "Windows asks for the PIN: the Hello key is to sign a certificate request.", nil)
	if len(s.request.PIN) == 0 {
		return nil, refuse("certificate_needs_pin", nil)
	}
	released, err := s.releaseByPIN(ctx, s.user, held, s.request.PIN, s.request.Phrase)
	if err != nil {
		s.trace.refused(event.Container, event.Device, tpm20, "key_release_refused", "The PIN does not open the container.", err)
		return nil, err
	}
	s.trace.step(event.Container, keyHolder(s.machine), tpm20, "key_released", "The PIN opens its protector: the key is released.", message{"gesture": "pin", "kid": held.UserKeys[0].ID})
	return released, nil
}

func (s *signingIn) closeUnlessOwn(r *container.Released) {
	if r != s.released {
		r.Close()
	}
}
