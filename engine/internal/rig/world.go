package rig

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"hellolab/providers"
)

// World is a directory of files that plays the systems of a lab: it stands
// outside the state, so that a kill can leave the two apart. An object of a
// site lies in the site's folder and goes with it.
type World struct {
	Dir string

	// Fail, when set, is asked before each call; its error is the call's.
	Fail func(call, kind, key string) error
	// HalfDone makes Create err after the object was made.
	HalfDone func(kind, key string) error
	// Failpoint, when set, is called between an effect and its reply.
	Failpoint func(name string)

	mu      sync.Mutex
	made    int
	Calls   []string          // "create person ann", in order
	Secrets map[string]string // what write-only values a call saw, by who
}

// Item is one object as the world holds it.
type Item struct {
	Kind string
	Site string // "" for a site itself
	Key  string
	ID   string
	On   string `json:",omitempty"` // id of the person a pass is for
	In   json.RawMessage
	Out  json.RawMessage
}

// Lock and Unlock order what Fail and HalfDone keep count of.
func (w *World) Lock()   { w.mu.Lock() }
func (w *World) Unlock() { w.mu.Unlock() }

func (w *World) path(kind, site, key string) string {
	sum := sha256.Sum256([]byte(key))
	name := kind + "-" + hex.EncodeToString(sum[:8]) + ".json"
	if kind == "site" {
		return filepath.Join(w.Dir, key, "site.json")
	}
	return filepath.Join(w.Dir, site, name)
}

// id returns a new id; it says which process made it, so that two never meet.
func (w *World) id() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made++
	return fmt.Sprintf("%d-%d", os.Getpid(), w.made)
}

func (w *World) saw(who string, secret providers.Secret) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Secrets == nil {
		w.Secrets = map[string]string{}
	}
	w.Secrets[who] = string(bytes.Clone(secret))
}

func (w *World) call(name, kind, key string) error {
	w.mu.Lock()
	w.Calls = append(w.Calls, name+" "+kind+" "+key)
	w.mu.Unlock()
	if w.Fail != nil {
		return w.Fail(name, kind, key)
	}
	return nil
}

func (w *World) point(name string) {
	if w.Failpoint != nil {
		w.Failpoint(name)
	}
}

func (w *World) create(ctx context.Context, env providers.Env, it Item, in, out any) error {
	if err := w.call("create", it.Kind, it.Key); err != nil {
		return err
	}
	path := w.path(it.Kind, it.Site, it.Key)
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("the directory has a %s %q already", it.Kind, it.Key)
	}
	if err := w.write(path, it, in, out); err != nil {
		return err
	}
	w.point("world:created")
	if w.HalfDone != nil {
		if err := w.HalfDone(it.Kind, it.Key); err != nil {
			return err
		}
	}
	return touch(ctx, env)
}

func (w *World) update(ctx context.Context, env providers.Env, it Item, in, out any) error {
	if err := w.call("update", it.Kind, it.Key); err != nil {
		return err
	}
	path := w.path(it.Kind, it.Site, it.Key)
	if _, err := os.Stat(path); err != nil {
		return providers.ErrGone
	}
	if err := w.write(path, it, in, out); err != nil {
		return err
	}
	w.point("world:updated")
	return touch(ctx, env)
}

// rename gives an item another key, which must be free.
func (w *World) rename(kind, site, was, is string) error {
	if was == is {
		return nil
	}
	to := w.path(kind, site, is)
	if _, err := os.Stat(to); err == nil {
		return fmt.Errorf("the directory has a %s %q already", kind, is)
	}
	return os.Rename(w.path(kind, site, was), to)
}

func (w *World) delete(ctx context.Context, env providers.Env, kind, site, key string) error {
	if err := w.call("delete", kind, key); err != nil {
		return err
	}
	path := w.path(kind, site, key)
	if kind == "site" {
		path = filepath.Dir(path)
		// In one step, as a transaction would.
		grave := path + "." + w.id() + ".gone"
		if err := os.Rename(path, grave); err != nil {
			return gone(err)
		}
		w.point("world:deleted")
		return os.RemoveAll(grave)
	}
	if err := os.Remove(path); err != nil {
		return gone(err)
	}
	w.point("world:deleted")
	return touch(ctx, env)
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return providers.ErrGone
	}
	return err
}

// touch moves the revision of the object's section, as a write to it would.
func touch(ctx context.Context, env providers.Env) error {
	return env.Section.Update(ctx, func(w providers.Writer) error {
		return w.Put("touched", env.Addr, []byte{1})
	})
}

// write is atomic, so that a kill leaves the old file or the new one.
func (w *World) write(path string, it Item, in, out any) error {
	var err error
	if it.In, err = json.Marshal(in); err != nil {
		return err
	}
	if it.Out, err = json.Marshal(out); err != nil {
		return err
	}
	b, err := json.Marshal(it)
	if err != nil {
		return err
	}
	if it.Kind == "site" {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return err
	}
	temp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// Items returns everything the world holds, by kind and key.
func (w *World) Items() ([]Item, error) {
	var items []Item
	err := filepath.WalkDir(w.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasSuffix(path, ".gone") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".json" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var it Item
		if err := json.Unmarshal(b, &it); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		items = append(items, it)
		return nil
	})
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.Kind+" "+a.Key, b.Kind+" "+b.Key) })
	return items, err
}

func load[In, Out any](w *World, kind, site, key string) (o providers.Object[In, Out], err error) {
	b, err := os.ReadFile(w.path(kind, site, key))
	if err != nil {
		return o, gone(err)
	}
	return decode[In, Out](b)
}

func decode[In, Out any](b []byte) (o providers.Object[In, Out], err error) {
	var it Item
	if err := json.Unmarshal(b, &it); err != nil {
		return o, err
	}
	o.ID = it.ID
	return o, errors.Join(json.Unmarshal(it.In, &o.In), json.Unmarshal(it.Out, &o.Out))
}

func read[In, Out any](w *World, env providers.Env, kind string, home providers.Ref, key string) (o providers.Object[In, Out], err error) {
	site, err := siteOf(env, home)
	if err != nil {
		return o, err
	}
	return load[In, Out](w, kind, site, key)
}

// find looks in every site.
func find[In, Out any](w *World, kind, key string) (o providers.Object[In, Out], err error) {
	sites, err := os.ReadDir(w.Dir)
	if err != nil {
		return o, err
	}
	for _, site := range sites {
		if strings.HasSuffix(site.Name(), ".gone") {
			continue
		}
		o, err := load[In, Out](w, kind, site.Name(), key)
		if !errors.Is(err, providers.ErrGone) {
			return o, err
		}
	}
	return o, providers.ErrGone
}
