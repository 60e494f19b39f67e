package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hellolab/engine/lab"
	"hellolab/engine/record"
	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
	"hellolab/state"
)

// The lab of the kill tests: 20 enrollments on 4 devices.
const (
	killDevices       = 4
	killUsersOnDevice = 5
)

func killLab() string {
	var b strings.Builder
	b.WriteString(`variable "pin" {
  type      = string
  default   = "271828"
  sensitive = true
}

variable "password" {
  type      = string
  default   = "correct horse battery staple"
  sensitive = true
}

tenant "contoso" { domains = ["contoso.com"] }

group "staff" { tenant = tenant.contoso }

policy "staff" {
  assign                = [group.staff]
  use_passport_for_work = true
}
`)
	for d := range killDevices {
		fmt.Fprintf(&b, "\ndevice \"pc%d\" {\n  join   = \"entra\"\n  tenant = tenant.contoso\n}\n", d)
		for u := range killUsersOnDevice {
			name := fmt.Sprintf("u%d_%d", d, u)
			fmt.Fprintf(&b, `
user "%[1]s" {
  upn      = "%[1]s@contoso.com"
  tenant   = tenant.contoso
  groups   = [group.staff]
  password = var.password
}

enrollment "%[1]s" {
  user   = user.%[1]s
  device = device.pc%[2]d
  pin    = var.pin
}
`, name, d)
		}
	}
	return b.String()
}

// hellolab returns the command of a hellolab process in dir.
func hellolab(t testing.TB, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := exec.LookPath("hellolab")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append(env, "NO_COLOR=1")...)
	if _, measured := t.(*testing.B); !measured {
		whole, _, _ := strings.Cut(t.Name(), "/") // its parts may have one lab
		cmd.Env = append(cmd.Env, takenVar+"="+takenBy(t, whole))
	}
	return cmd
}

// newKillLab writes the lab into a new folder.
func newKillLab(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.lab.hcl"), []byte(killLab()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// kills is how many kills of each sort a run makes: 5 + 5 in a normal run,
// HELLOLAB_SOAK in all in a long one.
func kills(t *testing.T) (named, random int) {
	n := 10
	if s := os.Getenv("HELLOLAB_SOAK"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("HELLOLAB_SOAK: %v", err)
		}
	}
	return n - n/2, n / 2
}

// TestKilledApplyIsFinishedByTheNext kills an apply of 20 enrollments at named
// instants (before and after each commit, each wire reply, each result) and at
// random ones. The next apply ends with the same objects, none twice, and no
// key in the directory without its enrollment.
func TestKilledApplyIsFinishedByTheNext(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take a minute; run without -short")
	}
	// One whole run, to learn how many instants there are and how long it takes.
	dir := newKillLab(t)
	names := filepath.Join(t.TempDir(), "instants")
	began := time.Now()
	if out, err := hellolab(t, dir, []string{"HELLOLAB_TEST_AT=*", "HELLOLAB_TEST_DO=record:" + names}, "apply", "-auto-approve").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(began)
	settled(t, dir)
	recorded, err := os.ReadFile(names)
	if err != nil {
		t.Fatal(err)
	}
	instants := strings.Split(strings.TrimSpace(string(recorded)), "\n")
	kinds := slices.Clone(instants)
	slices.Sort(kinds)
	t.Logf("an apply passes %d instants of %d names in %v", len(instants), len(slices.Compact(kinds)), whole.Round(time.Millisecond))

	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("HELLOLAB_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("HELLOLAB_SEED: %v", err)
		}
	}
	t.Logf("HELLOLAB_SEED=%d", seed)
	dice := mathrand.New(mathrand.NewPCG(seed, 0))
	named, random := kills(t)
	for i := range named {
		// One instant out of each of as many equal stretches of the run.
		at := (i*len(instants) + dice.IntN(len(instants))) / named
		t.Run(fmt.Sprintf("instant %d", at), func(t *testing.T) {
			dir := newKillLab(t)
			out, err := hellolab(t, dir, []string{"HELLOLAB_TEST_AT=*", fmt.Sprintf("HELLOLAB_TEST_DO=kill:%d", at+1)}, "apply", "-auto-approve").CombinedOutput()
			finish(t, dir, err, out)
		})
	}
	for range random {
		after := time.Duration(dice.Int64N(int64(whole)))
		t.Run("after "+after.Round(time.Millisecond).String(), func(t *testing.T) {
			dir := newKillLab(t)
			cmd := hellolab(t, dir, nil, "apply", "-auto-approve")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
			err := cmd.Wait()
			timer.Stop()
			finish(t, dir, err, out.Bytes())
		})
	}
}

