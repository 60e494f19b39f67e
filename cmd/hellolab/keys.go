package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/cmd/hellolab/internal/keylist"
	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
)

// keysCommand lists the keys that accounts may sign in with, as the directories
// hold them: domains over LDAP, tenants over Graph.
type keysCommand struct {
	stateFlags
	json bool
}

func (c *keysCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *keysCommand) run(ctx context.Context, s *session, args []string) error {
	return s.look(ctx, &c.stateFlags, func(l *lab.Lab) error {
		user := ""
		if len(args) == 1 {
			user = args[0]
		}
		found, err := s.keysOf(ctx, l, user)
		if err != nil {
			return err
		}
		keys := []keylist.Key{}
		for _, k := range found {
			keys = append(keys, k.keys...)
		}
		if c.json {
			return view.WriteIndentedJSON(s.out, keys)
		}
		if len(keys) == 0 {
			s.printf("No key is registered.\n")
			return nil
		}
		return keylist.Write(s.out, keys)
	})
}

// keysOf reads the keys of one user, or of everybody: in the order of homes, then
// of accounts.
func (s *session) keysOf(ctx context.Context, l *lab.Lab, user string) ([]keyed, error) {
	d, err := directoriesOf(l)
	if err != nil {
		return nil, err
	}
	links, err := d.links(s.registry)
	if err != nil {
		return nil, err
	}
	who, err := s.named(l, d, links, user)
	if err != nil {
		return nil, err
	}
	var out []keyed
	related := keylist.Relations{Links: links, Devices: map[string]map[string]bool{}, Guarded: map[string]bool{}}
	for _, o := range d.domains {
		if o.ID == "" || !who.livesIn(o.Addr) {
			continue
		}
		guarded, err := d.guardedIn(ctx, o)
		if err != nil {
			return nil, err
		}
		maps.Copy(related.Guarded, guarded)
		found, err := d.keyedIn(ctx, o)
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(found, func(a, b keyed) int { return strings.Compare(a.keys[0].Account, b.keys[0].Account) })
		out = append(out, found...)
	}
	for _, o := range d.tenants {
		if o.ID == "" || !who.livesIn(o.Addr) {
			continue
		}
		keys, devices, err := d.keysInTenant(ctx, o)
		if err != nil {
			return nil, err
		}
		related.Devices[o.Addr] = devices
		for _, k := range keys {
			out = append(out, keyed{aliases: []string{k.Name}, keys: []keylist.Key{k}})
		}
	}
	var all []*keylist.Key
	for i := range out {
		for n := range out[i].keys {
			all = append(all, &out[i].keys[n])
		}
	}
	keylist.Relate(all, related)
	return slices.DeleteFunc(out, func(k keyed) bool { return !who.is(k) }), nil
}

// name is how a user was named on the command line; the zero name is everybody.
type name struct {
	address string   // user.alice
	homes   []string // directories that may hold keys of that one
	other   string   // UPN or DOMAIN\name
}

