// Package survey reads what the systems of a lab hold, as access.Facts: what
// decides sign-ins beside what is declared. It asks them as their administrators
// do, tenants by Graph, domains by LDAP, KDCs by a TLS handshake, and devices by
// their own tables. It changes nothing.
//
// What cannot be read is a gap, told as a sentence, and no error: the rest is
// worth having.
package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Lab gives the Env of each object, and of the administrator, whose address is "".
type Lab func(addr string) providers.Env

// Machines reads devices (windows.Windows).
type Machines interface {
	// Standing is what a device keeps of people: addresses by their SIDs.
	Standing(env providers.Env, people map[string]string) (*access.Machine, error)
}

type (
	userObject      = providers.Object[spec.User, spec.UserOut]
	domainObject    = providers.Object[spec.Domain, spec.DomainOut]
	authorityObject = providers.Object[spec.Authority, spec.AuthorityOut]
)

// survey is one reading.
type survey struct {
	ctx         context.Context
	lab         Lab
	env         providers.Env // the administrator's
	facts       *access.Facts
	users       []userObject
	authorities []authorityObject
}

// Read reads the facts of a lab. An error is that of reading its objects.
func Read(ctx context.Context, lab Lab, machines Machines) (*access.Facts, error) {
	env := lab("")
	s := &survey{ctx: ctx, lab: lab, env: env, facts: access.NewFacts(env.Now())}
	var err error
	if s.users, err = existing[spec.User, spec.UserOut](env, "user"); err != nil {
		return nil, err
	}
	for i := range s.users {
		s.users[i].In.Password.Wipe()
		s.facts.Accounts[s.users[i].Addr] = &access.Account{}
	}
	if s.authorities, err = existing[spec.Authority, spec.AuthorityOut](env, "authority"); err != nil {
		return nil, err
	}
	err = errors.Join(s.devices(machines), s.tenants(), s.syncs(), s.domains(), s.federations())
	s.userCertificates()
	return s.facts, err
}

// existing resolves the objects of a kind that are there.
func existing[In, Out any](env providers.Env, kind string) ([]providers.Object[In, Out], error) {
	all, err := providers.ResolveAll[In, Out](env, kind)
	return slices.DeleteFunc(all, func(o providers.Object[In, Out]) bool { return o.ID == "" }), err
}

// gap notes what could not be read.
func (s *survey) gap(what string, err error) {
	text := strings.TrimSuffix(err.Error(), ".")
	s.facts.Gaps = append(s.facts.Gaps, fmt.Sprintf("%s could not be read: %s.", what, text))
}

func (s *survey) devices(machines Machines) error {
	devices, err := existing[spec.Device, spec.DeviceOut](s.env, "device")
	if err != nil {
		return err
	}
	people := map[string]string{}
	for _, u := range s.users {
		if id, err := guid.Parse(u.Out.ObjectID); err == nil {
			people[id.SID()] = u.Addr
		}
	}
	for _, d := range devices {
		d.In.UnlockPIN.Wipe()
		m, err := machines.Standing(s.lab(d.Addr), people)
		if err != nil {
			s.gap(d.Addr, err)
			continue
		}
		s.facts.Machines[d.Addr] = m
	}
	return nil
}

func (s *survey) tenants() error {
	tenants, err := existing[spec.Tenant, spec.TenantOut](s.env, "tenant")
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if err := s.tenant(t); err != nil {
			s.gap("The keys that "+t.Addr+" knows", err)
		}
	}
	return nil
}

