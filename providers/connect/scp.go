package connect

import (
	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/ldapmsg"
)

// point writes the service connection point by which the forest's computers
// find the tenant, as Connect's wizard does for hybrid join.
func (s *settings) point(env providers.Env, c *adldap.Conn) error {
	t, err := providers.Resolve[spec.Tenant, spec.TenantOut](env, s.In.Tenant)
	if err != nil {
		return err
	}
	dn := drs.ServiceConnectionPointDN(s.Account.Base)
	keywords := drs.ServiceConnectionPoint{TenantID: t.Out.TenantID, Domain: t.In.Domains[0]}.Keywords()
	err = c.Add(dn, adldap.Attributes{"objectClass": {"serviceConnectionPoint"}, "keywords": keywords})
	if adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		return c.Replace(dn, adldap.Attributes{"keywords": keywords})
	}
	return err
}

// unpoint takes the service connection point away.
func (s *settings) unpoint(c *adldap.Conn) error {
	err := c.Delete(drs.ServiceConnectionPointDN(s.Account.Base))
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil
	}
	return err
}
