package adcs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/scep"
	"hellolab/providers/wire/sid"
)

// tableServer is the table of an authority's section that is this package's;
// package ca has its own.
const (
	tableServer = "server"
	keySettings = "settings"    // settings
	keyWeb      = "certificate" // ownCertificate
	keyRA       = "ra"          // ownCertificate of the SCEP service
)

// settings are what the authority's own tables do not hold.
type settings struct {
	In      spec.Authority `json:"in"` // as declared
	Account member.Account `json:"account"`
	Domain  string         `json:"domain_sid"`
	Forest  string         `json:"forest_guid"`
	NetBIOS string         `json:"netbios"`
	SID     string         `json:"sid"`  // of the account
	GUID    string         `json:"guid"` // of its object

	Enroll map[string][]string `json:"enroll,omitempty"`       // template → identifiers of those who may enroll besides
	For    map[string][]string `json:"on_behalf_of,omitempty"` // template → identifiers of those for whom agents may ask
	SCEP   string              `json:"scep_secret,omitempty"`

	Published int `json:"published,omitempty"` // generation of the templates in the directory
}

type authorityObject = providers.Object[spec.Authority, spec.AuthorityOut]

// Authority returns the kind "authority".
func Authority() providers.Type {
	return providers.Of(providers.Kind[spec.Authority, spec.AuthorityOut]{
		Name:   "authority",
		Doc:    "An enterprise certification authority: templates, enrollment, revocation lists, OCSP.",
		After:  []string{"domain"},
		Home:   func(in spec.Authority) providers.Ref { return in.Domain },
		Hosts:  func(o authorityObject) []string { return hosts(o) },
		Key:    func(in spec.Authority) string { return in.CommonName },
		Find:   find,
		Create: create,
		Read:   read,
		Update: update,
		Delete: remove,
		Open:   open,
		Due:    due,
	})
}

func hosts(o authorityObject) []string {
	if o.Out.Host == "" {
		return nil
	}
	return []string{o.Out.Host}
}

// maxLabel is the longest computer name.
const maxLabel = 15

// computerOf makes a computer name of the last part of an address:
// authority.issuing → "issuing", authority.a["x y"] → "a-x-y". A long one is cut
// and told from others by a digest.
func computerOf(addr string) string {
	name := strings.ToLower(addr[strings.LastIndex(addr, "authority.")+len("authority."):])
	name = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name), "-")
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	if len(name) <= maxLabel && name != "" && !strings.Contains(addr, "module.") {
		return name
	}
	sum := sha1.Sum([]byte(addr))
	return strings.TrimRight(name[:min(len(name), maxLabel-7)], "-") + "-" + hex.EncodeToString(sum[:3])
}

func caEnv(env providers.Env) ca.Env {
	e := ca.Env{Section: env.Section, Now: env.Now, Rand: env.Rand}
	if e.Rand == nil {
		e.Rand = rand.Reader
	}
	e.Published = func(p ca.Publication) { tellPublished(env, p) }
	return e
}

// configOf is how the authority is set up.
func configOf(in spec.Authority, d spec.Domain, host string) ca.Config {
	cfg := ca.Config{CommonName: in.CommonName, Domain: strings.ToLower(d.DNSName), Host: host, HTTP: true, OCSP: in.OCSP, PathLen: -1}
	if in.Parent != "" {
		cfg.PathLen = 0
	}
	if l := in.CRL; l != nil {
		cfg.Lists = ca.ListConfig{Period: l.Validity - l.Overlap, Overlap: l.Overlap, DeltaPeriod: -1}
		if l.Overlap >= l.Validity {
			cfg.Lists.Period, cfg.Lists.Overlap = l.Validity/2, l.Validity/2
		}
		if l.Delta > 0 {
			cfg.Lists.DeltaOverlap = min(l.Overlap, l.Delta/2)
			cfg.Lists.DeltaPeriod = l.Delta - cfg.Lists.DeltaOverlap
		}
	}
	return cfg
}

func create(ctx context.Context, env providers.Env, in spec.Authority) (spec.AuthorityOut, error) {
	c, d, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return spec.AuthorityOut{}, err
	}
	defer c.Close()
	s, err := prepare(ctx, env, in, d)
	if err != nil {
		return spec.AuthorityOut{}, err
	}
	if err := (publication{c}).taken(in.CommonName, s.Account.Host); err != nil {
		return spec.AuthorityOut{}, err
	}
	if err := s.join(ctx, env, c); err != nil {
		return spec.AuthorityOut{}, fmt.Errorf("join %s to the domain: %w", s.Account.Host, err)
	}
	templates, err := s.templates()
	if err != nil {
		return spec.AuthorityOut{}, err
	}
	above, err := parentOf(env, in, d, c)
	if err != nil {
		return spec.AuthorityOut{}, err
	}
	authority, err := ca.Create(ctx, caEnv(env), configOf(in, d.In, s.Account.Host), above, templates)
	if err != nil {
		return spec.AuthorityOut{}, err
	}
	if err := ensureOwn(ctx, env, authority, s.self()); err != nil {
		return spec.AuthorityOut{}, err
	}
	s.Published = generation
	if err := s.store(ctx, env); err != nil {
		return spec.AuthorityOut{}, err
	}
	// What Find looks for comes last.
	if err := publish(c, authority, in, nil); err != nil {
		return spec.AuthorityOut{}, err
	}
	return out(authority, s), nil
}

// generation is that of the templates which this program publishes. An authority
// that another one set up publishes them anew.
const generation = 1

