package windows

import (
	"context"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
)

// Device management, which the lab has none of, is played here: where a certificate
// trust says mdm_scep, it has a SCEP profile for everybody whom the trust reaches,
// asks the authority's SCEP service for a challenge in the user's name, and hands
// both to the device when the device looks for policy, at a sign-in. From there on it
// is SCEP: the device asks the service itself.

// profileAuthority is the authority whose SCEP service a profile names; nil: device
// management has no profile for the user.
func (m *machine) profileAuthority(world *hello.World, user person) (*providers.Object[spec.Authority, spec.AuthorityOut], error) {
	u, d := world.Users[user.addr], world.Devices[m.addr]
	if u == nil || d == nil {
		return nil, nil
	}
	trust, _ := world.CertificateTrustOf(u, d)
	if trust == nil || trust.In.Delivery != string(hello.MDMDelivery) {
		return nil, nil
	}
	all, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](m.env, "authority")
	if err != nil {
		return nil, err
	}
	for i, a := range all {
		if a.Out.SCEPURL != "" && (string(trust.In.Authority) == a.Addr || trust.In.Authority == "" && a.In.Domain == trust.In.Domain) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// hasProfile reports whether device management has a profile for the sign-in
// certificate of a user whose route waits for one.
func (m *machine) hasProfile(route hello.Route, user string) (bool, error) {
	if route.Trust != hello.CertTrust || route.Delivery != hello.MDMDelivery {
		return false, nil
	}
	world, err := hello.Around(m.env.Objects, user, m.addr)
	if err != nil {
		return false, err
	}
	a, err := m.profileAuthority(world, person{addr: user})
	return a != nil, err
}

// certifyByProfile enrolls the certificate that a profile of device management is
// for.
func (s *signingIn) certifyByProfile(ctx context.Context, held *container.Container, key container.UserKey) error {
	t := s.trace
	world, err := hello.Around(s.env.Objects, s.user.addr, s.addr)
	if err != nil {
		return err
	}
	authority, err := s.profileAuthority(world, s.user)
	if err != nil {
		return err
	}
	if authority == nil {
		err := refuse("certificate_payload_missing", nil)
		t.refused(event.Device, event.MDM, local, "certificate_payload", "Windows Hello for Business finds no certificate payload for the sign-in certificate.", err)
		return err
	}
	released, err := s.gesture(ctx, held)
	if err != nil {
		return err
	}
	defer s.closeUnlessOwn(released)
	signer, err := released.Section(key.Provider).Signer(ctx, key.ID)
	if err != nil {
		return err
	}
	return s.enrollBySCEP(ctx, t, s.user, key, signer, scepProfile{authority: providers.Ref(authority.Addr), template: templateSignIn, purpose: PurposeSignIn})
}
