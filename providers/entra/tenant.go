// Package entra is an Entra ID tenant: token service, second factor, device
// registration, primary refresh tokens and the Graph-shaped administration of
// users, groups and devices, each on a host of its own, over HTTPS.
//
// It speaks MS-OAPXBC, MS-DVRD, MS-DVRJ, MS-KPP and what public clients of the
// cloud expect; the messages are in package wire. Everything a tenant knows is
// in its section; keys and verifiers lie there sealed. Everything that expires
// does so by lab time.
package entra

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

const (
	keyConfig = "config"
	keyKeys   = "keys"
)

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{Tenant()} }

// Tenant returns the kind "tenant".
func Tenant() providers.Type {
	return providers.Of(providers.Kind[spec.Tenant, spec.TenantOut]{
		Name:    "tenant",
		Doc:     "An Entra ID tenant: token service, device registration, second factor and directory.",
		Hosts:   hostsOfObject,
		Key:     key,
		Predict: predict,
		Find:    find,
		Create:  create,
		Read:    read,
		Update:  update,
		Open:    open,
		Due:     due,
	})
}

func hostsOfObject(o providers.Object[spec.Tenant, spec.TenantOut]) []string {
	// The label is fixed at creation, so it is read off a host, not the domains.
	label, ok := strings.CutPrefix(o.Out.LoginHost, "login.")
	if !ok {
		return nil
	}
	return []string{o.Out.LoginHost, "sts." + label, o.Out.RegistrationHost, o.Out.GraphHost}
}

func key(in spec.Tenant) string {
	if len(in.Domains) == 0 {
		return ""
	}
	return strings.ToLower(in.Domains[0])
}

func predict(in spec.Tenant) spec.TenantOut {
	domain := key(in)
	if !validDomain(domain) {
		return spec.TenantOut{}
	}
	h := hostsOf(domain)
	return spec.TenantOut{LoginHost: h.login, RegistrationHost: h.drs, GraphHost: h.graph}
}

func loadConfig(env providers.Env) (cfg *config, err error) {
	err = env.Section.View(func(r providers.Reader) error {
		cfg, err = get[config](r, tableTenant, keyConfig)
		return err
	})
	if errors.Is(err, errNotFound) {
		return nil, providers.ErrGone
	}
	return cfg, err
}

func find(_ context.Context, env providers.Env, key string) (providers.Object[spec.Tenant, spec.TenantOut], error) {
	cfg, err := loadConfig(env)
	if err == nil && cfg.Label != key {
		err = providers.ErrGone
	}
	if err != nil {
		return providers.Object[spec.Tenant, spec.TenantOut]{}, err
	}
	return providers.Object[spec.Tenant, spec.TenantOut]{Addr: env.Addr, ID: cfg.TenantID, In: cfg.in(), Out: cfg.out()}, nil
}

func read(_ context.Context, env providers.Env, o providers.Object[spec.Tenant, spec.TenantOut]) (providers.Object[spec.Tenant, spec.TenantOut], error) {
	cfg, err := loadConfig(env)
	if err == nil && cfg.TenantID != o.ID {
		err = providers.ErrGone
	}
	if err != nil {
		return o, err
	}
	o.In, o.Out = cfg.in(), cfg.out()
	return o, nil
}

