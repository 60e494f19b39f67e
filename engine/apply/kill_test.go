package apply_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hellolab/engine/apply"
	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/state"
)

// The kill test runs this very binary as a child that plans and applies, and
// ends itself with SIGKILL at the failpoint whose number it is given. The
// parent then lets a child finish the work, and compares the folder that plays
// the lab's systems with the state.
const (
	childFolder = "HELLOLAB_KILL_FOLDER" // state, world and main.lab.hcl
	childAt     = "HELLOLAB_KILL_AT"     // number of the fatal failpoint; 0: none
	soak        = "HELLOLAB_SOAK"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(childFolder); folder != "" {
		at, _ := strconv.ParseInt(os.Getenv(childAt), 10, 64)
		if err := child(folder, at); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child is what `hellolab apply` does: open the state, recover, plan, apply.
func child(folder string, at int64) (err error) {
	var passed atomic.Int64
	point := func(name string) {
		if passed.Add(1) == at {
			os.WriteFile(filepath.Join(folder, "killed-at"), []byte(name), 0o600)
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal arrives
		}
	}
	store, err := state.Open(context.Background(), state.Options{
		Path: filepath.Join(folder, "state.db"), Now: func() time.Time { return rig.Epoch }, Writer: "test", Failpoint: point,
	})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	r, err := rig.On(store, filepath.Join(folder, "world"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Lab.Close()) }()
	r.World.Failpoint, r.Failpoint = point, point
	src, err := os.ReadFile(filepath.Join(folder, "main.lab.hcl"))
	if err != nil {
		return err
	}
	if _, diags := apply.Recover(context.Background(), apply.RecoverRequest{Registry: r.Registry, View: store, Lab: r.Lab}); diags.HasErrors() {
		return fmt.Errorf("recover: %s", rig.Diagnostics(diags))
	}
	p, _, e, diags := r.Plan(string(src))
	if diags.HasErrors() {
		return fmt.Errorf("plan: %s", rig.Diagnostics(rig.Errors(diags)))
	}
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		return fmt.Errorf("apply: %s", rig.Diagnostics(rig.Errors(diags)))
	}
	if at > 0 {
		return nil
	}
	// A child that is not to die leaves nothing to do.
	p, _, _, diags = r.Plan(string(src))
	if diags.HasErrors() || !p.Empty() {
		return fmt.Errorf("the plan after the apply is not empty: %v %s", actions(p), rig.Diagnostics(rig.Errors(diags)))
	}
	return consistent(r, p)
}

func actions(p *plan.Plan) []string {
	var out []string
	for _, c := range p.Changes {
		if c.Action != plan.NoOp {
			out = append(out, fmt.Sprintf("%s %s %s", c.Action, c.Addr, c.Reason))
		}
	}
	return out
}

// consistent compares the world with the state: every object once in each, the
// same one, and no credential of somebody who is gone.
func consistent(r *rig.Rig, p *plan.Plan) error {
	items, err := r.World.Items()
	if err != nil {
		return err
	}
	var objects []state.Object
	err = r.View.Read(func(rd state.Reader) (err error) {
		objects, err = state.Objects(rd)
		if err != nil {
			return err
		}
		intents, err := state.Intents(rd)
		if err == nil && len(intents) > 0 {
			err = fmt.Errorf("intents are left: %v", intents)
		}
		return err
	})
	if err != nil {
		return err
	}
	byID := map[string]string{}
	for _, o := range objects {
		if o.Tainted {
			return fmt.Errorf("%s is tainted", o.Addr)
		}
		if o.Kind != "value" {
			byID[o.Kind+" "+o.ID] = o.Addr
		}
	}
	persons := map[string]bool{}
	for _, it := range items {
		if it.Kind == "person" {
			persons[it.ID] = true
		}
	}
	seen := map[string]bool{}
	for _, it := range items {
		key := it.Kind + " " + it.Key
		if seen[key] {
			return fmt.Errorf("%s is there twice", key)
		}
		seen[key] = true
		if byID[it.Kind+" "+it.ID] == "" {
			return fmt.Errorf("%s (id %s) is in the world, and the state does not know it", key, it.ID)
		}
		delete(byID, it.Kind+" "+it.ID)
		if it.Kind == "pass" && !persons[it.On] {
			return fmt.Errorf("%s is for a person (id %s) who is gone", key, it.On)
		}
	}
	for id, name := range byID {
		return fmt.Errorf("%s (%s) is in the state, and the world does not have it", name, id)
	}
	if len(objects) != len(p.Changes) {
		return fmt.Errorf("%d objects for %d declared", len(objects), len(p.Changes))
	}
	return nil
}

// killLab writes a random lab of every kind, so that two of them differ by
// creates, updates, replacements and deletes of all sorts.
func killLab(rnd *rand.Rand) string {
	var b strings.Builder
	b.WriteString("variable \"word\" {\n  default = \"hush\"\n  sensitive = true\n}\n")
	sites := 1 + rnd.IntN(2)
	for i := range sites {
		fmt.Fprintf(&b, "site \"s%d\" {\n  name = \"s%d-%d\"\n  color = \"c%d\"\n}\n", i, i, rnd.IntN(2), rnd.IntN(2))
	}
	persons, machines := rnd.IntN(5), rnd.IntN(4)
	for i := range persons {
		var friends []string // in circles, too
		for j := range persons {
			if j != i && rnd.IntN(3) == 0 {
				friends = append(friends, fmt.Sprintf("person.p%d", j))
			}
		}
		fmt.Fprintf(&b, "person \"p%d\" {\n  site = site.s%d\n  name = \"p%d-%d\"\n  note = \"n%d\"\n  secret = var.word\n  friends = [%s]\n}\n",
			i, i%sites, i, rnd.IntN(2), rnd.IntN(2), strings.Join(friends, ", "))
	}
	for i := range machines {
		fmt.Fprintf(&b, "machine \"m%d\" {\n  site = site.s%d\n  name = \"m%d-%d\"\n", i, i%sites, i, rnd.IntN(2))
		for j := range rnd.IntN(3) {
			fmt.Fprintf(&b, "  drive \"d%d\" {\n    size = %d\n    model = \"m%d\"\n    code = var.word\n", j, rnd.IntN(3), rnd.IntN(2))
			if persons > 0 && rnd.IntN(2) == 0 {
				fmt.Fprintf(&b, "    owner = person.p%d\n", rnd.IntN(persons))
			}
			b.WriteString("  }\n")
		}
		b.WriteString("}\n")
	}
	for i := range rnd.IntN(3) {
		var assign []string
		for j := range persons {
			if rnd.IntN(2) == 0 {
				assign = append(assign, fmt.Sprintf("person.p%d", j))
			}
		}
		fmt.Fprintf(&b, "rule \"r%d\" {\n  site = site.s0\n  name = \"r%d\"\n  length = %d\n  assign = [%s]\n}\n",
			i, i, 4+rnd.IntN(2), strings.Join(assign, ", "))
	}
	for i := range persons {
		for j := range machines {
			if i%sites == j%sites && rnd.IntN(3) > 0 {
				fmt.Fprintf(&b, "pass \"p%d_m%d\" {\n  person = person.p%d\n  machine = machine.m%d\n  pin = var.word\n  pin_version = %d\n}\n",
					i, j, i, j, 1+rnd.IntN(2))
				fmt.Fprintf(&b, "value \"p%d_m%d\" { input = pass.p%d_m%d.id }\n", i, j, i, j)
			}
		}
	}
	return b.String()
}

// TestKills proves case 1 of the faults: killed at any failpoint, of the
// engine, of the store or between a system's effect and its reply, the next
// apply ends where an undisturbed one would, with nothing made twice and
// nothing left behind.
func TestKills(t *testing.T) {
	kills := 10
	if n, err := strconv.Atoi(os.Getenv(soak)); err == nil && n > 0 {
		kills = max(n, 1_000)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	folder := t.TempDir()
	where := map[string]int{}
	for done, attempt := 0, 0; done < kills && attempt < 20*kills; attempt++ {
		src := killLab(rnd)
		if err := os.WriteFile(filepath.Join(folder, "main.lab.hcl"), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(folder, "killed-at"))
		at := 1 + rnd.IntN(120)
		out, killed := runChild(t, folder, at)
		if killed {
			name, _ := os.ReadFile(filepath.Join(folder, "killed-at"))
			where[string(name)]++
			done++
		} else if out != "" {
			t.Fatalf("attempt %d, seed %d: the child that was to be killed at %d failed by itself: %s\n%s", attempt, seed, at, out, src)
		}
		if killed && rnd.IntN(4) == 0 { // and again, while it recovers
			runChild(t, folder, 1+rnd.IntN(20))
		}
		if rnd.IntN(3) == 0 { // the author changes the mind in between
			src = killLab(rnd)
			if err := os.WriteFile(filepath.Join(folder, "main.lab.hcl"), []byte(src), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, _ := runChild(t, folder, 0); out != "" {
			name, _ := os.ReadFile(filepath.Join(folder, "killed-at"))
			t.Fatalf("attempt %d, seed %d: after a kill at %d (%s): %s\n%s", attempt, seed, at, name, out, src)
		}
	}
	var points []string
	for name, n := range where {
		points = append(points, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(points)
	t.Logf("killed at: %s", strings.Join(points, ", "))
}

// runChild runs a child and returns what it complained of.
func runChild(t *testing.T, folder string, at int) (complaint string, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childFolder+"="+folder, fmt.Sprintf("%s=%d", childAt, at))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err == nil {
		return "", false
	}
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return "", true
		}
	}
	return fmt.Sprintf("%v: %s", err, out), false
}
