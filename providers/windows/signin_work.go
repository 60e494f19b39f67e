package windows

import (
	"context"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
)

// workPhaseA is phase A for a work account on a personal device. Nobody logs on
// to Windows with it: Windows is its owner's. Where the owner's Microsoft
// account has Hello, the gesture at the lock screen opens the container that
// the work key is in, too; else the broker asks for the gesture when the
// account needs a token. The documents draw phase A for joined devices only:
// this one is read off them (ours).
func (s *signingIn) workPhaseA(ctx context.Context) error {
	t, with := s.trace, s.with()
	if with == byPassword {
		s.unlocked(t)
		t.step(event.WAM, event.User, local, "account_password", "Web Account Manager asks for the work account's password and gets it.", message{"user": s.user.upn})
		return nil
	}
	lockScreen := s.rec.Unlock == spec.UnlockMicrosoft
	if lockScreen {
		t.step(event.Winlogon, event.CredentialProvider, local, "lock_screen_dismissed", "The lock screen is dismissed; Winlogon shows the credential provider.", nil)
	} else {
		s.unlocked(t)
		t.step(event.WAM, event.User, local, "gesture_prompt", "Web Account Manager has Windows ask for the gesture that opens the work key.", nil)
	}
	if with == s.request.Gesture {
		t.step(event.User, event.Sensor, local, "gesture", "The user shows the gesture to the sensor.", message{"gesture": with})
	}
	if lockScreen {
		t.step(event.CredentialProvider, event.User, local, "gesture_provided", "The credential provider takes what the user gives.", message{"credential": with})
	}
	if err := s.release(ctx); err != nil {
		s.notReleased(event.CloudAP, err)
		return err
	}
	t.step(event.Container, keyHolder(s.machine), tpm20, "key_released", "The gesture opens its protector: the keys in the container are released, each to its own provider.",
		message{"gesture": with, "kid": s.kid})
	if lockScreen {
		s.unlocked(t)
	}
	t.step(event.WAM, "", local, "broker_sign_in", "Web Account Manager signs the work account in with its key.", message{"user": s.user.upn})
	return nil
}

// with names what the user signs in with.
func (s *signingIn) with() string {
	switch {
	case len(s.request.Password) > 0:
		return byPassword
	case s.request.Gesture != "":
		return s.request.Gesture
	default:
		return "pin"
	}
}

// unlock is the owner of a personal device at the lock screen: a gesture against
// the container, and no tenant anywhere.
func (w *Windows) unlock(ctx context.Context, env providers.Env, r Request) (Verdict, error) {
	d, err := providers.Resolve[spec.Device, spec.DeviceOut](env, providers.Ref(r.Device))
	if err != nil {
		return Verdict{}, fmt.Errorf("%s: %w", r.Device, err)
	}
	d.In.UnlockPIN.Wipe()
	m, err := w.machine(env, r.Device, d.In)
	if err != nil {
		return Verdict{}, err
	}
	if !m.personal() {
		return Verdict{}, fmt.Errorf("%s is unlocked by work accounts: name the user who signs in", r.Device)
	}
	t, ctx, err := newTrace(ctx, env, "", "", r.Device)
	if err != nil {
		return Verdict{}, err
	}
	if err = m.ownersGesture(ctx, r); err == nil {
		m.unlocked(t)
	}
	return verdictOf(ctx, t, t.verdict(), err, func(err error) {
		t.refused(event.Winlogon, event.User, local, "unlock_refused", "Winlogon shows that Windows stays locked.", err)
	})
}

// ownersGesture has the owner's gesture open the owner's container.
func (m *machine) ownersGesture(ctx context.Context, r Request) error {
	if len(r.Password) > 0 {
		return because("not_work_account", nil, "The password of the account that unlocks %s is not part of the lab.", m.addr)
	}
	c, ok, err := m.containerOf(person{})
	if err != nil {
		return err
	}
	if ok {
		_, ok = c.UserKey(container.Consumer)
	}
	if !ok {
		return because("no_hello_credential", nil, "The account that unlocks %s has no Hello credential.", m.addr)
	}
	var released *container.Released
	if r.Gesture != "" {
		unmanaged := hello.InForce{UseBiometrics: hello.Setting[bool]{Value: true}} // policy is the work account's
		released, err = m.releaseBySensor(ctx, person{}, c, container.Gesture(r.Gesture), unmanaged)
	} else {
		released, err = m.releaseByPIN(ctx, person{}, c, r.PIN, r.Phrase)
	}
	if err == nil {
		released.Close()
	}
	return err
}