// finish applies again after a kill and looks at what came of it.
func finish(t *testing.T, dir string, err error, out []byte) {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != -1) {
		t.Fatalf("the apply to be killed failed by itself: %v\n%s", err, out)
	}
	if out, err := hellolab(t, dir, nil, "apply", "-auto-approve").CombinedOutput(); err != nil {
		t.Fatalf("the next apply: %v\n%s", err, out)
	}
	settled(t, dir)
}

// settled demands that the lab in dir is whole: an empty plan, every object
// once, and the directory's keys exactly those of the enrollments.
func settled(t *testing.T, dir string) {
	t.Helper()
	if out, err := hellolab(t, dir, nil, "plan", "-detailed-exitcode").CombinedOutput(); err != nil {
		t.Fatalf("the plan after it is not empty: %v\n%s", err, out)
	}
	ctx := t.Context()
	snap, err := state.OpenRead(ctx, state.Options{Path: filepath.Join(dir, labFolder, "state.db"), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	view := state.NewOverlay(snap)
	defer view.Close()
	s := newSystems(nil, rand.Reader)
	defer s.Close()
	l, err := lab.New(lab.Options{View: view, Registry: s.registry, Wall: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	directory, err := administerTenant(ctx, l, s.registry)
	if err != nil {
		t.Fatal(err)
	}
	defer directory.Close()

	counts := map[string]int{}
	enrolled := map[string]string{} // kid -> device id
	err = view.Read(func(r state.Reader) error {
		intents, err := state.Intents(r)
		if len(intents) > 0 {
			t.Errorf("intents left: %v", intents)
		}
		objects, oerr := state.Objects(r)
		for _, o := range objects {
			counts[o.Kind]++
			if o.Kind != "enrollment" {
				continue
			}
			rec, err := record.Decode(s.registry.Type(o.Kind), o)
			if err != nil {
				return err
			}
			out, err := providers.Decode[spec.EnrollmentOut](rec.Out)
			if err != nil {
				return err
			}
			enrolled[out.KeyID] = out.DeviceID
		}
		return errors.Join(err, oerr)
	})
	if err != nil {
		t.Fatal(err)
	}
	users := killDevices * killUsersOnDevice
	held := map[string]int{}
	for u, err := range graph.List[graph.User](ctx, directory, "", "users") {
		if err != nil {
			t.Fatal(err)
		}
		held["user"]++
		for _, k := range u.HelloKeys {
			held["enrollment"]++
			if device, ok := enrolled[k.KeyIdentifier]; !ok || device != k.DeviceID {
				t.Errorf("%s has key %s of device %s in the directory without its enrollment", u.UserPrincipalName, k.KeyIdentifier, k.DeviceID)
			}
		}
	}
	for _, err := range graph.List[graph.Device](ctx, directory, "", "devices") {
		if err != nil {
			t.Fatal(err)
		}
		held["device"]++
	}
	for _, err := range graph.List[graph.Group](ctx, directory, "", "groups") {
		if err != nil {
			t.Fatal(err)
		}
		held["group"]++
	}
	for kind, want := range map[string]int{"user": users, "device": killDevices, "group": 1, "enrollment": users} {
		if counts[kind] != want || held[kind] != want {
			t.Errorf("%d objects of kind %s, %d in the directory, want %d", counts[kind], kind, held[kind], want)
		}
	}
}

// administerTenant signs in to the lab's one tenant.
func administerTenant(ctx context.Context, l *lab.Lab, r *providers.Registry) (*graph.Client, error) {
	rec, err := l.Objects().Lookup("tenant.contoso")
	if err != nil {
		return nil, err
	}
	out, err := providers.Decode[spec.TenantOut](rec.Out)
	if err != nil {
		return nil, err
	}
	return graph.SignIn(ctx, l.Env(rec.Addr, r.Type("tenant"), rec.In), administer.GraphTenant(out))
}
