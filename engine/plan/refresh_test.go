package plan_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/providers"
	"hellolab/state"
)

func TestDrift(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	items, err := r.World.Items()
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		switch it.Kind {
		case "rule": // somebody changed it
			var in rig.Rule
			if err := json.Unmarshal(it.In, &in); err != nil {
				t.Fatal(err)
			}
			in.Length = 12
			it.In, _ = json.Marshal(in)
			b, _ := json.Marshal(it)
			overwrite(t, r, it, b)
		case "pass": // somebody removed it
			overwrite(t, r, it, nil)
		}
	}
	// Nothing wrote to a section, so nothing is read.
	p, _ := r.MustPlan(t, base)
	if len(p.Drift) > 0 {
		t.Fatalf("drift found without reading: %v", p.Drift)
	}
	for _, section := range []string{"site.a", "machine.m"} {
		err := state.NewSection(r.View, section).Update(context.Background(), func(w state.TableWriter) error {
			return w.Put("touched", "by somebody", nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	p, e := r.MustPlan(t, base)
	var drift []string
	for _, c := range p.Drift {
		drift = append(drift, fmt.Sprintf("%s %s", c.Action, c.Addr))
	}
	if diff := cmp.Diff([]string{"delete pass.p", "update rule.r"}, drift); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"create pass.p", "update rule.r"}, described(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	// The mood of a person changed, which is no drift, but time.
	if without, _ := r.MustPlan(t, base, func(req *plan.Request) { req.Refresh = false }); len(without.Drift) > 0 || !without.Empty() {
		t.Errorf("without refresh the plan is not empty: %v", described(without))
	}
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatalf("apply: %s", rig.Diagnostics(diags))
	}
	r.MustConverge(t, base)
}

// overwrite changes the world behind the engine's back.
func overwrite(t *testing.T, r *rig.Rig, it rig.Item, b []byte) {
	t.Helper()
	err := filepath.WalkDir(r.World.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		old, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(old), fmt.Sprintf("%q", it.ID)) || !strings.Contains(filepath.Base(path), it.Kind) {
			return err
		}
		if b == nil {
			return os.Remove(path)
		}
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGoneHomeTakesItsMembers(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	if err := os.RemoveAll(filepath.Join(r.World.Dir, "a")); err != nil {
		t.Fatal(err)
	}
	change(t, r, "site.a", func(o *state.Object) { o.ReadAt = nil })
	p, e := r.MustPlan(t, base)
	want := []string{"create machine.m", "create pass.p", "create person.ann", "create rule.r", "create site.a"}
	if diff := cmp.Diff(want, described(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatalf("apply: %s", rig.Diagnostics(diags))
	}
	r.MustConverge(t, base)
}

func TestReadFails(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	change(t, r, "rule.r", func(o *state.Object) { o.ReadAt = nil })
	if err := os.WriteFile(filepath.Join(r.World.Dir, "a", "site.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	change(t, r, "site.a", func(o *state.Object) { o.ReadAt = nil })
	_, _, _, diags := r.Plan(base)
	if errs := rig.Errors(diags); len(errs) != 1 || errs[0].Summary != "Reading site.a failed" {
		t.Errorf("diagnostics: %s", rig.Diagnostics(diags))
	}
}

// Reads of one plan share what they open, and it is closed when they are over.
func TestReadsShare(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	var reads, opened, closed atomic.Int32
	var types []providers.Type
	for _, name := range r.Registry.Names() {
		kind := *r.Registry.Type(name)
		if read := kind.Read; read != nil {
			kind.Read = func(ctx context.Context, env providers.Env, rec providers.Record) (providers.Record, error) {
				_, release, err := providers.Share(ctx, "directory", func(context.Context) (int32, error) { return opened.Add(1), nil }, func(int32) { closed.Add(1) })
				if err != nil {
					return rec, err
				}
				defer release()
				if closed.Load() > 0 {
					t.Error("closed while it is used")
				}
				reads.Add(1)
				return read(ctx, env, rec)
			}
		}
		types = append(types, kind)
	}
	for _, addr := range []string{"site.a", "machine.m", "person.ann", "rule.r", "pass.p"} {
		change(t, r, addr, func(o *state.Object) { o.ReadAt = nil })
	}
	if p, _ := r.MustPlan(t, base, func(req *plan.Request) { req.Registry = providers.NewRegistry(types...) }); !p.Empty() {
		t.Error("the plan is not empty")
	}
	if reads.Load() < 5 || opened.Load() != 1 || closed.Load() != 1 {
		t.Errorf("%d reads, %d opened, %d closed", reads.Load(), opened.Load(), closed.Load())
	}
}

// An object that an earlier version stored, with less than the kind has now, is
// read anew and no change.
func TestStoredByAnEarlierVersion(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	without := func(b []byte, names ...string) []byte {
		ty, err := msgpack.ImpliedType(b)
		if err != nil {
			t.Fatal(err)
		}
		v, err := msgpack.Unmarshal(b, ty)
		if err != nil {
			t.Fatal(err)
		}
		attrs := v.AsValueMap()
		for _, name := range names {
			if _, has := attrs[name]; !has {
				t.Fatalf("no %s in %#v", name, v)
			}
			delete(attrs, name)
		}
		v = cty.ObjectVal(attrs)
		if b, err = msgpack.Marshal(v, v.Type()); err != nil {
			t.Fatal(err)
		}
		return b
	}
	change(t, r, "person.ann", func(o *state.Object) {
		o.In, o.Out = without(o.In, "secret_version", "labels"), without(o.Out, "badge", "mood")
	})
	p, e := r.MustPlan(t, base)
	if !p.Empty() || len(p.Drift) > 0 || len(p.Refreshed) == 0 {
		t.Errorf("steps %q, drift %d, refreshed %d", described(p), len(p.Drift), len(p.Refreshed))
	}
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	r.MustConverge(t, base)
}

// What a system does not hold stands for its default: one that an earlier version set
// up was never told.
func TestReadWithoutWhatHasADefault(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	var types []providers.Type
	for _, name := range r.Registry.Names() {
		kind := *r.Registry.Type(name)
		if read := kind.Read; name == "rule" {
			kind.Read = func(ctx context.Context, env providers.Env, rec providers.Record) (providers.Record, error) {
				now, err := read(ctx, env, rec)
				if err == nil {
					in := now.In.AsValueMap()
					in["length"] = cty.NullVal(cty.Number)
					now.In = cty.ObjectVal(in)
				}
				return now, err
			}
		}
		types = append(types, kind)
	}
	change(t, r, "rule.r", func(o *state.Object) { o.ReadAt = nil })
	p, _ := r.MustPlan(t, base, func(req *plan.Request) { req.Registry = providers.NewRegistry(types...) })
	if len(p.Drift) > 0 || len(described(p)) > 0 {
		t.Errorf("drift %v, plan %v", p.Drift, described(p))
	}
}
