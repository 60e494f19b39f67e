package access

import "slices"

// sensorRefused says why the user cannot make a gesture, "" when nothing is in its
// way.
func (s *signingIn) sensorRefused(gesture string) (code string) {
	c := s.credential
	_, code = s.policy.ForSignIn(s.d.In, gesture, slices.Contains(c.Gestures, gesture), c.Sensed[gesture])
	return code
}
