package windows

import (
	"context"
	"errors"
	"strings"

	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
)

// errOneFactor is a sign-in with two factors where one does.
var errOneFactor = errors.New("the policy in force asks for one factor: give the PIN or a gesture, not both")

// opened has the factors of the sign-in open the container: the gesture, or the
// PIN; and, where policy asks for two (DeviceUnlock), whether a second one is
// there, which must be right as well. The first factor is judged first, so that
// a wrong PIN counts whatever else is missing.
func (s *signingIn) opened(ctx context.Context, c *container.Container) error {
	g, two := s.request.Gesture, len(s.request.PIN) > 0 && s.request.Gesture != ""
	multi := s.policy.MultiFactorUnlock() && !s.personal()
	if two && !multi {
		return errOneFactor
	}
	var err error
	switch {
	case g == "":
		if s.released, err = s.releaseByPIN(ctx, s.user, c, s.request.PIN, s.request.Phrase); err == nil {
			err = s.askForNewPIN(ctx, c, s.released)
		}
	default:
		s.released, err = s.releaseBySensor(ctx, s.user, c, container.Gesture(g), s.policy)
	}
	if err != nil || !multi {
		return err
	}
	presented := []string{hello.FactorPIN}
	if g != "" {
		presented[0] = g
	}
	if two {
		again, err := s.releaseByPIN(ctx, s.user, c, s.request.PIN, s.request.Phrase)
		if err != nil {
			return err
		}
		defer again.Close()
		if err := s.askForNewPIN(ctx, c, again); err != nil {
			return err
		}
		presented = append(presented, hello.FactorPIN)
	}
	return s.secondFactor(presented)
}

// secondFactor holds what was presented, and what is around the device, against
// the groups of factors in force.
func (s *signingIn) secondFactor(presented []string) error {
	world, err := hello.Around(s.env.Objects, s.request.User, s.addr)
	if err != nil {
		return err
	}
	if world.SignalHolds(s.policy, s.request.User, s.addr) {
		presented = append(presented, hello.FactorSignal)
	}
	m := message{"presented": strings.Join(presented, ","), "group_a": s.policy.UnlockGroupA.Value, "group_b": s.policy.UnlockGroupB.Value}
	if !s.policy.Unlocks(presented...) {
		err := refuse("unlock_factor_missing", nil)
		shown := reasonOf(err).Event()
		s.trace.write(event.CredentialProvider, event.Winlogon, local, "unlock_factors", "Policy demands a factor of each group, and one is missing.", m, event.Refused, &shown)
		return err
	}
	s.trace.step(event.CredentialProvider, event.Winlogon, local, "unlock_factors", "A factor of each group is there.", m)
	return nil
}
