package all

import (
	"context"
	"crypto/x509"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/drs"
)

// signInCertificates are faults that take an authority's console, and what others
// know of the certificates that it issued.
func signInCertificates(d Deps) []providers.Fault {
	return []providers.Fault{
		{
			Name: "agent_certificate_revoked", Targets: []string{"federation"}, Lasting: true,
			Doc: "Its enrollment agent certificate is revoked, and the lists say so.",
			Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
				env, err := b.Env("")
				if err != nil {
					return err
				}
				f, err := providers.Resolve[spec.Federation, spec.FederationOut](env, providers.Ref(is.Target.Addr))
				if err != nil {
					return err
				}
				if f.In.Authority == "" || f.Out.AgentThumbprint == "" {
					return fmt.Errorf("%s has no enrollment agent certificate", f.Addr)
				}
				return revokeAt(ctx, b, string(f.In.Authority), map[string]bool{f.Out.AgentThumbprint: true})
			},
		},
		{
			Name: "sign_in_certificate_revoked", Targets: []string{"enrollment"}, Lasting: true,
			Doc: "The certificates that its key signs in with are revoked, and the lists say so.",
			Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
				env, err := b.Env("")
				if err != nil {
					return err
				}
				e, err := providers.Resolve[spec.Enrollment, spec.EnrollmentOut](env, providers.Ref(is.Target.Addr))
				if err != nil {
					return err
				}
				e.In.PIN.Wipe()
				at, err := b.Env(string(e.In.Device))
				if err != nil {
					return err
				}
				all, err := d.Windows.Certificates(at, string(e.In.Device), string(e.In.User))
				if err != nil {
					return err
				}
				w, err := hello.Around(env.Objects, string(e.In.User), string(e.In.Device))
				if err != nil {
					return err
				}
				from := authorityOf(w, e.In)
				wanted := map[string]bool{}
				for _, c := range all {
					wanted[c.Thumbprint] = true
				}
				if from == "" || len(wanted) == 0 {
					return fmt.Errorf("%s has no sign-in certificate", e.Addr)
				}
				return revokeAt(ctx, b, from, wanted)
			},
		},
	}
}

// authorityOf is the authority of an enrollment's sign-in certificates; "" when
// there is none.
func authorityOf(w *hello.World, e spec.Enrollment) string {
	u, d := w.Users[string(e.User)], w.Devices[string(e.Device)]
	if u == nil || d == nil {
		return ""
	}
	if t, _ := w.CertificateTrustOf(u, d); t != nil && t.In.Authority != "" {
		return string(t.In.Authority)
	}
	if ra := w.RegistrationAuthorityOf(u, d); ra != nil {
		return string(ra.In.Authority)
	}
	return ""
}

// revokeAt revokes certificates of an authority, by their thumbprints, and
// publishes lists that say so.
func revokeAt(ctx context.Context, b providers.Breaker, authority string, wanted map[string]bool) error {
	env, err := b.Env(authority)
	if err != nil {
		return err
	}
	rows, err := adcs.Issued(env)
	if err != nil {
		return fmt.Errorf("%s: %w", authority, err)
	}
	found := false
	for _, row := range rows {
		cert, err := x509.ParseCertificate(row.Certificate)
		if err != nil || !wanted[drs.Thumbprint(cert.Raw)] {
			continue
		}
		found = true
		if err := adcs.Revoke(ctx, env, cert.SerialNumber, crl.KeyCompromise); err != nil {
			return fmt.Errorf("%s: %w", authority, err)
		}
	}
	if !found {
		return fmt.Errorf("%s did not issue the certificate", authority)
	}
	return adcs.Publish(ctx, env)
}
