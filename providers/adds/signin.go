package adds

import (
	"context"
	"errors"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adds/directory"
	"hellolab/providers/adds/ldapd"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/gss/sasl"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/member"
)

// maxAuthenticators bounds the LDAP service's memory of authenticators.
const maxAuthenticators = 1 << 17

// identity is somebody who signed in by LDAP.
type identity struct{ who *directory.Requester }

// AuthzID answers "Who am I?" as a domain does.
func (i *identity) AuthzID() string { return "u:" + i.who.Name }

// authenticator lets clients of LDAP in, by password or by Kerberos.
type authenticator struct {
	env     providers.Env
	dir     *directory.Directory
	replays *krb.ReplayCache
	realm   string
}

func newAuthenticator(env providers.Env, d *directory.Directory) *authenticator {
	cfg := d.Config()
	return &authenticator{env: env, dir: d, replays: krb.NewReplayCache(maxAuthenticators), realm: cfg.Realm()}
}

// SimpleBind takes a distinguished name, a user principal name, DOMAIN\name or
// an account name (MS-ADTS 5.1.1.1.1).
func (a *authenticator) SimpleBind(ctx context.Context, _ *ldapd.Session, name string, password []byte) (ldapd.Identity, error) {
	account, err := a.named(ctx, name)
	if errors.Is(err, directory.ErrNoAccount) {
		return nil, ldapmsg.LogonFailed(ldapmsg.LogonNoSuchUser)
	}
	if err != nil {
		return nil, err
	}
	if !account.CheckPassword(string(password)) {
		return nil, ldapmsg.LogonFailed(ldapmsg.LogonWrongPassword)
	}
	if reason := barred(account, a.env, true); reason != 0 {
		return nil, ldapmsg.LogonFailed(reason)
	}
	return &identity{a.dir.Requester(account)}, nil
}

func (a *authenticator) named(ctx context.Context, name string) (*directory.Account, error) {
	cfg := a.dir.Config()
	if domain, account, ok := strings.Cut(name, `\`); ok {
		if !strings.EqualFold(domain, cfg.NetBIOSName) && !strings.EqualFold(domain, cfg.DNSName) {
			return nil, directory.ErrNoAccount
		}
		return a.dir.Client(ctx, account, false)
	}
	if strings.Contains(name, "=") {
		return a.dir.ByDN(ctx, name)
	}
	return a.dir.Client(ctx, name, strings.Contains(name, "@"))
}

// barred says why an account may not sign in, 0 when it may.
func barred(a *directory.Account, env providers.Env, byPassword bool) uint32 {
	now := env.Now()
	switch {
	case a.Control&directory.UACDisabled != 0:
		return ldapmsg.LogonDisabled
	case !a.Expires.IsZero() && !now.Before(a.Expires):
		return ldapmsg.LogonAccountExpired
	case byPassword && a.Control&directory.UACSmartCardRequired != 0:
		return ldapmsg.LogonAccountRestriction
	case byPassword && a.PasswordSet.IsZero() && !a.MustChange.IsZero():
		return ldapmsg.LogonMustChange
	case byPassword && !a.MustChange.IsZero() && !now.Before(a.MustChange):
		return ldapmsg.LogonPasswordExpired
	}
	return 0
}

// SASL begins an exchange of Kerberos, bare or negotiated.
func (a *authenticator) SASL(_ context.Context, s *ldapd.Session, mechanism string) (ldapd.SASLServer, error) {
	layers := sasl.None | sasl.Integrity | sasl.Confidentiality
	if s.TLS != nil {
		layers = sasl.None // TLS protects already (MS-ADTS 5.1.1.1.2)
	}
	return &saslServer{a: a, server: sasl.NewServer(sasl.ServerConfig{Mechanism: mechanism, Acceptor: a.acceptor(), Layers: layers})}, nil
}

func (a *authenticator) acceptor() *gss.Acceptor {
	return &gss.Acceptor{
		Key: a.key, Replay: a.replays, Now: a.env.Now, Skew: krb.Skew, Rand: a.env.Rand, Realm: a.realm,
	}
}

// key finds the key that a ticket for a controller is encrypted with.
func (a *authenticator) key(t *krb.Ticket) (krb.Key, error) {
	account, err := a.dir.Service(context.Background(), t.Server.Parts...)
	if errors.Is(err, directory.ErrNoAccount) || err == nil && account.Control&(directory.UACServer|directory.UACPartialSecrets) == 0 {
		return krb.Key{}, krb.NewError(krb.ErrNotUs, "The ticket is for %s, which is no service of this controller.", t.Server)
	}
	if err != nil {
		return krb.Key{}, err
	}
	for _, k := range account.Keys {
		if k.Key.EType == t.EncPart.EType && (t.EncPart.KVNO == 0 || int64(k.Version) == t.EncPart.KVNO) {
			return k.Key, nil
		}
	}
	return krb.Key{}, krb.NewError(krb.ErrBadKeyVersion, "The controller has no such version of its key.")
}

// saslServer is one exchange.
type saslServer struct {
	a      *authenticator
	server *sasl.Server
}

func (s *saslServer) Step(ctx context.Context, token []byte) ([]byte, *ldapd.Login, error) {
	out, done, err := s.server.Step(token)
	if err != nil {
		s.a.env.Log.DebugContext(ctx, "kerberos bind refused", "error", err)
		return nil, nil, ldapmsg.LogonFailed(ldapmsg.LogonWrongPassword)
	}
	if !done {
		return out, nil, nil
	}
	who, err := s.a.ticketed(ctx, s.server.Client())
	if err != nil {
		return nil, nil, err
	}
	login := &ldapd.Login{Identity: &identity{who}}
	if l := s.server.Layer(); l != nil {
		login.Layer, login.Confidential = l.Conn, l.Kind() == sasl.Confidentiality
	}
	return out, login, nil
}

// ticketed is who a ticket's PAC says its client is. What the account is in is
// what the ticket says, and what the directory says of those groups.
func (a *authenticator) ticketed(ctx context.Context, c *gss.Client) (*directory.Requester, error) {
	refuse := func() (*directory.Requester, error) { return nil, ldapmsg.LogonFailed(ldapmsg.LogonNoSuchUser) }
	logon, err := member.Identity(c)
	if err != nil {
		a.env.Log.DebugContext(ctx, "ticket refused", "error", err)
		return refuse()
	}
	account, err := a.dir.BySID(ctx, logon.User())
	if errors.Is(err, directory.ErrNoAccount) {
		return refuse()
	}
	if err != nil {
		return nil, err
	}
	return a.dir.Ticketed(ctx, account, logon.SIDs())
}
