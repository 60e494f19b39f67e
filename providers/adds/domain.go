package adds

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adds/directory"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// Tables of a domain's section that are this package's; the directory has its
// own.
const (
	tableDomain       = "domain"       // "settings" → settings
	tableCertificates = "certificates" // computer name of a controller → controllerCertificate
)

const keySettings = "settings"

// administrator is the account that a lab administers the domain with.
const administrator = "Administrator"

// settings are what the directory does not hold of a domain.
type settings struct {
	In            spec.Domain `json:"in"` // as declared
	AdminPassword string      `json:"admin_password"`
}

type domainObject = providers.Object[spec.Domain, spec.DomainOut]

// Domain returns the kind "domain".
func Domain() providers.Type {
	return providers.Of(providers.Kind[spec.Domain, spec.DomainOut]{
		Name:   "domain",
		Doc:    "An Active Directory domain: LDAP, Kerberos, passwords, and what clients find them by.",
		Hosts:  func(o domainObject) []string { return hosts(o.In) },
		Key:    func(in spec.Domain) string { return strings.ToLower(in.DNSName) },
		Find:   find,
		Create: create,
		Read:   read,
		Update: update,
		Open:   open,
		Due:    due,
	})
}

// hosts are the controllers' names, then the domain's.
func hosts(in spec.Domain) []string {
	domain := strings.ToLower(in.DNSName)
	names, _ := hello.Controllers(in)
	out := make([]string, 0, len(names)+1)
	for _, n := range names {
		out = append(out, strings.ToLower(n)+"."+domain)
	}
	return append(out, domain)
}

// Levels and schema versions that go with spec.Domain.FunctionalLevel.
var levels = map[string]struct{ level, schema int }{
	"2012r2": {directory.Level2012R2, 69},
	"2016":   {directory.Level2016, 88},
	"2025":   {directory.Level2025, 91},
}

// systems are what controllers say of themselves, by spec.Controller.OS.
var systems = map[string][2]string{
	"windows-server-2016": {"Windows Server 2016 Datacenter", "10.0 (14393)"},
	"windows-server-2019": {"Windows Server 2019 Datacenter", "10.0 (17763)"},
	"windows-server-2022": {"Windows Server 2022 Datacenter", "10.0 (20348)"},
	"windows-server-2025": {"Windows Server 2025 Datacenter", "10.0 (26100)"},
}

// configOf is the directory that a declaration asks for; identifiers are left
// to the caller.
func configOf(in spec.Domain) directory.Config {
	l := levels[in.FunctionalLevel]
	cfg := directory.Config{DNSName: strings.ToLower(in.DNSName), NetBIOSName: strings.ToUpper(in.NetBIOSName), Level: l.level, Schema: l.schema, Policy: defaultPolicy(), KeyAdminsProtected: in.ProtectedKeys}
	if p := in.PasswordPolicy; p != nil {
		cfg.Policy = directory.PasswordPolicy{MinLength: p.MinLength, Complexity: p.Complexity, History: p.History, MaxAge: p.MaxAge, MinAge: p.MinAge}
	}
	names, by := hello.Controllers(in)
	for _, n := range names {
		c := by[n]
		os := systems[c.OS]
		cfg.Controllers = append(cfg.Controllers, directory.Controller{Name: strings.ToUpper(n), OS: os[0], OSVersion: os[1], Site: c.Site, ReadOnly: hello.ReadOnly(c)})
	}
	return cfg
}

// defaultPolicy is that of a domain without the block: the default domain
// policy of Windows Server.
func defaultPolicy() directory.PasswordPolicy {
	const day = 24 * 60 * 60 * 1e9
	return directory.PasswordPolicy{MinLength: 7, Complexity: true, History: 24, MaxAge: 42 * day, MinAge: day}
}

func options(env providers.Env) directory.Options {
	r := env.Rand
	if r == nil {
		r = rand.Reader
	}
	return directory.Options{Section: env.Section, Now: env.Now, Rand: r, Emit: env.Emit}
}

func create(ctx context.Context, env providers.Env, in spec.Domain) (spec.DomainOut, error) {
	if err := checkOthers(env, in); err != nil {
		return spec.DomainOut{}, err
	}
	o := options(env)
	cfg := configOf(in)
	cfg.Created = env.Now().UTC()
	id, err := guid.New(o.Rand)
	if err != nil {
		return spec.DomainOut{}, err
	}
	cfg.GUIDText = id.String()
	var random [12]byte
	if _, err := io.ReadFull(o.Rand, random[:]); err != nil {
		return spec.DomainOut{}, err
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(random[i:]) }
	cfg.SID = sid.New(5, 21, word(0), word(4), word(8)).String()
	password := make([]byte, 18)
	if _, err := io.ReadFull(o.Rand, password); err != nil {
		return spec.DomainOut{}, err
	}
	s := settings{In: in, AdminPassword: base64.StdEncoding.EncodeToString(password)}
	// The directory comes last: what Find looks for is all there, or nothing is.
	if err := putSettings(ctx, env, s); err != nil {
		return spec.DomainOut{}, err
	}
	if err := directory.Create(ctx, o, cfg, s.AdminPassword); err != nil {
		return spec.DomainOut{}, err
	}
	d, err := directory.Load(o)
	if err != nil {
		return spec.DomainOut{}, err
	}
	return out(d, s), nil
}

