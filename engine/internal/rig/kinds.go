package rig

import (
	"context"
	"fmt"
	"time"

	"hellolab/providers"
)

// Site is a home without a home, as a tenant is.
type Site struct {
	Name  string `lab:"name,required,replace" doc:"Its name in the directory."`
	Color string `lab:"color" default:"grey" doc:"Something that can change."`
}

// SiteOut is what a site learns.
type SiteOut struct {
	ID   string `lab:"id,id" doc:"Its id."`
	Host string `lab:"host" doc:"Predicted from its name."`
}

// Machine lives in a site, as a device does in a tenant.
type Machine struct {
	Site  providers.Ref `lab:"site,required,replace" ref:"site" doc:"Its home."`
	Name  string        `lab:"name,required,replace" doc:"Its name."`
	Owner string        `lab:"owner" doc:"Something that can change."`
	Slots *Slots        `lab:"slots,block" doc:"A nested block."`

	Drives map[string]*Drive `lab:"drive,blocks" doc:"Nested blocks by label."`
}

// Drive is a labelled block.
type Drive struct {
	Size   int              `lab:"size" default:"1" doc:"Changes in place."`
	Model  string           `lab:"model,replace" doc:"Does not."`
	Owner  providers.Ref    `lab:"owner" ref:"person" doc:"Whose."`
	Code   providers.Secret `lab:"code,writeonly" doc:"Never stored." json:"-"`
	Serial string           `lab:"serial,sensitive" doc:"Never shown."`
	Slots  *Slots           `lab:"slots,block" doc:"A block in it."`
}

// Slots is a nested block.
type Slots struct {
	Count int    `lab:"count_of" default:"1" doc:"Changes in place."`
	Model string `lab:"model,replace" doc:"Does not."`
}

// MachineOut is what a machine learns.
type MachineOut struct {
	ID string `lab:"id,id" doc:"Its id."`
}

// Person lives in a site, as a user does in a tenant.
type Person struct {
	Site    providers.Ref     `lab:"site,required,replace" ref:"site" doc:"Home."`
	Name    string            `lab:"name,required,replace" doc:"Name in the directory."`
	Note    string            `lab:"note" doc:"Something that can change."`
	Labels  map[string]string `lab:"labels" doc:"A map."`
	Friends []providers.Ref   `lab:"friends,later" ref:"person" doc:"References that change in place, and may go in circles."`
	Secret  providers.Secret  `lab:"secret,writeonly" doc:"Never stored." json:"-"`
	Version int               `lab:"secret_version" default:"1" doc:"Announces another secret."`
}

// PersonOut is what a person learns.
type PersonOut struct {
	ID    string `lab:"id,id" doc:"Its id."`
	Badge string `lab:"badge,sensitive" doc:"Never shown."`
	Mood  string `lab:"mood,volatile" doc:"Only time changes it."`
}

// Rule is a policy.
type Rule struct {
	Assign []providers.Ref `lab:"assign" ref:"person" doc:"Whom it reaches."`
	Length int             `lab:"length" default:"4" doc:"Something that can change."`
	Site   providers.Ref   `lab:"site,required,replace" ref:"site" doc:"Home."`
	Name   string          `lab:"name,required" doc:"Its name, by which it is found; it can be given another."`
}

// RuleOut is what a rule learns.
type RuleOut struct {
	ID string `lab:"id,id" doc:"Its id."`
}

// Pass is one person's credential on one machine, as an enrollment is: it is
// never updated, and lives on its machine.
type Pass struct {
	Person  providers.Ref    `lab:"person,required,replace" ref:"person" doc:"Whose."`
	Machine providers.Ref    `lab:"machine,required,replace" ref:"machine" doc:"On which machine."`
	PIN     providers.Secret `lab:"pin,required,writeonly" doc:"Never stored." json:"-"`
	Version int              `lab:"pin_version,replace" default:"1" doc:"Announces another PIN."`
}

// PassOut is what a pass learns.
type PassOut struct {
	ID      string `lab:"id,id" doc:"Its id."`
	Created string `lab:"created" doc:"Lab time."`
}

// Kinds returns the kinds whose objects live in w.
func (w *World) Kinds() []providers.Type {
	return []providers.Type{w.site(), w.person(), w.machine(), w.rule(), w.pass()}
}

