package directory

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"hellolab/providers/wire/guid"
)

// Configure changes what an administrator may change of a domain that is there:
// levels, the policy on passwords, what Key Admins may, and which controllers it has. Name and
// identifiers are for life.
func Configure(ctx context.Context, o Options, cfg Config) error {
	d, err := Load(o)
	if err != nil {
		return err
	}
	was := d.cfg
	cfg.DNSName, cfg.NetBIOSName, cfg.SID, cfg.GUID, cfg.GUIDText, cfg.Created = was.DNSName, was.NetBIOSName, was.SID, was.GUID, was.GUIDText, was.Created
	return d.update(ctx, func(w writer) error {
		if err := put(w.w, tableDirectory, keyConfig, cfg); err != nil {
			return err
		}
		d.cfg = cfg
		p := &provision{d: d, w: w}
		for _, c := range was.Controllers {
			if !slices.ContainsFunc(cfg.Controllers, c.same) {
				p.dismiss(c)
			}
		}
		for _, c := range cfg.Controllers {
			if !slices.ContainsFunc(was.Controllers, c.same) {
				p.controller(c)
			}
		}
		level := strconv.Itoa(cfg.Level)
		roles := p.ntds(cfg.Controllers[0])
		domain := cfg.Policy.attributes()
		domain["msDS-Behavior-Version"], domain["fSMORoleOwner"] = level, roles
		p.set(cfg.DN(), domain)
		p.set(cfg.schemaDN(), attrs{"objectVersion": strconv.Itoa(cfg.Schema), "fSMORoleOwner": roles})
		p.set("CN=Partitions,"+cfg.configuration(), attrs{"msDS-Behavior-Version": level, "fSMORoleOwner": roles})
		for _, c := range cfg.Controllers {
			p.set("CN="+c.Name+","+cfg.domainControllers(), attrs{"operatingSystem": c.OS, "operatingSystemVersion": c.OSVersion})
		}
		p.protection()
		return p.err
	})
}

// same says whether two controllers have one place: a move to another site, or
// from writable to read-only, is a dismissal and an installation.
func (c Controller) same(o Controller) bool {
	return strings.EqualFold(c.Name, o.Name) && strings.EqualFold(c.Site, o.Site) && c.ReadOnly == o.ReadOnly
}

// set gives an object values.
func (p *provision) set(dn string, values attrs) {
	o := p.at(dn)
	if p.err != nil {
		return
	}
	was := o.clone()
	for k, v := range values {
		o.set(k, v)
	}
	p.err = errors.Join(p.d.touch(p.w, o), p.w.store(was, o))
}

// dismiss removes the objects of a controller, and the krbtgt of a read-only one.
func (p *provision) dismiss(c Controller) {
	account := "CN=" + c.Name + "," + p.d.cfg.domainControllers()
	gone := []string{p.server(c), account}
	if c.ReadOnly {
		gone = append(gone, p.krbtgtOf(account)...)
	}
	for _, dn := range gone {
		top := p.at(dn)
		if p.err != nil {
			return
		}
		all, err := p.w.below(top)
		if err != nil {
			p.err = err
			return
		}
		for _, o := range slices.Backward(all) {
			p.err = errors.Join(p.err, p.w.erase(o))
		}
	}
}

// DSA returns the objectGUID of a controller's NTDS Settings, by which
// controllers know each other.
func (d *Directory) DSA(computer string) (id guid.GUID, err error) {
	err = d.view(func(r reader) error {
		p := &provision{d: d}
		for _, c := range d.cfg.Controllers {
			if strings.EqualFold(c.Name, computer) {
				o, err := r.resolve(p.ntds(c))
				if err != nil {
					return err
				}
				id = o.ID
				return nil
			}
		}
		return errNotFound
	})
	return id, err
}
