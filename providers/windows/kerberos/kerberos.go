// Package kerberos is the Kerberos security support provider of a Windows
// machine, as LSASS runs it (MS-KILE, client): it finds a domain controller,
// signs in by password or by a key, decides whether it was the domain's KDC
// that answered, keeps tickets for each logon session, and changes passwords.
//
// A Provider is one machine's towards one domain; a Session is one logon
// session's cache, a value that its owner stores (it holds secrets). Nothing is
// kept beside them but which controller answered last.
//
// # Sign-in with a key
//
// The AS exchange is PKINIT (RFC 4556, MS-PKCA): Diffie-Hellman in group 14,
// the SHA-256 derivation of RFC 8636, a nonce that lets the KDC reuse its key,
// SHA-256 as the second checksum, and a freshness token (RFC 8070). A KDC that
// takes no group 14 names those that it takes, and is asked once more.
//
// A key that is registered itself (key trust) comes in a self-signed certificate,
// KEY-23, that is made anew for each request: nobody looks at anything in it but
// the key, so none is kept that could go stale. KeySubject says how it is named.
// One that an authority certified (certificate trust) comes in that certificate,
// which also tells the user's name and domain: NameIn and HintIn.
//
// # Sign-in with a partial ticket
//
// A tenant's sign-in brings a ticket-granting ticket in the name of a read-only
// controller, which says little of the user. A controller that can takes it for
// a full one, and with it the key that NTLM needs (MS-KILE 3.3.5.7.8).
//
// # Errors
//
// What a KDC, its certificate or the network refuses is an *Error: the phase,
// Kerberos' code where there is one, and the NTSTATUS that Windows shows. What
// the key's holder refuses (a wrong PIN) comes back as it is, wrapped.
//
// # What is simulated
//
// Nothing of what a KDC sees. Windows keeps the keys of a password sign-in to
// get new tickets when the old cannot be renewed any more; here the user signs
// in again. Windows reads the logon's PAC from a ticket for the machine where
// it has an account; here always from a ticket of the user to itself.
package kerberos

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/locate"
	"hellolab/providers/wire/netlogon"
	"hellolab/providers/wire/revocation"
)

// Network is the machine's network: what it does not reach is an error of Dial.
type Network interface {
	Dial(ctx context.Context, host string, port int) (net.Conn, error)
	DialPacket(ctx context.Context, host string, port int) (net.Conn, error)
}

// Domain is the domain that a machine signs in to.
type Domain struct {
	Name    string   // DNS name
	Realm   string   // the same in capitals
	Servers []string // hosts that answer DNS for it, as DHCP would say: its controllers
	Site    string   // where the machine is; "" when that is not known
}

// Validation is how a machine judges a KDC's certificate.
type Validation struct {
	Roots         []*x509.Certificate // that the machine trusts
	Intermediates []*x509.Certificate // beside those that the KDC sends
	Strict        bool                // strict KDC validation (reading R2)
	AllowUnknown  bool                // go on when revocation cannot be learned
}

// Config is what a provider works with.
type Config struct {
	Network    Network
	Domain     Domain
	Validation Validation
	Now        func() time.Time // the machine's clock
	Rand       io.Reader
	// Emit tells what was done, without secrets: the name of the step, a
	// sentence, what was decoded. Nil: nobody listens.
	Emit func(step, text string, message map[string]any)
	// Patience bounds one datagram's answer; 0 for half a second.
	Patience time.Duration
}

// Provider is the security support provider of one machine for one domain. It
// is safe for concurrent use.
type Provider struct {
	Config
	checker *revocation.Checker

	mu         sync.Mutex
	controller string         // that answered last; "" when none did
	want       netlogon.Flags // of a controller, beside a KDC
}

// New makes a provider.
func New(c Config) *Provider {
	p := &Provider{Config: c}
	p.checker = revocation.New(revocation.NewHTTP(c.Network.Dial), revocation.Options{})
	return p
}

func (p *Provider) emit(step, text string, message map[string]any) {
	if p.Emit != nil {
		p.Emit(step, text, message)
	}
}

// Ports of a domain controller.
const (
	portKerberos = 88
	portPassword = 464
)

