package all

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/faults"
	"hellolab/providers/spec"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/rsakey"
	"hellolab/providers/wire/sid"
)

// Faults returns every way to break a lab, in the order of the reference.
func Faults(d Deps) []providers.Fault {
	return slices.Concat(faults.All(), kdcCertificates(), signInCertificates(d), d.Windows.Faults())
}

// kdcCertificates are faults that take the consoles of two systems: a domain's
// controllers and the authority that certifies them.
func kdcCertificates() []providers.Fault {
	controller := func(name, doc string, begin func(context.Context, issuance) error) providers.Fault {
		return providers.Fault{Name: name, Doc: doc, Targets: []string{"domain"}, Lasting: true, Params: []providers.Attr{faults.Controller()},
			Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
				at, err := issuanceOf(b, is.Target.Addr)
				if err != nil {
					return err
				}
				at.only = is.Text(faults.Controller().Name)
				return begin(ctx, at)
			}}
	}
	return []providers.Fault{
		controller("kdc_certificate_revoked", "The certificates of its KDCs, or that of `controller`, are revoked, and the lists say so.", revoke),
		controller("kdc_certificate_of_other_domain", "The certificates of its KDCs, or that of `controller`, name another domain.", misname),
	}
}

// issuance is a domain and the authority that its controllers enroll from.
type issuance struct {
	domain    providers.Object[spec.Domain, spec.DomainOut]
	authority string
	only      string // controller that is meant; "": all
	atDomain  providers.Env
	atCA      providers.Env
}

func issuanceOf(b providers.Breaker, domain string) (at issuance, err error) {
	env, err := b.Env("")
	if err != nil {
		return at, err
	}
	if at.domain, err = providers.Resolve[spec.Domain, spec.DomainOut](env, providers.Ref(domain)); err != nil {
		return at, fmt.Errorf("%s: %w", domain, err)
	}
	authorities, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](env, "authority")
	if err != nil {
		return at, err
	}
	for _, a := range authorities {
		if string(a.In.Domain) != domain || a.ID == "" {
			continue
		}
		at.authority = a.Addr
		if at.atDomain, err = b.Env(domain); err != nil {
			return at, err
		}
		at.atCA, err = b.Env(a.Addr)
		return at, err
	}
	return at, fmt.Errorf("%s has no authority that certifies its controllers", domain)
}

// computers are the names of the controllers that are meant.
func (at issuance) computers() (names []string, err error) {
	for _, h := range at.domain.Out.Hosts {
		name, _, _ := strings.Cut(h, ".")
		if at.only == "" || strings.EqualFold(at.only, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		err = fmt.Errorf("%s has no controller %q", at.domain.Addr, at.only)
	}
	return names, err
}

func revoke(ctx context.Context, at issuance) error {
	names, err := at.computers()
	if err != nil {
		return err
	}
	for _, name := range names {
		cert, err := adds.KDCCertificate(at.atDomain, name)
		if err != nil {
			return err
		}
		if err := adcs.Revoke(ctx, at.atCA, cert.SerialNumber, crl.KeyCompromise); err != nil {
			return fmt.Errorf("%s: %w", at.authority, err)
		}
	}
	if err := adcs.Publish(ctx, at.atCA); err != nil {
		return fmt.Errorf("%s: %w", at.authority, err)
	}
	return nil
}

// otherDomain is whose names the certificates have that misname makes.
const otherDomain = "fabrikam.example"

// misname has each controller present a certificate by its own authority for a
// controller of another domain.
func misname(ctx context.Context, at issuance) error {
	id, err := sid.Parse(at.domain.Out.SID)
	if err != nil {
		return err
	}
	names, err := at.computers()
	if err != nil {
		return err
	}
	for _, name := range names {
		key, err := rsakey.New(at.atDomain.Rand, 2048)
		if err != nil {
			return err
		}
		csr, err := x509.CreateCertificateRequest(at.atDomain.Rand, &x509.CertificateRequest{}, key)
		if err != nil {
			return err
		}
		chain, err := adcs.IssueController(ctx, at.atCA, adcs.Controller{
			SID: id.Account(1000), DN: "CN=" + name + ",OU=Domain Controllers,DC=fabrikam,DC=example", CommonName: name,
			Host: name + "." + otherDomain, Domain: otherDomain, NetBIOS: "FABRIKAM",
		}, csr)
		if err != nil {
			return fmt.Errorf("%s: %w", at.authority, err)
		}
		if err := adds.InstallCertificate(ctx, at.atDomain, name, chain, key); err != nil {
			return err
		}
	}
	return nil
}
