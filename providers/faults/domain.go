package faults

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

// Attributes of accounts, and what is written to them.
const (
	attrControl  = "userAccountControl"
	attrPassword = "pwdLastSet"
	attrKeys     = "msDS-KeyCredentialLink"
	attrMember   = "member"
	attrList     = "nTSecurityDescriptor"

	attrAdminCount = "adminCount"
	runProtection  = "runProtectAdminGroupsTask" // MS-ADTS 3.1.1.3.3

	uacDisabled = 0x2  // MS-ADTS 2.2.16
	expired     = "0"  // of pwdLastSet: to be changed at the next logon
	asOfNow     = "-1" // of pwdLastSet
)

// domainAdministration is what an administrator of a domain does over LDAP,
// behind the lab's back.
func domainAdministration() []providers.Fault {
	return []providers.Fault{
		{
			Name: "disabled_in_domain", Targets: []string{"user", "device", "service"},
			Doc:   "Its account in the domain is disabled.",
			Begin: control(func(bits int) int { return bits | uacDisabled }),
			End:   control(func(bits int) int { return bits &^ uacDisabled }),
		},
		{
			Name: "password_expired", Targets: []string{"user"},
			Doc: "The account's password in the domain has expired.",
			Begin: inDomain(func(c *adldap.Conn, name string) error {
				return c.Replace(name, adldap.Attributes{attrPassword: {expired}})
			}),
			End: inDomain(func(c *adldap.Conn, name string) error {
				return c.Replace(name, adldap.Attributes{attrPassword: {asOfNow}})
			}),
		},
		{
			Name: "protected_by_adminsdholder", Targets: []string{"user"},
			Doc:   "It is a member of Backup Operators, and AdminSDHolder protects it: Key Admins may not write the keys of its account, so neither Connect nor AD FS brings it a new one. When it ends, the account inherits its rights again.",
			Begin: inDomain(protect),
			End:   inDomain(unprotect),
		},
		{
			Name: "connection_point_missing", Targets: []string{"domain"}, Lasting: true,
			Doc: "Its service connection point is gone, by which computers find the tenant to register with.",
			Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
				c, err := directoryOf(ctx, b, providers.Ref(is.Target.Addr))
				if err != nil {
					return err
				}
				defer c.Close()
				return c.Delete(drs.ServiceConnectionPointDN(c.Base))
			},
		},
		{
			Name: "device_not_written_back", Targets: []string{"device"}, Lasting: true,
			Doc:   "The domain has no device object of it, by which AD FS would know it; a write-back by Connect brings it back.",
			Begin: forgetDevice,
		},
		{
			Name: "key_deleted_in_domain", Targets: []string{"enrollment"}, Lasting: true,
			Doc:   "Its key is deleted from the account in the domain, or has not got there; a cycle of Connect brings it back.",
			Begin: unlinkKey,
		},
	}
}

// protect makes an account a member of a protected group, and has the primary domain
// controller protect it at once, where it would within the hour.
func protect(c *adldap.Conn, name string) error {
	e, err := c.Read(name)
	if err != nil {
		return err
	}
	if err := c.AddValue(operators(c), attrMember, e.DN); err != nil {
		return err
	}
	return c.AddValue("", runProtection, "1") // the root DSE, which has no name
}

// unprotect takes the membership back, and what no controller would: the account
// has the list of its class again, inherits, and is not marked.
func unprotect(c *adldap.Conn, name string) error {
	e, err := c.Read(name)
	if err != nil {
		return err
	}
	if err := c.RemoveValue(operators(c), attrMember, e.DN); err != nil {
		return err
	}
	if err := c.Replace(name, adldap.Attributes{attrList: nil, attrAdminCount: nil}); err != nil {
		return err
	}
	return c.AddValue("", runProtection, "1") // who is protected by another group stays so
}

// operators is a protected group that no declared group is.
func operators(c *adldap.Conn) string { return "CN=Backup Operators,CN=Builtin," + c.Base }

