package adds

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers"
)

// KDCCertificate returns the certificate of a controller, by its computer name,
// as it stands in the machine's store. env is that of the domain.
func KDCCertificate(env providers.Env, computer string) (*x509.Certificate, error) {
	c := &kdcCertificate{env: env, computer: computer}
	loaded, err := c.load()
	if err != nil {
		return nil, err
	}
	if loaded == nil {
		return nil, fmt.Errorf("the controller %s has no certificate", computer)
	}
	return loaded.tls.Leaf, nil
}

// InstallCertificate puts a certificate, leaf first, and its key in the place of
// a controller's, as an administrator does in the machine's store (certlm). Its
// autoenrollment takes it for its own as long as it is by the template that it
// enrolls.
func InstallCertificate(ctx context.Context, env providers.Env, computer string, chain []*x509.Certificate, key any) error {
	d, set, err := load(env)
	if err != nil {
		return err
	}
	if len(chain) == 0 {
		return errors.New("no certificate to install")
	}
	cfg := d.Config()
	for _, c := range cfg.Controllers {
		if !strings.EqualFold(c.Name, computer) {
			continue
		}
		rec := &controllerCertificate{Template: templateNames[wanted(set.controllerOf(c.Name))]}
		for _, cert := range chain {
			rec.Chain = append(rec.Chain, cert.Raw)
		}
		if rec.Key, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
			return err
		}
		a := &autoenrollment{env: env, controller: c}
		return a.keep(ctx, rec)
	}
	return fmt.Errorf("the domain has no controller %s", computer)
}
