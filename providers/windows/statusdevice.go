package windows

import (
	"strings"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/oauth"
)

// ofDevice adds what is declared of the device and holds since it was made: the
// domain that it is a member of, and where its tenant is.
func (s *Status) ofDevice(m *machine) error {
	o, err := providers.Resolve[spec.Device, spec.DeviceOut](m.env, providers.Ref(m.addr))
	if err != nil {
		return err
	}
	m.in = o.In
	s.Windows11 = !strings.HasPrefix(o.In.OS, "windows-10")
	if o.In.Domain != "" && m.rec.Member != nil {
		d, err := providers.Resolve[spec.Domain, spec.DomainOut](m.env, o.In.Domain)
		if err != nil {
			return err
		}
		s.DomainJoined, s.DomainName = true, strings.ToUpper(d.In.NetBIOSName)
		s.Device += "." + strings.ToLower(d.In.DNSName)
	}
	if !s.Joined {
		if s.Enterprise {
			return nil
		}
		if a, ok, err := view[JoinAttempt](m.env.Section, tableMachine, keyAttempt); ok || err != nil {
			s.PreJoin = &a
			return err
		}
		return nil
	}
	t, err := tenantOf(m.env, o.In.Tenant)
	if err != nil {
		return err
	}
	login, registration := "https://"+t.LoginHost+"/"+t.TenantID, "https://"+t.RegistrationHost
	s.Tenant = &TenantState{
		AuthCodeURL: login + "/oauth2/authorize", AccessTokenURL: login + "/oauth2/token", Authority: login,
		JoinServer: registration + drs.PathDevice, KeyServer: registration + drs.PathKey, Service: oauth.ResourceDRS,
	}
	return nil
}

// ofPrerequisites looks, as Windows does after a sign-in, whether Hello would be
// offered to a user who has no key: with what the device believes.
func (s *Status) ofPrerequisites(m *machine, user string) error {
	if s.User == "" || s.NGC || len(s.WorkAccounts) > 0 {
		return nil
	}
	rec, ok, err := s.userObject(m.env, user)
	if err != nil || !ok {
		return err
	}
	world, err := hello.Around(m.env.Objects, rec.Addr, m.addr)
	if err != nil {
		return err
	}
	shape, _ := world.ShapeOf(rec.Addr, m.addr)
	route, _ := hello.Select(shape)
	route.Shape = shape
	ready, err := m.learned()
	if err != nil {
		return err
	}
	profile, err := m.hasProfile(route, rec.Addr)
	if err != nil {
		return err
	}
	launch := hello.Prerequisites(route, world.InForce(rec.Addr, m.addr), hello.Facts{
		Joined: m.identity() != nil, WorkAccount: m.workAccount(rec.In.Tenant, rec.In.Domain), PRT: s.PRT,
		TPM: m.rec.Storage == ksp.TPM, Remote: m.in.Session == "remote", CloudTGT: s.Tickets.OnPremTGT,
		DomainAccount: m.inDomain() && rec.In.Domain == m.in.Domain, EnterprisePRT: s.EnterprisePRT,
		Template: ready.Template, RegistrationAuthority: ready.Authority, MDMCertificate: profile,
	})
	c := &CheckState{Met: map[string]bool{}, WillProvision: launch.WillProvision, CertEnrollment: certEnrollment(route)}
	for _, check := range launch.Checks {
		c.Met[check.Name] = check.OK
	}
	s.Check = c
	return nil
}

// ofReset says how a user with a Hello key may reset the PIN.
func (s *Status) ofReset(m *machine, user string, c *container.Container, tenant string) error {
	rec, ok, err := s.userObject(m.env, user)
	if err != nil || !ok {
		return err
	}
	world, err := hello.Around(m.env.Objects, rec.Addr, m.addr)
	if err != nil {
		return err
	}
	s.CanReset = resetWays(c, tenant, world.InForce(rec.Addr, m.addr), m.personal())
	return nil
}

// certEnrollment is who enrolls the user's sign-in certificate, in dsregcmd's
// words.
func certEnrollment(r hello.Route) string {
	switch {
	case r.Trust != hello.CertTrust:
		return "none"
	case r.Delivery == hello.MDMDelivery:
		return "mobile device management"
	}
	return "enrollment authority"
}

type userObject = providers.Object[spec.User, spec.UserOut]

// userObject finds the user whose state is shown: the one who was asked for, or
// by the name that the device knows.
func (s *Status) userObject(env providers.Env, user string) (found userObject, ok bool, err error) {
	if user == "" {
		recs, err := env.Objects.List("user")
		if err != nil {
			return found, false, err
		}
		for _, rec := range recs {
			if upn := rec.In.GetAttr("upn"); upn.IsKnown() && !upn.IsNull() && strings.EqualFold(upn.AsString(), s.User) {
				user = rec.Addr
			}
		}
	}
	if user == "" { // not of the lab any more
		return found, false, nil
	}
	found, err = providers.Resolve[spec.User, spec.UserOut](env, providers.Ref(user))
	found.In.Password.Wipe()
	return found, err == nil, err
}

// Facts is what the device would check now before it offers Hello to the user:
// what is declared of the pair, as far as the device knows it to be so.
func (s Status) Facts(declared hello.Facts) hello.Facts {
	f := declared
	registered := s.Joined || s.Enterprise || len(s.WorkAccounts) > 0
	f.EnterprisePRT = s.EnterprisePRT
	f.Joined, f.PRT, f.TPM, f.HasKey, f.CloudTGT = registered, s.PRT, s.TPMProtected, s.NGC, s.Tickets.OnPremTGT
	f.WorkAccount = declared.WorkAccount && registered
	f.DomainAccount = declared.DomainAccount && s.DomainJoined
	return f
}
