package access

import (
	"slices"

	"hellolab/providers/hello"
)

// factors are what the user presents who begins with a gesture: with it what is
// around the device, and, where policy demands a factor of each group and these
// are not, another that the user has. ok is false when nothing makes up for it.
func (s *signingIn) factors(gesture string) (presented []string, ok bool) {
	presented = []string{gesture}
	if !s.policy.MultiFactorUnlock() || s.d.In.Join == string(hello.Registered) {
		return presented, true
	}
	around := []string{gesture}
	if s.world.SignalHolds(s.policy, s.user, s.device) {
		around = append(around, hello.FactorSignal)
	}
	if s.policy.Unlocks(around...) {
		return presented, true
	}
	others := []string{hello.FactorPIN}
	if gesture == hello.FactorPIN {
		others = nil
		for _, g := range s.credential.Gestures {
			if s.sensorRefused(g) == "" {
				others = append(others, g)
			}
		}
	}
	for _, other := range others {
		if s.policy.Unlocks(append(slices.Clone(around), other)...) {
			return append(presented, other), true
		}
	}
	return presented, false
}