func (w *World) site() providers.Type {
	type object = providers.Object[Site, SiteOut]
	const kind = "site"
	return providers.Of(providers.Kind[Site, SiteOut]{
		Name:    kind,
		Doc:     "A home without a home.",
		Key:     func(in Site) string { return in.Name },
		Predict: func(in Site) SiteOut { return SiteOut{Host: in.Name + ".test"} },
		Find: func(_ context.Context, _ providers.Env, key string) (object, error) {
			return load[Site, SiteOut](w, kind, "", key)
		},
		Create: func(ctx context.Context, env providers.Env, in Site) (SiteOut, error) {
			out := SiteOut{ID: w.id(), Host: in.Name + ".test"}
			return out, w.create(ctx, env, Item{Kind: kind, Key: in.Name, ID: out.ID}, in, out)
		},
		Read: func(_ context.Context, _ providers.Env, o object) (object, error) {
			return load[Site, SiteOut](w, kind, "", o.In.Name)
		},
		Update: func(ctx context.Context, env providers.Env, o object, in Site) (SiteOut, error) {
			return o.Out, w.update(ctx, env, Item{Kind: kind, Key: in.Name, ID: o.ID}, in, o.Out)
		},
		Delete: func(ctx context.Context, env providers.Env, o object) error {
			return w.delete(ctx, env, kind, "", o.In.Name)
		},
	})
}

func (w *World) machine() providers.Type {
	type object = providers.Object[Machine, MachineOut]
	const kind = "machine"
	return providers.Of(providers.Kind[Machine, MachineOut]{
		Name:  kind,
		Doc:   "It lives in a site.",
		After: []string{"site"},
		Home:  func(in Machine) providers.Ref { return in.Site },
		Key:   func(in Machine) string { return in.Name },
		Find: func(_ context.Context, _ providers.Env, key string) (object, error) {
			return find[Machine, MachineOut](w, kind, key)
		},
		Create: func(ctx context.Context, env providers.Env, in Machine) (MachineOut, error) {
			site, err := siteOf(env, in.Site)
			if err != nil {
				return MachineOut{}, err
			}
			w.sawDrives(env.Addr, in)
			out := MachineOut{ID: w.id()}
			return out, w.create(ctx, env, Item{Kind: kind, Site: site, Key: in.Name, ID: out.ID}, in, out)
		},
		Read: func(_ context.Context, env providers.Env, o object) (object, error) {
			return read[Machine, MachineOut](w, env, kind, o.In.Site, o.In.Name)
		},
		Update: func(ctx context.Context, env providers.Env, o object, in Machine) (MachineOut, error) {
			site, err := siteOf(env, in.Site)
			if err != nil {
				return o.Out, err
			}
			w.sawDrives(env.Addr, in)
			return o.Out, w.update(ctx, env, Item{Kind: kind, Site: site, Key: in.Name, ID: o.ID}, in, o.Out)
		},
		Delete: func(ctx context.Context, env providers.Env, o object) error {
			site, err := siteOf(env, o.In.Site)
			if err != nil {
				return err
			}
			return w.delete(ctx, env, kind, site, o.In.Name)
		},
	})
}

func (w *World) sawDrives(addr string, in Machine) {
	for label, d := range in.Drives {
		w.saw(addr+" "+label, d.Code)
	}
}

func (w *World) person() providers.Type {
	type object = providers.Object[Person, PersonOut]
	const kind = "person"
	return providers.Of(providers.Kind[Person, PersonOut]{
		Name:  kind,
		Doc:   "It lives in a site.",
		After: []string{"site"},
		Home:  func(in Person) providers.Ref { return in.Site },
		Disk:  func(in Person) providers.Ref { return in.Site },
		Key:   func(in Person) string { return in.Name },
		Find: func(_ context.Context, _ providers.Env, key string) (object, error) {
			return find[Person, PersonOut](w, kind, key)
		},
		Create: func(ctx context.Context, env providers.Env, in Person) (PersonOut, error) {
			site, err := siteOf(env, in.Site)
			if err != nil {
				return PersonOut{}, err
			}
			if err := friendsOf(env, in); err != nil {
				return PersonOut{}, err
			}
			w.saw(env.Addr, in.Secret)
			out := PersonOut{ID: w.id(), Badge: "badge of " + in.Name, Mood: "new"}
			return out, w.create(ctx, env, Item{Kind: kind, Site: site, Key: in.Name, ID: out.ID}, in, out)
		},
		Read: func(_ context.Context, env providers.Env, o object) (object, error) {
			got, err := read[Person, PersonOut](w, env, kind, o.In.Site, o.In.Name)
			got.Out.Mood = "at " + env.Now().Format(time.RFC3339Nano)
			return got, err
		},
		Update: func(ctx context.Context, env providers.Env, o object, in Person) (PersonOut, error) {
			site, err := siteOf(env, in.Site)
			if err != nil {
				return o.Out, err
			}
			if err := friendsOf(env, in); err != nil {
				return o.Out, err
			}
			w.saw(env.Addr, in.Secret)
			return o.Out, w.update(ctx, env, Item{Kind: kind, Site: site, Key: in.Name, ID: o.ID}, in, o.Out)
		},
		Delete: func(ctx context.Context, env providers.Env, o object) error {
			site, err := siteOf(env, o.In.Site)
			if err != nil {
				return err
			}
			return w.delete(ctx, env, kind, site, o.In.Name)
		},
	})
}

