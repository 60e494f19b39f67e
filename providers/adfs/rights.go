package adfs

import (
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adfs/edrs"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// keepersName is the group whose members keep the devices of a domain: Entra
// Connect joins it, too, where it writes devices back.
const keepersName = "Device Registration Keepers"

// groupGlobal is a security group with members of its own domain (MS-ADTS 2.2.12).
const groupGlobal = "-2147483646"

// setRights gives the server's account what device registration needs, or takes
// it away: it writes keys of users (Key Admins), and keeps the devices of the
// domain and issues their certificates (Initialize-ADDeviceRegistration). Taking it
// away takes the forest's device registration away where this service gave it.
func (s *settings) setRights(env providers.Env, c *adldap.Conn) error {
	account, err := c.First(ldapmsg.EqualTo("sAMAccountName", s.Account.Name()))
	if err != nil {
		return err
	}
	admins, err := s.keyAdmins(c)
	if err != nil {
		return err
	}
	if !s.In.DeviceRegistration {
		if err := leave(c, admins, account); err != nil {
			return err
		}
		own, err := edrs.Initialized(c, s.sealer(env))
		if err == nil && own {
			err = edrs.Remove(c)
		}
		if err != nil {
			return err
		}
		return stopKeeping(c, account)
	}
	if err := c.AddValue(admins.DN, "member", account.DN); err != nil {
		return err
	}
	if err := keepDevices(c, account); err != nil {
		return err
	}
	return edrs.Initialize(c, s.sealer(env), randomness(env), env.Now())
}

// hasRights says whether the account has what device registration needs.
func (s *settings) hasRights(env providers.Env, c *adldap.Conn) (bool, error) {
	account, err := c.First(ldapmsg.EqualTo("sAMAccountName", s.Account.Name()))
	if err != nil {
		return false, err
	}
	admins, err := s.keyAdmins(c)
	if err != nil {
		return false, err
	}
	keeper, err := keeperOf(c)
	if err != nil || keeper == nil {
		return false, err
	}
	if in, err := isMember(admins, account); err != nil || !in {
		return false, err
	}
	if in, err := isMember(keeper, account); err != nil || !in && keeper.GUID != account.GUID {
		return false, err
	}
	return edrs.Initialized(c, s.sealer(env))
}

func (s *settings) keyAdmins(c *adldap.Conn) (*adldap.Entry, error) {
	domain, err := sid.Parse(s.DomainSID)
	if err != nil {
		return nil, err
	}
	return c.First(ldapmsg.EqualTo("objectSid", domain.Account(sid.RIDKeyAdmins).String()), "member")
}

// keeperOf is whom a domain's container of devices names as its keeper, nil for
// nobody.
func keeperOf(c *adldap.Conn) (*adldap.Entry, error) {
	e, err := c.Read(addevice.ContainerDN(c.Base), "managedBy")
	if err != nil || e.Text("managedBy") == "" {
		return nil, err
	}
	_, id, err := adldap.SplitName(e.Text("managedBy"))
	if err != nil {
		return nil, err
	}
	return c.Read(adldap.ByGUID(id.String()), "objectClass", "member", "sAMAccountName")
}

func isGroup(e *adldap.Entry) bool {
	return slices.ContainsFunc(e.Values("objectClass"), func(v []byte) bool { return strings.EqualFold(string(v), "group") })
}

func members(e *adldap.Entry) (out []guid.GUID, err error) {
	for _, v := range e.Values("member") {
		_, id, err := adldap.SplitName(string(v))
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

func isMember(group, account *adldap.Entry) (bool, error) {
	all, err := members(group)
	return slices.Contains(all, account.GUID), err
}

func leave(c *adldap.Conn, group, account *adldap.Entry) error {
	in, err := isMember(group, account)
	if err != nil || !in {
		return err
	}
	return c.RemoveValue(group.DN, "member", account.DN)
}

// keepDevices makes an account a keeper of the domain's devices. One that kept
// them alone goes on, in the group that both are then in.
func keepDevices(c *adldap.Conn, account *adldap.Entry) error {
	keeper, err := keeperOf(c)
	if err != nil {
		return err
	}
	if keeper != nil && isGroup(keeper) {
		return c.AddValue(keeper.DN, "member", account.DN)
	}
	group := "CN=" + keepersName + ",CN=Users," + c.Base
	err = c.Add(group, adldap.Attributes{"objectClass": {"group"}, "sAMAccountName": {keepersName}, "groupType": {groupGlobal},
		"description": {"May register devices in the domain"}})
	if err != nil && !adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		return err
	}
	for _, e := range []*adldap.Entry{keeper, account} {
		if e == nil {
			continue
		}
		if err := c.AddValue(group, "member", e.DN); err != nil {
			return err
		}
	}
	return c.Replace(addevice.ContainerDN(c.Base), adldap.Attributes{"managedBy": {group}})
}

// stopKeeping takes an account out of the keepers. A group of this package that
// nobody is left in goes, too.
func stopKeeping(c *adldap.Conn, account *adldap.Entry) error {
	keeper, err := keeperOf(c)
	if err != nil || keeper == nil || !isGroup(keeper) {
		return err
	}
	if err := leave(c, keeper, account); err != nil {
		return err
	}
	all, err := members(keeper)
	if err != nil || keeper.Text("sAMAccountName") != keepersName || slices.ContainsFunc(all, func(id guid.GUID) bool { return id != account.GUID }) {
		return err
	}
	if err := c.Replace(addevice.ContainerDN(c.Base), adldap.Attributes{"managedBy": nil}); err != nil {
		return err
	}
	return c.Delete(keeper.DN)
}
