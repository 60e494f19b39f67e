// Package connect is Entra Connect: a member server of a domain that carries
// accounts up to a tenant and registered Hello keys down to the domain.
//
// It is the kind sync. Making one joins a computer account to the domain, which
// may replicate passwords' hashes and, where key_writeback_right says so, write
// keys; and registers an application in the tenant that may synchronize. A
// cycle then reads the domain by LDAP and the tenant by delta queries, and
// writes what differs: what the domain says to the tenant, and keys and devices,
// which alone come down, to the domain. It can be cut off at any instant and
// run again: each step finds out what is there already.
//
//	import domain   users, groups, and computers that have a certificate
//	import tenant   what changed since the last cycle
//	export tenant   removed, new and changed objects; memberships; passwords
//	export domain   public keys to msDS-KeyCredentialLink
//	write back      registered devices to CN=RegisteredDevices, where it is on
//
// The last two may have schedules of their own, which Microsoft's scheduler does
// not offer: there one cycle carries all.
//
// Sources: Microsoft, "Microsoft Entra Connect Sync: Scheduler", "Attributes
// synchronized", "Implement password hash synchronization", "Enabling device
// writeback", "Plan hybrid Windows Hello for Business deployments: hybrid key
// trust".
package connect

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sid"
)

type object = providers.Object[spec.Sync, spec.SyncOut]

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{Sync()} }

// Sync returns the kind sync.
func Sync() providers.Type {
	return providers.Of(providers.Kind[spec.Sync, spec.SyncOut]{
		Name:  "sync",
		Doc:   "Entra Connect: synchronizes a domain's users, groups and computers to a tenant, and registered Hello keys to the domain.",
		After: []string{"tenant", "domain"},
		Hosts: func(o object) []string {
			if o.Out.Host == "" {
				return nil
			}
			return []string{o.Out.Host}
		},
		Key:    func(in spec.Sync) string { return string(in.Domain) + " " + string(in.Tenant) },
		Find:   find,
		Create: create,
		Read:   read,
		Update: update,
		Delete: remove,
		Open:   open,
		Due:    due,
	})
}

// hostOf is the server's name in a domain.
func hostOf(dnsName string) string { return "connect." + strings.ToLower(dnsName) }

// mark is by which an account of a Connect server is known to be this one's.
func mark(addr string) string { return "Entra Connect of the lab: " + addr }

func create(ctx context.Context, env providers.Env, in spec.Sync) (spec.SyncOut, error) {
	c, d, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return spec.SyncOut{}, err
	}
	defer c.Close()
	s, err := prepare(ctx, env, in, d)
	if err != nil {
		return spec.SyncOut{}, err
	}
	if err := s.join(ctx, env, c); err != nil {
		return spec.SyncOut{}, fmt.Errorf("join %s to the domain: %w", s.Account.Host, err)
	}
	if err := s.register(ctx, env); err != nil {
		return spec.SyncOut{}, fmt.Errorf("register %s with the tenant: %w", s.Account.Host, err)
	}
	if err := s.point(env, c); err != nil {
		return spec.SyncOut{}, fmt.Errorf("write the service connection point: %w", err)
	}
	// What Find looks for comes last.
	s.Ready = true
	at := &schedule{Next: env.Now().Add(in.Interval)}
	at.replan(spec.Sync{}, in, env.Now())
	if err := storeSchedule(ctx, env, at); err != nil {
		return spec.SyncOut{}, err
	}
	return s.out(at), s.store(ctx, env)
}

// prepare keeps what must be the same when an interrupted creation is done
// again: the machine's password, and the administrator's secret.
func prepare(ctx context.Context, env providers.Env, in spec.Sync, d providers.Object[spec.Domain, spec.DomainOut]) (*settings, error) {
	s, err := loadSettings(env)
	if errors.Is(err, providers.ErrGone) {
		s = &settings{}
		if s.Account.Password, err = member.NewPassword(randomness(env)); err != nil {
			return nil, err
		}
		secret := make([]byte, 32)
		if _, err := io.ReadFull(randomness(env), secret); err != nil {
			return nil, fmt.Errorf("make the administrator's secret: %w", err)
		}
		s.Secret = base64.RawURLEncoding.EncodeToString(secret)
	}
	if err != nil {
		return nil, err
	}
	s.In, s.DNSName, s.NetBIOS = in, strings.ToLower(d.In.DNSName), strings.ToUpper(d.In.NetBIOSName)
	s.DomainSID = d.Out.SID
	s.Account.Realm, s.Account.Controller, s.Account.Base, s.Account.Host = d.Out.Realm, d.Out.Hosts[0], d.Out.DN, hostOf(d.In.DNSName)
	return s, s.store(ctx, env)
}

