package access

import (
	"fmt"
	"time"

	"hellolab/providers/hello"
)

// What a device asks for where device management delivers sign-in certificates: the
// template of its SCEP profile (its name is the lab's), and how long before its end a
// certificate is renewed, if its life is not shorter than five times that.
const (
	profileTemplate = "WHFBDeviceAuthentication"
	renewAhead      = 42 * 24 * time.Hour
)

// delivered is the certificate that an Entra joined device gets by device management
// at the very sign-in, before it goes anywhere: the first after provisioning, or one
// close to the end of the last. nil where none comes; why says what is in the way of
// one that is due, as a sentence.
func (s *signingIn) delivered() (c *UserCertificate, why string) {
	if s.d == nil || s.u == nil || s.asked != nil || !s.byKey() || s.route.SignIn != hello.A1 || s.route.Trust != hello.CertTrust {
		return nil, ""
	}
	if has := s.shown(); has != nil && s.facts.Now.Before(has.NotAfter.Add(-min(renewAhead, has.NotAfter.Sub(has.NotBefore)/5))) {
		return nil, ""
	}
	a := s.profile()
	if a == nil {
		return nil, "Device management has no profile for a sign-in certificate: set certificate_delivery of the trust to \"mdm_scep\"."
	}
	p := &planning{Facts: s.facts, is: s.world}
	switch code := p.byProfile(s, a, profileTemplate); {
	case s.u.In.Domain == "":
		return nil, "The user has no account in the domain, for which certificates are issued."
	case outOfReach(code):
		return nil, fmt.Sprintf("The device does not reach the SCEP service of %s, from which its sign-in certificate comes.", a.Addr)
	case code != "":
		return nil, fmt.Sprintf("%s does not issue by the template %s, of which the sign-in certificate is.", a.Addr, profileTemplate)
	}
	c = p.signInCertificate(s.u, a.Addr)
	return c, ""
}

// profile is the authority whose SCEP service device management has a profile for; nil
// without one.
func (s *signingIn) profile() *hello.Authority {
	t, _ := s.world.CertificateTrustOf(s.u, s.d)
	if t == nil || t.In.Delivery != string(hello.MDMDelivery) {
		return nil
	}
	for _, addr := range sorted(s.world.Authorities) {
		if a := s.world.Authorities[addr]; string(t.In.Authority) == addr || t.In.Authority == "" && a.In.Domain == t.In.Domain {
			return a
		}
	}
	return nil
}
