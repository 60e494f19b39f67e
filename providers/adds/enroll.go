package adds

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/adds/directory"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/rsakey"
)

// templateNames are the templates of spec.KDCCertificate by their names in the
// directory.
var templateNames = map[string]string{
	spec.TemplateKerberosAuthentication:         "KerberosAuthentication",
	spec.TemplateDomainControllerAuthentication: "DomainControllerAuthentication",
	spec.TemplateDomainController:               "DomainController",
}

// keyBits is the size of a controller's key.
const keyBits = 2048

// due is the controllers' autoenrollment: each gets the certificate that it is
// to have, from an authority that the directory publishes, renews it in the
// last fifth of its life, and gives one up that it is not to have any more.
// Without an authority there is nothing to do. And it is the protection of
// administrators, once an hour.
func due(ctx context.Context, env providers.Env, _ domainObject) error {
	d, set, err := load(env)
	if err != nil {
		return err
	}
	if env.Rand == nil {
		env.Rand = options(env).Rand
	}
	cfg := d.Config()
	failed := d.ProtectDue(ctx)
	for _, c := range cfg.Controllers {
		a := &autoenrollment{env: env, dir: d, cfg: &cfg, controller: c, certificate: &kdcCertificate{env: env, computer: c.Name}}
		if err := a.run(ctx, wanted(set.controllerOf(c.Name))); err != nil {
			failed = errors.Join(failed, fmt.Errorf("certificate of %s: %w", cfg.Host(c.Name), err))
		}
	}
	return failed
}

// autoenrollment is that of one controller.
type autoenrollment struct {
	env         providers.Env
	dir         *directory.Directory
	cfg         *directory.Config
	controller  directory.Controller
	certificate *kdcCertificate
}

func (a *autoenrollment) run(ctx context.Context, template string) error {
	rec, err := a.certificate.record()
	if err != nil {
		return err
	}
	if template == spec.TemplateNone {
		if rec == nil {
			return nil
		}
		return a.keep(ctx, nil)
	}
	// The directory is asked for authorities only when there is one: a domain
	// alone is not dialed for this.
	if !a.dir.HasBelow("CN=Enrollment Services,CN=Public Key Services,CN=Services,CN=Configuration," + a.cfg.DN()) {
		return nil
	}
	c, err := a.signIn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	services, err := enroll.Published(c)
	if err != nil {
		return err
	}
	name := templateNames[template]
	services = slices.DeleteFunc(services, func(s enroll.Service) bool { return !slices.Contains(s.Templates, name) })
	fresh, err := a.fresh(rec, name, services)
	if err != nil || fresh || len(services) == 0 {
		return err
	}
	roots, err := enroll.Roots(c)
	if err != nil {
		return err
	}
	client := &enroll.Client{Env: a.env, Roots: enroll.Pool(roots), Ticket: func(ctx context.Context, host string) (gss.Credential, error) {
		proof, err := a.proof(ctx)
		if err != nil {
			return gss.Credential{}, err
		}
		return adldap.Ticket(ctx, a.env, a.cfg.Realm(), a.cfg.Host(a.controller.Name), a.principal(), proof, krb.Service("HTTP", host))
	}}
	return a.enroll(ctx, client, services[0], name)
}

// fresh says whether a certificate is by the template, of an authority that is
// still there, and not near its end.
func (a *autoenrollment) fresh(rec *controllerCertificate, template string, services []enroll.Service) (bool, error) {
	if rec == nil || rec.Template != template {
		return false, nil
	}
	leaf, err := x509.ParseCertificate(rec.Chain[0])
	if err != nil {
		return false, err
	}
	renew := leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 5)
	of := func(s enroll.Service) bool { return s.Name == leaf.Issuer.CommonName }
	return a.env.Now().Before(renew) && (len(services) == 0 || slices.ContainsFunc(services, of)), nil
}

func (a *autoenrollment) principal() krb.Name { return krb.Principal(a.controller.Name + "$") }

// proof is the controller's own keys.
func (a *autoenrollment) proof(ctx context.Context) (krbclient.Preauth, error) {
	account, err := a.dir.Client(ctx, a.controller.Name+"$", false)
	if err != nil {
		return nil, err
	}
	var keys []krb.Key
	for _, k := range account.Keys {
		if k.Version == account.Keys[0].Version && k.Key.EType != krb.RC4 {
			keys = append(keys, k.Key)
		}
	}
	return krbclient.Keys(keys...), nil
}

func (a *autoenrollment) signIn(ctx context.Context) (*adldap.Conn, error) {
	proof, err := a.proof(ctx)
	if err != nil {
		return nil, err
	}
	return adldap.SignIn(ctx, a.env, adldap.Domain{
		Realm: a.cfg.Realm(), Host: a.cfg.Host(a.controller.Name), BaseDN: a.cfg.DN(), Account: a.controller.Name + "$", Proof: proof,
	})
}

func (a *autoenrollment) enroll(ctx context.Context, client *enroll.Client, s enroll.Service, template string) error {
	key, err := rsakey.New(a.env.Rand, keyBits)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(a.env.Rand, &x509.CertificateRequest{}, key)
	if err != nil {
		return err
	}
	chain, err := client.Enroll(ctx, s, template, csr)
	if err != nil {
		return err
	}
	rec := &controllerCertificate{Template: template}
	for _, c := range chain {
		rec.Chain = append(rec.Chain, c.Raw)
	}
	if rec.Key, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return err
	}
	if err := a.keep(ctx, rec); err != nil {
		return err
	}
	leaf := chain[0]
	a.env.Emit.Emit(event.Event{
		At: a.env.Now(), Actor: event.ActiveDirectory, Protocol: "HTTPS", Step: "kdc_certificate_enrolled",
		Text:    fmt.Sprintf("%s enrolled a certificate by the template %s from %s", a.cfg.Host(a.controller.Name), template, s.Name),
		Message: map[string]any{"serial": leaf.SerialNumber.Text(16), "not_after": leaf.NotAfter.UTC().Format(time.RFC3339), "dns_names": leaf.DNSNames},
	})
	return nil
}

// keep stores what was enrolled; nil gives it up.
func (a *autoenrollment) keep(ctx context.Context, rec *controllerCertificate) error {
	name := strings.ToLower(a.controller.Name)
	return a.env.Section.Update(ctx, func(w providers.Writer) error {
		if rec == nil {
			return w.Delete(tableCertificates, name)
		}
		data, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		return w.Put(tableCertificates, name, data)
	})
}