func create(ctx context.Context, env providers.Env, in spec.Tenant) (spec.TenantOut, error) {
	domains, err := domainsOf(in)
	if err != nil {
		return spec.TenantOut{}, err
	}
	if err := checkOthers(env, domains); err != nil {
		return spec.TenantOut{}, err
	}
	cfg := &config{Name: domains[0], Label: domains[0], Created: env.Now()}
	if err := cfg.set(in, domains); err != nil {
		return spec.TenantOut{}, err
	}
	for _, id := range []*string{&cfg.TenantID, &cfg.AdminClientID} {
		g, err := guid.New(env.Rand)
		if err != nil {
			return spec.TenantOut{}, err
		}
		*id = g.String()
	}
	secret := make([]byte, 32)
	if _, err := io.ReadFull(env.Rand, secret); err != nil {
		return spec.TenantOut{}, fmt.Errorf("make admin secret: %w", err)
	}
	cfg.AdminSecret = base64.RawURLEncoding.EncodeToString(secret)
	ring, err := newKeyRing(env.Rand, env.Now())
	if err != nil {
		return spec.TenantOut{}, err
	}
	trusted, err := federate(ctx, env, cfg, nil)
	if err != nil {
		return spec.TenantOut{}, err
	}
	err = env.Section.Update(ctx, func(w providers.Writer) error {
		if _, err := get[config](w, tableTenant, keyConfig); err == nil {
			return errors.New("the tenant exists already")
		} else if !errors.Is(err, errNotFound) {
			return err
		}
		if err := put(w, tableTenant, keyKeys, ring); err != nil {
			return err
		}
		if err := putFederation(w, trusted); err != nil {
			return err
		}
		return put(w, tableTenant, keyConfig, cfg)
	})
	if err != nil {
		return spec.TenantOut{}, err
	}
	return cfg.out(), nil
}

// checkOthers refuses a domain that another tenant of the lab has: a user name
// must say which tenant it belongs to.
func checkOthers(env providers.Env, domains []string) error {
	others, err := providers.ResolveAll[spec.Tenant, spec.TenantOut](env, "tenant")
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Addr == env.Addr || o.ID == "" {
			continue
		}
		for _, d := range o.In.Domains {
			if slices.Contains(domains, strings.ToLower(d)) {
				return fmt.Errorf("domain %s belongs to %s already", strings.ToLower(d), o.Addr)
			}
		}
	}
	return nil
}

func update(ctx context.Context, env providers.Env, o providers.Object[spec.Tenant, spec.TenantOut], in spec.Tenant) (spec.TenantOut, error) {
	domains, err := domainsOf(in)
	if err != nil {
		return spec.TenantOut{}, err
	}
	if err := checkOthers(env, domains); err != nil {
		return spec.TenantOut{}, err
	}
	cfg := &config{}
	if err := cfg.set(in, domains); err != nil {
		return spec.TenantOut{}, err
	}
	known, err := federationOf(env)
	if err != nil {
		return spec.TenantOut{}, err
	}
	trusted, err := federate(ctx, env, cfg, known)
	if err != nil {
		return spec.TenantOut{}, err
	}
	err = env.Section.Update(ctx, func(w providers.Writer) error {
		if cfg, err = get[config](w, tableTenant, keyConfig); err != nil {
			return err
		}
		// The hosts, the issuer and all that was issued carry the first domain.
		if domains[0] != cfg.Label {
			return fmt.Errorf("the first domain names the tenant's hosts and cannot change from %s to %s; add %s behind it, or replace the tenant", cfg.Label, domains[0], domains[0])
		}
		for _, d := range cfg.Domains {
			if slices.Contains(domains, d) {
				continue
			}
			if err := checkDomainUnused(w, d); err != nil {
				return err
			}
		}
		if err := cfg.set(in, domains); err != nil {
			return err
		}
		if err := putFederation(w, trusted); err != nil {
			return err
		}
		return put(w, tableTenant, keyConfig, cfg)
	})
	if errors.Is(err, errNotFound) {
		err = providers.ErrGone
	}
	if err != nil {
		return spec.TenantOut{}, err
	}
	return cfg.out(), nil
}

func checkDomainUnused(r providers.Reader, domain string) error {
	return r.Scan(tableUPN, "", func(upn string, _ []byte) error {
		if strings.HasSuffix(upn, "@"+domain) {
			return fmt.Errorf("domain %s cannot be removed: %s signs in with it", domain, upn)
		}
		return nil
	})
}

// open answers on the tenant's hosts.
func open(ctx context.Context, env providers.Env, _ providers.Object[spec.Tenant, spec.TenantOut]) (providers.Service, error) {
	s, err := load(env)
	if err != nil {
		return nil, err
	}
	cert, err := web.Certificate(ctx, env, s.hosts.all())
	if err != nil {
		return nil, err
	}
	return web.Serve(ctx, env, s.hosts.all(), cert, s)
}

