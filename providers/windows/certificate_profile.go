package windows

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
	"hellolab/providers/wire/scep"
)

// Device management, which the lab has none of, is played here: where a certificate
// trust says mdm_scep, it has a SCEP profile for everybody whom the trust reaches,
// asks the authority's SCEP service for a challenge in the user's name, and hands
// both to the device when the device looks for policy, at a sign-in. From there on it
// is SCEP: the device asks the service itself.

// profileAuthority is the authority whose SCEP service a profile names; nil: device
// management has no profile for the user.
func (m *machine) profileAuthority(world *hello.World, user person) (*providers.Object[spec.Authority, spec.AuthorityOut], error) {
	u, d := world.Users[user.addr], world.Devices[m.addr]
	if u == nil || d == nil {
		return nil, nil
	}
	trust, _ := world.CertificateTrustOf(u, d)
	if trust == nil || trust.In.Delivery != string(hello.MDMDelivery) {
		return nil, nil
	}
	all, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](m.env, "authority")
	if err != nil {
		return nil, err
	}
	for i, a := range all {
		if a.Out.SCEPURL != "" && (string(trust.In.Authority) == a.Addr || trust.In.Authority == "" && a.In.Domain == trust.In.Domain) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// certifyByProfile enrolls the certificate that a profile of device management is
// for.
func (s *signingIn) certifyByProfile(ctx context.Context, held *container.Container, key container.UserKey) error {
	t := s.trace
	world, err := hello.Around(s.env.Objects, s.user.addr, s.addr)
	if err != nil {
		return err
	}
	authority, err := s.profileAuthority(world, s.user)
	if err != nil {
		return err
	}
	if authority == nil {
		err := refuse("certificate_payload_missing", nil)
		t.refused(event.Device, event.MDM, local, "certificate_payload", "Windows Hello for Business finds no certificate payload for the sign-in certificate.", err)
		return err
	}
	account, err := s.accountName()
	if err != nil {
		return err
	}
	profile, err := s.scepProfile(ctx, authority, account, hello.SignInTemplate)
	if err != nil {
		return err
	}
	t.step(event.MDM, event.Device, local, "certificate_payload", "Device management's profile for the sign-in certificate reaches the device, with a challenge that is good once.",
		message{"url": profile.URL, "ca_thumbprint": profile.Thumbprint, "expires": profile.Expires, "key_storage": "Windows Hello for Business", "template": hello.SignInTemplate})
	released, err := s.gesture(ctx, held)
	if err != nil {
		return err
	}
	defer s.closeUnlessOwn(released)
	chain, err := s.enrollBySCEP(ctx, t, released, key, profile)
	if err != nil {
		return err
	}
	return s.install(ctx, t, event.Device, s.user, key, PurposeSignIn, hello.MDMDelivery, chain)
}

// accountName is DOMAIN\name of the user's account.
func (s *signingIn) accountName() (string, error) {
	user, err := providers.Resolve[spec.User, spec.UserOut](s.env, providers.Ref(s.user.addr))
	if err != nil {
		return "", err
	}
	user.In.Password.Wipe()
	d, err := domainAt(s.env, s.user.domain)
	if err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(user.In.UPN, "@")
	if user.In.SAMAccountName != "" {
		name = user.In.SAMAccountName
	}
	return d.In.NetBIOSName + `\` + name, nil
}

// scepProfile is what device management gets of the authority's SCEP service for an
// account, over the network on which the service is.
func (m *machine) scepProfile(ctx context.Context, authority *providers.Object[spec.Authority, spec.AuthorityOut], account, template string) (*scep.Challenge, error) {
	roots, err := authorityRoots(m.env, authority.Addr)
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(authority.Out.SCEPURL)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", authority.Addr, err)
	}
	admin := &scep.Admin{Env: m.desk, Host: at.Hostname(), Secret: authority.Out.SCEPSecret, Roots: roots}
	return admin.Challenge(ctx, account, template)
}

// authorityRoots are the root of an authority's chain, and those between.
func authorityRoots(env providers.Env, addr string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for seen := []string{}; addr != "" && !slices.Contains(seen, addr); {
		seen = append(seen, addr)
		a, err := providers.Resolve[spec.Authority, spec.AuthorityOut](env, providers.Ref(addr))
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode([]byte(a.Out.Certificate))
		if block == nil {
			return nil, fmt.Errorf("%s: its certificate is not PEM", addr)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", addr, err)
		}
		pool.AddCert(cert)
		addr = string(a.In.Parent)
	}
	return pool, nil
}

// enrollBySCEP has the device ask for a certificate for a released key (RFC 8894).
func (m *machine) enrollBySCEP(ctx context.Context, t *trace, released *container.Released, key container.UserKey, profile *scep.Challenge) ([]*x509.Certificate, error) {
	signer, err := released.Section(key.Provider).Signer(ctx, key.ID)
	if err != nil {
		return nil, err
	}
	csr, err := scep.NewRequest(m.env.Rand, signer, pkix.Name{}, profile.Password)
	if err != nil {
		return nil, err
	}
	t.step(event.Device, keyHolder(m), tpm20, "csr_created", "A PKCS #10 certificate request with the challenge is made, signed with the Hello key.", message{"kid": key.ID, "length": len(csr)})
	t.step(event.Device, event.SCEP, "SCEP", "scep_request", "The device sends the request to the authority's SCEP service, encrypted.", message{"url": profile.URL, "kid": key.ID})
	c := &scep.Client{Dial: m.env.Network.Dial, URL: profile.URL, Thumbprint: profile.Thumbprint, Now: m.env.Now, Rand: m.env.Rand}
	chain, err := c.Enroll(ctx, csr)
	if err != nil {
		r := refuse("certificate_not_issued", err)
		var no *scep.Refusal
		if errors.As(err, &no) {
			r.Reason.Sentence = sentence(no)
		}
		return nil, r
	}
	t.step(event.Device, "", local, "certificate_received", "The certificate comes back from the SCEP service.",
		message{"subject": chain[0].Subject.String(), "issuer": chain[0].Issuer.String(), "serial_number": chain[0].SerialNumber.Text(16), "chain": len(chain)})
	return chain, nil
}