// Controller returns the host of a domain controller, looking for one when none
// answered before (MS-ADTS 6.3.6). An *Error of PhaseLocate says that there is
// none in sight, or none of those that answer can do what is needed.
func (p *Provider) Controller(ctx context.Context) (string, error) {
	p.mu.Lock()
	known := p.controller
	p.mu.Unlock()
	if known != "" {
		return known, nil
	}
	found, err := p.locate(ctx)
	if err != nil {
		return "", fail(PhaseLocate, err)
	}
	p.mu.Lock()
	p.controller = found.Host
	p.mu.Unlock()
	return found.Host, nil
}

// need asks more of a controller than that it has a KDC. One that answered
// before is not taken for able.
func (p *Provider) need(want netlogon.Flags) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.want.Has(want) {
		p.want |= want
		p.controller = ""
	}
}

// Writable has the provider look for a controller that writes to the directory, as
// one does who joins or changes an account (DS_WRITABLE_REQUIRED of DsGetDcName): a
// read-only one, though it may be nearer, sends writers away.
func (p *Provider) Writable() { p.need(netlogon.FlagWritable) }

// locate asks each name server until one answers.
func (p *Provider) locate(ctx context.Context) (*locate.Controller, error) {
	p.mu.Lock()
	q := locate.Query{Domain: p.Domain.Name, Site: p.Domain.Site, Want: netlogon.FlagKDC | p.want}
	p.mu.Unlock()
	var failed error
	for _, server := range p.Domain.Servers {
		c := locate.Client{Dialer: p.Network, DNS: server, Rand: p.Rand, Patience: p.Patience}
		found, err := c.Locate(ctx, q)
		if err == nil {
			note := map[string]any{
				"domain": p.Domain.Name, "name_server": server, "records": locate.Name(q, q.Site), "controller": found.Host, "site": found.Ping.Site,
			}
			if q.Want.Has(netlogon.FlagKeyList) {
				note["key_list"] = true // was asked for
			}
			p.emit("dc_located", fmt.Sprintf("The domain controller %s of %s answers", found.Host, p.Domain.Name), note)
			return found, nil
		}
		failed = errors.Join(failed, err)
		if !errors.Is(err, locate.ErrDNS) {
			break // another name server would say the same
		}
	}
	if failed == nil {
		failed = fmt.Errorf("%w: no name server of %s is known", locate.ErrDNS, p.Domain.Name)
	}
	return nil, failed
}

// forget drops the controller that answered last.
func (p *Provider) forget(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.controller == host {
		p.controller = ""
	}
}

// unreachable is a controller that could not be dialed, or that hung up.
type unreachable struct {
	host string
	err  error
}

func (u *unreachable) Error() string { return fmt.Sprintf("%s cannot be reached: %v", u.host, u.err) }
func (u *unreachable) Unwrap() error { return u.err }

// line is a connection to a controller.
type line struct {
	net.Conn
	host string
}

func (l line) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if err != nil {
		err = &unreachable{l.host, err}
	}
	return n, err
}

// client speaks to the KDC of a controller; the KDC's clock is ahead by skew.
func (p *Provider) client(controller string, skew time.Duration) *krbclient.Client {
	dial := func(port int) func(context.Context, string) (net.Conn, error) {
		return func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := p.Network.Dial(ctx, controller, port)
			if err != nil {
				return nil, &unreachable{controller, err}
			}
			return line{conn, controller}, nil
		}
	}
	return &krbclient.Client{
		Realm: p.Domain.Realm, Dial: dial(portKerberos), DialPassword: dial(portPassword),
		Now: func() time.Time { return p.Now().Add(skew) }, Rand: p.Rand,
	}
}

// with runs an exchange with a controller. One that was known and cannot be
// reached any more is looked for again, once.
func (p *Provider) with(ctx context.Context, phase Phase, skew time.Duration, do func(*krbclient.Client) error) error {
	for again := false; ; again = true {
		p.mu.Lock()
		known := p.controller != ""
		p.mu.Unlock()
		host, err := p.Controller(ctx)
		if err != nil {
			return err
		}
		err = do(p.client(host, skew))
		var gone *unreachable
		if errors.As(err, &gone) {
			p.forget(host)
			if known && !again && ctx.Err() == nil {
				continue
			}
		}
		return fail(phase, err)
	}
}

// gap is how far the KDC's clock is ahead of the machine's, by a ticket that was
// issued just now; what Kerberos tolerates anyway counts as nothing.
func (p *Provider) gap(issued time.Time) time.Duration {
	d := issued.Sub(p.Now())
	if d.Abs() <= krb.Skew {
		return 0
	}
	return d
}