func randomness(env providers.Env) io.Reader {
	if env.Rand == nil {
		return rand.Reader
	}
	return env.Rand
}

// join makes the server a member of the domain, with its rights.
func (s *settings) join(ctx context.Context, env providers.Env, c *adldap.Conn) error {
	id, err := s.Account.JoinMarked(c, mark(env.Addr), "HTTP")
	if errors.Is(err, member.ErrTaken) {
		return fmt.Errorf("%s is another server's account, and a domain has one Entra Connect", s.Account.Name())
	}
	if err != nil {
		return err
	}
	s.SID = id.String()
	if err := s.setMember(c, sid.Replicator, true); err != nil {
		return err
	}
	if err := s.setKeyRight(c); err != nil {
		return err
	}
	if err := s.keepDevices(c); err != nil {
		return err
	}
	return s.store(ctx, env)
}

// setKeyRight makes the account a member of Key Admins, or takes it out.
func (s *settings) setKeyRight(c *adldap.Conn) error {
	domain, err := sid.Parse(s.DomainSID)
	if err != nil {
		return err
	}
	return s.setMember(c, domain.Account(sid.RIDKeyAdmins), s.In.KeyRight)
}

func (s *settings) setMember(c *adldap.Conn, group sid.SID, in bool) error {
	g, err := c.First(ldapmsg.EqualTo("objectSid", group.String()))
	if err != nil {
		return err
	}
	account, err := c.First(ldapmsg.EqualTo("sAMAccountName", s.Account.Name()))
	if err != nil {
		return err
	}
	change := c.AddValue
	if !in {
		change = c.RemoveValue
	}
	err = change(g.DN, "member", account.DN)
	if !in && (adldap.IsCode(err, ldapmsg.ConstraintViolation) || adldap.IsCode(err, ldapmsg.UnwillingToPerform)) {
		return nil // it was none
	}
	return err
}

// appName is by which the server's application is found in the tenant.
func appName(addr string) string {
	sum := sha256.Sum256([]byte(addr))
	return "entra-connect." + hex.EncodeToString(sum[:8])
}

// register makes the application that the server signs in to the tenant as, and
// a secret of it. Secrets whose reply was lost are taken away.
func (s *settings) register(ctx context.Context, env providers.Env) error {
	c, t, err := administer.Graph(ctx, env, s.In.Tenant)
	if err != nil {
		return err
	}
	defer c.Close()
	app, err := graph.First[graph.Application](ctx, c, graph.Equals("uniqueName", appName(env.Addr)), "applications")
	if graph.IsNotFound(err) {
		app, err = graph.Post[graph.Application](ctx, c, graph.Application{DisplayName: "Entra Connect " + s.Account.Host, UniqueName: appName(env.Addr),
			RequiredAccess: []graph.ResourceAccess{{ResourceAppID: oauth.AppGraph, Access: []graph.Permission{{ID: graph.RoleSync, Type: "Role"}}}}}, "applications")
	}
	if err != nil {
		return err
	}
	for _, p := range app.Passwords {
		if _, err := graph.Post[struct{}](ctx, c, graph.PasswordCredential{KeyID: p.KeyID}, "applications", app.ID, "removePassword"); err != nil && !graph.IsNotFound(err) {
			return err
		}
	}
	secret, err := graph.Post[graph.PasswordCredential](ctx, c, map[string]any{"passwordCredential": graph.PasswordCredential{DisplayName: s.Account.Host}}, "applications", app.ID, "addPassword")
	if err != nil {
		return err
	}
	s.Tenant = administer.GraphTenant(t.Out)
	s.Tenant.ClientID, s.Tenant.ClientSecret = app.AppID, string(secret.SecretText)
	s.AppID = app.ID
	return s.store(ctx, env)
}

