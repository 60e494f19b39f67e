package main

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/engine/lab"
	"hellolab/providers/wire/graph"
	"hellolab/state"
)

const driftLab = `
tenant "contoso" { domains = ["contoso.com"] }
group "staff" {
  tenant = tenant.contoso
  name   = "Staff"
}
user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  groups   = [group.staff]
  password = "correct horse battery staple"
}
user "bo" {
  upn      = "bo@contoso.com"
  tenant   = tenant.contoso
  password = "correct horse battery staple"
}
policy "p" {
  assign                = [user.alice, user.bo]
  use_passport_for_work = true
}
device "laptop" {
  join   = "entra"
  tenant = tenant.contoso
}
enrollment "alice" {
  user   = user.alice
  device = device.laptop
  pin    = "271828"
}
`

// TestFault20ChangedBehindTheToolsBack: what an administrator of the tenant
// does over Graph is shown as drift, and the next apply repairs it.
func TestFault20ChangedBehindTheToolsBack(t *testing.T) {
	alice := func(ctx context.Context, t *testing.T, c *graph.Client) *graph.User {
		u, err := graph.First[graph.User](ctx, c, graph.Equals("userPrincipalName", "alice@contoso.com"), "users")
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, c := range []struct {
		name   string
		change func(context.Context, *testing.T, *graph.Client) error
		drift  string // what the plan says of it
		signIn bool   // alice still signs in before the repair
	}{
		{"Hello key deleted", func(ctx context.Context, t *testing.T, c *graph.Client) error {
			u := alice(ctx, t, c)
			for m, err := range graph.List[graph.HelloMethod](ctx, c, "", "users", u.ID, "authentication", "windowsHelloForBusinessMethods") {
				if err != nil {
					return err
				}
				return c.Delete(ctx, "users", u.ID, "authentication", "windowsHelloForBusinessMethods", m.ID)
			}
			t.Fatal("alice has no Hello key")
			return nil
		}, "enrollment.alice", false},
		{"user deleted", func(ctx context.Context, t *testing.T, c *graph.Client) error {
			return c.Delete(ctx, "users", alice(ctx, t, c).ID)
		}, "user.alice", false},
		{"user disabled", func(ctx context.Context, t *testing.T, c *graph.Client) error {
			disabled := false
			return c.Patch(ctx, graph.User{AccountEnabled: &disabled}, "users", alice(ctx, t, c).ID)
		}, "user.alice", false},
		{"user renamed", func(ctx context.Context, t *testing.T, c *graph.Client) error {
			return c.Patch(ctx, graph.User{DisplayName: "Somebody else"}, "users", alice(ctx, t, c).ID)
		}, "user.alice", true},
		{"member removed", func(ctx context.Context, t *testing.T, c *graph.Client) error {
			for g, err := range graph.List[graph.Group](ctx, c, "", "groups") {
				if err != nil {
					return err
				}
				return c.RemoveMember(ctx, g.ID, alice(ctx, t, c).ID)
			}
			t.Fatal("there is no group")
			return nil
		}, "user.alice", true},
		{"device deleted", func(ctx context.Context, t *testing.T, c *graph.Client) error {
			for d, err := range graph.List[graph.Device](ctx, c, "", "devices") {
				if err != nil {
					return err
				}
				return c.Delete(ctx, "devices", d.ID)
			}
			t.Fatal("there is no device")
			return nil
		}, "device.laptop", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.lab.hcl"), []byte(driftLab), 0o600); err != nil {
				t.Fatal(err)
			}
			run := func(code int, args ...string) string {
				t.Helper()
				cmd := hellolab(t, dir, []string{"PIN=271828"}, args...)
				out, _ := cmd.CombinedOutput()
				if got := cmd.ProcessState.ExitCode(); got != code {
					t.Fatalf("hellolab %s ended with exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out)
				}
				return string(out)
			}
			signIn := func(code int) string {
				return run(code, "signin", "user.alice", "device.laptop", "-pin=env:PIN")
			}
			run(0, "apply", "-auto-approve")
			signIn(0)
			behind(t, dir, c.change)
			if c.signIn {
				signIn(0)
			} else {
				signIn(1)
			}
			out := run(2, "plan", "-detailed-exitcode")
			drift, _, _ := strings.Cut(out, "will perform the following actions")
			if !strings.Contains(drift, c.drift) {
				t.Errorf("the plan does not show the drift of %s:\n%s", c.drift, out)
			}
			run(0, "apply", "-auto-approve")
			run(0, "plan", "-detailed-exitcode")
			signIn(0)
		})
	}
}

// behind changes a tenant that nobody else holds, as its administrator would.
func behind(t *testing.T, dir string, change func(context.Context, *testing.T, *graph.Client) error) {
	t.Helper()
	ctx := t.Context()
	store, err := state.Open(ctx, state.Options{Path: filepath.Join(dir, labFolder, "state.db"), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s := newSystems(nil, rand.Reader)
	defer s.Close()
	l, err := lab.New(lab.Options{View: store, Registry: s.registry, Wall: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := administerTenant(ctx, l, s.registry)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := change(ctx, t, c); err != nil {
		t.Fatal(err)
	}
}