// tenant reads the keys that users have registered, and which devices are let in.
func (s *survey) tenant(t providers.Object[spec.Tenant, spec.TenantOut]) error {
	by, named, unseen := map[string]*access.Account{}, map[string]*access.Account{}, map[*access.Account]bool{}
	for _, u := range s.users {
		if string(u.In.Tenant) == t.Addr {
			a := s.facts.Accounts[u.Addr]
			by[strings.ToLower(u.Out.ObjectID)], named[strings.ToLower(u.In.UPN)], unseen[a] = a, a, true
		}
	}
	if len(by) == 0 {
		return nil
	}
	c, err := graph.SignIn(s.ctx, s.env, administer.GraphTenant(t.Out))
	if err != nil {
		return err
	}
	defer c.Close()
	for u, err := range graph.List[graph.User](s.ctx, c, "", "users") {
		if err != nil {
			return err
		}
		a := cmp.Or(by[strings.ToLower(u.ID)], named[strings.ToLower(u.UserPrincipalName)]) // who came back is another, of the same name
		if a == nil {
			continue
		}
		delete(unseen, a)
		a.NoSecret = u.PasswordChanged == ""
		for _, k := range u.HelloKeys {
			a.TenantKeys = append(a.TenantKeys, access.Key{ID: k.KeyIdentifier, DeviceID: k.DeviceID})
		}
	}
	for a := range unseen {
		a.Absent = true
	}
	if err := s.trusted(c, t); err != nil {
		return err
	}
	return s.registered(c, t.Addr)
}

// registered reads which devices of a tenant are let in, and which it does not
// know.
func (s *survey) registered(c *graph.Client, tenant string) error {
	devices, err := existing[spec.Device, spec.DeviceOut](s.env, "device")
	if err != nil {
		return err
	}
	machines, unseen := map[string]*access.Machine{}, map[*access.Machine]bool{}
	for _, d := range devices {
		d.In.UnlockPIN.Wipe()
		m := s.facts.Machines[d.Addr]
		if m == nil {
			continue
		}
		machines[strings.ToLower(m.DeviceID)] = m
		if string(d.In.Tenant) == tenant && m.DeviceID != "" && (d.In.Join == "entra" || d.In.Join == "hybrid") {
			unseen[m] = true
		}
	}
	for d, err := range graph.List[graph.Device](s.ctx, c, "", "devices") {
		if err != nil {
			return err
		}
		if m := machines[strings.ToLower(d.DeviceID)]; m != nil {
			m.Enabled = d.AccountEnabled
			delete(unseen, m)
		}
	}
	for m := range unseen {
		m.Absent = true
	}
	return nil
}

func (s *survey) domains() error {
	domains, err := existing[spec.Domain, spec.DomainOut](s.env, "domain")
	if err != nil {
		return err
	}
	for _, d := range domains {
		if len(d.Out.Hosts) == 0 {
			continue
		}
		s.facts.Domains[d.Addr] = &access.Domain{Certificates: s.certificates(d)}
		if err := s.accounts(d); err != nil {
			s.gap("The accounts of "+d.Addr, err)
		}
	}
	return nil
}

// Attributes of an account that decide sign-ins.
const (
	attrKeys    = "msDS-KeyCredentialLink"
	attrSet     = "pwdLastSet"
	attrExpiry  = "msDS-UserPasswordExpiryTimeComputed"
	attrLocked  = "lockoutTime"
	attrExpires = "accountExpires"
	attrList    = "nTSecurityDescriptor"

	typeUser = "805306368" // sAMAccountType (MS-ADTS 2.2.17)
)

// accounts reads the users of a domain.
func (s *survey) accounts(d domainObject) error {
	by := map[string]*access.Account{}
	for _, u := range s.users {
		if string(u.In.Domain) == d.Addr {
			by[strings.ToLower(cmp.Or(u.Out.DomainID, u.Out.ObjectID))] = s.facts.Accounts[u.Addr]
		}
	}
	domain, err := sid.Parse(d.Out.SID)
	if err != nil {
		return err
	}
	c, err := administer.SignIn(s.ctx, s.env, d.Out)
	if err != nil {
		return err
	}
	defer c.Close()
	found, err := c.List(c.Base, ldapmsg.EqualTo("sAMAccountType", typeUser), attrKeys, attrSet, attrExpiry, attrLocked, attrExpires, attrList)
	if err != nil {
		return err
	}
	for _, e := range found {
		if a := by[strings.ToLower(e.GUID.String())]; a != nil {
			read(e, a)
			a.Guarded = guarded(e, domain.Account(sid.RIDKeyAdmins))
		}
	}
	if err := s.protection(c, d.Addr); err != nil {
		return err
	}
	return s.written(c)
}