func (s *settings) out(at *schedule) spec.SyncOut {
	return spec.SyncOut{Host: s.Account.Host, Account: s.NetBIOS + `\` + s.Account.Name(), Admin: s.Secret,
		LastCycle: at.last(connect.Accounts), NextCycle: stamp(at.next(s.In, connect.Accounts)),
		LastKeyExport: at.last(connect.KeyExport), NextKeyExport: stamp(at.next(s.In, connect.KeyExport)),
		LastDeviceWriteback: at.last(connect.DeviceWriteback), NextDeviceWriteback: stamp(at.next(s.In, connect.DeviceWriteback))}
}

func find(ctx context.Context, env providers.Env, key string) (object, error) {
	o, err := providers.Resolve[spec.Sync, spec.SyncOut](env, providers.Ref(env.Addr))
	if err != nil {
		return object{}, err
	}
	if key != string(o.In.Domain)+" "+string(o.In.Tenant) {
		return object{}, providers.ErrGone
	}
	return asObject(ctx, env, o)
}

func read(ctx context.Context, env providers.Env, o object) (object, error) {
	return asObject(ctx, env, o)
}

// asObject is the server as its own tables, the domain and the tenant have it.
func asObject(ctx context.Context, env providers.Env, o object) (object, error) {
	s, err := loadSettings(env)
	if err == nil && !s.Ready {
		err = providers.ErrGone
	}
	if err != nil {
		return object{}, err
	}
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return object{}, err
	}
	defer c.Close()
	e, err := c.First(ldapmsg.EqualTo("sAMAccountName", s.Account.Name()), "memberOf", "description")
	if adldap.IsCode(err, ldapmsg.NoSuchObject) || err == nil && e.Text("description") != mark(env.Addr) {
		return object{}, providers.ErrGone
	}
	if err != nil {
		return object{}, err
	}
	keyAdmins, err := s.keyAdmins(c)
	if err != nil {
		return object{}, err
	}
	t, _, err := administer.Graph(ctx, env, o.In.Tenant)
	if err != nil {
		return object{}, err
	}
	defer t.Close()
	if _, err := graph.Get[graph.Application](ctx, t, "applications", s.AppID); err != nil {
		if graph.IsNotFound(err) {
			err = providers.ErrGone
		}
		return object{}, err
	}
	at, err := loadSchedule(env)
	if err != nil {
		return object{}, err
	}
	in := s.In
	_, keeps, err := s.keepsDevices(c, e.GUID)
	if err != nil {
		return object{}, err
	}
	in.KeyRight, in.DeviceWriteback = false, keeps
	for _, v := range e.Values("memberOf") {
		_, id, err := adldap.SplitName(string(v))
		if err != nil {
			return object{}, err
		}
		in.KeyRight = in.KeyRight || id.String() == keyAdmins
	}
	in.Scope = providers.Elements(o.In.Scope, in.Scope)
	o.Addr, o.In, o.Out = env.Addr, in, s.out(at)
	o.ID = o.Out.Host
	return o, nil
}

func (s *settings) keyAdmins(c *adldap.Conn) (string, error) {
	domain, err := sid.Parse(s.DomainSID)
	if err != nil {
		return "", err
	}
	g, err := c.First(ldapmsg.EqualTo("objectSid", domain.Account(sid.RIDKeyAdmins).String()))
	if err != nil {
		return "", err
	}
	return g.GUID.String(), nil
}

func update(ctx context.Context, env providers.Env, o object, in spec.Sync) (spec.SyncOut, error) {
	s, err := loadSettings(env)
	if err != nil {
		return o.Out, err
	}
	c, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	at, err := loadSchedule(env)
	if err != nil {
		return o.Out, err
	}
	at.replan(s.In, in, env.Now())
	s.In = in
	if err := s.setKeyRight(c); err != nil {
		return o.Out, err
	}
	if err := s.keepDevices(c); err != nil {
		return o.Out, err
	}
	if err := storeSchedule(ctx, env, at); err != nil {
		return o.Out, err
	}
	return s.out(at), s.store(ctx, env)
}

func remove(ctx context.Context, env providers.Env, o object) error {
	s, err := loadSettings(env)
	if errors.Is(err, providers.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	t, _, err := administer.Graph(ctx, env, o.In.Tenant)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.Delete(ctx, "applications", s.AppID); err != nil {
		return err
	}
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := s.unpoint(c); err != nil {
		return err
	}
	return s.Account.Leave(c)
}