// named understands what the command line calls a user.
func (s *session) named(l *lab.Lab, d *directories, links []keylist.Link, text string) (name, error) {
	if text == "" || strings.ContainsAny(text, `@\`) && !strings.Contains(text, `[`) {
		return name{other: text}, nil
	}
	if err := s.isA(l, text, "user"); err != nil {
		return name{}, err
	}
	i := slices.IndexFunc(d.users, func(u userObject) bool { return u.Addr == text })
	in := d.users[i].In
	n := name{address: text, homes: []string{string(in.Domain), string(in.Tenant)}}
	for _, l := range links { // it is in the other directory, too
		if l.Domain == string(in.Domain) {
			n.homes = append(n.homes, l.Tenant)
		}
	}
	return n, nil
}

func (n name) livesIn(home string) bool { return n.homes == nil || slices.Contains(n.homes, home) }

func (n name) is(k keyed) bool {
	switch {
	case n.address != "":
		return k.keys[0].Account == n.address
	case n.other != "":
		return slices.ContainsFunc(k.aliases, func(a string) bool { return strings.EqualFold(a, n.other) })
	}
	return true
}

// keysRevokeCommand removes a registered key from a directory, as an
// administrator does who found it there, or who knows whose device is lost.
type keysRevokeCommand struct {
	rehearsal
	key         string
	from        string
	autoApprove bool
}

func (c *keysRevokeCommand) flags(fs *flag.FlagSet) {
	c.rehearsal.flags(fs)
	fs.StringVar(&c.key, "key", "", "instead of DEVICE, the key of this `ID` in a domain, or the beginning of it, as `hellolab keys` prints it")
	fs.StringVar(&c.from, "from", string(keylist.AD), "`DIRECTORY` to remove it from: ad; with DEVICE also entra, or both")
	fs.BoolVar(&c.autoApprove, "auto-approve", false, "do not ask")
}

// shortest is the fewest digits that name a key: one too many must not go.
const shortest = 8

func (c *keysRevokeCommand) run(ctx context.Context, s *session, args []string) error {
	if err := c.check(args); err != nil {
		return err
	}
	err := c.drill(ctx, s, args[0], func(l *lab.Lab) (bool, error) {
		_, err := c.remove(ctx, s, l, args)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	if !c.autoApprove {
		if err := c.ask(ctx, s, args); err != nil {
			return err
		}
	}
	return s.act(ctx, &c.stateFlags, "keys revoke", func(l *lab.Lab) error {
		done, err := c.remove(ctx, s, l, args)
		if err != nil {
			return err
		}
		s.printf("%s\n", done)
		return nil
	})
}

func (c *keysRevokeCommand) check(args []string) error {
	const usage = "Usage: hellolab keys revoke USER DEVICE, or hellolab keys revoke USER -key=ID, such as hellolab keys revoke user.alice -key=3f9a0c71b2d4"
	switch {
	case len(args) == 2 && c.key != "":
		return mistake("Leave one out.", "DEVICE and -key name a key each")
	case len(args) == 2 && slices.Contains([]string{"ad", "entra", "both"}, c.from):
	case len(args) == 2:
		return mistake("Use ad, entra or both.", "Keys are not revoked from %s", view.Quote(c.from))
	case len(args) != 1 || c.key == "":
		return mistake(usage, "A user and a key are needed")
	case c.from != string(keylist.AD):
		return mistake("Use -from=ad, or name the device.", "Keys are not revoked from %s", view.Quote(c.from))
	case len(c.key) < shortest:
		return mistake("Give at least 8 digits.", "-key=%s is too short to tell keys apart", view.Quote(c.key))
	}
	return nil
}

// remove does it, and returns a sentence.
func (c *keysRevokeCommand) remove(ctx context.Context, s *session, l *lab.Lab, args []string) (string, error) {
	if len(args) == 2 {
		return c.removeOf(ctx, s, l, args[0], args[1])
	}
	owner, key, err := c.find(ctx, s, l, args[0])
	if err != nil {
		return "", err
	}
	d, err := directoriesOf(l)
	if err != nil {
		return "", err
	}
	if err := d.revoke(ctx, owner, key); err != nil {
		return "", err
	}
	return fmt.Sprintf("Revoked: the key %s of %s is removed from %s.", key.ID, view.Escape(key.Account), view.Escape(key.Home)), nil
}

// removeOf removes the key of a user on a device.
func (c *keysRevokeCommand) removeOf(ctx context.Context, s *session, l *lab.Lab, user, device string) (string, error) {
	u, _, err := s.userIn(l, user)
	if err != nil {
		return "", err
	}
	u.In.Password.Wipe()
	if err := s.isA(l, device, "device"); err != nil {
		return "", err
	}
	if _, err := enrollmentOf(l, user, device); err != nil {
		return "", mistake("`hellolab keys "+user+"` lists the keys of the account.", "%v", err)
	}
	homes := []string{string(u.In.Domain), string(u.In.Tenant)}
	switch c.from {
	case "ad":
		homes = homes[:1]
	case "entra":
		homes = homes[1:]
	}
	if held, err := c.holds(ctx, s, l, user, device, homes); err != nil {
		return "", err
	} else if !held {
		return "", mistake("`hellolab keys "+user+"` lists the keys of the account.", "%s has no key of %s in %s", user, device, strings.Join(homes, " or "))
	}
	if err := s.testRevoke(ctx, l, eval.Revoke{User: user, Device: device, From: c.from}); err != nil {
		return "", err
	}
	return fmt.Sprintf("Revoked: the key of %s on %s is removed from %s.", user, device, strings.Join(homes, " and ")), nil
}

// holds says whether one of the directories has a key of a user on a device.
func (c *keysRevokeCommand) holds(ctx context.Context, s *session, l *lab.Lab, user, device string, homes []string) (bool, error) {
	d, err := providers.Resolve[spec.Device, spec.DeviceOut](l.Env("", &providers.Type{}, cty.NilVal), providers.Ref(device))
	if err != nil {
		return false, err
	}
	owners, err := s.keysOf(ctx, l, user)
	if err != nil {
		return false, err
	}
	for _, owner := range owners {
		for _, k := range owner.keys {
			if slices.Contains(homes, k.Home) && strings.EqualFold(k.Device, d.Out.DeviceID) {
				return true, nil
			}
		}
	}
	return false, nil
}

// revoke removes a key from its domain, and records it as a flow of its own.
func (d *directories) revoke(ctx context.Context, owner *keyed, key *keylist.Key) error {
	id, err := guid.New(d.env.Rand)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(d.domains, func(o domainObject) bool { return o.Addr == key.Home })
	conn, err := administer.SignIn(ctx, d.env, d.domains[i].Out)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.RemoveValue(owner.object, keysAttribute, key.Value); err != nil {
		return err
	}
	d.env.Emit.Emit(event.Event{
		At: d.env.Now(), Correlation: id.String(), Flow: "revoke", Actor: event.ActiveDirectory, Protocol: "LDAP", Step: "key_revoked",
		Text:    "The lab's administrator removes a registered key of " + key.Name + " from the domain.",
		User:    key.Account,
		Message: map[string]any{"domain": key.Home, "attribute": keysAttribute, "key_id": key.ID, "source": key.Source, "marks": key.Marks},
	})
	return nil
}

// ask shows the key and what it means to lose it. The state is not held
// meanwhile.
func (c *keysRevokeCommand) ask(ctx context.Context, s *session, args []string) error {
	approved := func(detail string) error {
		if err := s.confirm(ctx, "Revoke this key?", detail, "Nothing was revoked; add -auto-approve."); err != nil {
			return err
		}
		c.autoApprove = true
		return s.line.flags.Set("auto-approve", "true") // also where another process does it
	}
	if len(args) == 2 {
		return approved("What it opens now is told above.")
	}
	return s.glance(ctx, &c.stateFlags, func(l *lab.Lab) error {
		_, key, err := c.find(ctx, s, l, args[0])
		if err != nil {
			return err
		}
		if err := keylist.Write(s.out, []keylist.Key{*key}); err != nil {
			return err
		}
		detail := "Who signs in with it is refused with KDC_ERR_CLIENT_NOT_TRUSTED (62) from then on."
		if key.Source == keycred.SourceAzureAD.String() {
			detail += " It came from Entra ID: while it is registered there, the next synchronization writes it again."
		}
		return approved(detail)
	})
}

// find looks for the one key that is meant.
func (c *keysRevokeCommand) find(ctx context.Context, s *session, l *lab.Lab, user string) (*keyed, *keylist.Key, error) {
	owners, err := s.keysOf(ctx, l, user)
	if err != nil {
		return nil, nil, err
	}
	var owner *keyed
	var found []keylist.Key
	for i := range owners {
		if owners[i].object == "" { // in a tenant
			continue
		}
		if keys := keylist.Find(owners[i].keys, c.key); len(keys) > 0 {
			owner, found = &owners[i], append(found, keys...)
		}
	}
	hint := "`hellolab keys " + user + "` lists the keys of the account."
	switch {
	case len(found) == 0:
		return nil, nil, mistake(hint, "%s has no key %s in a domain", user, view.Quote(c.key))
	case len(found) > 1:
		return nil, nil, mistake(hint+" Give more digits.", "%d keys of %s begin with %s", len(found), user, view.Quote(c.key))
	}
	return owner, &found[0], nil
}