// forgetDevice removes a device's object from its domain. One that is not there was
// not written: nothing is to be done.
func forgetDevice(ctx context.Context, b providers.Breaker, is providers.Broken) error {
	d, err := objectOf[spec.Device, spec.DeviceOut](b, is.Target.Addr)
	if err != nil {
		return err
	}
	if d.In.Domain == "" {
		return fmt.Errorf("%s is joined to no domain", d.Addr)
	}
	id, err := guid.Parse(d.Out.DeviceID)
	if err != nil {
		return fmt.Errorf("device id of %s: %w", d.Addr, err)
	}
	c, err := directoryOf(ctx, b, d.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Delete(addevice.DN(c.Base, id))
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil
	}
	return err
}

// account finds the account of a user, device or service in its domain.
func account(b providers.Breaker, target providers.Record) (domain providers.Ref, filter ldapmsg.Filter, err error) {
	var sid string
	switch target.Kind {
	case "user":
		o, err := objectOf[spec.User, spec.UserOut](b, target.Addr)
		if err != nil {
			return "", nil, err
		}
		domain, sid = o.In.Domain, o.Out.SID
	case "device":
		o, err := objectOf[spec.Device, spec.DeviceOut](b, target.Addr)
		if err != nil {
			return "", nil, err
		}
		domain, sid = o.In.Domain, o.Out.SID
	case "service":
		o, err := objectOf[spec.Service, spec.ServiceOut](b, target.Addr)
		if err != nil {
			return "", nil, err
		}
		domain, sid = o.In.Domain, o.Out.SID
	}
	if domain == "" || sid == "" {
		return "", nil, fmt.Errorf("%s has no account in a domain", target.Addr)
	}
	return domain, ldapmsg.EqualTo("objectSid", sid), nil
}

// directoryOf signs in to a domain's directory as the lab's administrator.
func directoryOf(ctx context.Context, b providers.Breaker, domain providers.Ref) (*adldap.Conn, error) {
	env, err := b.Env("")
	if err != nil {
		return nil, err
	}
	c, _, err := administer.Directory(ctx, env, domain)
	return c, err
}

// inDomain does something to the target's account in its domain.
func inDomain(do func(c *adldap.Conn, name string) error) func(context.Context, providers.Breaker, providers.Broken) error {
	return func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
		domain, filter, err := account(b, is.Target)
		if err != nil {
			return err
		}
		c, err := directoryOf(ctx, b, domain)
		if err != nil {
			return err
		}
		defer c.Close()
		e, err := c.First(filter)
		if err != nil {
			return err
		}
		return do(c, adldap.ByGUID(e.GUID.String()))
	}
}

func control(change func(bits int) int) func(context.Context, providers.Breaker, providers.Broken) error {
	return inDomain(func(c *adldap.Conn, name string) error {
		e, err := c.Read(name, attrControl)
		if err != nil {
			return err
		}
		bits, err := strconv.Atoi(e.Text(attrControl))
		if err != nil {
			return fmt.Errorf("%s of %s: %w", attrControl, e.DN, err)
		}
		return c.Replace(name, adldap.Attributes{attrControl: {strconv.Itoa(change(bits))}})
	})
}

// unlinkKey removes an enrollment's key from the account. One that is not there
// has not been synchronized: nothing is to be done.
func unlinkKey(ctx context.Context, b providers.Breaker, is providers.Broken) error {
	key, user, err := keyOf(b, is.Target.Addr)
	if err != nil {
		return err
	}
	id, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return fmt.Errorf("key of %s: %w", is.Target.Addr, err)
	}
	if user.In.Domain == "" {
		return fmt.Errorf("%s has no account in a domain", user.Addr)
	}
	c, err := directoryOf(ctx, b, user.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	e, err := c.First(ldapmsg.EqualTo("objectSid", user.Out.SID), attrKeys)
	if err != nil {
		return err
	}
	for _, raw := range e.Values(attrKeys) {
		value, err := ldapmsg.ParseDNBinary(string(raw))
		if err == nil {
			value.DN, _, err = adldap.SplitName(value.DN)
		}
		if err != nil {
			return fmt.Errorf("%s of %s: %w", attrKeys, e.DN, err)
		}
		entry, err := keycred.Parse(value.Binary)
		if err != nil || string(entry.ID) != string(id) {
			continue
		}
		return c.RemoveValue(adldap.ByGUID(e.GUID.String()), attrKeys, value.String())
	}
	return nil
}
