// Package member is a member server of a domain: the computer account that it
// joins with, the keys that follow from the account's password, and how it
// accepts clients with them and signs in itself.
//
// Sources: MS-ADTS 6.4 (domain join), MS-KILE 3.1.1.2 (salt).
package member

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/sid"
)

// ErrTaken says that a computer account is another server's.
var ErrTaken = errors.New("the account is another server's")

// Account is a computer account, with the password that only the computer
// knows.
type Account struct {
	Realm      string `json:"realm"`
	Controller string `json:"controller"` // DNS name of a domain controller
	Base       string `json:"base"`       // distinguished name of the domain
	Host       string `json:"host"`       // DNS name of the computer
	Password   string `json:"password"`
}

// NewPassword draws a machine password.
func NewPassword(rand io.Reader) (string, error) {
	b := make([]byte, 30)
	if _, err := io.ReadFull(rand, b); err != nil {
		return "", fmt.Errorf("read random machine password: %w", err)
	}
	return "Aa1-" + base64.StdEncoding.EncodeToString(b), nil // whatever kinds of characters the policy asks for
}

// Computer is the computer's name, the first label of its DNS name in capitals.
func (a *Account) Computer() string {
	label, _, _ := strings.Cut(a.Host, ".")
	return strings.ToUpper(label)
}

// Name is the account's name.
func (a *Account) Name() string { return a.Computer() + "$" }

// Join makes the account in the directory, for services with these class names
// (such as "HTTP") besides HOST, or takes over one that an interrupted join
// left. It returns the account's object.
func (a *Account) Join(c *adldap.Conn, services ...string) (*adldap.Entry, error) {
	dn, err := ldapmsg.ParseDN("CN=Computers," + c.Base)
	if err != nil {
		return nil, err
	}
	name := dn.Child("CN", a.Computer()).String()
	var spns []string
	for _, s := range append([]string{"HOST"}, services...) {
		spns = append(spns, s+"/"+a.Host, s+"/"+a.Computer())
	}
	values := adldap.Attributes{
		"userAccountControl": {"4096"}, "dNSHostName": {a.Host}, "servicePrincipalName": spns, "msDS-SupportedEncryptionTypes": {"24"},
		"unicodePwd": {adldap.QuotedPassword(a.Password)},
	}
	add := adldap.Attributes{"objectClass": {"computer"}, "sAMAccountName": {a.Name()}}
	for k, v := range values {
		add[k] = v
	}
	err = c.Add(name, add)
	if adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		err = c.Replace(name, values)
	}
	if err != nil {
		return nil, err
	}
	return c.Read(name, "objectSid", "sAMAccountName")
}

// JoinMarked joins as Join does, and leaves mark in the account's description, by
// which the server knows it again. ErrTaken when it is marked as another's.
func (a *Account) JoinMarked(c *adldap.Conn, mark string, services ...string) (sid.SID, error) {
	e, err := c.First(ldapmsg.EqualTo("sAMAccountName", a.Name()), "description")
	if err != nil && !adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return sid.SID{}, err
	}
	if err == nil && e.Text("description") != mark && e.Text("description") != "" {
		return sid.SID{}, ErrTaken
	}
	if e, err = a.Join(c, services...); err != nil {
		return sid.SID{}, err
	}
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return sid.SID{}, err
	}
	return id, c.Replace(e.DN, adldap.Attributes{"description": {mark}, "operatingSystem": {"Windows Server 2022 Datacenter"}, "operatingSystemVersion": {"10.0 (20348)"}})
}

// Leave deletes the account.
func (a *Account) Leave(c *adldap.Conn) error {
	e, err := c.First(ldapmsg.EqualTo("sAMAccountName", a.Name()))
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.Delete(adldap.ByGUID(e.GUID.String()))
}

// key is the account's key of an encryption type.
func (a *Account) key(etype int32) (krb.Key, error) {
	if etype != krb.AES256 && etype != krb.AES128 {
		return krb.Key{}, krb.NewError(krb.ErrETypeNoSupport, "")
	}
	domain := strings.ToLower(a.Realm)
	return krb.StringToKey(etype, a.Password, a.Realm+"host"+strings.ToLower(a.Computer())+"."+domain)
}

// Acceptor accepts clients of the computer's services. The cache remembers
// their authenticators.
func (a *Account) Acceptor(env providers.Env, replays *krb.ReplayCache) *gss.Acceptor {
	return &gss.Acceptor{
		Key: func(t *krb.Ticket) (krb.Key, error) {
			if len(t.Server.Parts) < 2 || !strings.EqualFold(t.Server.Parts[1], a.Host) && !strings.EqualFold(t.Server.Parts[1], a.Computer()) {
				return krb.Key{}, krb.NewError(krb.ErrNotUs, "The ticket is for %s, not for a service of %s.", t.Server, a.Host)
			}
			return a.key(t.EncPart.EType)
		},
		Replay: replays, Now: env.Now, Skew: krb.Skew, Rand: env.Rand, Realm: a.Realm,
	}
}

// Ticket signs the computer in and obtains a ticket for a service.
func (a *Account) Ticket(ctx context.Context, env providers.Env, service krb.Name) (gss.Credential, error) {
	return adldap.Ticket(ctx, env, a.Realm, a.Controller, krb.Principal(a.Name()), krbclient.Password(a.Password), service)
}

// Directory signs the computer in to the domain's directory.
func (a *Account) Directory(ctx context.Context, env providers.Env) (*adldap.Conn, error) {
	if a.Password == "" {
		return nil, errors.New("the computer has not joined the domain")
	}
	return adldap.SignIn(ctx, env, adldap.Domain{Realm: a.Realm, Host: a.Controller, BaseDN: a.Base, Account: a.Name(), Password: a.Password})
}

// Why a ticket does not say who its client is.
var (
	ErrNoPAC  = errors.New("the ticket has no PAC")
	ErrBadPAC = errors.New("the ticket's PAC cannot be believed")
)

// Identity returns what a ticket's PAC says of its client, once the server
// signature over it is verified (MS-PAC 2.8.1): ErrNoPAC, or an error that wraps
// ErrBadPAC.
func Identity(c *gss.Client) (*pac.LogonInfo, error) {
	raw, ok := c.Ticket.PAC()
	if !ok {
		return nil, ErrNoPAC
	}
	p, err := pac.Parse(raw)
	if err == nil {
		err = p.Verify(pac.Ticket{Client: c.Name.String(), AuthTime: c.Ticket.AuthTime, Server: c.Key})
	}
	if err == nil && p.LogonInfo == nil {
		err = pac.ErrMissing
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadPAC, err)
	}
	return p.LogonInfo, nil
}
