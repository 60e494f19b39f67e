// Package domainjoin makes a Windows machine a computer of a domain (MS-ADTS
// 6.4): its account, with a password that only the machine keeps, and what the
// machine then writes of itself, above all the self-signed certificate by which
// a hybrid join is proved (Microsoft, "How Microsoft Entra device registration
// works", phase C of a managed domain).
//
// Everything is LDAP, signed in with Kerberos: the join by an administrator's
// credential, what follows by the machine's own account.
package domainjoin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/sid"
)

// Locator finds a domain controller, as the Kerberos provider does.
type Locator interface {
	Controller(ctx context.Context) (host string, err error)
}

// Domain is what is joined, as spec.DomainOut says.
type Domain struct {
	Name  string // DNS name
	Realm string
	Base  string // distinguished name
}

// Administrator is who may join computers.
type Administrator struct {
	Account  string // account name
	Password string
}

// Computer is the machine as it presents itself.
type Computer struct {
	Name      string // computer name, up to 15 letters, digits and hyphens
	OS        string // operatingSystem
	OSVersion string // operatingSystemVersion
	Password  string // of the account: member.NewPassword
}

// Joined is a computer of the domain. Account holds the machine's password; the
// caller stores it where secrets are sealed.
type Joined struct {
	Account    member.Account
	ObjectGUID string // of the computer object; the device id of a hybrid join
	SID        string
}

// ErrName is a name that no computer may have.
var ErrName = errors.New("not a computer name")

// CheckName says whether a machine may have a name: 1 to 15 letters, digits and
// hyphens, not digits alone (Microsoft, "Naming conventions in Active
// Directory").
func CheckName(name string) error {
	digits := true
	for _, r := range name {
		switch {
		case r >= '0' && r <= '9':
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '-':
			digits = false
		default:
			return fmt.Errorf("%w: %q has a character other than letters, digits and hyphens", ErrName, name)
		}
	}
	if name == "" || len(name) > 15 || digits || name[0] == '-' {
		return fmt.Errorf("%w: %q is not 1 to 15 characters, or digits alone, or begins with a hyphen", ErrName, name)
	}
	return nil
}

// OperatingSystem is how a Windows release calls itself in the directory, by
// spec.Device.OS.
func OperatingSystem(release string) (name, version string) {
	switch release {
	case "windows-10-22h2":
		return "Windows 10 Enterprise", "10.0 (19045)"
	case "windows-11-23h2":
		return "Windows 11 Enterprise", "10.0 (22631)"
	}
	return "Windows 11 Enterprise", "10.0 (26100)"
}

// Join makes the computer's account, or takes over one that an interrupted join
// left: its password is then the new one. env.Network is the machine's.
func Join(ctx context.Context, env providers.Env, l Locator, d Domain, by Administrator, c Computer) (*Joined, error) {
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	j := &Joined{Account: member.Account{
		Realm: d.Realm, Base: d.Base, Host: strings.ToLower(c.Name + "." + d.Name), Password: c.Password,
	}}
	conn, err := administer(ctx, env, l, d, by, &j.Account)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	e, err := j.Account.Join(conn, "RestrictedKrbHost", "TERMSRV")
	if err != nil {
		return nil, err
	}
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return nil, fmt.Errorf("the computer's objectSid: %w", err)
	}
	j.ObjectGUID, j.SID = e.GUID.String(), id.String()
	return j, conn.Replace(adldap.ByGUID(j.ObjectGUID), adldap.Attributes{"operatingSystem": {c.OS}, "operatingSystemVersion": {c.OSVersion}})
}

// Leave deletes the computer's account. One that is not there any more is no
// error.
func Leave(ctx context.Context, env providers.Env, l Locator, d Domain, by Administrator, j Joined) error {
	conn, err := administer(ctx, env, l, d, by, &j.Account)
	if err != nil {
		return err
	}
	defer conn.Close()
	return j.Account.Leave(conn)
}

// Change lets the computer sign in, or not, and says what runs on it.
func Change(ctx context.Context, env providers.Env, l Locator, d Domain, by Administrator, j Joined, enabled bool, os, version string) error {
	conn, err := administer(ctx, env, l, d, by, &j.Account)
	if err != nil {
		return err
	}
	defer conn.Close()
	bits := workstation
	if !enabled {
		bits |= disabled
	}
	return conn.Replace(adldap.ByGUID(j.ObjectGUID), adldap.Attributes{
		"userAccountControl": {fmt.Sprint(bits)}, "operatingSystem": {os}, "operatingSystemVersion": {version}})
}

// Enabled reports whether the computer may sign in.
func Enabled(ctx context.Context, env providers.Env, l Locator, d Domain, by Administrator, j Joined) (bool, error) {
	conn, err := administer(ctx, env, l, d, by, &j.Account)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	e, err := conn.Read(adldap.ByGUID(j.ObjectGUID), "userAccountControl")
	if err != nil {
		return false, err
	}
	bits, err := strconv.ParseInt(e.Text("userAccountControl"), 10, 32)
	if err != nil {
		return false, fmt.Errorf("the computer's userAccountControl: %w", err)
	}
	return bits&disabled == 0, nil
}

// Bits of userAccountControl, MS-ADTS 2.2.16.
const (
	disabled    = 0x2
	workstation = 0x1000
)

// administer signs the administrator in at a controller, which account then
// names.
func administer(ctx context.Context, env providers.Env, l Locator, d Domain, by Administrator, account *member.Account) (*adldap.Conn, error) {
	host, err := l.Controller(ctx)
	if err != nil {
		return nil, err
	}
	account.Controller = host
	return adldap.SignIn(ctx, env, adldap.Domain{Realm: d.Realm, Host: host, BaseDN: d.Base, Account: by.Account, Password: by.Password})
}

// Gone says whether an error is that the computer's object is not there.
func Gone(err error) bool { return adldap.IsCode(err, ldapmsg.NoSuchObject) }
