package identity

import (
	"context"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// wellKnown are the groups that every domain has, by the names of
// spec.Group.WellKnown.
var wellKnown = map[string]uint32{
	"domain_admins":            sid.RIDDomainAdmins,
	"enterprise_admins":        sid.RIDEnterpriseAdmins,
	"key_admins":               sid.RIDKeyAdmins,
	"enterprise_key_admins":    sid.RIDEnterpriseKeyAdmins,
	"cert_publishers":          sid.RIDCertPublishers,
	"protected_users":          sid.RIDProtectedUsers,
	"allowed_rodc_replication": sid.RIDAllowedRODCReplication,
	"denied_rodc_replication":  sid.RIDDeniedRODCReplication,
}

var groupAttributes = []string{"sAMAccountName", "displayName", "member", "objectSid", "objectClass"}

// groupFilter finds a declared group: by identifier when the domain always has
// it, else by account name.
func groupFilter(env providers.Env, in spec.Group) (ldapmsg.Filter, error) {
	if in.WellKnown == "" {
		return ldapmsg.And{ldapmsg.EqualTo("sAMAccountName", groupName(env.Addr, in)), ldapmsg.EqualTo("objectClass", "group")}, nil
	}
	d, err := providers.Resolve[spec.Domain, spec.DomainOut](env, in.Domain)
	if err != nil {
		return nil, err
	}
	domain, err := sid.Parse(d.Out.SID)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.Domain, err)
	}
	return ldapmsg.EqualTo("objectSid", domain.Account(wellKnown[in.WellKnown]).String()), nil
}

func createDomainGroup(ctx context.Context, env providers.Env, in spec.Group) (spec.GroupOut, error) {
	c, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return spec.GroupOut{}, err
	}
	defer c.Close()
	if in.WellKnown == "" {
		name := groupName(env.Addr, in)
		dn, err := named(c, name)
		if err != nil {
			return spec.GroupOut{}, err
		}
		if err := c.Add(dn, adldap.Attributes{"objectClass": {"group"}, "sAMAccountName": {name}, "displayName": {name}}); err != nil {
			return spec.GroupOut{}, err
		}
	}
	filter, err := groupFilter(env, in)
	if err != nil {
		return spec.GroupOut{}, err
	}
	e, err := c.First(filter, groupAttributes...)
	if err != nil {
		return spec.GroupOut{}, err
	}
	out, err := domainGroupOut(e)
	if err != nil {
		return out, err
	}
	return out, setDomainMembers(ctx, env, c, out.ObjectID, nil, in.Members)
}

func domainGroupOut(e *adldap.Entry) (spec.GroupOut, error) {
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return spec.GroupOut{}, fmt.Errorf("identifier of %s: %w", e.DN, err)
	}
	return spec.GroupOut{ObjectID: e.GUID.String(), SID: id.String(), DN: e.DN}, nil
}

func setDomainMembers(ctx context.Context, env providers.Env, c *adldap.Conn, group string, was, is []providers.Ref) error {
	return setMemberships(ctx, env, c, was, is, func(id string) (string, string) { return group, id })
}

// findDomainGroup finds what a killed creation left. A group that every domain
// has is left by nobody: it is taken over by Create, which adds members only.
func findDomainGroup(ctx context.Context, env providers.Env, o groupObject, _ string) (groupObject, error) {
	if o.In.WellKnown != "" {
		return groupObject{}, providers.ErrGone
	}
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return groupObject{}, err
	}
	defer c.Close()
	filter, err := groupFilter(env, o.In)
	if err != nil {
		return groupObject{}, err
	}
	e, err := c.First(filter, groupAttributes...)
	if err != nil {
		return groupObject{}, gone(err)
	}
	return domainGroupAs(env, o, e)
}

// domainGroupAs is the declared group o as the domain holds it.
func domainGroupAs(env providers.Env, o groupObject, e *adldap.Entry) (groupObject, error) {
	ids, err := far(e.Values("member"))
	if err != nil {
		return groupObject{}, err
	}
	if name := e.Text("sAMAccountName"); o.In.WellKnown == "" && name != groupName(env.Addr, o.In) {
		o.In.Name = name
	}
	o.In.Members = held(env, inDomain, o.In.Members, ids)
	o.Addr = env.Addr
	if o.Out, err = domainGroupOut(e); err != nil {
		return groupObject{}, err
	}
	o.ID = o.Out.ObjectID
	return o, nil
}

func readDomainGroup(ctx context.Context, env providers.Env, o groupObject) (groupObject, error) {
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return groupObject{}, err
	}
	defer c.Close()
	e, err := c.Read(adldap.ByGUID(o.ID), groupAttributes...)
	if err != nil {
		return groupObject{}, gone(err)
	}
	return domainGroupAs(env, o, e)
}

func updateDomainGroup(ctx context.Context, env providers.Env, o groupObject, in spec.Group) (spec.GroupOut, error) {
	c, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	if in.WellKnown == "" {
		name := groupName(env.Addr, in)
		if err := c.Replace(adldap.ByGUID(o.ID), adldap.Attributes{"sAMAccountName": {name}, "displayName": {name}}); err != nil {
			return o.Out, err
		}
	}
	return o.Out, setDomainMembers(ctx, env, c, o.ID, o.In.Members, in.Members)
}

// deleteDomainGroup takes the declared members out of a group that every domain
// has, and deletes any other.
func deleteDomainGroup(ctx context.Context, env providers.Env, o groupObject) error {
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	if o.In.WellKnown != "" {
		return setDomainMembers(ctx, env, c, o.ID, o.In.Members, nil)
	}
	return deleted(c.Delete(adldap.ByGUID(o.ID)))
}
