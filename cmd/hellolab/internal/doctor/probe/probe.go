// Package probe asks the services of a lab what package doctor judges, as any
// client does: Kerberos requests, TLS handshakes, revocation lists over HTTP,
// LDAP. It changes nothing that a client would not.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"hellolab/cmd/hellolab/internal/doctor"
	"hellolab/providers"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/revocation"
)

// Ports of a controller and of an authority.
const (
	portKerberos = 88
	portLDAPS    = 636
	portHTTPS    = 443
)

// patience is how long one question may take, in real time.
const patience = 15 * time.Second

// errSeen ends an exchange when the offer is known.
var errSeen = errors.New("seen")

// look is a krbclient.Preauth that only looks at what the KDC offers.
type look struct{ offered []krb.PAData }

func (l *look) Wants() []krb.PAData { return nil }

func (l *look) Data(_ context.Context, r krbclient.Request) ([]krb.PAData, error) {
	l.offered = r.Offered
	return nil, errSeen
}

func (l *look) ReplyKey(context.Context, krbclient.Request, *krb.KDCRep) (krb.Key, error) {
	return krb.Key{}, errSeen
}

// Controller asks a domain controller what it offers an account and by which
// certificate it is known.
func Controller(ctx context.Context, env providers.Env, realm, host, account string) doctor.Controller {
	c := doctor.Controller{Host: host}
	ask := func(etypes ...int32) ([]krb.PAData, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		client := &krbclient.Client{Realm: realm, Now: env.Now, Rand: env.Rand, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return env.Network.Dial(ctx, host, portKerberos)
		}}
		l := &look{}
		_, err := client.AS(ctx, krbclient.ASRequest{Client: krb.Principal(account), ETypes: etypes}, l)
		if errors.Is(err, errSeen) {
			err = nil
		}
		return l.offered, err
	}
	offered, err := ask()
	if err != nil {
		c.Trouble = err
		return c
	}
	_, c.PKINIT = krb.FindPA(offered, krb.PAPKASReq)
	// What takes RC4 asks for pre-authentication by it; what does not knows no
	// type that the client and it have in common.
	_, err = ask(krb.RC4)
	c.RC4 = err == nil
	if chain, err := Handshake(ctx, env, host, portLDAPS); err == nil {
		c.Chain = chain
	}
	return c
}

// Handshake returns the certificates that a host shows for TLS. They are not
// verified: what is wrong with them is what is looked for.
func Handshake(ctx context.Context, env providers.Env, host string, port int) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	raw, err := env.Network.Dial(ctx, host, port)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{ServerName: host, InsecureSkipVerify: true, Time: env.Now, Rand: env.Rand, MinVersion: tls.VersionTLS12})
	defer conn.Close()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return conn.ConnectionState().PeerCertificates, nil
}

// Authority asks an authority's server for what relying parties need of it.
func Authority(ctx context.Context, env providers.Env, host string, a *doctor.Authority, lists, responders []string) {
	if shown, err := Handshake(ctx, env, host, portHTTPS); err != nil {
		a.Trouble = err
	} else if len(shown) > 0 {
		a.Enrollment = shown[0]
	}
	subject := a.Enrollment
	if subject == nil || subject.CheckSignatureFrom(a.Certificate) != nil {
		// Nobody is at hand whom the authority certified: lists are asked all the
		// same, and a responder knows no such certificate.
		subject = &x509.Certificate{SerialNumber: a.Certificate.SerialNumber, CRLDistributionPoints: lists, OCSPServer: responders}
	}
	seen := &recorder{fetch: revocation.NewHTTP(env.Network.Dial)}
	now := env.Now()
	a.Lists = revocation.New(seen, revocation.Options{NoOCSP: true}).Check(ctx, subject, a.Certificate, now)
	a.Overdue = seen.overdue(now)
	a.Responder = revocation.New(seen, revocation.Options{NoLists: true}).Check(ctx, subject, a.Certificate, now)
	if a.Responder.Cause == revocation.UnknownSerial && subject != a.Enrollment {
		a.Responder.Status = revocation.Good // it answers, and that was the question
	}
}

// Revoked asks for a certificate as its relying parties do; nil when its issuer
// is not at hand.
func Revoked(ctx context.Context, env providers.Env, cert *x509.Certificate, issuers []*x509.Certificate) *revocation.Result {
	for _, issuer := range issuers {
		if cert.CheckSignatureFrom(issuer) == nil {
			r := revocation.New(revocation.NewHTTP(env.Network.Dial), revocation.Options{}).Check(ctx, cert, issuer, env.Now())
			return &r
		}
	}
	return nil
}

// recorder remembers the lists that pass through it.
type recorder struct {
	fetch revocation.Fetcher
	mu    sync.Mutex
	lists []*crl.List
}

// Fetch implements revocation.Fetcher.
func (r *recorder) Fetch(ctx context.Context, url string, post *revocation.Post, limit int) ([]byte, error) {
	b, err := r.fetch.Fetch(ctx, url, post, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if post == nil {
		if l, err := crl.Parse(b); err == nil {
			r.mu.Lock()
			r.lists = append(r.lists, l)
			r.mu.Unlock()
		}
	}
	return b, nil
}

// overdue is when the first of the lists should have been replaced that is past
// that time; zero when none is.
func (r *recorder) overdue(now time.Time) (at time.Time) {
	for _, l := range r.lists {
		if !l.NextPublish.IsZero() && now.After(l.NextPublish) && (at.IsZero() || l.NextPublish.Before(at)) {
			at = l.NextPublish
		}
	}
	return at
}