func (w *World) rule() providers.Type {
	type object = providers.Object[Rule, RuleOut]
	const kind = "rule"
	return providers.Of(providers.Kind[Rule, RuleOut]{
		Name:  kind,
		Doc:   "It reaches persons.",
		After: []string{"site"},
		Home:  func(in Rule) providers.Ref { return in.Site },
		Disk:  func(in Rule) providers.Ref { return in.Site },
		Key:   func(in Rule) string { return in.Name },
		Find: func(_ context.Context, _ providers.Env, key string) (object, error) {
			return find[Rule, RuleOut](w, kind, key)
		},
		Create: func(ctx context.Context, env providers.Env, in Rule) (RuleOut, error) {
			site, err := siteOf(env, in.Site)
			if err != nil {
				return RuleOut{}, err
			}
			out := RuleOut{ID: w.id()}
			return out, w.create(ctx, env, Item{Kind: kind, Site: site, Key: in.Name, ID: out.ID}, in, out)
		},
		Read: func(_ context.Context, env providers.Env, o object) (object, error) {
			return read[Rule, RuleOut](w, env, kind, o.In.Site, o.In.Name)
		},
		Update: func(ctx context.Context, env providers.Env, o object, in Rule) (RuleOut, error) {
			site, err := siteOf(env, in.Site)
			if err != nil {
				return o.Out, err
			}
			if err := w.rename(kind, site, o.In.Name, in.Name); err != nil {
				return o.Out, err
			}
			return o.Out, w.update(ctx, env, Item{Kind: kind, Site: site, Key: in.Name, ID: o.ID}, in, o.Out)
		},
		Delete: func(ctx context.Context, env providers.Env, o object) error {
			site, err := siteOf(env, o.In.Site)
			if err != nil {
				return err
			}
			return w.delete(ctx, env, kind, site, o.In.Name)
		},
	})
}

func (w *World) pass() providers.Type {
	type object = providers.Object[Pass, PassOut]
	const kind = "pass"
	key := func(in Pass) string { return string(in.Person) + " on " + string(in.Machine) }
	return providers.Of(providers.Kind[Pass, PassOut]{
		Name:  kind,
		Doc:   "One person's credential on one machine.",
		After: []string{"person", "machine", "rule"},
		Home:  func(in Pass) providers.Ref { return in.Machine },
		Disk:  func(in Pass) providers.Ref { return in.Machine },
		Key:   key,
		Find: func(_ context.Context, _ providers.Env, key string) (object, error) {
			return find[Pass, PassOut](w, kind, key)
		},
		Create: func(ctx context.Context, env providers.Env, in Pass) (PassOut, error) {
			person, err := providers.Resolve[Person, PersonOut](env, in.Person)
			if err != nil {
				return PassOut{}, err
			}
			if person.ID == "" {
				return PassOut{}, fmt.Errorf("%s is not made yet", in.Person)
			}
			w.saw(env.Addr, in.PIN)
			w.saw(env.Addr+" "+person.Addr, person.In.Secret)
			site, err := siteOf(env, person.In.Site)
			if err != nil {
				return PassOut{}, err
			}
			out := PassOut{ID: w.id(), Created: env.Now().Format(time.RFC3339)}
			return out, w.create(ctx, env, Item{Kind: kind, Site: site, Key: key(in), ID: out.ID, On: person.ID}, in, out)
		},
		Read: func(_ context.Context, _ providers.Env, o object) (object, error) {
			return find[Pass, PassOut](w, kind, key(o.In))
		},
		Delete: func(ctx context.Context, env providers.Env, o object) error {
			person, err := providers.Resolve[Person, PersonOut](env, o.In.Person)
			if err != nil {
				return err
			}
			site, err := siteOf(env, person.In.Site)
			if err != nil {
				return err
			}
			return w.delete(ctx, env, kind, site, key(o.In))
		},
	})
}

// friendsOf refuses friends who are not made yet.
func friendsOf(env providers.Env, in Person) error {
	for _, ref := range in.Friends {
		friend, err := providers.Resolve[Person, PersonOut](env, ref)
		if err != nil {
			return err
		}
		if friend.ID == "" {
			return fmt.Errorf("%s is not made yet", ref)
		}
	}
	return nil
}

// siteOf returns the directory's name of a site, which must be made.
func siteOf(env providers.Env, ref providers.Ref) (string, error) {
	site, err := providers.Resolve[Site, SiteOut](env, ref)
	if err != nil {
		return "", err
	}
	if site.ID == "" {
		return "", fmt.Errorf("%s is not made yet", ref)
	}
	return site.In.Name, nil
}
