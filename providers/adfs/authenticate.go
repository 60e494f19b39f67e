package adfs

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/sid"
)

// badCredentials is the one answer to an unknown name and a wrong password.
func badCredentials() *adfs.Error {
	return adfs.NewError(adfs.InvalidGrant, adfs.CodeCredentials, "Invalid 'username' or 'password'.").WithHint("Check the user's name and password.")
}

func invalidAccount(why, hint string) *adfs.Error {
	return adfs.NewError(adfs.InvalidGrant, adfs.CodeAccountValidation, "Active Directory account validation failed: %s.", why).WithHint(hint)
}

// password signs an account in with its name and password.
func (s *server) password(ctx context.Context, name, password string) (*farm.Account, error) {
	if name == "" || password == "" || len(name) > maxUPN || len(password) > maxPasswordSize {
		return nil, badCredentials()
	}
	if !s.set.adfs() {
		return s.ownPassword(ctx, name, password)
	}
	return s.domainPassword(ctx, name, password)
}

// domainPassword has the domain check a password: the service signs the user in
// and obtains a ticket for itself, which only the domain can have made.
func (s *server) domainPassword(ctx context.Context, name, password string) (*farm.Account, error) {
	client := krb.Enterprise(name)
	if domain, account, ok := strings.Cut(name, `\`); ok {
		if !strings.EqualFold(domain, s.set.NetBIOS) && !strings.EqualFold(domain, s.set.DNSName) {
			return nil, badCredentials()
		}
		client = krb.Principal(account)
	}
	ticket, err := s.ticketFor(ctx, client, password)
	if err != nil {
		return nil, s.explain(ctx, name, err)
	}
	initiator := gss.NewInitiator(gss.InitiatorConfig{Credential: ticket, Flags: gss.Integrity, Now: s.env.Now(), Rand: s.env.Rand})
	token, _, err := initiator.Step(nil)
	if err != nil {
		return nil, err
	}
	exchange := s.set.Account.Acceptor(s.env, s.self).New()
	if _, _, err := exchange.Step(token); err != nil {
		return nil, err
	}
	return s.ofTicket(ctx, exchange.Client())
}

// portKerberos is where a controller's KDC answers.
const portKerberos = 88

// ticketFor signs a user in with the domain and obtains a ticket for the service.
// The domain makes the account's own name of the one that was typed.
func (s *server) ticketFor(ctx context.Context, client krb.Name, password string) (gss.Credential, error) {
	a := s.set.Account
	kdc := &krbclient.Client{Realm: a.Realm, Now: s.env.Now, Rand: s.env.Rand, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		return s.env.Network.Dial(ctx, a.Controller, portKerberos)
	}}
	tgt, err := kdc.AS(ctx, krbclient.ASRequest{Client: client, Options: krb.OptCanonicalize}, krbclient.Password(password))
	if err != nil {
		return gss.Credential{}, err
	}
	r, err := kdc.TGS(ctx, &tgt.Credential, krbclient.TGSRequest{Server: krb.Service("HTTP", a.Host)})
	if err != nil {
		return gss.Credential{}, err
	}
	return gss.Credential{Ticket: &r.Reply.Ticket, Session: r.Credential.Key, Realm: r.Credential.CRealm, Client: r.Credential.Client}, nil
}

// explain makes a refusal of the domain one of the service. Whether an account is
// disabled, locked or has ended is what the directory says; the domain's answer
// to a sign-in is the same for all.
func (s *server) explain(ctx context.Context, name string, err error) error {
	var e *krb.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case krb.ErrClientUnknown, krb.ErrPreauthFailed:
		return badCredentials()
	case krb.ErrKeyExpired:
		return s.expired(ctx, name)
	case krb.ErrClientRevoked, krb.ErrNameExpired:
		return s.revoked(ctx, name)
	case krb.ErrPolicy:
		return invalidAccount("the account may not sign in here now", "Check the account's restrictions.")
	}
	return err
}

// Bits of userAccountControl (MS-ADTS 2.2.16).
const (
	uacDisabled = 0x2
	uacLockout  = 0x10
)

func (s *server) revoked(ctx context.Context, name string) error {
	e, err := s.lookup(ctx, name)
	if err != nil {
		return err
	}
	bits, _ := strconv.ParseInt(e.Text("userAccountControl"), 10, 64)
	switch locked := e.Text("lockoutTime"); {
	case bits&uacDisabled != 0:
		return invalidAccount("the account is disabled", "Set enabled of the user.")
	case bits&uacLockout != 0, locked != "" && locked != "0":
		return invalidAccount("the account is locked out", "Wait until the lock-out ends, or unlock the account.")
	}
	return invalidAccount("the account has expired", "Give the account more time.")
}

func (s *server) expired(ctx context.Context, name string) error {
	e, err := s.lookup(ctx, name)
	if err != nil {
		return err
	}
	if set := e.Text("pwdLastSet"); set == "" || set == "0" {
		return invalidAccount("the password must be changed at the first sign-in", "Change the password at a device of the domain.")
	}
	return invalidAccount("the password has expired", "Change the password.")
}

// accountAttributes are read of an account.
var accountAttributes = []string{"objectSid", "sAMAccountName", "sAMAccountType", "userPrincipalName", "displayName", "mail", "userAccountControl", "lockoutTime", "accountExpires", "pwdLastSet", "msDS-UserPasswordExpiryTimeComputed"}

// lookup finds an account by the name that somebody signs in with.
func (s *server) lookup(ctx context.Context, name string) (*adldap.Entry, error) {
	filter := ldapmsg.EqualTo("userPrincipalName", name)
	if _, account, ok := strings.Cut(name, `\`); ok {
		filter = ldapmsg.EqualTo("sAMAccountName", account)
	}
	e, err := s.search(ctx, filter)
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		// The implicit name of an account: its own and the domain's.
		if account, suffix, ok := strings.Cut(name, "@"); ok && strings.EqualFold(suffix, s.set.DNSName) {
			e, err = s.search(ctx, ldapmsg.EqualTo("sAMAccountName", account))
		}
	}
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, badCredentials()
	}
	return e, err
}

func (s *server) search(ctx context.Context, filter ldapmsg.Filter) (*adldap.Entry, error) {
	c, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.First(filter, accountAttributes...)
}

// directory signs the service in to the domain's directory. The caller closes
// the connection.
func (s *server) directory(ctx context.Context) (*adldap.Conn, error) {
	return s.set.Account.Directory(ctx, s.env)
}

// ofTicket is the account that a ticket for the service is of.
func (s *server) ofTicket(ctx context.Context, c *gss.Client) (*farm.Account, error) {
	logon, err := member.Identity(c)
	if err != nil {
		return nil, err
	}
	return s.bySID(ctx, logon.User())
}

// bySID is an account of the domain that may sign in.
func (s *server) bySID(ctx context.Context, id sid.SID) (*farm.Account, error) {
	e, err := s.search(ctx, ldapmsg.EqualTo("objectSid", id.String()))
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, invalidAccount("there is no such account any more", "Sign in as an account of the domain.")
	}
	if err != nil {
		return nil, err
	}
	return s.accountOf(e)
}

// typeComputer is a value of sAMAccountType (MS-ADTS 2.2.17).
const typeComputer = "805306369"

// accountOf reads an account. One that is disabled, or has ended, is refused.
func (s *server) accountOf(e *adldap.Entry) (*farm.Account, error) {
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return nil, err
	}
	if bits, _ := strconv.ParseInt(e.Text("userAccountControl"), 10, 64); bits&uacDisabled != 0 {
		return nil, invalidAccount("the account is disabled", "Set enabled of the user.")
	}
	if end := timeOf(e.Text("accountExpires")); !end.IsZero() && !s.env.Now().Before(end) {
		return nil, invalidAccount("the account has expired", "Give the account more time.")
	}
	raw := e.GUID.Windows()
	a := &farm.Account{UPN: e.Text("userPrincipalName"), Name: e.Text("sAMAccountName"), NetBIOS: s.set.NetBIOS, DN: e.DN, DisplayName: e.Text("displayName"), Mail: e.Text("mail"),
		SID: id, GUID: e.GUID, Computer: e.Text("sAMAccountType") == typeComputer, ImmutableID: base64.StdEncoding.EncodeToString(raw[:])}
	a.PasswordSet, a.PasswordExpires = timeOf(e.Text("pwdLastSet")), timeOf(e.Text("msDS-UserPasswordExpiryTimeComputed"))
	if a.UPN == "" && !a.Computer {
		a.UPN = a.Name + "@" + s.set.DNSName
	}
	return a, nil
}

// standing is the account of a proof as it is now: one that may not sign in any
// more gets nothing for what it proved before, nor does one on a device that may
// not.
func (s *server) standing(ctx context.Context, p *farm.Proof) (*farm.Account, error) {
	a, err := s.standingAccount(ctx, p)
	if err != nil || p.DeviceID == "" {
		return a, err
	}
	id, err := guid.Parse(p.DeviceID)
	if err != nil {
		return nil, err
	}
	c, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	d, err := addevice.Find(c, id)
	if errors.Is(err, addevice.ErrNotWritten) || err == nil && !d.Enabled {
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "The device that the sign-in was on is disabled, or no device of the domain any more.").WithHint("Enable the device, or register it again.")
	}
	return a, err
}

// standingAccount is standing for who looks at the device itself.
func (s *server) standingAccount(ctx context.Context, p *farm.Proof) (*farm.Account, error) {
	if !s.set.adfs() {
		a, err := s.account(p.UPN)
		if err == nil && (a == nil || a.Disabled) {
			err = s.noAccount()
		}
		if err != nil {
			return nil, err
		}
		if a.ImmutableID != p.Anchor {
			return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "The name is another account's since the sign-in.").WithHint("Sign in again.")
		}
		return a.farm(), samePassword(a.PasswordSet, p)
	}
	id, err := sid.Parse(p.SID)
	if err != nil {
		return nil, err
	}
	a, err := s.bySID(ctx, id)
	if err != nil {
		return nil, err
	}
	return a, samePassword(a.PasswordSet, p)
}

// samePassword refuses what was proved with a password that is another by now.
func samePassword(set time.Time, p *farm.Proof) error {
	if p.Method == adfs.MethodPassword && set.Truncate(time.Second).After(time.Unix(p.At, 0)) {
		return adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "The password was changed since the sign-in.").WithHint("Sign in again.")
	}
	return nil
}

// timeOf reads a FILETIME; zero for none, and for never.
func timeOf(text string) time.Time {
	ticks, err := strconv.ParseUint(text, 10, 64)
	if err != nil || ticks == 0 || ticks >= 1<<63-1 {
		return time.Time{}
	}
	return filetime.Time(ticks)
}

func (s *server) noAccount() *adfs.Error {
	return adfs.NewError(adfs.InvalidGrant, adfs.CodeCredentials, "The account is disabled or does not exist.")
}

// Lock-out of a third party's service and of codes: ten wrong guesses in a row
// lock for a while. A domain counts wrong passwords itself.
const (
	maxGuesses = 10
	guessLock  = 10 * time.Minute
)

// ownPassword checks a password of a third party's service.
func (s *server) ownPassword(ctx context.Context, name, password string) (*farm.Account, error) {
	a, err := s.account(name)
	if err != nil {
		return nil, err
	}
	if a == nil {
		(*verifier)(nil).matches(password)
		return nil, badCredentials()
	}
	locked, err := s.guess(ctx, secretPassword, a.UPN)
	if err != nil {
		return nil, err
	}
	if locked {
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeCredentials, "The account is locked after too many wrong passwords.").WithHint("Wait until the lock-out ends.")
	}
	if !a.Password.matches(password) {
		return nil, badCredentials()
	}
	if a.Disabled {
		return nil, s.noAccount()
	}
	return a.farm(), s.forget(ctx, secretPassword, a.UPN)
}

func (a *account) farm() *farm.Account {
	return &farm.Account{UPN: a.UPN, Name: a.UPN, DisplayName: a.Name, ImmutableID: a.ImmutableID}
}

// negotiate signs in who brings a ticket for the service (RFC 4559). Without one
// it returns nil; the header of the reply then demands one, where the service has
// a domain.
func (s *server) negotiate(reply http.Header, r *http.Request) (*farm.Account, error) {
	if !s.set.adfs() {
		return nil, nil
	}
	token, ok, err := gss.FromHeader(r.Header.Values("Authorization"))
	if err != nil || !ok || token == nil {
		reply.Set("WWW-Authenticate", gss.Header(nil))
		return nil, nil //nolint:nilerr // a header that is no token is none
	}
	exchange := s.set.Account.Acceptor(s.env, s.replays).New()
	out, done, err := exchange.Step(token)
	if len(out) > 0 {
		reply.Set("WWW-Authenticate", gss.Header(out))
	}
	if err == nil && !done {
		err = errors.New("the token asks for another leg")
	}
	if err != nil {
		return nil, adfs.NewError(adfs.AccessDenied, adfs.CodeAccountValidation, "The Kerberos ticket is not accepted: %s", err).WithHint("Obtain a ticket for HTTP/" + s.set.Host + ".")
	}
	return s.ofTicket(r.Context(), exchange.Client())
}
