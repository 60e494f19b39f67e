package identity

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Bits of userAccountControl (MS-ADTS 2.2.16).
const (
	uacDisabled = 0x2
	uacNormal   = 0x200
)

// domainAttributes are read of an account.
var domainAttributes = []string{"description", "userPrincipalName", "sAMAccountName", "displayName", "userAccountControl", "pwdLastSet", "memberOf", "objectSid"}

func control(in spec.User) string {
	bits := uacNormal
	if !in.EnabledInDomain {
		bits |= uacDisabled
	}
	return strconv.Itoa(bits)
}

// domainAccount is what an account is made with.
func domainAccount(in spec.User) adldap.Attributes {
	a := adldap.Attributes{}
	a.Set("objectClass", "user")
	a.Set("sAMAccountName", hello.SAMAccountName(in))
	a.Set("userPrincipalName", domainUPN(in))
	a.Set("mail", domainMail(in))
	a.Set("displayName", displayName(in))
	a.Set("userAccountControl", control(in))
	if len(in.Password) > 0 {
		a.Set("unicodePwd", adldap.QuotedPassword(string(in.Password)))
	}
	if in.PasswordExpired {
		a.Set("pwdLastSet", "0")
	}
	return a
}

// domainUPN is the user principal name in the domain.
func domainUPN(in spec.User) string { return hello.DomainUPN(in) }

// domainMail is the mail address of a user who signs in to the tenant by it,
// because the name in the domain is another (alternate login id).
func domainMail(in spec.User) string {
	if domainUPN(in) == in.UPN {
		return ""
	}
	return in.UPN
}

func createDomainUser(ctx context.Context, env providers.Env, in spec.User) (spec.UserOut, error) {
	c, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return spec.UserOut{}, err
	}
	defer c.Close()
	dn, err := named(c, hello.SAMAccountName(in))
	if err != nil {
		return spec.UserOut{}, err
	}
	a := domainAccount(in)
	if err := c.Add(dn, a); err != nil {
		return spec.UserOut{}, err
	}
	e, err := c.Read(dn, domainAttributes...)
	if err != nil {
		return spec.UserOut{}, err
	}
	out, err := domainOut(e)
	if err != nil {
		return out, err
	}
	if err := setDomainGroups(ctx, env, c, out.ObjectID, nil, in.Groups); err != nil {
		return out, err
	}
	return atAdapter(ctx, env, out, in, "")
}

// atAdapter registers the second factor of a user of a domain alone with AD FS,
// where the domain has one. former is the name that it knew the user by, "" for the
// same.
func atAdapter(ctx context.Context, env providers.Env, out spec.UserOut, in spec.User, former string) (spec.UserOut, error) {
	at, err := serviceOf(env, in)
	if err != nil || at == nil {
		return out, err
	}
	if out.TOTPSecret, err = factor(env, in, out.TOTPSecret); err != nil {
		return out, err
	}
	return out, at.register(ctx, env, in, former, "", out.TOTPSecret, "")
}

// domainUserSeen is the declared user o as the domain and AD FS hold it. The secret
// of the second factor nobody tells again: one that is not known counts as none.
func domainUserSeen(ctx context.Context, env providers.Env, o userObject, e *adldap.Entry) (userObject, error) {
	at, err := serviceOf(env, o.In)
	if err != nil {
		return userObject{}, err
	}
	known := o.Out.TOTPSecret
	if o, err = domainUserAs(env, o, e); err != nil || at == nil {
		return o, err
	}
	if err := at.seen(ctx, env, &o, ""); err != nil {
		return o, err
	}
	if known == "" {
		o.In.MFA = noFactor
	}
	if o.In.MFA != noFactor {
		o.Out.TOTPSecret = known
	}
	return o, nil
}

func domainOut(e *adldap.Entry) (spec.UserOut, error) {
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return spec.UserOut{}, fmt.Errorf("identifier of %s: %w", e.DN, err)
	}
	return spec.UserOut{ObjectID: e.GUID.String(), DomainID: e.GUID.String(), SID: id.String(), DN: e.DN}, nil
}

func setDomainGroups(ctx context.Context, env providers.Env, c *adldap.Conn, user string, was, is []providers.Ref) error {
	return setMemberships(ctx, env, c, was, is, func(id string) (group, member string) { return id, user })
}

func findDomainUser(ctx context.Context, env providers.Env, o userObject, upn string) (userObject, error) {
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return userObject{}, err
	}
	defer c.Close()
	e, err := c.First(ldapmsg.EqualTo("userPrincipalName", cmp.Or(o.In.UPNOnPrem, upn)), domainAttributes...)
	if err != nil {
		return userObject{}, gone(err)
	}
	return domainUserSeen(ctx, env, o, e)
}

