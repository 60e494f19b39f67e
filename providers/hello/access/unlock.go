package access

import "hellolab/providers/hello"

// unlocks reports whether what the user has besides the gesture, and what is
// around the device, makes a factor of each group with it.
func (s *signingIn) unlocks() bool {
	if !s.policy.MultiFactorUnlock() || s.d.In.Join == string(hello.Registered) {
		return true
	}
	with := s.Gesture
	if with == "" {
		with = hello.FactorPIN
	}
	others := []string{hello.FactorPIN}
	if s.policy.UseBiometrics.Value {
		others = append(others, s.credential.Gestures...)
	}
	if s.world.SignalHolds(s.policy, s.user, s.device) {
		others = append(others, hello.FactorSignal)
	}
	for _, other := range others {
		if s.policy.Unlocks(with, other) {
			return true
		}
	}
	return false
}
