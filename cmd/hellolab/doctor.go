package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hellolab/cmd/hellolab/internal/doctor"
	"hellolab/cmd/hellolab/internal/doctor/probe"
	"hellolab/cmd/hellolab/internal/keylist"
	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/entra"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
	"hellolab/state"
)

// doctorCommand says what would fail before a client meets it. It asks the
// services of the lab on a throwaway view of the state, on which nothing that is
// due is done: it sees the lab as the last command left it.
type doctorCommand struct {
	stateFlags
	outside bool
	json    bool
}

func (c *doctorCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.outside, "outside", false, "look at what programs outside the lab will meet on this machine, too: ports and names")
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *doctorCommand) run(ctx context.Context, s *session, _ []string) error {
	facts, err := c.examine(ctx, s)
	if err != nil {
		return err
	}
	found := doctor.Examine(facts)
	if c.json {
		err = view.WriteIndentedJSON(s.out, doctor.ToJSON(found))
	} else {
		err = doctor.Write(s.out, found)
	}
	if err == nil && doctor.Count(found, doctor.Error) > 0 {
		err = exitCode(exitError)
	}
	return err
}

// examine gathers the facts.
func (c *doctorCommand) examine(ctx context.Context, s *session) (facts *doctor.Facts, err error) {
	o, err := s.stateOptions(&c.stateFlags, "read")
	if err != nil {
		return nil, err
	}
	open := readable(o.Path) // who opens it makes it private
	holder, err := state.HeldBy(ctx, o)
	if err != nil && !errors.Is(err, state.ErrNoHolder) {
		return nil, err
	}
	snap, err := state.OpenRead(ctx, o)
	if err != nil {
		return nil, err
	}
	overlay := state.NewOverlay(snap)
	defer closing(overlay, &err)
	l, err := s.openLab(overlay, 0, nil)
	if err != nil {
		return nil, err
	}
	defer closing(l, &err)
	facts = &doctor.Facts{Now: l.Now(), Served: holder.Commands, State: append(open, snap.Warnings()...)}
	err = overlay.Read(func(r state.Reader) (err error) {
		facts.Offset, err = state.ClockOffset(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	d, err := directoriesOf(l)
	if err != nil {
		return nil, err
	}
	for _, o := range d.domains {
		if o.ID != "" {
			facts.Domains = append(facts.Domains, d.examine(ctx, o))
		}
	}
	if facts.Authorities, err = d.authorities(ctx); err != nil {
		return nil, err
	}
	if facts.Tenants, err = s.signersOf(l); err != nil {
		return nil, err
	}
	for i, t := range facts.Tenants {
		if facts.Tenants[i].Federation, err = s.federationOf(ctx, l, t.Addr); err != nil {
			return nil, err
		}
	}
	if err := serverObjects(ctx, d.env, facts); err != nil {
		return nil, err
	}
	if facts.Federations, err = federations(ctx, d.env); err != nil {
		return nil, err
	}
	if c.outside {
		facts.Outside, err = s.outsideOf(ctx, l, overlay, holder.Commands)
	}
	return facts, err
}

// readable says which files of a state others than its owner may read.
func readable(path string) []string {
	var out []string
	for _, name := range []string{path, strings.TrimSuffix(path, filepath.Ext(path)) + ".key"} {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 {
			out = append(out, fmt.Sprintf("Others may read %s (mode %04o).", name, info.Mode().Perm()))
		}
	}
	return out
}

// examine asks a domain.
func (d *directories) examine(ctx context.Context, o domainObject) doctor.Domain {
	found := doctor.Domain{Addr: o.Addr, DNSName: strings.ToLower(o.In.DNSName), Synced: len(d.tenants) > 0}
	found.KeylessCMS = o.In.Interop != nil && o.In.Interop.KeylessCMS
	found.Trouble = d.examineDirectory(ctx, o, &found)
	account := administer.Account(o.Out)
	_, declared := hello.Controllers(o.In)
	for _, host := range o.Out.Hosts {
		c := probe.Controller(ctx, d.env, o.Out.Realm, host, account)
		label, _, _ := strings.Cut(host, ".")
		for name, in := range declared {
			if strings.EqualFold(name, label) && in.KDCCertificate != nil {
				c.Template = in.KDCCertificate.Template
			}
		}
		if len(c.Chain) > 0 {
			c.Revocation = probe.Revoked(ctx, d.env, c.Chain[0], append(c.Chain[1:len(c.Chain):len(c.Chain)], append(found.Roots, found.Others...)...))
		}
		found.Controllers = append(found.Controllers, c)
	}
	return found
}

// examineDirectory asks the directory of a domain.
func (d *directories) examineDirectory(ctx context.Context, o domainObject, found *doctor.Domain) error {
	id, err := sid.Parse(o.Out.SID)
	if err != nil {
		return err
	}
	c, err := administer.SignIn(ctx, d.env, o.Out)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := probe.Directory(c, id, found); err != nil {
		return err
	}
	accounts := ldapmsg.EqualTo("objectClass", "user") // computers are users, too
	entries, err := c.List(c.Base, accounts, append(probe.PasswordAttributes(), "sAMAccountName", "userPrincipalName", "objectSid", "objectClass", keysAttribute)...)
	if err != nil {
		return err
	}
	addresses := d.bySID(o.Addr)
	for _, e := range entries {
		who, err := accountOf(e, o, addresses)
		if err != nil {
			return err
		}
		a := doctor.Account{Name: who.Address}
		if a.Name == "" {
			a.Name = who.Name
		}
		if err := probe.Password(e, &a); err != nil {
			return err
		}
		for _, v := range e.Values(keysAttribute) {
			if k := keyOf(who, string(v), d.env.Now()); k.Has(keylist.Malformed) || k.Has(keylist.Weak) {
				a.Keys = append(a.Keys, k)
			}
		}
		found.Accounts = append(found.Accounts, a)
	}
	return nil
}

// authorities asks every authority of the lab.
func (d *directories) authorities(ctx context.Context) ([]doctor.Authority, error) {
	all, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](d.env, "authority")
	if err != nil {
		return nil, err
	}
	var out []doctor.Authority
	for _, o := range all {
		block, _ := pem.Decode([]byte(o.Out.Certificate))
		if o.ID == "" || block == nil {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		a := doctor.Authority{Addr: o.Addr, Domain: string(o.In.Domain), Certificate: cert, NTAuth: o.In.NTAuth, OCSP: o.In.OCSP}
		if c := o.In.CRL; c != nil && len(c.ReachableFrom) > 0 {
			a.Hidden = !slices.Contains(c.ReachableFrom, "dc") && !slices.Contains(c.ReachableFrom, "onsite")
		}
		var responders []string
		if o.Out.OCSPURL != "" {
			responders = []string{o.Out.OCSPURL}
		}
		probe.Authority(ctx, d.env, o.Out.Host, &a, []string{o.Out.CRLURL}, responders)
		out = append(out, a)
	}
	return out, nil
}

// signersOf are what the tenants sign with.
func (s *session) signersOf(l *lab.Lab) ([]doctor.Tenant, error) {
	tenants, err := s.tenantsOf(l)
	if err != nil {
		return nil, err
	}
	var out []doctor.Tenant
	for _, t := range tenants {
		certs, err := entra.PublicCertificates(t.section)
		if err != nil {
			return nil, err
		}
		found := doctor.Tenant{Addr: t.addr}
		for _, c := range certs {
			parsed, err := x509.ParseCertificate(c.DER)
			if err != nil {
				return nil, err
			}
			found.Certificates = append(found.Certificates, doctor.Signer{Use: c.Use, Certificate: parsed})
		}
		out = append(out, found)
	}
	return out, nil
}

// federationOf compares what a tenant knows of its federation service with what the
// service says; nil when it is not federated.
func (s *session) federationOf(ctx context.Context, l *lab.Lab, tenant string) (*entra.FederationState, error) {
	rec, err := l.Objects().Lookup(tenant)
	if err != nil {
		return nil, err
	}
	return entra.LookFederation(ctx, l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In))
}