// checkOthers refuses names that another domain of the lab has.
func checkOthers(env providers.Env, in spec.Domain) error {
	all, err := providers.ResolveAll[spec.Domain, spec.DomainOut](env, "domain")
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.Addr == env.Addr || o.ID == "" {
			continue
		}
		if strings.EqualFold(o.In.DNSName, in.DNSName) || strings.EqualFold(o.In.NetBIOSName, in.NetBIOSName) {
			return fmt.Errorf("%s has the name %s (%s) already", o.Addr, o.In.DNSName, o.In.NetBIOSName)
		}
	}
	return nil
}

func putSettings(ctx context.Context, env providers.Env, s settings) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("settings of the domain: %w", err)
	}
	return env.Section.Update(ctx, func(w providers.Writer) error { return w.Put(tableDomain, keySettings, data) })
}

// load opens the directory and reads the settings; providers.ErrGone when
// there is no domain.
func load(env providers.Env) (*directory.Directory, settings, error) {
	var s settings
	d, err := directory.Load(options(env))
	if errors.Is(err, directory.ErrNone) {
		return nil, s, providers.ErrGone
	}
	if err != nil {
		return nil, s, err
	}
	err = env.Section.View(func(r providers.Reader) error {
		data, ok, err := r.Get(tableDomain, keySettings)
		if err != nil || !ok {
			return errors.Join(err, errors.New("settings of the domain are missing"))
		}
		return json.Unmarshal(data, &s)
	})
	return d, s, err
}

func out(d *directory.Directory, s settings) spec.DomainOut {
	cfg := d.Config()
	o := spec.DomainOut{
		GUID: cfg.GUID.String(), SID: cfg.SID, DN: cfg.DN(), Realm: cfg.Realm(),
		AdminUPN: administrator + "@" + cfg.DNSName, AdminPassword: s.AdminPassword,
	}
	for _, c := range cfg.Controllers {
		o.Hosts = append(o.Hosts, cfg.Host(c.Name))
	}
	return o
}

func find(_ context.Context, env providers.Env, key string) (domainObject, error) {
	d, s, err := load(env)
	if err != nil {
		return domainObject{}, err
	}
	if cfg := d.Config(); cfg.DNSName != key {
		return domainObject{}, providers.ErrGone
	}
	return asObject(env, d, s)
}

// asObject is the domain as it stands. What an administrator changed in the
// directory shows as a difference from what was declared.
func asObject(env providers.Env, d *directory.Directory, s settings) (domainObject, error) {
	in := s.In
	var err error
	if in.ProtectedKeys, err = d.KeyAdminsReachProtected(); err != nil {
		return domainObject{}, err
	}
	if now := d.Policy(); now != configOf(in).Policy {
		in.PasswordPolicy = &spec.PasswordPolicy{MinLength: now.MinLength, Complexity: now.Complexity, History: now.History, MaxAge: now.MaxAge, MinAge: now.MinAge}
	}
	o := out(d, s)
	return domainObject{Addr: env.Addr, ID: o.GUID, In: in, Out: o}, nil
}

func read(_ context.Context, env providers.Env, _ domainObject) (domainObject, error) {
	d, s, err := load(env)
	if err != nil {
		return domainObject{}, err
	}
	return asObject(env, d, s)
}

func update(ctx context.Context, env providers.Env, o domainObject, in spec.Domain) (spec.DomainOut, error) {
	_, s, err := load(env)
	if err != nil {
		return o.Out, err
	}
	s.In = in
	if err := directory.Configure(ctx, options(env), configOf(in)); err != nil {
		return o.Out, err
	}
	if err := putSettings(ctx, env, s); err != nil {
		return o.Out, err
	}
	d, err := directory.Load(options(env))
	if err != nil {
		return o.Out, err
	}
	return out(d, s), nil
}

// controllerOf returns what is declared of a controller.
func (s *settings) controllerOf(computer string) spec.Controller {
	names, by := hello.Controllers(s.In)
	i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, computer) })
	if i < 0 {
		return spec.Controller{}
	}
	return by[names[i]]
}
