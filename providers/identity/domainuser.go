package identity

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"hellolab/providers"
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
var domainAttributes = []string{"userPrincipalName", "sAMAccountName", "displayName", "userAccountControl", "pwdLastSet", "memberOf", "objectSid"}

func control(in spec.User) string {
	bits := uacNormal
	if !in.EnabledInDomain {
		bits |= uacDisabled
	}
	return strconv.Itoa(bits)
}

func createDomainUser(ctx context.Context, env providers.Env, in spec.User) (spec.UserOut, error) {
	c, err := domainConn(ctx, env, in.Domain)
	if err != nil {
		return spec.UserOut{}, err
	}
	defer c.Close()
	account := hello.SAMAccountName(in)
	dn, err := named(c, account)
	if err != nil {
		return spec.UserOut{}, err
	}
	a := adldap.Attributes{}
	a.Set("objectClass", "user")
	a.Set("sAMAccountName", account)
	a.Set("userPrincipalName", in.UPN)
	a.Set("displayName", displayName(in))
	a.Set("userAccountControl", control(in))
	if len(in.Password) > 0 {
		a.Set("unicodePwd", adldap.QuotedPassword(string(in.Password)))
	}
	if in.PasswordExpired {
		a.Set("pwdLastSet", "0")
	}
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
	return out, setDomainGroups(ctx, env, c, out.ObjectID, nil, in.Groups)
}

func domainOut(e *adldap.Entry) (spec.UserOut, error) {
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return spec.UserOut{}, fmt.Errorf("identifier of %s: %w", e.DN, err)
	}
	return spec.UserOut{ObjectID: e.GUID.String(), SID: id.String(), DN: e.DN}, nil
}

func setDomainGroups(ctx context.Context, env providers.Env, c *adldap.Conn, user string, was, is []providers.Ref) error {
	return setMemberships(ctx, env, c, was, is, func(id string) (group, member string) { return id, user })
}

func findDomainUser(ctx context.Context, env providers.Env, o userObject, upn string) (userObject, error) {
	c, err := domainConn(ctx, env, o.In.Domain)
	if err != nil {
		return userObject{}, err
	}
	defer c.Close()
	e, err := c.First(ldapmsg.EqualTo("userPrincipalName", upn), domainAttributes...)
	if err != nil {
		return userObject{}, gone(err)
	}
	return domainUserAs(env, o, e)
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
	if upn := e.Text("userPrincipalName"); !strings.EqualFold(upn, o.In.UPN) {
		o.In.UPN = upn
	}
	if name := e.Text("sAMAccountName"); name != hello.SAMAccountName(o.In) {
		o.In.SAMAccountName = name
	}
	if name := e.Text("displayName"); name != displayName(o.In) {
		o.In.DisplayName = name
	}
	o.In.EnabledInDomain = bits&uacDisabled == 0
	o.In.PasswordExpired = e.Text("pwdLastSet") == "0"
	o.In.Groups = held(env, o.In.Groups, ids)
	o.Addr = env.Addr
	if o.Out, err = domainOut(e); err != nil {
		return userObject{}, err
	}
	o.ID = o.Out.ObjectID
	return o, nil
}

func readDomainUser(ctx context.Context, env providers.Env, o userObject) (userObject, error) {
	c, err := domainConn(ctx, env, o.In.Domain)
	if err != nil {
		return userObject{}, err
	}
	defer c.Close()
	e, err := c.Read(adldap.ByGUID(o.ID), domainAttributes...)
	if err != nil {
		return userObject{}, gone(err)
	}
	return domainUserAs(env, o, e)
}

func updateDomainUser(ctx context.Context, env providers.Env, o userObject, in spec.User) (spec.UserOut, error) {
	c, err := domainConn(ctx, env, in.Domain)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	a := adldap.Attributes{"displayName": {displayName(in)}, "sAMAccountName": {hello.SAMAccountName(in)}}
	if in.PasswordVersion != o.In.PasswordVersion {
		if len(in.Password) == 0 {
			return o.Out, fmt.Errorf("password_version changed, but there is no password to set")
		}
		a["unicodePwd"] = []string{adldap.QuotedPassword(string(in.Password))}
	}
	name := adldap.ByGUID(o.ID)
	if err := c.Replace(name, a); err != nil {
		return o.Out, err
	}
	// A password may not be in force before the account is enabled, and a new
	// one does away with its expiry.
	after := adldap.Attributes{"userAccountControl": {control(in)}}
	switch _, reset := a["unicodePwd"]; {
	case in.PasswordExpired:
		after["pwdLastSet"] = []string{"0"}
	case o.In.PasswordExpired && !reset:
		after["pwdLastSet"] = []string{"-1"}
	}
	if err := c.Replace(name, after); err != nil {
		return o.Out, err
	}
	return o.Out, setDomainGroups(ctx, env, c, o.ID, o.In.Groups, in.Groups)
}

func deleteDomainUser(ctx context.Context, env providers.Env, o userObject) error {
	c, err := domainConn(ctx, env, o.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	return deleted(c.Delete(adldap.ByGUID(o.ID)))
}

// deleted takes an object that is not there any more for deleted.
func deleted(err error) error {
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil
	}
	return err
}