// written finds the devices of which the domain has a device object, by which AD FS
// knows them: registered with it, or written back by Connect. One that is disabled
// counts as none.
func (s *survey) written(c *adldap.Conn) error {
	by := map[string]*access.Machine{}
	for _, m := range s.facts.Machines {
		by[strings.ToLower(cmp.Or(m.Enterprise, m.DeviceID))] = m
	}
	found, err := c.List(addevice.ContainerDN(c.Base), ldapmsg.EqualTo("objectClass", addevice.Class), addevice.Attributes...)
	if err != nil {
		if adldap.IsCode(err, ldapmsg.NoSuchObject) {
			err = nil
		}
		return err
	}
	for _, e := range found {
		d, err := addevice.Parse(e)
		if err != nil {
			continue // AD FS cannot read it either
		}
		if m := by[strings.ToLower(d.ID.String())]; m != nil {
			m.Written = d.Enabled
		}
	}
	return nil
}

// read reads one account. Keys that nobody can read are no keys.
func read(e *adldap.Entry, a *access.Account) {
	for _, v := range e.Values(attrKeys) {
		b, err := ldapmsg.ParseDNBinary(string(v))
		if err != nil {
			continue
		}
		if k, err := keycred.Parse(b.Binary); err == nil {
			a.DomainKeys = append(a.DomainKeys, keyID(k))
		}
	}
	set, _ := strconv.ParseUint(e.Text(attrSet), 10, 64)
	if set != 0 {
		a.PasswordSet = filetime.Time(set).UTC()
	}
	switch expiry, err := strconv.ParseUint(e.Text(attrExpiry), 10, 64); {
	case err != nil || expiry == math.MaxInt64:
	case expiry == 0:
		a.MustChange = set == 0
	default:
		a.PasswordExpires = filetime.Time(expiry).UTC()
	}
	locked, _ := strconv.ParseUint(e.Text(attrLocked), 10, 64)
	a.Locked = locked != 0
	if ends, err := strconv.ParseUint(e.Text(attrExpires), 10, 64); err == nil && ends != 0 && ends != math.MaxInt64 {
		a.AccountExpires = filetime.Time(ends).UTC()
	}
}

// syncs asks each server of Connect when its cycles ran and run.
func (s *survey) syncs() error {
	syncs, err := existing[spec.Sync, spec.SyncOut](s.env, "sync")
	for _, o := range syncs {
		at := connect.Server{Host: o.Out.Host, Secret: o.Out.Admin}
		st, err := connect.StatusOf(s.ctx, s.env, at)
		if err == nil {
			err = s.carried(at)
		}
		if err != nil {
			s.gap("The schedule of "+o.Addr, err)
			continue
		}
		timing := func(p connect.Part) access.Timing {
			at := st.Of(p)
			return access.Timing{Next: moment(at.Next), Last: moment(at.Last)}
		}
		s.facts.Syncs[o.Addr] = access.Schedule{Cycles: timing(connect.Accounts), Keys: timing(connect.KeyExport), Devices: timing(connect.DeviceWriteback)}
	}
	return err
}

// carried asks what Connect last told the tenant of computers: of a hybrid joined
// device, the id is its computer's objectGUID.
func (s *survey) carried(at connect.Server) error {
	said, err := connect.CarriedBy(s.ctx, s.env, at)
	if err != nil {
		return err
	}
	for _, m := range s.facts.Machines {
		if enabled, ok := said.Computers[strings.ToLower(m.DeviceID)]; ok {
			m.Carried = &enabled
		}
	}
	return nil
}

// moment reads RFC 3339; zero where there is none.
func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
