package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/cmd/hellolab/internal/keylist"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

type (
	domainObject = providers.Object[spec.Domain, spec.DomainOut]
	tenantObject = providers.Object[spec.Tenant, spec.TenantOut]
	userObject   = providers.Object[spec.User, spec.UserOut]
)

// directories are the lab's domains and tenants, with the users that were
// declared in them.
type directories struct {
	env     providers.Env
	domains []domainObject
	tenants []tenantObject
	users   []userObject
}

func directoriesOf(l *lab.Lab) (*directories, error) {
	d := &directories{env: l.Env("", &providers.Type{}, cty.NilVal)}
	var err error
	if d.domains, err = providers.ResolveAll[spec.Domain, spec.DomainOut](d.env, "domain"); err != nil {
		return nil, err
	}
	if d.tenants, err = providers.ResolveAll[spec.Tenant, spec.TenantOut](d.env, "tenant"); err != nil {
		return nil, err
	}
	d.users, err = providers.ResolveAll[spec.User, spec.UserOut](d.env, "user")
	return d, err
}

// bySID are the addresses of a domain's users by their identifiers.
func (d *directories) bySID(domain string) map[string]string {
	out := map[string]string{}
	for _, u := range d.users {
		if string(u.In.Domain) == domain && u.Out.SID != "" {
			out[u.Out.SID] = u.Addr
		}
	}
	return out
}

// keyed is an account of a domain that holds keys, as the directory has it.
type keyed struct {
	object  string   // its name in requests
	aliases []string // UPN, DOMAIN\name
	keys    []keylist.Key
}

// keysAttribute holds the keys of an account.
const keysAttribute = "msDS-KeyCredentialLink"

// keyedIn reads the accounts of a domain that hold keys.
func (d *directories) keyedIn(ctx context.Context, o domainObject) ([]keyed, error) {
	c, err := administer.SignIn(ctx, d.env, o.Out)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	found, err := c.List(c.Base, ldapmsg.Present{Attribute: keysAttribute}, keysAttribute, "sAMAccountName", "userPrincipalName", "objectSid", "objectClass", "displayName")
	if err != nil {
		return nil, err
	}
	addresses := d.bySID(o.Addr)
	registered, err := d.registeredIn(o.Addr, found)
	if err != nil {
		return nil, err
	}
	var out []keyed
	for _, e := range found {
		a, err := accountOf(e, o, addresses)
		if err != nil {
			return nil, err
		}
		a.Registered = registered
		k := keyed{object: adldap.ByGUID(e.GUID.String()), aliases: []string{e.Text("userPrincipalName"), downLevel(o, e)}}
		for _, v := range e.Values(keysAttribute) {
			k.keys = append(k.keys, keyOf(a, string(v), d.env.Now()))
		}
		out = append(out, k)
	}
	return out, nil
}

// guardedIn are the accounts of a domain, by SID, whose lists let Key Admins write no
// keys, as those of administrators do not.
func (d *directories) guardedIn(ctx context.Context, o domainObject) (map[string]bool, error) {
	domain, err := sid.Parse(o.Out.SID)
	if err != nil {
		return nil, err
	}
	c, err := administer.SignIn(ctx, d.env, o.Out)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	found, err := c.List(c.Base, ldapmsg.EqualTo("adminCount", "1"), "objectSid", "nTSecurityDescriptor")
	if err != nil {
		return nil, err
	}
	who, guarded := []sid.SID{domain.Account(sid.RIDKeyAdmins)}, map[string]bool{}
	for _, e := range found {
		list, err := secdesc.Parse(e.Bytes("nTSecurityDescriptor"))
		if err != nil || list.Permits(secdesc.WriteProperty, who, secdesc.KeyCredentialLink) {
			continue // a list that nobody can read keeps nothing
		}
		if id, err := sid.Decode(e.Bytes("objectSid")); err == nil {
			guarded[id.String()] = true
		}
	}
	return guarded, nil
}

// registeredIn are the ids of devices that AD FS registered in a domain, among
// entries with keys; none where no federation service registers any.
func (d *directories) registeredIn(domain string, found []*adldap.Entry) (map[string]bool, error) {
	services, err := providers.ResolveAll[spec.Federation, spec.FederationOut](d.env, "federation")
	if err != nil || !slices.ContainsFunc(services, func(f providers.Object[spec.Federation, spec.FederationOut]) bool {
		return string(f.In.Domain) == domain && f.In.DeviceRegistration
	}) {
		return nil, err
	}
	ids := map[string]bool{}
	for _, e := range found {
		if !slices.ContainsFunc(e.Values("objectClass"), func(class []byte) bool { return strings.EqualFold(string(class), "msDS-Device") }) {
			continue
		}
		for _, v := range e.Values(keysAttribute) {
			ids[keyOf(keylist.Account{Computer: true}, string(v), d.env.Now()).Device] = true
		}
	}
	delete(ids, "")
	return ids, nil
}

