package access

// sensorRefused says why policy keeps the gesture's sensor from being used. That
// the device has none is no matter of policy.
func (s *signingIn) sensorRefused() string {
	if code := s.policy.SensorRefused(s.d.In, s.Gesture); code != "gesture_not_enrolled" {
		return code
	}
	return ""
}
