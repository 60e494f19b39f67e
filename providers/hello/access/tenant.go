package access

import (
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// enabledInTenant reports whether the tenant lets the device in.
func (s *signingIn) enabledInTenant() bool {
	if s.machine.Enabled != nil && s.registrationOf() == s.machine.DeviceID {
		return *s.machine.Enabled
	}
	return s.d.In.EnabledInTenant
}

// registrationOf is the device's id with the tenant of the sign-in.
func (s *signingIn) registrationOf() string {
	if s.credential.DeviceID != "" && s.d.In.Join == string(hello.Registered) {
		return s.credential.DeviceID // it is another device to each tenant
	}
	return s.machine.DeviceID
}

// token is the tenant's part: a nonce, then the proof. code is "" when it
// issues a primary refresh token; letter is the phase that ended it.
func (s *signingIn) token(nonce, proof string) (code, letter string) {
	if code := s.away(); code != "" {
		return code, nonce
	}
	inTenant := s.u.In.Tenant == s.tenant()
	if !s.byKey() {
		code := s.passwordElsewhere()
		switch {
		case code != "":
			return code, proof
		case s.machine.Absent:
			return "device_unknown", proof
		case !s.enabledInTenant():
			return "device_disabled", proof
		}
		here := s.passwordHere()
		switch {
		case here == "assertion_refused": // before anybody is looked for
			return here, proof
		case !inTenant, s.account.Absent:
			return "user_unknown", proof
		case here != "":
			return here, proof
		case !s.u.In.EnabledInTenant:
			return "user_disabled", proof
		}
		return "", proof
	}
	if !inTenant || s.account.Absent {
		return "user_unknown", proof
	}
	key, ok := s.account.hasTenantKey(s.credential.KeyID)
	switch {
	case !ok, key.DeviceID != s.registrationOf():
		return "key_not_found", proof
	case s.machine.Absent:
		return "key_device_unknown", proof
	case !s.enabledInTenant():
		return "key_device_disabled", proof
	case !s.u.In.EnabledInTenant:
		return "user_disabled", proof
	}
	return "", proof
}

// conditionalAccess is what an application's demands make of the sign-in; ""
// lets it in. At a sign-in page a second factor is asked for, and there is no
// device.
func (s *signingIn) conditionalAccess(page bool) string {
	r := s.to.application.In.Require
	if r == nil {
		r = &spec.ApplicationRequire{}
	}
	mfa := r.MFA
	if r.MaxRisk != "" && hello.RiskAbove(s.u.In.Risk, r.MaxRisk) {
		if r.RiskAction != "mfa" {
			return "access_denied"
		}
		mfa = true
	}
	join := hello.JoinType(s.d.In.Join)
	if r.JoinedDevice && join != hello.EntraJoined && join != hello.HybridJoined {
		if page {
			return "device_not_registered"
		}
		return "device_not_joined_app"
	}
	if mfa && !s.byKey() {
		switch registered := s.u.In.MFA != "none" && s.u.In.MFA != ""; {
		case !registered:
			return "mfa_not_registered"
		case !page:
			return "mfa_required"
		}
	}
	if r.CompliantDevice && (page || !s.d.In.Compliant) {
		if page {
			return "device_not_registered"
		}
		return "device_not_compliant"
	}
	return ""
}