// domainUserAs is the declared user o as the domain holds it.
func domainUserAs(env providers.Env, o userObject, e *adldap.Entry) (userObject, error) {
	ids, err := far(e.Values("memberOf"))
	if err != nil {
		return userObject{}, err
	}
	bits, err := strconv.ParseInt(e.Text("userAccountControl"), 10, 64)
	if err != nil {
		return userObject{}, fmt.Errorf("userAccountControl of %s: %w", e.DN, err)
	}
	if upn := e.Text("userPrincipalName"); !strings.EqualFold(upn, domainUPN(o.In)) {
		if o.In.UPNOnPrem != "" || o.In.Tenant != "" {
			o.In.UPNOnPrem = upn
		} else {
			o.In.UPN = upn
		}
	}
	if name := e.Text("sAMAccountName"); name != hello.SAMAccountName(o.In) {
		o.In.SAMAccountName = name
	}
	if name := e.Text("displayName"); name != displayName(o.In) {
		o.In.DisplayName = name
	}
	o.In.EnabledInDomain = bits&uacDisabled == 0
	o.In.PasswordExpired = e.Text("pwdLastSet") == "0"
	o.In.Groups = held(env, inDomain, o.In.Groups, ids)
	o.Addr = env.Addr
	if o.Out, err = domainOut(e); err != nil {
		return userObject{}, err
	}
	o.ID = o.Out.ObjectID
	return o, nil
}

func readDomainUser(ctx context.Context, env providers.Env, o userObject) (userObject, error) {
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return userObject{}, err
	}
	defer c.Close()
	e, err := c.Read(adldap.ByGUID(o.ID), domainAttributes...)
	if err != nil {
		return userObject{}, gone(err)
	}
	return domainUserSeen(ctx, env, o, e)
}

func updateDomainUser(ctx context.Context, env providers.Env, o userObject, in spec.User) (spec.UserOut, error) {
	c, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	out := o.Out
	if out.DN, err = changeDomainAccount(c, o, in); err != nil {
		return out, err
	}
	if err := setDomainGroups(ctx, env, c, o.ID, o.In.Groups, in.Groups); err != nil {
		return out, err
	}
	at, err := serviceOf(env, in)
	if err != nil {
		return out, err
	}
	former, err := at.follow(ctx, env, o.In)
	if err != nil {
		return out, err
	}
	if o.In.MFA == noFactor {
		out.TOTPSecret = "" // what is registered again, is new
	}
	return atAdapter(ctx, env, out, in, former)
}

// changeDomainAccount makes the account of o what is declared, where it was not, and
// returns its distinguished name.
func changeDomainAccount(c *adldap.Conn, o userObject, in spec.User) (dn string, err error) {
	name := adldap.ByGUID(o.Out.DomainID)
	if dn, err = rename(c, o, in); err != nil {
		return dn, err
	}
	return dn, changeAttributes(c, name, o.In, in)
}

// rename has the object bear its account's name, as when it was made. One that
// somebody gave another name, or moved, keeps that.
func rename(c *adldap.Conn, o userObject, in spec.User) (string, error) {
	was, is := hello.SAMAccountName(o.In), hello.SAMAccountName(in)
	if strings.EqualFold(was, is) {
		return o.Out.DN, nil
	}
	e, err := c.Read(adldap.ByGUID(o.Out.DomainID), "cn")
	if err != nil || !strings.EqualFold(e.Text("cn"), was) {
		return o.Out.DN, err
	}
	if err := c.Rename(e.DN, ldapmsg.DN{}.Child("CN", is).String()); err != nil {
		return e.DN, err
	}
	if e, err = c.Read(adldap.ByGUID(o.Out.DomainID), "cn"); err != nil {
		return o.Out.DN, err
	}
	return e.DN, nil
}

// changeAttributes makes an account's attributes what is declared.
func changeAttributes(c *adldap.Conn, name string, was, in spec.User) error {
	a := adldap.Attributes{"displayName": {displayName(in)}, "sAMAccountName": {hello.SAMAccountName(in)}, "userPrincipalName": {domainUPN(in)}}
	if mail := domainMail(in); mail != "" {
		a["mail"] = []string{mail}
	} else if domainMail(was) != "" {
		a["mail"] = nil
	}
	if in.PasswordVersion != was.PasswordVersion {
		if len(in.Password) == 0 {
			return fmt.Errorf("password_version changed, but there is no password to set")
		}
		a["unicodePwd"] = []string{adldap.QuotedPassword(string(in.Password))}
	}
	if err := c.Replace(name, a); err != nil {
		return err
	}
	// A password may not be in force before the account is enabled, and a new
	// one does away with its expiry.
	after := adldap.Attributes{"userAccountControl": {control(in)}}
	switch _, reset := a["unicodePwd"]; {
	case in.PasswordExpired:
		after["pwdLastSet"] = []string{"0"}
	case was.PasswordExpired && !reset:
		after["pwdLastSet"] = []string{"-1"}
	}
	return c.Replace(name, after)
}

func deleteDomainUser(ctx context.Context, env providers.Env, o userObject) error {
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	at, err := serviceOf(env, o.In)
	if err == nil {
		err = at.leave(ctx, env)
	}
	if err != nil {
		return err
	}
	return deleted(c.Delete(adldap.ByGUID(o.ID)))
}

// deleted takes an object that is not there any more for deleted.
func deleted(err error) error {
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil
	}
	return err
}
