package adds

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"

	"hellolab/providers"
	"hellolab/providers/adds/directory"
	"hellolab/providers/adds/kdc"
	"hellolab/providers/adds/ldapd"
	"hellolab/providers/adds/locator"
	"hellolab/providers/hello"
	"hellolab/providers/wire/gss/sasl"
	"hellolab/providers/wire/ntlm/passthrough"
	"hellolab/providers/wire/replication"
	"hellolab/providers/wire/revocation"
)

// Ports of a controller besides LDAP's.
const (
	portDNS      = 53
	portKerberos = 88
	portPassword = 464
	portCLDAP    = 389
)

// service is a domain that answers.
type service struct {
	env     providers.Env
	dir     *directory.Directory
	set     settings
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	ldap    []*ldapd.Server
	log     *slog.Logger
	checker *revocation.Checker

	mu     sync.Mutex
	closed bool
}

// open answers on the hosts of all controllers and, for the first of them, on
// that of the domain's name.
func open(_ context.Context, env providers.Env, _ domainObject) (providers.Service, error) {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Rand == nil {
		env.Rand = rand.Reader
	}
	d, set, err := load(env)
	if err != nil {
		return nil, err
	}
	s := &service{env: env, dir: d, set: set, log: env.Log, checker: fetcher(env)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *service) open() error {
	cfg := s.dir.Config()
	place, err := s.place(&cfg)
	if err != nil {
		return err
	}
	auth := newAuthenticator(s.env, s.dir)
	for i, c := range cfg.Controllers {
		names := []string{cfg.Host(c.Name)}
		if i == 0 {
			names = append(names, cfg.DNSName)
		}
		at, err := s.controller(&cfg, c, auth, place)
		if err != nil {
			return err
		}
		for _, host := range names {
			if err := at.listen(host); err != nil {
				return fmt.Errorf("%s: %w", host, err)
			}
		}
	}
	return nil
}

// place is the domain as clients find it.
func (s *service) place(cfg *directory.Config) (locator.Domain, error) {
	d := locator.Domain{Name: cfg.DNSName, NetBIOS: cfg.NetBIOSName, GUID: cfg.GUID, SID: s.dir.SID()}
	for i, c := range cfg.Controllers {
		dsa, err := s.dir.DSA(c.Name)
		if err != nil {
			return d, fmt.Errorf("controller %s: %w", c.Name, err)
		}
		d.Controllers = append(d.Controllers, locator.Controller{
			Host: cfg.Host(c.Name), NetBIOS: c.Name, NTDS: dsa, Site: c.Site, Writable: !c.ReadOnly, PDC: i == 0, GC: true,
			KeyList: hello.KeyList(s.set.controllerOf(c.Name)),
		})
	}
	return d, nil
}

// controller is one domain controller's servers.
type controller struct {
	*service
	ldapd *ldapd.Server
	kdc   *kdc.KDC
	pings *locator.Pings
	dns   *locator.DNS
}

func (s *service) controller(cfg *directory.Config, c directory.Controller, auth *authenticator, place locator.Domain) (*controller, error) {
	certificate := &kdcCertificate{env: s.env, computer: c.Name}
	at := &controller{service: s}
	at.ldapd = ldapd.New(ldapd.Config{
		Backend: s.backend(cfg, c), Authenticator: auth, Mechanisms: []string{sasl.GSSAPI, sasl.GSSSPNEGO}, Controls: controls,
		Extended: map[string]func(context.Context, *ldapd.Request, []byte) ([]byte, error){
			passthrough.OID: (&verifier{s.env, s.dir}).serve, replication.OID: (&replicator{s.env, s.dir}).serve,
		},
		TLS: certificate.tls, Rand: s.env.Rand, Log: s.log,
	})
	s.ldap = append(s.ldap, at.ldapd)
	pkinit, err := s.pkinit(certificate, s.set.controllerOf(c.Name))
	if err != nil {
		return nil, err
	}
	known := &accounts{dir: s.dir}
	at.kdc = kdc.New(kdc.Config{
		Realm: cfg.Realm(), NetBIOS: cfg.NetBIOSName, LogonServer: c.Name, DomainSID: s.dir.SID(),
		Directory: known, ReadOnlies: known, Passwords: passwords{s.dir}, Keys: s.keysOf(c.Name), Preauth: []kdc.Preauth{pkinit},
		Policy: s.policy(c), Now: s.env.Now, Rand: s.env.Rand, Events: s.env.Emit,
	})
	at.pings = &locator.Pings{Domain: place, Host: cfg.Host(c.Name), Accounts: pinged{s.dir}, Addresses: addresses{s.env}}
	at.dns, err = locator.NewDNS(addresses{s.env}, place)
	return at, err
}

// policy is what the KDC of a controller does and does not.
func (s *service) policy(c directory.Controller) kdc.Policy {
	in := s.set.controllerOf(c.Name)
	p := kdc.Policy{
		AllowRC4: hello.Offers(in, "rc4"), NoAES256: !hello.Offers(in, "aes256"), NoAES128: !hello.Offers(in, "aes128"),
		AllowUnprotected: true, AllowBarePartial: s.set.In.Interop != nil && s.set.In.Interop.BarePartialTGT, ReadOnly: c.ReadOnly,
	}
	if hello.TooOld(in) {
		p.TooOld = fmt.Sprintf("%s, build %s", c.OS, hello.BuildOf(in))
	}
	return p
}

// listen opens the controller's ports on a host.
func (c *controller) listen(host string) error {
	if err := c.ldapd.Listen(c.env.Network, host); err != nil {
		return err
	}
	for _, l := range []struct {
		port   int
		stream func(context.Context, net.Listener) error
		packet func(context.Context, net.PacketConn) error
	}{
		{portKerberos, streams(c.kdc.KDCAnswer), packets(c.kdc.DatagramAnswer)},
		{portPassword, streams(c.kdc.PasswordAnswer), packets(c.kdc.PasswordAnswer)},
		{portDNS, c.dns.ServeListener, c.dns.ServePacket},
		{portCLDAP, nil, c.pings.Serve},
	} {
		if l.stream != nil {
			ln, err := c.env.Network.Listen(host, l.port)
			if err != nil {
				return err
			}
			c.serve(host, l.port, func(ctx context.Context) error { return l.stream(ctx, ln) })
		}
		pc, err := c.env.Network.ListenPacket(host, l.port)
		if err != nil {
			return err
		}
		c.serve(host, l.port, func(ctx context.Context) error { return l.packet(ctx, pc) })
	}
	return nil
}

func streams(answer kdc.Answer) func(context.Context, net.Listener) error {
	return func(ctx context.Context, l net.Listener) error { return kdc.Serve(ctx, l, answer, kdc.Limits{}) }
}

func packets(answer kdc.Answer) func(context.Context, net.PacketConn) error {
	return func(ctx context.Context, pc net.PacketConn) error {
		return kdc.ServePacket(ctx, pc, answer, kdc.Limits{})
	}
}

// serve runs a server until the domain closes.
func (s *service) serve(host string, port int, run func(context.Context) error) {
	s.running.Go(func() {
		if err := run(s.ctx); err != nil && s.ctx.Err() == nil {
			s.log.Error("service of a controller ended", "host", host, "port", port, "error", err)
		}
	})
}

// Close ends every server and waits for what they were doing.
func (s *service) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.stop()
	var err error
	for _, l := range s.ldap {
		err = errors.Join(err, l.Close())
	}
	s.running.Wait()
	return err
}

// pinged tells the netlogon ping of accounts.
type pinged struct{ dir *directory.Directory }

func (k pinged) Known(ctx context.Context, name string, aac uint32) (bool, error) {
	a, err := k.dir.Client(ctx, name, false)
	if errors.Is(err, directory.ErrNoAccount) {
		return false, nil
	}
	return err == nil && a.Control&directory.UACDisabled == 0 && (aac == 0 || uint32(a.Control)&aac != 0), err
}

// addresses tells DNS where the lab's hosts are.
type addresses struct{ env providers.Env }

func (a addresses) Address(ctx context.Context, host string) (netip.Addr, error) {
	at, err := a.env.Address(ctx, strings.ToLower(host))
	if errors.Is(err, providers.ErrNoHost) {
		return netip.Addr{}, nil
	}
	return at, err
}

// tls is the configuration of LDAPS and StartTLS; nil without a certificate.
func (c *kdcCertificate) tls(ctx context.Context) (*tls.Config, error) {
	cert, err := c.load()
	if err != nil || cert == nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{*cert.tls}, MinVersion: tls.VersionTLS12, Time: c.env.Now, Rand: c.env.Rand}, nil
}