// load makes the server of the tenant that env is of.
func load(env providers.Env) (*server, error) {
	cfg, err := loadConfig(env)
	if err != nil {
		return nil, err
	}
	var ring *keyRing
	err = env.Section.View(func(r providers.Reader) error {
		ring, err = get[keyRing](r, tableTenant, keyKeys)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("tenant keys: %w", err)
	}
	return newServer(env, *cfg, ring)
}

// Defaults of spec.TenantLifetimes, for a tenant without the block.
const (
	defaultNonce       = 5 * time.Minute
	defaultMFA         = 10 * time.Minute
	defaultAccessToken = time.Hour
	defaultPRT         = 14 * 24 * time.Hour
	defaultPRTRenewal  = 4 * time.Hour

	defaultDeviceQuota = 50 // of spec.Tenant

	maxLifetime = 10 * 365 * 24 * time.Hour
)

func (c *config) set(in spec.Tenant, domains []string) error {
	c.Domains, c.Written, c.Attestation, c.ReplyCipher = domains, in.Domains, in.Attestation, in.ReplyCipher
	if c.DeviceQuota = cmp.Or(in.DeviceQuota, defaultDeviceQuota); c.DeviceQuota < 0 {
		return fmt.Errorf("device_quota is %d; a user has at least one device", c.DeviceQuota)
	}
	if c.Federation = ""; in.Authentication == authenticationFederated {
		if c.Federation = string(in.Federation); c.Federation == "" {
			return errors.New("a federated tenant needs its federation")
		}
	}
	c.Lifetimes = lifetimes{defaultNonce, defaultMFA, defaultAccessToken, defaultPRT, defaultPRTRenewal}
	c.HasLifetimes = in.Lifetimes != nil
	c.MFA, c.HasMFA = mfaBuiltin, in.MFA != nil
	if in.MFA != nil && in.MFA.Provider != "" {
		c.MFA = in.MFA.Provider
	}
	if in.MFA != nil {
		c.FederatedMFA = in.MFA.Federated
	}
	if l := in.Lifetimes; l != nil {
		c.Lifetimes = lifetimes{l.Nonce, l.MFA, l.AccessToken, l.PRT, l.PRTRenewal}
	}
	for _, d := range []struct {
		name string
		life time.Duration
	}{{"nonce", c.Lifetimes.Nonce}, {"mfa", c.Lifetimes.MFA}, {"access_token", c.Lifetimes.AccessToken}, {"prt", c.Lifetimes.PRT}, {"prt_renewal", c.Lifetimes.PRTRenewal}} {
		if d.life < time.Second || d.life > maxLifetime {
			return fmt.Errorf("lifetimes.%s is %s; it must lie between a second and ten years", d.name, d.life)
		}
	}
	return nil
}

func (c *config) in() spec.Tenant {
	in := spec.Tenant{Domains: c.Written, Authentication: authenticationManaged, Attestation: c.Attestation, ReplyCipher: c.ReplyCipher, DeviceQuota: cmp.Or(c.DeviceQuota, defaultDeviceQuota)}
	if c.federated() {
		in.Authentication, in.Federation = authenticationFederated, providers.Ref(c.Federation)
	}
	if c.HasMFA {
		in.MFA = &spec.TenantMFA{Provider: c.MFA, Federated: cmp.Or(c.FederatedMFA, "accept")}
	}
	if c.HasLifetimes {
		l := c.Lifetimes
		in.Lifetimes = &spec.TenantLifetimes{Nonce: l.Nonce, MFA: l.MFA, AccessToken: l.AccessToken, PRT: l.PRT, PRTRenewal: l.PRTRenewal}
	}
	return in
}

func (c *config) out() spec.TenantOut {
	h := hostsOf(c.Label)
	return spec.TenantOut{TenantID: c.TenantID, Issuer: "https://" + h.login + "/" + c.TenantID + "/v2.0", LoginHost: h.login, RegistrationHost: h.drs,
		GraphHost: h.graph, AdminClientID: c.AdminClientID, AdminSecret: c.AdminSecret}
}
