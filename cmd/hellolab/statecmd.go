package main

import (
	"context"
	"flag"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/plan"
	"hellolab/engine/record"
	"hellolab/hcl/addr"
	"hellolab/state"
)

type stateListCommand struct{ stateFlags }

func (c *stateListCommand) flags(fs *flag.FlagSet) { c.stateFlags.flags(fs) }

// run lists the addresses of objects, of those that the arguments select:
// "user.alice", all instances "user.all", or a kind "user".
func (c *stateListCommand) run(ctx context.Context, s *session, args []string) error {
	snap, err := s.openRead(ctx, &c.stateFlags)
	if err != nil {
		return err
	}
	defer snap.Close()
	objects, err := state.Objects(snap)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if selected(o, args) {
			s.printf("%s\n", view.Escape(o.Addr))
		}
	}
	return nil
}

func selected(o state.Object, patterns []string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if o.Addr == p || o.Kind == p || strings.HasPrefix(o.Addr, p+"[") {
			return true
		}
	}
	return false
}

type stateShowCommand struct{ stateFlags }

func (c *stateShowCommand) flags(fs *flag.FlagSet) { c.stateFlags.flags(fs) }

func (c *stateShowCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) != 1 {
		return mistake("Usage: hellolab state show ADDRESS", "One address is needed")
	}
	snap, err := s.openRead(ctx, &c.stateFlags)
	if err != nil {
		return err
	}
	defer snap.Close()
	o, err := getObject(snap, args[0])
	if err != nil {
		return err
	}
	return s.showObject(o)
}

func (s *session) showObject(o state.Object) error {
	t := s.registry.Type(o.Kind)
	if t == nil {
		return mistake("Another version of hellolab wrote it.", "%s is of the kind %q, which this program does not know", o.Addr, o.Kind)
	}
	rec, err := record.Decode(t, o)
	if err != nil {
		return err
	}
	var marked []cty.Path
	for _, text := range o.Sens {
		path, err := plan.ParsePath(text)
		if err != nil {
			return err
		}
		marked = append(marked, path)
	}
	return view.Object(s.out, rec, plan.SensitivePaths(t, record.Value(rec.In, rec.Out), marked), o.Tainted, s.registry, s.outStyle())
}

// getObject finds an object by its address, and says what is near when there
// is none.
func getObject(r state.Reader, name string) (state.Object, error) {
	if a, err := addr.Parse(name); err == nil {
		name = a.String()
	}
	o, ok, err := state.GetObject(r, name)
	if err != nil || ok {
		return o, err
	}
	objects, err := state.Objects(r)
	if err != nil {
		return o, err
	}
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.Addr
	}
	return o, mistake(didYouMean(name, names, "`hellolab state list` lists the objects."), "The state holds no object %s", name)
}

type stateRmCommand struct{ stateFlags }

func (c *stateRmCommand) flags(fs *flag.FlagSet) { c.stateFlags.flags(fs) }

// run forgets objects. The lab's systems keep them: the next plan of the same
// configuration would create them again and find them there.
func (c *stateRmCommand) run(ctx context.Context, s *session, args []string) (err error) {
	if len(args) == 0 {
		return mistake("Usage: hellolab state rm ADDRESS...", "An address is needed")
	}
	store, err := s.openExisting(ctx, &c.stateFlags, "state rm")
	if err != nil {
		return err
	}
	defer closing(store, &err)
	if _, err := store.Backup(); err != nil {
		return err
	}
	var gone []string
	err = store.Commit(ctx, func(w state.Writer) error {
		if err := mustBeSettled(w); err != nil {
			return err
		}
		gone = gone[:0]
		for _, name := range args {
			o, err := getObject(w, name)
			if err != nil {
				return err
			}
			if err := state.DeleteObject(w, o.Addr); err != nil {
				return err
			}
			gone = append(gone, o.Addr)
		}
		_, err := state.BumpSerial(w)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range gone {
		s.printf("Forgot %s; the lab still holds it.\n", view.Escape(name))
	}
	return nil
}

// mustBeSettled makes sure that no step of an interrupted apply waits to be settled
// under the addresses it was begun with.
func mustBeSettled(r state.Reader) error {
	intents, err := state.Intents(r)
	if err != nil || len(intents) == 0 {
		return err
	}
	return mistake("Run `hellolab apply` first: it settles the steps that were cut off.", "An interrupted apply left %s open", view.Count(len(intents), "step"))
}

type stateMvCommand struct{ stateFlags }

func (c *stateMvCommand) flags(fs *flag.FlagSet) { c.stateFlags.flags(fs) }

func (c *stateMvCommand) run(ctx context.Context, s *session, args []string) (err error) {
	if len(args) != 2 {
		return mistake("Usage: hellolab state mv FROM TO", "Two addresses are needed")
	}
	from, err := addr.Parse(args[0])
	if err != nil {
		return err
	}
	to, err := addr.Parse(args[1])
	if err != nil {
		return err
	}
	if from.Kind != to.Kind {
		return mistake("", "A %s cannot become a %s", from.Kind, to.Kind)
	}
	store, err := s.openExisting(ctx, &c.stateFlags, "state mv")
	if err != nil {
		return err
	}
	defer closing(store, &err)
	if _, err := store.Backup(); err != nil {
		return err
	}
	err = store.Commit(ctx, func(w state.Writer) error {
		if err := mustBeSettled(w); err != nil {
			return err
		}
		if _, err := getObject(w, from.String()); err != nil {
			return err
		}
		if _, taken, err := state.GetObject(w, to.String()); err != nil {
			return err
		} else if taken {
			return mistake("Remove it first, or choose another name.", "The state already holds %s", to)
		}
		return move(w, s.registry, from.String(), to.String())
	})
	if err != nil {
		return err
	}
	s.printf("Moved %s to %s.\n", from, to)
	return nil
}

type stateRestoreCommand struct {
	stateFlags
	list bool
}

func (c *stateRestoreCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.list, "list", false, "list the backups, newest first, and restore nothing")
}

// run puts a backup in the place of the state; without an argument, the newest
// that is whole.
func (c *stateRestoreCommand) run(ctx context.Context, s *session, args []string) error {
	o, err := s.stateOptions(&c.stateFlags, "state restore")
	if err != nil {
		return err
	}
	if c.list {
		backups, err := state.Backups(o)
		if err != nil {
			return err
		}
		for _, b := range backups {
			s.printf("%s  serial %d  %s\n", b.Made.Format(time.RFC3339), b.Serial, view.Escape(b.Path))
		}
		return nil
	}
	name := ""
	if len(args) == 1 {
		name = s.path(args[0])
	}
	meta, aside, err := state.Restore(ctx, o, name)
	if err != nil {
		return err
	}
	s.printf("Restored the state as of serial %d.\n", meta.Serial)
	if aside != "" {
		s.printf("The state that was there is kept in %s.\n", view.Escape(aside))
	}
	return nil
}

func closing(c interface{ Close() error }, err *error) {
	if cerr := c.Close(); *err == nil {
		*err = cerr
	}
}
