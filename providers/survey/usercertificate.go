package survey

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/revocation"
)

// userCertificates completes what devices hold of sign-in certificates: whose they
// are, and what their authorities say of them. One that cannot be read is of nobody.
func (s *survey) userCertificates() {
	for _, m := range s.facts.Machines {
		for _, k := range m.Credentials {
			for _, c := range slices.Concat(k.Certificates, k.Further) {
				if leaf, err := x509.ParseCertificate(c.Raw); err == nil {
					s.userCertificate(leaf, c)
				}
			}
		}
	}
}

func (s *survey) userCertificate(leaf *x509.Certificate, c *access.UserCertificate) {
	c.ForClient = adcert.HasEKU(leaf, adcert.EKUClientAuth)
	c.Responder = len(leaf.OCSPServer) > 0
	c.ForLogon = adcert.HasEKU(leaf, adcert.EKUKPClientAuth, adcert.EKUSmartCardLogon)
	if id, ok, err := adcert.SID(leaf); ok && err == nil {
		c.SID = id.String()
	}
	c.Authority, c.Revoked = s.issuer(leaf)
}

// issuer is the authority of a certificate, and whether it calls it revoked.
func (s *survey) issuer(leaf *x509.Certificate) (addr string, revoked bool) {
	for _, a := range s.authorities {
		issuer := parse(a.Out.Certificate)
		if issuer == nil || leaf.CheckSignatureFrom(issuer) != nil {
			continue
		}
		checker := revocation.New(revocation.NewHTTP(s.env.Network.Dial), revocation.Options{})
		return a.Addr, checker.Check(s.ctx, leaf, issuer, s.env.Now()).Status == revocation.Revoked
	}
	return "", false
}

// federations reads what federation services hold: as they say themselves, of the
// enrollment agent certificate when it ends, and whether it is revoked.
func (s *survey) federations() error {
	all, err := existing[spec.Federation, spec.FederationOut](s.env, "federation")
	for _, o := range all {
		f := &access.Federation{}
		if o.Out.AgentNotAfter != "" {
			ends, err := time.Parse(time.RFC3339, o.Out.AgentNotAfter)
			if err != nil {
				s.gap("The enrollment agent certificate of "+o.Addr, fmt.Errorf("its end is no time: %.40q", o.Out.AgentNotAfter))
				continue
			}
			f.Agent = &access.AgentCertificate{NotAfter: ends}
			ctx, cancel := context.WithTimeout(s.ctx, patience)
			status, err := adfs.Admin{Host: o.Out.Host, Secret: o.Out.AdminSecret}.Status(ctx, s.env)
			cancel()
			switch {
			case err != nil:
				s.gap("The enrollment agent certificate of "+o.Addr, err)
			case status.Agent != nil:
				f.Agent.Revoked = status.Agent.Revoked
			}
		}
		s.facts.Federations[o.Addr] = f
		if o.In.Kind == spec.FederationThirdParty {
			tenants, listErr := s.federatedWith(o.Addr)
			if listErr != nil {
				return listErr
			}
			if err := s.elsewhere(o, tenants); err != nil {
				s.gap("The accounts of "+o.Addr, err)
			}
		}
	}
	return err
}