// prepare keeps what must be the same when an interrupted creation is done
// again: above all the machine's password.
func prepare(ctx context.Context, env providers.Env, in spec.Authority, d providers.Object[spec.Domain, spec.DomainOut]) (*settings, error) {
	s, err := loadSettings(env)
	if errors.Is(err, providers.ErrGone) {
		s = &settings{}
		if s.Account.Password, err = member.NewPassword(caEnv(env).Rand); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	s.In, s.Domain, s.Forest, s.NetBIOS = in, d.Out.SID, d.Out.GUID, strings.ToUpper(d.In.NetBIOSName)
	if s.Enroll, err = accountsOf(env, in, func(t *spec.AuthorityTemplate) []providers.Ref { return t.Enroll }); err != nil {
		return nil, err
	}
	if s.For, err = accountsOf(env, in, func(t *spec.AuthorityTemplate) []providers.Ref { return t.For }); err != nil {
		return nil, err
	}
	if s.SCEP == "" {
		if s.SCEP, err = newSecret(caEnv(env).Rand); err != nil {
			return nil, err
		}
	}
	s.Account.Realm, s.Account.Controller, s.Account.Base = d.Out.Realm, d.Out.Hosts[0], d.Out.DN
	s.Account.Host = computerOf(env.Addr) + "." + strings.ToLower(d.In.DNSName)
	return s, s.store(ctx, env)
}

// join makes the server a member of the domain.
func (s *settings) join(ctx context.Context, env providers.Env, c *adldap.Conn) error {
	e, err := s.Account.Join(c, "HTTP")
	if err != nil {
		return err
	}
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return err
	}
	s.SID, s.GUID = id.String(), e.GUID.String()
	return s.store(ctx, env)
}

func (s *settings) store(ctx context.Context, env providers.Env) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("settings of the authority: %w", err)
	}
	return env.Section.Update(ctx, func(w providers.Writer) error { return w.Put(tableServer, keySettings, data) })
}

func loadSettings(env providers.Env) (*settings, error) {
	var raw []byte
	err := env.Section.View(func(r providers.Reader) (err error) {
		raw, _, err = r.Get(tableServer, keySettings)
		return err
	})
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, providers.ErrGone
	}
	var s settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("settings of the authority: %w", err)
	}
	return &s, nil
}

// load opens the authority; providers.ErrGone when it is not set up.
func load(env providers.Env) (*ca.CA, *settings, error) {
	s, err := loadSettings(env)
	if err != nil {
		return nil, nil, err
	}
	templates, err := s.templates()
	if err != nil {
		return nil, nil, err
	}
	authority, err := ca.Open(caEnv(env), templates)
	if errors.Is(err, ca.ErrNotSetUp) {
		err = providers.ErrGone
	}
	return authority, s, err
}

func out(authority *ca.CA, s *settings) spec.AuthorityOut {
	cert, cfg := authority.Certificate(), authority.Config()
	sum := sha1.Sum(cert.Raw)
	o := spec.AuthorityOut{
		Thumbprint:  strings.ToUpper(hex.EncodeToString(sum[:])),
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
		NotAfter:    cert.NotAfter.UTC().Format(time.RFC3339), Host: cfg.Host,
		CRLURL:  "http://" + cfg.Host + "/CertEnroll/" + cfg.FileName() + ".crl",
		SCEPURL: "http://" + cfg.Host + scep.Path, SCEPSecret: s.SCEP,
	}
	if s.In.OCSP {
		o.OCSPURL = "http://" + cfg.Host + "/ocsp"
	}
	return o
}

func find(ctx context.Context, env providers.Env, name string) (authorityObject, error) {
	o, err := providers.Resolve[spec.Authority, spec.AuthorityOut](env, providers.Ref(env.Addr))
	if err != nil {
		return authorityObject{}, err
	}
	if o.In.CommonName != name {
		return authorityObject{}, providers.ErrGone
	}
	return asObject(ctx, env, o)
}

func read(ctx context.Context, env providers.Env, o authorityObject) (authorityObject, error) {
	return asObject(ctx, env, o)
}

// asObject is the authority as its own tables and the directory have it.
func asObject(ctx context.Context, env providers.Env, o authorityObject) (authorityObject, error) {
	authority, s, err := load(env)
	if err != nil {
		return authorityObject{}, err
	}
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return authorityObject{}, err
	}
	defer c.Close()
	p := publication{c}
	if published, err := p.has(authority); err != nil || !published {
		return authorityObject{}, errors.Join(err, providers.ErrGone)
	}
	in := s.In
	if in.NTAuth, err = p.inNTAuth(authority.Certificate()); err != nil {
		return authorityObject{}, err
	}
	o.Addr, o.In, o.Out = env.Addr, in, out(authority, s)
	o.ID = o.Out.Thumbprint
	return o, nil
}

func update(ctx context.Context, env providers.Env, o authorityObject, in spec.Authority) (spec.AuthorityOut, error) {
	d, err := administer.DomainOf(env, in.Domain)
	if err != nil {
		return o.Out, err
	}
	was, err := loadSettings(env)
	if err != nil {
		return o.Out, err
	}
	former, err := was.grants()
	if err != nil {
		return o.Out, err
	}
	s, err := prepare(ctx, env, in, d)
	if err != nil {
		return o.Out, err
	}
	authority, _, err := load(env)
	if err != nil {
		return o.Out, err
	}
	if err := authority.Configure(ctx, configOf(in, d.In, s.Account.Host)); err != nil {
		return o.Out, err
	}
	c, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	return out(authority, s), publish(c, authority, in, former)
}

func remove(ctx context.Context, env providers.Env, o authorityObject) error {
	authority, s, err := load(env)
	if errors.Is(err, providers.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := withdraw(c, authority); err != nil {
		return err
	}
	return s.Account.Leave(c)
}

// same compares certificates.
func same(a *x509.Certificate, der []byte) bool { return bytes.Equal(a.Raw, der) }
