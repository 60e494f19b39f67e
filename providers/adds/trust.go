package adds

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/adds/directory"
	"hellolab/providers/adds/kdc"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/revocation"
)

// mappings are the modes of spec.Domain.Mapping.
var mappings = map[string]kdc.MappingMode{
	"full": kdc.MappingFull, "compatibility": kdc.MappingCompatibility, "none": kdc.MappingNone,
}

// reuse is how long a controller uses one Diffie-Hellman key for clients that
// sent a nonce for it.
const reuse = 10 * time.Minute

// pkinit is the pre-authentication by public key of one controller.
func (s *service) pkinit(c *kdcCertificate, at spec.Controller) (kdc.Preauth, error) {
	policy := kdc.PKINITPolicy{Mapping: mappings[s.set.In.Mapping], ClientAuthEKU: s.set.In.ClientAuthEKU, ReuseKey: reuse, MisnamesKeys: hello.MisnamesKeys(at)}
	if s.set.In.Interop != nil {
		policy.KeylessCMS = s.set.In.Interop.KeylessCMS
	}
	return kdc.NewPKINIT(kdc.PKINITConfig{Identity: c, Trust: &stores{dir: s.dir, checker: s.checker}, Policy: policy, Rand: s.env.Rand})
}

// Certificate implements kdc.Identity: the certificate as it is now, if it is
// in its life.
func (c *kdcCertificate) Certificate(context.Context) (*kdc.Certificate, error) {
	cert, err := c.load()
	if err != nil || cert == nil {
		return nil, err
	}
	leaf := cert.tls.Leaf
	if now := c.env.Now(); now.Before(leaf.NotBefore) || !now.Before(leaf.NotAfter) {
		return nil, nil
	}
	signer, ok := cert.tls.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key of %s does not sign", c.computer)
	}
	return &kdc.Certificate{Chain: cert.chain, Key: signer}, nil
}

// stores are the certificates that the domain's controllers trust, as the
// directory publishes them.
type stores struct {
	dir     *directory.Directory
	checker *revocation.Checker
}

// VerifyClient implements kdc.Trust.
func (s *stores) VerifyClient(ctx context.Context, chain []*x509.Certificate, at time.Time) error {
	published, err := s.dir.Authorities(ctx)
	if err != nil {
		return err
	}
	trust := kdc.ChainTrust{Roots: published.Roots, Intermediates: published.Intermediates, NTAuth: published.NTAuth, Revocation: kdc.Revocation(s.checker)}
	return trust.VerifyClient(ctx, chain, at)
}

// fetcher gets lists and answers over the lab's network, as controllers do: an
// authority's are reached where it opens them to "dc".
func fetcher(env providers.Env) *revocation.Checker {
	return revocation.New(revocation.NewHTTP(func(ctx context.Context, host string, port int) (net.Conn, error) {
		if err := listsOpen(env, host); err != nil {
			return nil, err
		}
		return env.Network.Dial(ctx, host, port)
	}), revocation.Options{})
}

// listsOpen says why controllers do not reach what an authority publishes on a host;
// nil when they do.
func listsOpen(env providers.Env, host string) error {
	authorities, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](env, "authority")
	if err != nil {
		return err
	}
	for _, a := range authorities {
		if strings.EqualFold(a.Out.Host, host) && a.In.CRL != nil && a.In.CRL.ReachableFrom != nil && !slices.Contains(a.In.CRL.ReachableFrom, "dc") {
			return fmt.Errorf("%s does not open its lists to domain controllers (crl.reachable_from)", a.Addr)
		}
	}
	return nil
}