// keyOf reads a value as LDAP gives it.
func keyOf(a keylist.Account, text string, now time.Time) keylist.Key {
	value, err := ldapmsg.ParseDNBinary(text)
	if err == nil {
		value.DN, _, err = adldap.SplitName(value.DN)
	}
	if err != nil {
		return keylist.Unreadable(a, text, err)
	}
	return keylist.FromAD(a, value, now)
}

// downLevel is an account's name as DOMAIN\name, "" when it has none.
func downLevel(o domainObject, e *adldap.Entry) string {
	if sam := e.Text("sAMAccountName"); sam != "" {
		return strings.ToUpper(o.In.NetBIOSName) + `\` + sam
	}
	return ""
}

// accountOf is whose entry it is.
func accountOf(e *adldap.Entry, o domainObject, addresses map[string]string) (keylist.Account, error) {
	a := keylist.Account{Home: o.Addr}
	if b := e.Bytes("objectSid"); b != nil {
		id, err := sid.Decode(b)
		if err != nil {
			return a, err
		}
		a.SID = id.String()
		a.Address = addresses[a.SID]
	}
	for _, class := range e.Values("objectClass") {
		a.Computer = a.Computer || strings.EqualFold(string(class), "computer") || strings.EqualFold(string(class), "msDS-Device")
	}
	a.Name = cmp.Or(e.Text("userPrincipalName"), downLevel(o, e), e.Text("displayName"), e.DN)
	return a, nil
}

// keysInTenant reads the keys of a tenant's users, and the ids of its devices.
func (d *directories) keysInTenant(ctx context.Context, o tenantObject) (keys []keylist.Key, devices map[string]bool, err error) {
	c, err := graph.SignIn(ctx, d.env, administer.GraphTenant(o.Out))
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	addresses := map[string]string{}
	for _, u := range d.users {
		if string(u.In.Tenant) == o.Addr {
			addresses[u.Out.ObjectID] = u.Addr
		}
	}
	for u, err := range graph.List[graph.User](ctx, c, "", "users") {
		if err != nil {
			return nil, nil, err
		}
		for _, k := range u.HelloKeys {
			keys = append(keys, keylist.FromEntra(keylist.Account{Address: addresses[u.ID], Name: u.UserPrincipalName, Home: o.Addr, SID: u.OnPremSID}, k))
		}
	}
	devices = map[string]bool{}
	for m, err := range graph.List[graph.Device](ctx, c, "", "devices") {
		if err != nil {
			return nil, nil, err
		}
		devices[strings.ToLower(m.DeviceID)] = true
	}
	return keys, devices, nil
}

// links are the synchronizations between the lab's directories.
func (d *directories) links(registry *providers.Registry) ([]keylist.Link, error) {
	if registry.Type("sync") == nil {
		return nil, nil
	}
	syncs, err := providers.ResolveAll[spec.Sync, spec.SyncOut](d.env, "sync")
	if err != nil {
		return nil, err
	}
	var links []keylist.Link
	for _, o := range syncs {
		i := slices.IndexFunc(d.domains, func(dom domainObject) bool { return dom.Addr == string(o.In.Domain) })
		if o.ID == "" || i < 0 {
			continue
		}
		l := keylist.Link{Tenant: string(o.In.Tenant), Domain: string(o.In.Domain), DomainSID: d.domains[i].Out.SID, Keys: true}
		switch {
		case o.In.Staging:
			l.Keys, l.Why = false, o.Addr+" is in staging mode"
		case !o.In.KeyExport:
			l.Keys, l.Why = false, "key_export of "+o.Addr+" is off"
		case !o.In.KeyRight:
			l.Keys, l.Why = false, o.Addr+" may not write keys (key_writeback_right)"
		case hello.KeysPaused(o.In) != "":
			l.Keys, l.Why = false, "the export of keys of "+o.Addr+" is paused ("+hello.KeysPaused(o.In)+"), and waits for `hellolab sync run`"
		}
		links = append(links, l)
	}
	return links, nil
}
