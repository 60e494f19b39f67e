package access

import (
	"slices"
	"time"

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

// ToUnlock is the target of an unlock: Windows, where the user has a session already.
const ToUnlock = "unlock"

// locked reports whether the user has a session on the device that can be locked: that
// of a personal device is its owner's.
func (s *signingIn) locked() bool {
	return s.credential.Session && s.d.In.Join != string(hello.Registered) && s.d.In.Join != string(hello.NotJoined)
}

// goesOn says what becomes of the session's primary refresh token at an unlock by the
// key: while it is young nobody is asked, and of age it is renewed, which the tenant may
// refuse, by the code. goesOn is false where there is none that is good: the unlock then
// is a sign-in. That the tenant has revoked it a preview does not know; by the key it
// would bring another.
func (s *signingIn) goesOn() (code string, goesOn bool) {
	t := s.credential.Token
	switch {
	case !s.unlock || !s.byKey() || t == nil || !s.facts.Now.Before(t.Ends):
		return "", false
	case s.facts.Now.Sub(t.Obtained) <= RenewalOf(s.world, s.d), s.away() != "": // it goes on with what it has
		return "", true
	case s.account.Absent:
		return "user_unknown", true
	case s.machine.Absent:
		return "device_unknown", true
	case !s.u.In.EnabledInTenant:
		return "user_disabled", true
	case !s.enabledInTenant():
		return "device_disabled", true
	}
	return "", true
}

// usualRenewal is the age at which Windows renews a primary refresh token.
const usualRenewal = 4 * time.Hour

// RenewalOf is the age at which a device renews a primary refresh token: Windows' own,
// unless its tenant in the lab says otherwise.
func RenewalOf(w *hello.World, d *hello.Device) time.Duration {
	if t := w.Tenants[string(d.In.Tenant)]; t != nil && t.In.Lifetimes != nil {
		return t.In.Lifetimes.PRTRenewal
	}
	return usualRenewal
}

// unlockRemarks says that a verdict holds from the next unlock on, where it would from a
// sign-in.
func (s *signingIn) unlockRemarks(v *Verdict) {
	if !s.unlock {
		return
	}
	if v.When == NextSignIn || v.When == NextRenewal {
		v.When = NextUnlock
	}
}

// Unlocks reports whether a user has a session on a device whose unlock ends otherwise
// than a sign-in by the gesture would.
func (l *Lab) Unlocks(user, device, gesture string) bool {
	unlock := l.Decide(Request{User: user, Device: device, To: ToUnlock, Gesture: gesture})
	if unlock.Word == None {
		return false
	}
	signIn := l.Decide(Request{User: user, Device: device, Gesture: gesture})
	return unlock.Word != signIn.Word || unlock.Reason != signIn.Reason
}
